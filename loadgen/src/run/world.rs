//! The world of a run: its users, its agendas, and a connection for every client.
//!
//! Everything is made through ordinary commands before the clock starts, by an admin and by the
//! users themselves, under keys that are not the run's. Deliberately absent: the run.

use std::{path::PathBuf, rc::Rc};

use protocol::{
    Key, Seq, UserId,
    words::{
        accounts::{SessionOpened, Token},
        agenda::{Command, OpenAgenda},
    },
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    plan::World,
    target::{CallError, Caller},
    world_map::WorldMap,
};

/// Log-ins under way at once: enough to keep the server's hashing busy.
const LOGINS_AT_ONCE: usize = 64;

/// The name of the server's first admin.
const ADMIN_NAME: &str = "admin";

/// Everybody's password. The users exist for one run and own nothing.
const PASSWORD: &str = "stampede";

/// A world that was set up.
#[derive(Debug)]
pub(super) struct Built {
    /// Where the plan's places are.
    pub(super) map: Rc<WorldMap>,
    /// One connection for each client, in order, logged in.
    pub(super) links: Vec<std::net::TcpStream>,
    /// Who each client is.
    pub(super) users: Vec<UserId>,
    /// Each client's session.
    pub(super) sessions: Vec<SessionOpened>,
    /// The admin, to ask about the log.
    pub(super) admin: Caller,
    /// What the admin resumes with after a crash.
    pub(super) admin_token: Token,
    /// The newest position of the set-up.
    pub(super) began_at: Seq,
}

/// Why a world could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The admin's password.
    #[error("cannot read the admin's password from {}: {source}; give the file with --admin-password-file", .path.display())]
    Password {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server.
    #[error(transparent)]
    Connect(CallError),
    /// The admin.
    #[error("the admin of {address} cannot log in with the password in {}: {source}", .path.display())]
    Admin {
        /// Of which server.
        address: String,
        /// Where the password is.
        path: PathBuf,
        /// Why.
        source: CallError,
    },
    /// An agenda.
    #[error("agenda {agenda} of the world: {source}")]
    Agenda {
        /// Which, from 0.
        agenda: u32,
        /// Why.
        source: CallError,
    },
    /// A user.
    #[error("user {user} of the world: {source}")]
    User {
        /// Which, from 0.
        user: u32,
        /// Why.
        source: CallError,
    },
}

/// How to reach the target and be somebody there.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// Host and port.
    pub(super) address: String,
    /// The file with the admin's password.
    pub(super) admin_password_file: PathBuf,
    /// Tells this run's names and keys from any other's.
    pub(super) run_id: u64,
}

impl Access {
    /// A key for set-up work: never one of the run's, never the same twice.
    fn key(&self, purpose: u32, number: u32) -> Key {
        let mut bytes = [0xff; 16];
        bytes[..4].copy_from_slice(&purpose.to_le_bytes());
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..].copy_from_slice(&self.run_id.to_le_bytes());
        Key(bytes)
    }

    /// Connects as the admin.
    ///
    /// # Errors
    /// If the password is not there or not right.
    pub(super) async fn admin(&self) -> Result<(Caller, Token), WorldError> {
        let password = std::fs::read_to_string(&self.admin_password_file).map_err(|source| {
            WorldError::Password {
                path: self.admin_password_file.clone(),
                source,
            }
        })?;
        let mut caller = Caller::connect(&self.address)
            .await
            .map_err(WorldError::Connect)?;
        let session = caller
            .log_in(self.key(0, 0), ADMIN_NAME, password.trim())
            .await
            .map_err(|source| WorldError::Admin {
                address: self.address.clone(),
                path: self.admin_password_file.clone(),
                source,
            })?;
        Ok((caller, session.token))
    }

    /// Connects as the admin who logged in before, without a record in the log.
    ///
    /// # Errors
    /// If the session is not known any more.
    pub(super) async fn admin_again(&self, token: Token) -> Result<Caller, CallError> {
        let mut caller = Caller::connect(&self.address).await?;
        caller.resume(self.key(1, 0), token).await?;
        Ok(caller)
    }
}

/// Sets the world up. `today` is days since 1970-01-01 UTC; the plan's first day is the next.
///
/// # Errors
/// Whatever the server refuses.
pub(super) async fn build(access: &Access, world: &World, today: u32) -> Result<Built, WorldError> {
    let (mut admin, admin_token) = access.admin().await?;
    let mut agendas = Vec::new();
    for agenda in 0..world.agendas {
        let opened = open_agenda(access, &mut admin, world, agenda).await;
        agendas.push(opened.map_err(|source| WorldError::Agenda { agenda, source })?);
    }
    let people = connect_users(access, world.users).await?;
    let began_at = people
        .iter()
        .map(|person| Seq(person.session.session))
        .max()
        .unwrap_or(Seq::START);
    let users = people.iter().map(|person| person.session.user).collect();
    let (links, sessions) = people
        .into_iter()
        .map(|person| (person.link, person.session))
        .unzip();
    Ok(Built {
        map: Rc::new(WorldMap {
            agendas,
            first_day: today + 1,
        }),
        links,
        users,
        sessions,
        admin,
        admin_token,
        began_at,
    })
}

async fn open_agenda(
    access: &Access,
    admin: &mut Caller,
    world: &World,
    agenda: u32,
) -> Result<u64, CallError> {
    const DAY_MINUTES: u16 = 24 * 60;
    let slot_minutes = DAY_MINUTES / world.slots;
    let command = Command::from(OpenAgenda {
        name: format!("run {:016x} agenda {agenda}", access.run_id),
        opens_minute: 0,
        closes_minute: slot_minutes * world.slots,
        slot_minutes,
        capacity: world.capacity,
    });
    let mut body = Vec::new();
    command.encode(&mut body);
    let answered = admin
        .command(access.key(2, agenda), command.kind(), &body)
        .await?;
    answered.accepted()?;
    Ok(answered.seq.0)
}

/// A user with a connection.
struct Person {
    number: u32,
    session: SessionOpened,
    link: std::net::TcpStream,
}

async fn connect_users(access: &Access, users: u32) -> Result<Vec<Person>, WorldError> {
    let permits = Rc::new(Semaphore::new(LOGINS_AT_ONCE));
    let mut tasks = JoinSet::new();
    for number in 0..users {
        let (access, permits) = (access.clone(), Rc::clone(&permits));
        tasks.spawn_local(async move {
            let _permit = permits
                .acquire()
                .await
                .expect("the semaphore is never closed");
            let connected = connect_user(&access, number).await;
            connected.map_err(|source| WorldError::User {
                user: number,
                source,
            })
        });
    }
    let mut people = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        people.push(joined.expect("connecting does not panic and is never cancelled")?);
    }
    people.sort_unstable_by_key(|person| person.number);
    Ok(people)
}

async fn connect_user(access: &Access, number: u32) -> Result<Person, CallError> {
    let name = format!("r{:08x}-{number}", access.run_id & 0xffff_ffff);
    let mut caller = Caller::connect(&access.address).await?;
    caller
        .register(access.key(3, number), &name, PASSWORD)
        .await?
        .accepted()?;
    let session = caller
        .log_in(access.key(4, number), &name, PASSWORD)
        .await?;
    Ok(Person {
        number,
        session,
        link: caller.into_link()?,
    })
}
