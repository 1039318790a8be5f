//! Rows by position: a shelf with a place for every position of the log.
//!
//! Ids are positions and only ever rise, so new rows go to the end, next to the last one: no
//! hashing, no moving when it grows, and what was written last is still at hand. Places are made
//! sixteen at a time and only where a row is, since most positions of a log hold no row of any one
//! kind. Deliberately absent: order by anything but the position.

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

/// Places made at once. Fewer, and each costs more to find; more, and a lone row wastes more.
const BOARD_LEN: usize = 16;

const ID_BYTES: usize = size_of::<u64>();

/// Some of the places, and how many of them are taken.
#[derive(Debug)]
struct Board<T> {
    places: [Option<T>; BOARD_LEN],
    taken: usize,
}

/// At most one row for each position.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    boards: Vec<Option<Box<Board<T>>>>,
    len: usize,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            boards: Vec::new(),
            len: 0,
        }
    }
}

impl<T: Copy> Shelf<T> {
    /// Rows on it.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The row at `id`.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        let (board, place) = split(id)?;
        self.boards.get(board)?.as_ref()?.places[place].as_ref()
    }

    /// The row at `id`, to change.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (board, place) = split(id)?;
        self.boards.get_mut(board)?.as_mut()?.places[place].as_mut()
    }

    /// Puts a row at `id`, which must be free.
    pub(super) fn insert(&mut self, id: u64, row: T) {
        let (board, place) = split(id).expect("positions fit memory");
        if self.boards.len() <= board {
            self.boards.resize_with(board + 1, || None);
        }
        let board = self.boards[board].get_or_insert_with(|| {
            Box::new(Board {
                places: [None; BOARD_LEN],
                taken: 0,
            })
        });
        let before = board.places[place].replace(row);
        assert!(before.is_none(), "an id is given once");
        board.taken += 1;
        self.len += 1;
    }

    /// Takes the row at `id` out; a board with nothing on it goes too.
    pub(super) fn remove(&mut self, id: u64) -> Option<T> {
        let (index, place) = split(id)?;
        let slot = self.boards.get_mut(index)?;
        let board = slot.as_mut()?;
        let row = board.places[place].take()?;
        board.taken -= 1;
        self.len -= 1;
        if board.taken == 0 {
            *slot = None;
        }
        Some(row)
    }

    /// Writes every row with its position; `save` writes a row.
    pub(super) fn save(
        &self,
        out: &mut SectionWriter<'_>,
        save: impl Fn(&T, &mut SectionWriter<'_>),
    ) {
        out.count(self.len);
        for (id, row) in self.iter() {
            out.u64(id);
            save(row, out);
        }
    }

    /// Reads what was saved; `load` reads the row at a position, of at least so many bytes.
    pub(super) fn load(
        from: &mut SectionReader<'_>,
        bytes_min: usize,
        mut load: impl FnMut(u64, &mut SectionReader<'_>) -> Result<T, Unsound>,
    ) -> Result<Self, Unsound> {
        let mut shelf = Self::default();
        for _ in 0..from.count(ID_BYTES + bytes_min)? {
            let id = from.u64()?;
            let row = load(id, from)?;
            shelf.insert(id, row);
        }
        Ok(shelf)
    }

    /// Every row with its position, rising.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let boards = (0_u64..).zip(&self.boards);
        boards.flat_map(|(index, board)| {
            let first = index * BOARD_LEN as u64;
            let places = board.iter().flat_map(|board| (0_u64..).zip(&board.places));
            places.filter_map(move |(place, row)| Some((first + place, row.as_ref()?)))
        })
    }
}

/// Which board, and which place on it.
fn split(id: u64) -> Option<(usize, usize)> {
    let id = usize::try_from(id).ok()?;
    Some((id / BOARD_LEN, id % BOARD_LEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_they_were_put_until_they_are_taken_out() {
        let mut shelf = Shelf::default();
        for id in [1, 15, 16, 1_000_000] {
            assert_eq!(shelf.get(id), None);
            shelf.insert(id, id * 10);
        }
        *shelf.get_mut(16).expect("it was put there") += 1;
        let rows: Vec<_> = shelf.iter().map(|(id, row)| (id, *row)).collect();
        assert_eq!(
            rows,
            [(1, 10), (15, 150), (16, 161), (1_000_000, 10_000_000)]
        );
        assert_eq!(shelf.remove(15), Some(150));
        assert_eq!((shelf.remove(15), shelf.remove(2_000_000)), (None, None));
        assert_eq!((shelf.get(15), shelf.len()), (None, 3));
    }

    #[test]
    fn a_board_goes_with_its_last_row() {
        let mut shelf = Shelf::default();
        shelf.insert(33, ());
        assert!(shelf.boards[2].is_some());
        shelf.remove(33);
        assert!(shelf.boards[2].is_none());
    }
}
