//! The hub's part in log-ins: what one hands out, and the command that it is recorded as.
//!
//! Somebody whose password was looked at goes in; a grant goes to their session and a command to the
//! engine. Deliberately absent: how tokens are made (`log_in`), hashing (`auth`).

use super::{Hub, HubParts};
use crate::{
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, BUSY_RETRY_MS, Busy, Origin},
    log_in::{self, CheckedLogIn},
    passwords::Secret,
    session::Grant,
    time_base::Now,
};

impl Hub {
    /// Submits a log-in, and notes what it hands out if it is accepted. The token follows from the instant of the
    /// record: both are made of one `now`.
    pub fn log_in(&mut self, now: Now, origin: Origin, log_in: &CheckedLogIn<'_>, secret: &Secret) {
        let HubParts { engine, reader, .. } = &mut self.parts;
        let prepared = match log_in::prepare(engine, &mut **reader, secret, now.wall, log_in) {
            Ok(prepared) => prepared,
            Err(error) => {
                let newest = engine.durable().seq;
                return self.refuse_unreadable(origin, newest, &error);
            }
        };
        let Some((token, command)) = prepared else {
            let waiting = engine.waiting();
            return self.refuse_busy(origin, Busy { waiting }, BUSY_RETRY_MS);
        };
        let roles = engine.systems().roles(log_in.user);
        let grant = Grant { token, roles };
        self.connections
            .with_session(origin.connection, |session| session.handle_grant(grant));
        let command = OwnedCommand::new(&protocol::words::accounts::Command::from(command));
        let ask = Ask {
            origin: Some(origin),
            actor: log_in.user,
            key: log_in.key,
            command: CommandBytes {
                source: Source::Session,
                ..command.bytes()
            },
        };
        self.submit(now, origin, &ask);
    }
}
