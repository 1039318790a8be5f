//! What is answered to whom, from readings made up and over real sockets.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use prometheus_parse::{Scrape, Value};

use super::{
    HttpListener, Progress, Serving, Stage, Stats,
    machine::Machine,
    metrics,
    probes::{is_live, is_ready},
    stats::Reading,
};
use crate::{log::Checkpoints, time_base::Drift};

fn reading(stage: Stage) -> Reading {
    let stats = Stats::default();
    stats.enter(stage);
    stats.read()
}

#[test]
fn a_server_that_serves_is_alive_and_ready() {
    let reading = reading(Stage::Serving);
    assert_eq!(is_live(&reading), Ok("alive".to_owned()));
    assert_eq!(is_ready(&reading), Ok("ready".to_owned()));
}

#[test]
fn a_server_that_starts_is_alive_and_says_how_far_it_is() {
    let stats = Stats::default();
    assert!(is_ready(&stats.read()).unwrap_err().contains("opened"));
    stats.enter(Stage::Replaying);
    stats.progress.expect(5_000);
    stats.progress.advance(1_200);
    let reading = stats.read();
    assert!(is_live(&reading).is_ok());
    assert_eq!(
        is_ready(&reading).unwrap_err(),
        "not ready: the state is being rebuilt, 1200 of 5000 records of the log are applied; ask again shortly"
    );
}

#[test]
fn a_server_that_stops_is_alive_and_takes_nobody() {
    let reading = reading(Stage::Stopping);
    assert!(is_live(&reading).is_ok());
    assert!(is_ready(&reading).is_err());
}

#[test]
fn a_serving_thread_that_does_not_turn_is_not_alive() {
    let mut reading = reading(Stage::Serving);
    reading.now = reading.serving.turned_at + Duration::from_secs(4);
    let why = is_live(&reading).unwrap_err();
    assert!(why.contains("has not turned for 4.0 s"), "{why}");
    assert_eq!(is_ready(&reading), Err(why));
}

#[test]
fn a_batch_that_does_not_reach_the_disk_makes_it_unready_and_shows() {
    let stats = Stats::default();
    stats.enter(Stage::Serving);
    stats.begin_commit();
    let mut reading = stats.read();
    assert!(is_ready(&reading).is_ok(), "a moment is nothing");
    reading.now += Duration::from_secs(6);
    reading.serving.turned_at = reading.now;
    assert!(is_live(&reading).is_ok(), "restarting does not mend a disk");
    let why = is_ready(&reading).unwrap_err();
    assert!(why.contains("on its way to the disk for 6.0 s"), "{why}");
    let shown = value(&scrape(&reading), "stampede_commit_under_way_seconds");
    assert!((6.0..6.1).contains(&shown), "{shown}");
}

#[test]
fn a_log_that_is_ahead_of_the_clock_is_ready_and_says_so() {
    let mut reading = reading(Stage::Serving);
    let (time, hour) = (Duration::from_secs(1_800_000_000), Duration::from_hours(1));
    reading.serving.drift = Drift {
        time,
        wall: time - hour,
    };
    let told = is_ready(&reading).unwrap();
    for part in [
        "ready, but the time of the log, 2027-01-15T08:00:00.000Z, is 60 min ahead",
        "2027-01-15T07:00:00.000Z",
        "--trust-clock",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let shown = value(&scrape(&reading), "stampede_clock_ahead_seconds");
    assert_eq!(shown, 3_600.0);
    reading.serving.drift.wall = time + hour * 48;
    let told = is_ready(&reading).unwrap();
    assert!(
        told.contains("leapt 2 days ahead, to 2027-01-17T08:00:00.000Z"),
        "{told}"
    );
    let shown = value(&scrape(&reading), "stampede_clock_ahead_seconds");
    assert_eq!(shown, -172_800.0);
}

/// What a scraper makes of it.
fn scrape(reading: &Reading) -> Scrape {
    parse(&metrics::render(reading, &Machine::ask(Path::new("."))))
}

fn parse(text: &str) -> Scrape {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    Scrape::parse(lines).unwrap()
}

fn value(scrape: &Scrape, name: &str) -> f64 {
    let sample = scrape.samples.iter().find(|sample| sample.metric == name);
    match &sample.unwrap_or_else(|| panic!("{name} is there")).value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
        other => panic!("{name} is a figure and not {other:?}"),
    }
}

#[test]
fn commits_are_a_histogram_that_a_scraper_understands() {
    let stats = Stats::default();
    let checkpoints = Checkpoints {
        failed: 7,
        failed_in_a_row: 2,
    };
    for records in [1, 1, 300] {
        stats.begin_commit();
        stats.end_commit(records, checkpoints);
    }
    let scrape = scrape(&stats.read());
    let failures = value(&scrape, "stampede_checkpoint_failures_total");
    assert_eq!(failures, 7.0, "as the log counts them");
    let name = "stampede_commit_records";
    let sample = scrape.samples.iter().find(|sample| sample.metric == name);
    let Value::Histogram(buckets) = &sample.unwrap().value else {
        panic!("{name} is a histogram");
    };
    let counts: Vec<_> = buckets.iter().map(|bucket| bucket.count).collect();
    assert_eq!(counts, [2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]);
    assert_eq!(buckets.last().unwrap().less_than, f64::INFINITY);
    assert_eq!(value(&scrape, "stampede_commit_records_sum"), 302.0);
    assert_eq!(value(&scrape, "stampede_commit_records_count"), 3.0);
}

/// A row of the table: name, type and meaning.
type Row = (String, String, String);

/// What the text says of its families.
fn families(text: &str) -> Vec<Row> {
    let about = |word: &str| {
        let lines = text.lines().filter_map(move |line| {
            let rest = line.strip_prefix("# ")?.strip_prefix(word)?;
            rest.trim_start().split_once(' ')
        });
        lines.collect::<Vec<_>>()
    };
    let rows = about("TYPE").into_iter().zip(about("HELP"));
    let row = |((name, kind), (same, help)): ((&str, &str), (&str, &str))| {
        assert_eq!(name, same);
        (name.to_owned(), kind.to_owned(), help.to_owned())
    };
    rows.map(row).collect()
}

#[test]
fn the_documentation_lists_what_is_printed_word_for_word() {
    let page = include_str!("../../../docs/metrics.md");
    let cells = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_matches('`').to_owned();
        let kind = cells.next()?.to_owned();
        let _unit = cells.next()?;
        Some((name, kind, cells.next()?.to_owned()))
    };
    let figures = page.lines().skip_while(|line| *line != "## Figures");
    let documented: Vec<Row> = figures.filter_map(cells).collect();
    let reading = reading(Stage::Serving);
    let printed = families(&metrics::render(&reading, &Machine::ask(Path::new("."))));
    assert_eq!(
        documented, printed,
        "docs/metrics.md is not what is printed"
    );
}

fn open() -> (Arc<Stats>, HttpListener) {
    let stats = Arc::<Stats>::default();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let door = HttpListener::open(address, Arc::clone(&stats), Path::new(".")).unwrap();
    (stats, door)
}

/// Says this and listens to the end.
fn say(door: &HttpListener, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(door.address()).unwrap();
    // Whoever is refused early may not have been heard to the end.
    let _heard = stream.write_all(request);
    hear(&mut stream)
}

fn hear(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(answer).unwrap()
}

fn get(door: &HttpListener, path: &str) -> String {
    say(
        door,
        format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes(),
    )
}

#[test]
fn it_answers_before_the_server_serves() {
    let (stats, door) = open();
    assert!(get(&door, "/live").starts_with("HTTP/1.1 200 "));
    let unready = get(&door, "/ready");
    assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
    assert!(unready.contains("the log is being opened"), "{unready}");
    stats.enter(Stage::Serving);
    stats.lay_out(Serving::default());
    assert!(get(&door, "/ready").starts_with("HTTP/1.1 200 "));
    let page = get(&door, "/metrics");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert_eq!(value(&parse(body), "stampede_ready"), 1.0);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let (_vitals, door) = open();
    let lost = get(&door, "/admin");
    assert!(lost.starts_with("HTTP/1.1 404 "), "{lost}");
    assert!(
        lost.contains("there is /live, /ready and /metrics here"),
        "{lost}"
    );
    let posted = say(
        &door,
        b"POST /live HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nabc",
    );
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    assert!(posted.contains("allow: GET, HEAD"), "{posted}");
    let head = say(&door, b"HEAD /live HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn whoever_asks_nonsense_harms_only_themselves() {
    let (_vitals, door) = open();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
    let nonsense: [&[u8]; 5] = [
        b"\0\xff\x16\x03\x01 not http at all\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for request in nonsense {
        let answer = say(&door, request);
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(
            is_refused,
            "{:?} got {answer}",
            request.escape_ascii().to_string()
        );
    }
    assert!(get(&door, "/live").starts_with("HTTP/1.1 200 "));
}

#[test]
fn whoever_opens_many_connections_and_says_nothing_keeps_nobody_out() {
    let (_vitals, door) = open();
    let mut silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(door.address()).unwrap())
        .collect();
    assert!(get(&door, "/live").starts_with("HTTP/1.1 200 "));
    assert_eq!(hear(&mut silent[0]), "", "the oldest had to go");
}

#[test]
fn whoever_is_slow_is_given_up() {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let soon = Duration::from_millis(50);
    let door = HttpListener::open_within(soon, address, Arc::default(), Path::new(".")).unwrap();
    let mut slow = TcpStream::connect(door.address()).unwrap();
    slow.write_all(b"GET /live HTT").unwrap();
    // It waits for no more: the answer is the end.
    let answer = hear(&mut slow);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
}

#[test]
fn the_listener_goes_with_its_door() {
    let (_vitals, door) = open();
    let address = door.address();
    drop(door);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn progress_is_what_was_applied_of_what_is_expected() {
    let progress = Progress::default();
    progress.expect(10);
    progress.advance(3);
    progress.advance(4);
    let told = format!("{progress:?}");
    assert!(told.contains('7') && told.contains("10"), "{told}");
}
