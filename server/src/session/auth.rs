//! The part of a conversation in which a connection becomes somebody's.
//!
//! A request to be somebody goes in and is passed on, one at a time; its outcome makes the connection
//! that person's. Deliberately absent: passwords, hashing, and whose token it is.

use protocol::{
    Code, Key, Outcome, Refusal, Roles,
    outcome::encode_accepted,
    words::accounts::{Answer, AuthRequest, Event, LoggedIn, SessionOpened, Token},
};

use super::{Action, PendingRequest, Person, RequestKind, Session, Stage};
use crate::log::Head;

/// Log-ins that may fail on one connection: guessing must pay for connections too.
pub const LOGIN_FAILURES_MAX: u32 = 5;

/// An authentication under way: one at a time on a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Auth {
    pub(super) correlation: u64,
    /// What to hand out if a log-in is accepted; `None` while registering.
    grant: Option<Grant>,
}

/// What an accepted log-in hands out, beyond what is logged of it.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// The secret to resume the session with.
    pub token: Token,
    /// What its person may do.
    pub roles: Roles,
}

impl Session {
    pub(super) fn handle_auth<'a>(
        &mut self,
        correlation: u64,
        key: Key,
        request: AuthRequest,
    ) -> Action<'a> {
        if let Some(person) = self.person() {
            let refusal = Refusal::with(Code::ALREADY_LOGGED_IN, person.user.0, 0);
            return self.refuse(correlation, refusal);
        }
        if self.auth.is_some() {
            return self.refuse(correlation, Refusal::with(Code::IN_FLIGHT, 1, 1));
        }
        if LOGIN_FAILURES_MAX <= self.login_failures {
            let failures = u64::from(self.login_failures);
            return self.close(Refusal::with(Code::LOGIN_ATTEMPTS, failures, failures));
        }
        self.auth = Some(Auth {
            correlation,
            grant: None,
        });
        self.in_flight += 1;
        let what = RequestKind::Auth { key, request };
        Action::Ask(PendingRequest { correlation, what })
    }

    /// A log-in is about to be decided: if it is accepted, this is what to hand out.
    pub fn handle_grant(&mut self, grant: Grant) {
        if let Some(auth) = &mut self.auth {
            auth.grant = Some(grant);
        }
    }

    /// An accepted log-in or resumption makes this connection somebody's.
    pub(super) fn handle_auth_outcome(&mut self, auth: Auth, at: Head, outcome: &[u8]) {
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(outcome) else {
            self.login_failures += 1;
            return self.send_answer(auth.correlation, at, outcome);
        };
        if let Ok(Answer::SessionResumed(resumed)) = Answer::decode(kind, schema, body) {
            self.stage = Stage::Person(Person {
                user: resumed.user,
                session: resumed.session,
                expires_at: resumed.expires_at,
            });
        }
        let event = Event::decode(kind, schema, body);
        let (Ok(Event::LoggedIn(logged_in)), Some(grant)) = (event, auth.grant) else {
            return self.send_answer(auth.correlation, at, outcome);
        };
        self.open(auth.correlation, at, &logged_in, grant);
    }

    /// What was logged of a log-in is not what is answered, because the token is never logged.
    fn open(&mut self, correlation: u64, at: Head, logged_in: &LoggedIn, grant: Grant) {
        let person = Person {
            user: logged_in.user,
            session: at.seq.0,
            expires_at: logged_in.expires_at,
        };
        self.stage = Stage::Person(person);
        let answer = Answer::from(SessionOpened {
            user: person.user,
            roles: grant.roles,
            session: person.session,
            expires_at: person.expires_at,
            cursor: logged_in.cursor,
            token: grant.token,
        });
        let mut outcome = Vec::new();
        let (kind, schema) = answer.kind();
        encode_accepted(kind, schema, &mut outcome);
        answer.encode(&mut outcome);
        self.send_answer(correlation, at, &outcome);
    }
}
