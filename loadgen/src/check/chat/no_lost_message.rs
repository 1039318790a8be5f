//! M1, no lost message: whoever is in a conversation is shown all of it.
//!
//! What was shown is held against what the log and the client's connections say it had to be shown,
//! by client and conversation. It is judged up to the last position that came, or that the driver
//! waited for: what may still be on its way is not lost.

use std::collections::BTreeMap;

use super::{
    due::{Dues, missing},
    mailbox::{Pair, Range},
    model::Model,
    tell::{asked, entry_text, logged},
};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation},
    law::{Ended, Law},
    laws::LawOptions,
};

/// The law.
#[derive(Debug)]
pub(crate) struct NoLostMessage {
    due: u64,
    pairs: u64,
    finding: Finding,
}

impl Law for NoLostMessage {
    const ABOUT: About = About {
        name: "no-lost-message",
        demands: "Every entry of a conversation is shown to everybody who is in it.",
        confidence: "certificate: every index shown held against the log, by client and conversation",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            due: 0,
            pairs: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        if let Some(owed) = ended.owed(&mut self.finding) {
            self.judge(&owed.dues, &owed.shown, &ended.world.chat.model);
        }
        self.finding.count_needed("entries due", self.due);
        self.finding
            .count("clients times conversations", self.pairs);
        self.finding
    }
}

impl NoLostMessage {
    fn judge(&mut self, dues: &Dues, shown: &BTreeMap<Pair, Vec<Range>>, model: &Model) {
        for (pair, due) in dues {
            self.pairs += 1;
            self.due += due.must.iter().map(|it| it.next - it.first).sum::<u64>();
            let had = shown.get(pair).map_or(&[][..], Vec::as_slice);
            for hole in missing(&due.must, had) {
                self.convict(*pair, hole, model);
            }
        }
    }

    fn convict(&mut self, (client, conversation): Pair, hole: Range, model: &Model) {
        let said = model.said(conversation, hole.first);
        self.finding.convict(|| {
            let what = entry_text(conversation, hole.first);
            let seq = said.map_or(0, |said| said.seq);
            let more = match hole.next - hole.first {
                1 => String::new(),
                count => format!(", nor {} more behind it", count - 1),
            };
            let by = asked(said.and_then(super::model::Said::id));
            Violation {
                sentence: format!(
                    "client {client} was never shown {what}, at position {seq}{more}"
                ),
                witnesses: by
                    .chain([logged((conversation, hole.first), seq)])
                    .collect(),
                order: "log order: the client was shown, or waited for, what stands behind it",
                expected: "shown, since the client's person is in the conversation".to_owned(),
            }
        });
    }
}
