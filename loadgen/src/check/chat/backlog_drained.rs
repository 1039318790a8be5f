//! O2, the lag ends: when the driver has waited long enough, everybody is where the log is.
//!
//! For each client the driver says up to which position it was waited for. The last entry up to
//! there that is for its person must have come. Where waiting ended while anybody was still being
//! shown things the server is slow, and whether something is lost cannot be said. Deliberately
//! absent: what came before the last entry (M1).

use protocol::UserId;

use super::{
    due::{range_of, user_of},
    mailbox::Link,
    model::Model,
    tell::{entry_text, logged},
};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation},
    law::{Ended, Law},
    laws::LawOptions,
};

/// The law.
#[derive(Debug)]
pub(crate) struct BacklogDrained {
    clients: u64,
    unsettled: u64,
    finding: Finding,
}

impl Law for BacklogDrained {
    const ABOUT: About = About {
        name: "backlog-drained",
        demands: "When the load is over and has been waited for, nobody is behind.",
        confidence: "certificate: the last position shown against the last one in the log that is for the client",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            clients: 0,
            unsettled: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        if let Some(owed) = ended.owed(&mut self.finding) {
            self.judge(&owed.links, &world.chat.model, &world.users);
        }
        self.finding
            .count_needed("clients that were waited for", self.clients);
        if 0 < self.unsettled {
            self.finding.doubt(format!(
                "{} clients were behind when waiting ended, and things were still being shown",
                self.unsettled
            ));
        }
        self.finding
    }
}

impl BacklogDrained {
    fn judge(&mut self, links: &[Link], model: &Model, users: &[Option<UserId>]) {
        for link in links.iter().filter(|link| link.drained != 0) {
            let Some(user) = user_of(users, link.client) else {
                continue;
            };
            self.clients += 1;
            let (from, newest) = link.start();
            let stays = model.stays(user).filter(|stay| newest < stay.ends);
            let lasts = stays.filter_map(|stay| {
                let due = range_of(model, &stay, from, link.drained);
                let last = due.next.checked_sub(1)?;
                let said = model.said(stay.conversation, last)?;
                (due.first <= last).then_some((said.seq, (stay.conversation, last)))
            });
            let shown = link.high.max(link.before);
            if let Some((seq, at)) = lasts.max()
                && shown < seq
            {
                if seq <= link.settled {
                    self.convict(link, shown, (seq, at));
                } else {
                    self.unsettled += 1;
                }
            }
        }
    }

    fn convict(&mut self, link: &Link, shown: u64, (seq, at): (u64, (u64, u64))) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} had been shown nothing beyond position {shown} when waiting ended, and {} stands at position {seq}",
                link.client,
                entry_text(at.0, at.1),
            ),
            witnesses: vec![logged(at, seq)],
            order: "real time: the driver had waited for everything up to here",
            expected: format!("position {seq} shown"),
        });
    }
}
