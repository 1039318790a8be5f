//! M6, one order: every client is shown entries in the order of the log.
//!
//! With one entry an index (M5) it follows that the views of a conversation are parts of one
//! sequence; here it is seen by itself, and across conversations too, since all that is for a
//! person is merged by position.

use super::{
    mailbox::Arrival,
    tell::{entry_text, of_push},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation},
        law::{Arrived, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::ShownEntry,
};

/// The law.
#[derive(Debug)]
pub(crate) struct OneOrder {
    finding: Finding,
}

impl Law for OneOrder {
    const ABOUT: About = About {
        name: "one-order",
        demands: "Every client is shown entries in the order of the log, within a conversation and across them.",
        confidence: "certificate: positions and indices in the order shown",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_arrival(&mut self, arrived: &Arrived<'_>, _: &World) {
        self.check(arrived.client, arrived.entry, arrived.arrival);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let mailbox = &ended.world.chat.mailbox;
        let (shown, pairs) = (mailbox.shown, mailbox.pairs());
        self.finding.count_needed("entries shown", shown);
        self.finding.count("clients times conversations", pairs);
        self.finding
    }
}

impl OneOrder {
    fn check(&mut self, client: u32, entry: &ShownEntry, arrival: Arrival) {
        let what = || entry_text(entry.conversation, entry.index);
        let (sentence, expected) = match arrival {
            Arrival::Late { after } => (
                format!(
                    "client {client} was shown {} at position {} after position {after}",
                    what(),
                    entry.seq,
                ),
                format!("shown before position {after}"),
            ),
            Arrival::Back { next } => (
                format!(
                    "client {client} was shown {} when entry {next} was to come",
                    what(),
                ),
                "indices that rise with positions".to_owned(),
            ),
            Arrival::Next
            | Arrival::Skipped(_)
            | Arrival::Again
            | Arrival::Repeated
            | Arrival::Stale { .. } => return,
        };
        self.finding.convict(|| Violation {
            expected,
            ..of_push(sentence, client, entry)
        });
    }
}
