//! A table by log position that grows a page at a time, within a budget.
//!
//! Positions are dense, so a page of them is an array: no hashing, and growing never moves what is
//! there, which would stop the generator for milliseconds.

/// Entries in one page.
const PAGE_LEN: usize = 4_096;

/// One `T` for each log position, default until set.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Option<Box<[T]>>>,
    pages_max: usize,
}

impl<T: Copy + Default> Pages<T> {
    /// Empty; never larger than `bytes_max`.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes = u64::try_from(PAGE_LEN * size_of::<T>()).unwrap_or(u64::MAX);
        Self {
            pages: Vec::new(),
            pages_max: usize::try_from(bytes_max / bytes).unwrap_or(usize::MAX),
        }
    }

    /// The entry at `seq`; `None` beyond the budget.
    pub(crate) fn slot(&mut self, seq: u64) -> Option<&mut T> {
        let at = usize::try_from(seq).ok()?;
        let page = at / PAGE_LEN;
        if self.pages_max <= page {
            return None;
        }
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let page =
            self.pages[page].get_or_insert_with(|| vec![T::default(); PAGE_LEN].into_boxed_slice());
        page.get_mut(at % PAGE_LEN)
    }

    /// The entry at `seq`, if any of its page was ever set.
    pub(crate) fn get(&self, seq: u64) -> Option<T> {
        let at = usize::try_from(seq).ok()?;
        let page = self.pages.get(at / PAGE_LEN)?.as_ref()?;
        page.get(at % PAGE_LEN).copied()
    }
}
