//! Words of the accounts: people, sessions, roles.
//!
//! [`AuthRequest`] travels on the wire only: it carries passwords and tokens, which are never
//! logged. The commands are what the log keeps of it: a password hash, a token's hash, a verdict.
//! What is about a person is [`Personal`]; no event says any of it, so that events can stay as they
//! are when the person is erased.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words;
use crate::{
    id::{Kind, Roles, Seq, UserId},
    personal::Personal,
};

/// The number of this system.
pub const SYSTEM: u8 = 1;

/// The commands after which some session may be over.
pub const ENDING_SESSIONS: [Kind; 3] = [
    Kind::new(SYSTEM, 3),
    Kind::new(SYSTEM, 4),
    Kind::new(SYSTEM, 8),
];

/// A request to become somebody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthRequest {
    /// Make a new account and log in to it with [`AuthRequest::LogIn`] afterwards.
    Register {
        /// 3 to 20 letters, digits, `_`, `.`, `-`.
        name: String,
        /// 6 to 128 bytes.
        password: String,
    },
    /// Open a session; answered with [`SessionOpened`].
    LogIn {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// Continue a session on this connection, without paying for a password hash; answered with
    /// [`SessionResumed`].
    Resume {
        /// From [`SessionOpened`].
        token: Token,
    },
}

impl fmt::Debug for AuthRequest {
    // Secrets never reach a log or a panic message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { name, .. } => write!(f, "Register({name:?}, <password>)"),
            Self::LogIn { name, .. } => write!(f, "LogIn({name:?}, <password>)"),
            Self::Resume { .. } => f.write_str("Resume(<token>)"),
        }
    }
}

/// The secret that stands for a session: 256 bits nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(#[serde(with = "crate::hex")] pub [u8; 32]);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<token>")
    }
}

words! {
    /// What is asked of the accounts, as it is logged.
    Command in SYSTEM;
    Register = 1, "register";
    LogIn = 2, "log-in";
    RevokeSession = 3, "revoke-session";
    RevokeAllSessions = 4, "revoke-all-sessions";
    SetRoles = 5, "set-roles";
    Rehash = 6, "rehash";
    MoveCursor = 7, "move-cursor";
    EraseMe = 8, "erase-me";
    SetClockBack = 9, "set-clock-back";
}

words! {
    /// What happened to the accounts.
    Event in SYSTEM;
    Registered = 1, "registered";
    LoggedIn = 2, "logged-in";
    SessionsEnded = 3, "sessions-ended";
    RolesSet = 5, "roles-set";
    Rehashed = 6, "rehashed";
    CursorMoved = 7, "cursor-moved";
    Erased = 8, "erased";
    ClockSetBack = 9, "clock-set-back";
}

words! {
    /// What the accounts tell people who did not ask just now.
    Push in SYSTEM;
    RolesSet = 5, "roles-set";
}

words! {
    /// What can be asked without changing anything.
    Query in SYSTEM;
    WhoAmI = 1, "who-am-i";
    MySessions = 2, "my-sessions";
    FindUser = 3, "find-user";
}

words! {
    /// What the accounts answer.
    Answer in SYSTEM;
    Me = 1, "me";
    Sessions = 2, "sessions";
    FoundUser = 3, "found-user";
    SessionOpened = 16, "session-opened";
    SessionResumed = 17, "session-resumed";
}

/// A new person. From the wire only inside [`AuthRequest::Register`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The name.
    pub name: Personal,
    /// A PHC string, never the password.
    pub password_hash: Personal,
}

/// A log-in whose password has been looked at. Who asks is whose name was given, or nobody for a
/// name that is nobody's. From the wire only inside [`AuthRequest::LogIn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIn {
    /// Whether the password was this account's.
    pub verified: bool,
    /// BLAKE3 of the session token.
    pub token_hash: [u8; 32],
}

/// End one session of mine; with the session of this connection, log out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSession {
    /// The session, by the position that opened it.
    pub session: u64,
}

/// End every session of mine, this one too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeAllSessions {}

/// Give a person exactly these roles. Admins only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRoles {
    /// Whose.
    pub user: UserId,
    /// All of their roles from now on.
    pub roles: Roles,
}

/// Replace a password hash by one of today's algorithm. Server only, after a verified log-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehash {
    /// Whose.
    pub user: UserId,
    /// A PHC string of the same password.
    pub password_hash: Personal,
}

/// This device has everything up to here: its session need not be told of it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveCursor {
    /// A session of mine, by the position that opened it.
    pub session: u64,
    /// Up to and with this position. Beyond where the cursor stands, and not beyond the log.
    pub seq: Seq,
}

/// Erase me: forget that I was here, and make what I wrote unreadable. Cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseMe {}

/// The clock was ahead, and its operator says that it is right now: this record and those behind it are of
/// an earlier time than those before it. Server only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetClockBack {
    /// The instant of the newest record until now, milliseconds since 1970-01-01 UTC.
    pub from: u64,
}

/// A person exists; their id is this record's position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {}

/// A session exists; its id is this record's position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// Whose.
    pub user: UserId,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
    /// Up to where its person has everything on some device, which is where this one begins.
    pub cursor: Seq,
}

/// These sessions are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// Their ids.
    #[serde(deserialize_with = "crate::codec::list")]
    pub sessions: Vec<u64>,
}

/// A person's roles were set. Pushed to them when somebody else did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesSet {
    /// Whose.
    pub user: UserId,
    /// All of them.
    pub roles: Roles,
}

/// A password hash was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehashed {
    /// Whose.
    pub user: UserId,
}

/// A device's cursor stands where its command said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorMoved {}

/// Who asked is nobody from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {}

/// Time goes on from the instant of this record. Sessions that were opened later than that are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSetBack {}

/// Who is this connection?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {}

/// Which sessions do I have?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MySessions {}

/// Whose name is this?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindUser {
    /// The name.
    pub name: String,
}

/// You.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// Your id.
    pub user: UserId,
    /// Your name.
    pub name: String,
    /// Your roles.
    pub roles: Roles,
}

/// Your sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// In the order they were opened.
    #[serde(deserialize_with = "crate::codec::list")]
    pub sessions: Vec<SessionView>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its id.
    pub session: u64,
    /// When it was opened, milliseconds since 1970-01-01 UTC.
    pub opened_at: u64,
    /// When it ends by itself.
    pub expires_at: u64,
    /// Up to where its device has everything.
    pub cursor: Seq,
}

/// The person of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundUser {
    /// Their id.
    pub user: UserId,
}

/// Logged in. The token is in this answer only; keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// Who you are.
    pub user: UserId,
    /// Your roles.
    pub roles: Roles,
    /// The session's id.
    pub session: u64,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
    /// Up to where this device has everything, as far as the server was told.
    pub cursor: Seq,
    /// The secret to resume it with.
    pub token: Token,
}

/// You are back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionResumed {
    /// Who you are.
    pub user: UserId,
    /// Your roles.
    pub roles: Roles,
    /// The session's id.
    pub session: u64,
    /// When it ends by itself, milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
    /// Up to where this device has everything, as far as the server was told.
    pub cursor: Seq,
}
