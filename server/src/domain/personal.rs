//! What a command says about a person, on its way into the log and out of it.
//!
//! A command's bytes go in; the same bytes come out with every text about somebody sealed, or
//! opened again. Which texts those are, and about whom, each system says of its own commands; a
//! command without any is passed by after one look at its number. Deliberately absent: ciphers and
//! keys (`keyring`).

use std::borrow::Cow;

use protocol::{Kind, Personal, Record, Seq, UserId, words::WordError};

use super::{
    System, Word,
    systems::{CommandBytes, ReplayError},
};
use crate::keyring::{Keyring, Unreadable};

/// Texts about one person: no command has more than two.
#[derive(Debug)]
pub struct AboutSomebody<'a> {
    /// Whom they are about.
    pub user: UserId,
    /// The texts.
    pub texts: [Option<&'a mut Personal>; 2],
}

/// Where a command stands in the log, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The position.
    pub seq: Seq,
    /// Who asks.
    pub actor: UserId,
}

/// Appends the bytes that are logged of `command` at `place` to `out`, if they are not the bytes
/// as they were sent. The command was decided there, so it decodes.
pub(super) fn seal<S: System>(
    place: Place,
    command: &CommandBytes<'_>,
    keyring: &Keyring,
    out: &mut Vec<u8>,
) -> bool {
    let Some(mut command) = read::<S>(command.kind, command.schema, command.body) else {
        return false;
    };
    let Some(about) = S::personal(place.seq, place.actor, &mut command) else {
        return false;
    };
    for (index, text) in (0..).zip(about.texts.into_iter().flatten()) {
        keyring.seal(about.user, (place.seq, index), text);
    }
    command.encode(out);
    true
}

/// The body of `record` with every text about somebody readable; one whose key is gone reads
/// `instead`.
pub(super) fn open<'a, S: System>(
    record: &Record<'a>,
    keyring: &Keyring,
    instead: &str,
) -> Result<Cow<'a, [u8]>, ReplayError> {
    let Some(mut command) = read::<S>(record.kind, record.schema, record.body) else {
        return Ok(Cow::Borrowed(record.body));
    };
    let Some(about) = S::personal(record.seq, record.actor, &mut command) else {
        return Ok(Cow::Borrowed(record.body));
    };
    let user = about.user;
    for (index, text) in (0..).zip(about.texts.into_iter().flatten()) {
        match keyring.open(user, (record.seq, index), text) {
            Ok(()) => {}
            Err(Unreadable::Erased) => *text = instead.into(),
            Err(Unreadable::Damaged) => return Err(ReplayError::Sealed { user }),
        }
    }
    let mut body = Vec::with_capacity(record.body.len());
    command.encode(&mut body);
    Ok(Cow::Owned(body))
}

/// A command that may say something about a person.
fn read<S: System>(kind: Kind, schema: u8, body: &[u8]) -> Option<S::Command> {
    if !S::PERSONAL.contains(&kind.number()) {
        return None;
    }
    let read: Result<S::Command, WordError> = S::Command::decode(kind, schema, body);
    read.ok()
}
