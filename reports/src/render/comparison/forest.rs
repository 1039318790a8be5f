//! The picture of a comparison: a row a figure, with where its change lies and what is noise.
//!
//! Changes go in, coordinates come out, already as text. Markup and colours are in `templates/`.

use askama::Template;

use super::wording;
use crate::compare::{Change, Comparison, Finding};

const WIDTH: f64 = 760.0;
/// Where the axis begins, behind the names of the rows.
const LEFT: f64 = 250.0;
const RIGHT: f64 = 745.0;
const TOP: f64 = 24.0;
const ROW: f64 = 22.0;

/// The widest change that the axis shows, as a logarithm; beyond, an interval ends at the edge.
const REACH_MAX: f64 = std::f64::consts::LN_2;
/// The least.
const REACH_MIN: f64 = 0.1;

/// The whole picture.
#[derive(Debug, Template)]
#[template(path = "forest.html")]
pub(super) struct Forest {
    width: f64,
    height: f64,
    top: f64,
    bottom: f64,
    zero: String,
    /// Changes of no interest: from, width.
    idle: (String, String),
    ticks: Vec<Tick>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Tick {
    at: String,
    label: String,
}

#[derive(Debug)]
struct Row {
    name: String,
    y: String,
    text_y: String,
    floor_at: String,
    floor_width: String,
    low: String,
    high: String,
    dot: String,
    tone: &'static str,
    told: String,
}

/// Where logarithms of ratios stand.
struct Scale {
    reach: f64,
}

impl Scale {
    fn place(&self, log: f64) -> f64 {
        let share = (log.clamp(-self.reach, self.reach) / self.reach + 1.0) / 2.0;
        LEFT + share * (RIGHT - LEFT)
    }

    fn at(&self, log: f64) -> String {
        format!("{:.1}", self.place(log))
    }

    fn width(&self, from: f64, to: f64) -> String {
        format!("{:.1}", (self.place(to) - self.place(from)).max(1.0))
    }
}

impl Forest {
    pub(super) fn of(comparison: &Comparison) -> Self {
        let changes = &comparison.changes;
        let widest = changes
            .iter()
            .map(|change| change.low.ln_1p().abs().max(change.high.ln_1p().abs()));
        let reach = widest.fold(REACH_MIN, f64::max).min(REACH_MAX);
        let scale = Scale { reach };
        let bottom = changes.iter().fold(TOP, |bottom, _| bottom + ROW);
        let least = comparison.min_effect.ln_1p();
        Self {
            width: WIDTH,
            height: bottom + 40.0,
            top: TOP,
            bottom,
            zero: scale.at(0.0),
            idle: (scale.at(-least), scale.width(-least, least)),
            ticks: ticks(&scale),
            rows: changes
                .iter()
                .scan(TOP, |y, change| {
                    let row = row(change, *y, &scale);
                    *y += ROW;
                    Some(row)
                })
                .collect(),
        }
    }
}

fn row(change: &Change, y: f64, scale: &Scale) -> Row {
    let floor = change.floor.ln_1p();
    Row {
        name: wording::name(change),
        y: format!("{:.1}", y + ROW / 2.0),
        text_y: format!("{:.1}", y + ROW / 2.0 + 4.0),
        floor_at: scale.at(-floor),
        floor_width: scale.width(-floor, floor),
        low: scale.at(change.low.ln_1p()),
        high: scale.at(change.high.ln_1p()),
        dot: scale.at(change.change.ln_1p()),
        tone: match change.finding {
            Finding::Worse => "bad",
            Finding::Better => "good",
            Finding::Same | Finding::Unclear => "plain",
        },
        told: format!(
            "{}: {}",
            wording::name(change),
            wording::signed(change.change)
        ),
    }
}

/// Round changes as far as the axis reaches.
fn ticks(scale: &Scale) -> Vec<Tick> {
    let shares = [
        -0.5, -0.33, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.5, 1.0_f64,
    ];
    let room = 45.0;
    let mut ticks: Vec<(f64, f64)> = Vec::new();
    for share in shares {
        let log = share.ln_1p();
        if scale.reach + 1e-9 < log.abs() {
            continue;
        }
        // Those around nought make room for those further out where it is narrow.
        let at = scale.place(log);
        let has_room = ticks.iter().all(|(_, taken)| room <= (at - taken).abs());
        if has_room || share == 0.0 {
            ticks.retain(|(_, taken)| room <= (at - taken).abs());
            ticks.push((share, at));
        }
    }
    ticks
        .into_iter()
        .map(|(share, at)| Tick {
            at: format!("{at:.1}"),
            label: if share == 0.0 {
                "0".to_owned()
            } else {
                format!(
                    "{}{:.0} %",
                    if share < 0.0 { "−" } else { "+" },
                    100.0 * share.abs()
                )
            },
        })
        .collect()
}
