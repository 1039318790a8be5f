//! Words about the log itself: its head, its pages, its state hash, and the trail of a subject.
//!
//! Only queries: nothing here changes anything. Pages and hashes of the whole log are for admins,
//! a person's own trail is for everyone.

use serde::{Deserialize, Serialize};

use super::words;
use crate::{
    code::Code,
    id::{Seq, UserId},
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
    ReadTrail = 4, "read-trail";
}

words! {
    /// What the log answers.
    Answer in SYSTEM;
    LogPage = 1, "log-page";
    StateHash = 2, "state-hash";
    TrailPage = 4, "trail-page";
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

/// What was tried on a subject, newest first: your own trail, or an agenda's for managers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTrail {
    /// Whose trail.
    pub subject: Subject,
    /// Only entries before this one, which must be of this trail; 0 for the newest.
    pub before: Seq,
    /// The most entries wanted.
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
    /// Who.
    pub actor: UserId,
    /// What, by the command's stable name.
    pub command: String,
    /// On what, by its id; 0 when the command has no target.
    pub target: u64,
    /// Why it was refused; `None` when it was accepted.
    pub refused: Option<Code>,
}
