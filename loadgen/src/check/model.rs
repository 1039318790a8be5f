//! An agenda of our own: what every command and every question should have been answered.
//!
//! Written from the description of the system and from its words, never from the server's code.
//! Commands go in with where and when the log has them, and what may be answered comes out; the
//! logged event is then applied, so that one wrong decision is told once. Deliberately absent:
//! passwords and sessions, of which an agenda only needs to know who may be an admin.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{
    Code, Key, Refusal, Roles, UserId,
    words::{accounts, agenda as words},
};
use words::{Command, Event, SlotId};

use crate::operation::Slot;

use super::ledger::fold;

const DAY_MILLIS: u64 = 86_400_000;
const MINUTE_MILLIS: u64 = 60_000;
const HOLD_SECONDS_MAX: u32 = 3_600;

type Map<K, V> = HashMap<K, V, FixedState>;

fn map<K, V>() -> Map<K, V> {
    HashMap::with_hasher(FixedState::with_seed(0))
}

/// Where, when and for whom the log has a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) now: u64,
    pub(super) actor: UserId,
    pub(super) key: Key,
}

/// What may be answered to a command: an event, or any of some refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
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
    pub(super) fn allows(&self, logged: &Result<Event, Refusal>) -> bool {
        match logged {
            Ok(event) => self.event.as_ref() == Some(event),
            Err(refusal) => self.refusals.contains(&Some(refusal.code)),
        }
    }

    /// What may be answered, for people.
    pub(super) fn text(&self) -> String {
        let event = self.event.as_ref().map(|event| format!("{event:?}"));
        let refusals = self.refusals.iter().flatten();
        let refusals = refusals.map(|code| format!("refused with {}", code.name()));
        let all: Vec<String> = event.into_iter().chain(refusals).collect();
        all.join(", or ")
    }
}

#[derive(Debug)]
struct AgendaState {
    opens_minute: u16,
    slot_minutes: u16,
    slots: u16,
    capacity: usize,
    days: Map<u32, Vec<SlotState>>,
}

#[derive(Debug, Clone, Default)]
struct SlotState {
    held: Vec<(u64, UserId)>,
    waiting: Vec<(UserId, Key)>,
}

impl SlotState {
    fn booking_of(&self, user: UserId) -> u64 {
        let mine = self.held.iter().find(|(_, holder)| *holder == user);
        mine.map_or(0, |(booking, _)| *booking)
    }
}

#[derive(Debug, Clone, Copy)]
struct Booking {
    slot: SlotId,
    user: UserId,
    /// When the hold ends; 0 for none.
    until: u64,
    key: Key,
}

/// The agenda as of the last record.
#[derive(Debug)]
pub(super) struct Model {
    agendas: Map<u64, AgendaState>,
    bookings: Map<u64, Booking>,
    by_user: Map<UserId, Vec<u64>>,
    /// People who are admins, or may be one without our having seen why.
    admins: Vec<UserId>,
    people: u64,
    /// A place was freed and somebody waits: the next record must give it to them.
    owed: Option<SlotId>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            agendas: map(),
            bookings: map(),
            by_user: map(),
            admins: Vec::new(),
            people: 0,
            owed: None,
        }
    }

    /// What the accounts say about who is who.
    pub(super) fn apply_account(&mut self, place: &Place, event: &accounts::Event) {
        match event {
            accounts::Event::Registered(_) => {
                // How the first admin comes to be is the server's business.
                if self.people == 0 {
                    self.admins.push(UserId(place.seq));
                }
                self.people += 1;
            }
            accounts::Event::RolesSet(set) => {
                self.admins.retain(|user| *user != set.user);
                if set.roles.contains(Roles::ADMIN) {
                    self.admins.push(set.user);
                }
            }
            accounts::Event::LoggedIn(_)
            | accounts::Event::SessionsEnded(_)
            | accounts::Event::Rehashed(_) => {}
        }
    }

    /// The slot whose freed place must be given away by the next record.
    pub(super) const fn owed(&mut self) -> Option<SlotId> {
        self.owed.take()
    }

    /// The slots that anybody holds.
    pub(super) fn held_slots(&self) -> HashSet<Slot, FixedState> {
        let mut held = HashSet::with_hasher(FixedState::with_seed(0));
        for booking in self.bookings.values() {
            held.extend(Slot::pack(booking.slot));
        }
        held
    }

    fn slot(&self, id: SlotId) -> Option<&SlotState> {
        let day = self.agendas.get(&id.agenda)?.days.get(&id.day)?;
        day.get(usize::from(id.slot))
    }

    fn slot_mut(&mut self, id: SlotId) -> Option<&mut SlotState> {
        let agenda = self.agendas.get_mut(&id.agenda)?;
        let count = usize::from(agenda.slots);
        let empty = || vec![SlotState::default(); count];
        let day = agenda.days.entry(id.day).or_insert_with(empty);
        day.get_mut(usize::from(id.slot))
    }

    /// What may be answered to `command`. `logged` is only looked at for limits of the server's
    /// own that no description states.
    pub(super) fn expect(
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
            Command::Promote(promote) => self.expect_promote(promote.slot),
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

    fn capacity(&self, slot: SlotId) -> usize {
        self.agendas
            .get(&slot.agenda)
            .map_or(0, |agenda| agenda.capacity)
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
        let event = Event::Cancelled(words::Cancelled { slot: held.slot });
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

    fn expect_promote(&self, slot: SlotId) -> Expected {
        let state = self.slot(slot);
        let free = state.is_some_and(|state| state.held.len() < self.capacity(slot));
        match state.and_then(|state| state.waiting.first()) {
            Some((user, _)) if free => {
                Expected::event(Event::Promoted(words::Promoted { slot, user: *user }))
            }
            Some(_) => Expected::refused(Code::SLOT_TAKEN),
            None => Expected::refused(Code::NOT_WAITING),
        }
    }

    /// Makes it so, as the log has it.
    pub(super) fn apply(&mut self, place: &Place, command: &Command, event: &Event) {
        match event {
            Event::AgendaOpened(opened) => self.open(place, command, opened.slots),
            Event::Reserved(reserved) => {
                self.book(place.seq, reserved.slot, place.actor, (0, place.key));
            }
            Event::Held(held) => {
                self.book(place.seq, held.slot, place.actor, (held.until, place.key));
            }
            Event::Cancelled(_) => {
                if let Command::Cancel(cancel) = command {
                    self.free(cancel.booking);
                }
            }
            Event::Expired(expired) => self.free(expired.booking),
            Event::Confirmed(_) => {
                if let Command::Confirm(confirm) = command
                    && let Some(held) = self.bookings.get_mut(&confirm.booking)
                {
                    held.until = 0;
                }
            }
            Event::WaitlistJoined(joined) => {
                if let Some(state) = self.slot_mut(joined.slot) {
                    state.waiting.push((place.actor, place.key));
                }
            }
            Event::WaitlistLeft(left) => {
                if let Some(state) = self.slot_mut(left.slot) {
                    state.waiting.retain(|(user, _)| *user != place.actor);
                }
            }
            Event::Promoted(promoted) => self.promote(place.seq, promoted),
        }
    }

    fn open(&mut self, place: &Place, command: &Command, slots: u16) {
        if let Command::OpenAgenda(open) = command {
            let agenda = AgendaState {
                opens_minute: open.opens_minute,
                slot_minutes: open.slot_minutes,
                slots,
                capacity: usize::from(open.capacity),
                days: map(),
            };
            self.agendas.insert(place.seq, agenda);
        }
    }

    fn book(&mut self, booking: u64, slot: SlotId, user: UserId, (until, key): (u64, Key)) {
        if let Some(state) = self.slot_mut(slot) {
            state.held.push((booking, user));
        }
        let held = Booking {
            slot,
            user,
            until,
            key,
        };
        self.bookings.insert(booking, held);
        self.by_user.entry(user).or_default().push(booking);
    }

    fn free(&mut self, booking: u64) {
        let Some(held) = self.bookings.remove(&booking) else {
            return;
        };
        if let Some(mine) = self.by_user.get_mut(&held.user) {
            mine.retain(|other| *other != booking);
        }
        let capacity = self.capacity(held.slot);
        if let Some(state) = self.slot_mut(held.slot) {
            state.held.retain(|(other, _)| *other != booking);
            if !state.waiting.is_empty() && state.held.len() < capacity {
                self.owed = Some(held.slot);
            }
        }
    }

    fn promote(&mut self, seq: u64, promoted: &words::Promoted) {
        let mut key = Key::default();
        if let Some(state) = self.slot_mut(promoted.slot)
            && let Some(at) = (state.waiting.iter()).position(|(user, _)| *user == promoted.user)
        {
            key = state.waiting.remove(at).1;
        }
        self.book(seq, promoted.slot, promoted.user, (0, key));
    }

    /// The digest of a day as one person sees it; `None` when there is no such agenda.
    pub(super) fn day(&self, agenda: u64, day: u32, user: UserId) -> Option<DayDigest> {
        let state = self.agendas.get(&agenda)?;
        let mut digest = DayDigest::default();
        match state.days.get(&day) {
            None => (0..state.slots).for_each(|_| digest.push(0, 0, 0)),
            Some(slots) => {
                for slot in slots {
                    digest.push(slot.held.len(), slot.waiting.len(), slot.booking_of(user));
                }
            }
        }
        Some(digest)
    }

    /// The digest of somebody's first `limit` bookings, and how many they are.
    pub(super) fn bookings(&self, user: UserId, limit: usize) -> (u64, usize) {
        let mine = self.by_user.get(&user).map_or(&[][..], Vec::as_slice);
        let page = mine.iter().take(limit);
        let digest = page.fold(0, |digest, booking| match self.bookings.get(booking) {
            Some(held) => fold_booking(digest, *booking, (held.slot, held.until, held.key)),
            None => digest,
        });
        (digest, mine.len().min(limit))
    }
}

impl Booking {
    const fn is_over(&self, now: u64) -> bool {
        self.until != 0 && self.until <= now
    }
}

impl AgendaState {
    fn starts_at(&self, slot: SlotId) -> u64 {
        let minutes =
            u64::from(self.opens_minute) + u64::from(slot.slot) * u64::from(self.slot_minutes);
        u64::from(slot.day) * DAY_MILLIS + minutes * MINUTE_MILLIS
    }
}

/// A day of an agenda, slot by slot, in eight bytes. Whether a slot is past is left out: it hangs
/// on the instant of the question, which no log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DayDigest(pub(super) u64);

impl DayDigest {
    /// The next slot.
    pub(super) fn push(&mut self, held: usize, waiting: usize, mine: u64) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX) & 0xffff_ffff;
        self.0 = fold(self.0, count(held) << 32 | count(waiting));
        self.0 = fold(self.0, mine);
    }
}

/// Folds one booking into the digest of a page of them.
pub(super) fn fold_booking(digest: u64, booking: u64, of: (SlotId, u64, Key)) -> u64 {
    let (slot, until, key) = of;
    let place = u64::from(slot.day) << 16 | u64::from(slot.slot);
    let (low, high) = key.0.split_at(8);
    let eight = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    [booking, slot.agenda, place, until, eight(low), eight(high)]
        .into_iter()
        .fold(digest, fold)
}
