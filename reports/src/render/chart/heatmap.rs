//! How response times were spread, over time: a map with a cell for each stretch and each duration.
//!
//! Percentile lines hide that some answers are slow while others are not; here the slow ones are a
//! band of their own. Cells are drawn a path for each of a few levels, so that a map is small.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    Cells, Chart, duration_axis,
    over_time::{over_time, seconds, time_axis},
};
use crate::{
    histogram::HistogramError,
    record::{PhaseRecord, RunRecord},
    render::{axis::Axis, number},
};

/// Shades of a cell. More are not told apart.
const LEVELS: usize = 7;
/// Rows in which the duration doubles.
const ROWS_AN_OCTAVE: f64 = 4.0;

/// What to see.
const CAPTION: &str = "The darker a cell, the more answers took that long just then. A dark band that \
    stays low is a server that keeps up; a second band above it is a second kind of answer; a \
    column that climbs is a stall; an empty column is time in which nothing was answered.";

/// A cell: where it is, and how many answers it stands for.
struct Cell {
    from_s: f64,
    to_s: f64,
    row: i32,
    count: u64,
}

/// The map of a whole run; `None` where nothing was answered, or in records of before it was kept.
pub(in crate::render) fn heatmap(record: &RunRecord) -> Result<Option<Chart>, HistogramError> {
    let cells = cells(&record.phases)?;
    let rows = || cells.iter().map(|cell| cell.row);
    let (Some(lowest), Some(highest)) = (rows().min(), rows().max()) else {
        return Ok(None);
    };
    let most = cells.iter().map(|cell| cell.count).max().unwrap_or(1);
    let (y, y_ticks) = duration_axis(bound(lowest), bound(highest + 1));
    let mut chart = over_time(
        record,
        "Response times over time",
        "How many answers took how long, for each stretch of the run.",
        CAPTION,
    );
    chart.y_label = "response time, logarithmic";
    chart.y_ticks = y_ticks;
    let x = time_axis(record);
    chart.cells = (1..=LEVELS)
        .map(|level| {
            let of_level = cells
                .iter()
                .filter(|cell| level_of(cell.count, most) == level);
            Cells {
                level,
                path: of_level.map(|cell| outline(cell, (&x, &y))).collect(),
                label: number::count(least_of(level, most)),
            }
        })
        .collect();
    Ok(Some(chart))
}

fn cells(phases: &[PhaseRecord]) -> Result<Vec<Cell>, HistogramError> {
    let mut cells = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        let Some(heat) = &phase.heat else { continue };
        // What was answered after a phase's end is its own, until the next one begins.
        let next = phases.get(index + 1);
        let limit = next.map_or(f64::MAX, |next| seconds(next.started_ns));
        for (column, histogram) in (0_u64..).zip(heat.decode()?) {
            let at = |column| seconds(phase.started_ns + heat.column_ns.saturating_mul(column));
            let (from_s, to_s) = (at(column), at(column + 1).min(limit));
            cells.extend(rows(&histogram).into_iter().map(|(row, count)| Cell {
                from_s,
                to_s,
                row,
                count,
            }));
        }
    }
    Ok(cells)
}

/// How many answers each row of a column stands for.
fn rows(column: &Histogram<u64>) -> BTreeMap<i32, u64> {
    let mut rows = BTreeMap::new();
    for step in column.iter_recorded() {
        *rows.entry(row_of(step.value_iterated_to())).or_default() += step.count_at_value();
    }
    rows
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a logarithm of 64 bits is below 64"
)]
fn row_of(ns: u64) -> i32 {
    ((ns.max(1) as f64).log2() * ROWS_AN_OCTAVE).floor() as i32
}

/// The shortest time of a row.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rows come from times of 64 bits"
)]
fn bound(row: i32) -> u64 {
    (f64::from(row) / ROWS_AN_OCTAVE).exp2().ceil().max(1.0) as u64
}

/// Levels are steps of equal ratio: a cell with one answer can be seen beside one with thousands.
fn level_of(count: u64, most: u64) -> usize {
    let least = |level: &usize| least_of(*level, most) <= count;
    (1..=LEVELS).rev().find(least).unwrap_or(1)
}

/// The fewest answers of a level.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between one and the most there is"
)]
fn least_of(level: usize, most: u64) -> u64 {
    let share = (level - 1) as f64 / LEVELS as f64;
    ((most as f64).ln() * share).exp().round().max(1.0) as u64
}

fn outline(cell: &Cell, (x, y): (&Axis, &Axis)) -> String {
    let (left, right) = (x.place(cell.from_s), x.place(cell.to_s));
    let (bottom, top) = (
        y.place(bound(cell.row) as f64),
        y.place(bound(cell.row + 1) as f64),
    );
    if right - left < 0.05 {
        return String::new();
    }
    format!("M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}Z")
}
