//! The slots of one agenda that somebody holds a place of, and who.
//!
//! Places go in and out slot by slot; a slot nobody holds has no row. The rows stand close together
//! in no order, and a small table knows where: most reservations are of a slot that has no row yet,
//! and only the table is looked at for them. Deliberately absent: rules, queues.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use protocol::UserId;

use super::{
    few::Few,
    state::{Place, SlotKey},
};
use crate::{
    index::Index,
    snapshot::{SectionReader, SectionWriter, Unsound},
};

/// The least bytes of a row, and those of a place, in a snapshot.
const ROW_BYTES: usize = 8 + 8;
const PLACE_BYTES: usize = 8 + 8;

/// Its hash tells with what a saved table was hashed: another version of that finds nothing in it.
const WITNESS: SlotKey = SlotKey(1);

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct HeldSlots {
    index: Index,
    rows: Vec<(SlotKey, Few<Place>)>,
}

impl HeldSlots {
    /// Asks for the memory in which a slot is looked for.
    pub(super) fn prefetch(&self, slot: SlotKey) {
        self.index.prefetch(hash(slot));
    }

    /// Who has places of a slot, ordered by person.
    pub(super) fn places(&self, slot: SlotKey) -> &[Place] {
        self.row_of(slot)
            .map_or(&[], |row| self.rows[usize_of(row)].1.as_slice())
    }

    /// Somebody has a place from now on.
    pub(super) fn insert(&mut self, slot: SlotKey, place: Place) {
        match self.row_of(slot) {
            Some(row) => self.rows[usize_of(row)].1.insert(place),
            None => {
                let row = u32::try_from(self.rows.len()).expect("slots of an agenda are bounded");
                self.index.insert(hash(slot), row);
                self.rows.push((slot, Few::One(place)));
            }
        }
    }

    /// Somebody has a place no more.
    pub(super) fn remove(&mut self, slot: SlotKey, place: &Place) {
        let row = self
            .row_of(slot)
            .expect("only a place that is held can end");
        if !self.rows[usize_of(row)].1.remove(place) {
            self.remove_row(row);
        }
    }

    fn remove_row(&mut self, row: u32) {
        let (slot, _) = self.rows.swap_remove(usize_of(row));
        self.index.remove(hash(slot), row);
        if let Some((moved, _)) = self.rows.get(usize_of(row)) {
            let from = u32::try_from(self.rows.len()).expect("it was there before");
            self.index.relocate(hash(*moved), from, row);
        }
    }

    fn row_of(&self, slot: SlotKey) -> Option<u32> {
        self.index
            .find(hash(slot), |row| self.rows[usize_of(row)].0 == slot)
    }

    /// Writes rows and table as they are.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { index, rows } = self;
        out.u32(hash(WITNESS));
        out.count(rows.len());
        for (slot, few) in rows {
            out.u64(slot.0);
            out.count(few.as_slice().len());
            for Place { user, booking } in few.as_slice() {
                out.u64(user.0);
                out.u64(*booking);
            }
        }
        index.save(out);
    }

    /// Reads what was saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        if from.u32()? != hash(WITNESS) {
            return Err(from.lacks("a table of this version"));
        }
        let count = from.count(ROW_BYTES)?;
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let slot = SlotKey(from.u64()?);
            rows.push((slot, load_places(from)?));
        }
        let index = Index::load(from)?;
        Ok(Self { index, rows })
    }

    /// Every row.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotKey, &[Place])> {
        self.rows.iter().map(|(slot, few)| (*slot, few.as_slice()))
    }
}

/// One place mostly, and then without a list.
fn load_places(from: &mut SectionReader<'_>) -> Result<Few<Place>, Unsound> {
    let count = from.count(PLACE_BYTES)?;
    let mut places = || {
        Ok(Place {
            user: UserId(from.u64()?),
            booking: from.u64()?,
        })
    };
    if count == 1 {
        return places().map(Few::One);
    }
    let list = (0..count).map(|_| places()).collect::<Result<_, _>>()?;
    Few::of(list).ok_or_else(|| from.lacks("a holder of every slot that is held"))
}

fn hash(slot: SlotKey) -> u32 {
    let [a, b, c, d, ..] = FixedState::default().hash_one(slot).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn usize_of(row: u32) -> usize {
    usize::try_from(row).expect("usize has 32 bits")
}
