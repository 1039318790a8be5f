//! The directory of a run, and the files in it that are written when the run is over.
//!
//! A directory that nobody has is made first. At the end a record goes in; `run.json`, the page, what
//! other programs read, and a row in the table of all runs come out. Whatever the run came to,
//! interrupted ones included. Deliberately absent: what grows while it runs (`history`, `intervals`),
//! and what the files say (see `reports`).

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use reports::{
    histogram::merge,
    record::{LatencyRecord, OperationRecord, RunRecord},
    render,
};

use super::RunError;
use crate::clock;

/// The record.
pub const RECORD_FILE: &str = "run.json";
/// The page.
pub const REPORT_FILE: &str = "report.html";
/// Every finished operation.
pub const HISTORY_FILE: &str = "history.bin";
/// Laws and thresholds as test cases.
pub const JUNIT_FILE: &str = "junit.xml";
/// Percentile distributions end like this.
const PERCENTILES_SUFFIX: &str = ".hgrm";

/// Which clock of an operation.
type ClockOf = fn(&OperationRecord) -> &LatencyRecord;

/// A directory nobody has, named by time and scenario.
///
/// # Errors
/// If it cannot be made.
pub(super) fn create_run_dir(out: &Path, scenario: &str) -> Result<PathBuf, RunError> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms());
    let stamp = humantime::format_rfc3339_seconds(now)
        .to_string()
        .replace(':', "");
    let file = |path: &Path, source| RunError::Out {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(out).map_err(|source| RunError::Out {
        path: out.to_owned(),
        source,
    })?;
    for attempt in 1..=u32::from(u16::MAX) {
        let suffix = if attempt == 1 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let dir = out.join(format!("{stamp}-{scenario}{suffix}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(file(&dir, source)),
        }
    }
    Err(file(
        out,
        io::Error::other("65,535 runs began in this second"),
    ))
}

/// Writes everything that is rendered from the record.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_all(dir: &Path, record: &RunRecord) -> Result<(), RunError> {
    // The record first: all others can be made again from it.
    write(&dir.join(RECORD_FILE), &record.to_json())?;
    write(&dir.join(REPORT_FILE), &render::html(record))?;
    write(&dir.join(JUNIT_FILE), &render::junit(record))?;
    write_percentiles(dir, record)?;
    append_row(dir, record)
}

/// Response, service and delay of everything, and response of each operation, over all measured
/// phases: one distribution a file, as plotters want it.
fn write_percentiles(dir: &Path, record: &RunRecord) -> Result<(), RunError> {
    let clocks: [(&str, ClockOf); 3] = [
        ("latency", |found| &found.response),
        ("service", |found| &found.service),
        ("delay", |found| &found.delay),
    ];
    for (name, clock) in clocks {
        write_distribution(dir, name, record, |_operation| true, clock)?;
    }
    let phases = record.phases.iter().filter(|phase| !phase.warmup);
    let names: std::collections::BTreeSet<_> =
        phases.flat_map(|phase| phase.operations.keys()).collect();
    for name in names {
        let file = format!("latency-{name}");
        write_distribution(
            dir,
            &file,
            record,
            |operation| operation == name,
            |found| &found.response,
        )?;
    }
    Ok(())
}

fn write_distribution(
    dir: &Path,
    name: &str,
    record: &RunRecord,
    is_wanted: impl Fn(&String) -> bool,
    clock: ClockOf,
) -> Result<(), RunError> {
    let phases = record.phases.iter().filter(|phase| !phase.warmup);
    let operations = phases.flat_map(|phase| &phase.operations);
    let wanted = operations.filter(|(operation, _)| is_wanted(operation));
    let merged = merge(wanted.map(|(_, found)| clock(found)));
    let merged = merged.expect("the record's histograms were encoded by this run");
    let path = dir.join(format!("{name}{PERCENTILES_SUFFIX}"));
    write(&path, &render::hgrm(&merged))
}

/// Where the table of runs is: beside their directories, its layout in its name.
fn table_of_runs(out: &Path) -> PathBuf {
    out.join(format!("runs.v{}.csv", render::CSV_VERSION))
}

/// Adds the run to the table of runs. Runs may end at the same time: each waits for the other.
fn append_row(dir: &Path, record: &RunRecord) -> Result<(), RunError> {
    let Some(out) = dir.parent() else {
        return Ok(());
    };
    let path = table_of_runs(out);
    let row = render::csv_row(record, &dir.display().to_string());
    append(&path, &row).map_err(|source| RunError::File { path, source })
}

/// Adds a row below the others, whoever left them how: below a header, on a line of its own.
fn append(path: &Path, row: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut table = options.create(true).read(true).append(true).open(path)?;
    table.lock()?;
    let header = render::csv_header();
    let len = table.seek(SeekFrom::End(0))?;
    if len == 0 {
        return table.write_all(format!("{header}{row}").as_bytes());
    }
    let mut begin = vec![0; header.trim_end().len()];
    table.rewind()?;
    let is_ours = table.read_exact(&mut begin).is_ok() && begin == header.trim_end().as_bytes();
    if !is_ours {
        return Err(io::Error::other(
            "its first line is not that of a table of runs; move it away, and the next run begins another",
        ));
    }
    let mut last = [0];
    table.seek(SeekFrom::Start(len - 1))?;
    table.read_exact(&mut last)?;
    let break_line = if last == *b"\n" { "" } else { "\n" };
    table.write_all(format!("{break_line}{row}").as_bytes())
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    fs::write(path, text).map_err(|source| RunError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table holds after a row was added to what was left there.
    fn added_to(left: Option<&str>) -> io::Result<String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("table.csv");
        if let Some(left) = left {
            fs::write(&path, left).expect("it can be written");
        }
        append(&path, "row\n")?;
        fs::read_to_string(&path)
    }

    #[test]
    fn a_row_stands_below_a_header_on_a_line_of_its_own() {
        let header = render::csv_header();
        let cases = [
            (None, format!("{header}row\n")),
            (Some(String::new()), format!("{header}row\n")),
            (Some(header.clone()), format!("{header}row\n")),
            (Some(header.trim_end().to_owned()), format!("{header}row\n")),
            (
                Some(format!("{header}one\n")),
                format!("{header}one\nrow\n"),
            ),
            (Some(format!("{header}one")), format!("{header}one\nrow\n")),
        ];
        for (left, expected) in cases {
            assert_eq!(
                added_to(left.as_deref()).expect("it is added"),
                expected,
                "{left:?}"
            );
        }
    }

    #[test]
    fn a_row_is_not_put_into_a_file_that_is_something_else() {
        for left in ["x", "one,two\n1,2\n", &render::csv_header()[1..]] {
            let why = added_to(Some(left))
                .expect_err("it is not a table")
                .to_string();
            assert!(why.contains("move it away"), "{why}");
        }
    }
}
