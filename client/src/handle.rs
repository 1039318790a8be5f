//! What a program holds: a handle to ask through, what comes unasked, and how the connection is.
//!
//! Commands and queries of [`protocol::words`] go in, each comes back as the word that answers it; the
//! task behind them (`shell`) does the rest. Deliberately absent: sockets.

use std::ops::Deref;

use protocol::{
    ChainHash, Key, Kind, Refusal, Seq, UserId,
    words::{
        accounts::{CursorMoved, MoveCursor, RevokeSession, SessionsEnded, Token},
        chat::{Send, Sent, Target},
        presence::{self, Typing, WatchPresence},
    },
};
use rand::{TryRng, rngs::SysRng};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::words::{Ask, Command, Query};

/// What asks: cheap to clone, and every clone asks the same server as the same person.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) asked: mpsc::Sender<Asked>,
    pub(crate) state: watch::Receiver<State>,
}

/// What comes unasked, in the order of the log. Take it, or drop this: while 256 of them wait, nothing
/// is read from the server, and answers wait too.
#[derive(Debug)]
pub struct Pushes {
    pub(crate) pushed: mpsc::Receiver<Pushed>,
}

/// Something that came unasked; [`Pushed::told`] says what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where in the log it happened: keep it, to go on from there in another life of the program.
    /// `None` for what was said in passing.
    pub seq: Option<Seq>,
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// An answer to something that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// Of a command, its position in the log, which is the id of what it made; of a query, the newest
    /// position that it reflects.
    pub seq: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
    /// What was answered.
    pub word: T,
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.word
    }
}

/// Why there is no answer, or none that was wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It was considered, and refused: a command's refusal is logged, and the same command under the
    /// same key is refused again.
    #[error("{0}")]
    Refused(Refusal),
    /// It was not considered, and asking again is of no use.
    #[error("{0}")]
    Unconsidered(Refusal),
    /// The command was sent and not answered within 60 seconds, so it is not sent again: it may have
    /// taken effect, or may yet. Or it was decided before and the server cannot read what became of it
    /// (`log-damaged`). Look whether it took effect before asking under another key.
    #[error(
        "no answer that can be relied on: whether the command under key {0:?} took effect is unknown"
    )]
    UnknownFate(Key),
    /// The query was not answered within 60 seconds.
    #[error("no answer within 60 s")]
    NoAnswer,
    /// There was no connection for 60 seconds, or the server was too busy for as long: nothing came of
    /// it, and nothing will.
    #[error("it could not be sent within 60 s; nothing came of it")]
    NotSent,
    /// The answer is not what answers this: the server is newer than this client, or none.
    #[error("the answer cannot be read; use a client of the server's version")]
    Unreadable,
    /// The server will not have this person: the conversation is over.
    #[error("the conversation is over: {0}")]
    Over(Refusal),
    /// The runtime ended first, or the system has no randomness.
    #[error("the program is ending")]
    Ending,
}

/// How it stands with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A connection is being made, or this person is logging in on it.
    Connecting,
    /// What is asked reaches the server.
    Connected,
    /// There is no connection until then. What is asked meanwhile waits for it.
    Waiting {
        /// When the next one is tried.
        until: Instant,
    },
    /// There will be none: the server does not take this person any more, because of this.
    Ended(Refusal),
    /// There will be none: the last handle is gone, or the runtime is ending.
    Closed,
}

/// A session that is open. With its token, another life of the program goes on with it: see
/// [`Identity::Resume`](crate::Identity::Resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenSession {
    /// Whose.
    pub user: UserId,
    /// Its id.
    pub session: u64,
    /// What it is resumed with. Keep it as one keeps a password.
    pub token: Token,
}

/// What the task lets handles know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) session: Option<OpenSession>,
}

/// Something for the task to do.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To ask this, under a key if it is a command.
    Question {
        key: Option<Key>,
        asked_at: Instant,
        word: (Kind, u8),
        body: Vec<u8>,
        asker: Asker,
    },
    /// To say this in passing.
    Signal(presence::Signal),
}

/// Whom to tell the answer, and the key that was asked under.
pub(crate) type Asker = oneshot::Sender<Result<RawAnswer, AskError>>;

/// An answer with its word as it came.
pub(crate) type RawAnswer = Answer<(Kind, u8, Vec<u8>)>;

impl Handle {
    /// Changes something, under a key of its own, once, however often it has to be sent.
    ///
    /// # Errors
    /// If it is refused, or there is no answer; within 60 seconds of being sent in any case.
    pub async fn command<C: Command>(&self, command: C) -> Result<Answer<C::Answer>, AskError> {
        self.command_under(new_key()?, command).await
    }

    /// Changes something under this key, which another life of the program may have used for it.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn command_under<C: Command>(
        &self,
        key: Key,
        command: C,
    ) -> Result<Answer<C::Answer>, AskError> {
        self.ask(Some(key), command).await
    }

    /// Asks something.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn query<Q: Query>(&self, query: Q) -> Result<Answer<Q::Answer>, AskError> {
        self.ask(None, query).await
    }

    /// Says something to everybody, somebody, or a room or group.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn send(&self, to: Target, text: &str) -> Result<Answer<Sent>, AskError> {
        let text = text.into();
        self.command(Send { to, text }).await
    }

    /// Says in passing that this person begins or stops writing: heard by whoever is there, and by
    /// nobody while there is no connection. A beginning holds for six seconds.
    ///
    /// # Errors
    /// If the task behind this handle has ended.
    pub async fn typing(&self, to: Target, on: bool) -> Result<(), AskError> {
        self.signal(Typing { to, on }.into()).await
    }

    /// Wants to be told how it stands with these people, now and whenever it changes, on this
    /// connection and the ones after it. Replaces those who were watched before; 256 at most.
    ///
    /// # Errors
    /// As [`Self::typing`].
    pub async fn watch_presence(&self, users: Vec<UserId>) -> Result<(), AskError> {
        self.signal(WatchPresence { users }.into()).await
    }

    /// Tells the server that this device has everything up to a position: a session that is resumed
    /// without a cursor goes on there.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn move_cursor(&self, seq: Seq) -> Result<Answer<CursorMoved>, AskError> {
        let session = self.session().ok_or(AskError::NotSent)?.session;
        self.command(MoveCursor { session, seq }).await
    }

    /// Ends the session: nobody can resume it, and the conversation is over.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn log_out(&self) -> Result<Answer<SessionsEnded>, AskError> {
        let session = self.session().ok_or(AskError::NotSent)?.session;
        self.command(RevokeSession { session }).await
    }

    /// The session, once somebody has logged in.
    #[must_use]
    pub fn session(&self) -> Option<OpenSession> {
        self.state.borrow().session
    }

    /// How it stands with the connection now.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state.has_changed() {
            // Whoever kept it up to date is gone.
            Err(_closed) => ended(self.state.borrow().status),
            Ok(_either_way) => self.state.borrow().status,
        }
    }

    /// How it stands with the connection, whenever that changes.
    #[must_use]
    pub fn watch_status(&self) -> StatusWatch {
        StatusWatch {
            state: self.state.clone(),
            told: None,
        }
    }

    async fn ask<A: Ask>(&self, key: Option<Key>, ask: A) -> Result<Answer<A::Answer>, AskError> {
        let mut body = Vec::new();
        let word = ask.encode(&mut body);
        let (asker, answer) = oneshot::channel();
        let asked = Asked::Question {
            key,
            asked_at: Instant::now(),
            word,
            body,
            asker,
        };
        self.say(asked).await?;
        let Answer { seq, hash, word } = answer.await.unwrap_or(Err(AskError::Ending))?;
        let (kind, schema, body) = word;
        match A::read(kind, schema, &body) {
            Ok(Some(word)) => Ok(Answer { seq, hash, word }),
            Ok(None) | Err(_) => Err(AskError::Unreadable),
        }
    }

    async fn signal(&self, signal: presence::Signal) -> Result<(), AskError> {
        self.say(Asked::Signal(signal)).await
    }

    async fn say(&self, asked: Asked) -> Result<(), AskError> {
        let said = self.asked.send(asked).await;
        said.map_err(|_task_ended| match self.status() {
            Status::Ended(refusal) => AskError::Over(refusal),
            Status::Connecting | Status::Connected | Status::Waiting { .. } | Status::Closed => {
                AskError::Ending
            }
        })
    }
}

/// What is left of a status when nobody keeps it up to date.
const fn ended(status: Status) -> Status {
    match status {
        Status::Ended(refusal) => Status::Ended(refusal),
        Status::Connecting | Status::Connected | Status::Waiting { .. } | Status::Closed => {
            Status::Closed
        }
    }
}

/// Tells how it stands with a connection, whenever that changes. Holds no connection open.
#[derive(Debug)]
pub struct StatusWatch {
    state: watch::Receiver<State>,
    told: Option<Status>,
}

impl StatusWatch {
    /// How it stands, as soon as that is something else than this said last: at once the first time.
    /// What lies between two calls is skipped but for the last. `None` when it will not change again.
    pub async fn next(&mut self) -> Option<Status> {
        if matches!(self.told, Some(Status::Ended(_) | Status::Closed)) {
            return None;
        }
        let told = self.told;
        let changed = self
            .state
            .wait_for(|state| Some(state.status) != told)
            .await
            .map(|state| state.status);
        // The sender is gone with the task.
        let status = changed.unwrap_or(Status::Closed);
        self.told = Some(status);
        Some(status)
    }
}

impl Pushes {
    /// The next one; `None` when the conversation is over.
    pub async fn next(&mut self) -> Option<Pushed> {
        self.pushed.recv().await
    }
}

/// A key that nobody has used: random.
///
/// # Errors
/// If the system has no randomness.
pub fn new_key() -> Result<Key, AskError> {
    random().map(Key)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], AskError> {
    let mut bytes = [0; N];
    let drawn = SysRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|_no_randomness| AskError::Ending)?;
    Ok(bytes)
}
