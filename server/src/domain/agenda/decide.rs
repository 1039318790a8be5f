//! What may happen in the agenda, and why not.
//!
//! A command and its context come in; the event that would happen, or the first rule in its way,
//! goes out. What a command says is checked before what the state says, so that the same nonsense
//! is always refused alike. Deliberately absent: any change of state.

use protocol::{
    Code, Refusal, Roles, UserId,
    limits::{CAPACITY_MAX, DAYS_AHEAD_MAX, HOLD_SECONDS_MAX, LIST_NAME_BYTES_MAX, WAITERS_MAX},
    words::agenda::{
        AgendaOpened, BookingCancelled, Cancel, Cancelled, Confirm, Confirmed, Event, Expire,
        Expired, Held, Hold, JoinWaitlist, LeaveWaitlist, OpenAgenda, Promote, Promoted, Reserve,
        Reserved, SlotId, WaitlistJoined, WaitlistLeft,
    },
};

use super::{
    booking::Booking,
    place::Place,
    state::{Agenda, AgendaRow, DAY_MS},
};
use crate::domain::{Context, checks::check_name};

const DAY_MINUTES: u16 = 24 * 60;

impl Agenda {
    pub(super) fn decide_open(
        &self,
        cx: &Context,
        command: &OpenAgenda,
    ) -> Result<AgendaOpened, Refusal> {
        check_may_open(cx)?;
        check_name(Code::AGENDA_NAME_LENGTH, &command.name, LIST_NAME_BYTES_MAX)?;
        let slots = slots_a_day(command)?;
        if !(1..=CAPACITY_MAX).contains(&command.capacity) {
            return Err(Refusal::with(
                Code::AGENDA_CAPACITY,
                command.capacity.into(),
                CAPACITY_MAX.into(),
            ));
        }
        match self.agenda_named(&command.name) {
            Some(other) => Err(Refusal::with(Code::AGENDA_NAME_TAKEN, other, 0)),
            None => Ok(AgendaOpened { slots }),
        }
    }

    pub(super) fn decide_reserve(
        &self,
        cx: &Context,
        command: &Reserve,
    ) -> Result<Reserved, Refusal> {
        self.check_place(cx, command.slot)?;
        Ok(Reserved { slot: command.slot })
    }

    pub(super) fn decide_hold(&self, cx: &Context, command: &Hold) -> Result<Held, Refusal> {
        check_person(cx)?;
        if !(1..=HOLD_SECONDS_MAX).contains(&command.seconds) {
            return Err(Refusal::with(
                Code::HOLD_LENGTH,
                command.seconds.into(),
                HOLD_SECONDS_MAX.into(),
            ));
        }
        self.check_place(cx, command.slot)?;
        Ok(Held {
            slot: command.slot,
            until: cx.now + u64::from(command.seconds) * 1_000,
        })
    }

    pub(super) fn decide_cancel(&self, cx: &Context, command: &Cancel) -> Result<Event, Refusal> {
        check_person(cx)?;
        let booking = self.known_booking(command.booking)?;
        let (slot, user) = (booking.slot, booking.user);
        if user == cx.actor {
            return Ok(Cancelled { slot }.into());
        }
        if !cx.roles.contains(Roles::ADMIN) {
            return Err(Refusal::with(Code::NOT_HOLDER, command.booking, 0));
        }
        // Whose it was is said: the holder must hear of it, and it is told from the record alone.
        Ok(BookingCancelled {
            booking: command.booking,
            user,
            slot,
            by: cx.actor,
        }
        .into())
    }

    pub(super) fn decide_confirm(
        &self,
        cx: &Context,
        command: &Confirm,
    ) -> Result<Confirmed, Refusal> {
        check_person(cx)?;
        let booking = self.known_booking(command.booking)?;
        // The hold is over even if the record that ends it has yet to be written.
        if booking.until != 0 && booking.until <= cx.now {
            return Err(Refusal::with(Code::UNKNOWN_BOOKING, command.booking, 0));
        }
        if booking.user != cx.actor {
            return Err(Refusal::with(Code::NOT_HOLDER, command.booking, 0));
        }
        if booking.until == 0 {
            return Err(Refusal::with(Code::NOT_ON_HOLD, command.booking, 0));
        }
        Ok(Confirmed { slot: booking.slot })
    }

    pub(super) fn decide_expire(&self, cx: &Context, command: &Expire) -> Result<Expired, Refusal> {
        let booking = self.known_booking(command.booking)?;
        if booking.until == 0 {
            return Err(Refusal::with(Code::NOT_ON_HOLD, command.booking, 0));
        }
        if cx.now < booking.until {
            return Err(Refusal::with(
                Code::HOLD_NOT_DUE,
                command.booking,
                booking.until,
            ));
        }
        Ok(Expired {
            booking: command.booking,
            user: booking.user,
            slot: booking.slot,
        })
    }

    pub(super) fn decide_join(
        &self,
        cx: &Context,
        command: &JoinWaitlist,
    ) -> Result<WaitlistJoined, Refusal> {
        check_person(cx)?;
        let slot = command.slot;
        let agenda = self.open_slot(cx, slot)?;
        let places = self.places(slot);
        let free = usize::from(agenda.opened.capacity).saturating_sub(places.len());
        if free != 0 {
            return Err(refusal(Code::SLOT_FREE, free, 0));
        }
        if let Some(place) = place_of(places, cx.actor) {
            return Err(Refusal::with(Code::ALREADY_BOOKED, place.booking(), 0));
        }
        if let Some(place) = self.place_in_queue(slot, cx.actor) {
            return Err(refusal(Code::ALREADY_WAITING, place, 0));
        }
        let waiting = self.queue(slot).map_or(0, |queue| queue.len());
        if WAITERS_MAX <= waiting {
            return Err(refusal(Code::WAITLIST_FULL, waiting, WAITERS_MAX));
        }
        let place = u32::try_from(waiting + 1).expect("queues are bounded far below 2^32");
        Ok(WaitlistJoined { slot, place })
    }

    pub(super) fn decide_leave(
        &self,
        cx: &Context,
        command: &LeaveWaitlist,
    ) -> Result<WaitlistLeft, Refusal> {
        check_person(cx)?;
        let slot = command.slot;
        self.known_agenda(slot.agenda)?;
        match self.place_in_queue(slot, cx.actor) {
            Some(_) => Ok(WaitlistLeft { slot }),
            None => Err(Refusal::new(Code::NOT_WAITING)),
        }
    }

    pub(super) fn decide_promote(
        &self,
        cx: &Context,
        command: &Promote,
    ) -> Result<Promoted, Refusal> {
        let slot = command.slot;
        let agenda = self.known_agenda(slot.agenda)?;
        let first = self
            .queue(slot)
            .and_then(|queue| queue.front())
            .ok_or(Refusal::new(Code::NOT_WAITING))?;
        check_not_past(cx, agenda, slot)?;
        check_free(agenda, self.places(slot))?;
        Ok(Promoted {
            slot,
            user: first.user,
        })
    }

    /// Whether the actor may take a place of this slot now.
    fn check_place(&self, cx: &Context, slot: SlotId) -> Result<(), Refusal> {
        check_person(cx)?;
        let agenda = self.open_slot(cx, slot)?;
        let places = self.places(slot);
        check_free(agenda, places)?;
        match place_of(places, cx.actor) {
            Some(place) => Err(Refusal::with(Code::ALREADY_BOOKED, place.booking(), 0)),
            None => Ok(()),
        }
    }

    /// The agenda of a slot that exists, is near enough, and has not begun.
    fn open_slot(&self, cx: &Context, slot: SlotId) -> Result<&AgendaRow, Refusal> {
        let agenda = self.known_agenda(slot.agenda)?;
        check_day(cx, slot.day)?;
        if agenda.slots <= slot.slot {
            return Err(Refusal::with(
                Code::UNKNOWN_SLOT,
                slot.slot.into(),
                agenda.slots.into(),
            ));
        }
        check_not_past(cx, agenda, slot)?;
        Ok(agenda)
    }

    pub(super) fn known_agenda(&self, id: u64) -> Result<&AgendaRow, Refusal> {
        self.agenda(id)
            .ok_or(Refusal::with(Code::UNKNOWN_AGENDA, id, 0))
    }

    fn known_booking(&self, id: u64) -> Result<Booking, Refusal> {
        self.booking(id)
            .ok_or(Refusal::with(Code::UNKNOWN_BOOKING, id, 0))
    }

    /// Where somebody stands in a queue; the first is 1.
    fn place_in_queue(&self, slot: SlotId, user: UserId) -> Option<usize> {
        let index = self
            .queue(slot)?
            .iter()
            .position(|waiter| waiter.user == user)?;
        Some(index + 1)
    }
}

/// Somebody's place among these, which are ordered by person.
pub(super) fn place_of(places: &[Place], user: UserId) -> Option<&Place> {
    let index = places
        .binary_search_by_key(&user, |place| place.user())
        .ok()?;
    places.get(index)
}

/// Whether the calendar reaches this day.
pub(super) fn check_day(cx: &Context, day: u32) -> Result<(), Refusal> {
    let last = cx.now / DAY_MS + DAYS_AHEAD_MAX;
    if last < u64::from(day) {
        return Err(Refusal::with(Code::DAY_OUT_OF_RANGE, day.into(), last));
    }
    Ok(())
}

/// Places and queues belong to people; the server has none.
pub(super) const fn check_person(cx: &Context) -> Result<(), Refusal> {
    if cx.actor.0 == UserId::NOBODY.0 {
        return Err(Refusal::new(Code::LOG_IN_FIRST));
    }
    Ok(())
}

/// The server opens the first agenda itself: nobody, with every role.
fn check_may_open(cx: &Context) -> Result<(), Refusal> {
    if cx.roles.contains(Roles::MANAGER) || cx.roles.contains(Roles::ADMIN) {
        return Ok(());
    }
    check_person(cx)?;
    Err(Refusal::with(
        Code::NOT_ALLOWED,
        cx.roles.0.into(),
        Roles::MANAGER.0.into(),
    ))
}

fn slots_a_day(command: &OpenAgenda) -> Result<u16, Refusal> {
    let open = command.closes_minute.saturating_sub(command.opens_minute);
    let is_whole = 0 < open
        && command.closes_minute <= DAY_MINUTES
        && open.checked_rem(command.slot_minutes) == Some(0);
    if !is_whole {
        return Err(Refusal::with(
            Code::AGENDA_HOURS,
            open.into(),
            command.slot_minutes.into(),
        ));
    }
    Ok(open / command.slot_minutes)
}

fn check_not_past(cx: &Context, agenda: &AgendaRow, slot: SlotId) -> Result<(), Refusal> {
    let starts_at = agenda.starts_at(slot.day, slot.slot);
    if starts_at < cx.now {
        return Err(Refusal::with(Code::SLOT_PAST, starts_at, cx.now));
    }
    Ok(())
}

fn check_free(agenda: &AgendaRow, places: &[Place]) -> Result<(), Refusal> {
    let capacity = usize::from(agenda.opened.capacity);
    if capacity <= places.len() {
        return Err(refusal(Code::SLOT_TAKEN, places.len(), capacity));
    }
    Ok(())
}

fn refusal(code: Code, value: usize, limit: usize) -> Refusal {
    let figure = |count| u64::try_from(count).unwrap_or(u64::MAX);
    Refusal::with(code, figure(value), figure(limit))
}
