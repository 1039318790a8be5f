//! Which differences between two sides are more than chance.
//!
//! Operations of two sides go in, what each change is called comes out. A change is called one when
//! its chance among all figures (Holm) is small, when it is not what the disk explains, and when it is
//! as large as anybody cares for. Deliberately absent: whether the runs may be compared.

use super::{
    comparison::{ALARM_CHANCE, Change, DISK_CHANGE_MIN, Finding, Noise},
    measure::{Figure, Measured, lone_runs, many_runs},
    statistic,
    stored::{Clock, StoredRun, Track},
};
use crate::caution::{DURABILITY_FULL, TARGET_EMBEDDED};

/// How much the disk changed by itself, as a logarithm, where that could explain something: several
/// runs a side show by themselves what the disk does.
pub(super) fn disk_change(noise: Noise, [base, new]: [&[StoredRun]; 2]) -> Option<f64> {
    let median = |runs: &[StoredRun]| {
        let found = &runs.first()?.record.environment;
        let waits = found.target == TARGET_EMBEDDED && found.durability == DURABILITY_FULL;
        (waits && 0 < found.fdatasync_ns.p50).then_some(found.fdatasync_ns.p50 as f64)
    };
    let change = (median(new)? / median(base)?).ln();
    (noise == Noise::WithinRuns && DISK_CHANGE_MIN.ln_1p() <= change.abs()).then_some(change)
}

/// What a change must clear.
pub(super) struct Bar {
    /// The least change of interest, as a share.
    pub(super) min_effect: f64,
    /// What the disk explains, as a logarithm.
    pub(super) disk: Option<f64>,
}

/// Every figure of every operation, and what each is called among all of them.
pub(super) fn changes(tracks: &[Track], sides: [&[StoredRun]; 2], bar: &Bar) -> Vec<Change> {
    let mut found = Vec::new();
    for track in tracks {
        let figures = figures(track.1, sides);
        let measured = match sides {
            [[base], [new]] => lone_runs(track, &figures, [base, new]),
            _several => many_runs(track, &figures, sides),
        };
        found.extend(
            measured
                .into_iter()
                .map(|measured| Weighed::of(track, measured, bar)),
        );
    }
    let chances: Vec<f64> = found.iter().map(|weighed| weighed.chance).collect();
    let among_all = statistic::holm(&chances);
    let level = ALARM_CHANCE / found.len().max(1) as f64;
    let weighed = found.iter().zip(among_all);
    weighed
        .map(|(weighed, chance)| weighed.change(chance, level, bar.min_effect))
        .collect()
}

/// Calm seconds only where runs show how much those differ.
fn figures(clock: Clock, sides: [&[StoredRun]; 2]) -> Vec<Figure> {
    let mut figures = Figure::QUANTILES.to_vec();
    if sides.iter().any(|side| 1 < side.len()) {
        figures.push(Figure::CalmP50);
    }
    if clock == Clock::Response {
        figures.push(Figure::Rate);
    }
    figures
}

/// The part of a difference that the disk explains: at most all of it, and never its opposite.
fn explained(measured: &Measured, bar: &Bar) -> f64 {
    let slower = bar.disk.unwrap_or(0.0);
    let expected = if measured.figure == Figure::Rate {
        -slower
    } else {
        slower
    };
    let estimate = measured.difference.estimate;
    if expected * estimate <= 0.0 {
        return 0.0;
    }
    expected.signum() * expected.abs().min(estimate.abs())
}

/// A measured figure and its chance by itself.
struct Weighed<'a> {
    track: &'a Track,
    measured: Measured,
    /// What of the difference the disk explains.
    explained: f64,
    chance: f64,
}

impl<'a> Weighed<'a> {
    fn of(track: &'a Track, measured: Measured, bar: &Bar) -> Self {
        let explained = explained(&measured, bar);
        let mut left = measured.difference;
        left.estimate -= explained;
        Self {
            track,
            measured,
            explained,
            chance: left.chance(),
        }
    }

    /// As it is told: with its chance among all, and at the level that the first of all must reach.
    fn change(&self, chance_among_all: f64, level: f64, min_effect: f64) -> Change {
        let Measured {
            figure,
            base,
            new,
            difference,
        } = self.measured;
        let margin = difference.margin(ALARM_CHANCE);
        let mut change = Change {
            operation: self.track.0.clone(),
            clock: self.track.1,
            figure,
            base,
            new,
            change: difference.estimate.exp_m1(),
            low: (difference.estimate - margin).exp_m1(),
            high: (difference.estimate + margin).exp_m1(),
            floor: (difference.margin(level) + self.explained.abs()).exp_m1(),
            chance: self.chance,
            chance_among_all,
            finding: Finding::Unclear,
        };
        change.finding = self.finding(&change, min_effect.ln_1p());
        change
    }

    /// `least` is the logarithm of the least change of interest.
    fn finding(&self, change: &Change, least: f64) -> Finding {
        let left = self.measured.difference.estimate - self.explained;
        if change.chance_among_all <= ALARM_CHANCE && least <= left.abs() {
            let is_worse = (0.0 < left) != (change.figure == Figure::Rate);
            return if is_worse {
                Finding::Worse
            } else {
                Finding::Better
            };
        }
        let within = |bound: f64| bound.ln_1p().abs() < least;
        if within(change.low) && within(change.high) {
            Finding::Same
        } else {
            Finding::Unclear
        }
    }
}
