//! O5, retention: nothing that was said is dropped, however old.
//!
//! The server keeps every entry for ever, so a page of history must be exactly what the log has
//! there at the position of the answer, and a list of conversations must name their last entries.

use protocol::words::chat::{Direction, ReadHistory};

use super::{Kept, mailbox::seq_hash, model::Model, tell::conversation_text};
use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{ChatShown, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{ChatCall, ShownEntry},
};

/// A page of history as it was read: what was asked, and a digest of what came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) id: OperationId,
    wanted: ReadHistory,
    len: usize,
    digest: u64,
}

impl Page {
    /// The page that an answer to this call is; `None` if the call asks for none.
    pub(crate) fn of(id: OperationId, call: &ChatCall, entries: &[ShownEntry]) -> Option<Self> {
        let ChatCall::ReadHistory {
            conversation,
            from,
            backwards,
            limit,
        } = *call
        else {
            return None;
        };
        let direction = if backwards {
            Direction::Backwards
        } else {
            Direction::Forwards
        };
        Some(Self {
            id,
            wanted: ReadHistory {
                conversation,
                from,
                direction,
                limit,
            },
            len: entries.len(),
            digest: digest(entries.iter().map(|entry| entry.seq)),
        })
    }
}

/// The law.
#[derive(Debug)]
pub(crate) struct Retained {
    pages: u64,
    entries: u64,
    finding: Finding,
}

impl Law for Retained {
    const ABOUT: About = About {
        name: "retained",
        demands: "Every page of a conversation is whole, however old: nothing said is ever dropped.",
        confidence: "certificate: pages compared with the log at the position they state",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            pages: 0,
            entries: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_chat_shown(&mut self, shown: &ChatShown<'_>, world: &World) {
        let model = &world.chat.model;
        match shown.kept {
            Kept::Page(page) => self.check_page(model, page),
            Kept::Last(by, conversation, last) => {
                self.check_last(model, *by, (*conversation, *last));
            }
            Kept::Marks(..) | Kept::List(_) => {}
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let skipped = ended.world.chat.kept.skipped();
        self.finding.count_needed("pages read", self.pages);
        self.finding.count("entries on them", self.entries);
        if 0 < skipped {
            self.finding
                .doubt(format!("{skipped} pages and lists were not compared"));
        }
        self.finding
    }
}

impl Retained {
    /// The model is where this page was read.
    fn check_page(&mut self, model: &Model, page: &Page) {
        let kept = model.page(&page.wanted);
        self.pages += 1;
        self.entries += u64::try_from(kept.len()).unwrap_or(0);
        if (page.len, page.digest) != (kept.len(), digest(kept.iter().copied())) {
            let what = conversation_text(page.wanted.conversation);
            let sentence = format!(
                "client {} read {} entries of {what} where {} are kept{}",
                page.id.0,
                page.len,
                kept.len(),
                if page.len == kept.len() {
                    ", not these"
                } else {
                    ""
                },
            );
            self.convict(sentence, page.id, format!("positions {kept:?}"));
        }
    }

    /// The model is where this last entry was told.
    fn check_last(&mut self, model: &Model, by: OperationId, (of, last): (u64, u64)) {
        let kept = model.last(of);
        if last != kept {
            let what = conversation_text(of);
            let sentence = format!(
                "client {} was told that {what} ends at entry {last}, where the log has {kept}",
                by.0
            );
            self.convict(sentence, by, format!("entry {kept}"));
        }
    }

    fn convict(&mut self, sentence: String, by: OperationId, expected: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![Witness::Asked(by)],
            order: "log order: what stands up to the position of the answer",
            expected,
        });
    }
}

/// Of positions in their order.
fn digest(seqs: impl Iterator<Item = u64>) -> u64 {
    seqs.fold(1, |sum, seq| sum.rotate_left(7).wrapping_add(seq_hash(seq)))
}
