//! Reads kept until the model reaches the position each of them states, within a budget.
//!
//! They go in as they are answered and come out in the order of the log. Deliberately absent: what
//! was read, and what is right.

/// What was read, by the position it reflects.
#[derive(Debug)]
pub(crate) struct Reads<T> {
    kept: Vec<(u64, T)>,
    /// Bytes that are left for more.
    bytes_left: u64,
    /// Sorted, the highest position first, once they begin to come out.
    is_sorted: bool,
    skipped: u64,
}

impl<T> Reads<T> {
    /// None yet; never more than `bytes_max` hold.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            kept: Vec::new(),
            bytes_left: bytes_max,
            is_sorted: false,
            skipped: 0,
        }
    }

    /// Keeps a read of the state at `seq`.
    pub(crate) fn keep(&mut self, seq: u64, read: T) {
        self.keep_with(seq, read, 0);
    }

    /// Keeps one that points at so many bytes more.
    pub(crate) fn keep_with(&mut self, seq: u64, read: T, more: usize) {
        let bytes = u64::try_from(size_of::<(u64, T)>() + more).unwrap_or(u64::MAX);
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                self.kept.push((seq, read));
            }
            None => self.skipped += 1,
        }
    }

    /// The next read that reflects exactly `seq`. Those of positions that no record has are passed
    /// over.
    pub(crate) fn next_at(&mut self, seq: u64) -> Option<T> {
        if !self.is_sorted {
            // Stable, so that reads of one position come out in a settled order.
            self.kept.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            self.is_sorted = true;
        }
        while let Some((at, read)) = self.kept.pop_if(|(at, _)| *at <= seq) {
            if at == seq {
                return Some(read);
            }
            self.skipped += 1;
        }
        None
    }

    /// Reads that were not compared: beyond the budget, or of positions that no record has.
    pub(crate) fn skipped(&self) -> u64 {
        let beyond = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        self.skipped + beyond
    }
}
