//! A server started by hand, and runs against it with the line that it says to paste.

use reports::record::Conclusion;
use rusqlite::{Connection, OpenFlags};
use tempfile::tempdir;

use crate::program::{Server, only_run, record_of, run, run_load, text};

/// The words of the line that the server says to paste, without the program's name.
fn pasted_run(server: &Server) -> Vec<String> {
    let line = server
        .greeting
        .iter()
        .find_map(|line| line.trim_start().strip_prefix("stampede run "))
        .expect("the server says how to run a scenario against it");
    let words = line.split_whitespace().map(str::to_owned);
    std::iter::once("run".to_owned()).chain(words).collect()
}

#[tokio::test]
async fn the_line_that_a_server_says_to_paste_works_and_works_again() {
    let dir = tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("data")).await;
    let line = pasted_run(&server);
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    for time in ["first", "second"] {
        let out = dir.path().join(time);
        let said = run_load(&words, &out, 0).await;
        assert!(said.out.starts_with("PASS  smoke: "), "{}", said.out);
        let record = record_of(&only_run(&out));
        assert_eq!(record.verdict.conclusion, Conclusion::Pass);
        assert_eq!(
            record.crash, None,
            "nobody kills a server that is not theirs"
        );
        assert_eq!(
            record.environment.target,
            format!("tcp://{}", server.address)
        );
        assert_eq!(record.environment.durability, "full");
    }
    let data = server.data.clone();
    let verified = run(&["log", "verify", text(&data)]).await;
    assert_eq!(
        verified.code,
        Some(0),
        "beside the running server: {verified:?}"
    );
    check_rest(server).await;
}

/// Ctrl-C leaves a log that needs nothing beside its database.
async fn check_rest(server: Server) {
    let data = server.data.clone();
    let said = server.interrupt().await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("Stopped: "), "{said:?}");
    let wal = data.join("events.sqlite-wal");
    let left = std::fs::metadata(&wal).map_or(0, |wal| wal.len());
    assert_eq!(left, 0, "the write-ahead log was brought into the database");
    let copy = data.join("copy.sqlite");
    std::fs::copy(data.join("events.sqlite"), &copy).expect("the database can be copied");
    let alone = Connection::open_with_flags(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let newest: i64 = alone
        .expect("the copy opens")
        .query_row("SELECT max(seq) FROM event_log", [], |row| row.get(0))
        .expect("it has a log");
    let verified = run(&["log", "verify", text(&data)]).await;
    let head = format!("head     seq {newest}\n");
    assert!(verified.out.starts_with(&head), "{verified:?}");
}

#[tokio::test]
async fn a_server_shows_its_log_as_lines_of_json_and_keeps_its_secrets() {
    let dir = tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("data")).await;
    let said = run(&["log", "cat", text(&server.data), "--limit", "2"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<serde_json::Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(1), Some(2)], "{}", said.out);
    assert!(said.out.contains("<redacted>"), "{}", said.out);
    assert!(!said.out.contains("$argon2"), "{}", said.out);
    assert_eq!(server.interrupt().await.code, Some(0));
}
