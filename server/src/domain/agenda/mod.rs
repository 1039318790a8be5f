//! The agenda: slots that are never double-booked.
//!
//! Commands come in and events go out through [`System`]; the files are the steps: `decide` reads
//! and may refuse, `apply` and `forget` write, `query` answers, `state` holds the rows and `few` the short
//! lists among them. A day is 24 hours from midnight UTC and every day has its agenda's hours.
//!
//! A place that becomes free while people wait for it is given away by the record directly behind
//! the one that freed it (when a person is erased, by as many records as there are such places), so at rest no slot to come has both a free place and a queue. A slot that
//! began is never given away; its queue stays until its people leave it.
//!
//! Deliberately absent: time zones, holidays, and removal of an agenda.

mod apply;
mod booking;
mod decide;
mod forget;
mod held;
mod ids;
mod lists;
mod place;
mod query;
mod rank_map;
mod state;

#[cfg(test)]
mod tests;

use protocol::{
    Refusal, UserId,
    words::{
        agenda::{self as words, Command, Event, Expire, OpenAgenda, Promote, SlotId},
        log::About,
    },
};

pub use state::Agenda;

use super::{Context, Pushed, Stream, System, word};

word!(Command, Event, words::Query, words::Answer, words::Push);

/// The number of the command that a race is made of.
const RESERVE: u8 = 2;

/// The agenda a fresh log begins with: 08:00 to 20:00 in one-hour slots for one person each.
#[must_use]
pub fn default_agenda() -> OpenAgenda {
    OpenAgenda {
        name: "default".to_owned(),
        opens_minute: 8 * 60,
        closes_minute: 20 * 60,
        slot_minutes: 60,
        capacity: 1,
    }
}

impl System for Agenda {
    const ID: u8 = words::SYSTEM;
    type Command = Command;
    type Event = Event;
    type Query = words::Query;
    type Answer = words::Answer;
    type Push = words::Push;

    fn is_client_command(command: &Command) -> bool {
        match command {
            Command::OpenAgenda(_)
            | Command::Reserve(_)
            | Command::Cancel(_)
            | Command::Hold(_)
            | Command::Confirm(_)
            | Command::JoinWaitlist(_)
            | Command::LeaveWaitlist(_) => true,
            Command::Expire(_) | Command::Promote(_) => false,
        }
    }

    const PREFETCHED: &'static [u8] = &[RESERVE];

    fn prefetch(&self, command: &Command) -> u64 {
        if let Command::Reserve(command) = command {
            return self.prefetch(command.slot);
        }
        0
    }

    fn prefetch_found(&self, actor: UserId, slot: u64) {
        self.prefetch_found(actor, slot);
    }

    fn decide(&self, cx: &Context, command: &Command) -> Result<Event, Refusal> {
        match command {
            Command::OpenAgenda(command) => self.decide_open(cx, command).map(Event::from),
            Command::Reserve(command) => self.decide_reserve(cx, command).map(Event::from),
            Command::Cancel(command) => self.decide_cancel(cx, command),
            Command::Hold(command) => self.decide_hold(cx, command).map(Event::from),
            Command::Confirm(command) => self.decide_confirm(cx, command).map(Event::from),
            Command::Expire(command) => self.decide_expire(cx, command).map(Event::from),
            Command::JoinWaitlist(command) => self.decide_join(cx, command).map(Event::from),
            Command::LeaveWaitlist(command) => self.decide_leave(cx, command).map(Event::from),
            Command::Promote(command) => self.decide_promote(cx, command).map(Event::from),
        }
    }

    fn apply(&mut self, cx: &Context, command: &Command, event: &Event) {
        self.apply_event(cx, command, event);
    }

    fn answer(&self, cx: &Context, query: &words::Query) -> Result<words::Answer, Refusal> {
        match query {
            words::Query::ListAgendas(query) => self.list_agendas(query).map(Into::into),
            words::Query::ListSlots(query) => self.list_slots(cx, query).map(Into::into),
            words::Query::MyBookings(query) => self.my_bookings(cx, query).map(Into::into),
        }
    }

    fn follow_up(&self, event: &Event) -> Option<Command> {
        match event {
            Event::Cancelled(words::Cancelled { slot })
            | Event::BookingCancelled(words::BookingCancelled { slot, .. })
            | Event::Expired(words::Expired { slot, .. }) => self
                .has_waiters(*slot)
                .then_some(Promote { slot: *slot }.into()),
            Event::AgendaOpened(_)
            | Event::Reserved(_)
            | Event::Held(_)
            | Event::Confirmed(_)
            | Event::WaitlistJoined(_)
            | Event::WaitlistLeft(_) => None,
            Event::Promoted(_) => self.after_forgetting(),
        }
    }

    fn after_forgetting(&self) -> Option<Command> {
        self.next_owed().map(|slot| Promote { slot }.into())
    }

    fn deadline(&self) -> Option<u64> {
        self.next_hold().map(|(until, _)| until)
    }

    fn due(&self, now: u64) -> Option<Command> {
        let (until, booking) = self.next_hold()?;
        (until <= now).then_some(Expire { booking }.into())
    }

    fn push(_cx: &Context, _command: &Command, event: &Event) -> Option<Pushed<words::Push>> {
        let (user, word): (UserId, words::Push) = match event {
            Event::Promoted(event) => (event.user, (*event).into()),
            Event::Expired(event) => (event.user, (*event).into()),
            Event::BookingCancelled(event) => (event.user, (*event).into()),
            Event::AgendaOpened(_)
            | Event::Reserved(_)
            | Event::Cancelled(_)
            | Event::Held(_)
            | Event::Confirmed(_)
            | Event::WaitlistJoined(_)
            | Event::WaitlistLeft(_) => return None,
        };
        Some(Pushed {
            stream: Stream::Person(user),
            word,
            is_kept: true,
        })
    }

    fn concerns(_command: &Command, event: &Event) -> Option<UserId> {
        match event {
            Event::Promoted(event) => Some(event.user),
            Event::Expired(event) => Some(event.user),
            Event::BookingCancelled(event) => Some(event.user),
            Event::AgendaOpened(_)
            | Event::Reserved(_)
            | Event::Cancelled(_)
            | Event::Held(_)
            | Event::Confirmed(_)
            | Event::WaitlistJoined(_)
            | Event::WaitlistLeft(_) => None,
        }
    }

    fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
        match command {
            Command::OpenAgenda(_) => event.map_or(About::Nothing, |_| About::Agenda(cx.seq.0)),
            Command::Reserve(words::Reserve { slot })
            | Command::Hold(words::Hold { slot, .. })
            | Command::JoinWaitlist(words::JoinWaitlist { slot })
            | Command::LeaveWaitlist(words::LeaveWaitlist { slot })
            | Command::Promote(Promote { slot }) => About::Slot(*slot),
            Command::Cancel(words::Cancel { booking })
            | Command::Confirm(words::Confirm { booking })
            | Command::Expire(Expire { booking }) => About::Booking {
                booking: *booking,
                slot: event.and_then(slot_of),
            },
        }
    }

    fn forget(&mut self, cx: &Context, user: UserId) {
        self.forget_person(cx, user);
    }

    fn target(&self, command: &Command) -> u64 {
        match command {
            Command::OpenAgenda(_) => 0,
            Command::Reserve(words::Reserve { slot })
            | Command::Hold(words::Hold { slot, .. })
            | Command::JoinWaitlist(words::JoinWaitlist { slot })
            | Command::LeaveWaitlist(words::LeaveWaitlist { slot })
            | Command::Promote(Promote { slot }) => slot.agenda,
            Command::Cancel(words::Cancel { booking })
            | Command::Confirm(words::Confirm { booking })
            | Command::Expire(Expire { booking }) => self
                .booking(*booking)
                .map_or(0, |booking| booking.slot.agenda),
        }
    }

    fn state_hash(&self) -> u128 {
        self.digest().value()
    }
}

/// The slot that an event says.
const fn slot_of(event: &Event) -> Option<SlotId> {
    match event {
        Event::AgendaOpened(_) => None,
        Event::Reserved(words::Reserved { slot })
        | Event::Cancelled(words::Cancelled { slot })
        | Event::Held(words::Held { slot, .. })
        | Event::Confirmed(words::Confirmed { slot })
        | Event::Expired(words::Expired { slot, .. })
        | Event::WaitlistJoined(words::WaitlistJoined { slot, .. })
        | Event::WaitlistLeft(words::WaitlistLeft { slot })
        | Event::Promoted(words::Promoted { slot, .. })
        | Event::BookingCancelled(words::BookingCancelled { slot, .. }) => Some(*slot),
    }
}
