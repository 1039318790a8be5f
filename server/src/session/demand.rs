//! What a conversation wants from the server.
//!
//! Made by a session from one frame, taken apart by the hub. Deliberately absent: what comes of it.

use protocol::{Key, Kind, UserId, words::accounts::AuthRequest};

use crate::domain::systems::{CommandBytes, Source};

/// What a conversation wants from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand<'a> {
    /// More bytes.
    More,
    /// Nothing: the frame was answered here. Go on.
    Nothing,
    /// Something only the server can answer.
    Ask(Asked<'a>),
    /// A signal, which is not answered.
    Signal {
        /// By whom.
        user: UserId,
        /// What.
        word: WordBytes<'a>,
    },
    /// Send what waits and close.
    Close,
}

/// Something that is answered under the client's number for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The client's number.
    pub correlation: u64,
    /// What is asked.
    pub what: What<'a>,
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What<'a> {
    /// Decide this for this person.
    Command {
        /// Who asks.
        user: UserId,
        /// The idempotency key.
        key: Key,
        /// The command.
        word: WordBytes<'a>,
    },
    /// Answer this for this person.
    Query {
        /// Who asks.
        user: UserId,
        /// The query.
        word: WordBytes<'a>,
    },
    /// Find out who this is.
    Auth {
        /// The idempotency key.
        key: Key,
        /// What was shown.
        request: AuthRequest,
    },
    /// Nothing, because it was asked after its session was revoked: to be refused, when that is
    /// durable.
    TooLate,
}

/// A word that nobody has looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordBytes<'a> {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: &'a [u8],
}

impl<'a> WordBytes<'a> {
    /// As the engine takes it: from a client.
    #[must_use]
    pub const fn bytes(self) -> CommandBytes<'a> {
        CommandBytes {
            kind: self.kind,
            schema: self.schema,
            body: self.body,
            source: Source::Client,
        }
    }
}
