//! How far the violations of one law reach: how many things, how many clients, from when to when.
//!
//! Violations go in, one after the other, up to a bound; figures come out.

use std::collections::{BTreeMap, BTreeSet};

use reports::record::{Count, ScopeRecord};

use crate::operation::Nanos;

use super::{
    finding::{Violation, Witness},
    subject::Subject,
};

/// Violations that are looked at: a server that is wrong all the time must not cost the memory of
/// the judge.
const LOOKED_AT_MAX: u64 = 10_000;

/// What is known of them so far.
#[derive(Debug)]
pub(crate) struct Scope {
    looked_at: u64,
    clients: BTreeSet<u32>,
    subjects: BTreeMap<Subject, u64>,
    from: Option<Nanos>,
    to: Option<Nanos>,
}

impl Scope {
    pub(crate) const fn new() -> Self {
        Self {
            looked_at: 0,
            clients: BTreeSet::new(),
            subjects: BTreeMap::new(),
            from: None,
            to: None,
        }
    }

    /// Whether another one is looked at.
    pub(crate) const fn has_room(&self) -> bool {
        self.looked_at < LOOKED_AT_MAX
    }

    /// One more violation.
    pub(crate) fn note(&mut self, subject: Option<Subject>, violation: &Violation) {
        self.looked_at += 1;
        if let Some(subject) = subject {
            *self.subjects.entry(subject).or_default() += 1;
        }
        for witness in &violation.witnesses {
            let client = match witness {
                Witness::Operation(operation) => {
                    self.note_times(operation.sent_at, operation.completed_at);
                    operation.client
                }
                Witness::Asked((client, _)) => *client,
                Witness::Told(told) => {
                    if let Some(completed) = told.completed_ns {
                        self.note_times(told.invoked_ns, completed);
                    }
                    continue;
                }
            };
            self.clients.insert(client);
        }
    }

    fn note_times(&mut self, from: Nanos, to: Nanos) {
        self.from = Some(self.from.map_or(from, |earlier| earlier.min(from)));
        self.to = self.to.max(Some(to));
    }

    /// The figures; nothing where there is no violation.
    pub(crate) fn record(&self) -> Option<ScopeRecord> {
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let worst = self.subjects.iter().max_by_key(|(_, count)| **count);
        (0 < self.looked_at).then(|| ScopeRecord {
            looked_at: self.looked_at,
            clients: count(self.clients.len()),
            subjects: count(self.subjects.len()),
            worst: worst.map(|(subject, count)| Count {
                what: subject.text(),
                count: *count,
            }),
            first_ns: self.from,
            last_ns: self.to,
        })
    }
}
