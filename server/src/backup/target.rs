//! A data directory that is being made.
//!
//! Records that were checked, keys and small files go in; a log at rest that was read back stands
//! there at the end, or nothing. The file `unfinished` is the first that stands in it and the last to
//! go, each time durably, and until then nobody opens it: whenever its making is killed, it is refused
//! or whole. Deliberately absent: where the records come from.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::BackupError;
use crate::{
    inspect::InspectError,
    log::{
        Batch, Durability, EventLog as _, Head, PersonKey, Row, SqliteLog, SqliteOptions,
        SqliteReader,
        database::{UNFINISHED_FILE, create_data_dir, sync_data_dir},
        lock, verify_chain,
    },
};

/// Records appended at once.
const BATCH_LEN: usize = 4_096;

/// A log that grows until it is finished; dropped before that, it is removed.
pub(super) struct Target {
    /// Gone when it is closed.
    log: Option<SqliteLog>,
    batch: Batch,
    data_dir: PathBuf,
    is_finished: bool,
}

impl Target {
    /// Begins in a directory that is empty or not there.
    pub(super) fn create(data_dir: &Path) -> Result<Self, BackupError> {
        check_empty(data_dir)?;
        create_data_dir(data_dir)?;
        write_new(&data_dir.join(UNFINISHED_FILE), b"")?;
        sync_data_dir(data_dir)?;
        let options = SqliteOptions {
            // Synced when it is copied from its write-ahead log, and that is done at the end.
            durability: Durability::Normal,
            accept_loss_after: None,
        };
        let mut target = Self {
            log: None,
            batch: Batch::default(),
            data_dir: data_dir.to_owned(),
            is_finished: false,
        };
        target.log = Some(SqliteLog::open_unfinished(data_dir, options)?);
        Ok(target)
    }

    /// Adds the next record, whose hash must have been checked.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), BackupError> {
        self.batch.push(&row.record, row.hash);
        if self.batch.len() < BATCH_LEN {
            return Ok(());
        }
        self.append()
    }

    /// Adds a file beside the log, for the owner alone.
    pub(super) fn write_small(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        write_new(&self.data_dir.join(name), bytes)
    }

    /// Adds the keys, brings the log to rest, reads it back, has `check` look at it, and lets others
    /// in.
    pub(super) fn finish<T>(
        mut self,
        head: Head,
        keys: &[PersonKey],
        check: impl FnOnce(&Path) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        self.append()?;
        if let Some(mut log) = self.log.take() {
            log.keep_keys(keys)?;
            log.close_as_copy()?;
        }
        sync_data_dir(&self.data_dir)?;
        self.read_back(head)?;
        let checked = check(&self.data_dir)?;
        let unfinished = self.data_dir.join(UNFINISHED_FILE);
        fs::remove_file(&unfinished).map_err(|source| failed("remove", &unfinished, source))?;
        self.is_finished = true;
        sync_data_dir(&self.data_dir)?;
        Ok(checked)
    }

    fn append(&mut self) -> Result<(), BackupError> {
        if let Some(log) = &mut self.log {
            log.append(&self.batch)?;
        }
        self.batch.clear();
        Ok(())
    }

    fn read_back(&self, head: Head) -> Result<(), BackupError> {
        let mut reader = SqliteReader::open_unfinished(&self.data_dir)?;
        let found = verify_chain(&mut reader)?;
        if found != head {
            return Err(BackupError::Differs {
                target: self.data_dir.clone(),
                what: format!("it ends at seq {} instead of {}", found.seq, head.seq),
            });
        }
        match reader.integrity_problems()? {
            problems if problems.is_empty() => Ok(()),
            problems => Err(InspectError::Integrity(problems).into()),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // The lock goes with the log, and everything in the directory is ours.
        self.log = None;
        // What cannot be removed is not opened either: `unfinished` goes last.
        let _told_when_it_is_used = remove_contents(&self.data_dir);
    }
}

fn remove_contents(data_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        if entry.file_name() != UNFINISHED_FILE {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(data_dir.join(UNFINISHED_FILE))
}

/// Writes a file that is not there yet, for the owner alone. Its name is durable when the directory is.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| failed("write", path, source))
}

/// Refuses a directory with anything in it.
pub(super) fn check_empty(data_dir: &Path) -> Result<(), BackupError> {
    let mut entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("look into", data_dir, source)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    match lock::holder(data_dir)? {
        Some(holder) => Err(BackupError::Served {
            data_dir: data_dir.to_owned(),
            holder,
        }),
        None => Err(BackupError::Occupied(data_dir.to_owned())),
    }
}

fn failed(doing: &str, path: &Path, source: io::Error) -> BackupError {
    BackupError::Io {
        doing: format!("{doing} {}", path.display()),
        source,
    }
}
