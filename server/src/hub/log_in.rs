//! The hub's part in log-ins: what one hands out, and the command that it is recorded as.
//!
//! Somebody whose password was looked at goes in; a grant goes to their session and a command to the
//! engine. Deliberately absent: how tokens are made (`log_in`), hashing (`auth`).

use protocol::{
    Code, Key, Refusal,
    outcome::encode_accepted,
    words::accounts::{self, AuthRequest, SessionResumed, Token},
};

use super::{Credentials, Hub, HubParts, Job, Transport};
use crate::{
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, BUSY_RETRY_MS, Busy, Origin},
    log_in::{self, CheckedLogIn},
    passwords::{self, Secret},
    session::Grant,
    time_base::Now,
};

impl<T: Transport> Hub<T> {
    /// Somebody shows who they are: at once, or when a password was hashed.
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        origin: Origin,
        key: Key,
        request: AuthRequest,
    ) {
        let (name, password, is_new) = match request {
            AuthRequest::Register { name, password } => (name, password, true),
            AuthRequest::LogIn { name, password } => (name, password, false),
            AuthRequest::Resume { token } => return self.resume(now, origin, &token),
        };
        let shown = Credentials {
            name,
            password,
            is_new,
        };
        self.jobs.push_back(Job::Auth { origin, key, shown });
    }

    /// Takes up a session that is open: its connection is that person's when they may be told so.
    fn resume(&mut self, now: Now, origin: Origin, token: &Token) {
        let accounts = &self.parts.engine.systems().accounts;
        let session = accounts.session(&passwords::token_hash(token));
        let Some(session) = session.filter(|session| now.wall < session.expires_at) else {
            return self.refuse(origin, Refusal::new(Code::UNKNOWN_SESSION));
        };
        let answer = accounts::Answer::from(SessionResumed {
            user: session.user,
            roles: session.roles,
            session: session.session,
            expires_at: session.expires_at,
            cursor: session.cursor,
        });
        let mut outcome = Vec::new();
        let (kind, schema) = answer.kind();
        encode_accepted(kind, schema, &mut outcome);
        answer.encode(&mut outcome);
        self.parts.engine.release_read(origin, &outcome);
        self.connections.await_read(origin, outcome.len());
    }

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
        let command = OwnedCommand::new(&accounts::Command::from(command));
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
