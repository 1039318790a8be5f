//! What is made before the clock starts, as a list of commands: by whom, what, in which order, and what
//! must be known before.
//!
//! The plan's world goes in, and people and commands come out; the positions of the answers go in, and
//! where the plan's places are comes out. Commands of one stage may all be asked at once; a stage begins
//! when the one before it is through, since its commands name what was made there. Whoever plays the
//! list has the connections: see `run/world`. Deliberately absent: passwords of others, waiting, sockets.

use protocol::{
    Key, Roles, Seq, UserId,
    words::{
        accounts::{self, SetRoles},
        agenda::{self, OpenAgenda},
        catalogue::{self, RegisterItem, TYPES_FIRST},
        chat::{self, CreateGroup, CreateRoom, JoinRoom},
        sales::{self, AssignSeller, OpenNetwork, OpenStore},
    },
};

use crate::{
    id_map::IdMap,
    operation::{SetUpKeys, item_name},
    plan::{Who, World},
    wire::{Word, group_name, room_name},
};

/// Everybody's password. The users exist for one run and own nothing.
const PASSWORD: &str = "stampede";

/// What the keys of a set-up are for; the number tells those of one purpose apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The admin logs in.
    AdminLogIn = 0,
    /// The admin comes on another connection.
    AdminResume = 1,
    /// An agenda.
    Agenda = 2,
    /// A user registers.
    Register = SetUpKeys::REGISTER,
    /// A device of a user logs in, or comes again.
    LogIn = 4,
    /// The roles of a user.
    Roles = 5,
    /// A room.
    Room = 6,
    /// A member of a room.
    Member = 7,
    /// A group.
    Group = 8,
    /// An item.
    Item = 9,
    /// A network.
    Network = 10,
    /// A store.
    Store = 11,
    /// The store of a seller.
    Seller = 12,
}

impl Purpose {
    /// The key of this purpose with this number.
    #[must_use]
    pub fn key(self, keys: SetUpKeys, number: u32) -> Key {
        keys.key(self as u32, number)
    }
}

/// A user who is to be registered, and to log in on each of their devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Which, from 0.
    pub user: u32,
    /// What they are called.
    pub name: String,
    /// Their password.
    pub password: &'static str,
    /// The key they register under.
    pub register: Key,
    /// The key each of their devices logs in under.
    pub devices: Vec<Key>,
}

/// Everybody, in the order of the plan.
pub fn people(world: &World, keys: SetUpKeys) -> impl Iterator<Item = Person> {
    let devices = world.devices;
    (0..world.users).map(move |user| Person {
        user,
        name: format!("r{:08x}-{user}", keys.run() & 0xffff_ffff),
        password: PASSWORD,
        register: Purpose::Register.key(keys, user),
        devices: (0..devices)
            .map(|device| Purpose::LogIn.key(keys, user * devices + device))
            .collect(),
    })
}

/// Commands that may all be asked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Agendas.
    Agendas,
    /// Sellers and managers; before the stores, since whoever is assigned to one must be a seller.
    Roles,
    /// Networks of stores.
    Networks,
    /// Stores, of networks.
    Stores,
    /// Sellers, to stores.
    Sellers,
    /// Items of the catalogue.
    Items,
    /// Rooms.
    Rooms,
    /// Members of rooms.
    Members,
    /// Groups with their members.
    Groups,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Agendas,
        Self::Roles,
        Self::Networks,
        Self::Stores,
        Self::Sellers,
        Self::Items,
        Self::Rooms,
        Self::Members,
        Self::Groups,
    ];
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The admin.
    Admin,
    /// This user of the plan, on their first device.
    User(u32),
}

/// One command, which may be about what is not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks.
    pub by: By,
    /// What it makes, for people.
    pub what: String,
    /// Under which key.
    pub key: Key,
    /// What it makes.
    pub make: Make,
}

/// What a command makes. Users, stores, networks and rooms are those of the plan, by number: they must be
/// known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Make {
    /// An agenda.
    Agenda(OpenAgenda),
    /// Roles of a user.
    Roles(u32, Roles),
    /// A network.
    Network(OpenNetwork),
    /// A store of this network.
    Store(u32, String),
    /// A seller, this user, of this store.
    Seller(u32, u32),
    /// An item.
    Item(RegisterItem),
    /// A room.
    Room(CreateRoom),
    /// Whoever asks is in this room.
    Member(u32),
    /// A group with these other users.
    Group(String, Vec<u32>),
}

/// What was made so far.
#[derive(Debug)]
pub struct Known {
    users: Vec<UserId>,
    agendas: Vec<u64>,
    networks: Vec<u64>,
    stores: Vec<u64>,
    items: Vec<u64>,
    rooms: Vec<u64>,
    groups: Vec<u64>,
    newest: Seq,
}

impl Known {
    /// The people: who they are on the server, and the newest position of theirs.
    #[must_use]
    pub const fn new(users: Vec<UserId>, newest: Seq) -> Self {
        Self {
            users,
            agendas: Vec::new(),
            networks: Vec::new(),
            stores: Vec::new(),
            items: Vec::new(),
            rooms: Vec::new(),
            groups: Vec::new(),
            newest,
        }
    }

    /// A stage is through: where its commands took effect, in their order.
    pub fn handle_done(&mut self, stage: Stage, seqs: &[Seq]) {
        self.newest = seqs.iter().copied().fold(self.newest, Seq::max);
        let made = match stage {
            Stage::Agendas => &mut self.agendas,
            Stage::Networks => &mut self.networks,
            Stage::Stores => &mut self.stores,
            Stage::Items => &mut self.items,
            Stage::Rooms => &mut self.rooms,
            Stage::Groups => &mut self.groups,
            // Nothing later on is about these.
            Stage::Roles | Stage::Sellers | Stage::Members => return,
        };
        *made = seqs.iter().map(|seq| seq.0).collect();
    }

    /// The newest position of all that was made.
    #[must_use]
    pub const fn newest(&self) -> Seq {
        self.newest
    }

    /// Where the plan's places are. The first day of the plan is `first_day`, in days since 1970-01-01.
    #[must_use]
    pub fn into_map(self, world: &World, first_day: u32) -> IdMap {
        IdMap {
            world: world.clone(),
            agendas: self.agendas,
            first_day,
            users: self.users,
            rooms: self.rooms,
            groups: self.groups,
            items: self.items,
            networks: self.networks,
            stores: self.stores,
        }
    }
}

impl Command {
    /// Its bytes, appended to `out`. `None` when it is about what is not known yet.
    #[must_use]
    pub fn encode(&self, known: &Known, out: &mut Vec<u8>) -> Option<Word> {
        let user = |number: &u32| at(&known.users, *number);
        Some(match &self.make {
            Make::Agenda(agenda) => encode(&agenda::Command::from(agenda.clone()), out),
            Make::Roles(number, roles) => {
                let (user, roles) = (user(number)?, *roles);
                encode(&accounts::Command::from(SetRoles { user, roles }), out)
            }
            Make::Network(network) => encode(&sales::Command::from(network.clone()), out),
            Make::Store(network, name) => {
                let (network, name) = (at(&known.networks, *network)?, name.clone());
                encode(&sales::Command::from(OpenStore { network, name }), out)
            }
            Make::Seller(seller, store) => {
                let (seller, store) = (user(seller)?, at(&known.stores, *store)?);
                encode(&sales::Command::from(AssignSeller { seller, store }), out)
            }
            Make::Item(item) => encode(&catalogue::Command::from(item.clone()), out),
            Make::Room(room) => encode(&chat::Command::from(room.clone()), out),
            Make::Member(room) => {
                let room = at(&known.rooms, *room)?;
                encode(&chat::Command::from(JoinRoom { room }), out)
            }
            Make::Group(name, members) => {
                let members = members.iter().map(user).collect::<Option<Vec<_>>>()?;
                let name = name.clone();
                encode(&chat::Command::from(CreateGroup { name, members }), out)
            }
        })
    }
}

fn at<T: Copy>(made: &[T], number: u32) -> Option<T> {
    made.get(usize::try_from(number).ok()?).copied()
}

/// Any system's command.
trait Encoded {
    fn encoded(&self, out: &mut Vec<u8>) -> Word;
}

macro_rules! encoded {
    ($($command:ty),*) => {
        $(impl Encoded for $command {
            fn encoded(&self, out: &mut Vec<u8>) -> Word {
                self.encode(out);
                self.kind()
            }
        })*
    };
}
encoded!(
    accounts::Command,
    agenda::Command,
    chat::Command,
    catalogue::Command,
    sales::Command
);

fn encode(command: &impl Encoded, out: &mut Vec<u8>) -> Word {
    command.encoded(out)
}

/// The commands of a stage, in order.
#[must_use]
pub fn commands(stage: Stage, world: &World, keys: SetUpKeys) -> Vec<Command> {
    let script = Script { world, keys };
    match stage {
        Stage::Agendas => (0..world.agendas).map(|it| script.agenda(it)).collect(),
        Stage::Roles => (0..world.users).filter_map(|it| script.roles(it)).collect(),
        Stage::Networks => (0..world.networks).map(|it| script.network(it)).collect(),
        Stage::Stores => (0..world.networks * world.stores)
            .map(|it| script.store(it))
            .collect(),
        Stage::Sellers if script.stores() == 0 => Vec::new(),
        Stage::Sellers => (0..world.sellers).map(|it| script.seller(it)).collect(),
        Stage::Items => (0..world.items).map(|it| script.item(it)).collect(),
        Stage::Rooms => (0..world.rooms).map(|it| script.room(it)).collect(),
        Stage::Members => (0..world.rooms).flat_map(|it| script.members(it)).collect(),
        Stage::Groups => (0..world.groups).map(|it| script.group(it)).collect(),
    }
}

struct Script<'w> {
    world: &'w World,
    keys: SetUpKeys,
}

impl Script<'_> {
    /// Every day has the same slots, from midnight on.
    fn agenda(&self, agenda: u32) -> Command {
        const DAY_MINUTES: u16 = 24 * 60;
        let slot_minutes = DAY_MINUTES / self.world.slots;
        let make = Make::Agenda(OpenAgenda {
            name: format!("run {:016x} agenda {agenda}", self.keys.run()),
            opens_minute: 0,
            closes_minute: slot_minutes * self.world.slots,
            slot_minutes,
            capacity: self.world.capacity,
        });
        self.by_admin(format!("agenda {agenda}"), (Purpose::Agenda, agenda), make)
    }

    /// Sellers and managers; somebody may be both, and most are neither.
    fn roles(&self, user: u32) -> Option<Command> {
        let client = user * self.world.devices;
        let among = |who| self.world.clients_of(who).contains(&client);
        let with = |roles: Roles, is: bool, role| if is { roles.with(role) } else { roles };
        let roles = with(Roles::MEMBER, among(Who::Sellers), Roles::SELLER);
        let roles = with(roles, among(Who::Managers), Roles::MANAGER);
        let make = Make::Roles(user, roles);
        let command = self.by_admin(format!("user {user}"), (Purpose::Roles, user), make);
        (roles != Roles::MEMBER).then_some(command)
    }

    fn network(&self, network: u32) -> Command {
        let name = format!("run {:016x} network {network}", self.keys.run());
        let make = Make::Network(OpenNetwork { name });
        self.by_admin(
            format!("network {network}"),
            (Purpose::Network, network),
            make,
        )
    }

    /// As many stores of the first network, then of the next.
    fn store(&self, store: u32) -> Command {
        let name = format!("store {store}");
        let make = Make::Store(store / self.world.stores, name.clone());
        self.by_admin(name, (Purpose::Store, store), make)
    }

    /// How many stores there are in all.
    const fn stores(&self) -> u32 {
        self.world.networks * self.world.stores
    }

    /// Each seller in the next store, round and round.
    fn seller(&self, seller: u32) -> Command {
        let make = Make::Seller(seller, seller % self.stores());
        self.by_admin(format!("seller {seller}"), (Purpose::Seller, seller), make)
    }

    /// Item `i` has word and type `i`, round and round.
    fn item(&self, item: u32) -> Command {
        let key = Purpose::Item.key(self.keys, item);
        let types = u64::try_from(TYPES_FIRST.len()).expect("a small number");
        let make = Make::Item(RegisterItem {
            name: item_name(item % self.world.words, &key),
            item_type: 1 + u64::from(item) % types,
        });
        self.by_admin(format!("item {item}"), (Purpose::Item, item), make)
    }

    /// A room is made by the first of its members, whom the others join.
    fn room(&self, room: u32) -> Command {
        let members = self.world.room_members;
        let creator = self.world.members_of(room, members).next();
        let key = Purpose::Room.key(self.keys, room);
        Command {
            by: By::User(creator.unwrap_or(0)),
            what: format!("room {room}"),
            key,
            make: Make::Room(CreateRoom {
                name: room_name(&key),
            }),
        }
    }

    fn members(&self, room: u32) -> impl Iterator<Item = Command> + use<> {
        let (members, keys) = (self.world.room_members, self.keys);
        let joining = (0..members)
            .zip(self.world.members_of(room, members))
            .skip(1);
        joining.map(move |(place, user)| Command {
            by: By::User(user),
            what: format!("user {user} in room {room}"),
            key: Purpose::Member.key(keys, room * members + place),
            make: Make::Member(room),
        })
    }

    /// A group is made by the first of its members, with the others in it.
    fn group(&self, group: u32) -> Command {
        let mut members = self.world.members_of(group, self.world.group_members);
        let creator = members.next().unwrap_or(0);
        let key = Purpose::Group.key(self.keys, group);
        Command {
            by: By::User(creator),
            what: format!("group {group}"),
            key,
            make: Make::Group(group_name(&key), members.collect()),
        }
    }

    fn by_admin(&self, what: String, (purpose, number): (Purpose, u32), make: Make) -> Command {
        Command {
            by: By::Admin,
            what,
            key: purpose.key(self.keys, number),
            make,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn world() -> World {
        World {
            users: 5,
            devices: 2,
            agendas: 2,
            slots: 16,
            capacity: 1,
            rooms: 3,
            room_members: 3,
            groups: 2,
            group_members: 2,
            items: 4,
            words: 3,
            networks: 2,
            stores: 2,
            sellers: 3,
            managers: 1,
            ..World::default()
        }
    }

    /// Plays the list as a simulator does: each command is answered at the next position.
    fn play(world: &World) -> (Known, BTreeSet<Key>, Vec<String>) {
        let keys = SetUpKeys::new(7);
        let mut seq = 100;
        let users = (0..world.users).map(|user| UserId(u64::from(user) + 1));
        let mut known = Known::new(users.collect(), Seq(99));
        let (mut used, mut made) = (BTreeSet::new(), Vec::new());
        for stage in Stage::ALL {
            let mut seqs = Vec::new();
            for command in commands(stage, world, keys) {
                let mut body = Vec::new();
                let word = command.encode(&known, &mut body);
                assert!(word.is_some(), "{command:?} is about what is known");
                assert!(used.insert(command.key), "{command:?} has a key of its own");
                made.push(format!("{:?}: {}", command.by, command.what));
                seqs.push(Seq(seq));
                seq += 1;
            }
            known.handle_done(stage, &seqs);
        }
        (known, used, made)
    }

    #[test]
    fn every_command_is_about_what_was_made_before_it_and_has_a_key_of_its_own() {
        let (known, mut used, made) = play(&world());
        for person in people(&world(), SetUpKeys::new(7)) {
            let keys = person.devices.into_iter().chain([person.register]);
            assert!(keys.into_iter().all(|key| used.insert(key)));
        }
        let newest = 99 + u64::try_from(made.len()).expect("a small number");
        assert_eq!(known.newest(), Seq(newest));
        let map = known.into_map(&world(), 3);
        assert_eq!((map.agendas.len(), map.items.len()), (2, 4));
        assert_eq!((map.networks.len(), map.stores.len()), (2, 4));
        assert_eq!((map.rooms.len(), map.groups.len()), (3, 2));
        assert_eq!((map.users.len(), map.first_day), (5, 3));
        assert_eq!(
            made[..3],
            ["Admin: agenda 0", "Admin: agenda 1", "Admin: user 0"]
        );
        assert!(made.contains(&"User(3): room 1".to_owned()), "{made:?}");
        assert!(
            made.contains(&"User(4): user 4 in room 1".to_owned()),
            "{made:?}"
        );
    }

    #[test]
    fn what_is_about_something_unknown_has_no_bytes_yet() {
        let known = Known::new(vec![UserId(1)], Seq(1));
        let keys = SetUpKeys::new(7);
        for stage in [Stage::Stores, Stage::Sellers, Stage::Members, Stage::Groups] {
            let commands = commands(stage, &world(), keys);
            assert!(!commands.is_empty());
            assert_eq!(
                commands[0].encode(&known, &mut Vec::new()),
                None,
                "{stage:?}"
            );
        }
    }

    #[test]
    fn a_world_without_stores_has_nobody_who_sells_in_one() {
        let world = World {
            stores: 0,
            networks: 0,
            ..world()
        };
        let keys = SetUpKeys::new(7);
        assert_eq!(commands(Stage::Sellers, &world, keys), []);
        assert_eq!(commands(Stage::Stores, &world, keys), []);
    }
}
