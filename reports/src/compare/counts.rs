//! What was measured in one second, or in many: values, and how often each was there.
//!
//! Histograms go in; quantiles, and whole distributions held against each other, come out. A
//! decoded histogram has room for every value up to an hour, one of these only for what was seen:
//! a run of ten minutes has tens of thousands of them. Deliberately absent: time and chance.

use hdrhistogram::Histogram;

/// Values in rising order, and how often each was there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pairs: Vec<(u64, u64)>,
    total: u64,
}

/// How two distributions differ as wholes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// The largest distance between their cumulative shares: Kolmogorov and Smirnov's D.
    pub distance: f64,
    /// The chance that a value of the second is larger than one of the first, ties counted half:
    /// Mann and Whitney's U as a share of all pairs.
    pub larger: f64,
}

impl Counts {
    /// The values of a histogram.
    #[must_use]
    pub fn from_histogram(histogram: &Histogram<u64>) -> Self {
        let recorded = histogram.iter_recorded();
        let pairs = recorded.map(|step| (step.value_iterated_to(), step.count_at_value()));
        Self {
            pairs: pairs.collect(),
            total: histogram.len(),
        }
    }

    /// Values with their counts, in any order.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut sorted: Vec<_> = pairs.into_iter().filter(|(_, count)| 0 < *count).collect();
        sorted.sort_unstable();
        let total = sorted.iter().map(|(_, count)| count).sum();
        let mut pairs: Vec<(u64, u64)> = Vec::with_capacity(sorted.len());
        for (value, count) in sorted {
            match pairs.last_mut() {
                Some((last, sum)) if *last == value => *sum += count,
                Some(_) | None => pairs.push((value, count)),
            }
        }
        Self { pairs, total }
    }

    /// All of them together.
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::from_pairs(
            parts
                .into_iter()
                .flat_map(|part| part.pairs.iter().copied()),
        )
    }

    /// Values in rising order, with their counts.
    #[must_use]
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.pairs
    }

    /// How many values.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The smallest value that at least this share of all values does not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = rank(self.total, share);
        let mut seen = 0;
        self.pairs.iter().find_map(|(value, count)| {
            seen += count;
            (wanted <= seen).then_some(*value)
        })
    }

    /// How these differ from `other` as a whole.
    #[must_use]
    pub fn shape(&self, other: &Self) -> Option<Shape> {
        if self.total == 0 || other.total == 0 {
            return None;
        }
        let (mut mine, mut theirs) = (self.pairs.iter().peekable(), other.pairs.iter().peekable());
        let (mut below, mut other_below) = (0.0, 0.0);
        let (mut distance, mut larger) = (0.0_f64, 0.0);
        while let Some(value) = least(mine.peek(), theirs.peek()) {
            let share = take(&mut mine, value) / self.total as f64;
            let other_share = take(&mut theirs, value) / other.total as f64;
            // Theirs at this value is larger than all of mine below it, and ties with mine at it.
            larger += other_share * (below + share / 2.0);
            below += share;
            other_below += other_share;
            distance = distance.max((below - other_below).abs());
        }
        Some(Shape { distance, larger })
    }
}

/// Which of `total` values in rising order stands at this share; 1 is the first.
pub(super) fn rank(total: u64, share: f64) -> u64 {
    // A product like 0.9 * 10 lies a hair above 9.
    let exact = share * total as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count is a count"
    )]
    let wanted = (exact - 1e-9 * exact.max(1.0)).ceil() as u64;
    wanted.clamp(1, total.max(1))
}

fn least(one: Option<&&(u64, u64)>, other: Option<&&(u64, u64)>) -> Option<u64> {
    let values = one.into_iter().chain(other).map(|(value, _)| *value);
    values.min()
}

/// How often `value` stands next.
fn take<'a>(
    pairs: &mut std::iter::Peekable<impl Iterator<Item = &'a (u64, u64)>>,
    value: u64,
) -> f64 {
    let next = pairs.next_if(|(found, _)| *found == value);
    next.map_or(0.0, |(_, count)| *count as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Counts {
        Counts::from_pairs(values.iter().map(|value| (*value, 1)))
    }

    #[test]
    fn quantiles_are_those_of_the_histogram() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        (1..=5_000_u64).for_each(|value| histogram.record(value * value).unwrap());
        let counts = Counts::from_histogram(&histogram);
        for share in [0.001, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let (found, known) = (counts.quantile(share), histogram.value_at_quantile(share));
            assert_eq!(found, Some(known), "{share}");
        }
        assert_eq!(Counts::default().quantile(0.5), None);
    }

    /// The seven and five values of the example in Mann and Whitney's test as Wikipedia tells it
    /// (tortoises and hares): `T H H H H H T T T T T H`, fastest first. Of 36 pairs the tortoise
    /// is faster in 11.
    #[test]
    fn tortoises_win_eleven_of_thirty_six_races() {
        let tortoise = of(&[1, 7, 8, 9, 10, 11]);
        let hare = of(&[2, 3, 4, 5, 6, 12]);
        let shape = tortoise.shape(&hare).unwrap();
        assert!((shape.larger - 11.0 / 36.0).abs() < 1e-12, "{shape:?}");
        // After the sixth animal five of six hares are in and one of six tortoises.
        assert!((shape.distance - 4.0 / 6.0).abs() < 1e-12, "{shape:?}");
    }

    proptest! {
        #[test]
        fn a_distribution_is_no_different_from_itself_and_opposite_when_turned(
            mine in prop::collection::vec((1..50_u64, 1..9_u64), 1..20),
            theirs in prop::collection::vec((1..50_u64, 1..9_u64), 1..20),
        ) {
            let (mine, theirs) = (Counts::from_pairs(mine), Counts::from_pairs(theirs));
            let same = mine.shape(&mine).unwrap();
            prop_assert!(same.distance < 1e-12 && (same.larger - 0.5).abs() < 1e-12);
            let (there, back) = (mine.shape(&theirs).unwrap(), theirs.shape(&mine).unwrap());
            prop_assert!((there.distance - back.distance).abs() < 1e-12);
            prop_assert!((there.larger + back.larger - 1.0).abs() < 1e-12);
        }

        #[test]
        fn merging_is_the_same_in_any_order_and_loses_nothing(
            parts in prop::collection::vec(prop::collection::vec((1..50_u64, 1..9_u64), 0..9), 1..6),
        ) {
            let parts: Vec<_> = parts.into_iter().map(Counts::from_pairs).collect();
            let merged = Counts::merged(&parts);
            prop_assert_eq!(merged.total(), parts.iter().map(Counts::total).sum::<u64>());
            prop_assert_eq!(merged, Counts::merged(parts.iter().rev()));
        }
    }
}
