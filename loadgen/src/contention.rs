//! How contended the slots really were.
//!
//! Attempts go in as they begin and end; out comes how many there were on each slot and how many
//! overlapped. A slot is found once an attempt, and known by its index from then on.

use hashbrown::HashMap;
use reports::record::{ContentionRecord, Count};

use crate::operation::{Call, Slot};

/// Slots named as the hottest in the record.
const HOTTEST_LEN: usize = 10;

/// A slot in these books; none for calls that contend for nothing.
pub type Entry = Option<u32>;

/// What is known of every slot that was written to.
#[derive(Debug, Default)]
pub struct Contention {
    index: HashMap<Slot, u32, foldhash::fast::FixedState>,
    slots: Vec<Attempts>,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    slot: Slot,
    attempts: u64,
    now: u32,
    max: u32,
    last_client: u32,
    contended: bool,
}

impl Contention {
    /// An attempt begins.
    pub fn begin(&mut self, client: u32, call: &Call) -> Entry {
        let slot = contended_slot(call)?;
        let next = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let index = *self.index.entry(slot).or_insert(next);
        if index == next {
            self.slots.push(Attempts::new(slot, client));
        }
        self.slots
            .get_mut(usize::try_from(index).ok()?)?
            .begin(client);
        Some(index)
    }

    /// It ended.
    pub fn end(&mut self, entry: Entry) {
        let slot = entry
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.slots.get_mut(index));
        if let Some(slot) = slot {
            slot.now = slot.now.saturating_sub(1);
        }
    }

    /// What it came to.
    #[must_use]
    pub fn record(&self) -> ContentionRecord {
        let mut slots = self.slots.clone();
        slots.sort_by_key(|slot| (std::cmp::Reverse(slot.attempts), slot.slot));
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        ContentionRecord {
            keys: count(slots.len()),
            contended_keys: count(slots.iter().filter(|slot| slot.contended).count()),
            hottest: slots
                .iter()
                .take(HOTTEST_LEN)
                .map(Attempts::count)
                .collect(),
            attempts_per_key_p50: slots.get(slots.len() / 2).map_or(0, |slot| slot.attempts),
            overlap_max: slots
                .iter()
                .map(|slot| u64::from(slot.max))
                .max()
                .unwrap_or(0),
            per_key_min: None,
        }
    }
}

impl Attempts {
    const fn new(slot: Slot, client: u32) -> Self {
        Self {
            slot,
            attempts: 0,
            now: 0,
            max: 0,
            last_client: client,
            contended: false,
        }
    }

    fn begin(&mut self, client: u32) {
        self.contended |= 0 < self.now && self.last_client != client;
        self.last_client = client;
        self.attempts += 1;
        self.now += 1;
        self.max = self.max.max(self.now);
    }

    fn count(&self) -> Count {
        let id = self.slot.unpack();
        Count {
            what: format!("agenda {} day {} slot {}", id.agenda, id.day, id.slot),
            count: self.attempts,
        }
    }
}

/// The slot a call writes to. Reading a day contends for nothing.
const fn contended_slot(call: &Call) -> Option<Slot> {
    match call {
        Call::ListSlots { .. }
        | Call::MyBookings
        | Call::Chat(_)
        | Call::Catalogue(_)
        | Call::Sales(_)
        | Call::EraseMe => None,
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Hold { .. }
        | Call::Confirm { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. } => call.slot(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_overlapping_attempts_of_two_clients_contend() {
        let mut contention = Contention::default();
        let hot = Call::Reserve { slot: Slot(1) };
        let cool = Call::Reserve { slot: Slot(2) };
        let first = contention.begin(1, &hot);
        let second = contention.begin(2, &hot);
        contention.end(first);
        contention.end(second);
        for client in [1, 2] {
            let entry = contention.begin(client, &cool);
            contention.end(entry);
        }
        let read = contention.begin(1, &Call::MyBookings);
        assert_eq!(read, None);
        let record = contention.record();
        assert_eq!((record.keys, record.contended_keys), (2, 1));
        assert_eq!((record.overlap_max, record.attempts_per_key_p50), (2, 2));
        assert_eq!(record.hottest.len(), 2);
    }
}
