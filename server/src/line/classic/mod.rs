//! The classic dialect: a small chat that existed before this server, spoken by its clients.
//!
//! A line becomes one request of the native protocol, and what the session answers or is pushed
//! becomes lines. Names become ids by the [`Directory`]. Such a client knows no positions, so this
//! speaks for it: it subscribes after the log-in, moves the session's cursor when the socket has
//! taken a message, and ends the session with the connection. Deliberately absent: rules; what may
//! be said is decided where it always is.

mod heard;
mod said;
mod told;

use protocol::{
    Code, Key, Refusal, Seq, UserId,
    json::{LineError, Unsaid},
    message::Request,
    words::{
        accounts::{self, AuthRequest, MoveCursor, RevokeSession},
        chat::{self, CreateRoom, JoinRoom, LeaveRoom, Send, Target},
        presence::{self, ListPresence, Typing},
    },
};

use self::{
    said::{Credentials, Said},
    told::Told,
};
use super::{Desk, Directory, Nonce, outbound::Outbound};
use crate::domain::Word;

pub(super) use said::is_classic;

/// Milliseconds between two moves of a cursor: each is a record of the log. What was delivered since
/// the last one comes again if the server dies before the next.
const CURSOR_MS: u64 = 1_000;

/// People asked for at a time.
const PAGE_LEN: u16 = 500;

/// People listed at most.
const USERS_MAX: usize = 5_000;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Classic {
    nonce: Nonce,
    /// Requests so far.
    number: u64,
    me: Option<Me>,
    asked: Vec<(u64, Asked)>,
    /// People of a list that is not complete yet.
    users: Vec<String>,
    /// Up to where the cursor was moved, and when.
    moved: Seq,
    moved_at: u64,
}

/// Who is logged in.
#[derive(Debug)]
struct Me {
    user: UserId,
    name: String,
    session: u64,
}

/// What an answer will be about.
#[derive(Debug)]
enum Asked {
    Register,
    LogIn(String),
    Create(String),
    Join(String),
    Leave(String),
    /// Whether the client asked for it, or it is told because it has just come.
    Users {
        wanted: bool,
    },
    /// Of which only a refusal is told.
    Said,
    /// Of which nothing is told.
    Nothing,
}

/// What is left to do for somebody whose connection has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Who.
    pub user: UserId,
    /// What to do for them, each with its key.
    pub commands: Vec<(Key, accounts::Command)>,
}

impl Classic {
    pub(super) const fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            number: 0,
            me: None,
            asked: Vec::new(),
            users: Vec::new(),
            moved: Seq::START,
            moved_at: 0,
        }
    }

    /// Appends the frame that asks what this line wants, or answers it here.
    pub(super) fn handle_line(&mut self, line: &str, desk: &mut Desk<'_>) {
        let said = match said::parse(line) {
            Ok(said) => said,
            Err(reason) => return self.say_error(&LineError::bad(&reason), desk.out),
        };
        if let Err(refusal) = self.ask(said, desk.directory, desk.asks) {
            self.refuse(&refusal, desk.out);
        }
    }

    fn ask(
        &mut self,
        said: Said,
        directory: &dyn Directory,
        frames: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let person = |name: &str| {
            let user = directory.user(name).map(Target::Person);
            user.ok_or(Refusal::new(Code::UNKNOWN_USER))
        };
        let room = |name: &str| {
            let room = directory.room(name);
            room.ok_or(Refusal::new(Code::UNKNOWN_ROOM))
        };
        match said {
            Said::Register(Credentials { name, password }) => {
                let request = AuthRequest::Register { name, password };
                self.authenticate(Asked::Register, request, frames);
            }
            Said::LogIn(Credentials { name, password }) => {
                let asked = Asked::LogIn(name.clone());
                self.authenticate(asked, AuthRequest::LogIn { name, password }, frames);
            }
            Said::Public(message) => self.send(Target::Public, message, frames),
            Said::Private { recipient, message } => {
                self.send(person(&recipient)?, message, frames);
            }
            Said::Room {
                room: name,
                message,
            } => {
                self.send(Target::Conversation(room(&name)?), message, frames);
            }
            Said::Join(name) => match directory.room(&name) {
                Some(room) => self.join(room, name, frames),
                None => {
                    let create = CreateRoom { name: name.clone() };
                    self.command(Asked::Create(name), &create.into(), frames);
                }
            },
            Said::Leave(name) => {
                let leave = LeaveRoom { room: room(&name)? };
                self.command(Asked::Leave(name), &leave.into(), frames);
            }
            Said::UserList => {
                self.list_users(UserId::NOBODY, Asked::Users { wanted: true }, frames);
            }
            Said::Typing { recipient, on } => {
                let to = person(&recipient)?;
                signal(&Typing { to, on }.into(), frames);
            }
            Said::Ping => Request::Ping { correlation: 1 }.encode(frames),
        }
        Ok(())
    }

    fn authenticate(&mut self, asked: Asked, request: AuthRequest, frames: &mut Vec<u8>) {
        let (correlation, key) = self.next(asked);
        Request::Auth {
            correlation,
            key,
            request,
        }
        .encode(frames);
    }

    fn send(&mut self, to: Target, text: String, frames: &mut Vec<u8>) {
        let text = text.into();
        self.command(Asked::Said, &Send { to, text }.into(), frames);
    }

    fn join(&mut self, room: u64, name: String, frames: &mut Vec<u8>) {
        self.command(Asked::Join(name), &JoinRoom { room }.into(), frames);
    }

    fn list_users(&mut self, after: UserId, asked: Asked, frames: &mut Vec<u8>) {
        let limit = PAGE_LEN;
        let list = presence::Query::from(ListPresence { after, limit });
        self.query(asked, &list, frames);
    }

    fn command(&mut self, asked: Asked, command: &chat::Command, frames: &mut Vec<u8>) {
        self.command_of(asked, command, frames);
    }

    fn command_of(&mut self, asked: Asked, command: &impl Word, frames: &mut Vec<u8>) {
        let (correlation, key) = self.next(asked);
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        Request::Command {
            correlation,
            key,
            kind,
            schema,
            body: &body,
        }
        .encode(frames);
    }

    fn query(&mut self, asked: Asked, query: &presence::Query, frames: &mut Vec<u8>) {
        let (correlation, _no_key) = self.next(asked);
        let (kind, schema) = query.kind();
        let mut body = Vec::new();
        query.encode(&mut body);
        Request::Query {
            correlation,
            kind,
            schema,
            body: &body,
        }
        .encode(frames);
    }

    /// The number and the key of the next request.
    fn next(&mut self, asked: Asked) -> (u64, Key) {
        self.number += 1;
        self.asked.push((self.number, asked));
        (self.number, self.key())
    }

    fn key(&self) -> Key {
        Unsaid::new(&self.nonce, self.number).key()
    }

    fn refuse(&self, refusal: &Refusal, out: &mut Outbound) {
        if self.me.is_some() {
            told::refuse(refusal, out);
        } else {
            told::fail(&refusal.sentence(), refusal.code.name(), out);
        }
    }

    /// Answers a line that wants nothing known.
    pub(super) fn say_error(&self, error: &LineError, out: &mut Outbound) {
        let (message, code) = (&error.reason, error.code.name());
        if self.me.is_some() {
            let code = Some(code);
            Told::System { message, code }.say(out);
        } else {
            told::fail(message, code, out);
        }
    }

    /// Moves the session's cursor now and then to what the socket has taken.
    pub(super) fn handle_timeout(&mut self, now: u64, out: &Outbound, asks: &mut Vec<u8>) {
        let is_due = self.moved_at.saturating_add(CURSOR_MS) <= now;
        if let Some(me) = &self.me
            && is_due
            && self.moved < out.reached()
        {
            (self.moved, self.moved_at) = (out.reached(), now);
            let (session, seq) = (me.session, self.moved);
            let command = accounts::Command::from(MoveCursor { session, seq });
            self.command_of(Asked::Nothing, &command, asks);
        }
    }

    /// The session is of no use to anybody without its connection.
    pub(super) fn farewell(&mut self, out: &Outbound) -> Option<Farewell> {
        let me = self.me.take()?;
        let (user, session) = (me.user, me.session);
        let mut commands = Vec::new();
        let mut command = |command: accounts::Command| {
            self.number += 1;
            commands.push((Unsaid::new(&self.nonce, self.number).key(), command));
        };
        if self.moved < out.reached() {
            let seq = out.reached();
            command(MoveCursor { session, seq }.into());
        }
        command(RevokeSession { session }.into());
        Some(Farewell { user, commands })
    }
}

fn signal(signal: &presence::Signal, frames: &mut Vec<u8>) {
    let (kind, schema) = signal.kind();
    let mut body = Vec::new();
    signal.encode(&mut body);
    Request::Signal {
        kind,
        schema,
        body: &body,
    }
    .encode(frames);
}
