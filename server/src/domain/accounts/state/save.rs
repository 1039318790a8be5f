//! The accounts in a snapshot: person by person, as they registered.
//!
//! Names and password hashes are sealed with the key of whom they are about, at the place of their
//! registration, as in the log; so what is left of somebody who is erased later is not readable, and
//! they are here without a name until the log erases them. The digest is made again with the rows,
//! since it depends on which names can be read. Deliberately absent: what follows from the rows.

use protocol::{Personal, Roles, Seq, UserId};

use super::{Accounts, Person, Session};
use crate::{
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// The numbers of the texts of a registration.
const NAME: u8 = 0;
const PASSWORD_HASH: u8 = 1;

/// The least bytes of a person and of a session.
const PERSON_BYTES: usize = 8 + 8 + 8 + 8 + 1 + 8;
const SESSION_BYTES: usize = 8 + 32 + 8 + 8 + 8;

impl Saved for Accounts {
    fn save(&self, out: &mut SectionWriter<'_>, keyring: &Keyring) {
        let Self {
            people,
            ids,
            sessions,
            roles: _,
            // These follow from the people and their sessions.
            names: _,
            by_token: _,
            admins: _,
            digest: _,
        } = self;
        out.count(ids.len());
        for user in ids {
            let Person {
                name,
                password_hash,
                sessions: opened,
                reached,
            } = &people[user];
            out.u64(user.0);
            for (number, text) in [(NAME, name), (PASSWORD_HASH, password_hash)] {
                let mut text = Personal::from(&**text);
                keyring.seal(*user, (Seq(user.0), number), &mut text);
                out.bytes(text.as_bytes());
            }
            out.u64(reached.0);
            out.u8(self.roles(*user).0);
            out.count(opened.len());
            for id in opened {
                out.u64(*id);
                sessions[id].save(out);
            }
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, keyring: &Keyring) -> Result<(), Unsound> {
        *self = Self::default();
        for _ in 0..from.count(PERSON_BYTES)? {
            let user = UserId(from.u64()?);
            let name = load_text(from, keyring, (user, NAME))?;
            let password_hash = load_text(from, keyring, (user, PASSWORD_HASH))?;
            let person = Person {
                name,
                password_hash,
                sessions: Vec::new(),
                reached: Seq(from.u64()?),
            };
            let roles = Roles(from.u8()?);
            self.put_person(user, person);
            if roles != Roles::MEMBER {
                self.set_roles(user, roles);
            }
            for _ in 0..from.count(SESSION_BYTES)? {
                let id = from.u64()?;
                self.put_session(id, Session::load(from, user)?);
            }
        }
        Ok(())
    }
}

impl Session {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            // It stands under them.
            user: _,
            token_hash,
            opened_at,
            expires_at,
            cursor,
        } = self;
        out.array(token_hash);
        out.u64(*opened_at);
        out.u64(*expires_at);
        out.u64(cursor.0);
    }

    fn load(from: &mut SectionReader<'_>, user: UserId) -> Result<Self, Unsound> {
        Ok(Self {
            user,
            token_hash: from.array()?,
            opened_at: from.u64()?,
            expires_at: from.u64()?,
            cursor: Seq(from.u64()?),
        })
    }
}

/// A text about somebody; empty if their key is gone.
fn load_text(
    from: &mut SectionReader<'_>,
    keyring: &Keyring,
    (user, number): (UserId, u8),
) -> Result<Box<str>, Unsound> {
    let mut text = Personal::from_bytes(from.bytes()?);
    if !keyring.has(user) {
        return Ok(Box::default());
    }
    let opened = keyring.open(user, (Seq(user.0), number), &mut text);
    match (opened, text.text()) {
        (Ok(()), Some(text)) => Ok(text.into()),
        (Ok(()), None) | (Err(_), _) => Err(from.lacks("texts that the people's keys open")),
    }
}
