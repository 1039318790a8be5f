//! How much a quantile of one run would differ in another run of the same minutes: a bootstrap
//! that draws stretches of seconds, because the seconds of a run are not independent.
//!
//! Seconds go in, each with what was measured in it; standard errors of the logarithms of quantiles
//! come out. Drawn from a fixed seed: the same runs give the same figures. It cannot know what
//! changes more slowly than the run is long.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::counts::{Counts, rank};
use super::statistic::{deviation, mean};

/// Runs that are drawn. The error of an error estimated from so many is 4 %.
const DRAWS: usize = 300;

/// Seconds are taken together until there are at most so many: it bounds the work.
const UNITS_MAX: usize = 60;

/// Standard errors of the logarithms of these quantiles, each 0 where nothing varies.
pub(super) fn errors(seconds: &[Counts], quantiles: &[f64]) -> Vec<f64> {
    let units = Units::of(seconds);
    if units.units.len() < 2 {
        return vec![0.0; quantiles.len()];
    }
    let length = units.stretch();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn = vec![Vec::with_capacity(DRAWS); quantiles.len()];
    for _draw in 0..DRAWS {
        let sum = units.draw(length, &mut rng);
        for (logs, quantile) in drawn.iter_mut().zip(quantiles) {
            logs.extend(units.log_quantile(&sum, *quantile));
        }
    }
    drawn.iter().map(|logs| deviation(logs)).collect()
}

/// Seconds, or a few taken together, over one list of values.
struct Units {
    values: Vec<u64>,
    /// Of each, index into `values` and count.
    units: Vec<Vec<(usize, u64)>>,
    /// Of each that has any, the logarithm of its median.
    medians: Vec<f64>,
}

impl Units {
    fn of(seconds: &[Counts]) -> Self {
        let together = seconds.len().div_ceil(UNITS_MAX).max(1);
        let merged: Vec<Counts> = seconds.chunks(together).map(Counts::merged).collect();
        let all = Counts::merged(&merged);
        let values: Vec<u64> = all.pairs().iter().map(|(value, _)| *value).collect();
        let places: BTreeMap<u64, usize> = values.iter().copied().zip(0..).collect();
        let place = |(value, count): &(u64, u64)| (places[value], *count);
        let medians = merged.iter().filter_map(|unit| unit.quantile(0.5));
        Self {
            units: merged
                .iter()
                .map(|unit| unit.pairs().iter().map(place).collect())
                .collect(),
            medians: medians.map(|median| (median as f64).ln()).collect(),
            values,
        }
    }

    /// How many neighbours are drawn together.
    fn stretch(&self) -> usize {
        let longest = (self.units.len() / 3).max(1);
        stretch_length(&self.medians).min(longest)
    }

    /// One run as it might have been: stretches from anywhere, its end followed by its beginning.
    fn draw(&self, length: usize, rng: &mut ChaCha8Rng) -> Vec<u64> {
        let mut sum = vec![0; self.values.len()];
        let mut taken = 0;
        while taken < self.units.len() {
            let from = rng.random_range(0..self.units.len());
            for offset in 0..length.min(self.units.len() - taken) {
                let unit = &self.units[(from + offset) % self.units.len()];
                unit.iter().for_each(|(place, count)| sum[*place] += count);
                taken += 1;
            }
        }
        sum
    }

    fn log_quantile(&self, sum: &[u64], share: f64) -> Option<f64> {
        let wanted = rank(sum.iter().sum(), share);
        let mut seen = 0;
        let found = sum.iter().zip(&self.values).find_map(|(count, value)| {
            seen += count;
            (wanted <= seen).then_some(*value)
        });
        found.map(|value| (value.max(1) as f64).ln())
    }
}

/// How long stretches of a series must be so that what they keep of its memory is enough: D. N.
/// Politis and H. White, "Automatic block-length selection for the dependent bootstrap",
/// Econometric Reviews 23 (2004), with the correction of 2009, for stretches that wrap around.
pub(super) fn stretch_length(series: &[f64]) -> usize {
    let count = series.len();
    let covariances = autocovariances(series);
    let Some(variance) = covariances
        .first()
        .copied()
        .filter(|variance| 0.0 < *variance)
    else {
        return 1;
    };
    let size = count as f64;
    let negligible = 2.0 * (size.log10() / size).sqrt();
    let quiet_lags = 5.max(ceiling(size.log10().sqrt()));
    let is_quiet = |lag: usize| {
        let mut next = covariances.iter().skip(lag + 1).take(quiet_lags);
        next.all(|covariance| covariance.abs() / variance < negligible)
    };
    let memory = (0..covariances.len()).find(|lag| is_quiet(*lag));
    let reach = (2 * memory.unwrap_or(count).max(1)).min(covariances.len() - 1);
    let (mut spectrum, mut slope) = (variance, 0.0);
    for (lag, covariance) in covariances.iter().enumerate().take(reach + 1).skip(1) {
        let window = (2.0 * (1.0 - lag as f64 / reach as f64)).min(1.0);
        spectrum += 2.0 * window * covariance;
        slope += 2.0 * window * lag as f64 * covariance;
    }
    let length = (1.5 * (slope / spectrum).powi(2)).cbrt() * size.cbrt();
    if length.is_finite() {
        ceiling(length).max(1)
    } else {
        count
    }
}

/// Of a series with itself, by lag, from 0 to a third of its length.
fn autocovariances(series: &[f64]) -> Vec<f64> {
    let centre = mean(series);
    let product = |(one, other): (&f64, &f64)| (one - centre) * (other - centre);
    (0..=series.len() / 3)
        .map(|lag| {
            let pairs = series.iter().zip(series.iter().skip(lag));
            pairs.map(product).sum::<f64>() / (series.len().max(1)) as f64
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths are small and not negative; beyond, the cast saturates"
)]
fn ceiling(value: f64) -> usize {
    value.ceil() as usize
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Normal};

    use super::*;

    /// A series that remembers: each is `memory` of the one before, and chance.
    fn remembering(memory: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let noise = Normal::new(0.0, 1.0).unwrap();
        let mut last = 0.0;
        let mut next = |_| {
            last = memory * last + noise.sample(&mut rng);
            last
        };
        (0..count).map(&mut next).collect()
    }

    /// For an autoregressive series of order one with coefficient 0.7 Politis and White's formula
    /// gives (1.5 (2 * 0.7 / (1 - 0.49))^2 n)^(1/3): 13.1 for 200.
    #[test]
    fn the_longer_the_memory_the_longer_the_stretches() {
        let average = |memory| {
            let lengths = (0..50).map(|seed| stretch_length(&remembering(memory, 200, seed)));
            lengths.sum::<usize>() as f64 / 50.0
        };
        let (none, some, much) = (average(0.0), average(0.4), average(0.7));
        assert!(
            none < 5.0 && none < some && some < much,
            "{none} {some} {much}"
        );
        assert!((9.0..18.0).contains(&much), "{much} against 13.1 in theory");
        assert_eq!(stretch_length(&[1.0; 20]), 1);
        assert_eq!(stretch_length(&[]), 1);
    }

    fn second(centre: f64, rng: &mut ChaCha8Rng) -> Counts {
        let noise = Normal::new(centre, 0.3).unwrap();
        let values = (0..200).map(|_| noise.sample(rng).exp());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive"
        )]
        Counts::from_pairs(values.map(|value| ((value * 1e5) as u64, 1)))
    }

    fn run(memory: f64, seed: u64) -> Vec<Counts> {
        let mut rng = ChaCha8Rng::seed_from_u64(!seed);
        let centres = remembering(memory, 60, seed);
        centres
            .iter()
            .map(|centre| second(0.05 * centre, &mut rng))
            .collect()
    }

    /// What the bootstrap says of one run against what many runs do.
    #[test]
    fn an_error_is_how_much_runs_differ_even_when_seconds_remember() {
        for (memory, least, most) in [(0.0, 0.8, 1.2), (0.6, 0.7, 1.3)] {
            let runs: Vec<_> = (0..40).map(|seed| run(memory, seed)).collect();
            let logs = runs.iter().map(|run| {
                let median = Counts::merged(run).quantile(0.5).unwrap();
                (median as f64).ln()
            });
            let true_error = deviation(&logs.collect::<Vec<_>>());
            let told: Vec<_> = runs.iter().map(|run| errors(run, &[0.5])[0]).collect();
            let share = mean(&told) / true_error;
            assert!((least..most).contains(&share), "memory {memory}: {share}");
        }
    }

    #[test]
    fn the_same_seconds_give_the_same_errors_and_one_second_none() {
        let seconds = run(0.5, 1);
        assert_eq!(errors(&seconds, &[0.5, 0.9]), errors(&seconds, &[0.5, 0.9]));
        assert_eq!(errors(&seconds[..1], &[0.5]), [0.0]);
        assert_eq!(errors(&[], &[0.5]), [0.0]);
    }
}
