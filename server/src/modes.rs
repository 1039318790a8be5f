//! Who else may read the files of a data directory.
//!
//! A directory goes in whose files the server has made sure are its own. Those that hold keys,
//! passwords or records become readable for their owner alone, and what a person should know comes
//! out. The directory itself stays as it is, since it may be shared on purpose: that others may write
//! in it is told. Deliberately absent: files that are not the server's.

use std::io;

use crate::{
    admin::ADMIN_PASSWORD_FILE,
    disk::{DIRECTORY, Disk},
    log::{database, key_store, watermark},
    secret::SECRET_FILE,
    serve::ServeError,
};

/// Those that others must not read or write.
const FILES: [&str; 6] = [
    ADMIN_PASSWORD_FILE,
    SECRET_FILE,
    key_store::FILE_NAME,
    database::FILE_NAME,
    database::WAL_FILE_NAME,
    watermark::FILE_NAME,
];

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Takes from others what they may do with the files, and says what they could.
///
/// # Errors
/// If that is not possible: the files are somebody else's.
pub(crate) fn tighten(disk: &dyn Disk) -> Result<Vec<String>, ServeError> {
    let mut open = Vec::new();
    for name in FILES {
        let mode = tighten_file(disk, name).map_err(|source| ServeError::File {
            path: disk.path().join(name),
            source,
        })?;
        open.extend(mode.map(|mode| format!("{name} ({mode:04o})")));
    }
    let mut told = Vec::new();
    if !open.is_empty() {
        told.push(format!(
            "files in {} were open to others, and are not any more: {}; whoever read them knows what they say",
            disk.path().display(),
            open.join(", ")
        ));
    }
    if let Some(mode) = mode_of(disk, DIRECTORY).filter(|mode| mode & OTHERS_WRITE != 0) {
        told.push(format!(
            "others may put files into {} and take them away (mode {mode:04o}): `chmod 700` it",
            disk.path().display()
        ));
    }
    Ok(told)
}

/// The mode it had, if it was too wide.
fn tighten_file(disk: &dyn Disk, name: &str) -> io::Result<Option<u32>> {
    let Some(mode) = mode_of(disk, name).filter(|mode| mode & OTHERS != 0) else {
        return Ok(None);
    };
    disk.set_mode(name, mode & !OTHERS)?;
    Ok(Some(mode))
}

fn mode_of(disk: &dyn Disk, name: &str) -> Option<u32> {
    Some(disk.stat(name).ok()??.mode)
}
