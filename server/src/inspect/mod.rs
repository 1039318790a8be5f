//! The log for people: `stampede log cat` and `stampede log verify`.
//!
//! A data directory goes in; lines of JSON or a report come out. Works beside a running server,
//! since it only reads and takes no lock. Deliberately absent: printing and clocks, which are
//! main's.

mod cat;
mod verify;

use std::io;

use protocol::Seq;

use crate::{domain::systems::ReplayError, log::LogError};

pub use cat::cat;
pub(crate) use cat::line_of;
pub use cat::timestamp;
pub(crate) use verify::verify_unfinished;
pub use verify::{FilesRead, VerifyReport, verify};

/// Why a log could not be shown or did not pass.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is sound and means nothing to this version.
    #[error("seq {seq} cannot be replayed: {source}; use the version that wrote it")]
    Replay {
        /// The record.
        seq: Seq,
        /// What was wrong with it.
        source: ReplayError,
    },
    /// SQLite found its own file damaged.
    #[error("SQLite finds {} problems in the file, the first: {}; restore a backup of the data directory", .0.len(), .0.first().map_or("none", String::as_str))]
    Integrity(Vec<String>),
    /// It was walked to its end and is not what a server needs.
    #[error("the log does not pass, see what is in capitals:\n{0}")]
    Unsound(Box<VerifyReport>),
    /// Where the lines go.
    #[error("write the lines: {0}")]
    Write(#[from] io::Error),
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod tests;
