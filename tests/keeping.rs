//! A log kept somewhere else, and a disk that takes no more: what an operator does and meets.

use std::{path::Path, process::Stdio};

use loadgen::target::{Answered, Caller};
use protocol::{
    Key,
    words::{accounts, chat},
};
use rusqlite::Connection;
use tempfile::tempdir;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::program::{DEADLINE, Said, Server, run, stampede, text};

const PASSWORD: &str = "correct horse";

/// More than a fresh log takes, and less than a few dozen messages more.
const FILE_BYTES_MAX: u64 = 400_000;

/// Somebody who is logged in.
pub(crate) async fn join(server: &Server, name: &str) -> Caller {
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let registered = caller.register(Key([1; 16]), name, PASSWORD).await;
    registered
        .expect("an answer")
        .accepted()
        .expect("a new name");
    let session = caller.log_in(Key([2; 16]), name, PASSWORD).await;
    session.expect("they log in");
    caller
}

/// Says something to everybody; nothing when the server is gone.
async fn say(caller: &mut Caller, nth: u64) -> Option<Answered> {
    let send = chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: format!("message {nth}").into(),
    });
    let mut body = Vec::new();
    send.encode(&mut body);
    let key = Key(u128::from(nth + 10).to_le_bytes());
    caller.command(key, send.kind(), &body).await.ok()
}

async fn import(lines: &str, into: &Path) -> Said {
    let mut child = stampede(["log", "import", text(into)])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("the input is piped");
    let writing = async move {
        // Whoever refuses a line reads no further.
        let _whole = input.write_all(lines.as_bytes()).await;
        drop(input);
    };
    let ((), output) = tokio::join!(writing, timeout(DEADLINE, child.wait_with_output()));
    let output = output.expect("it ends").expect("it can be waited for");
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

fn check(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    for word in words {
        assert!(
            said.err.contains(word) || said.out.contains(word),
            "{word}: {said:?}"
        );
    }
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

/// The lines of `log cat`.
async fn cat(data: &Path) -> String {
    let said = run(&["log", "cat", text(data)]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

#[tokio::test]
async fn a_log_is_backed_up_under_load_and_brought_back_with_its_people() {
    let dir = tempdir().expect("a directory");
    let (data, copy, restored) = (
        dir.path().join("data"),
        dir.path().join("copy"),
        dir.path().join("restored"),
    );
    let server = Server::start(&data).await;
    let mut ana = join(&server, "ana").await;
    for nth in 0..50 {
        say(&mut ana, nth).await.expect("the server lives");
    }
    let loading = async {
        for nth in 50..400 {
            say(&mut ana, nth).await.expect("the server lives");
        }
    };
    let args = ["log", "backup", text(&copy), text(&data)];
    let (said, ()) = tokio::join!(run(&args), loading);
    check(
        &said,
        0,
        &["backed up", "the keys of 2 people", "log restore"],
    );
    assert_eq!(server.interrupt().await.code, Some(0));
    let (whole, part) = (cat(&data).await, cat(&copy).await);
    assert!(
        whole.starts_with(&part),
        "a copy is the log up to somewhere"
    );
    assert!(50 < part.lines().count(), "{part}");
    check(
        &run(&["log", "verify", text(&copy)]).await,
        0,
        &["byte for byte"],
    );
    let said = run(&["log", "restore", text(&copy), text(&restored)]).await;
    check(&said, 0, &["restored", "erased after"]);
    assert_eq!(cat(&restored).await, part);
    let server = Server::start(&restored).await;
    let mut ana = Caller::connect(&server.address).await.expect("it listens");
    let session = ana.log_in(Key([3; 16]), "ana", PASSWORD).await;
    session.expect("her name, her password and the secret came along");
    let password = std::fs::read_to_string(restored.join("admin-password")).expect("it did too");
    let mut admin = Caller::connect(&server.address).await.expect("it listens");
    let session = admin.log_in(Key([4; 16]), "admin", &password).await;
    session.expect("the admin is the same");
}

#[tokio::test]
async fn a_log_goes_through_lines_and_back() {
    let dir = tempdir().expect("a directory");
    let (data, again) = (dir.path().join("data"), dir.path().join("again"));
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    let exported = run(&["log", "export", text(&data)]).await;
    check(&exported, 0, &["exported 3 records"]);
    let said = import(&exported.out, &again).await;
    check(&said, 0, &["imported 3 records", "byte for byte"]);
    assert_eq!(cat(&again).await, cat(&data).await);
    let said = import(&exported.out, &again).await;
    check(&said, 2, &["not empty", text(&again)]);
    let cut = dir.path().join("cut");
    let said = import(&exported.out[..exported.out.len() / 2], &cut).await;
    check(&said, 11, &["line 3", "nothing was imported"]);
    assert_eq!(Server::start(&again).await.interrupt().await.code, Some(0));
}

#[tokio::test]
async fn a_copy_of_what_is_no_log_or_to_where_something_is_is_refused() {
    let dir = tempdir().expect("a directory");
    let (data, copy, nothing) = (
        dir.path().join("data"),
        dir.path().join("copy"),
        dir.path().join("nothing"),
    );
    let server = Server::start(&data).await;
    for args in [
        ["log", "backup", text(&copy), text(&nothing)],
        ["log", "restore", text(&nothing), text(&copy)],
    ] {
        check(
            &run(&args).await,
            2,
            &["there is no log at", text(&nothing)],
        );
    }
    let said = run(&["log", "restore", text(&data), text(&copy)]).await;
    check(&said, 2, &["being served by process", "log backup"]);
    let said = run(&["log", "backup", text(dir.path()), text(&data)]).await;
    check(&said, 2, &["not empty"]);
    check(
        &run(&["log", "export", text(&nothing)]).await,
        2,
        &["there is no log"],
    );
    assert!(!nothing.exists());
    assert_eq!(server.interrupt().await.code, Some(0));
}

#[tokio::test]
async fn a_full_disk_ends_the_server_with_a_sentence_and_loses_nothing() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start(&data).await;
    let mut ana = join(&server, "ana").await;
    server.limit_file_size(FILE_BYTES_MAX);
    let mut acknowledged = Vec::new();
    while let Some(answered) = say(&mut ana, acknowledged.len() as u64).await {
        assert!(acknowledged.len() < 10_000, "the limit holds");
        acknowledged.push(answered);
    }
    assert!(!acknowledged.is_empty());
    let said = server.end().await;
    check(
        &said,
        1,
        &[
            "takes no more",
            text(&data),
            "make room",
            "not acknowledged",
        ],
    );
    let verified = run(&["log", "verify", text(&data)]).await;
    check(&verified, 0, &["none missing"]);
    // With room again.
    let server = Server::start(&data).await;
    let shown = cat(&data).await;
    for answered in &acknowledged {
        let line = shown
            .lines()
            .find(|line| line.starts_with(&format!("{{\"seq\":{},", answered.seq)));
        let line = line.expect("it was acknowledged");
        assert!(line.contains(&answered.hash.to_string()), "{line}");
    }
    assert_eq!(server.interrupt().await.code, Some(0));
}

#[tokio::test]
async fn a_log_of_a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    let log = Connection::open(data.join("events.sqlite")).expect("it opens");
    log.pragma_update(None, "user_version", 99)
        .expect("it takes it");
    drop(log);
    let before = std::fs::read(data.join("events.sqlite")).expect("it is there");
    let (data, copy) = (text(&data), dir.path().join("copy"));
    for args in [
        &["serve", "--listen", "127.0.0.1:0", "--data", data][..],
        &["log", "verify", data],
        &["log", "cat", data],
        &["log", "backup", text(&copy), data],
    ] {
        check(
            &run(args).await,
            2,
            &["layout 99", "use the version that wrote it"],
        );
    }
    let after = std::fs::read(Path::new(data).join("events.sqlite")).expect("it is there");
    assert!(before == after);
    assert!(!copy.exists(), "nothing began");
}

#[tokio::test]
async fn a_lost_tail_is_given_up_only_in_so_many_words() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
    let log = Connection::open(data.join("events.sqlite")).expect("it opens");
    log.execute("DELETE FROM event_log WHERE seq = 3", [])
        .expect("it can be cut");
    drop(log);
    let serve = |more: &'static [&str]| {
        let args = [
            &["serve", "--listen", "127.0.0.1:0", "--data", text(&data)],
            more,
        ]
        .concat();
        stampede(args)
    };
    for more in [
        &[][..],
        &["--accept-loss-after", "1"],
        &["--accept-loss-after", "3"],
    ] {
        let said = crate::program::finish(serve(more), "serve").await;
        check(&said, 11, &["3 was acknowledged", "--accept-loss-after 2"]);
    }
    let server = Server::start_with(&data, &["--accept-loss-after", "2"]).await;
    assert_eq!(server.interrupt().await.code, Some(0));
    // What was given up is over: the next start needs no word.
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
}

#[tokio::test]
async fn a_lost_tail_with_an_erasure_in_it_is_given_up_for_good() {
    let dir = tempdir().expect("a directory");
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let server = Server::start(&data).await;
    join(&server, "ana").await;
    let mut bob = Caller::connect(&server.address).await.expect("it listens");
    let bob = bob.register(Key([6; 16]), "bob", PASSWORD).await;
    bob.expect("an answer").accepted().expect("a new name");
    assert_eq!(server.interrupt().await.code, Some(0));
    let mut server = Server::start(&data).await;
    let mut ana = Caller::connect(&server.address).await.expect("it listens");
    let session = ana.log_in(Key([3; 16]), "ana", PASSWORD).await;
    session.expect("she logs in");
    let erase = accounts::Command::from(accounts::EraseMe {});
    let erased = ana.command(Key([4; 16]), erase.kind(), &[]).await;
    erased.expect("an answer").accepted().expect("she may");
    server.kill().await;
    for name in ["events.sqlite-wal", "events.sqlite-shm"] {
        std::fs::remove_file(data.join(name)).expect("a kill leaves it");
    }
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", text(&data)];
    let missing = ["the log ends at seq 6 but 8", "--accept-loss-after 6"];
    for args in [
        &serve[..],
        &["log", "verify", text(&data)],
        &["log", "backup", text(&copy), text(&data)],
        &["log", "restore", text(&data), text(&copy)],
        &["log", "export", text(&data)],
        &["log", "snapshot", text(&data)],
    ] {
        check(&run(args).await, 11, &missing);
    }
    let server = Server::start_with(&data, &["--accept-loss-after", "6"]).await;
    let warning = "Warning: 1 people were erased again, the first user-4: ";
    let said = &server.greeting[0];
    assert!(said.starts_with(warning), "{:?}", server.greeting);
    let mut ana = Caller::connect(&server.address).await.expect("it listens");
    let session = ana.log_in(Key([5; 16]), "ana", PASSWORD).await;
    assert!(session.is_err(), "she is gone");
    let mut bob = Caller::connect(&server.address).await.expect("it listens");
    let session = bob.log_in(Key([5; 16]), "bob", PASSWORD).await;
    session.expect("he is not");
    assert_eq!(server.interrupt().await.code, Some(0));
    for args in [
        &["log", "verify", text(&data)][..],
        &["log", "backup", text(&copy), text(&data)],
        &["log", "verify", text(&copy)],
        &["log", "snapshot", text(&data)],
    ] {
        check(&run(args).await, 0, &[]);
    }
    let exported = run(&["log", "export", text(&data)]).await;
    let imported = import(&exported.out, &dir.path().join("imported")).await;
    check(&imported, 0, &["with the keys of 2 people"]);
    assert_eq!(Server::start(&data).await.interrupt().await.code, Some(0));
}
