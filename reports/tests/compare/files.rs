//! Runs as files: interval logs as HdrHistogram tools write them, and what is wrong with others.

use std::time::{Duration, SystemTime};

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};
use reports::compare::{Clock, StoredRun, Texts};
use reports::record::RunRecord;

use crate::sample;

const S: u64 = 1_000_000_000;

/// A log with a second a line: tag, start in milliseconds, values.
fn log(lines: &[(&str, u64, &[u64])]) -> Vec<u8> {
    let of_a_second = |(tag, at_ms, values)| (tag, at_ms, 1_000, values);
    log_of(&lines.iter().copied().map(of_a_second).collect::<Vec<_>>())
}

/// A log with an interval a line: tag, start and length in milliseconds, values.
fn log_of(lines: &[(&str, u64, u64, &[u64])]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let mut builder = IntervalLogWriterBuilder::new();
    let mut log = builder
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(started_at)
        .with_base_time(started_at)
        .begin_log_with(&mut text, &mut serializer)
        .expect("writing to memory cannot fail");
    for (tag, at_ms, len_ms, values) in lines {
        let mut histogram = Histogram::<u64>::new(3).expect("three digits");
        values
            .iter()
            .for_each(|value| histogram.record(*value).expect("it resizes"));
        let at = Duration::from_millis(*at_ms);
        let len = Duration::from_millis(*len_ms);
        log.write_histogram(&histogram, at, len, Tag::new(tag))
            .expect("writing to memory cannot fail");
    }
    text
}

/// A warm-up of a second, then a phase that begins at 1.0004 s and takes 2.6 s.
fn record() -> RunRecord {
    let mut record = sample::pass();
    record.phases.truncate(2);
    record.phases[0].started_ns = 0;
    record.phases[0].duration_ns = S;
    record.phases[1].started_ns = S + 400_000;
    record.phases[1].duration_ns = 26 * S / 10;
    record
}

fn read(response: &[u8], service: Option<&[u8]>) -> Result<StoredRun, String> {
    let record = record().to_json();
    let texts = Texts {
        record: &record,
        response,
        service,
    };
    StoredRun::read("a", texts).map_err(|error| error.to_string())
}

#[test]
fn seconds_are_those_of_the_measured_phases_by_operation_and_clock() {
    let response = log(&[
        ("reserve", 0, &[9]),
        ("reserve", 1_000, &[1, 2]),
        ("cancel", 2_000, &[5]),
        ("reserve", 3_000, &[3]),
        ("reserve", 4_000, &[8]),
    ]);
    let service = log(&[("reserve", 3_000, &[2])]);
    let run = read(&response, Some(&service)).expect("these are logs");
    assert_eq!(
        run.seconds(),
        3,
        "the last, of 0.6 s, counts; what was answered afterwards does not"
    );
    let totals = |operation: &str, clock| -> Vec<u64> {
        run.track(&(operation.to_owned(), clock))
            .iter()
            .map(|second| second.total())
            .collect()
    };
    assert_eq!(totals("reserve", Clock::Response), [2, 0, 1]);
    assert_eq!(totals("cancel", Clock::Response), [0, 1, 0]);
    assert_eq!(totals("reserve", Clock::Service), [0, 0, 1]);
    assert_eq!(run.tracks().len(), 3);
}

#[test]
fn what_is_left_of_a_phase_is_not_a_second_of_the_next() {
    let response = log_of(&[
        ("cancel", 1_000, 0, &[7]),
        ("reserve", 1_000, 1_000, &[1, 2]),
        ("reserve", 3_000, 600, &[3]),
    ]);
    let run = read(&response, None).expect("a log");
    let reserve = ("reserve".to_owned(), Clock::Response);
    let seconds = run.track(&reserve);
    let totals: Vec<u64> = seconds.iter().map(|second| second.total()).collect();
    assert_eq!(totals, [2, 0, 1]);
    assert_eq!(run.tracks(), [reserve]);
}

#[test]
fn parts_are_runs_in_small_with_seconds_of_every_phase() {
    let lines: Vec<(&str, u64, &[u64])> = vec![
        ("reserve", 1_000, &[1]),
        ("reserve", 2_000, &[2]),
        ("reserve", 3_000, &[3]),
    ];
    let run = read(&log(&lines), None).expect("a log");
    let track = ("reserve".to_owned(), Clock::Response);
    let parts = run.parts(&track, 2);
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(parts.concat(), run.track(&track));
}

#[test]
fn spoilt_files_are_refused_with_their_place() {
    let good = log(&[("reserve", 1_000, &[1])]);
    let cut = &good[..good.len() - 9];
    assert!(
        read(cut, None)
            .expect_err("cut")
            .contains("begins no line of an HdrHistogram interval log")
    );
    let text = String::from_utf8(good).expect("text");
    let spoilt = text.replace("HIST", "HISS");
    assert!(
        read(spoilt.as_bytes(), None)
            .expect_err("spoilt")
            .contains("operations.hlog: the interval at 1 s: ")
    );
    let texts = Texts {
        record: "{}",
        response: b"",
        service: None,
    };
    let error = StoredRun::read("a", texts)
        .expect_err("no record")
        .to_string();
    assert!(
        error.starts_with("run.json: this is not a run record"),
        "{error}"
    );
}

#[test]
fn logs_that_lack_answers_of_the_record_are_refused() {
    let mut record = record();
    for phase in &mut record.phases {
        phase.operations.retain(|name, _| name == "reserve");
        for found in phase.operations.values_mut() {
            (found.ok, found.refused) = (2, 1);
        }
    }
    let counted: u64 = record
        .phases
        .iter()
        .map(|phase| {
            phase
                .operations
                .values()
                .map(|found| found.ok + found.refused)
                .sum::<u64>()
        })
        .sum();
    let json = record.to_json();
    let check = |response: &[u8], service: Option<&[u8]>| {
        let texts = Texts {
            record: &json,
            response,
            service,
        };
        let run = StoredRun::read("a", texts).expect("logs");
        run.check_whole().map_err(|error| error.to_string())
    };
    let values: Vec<u64> = (1..=counted).collect();
    let whole = log(&[("reserve", 1_000, &values)]);
    assert_eq!(check(&whole, Some(&whole)), Ok(()));
    assert_eq!(
        check(&whole, None),
        Ok(()),
        "an older run has no service times"
    );
    let cut = log(&[("reserve", 1_000, &values[1..])]);
    let error = check(&cut, Some(&whole)).expect_err("an answer is missing");
    assert!(
        error.starts_with("operations.hlog has ") && error.contains("`reserve`"),
        "{error}"
    );
    let error = check(&whole, Some(&cut)).expect_err("a service time is missing");
    assert!(error.starts_with("service.hlog has "), "{error}");
    assert!(check(b"", None).is_err(), "an emptied log");
}
