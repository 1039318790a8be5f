//! One server a data directory: the lock file.
//!
//! The kernel holds the lock for as long as the process lives and drops it whatever the process
//! dies of, so there is never a stale one to remove. The file says who holds it, for people, once
//! they know that they write; whoever took the lock, wrote nothing and made the file removes it.
//! Deliberately absent: readers, which need no lock.

use std::{
    io::{self, ErrorKind, Read as _},
    sync::Arc,
};

use rustix::process::{Pid, test_kill_process};

use super::LogError;
use crate::disk::{Access, Disk, DiskFile, FileReader, Lock};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "lock";

/// The right to write in a data directory, until it is dropped.
#[derive(Debug)]
pub struct DataLock {
    file: Box<dyn DiskFile>,
    disk: Arc<dyn Disk>,
    /// The file was not there before and says nothing yet.
    is_trace: bool,
}

impl DataLock {
    /// Takes the lock of the directory on `disk`. What the file says stays until [`DataLock::sign`].
    ///
    /// # Errors
    /// If another process holds it, which is named, or the directory cannot be written.
    pub fn take(disk: &Arc<dyn Disk>) -> Result<Self, LogError> {
        loop {
            let is_trace = !matches!(disk.stat(FILE_NAME), Ok(Some(_)));
            let opened = disk.open(FILE_NAME, Access::Create);
            let file = opened.map_err(|source| LogError::NotWritable {
                what: format!("write in the data directory: {source}"),
                data_dir: disk.path().to_owned(),
            })?;
            if !try_lock(&*file, &**disk, Lock::Exclusive)? {
                return Err(held(&*file, &**disk));
            }
            // Whoever made it may have removed it between the two, and a third one made another.
            if is_at(&*file, &**disk) {
                return Ok(Self {
                    file,
                    disk: Arc::clone(disk),
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
        sign(&*self.file).map_err(|source| LogError::Io {
            doing: format!(
                "write the lock file {}",
                self.disk.path().join(FILE_NAME).display()
            ),
            source,
        })
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        if self.is_trace {
            let _it_does_no_harm = self.disk.remove(FILE_NAME);
        }
    }
}

fn is_at(file: &dyn DiskFile, disk: &dyn Disk) -> bool {
    match (file.stat(), disk.stat(FILE_NAME)) {
        (Ok(ours), Ok(Some(there))) => ours.id == there.id,
        (Ok(_) | Err(_), _) => false,
    }
}

/// Who serves this data directory now, if anybody does. Nobody is kept from it by asking.
///
/// # Errors
/// If that cannot be found out.
pub fn holder(disk: &dyn Disk) -> Result<Option<String>, LogError> {
    let file = match disk.open(FILE_NAME, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(LogError::Io {
                doing: format!("open the lock file in {}", disk.path().display()),
                source,
            });
        }
    };
    let is_free = try_lock(&*file, disk, Lock::Shared)?;
    Ok((!is_free).then(|| holder_in(&*file)))
}

fn try_lock(file: &dyn DiskFile, disk: &dyn Disk, lock: Lock) -> Result<bool, LogError> {
    file.lock(lock).map_err(|source| LogError::Io {
        doing: format!("lock the data directory {}", disk.path().display()),
        source,
    })
}

fn held(file: &dyn DiskFile, disk: &dyn Disk) -> LogError {
    LogError::Locked {
        data_dir: disk.path().to_owned(),
        holder: holder_in(file),
    }
}

fn holder_in(file: &dyn DiskFile) -> String {
    let mut holder = String::new();
    // A holder that has not signed yet is still a holder, and what stands there is of the one before.
    let read = FileReader::new(file).read_to_string(&mut holder);
    if read.is_err() || !is_alive(holder.trim()) {
        return "unknown".to_owned();
    }
    holder.trim().to_owned()
}

fn is_alive(holder: &str) -> bool {
    let pid = holder.parse().ok().and_then(Pid::from_raw);
    // One of another user is there as well, and may not be asked.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn sign(file: &dyn DiskFile) -> io::Result<()> {
    file.truncate(0)?;
    file.write_at(format!("{}\n", std::process::id()).as_bytes(), 0)
}
