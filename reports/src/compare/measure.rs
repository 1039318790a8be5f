//! The figures of a run that are compared, and how far two sides differ in one of them.
//!
//! Runs go in, differences of logarithms with their errors come out: a factor of 1.1 is the same
//! change at 100 µs and at 10 ms. Deliberately absent: deciding what a difference means.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    bootstrap,
    comparable::PARTS,
    counts::Counts,
    statistic::{Difference, deviation, mean, trimmed_difference, trimmed_mean},
    stored::{StoredRun, Track},
};
use crate::histogram::SAMPLES_BEYOND_MIN;

/// Of all seconds, the share that counts as calm.
const CALM_ONE_IN: usize = 10;

/// A figure of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// The median.
    P50,
    /// The 90th percentile.
    P90,
    /// The 99th percentile.
    P99,
    /// The median of the calm seconds: of the tenth of them with the lowest medians. Whatever else
    /// a machine does makes some seconds slower and none faster; a slower server is slower in all.
    CalmP50,
    /// Answers a second.
    Rate,
}

impl Figure {
    /// Those of times, whole runs.
    pub const QUANTILES: [Self; 3] = [Self::P50, Self::P90, Self::P99];

    /// The share of all values that a quantile stands above.
    const fn share(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P99 => Some(0.99),
            Self::CalmP50 | Self::Rate => None,
        }
    }

    /// The figure of these seconds; `None` where they have too few answers for it.
    #[must_use]
    pub fn of(self, seconds: &[Counts]) -> Option<f64> {
        match self {
            Self::P50 | Self::P90 | Self::P99 => quantile(&Counts::merged(seconds), self.share()?),
            Self::CalmP50 => calm_median(seconds),
            Self::Rate => {
                let answers: u64 = seconds.iter().map(Counts::total).sum();
                (0 < answers).then(|| answers as f64 / seconds.len().max(1) as f64)
            }
        }
    }
}

/// A quantile that enough values lie beyond.
fn quantile(counts: &Counts, share: f64) -> Option<f64> {
    let beyond = counts.total() as f64 * (1.0 - share) + 1e-9;
    let stated = SAMPLES_BEYOND_MIN as f64 <= beyond;
    let value = counts.quantile(share).filter(|_| stated)?;
    Some(value.max(1) as f64)
}

fn calm_median(seconds: &[Counts]) -> Option<f64> {
    let medians = seconds.iter().filter_map(|second| {
        let median = quantile(second, 0.5)?;
        Some((median, second))
    });
    let mut medians: Vec<_> = medians.collect();
    medians.sort_by(|one, other| one.0.total_cmp(&other.0));
    let calm = medians.len() / CALM_ONE_IN;
    let merged = Counts::merged(medians.iter().take(calm).map(|(_, second)| *second));
    (0 < calm).then(|| quantile(&merged, 0.5)).flatten()
}

/// A figure on both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Which.
    pub(super) figure: Figure,
    /// Of the first side: of its run, or in the middle of its runs.
    pub(super) base: f64,
    /// Of the second.
    pub(super) new: f64,
    /// Of their logarithms.
    pub(super) difference: Difference,
}

/// Compares two runs, each of which stands alone. How much they differ by chance is learnt from how
/// differently the same parts of their plan went: another run is taken to differ from this one as
/// much as an eighth of this one from another eighth, and not less because there are eight of them,
/// since what a shared machine does lasts longer than a run.
pub(super) fn lone_runs(
    track: &Track,
    figures: &[Figure],
    sides: [&StoredRun; 2],
) -> Vec<Measured> {
    let [base, new] = sides.map(|run| Measurement::of(&run.track(track), figures));
    let [base_parts, new_parts] = sides.map(|run| run.parts(track, PARTS));
    let measured = figures.iter().enumerate().filter_map(|(index, figure)| {
        let apart = base_parts
            .iter()
            .zip(&new_parts)
            .map(|(one, other)| Some((figure.of(other)? / figure.of(one)?).ln()));
        let apart: Vec<f64> = apart.collect::<Option<_>>()?;
        let ((one, error), (other, other_error)) = (base.at(index)?, new.at(index)?);
        Some(Measured {
            figure: *figure,
            base: one.exp(),
            new: other.exp(),
            difference: Difference {
                estimate: other - one,
                error: deviation(&apart).max(error.hypot(other_error)),
                freedom: (PARTS - 1) as f64,
            },
        })
    });
    measured.collect()
}

/// Compares several runs, where how much runs differ by chance can be seen.
pub(super) fn many_runs(
    track: &Track,
    figures: &[Figure],
    sides: [&[StoredRun]; 2],
) -> Vec<Measured> {
    let measure = |run: &StoredRun| Measurement::of(&run.track(track), figures);
    let [base, new] = sides.map(|side| side.iter().map(measure).collect::<Vec<_>>());
    let measured = figures.iter().enumerate().filter_map(|(index, figure)| {
        let (base, new) = (Side::of(&base, index)?, Side::of(&new, index)?);
        let mut difference = trimmed_difference(&base.logs, &new.logs)?;
        // Runs cannot differ less than their seconds let them.
        difference.error = difference.error.max(base.within.hypot(new.within));
        Some(Measured {
            figure: *figure,
            base: trimmed_mean(&base.logs)?.exp(),
            new: trimmed_mean(&new.logs)?.exp(),
            difference,
        })
    });
    measured.collect()
}

/// The figures of one run, as logarithms, each with its error as far as the run's seconds tell.
struct Measurement(Vec<Option<(f64, f64)>>);

impl Measurement {
    fn of(seconds: &[Counts], figures: &[Figure]) -> Self {
        let shares: Vec<f64> = figures.iter().filter_map(|figure| figure.share()).collect();
        let mut errors = bootstrap::errors(seconds, &shares).into_iter();
        let figures = figures.iter().map(|figure| {
            let error = figure.share().and_then(|_| errors.next()).unwrap_or(0.0);
            figure.of(seconds).map(|value| (value.ln(), error))
        });
        Self(figures.collect())
    }

    fn at(&self, index: usize) -> Option<(f64, f64)> {
        self.0.get(index).copied().flatten()
    }
}

/// One figure of the runs of a side.
struct Side {
    logs: Vec<f64>,
    /// The error of their mean, as far as the seconds of each run tell.
    within: f64,
}

impl Side {
    fn of(runs: &[Measurement], index: usize) -> Option<Self> {
        let found: Option<Vec<(f64, f64)>> = runs.iter().map(|run| run.at(index)).collect();
        let found = found?;
        let squares: Vec<f64> = found.iter().map(|(_, error)| error.powi(2)).collect();
        Some(Self {
            within: (mean(&squares) / found.len().max(1) as f64).sqrt(),
            logs: found.into_iter().map(|(log, _)| log).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(value: u64, count: u64) -> Counts {
        Counts::from_pairs([(value, count)])
    }

    #[test]
    fn figures_need_enough_answers_and_calm_seconds_are_the_fastest_tenth() {
        let mut seconds: Vec<_> = (1..=20).map(|at| second(100 * at, 50)).collect();
        assert_eq!(Figure::P50.of(&seconds), Some(1_000.0));
        assert_eq!(Figure::P99.of(&seconds), Some(2_000.0));
        assert_eq!(Figure::CalmP50.of(&seconds), Some(100.0));
        assert_eq!(Figure::Rate.of(&seconds), Some(50.0));
        seconds.truncate(19);
        assert_eq!(
            Figure::P99.of(&seconds),
            None,
            "950 answers have 9.5 beyond"
        );
        assert_eq!(
            Figure::Rate.of(&[Counts::default()]),
            None,
            "nothing was answered"
        );
        seconds.truncate(9);
        assert_eq!(
            Figure::CalmP50.of(&seconds),
            None,
            "a tenth of nine is none"
        );
    }

    #[test]
    fn a_machine_that_is_busy_half_the_time_does_not_move_the_calm_seconds() {
        let calm: Vec<_> = (0..20).map(|_| second(100, 50)).collect();
        let busy: Vec<_> = (0..20)
            .map(|at| second(if at % 2 == 0 { 100 } else { 900 }, 50))
            .collect();
        assert_eq!(Figure::CalmP50.of(&calm), Figure::CalmP50.of(&busy));
        assert_ne!(Figure::P90.of(&calm), Figure::P90.of(&busy));
    }
}
