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
    check::finding::{About, Finding, Violation},
    operation::ShownEntry,
};

const ABOUT: About = About {
    name: "one-order",
    demands: "Every client is shown entries in the order of the log, within a conversation and across them.",
    confidence: "certificate: positions and indices in the order shown",
};

/// The law.
#[derive(Debug)]
pub(super) struct OneOrder {
    finding: Finding,
}

impl OneOrder {
    pub(super) const fn new() -> Self {
        Self {
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn check(&mut self, client: u32, entry: &ShownEntry, arrival: Arrival) {
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

    pub(super) fn conclude(mut self, shown: u64, pairs: u64) -> Finding {
        self.finding.count_needed("entries shown", shown);
        self.finding.count("clients times conversations", pairs);
        self.finding
    }
}
