//! Reads kept until the model reaches the position each of them states, within a budget.
//!
//! They go in as they are answered and come out in the order of the log. Deliberately absent: what
//! was read, and what is right.

/// What was read, by the position it reflects.
#[derive(Debug)]
pub(super) struct Reads<T> {
    kept: Vec<(u64, T)>,
    len_max: usize,
    /// Sorted, the highest position first, once they begin to come out.
    is_sorted: bool,
    skipped: u64,
}

impl<T> Reads<T> {
    /// None yet; never more than `bytes_max` hold.
    pub(super) fn new(bytes_max: u64) -> Self {
        let one = u64::try_from(size_of::<(u64, T)>()).unwrap_or(u64::MAX);
        Self {
            kept: Vec::new(),
            len_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            is_sorted: false,
            skipped: 0,
        }
    }

    /// Keeps a read of the state at `seq`.
    pub(super) fn keep(&mut self, seq: u64, read: T) {
        if self.kept.len() < self.len_max {
            self.kept.push((seq, read));
        } else {
            self.skipped += 1;
        }
    }

    /// The next read that reflects exactly `seq`. Those of positions that no record has are passed
    /// over.
    pub(super) fn next_at(&mut self, seq: u64) -> Option<T> {
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
    pub(super) fn skipped(&self) -> u64 {
        let beyond = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        self.skipped + beyond
    }
}
