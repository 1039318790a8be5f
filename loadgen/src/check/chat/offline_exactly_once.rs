//! O3, offline delivery: what was said while somebody was away is shown on return, exactly once.
//!
//! Each connection counts the entries it showed of before it began and sums their positions' hashes;
//! both must be what the log says was for its person between its cursor and its beginning, over any
//! number of reconnects and crashes. Judged where something later was shown, or was waited for.

use protocol::UserId;

use super::{
    due::{range_of, user_of},
    mailbox::{Link, seq_hash},
    model::Model,
};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{Ended, Law},
    laws::LawOptions,
};

/// The law.
#[derive(Debug)]
pub(crate) struct OfflineExactlyOnce {
    returns: u64,
    entries: u64,
    unclear: u64,
    finding: Finding,
}

impl Law for OfflineExactlyOnce {
    const ABOUT: About = About {
        name: "offline-exactly-once",
        demands: "What was said while somebody was away is shown to them on return, each entry once.",
        confidence: "certificate: number and sum of hashes of what was shown, against the log",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            returns: 0,
            entries: 0,
            unclear: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        if let Some(owed) = ended.owed(&mut self.finding) {
            self.judge(&owed.links, &world.chat.model, &world.users);
        }
        self.finding
            .count_needed("returns to something missed", self.returns);
        self.finding.count("entries missed", self.entries);
        self.finding.count(
            "returns left out, since a conversation was left meanwhile",
            self.unclear,
        );
        self.finding
    }
}

impl OfflineExactlyOnce {
    fn judge(&mut self, links: &[Link], model: &Model, users: &[Option<UserId>]) {
        for link in links {
            let is_over = link.is_told && link.newest <= link.upto();
            if let Some(user) = user_of(users, link.client).filter(|_| is_over) {
                self.judge_one(link, model, user);
            }
        }
    }

    fn judge_one(&mut self, link: &Link, model: &Model, user: UserId) {
        let (mut due, mut sum) = (0_u64, 0_u64);
        for stay in model.stays(user) {
            let range = range_of(model, &stay, link.from, link.newest);
            if stay.ends <= link.newest && range.first < range.next {
                // Whoever left meanwhile may have been told of it or not.
                self.unclear += 1;
                return;
            }
            for index in range.first..range.next {
                let seq = model.said(stay.conversation, index).map_or(0, |it| it.seq);
                sum = sum.wrapping_add(seq_hash(seq));
                due += 1;
            }
        }
        self.returns += u64::from(due != 0);
        self.entries += due;
        if (link.missed, link.missed_sum) != (due, sum) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} had missed {due} entries behind position {} when it came back, and was shown {}{}",
                    link.client,
                    link.from,
                    link.missed,
                    if link.missed == due { " others" } else { "" },
                ),
                witnesses: vec![Witness::told(
                    format!("client {}", link.client),
                    "came back".to_owned(),
                    format!("at position {}, from position {}", link.newest, link.from),
                    link.newest,
                )],
                order: "log order: what stands between the cursor and the return",
                expected: format!("{due} entries, each once"),
            });
        }
    }
}
