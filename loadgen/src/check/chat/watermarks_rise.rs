//! M11, receipts rise: `delivered` and `read` never fall, and `read` is never above `delivered`.
//!
//! Each word about somebody's watermarks has the position it speaks of, so that words of different
//! people can be compared, in whatever order they come: of two the one further on is not lower. A
//! member who left and came again begins at the end of the conversation, which is not lower either.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use super::{model::Marks, tell::conversation_text};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{Ended, Law, Marked},
    laws::LawOptions,
    world::World,
};
use crate::operation::LawProgress;

/// What somebody was told of somebody's watermarks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The client that was told.
    pub(crate) client: u32,
    /// Where this is so.
    pub(crate) seq: u64,
    pub(crate) marks: Marks,
}

/// The law.
#[derive(Debug)]
pub(crate) struct WatermarksRise {
    /// The newest word, by conversation and person.
    newest: HashMap<(u64, UserId), Told, FixedState>,
    told: u64,
    finding: Finding,
}

impl Law for WatermarksRise {
    const ABOUT: About = About {
        name: "watermarks-rise",
        demands: "How far something was delivered and read never falls, and nothing is read that was not delivered.",
        confidence: "certificate: watermarks by the positions they are told at",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            newest: HashMap::with_hasher(FixedState::with_seed(0)),
            told: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_marks(&mut self, marked: &Marked, _: &World) {
        self.check(marked.whose, marked.told);
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("watermarks told", self.told))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("watermarks told", self.told);
        self.finding
    }
}

impl WatermarksRise {
    /// Somebody was told this.
    fn check(&mut self, whose: (u64, UserId), told: Told) {
        self.told += 1;
        let (delivered, read) = told.marks;
        if delivered < read {
            let how = format!("read up to {read} and delivered up to {delivered} only");
            self.convict(whose, told, &how);
        }
        let known = self.newest.get(&whose).copied().unwrap_or(told);
        let (low, high) = if known.seq <= told.seq {
            (known, told)
        } else {
            (told, known)
        };
        let fell = high.marks.0 < low.marks.0 || high.marks.1 < low.marks.1;
        // At one position there is one truth.
        if fell || (low.seq == high.seq && low.marks != high.marks) {
            let how = format!(
                "delivered {} and read {} at position {}, and {} and {} at position {}",
                low.marks.0, low.marks.1, low.seq, high.marks.0, high.marks.1, high.seq,
            );
            self.convict(whose, told, &how);
        }
        self.newest.insert(whose, high);
    }

    fn convict(&mut self, (conversation, user): (u64, UserId), told: Told, how: &str) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} was told that {} of {user} stands at {how}",
                told.client,
                conversation_text(conversation),
            ),
            witnesses: vec![witness(conversation, user, told)],
            order: "log order: the positions at which this was so",
            expected: "watermarks that never fall".to_owned(),
        });
    }
}

/// What a client was told of somebody's watermarks.
pub(crate) fn witness(conversation: u64, user: UserId, told: Told) -> Witness {
    let (delivered, read) = told.marks;
    Witness::told(
        format!("client {}", told.client),
        format!("told of {user} in {}", conversation_text(conversation)),
        format!("delivered {delivered}, read {read}"),
        told.seq,
    )
}
