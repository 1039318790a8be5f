//! Where things stand in a list, found by a hash of what they are.
//!
//! Hashes and places in a list go in; a hash and a way to recognise the thing give its place. The
//! things themselves stay in the list: an entry is eight bytes, so that a big table is small and a
//! lookup, which mostly finds nothing, touches one cold line of memory where a table with the
//! things in it touches two or three. Linear probing from the beginning of a cache line; a removal
//! moves what it would cut off.
//!
//! There are many small tables that grow one at a time: growing one big table would stop the engine
//! for as long as moving millions of entries takes. Tables of one size stand in one region of
//! memory, in pages as large as the system has, since looking up where a page is takes longer than
//! what is looked for in it. Deliberately absent: hashing, the things, any order.

use memmap2::MmapMut;
use prefetch_index::prefetch_index;

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

/// Tables of an index.
pub(crate) const TABLES: usize = 256;

/// The smallest table has two to this many slots.
const BITS_MIN: u32 = 3;

/// Slots of a cache line, which tables begin with.
const LINE_SLOTS: usize = 8;
const _: () = assert!(LINE_SLOTS <= 1 << BITS_MIN);

/// An entry is the hash in its high half and the place, counted from 1, in its low half.
pub(crate) type Slot = [u8; SLOT_BYTES];
pub(crate) const SLOT_BYTES: usize = 8;

/// No entry.
const FREE: Slot = [0; 8];

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Vec<Table>,
    /// By the bits of their tables, from [`BITS_MIN`] on; none without tables.
    regions: Vec<Option<Region>>,
}

/// How large a table is: two to this many slots, at least a quarter of which are free.
#[derive(Debug, Clone, Copy)]
struct Table {
    bits: u32,
    entries: u32,
}

/// Memory of the tables of one size.
#[derive(Debug)]
struct Region {
    memory: MmapMut,
    tables: usize,
}

impl Default for Index {
    fn default() -> Self {
        let table = Table {
            bits: BITS_MIN,
            entries: 0,
        };
        let mut region = Region::new(BITS_MIN);
        region.tables = TABLES;
        Self {
            tables: vec![table; TABLES],
            regions: vec![Some(region)],
        }
    }
}

impl Index {
    /// Asks for the memory in which a thing with this hash is looked for first.
    pub(crate) fn prefetch(&self, hash: u64) {
        let (table, hash) = split(hash);
        let slots = self.slots(table);
        prefetch_index(slots, home(slots, hash));
    }

    /// The place of the thing with this hash that `is_it` recognises.
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (table, hash) = split(hash);
        let slots = self.slots(table);
        find(slots, hash, is_it).map(|slot| place_of(slots[slot]))
    }

    /// Notes the place of a thing that has none yet.
    pub(crate) fn insert(&mut self, hash: u64, place: u32) {
        let (table, hash) = split(hash);
        let Table { bits, entries } = self.tables[table];
        if 3 << bits <= (u64::from(entries) + 1) * 4 {
            self.grow(table, bits + 1);
        }
        self.tables[table].entries += 1;
        put(self.slots_mut(table), entry(hash, place));
    }

    /// Things in it.
    pub(crate) fn len(&self) -> usize {
        (0..TABLES).map(|table| self.entries(table)).sum()
    }

    /// Forgets all things. The memory stays.
    pub(crate) fn clear(&mut self) {
        for table in 0..TABLES {
            self.tables[table].entries = 0;
            self.slots_mut(table).fill(FREE);
        }
    }

    /// The entries of one table, in no order.
    pub(crate) fn entries_of(&self, table: usize) -> impl Iterator<Item = &Slot> {
        let slots = self.slots(table).iter();
        slots.filter(|slot| **slot != FREE)
    }

    /// Notes that the thing with this hash at `from` stands at `to` now.
    pub(crate) fn relocate(&mut self, hash: u64, from: u32, to: u32) {
        let (table, hash) = split(hash);
        let slots = self.slots_mut(table);
        let slot = find(slots, hash, |place| place == from);
        slots[slot.expect("what moves was there")] = entry(hash, to);
    }

    /// Forgets the thing with this hash at `place`.
    pub(crate) fn remove(&mut self, hash: u64, place: u32) {
        let (table, hash) = split(hash);
        self.tables[table].entries -= 1;
        let slots = self.slots_mut(table);
        let slot = find(slots, hash, |other| other == place);
        let mut free = slot.expect("what goes was there");
        let mut next = after(slots, free);
        while slots[next] != FREE {
            // An entry may move back unless that would put it before the slot its hash asks for.
            let home = home(slots, hash_of(slots[next]));
            if distance(slots, home, free) <= distance(slots, home, next) {
                slots[free] = slots[next];
                free = next;
            }
            next = after(slots, next);
        }
        slots[free] = FREE;
    }

    /// Writes the tables as they are.
    pub(crate) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { tables, regions: _ } = self;
        for (nth, Table { bits, entries }) in tables.iter().enumerate() {
            out.u32(*bits);
            out.u32(*entries);
            out.bytes(self.slots(nth).as_flattened());
        }
    }

    /// Reads tables that were saved.
    pub(crate) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let mut index = Self::default();
        for table in 0..TABLES {
            let (bits, entries) = (from.u32()?, from.u32()?);
            let bytes = from.count(1)?;
            let is_table =
                (BITS_MIN..u32::BITS).contains(&bits) && bytes == size_of::<Slot>() << bits;
            if !is_table || 1 << bits <= entries {
                return Err(from.lacks("a table with room"));
            }
            if BITS_MIN < bits {
                index.grow(table, bits);
            }
            index.tables[table].entries = entries;
            from.fill(index.slots_mut(table).as_flattened_mut())?;
        }
        Ok(index)
    }

    /// Moves a table to where those of this size are.
    fn grow(&mut self, table: usize, bits: u32) {
        let from = self.tables[table].bits;
        let [from_nth, to_nth] = [from, bits].map(region_of);
        if self.regions.len() <= to_nth {
            self.regions.resize_with(to_nth + 1, || None);
        }
        let regions = self.regions.get_disjoint_mut([from_nth, to_nth]);
        let [old, new] = regions.expect("a table grows");
        let new = new.get_or_insert_with(|| Region::new(bits));
        let is_left = old.take_if(|old| old.tables == 1);
        let old = is_left.as_ref().or(old.as_ref());
        let slots = new.slots_mut(bits, table);
        let entries = old.map_or(&[][..], |old| old.slots(from, table));
        for entry in entries.iter().filter(|entry| **entry != FREE) {
            put(slots, *entry);
        }
        new.tables += 1;
        if let Some(old) = &mut self.regions[from_nth] {
            old.tables -= 1;
        }
        self.tables[table].bits = bits;
    }

    fn entries(&self, table: usize) -> usize {
        usize::try_from(self.tables[table].entries).expect("usize has 32 bits")
    }

    #[inline]
    fn slots(&self, table: usize) -> &[Slot] {
        let Table { bits, .. } = self.tables[table];
        let region = self.regions[region_of(bits)].as_ref();
        region.expect("a table is somewhere").slots(bits, table)
    }

    #[inline]
    fn slots_mut(&mut self, table: usize) -> &mut [Slot] {
        let Table { bits, .. } = self.tables[table];
        let region = self.regions[region_of(bits)].as_mut();
        region.expect("a table is somewhere").slots_mut(bits, table)
    }
}

impl Region {
    /// Room for all tables of this size. The system gives memory where it is written to.
    fn new(bits: u32) -> Self {
        let memory = MmapMut::map_anon((TABLES << bits) * size_of::<Slot>());
        let memory = memory.expect("without memory there is no going on");
        #[cfg(target_os = "linux")]
        if let Err(_none_so_large) = memory.advise(memmap2::Advice::HugePage) {
            // Then it is in ordinary pages, and slower.
        }
        Self { memory, tables: 0 }
    }

    #[inline]
    fn slots(&self, bits: u32, table: usize) -> &[Slot] {
        let (slots, _) = self.memory.as_chunks();
        &slots[table << bits..][..1 << bits]
    }

    fn slots_mut(&mut self, bits: u32, table: usize) -> &mut [Slot] {
        let (slots, _) = self.memory.as_chunks_mut();
        &mut slots[table << bits..][..1 << bits]
    }
}

/// Where the region of tables of this size is listed.
fn region_of(bits: u32) -> usize {
    usize::try_from(bits - BITS_MIN).expect("few")
}

/// In which table things with a hash are, and their hash there.
pub(crate) type Split = (usize, u32);

/// See [`Split`].
pub(crate) fn split(hash: u64) -> Split {
    let [a, b, c, d, table, ..] = hash.to_le_bytes();
    (
        usize::from(table) % TABLES,
        u32::from_le_bytes([a, b, c, d]),
    )
}

fn find(slots: &[Slot], hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<usize> {
    let mut slot = home(slots, hash);
    loop {
        let found = slots[slot];
        if found == FREE {
            return None;
        }
        if hash_of(found) == hash && is_it(place_of(found)) {
            return Some(slot);
        }
        slot = after(slots, slot);
    }
}

fn put(slots: &mut [Slot], entry: Slot) {
    let mut slot = home(slots, hash_of(entry));
    while slots[slot] != FREE {
        slot = after(slots, slot);
    }
    slots[slot] = entry;
}

/// Where an entry of this hash belongs: at the beginning of a cache line, or as near behind it as
/// there is room, so that looking for it mostly ends in the line that was asked for ahead of time.
fn home(slots: &[Slot], hash: u32) -> usize {
    usize::try_from(hash).expect("usize has 32 bits") & (slots.len() - 1) & !(LINE_SLOTS - 1)
}

const fn after(slots: &[Slot], slot: usize) -> usize {
    (slot + 1) & (slots.len() - 1)
}

/// Steps from one slot to another.
const fn distance(slots: &[Slot], from: usize, to: usize) -> usize {
    to.wrapping_sub(from) & (slots.len() - 1)
}

fn entry(hash: u32, place: u32) -> Slot {
    (u64::from(hash) << 32 | (u64::from(place) + 1)).to_le_bytes()
}

/// The hash in an entry.
pub(crate) const fn hash_of([_, _, _, _, a, b, c, d]: Slot) -> u32 {
    u32::from_le_bytes([a, b, c, d])
}

/// The place in an entry.
pub(crate) const fn place_of([a, b, c, d, ..]: Slot) -> u32 {
    u32::from_le_bytes([a, b, c, d]) - 1
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A number that looks like any other (SplitMix64).
    pub(crate) fn scattered(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 31
    }

    fn find(index: &Index, hash: u64, place: u32) -> Option<u32> {
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
                    let hash = scattered(random) % hashes;
                    index.insert(hash, chosen);
                    model.insert(chosen, hash);
                }
            }
            assert_eq!(index.len(), model.len());
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
        assert!((0..TABLES).all(|table| index.slots(table).iter().all(|slot| *slot == FREE)));
    }

    #[test]
    fn counting_bytes_of_a_hash_spread_over_the_tables() {
        let of = |number: u64| split(scattered(number)).0;
        let mut used = [0; TABLES];
        (0..1 << 16).for_each(|number| used[of(number)] += 1);
        assert!(used.iter().all(|used| (156..356).contains(used)));
    }

    #[test]
    fn what_went_in_is_found_until_it_goes_out() {
        check(u64::MAX);
        // All in one table.
        check(1 << 32);
    }

    #[test]
    fn things_of_one_hash_are_told_apart() {
        check(40);
    }

    #[test]
    fn the_ends_of_the_numbers_have_their_place() {
        let mut index = Index::default();
        for (hash, place) in [(0, 0), (u64::MAX, u32::MAX - 1), (0, u32::MAX - 1)] {
            assert_eq!(find(&index, hash, place), None);
            index.insert(hash, place);
            assert_eq!(find(&index, hash, place), Some(place));
        }
    }

    #[test]
    fn what_is_cleared_can_be_filled_again_where_it_was() {
        let mut index = Index::default();
        let sizes = |index: &Index| index.tables.iter().map(|table| table.bits).max();
        let mut before = None;
        for _ in 0..3 {
            (0..100_000).for_each(|place| index.insert(scattered(place.into()), place));
            let shown = (0..TABLES).flat_map(|table| index.entries_of(table));
            let mut places: Vec<u32> = shown.map(|entry| place_of(*entry)).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..100_000));
            assert_eq!(*before.get_or_insert(sizes(&index)), sizes(&index));
            index.clear();
            assert_eq!(index.len(), 0);
            assert_eq!(find(&index, scattered(7), 7), None);
        }
    }
}
