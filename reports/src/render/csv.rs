//! A run record as one row of a table of runs, for spreadsheets and trends.
//!
//! The columns are numbered and frozen: [`CSV_VERSION`] names the layout, it stands in the file's
//! name and in the first column, and another layout is another number. Times are nanoseconds; what
//! was not measured is an empty cell. Deliberately absent: files.

use super::wording;
use crate::{
    histogram::merge,
    record::{
        Conclusion, ConservationRecord, LatencyRecord, OperationRecord, QuantileRecord, RunRecord,
        Verdict,
    },
};

/// The layout of the rows.
pub const CSV_VERSION: u32 = 1;

type Column = (&'static str, fn(&Row<'_>) -> String);

/// What the columns are taken from: the record, and its measured phases together.
struct Row<'a> {
    record: &'a RunRecord,
    dir: &'a str,
    counts: ConservationRecord,
    measured_s: f64,
    response: QuantileRecord,
    service: QuantileRecord,
}

/// Never renumber, rename or insert: add at the end, under a new [`CSV_VERSION`].
const COLUMNS: [Column; 43] = [
    ("layout", |_row| CSV_VERSION.to_string()),
    ("started_at", |row| {
        row.record.environment.started_at.clone()
    }),
    ("scenario", |row| row.record.scenario.name.clone()),
    ("conclusion", |row| {
        conclusion(row.record.verdict.conclusion).to_owned()
    }),
    ("exit_code", |row| {
        row.record.verdict.conclusion.exit_code().to_string()
    }),
    ("directory", |row| row.dir.to_owned()),
    ("seed", |row| row.record.scenario.seed.to_string()),
    ("plan_hash", |row| row.record.scenario.plan_hash.clone()),
    ("time_scale", |row| {
        row.record.scenario.time_scale.to_string()
    }),
    ("rate_scale", |row| {
        row.record.scenario.rate_scale.to_string()
    }),
    ("program", |row| row.record.environment.program.clone()),
    ("target", |row| row.record.environment.target.clone()),
    ("durability", |row| {
        row.record.environment.durability.clone()
    }),
    ("planted_bug", |row| {
        row.record
            .environment
            .planted_bug
            .clone()
            .unwrap_or_default()
    }),
    ("cpu", |row| row.record.environment.cpu.clone()),
    ("cpus", |row| row.record.environment.cpus.to_string()),
    ("kernel", |row| row.record.environment.kernel.clone()),
    ("fdatasync_p50_ns", |row| {
        row.record.environment.fdatasync_ns.p50.to_string()
    }),
    ("measured_s", |row| format!("{:.3}", row.measured_s)),
    ("intended", |row| row.counts.intended.to_string()),
    ("sent", |row| row.counts.sent.to_string()),
    ("shed", |row| row.counts.shed.to_string()),
    ("cancelled_at_end", |row| {
        row.counts.cancelled_at_end.to_string()
    }),
    ("ok", |row| row.counts.ok.to_string()),
    ("refused", |row| row.counts.refused.to_string()),
    ("error", |row| row.counts.error.to_string()),
    ("timeout", |row| row.counts.timeout.to_string()),
    ("unknown", |row| row.counts.unknown.to_string()),
    ("response_p50_ns", |row| median(&row.response)),
    ("response_p90_ns", |row| stated(row.response.p90)),
    ("response_p99_ns", |row| stated(row.response.p99)),
    ("response_p999_ns", |row| stated(row.response.p999)),
    ("response_max_ns", |row| row.response.max.to_string()),
    ("service_p50_ns", |row| median(&row.service)),
    ("service_p99_ns", |row| stated(row.service.p99)),
    ("laws_kept", |row| laws(row, Verdict::Valid)),
    ("laws_unknown", |row| laws(row, Verdict::Unknown)),
    ("laws_broken", |row| laws(row, Verdict::Invalid)),
    ("thresholds_met", |row| thresholds(row, Some(true))),
    ("thresholds_missed", |row| thresholds(row, Some(false))),
    ("thresholds_unmeasured", |row| thresholds(row, None)),
    ("generator_operations_per_cpu_s", |row| {
        format!("{:.0}", row.record.generator.operations_per_cpu_second)
    }),
    ("generator_lateness_p99_ns", |row| {
        stated(row.record.generator.lateness.p99)
    }),
];

/// The first line of a table of runs.
#[must_use]
pub fn csv_header() -> String {
    line(&COLUMNS.map(|(name, _)| name.to_owned()))
}

/// A run as a line of it. `dir` is where the run's files are.
#[must_use]
pub fn csv_row(record: &RunRecord, dir: &str) -> String {
    let row = Row {
        record,
        dir,
        counts: counts(record),
        measured_s: wording::measured(record)
            .map(|phase| phase.duration_ns as f64 / 1e9)
            .sum(),
        response: quantiles(record, |found| &found.response),
        service: quantiles(record, |found| &found.service),
    };
    line(&COLUMNS.map(|(_, cell)| cell(&row)))
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(cells)
        .expect("a row is written to memory");
    let bytes = writer.into_inner().expect("a row is written to memory");
    String::from_utf8(bytes).expect("cells are text and quoting adds ASCII")
}

fn counts(record: &RunRecord) -> ConservationRecord {
    let mut sum = ConservationRecord::default();
    for phase in wording::measured(record) {
        sum.add(&phase.conservation);
    }
    sum
}

/// An unreadable histogram, which only a damaged record has, leaves its cells empty.
fn quantiles(record: &RunRecord, clock: fn(&OperationRecord) -> &LatencyRecord) -> QuantileRecord {
    let found = wording::measured(record).flat_map(|phase| phase.operations.values());
    let merged = merge(found.map(clock));
    merged.map_or_else(
        |_unreadable| QuantileRecord::default(),
        |merged| QuantileRecord::from_histogram(&merged),
    )
}

const fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "pass",
        Conclusion::Inconclusive => "inconclusive",
        Conclusion::ThresholdFailed => "threshold-failed",
        Conclusion::InvariantViolated => "invariant-violated",
        Conclusion::Interrupted => "interrupted",
    }
}

fn median(found: &QuantileRecord) -> String {
    stated((0 < found.count).then_some(found.p50))
}

fn stated(ns: Option<u64>) -> String {
    ns.map_or_else(String::new, |ns| ns.to_string())
}

fn laws(row: &Row<'_>, verdict: Verdict) -> String {
    let laws = row.record.laws.iter();
    laws.filter(|law| law.verdict == verdict)
        .count()
        .to_string()
}

fn thresholds(row: &Row<'_>, passed: Option<bool>) -> String {
    let thresholds = row.record.thresholds.iter();
    thresholds
        .filter(|threshold| threshold.passed == passed)
        .count()
        .to_string()
}
