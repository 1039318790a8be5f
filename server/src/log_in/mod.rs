//! What a log-in hands out and what the log keeps of it: the session token and its hash.
//!
//! Somebody whose password was looked at goes in; the token and the command for the log come out. A
//! token follows from the server's secret, whose it is, the key, and where and when the log-in is
//! recorded: no two sessions have one, and a log-in that is sent again under its key gets its first
//! token, because its record says where and when that was. Deliberately absent: hashing passwords
//! (`passwords`), rules about sessions (`domain::accounts`).

use std::ops::ControlFlow;

use protocol::{
    Key, Seq, UserId,
    words::accounts::{Command, LogIn, Token},
};

use crate::{
    archive,
    engine::Engine,
    keys::Found,
    log::{self, LogError, LogReader},
    passwords::{Secret, token_hash},
};

/// The token hash in the record of a log-in that is refused: it hands out nothing.
const NO_TOKEN: [u8; 32] = [0; 32];

/// A log-in whose password was looked at.
#[derive(Debug, Clone, Copy)]
pub struct CheckedLogIn<'a> {
    /// Whose name was given; nobody for a name that is nobody's.
    pub user: UserId,
    /// The idempotency key.
    pub key: Key,
    /// The name as it was given.
    pub name: &'a str,
    /// Whether the password was right.
    pub verified: bool,
}

/// What the log has of a log-in.
#[derive(Debug, Clone, Copy)]
struct Recorded {
    seq: Seq,
    at: u64,
    /// `None` if something else than a log-in is recorded there.
    token_hash: Option<[u8; 32]>,
}

/// The token to hand out if this log-in is accepted, and the command to submit at `now`. `None` if
/// it was decided before, its record is not durable yet, and its session is over already: ask again
/// when it is.
///
/// # Errors
/// If the log cannot be read.
pub fn prepare(
    engine: &Engine,
    reader: &mut dyn LogReader,
    secret: &Secret,
    now: u64,
    log_in: &CheckedLogIn<'_>,
) -> Result<Option<(Token, LogIn)>, LogError> {
    let CheckedLogIn { user, key, .. } = *log_in;
    let verified = log_in.verified;
    let Some(seq) = find(engine, reader, user, key)? else {
        let (seq, at) = engine.next_place(now);
        let token = secret.session_token(key, user, seq, at);
        let token_hash = if verified {
            token_hash(&token)
        } else {
            NO_TOKEN
        };
        let log_in = LogIn {
            verified,
            token_hash,
        };
        return Ok(Some((token, log_in)));
    };
    let Some(recorded) = recorded(engine, reader, seq, verified)? else {
        return Ok(None);
    };
    let token = token_again(secret, log_in, &recorded);
    let token_hash = match recorded.token_hash {
        Some(hash) if !verified => hash,
        Some(_) | None => token_hash(&token),
    };
    let log_in = LogIn {
        verified,
        token_hash,
    };
    Ok(Some((token, log_in)))
}

/// Where `user` used `key`, if they did.
fn find(
    engine: &Engine,
    reader: &mut dyn LogReader,
    user: UserId,
    key: Key,
) -> Result<Option<Seq>, LogError> {
    let found = engine.find_key(user, key).map_err(|source| LogError::Io {
        doing: "read where keys were used".to_owned(),
        source,
    })?;
    match found {
        Found::New(_) => Ok(None),
        Found::Used(used) => Ok(Some(used.seq)),
        Found::MaybeUsed(seqs) => {
            Ok(archive::find_use(reader, user, key, &seqs)?.map(|used| used.seq))
        }
    }
}

/// What is recorded at `seq`: read in the log if it is durable; before that, known of a session that
/// is open, and of a refused log-in, which handed out nothing.
fn recorded(
    engine: &Engine,
    reader: &mut dyn LogReader,
    seq: Seq,
    verified: bool,
) -> Result<Option<Recorded>, LogError> {
    if engine.durable().seq < seq {
        let opened = engine.systems().accounts.opened(seq.0);
        let of_session = opened.map(|(at, hash)| Recorded {
            seq,
            at,
            token_hash: Some(hash),
        });
        let of_refused = (!verified).then_some(Recorded {
            seq,
            at: 0,
            token_hash: Some(NO_TOKEN),
        });
        return Ok(of_session.or(of_refused));
    }
    let mut found = None;
    log::read_proven(reader, seq, &mut |row| {
        let record = &row.record;
        let command = Command::decode(record.kind, record.schema, record.body);
        let token_hash = match command {
            Ok(Command::LogIn(log_in)) => Some(log_in.token_hash),
            Ok(_) | Err(_) => None,
        };
        found = (record.seq == seq).then_some(Recorded {
            seq,
            at: record.recorded_at,
            token_hash,
        });
        ControlFlow::Break(())
    })?;
    let missing = || LogError::Damaged(format!("seq {seq} was durable and is not in the log"));
    found.ok_or_else(missing).map(Some)
}

/// The token that the recorded log-in handed out. Where it is none of ours (the secret is another
/// one, or the key was used for something else), one whose hash is not the recorded one, so that the
/// engine refuses the command as another one under its key.
fn token_again(secret: &Secret, log_in: &CheckedLogIn<'_>, recorded: &Recorded) -> Token {
    // Logs of before have tokens that follow from key and name alone.
    let of_old = secret.token_of_old(log_in.key, log_in.name);
    if recorded.token_hash == Some(token_hash(&of_old)) {
        return of_old;
    }
    secret.session_token(log_in.key, log_in.user, recorded.seq, recorded.at)
}

#[cfg(test)]
mod tests;
