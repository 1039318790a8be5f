//! What else was asked around a violation, of what it is about.
//!
//! What to look at goes in, then every operation of the history in the order in which they were
//! over; a few of them come out. Bounded for each violation, however long the history.

use std::collections::VecDeque;

use reports::record::WitnessRecord;

use crate::operation::{Nanos, Operation};

use super::{
    finding::{OperationId, of_operation},
    subject::Subject,
};

/// Operations shown that were over before, that overlap, and that were called after it.
const BEFORE: usize = 3;
const DURING: usize = 8;
const AFTER: usize = 3;

/// A window on the history.
#[derive(Debug)]
pub(crate) struct Window {
    subject: Subject,
    from: Nanos,
    to: Nanos,
    /// The operations that the violation tells already.
    told: Vec<OperationId>,
    before: VecDeque<Operation>,
    during: Vec<Operation>,
    after: Vec<Operation>,
}

impl Window {
    /// Around these operations, if it is known what they are about and when they were.
    pub(crate) fn around(subject: Option<Subject>, operations: &[Operation]) -> Option<Self> {
        Some(Self {
            subject: subject?,
            from: operations.iter().map(|op| op.sent_at).min()?,
            to: operations.iter().map(|op| op.completed_at).max()?,
            told: (operations.iter())
                .map(|op| (op.client, op.counter))
                .collect(),
            before: VecDeque::with_capacity(BEFORE),
            during: Vec::new(),
            after: Vec::new(),
        })
    }

    /// One operation of the history.
    pub(crate) fn handle(&mut self, operation: &Operation) {
        let is_told = || self.told.contains(&(operation.client, operation.counter));
        if Subject::of(&operation.call) != Some(self.subject) || is_told() {
            return;
        }
        if operation.completed_at < self.from {
            if self.before.len() == BEFORE {
                self.before.pop_front();
            }
            self.before.push_back(*operation);
        } else if self.to < operation.sent_at {
            push_within(&mut self.after, AFTER, *operation);
        } else {
            push_within(&mut self.during, DURING, *operation);
        }
    }

    /// What was seen, in the order of the calls.
    pub(crate) fn records(self) -> Vec<WitnessRecord> {
        let mut all: Vec<Operation> = self.before.into();
        all.extend(self.during);
        all.extend(self.after);
        all.sort_by_key(|operation| operation.sent_at);
        all.iter().map(of_operation).collect()
    }
}

fn push_within(list: &mut Vec<Operation>, len_max: usize, operation: Operation) {
    if list.len() < len_max {
        list.push(operation);
    }
}
