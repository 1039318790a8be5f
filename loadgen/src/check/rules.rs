//! The rules of the model: what may be answered to each command, and to which state.
//!
//! A command goes in with where and when the log has it; the one event or the few refusals that
//! are right come out. Where no description says which of several reasons comes first, all of them
//! are. Changes nothing.

use protocol::{Code, Refusal, words::agenda as words};
use words::{Command, Event, SlotId};

use super::finding::slot_id_text;
use super::model::{Model, Place, SlotState};

const HOLD_SECONDS_MAX: u32 = 3_600;

/// What may be answered to a command: an event, or any of some refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    event: Option<Event>,
    refusals: [Option<Code>; 4],
}

impl Expected {
    const fn event(event: Event) -> Self {
        Self {
            event: Some(event),
            refusals: [None; 4],
        }
    }

    const fn refused(code: Code) -> Self {
        Self::nothing().or(code)
    }

    const fn nothing() -> Self {
        Self {
            event: None,
            refusals: [None; 4],
        }
    }

    /// This refusal would be right as well.
    const fn or(mut self, code: Code) -> Self {
        let mut at = 0;
        while at < self.refusals.len() {
            if self.refusals[at].is_none() {
                self.refusals[at] = Some(code);
                return self;
            }
            at += 1;
        }
        self
    }

    const fn is_refused(&self) -> bool {
        self.refusals[0].is_some()
    }

    /// Whether this is what may be answered.
    pub(crate) fn allows(&self, logged: &Result<Event, Refusal>) -> bool {
        match logged {
            Ok(event) => self.event.as_ref() == Some(event),
            Err(refusal) => self.refusals.contains(&Some(refusal.code)),
        }
    }

    /// What may be answered, for people.
    pub(crate) fn text(&self) -> String {
        let event = self.event.as_ref().map(event_text);
        let refusals = self.refusals.iter().flatten();
        let refusals = refusals.map(|code| format!("refused with {}", code.name()));
        let all: Vec<String> = event.into_iter().chain(refusals).collect();
        all.join(", or ")
    }
}

/// An event as people say it.
fn event_text(event: &Event) -> String {
    let of = |slot: &SlotId| format!("{} {}", event.name(), slot_id_text(*slot));
    match event {
        Event::AgendaOpened(word) => format!("{} with {} slots a day", event.name(), word.slots),
        Event::Reserved(word) => of(&word.slot),
        Event::Cancelled(word) => of(&word.slot),
        Event::BookingCancelled(word) => format!(
            "{}, booking {} of {}, by {}",
            of(&word.slot),
            word.booking,
            word.user,
            word.by
        ),
        Event::Held(word) => format!("{} until {} ms", of(&word.slot), word.until),
        Event::Confirmed(word) => of(&word.slot),
        Event::Expired(word) => format!(
            "{}, booking {} of {}",
            of(&word.slot),
            word.booking,
            word.user
        ),
        Event::WaitlistJoined(word) => format!("{}, as number {}", of(&word.slot), word.place),
        Event::WaitlistLeft(word) => of(&word.slot),
        Event::Promoted(word) => format!("{}, for {}", of(&word.slot), word.user),
    }
}

impl Model {
    /// What may be answered to `command`. `logged` is only looked at for limits of the server's
    /// own that no description states.
    pub(crate) fn expect(
        &self,
        place: &Place,
        command: &Command,
        logged: &Result<Event, Refusal>,
    ) -> Expected {
        match command {
            Command::OpenAgenda(open) => self.expect_open(open, logged),
            Command::Reserve(reserve) => {
                let slot = reserve.slot;
                let refused = self.refuse_slot(place, slot, logged);
                let event = Event::Reserved(words::Reserved { slot });
                self.expect_place(place, slot, refused, event)
            }
            Command::Hold(hold) => self.expect_hold(place, hold, logged),
            Command::Cancel(cancel) => self.expect_cancel(place, cancel.booking),
            Command::Confirm(confirm) => self.expect_confirm(place, confirm.booking),
            Command::Expire(expire) => self.expect_expire(place, expire.booking),
            Command::JoinWaitlist(join) => self.expect_join(place, join.slot, logged),
            Command::LeaveWaitlist(leave) => self.expect_leave(place, leave.slot, logged),
            Command::Promote(promote) => self.expect_promote(place, promote.slot),
        }
    }

    fn expect_open(&self, open: &words::OpenAgenda, logged: &Result<Event, Refusal>) -> Expected {
        match logged {
            Err(refusal) => Expected::refused(refusal.code),
            Ok(_) => {
                let minutes = open.closes_minute.saturating_sub(open.opens_minute);
                let slots = minutes.checked_div(open.slot_minutes).unwrap_or(0);
                Expected::event(Event::AgendaOpened(words::AgendaOpened { slots }))
            }
        }
    }

    /// Why this slot cannot be asked for at all.
    fn refuse_slot(
        &self,
        place: &Place,
        slot: SlotId,
        logged: &Result<Event, Refusal>,
    ) -> Expected {
        let Some(agenda) = self.agendas.get(&slot.agenda) else {
            return Expected::refused(Code::UNKNOWN_AGENDA);
        };
        let mut expected = Expected::nothing();
        let past = agenda.starts_at(slot) < place.now;
        if agenda.slots <= slot.slot {
            expected = expected.or(Code::UNKNOWN_SLOT);
        }
        if past {
            expected = expected.or(Code::SLOT_PAST);
        }
        if let Err(refusal) = logged
            && refusal.code == Code::DAY_OUT_OF_RANGE
            && refusal.value == u64::from(slot.day)
            && (past || refusal.limit < refusal.value)
        {
            expected = expected.or(Code::DAY_OUT_OF_RANGE);
        }
        expected
    }

    /// A place in a slot that may be asked for.
    fn expect_place(
        &self,
        place: &Place,
        slot: SlotId,
        refused: Expected,
        event: Event,
    ) -> Expected {
        if refused.is_refused() {
            return refused;
        }
        let state = self.slot(slot);
        let held = state.map_or(0, |state| state.held.len());
        if self.capacity(slot) <= held {
            return Expected::refused(Code::SLOT_TAKEN);
        }
        match state.map_or(0, |state| state.booking_of(place.actor)) {
            0 => Expected::event(event),
            _mine => Expected::refused(Code::ALREADY_BOOKED),
        }
    }

    fn expect_hold(
        &self,
        place: &Place,
        hold: &words::Hold,
        logged: &Result<Event, Refusal>,
    ) -> Expected {
        let refused = self.refuse_slot(place, hold.slot, logged);
        let until = place.now + u64::from(hold.seconds) * 1_000;
        let event = Event::Held(words::Held {
            slot: hold.slot,
            until,
        });
        let mut expected = self.expect_place(place, hold.slot, refused, event);
        if hold.seconds == 0 || HOLD_SECONDS_MAX < hold.seconds {
            expected.event = None;
            expected = expected.or(Code::HOLD_LENGTH);
        }
        expected
    }

    fn expect_cancel(&self, place: &Place, booking: u64) -> Expected {
        let Some(held) = self.bookings.get(&booking) else {
            return Expected::refused(Code::UNKNOWN_BOOKING);
        };
        let (slot, user) = (held.slot, held.user);
        let event = match user == place.actor {
            true => Event::Cancelled(words::Cancelled { slot }),
            false => Event::BookingCancelled(words::BookingCancelled {
                booking,
                user,
                slot,
                by: place.actor,
            }),
        };
        let mut expected = Expected::event(event);
        if held.user != place.actor {
            expected = expected.or(Code::NOT_HOLDER);
            if !self.admins.contains(&place.actor) {
                expected.event = None;
            }
        }
        if held.is_over(place.now) {
            expected = expected.or(Code::UNKNOWN_BOOKING);
        }
        expected
    }

    fn expect_confirm(&self, place: &Place, booking: u64) -> Expected {
        let Some(held) = self.bookings.get(&booking) else {
            return Expected::refused(Code::UNKNOWN_BOOKING);
        };
        let mut expected = Expected::event(Event::Confirmed(words::Confirmed { slot: held.slot }));
        if held.until == 0 {
            expected = Expected::refused(Code::NOT_ON_HOLD);
        } else if held.is_over(place.now) {
            expected = Expected::refused(Code::UNKNOWN_BOOKING);
        }
        if held.user != place.actor {
            expected = expected.or(Code::NOT_HOLDER);
            if !self.admins.contains(&place.actor) {
                expected.event = None;
            }
        }
        expected
    }

    fn expect_expire(&self, place: &Place, booking: u64) -> Expected {
        match self.bookings.get(&booking) {
            None => Expected::refused(Code::UNKNOWN_BOOKING),
            Some(held) if held.until == 0 => Expected::refused(Code::NOT_ON_HOLD),
            Some(held) if !held.is_over(place.now) => Expected::refused(Code::HOLD_NOT_DUE),
            Some(held) => Expected::event(Event::Expired(words::Expired {
                booking,
                user: held.user,
                slot: held.slot,
            })),
        }
    }

    fn expect_join(
        &self,
        place: &Place,
        slot: SlotId,
        logged: &Result<Event, Refusal>,
    ) -> Expected {
        let refused = self.refuse_slot(place, slot, logged);
        if refused.is_refused() {
            return refused;
        }
        let empty = SlotState::default();
        let state = self.slot(slot).unwrap_or(&empty);
        let queue = state.waiting.len();
        let place_in_queue = u32::try_from(queue + 1).unwrap_or(u32::MAX);
        let joined = words::WaitlistJoined {
            slot,
            place: place_in_queue,
        };
        let mut expected = Expected::nothing();
        if state.held.len() < self.capacity(slot) {
            expected = expected.or(Code::SLOT_FREE);
        }
        if state.booking_of(place.actor) != 0 {
            expected = expected.or(Code::ALREADY_BOOKED);
        }
        if state.waiting.iter().any(|(user, _)| *user == place.actor) {
            expected = expected.or(Code::ALREADY_WAITING);
        }
        if let Err(full) = logged
            && full.code == Code::WAITLIST_FULL
            && full.limit <= u64::from(place_in_queue - 1)
        {
            expected = expected.or(Code::WAITLIST_FULL);
        }
        if !expected.is_refused() {
            expected.event = Some(Event::WaitlistJoined(joined));
        }
        expected
    }

    fn expect_leave(
        &self,
        place: &Place,
        slot: SlotId,
        logged: &Result<Event, Refusal>,
    ) -> Expected {
        let waits = self
            .slot(slot)
            .is_some_and(|state| state.waiting.iter().any(|(user, _)| *user == place.actor));
        if waits {
            let event = Event::WaitlistLeft(words::WaitlistLeft { slot });
            // A queue for what is over may be refused for that.
            let mut expected = self.refuse_slot(place, slot, logged);
            expected.event = Some(event);
            return expected;
        }
        self.refuse_slot(place, slot, logged).or(Code::NOT_WAITING)
    }

    fn expect_promote(&self, place: &Place, slot: SlotId) -> Expected {
        let state = self.slot(slot);
        let Some((user, _)) = state.and_then(|state| state.waiting.first()) else {
            return Expected::refused(Code::NOT_WAITING);
        };
        let mut expected = Expected::nothing();
        // What began is never given away; its queue stays.
        let agenda = self.agendas.get(&slot.agenda);
        if agenda.is_some_and(|agenda| agenda.starts_at(slot) < place.now) {
            expected = expected.or(Code::SLOT_PAST);
        }
        if self.capacity(slot) <= state.map_or(0, |state| state.held.len()) {
            expected = expected.or(Code::SLOT_TAKEN);
        }
        if !expected.is_refused() {
            let promoted = words::Promoted { slot, user: *user };
            expected.event = Some(promoted.into());
        }
        expected
    }
}
