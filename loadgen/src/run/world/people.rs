//! The users of a run: an account each, and a session with a connection for each of their devices.

use protocol::words::accounts::SessionOpened;

use super::{Access, WorldError, job::at_once};
use crate::{
    clock::Clock,
    operation::Nanos,
    plan::World,
    set_up::{self, Person, Purpose},
    target::{CallError, Caller},
};

/// Log-ins under way at once: enough to keep the server's hashing busy.
const LOGINS_AT_ONCE: usize = 64;

/// A server ends connections that are silent for some minutes, and hashing the passwords of ten
/// thousand people may take longer: from so much on, everybody connects once more. Nanoseconds.
pub const SILENCE_MAX: Nanos = 60_000_000_000;

/// A device of a user, logged in.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) session: SessionOpened,
    pub(super) caller: Caller,
}

/// Makes every user and logs in on each of their devices; where that took `silence_max` or longer,
/// everybody comes again. In the order of the plan's clients.
///
/// # Errors
/// If somebody is refused.
pub(super) async fn connect(
    access: &Access,
    world: &World,
    silence_max: Nanos,
) -> Result<Vec<Device>, WorldError> {
    let clock = Clock::start();
    let all = log_in(access, world).await?;
    if clock.now() < silence_max {
        return Ok(all);
    }
    let devices = world.devices;
    let all = (0..).zip(all).collect();
    let again = at_once(LOGINS_AT_ONCE, all, |(client, device)| {
        let access = access.clone();
        async move {
            let user = client / devices;
            let again = come_again(&access, client, device).await;
            again.map_err(|source| WorldError::User { user, source })
        }
    });
    again.await
}

async fn log_in(access: &Access, world: &World) -> Result<Vec<Device>, WorldError> {
    let all = set_up::people(world, access.keys).collect();
    let people = at_once(LOGINS_AT_ONCE, all, |person: Person| {
        let access = access.clone();
        async move {
            let connected = connect_person(&access, &person).await;
            let user = person.user;
            connected.map_err(|source| WorldError::User { user, source })
        }
    });
    Ok(people.await?.into_iter().flatten().collect())
}

async fn connect_person(access: &Access, person: &Person) -> Result<Vec<Device>, CallError> {
    let mut connected = Vec::new();
    for (device, key) in person.devices.iter().enumerate() {
        let mut caller = Caller::connect(&access.address).await?;
        if device == 0 {
            caller
                .register(person.register, &person.name, person.password)
                .await?
                .accepted()?;
        }
        let session = caller.log_in(*key, &person.name, person.password).await?;
        connected.push(Device { session, caller });
    }
    Ok(connected)
}

/// The same session on a new connection, once the old one is gone.
async fn come_again(access: &Access, client: u32, old: Device) -> Result<Device, CallError> {
    let Device { session, caller } = old;
    drop(caller);
    let mut caller = Caller::connect(&access.address).await?;
    let key = access.key(Purpose::LogIn, client);
    caller.resume(key, session.token).await?;
    Ok(Device { session, caller })
}
