//! M4, at most once: a connection shows an entry once.
//!
//! After a reconnect a client may go on from a position that it was shown before, and is then shown
//! again what lies between: that is its own wish, counted and not blamed.

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
pub(crate) struct ShownOnce {
    finding: Finding,
}

impl Law for ShownOnce {
    const ABOUT: About = About {
        name: "shown-once",
        demands: "No connection is shown an entry twice.",
        confidence: "certificate: indices shown, by client and conversation",
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
        let (shown, redelivered) = (mailbox.shown, mailbox.redelivered);
        self.finding.count_needed("entries shown", shown);
        self.finding
            .count("shown again after a reconnect behind them", redelivered);
        self.finding
    }
}

impl ShownOnce {
    fn check(&mut self, client: u32, entry: &ShownEntry, arrival: Arrival) {
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
}
