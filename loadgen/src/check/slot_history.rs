//! The operations of one slot, packed and sorted: what the laws of single slots look at.
//!
//! Operations of the whole history go in; slices of one slot each, in the order of their calls,
//! come out. Within a budget.

use crate::operation::{Call, Nanos, Operation, Outcome, Slot};

use super::finding::{Finding, OperationId, Witness};
use super::ledger::fold;

/// One operation on one slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotOperation {
    pub(crate) slot: Slot,
    pub(crate) sent_at: Nanos,
    pub(crate) completed_at: Nanos,
    /// The booking it is about, or the one it made; 0 for none.
    pub(crate) booking: u64,
    pub(crate) id: OperationId,
    /// The index of the call's name.
    pub(crate) call: u8,
    pub(crate) outcome: Outcome,
    /// No answer came, and the log says that it was accepted.
    pub(crate) won_unseen: bool,
}

impl SlotOperation {
    /// Whether an answer decided it.
    pub(crate) const fn is_decided(&self) -> bool {
        self.outcome.is_decided()
    }

    /// The operation, told.
    pub(crate) const fn witness(&self) -> Witness {
        Witness::Asked(self.id)
    }
}

/// Which slots of a history are looked at together: all, or one of several parts, so that a
/// history of any length fits into the budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    number: u64,
    of: u64,
}

impl Part {
    /// As many parts as it takes for this many operations to fit into `bytes_max`, one by one.
    pub(crate) fn all(operations: u64, bytes_max: u64) -> impl Iterator<Item = Self> {
        let each = u64::try_from(size_of::<SlotOperation>()).unwrap_or(64);
        // No part is just as large as the others.
        let of = (operations * each * 5 / 4)
            .div_ceil(bytes_max.max(1))
            .max(1);
        (0..of).map(move |number| Self { number, of })
    }

    const fn has(self, slot: Slot) -> bool {
        self.of == 1 || (fold(0, slot.0) >> 32) % self.of == self.number
    }
}

/// Whether a law of slots looks at this operation.
pub(crate) const fn is_of_slot(operation: &Operation) -> bool {
    target(&operation.call).is_some()
}

/// The slot, and the booking it names.
const fn target(call: &Call) -> Option<(Slot, Option<u64>)> {
    match *call {
        Call::Reserve { slot } | Call::Hold { slot, .. } => Some((slot, None)),
        Call::Cancel { slot, booking } | Call::Confirm { slot, booking } => {
            Some((slot, Some(booking)))
        }
        Call::JoinWaitlist { slot } | Call::LeaveWaitlist { slot } => Some((slot, Some(0))),
        Call::ListSlots { .. }
        | Call::MyBookings
        | Call::Chat(_)
        | Call::Catalogue(_)
        | Call::Sales(_)
        | Call::EraseMe => None,
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct SlotHistory {
    operations: Vec<SlotOperation>,
    part: Part,
    len_max: usize,
    overflowed: bool,
}

impl SlotHistory {
    pub(crate) fn new(part: Part, bytes_max: u64) -> Self {
        let each = u64::try_from(size_of::<SlotOperation>()).unwrap_or(64);
        Self {
            operations: Vec::new(),
            part,
            len_max: usize::try_from(bytes_max / each).unwrap_or(usize::MAX),
            overflowed: false,
        }
    }

    /// Takes an operation in, unless it is about no single slot or was never considered.
    pub(crate) fn push(&mut self, operation: &Operation, won_unseen: bool) {
        let Some((slot, booking)) = target(&operation.call) else {
            return;
        };
        if !self.part.has(slot) {
            return;
        }
        if self.operations.len() == self.len_max {
            self.overflowed = true;
            return;
        }
        let outcome = match operation.outcome {
            // An earlier attempt may have been heard.
            Outcome::Error(_) if operation.attempts > 1 => Outcome::Unknown,
            outcome => outcome,
        };
        self.operations.push(SlotOperation {
            slot,
            sent_at: operation.sent_at,
            completed_at: operation.completed_at,
            booking: booking.unwrap_or(operation.seq),
            id: (operation.client, operation.counter),
            call: u8::try_from(operation.call.index()).unwrap_or(u8::MAX),
            outcome,
            won_unseen,
        });
    }

    /// Sorts by slot, then by call; to be done once, when all are in.
    pub(crate) fn sort(&mut self) {
        self.operations
            .sort_unstable_by_key(|operation| (operation.slot, operation.sent_at, operation.id));
    }

    /// Slot by slot.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &[SlotOperation]> {
        self.operations
            .chunk_by(|one, other| one.slot == other.slot)
    }

    /// Doubts a law that needed more of them than there was room for.
    pub(crate) fn doubt(&self, finding: &mut Finding) {
        if self.overflowed {
            finding.doubt("there were more operations than the memory budget holds");
        }
    }
}

/// See [`Call::NAMES`].
pub(crate) const RESERVE: u8 = 0;
/// See [`Call::NAMES`].
pub(crate) const CANCEL: u8 = 1;
