//! How the server is, asked over HTTP while clients use it.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::net::SocketAddr;

use prometheus_parse::{Scrape, Value};
use protocol::{Code, Kind, message::Request};
use server::ServerConfig;

use crate::support::{self, Server, get};

fn start_watched() -> (tempfile::TempDir, Server) {
    let data_dir = tempfile::tempdir().unwrap();
    let server = support::try_start(ServerConfig {
        http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        ..support::config(data_dir.path())
    });
    (data_dir, server.unwrap())
}

/// The figure of this name and label, if it is there.
fn figure(page: &str, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
    let (_head, body) = page.split_once("\r\n\r\n").unwrap();
    let scrape = Scrape::parse(body.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let is_it = |sample: &&prometheus_parse::Sample| {
        sample.metric == name
            && label.is_none_or(|(label, wanted)| sample.labels.get(label) == Some(wanted))
    };
    match scrape.samples.iter().find(is_it)?.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
        Value::Histogram(_) | Value::Summary(_) => None,
    }
}

/// Scrapes until a figure has risen this far: what the serving thread counts is laid out beside the
/// tick of its clock.
fn wait_for(server: &Server, name: &str, label: Option<(&str, &str)>, least: f64) {
    const SCRAPES_MAX: u32 = 20_000;
    let has_risen = |_| least <= figure(&get(server, "/metrics"), name, label).unwrap();
    assert!(
        (0..SCRAPES_MAX).any(has_risen),
        "{name} {label:?} did not reach {least}"
    );
}

#[test]
fn what_clients_do_shows_in_the_figures() {
    let (_data_dir, server) = start_watched();
    assert!(get(&server, "/live").starts_with("HTTP/1.1 200 "));
    assert!(get(&server, "/ready").starts_with("HTTP/1.1 200 "));
    let (_client, _opened) = server.member("ana");
    let mut stranger = server.connect();
    let refused = stranger.log_in("ana", "not her password").unwrap_err();
    assert_eq!(refused.code, Code::BAD_CREDENTIALS);
    wait_for(&server, "stampede_sessions", None, 1.0);
    wait_for(&server, "stampede_connections", None, 2.0);
    wait_for(
        &server,
        "stampede_requests_total",
        Some(("kind", "auth")),
        3.0,
    );
    let refused = Some(("code", "bad-credentials"));
    wait_for(&server, "stampede_refusals_total", refused, 1.0);
    let page = get(&server, "/metrics");
    let of = |name| figure(&page, name, None).unwrap();
    // The admin, the agenda, ana and her log-in: more records than commits, and at least one.
    assert!(1.0 <= of("stampede_commit_duration_seconds_count"));
    assert!(2.0 <= of("stampede_commit_records_sum"));
    assert_eq!(
        of("stampede_log_decided_seq"),
        of("stampede_log_durable_seq")
    );
    assert!(0.0 < of("stampede_wal_bytes") + of("stampede_database_bytes"));
    assert!(0.0 < of("stampede_disk_free_bytes"));
    assert_eq!(of("stampede_turn_age_seconds").floor(), 0.0);
    server.stop();
}

#[test]
fn a_flood_of_refusals_is_counted_one_by_one() {
    let (_data_dir, server) = start_watched();
    let mut stranger = server.connect();
    let mut bytes = Vec::new();
    for correlation in 1..=100 {
        let nothing = Request::Query {
            correlation,
            kind: Kind::new(1, 1),
            schema: 1,
            body: &[],
        };
        nothing.encode(&mut bytes);
    }
    stranger.write(&bytes);
    let refused = Some(("code", "log-in-first"));
    wait_for(&server, "stampede_refusals_total", refused, 100.0);
    let page = get(&server, "/metrics");
    assert_eq!(
        figure(&page, "stampede_refusals_total", refused),
        Some(100.0)
    );
    server.stop();
}

#[test]
fn what_was_replayed_shows_after_a_restart() {
    let data_dir = tempfile::tempdir().unwrap();
    // With a snapshot there would be nothing to replay.
    let start = || {
        support::try_start(ServerConfig {
            http: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            snapshot_every: 0,
            ..support::config(data_dir.path())
        })
    };
    let server = start().unwrap();
    let (_client, opened) = server.member("ana");
    server.stop();
    let server = start().unwrap();
    let page = get(&server, "/metrics");
    let of = |name| figure(&page, name, None).unwrap();
    let expected = of("stampede_replay_expected_records");
    assert_eq!(of("stampede_replay_applied_records"), expected);
    assert!(f64::from(u32::try_from(opened.session).unwrap()) <= expected);
    server.stop();
}

#[test]
fn nothing_listens_unless_it_is_asked_for() {
    let (_data_dir, server) = support::start_fresh();
    assert_eq!(server.ready.http, None);
    server.stop();
}
