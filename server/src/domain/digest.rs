//! The hash of a state, kept up to date row by row.
//!
//! Rows go in when they appear and out when they disappear; the sum of their hashes is the hash of
//! the state. A sum, so that the order of events does not show and a removed row leaves no trace;
//! not an exclusive-or, which would hide a row that is there twice. Deliberately absent: rows.

use xxhash_rust::xxh3::xxh3_128;

/// A sum of row hashes, modulo 2^128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u128);

impl Digest {
    /// A row appeared: `table` keeps tables with equal columns apart.
    pub fn insert(&mut self, table: u8, columns: &[u64]) {
        self.0 = self.0.wrapping_add(hash(table, columns, b""));
    }

    /// A row disappeared; the columns must be those it appeared with.
    pub fn remove(&mut self, table: u8, columns: &[u64]) {
        self.0 = self.0.wrapping_sub(hash(table, columns, b""));
    }

    /// A row with a text column appeared.
    pub fn insert_text(&mut self, table: u8, columns: &[u64], text: &[u8]) {
        self.0 = self.0.wrapping_add(hash(table, columns, text));
    }

    /// A row with a text column disappeared.
    pub fn remove_text(&mut self, table: u8, columns: &[u64], text: &[u8]) {
        self.0 = self.0.wrapping_sub(hash(table, columns, text));
    }

    /// The sum.
    #[must_use]
    pub const fn value(self) -> u128 {
        self.0
    }
}

/// Rows have few columns, so the common case never leaves the stack.
fn hash(table: u8, columns: &[u64], text: &[u8]) -> u128 {
    const COLUMNS_MAX: usize = 8;
    assert!(
        columns.len() <= COLUMNS_MAX,
        "a row has at most {COLUMNS_MAX} columns"
    );
    let mut bytes = [0; 1 + COLUMNS_MAX * 8];
    bytes[0] = table;
    let mut len = 1;
    for column in columns {
        bytes[len..len + 8].copy_from_slice(&column.to_le_bytes());
        len += 8;
    }
    if text.is_empty() {
        return xxh3_128(&bytes[..len]);
    }
    let mut long = bytes[..len].to_vec();
    long.extend_from_slice(text);
    xxh3_128(&long)
}
