//! What keeps a log from being written although nothing is wrong with it: no room, no right.
//!
//! An error of SQLite or of the system goes in; one that says what a person can do comes out, if it
//! is of these. Deliberately absent: trying again.

use std::{io::ErrorKind, path::Path};

use rusqlite::ffi;

use super::LogError;

/// What SQLite says when the disk is full, when a file may not grow, and when the index of its
/// write-ahead log may not.
const NO_ROOM: [i32; 3] = [
    ffi::SQLITE_FULL,
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_SHMSIZE,
];

/// `error`, said so that whoever reads it can mend it.
pub(super) fn explain(error: LogError, data_dir: &Path) -> LogError {
    if is_no_room(&error) {
        return LogError::NoRoom {
            what: error.to_string(),
            data_dir: data_dir.to_owned(),
            free_bytes: free_bytes(data_dir),
        };
    }
    if is_not_allowed(&error) {
        return LogError::NotWritable {
            what: error.to_string(),
            data_dir: data_dir.to_owned(),
        };
    }
    error
}

fn is_no_room(error: &LogError) -> bool {
    match error {
        LogError::Sqlite { source, .. } => source
            .sqlite_error()
            .is_some_and(|error| NO_ROOM.contains(&error.extended_code)),
        LogError::Io { source, .. } => matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded
        ),
        LogError::NoRoom { .. }
        | LogError::NotWritable { .. }
        | LogError::Locked { .. }
        | LogError::Busy { .. }
        | LogError::TailMissing { .. }
        | LogError::Damaged(_)
        | LogError::Foreign(_) => false,
    }
}

fn is_not_allowed(error: &LogError) -> bool {
    match error {
        LogError::Sqlite { source, .. } => source
            .sqlite_error()
            .is_some_and(|error| error.code == rusqlite::ErrorCode::ReadOnly),
        LogError::Io { source, .. } => matches!(
            source.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        ),
        LogError::NoRoom { .. }
        | LogError::NotWritable { .. }
        | LogError::Locked { .. }
        | LogError::Busy { .. }
        | LogError::TailMissing { .. }
        | LogError::Damaged(_)
        | LogError::Foreign(_) => false,
    }
}

/// What is free for this user on the disk; 0 if that cannot be found out.
fn free_bytes(data_dir: &Path) -> u64 {
    rustix::fs::statvfs(data_dir).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
