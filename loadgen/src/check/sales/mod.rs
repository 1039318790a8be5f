//! What the laws of the sales share, S1 to S6, and when they are told.
//!
//! Answers go in as they come, then the log through a model of our own; each figure comes out again where
//! the model is at its position. There are no refunds, so that totals only rise.

pub(crate) mod model;
pub(crate) mod sales_agree;
pub(crate) mod sales_bounded;
pub(crate) mod sales_conserved;
pub(crate) mod sales_exact;
pub(crate) mod sales_monotone;
pub(crate) mod sales_one_snapshot;

use protocol::{
    Code, OwnedRecord, UserId,
    words::sales::{Command, Part, Sum},
};

use self::model::Model;
use super::{
    finding::OperationId,
    law::FigureShown,
    laws::Laws,
    reads::Reads,
    record::{Decided, erased, roles_set},
};
use crate::operation::{Operation, Outcome, SalesCall, SalesSeen};

/// A figure as it was answered, kept until the model is where it says it was.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) id: OperationId,
    /// Who asked.
    pub(crate) user: UserId,
    pub(crate) call: SalesCall,
    pub(crate) figure: Figure,
}

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Figure {
    /// A total and its parts, by id.
    Total(Sum, Vec<(u64, Sum)>),
    /// The best one, and how much.
    Best(Option<(u64, Sum)>),
    /// None: its asker may not have it.
    Denied,
}

/// What the laws of the sales share.
#[derive(Debug)]
pub(crate) struct SalesState {
    pub(crate) model: Model,
    pub(crate) shown: Reads<Shown>,
    operations: u64,
}

impl SalesState {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            model: Model::default(),
            shown: Reads::new(bytes_max),
            operations: 0,
        }
    }

    /// Whether anybody asked anything of the sales.
    pub(crate) const fn is_exercised(&self) -> bool {
        0 < self.operations
    }

    /// A call is about to be sent.
    pub(crate) const fn note_invoke(&mut self) {
        self.operations += 1;
    }

    /// A figure, or that there is none for its asker, until the model is where it says it was.
    pub(crate) fn keep(
        &mut self,
        user: UserId,
        operation: &Operation,
        call: &SalesCall,
        seen: Option<&SalesSeen>,
    ) {
        let figure = match (operation.outcome, seen) {
            (Outcome::Ok, Some(SalesSeen::Total(total, _, parts))) => {
                Figure::Total(*total, parts.iter().map(named).collect())
            }
            (Outcome::Ok, Some(SalesSeen::Best(best, _))) => Figure::Best(best.as_ref().map(named)),
            (Outcome::Refused(Code::NOT_ALLOWED), _) => Figure::Denied,
            _no_figure => return,
        };
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

    fn apply(&mut self, record: &OwnedRecord, decided: Option<&Decided<Command>>) {
        if let Some(decided) = decided {
            self.model.apply(record, decided);
        } else if let Some(user) = erased(record) {
            self.model.forget(user);
        } else if let Some((user, roles)) = roles_set(record) {
            self.model.set_roles(user, roles);
        }
    }
}

impl Laws {
    /// One record of the log, which the laws were told of; decoded if it is of the sales.
    pub(crate) fn apply_sales(&mut self, record: &OwnedRecord, decided: Option<&Decided<Command>>) {
        self.world.sales.apply(record, decided);
        let seq = record.seq.0;
        while let Some(shown) = self.world.sales.shown.next_at(seq) {
            self.tell(&FigureShown { shown: &shown, seq });
        }
    }
}

fn named(part: &Part) -> (u64, Sum) {
    (part.of, part.sum)
}
