//! Every entry that anybody was shown: conversation and index, and what stood there.
//!
//! Entries go in wherever they are shown, pushed or read; whether it is the same as everybody else
//! was shown there comes out. Within a budget. Deliberately absent: who is to be shown what.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Key, UserId};

use crate::{check::ledger::fold, operation::ShownEntry};

/// What stands at an index, as it was shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) seq: u64,
    /// See [`digest`].
    pub(crate) digest: u64,
    /// Who was shown it first.
    pub(crate) by: u32,
    /// How many clients it was pushed to, each counted once.
    pub(crate) pushed: u32,
}

/// Whether it was shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    First,
    Same,
    /// Something else was.
    Other(Seen),
    /// Beyond the budget: not compared.
    Unkept,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Entries {
    seen: HashMap<(u64, u64), Seen, FixedState>,
    len_max: usize,
    overflowed: bool,
    pub(crate) compared: u64,
}

impl Entries {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let one = u64::try_from(size_of::<((u64, u64), Seen)>()).unwrap_or(u64::MAX);
        Self {
            seen: HashMap::with_hasher(FixedState::with_seed(0)),
            // A map grows to twice what it holds.
            len_max: usize::try_from(bytes_max / one / 2).unwrap_or(usize::MAX),
            overflowed: false,
            compared: 0,
        }
    }

    /// Somebody was shown an entry; `is_new` if it was pushed to them and never before.
    pub(crate) fn note(&mut self, client: u32, entry: &ShownEntry, is_new: bool) -> Sight {
        let at = (entry.conversation, entry.index);
        let digest = digest(&entry.key, entry.author);
        if let Some(seen) = self.seen.get_mut(&at) {
            self.compared += 1;
            seen.pushed += u32::from(is_new);
            return if (seen.seq, seen.digest) == (entry.seq, digest) {
                Sight::Same
            } else {
                Sight::Other(*seen)
            };
        }
        if self.len_max <= self.seen.len() {
            self.overflowed = true;
            return Sight::Unkept;
        }
        let seen = Seen {
            seq: entry.seq,
            digest,
            by: client,
            pushed: u32::from(is_new),
        };
        self.seen.insert(at, seen);
        Sight::First
    }

    /// What was shown at an index of a conversation.
    pub(crate) fn get(&self, conversation: u64, index: u64) -> Option<Seen> {
        self.seen.get(&(conversation, index)).copied()
    }

    /// Everything that was shown, by conversation and index.
    pub(crate) fn all(&self) -> Vec<((u64, u64), Seen)> {
        let mut all: Vec<_> = self.seen.iter().map(|(at, seen)| (*at, *seen)).collect();
        all.sort_unstable_by_key(|(at, _)| *at);
        all
    }

    pub(crate) const fn is_overflowed(&self) -> bool {
        self.overflowed
    }
}

/// Which entry it is: the key of its command and who gave it.
pub(crate) fn digest(key: &Key, author: UserId) -> u64 {
    let (low, high) = key.0.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    fold(fold(fold(1, number(low)), number(high)), author.0)
}
