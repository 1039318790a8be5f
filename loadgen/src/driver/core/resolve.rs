//! Drawn steps, as what to do about real things.
//!
//! Numbers and saved names go in, calls about ids of the server come out; what cannot be done
//! (nothing was saved under that name, nothing was shown) comes out as nothing. Deliberately
//! absent: when any of it happens.

use protocol::{
    UserId,
    words::{
        chat::{PUBLIC, Target},
        presence::{Signal, Typing, WatchPresence},
    },
};

use crate::{
    client_memory::ClientMemory,
    id_map::IdMap,
    operation::{Call, CatalogueCall, ChatCall, Nanos, SalesCall, Slot},
    plan::{Address, CatalogueStep, ChatStep, DrawnCall, Ref, SalesStep},
};

/// What an instance does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Asks this.
    Ask(Call),
    /// Says this in passing.
    Say(Signal),
    /// Closes its client's connection, and comes back after this much time.
    Leave(Nanos),
}

/// What an instance made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saved {
    pub(super) number: u8,
    /// Its id: the position of the record that made it.
    pub(super) id: u64,
    /// The slot of a booking.
    pub(super) slot: Slot,
}

/// What drawn steps are about: whose they are, and what is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver<'r> {
    pub(super) client: u32,
    pub(super) world: &'r IdMap,
    pub(super) knowledge: &'r ClientMemory,
    pub(super) saved: &'r [Saved],
}

impl Resolver<'_> {
    /// What to do, and the number to save what it makes under. `None` if it cannot be done.
    pub(super) fn resolve(&self, drawn: &DrawnCall) -> Option<(Next, Option<u8>)> {
        match drawn {
            DrawnCall::Reserve { save, .. } | DrawnCall::Hold { save, .. } => {
                Some((Next::Ask(self.agenda(drawn)?), *save))
            }
            DrawnCall::Cancel { .. }
            | DrawnCall::Confirm { .. }
            | DrawnCall::JoinWaitlist { .. }
            | DrawnCall::LeaveWaitlist { .. }
            | DrawnCall::ListSlots { .. }
            | DrawnCall::MyBookings => Some((Next::Ask(self.agenda(drawn)?), None)),
            DrawnCall::EraseMe => Some((Next::Ask(Call::EraseMe), None)),
            DrawnCall::Chat { step, save } => {
                let next = if step.is_signal() {
                    Next::Say(self.signal(step)?)
                } else {
                    Next::Ask(Call::Chat(self.chat(step)?))
                };
                Some((next, *save))
            }
            DrawnCall::Catalogue { step, save } => {
                let call = Call::Catalogue(self.catalogue(step)?);
                Some((Next::Ask(call), *save))
            }
            DrawnCall::Sales(step) => Some((Next::Ask(Call::Sales(self.sales(step)?)), None)),
        }
    }

    fn agenda(&self, drawn: &DrawnCall) -> Option<Call> {
        let slot = |place| self.world.slot(place);
        Some(match *drawn {
            DrawnCall::Reserve { place, .. } => Call::Reserve { slot: slot(place) },
            DrawnCall::Hold { place, seconds, .. } => Call::Hold {
                slot: slot(place),
                seconds,
            },
            DrawnCall::Cancel { saved } => {
                let saved = self.saved(saved)?;
                Call::Cancel {
                    booking: saved.id,
                    slot: saved.slot,
                }
            }
            DrawnCall::Confirm { saved } => {
                let saved = self.saved(saved)?;
                Call::Confirm {
                    booking: saved.id,
                    slot: saved.slot,
                }
            }
            DrawnCall::JoinWaitlist { place } => Call::JoinWaitlist { slot: slot(place) },
            DrawnCall::LeaveWaitlist { place } => Call::LeaveWaitlist { slot: slot(place) },
            DrawnCall::ListSlots { place } => Call::ListSlots { slot: slot(place) },
            DrawnCall::MyBookings => Call::MyBookings,
            DrawnCall::EraseMe
            | DrawnCall::Chat { .. }
            | DrawnCall::Catalogue { .. }
            | DrawnCall::Sales(_) => {
                return None;
            }
        })
    }

    fn chat(&self, step: &ChatStep<Ref>) -> Option<ChatCall> {
        Some(match step {
            ChatStep::Send { to, bytes } => ChatCall::Send {
                to: self.target(to)?,
                bytes: u16::try_from(number(*bytes)?).ok()?,
            },
            ChatStep::CreateRoom => ChatCall::CreateRoom {},
            ChatStep::JoinRoom { room } => ChatCall::JoinRoom {
                room: self.id(*room, |number| self.world.room(number))?,
            },
            ChatStep::LeaveRoom { room } => ChatCall::LeaveRoom {
                room: self.own_room(*room)?,
            },
            ChatStep::MarkDelivered => {
                let (conversation, index) = self.knowledge.undelivered()?;
                ChatCall::MarkDelivered {
                    conversation,
                    index,
                }
            }
            ChatStep::MarkRead => {
                let (conversation, index) = self.knowledge.unread()?;
                ChatCall::MarkRead {
                    conversation,
                    index,
                }
            }
            ChatStep::MoveCursor => ChatCall::MoveCursor {
                seq: self.knowledge.beyond_cursor()?,
            },
            ChatStep::ListConversations => ChatCall::ListConversations {},
            ChatStep::ListPending => ChatCall::ListPending {},
            ChatStep::ListRooms => ChatCall::ListRooms {},
            ChatStep::ListMembers { of } => ChatCall::ListMembers {
                // Nobody can list who is in the public one: everybody is.
                conversation: self.conversation(of).filter(|id| *id != PUBLIC)?,
            },
            ChatStep::ReadHistory {
                of,
                backwards,
                limit,
            } => ChatCall::ReadHistory {
                conversation: self.conversation(of)?,
                from: 0,
                backwards: *backwards,
                limit: *limit,
            },
            ChatStep::ListPresence => ChatCall::ListPresence {},
            ChatStep::CreateGroup { .. }
            | ChatStep::AddMember { .. }
            | ChatStep::RemoveMember { .. }
            | ChatStep::LeaveGroup { .. }
            | ChatStep::RenameGroup { .. } => return self.group(step),
            ChatStep::Typing { .. } | ChatStep::WatchPresence { .. } => return None,
        })
    }

    fn group(&self, step: &ChatStep<Ref>) -> Option<ChatCall> {
        let other = |user: Ref| self.world.other(self.client, number(user)?);
        Some(match *step {
            ChatStep::CreateGroup { first, second } => ChatCall::CreateGroup {
                first: other(first)?,
                second: other(second)?,
            },
            ChatStep::AddMember { group, user } => ChatCall::AddMember {
                group: self.own_group(group)?,
                user: other(user)?,
            },
            ChatStep::RemoveMember { group, user } => ChatCall::RemoveMember {
                group: self.own_group(group)?,
                user: other(user)?,
            },
            ChatStep::LeaveGroup { group } => ChatCall::LeaveGroup {
                group: self.own_group(group)?,
            },
            ChatStep::RenameGroup { group } => ChatCall::RenameGroup {
                group: self.own_group(group)?,
            },
            _of_no_group => return None,
        })
    }

    fn signal(&self, step: &ChatStep<Ref>) -> Option<Signal> {
        match step {
            ChatStep::Typing { to, on } => Some(
                Typing {
                    to: self.target(to)?,
                    on: *on,
                }
                .into(),
            ),
            ChatStep::WatchPresence { users } => Some(self.watch(*users).into()),
            _no_signal => None,
        }
    }

    /// The next `users` people, round and round.
    fn watch(&self, users: u16) -> WatchPresence {
        let me = self.world.user_of(self.client);
        let count = self.world.world.users.max(1);
        let numbers = (1..=u32::from(users).min(count - 1)).map(|step| (me + step) % count);
        let users: Vec<UserId> = numbers.filter_map(|user| self.world.user(user)).collect();
        WatchPresence { users }
    }

    fn catalogue(&self, step: &CatalogueStep<Ref>) -> Option<CatalogueCall> {
        let item = |item| self.id(item, |number| self.world.item(number));
        // Types that every catalogue has count from 1.
        let item_type = |of: Ref| number(of).map(|number| u64::from(number) + 1);
        Some(match *step {
            CatalogueStep::RegisterItem {
                item_type: of,
                word,
            } => CatalogueCall::RegisterItem {
                item_type: item_type(of)?,
                word: number(word)?,
            },
            CatalogueStep::RenameItem { item: of, word } => CatalogueCall::RenameItem {
                item: item(of)?,
                word: number(word)?,
            },
            CatalogueStep::RetypeItem {
                item: of,
                item_type: to,
            } => CatalogueCall::RetypeItem {
                item: item(of)?,
                item_type: item_type(to)?,
            },
            CatalogueStep::RemoveItem { item: of } => CatalogueCall::RemoveItem { item: item(of)? },
            CatalogueStep::AddFavourite { item: of } => {
                CatalogueCall::AddFavourite { item: item(of)? }
            }
            CatalogueStep::RemoveFavourite { item: of } => {
                CatalogueCall::RemoveFavourite { item: item(of)? }
            }
            CatalogueStep::SearchItems { word } => CatalogueCall::SearchItems {
                word: number(word)?,
            },
            CatalogueStep::ListFavourites => CatalogueCall::ListFavourites {},
        })
    }

    fn sales(&self, step: &SalesStep<Ref>) -> Option<SalesCall> {
        let period = |days: u16| {
            let from = self.world.days_ago(u32::from(days).saturating_sub(1));
            (from, self.world.days_ago(0))
        };
        let network = |of: Ref| self.world.network(number(of)?);
        Some(match *step {
            SalesStep::RecordSale { cents, day } => SalesCall::RecordSale {
                store: self.world.own_store(self.client)?,
                cents: number(cents)?.into(),
                day: self.world.days_ago(number(day)?),
            },
            SalesStep::SellerTotal { seller } => SalesCall::SellerTotal {
                seller: self.world.user(number(seller)?)?,
            },
            SalesStep::StoreTotal { store, days } => {
                let (from, to) = period(days);
                let store = self.world.store(number(store)?)?;
                SalesCall::StoreTotal { store, from, to }
            }
            SalesStep::NetworkTotal { network: of, days } => {
                let (from, to) = period(days);
                let network = network(of)?;
                SalesCall::NetworkTotal { network, from, to }
            }
            SalesStep::BestSeller { network: of } => SalesCall::BestSeller {
                network: network(of)?,
            },
            SalesStep::BestStore { network: of } => SalesCall::BestStore {
                network: network(of)?,
            },
        })
    }

    fn target(&self, address: &Address<Ref>) -> Option<Target> {
        Some(match *address {
            Address::Public => Target::Public,
            Address::User(user) => Target::Person(self.world.other(self.client, number(user)?)?),
            Address::Room(_) | Address::Group(_) | Address::Last => {
                Target::Conversation(self.conversation(address)?)
            }
        })
    }

    fn conversation(&self, address: &Address<Ref>) -> Option<u64> {
        match *address {
            Address::Public => Some(PUBLIC),
            Address::Room(room) => self.own_room(room),
            Address::Group(group) => self.own_group(group),
            Address::Last => self.knowledge.conversation(),
            Address::User(_) => None,
        }
    }

    fn own_room(&self, room: Ref) -> Option<u64> {
        self.id(room, |number| self.world.own_room(self.client, number))
    }

    fn own_group(&self, group: Ref) -> Option<u64> {
        self.id(group, |number| self.world.own_group(self.client, number))
    }

    fn id(&self, thing: Ref, of_world: impl FnOnce(u32) -> Option<u64>) -> Option<u64> {
        match thing {
            Ref::Number(number) => of_world(number),
            Ref::Saved(number) => self.saved(number).map(|saved| saved.id),
        }
    }

    fn saved(&self, number: u8) -> Option<&Saved> {
        self.saved.iter().find(|saved| saved.number == number)
    }
}

/// A part that only a number can be.
const fn number(thing: Ref) -> Option<u32> {
    match thing {
        Ref::Number(number) => Some(number),
        Ref::Saved(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use protocol::Key;

    use super::*;
    use crate::{
        operation::{Push, ShownEntry, Words},
        plan::World,
    };

    const NUMBER: Ref = Ref::Number(1);

    fn world() -> IdMap {
        IdMap {
            world: World {
                users: 4,
                devices: 1,
                rooms: 2,
                room_members: 2,
                ..World::default()
            },
            first_day: 101,
            users: (10..14).map(UserId).collect(),
            rooms: vec![50, 51],
            items: vec![60, 61],
            stores: vec![70, 71],
            networks: vec![80],
            ..IdMap::default()
        }
    }

    /// What client 1 does, having saved 99 under number 0 and been shown entry 7 of `shown`.
    fn resolve(drawn: &DrawnCall, shown: Option<u64>) -> Option<Next> {
        let mut knowledge = ClientMemory::default();
        if let Some(conversation) = shown {
            let entry = ShownEntry {
                conversation,
                index: 7,
                seq: 200,
                author: UserId(10),
                key: Key([0; 16]),
                text: Some(Words::Right),
            };
            knowledge.handle_push(200, &Push::Entry(entry));
        }
        let saved = [Saved {
            number: 0,
            id: 99,
            slot: Slot(0),
        }];
        let world = world();
        let resolver = Resolver {
            client: 1,
            world: &world,
            knowledge: &knowledge,
            saved: &saved,
        };
        resolver.resolve(drawn).map(|(next, _save)| next)
    }

    fn chat(step: ChatStep<Ref>, shown: Option<u64>) -> Option<Next> {
        resolve(&DrawnCall::Chat { step, save: None }, shown)
    }

    fn asks(call: ChatCall) -> Option<Next> {
        Some(Next::Ask(Call::Chat(call)))
    }

    #[test]
    fn a_room_is_one_of_ones_own_or_one_that_was_made() {
        let send = |room| {
            let to = Address::Room(room);
            chat(ChatStep::Send { to, bytes: NUMBER }, None)
        };
        let to = |room| {
            let to = Target::Conversation(room);
            asks(ChatCall::Send { to, bytes: 1 })
        };
        // Client 1 is in the first room only, so every number means that one.
        assert_eq!(send(Ref::Number(0)), to(50));
        assert_eq!(send(Ref::Number(1)), to(50));
        assert_eq!(send(Ref::Saved(0)), to(99));
        assert_eq!(send(Ref::Saved(1)), None, "nothing was saved under 1");
        let join = chat(ChatStep::JoinRoom { room: NUMBER }, None);
        assert_eq!(join, asks(ChatCall::JoinRoom { room: 51 }));
    }

    #[test]
    fn marks_are_about_what_was_shown_last_and_nothing_without_it() {
        assert_eq!(chat(ChatStep::MarkRead, None), None);
        let read = asks(ChatCall::MarkRead {
            conversation: 50,
            index: 7,
        });
        assert_eq!(chat(ChatStep::MarkRead, Some(50)), read);
        let moved = asks(ChatCall::MoveCursor { seq: 200 });
        assert_eq!(chat(ChatStep::MoveCursor, Some(50)), moved);
    }

    #[test]
    fn nobody_asks_who_is_where_everybody_is() {
        let of = Address::Last;
        let members = asks(ChatCall::ListMembers { conversation: 50 });
        assert_eq!(chat(ChatStep::ListMembers { of }, Some(50)), members);
        assert_eq!(chat(ChatStep::ListMembers { of }, Some(PUBLIC)), None);
    }

    #[test]
    fn what_is_said_in_passing_is_no_call() {
        let typing = ChatStep::Typing {
            to: Address::User(NUMBER),
            on: true,
        };
        let to = Target::Person(UserId(12));
        let said = Signal::from(Typing { to, on: true });
        assert_eq!(chat(typing, None), Some(Next::Say(said)));
        let watched = Signal::from(WatchPresence {
            users: [12, 13, 10].map(UserId).to_vec(),
        });
        let watch = ChatStep::WatchPresence { users: 9 };
        assert_eq!(chat(watch, None), Some(Next::Say(watched)));
    }

    #[test]
    fn a_sale_is_made_in_ones_own_store_and_days_go_back_from_today() {
        let sale = SalesStep::RecordSale {
            cents: Ref::Number(250),
            day: Ref::Number(2),
        };
        let asked = |call| Some(Next::Ask(Call::Sales(call)));
        assert_eq!(
            resolve(&DrawnCall::Sales(sale), None),
            asked(SalesCall::RecordSale {
                store: 71,
                cents: 250,
                day: 98,
            })
        );
        let total = SalesStep::StoreTotal {
            store: Ref::Number(0),
            days: 7,
        };
        assert_eq!(
            resolve(&DrawnCall::Sales(total), None),
            asked(SalesCall::StoreTotal {
                store: 70,
                from: 94,
                to: 100,
            })
        );
    }

    #[test]
    fn an_item_is_one_of_the_world_or_one_that_was_made() {
        let add = |item| {
            let step = CatalogueStep::AddFavourite { item };
            resolve(&DrawnCall::Catalogue { step, save: None }, None)
        };
        let added = |item| {
            Some(Next::Ask(Call::Catalogue(CatalogueCall::AddFavourite {
                item,
            })))
        };
        assert_eq!(add(NUMBER), added(61));
        assert_eq!(add(Ref::Saved(0)), added(99));
    }
}
