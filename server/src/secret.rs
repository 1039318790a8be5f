//! The file `secret`: 256 random bits from which salts and tokens are derived, made at the first start.
//!
//! A data directory goes in; its secret comes out, proved to be the one of this log, or why not. It is
//! proved by the newest registration that can be read: its salt was derived from the secret. Where
//! nobody registered with it yet, the file says of which log it is. Deliberately absent: deriving
//! (`passwords`).
//!
//! ```text
//! secret, 32 | position of the log's end when it was made, u64 LE | hash there, 32 | BLAKE3 of these, the first 16
//! ```
//!
//! Earlier versions wrote the first 32 bytes alone; that is read as well. The secret is needed to
//! answer a log-in or registration that is asked again; sessions and passwords outlive it, since what
//! the log keeps of them are hashes.

use std::io;

use argon2::password_hash::phc::PasswordHash;
use protocol::{ChainHash, Key, Record, Seq, UserId};
use zeroize::Zeroizing;

use crate::{
    belonging::{read, registration},
    disk::Disk,
    keyring::Keyring,
    log::{Head, LogError, LogReader},
    passwords::Secret,
};

/// The name of the file in the data directory.
pub(crate) const SECRET_FILE: &str = "secret";

const SECRET_BYTES: usize = 32;
const SEQ_AT: usize = SECRET_BYTES;
const HASH_AT: usize = SEQ_AT + 8;
const CHECK_AT: usize = HASH_AT + 32;
const CHECK_BYTES: usize = 16;
const FILE_BYTES: usize = CHECK_AT + CHECK_BYTES;

/// Registrations that are looked at for one that tells: the server's own of earlier versions do not.
const LOOKED_AT_MAX: usize = 1_000;

/// What stands in the file.
#[derive(Debug)]
struct Stored {
    secret: Secret,
    /// Where the log ended when it was made, if that was written.
    made_at: Option<Head>,
}

/// The secret of this directory, whose log has these people; nothing if one is to be made, because
/// nobody depends on it.
///
/// # Errors
/// If somebody does and it is missing, or not what was written.
pub(crate) fn find(disk: &dyn Disk, people: &[UserId]) -> Result<Option<Secret>, LogError> {
    Ok(stored(disk, people)?.map(|stored| stored.secret))
}

/// Makes another one, durably, beside a log that ends at `head`.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(disk: &dyn Disk, secret: &[u8; 32], head: Head) -> Result<Secret, LogError> {
    let mut bytes = Zeroizing::new([0; FILE_BYTES]);
    bytes[..SEQ_AT].copy_from_slice(secret);
    bytes[SEQ_AT..HASH_AT].copy_from_slice(&head.seq.0.to_le_bytes());
    bytes[HASH_AT..CHECK_AT].copy_from_slice(&head.hash.0);
    let check = check_of(&bytes[..CHECK_AT]);
    bytes[CHECK_AT..].copy_from_slice(&check);
    disk.replace(SECRET_FILE, &*bytes)
        .map_err(|source| failed("write", disk, source))?;
    Ok(Secret::new(*secret))
}

/// Checks that the secret is the one of the log that has these people, in rising order.
///
/// # Errors
/// If it is missing, altered, or another one.
pub(crate) fn check(
    disk: &dyn Disk,
    reader: &mut dyn LogReader,
    people: &[UserId],
    keyring: &Keyring,
) -> Result<(), LogError> {
    let Some(stored) = stored(disk, people)? else {
        return Ok(());
    };
    let made_at = stored.made_at.unwrap_or_default();
    if made_at.seq != Seq::START && reader.hash_at(made_at.seq)? != Some(made_at.hash) {
        return Err(unusable(
            "is of another log, or of a later moment of this one",
        ));
    }
    // Whoever joined before it was made tells nothing.
    let since = people.iter().rev().filter(|user| made_at.seq.0 < user.0);
    for user in since.take(LOOKED_AT_MAX) {
        let told = read(reader, Seq(user.0), &mut |record| {
            is_salted_by(&stored, record, keyring)
        })?;
        match told.flatten() {
            Some(true) => return Ok(()),
            Some(false) => {
                return Err(unusable(&format!(
                    "is not the one with which user {user} registered: it is of another server, or was altered"
                )));
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether a registration was salted with this secret; nothing if it does not tell.
fn is_salted_by(stored: &Stored, record: &Record<'_>, keyring: &Keyring) -> Option<bool> {
    // Earlier versions salted the admins they made by themselves with what nobody kept.
    if stored.made_at.is_none() && is_own(record.key) {
        return None;
    }
    let register = registration(record, keyring)?;
    let hash = PasswordHash::new(register.password_hash.text()?).ok()?;
    let salt: &[u8] = &hash.salt?;
    Some(*salt == stored.secret.salt(record.key, register.name.text()?))
}

/// Whether the server itself asked.
fn is_own(key: Key) -> bool {
    key.0.starts_with(&[0; 8])
}

fn stored(disk: &dyn Disk, people: &[UserId]) -> Result<Option<Stored>, LogError> {
    let bytes = disk.read(SECRET_FILE);
    let bytes = bytes.map_err(|source| failed("read", disk, source))?;
    let bytes = match bytes.map(Zeroizing::new) {
        Some(bytes) => bytes,
        None if people.is_empty() => return Ok(None),
        None => return Err(unusable("is missing")),
    };
    match parse(&bytes) {
        Some(stored) => Ok(Some(stored)),
        // An earlier version was killed while it wrote it; nothing depends on it.
        None if people.is_empty() => Ok(None),
        None => Err(unusable(&format!(
            "was altered or cut short: it has {} bytes that are none",
            bytes.len()
        ))),
    }
}

fn parse(bytes: &[u8]) -> Option<Stored> {
    let (secret, rest) = bytes.split_first_chunk::<SECRET_BYTES>()?;
    let secret = Secret::new(*secret);
    if rest.is_empty() {
        let made_at = None;
        return Some(Stored { secret, made_at });
    }
    let (fields, check) = bytes.split_at_checked(CHECK_AT)?;
    if check != check_of(fields) {
        return None;
    }
    let (seq, hash) = rest.split_first_chunk()?;
    let made_at = Some(Head {
        seq: Seq(u64::from_le_bytes(*seq)),
        hash: ChainHash(*hash.first_chunk()?),
    });
    Some(Stored { secret, made_at })
}

fn check_of(fields: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = *blake3::hash(fields).as_bytes();
    *hash.first_chunk().expect("16 of 32 bytes")
}

fn unusable(what: &str) -> LogError {
    LogError::Damaged(format!(
        "the server's secret, the file `{SECRET_FILE}`, {what}; put it back, or restore a backup; or start with --new-secret to go on with another one: sessions, passwords and texts stay, and a log-in or registration that is asked again across the change is refused as `key-reused` instead of being answered"
    ))
}

fn failed(doing: &str, disk: &dyn Disk, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!(
            "{doing} the server's secret {}",
            disk.path().join(SECRET_FILE).display()
        ),
        source,
    }
}
