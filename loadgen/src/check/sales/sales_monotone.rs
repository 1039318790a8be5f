//! S3: nothing is ever refunded, so a total never falls.
//!
//! Whoever asks after somebody was told a total is told at least as much.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::words::sales::Sum;

use crate::{
    check::finding::{About, Finding, OperationId, Violation, Witness},
    operation::{LawProgress, Operation, SalesCall},
};

const ABOUT: About = About {
    name: "sales-monotone",
    demands: "A total that is asked for after the same total was answered is not lower.",
    confidence: "definite interval: every violation told really happened",
};

/// A question: which one, about what, in which days.
type Question = [u64; 4];

/// The highest answer so far, and whose it was.
#[derive(Debug, Clone, Copy, Default)]
struct Highest {
    cents: u64,
    by: OperationId,
}

/// The law.
#[derive(Debug)]
pub(super) struct SalesMonotone {
    highest: HashMap<Question, Highest, FixedState>,
    /// Of questions under way: what had been answered when they were asked.
    open: HashMap<OperationId, Highest, FixedState>,
    compared: u64,
    finding: Finding,
}

impl SalesMonotone {
    pub(super) fn new() -> Self {
        Self {
            highest: HashMap::with_hasher(FixedState::with_seed(0)),
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            compared: 0,
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn handle_invoke(&mut self, id: OperationId, call: &SalesCall) {
        if let Some(highest) = self.highest.get(&question(call)) {
            self.open.insert(id, *highest);
        }
    }

    pub(super) fn check(&mut self, operation: &Operation, call: &SalesCall, total: Sum) {
        let id = (operation.client, operation.counter);
        if let Some(floor) = self.open.remove(&id) {
            self.compared += 1;
            if total.cents < floor.cents {
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "client {} was told of {} cents after client {} had been told of {}",
                        operation.client, total.cents, floor.by.0, floor.cents,
                    ),
                    witnesses: vec![Witness::Asked(floor.by), Witness::Operation(*operation)],
                    order: "real time: the higher total was answered before the lower was asked for",
                    expected: format!("at least {} cents", floor.cents),
                });
            }
        }
        let highest = self.highest.entry(question(call)).or_default();
        if highest.cents <= total.cents {
            *highest = Highest {
                cents: total.cents,
                by: id,
            };
        }
    }

    /// A question that was not answered.
    pub(super) fn forget(&mut self, operation: &Operation) {
        self.open.remove(&(operation.client, operation.counter));
    }

    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding
            .progress("totals asked for again", self.compared)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding
            .count_needed("totals asked for again", self.compared);
        self.finding
    }
}

fn question(call: &SalesCall) -> Question {
    let mut question = [u64::try_from(call.index()).unwrap_or(u64::MAX), 0, 0, 0];
    let mut next = 1;
    call.for_each_operand(|operand| {
        question[next] = operand;
        next += 1;
    });
    question
}
