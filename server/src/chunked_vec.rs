//! A list of any length that is never moved.
//!
//! Entries go in at the end and stay where they are, but for the last one, which takes the place of
//! one that is taken out: the list grows by whole pieces, because moving millions of entries to a
//! larger place would stop the engine. Deliberately absent: taking out in order.

use prefetch_index::prefetch_index;

/// Entries kept in one piece of memory.
pub(crate) const PIECE_LEN: usize = 4_096;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct ChunkedVec<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Default for ChunkedVec<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> ChunkedVec<T> {
    /// Entries in it.
    pub(crate) fn len(&self) -> usize {
        self.pieces
            .last()
            .map_or(0, |last| (self.pieces.len() - 1) * PIECE_LEN + last.len())
    }

    /// Puts `entry` at the end.
    pub(crate) fn push(&mut self, entry: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE_LEN => last.push(entry),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_LEN);
                piece.push(entry);
                self.pieces.push(piece);
            }
        }
    }

    /// Takes out the entry at `index` and puts the last one there.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn swap_remove(&mut self, index: usize) -> T {
        let piece = self.pieces.last_mut().expect("it is not empty");
        let last = piece.pop().expect("no piece is empty");
        if piece.is_empty() {
            self.pieces.pop();
        }
        match self.get_mut(index) {
            Some(entry) => std::mem::replace(entry, last),
            None => last,
        }
    }

    /// Entries of one piece that stand behind one another: those of a length that divides
    /// [`PIECE_LEN`], at a multiple of it.
    pub(crate) fn slice(&self, start: usize, len: usize) -> &[T] {
        &self.pieces[start / PIECE_LEN][start % PIECE_LEN..][..len]
    }

    /// The same, to change them.
    pub(crate) fn slice_mut(&mut self, start: usize, len: usize) -> &mut [T] {
        &mut self.pieces[start / PIECE_LEN][start % PIECE_LEN..][..len]
    }

    /// The entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The entry at `index`, counted from 0.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE_LEN)?.get(index % PIECE_LEN)
    }

    /// Asks for the memory of the entry at `index`.
    pub(crate) fn prefetch(&self, index: usize) {
        if let Some(piece) = self.pieces.get(index / PIECE_LEN) {
            prefetch_index(piece, index % PIECE_LEN);
        }
    }

    /// The entry at `index`, to change it.
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let piece = self.pieces.get_mut(index / PIECE_LEN)?;
        piece.get_mut(index % PIECE_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_where_they_were_put() {
        let mut pieces = ChunkedVec::default();
        assert_eq!((pieces.len(), pieces.get(0)), (0, None));
        for index in 0..2 * PIECE_LEN + 1 {
            pieces.push(index);
            assert_eq!(pieces.len(), index + 1);
        }
        for index in [0, PIECE_LEN - 1, PIECE_LEN, 2 * PIECE_LEN] {
            assert_eq!(pieces.get(index), Some(&index));
        }
        assert_eq!(pieces.get(2 * PIECE_LEN + 1), None);
        assert_eq!(pieces.slice(PIECE_LEN, 2), [PIECE_LEN, PIECE_LEN + 1]);
    }

    #[test]
    fn the_last_entry_takes_the_place_of_what_is_taken_out() {
        let mut pieces = ChunkedVec::default();
        (0..=PIECE_LEN).for_each(|entry| pieces.push(entry));
        assert_eq!(pieces.swap_remove(7), 7);
        assert_eq!((pieces.len(), pieces.get(7)), (PIECE_LEN, Some(&PIECE_LEN)));
        assert_eq!(pieces.swap_remove(PIECE_LEN - 1), PIECE_LEN - 1);
        while pieces.len() != 0 {
            pieces.swap_remove(0);
        }
        assert_eq!((pieces.len(), pieces.get(0)), (0, None));
    }
}
