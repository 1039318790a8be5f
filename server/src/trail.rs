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

#[cfg(test)]
mod tests {
    use protocol::{Key, Kind};

    use super::*;

    fn trail(records: &[(u64, u64, u8, u64)]) -> Trail {
        let mut trail = Trail::default();
        for (seq, actor, system, target) in records {
            let record = Record {
                seq: Seq(*seq),
                recorded_at: 0,
                actor: UserId(*actor),
                key: Key::default(),
                kind: Kind::new(*system, 1),
                schema: 1,
                codec: 1,
                body: &[],
                outcome: &[],
            };
            trail.insert(&record, *target);
        }
        trail
    }

    #[track_caller]
    fn check(trail: &Trail, subject: Subject, page: (u64, usize), expected: &[u64]) {
        let steps = trail.page(subject, Seq(page.0), page.1);
        let seqs: Vec<u64> = steps.iter().map(|step| step.seq.0).collect();
        assert_eq!(seqs, expected);
    }

    #[test]
    fn pages_go_back_from_where_they_are_asked() {
        let trail = trail(&[(1, 7, 2, 0), (2, 7, 2, 0), (3, 8, 2, 0), (5, 7, 2, 0)]);
        let seven = Subject::User(UserId(7));
        check(&trail, seven, (9, 9), &[5, 2, 1]);
        check(&trail, seven, (9, 2), &[5, 2]);
        check(&trail, seven, (5, 9), &[2, 1]);
        check(&trail, seven, (4, 1), &[2]);
        check(&trail, seven, (1, 9), &[]);
        check(&trail, Subject::User(UserId(9)), (9, 9), &[]);
    }

    #[test]
    fn an_agenda_has_what_was_tried_on_it_whoever_tried() {
        let agenda = words::agenda::SYSTEM;
        let trail = trail(&[
            (1, 7, agenda, 4),
            (2, 0, agenda, 4),
            (3, 7, 1, 4),
            (4, 7, agenda, 5),
        ]);
        check(&trail, Subject::Agenda(4), (9, 9), &[2, 1]);
        check(&trail, Subject::Agenda(0), (9, 9), &[]);
        check(&trail, Subject::User(UserId::NOBODY), (9, 9), &[]);
        check(&trail, Subject::User(UserId(7)), (9, 9), &[4, 3, 1]);
    }
}
