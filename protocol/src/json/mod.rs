//! Messages as lines of JSON: the same requests and replies, for whoever has no codec but JSON.
//!
//! A line goes in and the native frame that says the same comes out, and the reverse; nothing else
//! happens here, so that whatever holds for a frame holds for its line. Words and their fields have
//! the same names as in `protocol/README.md`, which describes the lines under "JSON lines". A line
//! is looked at before anything is built from it: text, one object, few fields, each of a known name
//! and type. Deliberately absent: sockets, who asked what before (the caller knows, see
//! [`Context`]), and where one line ends.

mod fields;
mod reply;
mod request;
mod sets;

use crate::{
    code::{Code, Refusal},
    id::Key,
};

pub use reply::{Context, parse_reply, render_line_error, render_reply};
pub use request::{ParsedRequest, Unsaid, key_of, parse_request, render_request};
pub use sets::Sort;

/// The most characters of a reason: it may quote the line it is about.
const REASON_LEN_MAX: usize = 200;

/// A line that says nothing known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LineError {
    /// The line's `id`, as far as it could be read.
    pub id: Option<u64>,
    /// The code to answer with.
    pub code: Code,
    /// What is wrong, with the name of the field.
    pub reason: String,
}

impl LineError {
    fn new(id: Option<u64>, reason: &str) -> Self {
        Self {
            id,
            code: Code::BAD_LINE,
            reason: reason.chars().take(REASON_LEN_MAX).collect(),
        }
    }

    /// A line of which nothing could be read.
    #[must_use]
    pub fn bad(reason: &str) -> Self {
        Self::new(None, reason)
    }

    /// A line, or a frame made of one, that is too long to be looked at.
    #[must_use]
    pub fn too_long(id: Option<u64>, limit: usize) -> Self {
        let reason = format!("the line is too long: {limit} bytes are the most");
        Self {
            code: Code::LINE_TOO_LONG,
            ..Self::new(id, &reason)
        }
    }

    /// The refusal to answer with.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        Refusal::new(self.code)
    }
}

/// A message that has no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Its word is not known here, or its body is not that word.
    #[error(transparent)]
    Word(#[from] crate::words::WordError),
    /// Its outcome is none.
    #[error(transparent)]
    Outcome(#[from] crate::codec::CodecError),
    /// The log has commands that only the server makes, whose names are those of an authentication.
    #[error("this command has no line: the server makes it out of an authentication")]
    ServerOnly,
}

/// Lets the caller of [`parse_request`] say what a line left out.
impl Unsaid {
    /// The `number`-th line of the conversation that has this nonce.
    #[must_use]
    pub fn new(nonce: &[u8; 16], number: u64) -> Self {
        let mut bytes = [0; 24];
        let (head, tail) = bytes.split_at_mut(nonce.len());
        head.copy_from_slice(nonce);
        tail.copy_from_slice(&number.to_le_bytes());
        Self {
            id: number,
            key: request::hashed_key(&bytes),
        }
    }

    /// The key to use.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }
}
