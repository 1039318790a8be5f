//! What is left of the agenda when somebody is erased.
//!
//! A person goes in; their bookings and waiting places are gone, and each place that came free while
//! others wait for it is owed to the first of them, who is given it by a record of its own. What
//! they opened for others stays: an agenda has no owner. Deliberately absent: giving the places.

use protocol::{UserId, words::agenda::SlotId};

use super::state::Agenda;
use crate::domain::Context;

impl Agenda {
    pub(super) fn forget_person(&mut self, cx: &Context, user: UserId) {
        // Before the bookings: nobody is owed a place of their own.
        self.remove_waits(user);
        for booking in self.bookings_of(user, 0, usize::MAX) {
            let slot = self.booking(booking).map(|booking| booking.slot);
            self.remove_booking(booking);
            if let Some(slot) = slot.filter(|slot| self.is_wanted(cx, *slot)) {
                self.owe(slot);
            }
        }
    }

    /// Whether somebody waits for this slot and it has not begun.
    fn is_wanted(&self, cx: &Context, slot: SlotId) -> bool {
        let is_to_come = |slot: SlotId| {
            self.agenda(slot.agenda)
                .is_some_and(|agenda| cx.now <= agenda.starts_at(slot.day, slot.slot))
        };
        self.has_waiters(slot) && is_to_come(slot)
    }
}
