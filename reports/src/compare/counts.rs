//! What was measured in one second, or in many: values, and how often each was there.
//!
//! Histograms go in; quantiles come out. A
//! decoded histogram has room for every value up to an hour, one of these only for what was seen:
//! a run of ten minutes has tens of thousands of them. Deliberately absent: time and chance.

use hdrhistogram::Histogram;

/// Values in rising order, and how often each was there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pairs: Vec<(u64, u64)>,
    total: u64,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
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
