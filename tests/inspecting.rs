//! `stampede log` on what is no log, or not any more.

use std::{io::pipe, path::Path, process::Stdio};

use protocol::{Key, words::chat};
use reports::printable::is_hidden;
use rusqlite::Connection;
use tempfile::tempdir;
use tokio::process::Command;

use crate::{
    keeping::join,
    program::{Said, Server, finish, run, stampede, text},
};

fn check_refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.err.starts_with("stampede: "), "{said:?}");
    for word in words {
        assert!(
            said.err.contains(word),
            "{word:?} is not said: {}",
            said.err
        );
    }
}

#[tokio::test]
async fn a_directory_without_a_log_is_named() {
    let dir = tempdir().expect("a directory");
    let missing = dir.path().join("nothing-here");
    for (command, data) in [
        ("cat", dir.path()),
        ("verify", dir.path()),
        ("verify", &missing),
    ] {
        let said = run(&["log", command, text(data)]).await;
        check_refused(&said, 2, &[text(data)]);
    }
    assert!(!missing.exists(), "looking does not make a log");
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_its_position_named() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    flip(&data, 2);
    let said = run(&["log", "verify", text(&data)]).await;
    check_refused(&said, 11, &["seq 2"]);
    // Damage is shown as it is: the rest of the log is still worth seeing.
    let said = run(&["log", "cat", text(&data)]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    let said = run(&["serve", "--listen", "127.0.0.1:0", "--data", text(&data)]).await;
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("seq 2"), "{said:?}");
}

#[tokio::test]
async fn a_missing_tail_is_noticed() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    let log = Connection::open(data.join("events.sqlite")).expect("the log opens");
    let cut = log.execute("DELETE FROM event_log WHERE seq = 3", []);
    assert_eq!(cut.expect("it can be cut"), 1);
    drop(log);
    let said = run(&["log", "verify", text(&data)]).await;
    check_refused(&said, 11, &["seq 2", "3 was acknowledged"]);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_changes_nothing() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    for what in ["verify", "snapshot", "cat", "export"] {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let mut command = stampede(["log", what, text(&data)]);
        command.stdout(writer);
        let said = finish(command, what).await;
        assert_eq!(said.code, Some(0), "{what}: {said:?}");
        assert!(!said.err.contains("stampede: "), "{what}: {said:?}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_write_says_so() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    let data = text(&data);
    for args in [
        &["log", "cat", data][..],
        &["log", "export", data],
        &["schema"],
        &["completions", "bash"],
        &["man"],
    ] {
        for redirection in [">&-", "> /dev/full"] {
            let said = redirected(args, redirection).await;
            check_refused(&said, 1, &[]);
            assert!(!said.err.contains("exported"), "{redirection}: {said:?}");
        }
        // Thrown away on purpose.
        let said = redirected(args, "> /dev/null").await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let said = redirected(&["log", "verify", data], "> /dev/full").await;
    check_refused(&said, 1, &[]);
}

/// Runs the program as a shell starts it behind this redirection.
async fn redirected(args: &[&str], redirection: &str) -> Said {
    let script = format!("exec \"$0\" \"$@\" {redirection}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_stampede")]);
    command.args(args).stdin(Stdio::null());
    finish(command, &args.join(" ")).await
}

#[tokio::test]
async fn what_strangers_wrote_does_nothing_to_a_terminal() {
    const HOSTILE: &str = "a\u{9b}31mb\u{202e}c\u{2066}d\u{2028}e\u{7f}f\u{200b}g";
    const SHOWN: &str = r"a\u009b31mb\u202ec\u2066d\u2028e\u007ff\u200bg";
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start(&data).await;
    let mut ana = join(&server, "ana").await;
    let send = chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: HOSTILE.into(),
    });
    let mut body = Vec::new();
    send.encode(&mut body);
    let said = ana.command(Key([9; 16]), send.kind(), &body).await;
    said.expect("an answer").accepted().expect("it may be said");
    assert_eq!(server.interrupt().await.code, Some(0));
    for what in ["cat", "export"] {
        let said = run(&["log", what, text(&data)]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains(SHOWN), "{}", said.out);
        assert!(!said.out.contains(is_hidden_in_lines), "{}", said.out);
    }
    let hostile = dir.path().join(HOSTILE);
    for args in [
        &["log", "verify", text(&hostile)][..],
        &["show", text(&hostile)],
        &["check", text(&hostile)],
        &["plan", text(&hostile)],
        &[
            "log",
            "backup",
            text(&dir.path().join("copy")),
            text(&hostile),
        ],
    ] {
        let said = run(args).await;
        assert_ne!(said.code, Some(0), "{args:?}: {said:?}");
        assert!(said.err.contains(SHOWN), "{args:?}: {}", said.err);
        assert!(
            !said.err.contains(is_hidden_in_lines),
            "{args:?}: {}",
            said.err
        );
    }
    // Of these the parser of the command line speaks, which takes some of them out by itself.
    for args in [
        &["plan", "smoke.toml", "--seed", HOSTILE],
        &["serve", HOSTILE][..],
    ] {
        let said = run(args).await;
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(r"a\u009b31mb\u202ec"), "{}", said.err);
        assert!(!said.err.contains(is_hidden_in_lines), "{}", said.err);
    }
    let said = run(&["log", "backup", text(&hostile), text(&data)]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.out.contains(is_hidden_in_lines), "{}", said.out);
}

fn is_hidden_in_lines(sign: char) -> bool {
    sign != '\n' && is_hidden(sign)
}

/// Changes the last byte of a record's body, as a bad disk might.
fn flip(data: &Path, seq: u32) {
    let log = Connection::open(data.join("events.sqlite")).expect("the log opens");
    let read = "SELECT body FROM event_log WHERE seq = ?1";
    let mut body: Vec<u8> = log
        .query_row(read, [seq], |row| row.get(0))
        .expect("it is there");
    *body.last_mut().expect("it has a body") ^= 1;
    let write = "UPDATE event_log SET body = ?2 WHERE seq = ?1";
    assert_eq!(
        log.execute(write, (seq, body)).expect("it can be changed"),
        1
    );
}
