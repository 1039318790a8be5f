//! Copies of a log: a backup beside a running server, and the log as lines of text, both ways.
//!
//! A data directory or lines go in; another data directory or lines come out. Whatever is copied is
//! checked on its way, record by record, so that damage is never passed on in silence. A copy holds
//! the records up to some position and the keys of exactly the people who are there at that
//! position: keys are destroyed behind the record that says so, so where one is missing the log is
//! followed on to that record. Nothing here stands in the writer's way: pages of records are read one
//! after another, since the log only grows. Deliberately absent: clocks, printing.

mod directory;
mod export;
mod import;
mod target;

use std::{collections::BTreeSet, io, ops::ControlFlow, path::PathBuf, sync::Arc};

use protocol::{Record, Seq, UserId};

use crate::{
    admin::ADMIN_PASSWORD_FILE,
    belonging,
    disk::Disk,
    domain::{Lifecycle, Systems, systems::ReplayError},
    inspect::InspectError,
    keyring::Keyring,
    log::{Head, LogError, LogReader as _, PersonKey, Row, SqliteReader, replay},
    secret::SECRET_FILE,
};

pub use directory::{backup, restore};
pub use export::export;
pub use import::import;

/// What is copied beside the log, where it is there.
const SMALL_FILES: [&str; 2] = [SECRET_FILE, ADMIN_PASSWORD_FILE];

/// How often the log is followed to the erasures of people whose keys went while it was copied.
/// Each time takes as long as reading the keys, so this many would be as many erasures in a row.
const ROUNDS_MAX: usize = 1_000;

/// Records between two calls of what is told of the progress.
const PROGRESS_STEP: u64 = 10_000;

/// Hears how far the copying is: the position, and where it will end.
pub type Progress<'a> = dyn FnMut(Seq, Seq) + 'a;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The newest record.
    pub head: Head,
    /// When it was recorded, milliseconds since 1970-01-01 UTC.
    pub recorded_at: u64,
    /// How many people's keys.
    pub people: usize,
}

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One of the logs.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A log that does not pass.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// There is something already.
    #[error("{} is there already and not empty; name a directory that is not there, or an empty one", .0.display())]
    Occupied(PathBuf),
    /// A server is writing what should be at rest.
    #[error("{} is being served by process {holder}; stop it first, or make a copy with `stampede log backup`", .data_dir.display())]
    Served {
        /// The directory.
        data_dir: PathBuf,
        /// Who serves it.
        holder: String,
    },
    /// A line that no log was exported as, or not any more.
    #[error("line {line}: {what}; nothing was imported")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A record that this version cannot read.
    #[error("seq {seq} cannot be read: {source}; use the version that wrote it, or a newer one")]
    Replay {
        /// The record.
        seq: Seq,
        /// Why.
        source: ReplayError,
    },
    /// The keys of people who are not erased.
    #[error(
        "the keys of {count} people are missing from the file `people.keys`, the first that of user {first}; no server starts on a log without them: restore that file first; or, if a loss was accepted that explains it, start the server on it once, which says so"
    )]
    KeysMissing {
        /// How many.
        count: usize,
        /// One of them.
        first: UserId,
    },
    /// More people were erased than could be followed.
    #[error("people are being erased faster than their keys can be copied; try again later")]
    Restless,
    /// A check after the copying found something else than was copied.
    #[error("the copy in {} is not what was copied: {what}; it was removed, and the disk is not to be trusted", .target.display())]
    Differs {
        /// The copy.
        target: PathBuf,
        /// How.
        what: String,
    },
    /// The operating system said no.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What it said.
        source: io::Error,
    },
}

/// Who is there at some position.
#[derive(Debug, Default)]
struct People(BTreeSet<UserId>);

impl People {
    fn note(&mut self, record: &Record<'_>) -> Result<(), BackupError> {
        let passage = Systems::passage(record).map_err(|source| BackupError::Replay {
            seq: record.seq,
            source,
        })?;
        match passage {
            Some(Lifecycle::Registered(user)) => _ = self.0.insert(user),
            Some(Lifecycle::Erased(user)) => _ = self.0.remove(&user),
            None => {}
        }
        Ok(())
    }

    /// The keys of those who are there, and whose is missing.
    fn keys_of(&self, mut keys: Vec<PersonKey>) -> (Vec<PersonKey>, Vec<UserId>) {
        keys.retain(|key| self.0.contains(&key.user));
        let found: BTreeSet<UserId> = keys.iter().map(|key| key.user).collect();
        let missing = self.0.difference(&found).copied().collect();
        (keys, missing)
    }
}

/// Sees each record that is copied, checked, with the keys that open it.
type Visit<'a> = dyn FnMut(&Row<'_>, &Keyring) -> Result<(), BackupError> + 'a;

/// Shows `visit` every record up to a position at which everybody has their key. Returns the
/// position and those keys.
fn walk(
    reader: &mut SqliteReader,
    visit: &mut Visit<'_>,
    progress: &mut Progress<'_>,
) -> Result<(Copied, Vec<PersonKey>), BackupError> {
    let mut people = People::default();
    let mut copied = Copied {
        head: Head::default(),
        recorded_at: 0,
        people: 0,
    };
    for _round in 0..ROUNDS_MAX {
        let end = reader.head()?.seq;
        let keyring = Keyring::of(reader.keys()?);
        let before = copied.head.seq;
        walk_to(end, reader, &mut copied, &mut |row| {
            people.note(&row.record)?;
            if row.record.seq.0.is_multiple_of(PROGRESS_STEP) {
                progress(row.record.seq, end);
            }
            visit(row, &keyring)
        })?;
        // Read behind the records: whoever joined by one of them had a key before that.
        let (keys, missing) = people.keys_of(reader.keys()?);
        let Some(first) = missing.first() else {
            copied.people = keys.len();
            return Ok((copied, keys));
        };
        let is_longer = end < reader.head()?.seq;
        if before == end && !is_longer {
            return Err(BackupError::KeysMissing {
                count: missing.len(),
                first: *first,
            });
        }
    }
    Err(BackupError::Restless)
}

/// Shows `visit` the records behind what was copied, up to `end`.
fn walk_to(
    end: Seq,
    reader: &mut SqliteReader,
    copied: &mut Copied,
    visit: &mut dyn FnMut(&Row<'_>) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    if copied.head.seq == end {
        return Ok(());
    }
    let mut failure = None;
    copied.head = replay(reader, copied.head, &mut |row| {
        copied.recorded_at = row.record.recorded_at;
        if let Err(error) = visit(&row) {
            failure = Some(error);
        }
        if failure.is_some() || row.record.seq == end {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    failure.map_or(Ok(()), Err)
}

/// Checks that the files beside a log whose keys these are belong to it, as a start does.
fn check_belongs(
    disk: &Arc<dyn Disk>,
    reader: &mut SqliteReader,
    keys: &[PersonKey],
) -> Result<(), BackupError> {
    let people: Vec<UserId> = keys.iter().map(|key| key.user).collect();
    let keyring = Keyring::of(keys.to_vec());
    Ok(belonging::check(disk, reader, &people, &keyring)?)
}

/// The small file of this name beside the log, if it is there.
fn read_small(disk: &dyn Disk, name: &str) -> Result<Option<Vec<u8>>, BackupError> {
    disk.read(name).map_err(|source| BackupError::Io {
        doing: format!("read {}", disk.path().join(name).display()),
        source,
    })
}

#[cfg(test)]
mod tests;
