//! M4, at most once: a connection shows an entry once.
//!
//! After a reconnect a client may go on from a position that it was shown before, and is then shown
//! again what lies between: that is its own wish, counted and not blamed.

use super::{
    mailbox::Arrival,
    tell::{entry_text, of_push},
};
use crate::{
    check::finding::{About, Finding, Violation},
    operation::ShownEntry,
};

const ABOUT: About = About {
    name: "shown-once",
    demands: "No connection is shown an entry twice.",
    confidence: "certificate: indices shown, by client and conversation",
};

/// The law.
#[derive(Debug)]
pub(super) struct ShownOnce {
    finding: Finding,
}

impl ShownOnce {
    pub(super) const fn new() -> Self {
        Self {
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn check(&mut self, client: u32, entry: &ShownEntry, arrival: Arrival) {
        if arrival == Arrival::Repeated {
            self.finding.convict(|| {
                let what = entry_text(entry.conversation, entry.index);
                let sentence =
                    format!("client {client} was shown {what} a second time on one connection");
                Violation {
                    expected: "once".to_owned(),
                    ..of_push(sentence, client, entry)
                }
            });
        }
    }

    pub(super) fn conclude(mut self, shown: u64, redelivered: u64) -> Finding {
        self.finding.count_needed("entries shown", shown);
        self.finding
            .count("shown again after a reconnect behind them", redelivered);
        self.finding
    }
}
