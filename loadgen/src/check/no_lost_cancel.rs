//! B4, no lost update: what was cancelled stays cancelled.
//!
//! After a cancel was acknowledged no read sent later may show its booking. Bookings are known by
//! their positions, so when each was cancelled is kept in pages by position.

use protocol::words::agenda::SlotView;

use crate::operation::{LawProgress, Nanos, Observed, Operation};

use super::finding::{About, Finding, OperationId, Violation, Witness};
use super::pages::Pages;

const ABOUT: About = About {
    name: "no-lost-cancel",
    demands: "A booking whose cancel was acknowledged is in no answer to a question asked later.",
    confidence: "definite interval: every violation told really happened",
};

#[derive(Debug, Clone, Copy, Default)]
struct Cancelled {
    /// When it was acknowledged, plus 1; 0 when it was not.
    after: Nanos,
    by: OperationId,
}

/// The law.
#[derive(Debug)]
pub(super) struct NoLostCancel {
    cancelled: Pages<Cancelled>,
    cancels: u64,
    reads: u64,
    finding: Finding,
}

impl NoLostCancel {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            cancelled: Pages::new(bytes_max),
            cancels: 0,
            reads: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A cancel was acknowledged.
    pub(super) fn handle_cancelled(&mut self, booking: u64, operation: &Operation) {
        self.cancels += 1;
        let by = (operation.client, operation.counter);
        let after = operation.completed_at.saturating_add(1);
        match self.cancelled.slot(booking) {
            Some(cancelled) => *cancelled = Cancelled { after, by },
            None => self
                .finding
                .doubt(format!("booking {booking} lies beyond the memory budget")),
        }
    }

    /// A read came back.
    pub(super) fn handle_read(&mut self, operation: &Operation, observed: &Observed) {
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

    /// What was found so far.
    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("reads", self.reads)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding
            .count_needed("cancels acknowledged", self.cancels);
        self.finding.count_needed("reads", self.reads);
        self.finding
    }
}
