//! The laws of the sales, S1 to S6: who is told what.
//!
//! Answers go in as they come, then the log through a model of our own; one finding a law comes
//! out. There are no refunds, so that totals only rise.

mod model;
mod sales_agree;
mod sales_bounded;
mod sales_conserved;
mod sales_exact;
mod sales_monotone;
mod sales_one_snapshot;

use protocol::{
    Code, OwnedRecord, UserId,
    words::sales::{Command, Part, Sum},
};

use self::{
    model::Model, sales_agree::SalesAgree, sales_bounded::SalesBounded,
    sales_conserved::SalesConserved, sales_exact::SalesExact, sales_monotone::SalesMonotone,
    sales_one_snapshot::SalesOneSnapshot,
};
use super::{
    finding::{Finding, OperationId},
    reads::Reads,
    record::{Decided, erased, roles_set},
    subject::Subject,
};
use crate::operation::{LawProgress, Observed, Operation, Outcome, SalesCall, SalesSeen};

/// The names of these laws, in the order of their verdicts.
pub(super) const LAWS: [&str; 6] = [
    "sales-conserved",
    "sales-bounded",
    "sales-monotone",
    "sales-agree",
    "sales-one-snapshot",
    "sales-exact",
];

/// A figure as it was answered, kept until the model is where it says it was.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) id: OperationId,
    /// Who asked.
    pub(super) user: UserId,
    pub(super) call: SalesCall,
    pub(super) figure: Figure,
}

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Figure {
    /// A total and its parts, by id.
    Total(Sum, Vec<(u64, Sum)>),
    /// The best one, and how much.
    Best(Option<(u64, Sum)>),
    /// None: its asker may not have it.
    Denied,
}

/// Every law of the sales.
#[derive(Debug)]
pub(super) struct SalesLaws {
    model: Model,
    shown: Reads<Shown>,
    conserved: SalesConserved,
    bounded: SalesBounded,
    monotone: SalesMonotone,
    agree: SalesAgree,
    one_snapshot: SalesOneSnapshot,
    exact: SalesExact,
    operations: u64,
}

impl SalesLaws {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            model: Model::default(),
            shown: Reads::new(bytes_max),
            conserved: SalesConserved::new(),
            bounded: SalesBounded::new(),
            monotone: SalesMonotone::new(),
            agree: SalesAgree::new(),
            one_snapshot: SalesOneSnapshot::new(),
            exact: SalesExact::new(bytes_max),
            operations: 0,
        }
    }

    /// How far the laws are that are judged while the run goes on.
    pub(super) fn progress(&self) -> Vec<LawProgress> {
        vec![
            self.monotone.progress(),
            self.one_snapshot.progress(),
            self.conserved.progress(),
        ]
    }

    /// Whether anybody asked anything of the sales.
    pub(super) const fn is_exercised(&self) -> bool {
        0 < self.operations
    }

    pub(super) fn handle_invoke(&mut self, id: OperationId, user: UserId, call: &SalesCall) {
        self.operations += 1;
        self.bounded.handle_invoke(id, user, call);
        self.monotone.handle_invoke(id, call);
    }

    pub(super) fn handle_complete(
        &mut self,
        user: UserId,
        operation: &Operation,
        call: &SalesCall,
        observed: &Observed,
    ) {
        if let SalesCall::RecordSale { .. } = call {
            self.bounded.handle_sale(user, operation, call);
        }
        let (Outcome::Ok, Observed::Sales(seen)) = (operation.outcome, observed) else {
            self.bounded.forget(operation);
            self.monotone.forget(operation);
            if operation.outcome == Outcome::Refused(Code::NOT_ALLOWED) {
                self.keep(user, operation, call, Figure::Denied);
            }
            return;
        };
        self.one_snapshot.check(operation, seen);
        let figure = match seen {
            SalesSeen::Total(total, _, parts) => {
                self.conserved.check(operation, *total, parts);
                self.bounded.check(operation, call, *total);
                self.monotone.check(operation, call, *total);
                Figure::Total(*total, parts.iter().map(named).collect())
            }
            SalesSeen::Best(best, _) => Figure::Best(best.as_ref().map(named)),
        };
        self.keep(user, operation, call, figure);
    }

    fn keep(&mut self, user: UserId, operation: &Operation, call: &SalesCall, figure: Figure) {
        let more = match &figure {
            Figure::Total(_, parts) => size_of_val(parts.as_slice()),
            Figure::Best(_) | Figure::Denied => 0,
        };
        let shown = Shown {
            id: (operation.client, operation.counter),
            user,
            call: *call,
            figure,
        };
        self.shown.keep_with(operation.seq, shown, more);
    }

    /// One record of the log, and who minted its key.
    pub(super) fn handle_record(&mut self, record: &OwnedRecord, minted: Option<OperationId>) {
        if let Some(decided) = Decided::<Command>::of(record) {
            self.exact.handle_record(record, &decided, minted);
            self.model.apply(record, &decided);
        } else if let Some(user) = erased(record) {
            self.model.forget(user);
        } else if let Some((user, roles)) = roles_set(record) {
            self.model.set_roles(user, roles);
        }
        while let Some(shown) = self.shown.next_at(record.seq.0) {
            self.agree.check(&self.model, record.seq.0, &shown);
        }
    }

    /// One operation of the history, when the whole log is known.
    pub(super) fn handle_operation(&mut self, operation: &Operation, call: &SalesCall) {
        self.exact.handle_operation(operation, call);
    }

    /// Stores in which visitors sold something too.
    pub(super) fn excuse(&mut self, is_excused: impl Fn(Subject) -> bool) {
        self.bounded.excuse(is_excused);
    }

    /// The findings, in the order of [`LAWS`].
    pub(super) fn conclude(self) -> [Finding; LAWS.len()] {
        let skipped = self.shown.skipped();
        [
            self.conserved.conclude(),
            self.bounded.conclude(),
            self.monotone.conclude(),
            self.agree.conclude(skipped),
            self.one_snapshot.conclude(),
            self.exact.conclude(),
        ]
    }
}

fn named(part: &Part) -> (u64, Sum) {
    (part.of, part.sum)
}
