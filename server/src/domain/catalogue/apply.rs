//! What an event changes in the catalogue.
//!
//! An event that happened, with the command it answered, comes in; rows change. Total: there is no
//! way to refuse. An event beside a command that cannot have caused it, or about a row that is not
//! there, means that the log was not written by these rules, and nothing sound can follow: panic.
//! Deliberately absent: conditions; they were decided.

use protocol::words::catalogue::{Command, Event};

use super::state::{Catalogue, NewItem};
use crate::domain::Context;

impl Catalogue {
    pub(super) fn apply_event(&mut self, cx: &Context, command: &Command, event: &Event) {
        match (event, command) {
            (Event::TypeAdded(_), Command::AddType(command)) => {
                self.insert_type(cx.seq.0, &command.name);
            }
            (Event::ItemRegistered(_), Command::RegisterItem(command)) => {
                self.insert_item(NewItem {
                    id: cx.seq.0,
                    name: &command.name,
                    item_type: command.item_type,
                    registrar: cx.actor,
                });
            }
            (Event::ItemRenamed(_), Command::RenameItem(command)) => {
                self.rename_item(command.item, &command.name);
            }
            (Event::ItemRetyped(_), Command::RetypeItem(command)) => {
                self.retype_item(command.item, command.item_type);
            }
            (Event::ItemRemoved(_), Command::RemoveItem(command)) => {
                self.remove_item(command.item);
            }
            (Event::FavouriteAdded(event), Command::AddFavourite(command)) => {
                if event.changed {
                    self.insert_favourite(cx.actor, command.item);
                }
            }
            (Event::FavouriteRemoved(event), Command::RemoveFavourite(command)) => {
                if event.changed {
                    self.remove_favourite(cx.actor, command.item);
                }
            }
            (
                Event::TypeAdded(_)
                | Event::ItemRegistered(_)
                | Event::ItemRenamed(_)
                | Event::ItemRetyped(_)
                | Event::ItemRemoved(_)
                | Event::FavouriteAdded(_)
                | Event::FavouriteRemoved(_),
                command,
            ) => panic!("{} cannot have caused {}", command.name(), event.name()),
        }
    }
}
