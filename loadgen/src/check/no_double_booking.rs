//! B1, mutual exclusion: no slot is ever held by more people than it has places.
//!
//! A booking is definitely held from the moment its holder was told so until its cancel is sent,
//! or until its hold may have ended. At each new booking the definitely held ones are counted:
//! any overlap found really happened. Memory per held slot. Deliberately absent: overlaps that
//! only might have happened; the linearizability search looks for those.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::operation::{LawProgress, Nanos, Operation, Slot};

use super::finding::{About, Finding, OperationId, Violation, Witness, slot_text, time_text};
use super::subject::Subject;

const ABOUT: About = About {
    name: "no-double-booking",
    demands: "A slot is never held by more people than it has places.",
    confidence: "definite interval: every overlap told really happened",
};

/// A booking that was acknowledged, or whose cancel came before the news of it.
#[derive(Debug, Clone, Copy)]
struct Held {
    booking: u64,
    by: OperationId,
    /// Whether `by` is the operation that asked; else the holder was told by a push.
    asked: bool,
    since: Nanos,
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

/// The law.
#[derive(Debug)]
pub(super) struct NoDoubleBooking {
    capacity: usize,
    slack: Nanos,
    slots: Vec<Vec<Held>>,
    /// Clients whose person asked to be erased: what they held may be gone.
    parted: HashSet<u32, FixedState>,
    bookings: u64,
    cancels: u64,
    finding: Finding,
}

impl NoDoubleBooking {
    pub(super) fn new(capacity: u32, slack: Nanos) -> Self {
        Self {
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            slack,
            slots: Vec::new(),
            parted: HashSet::with_hasher(FixedState::with_seed(0)),
            bookings: 0,
            cancels: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A slot was seen for the first time; its index is the count of those before.
    pub(super) fn handle_slot(&mut self) {
        self.slots.push(Vec::with_capacity(2));
    }

    /// A cancel is about to be sent: from now on its booking may be gone.
    pub(super) fn handle_cancel_invoke(&mut self, index: usize, booking: u64, now: Nanos) {
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
    pub(super) fn handle_parting(&mut self, client: u32) {
        self.parted.insert(client);
    }

    /// A booking is over. Returns whether it was known to be held.
    pub(super) fn handle_gone(&mut self, index: usize, booking: u64) -> bool {
        let held = &mut self.slots[index];
        let known = |held: &Held| held.booking == booking && held.by.0 != u32::MAX;
        let at = held.iter().position(known);
        at.map(|at| held.swap_remove(at)).is_some()
    }

    /// A booking is over, but by whom its place is taken is not known yet.
    pub(super) fn handle_over(&mut self, index: usize, booking: u64) {
        let held = &mut self.slots[index];
        if let Some(held) = held.iter_mut().find(|held| held.booking == booking) {
            held.cancelled = true;
        }
    }

    /// A held booking was confirmed: it has no end any more, unless its cancel is under way.
    pub(super) fn handle_confirmed(&mut self, index: usize, booking: u64) {
        let held = &mut self.slots[index];
        if let Some(held) = held.iter_mut().find(|held| held.booking == booking) {
            held.until = Nanos::MAX;
        }
    }

    /// Somebody holds the slot: they asked, and were told so.
    pub(super) fn handle_booked(&mut self, index: usize, op: &Operation, seconds: Option<u32>) {
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
        let slot = op.call.slot().unwrap_or(Slot(0));
        self.take(index, slot, held);
    }

    /// Somebody holds the slot: they waited, and were told so by a push.
    pub(super) fn handle_promoted(&mut self, index: usize, slot: Slot, held: Promotion) {
        let held = Held {
            booking: held.booking,
            by: (held.client, 0),
            asked: false,
            since: held.now,
            until: Nanos::MAX,
            cancelled: false,
        };
        self.take(index, slot, held);
    }

    fn take(&mut self, index: usize, slot: Slot, new: Held) {
        self.bookings += 1;
        let (capacity, now) = (self.capacity, new.since);
        let held = &mut self.slots[index];
        if held.iter().any(|held| held.booking == new.booking) {
            return;
        }
        let parted = &self.parted;
        let is_definite = |held: &Held| held.is_definite(now) && !parted.contains(&held.by.0);
        let definite = |held: &&Held| is_definite(held);
        if is_definite(&new) && capacity <= held.iter().filter(definite).count() {
            let others: Vec<Held> = held.iter().filter(definite).copied().collect();
            self.finding.convict_of(Some(Subject::Slot(slot)), || {
                violation(slot, capacity, &others, &new)
            });
        }
        held.push(new);
    }

    /// Slots of which a visitor gave back a place that was not theirs.
    pub(super) fn excuse(&mut self, is_excused: impl Fn(Subject) -> bool) {
        self.finding.excuse(is_excused);
    }

    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("bookings", self.bookings)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("bookings", self.bookings);
        self.finding.count("cancels", self.cancels);
        self.finding
            .count("slots", u64::try_from(self.slots.len()).unwrap_or(u64::MAX));
        self.finding
    }
}

/// A place given to somebody who waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promotion {
    pub(super) client: u32,
    pub(super) booking: u64,
    pub(super) now: Nanos,
}

fn violation(slot: Slot, capacity: usize, others: &[Held], new: &Held) -> Violation {
    let named = |held: &Held| format!("client {} (booking {})", held.by.0, held.booking);
    let mut names: Vec<String> = others.iter().map(named).collect();
    names.push(named(new));
    let witness = |held: &Held| match held.asked {
        true => Witness::Asked(held.by),
        false => Witness::told(
            format!("client {}", held.by.0),
            "waited".to_owned(),
            "pushed: promoted".to_owned(),
            held.booking,
        ),
    };
    Violation {
        sentence: format!(
            "{} was held by {} at once at {}",
            slot_text(slot),
            names.join(" and "),
            time_text(new.since),
        ),
        witnesses: others.iter().chain([new]).map(witness).collect(),
        order: "real time: each was told that it holds the slot before any of them sent a cancel",
        expected: format!(
            "at most {capacity} held at any time; the last of them refused with slot-taken"
        ),
    }
}
