//! The catalogue: items of many types, and everybody's favourites among them.
//!
//! Commands come in and events go out through [`System`]; the files are the steps: `decide` reads
//! and may refuse, `apply` writes, `query` answers, `state` holds the rows, `favourites` one
//! person's list, and `fold` says when two names are alike.
//!
//! Items are everybody's: whoever registered one may change it, and when they are erased it stays,
//! registered by nobody. Favourites are theirs alone and go with them.
//!
//! Deliberately absent: pushes (nobody waits for an item), and removal of a type.

mod apply;
mod decide;
mod favourites;
mod fold;
mod query;
mod state;

#[cfg(test)]
mod tests;

use protocol::{
    Refusal, UserId,
    words::{
        catalogue::{self as words, Command, Event},
        log::About,
    },
};

pub use state::Catalogue;

use super::{Context, NoWord, System, word};

word!(Command, Event, words::Query, words::Answer);

impl System for Catalogue {
    const ID: u8 = words::SYSTEM;
    type Command = Command;
    type Event = Event;
    type Query = words::Query;
    type Answer = words::Answer;
    type Push = NoWord;

    fn is_client_command(command: &Command) -> bool {
        match command {
            Command::AddType(_)
            | Command::RegisterItem(_)
            | Command::RenameItem(_)
            | Command::RetypeItem(_)
            | Command::RemoveItem(_)
            | Command::AddFavourite(_)
            | Command::RemoveFavourite(_) => true,
        }
    }

    fn decide(&self, cx: &Context, command: &Command) -> Result<Event, Refusal> {
        match command {
            Command::AddType(command) => self.decide_type(cx, command).map(Event::from),
            Command::RegisterItem(command) => self.decide_register(cx, command).map(Event::from),
            Command::RenameItem(command) => self.decide_rename(cx, command).map(Event::from),
            Command::RetypeItem(command) => self.decide_retype(cx, command).map(Event::from),
            Command::RemoveItem(command) => self.decide_remove(cx, command).map(Event::from),
            Command::AddFavourite(command) => self.decide_add(cx, command).map(Event::from),
            Command::RemoveFavourite(command) => self.decide_take(cx, command).map(Event::from),
        }
    }

    fn apply(&mut self, cx: &Context, command: &Command, event: &Event) {
        self.apply_event(cx, command, event);
    }

    fn answer(&self, cx: &Context, query: &words::Query) -> Result<words::Answer, Refusal> {
        match query {
            words::Query::ListTypes(query) => self.list_types(query).map(Into::into),
            words::Query::SearchItems(query) => self.search_items(cx, query).map(Into::into),
            words::Query::SearchFavourites(query) => {
                self.search_favourites(cx, query).map(Into::into)
            }
        }
    }

    fn forget(&mut self, _cx: &Context, user: UserId) {
        self.forget_favourites(user);
        self.forget_registrar(user);
    }

    fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
        match command {
            Command::AddType(_) => event.map_or(About::Nothing, |_| About::Type(cx.seq.0)),
            Command::RegisterItem(command) => {
                event.map_or(About::Type(command.item_type), |_| About::Item(cx.seq.0))
            }
            Command::RenameItem(words::RenameItem { item, .. })
            | Command::RetypeItem(words::RetypeItem { item, .. })
            | Command::RemoveItem(words::RemoveItem { item })
            | Command::AddFavourite(words::AddFavourite { item })
            | Command::RemoveFavourite(words::RemoveFavourite { item }) => About::Item(*item),
        }
    }

    fn target(&self, command: &Command) -> u64 {
        match command {
            Command::AddType(_) | Command::RegisterItem(_) => 0,
            Command::RenameItem(words::RenameItem { item, .. })
            | Command::RetypeItem(words::RetypeItem { item, .. })
            | Command::RemoveItem(words::RemoveItem { item })
            | Command::AddFavourite(words::AddFavourite { item })
            | Command::RemoveFavourite(words::RemoveFavourite { item }) => *item,
        }
    }

    fn state_hash(&self) -> u128 {
        self.digest().value()
    }
}
