//! What only the log on disk can do: damage, loss, strangers' files and second servers, noticed.

use std::{
    ops::ControlFlow,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::Seq;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    Durability, EventLog, Head, LogError, SqliteLog, SqliteOptions, SqliteReader, accepted_loss,
    contract::batch,
    lock::{self, DataLock},
    replay, verify_chain,
    watermark::{self, MarkRead, Watermark},
};
use crate::disk::{Disk, RealDisk};

fn on(dir: &TempDir) -> Arc<dyn Disk> {
    RealDisk::at(dir.path())
}

const fn accepting_loss_after(seq: u64) -> SqliteOptions {
    SqliteOptions {
        durability: Durability::Full,
        accept_loss_after: Some(Seq(seq)),
    }
}

#[test]
fn an_altered_row_is_named() {
    let cases = [
        "recorded_at = recorded_at + 1",
        "actor = 99",
        "key = zeroblob(16)",
        "kind = kind + 1",
        "schema = 200",
        "codec = 2",
        "body = zeroblob(length(body))",
        "outcome = substr(outcome, 2)",
        "hash = zeroblob(32)",
    ];
    for change in cases {
        let dir = closed_log(30);
        sql(
            &dir,
            &format!("UPDATE event_log SET {change} WHERE seq = 17"),
        );
        assert_damaged(&dir, "seq 17 was altered", 16);
    }
}

#[test]
fn a_column_that_cannot_be_is_named() {
    for change in ["kind = 70000", "actor = -1", "key = x'00'", "hash = x''"] {
        let dir = closed_log(30);
        sql(
            &dir,
            &format!("UPDATE event_log SET {change} WHERE seq = 17"),
        );
        assert_damaged(&dir, "seq 17 was altered", 16);
    }
}

#[test]
fn a_missing_row_is_named() {
    let dir = closed_log(30);
    sql(&dir, "DELETE FROM event_log WHERE seq = 17");
    assert_damaged(&dir, "seq 17 is missing", 16);
    let dir = closed_log(30);
    sql(&dir, "DELETE FROM event_log WHERE seq < 4");
    assert_damaged(&dir, "seq 1 is missing", 0);
}

#[test]
fn a_deleted_tail_is_noticed() {
    let dir = closed_log(30);
    sql(&dir, "DELETE FROM event_log WHERE 25 < seq");
    assert_tail_missing(dir.path(), 25, 30);
}

#[test]
fn a_deleted_write_ahead_log_is_noticed() {
    let dir = crashed_log(&[30, 20]);
    std::fs::remove_file(dir.path().join("events.sqlite-wal")).unwrap();
    assert_tail_missing(dir.path(), 0, 50);
}

#[test]
fn a_damaged_write_ahead_log_is_noticed() {
    let dir = crashed_log(&[10, 10]);
    let path = dir.path().join("events.sqlite-wal");
    let mut bytes = std::fs::read(&path).unwrap();
    let last_frame = bytes.len() - 100;
    bytes[last_frame] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_tail_missing(dir.path(), 10, 20);
}

#[test]
fn an_accepted_loss_is_over() {
    let dir = crashed_log(&[30]);
    std::fs::remove_file(dir.path().join("events.sqlite-wal")).unwrap();
    let mut log = SqliteLog::open(dir.path(), accepting_loss_after(0)).unwrap();
    assert_eq!(log.head(), Head::default());
    log.append(&batch(log.head(), 3)).unwrap();
    drop(log);
    assert_eq!(open(dir.path()).unwrap().head().seq, Seq(3));
}

#[test]
fn only_the_loss_that_was_named_is_accepted() {
    let dir = closed_log(30);
    sql(&dir, "DELETE FROM event_log WHERE 25 < seq");
    for other in [24, 26, 30] {
        let error = SqliteLog::open(dir.path(), accepting_loss_after(other)).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with("the log ends at seq 25 but 30 was"),
            "{told}"
        );
        assert!(
            told.ends_with("seq 26..30 for good, start with --accept-loss-after 25"),
            "{told}"
        );
    }
    assert!(SqliteLog::open(dir.path(), accepting_loss_after(25)).is_ok());
}

/// A log of 25 records that was longer, and what it says of a loss.
fn cut_log() -> TempDir {
    let dir = closed_log(30);
    sql(&dir, "DELETE FROM event_log WHERE 25 < seq");
    dir
}

fn lost_after(dir: &TempDir, options: SqliteOptions) -> Option<Seq> {
    let log = SqliteLog::open(dir.path(), options).unwrap();
    log.loss().map(|loss| loss.after)
}

#[test]
fn an_accepted_loss_is_remembered_until_it_is_said_to_be_over() {
    let dir = cut_log();
    let file = dir.path().join(accepted_loss::FILE_NAME);
    assert_eq!(lost_after(&dir, accepting_loss_after(25)), Some(Seq(25)));
    let none = SqliteOptions::default();
    assert_eq!(lost_after(&dir, none), Some(Seq(25)), "also without a word");
    let mut log = open(dir.path()).unwrap();
    log.append(&batch(log.head(), 3)).unwrap();
    drop(log);
    assert_eq!(lost_after(&dir, none), Some(Seq(25)), "also behind it");
    let mut log = open(dir.path()).unwrap();
    log.end_loss().unwrap();
    assert_eq!((log.loss(), file.exists()), (None, false));
    log.end_loss().unwrap();
    drop(log);
    assert_eq!(lost_after(&dir, none), None);
    assert_eq!(lost_after(&dir, accepting_loss_after(25)), None, "long ago");
}

#[test]
fn a_loss_that_was_remembered_before_the_mark_was_lowered_is_accepted() {
    let dir = cut_log();
    let (mark, file) = (
        dir.path().join(watermark::FILE_NAME),
        dir.path().join(accepted_loss::FILE_NAME),
    );
    let before = std::fs::read(&mark).unwrap();
    lost_after(&dir, accepting_loss_after(25));
    std::fs::write(&mark, &before).unwrap();
    assert_eq!(lost_after(&dir, SqliteOptions::default()), Some(Seq(25)));
    // One that a crash tore is none, and the mark says what it said.
    std::fs::write(&mark, &before).unwrap();
    let line = std::fs::read(&file).unwrap();
    for torn in [&line[..0], &line[..50], &line[..102]] {
        std::fs::write(&file, torn).unwrap();
        assert_tail_missing(dir.path(), 25, 30);
    }
}

#[test]
fn a_loss_of_another_log_or_of_less_is_not_this_one() {
    let dir = cut_log();
    lost_after(&dir, accepting_loss_after(25));
    let other = closed_log(24);
    let file = |dir: &TempDir| dir.path().join(accepted_loss::FILE_NAME);
    std::fs::copy(file(&dir), file(&other)).unwrap();
    assert_eq!(lost_after(&other, SqliteOptions::default()), None);
    sql(&dir, "DELETE FROM event_log WHERE 20 < seq");
    assert_tail_missing(dir.path(), 20, 25);
    assert_eq!(lost_after(&dir, accepting_loss_after(20)), Some(Seq(20)));
}

#[test]
fn a_loss_that_the_mark_does_not_know_of_is_accepted_where_the_log_ends() {
    let dir = closed_log(25);
    for mark in [None, Some("edited")] {
        let path = dir.path().join(watermark::FILE_NAME);
        std::fs::remove_file(&path).unwrap();
        if let Some(text) = mark {
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(lost_after(&dir, accepting_loss_after(24)), None);
        assert_eq!(lost_after(&dir, accepting_loss_after(25)), Some(Seq(25)));
        open(dir.path()).unwrap().end_loss().unwrap();
    }
}

#[test]
fn a_log_with_another_past_than_the_mark_is_refused() {
    let dir = closed_log(30);
    sql(
        &dir,
        "UPDATE event_log SET hash = zeroblob(32) WHERE seq = 30",
    );
    for options in [SqliteOptions::default(), accepting_loss_after(30)] {
        let error = SqliteLog::open(dir.path(), options).unwrap_err();
        assert!(matches!(error, LogError::Damaged(_)), "{error}");
        assert!(error.to_string().starts_with("seq 30 is not"), "{error}");
    }
}

#[test]
fn an_older_mark_is_no_damage() {
    let dir = closed_log(30);
    let older = batch(Head::default(), 12).head().unwrap();
    Watermark::open(&*on(&dir), older).unwrap();
    let log = open(dir.path()).unwrap();
    assert_eq!(log.mark_read(), MarkRead::At(older));
    assert_eq!(
        watermark::read(&*on(&dir)).unwrap(),
        MarkRead::At(log.head())
    );
}

#[test]
fn an_unreadable_mark_is_not_believed() {
    let dir = closed_log(3);
    let path = dir.path().join(watermark::FILE_NAME);
    let line = std::fs::read(&path).unwrap();
    let mut edited = line.clone();
    edited[19] = b'9';
    let longer = [line.as_slice(), b"x"].concat();
    for bytes in [edited.as_slice(), &line[..50], &longer, b"", &[0xff; 103]] {
        std::fs::write(&path, bytes).unwrap();
        let log = open(dir.path()).unwrap();
        assert_eq!(log.mark_read(), MarkRead::Unreadable);
        assert_eq!(
            watermark::read(&*on(&dir)).unwrap(),
            MarkRead::At(log.head())
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(open(dir.path()).unwrap().mark_read(), MarkRead::Missing);
}

#[test]
fn the_mark_is_a_line_a_person_can_read() {
    let dir = closed_log(3);
    let head = batch(Head::default(), 3).head().unwrap();
    let line = std::fs::read_to_string(dir.path().join(watermark::FILE_NAME)).unwrap();
    let expected = format!("00000000000000000003 {} ", head.hash);
    assert!(line.starts_with(&expected), "{line}");
}

#[test]
fn a_batch_that_fails_half_way_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    log.append(&batch(log.head(), 2)).unwrap();
    let before = log.head();
    let failing = "CREATE TRIGGER full AFTER INSERT ON event_log WHEN new.seq = 5
        BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    sql(&dir, failing);
    let error = log.append(&batch(before, 8)).unwrap_err();
    assert_eq!(error.to_string(), "append up to seq 10: disk full");
    let reader = SqliteReader::open(dir.path()).unwrap();
    assert_eq!((log.head(), reader.head().unwrap()), (before, before));
    assert_eq!(watermark::read(&*on(&dir)).unwrap(), MarkRead::At(before));
    drop(log);
    assert_eq!(open(dir.path()).unwrap().head(), before);
}

#[test]
fn a_log_that_somebody_else_changes_takes_no_more() {
    let changes = [
        "DELETE FROM event_log WHERE seq = 4",
        "INSERT INTO event_log SELECT 5, recorded_at, actor, key, kind, schema, codec, body, outcome, hash FROM event_log LIMIT 1",
    ];
    for change in changes {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path()).unwrap();
        log.append(&batch(log.head(), 4)).unwrap();
        sql(&dir, change);
        let before = SqliteReader::open(dir.path()).unwrap().head().unwrap();
        let error = log.append(&batch(log.head(), 40)).unwrap_err();
        assert!(matches!(error, LogError::Damaged(_)), "{error}");
        assert!(error.to_string().contains("somebody else"), "{error}");
        drop(log);
        let reader = SqliteReader::open(dir.path()).unwrap();
        assert_eq!(reader.head().unwrap(), before);
    }
}

#[test]
fn a_foreign_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    sql(&dir, "CREATE TABLE recipes(name TEXT)");
    assert_foreign(dir.path(), "is a database of another program");
}

#[test]
fn another_layout_is_refused() {
    for layout in [1, 3] {
        let dir = closed_log(3);
        sql(&dir, &format!("PRAGMA user_version = {layout}"));
        let told = format!("has layout {layout} and this version writes 2");
        assert_foreign(dir.path(), &told);
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(path(&dir), "Dear diary,\n".repeat(100)).unwrap();
    assert_foreign(dir.path(), "is not an SQLite database");
}

#[test]
fn a_second_writer_is_refused_and_the_first_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    let named = format!("in use by process {};", std::process::id());
    assert!(error.to_string().contains(&named), "{error}");
    drop(first);
    assert!(open(dir.path()).is_ok());
}

// /proc refuses new files to everybody, root included.
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let error = open(Path::new("/proc/self")).unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("make the data directory /proc/self and the files in it writable for this user, or choose another with --data"),
        "{text}"
    );
}

#[test]
fn reading_a_log_that_is_not_there_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteReader::open(dir.path()).unwrap_err();
    assert!(
        error.to_string().starts_with("there is no log at"),
        "{error}"
    );
    assert!(!path(&dir).exists());
}

#[test]
fn only_the_owner_can_look_inside() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/data");
    let mut log = open(&dir).unwrap();
    log.append(&batch(Head::default(), 1)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_lock_says_who_writes_and_nothing_of_who_only_looked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(lock::FILE_NAME);
    drop(DataLock::take(&on(&dir)).unwrap());
    assert!(!file.exists(), "it was not there before");
    // Whoever that was is long gone.
    let before = format!("{}\n", i32::MAX);
    std::fs::write(&file, &before).unwrap();
    let mut held = DataLock::take(&on(&dir)).unwrap();
    assert_eq!(
        lock::holder(&*on(&dir)).unwrap().as_deref(),
        Some("unknown")
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    held.sign().unwrap();
    let holder = std::process::id().to_string();
    assert_eq!(lock::holder(&*on(&dir)).unwrap(), Some(holder));
    drop(held);
    assert!(file.exists());
    assert_eq!(lock::holder(&*on(&dir)).unwrap(), None);
}

#[test]
fn closing_leaves_one_database_file_and_nothing_to_recover() {
    let dir = closed_log(100);
    assert!(!dir.path().join("events.sqlite-wal").exists());
    let reader = SqliteReader::open(dir.path()).unwrap();
    assert_eq!(reader.head().unwrap().seq, Seq(100));
    assert_eq!(reader.integrity_problems().unwrap(), Vec::<String>::new());
}

#[test]
fn every_durability_keeps_the_promises_of_a_living_process() {
    for durability in [Durability::Full, Durability::Normal, Durability::None] {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteOptions {
            durability,
            accept_loss_after: None,
        };
        let mut log = SqliteLog::open(dir.path(), options).unwrap();
        log.append(&batch(Head::default(), 9)).unwrap();
        drop(log);
        assert_eq!(open(dir.path()).unwrap().head().seq, Seq(9));
    }
}

#[test]
fn a_walk_over_many_pages_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    for _ in 0..5 {
        log.append(&batch(log.head(), 10_000)).unwrap();
    }
    let mut count = 0_u64;
    let head = replay(&mut *log.reader().unwrap(), Head::default(), &mut |_row| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(head.unwrap(), log.head());
    assert_eq!(count, 50_000);
}

#[test]
fn the_view_shows_a_row_to_people() {
    let dir = closed_log(1);
    let connection = Connection::open(path(&dir)).unwrap();
    let row: (String, String, i64, String) = connection
        .query_row(
            "SELECT recorded_at, system, number, key FROM event_log_readable",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    let expected = (
        "2023-11-14T22:13:20.001Z".to_owned(),
        "agenda".to_owned(),
        2,
        "00000000000000000000000000000001".to_owned(),
    );
    assert_eq!(row, expected);
}

fn open(dir: &Path) -> Result<SqliteLog, LogError> {
    SqliteLog::open(dir, SqliteOptions::default())
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("events.sqlite")
}

fn closed_log(len: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    log.append(&batch(Head::default(), len)).unwrap();
    Box::new(log).close().unwrap();
    dir
}

/// The files of a log whose process was killed after appending batches of these lengths.
fn crashed_log(lens: &[u64]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path()).unwrap();
    for len in lens {
        log.append(&batch(log.head(), *len)).unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    for name in ["events.sqlite", "events.sqlite-wal", "head"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn sql(dir: &TempDir, statement: &str) {
    Connection::open(path(dir))
        .unwrap()
        .execute_batch(statement)
        .unwrap();
}

/// The walk stops at the damage and has shown only what is sound.
fn assert_damaged(dir: &TempDir, start: &str, sound: usize) {
    let mut reader = SqliteReader::open(dir.path()).unwrap();
    let mut seen = 0;
    let error = replay(&mut reader, Head::default(), &mut |_row| {
        seen += 1;
        ControlFlow::Continue(())
    })
    .unwrap_err();
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
    assert!(error.to_string().starts_with(start), "{error}");
    assert_eq!(seen, sound, "{error}");
    assert!(verify_chain(&mut reader).is_err());
}

fn assert_tail_missing(dir: &Path, found: u64, acknowledged: u64) {
    let error = open(dir).unwrap_err();
    let LogError::TailMissing {
        found: end,
        acknowledged: promised,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((end, promised), (Seq(found), Seq(acknowledged)));
}

fn assert_foreign(dir: &Path, part: &str) {
    let before = std::fs::read(dir.join("events.sqlite")).unwrap();
    let error = open(dir).unwrap_err();
    assert!(matches!(error, LogError::Foreign(_)), "{error}");
    assert!(error.to_string().contains(part), "{error}");
    let after = std::fs::read(dir.join("events.sqlite")).unwrap();
    assert!(before == after, "a refused file is left as it was");
}
