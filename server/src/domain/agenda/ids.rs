//! The bookings of one person, in order.
//!
//! Ids go in at the end and out anywhere. The newest few stand where the list itself is, so that
//! most people need no memory besides, and a new booking does not go to the far end of a long list
//! of its own. The others are kept in pieces: taking one out of the middle moves what is behind it
//! in its piece, and a person may have any number. Deliberately absent: whose they are.

use prefetch_index::prefetch_index;

use crate::{
    snapshot::{SectionReader, SectionWriter, Unsound},
    u40::U40,
};

/// Newest ids: with them a list takes the better part of a cache line.
const NEWEST_LEN: usize = 6;

/// Ids of one piece, about.
const PIECE_LEN: usize = 1_024;

/// See the head of this file. Each id once, rising: the old ones, those after them, the newest.
#[derive(Debug, Default)]
pub(super) struct BookingIds {
    old: Option<Box<Old>>,
    later: Vec<U40>,
    newest: [U40; NEWEST_LEN],
    newest_len: u8,
}

const _: () = assert!(size_of::<BookingIds>() <= 64);

/// Full pieces, of which some were taken out since, but not all.
#[derive(Debug, Default)]
struct Old {
    pieces: Vec<Vec<U40>>,
}

impl BookingIds {
    /// Puts in a booking that is newer than all others.
    pub(super) fn push(&mut self, booking: u64) {
        if self.newest().len() == NEWEST_LEN {
            self.put_away();
        }
        self.newest[usize::from(self.newest_len)] = U40::of_position(booking);
        self.newest_len += 1;
    }

    /// The newest ones join the others.
    fn put_away(&mut self) {
        if PIECE_LEN < self.later.len() + NEWEST_LEN {
            let piece = std::mem::take(&mut self.later);
            self.old.get_or_insert_default().pieces.push(piece);
        }
        self.later.extend_from_slice(&self.newest);
        self.newest_len = 0;
    }

    /// Asks for the memory into which the next booking goes.
    pub(super) fn prefetch_end(&self) {
        if self.newest().len() == NEWEST_LEN {
            prefetch_index(&self.later, self.later.len());
        }
    }

    /// Takes `booking` out, if it is there.
    pub(super) fn remove(&mut self, booking: u64) {
        if let Some(index) = self.newest().iter().position(|id| id.get() == booking) {
            let len = usize::from(self.newest_len);
            self.newest.copy_within(index + 1..len, index);
            self.newest_len -= 1;
        } else if self
            .later
            .first()
            .is_some_and(|first| first.get() <= booking)
        {
            take(&mut self.later, booking);
        } else if let Some(old) = &mut self.old {
            old.remove(booking);
            if old.pieces.is_empty() {
                self.old = None;
            }
        }
    }

    /// Whether there is none: the owner removes such a list.
    pub(super) const fn is_empty(&self) -> bool {
        self.old.is_none() && self.later.is_empty() && self.newest_len == 0
    }

    /// At most `limit` ids above `after`, rising.
    pub(super) fn after(&self, after: u64, limit: usize) -> Vec<u64> {
        let first = self.old().partition_point(|piece| last_of(piece) <= after);
        let old = self.old()[first..].iter().flatten();
        let all = old.chain(&self.later).chain(self.newest());
        let ids = all.map(|id| id.get()).filter(|id| after < *id);
        ids.take(limit).collect()
    }

    fn old(&self) -> &[Vec<U40>] {
        self.old.as_ref().map_or(&[], |old| &old.pieces)
    }

    fn newest(&self) -> &[U40] {
        &self.newest[..usize::from(self.newest_len)]
    }

    /// Writes the ids.
    pub(super) fn save(&self, out: &mut SectionWriter<'_>) {
        out.count(self.old().len());
        for ids in self.old() {
            save_ids(ids, out);
        }
        save_ids(&self.later, out);
        save_ids(self.newest(), out);
    }

    /// Reads ids that were saved.
    pub(super) fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let mut ids = Self::default();
        for _ in 0..from.count(size_of::<u64>())? {
            let piece = load_ids(from)?;
            ids.old.get_or_insert_default().pieces.push(piece);
        }
        ids.later = load_ids(from)?;
        for id in load_ids(from)? {
            ids.push(id.get());
        }
        Ok(ids)
    }
}

impl Old {
    fn remove(&mut self, booking: u64) {
        let nth = self
            .pieces
            .partition_point(|piece| last_of(piece) < booking);
        let Some(piece) = self.pieces.get_mut(nth) else {
            return;
        };
        take(piece, booking);
        if piece.is_empty() {
            self.pieces.remove(nth);
        }
    }
}

fn take(ids: &mut Vec<U40>, booking: u64) {
    if let Ok(index) = ids.binary_search_by_key(&booking, |id| id.get()) {
        ids.remove(index);
    }
}

fn last_of(piece: &[U40]) -> u64 {
    piece.last().map_or(0, |id| id.get())
}

fn save_ids(ids: &[U40], out: &mut SectionWriter<'_>) {
    out.count(ids.len());
    ids.iter().for_each(|id| out.array(&id.bytes()));
}

fn load_ids(from: &mut SectionReader<'_>) -> Result<Vec<U40>, Unsound> {
    let count = from.count(U40::BYTES)?;
    let mut ids = Vec::with_capacity(count);
    from.rows(count, |id| ids.push(U40::of_bytes(*id)))?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BookingIds, PIECE_LEN};

    #[test]
    fn a_list_of_any_length_is_a_set_in_order() {
        let mut ids = BookingIds::default();
        let mut model = BTreeSet::new();
        let len = u64::try_from(3 * PIECE_LEN).unwrap() + 100;
        for id in 1..len {
            ids.push(id);
            model.insert(id);
        }
        assert_eq!(ids.after(1, usize::MAX).len(), model.len() - 1);
        for step in 1..len {
            // A step that shares no factor with the length visits every number once.
            let id = step * 11 % len;
            for after in [id - 1, id] {
                let expected = model.range(after + 1..).copied();
                assert_eq!(ids.after(after, 3), expected.take(3).collect::<Vec<_>>());
            }
            model.remove(&id);
            ids.remove(id);
            assert_eq!(ids.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn a_short_list_needs_no_memory_of_its_own() {
        let mut ids = BookingIds::default();
        (1..=6).for_each(|id| ids.push(id));
        assert_eq!(ids.later.capacity(), 0);
        ids.remove(3);
        ids.remove(7);
        assert_eq!(ids.after(0, 10), [1, 2, 4, 5, 6]);
        [1, 2, 4, 5, 6].iter().for_each(|id| ids.remove(*id));
        assert!(ids.is_empty());
    }
}
