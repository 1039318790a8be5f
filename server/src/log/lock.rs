//! One server a data directory: the lock file.
//!
//! The kernel holds the lock for as long as the process lives and drops it whatever the process
//! dies of, so there is never a stale one to remove. The file says who holds it, for people, once
//! they know that they write; whoever took the lock, wrote nothing and made the file removes it.
//! Deliberately absent: readers, which need no lock.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, test_kill_process},
};

use super::LogError;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "lock";

/// The right to write in a data directory, until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    path: PathBuf,
    /// The file was not there before and says nothing yet.
    is_trace: bool,
}

impl DataLock {
    /// Takes the lock of `data_dir`. What the file says stays until [`DataLock::sign`].
    ///
    /// # Errors
    /// If another process holds it, which is named, or the directory cannot be written.
    pub fn take(data_dir: &Path) -> Result<Self, LogError> {
        let path = data_dir.join(FILE_NAME);
        loop {
            let is_trace = !path.exists();
            let mut file = open(&path).map_err(|source| LogError::NotWritable {
                what: format!("write in the data directory: {source}"),
                data_dir: data_dir.to_owned(),
            })?;
            if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
                return Err(refused(&mut file, data_dir, error));
            }
            // Whoever made it may have removed it between the two, and a third one made another.
            if is_at(&file, &path) {
                return Ok(Self {
                    file,
                    path,
                    is_trace,
                });
            }
        }
    }

    /// Says in the file who holds it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sign(&mut self) -> Result<(), LogError> {
        self.is_trace = false;
        sign(&mut self.file).map_err(|source| LogError::Io {
            doing: format!("write the lock file {}", self.path.display()),
            source,
        })
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        if self.is_trace {
            let _it_does_no_harm = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let place = |of: fs::Metadata| (of.dev(), of.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => place(ours) == place(there),
        (Ok(_) | Err(_), _) => false,
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
    // A holder that has not signed yet is still a holder, and what stands there is of the one before.
    if file.read_to_string(&mut holder).is_err() || !is_alive(holder.trim()) {
        "unknown".clone_into(&mut holder);
    }
    LogError::Locked {
        data_dir: data_dir.to_owned(),
        holder: holder.trim().to_owned(),
    }
}

fn is_alive(holder: &str) -> bool {
    let pid = holder.parse().ok().and_then(Pid::from_raw);
    // One of another user is there as well, and may not be asked.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
