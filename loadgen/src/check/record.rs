//! One record of the log as a system's own words: what was asked, and whether it was accepted.
//!
//! Raw records go in. Deliberately absent: events, which each law takes from its own model.

use protocol::{
    Outcome, OwnedRecord, Roles, UserId,
    words::{WordError, accounts},
};

/// A word that can be read off a record.
pub(crate) trait FromRecord: Sized {
    /// Reads it; an error if the record is another system's.
    fn from_record(record: &OwnedRecord) -> Result<Self, WordError>;
}

macro_rules! from_record {
    ($($word:ty),*) => {
        $(impl FromRecord for $word {
            fn from_record(record: &OwnedRecord) -> Result<Self, WordError> {
                Self::decode(record.kind, record.schema, &record.body)
            }
        })*
    };
}
from_record!(
    protocol::words::catalogue::Command,
    protocol::words::chat::Command,
    protocol::words::sales::Command
);

/// Whether what was asked took effect.
pub(crate) fn is_accepted(record: &OwnedRecord) -> bool {
    matches!(
        Outcome::decode(&record.outcome),
        Ok(Outcome::Accepted { .. })
    )
}

/// Who was erased here, if somebody was.
pub(crate) fn erased(record: &OwnedRecord) -> Option<UserId> {
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&record.outcome) else {
        return None;
    };
    let event = accounts::Event::decode(kind, schema, body).ok()?;
    matches!(event, accounts::Event::Erased(_)).then_some(record.actor)
}

/// Whose roles were set here, and which they are, if any were.
pub(crate) fn roles_set(record: &OwnedRecord) -> Option<(UserId, Roles)> {
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&record.outcome) else {
        return None;
    };
    match accounts::Event::decode(kind, schema, body).ok()? {
        accounts::Event::RolesSet(set) => Some((set.user, set.roles)),
        _other => None,
    }
}

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Decided<C> {
    pub(crate) command: C,
    /// Whether it took effect.
    pub(crate) accepted: bool,
}

impl<C: FromRecord> Decided<C> {
    /// The command of a record, if it is one of this set.
    pub(crate) fn of(record: &OwnedRecord) -> Option<Self> {
        let command = C::from_record(record).ok()?;
        Some(Self {
            command,
            accepted: is_accepted(record),
        })
    }
}
