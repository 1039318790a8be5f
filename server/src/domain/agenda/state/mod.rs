//! The rows of the agenda, and every way to change them.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart: a row and its hash appear and disappear in one function. The maps that every
//! command touches are hash maps with a fixed seed; nothing iterates them, so their order never
//! shows. `save` writes the rows for a snapshot. Deliberately absent: rules.

mod save;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use foldhash::fast::FixedState;
use hashbrown::hash_map::Entry;
use protocol::{
    Key, UserId,
    words::agenda::{OpenAgenda, SlotId},
};

use super::{
    booking::{Booking, Row},
    held::HeldSlots,
    ids::BookingIds,
    place::Place,
    rank_map::RankMap,
};
use crate::domain::digest::Digest;

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

const TABLE_AGENDA: u8 = 1;
const TABLE_BOOKING: u8 = 2;
const TABLE_WAITER: u8 = 3;

const MINUTE_MS: u64 = 60_000;
/// One day.
pub(super) const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Every agenda with its slots, bookings and queues.
#[derive(Debug, Default)]
pub struct Agenda {
    // Ids rise, so pushing keeps the order.
    agendas: Vec<AgendaRow>,
    // Where each stands in that list: every command asks.
    by_id: Map<u64, usize>,
    names: BTreeMap<String, u64>,
    bookings: RankMap<Row>,
    held: HeldSlots,
    by_user: Map<UserId, BookingIds>,
    // Slots with a place that an erased person left to those who wait; empty at rest.
    owed: BTreeSet<SlotId>,
    // The bookings on hold by the instant they end.
    holds: BTreeSet<(u64, u64)>,
    // When each of them does.
    hold_ends: Map<u64, u64>,
    digest: Digest,
}

/// An agenda.
#[derive(Debug)]
pub(super) struct AgendaRow {
    pub(super) id: u64,
    pub(super) slots: u16,
    pub(super) opened: OpenAgenda,
    // Only slots that somebody waits for.
    queues: Map<SlotKey, VecDeque<Waiter>>,
}

impl AgendaRow {
    /// An agenda in which nobody has anything.
    pub(super) fn new(id: u64, slots: u16, opened: OpenAgenda) -> Self {
        Self {
            id,
            slots,
            opened,
            queues: Map::default(),
        }
    }

    /// When a slot begins, milliseconds since 1970-01-01 UTC.
    pub(super) fn starts_at(&self, day: u32, slot: u16) -> u64 {
        let minute = u64::from(self.opened.opens_minute)
            + u64::from(slot) * u64::from(self.opened.slot_minutes);
        u64::from(day) * DAY_MS + minute * MINUTE_MS
    }

    fn columns(&self) -> [u64; 5] {
        [
            self.id,
            self.opened.opens_minute.into(),
            self.opened.closes_minute.into(),
            self.opened.slot_minutes.into(),
            self.opened.capacity.into(),
        ]
    }
}

impl Booking {
    fn columns(&self, id: u64) -> [u64; 8] {
        let [key_high, key_low] = halves(self.key);
        [
            id,
            self.user.0,
            self.slot.agenda,
            self.slot.day.into(),
            self.slot.slot.into(),
            self.until,
            key_high,
            key_low,
        ]
    }
}

/// Somebody who waits for a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) user: UserId,
    /// The position at which they joined: it orders the queue.
    pub(super) joined: u64,
    /// The key of the command that joined, which a booking that comes of it carries.
    pub(super) key: Key,
}

impl Waiter {
    fn columns(&self, slot: SlotId) -> [u64; 7] {
        let [key_high, key_low] = halves(self.key);
        [
            slot.agenda,
            slot.day.into(),
            slot.slot.into(),
            self.user.0,
            self.joined,
            key_high,
            key_low,
        ]
    }
}

/// A slot of one agenda in one number, which hashes in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SlotKey(pub(super) u64);

impl From<SlotId> for SlotKey {
    fn from(id: SlotId) -> Self {
        Self(u64::from(id.day) << 16 | u64::from(id.slot))
    }
}

impl SlotKey {
    fn slot(self, agenda: u64) -> SlotId {
        SlotId {
            agenda,
            day: u32::try_from(self.0 >> 16).expect("made of 32 bits"),
            slot: u16::try_from(self.0 & u64::from(u16::MAX)).expect("masked to 16 bits"),
        }
    }
}

fn halves(key: Key) -> [u64; 2] {
    let key = u128::from_be_bytes(key.0);
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).expect("masked to 64 bits");
    [half(key >> 64), half(key)]
}

// Reading.
impl Agenda {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn agenda(&self, id: u64) -> Option<&AgendaRow> {
        self.agendas.get(*self.by_id.get(&id)?)
    }

    pub(super) fn agendas_after(&self, id: u64) -> &[AgendaRow] {
        let first = self.agendas.partition_point(|row| row.id <= id);
        &self.agendas[first..]
    }

    pub(super) fn agenda_named(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    /// Asks for the memory in which a slot is looked for; returns its hash.
    pub(super) fn prefetch(&self, slot: SlotId) -> u64 {
        self.held.prefetch(slot)
    }

    /// Asks for the memory of who has places of a slot and of where a person's bookings are listed.
    pub(super) fn prefetch_found(&self, user: UserId, slot_hash: u64) {
        if let Some(ids) = self.by_user.get(&user) {
            ids.prefetch_end();
        }
        self.held.prefetch_row(slot_hash);
    }

    /// Who has places of this slot, ordered by person.
    pub(super) fn places(&self, slot: SlotId) -> &[Place] {
        self.held.places(slot)
    }

    pub(super) fn booking(&self, id: u64) -> Option<Booking> {
        let row = self.bookings.get(id)?;
        Some(row.booking(|| self.hold_ends[&id]))
    }

    /// A page of one person's bookings, rising.
    pub(super) fn bookings_of(&self, user: UserId, after: u64, limit: usize) -> Vec<u64> {
        self.by_user
            .get(&user)
            .map_or_else(Vec::new, |ids| ids.after(after, limit))
    }

    pub(super) fn queue(&self, slot: SlotId) -> Option<&VecDeque<Waiter>> {
        self.agenda(slot.agenda)?.queues.get(&SlotKey::from(slot))
    }

    pub(super) fn has_waiters(&self, slot: SlotId) -> bool {
        self.queue(slot).is_some()
    }

    /// A slot with a free place that somebody who waits must be given.
    pub(super) fn next_owed(&self) -> Option<SlotId> {
        self.owed.first().copied()
    }

    /// The hold that ends first: when, and which booking.
    pub(super) fn next_hold(&self) -> Option<(u64, u64)> {
        self.holds.first().copied()
    }
}

// Writing. Each function changes rows and digest together.
impl Agenda {
    pub(super) fn insert_agenda(&mut self, row: AgendaRow) {
        self.digest
            .insert_text(TABLE_AGENDA, row.columns(), &row.opened.name);
        self.names.insert(row.opened.name.clone(), row.id);
        self.by_id.insert(row.id, self.agendas.len());
        self.agendas.push(row);
    }

    pub(super) fn insert_booking(&mut self, id: u64, booking: &Booking) {
        self.held.insert(booking.slot, Place::new(booking.user, id));
        self.by_user.entry(booking.user).or_default().push(id);
        if booking.until != 0 {
            self.holds.insert((booking.until, id));
            self.hold_ends.insert(id, booking.until);
        }
        self.digest.insert(TABLE_BOOKING, booking.columns(id));
        self.bookings.insert(id, Row::new(booking));
    }

    /// Takes a booking out everywhere; nothing of it stays.
    pub(super) fn remove_booking(&mut self, id: u64) {
        let booking = self.booking(id);
        let booking = booking.expect("only a booking that exists can end");
        self.bookings.remove(id);
        self.digest.remove(TABLE_BOOKING, booking.columns(id));
        self.remove_hold(id);
        self.held.remove(booking.slot, Place::new(booking.user, id));
        if let Entry::Occupied(mut ids) = self.by_user.entry(booking.user) {
            ids.get_mut().remove(id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
    }

    /// A booking on hold ends by itself no more.
    pub(super) fn confirm_booking(&mut self, id: u64) {
        let booking = self.booking(id);
        let mut booking = booking.expect("only a booking that exists can be confirmed");
        self.digest.remove(TABLE_BOOKING, booking.columns(id));
        booking.until = 0;
        self.digest.insert(TABLE_BOOKING, booking.columns(id));
        if let Some(row) = self.bookings.get_mut(id) {
            row.is_on_hold = false;
        }
        self.remove_hold(id);
    }

    fn remove_hold(&mut self, id: u64) {
        if let Some(until) = self.hold_ends.remove(&id) {
            self.holds.remove(&(until, id));
        }
    }

    pub(super) fn push_waiter(&mut self, slot: SlotId, row: Waiter) {
        self.digest.insert(TABLE_WAITER, row.columns(slot));
        let queues = &mut self.agenda_of(slot).queues;
        queues.entry(slot.into()).or_default().push_back(row);
    }

    /// Takes somebody out of every queue.
    pub(super) fn remove_waits(&mut self, user: UserId) {
        for AgendaRow { id, queues, .. } in &mut self.agendas {
            queues.retain(|slot, queue| {
                let is_theirs = |waiter: &Waiter| waiter.user == user;
                if let Some(index) = queue.iter().position(is_theirs)
                    && let Some(waiter) = queue.remove(index)
                {
                    let columns = waiter.columns(slot.slot(*id));
                    self.digest.remove(TABLE_WAITER, columns);
                }
                !queue.is_empty()
            });
        }
    }

    /// A free place of this slot is for somebody who waits.
    pub(super) fn owe(&mut self, slot: SlotId) {
        self.owed.insert(slot);
    }

    /// A place of this slot was given to somebody who waited.
    pub(super) fn settle(&mut self, slot: SlotId) {
        self.owed.remove(&slot);
    }

    /// Takes somebody out of a queue, wherever they stand.
    pub(super) fn remove_waiter(&mut self, slot: SlotId, user: UserId) -> Waiter {
        let Entry::Occupied(mut queue) = self.agenda_of(slot).queues.entry(slot.into()) else {
            panic!("only a queue with people can be left");
        };
        let index = queue
            .get()
            .iter()
            .position(|waiter| waiter.user == user)
            .expect("only somebody who waits can stop waiting");
        let row = queue
            .get_mut()
            .remove(index)
            .expect("the index was just found");
        if queue.get().is_empty() {
            queue.remove();
        }
        self.digest.remove(TABLE_WAITER, row.columns(slot));
        row
    }

    fn agenda_of(&mut self, slot: SlotId) -> &mut AgendaRow {
        let index = self.by_id.get(&slot.agenda);
        let index = *index.expect("only slots of an agenda that exists are held and waited for");
        &mut self.agendas[index]
    }
}

#[cfg(test)]
impl Agenda {
    /// The digest of the rows as they are now, from nothing; and that the maps agree. A sum does
    /// not depend on the order in which a hash map is walked.
    pub(super) fn recomputed_digest(&self) -> Digest {
        let mut digest = Digest::default();
        for row in &self.agendas {
            assert_eq!(self.names[&row.opened.name], row.id);
            assert_eq!(self.agenda(row.id).map(|found| found.id), Some(row.id));
            digest.insert_text(TABLE_AGENDA, row.columns(), &row.opened.name);
        }
        let mut held = 0;
        for (id, row) in self.bookings.iter() {
            let row = row.booking(|| self.hold_ends[&id]);
            assert!(self.places(row.slot).contains(&Place::new(row.user, id)));
            assert_eq!(self.bookings_of(row.user, id - 1, 1), [id]);
            assert_eq!(self.holds.contains(&(row.until, id)), row.until != 0);
            held += usize::from(row.until != 0);
            digest.insert(TABLE_BOOKING, row.columns(id));
        }
        assert_eq!((held, held), (self.holds.len(), self.hold_ends.len()));
        assert_eq!(
            self.held_slots().values().sum::<usize>(),
            self.bookings.len()
        );
        let listed: usize = self
            .by_user
            .values()
            .map(|ids| ids.after(0, usize::MAX).len())
            .sum();
        assert_eq!(listed, self.bookings.len());
        for slot in self.queued_slots() {
            let queue = self.queue(slot).expect("it was just seen");
            assert!(!queue.is_empty(), "an empty queue leaves no row");
            assert!(queue.iter().is_sorted_by_key(|waiter| waiter.joined));
            for waiter in queue {
                digest.insert(TABLE_WAITER, waiter.columns(slot));
            }
        }
        digest
    }

    /// Every slot somebody holds a place of, with how many.
    pub(super) fn held_slots(&self) -> BTreeMap<SlotId, usize> {
        let held = self.held.iter();
        held.map(|(slot, places)| (slot, places.len())).collect()
    }

    /// Every slot somebody waits for.
    pub(super) fn queued_slots(&self) -> BTreeSet<SlotId> {
        let slots = |row: &AgendaRow| -> Vec<SlotId> {
            row.queues.keys().map(|key| key.slot(row.id)).collect()
        };
        self.agendas.iter().flat_map(slots).collect()
    }
}
