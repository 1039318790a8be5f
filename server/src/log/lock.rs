//! One server a data directory: the lock file.
//!
//! The kernel holds the lock for as long as the process lives and drops it whatever the process
//! dies of, so there is never a stale one to remove. The file says who holds it, for people.
//! Deliberately absent: readers, which need no lock.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};

use super::LogError;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "lock";

/// The right to write in a data directory, until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of `data_dir`.
    ///
    /// # Errors
    /// If another process holds it, which is named, or the directory cannot be written.
    pub fn take(data_dir: &Path) -> Result<Self, LogError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(data_dir.join(FILE_NAME))
            .map_err(|source| LogError::NotWritable {
                what: format!("write in the data directory: {source}"),
                data_dir: data_dir.to_owned(),
            })?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            return Err(refused(&mut file, data_dir, error));
        }
        sign(&mut file).map_err(|source| LogError::Io {
            doing: format!("write the lock file in {}", data_dir.display()),
            source,
        })?;
        Ok(Self { _file: file })
    }
}

/// Who serves this data directory now, if anybody does. Nobody is kept from it by asking.
///
/// # Errors
/// If that cannot be found out.
pub fn holder(data_dir: &Path) -> Result<Option<String>, LogError> {
    let mut file = match File::open(data_dir.join(FILE_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(LogError::Io {
                doing: format!("open the lock file in {}", data_dir.display()),
                source,
            });
        }
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(error) => match refused(&mut file, data_dir, error) {
            LogError::Locked { holder, .. } => Ok(Some(holder)),
            other => Err(other),
        },
    }
}

fn refused(file: &mut File, data_dir: &Path, error: rustix::io::Errno) -> LogError {
    if error != rustix::io::Errno::WOULDBLOCK {
        return LogError::Io {
            doing: format!("lock the data directory {}", data_dir.display()),
            source: error.into(),
        };
    }
    let mut holder = String::new();
    // A holder that has not signed yet is still a holder.
    if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
        "unknown".clone_into(&mut holder);
    }
    LogError::Locked {
        data_dir: data_dir.to_owned(),
        holder: holder.trim().to_owned(),
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
