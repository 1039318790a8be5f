//! How late things were started that were planned.
//!
//! Starts with their planned instants go in; a histogram, and how many were too late, come out.

use hdrhistogram::Histogram;

use crate::{operation::Nanos, recorder};

/// How late things were started, each counted once: a generator that stood still for a while is late for
/// everything that was due meanwhile, however few times it woke.
#[derive(Debug)]
pub struct Lateness(Histogram<u64>);

/// Starts that must be late before a share of them says anything, as for a percentile.
const LATE_MIN: u64 = 10;
/// Starts from which on their 99th percentile is known: ten lie beyond it.
const STARTS_MIN: u64 = 1_000;

impl Lateness {
    /// Nothing started.
    #[must_use]
    pub fn new() -> Self {
        Self(recorder::histogram())
    }

    /// What was planned for the instant `due` began at `now`.
    pub fn note_start(&mut self, due: Nanos, now: Nanos) {
        self.0.saturating_record(now.saturating_sub(due).max(1));
    }

    /// Every start, nanoseconds.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// How many starts were later than `max`, if it was more than one in a hundred; of fewer than a thousand
    /// starts, whose 99th percentile nobody knows, more than one in ten.
    #[must_use]
    pub fn beyond(&self, max: Nanos) -> Option<u64> {
        let late = self.0.count_between(max.saturating_add(1), self.0.high());
        let one_in = if self.0.len() < STARTS_MIN { 10 } else { 100 };
        (LATE_MIN <= late && self.0.len() < late.saturating_mul(one_in)).then_some(late)
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of `count` starts of which `late` were `by` late and the others on time.
    fn beyond(count: u64, late: u64, by: Nanos) -> Option<u64> {
        let mut lateness = Lateness::new();
        (0..count - late).for_each(|_| lateness.note_start(0, 100_000));
        (0..late).for_each(|_| lateness.note_start(0, by));
        lateness.beyond(5_000_000)
    }

    #[test]
    fn every_start_that_was_due_while_the_generator_stood_still_is_late() {
        const MS: Nanos = 1_000_000;
        assert_eq!(beyond(2_000, 0, 0), None);
        // 3 s of 10 s, at 200 a second: one wake-up, 600 starts.
        assert_eq!(beyond(2_000, 600, 3_000 * MS), Some(600));
        // 0.3 s of 12 s, at 2,000 a second.
        assert_eq!(beyond(24_000, 600, 300 * MS), Some(600));
        assert_eq!(
            beyond(20_000, 150, 300 * MS),
            None,
            "fewer than one in a hundred"
        );
        assert_eq!(beyond(2_000, 600, 4 * MS), None, "within what is allowed");
        // Of few starts more must be late.
        assert_eq!(beyond(20, 9, 300 * MS), None);
        assert_eq!(beyond(500, 50, 300 * MS), None);
        assert_eq!(beyond(500, 60, 300 * MS), Some(60));
    }
}
