//! What there is besides people: the list of the set-up, played over connections.
//!
//! The commands of one stage go out at once, those of everybody in their order on one connection: what
//! is the admin's doing over several, what is a user's over that of their first device. Deliberately
//! absent: what is made (see `set_up`).

use std::net::TcpStream;

use protocol::{
    Seq, UserId,
    words::accounts::{SessionOpened, Token},
};

use super::{
    Access, WorldError,
    job::{Job, carry_out},
    people::Device,
};
use crate::{
    plan::World,
    set_up::{self, By, Known, Stage},
    target::Caller,
};

/// Connections of the admin: enough for the server to commit many of their jobs at once.
const ADMINS: usize = 64;

/// Plays the list.
pub(super) struct Maker<'w> {
    access: &'w Access,
    world: &'w World,
    /// Those of the admin, then one a client.
    callers: Vec<Caller>,
    sessions: Vec<SessionOpened>,
}

impl<'w> Maker<'w> {
    pub(super) async fn new(
        access: &'w Access,
        world: &'w World,
        admin: Token,
        devices: Vec<Device>,
    ) -> Result<Self, WorldError> {
        let mut callers = Vec::with_capacity(ADMINS + devices.len());
        for _ in 0..ADMINS {
            let again = access.admin_again(admin).await;
            callers.push(again.map_err(WorldError::Connect)?);
        }
        let mut sessions = Vec::with_capacity(devices.len());
        for device in devices {
            callers.push(device.caller);
            sessions.push(device.session);
        }
        Ok(Self {
            access,
            world,
            callers,
            sessions,
        })
    }

    /// Makes everything, stage by stage: what is known then.
    pub(super) async fn make_all(&mut self) -> Result<Known, WorldError> {
        let newest = self.sessions.iter().map(|session| Seq(session.session));
        let mut known = Known::new(self.users(), newest.max().unwrap_or(Seq::START));
        for stage in Stage::ALL {
            let seqs = self.make(stage, &known).await?;
            known.handle_done(stage, &seqs);
        }
        Ok(known)
    }

    /// Hands the sessions over, with the connection of each.
    pub(super) fn finish(self) -> Result<(Vec<SessionOpened>, Vec<TcpStream>), WorldError> {
        let links = self.callers.into_iter().skip(ADMINS).map(Caller::into_link);
        let links = links
            .collect::<Result<_, _>>()
            .map_err(WorldError::Connect)?;
        Ok((self.sessions, links))
    }

    /// Who each user is.
    fn users(&self) -> Vec<UserId> {
        let devices = usize::try_from(self.world.devices).expect("a small number");
        let first_devices = self.sessions.iter().step_by(devices);
        first_devices.map(|session| session.user).collect()
    }

    /// Has one stage carried out. Where its commands took effect, in their order.
    async fn make(&mut self, stage: Stage, known: &Known) -> Result<Vec<Seq>, WorldError> {
        let commands = set_up::commands(stage, self.world, self.access.keys);
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut seqs = vec![Seq::START; commands.len()];
        let mut tasks: Vec<_> = std::mem::take(&mut self.callers)
            .into_iter()
            .map(|caller| (caller, Vec::new()))
            .collect();
        let mut places = vec![Vec::new(); tasks.len()];
        for (place, command) in commands.into_iter().enumerate() {
            let mut body = Vec::new();
            let word = command
                .encode(known, &mut body)
                .expect("the stages before it are through");
            let caller = self.caller_of(command.by, place);
            places[caller].push(place);
            tasks[caller].1.push(Job {
                what: command.what,
                key: command.key,
                word,
                body,
            });
        }
        for ((caller, done), places) in carry_out(tasks).await?.into_iter().zip(places) {
            self.callers.push(caller);
            for (seq, place) in done.into_iter().zip(places) {
                seqs[place] = seq;
            }
        }
        Ok(seqs)
    }

    /// Whose connection a command goes out on, the `place`-th of its stage.
    fn caller_of(&self, by: By, place: usize) -> usize {
        match by {
            By::Admin => place % ADMINS,
            By::User(user) => {
                let client = usize::try_from(user * self.world.devices).expect("a small number");
                ADMINS + client
            }
        }
    }
}
