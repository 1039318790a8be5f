//! Where things stand in a list, found by a hash of what they are.
//!
//! Hashes and places in a list go in; a hash and a way to recognise the thing give its place. The
//! things themselves stay in the list: an entry is eight bytes, so that a big table is small and a
//! lookup, which mostly finds nothing, touches one cold line of memory where a table with the
//! things in it touches two or three. Linear probing; a removal moves what it would cut off.
//! Deliberately absent: hashing, the things, any order.

use prefetch_index::prefetch_index;

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

/// No entry.
const FREE: u64 = 0;

/// Entries of the smallest table.
const SLOTS_MIN: usize = 8;

/// See the head of this file.
///
/// An entry is the hash in its high half and the place, counted from 1, in its low half.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// As many as a power of two, or none; at least a quarter of them are free.
    slots: Box<[u64]>,
    len: usize,
}

impl Index {
    /// Makes room for this many more entries at once.
    pub(crate) fn reserve(&mut self, entries: usize) {
        let slots = ((self.len + entries) * 4 / 3 + 1).next_power_of_two();
        if self.slots.len() < slots {
            self.grow(slots.max(SLOTS_MIN));
        }
    }

    /// Writes the table as it is.
    pub(crate) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { slots, len } = self;
        out.count(*len);
        out.count(slots.len());
        slots.iter().for_each(|slot| out.u64(*slot));
    }

    /// Reads a table that was saved.
    pub(crate) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let len = from.count(0)?;
        let count = from.count(size_of::<u64>())?;
        let slots: Box<[u64]> = (0..count).map(|_| from.u64()).collect::<Result<_, _>>()?;
        let is_table = slots.is_empty() || slots.len().is_power_of_two();
        if is_table && len <= slots.len() {
            return Ok(Self { slots, len });
        }
        Err(from.lacks("a table with room"))
    }

    /// Asks for the memory in which a thing with this hash is looked for first.
    pub(crate) fn prefetch(&self, hash: u32) {
        if !self.slots.is_empty() {
            prefetch_index(&self.slots, self.home(hash));
        }
    }

    /// The place of the thing with this hash that `is_it` recognises.
    pub(crate) fn find(&self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.slot_of(hash, is_it)
            .map(|slot| place(self.slots[slot]))
    }

    /// Notes the place of a thing that has none yet.
    pub(crate) fn insert(&mut self, hash: u32, place: u32) {
        if self.slots.len() * 3 <= (self.len + 1) * 4 {
            self.grow((self.slots.len() * 2).max(SLOTS_MIN));
        }
        self.len += 1;
        self.put(entry(hash, place));
    }

    /// Notes that the thing with this hash at `from` stands at `to` now.
    pub(crate) fn relocate(&mut self, hash: u32, from: u32, to: u32) {
        let slot = self.slot_of(hash, |place| place == from);
        self.slots[slot.expect("what moves was there")] = entry(hash, to);
    }

    /// Forgets the thing with this hash at `place`.
    pub(crate) fn remove(&mut self, hash: u32, place: u32) {
        let slot = self.slot_of(hash, |other| other == place);
        let mut free = slot.expect("what goes was there");
        self.len -= 1;
        let mut next = self.after(free);
        while self.slots[next] != FREE {
            // An entry may move back unless that would put it before the slot its hash asks for.
            let home = self.home(hash_of(self.slots[next]));
            if self.distance(home, free) <= self.distance(home, next) {
                self.slots[free] = self.slots[next];
                free = next;
            }
            next = self.after(next);
        }
        self.slots[free] = FREE;
    }

    fn slot_of(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(hash);
        loop {
            let found = self.slots[slot];
            if found == FREE {
                return None;
            }
            if hash_of(found) == hash && is_it(place(found)) {
                return Some(slot);
            }
            slot = self.after(slot);
        }
    }

    fn put(&mut self, entry: u64) {
        let mut slot = self.home(hash_of(entry));
        while self.slots[slot] != FREE {
            slot = self.after(slot);
        }
        self.slots[slot] = entry;
    }

    fn grow(&mut self, slots: usize) {
        let bigger = vec![FREE; slots].into_boxed_slice();
        let old = std::mem::replace(&mut self.slots, bigger);
        for entry in old {
            if entry != FREE {
                self.put(entry);
            }
        }
    }

    /// Where an entry of this hash belongs.
    fn home(&self, hash: u32) -> usize {
        usize::try_from(hash).expect("usize has 32 bits") & (self.slots.len() - 1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Steps from one slot to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

fn entry(hash: u32, place: u32) -> u64 {
    u64::from(hash) << 32 | (u64::from(place) + 1)
}

fn hash_of(entry: u64) -> u32 {
    u32::try_from(entry >> 32).expect("32 bits are left")
}

fn place(entry: u64) -> u32 {
    u32::try_from((entry & u64::from(u32::MAX)) - 1).expect("32 bits are left")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A number that looks like any other (SplitMix64).
    fn scattered(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 31
    }

    fn find(index: &Index, hash: u32, place: u32) -> Option<u32> {
        index.find(hash, |other| other == place)
    }

    /// Random insertions, moves and removals, with as many hashes as said, against an ordered map.
    fn check(hashes: u64) {
        let mut index = Index::default();
        // Hash by place.
        let mut model = BTreeMap::new();
        for step in 0..20_000 {
            let random = scattered(step);
            let chosen = u32::try_from(random % 1_000).expect("small");
            let spare = chosen + 1_000;
            match (model.remove(&chosen), random >> 32 & 3) {
                (Some(hash), 0) => {
                    index.relocate(hash, chosen, spare);
                    index.relocate(hash, spare, chosen);
                    model.insert(chosen, hash);
                }
                (Some(hash), _) => index.remove(hash, chosen),
                (None, _) => {
                    let hash = u32::try_from(scattered(random) % hashes).expect("32 bits");
                    index.insert(hash, chosen);
                    model.insert(chosen, hash);
                }
            }
            assert_eq!(index.len, model.len());
            if step % 500 == 0 {
                for place in 0..1_000 {
                    let hash = model.get(&place).copied();
                    let found = hash.and_then(|hash| find(&index, hash, place));
                    assert_eq!(found, hash.map(|_| place), "step {step}");
                }
            }
        }
        for (place, hash) in model {
            index.remove(hash, place);
            assert_eq!(find(&index, hash, place), None);
        }
        assert!(index.slots.iter().all(|slot| *slot == FREE));
    }

    #[test]
    fn what_went_in_is_found_until_it_goes_out() {
        check(1 << 32);
    }

    #[test]
    fn things_of_one_hash_are_told_apart() {
        check(40);
    }

    #[test]
    fn the_ends_of_the_numbers_have_their_place() {
        let mut index = Index::default();
        for (hash, place) in [(0, 0), (u32::MAX, u32::MAX - 1), (0, u32::MAX - 1)] {
            assert_eq!(find(&index, hash, place), None);
            index.insert(hash, place);
            assert_eq!(find(&index, hash, place), Some(place));
        }
    }

    #[test]
    fn room_that_was_made_is_enough() {
        let mut index = Index::default();
        index.reserve(1_000);
        let slots = index.slots.len();
        (0..1_000).for_each(|place| index.insert(place, place));
        assert_eq!(index.slots.len(), slots);
        index.reserve(0);
        assert_eq!(index.slots.len(), slots);
    }
}
