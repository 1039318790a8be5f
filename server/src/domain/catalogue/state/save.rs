//! The catalogue in a snapshot: types, items in the order of a search, favourites by person.
//!
//! Folds are made again: they are how this version compares names. Deliberately absent: what follows
//! from the rows.

use std::{collections::BTreeMap, sync::Arc};

use protocol::UserId;

use super::{Catalogue, Favourites, Item, Map, Place, fold};
use crate::{
    domain::digest::Digest,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// The least bytes of each.
const TYPE_BYTES: usize = 8 + 8;
const ITEM_BYTES: usize = 8 + 8 + 8 + 8 + 4 + 2;
const PERSON_BYTES: usize = 8 + 8;

impl Saved for Catalogue {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            types,
            items,
            favourites,
            digest,
            // These follow from the others.
            types_by_fold: _,
            folds: _,
            by_registrar: _,
            fans: _,
        } = self;
        out.u128(digest.value());
        out.count(types.len());
        for (id, name) in types {
            out.u64(*id);
            out.bytes(name.as_bytes());
        }
        out.count(items.len());
        for (Place { item: id, fold: _ }, item) in items {
            out.u64(*id);
            item.save(out);
        }
        let mut people: Vec<UserId> = favourites.keys().copied().collect();
        people.sort_unstable();
        out.count(people.len());
        for user in people {
            out.u64(user.0);
            out.count(favourites[&user].len());
            (favourites[&user].as_slice().iter()).for_each(|item| out.u64(*item));
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let digest = Digest::of(from.u128()?);
        let types: BTreeMap<u64, Box<str>> = (0..from.count(TYPE_BYTES)?)
            .map(|_| Ok((from.u64()?, from.text()?.into())))
            .collect::<Result<_, Unsound>>()?;
        let items: BTreeMap<Place, Item> = (0..from.count(ITEM_BYTES)?)
            .map(|_| load_item(from))
            .collect::<Result<_, _>>()?;
        let mut favourites = Map::default();
        let mut fans = Vec::new();
        for _ in 0..from.count(PERSON_BYTES)? {
            let user = UserId(from.u64()?);
            let mut list = Favourites::default();
            for _ in 0..from.count(8)? {
                let item = from.u64()?;
                list.insert(item);
                fans.push((item, user));
            }
            favourites.insert(user, list);
        }
        *self = Self {
            types_by_fold: types.iter().map(|(id, name)| (fold(name), *id)).collect(),
            folds: items
                .keys()
                .map(|place| (place.item, Arc::clone(&place.fold)))
                .collect(),
            by_registrar: items
                .iter()
                .map(|(place, item)| (item.registrar, place.item))
                .collect(),
            fans: fans.into_iter().collect(),
            types,
            items,
            favourites,
            digest,
        };
        Ok(())
    }
}

impl Item {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            name,
            item_type,
            registrar,
            fans,
            moves,
        } = self;
        out.bytes(name.as_bytes());
        out.u64(*item_type);
        out.u64(registrar.0);
        out.u32(*fans);
        out.array(&moves.to_le_bytes());
    }
}

fn load_item(from: &mut SectionReader<'_>) -> Result<(Place, Item), Unsound> {
    let id = from.u64()?;
    let item = Item {
        name: from.text()?.into(),
        item_type: from.u64()?,
        registrar: UserId(from.u64()?),
        fans: from.u32()?,
        moves: u16::from_le_bytes(from.array()?),
    };
    let fold = fold(&item.name).into();
    Ok((Place { fold, item: id }, item))
}
