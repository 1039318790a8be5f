//! M13, a set that everybody has: each message reached all whom it was for.
//!
//! The same as M1 seen from the message: how many clients it was pushed to is counted while the run
//! goes on, and held against how many the log says there were. How long that took is measured where
//! deliveries are timed; here it is only whether.

use std::collections::BTreeMap;

use super::{
    due::Dues,
    entries::Entries,
    mailbox::Range,
    model::{Model, Said},
    tell::{asked, entry_text, logged},
};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation},
    law::{Ended, Law},
    laws::LawOptions,
};

/// The law.
#[derive(Debug)]
pub(crate) struct EverybodyHasIt {
    entries: u64,
    copies: u64,
    finding: Finding,
}

/// How many clients begin and cease to be among those an entry is for, by index.
type Steps = BTreeMap<u64, (i64, i64)>;

impl Law for EverybodyHasIt {
    const ABOUT: About = About {
        name: "everybody-has-it",
        demands: "Each entry was shown to as many clients as it was for.",
        confidence: "certificate: clients counted by entry, against the log",
        topic: Topic::Chat,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            entries: 0,
            copies: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let owed = ended.owed(&mut self.finding);
        let entries = ended.entries(&mut self.finding);
        if let Some(owed) = owed
            && !entries.is_overflowed()
        {
            self.judge(&owed.dues, entries, &ended.world.chat.model);
        }
        self.finding
            .count_needed("entries that were for somebody", self.entries);
        self.finding.count("copies shown", self.copies);
        self.finding
    }
}

impl EverybodyHasIt {
    fn judge(&mut self, dues: &Dues, entries: &Entries, model: &Model) {
        let mut by_conversation: BTreeMap<u64, Steps> = BTreeMap::new();
        for ((_, conversation), due) in dues {
            let steps = by_conversation.entry(*conversation).or_default();
            due.must
                .iter()
                .for_each(|range| step(steps, *range, (1, 0)));
            due.may.iter().for_each(|range| step(steps, *range, (0, 1)));
        }
        for (conversation, steps) in by_conversation {
            self.judge_one(conversation, steps, entries, model);
        }
    }

    fn judge_one(&mut self, conversation: u64, mut steps: Steps, entries: &Entries, model: &Model) {
        let (mut must, mut may) = (0, 0);
        for (index, said) in (1..).zip(model.line(conversation)) {
            if let Some((more, perhaps)) = steps.remove(&index) {
                must += more;
                may += perhaps;
            }
            let had = entries.get(conversation, index);
            let had = i64::from(had.map_or(0, |seen| seen.pushed));
            self.entries += u64::from(0 < must);
            self.copies += u64::try_from(had).unwrap_or(0);
            if had < must || must + may < had {
                self.convict((conversation, index), said, (had, must));
            }
        }
    }

    fn convict(&mut self, at: (u64, u64), said: &Said, (had, must): (i64, i64)) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "{} was shown to {had} clients, and was for {must}",
                entry_text(at.0, at.1)
            ),
            witnesses: asked(said.id()).chain([logged(at, said.seq)]).collect(),
            order: "log order: who was in the conversation at this position",
            expected: format!("{must} clients"),
        });
    }
}

fn step(steps: &mut Steps, range: Range, (must, may): (i64, i64)) {
    let first = steps.entry(range.first).or_default();
    *first = (first.0 + must, first.1 + may);
    let next = steps.entry(range.next).or_default();
    *next = (next.0 - must, next.1 - may);
}
