//! Bits flipped over whole data directories: every one is found, or changes nothing that is read.
//!
//! A log with a bit of everything (a tree of two levels, a record longer than a page, a key that is
//! there and one that is not) goes in, at rest or as a kill leaves it. At rest the manifest covers
//! every byte; of a log that was killed, the chain of hashes, SQLite's checks and the mark cover what
//! is read. Deliberately absent: what `verify` says of the records' meaning.

use std::{
    fs::{self, File, OpenOptions},
    ops::ControlFlow,
    os::unix::fs::FileExt as _,
    path::Path,
};

use protocol::{OwnedRecord, UserId};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{
    EventLog as _, Head, LogError, PersonKey, SqliteLog, SqliteOptions, SqliteReader,
    contract::{batch, batch_of},
    database::PAGE_BYTES,
    key_store,
    manifest::{self, Vouched},
    replay, watermark,
};
use crate::disk::RealDisk;

/// Erased of two pages and more.
const RECORDS: u64 = 90;

const COVERED: [&str; 4] = ["events.sqlite", "head", "people.keys", "secret"];

#[test]
fn every_flipped_bit_of_a_log_at_rest_is_found() {
    let dir = log_at_rest();
    let head = SqliteReader::open(dir.path()).unwrap().head().unwrap();
    let look = || manifest::check(&*RealDisk::at(dir.path()), head, |_seq| Ok(None));
    assert!(matches!(look(), Ok(Vouched::Whole { files: 4, .. })));
    for name in COVERED.into_iter().chain([manifest::FILE_NAME]) {
        for_each_flip(dir.path(), name, |at, bit| {
            assert!(look().is_err(), "{name}: byte {at}, bit {bit}");
        });
    }
    assert!(look().is_ok());
}

#[test]
fn a_covered_file_that_is_longer_shorter_or_gone_is_found() {
    let dir = log_at_rest();
    let head = SqliteReader::open(dir.path()).unwrap().head().unwrap();
    let look = || {
        manifest::check(&*RealDisk::at(dir.path()), head, |_seq| Ok(None))
            .map_err(|error| error.to_string())
    };
    for name in COVERED {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        let told = look().unwrap_err();
        let expected = format!(
            "it has {} bytes instead of {}",
            whole.len() + 1,
            whole.len()
        );
        assert!(told.contains(name) && told.contains(&expected), "{told}");
        fs::write(&path, &whole[1..]).unwrap();
        look().unwrap_err();
        fs::remove_file(&path).unwrap();
        let told = look().unwrap_err();
        assert!(told.starts_with(&format!("`{name}` is missing")), "{told}");
        fs::write(&path, &whole).unwrap();
        look().unwrap();
    }
}

#[test]
fn a_flipped_bit_of_a_log_that_was_killed_is_found_or_changes_nothing_that_is_read() {
    let dir = log_that_was_killed();
    let whole = read(dir.path()).unwrap();
    for name in ["events.sqlite", "events.sqlite-wal"] {
        let (mut flips, mut found) = (0, 0);
        for_each_flip(dir.path(), name, |at, bit| {
            flips += 1;
            match read(dir.path()) {
                Ok(read) => assert!(read == whole, "{name}: byte {at}, bit {bit}"),
                Err(_) => found += 1,
            }
        });
        println!("{name}: {flips} flips, {found} found");
        assert!(0 < found, "{name}");
    }
    assert!(read(dir.path()).unwrap() == whole);
}

/// Everything that a start reads, checked as it checks it.
fn read(dir: &Path) -> Result<(Head, Vec<OwnedRecord>), LogError> {
    let mark = watermark::read(&*RealDisk::at(dir))?;
    let mut reader = SqliteReader::open(dir)?;
    let mut records = Vec::new();
    let head = replay(&mut reader, Head::default(), &mut |row| {
        records.push(row.record.owned(row.hash));
        ControlFlow::Continue(())
    })?;
    mark.check(head, |seq| reader.hash_at(seq))?;
    match reader.integrity_problems()?.first() {
        Some(problem) => Err(LogError::Damaged(problem.clone())),
        None => Ok((head, records)),
    }
}

/// Calls `look` with one bit of each byte of the file flipped, another one each time, and with each
/// bit of the bytes that say how a page is built. Of the zeros, which are mostly free, one in five.
fn for_each_flip(dir: &Path, name: &str, mut look: impl FnMut(u64, u64)) {
    let bytes = fs::read(dir.join(name)).unwrap();
    let file = open(&dir.join(name));
    for (at, byte) in (0..).zip(bytes) {
        let within = at % u64::from(PAGE_BYTES);
        if byte == 0 && 130 < at && 16 < within && !at.is_multiple_of(5) {
            continue;
        }
        let bits = match at < 130 || within < 16 {
            true => 0..8,
            false => at % 8..at % 8 + 1,
        };
        for bit in bits {
            flip(&file, at, bit);
            look(at, bit);
            flip(&file, at, bit);
        }
    }
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
    let long = batch_of(log.head(), 1, &[5; 6_500]);
    log.append(&long).unwrap();
    log.append(&batch(log.head(), 29)).unwrap();
}

fn log_at_rest() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    fs::write(dir.path().join("secret"), [3; 32]).unwrap();
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
        watermark::FILE_NAME,
        key_store::FILE_NAME,
    ] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}
