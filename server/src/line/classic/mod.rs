//! The classic dialect: a small chat that existed before this server, spoken by its clients.
//!
//! A line becomes one request of the native protocol, and what the session answers or is pushed
//! becomes lines. Names become ids by the [`Directory`]. Such a client knows no positions, so this
//! speaks for it: it subscribes after the log-in, moves the session's cursor over what the client has
//! read, and ends the session with the connection. Deliberately absent: rules; what may be said is
//! decided where it always is.

mod heard;
mod language;
mod pace;
mod said;
mod told;

use std::collections::VecDeque;

use protocol::{
    Code, Key, Refusal, Seq, UserId,
    json::{LineError, Unsaid},
    limits::IN_FLIGHT_MAX,
    message::Request,
    words::{
        accounts::{self, AuthRequest, MoveCursor, RevokeSession},
        chat::{self, CreateRoom, JoinRoom, LeaveRoom, Send, Target},
        presence::{self, ListPresence, Typing},
    },
};

use self::{
    pace::Pace,
    said::{Credentials, Said},
};
use super::{Desk, Directory, Nonce, outbound::Outbound};
use crate::domain::Word;

pub use language::Language;
pub(crate) use pace::WAITING_MAX;
pub(super) use said::is_classic;

/// What clients of this dialect call the conversation that everybody is in.
const EVERYBODY: &str = "Geral";

/// Milliseconds between two moves of a cursor: each is a record of the log. What was delivered since
/// the last one comes again if the server dies before the next.
const CURSOR_MS: u64 = 10_000;

/// Milliseconds between two lists of people that nobody asked for.
const LIST_MS: u64 = 1_000;

/// Private messages of this connection of which the push has not come: as many as may be unanswered.
const ECHOES_MAX: usize = IN_FLIGHT_MAX as usize;

/// People asked for at a time.
const PAGE_LEN: u16 = 500;

/// People listed at most.
const USERS_MAX: usize = 5_000;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Classic {
    nonce: Nonce,
    language: Language,
    pub(super) pace: Pace,
    /// Requests so far.
    number: u64,
    me: Option<Me>,
    asked: Vec<(u64, ClassicRequest)>,
    /// People of a list that is not complete yet.
    users: Vec<String>,
    /// Whether people came or went since the client was told who is there.
    is_list_stale: bool,
    /// When a list was last asked for without the client's asking, and how long the last one was.
    listed_at: u64,
    listed_len: usize,
    /// Private messages that were said here, so that they are not told here.
    echoes: VecDeque<Key>,
    /// The newest push that was written before the client said something, so that it has been read.
    read: Seq,
    /// The newest push that would be told again if the cursor stayed behind it.
    owed: Seq,
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
enum ClassicRequest {
    Register,
    LogIn(String),
    Create(String),
    Join(String),
    Leave(String),
    /// Whether the client asked for it, or it is told because it has just come.
    Users {
        wanted: bool,
    },
    /// Of which only a refusal is told: to this room or person, under this key.
    Said {
        about: Option<String>,
        key: Key,
    },
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

/// A name that nobody and nothing has.
struct Unknown {
    code: Code,
    name: String,
}

fn person(name: &str, directory: &dyn Directory) -> Result<Target, Unknown> {
    let user = directory.user(name).map(Target::Person);
    user.ok_or_else(|| Unknown {
        code: Code::UNKNOWN_USER,
        name: name.to_owned(),
    })
}

fn room(name: &str, directory: &dyn Directory) -> Result<u64, Unknown> {
    directory.room(name).ok_or_else(|| Unknown {
        code: Code::UNKNOWN_ROOM,
        name: name.to_owned(),
    })
}

impl Classic {
    pub(super) fn new(nonce: Nonce, language: Language) -> Self {
        Self {
            nonce,
            language,
            pace: Pace::default(),
            number: 0,
            me: None,
            asked: Vec::new(),
            users: Vec::new(),
            is_list_stale: false,
            listed_at: 0,
            listed_len: 0,
            echoes: VecDeque::new(),
            read: Seq::START,
            owed: Seq::START,
            moved: Seq::START,
            moved_at: 0,
        }
    }

    /// Appends the frame that asks what this line wants, or answers it here.
    pub(super) fn handle_line(&mut self, line: &str, desk: &mut Desk<'_>) {
        self.note_heard(desk.out);
        let said = match said::parse(line) {
            Ok(said) => said,
            Err(reason) => return self.say_error(&LineError::bad(&reason), desk.out),
        };
        if let Err(Unknown { code, name }) = self.ask(said, desk) {
            self.refuse(&Refusal::new(code), Some(&name), desk.out);
        }
    }

    /// The client says something: it was there after what had been written by then, and before and
    /// right after its log-in it waited for it.
    fn note_heard(&mut self, out: &Outbound) {
        self.read = self.read.max(out.reached());
        let has_waited = self.me.is_none() || self.pace.is_greeting();
        if has_waited && out.bytes().is_empty() {
            self.pace.handle_reaction();
        }
    }

    fn ask(&mut self, said: Said, desk: &mut Desk<'_>) -> Result<(), Unknown> {
        let directory = desk.directory;
        let frames = &mut *desk.asks;
        match said {
            Said::Register(Credentials { name, password }) => {
                let request = AuthRequest::Register { name, password };
                self.authenticate(ClassicRequest::Register, request, frames);
            }
            Said::LogIn(Credentials { name, password }) => {
                let asked = ClassicRequest::LogIn(name.clone());
                self.authenticate(asked, AuthRequest::LogIn { name, password }, frames);
            }
            Said::Public(message) => self.send(Target::Public, None, message, frames),
            Said::Private { recipient, message } => {
                let to = person(&recipient, directory)?;
                self.send(to, Some(recipient), message, frames);
            }
            Said::Room { room, message } if room == EVERYBODY => {
                self.send(Target::Public, None, message, frames);
            }
            Said::Room {
                room: name,
                message,
            } => {
                let to = Target::Conversation(room(&name, directory)?);
                self.send(to, Some(name), message, frames);
            }
            Said::Join(room) if room == EVERYBODY => {
                told::say_system(&self.language.in_room(EVERYBODY), None, desk.out);
            }
            Said::Leave(room) if room == EVERYBODY => {
                let code = Some(Code::PUBLIC_MEMBERS.name());
                told::say_system(&self.language.stays_in_room(EVERYBODY), code, desk.out);
            }
            Said::Join(name) => match directory.room(&name) {
                Some(room) => self.join(room, name, frames),
                None => {
                    let create = CreateRoom { name: name.clone() };
                    self.command(ClassicRequest::Create(name), &create.into(), frames);
                }
            },
            Said::Leave(name) => {
                let leave = LeaveRoom {
                    room: room(&name, directory)?,
                };
                self.command(ClassicRequest::Leave(name), &leave.into(), frames);
            }
            Said::UserList => self.want_users(frames),
            Said::Typing { recipient, on } => {
                let to = person(&recipient, directory)?;
                signal(&Typing { to, on }.into(), frames);
            }
            Said::Ping => Request::Ping { correlation: 1 }.encode(frames),
        }
        Ok(())
    }

    fn authenticate(&mut self, asked: ClassicRequest, request: AuthRequest, frames: &mut Vec<u8>) {
        let (correlation, key) = self.next(asked);
        Request::Auth {
            correlation,
            key,
            request,
        }
        .encode(frames);
    }

    fn send(&mut self, to: Target, about: Option<String>, text: String, frames: &mut Vec<u8>) {
        // The next request's.
        let key = Unsaid::new(&self.nonce, self.number + 1).key();
        if let Target::Person(_) = to {
            // The window of such a client shows what it said to one person, and nothing else it said.
            self.echoes.push_back(key);
            if ECHOES_MAX < self.echoes.len() {
                self.echoes.pop_front();
            }
        }
        let text = text.into();
        let asked = ClassicRequest::Said { about, key };
        self.command(asked, &Send { to, text }.into(), frames);
    }

    /// A list that is asked for already, or waits to be sent, is the answer.
    fn want_users(&mut self, frames: &mut Vec<u8>) {
        let mut asked = self.asked.iter_mut().map(|(_, asked)| asked);
        let under_way = asked.find_map(|asked| match asked {
            ClassicRequest::Users { wanted } => Some(wanted),
            _other => None,
        });
        match under_way {
            Some(wanted) => *wanted = true,
            None => self.list_users(
                UserId::NOBODY,
                ClassicRequest::Users { wanted: true },
                frames,
            ),
        }
    }

    /// People came or went.
    pub(super) const fn note_people_changed(&mut self) {
        self.is_list_stale = self.me.is_some();
    }

    /// Asks for the list of people if it has changed and the last one is old enough. Returns about how
    /// many people that is; 0 if nothing was asked.
    pub(super) fn refresh_users(&mut self, now: u64, asks: &mut Vec<u8>) -> usize {
        let is_asked =
            |(_, asked): &(u64, ClassicRequest)| matches!(asked, ClassicRequest::Users { .. });
        let is_due = self.is_list_stale && self.listed_at.saturating_add(LIST_MS) <= now;
        if !is_due || self.asked.iter().any(is_asked) {
            return 0;
        }
        (self.is_list_stale, self.listed_at) = (false, now);
        self.list_users(
            UserId::NOBODY,
            ClassicRequest::Users { wanted: false },
            asks,
        );
        self.listed_len.max(1)
    }

    fn join(&mut self, room: u64, name: String, frames: &mut Vec<u8>) {
        self.command(
            ClassicRequest::Join(name),
            &JoinRoom { room }.into(),
            frames,
        );
    }

    fn list_users(&mut self, after: UserId, asked: ClassicRequest, frames: &mut Vec<u8>) {
        let limit = PAGE_LEN;
        let list = presence::Query::from(ListPresence { after, limit });
        self.query(asked, &list, frames);
    }

    fn command(&mut self, asked: ClassicRequest, command: &chat::Command, frames: &mut Vec<u8>) {
        self.command_of(asked, command, frames);
    }

    fn command_of(&mut self, asked: ClassicRequest, command: &impl Word, frames: &mut Vec<u8>) {
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

    fn query(&mut self, asked: ClassicRequest, query: &presence::Query, frames: &mut Vec<u8>) {
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
    fn next(&mut self, asked: ClassicRequest) -> (u64, Key) {
        self.number += 1;
        self.asked.push((self.number, asked));
        (self.number, self.key())
    }

    fn key(&self) -> Key {
        Unsaid::new(&self.nonce, self.number).key()
    }

    fn refuse(&self, refusal: &Refusal, about: Option<&str>, out: &mut Outbound) {
        let message = self.language.refusal(refusal, about);
        let code = refusal.code.name();
        if self.me.is_some() {
            told::say_system(&message, Some(code), out);
        } else {
            told::fail(&message, code, out);
        }
    }

    /// Answers a line that wants nothing known.
    pub(super) fn say_error(&self, error: &LineError, out: &mut Outbound) {
        let (message, code) = (&error.reason, error.code.name());
        if self.me.is_some() {
            told::say_system(message, Some(code), out);
        } else {
            told::fail(message, code, out);
        }
    }

    /// Looks at the clock: what may be written, and whether to move the session's cursor to what was
    /// read. Public messages are told once in any case, so they move no cursor before the end.
    pub(super) fn handle_timeout(&mut self, now: u64, asks: &mut Vec<u8>) {
        self.pace.handle_timeout(now);
        let is_due = self.moved_at.saturating_add(CURSOR_MS) <= now;
        if let Some(me) = &self.me
            && is_due
            && self.moved < self.owed
            && self.moved < self.read
        {
            (self.moved, self.moved_at) = (self.read, now);
            let (session, seq) = (me.session, self.moved);
            let command = accounts::Command::from(MoveCursor { session, seq });
            self.command_of(ClassicRequest::Nothing, &command, asks);
        }
    }

    /// The session is of no use to anybody without its connection.
    pub(super) fn farewell(&mut self) -> Option<Farewell> {
        let me = self.me.take()?;
        let (user, session) = (me.user, me.session);
        let mut commands = Vec::new();
        let mut command = |command: accounts::Command| {
            self.number += 1;
            commands.push((Unsaid::new(&self.nonce, self.number).key(), command));
        };
        if self.moved < self.read {
            let seq = self.read;
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
