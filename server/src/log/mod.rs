//! The event log: the ground everything else is derived from.
//!
//! Batches go in, whole and durable or not at all; records come out in order. The log knows bytes,
//! positions and hashes, and no system: what a body means is the domain's business. The keys of
//! people, with which parts of bodies are sealed, are kept beside it, because it alone knows when a
//! record is durable: a key is there before what needs it, and destroyed once nothing may.

pub mod accepted_loss;
pub mod batch;
mod checkpoint;
pub mod database;
mod disk_full;
pub mod key_store;
pub mod lock;
pub mod manifest;
pub mod memory;
mod order;
pub mod reader;
pub mod replay;
pub mod sqlite;
pub mod watermark;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, path::PathBuf};

use protocol::{ChainHash, Record, Seq, UserId};

use crate::domain::systems::ReplayError;

pub use batch::Batch;
pub use checkpoint::Checkpoints;
pub use key_store::PersonKey;
pub use memory::MemoryLog;
pub use reader::SqliteReader;
pub use replay::{read_proven, replay, verify_chain};
pub use sqlite::{Durability, Examined, SqliteLog, SqliteOptions};

/// The newest position and the chain hash there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The position; [`Seq::START`] for an empty log.
    pub seq: Seq,
    /// The chain hash at that position.
    pub hash: ChainHash,
}

impl Head {
    /// # Panics
    /// If `batch` does not begin directly behind this position: only a bug can do that, and it
    /// must not reach the disk.
    fn assert_followed_by(&self, batch: &Batch) {
        if let Some(first) = batch.iter().next() {
            assert_eq!(first.record.seq, self.seq.next(), "append must be gapless");
        }
    }
}

/// A record as it is stored: with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The record.
    pub record: Record<'a>,
    /// The hash of it and of everything before it, as stored.
    pub hash: ChainHash,
}

/// What receives records one by one and may say that it has seen enough.
pub type Visit<'a> = dyn FnMut(Row<'_>) -> ControlFlow<()> + 'a;

/// A tail that was given up in so many words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Where the log ended then.
    pub after: Seq,
    /// Keys that were ever destroyed beside this log, as far as that can be seen: of the people who
    /// lack theirs, no more can have been erased.
    pub keys_destroyed: usize,
}

/// A place that keeps batches. One owner appends; readers see only what is durable.
pub trait EventLog: Send {
    /// The newest durable position.
    fn head(&self) -> Head;

    /// Appends a batch and returns when all of it is durable: before it the keys of those who join
    /// by it, behind it the destruction of the keys of those who leave. Use [`commit`], which makes the proof.
    ///
    /// # Errors
    /// If it cannot be made durable. What of it reached the disk is then unknown and the process
    /// must end: it may neither acknowledge nor try again.
    ///
    /// # Panics
    /// If the batch does not begin directly behind the head.
    fn append(&mut self, batch: &Batch) -> Result<(), LogError>;

    /// Destroys the keys of these people and returns when that is durable.
    ///
    /// # Errors
    /// If it cannot be made durable. The process must end; the next one tries again.
    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError>;

    /// The loss that was accepted and is not over: people in the log may lack their key, because
    /// they were erased behind it. Until [`EventLog::end_loss`] every start finds it.
    fn loss(&self) -> Option<Loss> {
        None
    }

    /// Nobody lacks a key any more: whoever does later has not lost it by that. Returns when that is
    /// durable.
    ///
    /// # Errors
    /// If it cannot be made durable. The process must end; the next one tries again.
    fn end_loss(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    /// How the write-ahead log, if there is one, is copied to where it is read from.
    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::default()
    }

    /// A second view of the durable records, for another thread.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn reader(&self) -> Result<Box<dyn LogReader>, LogError>;

    /// Brings everything into its resting place before the process ends.
    ///
    /// # Errors
    /// If that fails; everything durable stays so.
    fn close(self: Box<Self>) -> Result<(), LogError>;
}

/// Reads durable records.
pub trait LogReader: Send {
    /// Shows `visit` the records from `from` on, in order, until it breaks or the log ends.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&mut self, from: Seq, visit: &mut Visit<'_>) -> Result<(), LogError>;

    /// The stored hash at `seq`, if that record is there.
    ///
    /// # Errors
    /// If it cannot be read.
    fn hash_at(&mut self, seq: Seq) -> Result<Option<ChainHash>, LogError> {
        let mut hash = None;
        self.read(seq, &mut |row| {
            hash = (row.record.seq == seq).then_some(row.hash);
            ControlFlow::Break(())
        })?;
        Ok(hash)
    }

    /// The keys of people that are there now.
    ///
    /// # Errors
    /// If they cannot be read.
    fn keys(&mut self) -> Result<Vec<PersonKey>, LogError>;
}

/// Proof that a batch is durable. Only [`commit`] makes one, after the append returned.
#[must_use = "what waits for this batch may leave only now"]
#[derive(Debug, PartialEq, Eq)]
pub struct Committed {
    head: Head,
}

impl Committed {
    /// The newest durable position.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }
}

/// Appends `batch` and proves that it is durable.
///
/// # Errors
/// See [`EventLog::append`].
pub fn commit(log: &mut dyn EventLog, batch: &Batch) -> Result<Committed, LogError> {
    log.append(batch)?;
    Ok(Committed { head: log.head() })
}

impl LogError {
    /// Of the record at `seq`, which is what was written, and cannot be read.
    #[must_use]
    pub fn unread(seq: Seq, error: &ReplayError) -> Self {
        match error {
            ReplayError::Sealed { .. } => {
                Self::Damaged(format!("seq {seq} cannot be read: {error}"))
            }
            ReplayError::Word(_) | ReplayError::Outcome(_) => Self::Foreign(format!(
                "seq {seq} cannot be read: {error}; start the version that wrote it, or a newer one"
            )),
        }
    }
}

/// Why a database said no, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseRefusal {
    /// The disk is full.
    Full,
    /// A write failed: a file that may not grow, a quota, or a disk that fails. Which, it keeps to itself.
    WriteFailed,
    /// It may not write.
    ReadOnly,
    /// Another reason.
    Other,
}

/// A log that cannot be opened, read or written. No variant names what the log is made of.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database said no.
    #[error("{doing}: {said}")]
    Database {
        /// What was being done, with the path where one is known.
        doing: String,
        /// What it said.
        said: String,
        /// What is known of why.
        why: DatabaseRefusal,
    },
    /// The operating system said no.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What it said.
        source: std::io::Error,
    },
    /// There is no room for more.
    #[error("{what}: the disk of {} takes no more ({free_bytes} bytes are free on it, and a limit on the size of files counts as well); everything acknowledged is kept: make room, then start again", .data_dir.display())]
    NoRoom {
        /// What was being done, and what was answered.
        what: String,
        /// The directory.
        data_dir: PathBuf,
        /// What is free there for this user.
        free_bytes: u64,
    },
    /// The disk fails although there is room.
    #[error("{what}: the disk of {} fails (it is not full: {free_bytes} bytes are free on it); everything acknowledged is kept as far as that disk keeps it: look at what the kernel says of it (`dmesg`), copy the data directory to another one, and start again", .data_dir.display())]
    DiskFails {
        /// What was being done, and what was answered.
        what: String,
        /// The directory.
        data_dir: PathBuf,
        /// What is free there for this user.
        free_bytes: u64,
    },
    /// This user may not write there.
    #[error("{what}; make the data directory {} and the files in it writable for this user, or choose another with --data", .data_dir.display())]
    NotWritable {
        /// What was being done, and what was answered.
        what: String,
        /// The directory.
        data_dir: PathBuf,
    },
    /// Another process writes this log.
    #[error("the data directory {} is in use by process {holder}; stop it first, or choose another directory", .data_dir.display())]
    Locked {
        /// The directory.
        data_dir: PathBuf,
        /// The process id its lock file names.
        holder: String,
    },
    /// Somebody was reading for so long that the log could not be put in order.
    #[error("another process keeps reading the log in {}, so it was closed without a checkpoint; nothing is lost, the next start does it", .data_dir.display())]
    Busy {
        /// The directory.
        data_dir: PathBuf,
    },
    /// The log ends before what was acknowledged.
    #[error("the log ends at seq {found} but {acknowledged} was acknowledged (by the file `head`): the tail is missing; put the missing `events.sqlite-wal` back or restore a backup; or, to give up seq {}..{acknowledged} for good, start with --accept-loss-after {found}", .found.next())]
    TailMissing {
        /// Where it ends.
        found: Seq,
        /// Where the high-water mark saw it.
        acknowledged: Seq,
    },
    /// The log is there and cannot be trusted.
    #[error("{0}")]
    Damaged(String),
    /// The log is there and is not for this program or this version.
    #[error("{0}")]
    Foreign(String),
}
