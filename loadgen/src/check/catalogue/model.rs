//! Our own catalogue: which items there are, what they are called, and whose favourites they are.
//!
//! Written from the description of the catalogue, not from the server's rules. Records go in once,
//! in order. Names that a run gives begin with one of its words and have none elsewhere, so what has
//! a word stands together in the order of the names; the few other names are looked at one by one.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{OwnedRecord, UserId, words::catalogue::Command};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{check::record::Decided, operation::word_text};

/// Items and favourites.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The name of each item, as it searches.
    items: BTreeMap<u64, String>,
    /// Items in the order of their names: those whose name begins with a word, and the others.
    worded: BTreeSet<(String, u64)>,
    others: BTreeSet<(String, u64)>,
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
    pub(crate) fn apply(
        &mut self,
        record: &OwnedRecord,
        decided: &Decided<Command>,
    ) -> Option<bool> {
        if !decided.accepted {
            return None;
        }
        match decided.command {
            Command::RegisterItem(ref word) => {
                self.name(record.seq.0, &word.name);
                None
            }
            Command::RenameItem(ref word) => {
                self.name(word.item, &word.name);
                None
            }
            Command::RemoveItem(ref word) => {
                self.unname(word.item);
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
            Command::AddType(_) | Command::RetypeItem(_) => None,
        }
    }

    /// An item is called this from now on.
    fn name(&mut self, item: u64, name: &str) {
        self.unname(item);
        let folded = folded(name);
        self.items.insert(item, folded.clone());
        self.among(&folded).insert((folded, item));
    }

    /// An item is called nothing any more.
    fn unname(&mut self, item: u64) {
        if let Some(folded) = self.items.remove(&item) {
            self.among(&folded).remove(&(folded, item));
        }
    }

    fn among(&mut self, folded: &str) -> &mut BTreeSet<(String, u64)> {
        if is_worded(folded) {
            &mut self.worded
        } else {
            &mut self.others
        }
    }

    /// The items with one of our words in their name, by name and id, up to `upto` or all of them
    /// for 0.
    pub(crate) fn found(&self, word: &str, upto: u64) -> Vec<u64> {
        let last = self.items.get(&upto).map(|name| (name.as_str(), upto));
        let is_within =
            |place: &&(String, u64)| last.is_none_or(|last| (place.0.as_str(), place.1) <= last);
        let worded = self.worded.range((word.to_owned(), 0)..);
        let worded = worded.take_while(|place| place.0.starts_with(word));
        let others = self.others.iter().filter(|place| place.0.contains(word));
        let mut found: Vec<&(String, u64)> = worded.chain(others).filter(is_within).collect();
        found.sort_unstable();
        found.into_iter().map(|place| place.1).collect()
    }

    /// Whether there is this item.
    pub(crate) fn has_item(&self, item: u64) -> bool {
        self.items.contains_key(&item)
    }

    /// How many favourites somebody has.
    pub(crate) fn count(&self, user: UserId) -> usize {
        self.lists.get(&user).map_or(0, |list| list.items.len())
    }

    /// The digest of somebody's favourites.
    pub(crate) fn digest(&self, user: UserId) -> u64 {
        self.lists.get(&user).map_or(0, |list| list.digest)
    }

    /// Whether an item is among somebody's favourites.
    pub(crate) fn has(&self, user: UserId, item: u64) -> bool {
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

/// A name as it searches: without accents and in lower case.
fn folded(name: &str) -> String {
    let plain = name.nfkd().filter(|letter| !is_combining_mark(*letter));
    plain.flat_map(char::to_lowercase).collect()
}

/// Whether a name is one that runs give: a word, a space, a key. No word is part of a key.
fn is_worded(folded: &str) -> bool {
    let is_letter = |letter: char| ('g'..='v').contains(&letter);
    let of_word = |word: &str| {
        word.len() == word_text(0).len()
            && (word.strip_prefix('w')).is_some_and(|rest| rest.chars().all(is_letter))
    };
    let of_key = |key: &str| key.chars().all(|digit| digit.is_ascii_hexdigit());
    (folded.split_once(' ')).is_some_and(|(word, key)| of_word(word) && of_key(key))
}

#[cfg(test)]
mod tests {
    use protocol::Key;

    use super::*;
    use crate::operation::item_name;

    #[test]
    fn a_search_finds_what_has_the_word_in_the_order_of_names() {
        let mut model = Model::default();
        let key = |byte| Key([byte; 16]);
        model.name(1, &item_name(7, &key(9)));
        model.name(2, &item_name(7, &key(3)));
        model.name(3, &item_name(8, &key(1)));
        model.name(
            4,
            &format!("A \u{1e82}{}", &word_text(7)[1..]).to_uppercase(),
        );
        assert!(is_worded(&folded(&item_name(7, &key(0xfe)))));
        assert_eq!((model.worded.len(), model.others.len()), (3, 1));
        assert_eq!(model.found(&word_text(7), 0), [4, 2, 1]);
        assert_eq!(model.found(&word_text(7), 2), [4, 2]);
        assert_eq!(model.found(&word_text(7), 3), [4, 2, 1], "looked further");
        model.name(1, &item_name(8, &key(9)));
        model.unname(4);
        assert_eq!(model.found(&word_text(7), 0), [2]);
        assert_eq!(model.found(&word_text(8), 0), [3, 1]);
    }
}
