//! Every snapshot of a data directory, looked at for a person.
//!
//! A data directory goes in; what each snapshot is of, or what is wrong with it, comes out. Every
//! byte is checked, and that the log has the record at its position. Deliberately absent: loading the
//! states, which a start does.

use std::{io, path::Path};

use super::{Header, Listed, Snapshots, Unsound};
use crate::log::{LogError, SqliteReader};

/// A snapshot that was looked at.
#[derive(Debug)]
pub struct Surveyed {
    /// Which.
    pub listed: Listed,
    /// What it is of, or what is wrong with it.
    pub found: Result<Header, Unsound>,
}

/// Looks at every snapshot, newest first.
///
/// # Errors
/// If the directory or the log cannot be read.
pub fn survey(data_dir: &Path) -> Result<Vec<Surveyed>, LogError> {
    let reader = SqliteReader::open(data_dir)?;
    let snapshots = Snapshots::of(data_dir);
    let listed = snapshots
        .list()
        .map_err(|source| unread(data_dir, source))?;
    let mut surveyed = Vec::new();
    for listed in listed {
        let found = match snapshots.inspect(listed.seq) {
            Ok(header) if reader.hash_at(header.head.seq)? == Some(header.head.hash) => Ok(header),
            Ok(header) => Err(Unsound::OtherPast {
                seq: header.head.seq,
            }),
            // A server that runs has put a newer one in its place.
            Err(Unsound::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(unsound) => Err(unsound),
        };
        surveyed.push(Surveyed { listed, found });
    }
    Ok(surveyed)
}

fn unread(data_dir: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("list the snapshots of {}", data_dir.display()),
        source,
    }
}
