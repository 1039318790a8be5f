//! What an event changes in the agenda.
//!
//! An event that happened, with the command it answered, comes in; rows change. Total: there is no
//! way to refuse. An event beside a command that cannot have caused it, or about a row that is not
//! there, means that the log was not written by these rules, and nothing sound can follow: panic.
//! Deliberately absent: conditions; they were decided.

use protocol::words::agenda::{Command, Event, SlotId};

use super::{
    booking::Booking,
    state::{Agenda, AgendaRow, Waiter},
};
use crate::domain::Context;

/// A booking without a deadline.
const CONFIRMED: u64 = 0;

impl Agenda {
    pub(super) fn apply_event(&mut self, cx: &Context, command: &Command, event: &Event) {
        match (event, command) {
            (Event::AgendaOpened(event), Command::OpenAgenda(command)) => {
                let row = AgendaRow::new(cx.seq.0, event.slots, command.clone());
                self.insert_agenda(row);
            }
            (Event::Reserved(event), _) => {
                self.insert_booking(cx.seq.0, &booking(cx, event.slot, CONFIRMED));
            }
            (Event::Held(event), _) => {
                self.insert_booking(cx.seq.0, &booking(cx, event.slot, event.until));
            }
            (Event::Cancelled(_), Command::Cancel(command)) => {
                self.remove_booking(command.booking);
            }
            (Event::Confirmed(_), Command::Confirm(command)) => {
                self.confirm_booking(command.booking);
            }
            (Event::Expired(event), _) => self.remove_booking(event.booking),
            (Event::BookingCancelled(event), _) => self.remove_booking(event.booking),
            (Event::WaitlistJoined(event), _) => self.push_waiter(
                event.slot,
                Waiter {
                    user: cx.actor,
                    joined: cx.seq.0,
                    key: cx.key,
                },
            ),
            (Event::WaitlistLeft(event), _) => {
                self.remove_waiter(event.slot, cx.actor);
            }
            (Event::Promoted(event), _) => {
                self.settle(event.slot);
                let waiter = self.remove_waiter(event.slot, event.user);
                let row = Booking {
                    user: waiter.user,
                    slot: event.slot,
                    until: CONFIRMED,
                    key: waiter.key,
                };
                self.insert_booking(cx.seq.0, &row);
            }
            (Event::AgendaOpened(_) | Event::Cancelled(_) | Event::Confirmed(_), command) => {
                panic!("{} cannot have caused {}", command.name(), event.name())
            }
        }
    }
}

const fn booking(cx: &Context, slot: SlotId, until: u64) -> Booking {
    Booking {
        user: cx.actor,
        slot,
        until,
        key: cx.key,
    }
}
