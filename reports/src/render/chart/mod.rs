//! Pictures as geometry: axes, ticks, bands and paths, ready for `templates/chart.html`.
//!
//! Histograms, timelines and witnesses go in; coordinates come out, already as text. Every picture
//! has a caption that says what to look for. Deliberately absent: markup and colours, which are files.
//!
//! | file | what |
//! |---|---|
//! | `percentile` | latency at every percentile |
//! | `over_time` | rates, latencies and recoveries of each second |
//! | `heatmap` | how latencies were spread, over time |
//! | `contention` | the keys that most reached for |
//! | `violation` | operations that contradict each other |

mod contention;
mod heatmap;
mod over_time;
mod percentile;
mod violation;

use askama::Template;

use super::axis::{Axis, duration_ticks};
use super::number;

pub(super) use contention::hottest;
pub(super) use heatmap::heatmap;
pub(super) use over_time::{latency_over_time, recovery, throughput};
pub(super) use percentile::percentiles;
pub(super) use violation::witnesses;

/// The drawing's size in its own units; the page scales it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 310.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 745.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 266.0;

/// Times below this are drawn at it: a logarithmic axis has no zero.
const FLOOR_NS: u64 = 1_000;

/// One picture.
#[derive(Debug, Clone, Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    pub(super) title: String,
    /// For those who cannot see it.
    description: String,
    /// What to look for.
    caption: String,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_label: String,
    y_label: &'static str,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    bands: Vec<Band>,
    cells: Vec<Cells>,
    series: Vec<Series>,
    marks: Vec<Mark>,
    bars: Vec<Bar>,
}

#[derive(Debug, Clone)]
struct Tick {
    at: String,
    label: String,
}

/// A stretch of the x axis with a name, or of the y axis: then it has a height of its own.
#[derive(Debug, Clone)]
struct Band {
    at: String,
    y: String,
    height: String,
    text_at: String,
    text_y: String,
    width: String,
    label: String,
    class: &'static str,
}

/// Cells of a heatmap with one colour.
#[derive(Debug, Clone)]
struct Cells {
    level: usize,
    path: String,
    /// How many answers such a cell stands for.
    label: String,
}

/// One line. `class` names its colour and its dashes.
#[derive(Debug, Clone)]
struct Series {
    name: &'static str,
    class: &'static str,
    path: String,
}

/// An instant or a value worth a line across, and what it is.
#[derive(Debug, Clone)]
struct Mark {
    at: String,
    width: String,
    label: String,
    tip: String,
}

/// One operation of a violation, or one key.
#[derive(Debug, Clone)]
struct Bar {
    at: String,
    y: String,
    /// Where its label is, which begins or ends there.
    text_at: String,
    text_anchor: &'static str,
    text_y: String,
    width: String,
    label: String,
    tip: String,
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
    /// The same, where what to see was said of the one before.
    pub(super) fn without_caption(mut self) -> Self {
        self.caption.clear();
        self
    }

    fn has_faults(&self) -> bool {
        self.marks.iter().any(|mark| !mark.tip.is_empty())
    }

    fn empty(title: &str, description: String, caption: &str) -> Self {
        Self {
            title: title.to_owned(),
            description,
            caption: caption.to_owned(),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            top: TOP,
            bottom: BOTTOM,
            x_label: String::new(),
            y_label: "",
            x_ticks: Vec::new(),
            y_ticks: Vec::new(),
            bands: Vec::new(),
            cells: Vec::new(),
            series: Vec::new(),
            marks: Vec::new(),
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

/// A stretch of the x axis over the whole height, its name above it.
fn band(from: f64, to: f64, label: String, class: &'static str) -> Band {
    Band {
        at: coordinate(from),
        y: coordinate(TOP),
        height: coordinate(BOTTOM - TOP),
        text_at: coordinate(from + 2.0),
        text_y: coordinate(TOP - 8.0),
        width: coordinate(to - from),
        label,
        class,
    }
}

fn duration_axis(low: u64, high: u64) -> (Axis, Vec<Tick>) {
    let marks = duration_ticks(low, high);
    let bounds = (marks[0], marks[marks.len() - 1]);
    let axis = Axis::logarithmic((bounds.0 as f64, bounds.1 as f64), (BOTTOM, TOP));
    let labelled: Vec<_> = marks
        .iter()
        .map(|ns| (*ns as f64, short(&number::duration(*ns))))
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

/// As much of a name as fits over its band.
fn fitting(name: &str, width: f64) -> String {
    const GLYPH: f64 = 8.5;
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
        number::number(value)
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
