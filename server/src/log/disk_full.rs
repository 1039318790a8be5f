//! What keeps a log from being written although nothing is wrong with it: no room, no right, a disk that
//! fails.
//!
//! An error of the database or of the system goes in; one that says what a person can do comes out, if it
//! is of these. Deliberately absent: trying again.

use std::io::{self, ErrorKind};

use super::{
    DatabaseRefusal, LogError,
    database::{FILE_NAME, PAGE_BYTES, WAL_FILE_NAME},
};
use crate::disk::Disk;

/// Why a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    NoRoom,
    DiskFails,
}

/// `error`, said so that whoever reads it can mend it.
pub(super) fn explain(error: LogError, disk: &dyn Disk) -> LogError {
    let what = error.to_string();
    let data_dir = disk.path().to_owned();
    match cause(&error, disk) {
        Some(Cause::NoRoom) => LogError::NoRoom {
            what,
            free_bytes: free_bytes(disk),
            data_dir,
        },
        Some(Cause::DiskFails) => LogError::DiskFails {
            what,
            free_bytes: free_bytes(disk),
            data_dir,
        },
        None if is_not_allowed(&error) => LogError::NotWritable { what, data_dir },
        None => error,
    }
}

fn cause(error: &LogError, disk: &dyn Disk) -> Option<Cause> {
    match error {
        LogError::Database { why, .. } => match why {
            DatabaseRefusal::Full => Some(Cause::NoRoom),
            DatabaseRefusal::WriteFailed => match probe(disk) {
                Err(error) if is_no_room(&error) => Some(Cause::NoRoom),
                Ok(()) | Err(_) => Some(Cause::DiskFails),
            },
            DatabaseRefusal::ReadOnly | DatabaseRefusal::Other => None,
        },
        LogError::Io { source, .. } if is_no_room(source) => Some(Cause::NoRoom),
        LogError::Io { source, .. } => is_failing(source).then_some(Cause::DiskFails),
        LogError::NoRoom { .. }
        | LogError::DiskFails { .. }
        | LogError::NotWritable { .. }
        | LogError::Locked { .. }
        | LogError::Busy { .. }
        | LogError::TailMissing { .. }
        | LogError::Damaged(_)
        | LogError::Foreign(_) => None,
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded
    )
}

fn is_failing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Writes what SQLite could not: a page where the longer one of its files ends, in a file without a
/// name.
fn probe(disk: &dyn Disk) -> io::Result<()> {
    let len = |name| disk.len_of(name).ok().flatten().unwrap_or(0);
    let end = len(FILE_NAME).max(len(WAL_FILE_NAME));
    let page = vec![1; usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX)];
    disk.open_unnamed()?.write_at(&page, end)
}

fn is_not_allowed(error: &LogError) -> bool {
    match error {
        LogError::Database { why, .. } => *why == DatabaseRefusal::ReadOnly,
        LogError::Io { source, .. } => matches!(
            source.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        ),
        LogError::NoRoom { .. }
        | LogError::DiskFails { .. }
        | LogError::NotWritable { .. }
        | LogError::Locked { .. }
        | LogError::Busy { .. }
        | LogError::TailMissing { .. }
        | LogError::Damaged(_)
        | LogError::Foreign(_) => false,
    }
}

/// What is free for this user on the disk; 0 if that cannot be found out.
fn free_bytes(disk: &dyn Disk) -> u64 {
    disk.free_bytes().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryDisk;

    fn told(error: LogError) -> String {
        explain(error, &MemoryDisk::new()).to_string()
    }

    fn refused(why: DatabaseRefusal) -> LogError {
        LogError::Database {
            doing: "append up to seq 9".to_owned(),
            said: "no".to_owned(),
            why,
        }
    }

    fn system(error: rustix::io::Errno) -> LogError {
        LogError::Io {
            doing: "sync the mark".to_owned(),
            source: error.into(),
        }
    }

    #[test]
    fn a_disk_that_fails_is_not_called_full() {
        let refused = refused(DatabaseRefusal::WriteFailed);
        for error in [refused, system(rustix::io::Errno::IO)] {
            let told = told(error);
            assert!(told.contains("fails (it is not full"), "{told}");
            assert!(!told.contains("takes no more"), "{told}");
        }
    }

    #[test]
    fn a_disk_that_is_full_is_called_so() {
        use rustix::io::Errno;
        let system = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG]
            .map(system)
            .into_iter();
        for error in system.chain([refused(DatabaseRefusal::Full)]) {
            let told = told(error);
            assert!(told.contains("takes no more"), "{told}");
        }
    }
}
