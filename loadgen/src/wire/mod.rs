//! Calls as words of the protocol, and words of the server as what a client was shown.
//!
//! A call and its key go in and a command's or query's bytes come out; an answer's, a push's or
//! news' bytes go in and what they show comes out. Nothing is remembered from one to the next.
//! Deliberately absent: frames, correlations and what is unanswered (see `client`).

mod command;
mod query;
mod shown;
#[cfg(test)]
mod tests;

use protocol::{Code, Key, Kind, words::sales::SaleId};

pub use self::{
    command::encode_command,
    query::{SCREEN_LEN, encode_query},
    shown::{decode_news, decode_push, observe},
};

/// What a target that stands for a foreign server says of a call whose outcome nobody knows. No server says
/// it: ours answers whoever asks again under the call's key.
pub const UNDECIDED: Code = Code(u16::MAX);

/// A word's kind and the version of its layout.
pub type Word = (Kind, u8);

/// Who asks, as far as a command's words depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The command's key: texts, names and sales follow from it.
    pub key: Key,
    /// The asker's session, whose cursor moves.
    pub session: u64,
}

/// The name of the room that the command with this key makes.
#[must_use]
pub fn room_name(key: &Key) -> String {
    format!("room {key}")
}

/// What the command with this key calls a group.
#[must_use]
pub fn group_name(key: &Key) -> String {
    format!("group {key}")
}

/// The sale that the command with this key records.
#[must_use]
pub const fn sale_id(key: &Key) -> SaleId {
    SaleId(key.0)
}
