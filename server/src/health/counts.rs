//! What figures are made of: buckets of a histogram, refusals by code.
//!
//! Plain numbers with one owner each. Deliberately absent: locks, names of figures.

use protocol::code::{CODES, Code};

/// A histogram of fixed bounds.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    bounds: &'static [f64],
    /// One more than bounds: the last is for what is beyond all of them.
    counts: Vec<u64>,
    sum: f64,
}

impl Buckets {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    pub(crate) fn observe(&mut self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place] += 1;
        self.sum += value;
    }

    /// Each bound and how many values were not above it.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.bounds
            .iter()
            .zip(&self.counts)
            .map(move |(bound, count)| {
                below += count;
                (*bound, below)
            })
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) const fn sum(&self) -> f64 {
        self.sum
    }
}

/// How often each code was told.
#[derive(Debug, Clone)]
pub(crate) struct Refusals(Vec<u64>);

impl Default for Refusals {
    fn default() -> Self {
        Self(vec![0; CODES.len()])
    }
}

impl Refusals {
    pub(crate) fn note(&mut self, code: Code) {
        // Codes stand in order of their number. All that are told are among them.
        if let Ok(index) = CODES.binary_search_by_key(&code, |entry| entry.code) {
            self.0[index] += 1;
        }
    }

    /// Every code by name, also those that were never told: a scraper sees a rise only from a
    /// number it saw before.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().copied();
        CODES.iter().map(|entry| entry.name).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_not_above_it() {
        let mut buckets = Buckets::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.0, 3.0] {
            buckets.observe(value);
        }
        let cumulative: Vec<_> = buckets.cumulative().collect();
        assert_eq!(cumulative, [(1.0, 2), (2.0, 4)]);
        assert_eq!((buckets.count(), buckets.sum()), (5, 8.0));
    }

    #[test]
    fn every_code_there_is_can_be_counted() {
        let mut refusals = Refusals::default();
        for entry in CODES {
            refusals.note(entry.code);
        }
        assert!(refusals.iter().all(|(_name, count)| count == 1));
        assert_eq!(refusals.iter().count(), CODES.len());
    }
}
