//! The slots that somebody holds a place of, and who.
//!
//! Places go in and out slot by slot; a slot nobody holds has no row. The rows stand close together
//! in no order, and a small table knows where: most reservations are of a slot that has no row yet,
//! and only the table is looked at for them. A row has room for one holder, which is what most slots
//! have; several are in a list. Deliberately absent: rules, queues.

use std::{hash::BuildHasher as _, slice};

use foldhash::fast::FixedState;
use protocol::{UserId, words::agenda::SlotId};

use super::{
    lists::{List, Lists},
    place::Place,
};
use crate::{
    chunked_vec::ChunkedVec,
    index::Index,
    snapshot::{SectionReader, SectionWriter, Unsound},
    u40::U40,
};

/// Bytes of a row, in memory and in a snapshot.
const ROW_BYTES: usize = Slot::BYTES + Place::BYTES;

/// From this number on it is no person's but says that so many more hold the slot.
const SEVERAL: u64 = (1 << 40) - (1 << 16);

/// Its hash tells with what a saved table was hashed: another version of that finds nothing in it.
const WITNESS: SlotId = SlotId {
    agenda: 1,
    day: 2,
    slot: 3,
};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct HeldSlots {
    index: Index,
    rows: ChunkedVec<Row>,
    lists: Lists,
}

/// A slot, and its holder or where the list of its holders is.
#[derive(Debug, Clone, Copy)]
struct Row {
    slot: Slot,
    place: Place,
}

const _: () = assert!(size_of::<Row>() == ROW_BYTES);

impl HeldSlots {
    /// Asks for the memory in which a slot is looked for; returns its hash.
    pub(super) fn prefetch(&self, slot: SlotId) -> u64 {
        let hash = hash(slot);
        self.index.prefetch(hash);
        hash
    }

    /// Asks for the memory of the row of a slot with this hash.
    pub(super) fn prefetch_row(&self, hash: u64) {
        if let Some(index) = self.index.find(hash, |_most_likely| true) {
            self.rows.prefetch(usize_of(index));
        }
    }

    /// Who has places of a slot, ordered by person.
    pub(super) fn places(&self, slot: SlotId) -> &[Place] {
        let row = self.index_of(slot).and_then(|row| self.row(row));
        let Some(Row { place, .. }) = row else {
            return &[];
        };
        match list_of(*place) {
            Some(list) => self.lists.get(list),
            None => slice::from_ref(place),
        }
    }

    /// Somebody has a place from now on.
    pub(super) fn insert(&mut self, slot: SlotId, place: Place) {
        let index = self.index_of(slot);
        let Some(row) = index.and_then(|index| self.rows.get_mut(usize_of(index))) else {
            let index = u32::try_from(self.rows.len()).expect("memory holds fewer than 2^32 slots");
            self.index.insert(hash(slot), index);
            let slot = Slot::of(slot);
            return self.rows.push(Row { slot, place });
        };
        let list = match list_of(row.place) {
            Some(list) => self.lists.insert(list, place),
            None => self.lists.begin(row.place, place),
        };
        row.place = several(list);
    }

    /// Somebody has a place no more.
    pub(super) fn remove(&mut self, slot: SlotId, place: Place) {
        let index = self.index_of(slot);
        let index = index.expect("only a place that is held can end");
        let row = self.rows.get_mut(usize_of(index));
        let held = &mut row.expect("the index knows rows").place;
        match list_of(*held) {
            None => self.remove_row(index),
            Some(pair) if pair.len == 2 => {
                let left = self.lists.get(pair).iter().find(|other| **other != place);
                *held = *left.expect("nobody has two places of a slot");
                self.lists.end(pair);
            }
            Some(list) => *held = several(self.lists.remove(list, place)),
        }
    }

    fn remove_row(&mut self, index: u32) {
        let gone = self.rows.swap_remove(usize_of(index));
        self.index.remove(hash(gone.slot.id()), index);
        if let Some(moved) = self.rows.get(usize_of(index)) {
            let from = u32::try_from(self.rows.len()).expect("it was there before");
            self.index.relocate(hash(moved.slot.id()), from, index);
        }
    }

    fn index_of(&self, slot: SlotId) -> Option<u32> {
        let wanted = Slot::of(slot);
        self.index.find(hash(slot), |index| {
            self.row(index).is_some_and(|row| row.slot == wanted)
        })
    }

    fn row(&self, index: u32) -> Option<&Row> {
        self.rows.get(usize_of(index))
    }

    /// Writes rows, lists and table as they are.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { index, rows, lists } = self;
        out.u64(hash(WITNESS));
        out.count(rows.len());
        for Row { slot, place } in rows.iter() {
            out.array(&slot.0);
            out.array(&place.bytes());
        }
        lists.save(out);
        index.save(out);
    }

    /// Reads what was saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        if from.u64()? != hash(WITNESS) {
            return Err(from.lacks("a table of this version"));
        }
        let mut rows = ChunkedVec::default();
        let count = from.count(ROW_BYTES)?;
        from.rows(count, |row| rows.push(Row::of_bytes(row)))?;
        let lists = Lists::load(from)?;
        let index = Index::load(from)?;
        Ok(Self { index, rows, lists })
    }

    /// Every row.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, &[Place])> {
        let slots = self.rows.iter().map(|row| row.slot.id());
        slots.map(|slot| (slot, self.places(slot)))
    }
}

impl Row {
    /// The row that was saved as this.
    const fn of_bytes([a, b, c, d, e, f, g, h, i, j, k, place @ ..]: &[u8; ROW_BYTES]) -> Self {
        Self {
            slot: Slot([*a, *b, *c, *d, *e, *f, *g, *h, *i, *j, *k]),
            place: Place::of_bytes(*place),
        }
    }
}

/// A slot in a row: agenda, day, slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot([u8; Self::BYTES]);

impl Slot {
    const BYTES: usize = U40::BYTES + 4 + 2;

    /// An agenda's number that a client made up becomes no agenda's: nobody has a place there.
    fn of(id: SlotId) -> Self {
        let agenda = U40::new(id.agenda).unwrap_or(U40::ZERO);
        let [a, b, c, d, e] = agenda.bytes();
        let ([f, g, h, i], [j, k]) = (id.day.to_le_bytes(), id.slot.to_le_bytes());
        Self([a, b, c, d, e, f, g, h, i, j, k])
    }

    fn id(self) -> SlotId {
        let Self([a, b, c, d, e, f, g, h, i, j, k]) = self;
        SlotId {
            agenda: U40::of_bytes([a, b, c, d, e]).get(),
            day: u32::from_le_bytes([f, g, h, i]),
            slot: u16::from_le_bytes([j, k]),
        }
    }
}

/// What stands in a row whose slot several hold.
fn several(list: List) -> Place {
    let len = u64::try_from(list.len).expect("slots have few places");
    Place::new(UserId(SEVERAL + len), list.number.into())
}

/// The list of holders, if there are several.
fn list_of(place: Place) -> Option<List> {
    let len = usize::try_from(place.user().0.checked_sub(SEVERAL)?).ok()?;
    let number = u32::try_from(place.booking()).ok()?;
    Some(List { len, number })
}

fn hash(SlotId { agenda, day, slot }: SlotId) -> u64 {
    FixedState::default().hash_one((agenda, u64::from(day) << 16 | u64::from(slot)))
}

fn usize_of(index: u32) -> usize {
    usize::try_from(index).expect("usize has 32 bits")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SLOT: SlotId = SlotId {
        agenda: 5,
        day: 7,
        slot: 3,
    };

    fn place(user: u64) -> Place {
        Place::new(UserId(user), user * 10)
    }

    #[track_caller]
    fn check(held: &HeldSlots, users: &[u64]) {
        let places: Vec<Place> = users.iter().map(|user| place(*user)).collect();
        assert_eq!(*held.places(SLOT), places[..]);
    }

    #[test]
    fn a_slot_has_its_holders_by_person_however_many() {
        let mut held = HeldSlots::default();
        for agenda in (0..101).filter(|agenda| *agenda != SLOT.agenda) {
            held.insert(SlotId { agenda, ..SLOT }, place(1));
        }
        check(&held, &[]);
        // A step that shares no factor with the length visits every number once.
        let mut holders = BTreeSet::new();
        for user in (0..1_000).map(|nth| 1 + nth * 387 % 1_000) {
            holders.insert(user);
            held.insert(SLOT, place(user));
            check(&held, &Vec::from_iter(holders.clone()));
        }
        for user in (0..1_000).map(|nth| 1 + nth * 711 % 1_000) {
            holders.remove(&user);
            held.remove(SLOT, place(user));
            check(&held, &Vec::from_iter(holders.clone()));
        }
        assert!(held.lists.is_empty(), "one holder needs no list");
        assert_eq!(held.iter().count(), 100);
    }

    #[test]
    fn where_a_list_was_the_next_one_stands() {
        let mut held = HeldSlots::default();
        for day in 0..100 {
            let slot = SlotId { day, ..SLOT };
            (1..=5).for_each(|user| held.insert(slot, place(user)));
            (1..=5).for_each(|user| held.remove(slot, place(user)));
        }
        assert!(held.lists.is_empty() && held.lists.rooms() <= 3);
    }
}
