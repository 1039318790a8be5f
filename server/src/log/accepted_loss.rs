//! A loss that was accepted and is not over: the file `accepted-loss`.
//!
//! Giving up a lost tail takes two steps on the disk: the high-water mark is lowered to where the log
//! ends, and whoever was erased in that tail is erased again, by records of the log. After the first
//! nothing looks lost any more, so a crash between the two would leave people without a key and
//! nobody who had agreed to that. This file remembers it: it is there, durable, before the mark is
//! lowered, and goes when nobody lacks a key. It says where the log ended, as the line that stands in
//! `head`, so it is of this log and of no other. Deliberately absent: deciding anything.

use std::io;

use super::{Head, LogError, watermark};
use crate::disk::Disk;

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "accepted-loss";

/// Where the log ended when its loss was accepted; nothing if there is no such file, or a crash cut
/// its writing short: then the mark says still what it said.
///
/// # Errors
/// If there is a file and it cannot be read.
pub fn read(disk: &dyn Disk) -> Result<Option<Head>, LogError> {
    let bytes = disk.read(FILE_NAME);
    let bytes = bytes.map_err(|source| failed("read", disk, source))?;
    Ok(bytes.and_then(|bytes| watermark::parse(&bytes)))
}

/// Remembers, durably, that what stood behind `head` is given up.
pub(super) fn write(disk: &dyn Disk, head: Head) -> Result<(), LogError> {
    let mut line = String::new();
    watermark::render(head, &mut line);
    disk.replace(FILE_NAME, line.as_bytes())
        .map_err(|source| failed("write", disk, source))
}

/// Forgets it and says whether there was something to forget.
pub(super) fn remove(disk: &dyn Disk) -> Result<bool, LogError> {
    disk.remove(FILE_NAME)
        .map_err(|source| failed("remove", disk, source))
}

fn failed(doing: &str, disk: &dyn Disk, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} {}", disk.path().join(FILE_NAME).display()),
        source,
    }
}
