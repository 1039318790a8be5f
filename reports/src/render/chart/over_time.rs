//! Each second of a run, with its phases and what was broken on purpose.

use super::{
    BOTTOM, Band, Chart, FLOOR_NS, LEFT, Mark, RIGHT, Series, TOP, band, coordinate, duration_axis,
    fitting, path, ticks, whole,
};
use crate::{
    record::{FaultRecord, PhaseRecord, RunRecord, TimelinePoint},
    render::{
        axis::{Axis, linear_ticks},
        number,
    },
};

/// A figure of each second.
type Figure = fn(&TimelinePoint) -> u64;
/// What is drawn as one line: its name, its class and its figure.
type Line = (&'static str, &'static str, Figure);

const NANOS_A_SECOND: f64 = 1e9;

/// Operations offered, sent, answered and failed in each second.
pub(in crate::render) fn throughput(record: &RunRecord) -> Option<Chart> {
    const LINES: [Line; 4] = [
        ("offered", "delay", |point| point.intended),
        ("sent", "service", |point| point.sent),
        ("answered", "response", |point| point.answered),
        ("failed", "failed", |point| point.failed),
    ];
    let points = || record.phases.iter().flat_map(|phase| &phase.timeline);
    let high = points()
        .flat_map(|point| LINES.map(|line| line.2(point)))
        .max()?;
    let marks = linear_ticks(high.max(1) as f64);
    let top = marks[marks.len() - 1];
    let y = Axis::linear((0.0, top), (BOTTOM, TOP));
    let mut chart = over_time(
        record,
        "Offered and achieved rate",
        "Operations offered by the schedule, sent, answered and failed in each second.",
        "The lines should lie on one another. Where sent falls below offered the generator was \
         held up; where answered falls below sent the server was, and what it owes comes later.",
    );
    chart.y_label = "operations a second";
    let labelled: Vec<_> = marks.iter().map(|mark| (*mark, whole(*mark))).collect();
    chart.y_ticks = ticks(&y, &labelled);
    // Records of before it was counted have no `sent`.
    let has_sent = points().any(|point| 0 < point.sent);
    let drawn = LINES
        .into_iter()
        .filter(|line| has_sent || line.0 != "sent");
    draw(&mut chart, record, &y, drawn);
    Some(chart)
}

/// Response percentiles of each second.
pub(in crate::render) fn latency_over_time(record: &RunRecord) -> Option<Chart> {
    const LINES: [Line; 3] = [
        ("largest", "failed", |point| point.response_max),
        ("p99", "service", |point| point.response_p99),
        ("median", "response", |point| point.response_p50),
    ];
    let answered = || {
        let points = record.phases.iter().flat_map(|phase| &phase.timeline);
        points.filter(|point| 0 < point.answered)
    };
    let low = answered().map(|point| point.response_p50).min()?;
    let low = low.max(FLOOR_NS);
    let high = answered().map(|point| point.response_max).max()?;
    let (y, y_ticks) = duration_axis(low, high.max(low + 1));
    let mut chart = over_time(
        record,
        "Response time of each second",
        "Median, 99th percentile and largest response time of each second, logarithmic.",
        "One spike in the largest is one slow answer; when the median rises too, everybody waited.",
    );
    chart.y_label = "response time, logarithmic";
    chart.y_ticks = y_ticks;
    draw(&mut chart, record, &y, LINES);
    Some(chart)
}

/// How long the server took to answer again after each fault.
pub(in crate::render) fn recovery(record: &RunRecord) -> Option<Chart> {
    let faults = &record.faults.as_ref()?.faults;
    let struck = |fault: &FaultRecord| Some((fault.struck_ns?, fault.recovery_ns?));
    let found: Vec<_> = faults.iter().filter_map(struck).collect();
    let high = found.iter().map(|(_, took)| *took).max()?;
    let (y, y_ticks) = duration_axis(high.min(1_000_000), high.max(1_000_001));
    let mut chart = over_time(
        record,
        "Recovery after each fault",
        "From the strike of each fault to the next answer, logarithmic.",
        "A stem stands where a fault was injected and is as high as it took until something was answered \
         again. Stems that grow along the run mean that starting depends on how long the log is.",
    );
    chart.y_label = "strike to next answer, logarithmic";
    chart.y_ticks = y_ticks;
    let x = time_axis(record);
    let stems = found.iter().map(|(at, took)| {
        let (x, y) = (x.place(seconds(*at)), y.place(*took as f64));
        path(&[(x, BOTTOM), (x, y)])
    });
    chart.series.push(Series {
        name: "recovery",
        class: "stem",
        path: stems.collect(),
    });
    Some(chart)
}

/// A chart along the run, with its phases and faults and nothing drawn yet.
pub(super) fn over_time(
    record: &RunRecord,
    title: &str,
    description: &str,
    caption: &str,
) -> Chart {
    let x = time_axis(record);
    let mut chart = Chart::empty(title, description.to_owned(), caption);
    chart.x_label = "seconds after the start".to_owned();
    let end = x.high();
    let marks = linear_ticks(end);
    let within = marks.iter().filter(|mark| **mark <= end);
    let labelled: Vec<_> = within.map(|mark| (*mark, whole(*mark))).collect();
    chart.x_ticks = ticks(&x, &labelled);
    chart.bands = record
        .phases
        .iter()
        .map(|phase| phase_band(phase, &x))
        .collect();
    let faults = record.faults.iter().flat_map(|found| &found.faults);
    chart.marks = faults.filter_map(|fault| fault_mark(fault, &x)).collect();
    chart
}

fn draw(chart: &mut Chart, record: &RunRecord, y: &Axis, lines: impl IntoIterator<Item = Line>) {
    let x = time_axis(record);
    for (name, class, figure) in lines {
        // One stroke a phase: between two phases nothing was measured.
        let strokes = record.phases.iter().map(|phase| {
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

/// From the run's start to the end of the last phase, or of what was still answered after it.
pub(super) fn time_axis(record: &RunRecord) -> Axis {
    let ends = record.phases.iter().map(|phase| {
        let end = seconds(phase.started_ns.saturating_add(phase.duration_ns));
        let last = phase.timeline.last().map_or(0.0, |point| point.at_s);
        end.max(last)
    });
    Axis::linear((0.0, ends.fold(1.0, f64::max)), (LEFT, RIGHT))
}

fn phase_band(phase: &PhaseRecord, x: &Axis) -> Band {
    let from = x.place(seconds(phase.started_ns));
    let to = x.place(seconds(phase.started_ns.saturating_add(phase.duration_ns)));
    let class = if phase.warmup { "thin" } else { "phase" };
    band(from, to, fitting(&phase.name, to - from), class)
}

/// From a fault's strike to the next answer.
fn fault_mark(fault: &FaultRecord, x: &Axis) -> Option<Mark> {
    let struck = fault.struck_ns?;
    let at = x.place(seconds(struck));
    let until = x.place(seconds(
        struck.saturating_add(fault.recovery_ns.unwrap_or(0)),
    ));
    Some(Mark {
        at: coordinate(at),
        width: coordinate(until - at),
        label: String::new(),
        tip: format!("{}: {}", number::instant(struck), fault.what),
    })
}

pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / NANOS_A_SECOND
}
