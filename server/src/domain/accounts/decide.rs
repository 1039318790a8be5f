//! What may happen to the accounts, and why not.
//!
//! A command and its context come in; the event that would happen, or the first rule in its way,
//! goes out. An unknown name and a wrong password are one refusal, so that nobody learns names from
//! it. Deliberately absent: any change of state, and looking at a password: `verified` says what
//! came of that.

use std::time::Duration;

use protocol::{
    Code, Refusal, Roles, UserId,
    limits::{NAME_LEN_MAX, NAME_LEN_MIN, SESSION_DAYS, SESSIONS_MAX},
    words::accounts::{
        ClockSetBack, CursorMoved, Erased, LogIn, LoggedIn, MoveCursor, Register, Registered,
        Rehash, Rehashed, RevokeSession, RolesSet, SessionsEnded, SetRoles,
    },
};

use super::state::{Accounts, Session};
use crate::domain::Context;

/// How long a session lasts: a month of not logging in again.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(24 * SESSION_DAYS);

const ROLES_ALL: Roles = Roles::SELLER.with(Roles::MANAGER).with(Roles::ADMIN);

impl Accounts {
    pub(super) fn decide_register(&self, command: &Register) -> Result<Registered, Refusal> {
        let name = command.name.text().unwrap_or_default();
        check_name(name)?;
        match self.user_named(name) {
            Some(user) => Err(Refusal::with(Code::NAME_TAKEN, user.0, 0)),
            None => Ok(Registered {}),
        }
    }

    pub(super) fn decide_log_in(&self, cx: &Context, command: &LogIn) -> Result<LoggedIn, Refusal> {
        // Somebody may have been erased while their password was looked at.
        let user = cx.actor;
        if !command.verified || self.person(user).is_none() {
            return Err(Refusal::new(Code::BAD_CREDENTIALS));
        }
        let sessions = self.live_sessions_of(user, cx.now).count();
        if SESSIONS_MAX <= sessions {
            return Err(refusal(Code::SESSIONS, sessions, SESSIONS_MAX));
        }
        let lifetime = u64::try_from(SESSION_LIFETIME.as_millis()).expect("a month of ms fits");
        Ok(LoggedIn {
            user,
            expires_at: cx.now + lifetime,
            cursor: self.reached(user),
        })
    }

    pub(super) fn decide_revoke(
        &self,
        cx: &Context,
        command: &RevokeSession,
    ) -> Result<SessionsEnded, Refusal> {
        self.live_session_of(cx, command.session)?;
        Ok(SessionsEnded {
            sessions: vec![command.session],
        })
    }

    pub(super) fn decide_revoke_all(&self, cx: &Context) -> Result<SessionsEnded, Refusal> {
        check_person(cx)?;
        Ok(SessionsEnded {
            sessions: self.sessions_of(cx.actor).to_vec(),
        })
    }

    pub(super) fn decide_cursor(
        &self,
        cx: &Context,
        command: &MoveCursor,
    ) -> Result<CursorMoved, Refusal> {
        let (seq, session) = (command.seq, self.live_session_of(cx, command.session)?);
        if seq <= session.cursor {
            return Err(Refusal::with(Code::CURSOR_BEHIND, seq.0, session.cursor.0));
        }
        if cx.seq < seq {
            return Err(Refusal::with(Code::CURSOR_AHEAD, seq.0, cx.seq.0));
        }
        Ok(CursorMoved {})
    }

    /// A session of the asker's that is neither ended nor expired.
    fn live_session_of(&self, cx: &Context, session: u64) -> Result<&Session, Refusal> {
        check_person(cx)?;
        self.open_session(session)
            .filter(|row| row.user == cx.actor && cx.now < row.expires_at)
            .ok_or(Refusal::with(Code::UNKNOWN_SESSION, session, 0))
    }

    pub(super) fn decide_roles(
        &self,
        cx: &Context,
        command: &SetRoles,
    ) -> Result<RolesSet, Refusal> {
        check_admin(cx)?;
        if !ROLES_ALL.contains(command.roles) {
            return Err(Refusal::with(Code::UNKNOWN_ROLE, command.roles.0.into(), 0));
        }
        let user = command.user;
        if self.person(user).is_none() {
            return Err(Refusal::with(Code::UNKNOWN_USER, user.0, 0));
        }
        if !command.roles.contains(Roles::ADMIN) {
            self.check_dispensable(user)?;
        }
        Ok(RolesSet {
            user,
            roles: command.roles,
        })
    }

    pub(super) fn decide_erase(&self, cx: &Context) -> Result<Erased, Refusal> {
        check_person(cx)?;
        if self.person(cx.actor).is_none() {
            return Err(Refusal::with(Code::UNKNOWN_USER, cx.actor.0, 0));
        }
        self.check_dispensable(cx.actor)?;
        Ok(Erased {})
    }

    /// Somebody must be left who can grant roles.
    fn check_dispensable(&self, user: UserId) -> Result<(), Refusal> {
        if self.roles(user).contains(Roles::ADMIN) && self.admin_count() == 1 {
            return Err(Refusal::with(Code::LAST_ADMIN, user.0, 0));
        }
        Ok(())
    }

    pub(super) fn decide_rehash(&self, command: &Rehash) -> Result<Rehashed, Refusal> {
        match self.person(command.user) {
            Some(_) => Ok(Rehashed { user: command.user }),
            None => Err(Refusal::with(Code::UNKNOWN_USER, command.user.0, 0)),
        }
    }
}

/// The operator has said so when the server was started.
pub(super) fn decide_clock(cx: &Context) -> Result<ClockSetBack, Refusal> {
    check_admin(cx)?;
    Ok(ClockSetBack {})
}

/// The server itself sets roles as nobody with every role, to make the first admin.
fn check_admin(cx: &Context) -> Result<(), Refusal> {
    if cx.roles.contains(Roles::ADMIN) {
        return Ok(());
    }
    check_person(cx)?;
    Err(Refusal::with(
        Code::NOT_ALLOWED,
        cx.roles.0.into(),
        Roles::ADMIN.0.into(),
    ))
}

/// Sessions belong to people; the server has none.
pub(super) const fn check_person(cx: &Context) -> Result<(), Refusal> {
    if cx.actor.0 == UserId::NOBODY.0 {
        return Err(Refusal::new(Code::LOG_IN_FIRST));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let len = name.chars().count();
    if !(NAME_LEN_MIN..=NAME_LEN_MAX).contains(&len) {
        return Err(refusal(Code::NAME_LENGTH, len, NAME_LEN_MAX));
    }
    let is_wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    match name.chars().position(is_wrong) {
        // Counted as people count: the first character is 1.
        Some(index) => Err(refusal(Code::NAME_CHARACTER, index + 1, 0)),
        None => Ok(()),
    }
}

fn refusal(code: Code, value: usize, limit: usize) -> Refusal {
    let figure = |count| u64::try_from(count).unwrap_or(u64::MAX);
    Refusal::with(code, figure(value), figure(limit))
}
