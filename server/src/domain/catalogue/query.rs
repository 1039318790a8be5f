//! What can be asked of the catalogue.
//!
//! A query and its context come in; an answer goes out. Everybody may see every item; favourites
//! are shown to their person alone. A search looks along the items in the order of their folds, at
//! [`LOOKS_MAX`] of them at most, and says where it stopped. Deliberately absent: any change of
//! state.

use protocol::{
    Code, Refusal,
    limits::{ITEM_NAME_BYTES_MAX, LOOKS_MAX},
    words::catalogue::{
        Favourites, ItemView, Items, ListTypes, SearchFavourites, SearchItems, TypeView, Types,
    },
};

use super::{
    favourites,
    fold::fold,
    state::{Catalogue, Item, Place},
};
use crate::domain::{
    Context,
    checks::{check_person, page_len, refusal},
};

impl Catalogue {
    pub(super) fn list_types(&self, query: &ListTypes) -> Result<Types, Refusal> {
        let limit = page_len(query.limit)?;
        let types = self
            .types_after(query.after)
            .take(limit)
            .map(|(item_type, name)| TypeView {
                item_type,
                name: name.to_owned(),
            })
            .collect();
        Ok(Types { types })
    }

    pub(super) fn search_items(&self, cx: &Context, query: &SearchItems) -> Result<Items, Refusal> {
        let limit = page_len(query.limit)?;
        let text = searched(&query.text)?;
        if query.item_type != 0 {
            self.known_type(query.item_type)?;
        }
        let behind = self.known_place(query.after)?;
        let is_found = |place: &Place, item: &Item| {
            (query.item_type == 0 || query.item_type == item.item_type)
                && place.fold.contains(&text)
        };
        let mine = self.favourites(cx.actor);
        let (mut items, mut last) = (Vec::new(), 0);
        for (looks, (place, item)) in self.items_behind(behind).enumerate() {
            if LOOKS_MAX <= looks || limit <= items.len() {
                return Ok(Items { next: last, items });
            }
            if is_found(place, item) {
                items.push(view(place, item, mine));
            }
            last = Self::cursor(place, item);
        }
        Ok(Items { next: 0, items })
    }

    pub(super) fn search_favourites(
        &self,
        cx: &Context,
        query: &SearchFavourites,
    ) -> Result<Favourites, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let text = searched(&query.text)?;
        let behind = self.known_place(query.after)?;
        let mine = self.favourites(cx.actor);
        let mut found: Vec<(&Place, &Item)> = mine
            .as_slice()
            .iter()
            .filter_map(|id| self.row(*id))
            .filter(|(place, _)| behind.is_none_or(|behind| behind < *place))
            .filter(|(place, _)| place.fold.contains(&text))
            .collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        let has_more = limit < found.len();
        found.truncate(limit);
        let next = found.last().map_or(0, |row| Self::cursor(row.0, row.1));
        Ok(Favourites {
            count: mine.count(),
            digest: mine.sum(),
            next: if has_more { next } else { 0 },
            items: found.iter().map(|row| view(row.0, row.1, mine)).collect(),
        })
    }

    /// The place to go on behind; `None` to begin.
    fn known_place(&self, after: u64) -> Result<Option<&Place>, Refusal> {
        match self.place_at(after) {
            Some(place) => Ok(Some(place)),
            None if after == 0 => Ok(None),
            None => Err(Refusal::with(Code::SEARCH_PLACE, after, 0)),
        }
    }
}

/// The fold of a text to search for.
fn searched(text: &str) -> Result<String, Refusal> {
    if ITEM_NAME_BYTES_MAX < text.len() {
        let code = Code::SEARCH_TEXT_LENGTH;
        return Err(refusal(code, text.len(), ITEM_NAME_BYTES_MAX));
    }
    Ok(fold(text))
}

fn view(place: &Place, item: &Item, mine: &favourites::Favourites) -> ItemView {
    ItemView {
        item: place.item,
        name: item.name.as_ref().to_owned(),
        item_type: item.item_type,
        favourite: mine.contains(place.item),
    }
}
