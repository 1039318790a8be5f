//! O1, resume: a connection goes on behind its cursor, with the very next entry.
//!
//! Nothing from before the cursor is shown again; and the first entry shown is the first one behind
//! it that is for the client's person, which is looked up in the log after the run.

use protocol::UserId;

use super::{
    due::{range_of, user_of},
    mailbox::{Arrival, Link},
    model::Model,
    tell::{entry_text, logged, of_push},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Arrived, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::ShownEntry,
};

/// The law.
#[derive(Debug)]
pub(crate) struct ResumeAtCursor {
    links: u64,
    finding: Finding,
}

impl Law for ResumeAtCursor {
    const ABOUT: About = About {
        name: "resume-at-cursor",
        demands: "A connection goes on with the first entry behind its cursor, and with none before it.",
        confidence: "certificate: positions shown against the cursor, and the log",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            links: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_arrival(&mut self, arrived: &Arrived<'_>, _: &World) {
        self.check(arrived.client, arrived.entry, arrived.arrival);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        if let Some(owed) = ended.owed(&mut self.finding) {
            self.judge(&owed.links, &world.chat.model, &world.users);
        }
        self.finding
            .count_needed("connections that were shown something", self.links);
        self.finding
    }
}

impl ResumeAtCursor {
    fn check(&mut self, client: u32, entry: &ShownEntry, arrival: Arrival) {
        if let Arrival::Stale { from } = arrival {
            self.finding.convict(|| {
                let what = entry_text(entry.conversation, entry.index);
                let sentence = format!(
                    "client {client} was shown {what} at position {}, and went on from position {from}",
                    entry.seq,
                );
                Violation {
                    expected: format!("only positions beyond {from}"),
                    ..of_push(sentence, client, entry)
                }
            });
        }
    }

    /// Whether a connection began with the entry it had to begin with.
    fn judge(&mut self, links: &[Link], model: &Model, users: &[Option<UserId>]) {
        for link in links.iter().filter(|link| link.is_told && link.first != 0) {
            let Some(user) = user_of(users, link.client) else {
                continue;
            };
            self.links += 1;
            let stays = model.stays(user).filter(|stay| link.newest < stay.ends);
            let firsts = stays.filter_map(|stay| {
                let due = range_of(model, &stay, link.from, link.first);
                let said = model.said(stay.conversation, due.first)?;
                (due.first < due.next).then_some((said.seq, (stay.conversation, due.first)))
            });
            if let Some((seq, at)) = firsts.min()
                && seq < link.first
            {
                self.convict(link, seq, at);
            }
        }
    }

    fn convict(&mut self, link: &Link, seq: u64, at: (u64, u64)) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} went on from position {} and was first shown position {}, when {} at position {seq} was for its person",
                link.client,
                link.from,
                link.first,
                entry_text(at.0, at.1),
            ),
            witnesses: vec![
                logged(at, seq),
                Witness::told(
                    format!("client {}", link.client),
                    "shown first".to_owned(),
                    format!("from position {} on", link.from),
                    link.first,
                ),
            ],
            order: "log order",
            expected: format!("position {seq} first"),
        });
    }
}
