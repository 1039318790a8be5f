//! Why a snapshot is not used, and why none could be made.
//!
//! Deliberately absent: what is done about it. An unsound snapshot is told of and passed over.

use std::{io, path::PathBuf};

use protocol::Seq;

use crate::log::LogError;

/// What is wrong with a snapshot. It is never an answer that is at stake, only time.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something else stands there.
    #[error("it does not begin like a snapshot")]
    Foreign,
    /// Another version wrote it.
    #[error("it has layout {found} and this version reads {known}")]
    Layout {
        /// Its layout.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Its first page is not as it was written.
    #[error("its first page was altered")]
    Header,
    /// It ends too early, or too late.
    #[error("it has {found} bytes instead of {expected}: it is torn, or something was added")]
    Length {
        /// Bytes there are.
        found: u64,
        /// Bytes there were.
        expected: u64,
    },
    /// A block is not as it was written.
    #[error("block {block} of its section `{section}` was altered")]
    Block {
        /// The section.
        section: String,
        /// Which of its blocks, from 0.
        block: u64,
    },
    /// Every byte is as it was written, and yet it is no state of this program.
    #[error("its section `{section}` does not hold {wanted}")]
    Content {
        /// The section.
        section: String,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A section is missing.
    #[error("it has no section `{0}`")]
    Section(&'static str),
    /// The log has another record at its position, or none.
    #[error(
        "the log has another record at its seq {seq}, or none: it is of another log, or of a tail that was lost"
    )]
    OtherPast {
        /// Its position.
        seq: Seq,
    },
    /// It is sound and gives another state than it was made of.
    #[error("its state has the hash {found:032x} instead of {expected:032x}")]
    State {
        /// What it gives.
        found: u128,
        /// What it was made of.
        expected: u128,
    },
}

/// A snapshot that could not be made. The log is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file.
    #[error("write the snapshot {}: {source}; the log is as it was, and a start replays what no snapshot has", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Somebody else makes one.
    #[error("another process is making a snapshot of {}; wait for it", .data_dir.display())]
    Busy {
        /// Of which directory.
        data_dir: PathBuf,
    },
    /// It was told to stop.
    #[error("it was given up because the server stops")]
    GivenUp,
    /// People have no key.
    #[error(
        "{count} people have no key in `people.keys`, the first is {first}: somebody is being erased right now, try again; or the file was lost, restore it together with the log; or a loss was accepted that explains it, start the server once"
    )]
    Keyless {
        /// How many.
        count: usize,
        /// Who.
        first: protocol::UserId,
    },
    /// Replay does not give what was served.
    #[error(
        "the log up to seq {seq} gives the state {found:032x} and the server had {expected:032x}: no snapshot was written; run `stampede log verify` and report this as a bug"
    )]
    Differs {
        /// Where.
        seq: Seq,
        /// From the log.
        found: u128,
        /// In the server.
        expected: u128,
    },
}
