//! The small types every crate speaks: positions, hashes, keys, kinds, people.
//!
//! Each is a newtype so that a position is never passed where a person is expected. They hold plain
//! numbers and bytes; what they mean is in `protocol/README.md`. No parsing of user input here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hex;

/// A position in the event log. The first record is 1; [`Seq::START`] stands before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Seq(pub u64);

impl Seq {
    /// The position before the first record: the head of an empty log.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A person: the position of the record that registered them. 0 is nobody (not logged in, or the
/// server itself), which no record can be.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct UserId(pub u64);

impl UserId {
    /// Nobody: a stranger who has not logged in, or the server acting by itself.
    pub const NOBODY: Self = Self(0);
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user-{}", self.0)
    }
}

/// An idempotency key: sixteen bytes the client chooses, never twice for different commands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Key(#[serde(with = "crate::hex")] pub [u8; 16]);

impl Key {
    /// The key of a command of the server's own, which takes this position: eight zero bytes, which
    /// no client's key begins with, and the position.
    #[must_use]
    pub fn of_server(seq: Seq) -> Self {
        let mut key = Self::default();
        let (_zeros, position) = key.0.split_at_mut(8);
        position.copy_from_slice(&seq.0.to_le_bytes());
        key
    }

    /// Whether it is one of the server's own, which no client may use.
    #[must_use]
    pub fn is_server_own(&self) -> bool {
        self.0.starts_with(&[0; 8])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

/// The hash of a record and of everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ChainHash(#[serde(with = "crate::hex")] pub [u8; 32]);

impl ChainHash {
    /// The hash before the first record.
    pub const START: Self = Self([0; 32]);
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

/// Which word a body holds: the system in the high byte, its number there in the low byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind(pub u16);

impl Kind {
    /// The kind of word `number` of `system`.
    #[must_use]
    pub const fn new(system: u8, number: u8) -> Self {
        Self(u16::from_be_bytes([system, number]))
    }

    /// The system this word belongs to.
    #[must_use]
    pub const fn system(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The word's number within its system.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.to_be_bytes()[1]
    }
}

/// What a person may do beyond being a member: a set of roles, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Roles(pub u8);

impl Roles {
    /// Everyone who is registered.
    pub const MEMBER: Self = Self(0);
    /// May record sales.
    pub const SELLER: Self = Self(1);
    /// May open agendas and read their trails.
    pub const MANAGER: Self = Self(2);
    /// May do all of it, grant roles, and read the whole log.
    pub const ADMIN: Self = Self(4);

    /// Whether every role of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and `other` together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the roles of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
