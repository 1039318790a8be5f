//! The rows of the accounts, every way to change them, and what the shell may look up.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart. Hash maps are never iterated; what people choose (names) is in an ordered map,
//! since the hash has no secret. A session leaves the state when it is ended, or at the first
//! log-in of its person after it expired: expiry itself is no record. `save` writes the rows for a
//! snapshot. Deliberately absent: rules.

mod save;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use foldhash::fast::FixedState;
use protocol::{
    Personal, Roles, Seq, UserId,
    words::accounts::{Command, Event, LoggedIn},
};

use crate::domain::{Context, digest::Digest};

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

const TABLE_PERSON: u8 = 1;
const TABLE_CREDENTIAL: u8 = 2;
const TABLE_SESSION: u8 = 3;
const TABLE_CURSOR: u8 = 4;
const TABLE_REACHED: u8 = 5;

/// Every person and every session.
#[derive(Default)]
pub struct Accounts {
    people: Map<UserId, Person>,
    /// Everybody who registered and is not erased; ids rise.
    ids: Vec<UserId>,
    // Lower-cased.
    names: BTreeMap<Box<str>, UserId>,
    sessions: Map<u64, Session>,
    by_token: Map<[u8; 32], u64>,
    /// Only people with a role beyond membership: looked up for every command, and few.
    roles: Map<UserId, Roles>,
    admins: usize,
    digest: Digest,
}

/// What a password is verified against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Whose.
    pub user: UserId,
    /// A PHC string.
    pub password_hash: &'a str,
}

/// A session as the shell needs it to let somebody back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionFact {
    /// Its id.
    pub session: u64,
    /// Whose.
    pub user: UserId,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC. It may be over already: compare.
    pub expires_at: u64,
    /// Up to where its device has everything.
    pub cursor: Seq,
    /// What they may do.
    pub roles: Roles,
}

pub(super) struct Person {
    pub(super) name: Box<str>,
    password_hash: Box<str>,
    /// Their sessions in the order they were opened; expired ones may be among them.
    sessions: Vec<u64>,
    /// The highest cursor any of their sessions ever had: where a new one begins.
    reached: Seq,
}

#[derive(Clone, Copy)]
pub(super) struct Session {
    pub(super) user: UserId,
    token_hash: [u8; 32],
    pub(super) opened_at: u64,
    pub(super) expires_at: u64,
    /// Never falls.
    pub(super) cursor: Seq,
}

impl Session {
    fn columns(&self, id: u64) -> [u64; 8] {
        let mut columns = [id, self.user.0, self.opened_at, self.expires_at, 0, 0, 0, 0];
        let (parts, _) = self.token_hash.as_chunks();
        for (column, part) in columns[4..].iter_mut().zip(parts) {
            *column = u64::from_le_bytes(*part);
        }
        columns
    }
}

// Hashes of secrets are not for logs and panic messages.
impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("people", &self.people.len())
            .field("sessions", &self.sessions.len())
            .field("admins", &self.admins)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, <password hash>)", self.user)
    }
}

// What the shell looks up.
impl Accounts {
    /// What `user` may do; nothing beyond membership for people who do not exist.
    #[must_use]
    pub fn roles(&self, user: UserId) -> Roles {
        self.roles.get(&user).copied().unwrap_or(Roles::MEMBER)
    }

    /// What the password of the person of that name is verified against.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<Credential<'_>> {
        let user = self.user_named(name)?;
        let password_hash = &self.people.get(&user)?.password_hash;
        Some(Credential {
            user,
            password_hash,
        })
    }

    /// The session of a token, by the token's BLAKE3 hash. It may have expired.
    #[must_use]
    pub fn session(&self, token_hash: &[u8; 32]) -> Option<SessionFact> {
        let session = *self.by_token.get(token_hash)?;
        let row = self.sessions.get(&session)?;
        Some(SessionFact {
            session,
            user: row.user,
            expires_at: row.expires_at,
            cursor: row.cursor,
            roles: self.roles(row.user),
        })
    }

    /// When an open session was opened, and the BLAKE3 hash of its token.
    #[must_use]
    pub fn opened(&self, session: u64) -> Option<(u64, [u8; 32])> {
        let row = self.sessions.get(&session)?;
        Some((row.opened_at, row.token_hash))
    }

    /// Whether a session has not been ended. It may have expired.
    #[must_use]
    pub fn is_session_open(&self, session: u64) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Up to where the device of a session has everything; `None` for a session that has ended.
    #[must_use]
    pub fn cursor(&self, session: u64) -> Option<Seq> {
        self.sessions.get(&session).map(|row| row.cursor)
    }

    /// Whether there is somebody who can grant roles.
    #[must_use]
    pub const fn has_admin(&self) -> bool {
        self.admins != 0
    }

    /// How many there are.
    #[must_use]
    pub const fn admin_count(&self) -> usize {
        self.admins
    }

    /// People by id, behind `after`, with their names.
    pub fn people_after(&self, after: UserId) -> impl Iterator<Item = (UserId, &str)> {
        let first = self.ids.partition_point(|user| *user <= after);
        let ids = self.ids[first..].iter();
        ids.filter_map(|user| Some((*user, self.name(*user)?)))
    }

    /// The name of a person as it was registered.
    #[must_use]
    pub fn name(&self, user: UserId) -> Option<&str> {
        self.people.get(&user).map(|person| &*person.name)
    }
}

// Reading.
impl Accounts {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn user_named(&self, name: &str) -> Option<UserId> {
        self.names.get(folded(name).as_str()).copied()
    }

    pub(super) fn person(&self, user: UserId) -> Option<&Person> {
        self.people.get(&user)
    }

    /// Where a new session of this person begins.
    pub(super) fn reached(&self, user: UserId) -> Seq {
        self.people
            .get(&user)
            .map_or(Seq::START, |person| person.reached)
    }

    pub(super) fn open_session(&self, session: u64) -> Option<&Session> {
        self.sessions.get(&session)
    }

    /// The sessions of a person in the order they were opened; expired ones may be among them.
    pub(super) fn sessions_of(&self, user: UserId) -> &[u64] {
        self.people
            .get(&user)
            .map_or(&[], |person| &person.sessions)
    }

    /// Those that have not expired at `now`.
    pub(super) fn live_sessions_of(
        &self,
        user: UserId,
        now: u64,
    ) -> impl Iterator<Item = (u64, &Session)> {
        self.sessions_of(user)
            .iter()
            .filter_map(|id| Some((*id, self.sessions.get(id)?)))
            .filter(move |(_, session)| now < session.expires_at)
    }
}

// Writing. Each function changes rows and digest together.
impl Accounts {
    /// Applies an event that happened, with the command it answered. An event beside a command
    /// that cannot have caused it means that the log was not written by these rules: panic.
    pub(super) fn apply_event(&mut self, cx: &Context, command: &Command, event: &Event) {
        match (event, command) {
            (Event::Registered(_), Command::Register(command)) => {
                let text = |text: &Personal| text.text().unwrap_or_default().into();
                let (name, hash) = (text(&command.name), text(&command.password_hash));
                self.insert_person(UserId(cx.seq.0), name, hash);
            }
            (Event::LoggedIn(event), Command::LogIn(command)) => {
                self.insert_session(cx, event, command.token_hash);
            }
            (Event::SessionsEnded(event), _) => {
                for session in &event.sessions {
                    self.remove_session(*session);
                }
            }
            (Event::RolesSet(event), _) => self.set_roles(event.user, event.roles),
            (Event::Rehashed(event), Command::Rehash(command)) => {
                let hash = command.password_hash.text().unwrap_or_default();
                self.set_password_hash(event.user, hash);
            }
            (Event::CursorMoved(_), Command::MoveCursor(command)) => {
                self.move_cursor(command.session, command.seq);
            }
            // Every system forgets them at once, this one too.
            (Event::Erased(_), Command::EraseMe(_)) => {}
            (Event::ClockSetBack(_), Command::SetClockBack(_)) => {
                self.remove_sessions_after(cx.now);
            }
            (
                Event::Registered(_)
                | Event::LoggedIn(_)
                | Event::Rehashed(_)
                | Event::CursorMoved(_)
                | Event::Erased(_)
                | Event::ClockSetBack(_),
                command,
            ) => {
                panic!("{} cannot have caused {}", command.name(), event.name())
            }
        }
    }

    fn insert_person(&mut self, user: UserId, name: Box<str>, password_hash: Box<str>) {
        let person = Person {
            name,
            password_hash,
            sessions: Vec::new(),
            reached: Seq(user.0),
        };
        self.put_person(user, person);
    }

    /// Somebody without a session and without a role.
    fn put_person(&mut self, user: UserId, person: Person) {
        self.digest
            .insert(TABLE_REACHED, [user.0, person.reached.0]);
        self.digest
            .insert_text(TABLE_PERSON, [user.0, Roles::MEMBER.0.into()], &person.name);
        self.digest
            .insert_text(TABLE_CREDENTIAL, [user.0], &person.password_hash);
        // Whoever is erased later in the log may be here without a name, and so may others.
        if !person.name.is_empty() {
            self.names.insert(folded(&person.name).into(), user);
        }
        self.ids.push(user);
        self.people.insert(user, person);
    }

    /// Takes a person out everywhere, with their sessions and roles; nothing of them stays.
    pub(super) fn remove_person(&mut self, user: UserId) {
        for session in self.sessions_of(user).to_vec() {
            self.remove_session(session);
        }
        self.set_roles(user, Roles::MEMBER);
        let person = self
            .people
            .remove(&user)
            .expect("only people who registered are erased");
        self.digest
            .remove(TABLE_REACHED, [user.0, person.reached.0]);
        self.digest
            .remove_text(TABLE_PERSON, [user.0, Roles::MEMBER.0.into()], &person.name);
        self.digest
            .remove_text(TABLE_CREDENTIAL, [user.0], &person.password_hash);
        if !person.name.is_empty() {
            self.names.remove(folded(&person.name).as_str());
        }
        self.ids.retain(|id| *id != user);
    }

    fn insert_session(&mut self, cx: &Context, event: &LoggedIn, token_hash: [u8; 32]) {
        self.remove_expired_sessions(event.user, cx.now);
        let id = cx.seq.0;
        let session = Session {
            user: event.user,
            token_hash,
            opened_at: cx.now,
            expires_at: event.expires_at,
            cursor: event.cursor,
        };
        self.put_session(id, session);
    }

    fn put_session(&mut self, id: u64, session: Session) {
        self.digest.insert(TABLE_SESSION, session.columns(id));
        self.digest.insert(TABLE_CURSOR, [id, session.cursor.0]);
        self.by_token.insert(session.token_hash, id);
        self.person_mut(session.user).sessions.push(id);
        self.sessions.insert(id, session);
    }

    fn remove_expired_sessions(&mut self, user: UserId, now: u64) {
        let live: BTreeSet<u64> = self.live_sessions_of(user, now).map(|(id, _)| id).collect();
        let ids = self.sessions_of(user).iter().copied();
        let expired: Vec<u64> = ids.filter(|id| !live.contains(id)).collect();
        for id in expired {
            self.remove_session(id);
        }
    }

    /// Ends sessions that were opened later than it is: they would last for as much longer.
    fn remove_sessions_after(&mut self, now: u64) {
        let sessions = self.ids.iter().flat_map(|user| self.sessions_of(*user));
        let is_after = |id: &&u64| now < self.sessions[*id].opened_at;
        let after: Vec<u64> = sessions.filter(is_after).copied().collect();
        for id in after {
            self.remove_session(id);
        }
    }

    fn remove_session(&mut self, id: u64) {
        let session = self
            .sessions
            .remove(&id)
            .expect("only a session that exists can end");
        self.digest.remove(TABLE_SESSION, session.columns(id));
        self.digest.remove(TABLE_CURSOR, [id, session.cursor.0]);
        self.by_token.remove(&session.token_hash);
        self.person_mut(session.user)
            .sessions
            .retain(|other| *other != id);
    }

    fn move_cursor(&mut self, id: u64, seq: Seq) {
        let session = self
            .sessions
            .get_mut(&id)
            .expect("only a session that exists has a cursor");
        let (user, before) = (session.user, std::mem::replace(&mut session.cursor, seq));
        self.digest.remove(TABLE_CURSOR, [id, before.0]);
        self.digest.insert(TABLE_CURSOR, [id, seq.0]);
        let reached = self.reached(user);
        if reached < seq {
            self.person_mut(user).reached = seq;
            self.digest.remove(TABLE_REACHED, [user.0, reached.0]);
            self.digest.insert(TABLE_REACHED, [user.0, seq.0]);
        }
    }

    fn set_roles(&mut self, user: UserId, roles: Roles) {
        let before = self.roles(user);
        if roles == Roles::MEMBER {
            self.roles.remove(&user);
        } else {
            self.roles.insert(user, roles);
        }
        let name = self.person_mut(user).name.clone();
        self.digest
            .remove_text(TABLE_PERSON, [user.0, before.0.into()], &name);
        self.digest
            .insert_text(TABLE_PERSON, [user.0, roles.0.into()], &name);
        self.admins -= usize::from(before.contains(Roles::ADMIN));
        self.admins += usize::from(roles.contains(Roles::ADMIN));
    }

    fn set_password_hash(&mut self, user: UserId, password_hash: &str) {
        let person = self.person_mut(user);
        let before = std::mem::replace(&mut person.password_hash, password_hash.into());
        self.digest.remove_text(TABLE_CREDENTIAL, [user.0], &before);
        self.digest
            .insert_text(TABLE_CREDENTIAL, [user.0], password_hash);
    }

    fn person_mut(&mut self, user: UserId) -> &mut Person {
        self.people
            .get_mut(&user)
            .expect("events name only people who registered")
    }
}

/// The form of a name that is unique.
fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
impl Accounts {
    /// The digest of the rows as they are now, from nothing; and that the maps agree. A sum does
    /// not depend on the order in which a hash map is walked.
    pub(super) fn recomputed_digest(&self) -> Digest {
        let mut digest = Digest::default();
        let (mut listed, mut admins) = (0, 0);
        for (user, person) in &self.people {
            assert_eq!(self.user_named(&person.name), Some(*user));
            listed += person.sessions.len();
            let roles = self.roles(*user);
            admins += usize::from(roles.contains(Roles::ADMIN));
            let columns = [user.0, roles.0.into()];
            digest.insert_text(TABLE_PERSON, columns, &person.name);
            digest.insert_text(TABLE_CREDENTIAL, [user.0], &person.password_hash);
            digest.insert(TABLE_REACHED, [user.0, person.reached.0]);
        }
        for (id, session) in &self.sessions {
            assert_eq!(self.by_token[&session.token_hash], *id);
            assert!(self.sessions_of(session.user).contains(id));
            digest.insert(TABLE_SESSION, session.columns(*id));
            digest.insert(TABLE_CURSOR, [*id, session.cursor.0]);
            assert!(session.cursor <= self.reached(session.user));
        }
        assert_eq!(admins, self.admins);
        assert_eq!(self.names.len(), self.people.len());
        assert_eq!(self.by_token.len(), self.sessions.len());
        assert_eq!(listed, self.sessions.len());
        digest
    }
}
