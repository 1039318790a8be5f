//! What a conversation begins with.

use std::fmt;

use protocol::{
    Key, Seq, UserId,
    words::accounts::{SessionOpened, Token},
};

/// Who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// A person with a password. It is asked for once: from then on the session is resumed.
    LogIn {
        /// The name.
        name: String,
        /// The password.
        password: String,
        /// The log-in's idempotency key: never used before, and kept while it is unanswered.
        key: Key,
    },
    /// Somebody who has a session.
    Resume(Token),
}

impl fmt::Debug for Identity {
    // Secrets never reach a log or a panic message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn { name, .. } => write!(f, "LogIn({name:?}, <password>)"),
            Self::Resume(_) => f.write_str("Resume(<token>)"),
        }
    }
}

/// What to do with a request that the server is too busy to consider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBusy {
    /// Ask again after the time it stated, under the same key.
    #[default]
    Retry,
    /// Tell the asker: somebody who measures the server wants to count it.
    Tell,
}

/// What a conversation begins with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who this is.
    pub identity: Identity,
    /// The last position this device has; `None` to begin where the session's cursor stands.
    pub cursor: Option<Seq>,
    /// For the waits before connecting again: another number for every client.
    pub seed: u64,
    /// What to do when the server is too busy.
    pub on_busy: OnBusy,
}

/// A session that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: UserId,
    /// Its id.
    pub session: u64,
    /// What it is resumed with.
    pub token: Token,
    /// The last position its device has.
    pub cursor: Seq,
}

impl From<SessionOpened> for Session {
    fn from(opened: SessionOpened) -> Self {
        let SessionOpened {
            user,
            session,
            token,
            cursor,
            ..
        } = opened;
        Self {
            user,
            session,
            token,
            cursor,
        }
    }
}
