//! What exists before the clock starts, and who of its users a load is made by.
//!
//! Counts only: the set-up makes what they say, and a pick is a number below one of them.
//! Deliberately absent: ids of the server (see `world_map`).

use std::{fmt, ops::Range};

/// What exists before the clock starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct World {
    /// People.
    pub users: u32,
    /// Clients of each of them, each with a connection and a session of its own. Client `c` of the
    /// plan is a device of user `c / devices`.
    pub devices: u32,
    /// Agendas opened for the run.
    pub agendas: u32,
    /// Days that picks go over. For slots, day 0 is tomorrow, so that no slot is past; for sales,
    /// it is today and they go back.
    pub days: u32,
    /// Slots a day of each agenda.
    pub slots: u16,
    /// Places in each slot.
    pub capacity: u16,
    /// Rooms.
    pub rooms: u32,
    /// People in each of them: room `r` has those from `r * room_members` on, round and round.
    pub room_members: u32,
    /// Groups.
    pub groups: u32,
    /// People in each of them, as for rooms.
    pub group_members: u32,
    /// Items of the catalogue.
    pub items: u32,
    /// Words that names of items begin with.
    pub words: u32,
    /// Networks of stores.
    pub networks: u32,
    /// Stores of each of them.
    pub stores: u32,
    /// How many people sell: the first ones. Seller `s` sells in store `s`, round and round.
    pub sellers: u32,
    /// How many manage: the last ones.
    pub managers: u32,
}

impl World {
    /// Slots in all.
    #[must_use]
    pub fn keys(&self) -> u64 {
        u64::from(self.agendas) * u64::from(self.days) * u64::from(self.slots)
    }

    /// Clients in all.
    #[must_use]
    pub const fn clients(&self) -> u32 {
        self.users * self.devices
    }

    /// The users in a room or group with so many members: `members` from `circle * members` on.
    pub fn members_of(&self, circle: u32, members: u32) -> impl Iterator<Item = u32> + use<> {
        let users = u64::from(self.users);
        let first = u64::from(circle) * u64::from(members);
        (first..first + u64::from(members)).filter_map(move |place| {
            let user = place.checked_rem(users)?;
            u32::try_from(user).ok()
        })
    }

    /// Whether a user is one of them.
    #[must_use]
    pub fn is_member(&self, circle: u32, members: u32, user: u32) -> bool {
        let users = u64::from(self.users);
        let first = u64::from(circle) * u64::from(members) % users;
        (u64::from(user) + users - first) % users < u64::from(members)
    }

    /// Those of them that a load is made by.
    #[must_use]
    pub const fn clients_of(&self, who: Who) -> Range<u32> {
        let last = self.users;
        let users = match who {
            Who::Everybody => 0..last,
            Who::Sellers => 0..self.sellers,
            Who::Managers => last - self.managers..last,
        };
        users.start * self.devices..users.end * self.devices
    }
}

/// Whose clients make a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    /// All users'.
    #[default]
    Everybody,
    /// Those who sell.
    Sellers,
    /// Those who manage.
    Managers,
}

impl Who {
    /// The word for it in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Sellers => "sellers",
            Self::Managers => "managers",
        }
    }
}

/// What there is of it, in words.
impl fmt::Display for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} users", self.users)?;
        if self.devices > 1 {
            write!(out, " with {} devices each", self.devices)?;
        }
        let each = |count: u32, what: &str, size: u32| match (count, size) {
            (0, _) => String::new(),
            (_, 0) => format!(", {count} {what}"),
            _ => format!(", {count} {what} of {size}"),
        };
        out.write_str(&each(self.agendas, "agendas", 0))?;
        out.write_str(&each(self.rooms, "rooms", self.room_members))?;
        out.write_str(&each(self.groups, "groups", self.group_members))?;
        out.write_str(&each(self.items, "items", 0))?;
        out.write_str(&each(self.networks, "networks", self.stores))?;
        out.write_str(&each(self.sellers, "sellers", 0))?;
        out.write_str(&each(self.managers, "managers", 0))
    }
}
