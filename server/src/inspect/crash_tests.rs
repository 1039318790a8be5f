//! Directories as kills and torn writes leave them: `verify` calls none of them damaged, and a start
//! has every record that was acknowledged.
//!
//! A log of real words goes in, open; what a kill at one moment or another leaves is put together from
//! its files, as SQLite writes them: frames at the end of the write-ahead log, pages of a checkpoint in
//! order of their numbers. Deliberately absent: damage, see `log/flips.rs`.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use protocol::{Code, Refusal, Seq, UserId, words::agenda};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    InspectError,
    tests::{Stored, batch_behind, sample, stored},
    verify,
};
use crate::{
    keyring::Keyring,
    log::{EventLog as _, Head, LogError, SqliteLog, SqliteOptions, watermark::MarkRead},
};

const DATABASE: &str = "events.sqlite";
const WAL: &str = "events.sqlite-wal";
const FILES: [&str; 5] = [DATABASE, WAL, "head", "people.keys", "secret"];
const PAGE: usize = 8_192;
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Where torn writes end: within a sector, between two, and a byte too early.
const CUTS: [usize; 5] = [0, 1, 512, 5_000, PAGE - 1];

/// A log with one person, that is being written.
struct Writing {
    dir: TempDir,
    log: SqliteLog,
    keyring: Keyring,
}

impl Writing {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
        let mut keyring = Keyring::new([7; 32]);
        let key = keyring.make(UserId(1));
        let mut batch = batch_behind(Head::default(), &sample(), &keyring);
        batch.push_joining(key);
        log.append(&batch).unwrap();
        fs::write(dir.path().join("secret"), [3; 32]).unwrap();
        Self { dir, log, keyring }
    }

    /// Appends batches of refused words, some pages of the table each.
    fn append(&mut self, batches: usize) {
        for _ in 0..batches {
            let words: Vec<Stored> = (0..100).map(|_| refused()).collect();
            let batch = batch_behind(self.log.head(), &words, &self.keyring);
            self.log.append(&batch).unwrap();
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The files as they are now: what a kill leaves.
    fn killed(&self) -> TempDir {
        copy(self.path())
    }
}

fn refused() -> Stored {
    let cancel = agenda::Command::from(agenda::Cancel { booking: 9 });
    let refusal = Refusal::with(Code::UNKNOWN_BOOKING, 9, 0);
    stored(1, &cancel, &Err::<agenda::Event, _>(refusal))
}

fn copy(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in FILES {
        match fs::copy(dir.join(name), copy.path().join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => _ = copied.unwrap(),
        }
    }
    copy
}

/// Looked at, it is sound and ends at `head`; started, it goes on from there; stopped, it is whole.
fn check(dir: &Path, head: Head, case: &str) {
    check_verified(dir, head, case);
    let log = SqliteLog::open(dir, SqliteOptions::default());
    let log = log.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(log.head(), head, "{case}");
    Box::new(log).close().unwrap();
    let report = verify(dir).unwrap_or_else(|error| panic!("{case}, started: {error}"));
    let text = report.to_string();
    assert!(text.contains("byte for byte"), "{case}, started: {text}");
}

fn check_verified(dir: &Path, head: Head, case: &str) {
    let report = verify(dir).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(report.is_sound(), "{case}: {report}");
    assert_eq!(report.head, head, "{case}");
}

/// The newest version of each page in a write-ahead log.
fn pages_of(wal: &[u8]) -> BTreeMap<usize, &[u8]> {
    wal[WAL_HEADER..]
        .chunks_exact(FRAME_HEADER + PAGE)
        .map(|frame| {
            let (header, page) = frame.split_at(FRAME_HEADER);
            let number = u32::from_be_bytes(*header.first_chunk().unwrap());
            (usize::try_from(number).unwrap(), page)
        })
        .collect()
}

#[test]
fn a_kill_at_any_write_of_a_checkpoint_whole_or_torn_damages_nothing() {
    let mut writing = Writing::new();
    writing.append(2);
    // What stands in the file is older than what comes in the write-ahead log, and shorter.
    writing.log = {
        Box::new(writing.log).close().unwrap();
        SqliteLog::open(writing.dir.path(), SqliteOptions::default()).unwrap()
    };
    writing.append(4);
    let head = writing.log.head();
    let wal = fs::read(writing.path().join(WAL)).unwrap();
    let pages = pages_of(&wal);
    let in_file = fs::metadata(writing.path().join(DATABASE)).unwrap().len();
    let grows = usize::try_from(in_file).unwrap() < pages.last_key_value().unwrap().0 * PAGE;
    assert!(grows && pages.contains_key(&1) && 4 < pages.len());
    for (nth, (number, page)) in pages.iter().enumerate() {
        for cut in CUTS {
            let killed = writing.killed();
            let database = OpenOptions::new()
                .write(true)
                .open(killed.path().join(DATABASE))
                .unwrap();
            for (number, page) in pages.iter().take(nth) {
                database.write_all_at(page, offset(*number)).unwrap();
            }
            database
                .write_all_at(&page[..cut], offset(*number))
                .unwrap();
            check(killed.path(), head, &format!("page {number} cut at {cut}"));
        }
    }
}

fn offset(page: usize) -> u64 {
    u64::try_from((page - 1) * PAGE).unwrap()
}

#[test]
fn a_kill_within_a_commit_damages_nothing() {
    let mut writing = Writing::new();
    writing.append(1);
    let (head, before) = (writing.log.head(), writing.killed());
    writing.append(1);
    let wal = fs::read(writing.path().join(WAL)).unwrap();
    let old = usize::try_from(fs::metadata(before.path().join(WAL)).unwrap().len()).unwrap();
    assert!(old + FRAME_HEADER + PAGE < wal.len());
    for cut in (old..wal.len()).step_by(1_009) {
        let killed = copy(before.path());
        fs::write(killed.path().join(WAL), &wal[..cut]).unwrap();
        check_verified(killed.path(), head, &format!("cut at {cut}"));
    }
}

#[test]
fn a_checkpoint_that_a_reader_held_back_damages_nothing() {
    let mut writing = Writing::new();
    writing.append(2);
    let reader = Connection::open(writing.path().join(DATABASE)).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM event_log")
        .unwrap();
    writing.append(3);
    let checkpoint = Connection::open(writing.path().join(DATABASE)).unwrap();
    let (frames, copied): (i64, i64) = checkpoint
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert!(0 < copied && copied < frames, "{copied} of {frames}");
    let killed = writing.killed();
    check(killed.path(), writing.log.head(), "held back");
}

#[test]
fn what_stands_behind_the_end_of_the_write_ahead_log_is_nobodys() {
    let mut writing = Writing::new();
    // It begins anew once it has a thousand pages.
    writing.append(300);
    let wal = writing.path().join(WAL);
    let whole = fs::read(&wal).unwrap();
    let frame = FRAME_HEADER + PAGE;
    let salt = |index: usize| &whole[WAL_HEADER + index * frame + 8..][..8];
    let frames = (whole.len() - WAL_HEADER) / frame;
    let dead = (0..frames).find(|index| salt(*index) != salt(0));
    let dead = WAL_HEADER + dead.expect("it began anew") * frame;
    for at in [
        dead,
        dead + 9,
        dead + frame,
        dead + frame + 5_000,
        whole.len() - 1,
    ] {
        let killed = writing.killed();
        let mut garbage = whole.clone();
        garbage[at..].fill(0xa5);
        fs::write(killed.path().join(WAL), &garbage).unwrap();
        check(
            killed.path(),
            writing.log.head(),
            &format!("garbage from {at}"),
        );
    }
}

#[test]
fn a_mark_or_a_key_that_a_crash_tore_is_said_and_is_no_damage() {
    let mut writing = Writing::new();
    writing.append(1);
    let head = writing.log.head();
    let torn = writing.killed();
    // It is overwritten in place: what a crash leaves has its whole length.
    let mut mark = fs::read(torn.path().join("head")).unwrap();
    mark[60..].fill(b'0');
    fs::write(torn.path().join("head"), &mark).unwrap();
    let report = verify(torn.path()).unwrap();
    assert_eq!(report.mark, MarkRead::Unreadable);
    assert!(report.to_string().contains("writes it anew"), "{report}");
    check(torn.path(), head, "a torn mark");
    let torn = writing.killed();
    let keys = fs::read(torn.path().join("people.keys")).unwrap();
    let half = [&keys[..], &keys[..30]].concat();
    fs::write(torn.path().join("people.keys"), half).unwrap();
    let report = verify(torn.path()).unwrap();
    assert_eq!((report.torn_keys, report.keyless), (1, 0));
    assert!(
        report.to_string().contains("the next start clears them"),
        "{report}"
    );
    check_verified(torn.path(), head, "a torn key");
}

#[test]
fn a_start_that_died_while_it_made_the_log_is_no_damage() {
    let whole = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(whole.path(), SqliteOptions::default()).unwrap();
    Box::new(log).close().unwrap();
    let bytes = fs::read(whole.path().join(DATABASE)).unwrap();
    // As this version dies, and as those before it did.
    for (name, bytes) in [
        ("events.sqlite.part", &bytes[..0]),
        ("events.sqlite.part", &bytes[..PAGE]),
        ("events.sqlite.part-journal", &bytes[..100]),
        (DATABASE, &bytes[..0]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), bytes).unwrap();
        let error = verify(dir.path()).unwrap_err();
        let is_told = matches!(&error, InspectError::Log(LogError::Foreign(told)) if told.starts_with("there is no log at"));
        assert!(is_told, "{name}: {error}");
        let log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
        assert_eq!(log.head().seq, Seq::START);
        Box::new(log).close().unwrap();
        check(dir.path(), Head::default(), name);
        for entry in fs::read_dir(dir.path()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(!name.to_string_lossy().contains("part"), "{name:?} is left");
        }
    }
}

#[test]
fn a_manifest_goes_before_anything_is_written_and_comes_back_at_the_end() {
    let mut writing = Writing::new();
    let manifest = writing.path().join("manifest.json");
    writing.append(1);
    assert!(!manifest.exists(), "a log that is written has none");
    let (head, dir) = (writing.log.head(), writing.dir);
    Box::new(writing.log).close().unwrap();
    let of_before = fs::read(&manifest).unwrap();
    check(dir.path(), head, "closed");
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    assert!(!manifest.exists());
    let keyring = Keyring::of(vec![]);
    log.append(&batch_behind(log.head(), &[refused()], &keyring))
        .unwrap();
    let head = log.head();
    Box::new(log).close().unwrap();
    // A program that knows no manifests wrote, and left the one that was there.
    fs::write(&manifest, of_before).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(
        report.is_sound() && report.to_string().contains("has gone on since"),
        "{report}"
    );
    check(dir.path(), head, "behind a stale one");
}

#[test]
fn a_start_that_is_refused_leaves_the_manifest() {
    let mut writing = Writing::new();
    writing.append(1);
    let dir = writing.dir;
    Box::new(writing.log).close().unwrap();
    let later = fs::read(dir.path().join("head")).unwrap();
    let before = fs::read(dir.path().join("manifest.json")).unwrap();
    fs::write(
        dir.path().join("head"),
        String::from_utf8(later).unwrap().replace('0', "1"),
    )
    .unwrap();
    fs::write(dir.path().join("unfinished"), "").unwrap();
    SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap_err();
    assert_eq!(fs::read(dir.path().join("manifest.json")).unwrap(), before);
}
