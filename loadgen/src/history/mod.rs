//! The history of a run on disk: all that its laws were told, for them to judge it again.
//!
//! What a driver tells its [`Observer`](crate::operation::Observer) goes in, in that order, and leaves
//! through a bounded buffer; a reader gives it back. Whoever plays it to the same laws, and shows them the
//! same log, gets the same verdicts: what answers and pushes showed, when connections began and ended and
//! when something was broken on purpose is all there, to the nanosecond.
//!
//! ```text
//! file     header, blocks, end
//!
//! header, 72 bytes                         record
//!  0 magic "STMPHIST"                       kind u8, then by kind
//!  8 version u32                             1 setup        value
//! 12 capacity u32, 0 for not told            2 client       client n, user n
//! 16 started_at u64, ms since 1970           3 invoked      client n, at d, counter n, call
//! 24 secret of the keys, 32 bytes            4 completed    operation, value (length 0 for nothing)
//! 56 began_at u64                            5 duplicate    operation, operation
//! 64 first 8 bytes of its BLAKE3             6 reused       operation, outcome u8, code n
//! block                                      7 pushed       client n, at d, flags u8, position, value
//!  0 bytes of its records u32, >= 1          8 signal       client n, at d, value
//!  4 records u32, >= 1                       9 news         client n, at d, value
//!  8 first 8 bytes of their BLAKE3          10 link         client n, at d, value
//! 16 records                                11 fault        0 n, at d
//!                                           12 drained      settled u8, client n, seq n
//! end, 16 bytes                             13 ended        value
//!  0 magic "STMPDONE"                       14 answered     operation, digest u64, bytes n, bytes
//!  8 records u64                            15 completed, of the operation answered before it: value
//!
//! operation   call u8, flags u8: 0-4 ok, refused, error, timeout, unknown
//!                  + 8 the hash is the one before  + 16 attempts follow, else it took 1
//!                  + 32 a position follows, else it has none
//!             client n, counter n, completed_at d, completed_at - sent_at z, sent_at - intended_at z,
//!             floor d, position, code n of refused and error, attempts u8, operands n ...
//! call        number u8, operands n ...: as many as it has
//! position    seq d, hash of 32 bytes unless flagged as the one before
//! value       bytes n, then the value as `protocol::codec` writes it
//!
//! n  a number in 1 to 9 bytes, drawn in the head of `number`
//! z  a number with a sign: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
//! d  the distance to the same of the record before that had one, 0 before the first of a block, as z
//! ```
//!
//! All little-endian, all times nanoseconds. Every block can be read without those before it, and is
//! believed only as a whole. A call's number and its operands are [`Call::for_each_operand`]'s. The first
//! record is a setup, the last an end. Versions 2 and 3 kept operations and nothing else, version 2 without
//! a checksum of the header; they are read as they were (`old`). Deliberately absent: every opinion on what
//! is right, and the log, which the server keeps.
//!
//! [`Call::for_each_operand`]: crate::operation::Call::for_each_operand

mod event;
mod file;
mod number;
mod old;
mod reader;
mod record;
mod recording;
mod writer;

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

pub(crate) use self::old::{HASH_BYTES as OLD_HASH_BYTES, TICK as OLD_TICK};
pub use self::{
    event::{Ended, Event, Setup},
    file::HistoryFile,
    reader::HistoryReader,
    recording::Recording,
    writer::HistoryWriter,
};

/// The version of this layout.
pub const HISTORY_VERSION: u32 = 4;
/// Bytes of records in one block, some 1,700 operations, but for the last record of it: what a writer
/// holds back and what a reader holds.
pub const BLOCK_BYTES_MAX: usize = 128 * 1_024;
/// Bytes of the longest record. What it shows came in one frame of at most 256 KiB, which is kept in at
/// most eleven times as much: a digest for a text of one letter.
const RECORD_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// What the header says, without its checksum.
const HEAD_BYTES: usize = 64;
/// The version whose header had no checksum.
const VERSION_UNGUARDED: u32 = 2;
/// The last version that kept operations and nothing else.
const VERSION_OF_OPERATIONS: u32 = 3;
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
        "`{path}` is a history of version {version} and this program reads {VERSION_UNGUARDED} to {HISTORY_VERSION}"
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
    #[error(
        "`{path}` is damaged: record {index}, or what follows it in the block at byte {offset}, makes no sense"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where its block begins in the file.
        offset: u64,
        /// The record, from 0; of a block that is not as it was written, its first.
        index: u64,
    },
}

/// Guards the header, and each block: a distance that is wrong makes every record after it wrong.
fn checksum(records: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(records);
    *hash.as_bytes().first_chunk().expect("8 of 32 bytes")
}
