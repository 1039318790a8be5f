//! How long to stay away from a server that could not be reached or did not keep us.
//!
//! The window doubles with every failure, and the wait is anywhere in it ("full jitter"): those who
//! lost a server together do not come back together, which is what would make it fail again.
//! Deliberately absent: clocks, and where the chance comes from.

use crate::Nanos;

/// The first window. Ten thousand clients in half a second are what a server on two cores can
/// greet; one client alone waits a quarter of a second in the middle.
pub const BACKOFF_FIRST: Nanos = 500_000_000;

/// The widest window: a person who waits for a server to come back sees it within this.
pub const BACKOFF_MAX: Nanos = 16_000_000_000;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Waits drawn from this seed: different ones for different clients.
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed,
        }
    }

    /// The connection was a good one: the next wait is a first one.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Nanos {
        let doubled = BACKOFF_FIRST.checked_shl(self.failures);
        let window = doubled.map_or(BACKOFF_MAX, |window| window.min(BACKOFF_MAX));
        // No further than the widest window, or the shift would leave the number.
        if window < BACKOFF_MAX {
            self.failures += 1;
        }
        self.draw() % window
    }

    /// `SplitMix64`: enough for spreading people, and a word of memory.
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_up_to_the_widest_and_waits_fall_anywhere_in_them() {
        let (mut widest, mut sum) = ([0; 8], 0_u128);
        for seed in 0..2_000 {
            let mut backoff = Backoff::new(seed);
            for (index, widest) in widest.iter_mut().enumerate() {
                let wait = backoff.next();
                *widest = wait.max(*widest);
                sum += if index == 0 { u128::from(wait) } else { 0 };
            }
        }
        for (index, widest) in widest.iter().enumerate() {
            let window = (BACKOFF_FIRST << index).min(BACKOFF_MAX);
            assert!(*widest < window, "wait {index} of {widest} in {window}");
            assert!(window / 10 * 9 < *widest, "wait {index} uses its window");
        }
        let mean = u64::try_from(sum / 2_000).expect("below the window");
        assert!(BACKOFF_FIRST / 5 * 2 < mean && mean < BACKOFF_FIRST / 5 * 3);
    }

    #[test]
    fn a_good_connection_makes_the_next_wait_a_first_one() {
        let mut backoff = Backoff::new(7);
        (0..100).for_each(|_failure| assert!(backoff.next() < BACKOFF_MAX));
        backoff.reset();
        assert!(backoff.next() < BACKOFF_FIRST);
    }
}
