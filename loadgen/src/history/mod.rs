//! The history of a run on disk: every finished operation, for the checkers to judge again.
//!
//! Operations go in as they finish and leave through a bounded buffer; a reader gives them back, in
//! that order. An operation of a race for bookings takes some 30 bytes.
//!
//! ```text
//! file     header, blocks, end
//!
//! header, 72 bytes                         record
//!  0 magic "STMPHIST"                       call u8: its number
//!  8 version u32                            flags u8: 0-4 ok, refused, error, timeout, unknown
//! 12 capacity u32, 0 for not told                     + 8 the second answer to an operation
//! 16 started_at u64, ms since 1970                    + 16 attempts follow, else it took 1
//! 24 secret of the keys, 32 bytes                     + 32 seq and hash follow, else they are 0
//! 56 began_at u64                           client n
//! 64 first 8 bytes of its BLAKE3            counter n
//! block                                     completed_at d, ticks rounded up
//!  0 bytes of its records u32, >= 1         response n: completed_at - sent_at, ticks
//!  4 records u32, >= 1                      delay n: sent_at - intended_at, ticks
//!  8 first 8 bytes of their BLAKE3          floor d
//! 16 records                                seq d, hash u64: if so flagged
//!                                           code n: of refused and error
//! end, 16 bytes                             attempts u8: if so flagged
//!  0 magic "STMPDONE"                       operands n ...: as many as the call has
//!  8 records u64
//!
//! n  a number in 1 to 9 bytes, drawn in the head of `number`
//! d  the distance to the same of the record before (seq: before that had one), 0 before the first
//!    of a block; as a number: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
//! tick  100 ns; sent_at and intended_at are rounded down
//! ```
//!
//! All little-endian. Version 2 had no checksum of the header, and is still read. An interval is only ever made wider, so that an order read from a file was an
//! order of the run. Every block can be read without those before it, and is believed only as a
//! whole. A call's number and its operands are [`Call::for_each_operand`]'s. Deliberately absent:
//! what queries showed, and every opinion on what is right.
//!
//! [`Call::for_each_operand`]: crate::operation::Call::for_each_operand

mod file;
mod number;
mod reader;
mod record;
mod writer;

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use crate::operation::{Nanos, Operation};

pub use self::{file::HistoryFile, reader::HistoryReader, writer::HistoryWriter};

/// The version of this layout.
pub const HISTORY_VERSION: u32 = 3;
/// Bytes of records in one block: what a writer holds back and what a reader holds, some 3,500
/// operations.
pub const BLOCK_BYTES_MAX: usize = 128 * 1_024;

/// What the times of a history are counted in.
pub const TICK: Nanos = 100;

/// Room for the longest record: 69 bytes and five operands of nine, and seven bytes more because
/// numbers are written eight bytes at a time.
const RECORD_BYTES_MAX: usize = 128;
/// What the header says, without its checksum.
const HEAD_BYTES: usize = 64;
/// The version whose header had no checksum.
const VERSION_UNGUARDED: u32 = 2;
const BLOCK_HEAD_BYTES: usize = 16;

/// What a history begins with.
pub const HISTORY_MAGIC: [u8; 8] = *b"STMPHIST";
// Taken for the length of a block, it is too long.
const DONE: [u8; 8] = *b"STMPDONE";

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryHead {
    /// The secret of the run's [`crate::operation::KeyMint`].
    pub secret: [u8; 32],
    /// When the run began, milliseconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// Places in each slot of the run's agendas; 0 in a history that does not tell.
    pub capacity: u32,
    /// The last position of the world's set-up; 0 in a history that does not tell.
    pub began_at: u64,
}

/// One entry of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What happened; its instants to 100 ns.
    pub operation: Operation,
    /// Whether this is the answer to a command asked again on purpose; with no attempts, to another
    /// command asked under its key.
    pub duplicate: bool,
}

/// A history that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file could not be opened or read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("`{path}` is not a history of this program; expected a file that begins with STMPHIST")]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// It was written by another version.
    #[error(
        "`{path}` is a history of version {version} and this program reads {VERSION_UNGUARDED} and {HISTORY_VERSION}"
    )]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The run that wrote it did not finish it.
    #[error("`{path}` is torn: {reason}; the run that wrote it was cut short")]
    Torn {
        /// Which.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A header that is not as it was written.
    #[error("`{path}` is damaged: its header is not as it was written")]
    Header {
        /// Which.
        path: PathBuf,
    },
    /// A block that is not as it was written, or a record that no writer writes.
    #[error("`{path}` is damaged: record {index}, or what follows it in its block, makes no sense")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The record, from 0; of a block that is not as it was written, its first.
        index: u64,
    },
}

/// Guards the header, and each block: a distance that is wrong makes every record after it wrong.
fn checksum(records: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(records);
    *hash.as_bytes().first_chunk().expect("8 of 32 bytes")
}
