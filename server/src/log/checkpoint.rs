//! Copying the write-ahead log into the database, and noticing when that fails.
//!
//! A connection that has just committed goes in; when enough pages wait, they are copied, and how often
//! that failed in a row and ever comes out. A failure loses nothing: the pages stay where they are durable,
//! and the next commit tries again; but the write-ahead log grows until it succeeds, so it must be known.
//! Deliberately absent: bringing the log to rest, which a stop does.

use rusqlite::Connection;

use super::{database::sqlite_error, disk_full::explain};
use crate::disk::Disk;

/// Pages in the write-ahead log before it is copied into the database and reused from its start:
/// overwriting is twice as fast to sync as growing, so short is better than long.
const PAGES_MAX: i64 = 1_000;

/// How copying went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoints {
    /// Attempts that failed since the log was opened.
    pub failed: u64,
    /// Of them, those since the last one that succeeded.
    pub failed_in_a_row: u64,
}

impl Checkpoints {
    /// Copies what waits, if it is enough.
    pub(super) fn after_commit(&mut self, connection: &Connection, disk: &dyn Disk) {
        match copy_if_due(connection) {
            Ok(false) => {}
            Ok(true) => {
                if self.failed_in_a_row != 0 {
                    tracing::warn!(
                        failed = self.failed_in_a_row,
                        "the write-ahead log is copied into the database again"
                    );
                }
                self.failed_in_a_row = 0;
            }
            Err(source) => {
                self.failed += 1;
                self.failed_in_a_row += 1;
                // The first, second, fourth: often enough to be seen, too seldom to fill a disk.
                if self.failed_in_a_row.is_power_of_two() {
                    let doing = "copy the write-ahead log into the database".to_owned();
                    let error = explain(sqlite_error(doing, source), disk);
                    tracing::warn!(
                        %error,
                        failed = self.failed_in_a_row,
                        "the write-ahead log grows until it can be copied; nothing is lost"
                    );
                }
            }
        }
    }
}

/// Whether it was due. Not being able to copy all of it, because somebody reads, is no failure.
fn copy_if_due(connection: &Connection) -> rusqlite::Result<bool> {
    let (pages, copied) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)")?;
    if pages < PAGES_MAX || copied == pages {
        return Ok(false);
    }
    checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(true)
}

/// How many pages there are in the write-ahead log, and how many of them are in the database.
fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<(i64, i64)> {
    connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        process::{Command, Stdio},
    };

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use crate::log::{
        EventLog as _, SqliteLog, SqliteOptions,
        contract::{batch_of, wal_bytes},
    };

    /// Set in the process whose files may not grow.
    const LIMITED: &str = "CHECKPOINT_TEST_LIMITED";

    fn limit_files(bytes: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let current = bytes.or(maximum);
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    }

    /// The write-ahead log has room where the database has none, so that copying fails and commits do
    /// not; then both have.
    fn be_limited() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
        for _ in 0..24 {
            log.append(&batch_of(log.head(), 8, &[7; 64 * 1024]))
                .unwrap();
        }
        assert_eq!(log.checkpoints(), Checkpoints::default());
        Box::new(log).close().unwrap();
        let database = fs::metadata(dir.path().join("events.sqlite"))
            .unwrap()
            .len();
        let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
        limit_files(Some(database));
        for _ in 0..17 {
            log.append(&batch_of(log.head(), 8, &[7; 64 * 1024]))
                .unwrap();
        }
        let found = log.checkpoints();
        assert!(
            0 < found.failed && found.failed == found.failed_in_a_row,
            "{found:?}"
        );
        limit_files(None);
        log.append(&batch_of(log.head(), 1, b"x")).unwrap();
        let after = log.checkpoints();
        assert_eq!((after.failed, after.failed_in_a_row), (found.failed, 0));
        let before = wal_bytes(dir.path());
        log.append(&batch_of(log.head(), 1, b"x")).unwrap();
        assert_eq!(wal_bytes(dir.path()), before, "it began anew");
        println!("LIMITED AND FREED");
    }

    #[test]
    fn checkpoints_that_fail_are_counted_and_lose_nothing() {
        if std::env::var_os(LIMITED).is_some() {
            return be_limited();
        }
        let this_test =
            "log::checkpoint::tests::checkpoints_that_fail_are_counted_and_lose_nothing";
        // The signal of a file that may not grow is ignored, so that the write fails.
        let ended = Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
            .arg(std::env::current_exe().unwrap())
            .args([this_test, "--exact", "--nocapture"])
            .env(LIMITED, "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        assert!(told.contains("LIMITED AND FREED"), "{told}");
    }
}
