//! The world: how many there are of everything, each count within its limit.

use std::ops::Range;

use super::reader::{Read, Table};
use crate::plan::World;

/// Users, and clients in all: each keeps a connection, and one process may open 20,000 descriptors.
const USERS: Range<u64> = 1..CLIENTS_MAX + 1;
const CLIENTS_MAX: u64 = 19_000;
/// Devices of one user: what a person owns, and the sessions that a server lets them have.
const DEVICES: Range<u64> = 1..9;
/// Agendas.
const AGENDAS: Range<u64> = 1..1_001;
/// Days: a year.
const DAYS: Range<u64> = 1..366;
/// Slots a day: one a minute.
const SLOTS: Range<u64> = 1..1_441;
/// Places in a slot.
const CAPACITY: Range<u64> = 1..1_001;
/// Rooms, and groups: somebody may be in all of them, and the server lets a person be in so many.
const ROOMS: Range<u64> = 1..1_001;
/// Groups.
const GROUPS: Range<u64> = 1..10_001;
/// Members of a group: what the server takes.
const GROUP_MEMBERS_MAX: u64 = 256;
/// Items of the catalogue.
const ITEMS: Range<u64> = 1..100_001;
/// Words that names of items begin with.
const WORDS: Range<u64> = 1..10_001;
/// Networks, and stores of each.
const NETWORKS: Range<u64> = 1..101;
/// Stores of a network.
const STORES: Range<u64> = 1..1_001;

/// Slots a day when the file does not say.
const SLOTS_DEFAULT: u16 = 12;
/// Members of a group when the file does not say.
const GROUP_MEMBERS_DEFAULT: u32 = 10;
/// Words when the file does not say.
const WORDS_DEFAULT: u32 = 100;

/// Keys of `[world]`.
pub(super) const WORLD_KEYS: [&str; 16] = [
    "users",
    "devices",
    "agendas",
    "days",
    "slots",
    "capacity",
    "rooms",
    "room_members",
    "groups",
    "group_members",
    "items",
    "words",
    "networks",
    "stores",
    "sellers",
    "managers",
];

pub(super) fn read_world(table: &Table<'_>) -> Read<World> {
    let users: u32 = table.need("users")?.integer(USERS).map_err(|fault| {
        fault.hint("each user keeps a connection, and one process may open 20,000 descriptors")
    })?;
    let people = 1..u64::from(users) + 1;
    let group_members = 1..u64::from(users).min(GROUP_MEMBERS_MAX) + 1;
    let world = World {
        users,
        devices: count(table, "devices", DEVICES, 1)?,
        agendas: count(table, "agendas", AGENDAS, 0)?,
        days: count(table, "days", DAYS, 1)?,
        slots: number(table, "slots", SLOTS, SLOTS_DEFAULT)?,
        capacity: number(table, "capacity", CAPACITY, 1)?,
        rooms: count(table, "rooms", ROOMS, 0)?,
        room_members: count(table, "room_members", people.clone(), users)?,
        groups: count(table, "groups", GROUPS, 0)?,
        group_members: count(
            table,
            "group_members",
            group_members,
            GROUP_MEMBERS_DEFAULT.min(users),
        )?,
        items: count(table, "items", ITEMS, 0)?,
        words: count(table, "words", WORDS, WORDS_DEFAULT)?,
        networks: count(table, "networks", NETWORKS, 0)?,
        stores: count(table, "stores", STORES, 0)?,
        sellers: count(table, "sellers", people.clone(), 0)?,
        managers: count(table, "managers", people, 0)?,
    };
    check(table, &world)?;
    Ok(world)
}

fn count(table: &Table<'_>, key: &'static str, range: Range<u64>, default: u32) -> Read<u32> {
    number(table, key, range, default)
}

fn number<T: TryFrom<u64>>(
    table: &Table<'_>,
    key: &'static str,
    range: Range<u64>,
    default: T,
) -> Read<T> {
    table
        .get(key)
        .map_or(Ok(default), |value| value.integer(range))
}

/// What two keys must agree on.
fn check(table: &Table<'_>, world: &World) -> Read<()> {
    let clients = u64::from(world.users) * u64::from(world.devices);
    if CLIENTS_MAX < clients {
        return Err(table
            .need("devices")?
            .fault(format!(
                "this is {clients} connections, but a world has at most {CLIENTS_MAX}"
            ))
            .hint("one process may open 20,000 descriptors: fewer users or fewer devices"));
    }
    for (key, needed, has) in [
        ("stores", "networks", world.networks),
        ("networks", "stores", world.stores),
        ("sellers", "stores", world.stores),
        ("room_members", "rooms", world.rooms),
        ("group_members", "groups", world.groups),
    ] {
        if let Some(value) = table.get(key).filter(|_| has == 0) {
            return Err(value
                .fault(format!("`{key}` without `{needed}` means nothing"))
                .hint(format!("add `{needed} = 1`, or remove `{key}`")));
        }
    }
    Ok(())
}
