//! Words about the log itself: its head, its pages, its state hash, and the trail of a subject.
//!
//! Only queries: nothing here changes anything. Pages and hashes of the whole log are for admins,
//! a person's own trail is for everyone.

use serde::{Deserialize, Serialize};

use super::{agenda::SlotId, words};
use crate::{
    code::Code,
    id::{Roles, Seq, UserId},
    record::OwnedRecord,
};

/// The number of this system.
pub const SYSTEM: u8 = 0;

words! {
    /// What can be asked of the log.
    Query in SYSTEM;
    ReadLog = 1, "read-log";
    ReadState = 2, "read-state";
    ReplayState = 3, "replay-state";
    ReadTrail = 4, "read-trail", schema 2;
    @before;
    ReadTrail1 = 4, "read-trail", schema 1;
}

words! {
    /// What the log answers.
    Answer in SYSTEM;
    LogPage = 1, "log-page";
    StateHash = 2, "state-hash";
    TrailPage = 4, "trail-page", schema 2;
    @before;
    TrailPage1 = 4, "trail-page", schema 1;
}

/// A page of raw records. Admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLog {
    /// The first position wanted.
    pub from: Seq,
    /// The most records wanted; the answer may hold fewer and holds none past the head.
    pub limit: u16,
}

/// The hash of the live state. Admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadState {}

/// The hash of a state rebuilt from the log. Admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayState {
    /// Up to and with this position; 0, or one past the end, for the newest durable one.
    pub upto: Seq,
}

/// What was tried on a subject, newest first: your own trail, or an agenda's for managers. A person's
/// trail has what they tried, and what others or the server did that concerns them alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTrail {
    /// Whose trail.
    pub subject: Subject,
    /// Only entries before this one, which must be of this trail; 0 for the newest.
    pub before: Seq,
    /// The most entries wanted.
    pub limit: u16,
}

/// [`ReadTrail`] as it was first: answered with [`TrailPage1`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTrail1 {
    /// As in [`ReadTrail`].
    pub subject: Subject,
    /// As in [`ReadTrail`].
    pub before: Seq,
    /// As in [`ReadTrail`].
    pub limit: u16,
}

/// Something that has a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A person: everything they tried.
    User(UserId),
    /// An agenda: everything that was tried on it.
    Agenda(u64),
}

/// Records in order, without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The records.
    #[serde(deserialize_with = "crate::codec::list")]
    pub records: Vec<OwnedRecord>,
}

/// The hash of a state: a sum over its rows, so that neither order nor history shows in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateHash {
    /// The position the state reflects. Called `reflects` where names travel, since an answer has a
    /// `seq` of its own.
    #[serde(rename = "reflects")]
    pub seq: Seq,
    /// The hash. Called `state` where names travel.
    #[serde(rename = "state", with = "crate::hex::wide")]
    pub hash: u128,
}

/// Entries of a trail, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailPage {
    /// The entries.
    #[serde(deserialize_with = "crate::codec::list")]
    pub entries: Vec<TrailEntry>,
}

/// One thing somebody tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailEntry {
    /// Where it stands in the log.
    pub seq: Seq,
    /// When, milliseconds since 1970-01-01 UTC.
    pub recorded_at: u64,
    /// Who; nobody (0) for the server itself.
    pub actor: UserId,
    /// What, by the command's stable name.
    pub command: String,
    /// On what, by its id: the agenda of a slot or a booking; 0 when the command has no target.
    pub target: u64,
    /// Why it was refused; `None` when it was accepted.
    pub refused: Option<Code>,
    /// What it was about, with all that its trail may show of it.
    pub about: About,
}

/// What a command was about, as far as it and its outcome say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Nothing beyond whoever asked.
    Nothing,
    /// A person.
    Person(UserId),
    /// What a person may do from then on.
    Roles {
        /// Who.
        user: UserId,
        /// All of their roles.
        roles: Roles,
    },
    /// A session, by its id.
    Session(u64),
    /// An agenda, by its id.
    Agenda(u64),
    /// A slot: which agenda, day and slot.
    Slot(SlotId),
    /// A booking.
    Booking {
        /// Its id.
        booking: u64,
        /// Its slot; `None` where the outcome does not say, as when it was refused.
        slot: Option<SlotId>,
    },
    /// A conversation, by its id.
    Conversation(u64),
    /// Somebody in a conversation.
    Member {
        /// Which conversation.
        conversation: u64,
        /// Who.
        user: UserId,
    },
    /// A type of the catalogue, by its id.
    Type(u64),
    /// An item, by its id.
    Item(u64),
    /// A network, by its id.
    Network(u64),
    /// A store, by its id.
    Store(u64),
    /// Where somebody sells.
    Seller {
        /// Who.
        user: UserId,
        /// The store.
        store: u64,
    },
    /// A sale.
    Sale {
        /// The store.
        store: u64,
        /// How much.
        cents: u64,
        /// Of which day, days since 1970-01-01 UTC.
        day: u32,
    },
}

/// Entries of a trail as they were first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailPage1 {
    /// The entries.
    #[serde(deserialize_with = "crate::codec::list")]
    pub entries: Vec<TrailEntry1>,
}

/// One thing somebody tried, as it was first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailEntry1 {
    /// As in [`TrailEntry`].
    pub seq: Seq,
    /// As in [`TrailEntry`].
    pub recorded_at: u64,
    /// As in [`TrailEntry`].
    pub actor: UserId,
    /// As in [`TrailEntry`].
    pub command: String,
    /// As in [`TrailEntry`].
    pub target: u64,
    /// As in [`TrailEntry`].
    pub refused: Option<Code>,
}
