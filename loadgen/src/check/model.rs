//! An agenda of our own: what every command and every question should have been answered.
//!
//! Written from the description of the system and from its words, never from the server's code.
//! Here is what it holds, how logged events change it, and what reads of it show; what may be
//! answered to a command is in `rules`. Events are applied as the log has them, so that one wrong
//! decision is told once. Deliberately absent: passwords and sessions, of which an agenda only
//! needs to know who may be an admin.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{
    Key, OwnedRecord, Roles, UserId,
    words::{accounts, agenda as words},
};
use words::{Command, Event, SlotId};

use crate::operation::Slot;

use super::ledger::fold;

const DAY_MILLIS: u64 = 86_400_000;
const MINUTE_MILLIS: u64 = 60_000;

type Map<K, V> = HashMap<K, V, FixedState>;

fn map<K, V>() -> Map<K, V> {
    HashMap::with_hasher(FixedState::with_seed(0))
}

/// Where, when and for whom the log has a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) now: u64,
    pub(crate) actor: UserId,
    pub(crate) key: Key,
}

impl Place {
    /// Where, when and for whom a record stands.
    pub(crate) const fn of(record: &OwnedRecord) -> Self {
        Self {
            seq: record.seq.0,
            now: record.recorded_at,
            actor: record.actor,
            key: record.key,
        }
    }
}

#[derive(Debug)]
pub(crate) struct AgendaState {
    opens_minute: u16,
    slot_minutes: u16,
    pub(crate) slots: u16,
    capacity: usize,
    days: Map<u32, Vec<SlotState>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SlotState {
    pub(crate) held: Vec<(u64, UserId)>,
    pub(crate) waiting: Vec<(UserId, Key)>,
}

impl SlotState {
    pub(crate) fn booking_of(&self, user: UserId) -> u64 {
        let mine = self.held.iter().find(|(_, holder)| *holder == user);
        mine.map_or(0, |(booking, _)| *booking)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Booking {
    pub(crate) slot: SlotId,
    pub(crate) user: UserId,
    /// When the hold ends; 0 for none.
    pub(crate) until: u64,
    key: Key,
}

/// The agenda as of the last record.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) agendas: Map<u64, AgendaState>,
    pub(crate) bookings: Map<u64, Booking>,
    by_user: Map<UserId, Vec<u64>>,
    /// People who are admins, or may be one without our having seen why.
    pub(crate) admins: Vec<UserId>,
    people: u64,
    /// Where a place was freed and somebody waits: the next records must give them away.
    owed: Vec<SlotId>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            agendas: map(),
            bookings: map(),
            by_user: map(),
            admins: Vec::new(),
            people: 0,
            owed: Vec::new(),
        }
    }

    /// What the accounts say about who is who.
    pub(crate) fn apply_account(&mut self, place: &Place, event: &accounts::Event) {
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
            | accounts::Event::Rehashed(_)
            | accounts::Event::CursorMoved(_)
            | accounts::Event::ClockSetBack(_) => {}
            accounts::Event::Erased(_) => self.erase(place),
        }
    }

    /// Nothing of the actor is left; their places to come are for those who wait.
    fn erase(&mut self, place: &Place) {
        self.admins.retain(|user| *user != place.actor);
        for agenda in self.agendas.values_mut() {
            for slot in agenda.days.values_mut().flatten() {
                slot.waiting.retain(|(user, _)| *user != place.actor);
            }
        }
        for booking in self.by_user.remove(&place.actor).unwrap_or_default() {
            self.free(booking);
        }
        let agendas = &self.agendas;
        self.owed.retain(|slot| {
            let agenda = agendas.get(&slot.agenda);
            agenda.is_some_and(|agenda| place.now <= agenda.starts_at(*slot))
        });
    }

    /// A slot whose freed place should be given away by a record that gives away this one, or none.
    pub(crate) fn unpaid(&mut self, given: Option<SlotId>) -> Option<SlotId> {
        let mut owed = std::mem::take(&mut self.owed);
        match owed.iter().position(|slot| Some(*slot) == given) {
            Some(at) => {
                owed.swap_remove(at);
                self.owed = owed;
                None
            }
            None => owed.first().copied(),
        }
    }

    /// The slots that anybody holds.
    pub(crate) fn held_slots(&self) -> HashSet<Slot, FixedState> {
        let mut held = HashSet::with_hasher(FixedState::with_seed(0));
        for booking in self.bookings.values() {
            held.extend(Slot::pack(booking.slot));
        }
        held
    }

    pub(crate) fn slot(&self, id: SlotId) -> Option<&SlotState> {
        let day = self.agendas.get(&id.agenda)?.days.get(&id.day)?;
        day.get(usize::from(id.slot))
    }

    /// Places in a slot.
    pub(crate) fn capacity(&self, slot: SlotId) -> usize {
        self.agendas
            .get(&slot.agenda)
            .map_or(0, |agenda| agenda.capacity)
    }

    fn slot_mut(&mut self, id: SlotId) -> Option<&mut SlotState> {
        let agenda = self.agendas.get_mut(&id.agenda)?;
        let count = usize::from(agenda.slots);
        let empty = || vec![SlotState::default(); count];
        let day = agenda.days.entry(id.day).or_insert_with(empty);
        day.get_mut(usize::from(id.slot))
    }

    /// Makes it so, as the log has it.
    pub(crate) fn apply(&mut self, place: &Place, command: &Command, event: &Event) {
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
            Event::BookingCancelled(cancelled) => self.free(cancelled.booking),
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
                self.owed.push(held.slot);
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
    pub(crate) fn day(&self, agenda: u64, day: u32, user: UserId) -> Option<DayDigest> {
        let mut digest = DayDigest::default();
        for (held, waiting, mine) in self.day_slots(agenda, day, user)? {
            digest.push(held, waiting, mine);
        }
        Some(digest)
    }

    /// The slots of a day as one person sees them: held, waiting, and their own booking, 0 for none.
    pub(crate) fn day_slots(
        &self,
        agenda: u64,
        day: u32,
        user: UserId,
    ) -> Option<impl Iterator<Item = (usize, usize, u64)>> {
        let state = self.agendas.get(&agenda)?;
        let slots = state.days.get(&day).map_or(&[][..], Vec::as_slice);
        let untouched = usize::from(state.slots).saturating_sub(slots.len());
        let touched = slots
            .iter()
            .map(move |slot| (slot.held.len(), slot.waiting.len(), slot.booking_of(user)));
        Some(touched.chain(std::iter::repeat_n((0, 0, 0), untouched)))
    }

    /// The ids of somebody's first `limit` bookings.
    pub(crate) fn booking_ids(&self, user: UserId, limit: usize) -> Vec<u64> {
        let mine = self.by_user.get(&user).map_or(&[][..], Vec::as_slice);
        mine.iter().take(limit).copied().collect()
    }

    /// The digest of somebody's first `limit` bookings, and how many they are.
    pub(crate) fn bookings(&self, user: UserId, limit: usize) -> (u64, usize) {
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
    pub(crate) const fn is_over(&self, now: u64) -> bool {
        self.until != 0 && self.until <= now
    }
}

impl AgendaState {
    pub(crate) fn starts_at(&self, slot: SlotId) -> u64 {
        let minutes =
            u64::from(self.opens_minute) + u64::from(slot.slot) * u64::from(self.slot_minutes);
        u64::from(slot.day) * DAY_MILLIS + minutes * MINUTE_MILLIS
    }
}

/// A day of an agenda, slot by slot, in eight bytes. Whether a slot is past is left out: it hangs
/// on the instant of the question, which no log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DayDigest(pub(crate) u64);

impl DayDigest {
    /// The next slot.
    pub(crate) fn push(&mut self, held: usize, waiting: usize, mine: u64) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX) & 0xffff_ffff;
        self.0 = fold(self.0, count(held) << 32 | count(waiting));
        self.0 = fold(self.0, mine);
    }
}

/// Folds one booking into the digest of a page of them.
pub(crate) fn fold_booking(digest: u64, booking: u64, of: (SlotId, u64, Key)) -> u64 {
    let (slot, until, key) = of;
    let place = u64::from(slot.day) << 16 | u64::from(slot.slot);
    let (low, high) = key.0.split_at(8);
    let eight = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    [booking, slot.agenda, place, until, eight(low), eight(high)]
        .into_iter()
        .fold(digest, fold)
}
