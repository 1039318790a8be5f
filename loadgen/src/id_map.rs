//! Where the plan's numbers are on the server.
//!
//! The set-up fills it in; the driver turns numbers of the plan into ids with it. Deliberately
//! absent: how any of it was made (see `run`), and who picks what (see `plan`).

use protocol::{UserId, words::agenda};

use crate::{
    operation::Slot,
    plan::{Place, World},
};

/// Where the plan's numbers are on the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdMap {
    /// How many there are of everything.
    pub world: World,
    /// The id of each agenda of the plan.
    pub agendas: Vec<u64>,
    /// The server's day that is day 0 of the plan, days since 1970-01-01 UTC: the day after the one
    /// on which the run began.
    pub first_day: u32,
    /// Who each user is.
    pub users: Vec<UserId>,
    /// The id of each room.
    pub rooms: Vec<u64>,
    /// The id of each group.
    pub groups: Vec<u64>,
    /// The id of each item.
    pub items: Vec<u64>,
    /// The id of each network.
    pub networks: Vec<u64>,
    /// The id of each store, network by network.
    pub stores: Vec<u64>,
}

impl IdMap {
    /// The slot that stands for a place of the plan.
    ///
    /// # Panics
    /// If the plan's world has more agendas than were opened, which its set-up rules out.
    #[must_use]
    pub fn slot(&self, place: Place) -> Slot {
        let day = self.first_day.saturating_add(place.day);
        let id = agenda::SlotId {
            agenda: number(&self.agendas, place.agenda).expect("the set-up opened every agenda"),
            day,
            slot: place.slot,
        };
        Slot::pack(id).expect("agendas, days and slots of a run fit")
    }

    /// The day so many days before the one on which the run began.
    #[must_use]
    pub const fn days_ago(&self, days: u32) -> u32 {
        self.first_day.saturating_sub(1).saturating_sub(days)
    }

    /// The number of the user whose device a client is.
    #[must_use]
    pub const fn user_of(&self, client: u32) -> u32 {
        match client.checked_div(self.world.devices) {
            Some(user) => user,
            None => client,
        }
    }

    /// A user by number.
    #[must_use]
    pub fn user(&self, user: u32) -> Option<UserId> {
        number(&self.users, user)
    }

    /// A user by number who is somebody else: whoever means themselves means the next one.
    #[must_use]
    pub fn other(&self, client: u32, user: u32) -> Option<UserId> {
        let user = if user == self.user_of(client) {
            (user + 1) % self.world.users.max(1)
        } else {
            user
        };
        self.user(user).filter(|_| user != self.user_of(client))
    }

    /// A room by number.
    #[must_use]
    pub fn room(&self, room: u32) -> Option<u64> {
        number(&self.rooms, room)
    }

    /// A room by its number among those that a client's user was put into. A number beyond the last
    /// one begins from the first again; `None` if there is no such room at all.
    #[must_use]
    pub fn own_room(&self, client: u32, room: u32) -> Option<u64> {
        let members = self.world.room_members;
        number(
            &self.rooms,
            self.own(client, (self.world.rooms, members), room)?,
        )
    }

    /// The same for groups.
    #[must_use]
    pub fn own_group(&self, client: u32, group: u32) -> Option<u64> {
        let members = self.world.group_members;
        number(
            &self.groups,
            self.own(client, (self.world.groups, members), group)?,
        )
    }

    /// An item by number.
    #[must_use]
    pub fn item(&self, item: u32) -> Option<u64> {
        number(&self.items, item)
    }

    /// A network by number.
    #[must_use]
    pub fn network(&self, network: u32) -> Option<u64> {
        number(&self.networks, network)
    }

    /// A store by number.
    #[must_use]
    pub fn store(&self, store: u32) -> Option<u64> {
        number(&self.stores, store)
    }

    /// Where a client's user sells.
    #[must_use]
    pub fn own_store(&self, client: u32) -> Option<u64> {
        let user = usize::try_from(self.user_of(client)).ok()?;
        self.stores
            .get(user.checked_rem(self.stores.len())?)
            .copied()
    }

    /// Of `count` circles of `members` people each, the `wanted`-th that a client's user is in.
    /// Walks along all of them: there are a thousand at most, and it takes a microsecond.
    fn own(&self, client: u32, (count, members): (u32, u32), wanted: u32) -> Option<u32> {
        let user = self.user_of(client);
        let is_in = |circle: &u32| self.world.is_member(*circle, members, user);
        if members == self.world.users {
            return wanted.checked_rem(count);
        }
        let own = (0..count).filter(is_in).count();
        let index = usize::try_from(wanted).ok()?.checked_rem(own)?;
        (0..count).filter(is_in).nth(index)
    }
}

fn number<T: Copy>(ids: &[T], number: u32) -> Option<T> {
    ids.get(usize::try_from(number).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> IdMap {
        let world = World {
            users: 10,
            devices: 2,
            rooms: 6,
            room_members: 4,
            ..World::default()
        };
        IdMap {
            rooms: (100..106).collect(),
            users: (0..10).map(UserId).collect(),
            stores: vec![70, 71, 72],
            world,
            ..IdMap::default()
        }
    }

    #[test]
    fn a_room_is_picked_among_those_that_the_user_was_put_into() {
        let map = map();
        let rooms = map.world.rooms;
        for client in 0..map.world.clients() {
            let user = map.user_of(client);
            for wanted in 0..rooms {
                let room = map
                    .own_room(client, wanted)
                    .expect("24 places for 10 users");
                let number = u32::try_from(room - 100).expect("a small number");
                assert!(map.world.members_of(number, 4).any(|member| member == user));
            }
        }
    }

    #[test]
    fn every_room_has_its_members_and_nobody_else() {
        let map = map();
        for room in 0..map.world.rooms {
            let members: Vec<u32> = map.world.members_of(room, 4).collect();
            let found: Vec<u32> = (0..10)
                .filter(|user| map.world.is_member(room, 4, *user))
                .collect();
            let mut sorted = members.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, found);
            assert_eq!(members.len(), 4);
        }
    }

    #[test]
    fn whoever_picks_themselves_means_the_next_one() {
        let map = map();
        assert_eq!(map.other(6, 3), Some(UserId(4)));
        assert_eq!(map.other(6, 2), Some(UserId(2)));
        assert_eq!(map.other(19, 9), Some(UserId(0)));
        let alone = IdMap {
            world: World {
                users: 1,
                devices: 1,
                ..World::default()
            },
            users: vec![UserId(5)],
            ..IdMap::default()
        };
        assert_eq!(alone.other(0, 0), None);
    }

    #[test]
    fn devices_of_a_seller_sell_in_one_store() {
        let map = map();
        assert_eq!(map.own_store(8), Some(71));
        assert_eq!(map.own_store(9), Some(71));
    }
}
