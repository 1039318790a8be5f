//! The rules: what is allowed, what happens, what can be asked.
//!
//! Each system is one file (a folder where it outgrows one) that implements [`System`], and one
//! line in `systems/mod.rs`. `decide` reads and may refuse; `apply` writes and cannot: its event already
//! happened. State is only ever what applying the log's records in order gives.
//!
//! Deliberately absent: clocks, randomness, async, sockets, SQL, frames. Time, position and person
//! arrive in a [`Context`].
#![warn(clippy::wildcard_enum_match_arm)]

pub mod accounts;
pub mod agenda;
pub mod catalogue;
pub mod chat;
mod checks;
pub mod digest;
#[cfg(test)]
mod given;
pub mod personal;
pub mod sales;
pub mod systems;

use protocol::{
    Code, Key, Kind, Refusal, Roles, Seq, UserId,
    words::{WordError, log::About},
};

use personal::AboutSomebody;

use crate::snapshot::Saved;

pub use systems::Systems;

/// Where, when and for whom a command is decided, or a query answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The position the command takes, or the newest one a query sees. Ids of new things are this.
    pub seq: Seq,
    /// The server's time, milliseconds since 1970-01-01 UTC. Never falls along the log, but where its
    /// operator sets it back, by a record of its own.
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

/// A sequence of pushes in the order of the log: what somebody can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// What concerns one person alone.
    Person(UserId),
    /// What everybody is told.
    Everybody,
    /// A conversation, by its id: the n-th push that is kept is its entry n.
    Conversation(u64),
}

/// What others are told of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed<P> {
    /// Who: everybody who follows this.
    pub stream: Stream,
    /// What.
    pub word: P,
    /// Whether whoever is away is told when they return.
    pub is_kept: bool,
}

/// Somebody begins or ceases to follow a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub user: UserId,
    /// What.
    pub stream: Stream,
    /// Begins (and is told of this very event), or ceases (having been told of it).
    pub begins: bool,
}

/// Which entries of a stream a query wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageWanted {
    /// Of which stream.
    pub stream: Stream,
    /// The first entry wanted, from 1.
    pub from: u64,
    /// How many at most, beginning with it.
    pub limit: u16,
    /// Whether towards lower entries.
    pub is_backwards: bool,
}

/// A role that somebody must have for others to do something with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleNeeded {
    /// Who.
    pub user: UserId,
    /// Which.
    pub role: Roles,
    /// What it is refused with otherwise; its value is the person.
    pub code: Code,
}

/// Somebody begins or ceases to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// From here on there is this person.
    Registered(UserId),
    /// This person is erased: every system forgets them.
    Erased(UserId),
}

/// One of the systems that live on the log. It says itself how its state is saved.
pub trait System: Default + Saved {
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
    /// What others are told.
    type Push: Word;

    /// The commands that say something about a person, by their number: of these,
    /// [`System::personal`] is asked before they are logged.
    const PERSONAL: &'static [u8] = &[];

    /// What a command at `seq` by `actor` says about a person, and about whom. In the log it is
    /// sealed with their key; when they are erased it is gone, and [`System::apply`] must do with an
    /// empty text.
    fn personal(seq: Seq, actor: UserId, command: &mut Self::Command) -> Option<AboutSomebody<'_>> {
        let _about_nobody = (seq, actor, command);
        None
    }

    /// Whether a client may send this command; the others are the server's own.
    fn is_client_command(command: &Self::Command) -> bool;

    /// Everybody this command is for who must be registered. A system does not know who is; what
    /// it would accept is refused if somebody here is not, or not any more.
    fn people(command: &Self::Command) -> &[UserId] {
        let _for_nobody = command;
        &[]
    }

    /// The role that whomever this command is for must have. A system does not know who has which;
    /// what it would accept is refused if they do not.
    fn role_needed(command: &Self::Command) -> Option<RoleNeeded> {
        let _no_role = command;
        None
    }

    /// The commands whose deciding looks at memory that is likely to be far away, by their number:
    /// of these, [`System::prefetch`] is told when they are known to come.
    const PREFETCHED: &'static [u8] = &[];

    /// Asks for the memory in which deciding this command looks something up, and waits for nothing.
    /// Returns what that is, for [`System::prefetch_found`].
    fn prefetch(&self, command: &Self::Command) -> u64 {
        let _look_at_nothing_far = command;
        0
    }

    /// Asks for the memory of what is found there, once there was time for that.
    fn prefetch_found(&self, actor: UserId, looked_up: u64) {
        let _look_at_nothing_far = (actor, looked_up);
    }

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

    /// Who begins or ceases to exist by this event.
    fn passage(cx: &Context, event: &Self::Event) -> Option<Lifecycle> {
        let _nobody_does = (cx, event);
        None
    }

    /// A command of the server's own that must follow directly behind a record at which this system
    /// forgot somebody.
    fn after_forgetting(&self) -> Option<Self::Command> {
        None
    }

    /// A command of the server's own that must follow directly behind this event.
    fn follow_up(&self, event: &Self::Event) -> Option<Self::Command> {
        let _nothing_follows = event;
        None
    }

    /// The earliest instant at which [`System::due`] has something to do.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// A command of the server's own whose time has come at `now`. Called again after it was
    /// applied, until there is none.
    fn due(&self, now: u64) -> Option<Self::Command> {
        let _nothing_is_due = now;
        None
    }

    /// What others are told of this event. Made of the record alone, so that it can be made again,
    /// the same, for whoever was away.
    fn push(
        cx: &Context,
        command: &Self::Command,
        event: &Self::Event,
    ) -> Option<Pushed<Self::Push>> {
        let _nobody_is_told = (cx, command, event);
        None
    }

    /// Who begins or ceases to follow something by this event, which has just been applied.
    fn memberships(
        &self,
        cx: &Context,
        command: &Self::Command,
        event: &Self::Event,
    ) -> Vec<Membership> {
        let _nobody_does = (cx, command, event);
        Vec::new()
    }

    /// Shows every stream of this system that `user` follows, and the first position of it that is
    /// for them.
    fn follow(&self, user: UserId, visit: &mut dyn FnMut(Stream, Seq)) {
        let _nothing_to_follow = (user, visit);
    }

    /// Whether this query is answered with entries of a stream, read from the log, and which.
    /// `None` for a query that [`System::answer`] answers.
    ///
    /// # Errors
    /// Why there is no answer.
    fn wanted(&self, cx: &Context, query: &Self::Query) -> Result<Option<PageWanted>, Refusal> {
        let _answered_from_state = (cx, query);
        Ok(None)
    }

    /// The answer to a query that wanted these entries, in the order it wanted them; `None` from a
    /// system where no query does.
    fn answer_page(entries: Vec<(Seq, Self::Push)>) -> Option<Self::Answer> {
        let _no_query_wants_them = entries;
        None
    }

    /// Forgets a person: nothing about them is left in this state, and nothing about others
    /// changes. Called at the record that erases them, live and in replay.
    fn forget(&mut self, cx: &Context, user: UserId);

    /// The one person, if any, whom this event concerns whoever asked for it: it is a step of their
    /// trail as well. Made of the record alone.
    fn concerns(command: &Self::Command, event: &Self::Event) -> Option<UserId> {
        let _nobody_else = (command, event);
        None
    }

    /// What a command was about, as its trail shows it; with the event where it was accepted. Made of
    /// the record alone.
    fn about(cx: &Context, command: &Self::Command, event: Option<&Self::Event>) -> About;

    /// The id of what this command is about, for the trail; 0 when there is none.
    fn target(&self, command: &Self::Command) -> u64;

    /// The hash of this system's state: equal states, equal hashes, whatever their histories.
    fn state_hash(&self) -> u128;
}

/// The words of a system that has none of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWord {}

impl Word for NoWord {
    fn kind(&self) -> (Kind, u8) {
        match *self {}
    }
    fn name(&self) -> &'static str {
        match *self {}
    }
    fn encode(&self, _out: &mut Vec<u8>) {
        match *self {}
    }
    fn decode(kind: Kind, schema: u8, _body: &[u8]) -> Result<Self, WordError> {
        Err(WordError::Unknown { kind, schema })
    }
    fn to_json(&self) -> serde_json::Value {
        match *self {}
    }
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
