//! The program killed at every one of its operations on files: the next start has what was
//! acknowledged, or refuses what is unfinished.
//!
//! A preloaded library (`shim.c`, which the linker's `cc` compiles) counts what a process does to the
//! files of one directory and kills it instead of the n-th operation, or half-way through it if that
//! is a write. First a run is counted, then each of its operations is the last of a run of its own.
//! Deliberately absent: what a loss of power takes back, and kills at random (`crash`, `erase`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command as Compiler, Stdio},
};

use loadgen::target::Caller;
use protocol::{
    Key,
    words::{accounts, accounts::EraseMe, chat},
};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::program::{DEADLINE, Said, Server, finish, run, send, stampede, text};

const PASSWORD: &str = "correct horse";

/// Kills the program at one of its operations.
struct Shim {
    library: PathBuf,
    log: PathBuf,
    _dir: TempDir,
}

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Where it would.
    Itself,
    /// In the place of this operation, from 1.
    Before(usize),
    /// Half-way through this one, which writes.
    Within(usize),
}

impl Shim {
    fn compile() -> Self {
        let dir = tempdir().expect("a directory");
        let (library, log) = (dir.path().join("shim.so"), dir.path().join("log"));
        let compiled = Compiler::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim.c"))
            .status();
        let compiled = compiled.expect("`cc`, which linked this test, is there");
        assert!(compiled.success(), "{compiled}");
        Self {
            library,
            log,
            _dir: dir,
        }
    }

    /// The program, so that it ends there when it works on the files of this directory.
    fn command(&self, args: &[&str], dir: &Path, end: End) -> Command {
        let _there_need_not_be_one = fs::remove_file(&self.log);
        let mut command = stampede(args);
        command
            .env("LD_PRELOAD", &self.library)
            .env("SHIM_LOG", &self.log)
            .env("SHIM_DIR", dir);
        let (at, is_torn) = match end {
            End::Itself => (0, false),
            End::Before(nth) => (nth, false),
            End::Within(nth) => (nth, true),
        };
        command.env("SHIM_AT", at.to_string());
        if is_torn {
            command.env("SHIM_TORN", "1");
        }
        command
    }

    /// What the run did, in order: an operation and a file.
    fn operations(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The ends of all runs that end earlier than the one that was counted.
    fn ends(&self) -> Vec<End> {
        let ends = (1..).zip(self.operations()).flat_map(|(nth, operation)| {
            let is_write = operation.starts_with("write ");
            [End::Before(nth)]
                .into_iter()
                .chain(is_write.then_some(End::Within(nth)))
        });
        ends.collect()
    }
}

/// Counts of what was done to files, for a count that says that the shim saw them.
fn kinds(operations: &[String]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for operation in operations {
        let kind = operation.split(' ').next().expect("a line has a word");
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

/// What somebody was told before the server died.
#[derive(Debug, Default)]
struct Acknowledged {
    ana: bool,
    bob: bool,
    erased: bool,
}

impl Acknowledged {
    /// Ana joins, bob joins and speaks, ana leaves: for as long as somebody answers.
    async fn live(&mut self, address: &str) -> Option<()> {
        let mut ana = Caller::connect(address).await.ok()?;
        let joined = ana.register(Key([1; 16]), "ana", PASSWORD).await.ok()?;
        self.ana = joined.accepted().is_ok();
        let mut bob = Caller::connect(address).await.ok()?;
        let joined = bob.register(Key([2; 16]), "bob", PASSWORD).await.ok()?;
        self.bob = joined.accepted().is_ok();
        bob.log_in(Key([3; 16]), "bob", PASSWORD).await.ok()?;
        say(&mut bob).await?;
        ana.log_in(Key([4; 16]), "ana", PASSWORD).await.ok()?;
        let erase = accounts::Command::from(EraseMe {});
        let erased = ana.command(Key([5; 16]), erase.kind(), &[]).await.ok()?;
        self.erased = erased.accepted().is_ok();
        Some(())
    }

    async fn check(&self, address: &str, end: End) {
        for (name, was_told, is_gone) in [
            ("ana", self.ana && !self.erased, self.erased),
            ("bob", self.bob, false),
        ] {
            let mut caller = Caller::connect(address).await.expect("it listens");
            let session = caller.log_in(Key([9; 16]), name, PASSWORD).await;
            // Whoever asked to be erased and was not told may be either.
            if name == "bob" && was_told {
                assert!(session.is_ok(), "{name} is lost: {end:?}");
            }
            if is_gone {
                assert!(session.is_err(), "{name} is back: {end:?}");
            }
        }
    }
}

async fn say(caller: &mut Caller) -> Option<()> {
    let send = chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: "some words".into(),
    });
    let mut body = Vec::new();
    send.encode(&mut body);
    let said = caller
        .command(Key([8; 16]), send.kind(), &body)
        .await
        .ok()?;
    said.accepted().ok().map(drop)
}

const SERVE: [&str; 6] = [
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--password-cost",
    "test",
    "--data",
];

/// Serves until the shim ends it or, when everybody has done what they wanted, a signal does.
async fn serve(mut command: Command, acknowledged: &mut Acknowledged) {
    let mut child = command.spawn().expect("the program starts");
    let out = child.stdout.take().expect("the output is piped");
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(rest) = line.strip_prefix("Listening on tcp://") {
            let (address, _log) = rest.split_once(';').expect("the address ends");
            let _until_it_dies = acknowledged.live(address).await;
            if child.id().is_some() {
                send(&child, Signal::INT);
            }
        }
    }
    let ended = timeout(DEADLINE, child.wait());
    ended.await.expect("it ends").expect("it can be waited for");
}

async fn start_and_check(data: &Path, acknowledged: &Acknowledged, end: End) {
    let server = Server::start(data).await;
    acknowledged.check(&server.address, end).await;
    let password = fs::read_to_string(data.join("admin-password")).expect("it is there");
    let mut admin = Caller::connect(&server.address).await.expect("it listens");
    let session = admin.log_in(Key([7; 16]), "admin", &password).await;
    session.unwrap_or_else(|error| panic!("{end:?}: no admin: {error}"));
    assert_eq!(server.interrupt().await.code, Some(0), "{end:?}");
    let said = run(&["log", "verify", text(data)]).await;
    assert_eq!(said.code, Some(0), "{end:?}: {said:?}");
}

#[tokio::test]
async fn a_server_killed_at_any_operation_of_its_first_life_starts_again() {
    let (shim, dir) = (Shim::compile(), tempdir().expect("a directory"));
    let data = dir.path().join("whole");
    let mut acknowledged = Acknowledged::default();
    let args = [&SERVE[..], &[text(&data)]].concat();
    serve(shim.command(&args, &data, End::Itself), &mut acknowledged).await;
    assert!(acknowledged.ana && acknowledged.bob && acknowledged.erased);
    let operations = shim.operations();
    let kinds = kinds(&operations);
    for (kind, least) in [("create", 8), ("write", 40), ("sync", 20), ("rename", 4)] {
        let found = kinds.get(kind).copied().unwrap_or_default();
        assert!(least <= found, "{kind}: {found} of {kinds:?}");
    }
    let ends = shim.ends();
    let mut told = 0;
    for (nth, end) in ends.iter().enumerate() {
        let data = dir.path().join(nth.to_string());
        let args = [&SERVE[..], &[text(&data)]].concat();
        let mut acknowledged = Acknowledged::default();
        serve(shim.command(&args, &data, *end), &mut acknowledged).await;
        told += usize::from(acknowledged.bob);
        start_and_check(&data, &acknowledged, *end).await;
        fs::remove_dir_all(&data).expect("it can be removed");
    }
    assert!(20 < told && told < ends.len(), "{told} of {}", ends.len());
}

/// A log with somebody in it, at rest, and everything that it says.
async fn source(dir: &Path) -> (PathBuf, String) {
    let data = dir.join("source");
    let server = Server::start(&data).await;
    let mut acknowledged = Acknowledged::default();
    acknowledged.live(&server.address).await.expect("it lives");
    assert_eq!(server.interrupt().await.code, Some(0));
    let said = run(&["log", "cat", text(&data)]).await;
    (data, said.out)
}

/// What killed copies came to.
#[derive(Debug, Default)]
struct Copies {
    not_begun: usize,
    refused: usize,
    whole: usize,
}

/// Kills a copy at each of its operations, and serves what it left.
async fn kill_copies(
    dir: &Path,
    log: &str,
    command: impl Fn(&Shim, &Path, End) -> Command,
) -> Copies {
    let shim = Shim::compile();
    let whole = dir.join("whole");
    let said = finish(command(&shim, &whole, End::Itself), "the copy").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let ends = shim.ends();
    assert!(60 < ends.len(), "the shim sees what is done: {ends:?}");
    let mut copies = Copies::default();
    for (nth, end) in ends.into_iter().enumerate() {
        let target = dir.join(nth.to_string());
        let said = finish(command(&shim, &target, end), "the copy").await;
        assert_eq!(said.code, None, "{end:?} kills it: {said:?}");
        if fs::read_dir(&target).map_or(0, Iterator::count) == 0 {
            copies.not_begun += 1;
        } else if is_refused(&target).await {
            copies.refused += 1;
        } else {
            copies.whole += 1;
            start_and_check(&target, &Acknowledged::default(), end).await;
            let said = run(&["log", "cat", text(&target)]).await;
            assert!(said.out.starts_with(log), "{end:?}: {said:?}");
        }
        let _there_need_not_be_one = fs::remove_dir_all(&target);
    }
    copies
}

async fn is_refused(target: &Path) -> bool {
    let said = run(&["log", "verify", text(target)]).await;
    if said.code == Some(0) {
        return false;
    }
    let args = [&SERVE[..], &[text(target)]].concat();
    for said in [said, run(&args).await] {
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("is an unfinished copy"), "{said:?}");
    }
    true
}

/// Only before the marker is there nothing to see, and only behind its removal everything.
fn check_copies(copies: &Copies) {
    assert!(copies.not_begun <= 3, "{copies:?}");
    assert!(50 < copies.refused, "{copies:?}");
    assert!((1..=3).contains(&copies.whole), "{copies:?}");
}

#[tokio::test]
async fn a_backup_killed_at_any_operation_is_refused_or_whole() {
    let dir = tempdir().expect("a directory");
    let (data, log) = source(dir.path()).await;
    let copies = kill_copies(dir.path(), &log, |shim, target, end| {
        shim.command(&["log", "backup", text(target), text(&data)], target, end)
    });
    check_copies(&copies.await);
}

#[tokio::test]
async fn a_restore_killed_at_any_operation_is_refused_or_whole() {
    let dir = tempdir().expect("a directory");
    let (data, log) = source(dir.path()).await;
    let copies = kill_copies(dir.path(), &log, |shim, target, end| {
        shim.command(&["log", "restore", text(&data), text(target)], target, end)
    });
    check_copies(&copies.await);
}

#[tokio::test]
async fn an_import_killed_at_any_operation_is_refused_or_whole() {
    let dir = tempdir().expect("a directory");
    let (data, log) = source(dir.path()).await;
    let Said { out: lines, .. } = run(&["log", "export", text(&data)]).await;
    let file = dir.path().join("lines");
    fs::write(&file, lines).expect("it can be written");
    let copies = kill_copies(dir.path(), &log, |shim, target, end| {
        let lines = fs::File::open(&file).expect("it is there");
        let mut command = shim.command(&["log", "import", text(target)], target, end);
        command.stdin(Stdio::from(lines));
        command
    });
    check_copies(&copies.await);
}

/// A server killed after ana was erased, whose write-ahead log is lost since.
async fn lost(dir: &Path) -> PathBuf {
    let data = dir.join("lost");
    let server = Server::start(&data).await;
    let mut acknowledged = Acknowledged::default();
    let mut ana = Caller::connect(&server.address).await.expect("it listens");
    let joined = ana.register(Key([1; 16]), "ana", PASSWORD).await;
    joined.expect("an answer").accepted().expect("a new name");
    assert_eq!(server.interrupt().await.code, Some(0));
    let mut server = Server::start(&data).await;
    acknowledged.live(&server.address).await.expect("it lives");
    server.kill().await;
    for name in ["events.sqlite-wal", "events.sqlite-shm"] {
        fs::remove_file(data.join(name)).expect("a kill leaves it");
    }
    data
}

#[tokio::test]
async fn a_loss_whose_acceptance_is_killed_at_any_operation_is_accepted_by_the_next() {
    let (shim, dir) = (Shim::compile(), tempdir().expect("a directory"));
    let lost = lost(dir.path()).await;
    let copy = |name: &str| {
        let data = dir.path().join(name);
        fs::create_dir(&data).expect("it is new");
        for entry in fs::read_dir(&lost).expect("it is there") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().expect("a file has a name");
            fs::copy(&path, data.join(name)).expect("it can be copied");
        }
        data
    };
    let said = run(&[&SERVE[..], &[text(&copy("refused"))]].concat()).await;
    assert_eq!(said.code, Some(11), "{said:?}");
    let (_, end) = said
        .err
        .trim()
        .rsplit_once(' ')
        .expect("it ends with a position");
    let accept = |data: &Path| {
        let args = [SERVE.to_vec(), vec![text(data), "--accept-loss-after", end]].concat();
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let serve_it = async |data: &Path, at: End| {
        let args = accept(data);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        serve(shim.command(&args, data, at), &mut Acknowledged::default()).await;
    };
    serve_it(&copy("whole"), End::Itself).await;
    let ends = shim.ends();
    assert!(60 < ends.len(), "the shim sees what is done: {ends:?}");
    let (mut remembered, mut asked_again) = (0, 0);
    for (nth, at) in ends.into_iter().enumerate() {
        let data = copy(&nth.to_string());
        serve_it(&data, at).await;
        // Until it is remembered nothing but that has changed.
        let said = run(&["log", "verify", text(&data)]).await;
        if said.err.contains("--accept-loss-after") {
            asked_again += 1;
            Server::start_with(&data, &["--accept-loss-after", end])
                .await
                .interrupt()
                .await;
        } else {
            remembered += 1;
        }
        start_and_check(&data, &Acknowledged::default(), at).await;
        fs::remove_dir_all(&data).expect("it can be removed");
    }
    assert!(
        3 < remembered && 3 < asked_again,
        "{remembered}, {asked_again}"
    );
}
