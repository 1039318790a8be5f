//! Snapshots as an operator meets them: made on request, used by the next start, told of when unsound.

use std::{fs, path::PathBuf};

use loadgen::target::Caller;
use protocol::Key;
use tempfile::tempdir;

use crate::program::{Server, run, text};

/// The snapshots of a data directory, oldest first.
fn snapshots(data: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut snapshots: Vec<PathBuf> = paths
        .filter(|path| text(path).contains("/snapshot-"))
        .collect();
    snapshots.sort();
    snapshots
}

async fn register(server: &Server, nth: u8) {
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let name = format!("user{nth}");
    let registered = caller
        .register(Key([nth; 16]), &name, "correct horse")
        .await;
    let registered = registered.expect("an answer");
    assert!(registered.accepted().is_ok(), "{registered:?}");
}

#[tokio::test]
async fn one_is_made_beside_a_running_server_and_the_next_start_begins_there() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Server::start(&data).await;
    register(&server, 1).await;
    let made = run(&["log", "snapshot", text(&data)]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(
        made.out.starts_with("snapshot at seq 4, ") && made.out.contains("from the whole log"),
        "{made:?}"
    );
    let again = run(&["log", "snapshot", text(&data)]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.out.contains("at seq 4 already"), "{again:?}");
    register(&server, 2).await;
    server.kill().await;
    let server = Server::start(&data).await;
    let greeting = server.greeting.join("\n");
    assert!(
        greeting.contains("at seq 5, rebuilt in")
            && greeting.contains("from the snapshot at seq 4."),
        "{greeting}"
    );
    // The end of a server is the beginning of the next.
    assert_eq!(server.interrupt().await.code, Some(0));
    assert_eq!(snapshots(&data).len(), 2);
    let verified = run(&["log", "verify", text(&data)]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let server = Server::start(&data).await;
    assert!(
        server
            .greeting
            .join("\n")
            .contains("from the snapshot at seq 5.")
    );
}

#[tokio::test]
async fn an_unsound_one_is_told_of_and_passed_over() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start(&data).await;
    register(&server, 1).await;
    assert_eq!(server.interrupt().await.code, Some(0));
    let [snapshot] = &snapshots(&data)[..] else {
        panic!("one was made at the end");
    };
    let mut bytes = fs::read(snapshot).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    fs::write(snapshot, bytes).expect("it can be written");
    let server = Server::start(&data).await;
    let greeting = server.greeting.join("\n");
    let told = format!("Warning: the snapshot {} is not used: ", text(snapshot));
    assert!(greeting.contains(&told), "{greeting}");
    assert!(greeting.contains("was altered"), "{greeting}");
    assert!(!greeting.contains("from the snapshot"), "{greeting}");
    // The one made at the end takes its place.
    assert_eq!(server.interrupt().await.code, Some(0));
    let server = Server::start(&data).await;
    let greeting = server.greeting.join("\n");
    assert!(
        !greeting.contains("Warning") && greeting.contains("from the snapshot"),
        "{greeting}"
    );
}

#[tokio::test]
async fn nothing_is_made_where_there_is_no_log_or_none_is_wanted() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let said = run(&["log", "snapshot", text(dir.path())]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("there is no log"), "{said:?}");
    let left = fs::read_dir(dir.path())
        .expect("the directory is there")
        .count();
    assert_eq!(left, 0, "looking leaves nothing behind");
    let server = Server::start_with(&data, &["--snapshot-every", "0"]).await;
    assert_eq!(server.interrupt().await.code, Some(0));
    assert!(snapshots(&data).is_empty());
}
