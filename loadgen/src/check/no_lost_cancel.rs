//! B4, no lost update: what was cancelled stays cancelled.
//!
//! After a cancel was acknowledged no read sent later may show its booking. Bookings are known by
//! their positions, so when each was cancelled is kept in pages by position.

use protocol::words::agenda::SlotView;

use crate::operation::{Call, LawProgress, Nanos, Observed, Operation, Outcome};

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
    law::{Completed, Ended, Law, Read},
    laws::LawOptions,
    pages::Pages,
    world::World,
};

#[derive(Debug, Clone, Copy, Default)]
struct Cancelled {
    /// When it was acknowledged, plus 1; 0 when it was not.
    after: Nanos,
    by: OperationId,
}

/// The law.
#[derive(Debug)]
pub(crate) struct NoLostCancel {
    cancelled: Pages<Cancelled>,
    /// How long after an acknowledgement a read must show it.
    reads_after: Nanos,
    cancels: u64,
    reads: u64,
    finding: Finding,
}

impl Law for NoLostCancel {
    const ABOUT: About = About {
        name: "no-lost-cancel",
        demands: "A booking whose cancel was acknowledged is in no answer to a question asked later.",
        confidence: "definite interval: every violation told really happened",
        topic: Topic::Slots,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let bytes_max = options.share();
        let reads_after = options
            .contract
            .and_then(|contract| contract.reads_after)
            .unwrap_or(0);
        Self {
            reads_after,
            cancelled: Pages::new(bytes_max),
            cancels: 0,
            reads: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        if let (Call::Cancel { booking, .. }, Outcome::Ok) = (operation.call, operation.outcome) {
            self.handle_cancelled(booking, operation);
        }
    }

    fn on_read(&mut self, read: &Read<'_>, _: &World) {
        self.handle_read(read.operation, read.observed);
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("reads", self.reads))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("cancels acknowledged", self.cancels);
        self.finding.count_needed("reads", self.reads);
        self.finding
    }
}

impl NoLostCancel {
    /// A cancel was acknowledged.
    fn handle_cancelled(&mut self, booking: u64, operation: &Operation) {
        self.cancels += 1;
        let by = (operation.client, operation.counter);
        let shown_from = operation.completed_at.saturating_add(self.reads_after);
        let after = shown_from.saturating_add(1);
        match self.cancelled.slot(booking) {
            Some(cancelled) => *cancelled = Cancelled { after, by },
            None => self
                .finding
                .doubt(format!("booking {booking} lies beyond the memory budget")),
        }
    }

    /// A read came back.
    fn handle_read(&mut self, operation: &Operation, observed: &Observed) {
        self.reads += 1;
        match observed {
            Observed::Nothing | Observed::Chat(_) | Observed::Catalogue(_) | Observed::Sales(_) => {
            }
            Observed::Slots(slots) => {
                let mine = |view: &&SlotView| view.mine != 0;
                for view in slots.iter().filter(mine) {
                    self.check(operation, view.mine);
                }
            }
            Observed::Bookings(bookings) => {
                for (booking, ..) in bookings {
                    self.check(operation, *booking);
                }
            }
        }
    }

    fn check(&mut self, read: &Operation, booking: u64) {
        let cancelled = self.cancelled.get(booking).unwrap_or_default();
        if cancelled.after != 0 && cancelled.after <= read.sent_at {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was shown booking {booking} after its cancel by client {} was acknowledged",
                    read.client, cancelled.by.0,
                ),
                witnesses: vec![Witness::Asked(cancelled.by), Witness::Operation(*read)],
                order: "real time: the cancel was answered before the question was asked",
                expected: format!("booking {booking} absent"),
            });
        }
    }
}
