//! The operations of one slot, packed and sorted: what the laws of single slots look at.
//!
//! Operations of the whole history go in; slices of one slot each, in the order of their calls,
//! come out. Within a budget.

use reports::record::WitnessRecord;

use crate::operation::{Call, Nanos, Operation, Outcome, Slot};

use super::finding::{Finding, OperationId, Witness, outcome_text, slot_text};

/// One operation on one slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotOperation {
    pub(super) slot: Slot,
    pub(super) sent_at: Nanos,
    pub(super) completed_at: Nanos,
    /// The booking it is about, or the one it made; 0 for none.
    pub(super) booking: u64,
    pub(super) id: OperationId,
    /// The position in the answer; told, never judged by.
    pub(super) seq: u64,
    /// The index of the call's name.
    pub(super) call: u8,
    pub(super) outcome: Outcome,
    /// No answer came, and the log says that it was accepted.
    pub(super) won_unseen: bool,
}

impl SlotOperation {
    /// Whether an answer decided it.
    pub(super) const fn is_decided(&self) -> bool {
        self.outcome.is_decided()
    }

    /// The operation, told.
    pub(super) fn witness(&self) -> Witness {
        let name = Call::NAMES.get(usize::from(self.call)).unwrap_or(&"");
        let booking = match self.booking {
            0 => String::new(),
            booking => format!("booking {booking}, "),
        };
        Witness::Told(WitnessRecord {
            client: format!("client {}", self.id.0),
            call: format!("{name} {booking}{}", slot_text(self.slot)),
            answer: outcome_text(self.outcome),
            invoked_ns: self.sent_at,
            completed_ns: self.is_decided().then_some(self.completed_at),
            seq: self.seq,
        })
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct SlotHistory {
    operations: Vec<SlotOperation>,
    len_max: usize,
    overflowed: bool,
}

impl SlotHistory {
    pub(super) fn new(bytes_max: u64) -> Self {
        let each = u64::try_from(size_of::<SlotOperation>()).unwrap_or(64);
        Self {
            operations: Vec::new(),
            len_max: usize::try_from(bytes_max / each).unwrap_or(usize::MAX),
            overflowed: false,
        }
    }

    /// Takes an operation in, unless it is about no single slot or was never considered.
    pub(super) fn push(&mut self, operation: &Operation, won_unseen: bool) {
        let (slot, booking) = match operation.call {
            Call::Reserve { slot } | Call::Hold { slot, .. } => (slot, operation.seq),
            Call::Cancel { slot, booking } | Call::Confirm { slot, booking } => (slot, booking),
            Call::JoinWaitlist { slot } | Call::LeaveWaitlist { slot } => (slot, 0),
            Call::ListSlots { .. }
            | Call::MyBookings
            | Call::Chat(_)
            | Call::Catalogue(_)
            | Call::Sales(_) => return,
        };
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
            booking,
            id: (operation.client, operation.counter),
            call: u8::try_from(operation.call.index()).unwrap_or(u8::MAX),
            seq: operation.seq,
            outcome,
            won_unseen,
        });
    }

    /// Sorts by slot, then by call; to be done once, when all are in.
    pub(super) fn sort(&mut self) {
        self.operations
            .sort_unstable_by_key(|operation| (operation.slot, operation.sent_at, operation.id));
    }

    /// Slot by slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = &[SlotOperation]> {
        self.operations
            .chunk_by(|one, other| one.slot == other.slot)
    }

    /// Doubts a law that needed more of them than there was room for.
    pub(super) fn doubt(&self, finding: &mut Finding) {
        if self.overflowed {
            finding.doubt("there were more operations than the memory budget holds");
        }
    }
}

/// See [`Call::NAMES`].
pub(super) const RESERVE: u8 = 0;
/// See [`Call::NAMES`].
pub(super) const CANCEL: u8 = 1;
