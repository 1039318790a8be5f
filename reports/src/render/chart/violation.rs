//! The operations of a violation as bars over time, a lane a client: who was under way while whom.

use super::{BOTTOM, Band, Bar, Chart, HEIGHT, LEFT, RIGHT, coordinate, fitting, ticks};
use crate::{
    record::{ViolationRecord, WitnessRecord},
    render::{
        axis::{Axis, linear_ticks},
        number,
    },
};

/// Nothing stands above the first lane.
const TOP: f64 = 12.0;
/// Room for one witness.
const ROW: f64 = 36.0;
/// Where time begins: left of it are the clients' names.
const LANES: f64 = LEFT + 40.0;

/// What to see.
const CAPTION: &str = "A bar runs from the call to its answer, as its client saw both. Bars that do not \
    overlap happened in this order; of bars that overlap either may have been first. A dashed bar \
    had no answer and may have happened at any later time.";

/// The picture of a violation; `None` where it has no operations.
pub(in crate::render) fn witnesses(violation: &ViolationRecord) -> Option<Chart> {
    let found = lanes(&violation.operations);
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
    let x = Axis::linear((from as f64, to as f64), (LANES, RIGHT));
    let span = (last - first) as f64;
    let description = format!(
        "The operations of the violation, each from call to answer, over {} from {} after the start.",
        number::duration(last - first),
        number::instant(first),
    );
    let mut chart = Chart::empty("When each operation was under way", description, CAPTION);
    chart.left = LANES;
    chart.top = TOP;
    chart.bottom = TOP + ROW * found.len() as f64;
    chart.height = chart.bottom + HEIGHT - BOTTOM;
    chart.x_label = format!("after {} of the run", number::instant(first));
    let marks = linear_ticks(span);
    let within = marks.iter().filter(|mark| **mark <= span);
    let labelled: Vec<_> = within
        .map(|mark| (first as f64 + mark, format!("+{}", elapsed(*mark))))
        .collect();
    chart.x_ticks = ticks(&x, &labelled);
    chart.bands = bands(&found);
    chart.bars = found
        .iter()
        .enumerate()
        .map(|(row, witness)| bar(row, witness, (&x, to)))
        .collect();
    Some(chart)
}

/// The operations of one client together, clients by their first.
fn lanes(operations: &[WitnessRecord]) -> Vec<&WitnessRecord> {
    let mut clients: Vec<&str> = Vec::new();
    for witness in operations {
        if !clients.contains(&witness.client.as_str()) {
            clients.push(&witness.client);
        }
    }
    let mut found: Vec<_> = operations.iter().collect();
    // Stable: the operations of one client stay in their order.
    found.sort_by_key(|it| clients.iter().position(|client| *client == it.client));
    found
}

/// A band for each client, its name at the left.
fn bands(found: &[&WitnessRecord]) -> Vec<Band> {
    let mut bands = Vec::new();
    let mut row = 0;
    for lane in found.chunk_by(|one, other| one.client == other.client) {
        let y = TOP + ROW * row as f64;
        let client = lane.first().map_or("", |witness| witness.client.as_str());
        bands.push(Band {
            at: "4".to_owned(),
            y: coordinate(y),
            height: coordinate(ROW * lane.len() as f64),
            text_at: "10".to_owned(),
            text_y: coordinate(y + 22.0),
            width: coordinate(RIGHT - 4.0),
            label: fitting(client, LANES - 14.0),
            class: if bands.len().is_multiple_of(2) {
                "lane"
            } else {
                "lane odd"
            },
        });
        row += lane.len();
    }
    bands
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
    let answered = witness.completed_ns;
    let is_late = (LANES + RIGHT) / 2.0 < at;
    Bar {
        at: coordinate(at),
        y: coordinate(y + 21.0),
        text_at: coordinate(if is_late { end } else { at }),
        text_anchor: if is_late { "end" } else { "start" },
        text_y: coordinate(y + 16.0),
        width: coordinate((end - at).max(2.0)),
        label: format!("{} → {}", witness.call, witness.answer),
        tip: format!(
            "{}: {} to {}",
            witness.client,
            number::instant(witness.invoked_ns),
            answered.map_or_else(|| "never".to_owned(), number::instant)
        ),
        open: answered.is_none(),
    }
}
