//! Rows by position, of which there are far fewer than positions.
//!
//! Ids are positions and only ever rise, so new rows go to the end, next to the last one: no
//! hashing, no moving when it grows, and what was written last is still at hand. Where a row is, is
//! counted: a bit for each position says whether a row was ever put there, and a number for each 64
//! of them how many were before. (The rank of a bit vector, as Jacobson has it in "Space-efficient
//! Static Trees and Graphs", 1989.) Deliberately absent: order by anything but the position.

use crate::snapshot::{SectionReader, SectionWriter, Unsound};

/// Positions of a block.
const BLOCK_LEN: usize = 64;

/// Rows of one piece of memory, which goes when none of them is left.
const PIECE_LEN: usize = 8 * BLOCK_LEN;

/// What is known of 64 positions.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Rows ever put before these positions.
    before: usize,
    /// At which of these positions a row was ever put, the lowest bit first.
    put: u64,
}

/// Rows that were put one after the other, and how many of them are left.
#[derive(Debug)]
struct Piece<T> {
    rows: Vec<Option<T>>,
    left: usize,
}

/// At most one row for each position.
#[derive(Debug)]
pub(super) struct RankMap<T> {
    blocks: Vec<Block>,
    pieces: Vec<Option<Piece<T>>>,
    /// Rows ever put.
    put: usize,
    len: usize,
}

impl<T> Default for RankMap<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            pieces: Vec::new(),
            put: 0,
            len: 0,
        }
    }
}

impl<T: Copy> RankMap<T> {
    /// Rows on it.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The row at `id`.
    pub(super) fn get(&self, id: u64) -> Option<&T> {
        let nth = self.nth(id)?;
        let piece = self.pieces.get(nth / PIECE_LEN)?.as_ref()?;
        piece.rows.get(nth % PIECE_LEN)?.as_ref()
    }

    /// The row at `id`, to change.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let nth = self.nth(id)?;
        let piece = self.pieces.get_mut(nth / PIECE_LEN)?.as_mut()?;
        piece.rows.get_mut(nth % PIECE_LEN)?.as_mut()
    }

    /// Puts a row at `id`, which must be above every one that a row was put at before.
    pub(super) fn insert(&mut self, id: u64, row: T) {
        let (block, bit) = split(id).expect("positions fit memory");
        if self.blocks.len() <= block {
            let (before, put) = (self.put, 0);
            self.blocks.resize(block + 1, Block { before, put });
        }
        let is_last = self.blocks.len() == block + 1;
        let block = &mut self.blocks[block];
        assert!(is_last && block.put >> bit == 0, "ids rise");
        block.put |= 1 << bit;
        self.push(row);
    }

    fn push(&mut self, row: T) {
        if self.put.is_multiple_of(PIECE_LEN) {
            let rows = Vec::with_capacity(PIECE_LEN);
            self.pieces.push(Some(Piece { rows, left: 0 }));
        }
        let piece = self.pieces.last_mut().and_then(Option::as_mut);
        let piece = piece.expect("a piece that is not full stays");
        piece.rows.push(Some(row));
        piece.left += 1;
        self.put += 1;
        self.len += 1;
    }

    /// Takes the row at `id` out; a full piece of which nothing is left goes too.
    pub(super) fn remove(&mut self, id: u64) -> Option<T> {
        let nth = self.nth(id)?;
        let slot = self.pieces.get_mut(nth / PIECE_LEN)?;
        let piece = slot.as_mut()?;
        let row = piece.rows.get_mut(nth % PIECE_LEN)?.take()?;
        piece.left -= 1;
        self.len -= 1;
        if piece.left == 0 && piece.rows.len() == PIECE_LEN {
            *slot = None;
        }
        Some(row)
    }

    /// Rows ever put before the one at `id`, if one ever was.
    fn nth(&self, id: u64) -> Option<usize> {
        let (block, bit) = split(id)?;
        let block = self.blocks.get(block)?;
        let below = (1 << bit) - 1;
        let is_put = block.put >> bit & 1 == 1;
        is_put.then(|| block.before + usize_of((block.put & below).count_ones()))
    }

    /// Writes every row and where it is; `bytes` tells a row as it is saved.
    pub(super) fn save<const N: usize>(
        &self,
        out: &mut SectionWriter<'_>,
        bytes: impl Fn(&T) -> [u8; N],
    ) {
        let Self {
            blocks,
            pieces,
            // They follow from the blocks and the pieces.
            put: _,
            len: _,
        } = self;
        out.count(blocks.len());
        blocks.iter().for_each(|block| out.u64(block.put));
        for piece in pieces {
            out.u8(u8::from(piece.is_some()));
            for rows in piece.iter().flat_map(|piece| piece.rows.chunks(BLOCK_LEN)) {
                let bits = (0..)
                    .zip(rows)
                    .map(|(bit, row)| u64::from(row.is_some()) << bit);
                out.u64(bits.sum());
                rows.iter().flatten().for_each(|row| out.array(&bytes(row)));
            }
        }
    }

    /// Reads what was saved; `row` makes a row of its bytes.
    pub(super) fn load<const N: usize>(
        from: &mut SectionReader<'_>,
        mut row: impl FnMut(&[u8; N]) -> T,
    ) -> Result<Self, Unsound> {
        let mut shelf = Self::default();
        let count = from.count(size_of::<u64>())?;
        shelf.blocks.reserve_exact(count);
        from.rows(count, |bytes| {
            let (before, put) = (shelf.put, u64::from_le_bytes(*bytes));
            shelf.put += usize_of(put.count_ones());
            shelf.blocks.push(Block { before, put });
        })?;
        for first in (0..shelf.put).step_by(PIECE_LEN) {
            let len = PIECE_LEN.min(shelf.put - first);
            let piece = match from.u8()? {
                0 => None,
                _ => Some(Piece::load(from, len, &mut row)?),
            };
            shelf.len += piece.as_ref().map_or(0, |piece| piece.left);
            shelf.pieces.push(piece);
        }
        Ok(shelf)
    }

    /// Every row with its position, rising.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let blocks = (0_u64..).zip(&self.blocks);
        let ids = blocks.flat_map(|(index, block)| {
            let bits = (0..64).filter(|bit| block.put >> bit & 1 == 1);
            bits.map(move |bit| index * 64 + bit)
        });
        ids.filter_map(|id| Some((id, self.get(id)?)))
    }
}

impl<T> Piece<T> {
    /// Reads a piece of so many rows, not all of which are left.
    fn load<const N: usize>(
        from: &mut SectionReader<'_>,
        len: usize,
        mut row: impl FnMut(&[u8; N]) -> T,
    ) -> Result<Self, Unsound> {
        let mut rows = Vec::with_capacity(PIECE_LEN);
        for first in (0..len).step_by(BLOCK_LEN) {
            let left = from.u64()?;
            for bit in 0..BLOCK_LEN.min(len - first) {
                let is_left = left >> bit & 1 == 1;
                rows.push(if is_left {
                    Some(row(&from.array()?))
                } else {
                    None
                });
            }
        }
        let left = rows.iter().flatten().count();
        Ok(Self { rows, left })
    }
}

/// Which block, and which bit of it.
fn split(id: u64) -> Option<(usize, u32)> {
    let bit = u32::try_from(id % 64).expect("a remainder of 64");
    Some((usize::try_from(id / 64).ok()?, bit))
}

fn usize_of(bits: u32) -> usize {
    usize::try_from(bits).expect("usize has 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_they_were_put_until_they_are_taken_out() {
        let mut shelf = RankMap::default();
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
    fn a_piece_goes_with_its_last_row_once_it_is_full() {
        let mut shelf = RankMap::default();
        let rows = 36 + u64::try_from(PIECE_LEN).unwrap();
        (0..rows).for_each(|id| shelf.insert(id, ()));
        (0..rows).for_each(|id| assert_eq!(shelf.remove(id), Some(())));
        assert!(shelf.pieces[0].is_none() && shelf.pieces[1].is_some());
        shelf.insert(1_000, ());
        assert_eq!(shelf.get(1_000), Some(&()));
        assert!(shelf.iter().eq([(1_000, &())]));
    }

    #[test]
    #[should_panic(expected = "ids rise")]
    fn an_id_below_the_last_one_is_a_mistake() {
        let mut shelf = RankMap::default();
        shelf.insert(7, ());
        shelf.insert(6, ());
    }
}
