//! The world of a run: its users, its agendas, and a connection for every client.
//!
//! Everything is made through ordinary commands before the clock starts, by an admin and by the
//! users themselves, under keys that are not the run's: first people and their sessions
//! (`people`), then what is theirs (`things`), as many at once as keep the server busy (`job`).
//! Deliberately absent: what is made, and in which order (`set_up`); the run.

mod job;
mod people;
mod things;

use std::{path::PathBuf, rc::Rc};

use protocol::{
    Key, Seq, UserId,
    words::accounts::{SessionOpened, Token},
};

pub use self::people::SILENCE_MAX;
use self::things::Maker;
use crate::{
    fault::Proxy,
    id_map::IdMap,
    operation::{Nanos, SetUpKeys},
    plan::World,
    set_up::Purpose,
    target::{CallError, Caller, Wire},
};

/// The name of the server's first admin.
const ADMIN_NAME: &str = "admin";

/// A world that was set up.
#[derive(Debug)]
pub(super) struct Built {
    /// Where the plan's places are.
    pub(super) map: Rc<IdMap>,
    /// One connection for each client, in order, logged in.
    pub(super) links: Vec<std::net::TcpStream>,
    /// Who each client is: a person once for each of their devices.
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
    /// The server was never reached.
    #[error("{0}; is it running, and is the port right?")]
    Unreached(CallError),
    /// The server, later on or otherwise.
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
    /// Something else that there should be.
    #[error("{what} of the world: {source}")]
    Ref {
        /// What.
        what: String,
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
    pub(super) keys: SetUpKeys,
}

impl Access {
    /// A key for set-up work: never one of the run's, never the same twice.
    fn key(&self, purpose: Purpose, number: u32) -> Key {
        purpose.key(self.keys, number)
    }

    /// The same, by way of what stands in between, if anything does.
    pub(super) fn through(&self, proxy: Option<&Proxy>) -> Self {
        let Some(proxy) = proxy else {
            return self.clone();
        };
        let scheme = match Wire::of(&self.address).0 {
            Wire::Native => "",
            Wire::Lines => "jsonl://",
        };
        Self {
            address: format!("{scheme}{}", proxy.address()),
            ..self.clone()
        }
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
            .map_err(|error| match error {
                CallError::Unreachable { .. } => WorldError::Unreached(error),
                other => WorldError::Connect(other),
            })?;
        let session = caller
            .log_in(
                self.key(Purpose::AdminLogIn, 0),
                ADMIN_NAME,
                bare(&password),
            )
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
        caller
            .resume(self.key(Purpose::AdminResume, 0), token)
            .await?;
        Ok(caller)
    }
}

/// Sets the world up. `today` is days since 1970-01-01 UTC; the plan's first day is the next.
/// Whose connections were silent for `silence_max` meanwhile connects once more.
///
/// # Errors
/// Whatever the server refuses.
pub(super) async fn build(
    access: &Access,
    world: &World,
    today: u32,
    silence_max: Nanos,
) -> Result<Built, WorldError> {
    // First, since a wrong password is told at once; what becomes of the people may take minutes, in which
    // nothing is said on this connection.
    let (_idle, admin_token) = access.admin().await?;
    let devices = people::connect(access, world, silence_max).await?;
    let mut maker = Maker::new(access, world, admin_token, devices).await?;
    let known = maker.make_all().await?;
    let began_at = known.newest();
    let map = known.into_map(world, today + 1);
    let (sessions, links) = maker.finish()?;
    let admin = access.admin_again(admin_token).await;
    Ok(Built {
        map: Rc::new(map),
        users: sessions.iter().map(|session| session.user).collect(),
        sessions,
        links,
        admin: admin.map_err(WorldError::Connect)?,
        admin_token,
        began_at,
    })
}

/// A password as it stands in a file: without the line's end that editors add, and the byte order mark.
fn bare(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_what_an_editor_leaves_of_it() {
        for text in ["secret", "secret\n", "\u{feff}secret\r\n", " secret "] {
            assert_eq!(bare(text), "secret", "{text:?}");
        }
    }
}
