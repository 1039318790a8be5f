//! What may happen in the catalogue, and why not.
//!
//! A command and its context come in; the event that would happen, or the first rule in its way,
//! goes out. What a command says is checked before what the state says, so that the same nonsense
//! is always refused alike. Deliberately absent: any change of state.

use protocol::{
    Code, Refusal, UserId,
    limits::{FAVOURITES_MAX, ITEM_NAME_BYTES_MAX, ITEMS_MAX, LIST_NAME_BYTES_MAX, TYPES_MAX},
    words::catalogue::{
        AddFavourite, AddType, FavouriteAdded, FavouriteRemoved, ItemRegistered, ItemRemoved,
        ItemRenamed, ItemRetyped, RegisterItem, RemoveFavourite, RemoveItem, RenameItem,
        RetypeItem, TypeAdded,
    },
};

use super::{
    fold::fold,
    state::{Catalogue, Item},
};
use crate::domain::{
    Context,
    checks::{check_length, check_manager, check_person, check_room, check_seen, is_manager},
};

impl Catalogue {
    pub(super) fn decide_type(
        &self,
        cx: &Context,
        command: &AddType,
    ) -> Result<TypeAdded, Refusal> {
        check_manager(cx)?;
        check_length(Code::TYPE_NAME_LENGTH, &command.name, LIST_NAME_BYTES_MAX)?;
        let fold = checked_fold(&command.name)?;
        check_room(Code::TYPES, self.types_len(), TYPES_MAX)?;
        match self.type_named(&fold) {
            Some(other) => Err(Refusal::with(Code::TYPE_TAKEN, other, 0)),
            None => Ok(TypeAdded {}),
        }
    }

    pub(super) fn decide_register(
        &self,
        cx: &Context,
        command: &RegisterItem,
    ) -> Result<ItemRegistered, Refusal> {
        check_person(cx)?;
        let fold = checked_item_name(&command.name)?;
        self.known_type(command.item_type)?;
        check_room(Code::ITEMS, self.items_len(), ITEMS_MAX)?;
        match self.item_named(&fold, command.item_type) {
            Some(other) => Err(Refusal::with(Code::ITEM_TAKEN, other, 0)),
            None => Ok(ItemRegistered {}),
        }
    }

    pub(super) fn decide_rename(
        &self,
        cx: &Context,
        command: &RenameItem,
    ) -> Result<ItemRenamed, Refusal> {
        check_person(cx)?;
        let fold = checked_item_name(&command.name)?;
        let item = self.item_to_change(cx, command.item)?;
        self.check_free(command.item, &fold, item.item_type)?;
        Ok(ItemRenamed {})
    }

    pub(super) fn decide_retype(
        &self,
        cx: &Context,
        command: &RetypeItem,
    ) -> Result<ItemRetyped, Refusal> {
        check_person(cx)?;
        self.known_type(command.item_type)?;
        let item = self.item_to_change(cx, command.item)?;
        self.check_free(command.item, &fold(&item.name), command.item_type)?;
        Ok(ItemRetyped {})
    }

    pub(super) fn decide_remove(
        &self,
        cx: &Context,
        command: &RemoveItem,
    ) -> Result<ItemRemoved, Refusal> {
        check_person(cx)?;
        let item = self.item_to_change(cx, command.item)?;
        Ok(ItemRemoved {
            favourites: item.fans,
        })
    }

    pub(super) fn decide_add(
        &self,
        cx: &Context,
        command: &AddFavourite,
    ) -> Result<FavouriteAdded, Refusal> {
        check_person(cx)?;
        self.known_item(command.item)?;
        let favourites = self.favourites(cx.actor);
        let changed = !favourites.contains(command.item);
        if changed {
            check_room(Code::FAVOURITES, favourites.len(), FAVOURITES_MAX)?;
        }
        Ok(FavouriteAdded {
            changed,
            count: favourites.count() + u32::from(changed),
        })
    }

    pub(super) fn decide_take(
        &self,
        cx: &Context,
        command: &RemoveFavourite,
    ) -> Result<FavouriteRemoved, Refusal> {
        check_person(cx)?;
        self.known_item(command.item)?;
        let favourites = self.favourites(cx.actor);
        let changed = favourites.contains(command.item);
        Ok(FavouriteRemoved {
            changed,
            count: favourites.count() - u32::from(changed),
        })
    }

    pub(super) fn known_type(&self, id: u64) -> Result<(), Refusal> {
        if self.has_type(id) {
            return Ok(());
        }
        Err(Refusal::with(Code::UNKNOWN_TYPE, id, 0))
    }

    fn known_item(&self, id: u64) -> Result<&Item, Refusal> {
        self.item(id)
            .ok_or(Refusal::with(Code::UNKNOWN_ITEM, id, 0))
    }

    /// An item that the asker may change.
    fn item_to_change(&self, cx: &Context, id: u64) -> Result<&Item, Refusal> {
        let item = self.known_item(id)?;
        // Nobody is no registrar: an item whose registrar was erased belongs to no one person.
        let is_registrar = item.registrar != UserId::NOBODY && item.registrar == cx.actor;
        if !is_registrar && !is_manager(cx) {
            return Err(Refusal::with(Code::NOT_REGISTRAR, id, 0));
        }
        Ok(item)
    }

    /// Whether no item but this one has that name and type.
    fn check_free(&self, id: u64, fold: &str, item_type: u64) -> Result<(), Refusal> {
        match self.item_named(fold, item_type) {
            Some(other) if other != id => Err(Refusal::with(Code::ITEM_TAKEN, other, 0)),
            Some(_) | None => Ok(()),
        }
    }
}

fn checked_item_name(name: &str) -> Result<String, Refusal> {
    check_length(Code::ITEM_NAME_LENGTH, name, ITEM_NAME_BYTES_MAX)?;
    checked_fold(name)
}

/// The fold of a name, in which something can be seen.
fn checked_fold(name: &str) -> Result<String, Refusal> {
    check_seen(name)?;
    let fold = fold(name);
    if fold.trim().is_empty() {
        let bytes = u64::try_from(name.len()).unwrap_or(u64::MAX);
        return Err(Refusal::with(Code::BLANK_NAME, bytes, 0));
    }
    Ok(fold)
}
