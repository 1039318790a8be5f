//! The rows of the catalogue, and every way to change them.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart: a row and its hash appear and disappear in one function. Items lie in the order in
//! which a search shows them; what people choose (names) is in ordered maps, since the hash of the
//! others has no secret, and nothing iterates those. A fold shows in no hash: it follows from the
//! name. `save` writes the rows for a snapshot. Deliberately absent: rules.

mod save;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use foldhash::fast::FixedState;
use hashbrown::hash_map::Entry;
use protocol::{UserId, words::catalogue::TYPES_FIRST};

use super::{
    favourites::{self, Favourites},
    fold::fold,
};
use crate::domain::digest::Digest;

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

const TABLE_TYPE: u8 = 1;
const TABLE_ITEM: u8 = 2;
const TABLE_FAVOURITE: u8 = 3;

/// Every type and item, and everybody's favourites.
#[derive(Debug)]
pub struct Catalogue {
    types: BTreeMap<u64, Box<str>>,
    types_by_fold: BTreeMap<String, u64>,
    items: BTreeMap<Place, Item>,
    // Where each stands in that order.
    folds: Map<u64, Arc<str>>,
    by_registrar: BTreeSet<(UserId, u64)>,
    // Only people who have some.
    favourites: Map<UserId, Favourites>,
    // The same the other way round: whom an item leaves when it goes.
    fans: BTreeSet<(u64, UserId)>,
    digest: Digest,
}

/// Where an item stands among all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) fold: Arc<str>,
    pub(super) item: u64,
}

/// An item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) name: Box<str>,
    pub(super) item_type: u64,
    /// Nobody, once they were erased.
    pub(super) registrar: UserId,
    /// Lists of favourites it is on.
    pub(super) fans: u32,
    /// How often it moved to another place in the order of a search, modulo [`MOVES`].
    moves: u16,
}

/// Bits of a cursor that say which item. Ids are positions, and no log has 2^40 of them.
const ITEM_BITS: u32 = 40;
/// Moves that a cursor tells apart: as many as let it be read as a double, as some readers of JSON do.
const MOVES: u16 = 1 << 13;

/// An item as it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewItem<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) item_type: u64,
    pub(super) registrar: UserId,
}

impl Item {
    const fn columns(&self, id: u64) -> [u64; 3] {
        [id, self.item_type, self.registrar.0]
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        let mut catalogue = Self {
            types: BTreeMap::new(),
            types_by_fold: BTreeMap::new(),
            items: BTreeMap::new(),
            folds: Map::default(),
            by_registrar: BTreeSet::new(),
            favourites: Map::default(),
            fans: BTreeSet::new(),
            digest: Digest::default(),
        };
        for (id, name) in (1..).zip(TYPES_FIRST) {
            catalogue.put_type(id, name);
        }
        catalogue
    }
}

// Reading.
impl Catalogue {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn types_len(&self) -> usize {
        self.types.len()
    }

    pub(super) fn has_type(&self, id: u64) -> bool {
        self.types.contains_key(&id)
    }

    pub(super) fn type_named(&self, fold: &str) -> Option<u64> {
        self.types_by_fold.get(fold).copied()
    }

    /// The types behind this id, by id.
    pub(super) fn types_after(&self, id: u64) -> impl Iterator<Item = (u64, &str)> {
        let types = self.types.range((Excluded(id), Unbounded));
        types.map(|(id, name)| (*id, name.as_ref()))
    }

    pub(super) fn items_len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn item(&self, id: u64) -> Option<&Item> {
        self.row(id).map(|(_, item)| item)
    }

    /// An item and where it stands.
    pub(super) fn row(&self, id: u64) -> Option<(&Place, &Item)> {
        self.items.get_key_value(&self.place(id)?)
    }

    fn place(&self, id: u64) -> Option<Place> {
        let fold = Arc::clone(self.folds.get(&id)?);
        Some(Place { fold, item: id })
    }

    /// What a search says to go on behind this item later. It tells whether the item is still where it
    /// was; of one that never moved it is the id.
    pub(super) fn cursor(place: &Place, item: &Item) -> u64 {
        place.item | u64::from(item.moves) << ITEM_BITS
    }

    /// The place that a cursor means; `None` if its item is not there any more.
    pub(super) fn place_at(&self, cursor: u64) -> Option<&Place> {
        let (place, item) = self.row(cursor & ((1 << ITEM_BITS) - 1))?;
        (Self::cursor(place, item) == cursor).then_some(place)
    }

    /// The item of a type with a name of this fold. Walks along the items of that fold, of which
    /// each type has one at most.
    pub(super) fn item_named(&self, fold: &str, item_type: u64) -> Option<u64> {
        let place = |item| Place {
            fold: fold.into(),
            item,
        };
        self.items
            .range(place(0)..=place(u64::MAX))
            .find(|(_, item)| item.item_type == item_type)
            .map(|(place, _)| place.item)
    }

    /// The items behind this place, or all, by fold and then by id.
    pub(super) fn items_behind(
        &self,
        place: Option<&Place>,
    ) -> impl Iterator<Item = (&Place, &Item)> {
        let from = place.map_or(Unbounded, Excluded);
        self.items.range((from, Unbounded))
    }

    pub(super) fn favourites(&self, user: UserId) -> &Favourites {
        self.favourites.get(&user).unwrap_or(&favourites::NONE)
    }
}

// Writing. Each function changes rows and digest together.
impl Catalogue {
    pub(super) fn insert_type(&mut self, id: u64, name: &str) {
        assert!(
            !self.has_type(id),
            "the first positions of a log are no types"
        );
        self.put_type(id, name);
    }

    fn put_type(&mut self, id: u64, name: &str) {
        self.digest.insert_text(TABLE_TYPE, [id], name);
        self.types_by_fold.insert(fold(name), id);
        self.types.insert(id, name.into());
    }

    pub(super) fn insert_item(&mut self, new: NewItem<'_>) {
        let item = Item {
            name: new.name.into(),
            item_type: new.item_type,
            registrar: new.registrar,
            fans: 0,
            moves: 0,
        };
        self.by_registrar.insert((new.registrar, new.id));
        self.put_item(new.id, item);
    }

    pub(super) fn rename_item(&mut self, id: u64, name: &str) {
        let mut item = self.take_item(id);
        if fold(&item.name) != fold(name) {
            item.moves = (item.moves + 1) % MOVES;
        }
        item.name = name.into();
        self.put_item(id, item);
    }

    pub(super) fn retype_item(&mut self, id: u64, item_type: u64) {
        self.change_item(id, |item| item.item_type = item_type);
    }

    /// Takes an item out everywhere; nothing of it stays. Half a microsecond for each list of
    /// favourites it is on.
    pub(super) fn remove_item(&mut self, id: u64) {
        let fans = self.fans.range((id, UserId(0))..=(id, UserId(u64::MAX)));
        let users: Vec<UserId> = fans.map(|(_, user)| *user).collect();
        for user in users {
            self.remove_favourite(user, id);
        }
        let item = self.take_item(id);
        self.by_registrar.remove(&(item.registrar, id));
    }

    pub(super) fn insert_favourite(&mut self, user: UserId, item: u64) {
        self.digest.insert(TABLE_FAVOURITE, [user.0, item]);
        self.favourites.entry(user).or_default().insert(item);
        self.fans.insert((item, user));
        self.item_mut(item).fans += 1;
    }

    pub(super) fn remove_favourite(&mut self, user: UserId, item: u64) {
        self.digest.remove(TABLE_FAVOURITE, [user.0, item]);
        if let Entry::Occupied(mut favourites) = self.favourites.entry(user)
            && !favourites.get_mut().remove(item)
        {
            favourites.remove();
        }
        self.fans.remove(&(item, user));
        self.item_mut(item).fans -= 1;
    }

    pub(super) fn forget_favourites(&mut self, user: UserId) {
        for item in self.favourites(user).as_slice().to_vec() {
            self.remove_favourite(user, item);
        }
    }

    /// What this person registered was registered by nobody from now on.
    pub(super) fn forget_registrar(&mut self, user: UserId) {
        let own = self.by_registrar.range((user, 0)..=(user, u64::MAX));
        let ids: Vec<u64> = own.map(|(_, id)| *id).collect();
        for id in ids {
            self.by_registrar.remove(&(user, id));
            self.by_registrar.insert((UserId::NOBODY, id));
            self.change_item(id, |item| item.registrar = UserId::NOBODY);
        }
    }

    fn put_item(&mut self, id: u64, item: Item) {
        self.digest
            .insert_text(TABLE_ITEM, item.columns(id), &item.name);
        let fold: Arc<str> = fold(&item.name).into();
        self.folds.insert(id, Arc::clone(&fold));
        self.items.insert(Place { fold, item: id }, item);
    }

    fn take_item(&mut self, id: u64) -> Item {
        let place = self.place(id);
        let item = place.and_then(|place| self.items.remove(&place));
        let item = item.expect("only an item that exists can change");
        self.folds.remove(&id);
        self.digest
            .remove_text(TABLE_ITEM, item.columns(id), &item.name);
        item
    }

    /// Changes what is not the name, so that the item stays where it is.
    fn change_item(&mut self, id: u64, change: impl FnOnce(&mut Item)) {
        let item = self.item_mut(id);
        let before = item.columns(id);
        change(item);
        let (after, name) = (item.columns(id), item.name.clone());
        self.digest.remove_text(TABLE_ITEM, before, &name);
        self.digest.insert_text(TABLE_ITEM, after, &name);
    }

    fn item_mut(&mut self, id: u64) -> &mut Item {
        let place = self.place(id);
        let item = place.and_then(|place| self.items.get_mut(&place));
        item.expect("only an item that exists can change")
    }
}

#[cfg(test)]
impl Catalogue {
    /// The digest of the rows as they are now, from nothing; and that the maps agree. A sum does
    /// not depend on the order in which a hash map is walked.
    pub(super) fn recomputed_digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (id, name) in &self.types {
            assert_eq!(self.type_named(&fold(name)), Some(*id));
            digest.insert_text(TABLE_TYPE, [*id], name);
        }
        let mut fans = 0;
        for (place, item) in &self.items {
            assert_eq!(*place.fold, *fold(&item.name));
            assert_eq!(
                self.item_named(&place.fold, item.item_type),
                Some(place.item)
            );
            assert!(self.by_registrar.contains(&(item.registrar, place.item)));
            assert!(self.has_type(item.item_type));
            fans += usize::try_from(item.fans).unwrap();
            digest.insert_text(TABLE_ITEM, item.columns(place.item), &item.name);
        }
        assert_eq!(self.types.len(), self.types_by_fold.len());
        assert_eq!(self.items.len(), self.folds.len());
        assert_eq!(self.items.len(), self.by_registrar.len());
        let listed: usize = self.favourites.values().map(Favourites::len).sum();
        assert_eq!((fans, listed), (self.fans.len(), self.fans.len()));
        assert!(self.favourites.values().all(|list| list.len() != 0));
        for (item, user) in &self.fans {
            assert!(self.favourites(*user).contains(*item));
            digest.insert(TABLE_FAVOURITE, [user.0, *item]);
        }
        digest
    }
}
