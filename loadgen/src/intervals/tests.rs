//! What the driver tells is in the files, interval by interval.

use std::{fs, time::Duration};

use base64::Engine;
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry},
    },
};
use protocol::Code;

use super::*;
use crate::operation::{Call, Outcome, Slot};

const SECOND: Nanos = 1_000_000_000;

fn finished(call: Call, outcome: Outcome, at: [Nanos; 3]) -> Operation {
    let [intended_at, sent_at, completed_at] = at;
    Operation {
        client: 1,
        counter: 0,
        call,
        intended_at,
        sent_at,
        completed_at,
        floor: 0,
        outcome,
        seq: 1,
        hash: protocol::ChainHash([1; 32]),
        attempts: 1,
    }
}

const RESERVE: Call = Call::Reserve { slot: Slot(1) };
const READ: Call = Call::MyBookings;

/// One line of a log.
pub(crate) struct Line {
    pub(crate) tag: String,
    pub(crate) start_ns: u64,
    pub(crate) length_ns: u64,
    pub(crate) histogram: Histogram<u64>,
}

/// A log, read by the library that did not write its layout.
pub(crate) fn read(dir: &Path, file: &str) -> Vec<Line> {
    let text = fs::read(dir.join(file)).unwrap();
    let mut lines = Vec::new();
    for entry in IntervalLogIterator::new(&text) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            lines.push(line(&interval));
        }
    }
    lines
}

fn line(interval: &IntervalLogHistogram<'_>) -> Line {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(interval.encoded_histogram())
        .unwrap();
    Line {
        tag: interval.tag().map_or("", |tag| tag.as_str()).to_owned(),
        start_ns: nanos(interval.start_timestamp()),
        length_ns: nanos(interval.duration()),
        histogram: Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .unwrap(),
    }
}

/// Tag, start and length in milliseconds, samples.
fn shape(lines: &[Line]) -> Vec<(&str, [u64; 2], u64)> {
    let shape = |line: &'_ Line| {
        let at = [line.start_ns / 1_000_000, line.length_ns / 1_000_000];
        (at, line.histogram.len())
    };
    let named = lines.iter().map(|line| (line.tag.as_str(), shape(line)));
    named.map(|(tag, (at, count))| (tag, at, count)).collect()
}

/// Two phases: one of 1.5 s, and one whose operation is answered in its second second.
fn two_phases(dir: &Path) {
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_900_000_000_125);
    let mut log = IntervalLog::create(dir, started_at).unwrap();
    let base = 2 * SECOND;
    log.begin(base).unwrap();
    for (call, outcome, at) in [
        (RESERVE, Outcome::Ok, [0, 100, 400]),
        (RESERVE, Outcome::Refused(Code::SLOT_TAKEN), [0, 100, 500]),
        (READ, Outcome::Ok, [0, 0, 600]),
        (RESERVE, Outcome::Timeout, [0, 50, 700]),
        (RESERVE, Outcome::Ok, [0, 100, SECOND + 5]),
    ] {
        let at = at.map(|instant| base + instant);
        log.record(&finished(call, outcome, at)).unwrap();
    }
    let next = base + 3 * SECOND / 2;
    log.begin(next).unwrap();
    let at = [next, next, next + SECOND + 9];
    log.record(&finished(READ, Outcome::Ok, at)).unwrap();
    log.finish(next + SECOND + 250_000_000).unwrap();
}

#[test]
fn intervals_are_seconds_of_phases_and_empty_ones_are_told() {
    let dir = tempfile::tempdir().unwrap();
    two_phases(dir.path());
    assert_eq!(
        shape(&read(dir.path(), LATENCY_FILE)),
        [
            ("", [2_000, 1_000], 3),
            ("", [3_000, 500], 1),
            ("", [3_500, 1_000], 0),
            ("", [4_500, 250], 1),
        ]
    );
    assert_eq!(
        shape(&read(dir.path(), OPERATIONS_FILE)),
        [
            ("reserve", [2_000, 1_000], 2),
            ("my-bookings", [2_000, 1_000], 1),
            ("reserve", [3_000, 500], 1),
            ("my-bookings", [4_500, 250], 1),
        ]
    );
}

#[test]
fn each_file_has_one_clock_and_failures_only_a_delay() {
    let dir = tempfile::tempdir().unwrap();
    two_phases(dir.path());
    let first = |file| {
        let lines = read(dir.path(), file);
        let histogram = &lines.first().unwrap().histogram;
        (histogram.len(), histogram.max())
    };
    assert_eq!(first(LATENCY_FILE), (3, 600));
    assert_eq!(first(OPERATIONS_FILE), (2, 500));
    assert_eq!(first(SERVICE_FILE), (2, 400));
    assert_eq!(first(DELAY_FILE), (3, 100));
}

#[test]
fn the_total_is_the_sum_of_the_operations() {
    let dir = tempfile::tempdir().unwrap();
    two_phases(dir.path());
    let sum = |file| {
        let mut sum = Histogram::<u64>::new(3).unwrap();
        for line in read(dir.path(), file) {
            sum.add(line.histogram).unwrap();
        }
        sum
    };
    assert_eq!(sum(LATENCY_FILE), sum(OPERATIONS_FILE));
}

#[test]
fn the_head_names_version_and_one_start() {
    let dir = tempfile::tempdir().unwrap();
    two_phases(dir.path());
    let text = fs::read_to_string(dir.path().join(LATENCY_FILE)).unwrap();
    let lines: Vec<_> = text.lines().take(4).collect();
    assert_eq!(
        lines,
        [
            "#[Histogram log format version 1.3]",
            "#[Response time of everything answered; nanoseconds, Interval_Max in milliseconds]",
            "#[StartTime: 1900000000.125 (seconds since epoch)]",
            "#[BaseTime: 1900000000.125 (seconds since epoch)]",
        ]
    );
}

#[test]
fn more_than_the_queue_holds_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = IntervalLog::create(dir.path(), SystemTime::UNIX_EPOCH).unwrap();
    log.begin(0).unwrap();
    let operations = BATCH_LEN * (BATCHES_MAX + 2);
    for _operation in 0..operations {
        log.record(&finished(READ, Outcome::Ok, [0, 1, 2])).unwrap();
    }
    log.finish(3).unwrap();
    let lines = read(dir.path(), LATENCY_FILE);
    assert_eq!(lines[0].histogram.len(), u64::try_from(operations).unwrap());
}

#[test]
fn a_run_never_writes_over_the_logs_of_another() {
    let dir = tempfile::tempdir().unwrap();
    two_phases(dir.path());
    let again = IntervalLog::create(dir.path(), SystemTime::UNIX_EPOCH);
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}
