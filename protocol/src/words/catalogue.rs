//! Words of the catalogue: types, items, and everybody's favourites.
//!
//! A type or an item is known by the position of the record that made it. Two names search alike
//! when their folds are equal: Unicode NFKD, without the marks of the blocks called Combining
//! Diacritical Marks (but with U+0345), every character in lower, upper and lower case. Case and
//! accents are gone then; `ß` is `ss`, and the Turkish `İ` and `ı` are `i`.

use serde::{Deserialize, Serialize};

use super::words;

/// The number of this system.
pub const SYSTEM: u8 = 4;

words! {
    /// What can be asked of the catalogue.
    Command in SYSTEM;
    AddType = 1, "add-type";
    RegisterItem = 2, "register-item";
    RenameItem = 3, "rename-item";
    RetypeItem = 4, "retype-item";
    RemoveItem = 5, "remove-item";
    AddFavourite = 6, "add-favourite";
    RemoveFavourite = 7, "remove-favourite";
}

words! {
    /// What happened to the catalogue.
    Event in SYSTEM;
    TypeAdded = 1, "type-added";
    ItemRegistered = 2, "item-registered";
    ItemRenamed = 3, "item-renamed";
    ItemRetyped = 4, "item-retyped";
    ItemRemoved = 5, "item-removed";
    FavouriteAdded = 6, "favourite-added";
    FavouriteRemoved = 7, "favourite-removed";
}

words! {
    /// What can be asked without changing anything.
    Query in SYSTEM;
    ListTypes = 1, "list-types";
    SearchItems = 2, "search-items";
    SearchFavourites = 3, "search-favourites";
}

words! {
    /// What the catalogue answers.
    Answer in SYSTEM;
    Types = 1, "types";
    Items = 2, "items";
    Favourites = 3, "favourites";
}

/// The types that are there from the beginning, by id from 1. No type can have these positions: a
/// log begins with the first admin, their role and the first agenda, and the fourth record is a
/// log-in or a registration, without which nobody can ask for a type.
pub const TYPES_FIRST: [&str; 4] = ["film", "series", "anime", "other"];

/// A new type. Managers and admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddType {
    /// 1 to 64 bytes, not blank; no two that search alike.
    pub name: String,
}

/// A new item. Name and type together are unique: no two items of a type whose names search alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterItem {
    /// 1 to 128 bytes, not blank.
    pub name: String,
    /// Its type.
    pub item_type: u64,
}

/// Call an item something else. Whoever registered it, managers and admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameItem {
    /// Which.
    pub item: u64,
    /// 1 to 128 bytes, not blank.
    pub name: String,
}

/// Give an item another type. Whoever registered it, managers and admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetypeItem {
    /// Which.
    pub item: u64,
    /// Its type from now on.
    pub item_type: u64,
}

/// Take an item out of the catalogue and of every list of favourites. Whoever registered it,
/// managers and admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveItem {
    /// Which.
    pub item: u64,
}

/// Put an item among my favourites. Twice is once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddFavourite {
    /// Which.
    pub item: u64,
}

/// Take an item out of my favourites. Twice is once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveFavourite {
    /// Which.
    pub item: u64,
}

/// A type exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeAdded {}

/// An item exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRegistered {}

/// An item is called something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRenamed {}

/// An item has another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRetyped {}

/// An item is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRemoved {
    /// Lists of favourites it was on.
    pub favourites: u32,
}

/// An item is among the asker's favourites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FavouriteAdded {
    /// Whether it was not before.
    pub changed: bool,
    /// Favourites the asker has now.
    pub count: u32,
}

/// An item is not among the asker's favourites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FavouriteRemoved {
    /// Whether it was before.
    pub changed: bool,
    /// Favourites the asker has now.
    pub count: u32,
}

/// The types, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTypes {
    /// Only types after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// Items by part of their name, whatever the case and the accents, ordered by name as it searches
/// (by its fold, byte by byte), then by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchItems {
    /// Part of the name, at most 128 bytes; empty for all.
    pub text: String,
    /// Only of this type; 0 for all.
    pub item_type: u64,
    /// `next` of the page before; 0 for the first page. Refused if the item it stands for has another
    /// place since, so that no page ends early.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// My favourites, as [`SearchItems`] finds items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFavourites {
    /// Part of the name, at most 128 bytes; empty for all.
    pub text: String,
    /// `next` of the page before, as in [`SearchItems`]; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// A page of types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Types {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub types: Vec<TypeView>,
}

/// One type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeView {
    /// Its id.
    pub item_type: u64,
    /// Its name.
    pub name: String,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// How far this page looked: what to ask behind for more, 0 when there is no more. One
    /// answer looks at so many items and no more, so a page can be short, or empty, and not be the
    /// last.
    pub next: u64,
    /// By name as it searches, then by id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub items: Vec<ItemView>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// Its id.
    pub item: u64,
    /// Its name.
    pub name: String,
    /// Its type.
    pub item_type: u64,
    /// Whether it is a favourite of mine.
    pub favourite: bool,
}

/// A page of my favourites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Favourites {
    /// Favourites I have, on this page or not.
    pub count: u32,
    /// A sum over all of them that does not depend on their order: BLAKE3 of each id (8 bytes, little-endian),
    /// its first 8 bytes read little-endian, added modulo 2^64.
    pub digest: u64,
    /// What to ask behind for more, 0 when there is no more.
    pub next: u64,
    /// By name as it searches, then by id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub items: Vec<ItemView>,
}
