//! Bits flipped over whole data directories: every one is found.
//!
//! A log with a bit of everything (a tree of two levels, a record longer than a page, a key that is
//! there and one that is not) goes in, at rest or as a kill leaves it; the numbers of flips that
//! nothing found come out, and are held against what may be. Deliberately absent: what `verify` says
//! of the records' meaning.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use protocol::{ChainHash, Record, Seq, UserId, record::chain};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{
    Batch, EventLog as _, Head, LogError, PersonKey, SqliteLog, SqliteOptions, SqliteReader,
    contract::{batch, record},
    database::PAGE_BYTES,
    mark::{self, MarkRead},
    pages::{self, FileReport},
    people, verify_chain,
};

/// Leaves of two pages and more.
const RECORDS: u64 = 90;

#[test]
fn every_flipped_bit_of_a_log_at_rest_is_found() {
    let dir = log_at_rest();
    assert_eq!(look(dir.path()).unwrap().dead_bytes, 0);
    for name in ["events.sqlite", mark::FILE_NAME, people::FILE_NAME] {
        let undetected = undetected_flips(dir.path(), name);
        assert_eq!(undetected, Vec::<String>::new(), "{name}");
    }
    look(dir.path()).unwrap();
}

#[test]
fn every_flipped_bit_of_a_log_that_was_killed_is_found() {
    let dir = log_that_was_killed();
    let report = look(dir.path()).unwrap();
    assert!(0 < report.pages_ahead, "{report:?}");
    assert_eq!(report.dead_bytes, 0);
    for name in ["events.sqlite", "events.sqlite-wal"] {
        let undetected = undetected_flips(dir.path(), name);
        assert_eq!(undetected, Vec::<String>::new(), "{name}");
    }
    look(dir.path()).unwrap();
}

#[test]
fn a_log_whose_write_ahead_log_began_anew_has_one_page_that_nothing_vouches_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    // Some pages more than are copied at once, so that it begins anew while most of it stands.
    for _ in 0..1_100 {
        log.append(&batch(log.head(), 2)).unwrap();
    }
    let killed = copy(dir.path());
    let report = look(killed.path()).unwrap();
    let frame = u64::from(PAGE_BYTES) + 24;
    assert_eq!(report.dead_bytes, frame, "{report:?}");
    let wal = killed.path().join("events.sqlite-wal");
    let behind = fs::metadata(&wal).unwrap().len() - 5 * frame + 1_000;
    flip(&open(&wal), behind, 0);
    let error = look(killed.path()).unwrap_err().to_string();
    assert!(error.contains("nothing reads it any more"), "{error}");
}

#[test]
fn a_tree_of_three_levels_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    let body = [7; 3_900];
    for _ in 0..10 {
        let long = long_batch(log.head(), 250, &body);
        log.append(&long).unwrap();
    }
    Box::new(log).close().unwrap();
    let report = look(dir.path()).unwrap();
    assert!(1_200 < report.pages, "{report:?}");
    let dead_pages = report.dead_bytes / u64::from(PAGE_BYTES);
    assert!(0 < report.dead_bytes && dead_pages <= 3, "{report:?}");
}

#[test]
fn the_sqlite_that_is_built_in_is_known_as_a_writer() {
    // Whoever takes in a newer one adds it to the list, and keeps those before.
    look(log_at_rest().path()).unwrap();
}

/// What is looked at before anybody trusts these files.
fn look(dir: &Path) -> Result<FileReport, LogError> {
    let mark = mark::read(dir)?;
    if mark == MarkRead::Unreadable {
        return Err(LogError::Damaged("the mark is unreadable".to_owned()));
    }
    let mut reader = SqliteReader::open(dir)?;
    let head = verify_chain(&mut reader)?;
    mark.check(head, |seq| reader.hash_at(seq))?;
    people::check_file(dir)?;
    pages::account(dir, &mut reader)
}

/// Flips a bit of every byte of the file, another one each time, and all bits of the bytes that say
/// how a page is built; says where nothing was noticed.
fn undetected_flips(dir: &Path, name: &str) -> Vec<String> {
    let path = dir.join(name);
    let file = open(&path);
    let bytes = file.metadata().unwrap().len();
    let mut undetected = Vec::new();
    let mut flips = 0;
    for at in 0..bytes {
        let within = at % u64::from(PAGE_BYTES);
        let bits = match at < 130 || within < 16 {
            true => 0..8,
            false => at % 8..at % 8 + 1,
        };
        for bit in bits {
            flips += 1;
            flip(&file, at, bit);
            if look(dir).is_ok() {
                undetected.push(format!("byte {at}, bit {bit}"));
            }
            flip(&file, at, bit);
        }
    }
    println!("{name}: {flips} flips, {} undetected", undetected.len());
    undetected
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).unwrap();
}

fn fill(log: &mut SqliteLog) {
    let mut first = batch(Head::default(), RECORDS - 30);
    for user in [1, 2, 3] {
        first.push_joining(PersonKey {
            user: UserId(user),
            key: Zeroizing::new([9; 32]),
        });
    }
    first.push_leaving(UserId(2));
    log.append(&first).unwrap();
    let long = long_batch(log.head(), 1, &[5; 6_500]);
    log.append(&long).unwrap();
    log.append(&batch(log.head(), 29)).unwrap();
}

fn long_batch(head: Head, len: u64, body: &[u8]) -> Batch {
    let mut batch = Batch::default();
    let mut hash = head.hash;
    for seq in head.seq.0 + 1..=head.seq.0 + len {
        let record = Record {
            body,
            ..record(Seq(seq), body)
        };
        hash = chain(&hash, &record, &mut Vec::new());
        batch.push(&record, hash);
    }
    assert_ne!(hash, ChainHash::START);
    batch
}

fn log_at_rest() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    fill(&mut log);
    Box::new(log).close().unwrap();
    dir
}

fn log_that_was_killed() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    log.append(&batch(log.head(), 3)).unwrap();
    log.append(&batch(log.head(), 2)).unwrap();
    copy(dir.path())
}

/// The files as they are while the log is open: what a kill leaves.
fn copy(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in [
        "events.sqlite",
        "events.sqlite-wal",
        mark::FILE_NAME,
        people::FILE_NAME,
    ] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}
