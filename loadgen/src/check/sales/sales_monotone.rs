//! S3: nothing is ever refunded, so a total never falls.
//!
//! Whoever asks after somebody was told a total is told at least as much.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::words::sales::Sum;

use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Completed, Ended, Invoked, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, LawProgress, Observed, Operation, Outcome, SalesCall, SalesSeen},
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
pub(crate) struct SalesMonotone {
    highest: HashMap<Question, Highest, FixedState>,
    /// Of questions under way: what had been answered when they were asked.
    open: HashMap<OperationId, Highest, FixedState>,
    compared: u64,
    finding: Finding,
}

impl Law for SalesMonotone {
    const ABOUT: About = About {
        name: "sales-monotone",
        demands: "A total that is asked for after the same total was answered is not lower.",
        confidence: "definite interval: every violation told really happened",
        topic: Topic::Sales,
        needs: Needs::AnswersUnvisited,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            highest: HashMap::with_hasher(FixedState::with_seed(0)),
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Sales(call) = invoked.call {
            self.handle_invoke(invoked.id, call);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        let Call::Sales(call) = &operation.call else {
            return;
        };
        match (operation.outcome, completed.observed) {
            (Outcome::Ok, Observed::Sales(SalesSeen::Total(total, ..))) => {
                self.check(operation, call, *total);
            }
            (Outcome::Ok, Observed::Sales(SalesSeen::Best(..))) => {}
            _not_answered => self.forget(operation),
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(
            self.finding
                .progress("totals asked for again", self.compared),
        )
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("totals asked for again", self.compared);
        self.finding
    }
}

impl SalesMonotone {
    fn handle_invoke(&mut self, id: OperationId, call: &SalesCall) {
        if let Some(highest) = self.highest.get(&question(call)) {
            self.open.insert(id, *highest);
        }
    }

    fn check(&mut self, operation: &Operation, call: &SalesCall, total: Sum) {
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
    fn forget(&mut self, operation: &Operation) {
        self.open.remove(&(operation.client, operation.counter));
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
