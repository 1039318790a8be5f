//! What a session asks of the hub.
//!
//! Made by a session from one frame, taken apart by the hub. Deliberately absent: what comes of it.

use protocol::{Key, Kind, UserId, words::accounts::AuthRequest};

use crate::domain::systems::{CommandBytes, Source};

/// What a session asks of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<'a> {
    /// More bytes.
    More,
    /// Nothing: the frame was answered here. Go on.
    Nothing,
    /// Something only the server can answer.
    Ask(PendingRequest<'a>),
    /// A signal, which is not answered.
    Signal {
        /// By whom.
        user: UserId,
        /// What.
        word: Payload<'a>,
    },
    /// Send what waits and close.
    Close,
}

/// Something that is answered under the client's number for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRequest<'a> {
    /// The client's number.
    pub correlation: u64,
    /// What is asked.
    pub what: RequestKind<'a>,
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind<'a> {
    /// Decide this for this person.
    Command {
        /// Who asks.
        user: UserId,
        /// The idempotency key.
        key: Key,
        /// The command.
        word: Payload<'a>,
    },
    /// Answer this for this person.
    Query {
        /// Who asks.
        user: UserId,
        /// The query.
        word: Payload<'a>,
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

/// The bytes of a command, a query or a signal that nobody has decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
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
