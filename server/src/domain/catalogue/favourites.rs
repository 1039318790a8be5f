//! One person's favourites, with a sum that says which they are.
//!
//! Items go in and out, each at most once. The sum does not depend on their order and is kept with
//! every change, so that two lists are compared in one step however long they are. Deliberately
//! absent: the order in which they are shown, which is the order of their names.

/// A set of items.
#[derive(Debug, Default)]
pub(super) struct Favourites {
    // Rising, and at most a thousand: putting one in the middle moves eight kilobytes.
    items: Vec<u64>,
    sum: u64,
}

/// The favourites of whoever has none.
pub(super) static NONE: Favourites = Favourites {
    items: Vec::new(),
    sum: 0,
};

impl Favourites {
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.items.len()).expect("favourites are bounded far below 2^32")
    }

    pub(super) fn contains(&self, item: u64) -> bool {
        self.items.binary_search(&item).is_ok()
    }

    /// The items, rising.
    pub(super) fn as_slice(&self) -> &[u64] {
        &self.items
    }

    /// The order-independent sum, as the answer with favourites documents it.
    pub(super) const fn sum(&self) -> u64 {
        self.sum
    }

    /// Puts in an item that is not there.
    pub(super) fn insert(&mut self, item: u64) {
        let index = self
            .items
            .binary_search(&item)
            .expect_err("a favourite is added once");
        self.items.insert(index, item);
        self.sum = self.sum.wrapping_add(hash(item));
    }

    /// Takes out an item that is there; false when nothing is left.
    pub(super) fn remove(&mut self, item: u64) -> bool {
        let index = self
            .items
            .binary_search(&item)
            .expect("only a favourite can cease to be one");
        self.items.remove(index);
        self.sum = self.sum.wrapping_sub(hash(item));
        !self.items.is_empty()
    }
}

/// The first eight bytes of the BLAKE3 hash of the id, both little-endian.
fn hash(item: u64) -> u64 {
    let hash = blake3::hash(&item.to_le_bytes());
    let (words, _) = hash.as_bytes().as_chunks();
    u64::from_le_bytes(words[0])
}
