//! Who holds which slot for sure, by what their holders were told.
//!
//! Answers and pushes of the agenda go in, as they come; who else holds a slot definitely when a booking
//! is made comes out. A booking is definitely held from the moment its holder was told so until its
//! cancel is sent, or until its hold may have ended. Memory per held slot. Deliberately absent: what
//! the log says (`model`).

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::operation::{Nanos, Operation};

use super::finding::OperationId;

/// A booking that was acknowledged, or whose cancel came before the news of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) booking: u64,
    pub(crate) by: OperationId,
    /// Whether `by` is the operation that asked; else the holder was told by a push.
    pub(crate) asked: bool,
    pub(crate) since: Nanos,
    /// Not definite from here on.
    until: Nanos,
    /// Its cancel is under way, or was.
    cancelled: bool,
}

impl Held {
    const fn is_definite(&self, now: Nanos) -> bool {
        !self.cancelled && now < self.until
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Holders {
    capacity: usize,
    slack: Nanos,
    /// By the number of the slot.
    slots: Vec<Vec<Held>>,
    /// Clients whose person asked to be erased: what they held may be gone.
    parted: HashSet<u32, FixedState>,
    pub(crate) bookings: u64,
    pub(crate) cancels: u64,
}

impl Holders {
    /// Nobody holds any slot of this many places, and the server's clock may be off by `slack`.
    pub(crate) fn new(capacity: u32, slack: Nanos) -> Self {
        Self {
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            slack,
            slots: Vec::new(),
            parted: HashSet::with_hasher(FixedState::with_seed(0)),
            bookings: 0,
            cancels: 0,
        }
    }

    /// Places in each slot.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// A slot was seen for the first time; its index is the count of those before.
    pub(crate) fn add_slot(&mut self) {
        self.slots.push(Vec::with_capacity(2));
    }

    /// A cancel is about to be sent: from now on its booking may be gone.
    pub(crate) fn cancel(&mut self, index: usize, booking: u64, now: Nanos) {
        self.cancels += 1;
        let held = &mut self.slots[index];
        match held.iter_mut().find(|held| held.booking == booking) {
            Some(held) => held.cancelled = true,
            // Cancelled before its holder heard of it: the news, when it comes, is old.
            None => held.push(Held {
                booking,
                by: (u32::MAX, 0),
                asked: false,
                since: now,
                until: Nanos::MAX,
                cancelled: true,
            }),
        }
    }

    /// The person of this client is about to ask to be erased: from now on all they hold may be gone.
    pub(crate) fn part(&mut self, client: u32) {
        self.parted.insert(client);
    }

    /// A booking is over. Returns whether it was known to be held.
    pub(crate) fn free(&mut self, index: usize, booking: u64) -> bool {
        let held = &mut self.slots[index];
        let known = |held: &Held| held.booking == booking && held.by.0 != u32::MAX;
        let at = held.iter().position(known);
        at.map(|at| held.swap_remove(at)).is_some()
    }

    /// A booking is over, but by whom its place is taken is not known yet.
    pub(crate) fn end(&mut self, index: usize, booking: u64) {
        let held = &mut self.slots[index];
        if let Some(held) = held.iter_mut().find(|held| held.booking == booking) {
            held.cancelled = true;
        }
    }

    /// A held booking was confirmed: it has no end any more, unless its cancel is under way.
    pub(crate) fn confirm(&mut self, index: usize, booking: u64) {
        let held = &mut self.slots[index];
        if let Some(held) = held.iter_mut().find(|held| held.booking == booking) {
            held.until = Nanos::MAX;
        }
    }

    /// Somebody holds the slot: they asked, and were told so, for so many seconds or for good. Returns
    /// what [`Holders::take`] does.
    pub(crate) fn book(
        &mut self,
        index: usize,
        op: &Operation,
        seconds: Option<u32>,
    ) -> Option<(Held, Vec<Held>)> {
        let lasts = |s: u32| u64::from(s).saturating_mul(1_000_000_000);
        let until = seconds.map_or(Nanos::MAX, |seconds| {
            (op.sent_at.saturating_add(lasts(seconds))).saturating_sub(self.slack)
        });
        let held = Held {
            booking: op.seq,
            by: (op.client, op.counter),
            asked: true,
            since: op.completed_at,
            until,
            cancelled: false,
        };
        self.take(index, held)
    }

    /// Somebody holds the slot: they waited, and were told so by a push. Returns what
    /// [`Holders::take`] does.
    pub(crate) fn promote(
        &mut self,
        index: usize,
        (client, booking): (u32, u64),
        now: Nanos,
    ) -> Option<(Held, Vec<Held>)> {
        let held = Held {
            booking,
            by: (client, 0),
            asked: false,
            since: now,
            until: Nanos::MAX,
            cancelled: false,
        };
        self.take(index, held)
    }

    /// Where others hold all places definitely: the booking, and theirs.
    fn take(&mut self, index: usize, new: Held) -> Option<(Held, Vec<Held>)> {
        self.bookings += 1;
        let (capacity, now) = (self.capacity, new.since);
        let held = &mut self.slots[index];
        if held.iter().any(|held| held.booking == new.booking) {
            return None;
        }
        let parted = &self.parted;
        let is_definite = |held: &Held| held.is_definite(now) && !parted.contains(&held.by.0);
        let definite = |held: &&Held| is_definite(held);
        let is_crowded = is_definite(&new) && capacity <= held.iter().filter(definite).count();
        let crowd = is_crowded.then(|| (new, held.iter().filter(definite).copied().collect()));
        held.push(new);
        crowd
    }
}
