//! What there is besides people: agendas, stores, items, rooms and groups, and who may do what.
//!
//! What is everybody's is the admin's doing, over several connections; rooms and groups are made by
//! the first of their members, who are then joined by the others.

use std::net::TcpStream;

use protocol::{
    Roles, Seq, UserId,
    words::{
        accounts::{self, SessionOpened, SetRoles, Token},
        agenda::{self, OpenAgenda},
        catalogue::{self, RegisterItem, TYPES_FIRST},
        chat::{self, CreateGroup, CreateRoom, JoinRoom},
        sales::{self, AssignSeller, OpenNetwork, OpenStore},
    },
};

use super::{
    Access, WorldError,
    job::{Job, carry_out},
    people::Device,
};
use crate::{
    operation::item_name,
    plan::{Who, World},
    target::Caller,
    wire::{group_name, room_name},
};

/// Connections of the admin: enough for the server to commit many of their jobs at once.
const ADMINS: usize = 64;

/// Makes things, one sort after the other.
pub(super) struct Maker<'w> {
    access: &'w Access,
    world: &'w World,
    admins: Vec<Caller>,
    callers: Vec<Caller>,
    sessions: Vec<SessionOpened>,
    newest: Seq,
}

impl<'w> Maker<'w> {
    pub(super) async fn new(
        access: &'w Access,
        world: &'w World,
        admin: Token,
        devices: Vec<Device>,
    ) -> Result<Self, WorldError> {
        let mut admins = Vec::with_capacity(ADMINS);
        for _ in 0..ADMINS {
            let again = access.admin_again(admin).await;
            admins.push(again.map_err(WorldError::Connect)?);
        }
        let (callers, sessions): (Vec<_>, Vec<_>) = devices
            .into_iter()
            .map(|device| (device.caller, device.session))
            .unzip();
        let newest = sessions.iter().map(|session| Seq(session.session)).max();
        Ok(Self {
            access,
            world,
            admins,
            callers,
            newest: newest.unwrap_or(Seq::START),
            sessions,
        })
    }

    /// Who each user is.
    pub(super) fn users(&self) -> Vec<UserId> {
        let devices = usize::try_from(self.world.devices).expect("a small number");
        let first_devices = self.sessions.iter().step_by(devices);
        first_devices.map(|session| session.user).collect()
    }

    /// The newest position of all that was made.
    pub(super) const fn newest(&self) -> Seq {
        self.newest
    }

    /// WritePool the sessions over, with the connection of each.
    pub(super) fn finish(self) -> Result<(Vec<SessionOpened>, Vec<TcpStream>), WorldError> {
        let links = self.callers.into_iter().map(Caller::into_link);
        let links = links
            .collect::<Result<_, _>>()
            .map_err(WorldError::Connect)?;
        Ok((self.sessions, links))
    }

    pub(super) async fn open_agendas(&mut self) -> Result<Vec<u64>, WorldError> {
        const DAY_MINUTES: u16 = 24 * 60;
        let slot_minutes = DAY_MINUTES / self.world.slots;
        let job = |agenda| {
            let command = agenda::Command::from(OpenAgenda {
                name: format!("run {:016x} agenda {agenda}", self.access.keys.run()),
                opens_minute: 0,
                closes_minute: slot_minutes * self.world.slots,
                slot_minutes,
                capacity: self.world.capacity,
            });
            Job::new(
                format!("agenda {agenda}"),
                self.access.key(2, agenda),
                &command,
            )
        };
        let jobs = (0..self.world.agendas).map(job).collect();
        self.by_admins(jobs).await
    }

    /// Networks, then their stores.
    pub(super) async fn open_stores(&mut self) -> Result<(Vec<u64>, Vec<u64>), WorldError> {
        let run_id = self.access.keys.run();
        let network = |network| {
            let name = format!("run {run_id:016x} network {network}");
            let command = sales::Command::from(OpenNetwork { name });
            Job::new(
                format!("network {network}"),
                self.access.key(10, network),
                &command,
            )
        };
        let jobs = (0..self.world.networks).map(network).collect();
        let networks = self.by_admins(jobs).await?;
        let mut jobs = Vec::new();
        for (store, network) in (0..).zip(
            networks
                .iter()
                .flat_map(|network| (0..self.world.stores).map(move |_store| *network)),
        ) {
            let name = format!("store {store}");
            let key = self.access.key(11, store);
            let command = sales::Command::from(OpenStore {
                network,
                name: name.clone(),
            });
            jobs.push(Job::new(name, key, &command));
        }
        let stores = self.by_admins(jobs).await?;
        self.assign_sellers(&stores).await?;
        Ok((networks, stores))
    }

    async fn assign_sellers(&mut self, stores: &[u64]) -> Result<(), WorldError> {
        let users = self.users();
        let sellers = (0..self.world.sellers)
            .zip(users)
            .zip(stores.iter().cycle());
        let jobs = sellers.map(|((number, seller), store)| {
            let command = sales::Command::from(AssignSeller {
                seller,
                store: *store,
            });
            Job::new(
                format!("seller {number}"),
                self.access.key(12, number),
                &command,
            )
        });
        let jobs = jobs.collect();
        self.by_admins(jobs).await.map(drop)
    }

    /// Sellers and managers; somebody may be both.
    pub(super) async fn give_roles(&mut self) -> Result<(), WorldError> {
        let (sellers, managers) = (
            self.world.clients_of(Who::Sellers),
            self.world.clients_of(Who::Managers),
        );
        let job = |(user, id): (u32, UserId)| {
            let client = user * self.world.devices;
            let with = |roles: Roles, is: bool, role| if is { roles.with(role) } else { roles };
            let roles = with(Roles::MEMBER, sellers.contains(&client), Roles::SELLER);
            let roles = with(roles, managers.contains(&client), Roles::MANAGER);
            let command = accounts::Command::from(SetRoles { user: id, roles });
            let job = Job::new(format!("user {user}"), self.access.key(5, user), &command);
            (roles != Roles::MEMBER).then_some(job)
        };
        let users = (0..self.world.users).zip(self.users());
        let jobs = users.filter_map(job).collect();
        self.by_admins(jobs).await.map(drop)
    }

    /// Item `i` has word and type `i`, round and round.
    pub(super) async fn register_items(&mut self) -> Result<Vec<u64>, WorldError> {
        let job = |item: u32| {
            let key = self.access.key(9, item);
            let types = u64::try_from(TYPES_FIRST.len()).expect("a small number");
            let command = catalogue::Command::from(RegisterItem {
                name: item_name(item % self.world.words, &key),
                item_type: 1 + u64::from(item) % types,
            });
            Job::new(format!("item {item}"), key, &command)
        };
        let jobs = (0..self.world.items).map(job).collect();
        self.by_admins(jobs).await
    }

    /// Rooms by their first members, whom the others join.
    pub(super) async fn create_rooms(&mut self) -> Result<Vec<u64>, WorldError> {
        let members = self.world.room_members;
        let make = |room: u32| {
            let key = self.access.key(6, room);
            let name = room_name(&key);
            let command = chat::Command::from(CreateRoom { name });
            let creator = self.world.members_of(room, members).next();
            let job = Job::new(format!("room {room}"), key, &command);
            (creator.unwrap_or(0), job)
        };
        let jobs = (0..self.world.rooms).map(make).collect();
        let rooms = self.by_users(jobs).await?;
        let mut jobs = Vec::new();
        for (number, room) in (0..self.world.rooms).zip(&rooms) {
            for (place, user) in (0..members)
                .zip(self.world.members_of(number, members))
                .skip(1)
            {
                let key = self.access.key(7, number * members + place);
                let command = chat::Command::from(JoinRoom { room: *room });
                let what = format!("user {user} in room {number}");
                jobs.push((user, Job::new(what, key, &command)));
            }
        }
        self.by_users(jobs).await?;
        Ok(rooms)
    }

    pub(super) async fn create_groups(&mut self) -> Result<Vec<u64>, WorldError> {
        let users = self.users();
        let make = |group: u32| {
            let key = self.access.key(8, group);
            let mut members = self.world.members_of(group, self.world.group_members);
            let creator = members.next().unwrap_or(0);
            let of = |user: u32| users.get(usize::try_from(user).ok()?).copied();
            let command = chat::Command::from(CreateGroup {
                name: group_name(&key),
                members: members.filter_map(of).collect(),
            });
            (creator, Job::new(format!("group {group}"), key, &command))
        };
        let jobs = (0..self.world.groups).map(make).collect();
        self.by_users(jobs).await
    }

    /// Carries jobs out over the admin's connections. Where they took effect, in their order.
    async fn by_admins(&mut self, jobs: Vec<Job>) -> Result<Vec<u64>, WorldError> {
        let count = jobs.len();
        let admins = self.admins.len();
        let mut tasks: Vec<_> = std::mem::take(&mut self.admins)
            .into_iter()
            .map(|admin| (admin, Vec::new()))
            .collect();
        for (number, job) in jobs.into_iter().enumerate() {
            tasks[number % admins].1.push(job);
        }
        let mut seqs = vec![0; count];
        for (number, (admin, done)) in carry_out(tasks).await?.into_iter().enumerate() {
            self.admins.push(admin);
            for (round, seq) in done.into_iter().enumerate() {
                seqs[round * admins + number] = seq.0;
                self.newest = self.newest.max(seq);
            }
        }
        Ok(seqs)
    }

    /// Carries jobs of users out, each over the connection of their first device. Where they
    /// took effect, in their order.
    async fn by_users(&mut self, jobs: Vec<(u32, Job)>) -> Result<Vec<u64>, WorldError> {
        let mut tasks: Vec<_> = std::mem::take(&mut self.callers)
            .into_iter()
            .map(|caller| (caller, Vec::new()))
            .collect();
        let mut places = vec![Vec::new(); tasks.len()];
        let mut seqs = vec![0; jobs.len()];
        for (place, (user, job)) in jobs.into_iter().enumerate() {
            let client = usize::try_from(user * self.world.devices).expect("a small number");
            tasks[client].1.push(job);
            places[client].push(place);
        }
        for ((caller, done), places) in carry_out(tasks).await?.into_iter().zip(places) {
            self.callers.push(caller);
            for (seq, place) in done.into_iter().zip(places) {
                seqs[place] = seq.0;
                self.newest = self.newest.max(seq);
            }
        }
        Ok(seqs)
    }
}
