//! A loss that was accepted and is not over: the file `accepted-loss`.
//!
//! Giving up a lost tail takes two steps on the disk: the high-water mark is lowered to where the log
//! ends, and whoever was erased in that tail is erased again, by records of the log. After the first
//! nothing looks lost any more, so a crash between the two would leave people without a key and
//! nobody who had agreed to that. This file remembers it: it is there, durable, before the mark is
//! lowered, and goes when nobody lacks a key. It says where the log ended, as the line that stands in
//! `head`, so it is of this log and of no other. Deliberately absent: deciding anything.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use super::{Head, LogError, database::write_private, watermark};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "accepted-loss";

/// Where the log ended when its loss was accepted; nothing if there is no such file, or a crash cut
/// its writing short: then the mark says still what it said.
///
/// # Errors
/// If there is a file and it cannot be read.
pub fn read(data_dir: &Path) -> Result<Option<Head>, LogError> {
    let path = data_dir.join(FILE_NAME);
    match fs::read(&path) {
        Ok(bytes) => Ok(watermark::parse(&bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", &path, source)),
    }
}

/// Remembers, durably, that what stood behind `head` is given up.
pub(super) fn write(data_dir: &Path, head: Head) -> Result<(), LogError> {
    let path = data_dir.join(FILE_NAME);
    let mut line = String::new();
    watermark::render(head, &mut line);
    write_private(&path, line.as_bytes()).map_err(|source| failed("write", &path, source))
}

/// Forgets it and says whether there was something to forget.
pub(super) fn remove(data_dir: &Path) -> Result<bool, LogError> {
    let path = data_dir.join(FILE_NAME);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed("remove", &path, source)),
    }
}

fn failed(doing: &str, path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} {}", path.display()),
        source,
    }
}
