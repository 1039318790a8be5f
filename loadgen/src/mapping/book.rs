//! Which bookings a server gave to whom, and which of them a read can be showing.
//!
//! A foreign server has no positions: each acknowledged reserve is numbered here, from 1, and the laws
//! know it by that number. A read shows slots and people, and the same person may have held the same slot
//! several times, under ids that the server may use again. So a number is named for what a read shows only
//! where no other booking can be meant: 0 stands for one that cannot be told.

use std::collections::BTreeMap;

use super::template::Scope;
use crate::operation::Slot;

/// A booking that was acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Booking {
    /// What was taken out of the answer.
    pub(super) taken: Scope,
    pub(super) slot: Slot,
}

/// What one person has to do with one slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Claim {
    /// Reserves that were not answered yet, or never will be.
    open: u32,
    /// Acknowledged, and their cancel not.
    live: Vec<u64>,
    /// The last one whose cancel was acknowledged.
    cancelled: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Book {
    bookings: Vec<Booking>,
    claims: BTreeMap<(u32, Slot), Claim>,
}

impl Book {
    /// Somebody asks for a place.
    pub(super) fn begin(&mut self, client: u32, slot: Slot) {
        self.claims.entry((client, slot)).or_default().open += 1;
    }

    /// Their wish came to nothing, for sure.
    pub(super) fn refuse(&mut self, client: u32, slot: Slot) {
        let claim = self.claims.entry((client, slot)).or_default();
        claim.open = claim.open.saturating_sub(1);
    }

    /// Their wish was granted: the number of the booking.
    pub(super) fn grant(&mut self, client: u32, slot: Slot, taken: Scope) -> u64 {
        self.bookings.push(Booking { taken, slot });
        let number = u64::try_from(self.bookings.len()).unwrap_or(u64::MAX);
        let claim = self.claims.entry((client, slot)).or_default();
        claim.open = claim.open.saturating_sub(1);
        claim.live.push(number);
        number
    }

    /// A booking by its number.
    pub(super) fn get(&self, number: u64) -> Option<&Booking> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.bookings.get(index)
    }

    /// A cancel was acknowledged.
    pub(super) fn cancel(&mut self, client: u32, number: u64) {
        let Some(slot) = self.get(number).map(|booking| booking.slot) else {
            return;
        };
        let claim = self.claims.entry((client, slot)).or_default();
        claim.live.retain(|live| *live != number);
        claim.cancelled = claim.cancelled.max(number);
    }

    /// The booking that a read means which shows this person as a holder of this slot; 0 if several can
    /// be meant, or one that was never acknowledged.
    pub(super) fn shown(&self, client: u32, slot: Slot) -> u64 {
        match self.claims.get(&(client, slot)) {
            Some(Claim {
                open: 0,
                live,
                cancelled,
            }) => live.last().copied().unwrap_or(*cancelled),
            Some(_) | None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot(7);

    #[test]
    fn a_read_is_of_the_cancelled_booking_only_if_no_other_can_be_meant() {
        let mut book = Book::default();
        assert_eq!(book.shown(3, SLOT), 0);
        book.begin(3, SLOT);
        assert_eq!(book.shown(3, SLOT), 0, "it may have been granted");
        let first = book.grant(3, SLOT, Scope::new());
        assert_eq!((first, book.shown(3, SLOT)), (1, 1));
        book.cancel(3, first);
        assert_eq!(book.shown(3, SLOT), first, "the one that was given back");
        book.begin(3, SLOT);
        assert_eq!(book.shown(3, SLOT), 0, "it may be the second");
        book.refuse(3, SLOT);
        assert_eq!(book.shown(3, SLOT), first);
        book.begin(3, SLOT);
        let second = book.grant(3, SLOT, Scope::new());
        assert_eq!(book.shown(3, SLOT), second);
        // One that is never answered stays open for ever.
        book.begin(3, SLOT);
        book.cancel(3, second);
        assert_eq!(book.shown(3, SLOT), 0);
        assert_eq!(book.get(2).map(|booking| booking.slot), Some(SLOT));
        assert_eq!((book.get(0), book.get(3)), (None, None));
    }
}
