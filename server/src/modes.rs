//! Who else may read the files of a data directory.
//!
//! A directory goes in whose files the server has made sure are its own. Those that hold keys,
//! passwords or records become readable for their owner alone, and what a person should know comes
//! out. The directory itself stays as it is, since it may be shared on purpose: that others may write
//! in it is told. Deliberately absent: files that are not the server's.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use crate::{
    admin::ADMIN_PASSWORD_FILE,
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
pub(crate) fn tighten(data_dir: &Path) -> Result<Vec<String>, ServeError> {
    let mut open = Vec::new();
    for name in FILES {
        let path = data_dir.join(name);
        let mode = tighten_file(&path).map_err(|source| ServeError::File { path, source })?;
        open.extend(mode.map(|mode| format!("{name} ({mode:04o})")));
    }
    let mut told = Vec::new();
    if !open.is_empty() {
        told.push(format!(
            "files in {} were open to others, and are not any more: {}; whoever read them knows what they say",
            data_dir.display(),
            open.join(", ")
        ));
    }
    if let Some(mode) = mode_of(data_dir).filter(|mode| mode & OTHERS_WRITE != 0) {
        told.push(format!(
            "others may put files into {} and take them away (mode {mode:04o}): `chmod 700` it",
            data_dir.display()
        ));
    }
    Ok(told)
}

/// The mode it had, if it was too wide.
fn tighten_file(path: &Path) -> io::Result<Option<u32>> {
    let Some(mode) = mode_of(path).filter(|mode| mode & OTHERS != 0) else {
        return Ok(None);
    };
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))?;
    Ok(Some(mode))
}

fn mode_of(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    Some(file.permissions().mode() & 0o777)
}
