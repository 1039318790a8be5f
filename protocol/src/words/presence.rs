//! Words of presence: who is here, who is writing, and where a connection's news begin.
//!
//! Nothing here is logged: it is true while it lasts and gone with the process. Queries are
//! answered like any other; signals travel in frames of their own, unanswered, both ways.

use serde::{Deserialize, Serialize};

use super::{chat::Target, words};
use crate::id::{Seq, UserId};

/// The number of this system.
pub const SYSTEM: u8 = 6;

words! {
    /// What can be asked about connections.
    Query in SYSTEM;
    Subscribe = 1, "subscribe";
    ListPresence = 2, "list-presence";
}

words! {
    /// What is answered.
    Answer in SYSTEM;
    Subscribed = 1, "subscribed";
    Presences = 2, "presences";
}

words! {
    /// What a client says in passing.
    Signal in SYSTEM;
    Typing = 1, "typing";
    WatchPresence = 2, "watch-presence";
}

words! {
    /// What a client is told in passing.
    News in SYSTEM;
    TypingChanged = 1, "typing-changed";
    PresenceChanged = 2, "presence-changed";
}

/// Push to this connection everything that is for its person, in the order of the log: first what
/// stands behind `from`, then what comes. Once a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The last position that this device has; `None` for the one its session's cursor is at.
    pub from: Option<Seq>,
}

/// People by id, and whether they are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPresence {
    /// Only people after this one; nobody (0) for the first page.
    pub after: UserId,
    /// The most wanted.
    pub limit: u16,
}

/// Pushes follow, from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Everything behind this position will be pushed.
    pub from: Seq,
}

/// A page of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presences {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub people: Vec<PresenceView>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceView {
    /// Who.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// Whether some connection of theirs is open.
    pub online: bool,
    /// When they were last heard of, milliseconds since 1970-01-01 UTC; 0 when not since the server
    /// started.
    pub last_seen: u64,
}

/// I began or stopped writing. A start that is not repeated ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// To whom.
    pub to: Target,
    /// Whether I am writing now.
    pub on: bool,
}

/// Tell this connection when these people come and go. Replaces the list given before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPresence {
    /// Whom.
    #[serde(deserialize_with = "crate::codec::list")]
    pub users: Vec<UserId>,
}

/// Somebody began or stopped writing to you.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingChanged {
    /// Who.
    pub user: UserId,
    /// To whom, as they said it; `Person` is you.
    pub to: Target,
    /// Whether they are writing now.
    pub on: bool,
}

/// Somebody you watch came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChanged {
    /// Who.
    pub user: UserId,
    /// Whether they are here.
    pub online: bool,
    /// When they were last heard of, milliseconds since 1970-01-01 UTC.
    pub last_seen: u64,
    /// Rises with every coming and going of anybody while the server runs: of two news about one
    /// person the higher one holds.
    pub epoch: u64,
}
