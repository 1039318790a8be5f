//! A data directory that is being made.
//!
//! Records that were checked, keys and small files go in; a log at rest that was read back stands
//! there at the end, or nothing. The file `unfinished` is the first that stands in it and the last to
//! go, each time durably, and until then nobody opens it: whenever its making is killed, it is refused
//! or whole. Deliberately absent: where the records come from.

use std::{io, path::Path, sync::Arc};

use super::BackupError;
use crate::{
    disk::{Disk, RealDisk},
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
    disk: Arc<dyn Disk>,
    is_finished: bool,
}

impl Target {
    /// Begins in a directory that is empty or not there.
    pub(super) fn create(data_dir: &Path) -> Result<Self, BackupError> {
        check_empty(&*RealDisk::at(data_dir))?;
        let disk = create_data_dir(data_dir)?;
        write_new(&*disk, UNFINISHED_FILE, b"")?;
        sync_data_dir(&*disk)?;
        let options = SqliteOptions {
            // Synced when it is copied from its write-ahead log, and that is done at the end.
            durability: Durability::Normal,
            accept_loss_after: None,
        };
        let mut target = Self {
            log: None,
            batch: Batch::default(),
            disk: Arc::clone(&disk),
            is_finished: false,
        };
        target.log = Some(SqliteLog::open_unfinished(&disk, options)?);
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
        write_new(&*self.disk, name, bytes)
    }

    /// Adds the keys, brings the log to rest, reads it back, has `check` look at it, and lets others
    /// in.
    pub(super) fn finish<T>(
        mut self,
        head: Head,
        keys: &[PersonKey],
        check: impl FnOnce(&Arc<dyn Disk>) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        self.append()?;
        if let Some(mut log) = self.log.take() {
            log.keep_keys(keys)?;
            log.close_as_copy()?;
        }
        sync_data_dir(&*self.disk)?;
        self.read_back(head)?;
        let checked = check(&self.disk)?;
        self.disk
            .remove(UNFINISHED_FILE)
            .map_err(|source| failed("remove", &*self.disk, UNFINISHED_FILE, source))?;
        self.is_finished = true;
        sync_data_dir(&*self.disk)?;
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
        let mut reader = SqliteReader::open_unfinished(&self.disk)?;
        let found = verify_chain(&mut reader)?;
        if found != head {
            return Err(BackupError::Differs {
                target: self.disk.path().to_owned(),
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
        let _told_when_it_is_used = remove_contents(&*self.disk);
    }
}

fn remove_contents(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list()? {
        if name != UNFINISHED_FILE {
            disk.remove(&name)?;
        }
    }
    disk.remove(UNFINISHED_FILE).map(drop)
}

/// Writes a file that is not there yet, for the owner alone. Its name is durable when the directory is.
fn write_new(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
    disk.write_new(name, bytes)
        .map_err(|source| failed("write", disk, name, source))
}

/// Refuses a directory with anything in it.
pub(super) fn check_empty(disk: &dyn Disk) -> Result<(), BackupError> {
    match disk.list() {
        Ok(names) if names.is_empty() => return Ok(()),
        Ok(_names) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("look into", disk, "", source)),
    }
    let data_dir = disk.path().to_owned();
    match lock::holder(disk)? {
        Some(holder) => Err(BackupError::Served { data_dir, holder }),
        None => Err(BackupError::Occupied(data_dir)),
    }
}

fn failed(doing: &str, disk: &dyn Disk, name: &str, source: io::Error) -> BackupError {
    BackupError::Io {
        doing: format!("{doing} {}", disk.path().join(name).display()),
        source,
    }
}
