//! Steps of the chat, the catalogue and the sales, over how their parts are given.
//!
//! A step goes through three stages: the file says how its parts are picked, the plan has the
//! tables to draw them with, and a drawn step has numbers. The steps are the same at each stage, so
//! they are written once, over the type of a part, and `map` leads from one stage to the next.
//! Deliberately absent: what the numbers stand for on the server (see `world_map`).

use crate::plan::World;

/// What a part of a step counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// All rooms of the world.
    Rooms,
    /// The rooms the asker is in.
    OwnRooms,
    /// The groups the asker is in.
    OwnGroups,
    /// People; whoever picks themselves means the next one.
    Users,
    /// Items of the world.
    Items,
    /// Types of items.
    Types,
    /// Words that names of items begin with.
    Words,
    /// Stores, network by network.
    Stores,
    /// Networks.
    Networks,
    /// People who sell.
    Sellers,
    /// Days back from today.
    Days,
}

impl Population {
    /// How many of these there can be.
    pub(crate) const LEN: usize = 11;

    /// How many a pick goes over.
    #[must_use]
    pub const fn count(self, world: &World) -> u32 {
        match self {
            Self::Rooms | Self::OwnRooms => world.rooms,
            Self::OwnGroups => world.groups,
            Self::Users => world.users,
            Self::Items => world.items,
            Self::Types => TYPES_LEN,
            Self::Words => world.words,
            Self::Stores => world.networks * world.stores,
            Self::Networks => world.networks,
            Self::Sellers => world.sellers,
            Self::Days => world.days,
        }
    }

    /// Its place in a row of all of them.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Rooms => 0,
            Self::OwnRooms => 1,
            Self::OwnGroups => 2,
            Self::Users => 3,
            Self::Items => 4,
            Self::Types => 5,
            Self::Words => 6,
            Self::Stores => 7,
            Self::Networks => 8,
            Self::Sellers => 9,
            Self::Days => 10,
        }
    }
}

/// Types of items that every catalogue has.
const TYPES_LEN: u32 = 4;

/// A part of a step, drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ref {
    /// Something of the world, or an amount.
    Number(u32),
    /// Something the instance made itself, by the number it was saved under.
    Saved(u8),
}

/// Where something is said or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address<X> {
    /// Where everybody is.
    Public,
    /// A room.
    Room(X),
    /// A group.
    Group(X),
    /// Somebody, in private.
    User(X),
    /// The conversation that the client was shown an entry of last.
    Last,
}

impl<X> Address<X> {
    /// The same, with its part at the next stage.
    pub fn map<Y>(&self, mut lead: impl FnMut(&X) -> Y) -> Address<Y> {
        match self {
            Self::Public => Address::Public,
            Self::Room(room) => Address::Room(lead(room)),
            Self::Group(group) => Address::Group(lead(group)),
            Self::User(user) => Address::User(lead(user)),
            Self::Last => Address::Last,
        }
    }
}

/// A step of the chat and the messenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatStep<X> {
    /// Says something.
    Send {
        /// To whom.
        to: Address<X>,
        /// Bytes of it.
        bytes: X,
    },
    /// Makes a room.
    CreateRoom,
    /// Joins one.
    JoinRoom {
        /// Which.
        room: X,
    },
    /// Leaves one.
    LeaveRoom {
        /// Which.
        room: X,
    },
    /// Makes a group with two more people.
    CreateGroup {
        /// One of them.
        first: X,
        /// The other.
        second: X,
    },
    /// Takes somebody in.
    AddMember {
        /// Where.
        group: X,
        /// Whom.
        user: X,
    },
    /// Puts somebody out.
    RemoveMember {
        /// Where.
        group: X,
        /// Whom.
        user: X,
    },
    /// Leaves a group.
    LeaveGroup {
        /// Which.
        group: X,
    },
    /// Calls a group something else.
    RenameGroup {
        /// Which.
        group: X,
    },
    /// Says that what it was shown last has arrived.
    MarkDelivered,
    /// Says that what it was shown last was read.
    MarkRead,
    /// Says that this device has everything it was shown.
    MoveCursor,
    /// Reads the conversations it is in.
    ListConversations,
    /// Reads those with something undelivered.
    ListPending,
    /// Reads the rooms there are.
    ListRooms,
    /// Reads who is in a conversation.
    ListMembers {
        /// Which.
        of: Address<X>,
    },
    /// Reads a page of a conversation.
    ReadHistory {
        /// Which.
        of: Address<X>,
        /// From the newest, or from the oldest.
        backwards: bool,
        /// The most entries.
        limit: u16,
    },
    /// Reads who is here.
    ListPresence,
    /// Says in passing that it began or stopped writing.
    Typing {
        /// To whom.
        to: Address<X>,
        /// Began, or stopped.
        on: bool,
    },
    /// Asks in passing to be told of so many people after itself.
    WatchPresence {
        /// How many.
        users: u16,
    },
}

impl<X> ChatStep<X> {
    /// The same, with its parts at the next stage, in order.
    pub fn map<Y>(&self, mut lead: impl FnMut(&X) -> Y) -> ChatStep<Y> {
        match self {
            Self::Send { to, bytes } => ChatStep::Send {
                to: to.map(&mut lead),
                bytes: lead(bytes),
            },
            Self::CreateRoom => ChatStep::CreateRoom,
            Self::JoinRoom { room } => ChatStep::JoinRoom { room: lead(room) },
            Self::LeaveRoom { room } => ChatStep::LeaveRoom { room: lead(room) },
            Self::CreateGroup { first, second } => ChatStep::CreateGroup {
                first: lead(first),
                second: lead(second),
            },
            Self::AddMember { group, user } => ChatStep::AddMember {
                group: lead(group),
                user: lead(user),
            },
            Self::RemoveMember { group, user } => ChatStep::RemoveMember {
                group: lead(group),
                user: lead(user),
            },
            Self::LeaveGroup { group } => ChatStep::LeaveGroup { group: lead(group) },
            Self::RenameGroup { group } => ChatStep::RenameGroup { group: lead(group) },
            Self::MarkDelivered => ChatStep::MarkDelivered,
            Self::MarkRead => ChatStep::MarkRead,
            Self::MoveCursor => ChatStep::MoveCursor,
            Self::ListConversations => ChatStep::ListConversations,
            Self::ListPending => ChatStep::ListPending,
            Self::ListRooms => ChatStep::ListRooms,
            Self::ListMembers { of } => ChatStep::ListMembers { of: of.map(lead) },
            Self::ReadHistory {
                of,
                backwards,
                limit,
            } => ChatStep::ReadHistory {
                of: of.map(lead),
                backwards: *backwards,
                limit: *limit,
            },
            Self::ListPresence => ChatStep::ListPresence,
            Self::Typing { to, on } => ChatStep::Typing {
                to: to.map(lead),
                on: *on,
            },
            Self::WatchPresence { users } => ChatStep::WatchPresence { users: *users },
        }
    }

    /// Whether it is said in passing: no call, and no answer.
    #[must_use]
    pub const fn is_signal(&self) -> bool {
        matches!(self, Self::Typing { .. } | Self::WatchPresence { .. })
    }
}

/// A step of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueStep<X> {
    /// Makes an item.
    RegisterItem {
        /// Its type.
        item_type: X,
        /// Which word its name begins with.
        word: X,
    },
    /// Calls it something else.
    RenameItem {
        /// Which.
        item: X,
        /// As above.
        word: X,
    },
    /// Gives it another type.
    RetypeItem {
        /// Which.
        item: X,
        /// Its type from then on.
        item_type: X,
    },
    /// Takes it out.
    RemoveItem {
        /// Which.
        item: X,
    },
    /// Puts it among one's favourites.
    AddFavourite {
        /// Which.
        item: X,
    },
    /// Takes it out of them.
    RemoveFavourite {
        /// Which.
        item: X,
    },
    /// Looks for items by a word of their name.
    SearchItems {
        /// Which.
        word: X,
    },
    /// Reads one's favourites.
    ListFavourites,
}

impl<X> CatalogueStep<X> {
    /// The same, with its parts at the next stage, in order.
    pub fn map<Y>(&self, mut lead: impl FnMut(&X) -> Y) -> CatalogueStep<Y> {
        match self {
            Self::RegisterItem { item_type, word } => CatalogueStep::RegisterItem {
                item_type: lead(item_type),
                word: lead(word),
            },
            Self::RenameItem { item, word } => CatalogueStep::RenameItem {
                item: lead(item),
                word: lead(word),
            },
            Self::RetypeItem { item, item_type } => CatalogueStep::RetypeItem {
                item: lead(item),
                item_type: lead(item_type),
            },
            Self::RemoveItem { item } => CatalogueStep::RemoveItem { item: lead(item) },
            Self::AddFavourite { item } => CatalogueStep::AddFavourite { item: lead(item) },
            Self::RemoveFavourite { item } => CatalogueStep::RemoveFavourite { item: lead(item) },
            Self::SearchItems { word } => CatalogueStep::SearchItems { word: lead(word) },
            Self::ListFavourites => CatalogueStep::ListFavourites,
        }
    }
}

/// A step of the sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalesStep<X> {
    /// Sells something in one's own store.
    RecordSale {
        /// For how much.
        cents: X,
        /// How many days ago.
        day: X,
    },
    /// What somebody sold.
    SellerTotal {
        /// Who.
        seller: X,
    },
    /// What a store sold.
    StoreTotal {
        /// Which.
        store: X,
        /// In how many days up to today.
        days: u16,
    },
    /// What a network sold.
    NetworkTotal {
        /// Which.
        network: X,
        /// In how many days up to today.
        days: u16,
    },
    /// Who sold the most.
    BestSeller {
        /// Of which network.
        network: X,
    },
    /// Which store sold the most.
    BestStore {
        /// Of which network.
        network: X,
    },
}

impl<X> SalesStep<X> {
    /// The same, with its parts at the next stage, in order.
    pub fn map<Y>(&self, mut lead: impl FnMut(&X) -> Y) -> SalesStep<Y> {
        match self {
            Self::RecordSale { cents, day } => SalesStep::RecordSale {
                cents: lead(cents),
                day: lead(day),
            },
            Self::SellerTotal { seller } => SalesStep::SellerTotal {
                seller: lead(seller),
            },
            Self::StoreTotal { store, days } => SalesStep::StoreTotal {
                store: lead(store),
                days: *days,
            },
            Self::NetworkTotal { network, days } => SalesStep::NetworkTotal {
                network: lead(network),
                days: *days,
            },
            Self::BestSeller { network } => SalesStep::BestSeller {
                network: lead(network),
            },
            Self::BestStore { network } => SalesStep::BestStore {
                network: lead(network),
            },
        }
    }
}
