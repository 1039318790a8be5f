//! A log that a wrong clock has written, and clocks that are far ahead of their logs.
//!
//! What such a clock does is done to the log: a record of another year is added while nobody serves it.
//! Deliberately absent: the rules of the server's time, see `server/src/time_base.rs`.

use std::{net::SocketAddr, path::Path};

use protocol::words::accounts::{Command, Register};
use server::{
    ServeError, ServerConfig,
    clock::wall_ms,
    domain::systems::OwnedCommand,
    health::Progress,
    log::{Durability, EventLog as _, SqliteLog, SqliteOptions, commit},
    recover::recover,
    snapshot::Snapshots,
};

use crate::support::{PASSWORD, Server, config, get, reserve, start, start_fresh, try_start};

const DAY: u64 = 86_400_000;
const YEARS: u64 = 3_650 * DAY;

/// Adds a record of this instant to a log that nobody serves.
fn record_at(data_dir: &Path, now: u64) {
    let options = SqliteOptions {
        durability: Durability::Full,
        accept_loss_after: None,
    };
    let mut log = SqliteLog::open(data_dir, options).expect("nobody serves it");
    let (snapshots, progress) = (Snapshots::of(data_dir), Progress::default());
    let recovered = recover(&mut log, [7; 32], &snapshots, &progress).expect("it is sound");
    let mut engine = recovered.engine;
    let register = Command::from(Register {
        name: format!("at-{now}").into(),
        password_hash: "$".into(),
    });
    engine.submit_own(now, &OwnedCommand::new(&register));
    let batch = engine.take_batch().expect("it was decided");
    let secret = data_dir.join("secret");
    if !secret.exists() {
        std::fs::write(secret, [3; 32]).expect("it can be written");
    }
    let _durable = commit(&mut log, &batch).expect("there is room");
    Box::new(log).close().expect("it comes to rest");
}

/// A log of today whose newest record is of another instant.
fn left_at(now: u64) -> tempfile::TempDir {
    let (data_dir, server) = start_fresh();
    let _ana = server.member("ana");
    server.stop();
    record_at(data_dir.path(), now);
    data_dir
}

fn trusting(data_dir: &Path) -> Server {
    let config = ServerConfig {
        trust_clock: true,
        ..config(data_dir)
    };
    try_start(config).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a slot a week from now can be booked.
fn can_book(server: &Server) -> bool {
    let mut client = server.connect();
    client.log_in("ana", PASSWORD).expect("she is registered");
    let agenda = server.agenda(&mut client);
    client.agenda(reserve(agenda, 0)).is_accepted()
}

#[test]
fn a_log_that_a_clock_ahead_has_written_is_told_and_can_be_put_right() {
    let data_dir = left_at(wall_ms() + YEARS);
    let server = try_start(ServerConfig {
        http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..config(data_dir.path())
    });
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let told = server.ready.warnings.join("\n");
    assert!(told.contains("ahead of this machine's clock"), "{told}");
    assert!(!can_book(&server), "a week from now is past, by the log");
    // Laid out beside the first tick.
    let said = (0..20_000).map(|_| get(&server, "/ready"));
    let mut said = said.skip_while(|said| said.ends_with("ready\n"));
    let said = said.next().expect("it is laid out");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(said.contains("ready, but the time of the log"), "{said}");
    let page = get(&server, "/metrics");
    let line = page
        .lines()
        .find(|line| line.starts_with("stampede_clock_ahead_seconds"));
    let ahead = line.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    assert!(
        ahead.is_some_and(|ahead| 3_649.0 * 86_400.0 < ahead),
        "{line:?}"
    );
    server.stop();

    let server = trusting(data_dir.path());
    let told = server.ready.warnings.join("\n");
    assert!(told.contains("was set back from"), "{told}");
    assert!(can_book(&server));
    server.stop();
    let server = start(data_dir.path());
    assert_eq!(server.ready.warnings, [""; 0]);
    let report = server::inspect::verify(data_dir.path()).expect("it can be verified");
    assert!(report.is_sound(), "{report}");
}

#[test]
fn a_clock_years_ahead_of_the_log_is_not_recorded_unless_somebody_says_it_is_right() {
    let long_ago = wall_ms() - 401 * DAY;
    let fresh = tempfile::tempdir().expect("a temporary directory");
    record_at(fresh.path(), long_ago);
    let before = std::fs::read(fresh.path().join("events.sqlite")).expect("it is there");
    let Err(error) = try_start(config(fresh.path())) else {
        panic!("it started");
    };
    assert!(matches!(error, ServeError::Clock(_)), "{error}");
    let why = error.to_string();
    assert!(
        why.contains("401 days") && why.contains("--trust-clock"),
        "{why}"
    );
    let after = std::fs::read(fresh.path().join("events.sqlite")).expect("it is there");
    assert!(before == after, "nothing was written");
    trusting(fresh.path()).stop();
    let server = start(fresh.path());
    assert_eq!(server.ready.warnings, [""; 0], "the log has caught up");
}
