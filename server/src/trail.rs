//! Trails: where in the log the things stand that somebody tried, or that were tried on something.
//!
//! Positions go in as records are decided or replayed; pages of positions come out, newest first.
//! Deliberately absent: the records themselves (they are read from the log).

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Record, Seq, UserId, words};

use words::log::Subject;

/// One thing that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where its record is.
    pub seq: Seq,
    /// What it was about; 0 for nothing.
    pub target: u64,
}

/// Positions by subject, rising.
#[derive(Debug, Default)]
pub struct Trail {
    by_user: HashMap<UserId, Vec<Step>, FixedState>,
    by_agenda: HashMap<u64, Vec<Step>, FixedState>,
}

impl Trail {
    /// Notes a record; `target` is what its command was about, 0 for nothing.
    pub fn insert(&mut self, record: &Record<'_>, target: u64) {
        let step = Step {
            seq: record.seq,
            target,
        };
        if record.actor != UserId::NOBODY {
            self.by_user.entry(record.actor).or_default().push(step);
        }
        if record.kind.system() == words::agenda::SYSTEM && target != 0 {
            self.by_agenda.entry(target).or_default().push(step);
        }
    }

    /// At most `limit` steps of `subject` before `before`, newest first.
    #[must_use]
    pub fn page(&self, subject: Subject, before: Seq, limit: usize) -> Vec<Step> {
        let steps = match subject {
            Subject::User(user) => self.by_user.get(&user),
            Subject::Agenda(agenda) => self.by_agenda.get(&agenda),
        };
        let Some(steps) = steps else {
            return Vec::new();
        };
        let end = steps.partition_point(|step| step.seq < before);
        steps[..end].iter().rev().take(limit).copied().collect()
    }
}
