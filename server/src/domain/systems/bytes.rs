//! Words of any system, as bytes: what comes in to be decided, applied or answered, and what comes out.
//!
//! Every type says whose word it is by its kind alone. Deliberately absent: which system that is, and
//! what is done with it.

use protocol::{Kind, Refusal, UserId, words::WordError};

use crate::domain::{Lifecycle, Membership, PageWanted, Pushed, Stream, Word};

/// A command or query as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandBytes<'a> {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: &'a [u8],
    /// Whether it comes from a client, who may not send everything.
    pub source: Source,
}

/// What a command that is about to be decided will look up.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen {
    pub(super) system: u8,
    pub(super) looked_up: u64,
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client's connection, as the client sent it.
    Client,
    /// A client's connection, after secrets were taken out of it: registering and logging in.
    Session,
    /// The server itself.
    Server,
}

/// A command of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedCommand {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl OwnedCommand {
    /// The bytes of `command`.
    pub fn new(command: &impl Word) -> Self {
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        Self { kind, schema, body }
    }

    /// The command as the engine takes it.
    #[must_use]
    pub fn bytes(&self) -> CommandBytes<'_> {
        CommandBytes {
            kind: self.kind,
            schema: self.schema,
            body: &self.body,
            source: Source::Server,
        }
    }
}

/// What else follows from a decided command. Small, since it is handed on with every command: what
/// few commands have stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Executed {
    /// Whether it was accepted.
    pub accepted: bool,
    /// A command that must be decided directly behind it.
    pub follow_up: Option<Box<OwnedCommand>>,
    /// What others are told.
    pub push: Option<Box<PushBytes>>,
    /// Who begins or ceases to follow something.
    pub memberships: Vec<Membership>,
    /// What it was about, for the trail; 0 for nothing.
    pub target: u64,
    /// Whom else it concerns, for the trail; nobody for nobody.
    pub concerns: UserId,
    /// Who begins or ceases to exist.
    pub passage: Option<Lifecycle>,
}

/// What the engine must know of a record that was applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Whether it was accepted.
    pub accepted: bool,
    /// The stream in which a push of it is kept.
    pub kept_in: Option<Stream>,
    /// What it was about, for the trail; 0 for nothing.
    pub target: u64,
    /// Whom else it concerns, for the trail; nobody for nobody.
    pub concerns: UserId,
    /// Who begins or ceases to exist.
    pub passage: Option<Lifecycle>,
}

/// What others are told of an event, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushBytes {
    /// Who: everybody who follows this.
    pub stream: Stream,
    /// Whether whoever is away is told when they return.
    pub is_kept: bool,
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl PushBytes {
    /// The bytes of what is pushed.
    pub fn new<P: Word>(pushed: &Pushed<P>) -> Self {
        let (kind, schema) = pushed.word.kind();
        let mut body = Vec::new();
        pushed.word.encode(&mut body);
        Self {
            stream: pushed.stream,
            is_kept: pushed.is_kept,
            kind,
            schema,
            body,
        }
    }
}

/// How a query is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// From the state: the outcome is there.
    Here,
    /// With entries of a stream, which are in the log.
    FromLog(PageWanted),
}

/// A record as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The command's stable name.
    pub name: &'static str,
    /// The command.
    pub command: serde_json::Value,
    /// The event, or why it was refused.
    pub outcome: Result<serde_json::Value, Refusal>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// What is sealed in it does not open under the key that is there. The chain vouches for the
    /// record, so it is the key that is not what it was.
    #[error(
        "what it says about {user} does not open with the key that is there: the file `people.keys` was altered or is of another log; put the one of this log back, or restore a backup"
    )]
    Sealed {
        /// Whose key.
        user: UserId,
    },
    /// The command or the event is not what its kind promises.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The outcome is neither an acceptance nor a refusal.
    #[error("outcome: {0}")]
    Outcome(#[from] protocol::codec::CodecError),
}
