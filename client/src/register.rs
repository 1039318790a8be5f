//! Making an account, before there is anybody to be.
//!
//! A name and a password go in; an id comes out. The registration has one key, under which it is sent
//! on as many connections as it takes, for 60 seconds at most. Deliberately absent: logging in.

use std::time::Duration;

use protocol::{
    Code, Key, Outcome, Refusal, UserId, frame,
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{Reply, Request},
    words::accounts::AuthRequest,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    GIVE_UP_AFTER,
    backoff::Backoff,
    handle::{AskError, new_key, random},
};

/// The number of the one request on a connection.
const CORRELATION: u64 = 1;

/// What became of one connection.
enum Attempt {
    Registered(UserId),
    Failed(AskError),
    /// The server was too busy, and says when to try again.
    Busy(Duration),
    /// It was lost, or could not be made.
    Lost,
}

/// Makes an account, and says whose id it is. Tries again for 60 seconds if the server cannot be
/// reached. Must be called within a tokio runtime.
///
/// # Errors
/// If it is refused ([`AskError::Refused`], as for a name that is taken), or not answered in time
/// ([`AskError::UnknownFate`], [`AskError::NotSent`]).
pub async fn register(address: &str, name: &str, password: &str) -> Result<UserId, AskError> {
    let key = new_key()?;
    let frames = frames(key, name, password);
    let until = Instant::now() + Duration::from_nanos(GIVE_UP_AFTER);
    let mut backoff = Backoff::new(u64::from_le_bytes(random()?));
    let mut is_sent = false;
    loop {
        let attempt = timeout_at(until, attempt(address, &frames, &mut is_sent)).await;
        let wait = match attempt {
            Ok(Attempt::Registered(user)) => return Ok(user),
            Ok(Attempt::Failed(error)) => return Err(error),
            Ok(Attempt::Busy(wait)) => wait,
            Ok(Attempt::Lost) => Duration::from_nanos(backoff.next()),
            Err(_elapsed) => return Err(given_up(is_sent, key)),
        };
        if until <= Instant::now() + wait {
            return Err(given_up(is_sent, key));
        }
        sleep(wait).await;
    }
}

const fn given_up(is_sent: bool, key: Key) -> AskError {
    if is_sent {
        AskError::UnknownFate(key)
    } else {
        AskError::NotSent
    }
}

fn frames(key: Key, name: &str, password: &str) -> Vec<u8> {
    let mut frames = Vec::new();
    Request::Hello {
        version: WIRE_VERSION,
    }
    .encode(&mut frames);
    Request::Auth {
        correlation: CORRELATION,
        key,
        request: AuthRequest::Register {
            name: name.to_owned(),
            password: password.to_owned(),
        },
    }
    .encode(&mut frames);
    frames
}

async fn attempt(address: &str, frames: &[u8], is_sent: &mut bool) -> Attempt {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return Attempt::Lost;
    };
    *is_sent = true;
    if stream.write_all(frames).await.is_err() {
        return Attempt::Lost;
    }
    let mut input = Vec::new();
    loop {
        match stream.read_buf(&mut input).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Attempt::Lost,
        }
        let mut rest = input.as_slice();
        loop {
            match frame::split(rest, REPLY_BYTES_MAX) {
                Ok(Some((frame, after))) => {
                    rest = after;
                    match Reply::decode(frame) {
                        Ok(reply) => {
                            if let Some(attempt) = heard(&reply) {
                                return attempt;
                            }
                        }
                        Err(_no_reply) => return Attempt::Failed(AskError::Unreadable),
                    }
                }
                Ok(None) => break,
                Err(_no_frame) => return Attempt::Failed(AskError::Unreadable),
            }
        }
        input = rest.to_vec();
    }
}

/// What a reply says of the registration, if it says something.
fn heard(reply: &Reply<'_>) -> Option<Attempt> {
    match reply {
        Reply::Answer {
            correlation: CORRELATION,
            seq,
            outcome,
            ..
        } => Some(match Outcome::decode(outcome) {
            // A person's id is the position they came at.
            Ok(Outcome::Accepted { .. }) => Attempt::Registered(UserId(seq.0)),
            Ok(Outcome::Refused(refusal)) => Attempt::Failed(AskError::Refused(refusal)),
            Err(_no_outcome) => Attempt::Failed(AskError::Unreadable),
        }),
        Reply::Error(error) => Some(match error.retry_after_ms {
            0 if is_passing(&error.refusal) => Attempt::Lost,
            0 => Attempt::Failed(AskError::Unconsidered(error.refusal)),
            wait => Attempt::Busy(Duration::from_millis(wait.into())),
        }),
        Reply::Answer { .. }
        | Reply::Welcome(_)
        | Reply::Pong { .. }
        | Reply::Probe
        | Reply::Push { .. }
        | Reply::Ephemeral { .. } => None,
    }
}

/// Whether another connection may fare better.
const fn is_passing(refusal: &Refusal) -> bool {
    matches!(
        refusal.code,
        Code::CONNECTIONS | Code::SHUTTING_DOWN | Code::HELLO_TIMEOUT | Code::LOGIN_TIMEOUT
    )
}
