//! Thresholds: what a scenario demands of the figures, held against what was measured.
//!
//! Each threshold is measured in every phase that is not a warm-up and that exercised it; it is
//! met when it is met in all of them. Deliberately absent: laws (they judge answers, not speed).

use reports::{
    histogram,
    record::{
        FaultRecord, LatencyRecord, MemoryRecord, OperationRecord, PhaseRecord, QuantileRecord,
        ThresholdRecord,
    },
};

use crate::{
    operation::Call,
    recorder::float,
    scenario::{Clock, Metric, Share, Statistic, Threshold},
};

/// What thresholds are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured<'m> {
    pub(super) phases: &'m [PhaseRecord],
    pub(super) faults: &'m [FaultRecord],
    pub(super) memory: Option<&'m MemoryRecord>,
}

/// Holds every threshold against every measured phase, or against the run.
#[must_use]
pub(super) fn judge(thresholds: &[Threshold], found: Measured<'_>) -> Vec<ThresholdRecord> {
    thresholds
        .iter()
        .flat_map(|threshold| judge_one(threshold, found))
        .collect()
}

fn judge_one(threshold: &Threshold, found: Measured<'_>) -> Vec<ThresholdRecord> {
    let record = |phase: &str, measured: Option<f64>| ThresholdRecord {
        metric: threshold.metric_text.clone(),
        bound: threshold.bound_text.clone(),
        phase: phase.to_owned(),
        measured: measured.map(|value| phrase(&threshold.metric, value)),
        passed: measured.map(|value| threshold.bound.holds(value)),
    };
    if threshold.metric == Metric::MemoryGrowth {
        return vec![record("all of them", found.memory.map(growth))];
    }
    let records: Vec<_> = (found.phases.iter())
        .filter(|phase| !phase.warmup)
        .filter_map(|phase| {
            let measured = measure(&threshold.metric, phase, found.faults)?;
            Some(record(&phase.name, measured))
        })
        .collect();
    if records.is_empty() {
        return vec![record("none", None)];
    }
    records
}

/// How much more memory there was in use at the end than in the middle.
fn growth(memory: &MemoryRecord) -> f64 {
    let half = float(memory.half_bytes);
    (float(memory.last_bytes) - half) / half.max(1.0)
}

/// The longest recovery in a phase; `Some(None)` if one never recovered, which the others do not make
/// up for.
fn recovery(phase: &PhaseRecord, faults: &[FaultRecord]) -> Option<Option<f64>> {
    let in_phase = || faults.iter().filter(|fault| fault.phase == phase.name);
    in_phase().next()?;
    let all: Option<Vec<u64>> = in_phase().map(|fault| fault.recovery_ns).collect();
    Some(all.and_then(|all| all.into_iter().max()).map(float))
}

/// `None` where the phase did not exercise it; `Some(None)` where it did and too little to tell.
fn measure(metric: &Metric, phase: &PhaseRecord, faults: &[FaultRecord]) -> Option<Option<f64>> {
    match metric {
        Metric::MemoryGrowth => None,
        Metric::Recovery => recovery(phase, faults),
        Metric::RateAchieved => {
            let offered = phase.offered_rate.filter(|rate| 0.0 < *rate)?;
            Some(Some(phase.achieved_rate / offered))
        }
        Metric::Latency {
            operation,
            clock,
            statistic,
        } => {
            let records: Vec<_> = match clock {
                Clock::Response | Clock::Service | Clock::Delay | Clock::Failed => {
                    operations(phase, *operation)
                        .filter_map(|operation| latency(operation, *clock))
                        .collect()
                }
                Clock::Delivery => vec![&phase.deliveries.as_ref()?.delivery],
                Clock::Everybody => vec![&phase.deliveries.as_ref()?.everybody],
            };
            // Histograms are merged; percentiles are never averaged.
            let merged = histogram::merge(records.into_iter()).ok()?;
            if merged.is_empty() {
                return None;
            }
            Some(read(&QuantileRecord::from_histogram(&merged), *statistic))
        }
        Metric::Outcomes { operation, share } => {
            let (mut wanted, mut all) = (0, 0);
            for operation in operations(phase, *operation) {
                let failed = operation.error + operation.timeout + operation.unknown;
                all += operation.ok + operation.refused + failed;
                wanted += match share {
                    Share::Ok => operation.ok,
                    Share::Refused => operation.refused,
                    Share::Error => failed,
                };
            }
            (0 < all).then(|| Some(ratio(wanted, all)))
        }
    }
}

fn operations(
    phase: &PhaseRecord,
    wanted: Option<usize>,
) -> impl Iterator<Item = &OperationRecord> {
    let wanted = wanted.map(|index| Call::NAMES[index]);
    phase
        .operations
        .iter()
        .filter(move |(name, _)| wanted.is_none_or(|wanted| wanted == name.as_str()))
        .map(|(_, operation)| operation)
}

/// `None` for a clock that is no operation's own.
const fn latency(operation: &OperationRecord, clock: Clock) -> Option<&LatencyRecord> {
    match clock {
        Clock::Response => Some(&operation.response),
        Clock::Service => Some(&operation.service),
        Clock::Delay => Some(&operation.delay),
        Clock::Failed => Some(&operation.failed),
        Clock::Delivery | Clock::Everybody => None,
    }
}

fn read(quantiles: &QuantileRecord, statistic: Statistic) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nanoseconds below 2^53 are exact for months"
    )]
    let exact = |nanos: u64| nanos as f64;
    match statistic {
        Statistic::Max => Some(exact(quantiles.max)),
        Statistic::Mean => Some(quantiles.mean),
        Statistic::Quantile(500) => Some(exact(quantiles.p50)),
        Statistic::Quantile(900) => quantiles.p90.map(exact),
        Statistic::Quantile(990) => quantiles.p99.map(exact),
        Statistic::Quantile(999) => quantiles.p999.map(exact),
        Statistic::Quantile(_) => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn phrase(metric: &Metric, value: f64) -> String {
    if !metric.is_duration() {
        return format!("{value:.4}");
    }
    match value {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.1} us", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.2} ms", nanos / 1e6),
        nanos => format!("{:.2} s", nanos / 1e9),
    }
}
