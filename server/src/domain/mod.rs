//! The rules: what is allowed, what happens, what can be asked.
//!
//! Each system is one file (a folder where it outgrows one) that implements [`System`], and one
//! line in `systems.rs`. `decide` reads and may refuse; `apply` writes and cannot: its event already
//! happened. State is only ever what applying the log's records in order gives.
//!
//! Deliberately absent: clocks, randomness, async, sockets, SQL, frames. Time, position and person
//! arrive in a [`Context`].
#![warn(clippy::wildcard_enum_match_arm)]

pub mod accounts;
pub mod agenda;
pub mod digest;
#[cfg(test)]
mod given;
pub mod systems;

use protocol::{Key, Kind, Refusal, Roles, Seq, UserId, words::WordError};

pub use systems::Systems;

/// Where, when and for whom a command is decided, or a query answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The position the command takes, or the newest one a query sees. Ids of new things are this.
    pub seq: Seq,
    /// The writer's clock, milliseconds since 1970-01-01 UTC. Never falls along the log.
    pub now: u64,
    /// Who asks.
    pub actor: UserId,
    /// What they may do.
    pub roles: Roles,
    /// The idempotency key of the command; zeros for a query.
    pub key: Key,
}

/// A word of any system: what the engine moves without looking inside.
pub trait Word: Sized {
    /// Kind and schema version.
    fn kind(&self) -> (Kind, u8);
    /// Its stable name.
    fn name(&self) -> &'static str;
    /// Appends its body.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the body that kind and schema promise.
    ///
    /// # Errors
    /// If there is no such word in this system or the body is not one.
    fn decode(kind: Kind, schema: u8, body: &[u8]) -> Result<Self, WordError>;
    /// The word as JSON, for people who read the log.
    fn to_json(&self) -> serde_json::Value;
}

/// One of the systems that live on the log.
pub trait System: Default {
    /// The high byte of its kinds.
    const ID: u8;
    /// What can be asked for.
    type Command: Word;
    /// What then happened.
    type Event: Word;
    /// What can be asked without changing anything.
    type Query: Word;
    /// What is answered.
    type Answer: Word;

    /// Whether a client may send this command; the others are the server's own.
    fn is_client_command(command: &Self::Command) -> bool;

    /// What would happen, or why not. Changes nothing.
    ///
    /// # Errors
    /// The reason for a refusal, which is logged like an acceptance.
    fn decide(&self, cx: &Context, command: &Self::Command) -> Result<Self::Event, Refusal>;

    /// Makes it so. Total: called for every accepted record, once, in order, live and in replay.
    fn apply(&mut self, cx: &Context, command: &Self::Command, event: &Self::Event);

    /// Answers from the current state.
    ///
    /// # Errors
    /// Why there is no answer.
    fn answer(&self, cx: &Context, query: &Self::Query) -> Result<Self::Answer, Refusal>;

    /// A command of the server's own that must follow directly behind this event.
    fn follow_up(&self, event: &Self::Event) -> Option<Self::Command>;

    /// The earliest instant at which [`System::due`] has something to do.
    fn deadline(&self) -> Option<u64>;

    /// A command of the server's own whose time has come at `now`. Called again after it was
    /// applied, until there is none.
    fn due(&self, now: u64) -> Option<Self::Command>;

    /// Who must be told of this event without having asked just now.
    fn notice(&self, event: &Self::Event) -> Option<UserId>;

    /// The id of what this command is about, for the trail; 0 when there is none.
    fn target(&self, command: &Self::Command) -> u64;

    /// The hash of this system's state: equal states, equal hashes, whatever their histories.
    fn state_hash(&self) -> u128;
}

/// Implements [`Word`] for the enums of a module of `protocol::words`.
macro_rules! word {
    ($($word:ty),*) => {
        $(impl $crate::domain::Word for $word {
            fn kind(&self) -> (protocol::Kind, u8) {
                Self::kind(self)
            }
            fn name(&self) -> &'static str {
                Self::name(self)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                Self::encode(self, out);
            }
            fn decode(kind: protocol::Kind, schema: u8, body: &[u8]) -> Result<Self, protocol::words::WordError> {
                Self::decode(kind, schema, body)
            }
            fn to_json(&self) -> serde_json::Value {
                serde_json::to_value(self).expect("words hold only what JSON can say")
            }
        })*
    };
}
pub(crate) use word;
