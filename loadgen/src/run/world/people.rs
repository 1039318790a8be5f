//! The users of a run: an account each, and a session with a connection for each of their devices.

use std::rc::Rc;

use protocol::words::accounts::SessionOpened;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{Access, WorldError};
use crate::{
    plan::World,
    target::{CallError, Caller},
};

/// Log-ins under way at once: enough to keep the server's hashing busy.
const LOGINS_AT_ONCE: usize = 64;

/// Everybody's password. The users exist for one run and own nothing.
const PASSWORD: &str = "stampede";

/// A device of a user, logged in.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) session: SessionOpened,
    pub(super) caller: Caller,
}

/// What a user is called.
pub(super) fn name(access: &Access, user: u32) -> String {
    format!("r{:08x}-{user}", access.run_id & 0xffff_ffff)
}

/// Makes every user and logs in on each of their devices. In the order of the plan's clients.
///
/// # Errors
/// If somebody is refused.
pub(super) async fn connect(access: &Access, world: &World) -> Result<Vec<Device>, WorldError> {
    let permits = Rc::new(Semaphore::new(LOGINS_AT_ONCE));
    let mut tasks = JoinSet::new();
    for user in 0..world.users {
        let (access, permits) = (access.clone(), Rc::clone(&permits));
        let devices = world.devices;
        tasks.spawn_local(async move {
            let _permit = permits
                .acquire()
                .await
                .expect("the semaphore is never closed");
            let connected = connect_user(&access, user, devices).await;
            connected
                .map(|devices| (user, devices))
                .map_err(|source| WorldError::User { user, source })
        });
    }
    let mut people = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        people.push(joined.expect("connecting does not panic and is never cancelled")?);
    }
    people.sort_unstable_by_key(|(user, _devices)| *user);
    let devices = people.into_iter().flat_map(|(_user, devices)| devices);
    Ok(devices.collect())
}

async fn connect_user(access: &Access, user: u32, devices: u32) -> Result<Vec<Device>, CallError> {
    let name = name(access, user);
    let mut connected = Vec::new();
    for device in 0..devices {
        let mut caller = Caller::connect(&access.address).await?;
        if device == 0 {
            caller
                .register(access.key(3, user), &name, PASSWORD)
                .await?
                .accepted()?;
        }
        let key = access.key(4, user * devices + device);
        let session = caller.log_in(key, &name, PASSWORD).await?;
        connected.push(Device { session, caller });
    }
    Ok(connected)
}
