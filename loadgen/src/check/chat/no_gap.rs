//! M9, no gap: entries come one after the other, none left out.
//!
//! A client that is shown an index beyond the next one is right only if what lies between was not
//! for its person, who was not in the conversation then; that is looked up in the log after the run.
//! A page of history has no gap at all.

use protocol::UserId;

use super::{
    due::{range_of, user_of},
    mailbox::{Arrival, Skip},
    model::Model,
    tell::{entry_text, logged, shown_at},
};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Arrived, Completed, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{ChatSeen, Observed, Operation, Outcome, ShownEntry},
};

/// The law.
#[derive(Debug)]
pub(crate) struct NoGap {
    skips: Vec<Skip>,
    skips_max: usize,
    pages: u64,
    finding: Finding,
}

impl Law for NoGap {
    const ABOUT: About = About {
        name: "no-gap",
        demands: "Entries are shown one after the other, and none is left out.",
        confidence: "certificate: indices shown, and the log where one was left out",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let bytes_max = options.chat_share();
        let one = u64::try_from(size_of::<Skip>()).unwrap_or(u64::MAX);
        Self {
            skips: Vec::new(),
            skips_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            pages: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_arrival(&mut self, arrived: &Arrived<'_>, _: &World) {
        self.check(arrived.arrival);
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if let (Outcome::Ok, Observed::Chat(ChatSeen::History(entries))) =
            (completed.operation.outcome, completed.observed)
        {
            self.check_page(completed.operation, entries);
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        if ended.owed(&mut self.finding).is_some() {
            self.judge(&world.chat.model, &world.users);
        }
        let shown = world.chat.mailbox.shown;
        self.finding.count_needed("entries shown", shown);
        self.finding.count("pages of history", self.pages);
        self.finding
    }
}

impl NoGap {
    fn check(&mut self, arrival: Arrival) {
        if let Arrival::Skipped(skip) = arrival {
            if self.skips.len() < self.skips_max {
                self.skips.push(skip);
            } else {
                self.finding
                    .doubt("more gaps were shown than could be kept");
            }
        }
    }

    /// A page of history, in either direction.
    fn check_page(&mut self, operation: &Operation, entries: &[ShownEntry]) {
        self.pages += 1;
        for pair in entries.windows(2) {
            let [one, other] = pair else { continue };
            if one.index.abs_diff(other.index) != 1 {
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "client {} read {} next to entry {}",
                        operation.client,
                        entry_text(one.conversation, one.index),
                        other.index,
                    ),
                    witnesses: vec![Witness::Operation(*operation)],
                    order: "one page",
                    expected: "indices that follow each other".to_owned(),
                });
            }
        }
    }

    /// Whether what was left out was for somebody else.
    fn judge(&mut self, model: &Model, users: &[Option<UserId>]) {
        for skip in std::mem::take(&mut self.skips) {
            let Some(user) = user_of(users, skip.client) else {
                continue;
            };
            let stays = model
                .stays(user)
                .filter(|stay| stay.conversation == skip.conversation && skip.newest < stay.ends);
            let left_out = stays
                .map(|stay| range_of(model, &stay, skip.from, skip.seq.saturating_sub(1)))
                .find_map(|due| {
                    let first = due.first.max(skip.expected);
                    (first < due.next.min(skip.got)).then_some(first)
                });
            if let Some(index) = left_out {
                self.convict(&skip, index, model);
            }
        }
    }

    fn convict(&mut self, skip: &Skip, index: u64, model: &Model) {
        self.finding.convict(|| {
            let at = (skip.conversation, index);
            let seq = model.said(at.0, at.1).map_or(0, |said| said.seq);
            Violation {
                sentence: format!(
                    "client {} was shown {} when entry {} was to come, and entry {index} was for its person",
                    skip.client,
                    entry_text(skip.conversation, skip.got),
                    skip.expected,
                ),
                witnesses: vec![
                    shown_at(skip.client, (skip.conversation, skip.got), skip.seq),
                    logged(at, seq),
                ],
                order: "session: the order in which this client was told",
                expected: entry_text(skip.conversation, index),
            }
        });
    }
}
