//! The hash of a state, kept up to date row by row.
//!
//! Rows go in when they appear and out when they disappear; the sum of their hashes is the hash of
//! the state. A sum, so that the order of events does not show and a removed row leaves no trace;
//! not an exclusive-or, which would hide a row that is there twice. A row is a table's number, up to
//! eight columns and at most one text; a table either always has a text or never, so that no text
//! can pass for two columns. The hash has no secret and no seed of the process: equal states have
//! equal hashes in every run. Deliberately absent: rows.

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

const COLUMNS_MAX: usize = 8;
const COLUMN_BYTES: usize = size_of::<u64>();
const TEXT_BYTES: usize = size_of::<u128>();

/// A sum of row hashes, modulo 2^128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u128);

impl Digest {
    /// The sum of rows that were summed before.
    #[must_use]
    pub const fn of(sum: u128) -> Self {
        Self(sum)
    }

    /// A row appeared: `table` keeps tables with equal columns apart.
    pub fn insert<const N: usize>(&mut self, table: u8, columns: [u64; N]) {
        self.0 = self.0.wrapping_add(hash(table, columns, None));
    }

    /// A row disappeared; the columns must be those it appeared with.
    pub fn remove<const N: usize>(&mut self, table: u8, columns: [u64; N]) {
        self.0 = self.0.wrapping_sub(hash(table, columns, None));
    }

    /// A row with a text column appeared.
    pub fn insert_text<const N: usize>(&mut self, table: u8, columns: [u64; N], text: &str) {
        self.0 = self.0.wrapping_add(hash(table, columns, Some(text)));
    }

    /// A row with a text column disappeared.
    pub fn remove_text<const N: usize>(&mut self, table: u8, columns: [u64; N], text: &str) {
        self.0 = self.0.wrapping_sub(hash(table, columns, Some(text)));
    }

    /// The sum.
    #[must_use]
    pub const fn value(self) -> u128 {
        self.0
    }
}

/// Everything is on the stack and every length but the text's is known to the compiler: one row of
/// a busy table changes with every command.
#[inline]
fn hash<const N: usize>(table: u8, columns: [u64; N], text: Option<&str>) -> u128 {
    const { assert!(N <= COLUMNS_MAX, "a row has at most eight columns") };
    let mut bytes = [0; COLUMNS_MAX * COLUMN_BYTES + TEXT_BYTES];
    for (field, column) in bytes.chunks_exact_mut(COLUMN_BYTES).zip(columns) {
        field.copy_from_slice(&column.to_le_bytes());
    }
    let mut len = N * COLUMN_BYTES;
    if let Some(text) = text {
        bytes[len..len + TEXT_BYTES].copy_from_slice(&xxh3_128(text.as_bytes()).to_le_bytes());
        len += TEXT_BYTES;
    }
    xxh3_128_with_seed(&bytes[..len], u64::from(table))
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn rows_that_went_in_and_out_leave_nothing_whatever_the_order() {
        let mut digest = Digest::default();
        digest.insert(1, [1, 2]);
        digest.insert_text(2, [3], "three");
        digest.insert(1, [4, 5]);
        digest.remove(1, [1, 2]);
        digest.remove_text(2, [3], "three");
        let mut other = Digest::default();
        other.insert(1, [4, 5]);
        assert_eq!(digest, other);
        other.remove(1, [4, 5]);
        assert_eq!(other.value(), 0);
    }

    #[test]
    fn every_part_of_a_row_shows() {
        let hash = |table, columns: [u64; 2], text| {
            let mut digest = Digest::default();
            digest.insert_text(table, columns, text);
            digest.value()
        };
        let row = hash(1, [2, 3], "four");
        for other in [
            hash(2, [2, 3], "four"),
            hash(1, [3, 2], "four"),
            hash(1, [2, 4], "four"),
            hash(1, [2, 3], "five"),
        ] {
            assert_ne!(row, other);
        }
    }

    #[test]
    fn a_row_that_is_there_twice_is_not_hidden() {
        let mut digest = Digest::default();
        digest.insert(1, [7]);
        digest.insert(1, [7]);
        assert_ne!(digest.value(), 0);
    }

    #[test]
    fn hashes_are_the_same_in_every_process() {
        let mut digest = Digest::default();
        digest.insert(1, [1, 2, 3, 4, 5, 6, 7, 8]);
        digest.insert_text(2, [9], "ten");
        assert_eq!(digest.value(), GOLDEN);
    }

    const GOLDEN: u128 = 267_369_223_708_402_017_345_774_445_406_852_548_618;
}
