//! Pictures as geometry: axes, ticks, bands and paths, ready for `templates/chart.html`.
//!
//! Histograms, timelines and witnesses go in; coordinates come out, already as text. Deliberately
//! absent: markup and colours, which are files.

use askama::Template;
use hdrhistogram::Histogram;

use super::axis::{Axis, duration_ticks, linear_ticks};
use super::figure;
use crate::record::{PhaseRecord, TimelinePoint, ViolationRecord, WitnessRecord};

/// The drawing's size in its own units; the page scales it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 745.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 256.0;

/// Steps along a percentile curve: finer than a pixel of a wide screen's column would show.
const STEPS: u32 = 240;

/// Times below this are drawn at it: a logarithmic axis has no zero.
const FLOOR_NS: u64 = 1_000;

/// One picture.
#[derive(Debug, Clone, Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    pub(super) title: String,
    description: String,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_label: String,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    bands: Vec<Band>,
    series: Vec<Series>,
    bars: Vec<Bar>,
}

#[derive(Debug, Clone)]
struct Tick {
    at: String,
    label: String,
}

/// A stretch of the x axis with a name.
#[derive(Debug, Clone)]
struct Band {
    at: String,
    text_at: String,
    width: String,
    label: String,
    class: &'static str,
}

/// One line. `class` names its colour and its dashes.
#[derive(Debug, Clone)]
struct Series {
    name: &'static str,
    class: &'static str,
    path: String,
}

/// One operation of a violation.
#[derive(Debug, Clone)]
struct Bar {
    at: String,
    y: String,
    text_y: String,
    width: String,
    label: String,
    open: bool,
}

fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        path.push(if index == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{x:.1} {y:.1}"));
    }
    path
}

impl Chart {
    fn empty(title: &str, description: String, x_label: &str) -> Self {
        Self {
            title: title.to_owned(),
            description,
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            top: TOP,
            bottom: BOTTOM,
            x_label: x_label.to_owned(),
            x_ticks: Vec::new(),
            y_ticks: Vec::new(),
            bands: Vec::new(),
            series: Vec::new(),
            bars: Vec::new(),
        }
    }
}

fn ticks(axis: &Axis, labelled: &[(f64, String)]) -> Vec<Tick> {
    let tick = |(value, label): &(f64, String)| Tick {
        at: coordinate(axis.place(*value)),
        label: label.clone(),
    };
    labelled.iter().map(tick).collect()
}

// ---- latency by percentile ------------------------------------------------------------------

/// Latency at every percentile, `1 / (1 - p)` along a logarithmic axis, so that each further nine
/// takes the same width. `None` when nothing was answered.
pub(super) fn percentiles(
    title: &str,
    curves: &[(&'static str, &'static str, &Histogram<u64>)],
) -> Option<Chart> {
    let curves: Vec<_> = curves
        .iter()
        .filter(|(.., histogram)| !histogram.is_empty())
        .collect();
    let samples = curves.iter().map(|(.., histogram)| histogram.len()).max()?;
    let reach = (samples as f64).max(10.0);
    let x = Axis::logarithmic((1.0, reach), (LEFT, RIGHT));
    let low = curves
        .iter()
        .map(|(.., histogram)| histogram.min())
        .min()?
        .max(FLOOR_NS);
    let high = curves
        .iter()
        .map(|(.., histogram)| histogram.max())
        .max()?
        .max(low + 1);
    let (y, y_ticks) = duration_axis(low, high);
    let description = format!(
        "Latency in {} against percentile, both axes logarithmic, from {}.",
        curves
            .iter()
            .map(|(name, ..)| *name)
            .collect::<Vec<_>>()
            .join(", "),
        figure::counted(samples, "sample"),
    );
    let mut chart = Chart::empty(title, description, "percentile");
    chart.x_ticks = ticks(&x, &percentile_ticks(reach));
    chart.y_ticks = y_ticks;
    chart.bands = tail_band(&x, reach).into_iter().collect();
    for (name, class, histogram) in curves {
        let path = path(&percentile_points(histogram, &x, &y));
        chart.series.push(Series { name, class, path });
    }
    Some(chart)
}

fn duration_axis(low: u64, high: u64) -> (Axis, Vec<Tick>) {
    let marks = duration_ticks(low, high);
    let bounds = (marks[0], marks[marks.len() - 1]);
    let axis = Axis::logarithmic((bounds.0 as f64, bounds.1 as f64), (BOTTOM, TOP));
    let labelled: Vec<_> = marks
        .iter()
        .map(|ns| (*ns as f64, short(&figure::duration(*ns))))
        .collect();
    let ticks = ticks(&axis, &labelled);
    (axis, ticks)
}

/// `1.00 ms` as `1 ms`: the ticks of an axis are round.
fn short(duration: &str) -> String {
    let Some((digits, unit)) = duration.split_once(' ') else {
        return duration.to_owned();
    };
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits} {unit}")
}

fn percentile_ticks(reach: f64) -> Vec<(f64, String)> {
    let named = [
        (1.0, "0 %"),
        (2.0, "50 %"),
        (10.0, "90 %"),
        (100.0, "99 %"),
        (1e3, "99.9 %"),
        (1e4, "99.99 %"),
        (1e5, "99.999 %"),
        (1e6, "99.9999 %"),
        (1e7, "99.99999 %"),
    ];
    let within = named.into_iter().filter(|(at, _)| *at <= reach);
    within.map(|(at, label)| (at, label.to_owned())).collect()
}

/// The part of the axis where fewer than ten samples lie beyond: drawn, but not to be quoted.
fn tail_band(x: &Axis, reach: f64) -> Option<Band> {
    let samples_beyond = crate::histogram::SAMPLES_BEYOND_MIN as f64;
    let from = reach / samples_beyond;
    (1.0 < from).then(|| Band {
        at: coordinate(x.place(from)),
        text_at: coordinate(RIGHT),
        width: coordinate(x.place(reach) - x.place(from)),
        label: "under 10 samples beyond".to_owned(),
        class: "tail",
    })
}

fn percentile_points(histogram: &Histogram<u64>, x: &Axis, y: &Axis) -> Vec<(f64, f64)> {
    let reach = (histogram.len() as f64).max(1.0);
    let steps = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
    steps
        .map(|share| {
            let at = reach.powf(share);
            // The last sample belongs to 1 - 1/n; asking for the quantile above it gives the maximum.
            let quantile = if share < 1.0 { 1.0 - 1.0 / at } else { 1.0 };
            let value = histogram.value_at_quantile(quantile).max(FLOOR_NS);
            (x.place(at), y.place(value as f64))
        })
        .collect()
}

// ---- over time ------------------------------------------------------------------------------

/// A figure of each second.
type Figure = fn(&TimelinePoint) -> u64;

/// Operations intended, answered and failed in each second.
pub(super) fn throughput(phases: &[PhaseRecord]) -> Option<Chart> {
    let lines: [(&'static str, &'static str, Figure); 3] = [
        ("intended", "delay", |point| point.intended),
        ("answered", "response", |point| point.answered),
        ("failed", "failed", |point| point.failed),
    ];
    let points = || phases.iter().flat_map(|phase| &phase.timeline);
    let high = points()
        .flat_map(|point| lines.iter().map(move |line| line.2(point)))
        .max()?;
    let marks = linear_ticks(high.max(1) as f64);
    let top = marks[marks.len() - 1];
    let y = Axis::linear((0.0, top), (BOTTOM, TOP));
    let x = time_axis(phases);
    let mut chart = Chart::empty(
        "Operations a second",
        "Operations intended, answered and failed in each second of the run.".to_owned(),
        "seconds after the start",
    );
    chart.y_ticks = ticks(
        &y,
        &marks
            .iter()
            .map(|mark| (*mark, whole(*mark)))
            .collect::<Vec<_>>(),
    );
    over_time(&mut chart, phases, &x, &y, &lines);
    Some(chart)
}

/// Response percentiles of each second.
pub(super) fn latency_over_time(phases: &[PhaseRecord]) -> Option<Chart> {
    let lines: [(&'static str, &'static str, Figure); 3] = [
        ("max", "failed", |point| point.response_max),
        ("p99", "service", |point| point.response_p99),
        ("p50", "response", |point| point.response_p50),
    ];
    let answered = || {
        phases
            .iter()
            .flat_map(|phase| &phase.timeline)
            .filter(|p| 0 < p.answered)
    };
    let low = answered()
        .map(|point| point.response_p50)
        .min()?
        .max(FLOOR_NS);
    let high = answered()
        .map(|point| point.response_max)
        .max()?
        .max(low + 1);
    let (y, y_ticks) = duration_axis(low, high);
    let x = time_axis(phases);
    let mut chart = Chart::empty(
        "Response time of each second",
        "Median, 99th percentile and largest response time of each second, logarithmic.".to_owned(),
        "seconds after the start",
    );
    chart.y_ticks = y_ticks;
    over_time(&mut chart, phases, &x, &y, &lines);
    Some(chart)
}

fn over_time(
    chart: &mut Chart,
    phases: &[PhaseRecord],
    x: &Axis,
    y: &Axis,
    lines: &[(&'static str, &'static str, Figure)],
) {
    let end = x.high();
    let marks = linear_ticks(end);
    let marks = marks
        .iter()
        .filter(|mark| **mark <= end)
        .map(|mark| (*mark, whole(*mark)));
    chart.x_ticks = ticks(x, &marks.collect::<Vec<_>>());
    chart.bands = phases.iter().map(|phase| phase_band(phase, x)).collect();
    for (name, class, figure) in lines {
        // One stroke a phase: between two phases nothing was measured.
        let strokes = phases.iter().map(|phase| {
            let place = |point: &TimelinePoint| {
                let value = figure(point) as f64;
                (x.place(point.at_s), y.place(value.max(y.low())))
            };
            path(&phase.timeline.iter().map(place).collect::<Vec<_>>())
        });
        chart.series.push(Series {
            name,
            class,
            path: strokes.collect(),
        });
    }
}

fn time_axis(phases: &[PhaseRecord]) -> Axis {
    let ends = phases
        .iter()
        .map(|phase| phase.started_ns.saturating_add(phase.duration_ns) as f64 / 1e9);
    let end = ends.fold(1.0, f64::max);
    Axis::linear((0.0, end), (LEFT, RIGHT))
}

fn phase_band(phase: &PhaseRecord, x: &Axis) -> Band {
    let at = x.place(phase.started_ns as f64 / 1e9);
    let end = x.place(phase.started_ns.saturating_add(phase.duration_ns) as f64 / 1e9);
    Band {
        at: coordinate(at),
        text_at: coordinate(at + 2.0),
        width: coordinate(end - at),
        label: fitting(&phase.name, end - at),
        class: if phase.warmup { "thin" } else { "phase" },
    }
}

/// As much of a name as fits over its band.
fn fitting(name: &str, width: f64) -> String {
    const GLYPH: f64 = 7.0;
    if name.chars().count() as f64 * GLYPH <= width {
        return name.to_owned();
    }
    let mut kept = String::new();
    for sign in name.chars() {
        if width < (kept.chars().count() + 2) as f64 * GLYPH {
            break;
        }
        kept.push(sign);
    }
    if kept.is_empty() { kept } else { kept + "…" }
}

/// A tick of a linear axis: no more decimals than it has.
fn whole(value: f64) -> String {
    if 100.0 <= value {
        figure::number(value)
    } else {
        trimmed(value)
    }
}

/// At most two decimals, and none that are zero.
fn trimmed(value: f64) -> String {
    format!("{value:.2}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

// ---- a violation ----------------------------------------------------------------------------

/// Room for one witness.
const ROW: f64 = 34.0;

/// The operations of a violation as bars over time: who was under way while whom.
pub(super) fn witnesses(violation: &ViolationRecord) -> Option<Chart> {
    let found = &violation.operations;
    let first = found.iter().map(|witness| witness.invoked_ns).min()?;
    let ends = found
        .iter()
        .map(|witness| witness.completed_ns.unwrap_or(witness.invoked_ns));
    let last = ends.max()?.max(first + 1_000);
    // A little room at both ends, so that no bar touches the frame; more where one never ends.
    let room = (last - first) / 20;
    let unanswered = found.iter().any(|witness| witness.completed_ns.is_none());
    let (from, to) = (
        first.saturating_sub(room),
        last.saturating_add(if unanswered { 5 * room } else { room }),
    );
    let x = Axis::linear((from as f64, to as f64), (LEFT - 50.0, RIGHT));
    let description = format!(
        "The operations of the violation, each from call to answer, over {} from {} after the start.",
        figure::duration(last - first),
        figure::instant(first),
    );
    let mut chart = Chart::empty("When each operation was under way", description, "");
    chart.left = LEFT - 50.0;
    chart.bottom = TOP + ROW * found.len() as f64;
    chart.height = chart.bottom + 44.0;
    chart.x_label = format!(
        "after {}, counted from the run's start",
        figure::instant(first)
    );
    let span = (last - first) as f64;
    let marks = linear_ticks(span);
    let marks = marks.iter().filter(|mark| **mark <= span);
    let labelled: Vec<_> = marks
        .map(|mark| (first as f64 + mark, format!("+{}", elapsed(*mark))))
        .collect();
    chart.x_ticks = ticks(&x, &labelled);
    chart.bars = found
        .iter()
        .enumerate()
        .map(|(row, witness)| bar(row, witness, (&x, to)))
        .collect();
    Some(chart)
}

/// A tick of a linear axis in nanoseconds.
fn elapsed(ns: f64) -> String {
    let (value, unit) = match ns {
        0.0..1e3 => (ns, "ns"),
        1e3..1e6 => (ns / 1e3, "µs"),
        1e6..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let digits = format!("{value:.2}");
    format!(
        "{} {unit}",
        digits.trim_end_matches('0').trim_end_matches('.')
    )
}

fn bar(row: usize, witness: &WitnessRecord, (x, to): (&Axis, u64)) -> Bar {
    let at = x.place(witness.invoked_ns as f64);
    let end = x.place(witness.completed_ns.unwrap_or(to) as f64);
    let y = TOP + ROW * row as f64;
    Bar {
        at: coordinate(at),
        y: coordinate(y + 19.0),
        text_y: coordinate(y + 14.0),
        width: coordinate((end - at).max(2.0)),
        label: format!("{}: {} → {}", witness.client, witness.call, witness.answer),
        open: witness.completed_ns.is_none(),
    }
}
