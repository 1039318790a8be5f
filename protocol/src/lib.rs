//! The wire format and the stored record: bytes to messages and back.
//!
//! Owns every layout that leaves a process: frames, messages, the words of each system, the record
//! of the event log and its chain hash. Bytes go in and checked values come out, and the reverse.
//! `README.md` beside this crate is normative: a client in another language is written from it.
//!
//! Deliberately absent: sockets, clocks, threads, and any buffer sized by an unchecked length.
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::as_conversions
)]

pub mod code;
pub mod codec;
pub mod describe;
pub mod frame;
pub mod hex;
pub mod id;
pub mod json;
pub mod limits;
pub mod message;
pub mod outcome;
pub mod personal;
pub mod record;
pub mod words;

pub use code::{Code, Refusal};
pub use id::{ChainHash, Key, Kind, Roles, Seq, UserId};
pub use outcome::Outcome;
pub use personal::Personal;
pub use record::{OwnedRecord, Record};

#[cfg(test)]
mod tests;
