//! Our own catalogue, as far as favourites go: which items there are, and whose favourites they are.
//!
//! Written from the description of the catalogue, not from the server's rules. Records go in once,
//! in order.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{OwnedRecord, UserId, words::catalogue::Command};

use crate::check::record::Decided;

/// The favourites of everybody.
#[derive(Debug, Default)]
pub(super) struct Model {
    items: BTreeSet<u64>,
    lists: BTreeMap<UserId, List>,
}

/// One person's favourites.
#[derive(Debug, Default)]
struct List {
    items: BTreeSet<u64>,
    /// Sum of [`item_digest`] over them, modulo 2^64.
    digest: u64,
}

impl Model {
    /// Applies one decided command. For a favourite added or removed: whether the item was on the
    /// list before.
    pub(super) fn apply(
        &mut self,
        record: &OwnedRecord,
        decided: &Decided<Command>,
    ) -> Option<bool> {
        if !decided.accepted {
            return None;
        }
        match decided.command {
            Command::RegisterItem(_) => {
                self.items.insert(record.seq.0);
                None
            }
            Command::RemoveItem(ref word) => {
                self.items.remove(&word.item);
                for list in self.lists.values_mut() {
                    list.remove(word.item);
                }
                None
            }
            Command::AddFavourite(word) => {
                let list = self.lists.entry(record.actor).or_default();
                Some(!list.insert(word.item))
            }
            Command::RemoveFavourite(word) => {
                let list = self.lists.entry(record.actor).or_default();
                Some(list.remove(word.item))
            }
            Command::AddType(_) | Command::RenameItem(_) | Command::RetypeItem(_) => None,
        }
    }

    /// Whether there is this item.
    pub(super) fn has_item(&self, item: u64) -> bool {
        self.items.contains(&item)
    }

    /// How many favourites somebody has.
    pub(super) fn count(&self, user: UserId) -> usize {
        self.lists.get(&user).map_or(0, |list| list.items.len())
    }

    /// The digest of somebody's favourites.
    pub(super) fn digest(&self, user: UserId) -> u64 {
        self.lists.get(&user).map_or(0, |list| list.digest)
    }

    /// Whether an item is among somebody's favourites.
    pub(super) fn has(&self, user: UserId, item: u64) -> bool {
        self.lists
            .get(&user)
            .is_some_and(|list| list.items.contains(&item))
    }
}

impl List {
    /// Whether it was not there.
    fn insert(&mut self, item: u64) -> bool {
        let is_new = self.items.insert(item);
        if is_new {
            self.digest = self.digest.wrapping_add(item_digest(item));
        }
        is_new
    }

    /// Whether it was there.
    fn remove(&mut self, item: u64) -> bool {
        let was_there = self.items.remove(&item);
        if was_there {
            self.digest = self.digest.wrapping_sub(item_digest(item));
        }
        was_there
    }
}

/// What an item adds to the digest of a list, as the wire's description has it.
fn item_digest(item: u64) -> u64 {
    let hash = blake3::hash(&item.to_le_bytes());
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
