//! The classic dialect: a small chat that existed before this server, spoken by its clients.
//!
//! A line becomes one request of the native protocol, and what the session answers or is pushed
//! becomes lines. Names become ids by the [`Directory`]. Such a client knows no positions, so this
//! speaks for it: it subscribes after the log-in, moves the session's cursor when the socket has
//! taken a message, and ends the session with the connection. Deliberately absent: rules; what may
//! be said is decided where it always is.

mod said;
mod told;

use protocol::{
    Code, Key, Outcome, Refusal, Seq, UserId,
    json::{LineError, Unsaid},
    message::{Reply, Request},
    words::{
        accounts::{self, AuthRequest, MoveCursor, RevokeSession},
        chat::{self, Content, CreateRoom, Entry, JoinRoom, LeaveRoom, Send, Target},
        presence::{self, ListPresence, Subscribe, Typing},
    },
};

use self::{
    said::{Credentials, Said},
    told::{Told, time_of_day},
};
use super::{Directory, Nonce, Place, outbound::Outbound};
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
    pub(super) fn handle_line(
        &mut self,
        line: &str,
        directory: &dyn Directory,
        out: &mut Outbound,
        frames: &mut Vec<u8>,
    ) {
        let said = match said::parse(line) {
            Ok(said) => said,
            Err(reason) => return self.say_error(&LineError::bad(&reason), out),
        };
        if let Err(refusal) = self.ask(said, directory, frames) {
            self.refuse(&refusal, out);
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
                self.list_users(UserId::NOBODY, Asked::Users { wanted: true }, frames)
            }
            Said::Typing { recipient, on } => {
                let to = person(&recipient)?;
                signal(&Typing { to, on }.into(), frames);
            }
            Said::Ping => Request::Ping { correlation: 0 }.encode(frames),
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

    /// Says the same as a reply, and asks what follows from it.
    pub(super) fn handle_reply(
        &mut self,
        reply: &Reply<'_>,
        directory: &dyn Directory,
        out: &mut Outbound,
        asks: &mut Vec<u8>,
    ) {
        match reply {
            Reply::Answer {
                correlation,
                outcome,
                ..
            } => {
                let asked = self.answered(*correlation);
                match Outcome::decode(outcome) {
                    Ok(Outcome::Accepted { kind, schema, body }) => {
                        let answer = presence::Answer::decode(kind, schema, body).ok();
                        let opened = accounts::Answer::decode(kind, schema, body).ok();
                        self.accepted(asked, opened, answer, out, asks);
                    }
                    Ok(Outcome::Refused(refusal)) => self.refused(asked, &refusal, out, asks),
                    Err(error) => tracing::error!(%error, "an answer cannot be read"),
                }
            }
            Reply::Error(error) if error.correlation == 0 => self.refuse(&error.refusal, out),
            Reply::Error(error) => {
                let asked = self.answered(error.correlation);
                self.refused(asked, &error.refusal, out, asks);
            }
            Reply::Push {
                seq,
                kind,
                schema,
                body,
                ..
            } => {
                if let Ok(push) = chat::Push::decode(*kind, *schema, body) {
                    self.pushed(*seq, &push, directory, out);
                }
                out.mark(*seq);
            }
            Reply::News { kind, schema, body } => {
                if let Ok(news) = presence::News::decode(*kind, *schema, body) {
                    told_news(&news, directory, out);
                }
            }
            Reply::Pong { .. } => Told::Pong.say(out),
            Reply::Probe => Told::Ping.say(out),
            Reply::Welcome(_) => {}
        }
    }

    fn answered(&mut self, number: u64) -> Asked {
        let place = self.asked.iter().position(|asked| asked.0 == number);
        place.map_or(Asked::Nothing, |place| self.asked.remove(place).1)
    }

    fn accepted(
        &mut self,
        asked: Asked,
        opened: Option<accounts::Answer>,
        answer: Option<presence::Answer>,
        out: &mut Outbound,
        asks: &mut Vec<u8>,
    ) {
        match asked {
            Asked::Register => told::succeed("registered; log in now", out),
            Asked::LogIn(name) => {
                if let Some(accounts::Answer::SessionOpened(opened)) = opened {
                    told::succeed(&format!("welcome, {name}"), out);
                    self.me = Some(Me {
                        user: opened.user,
                        name,
                        session: opened.session,
                    });
                    let subscribe = Subscribe { from: None };
                    self.query(Asked::Said, &subscribe.into(), asks);
                    self.list_users(UserId::NOBODY, Asked::Users { wanted: false }, asks);
                }
            }
            Asked::Create(room) | Asked::Join(room) => {
                say_system(&format!("you are in room {room}"), out);
            }
            Asked::Leave(room) => say_system(&format!("you left room {room}"), out),
            Asked::Users { wanted } => {
                if let Some(presence::Answer::Presences(page)) = answer {
                    self.listed(&page.people, wanted, out, asks);
                }
            }
            Asked::Said | Asked::Nothing => {}
        }
    }

    /// A page of people: the next one is asked for, or all of them are told.
    fn listed(
        &mut self,
        people: &[presence::PresenceView],
        wanted: bool,
        out: &mut Outbound,
        asks: &mut Vec<u8>,
    ) {
        for person in people {
            let here = if person.online { "online" } else { "offline" };
            self.users.push(format!("{}:{here}", person.name));
        }
        match people.last() {
            Some(last) if self.users.len() < USERS_MAX && usize::from(PAGE_LEN) <= people.len() => {
                self.list_users(last.user, Asked::Users { wanted }, asks);
            }
            Some(_) | None => {
                let users = std::mem::take(&mut self.users);
                Told::UserList { users: &users }.say(out);
            }
        }
    }

    fn refused(&mut self, asked: Asked, refusal: &Refusal, out: &mut Outbound, asks: &mut Vec<u8>) {
        match asked {
            Asked::Register | Asked::LogIn(_) => {
                told::fail(&refusal.sentence(), refusal.code.name(), out);
            }
            // Somebody else made the room meanwhile.
            Asked::Create(name) if refusal.code == Code::ROOM_NAME_TAKEN => {
                self.join(refusal.value, name, asks);
            }
            Asked::Users { wanted: false } | Asked::Nothing => self.users.clear(),
            Asked::Create(_)
            | Asked::Join(_)
            | Asked::Leave(_)
            | Asked::Users { wanted: true }
            | Asked::Said => self.refuse(refusal, out),
        }
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

    fn pushed(&self, seq: Seq, push: &chat::Push, directory: &dyn Directory, out: &mut Outbound) {
        let Some(me) = &self.me else { return };
        match push {
            chat::Push::Entry(entry) if entry.author != me.user => {
                told_entry(me, seq, entry, directory, out);
            }
            // Such a client shows what it sent by itself, and has no receipts.
            chat::Push::Entry(_) | chat::Push::Receipt(_) => {}
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

fn say_system(message: &str, out: &mut Outbound) {
    let code = None;
    Told::System { message, code }.say(out);
}

fn told_news(news: &presence::News, directory: &dyn Directory, out: &mut Outbound) {
    match news {
        presence::News::TypingChanged(typing) => Told::Typing {
            sender: called(typing.user, directory),
            status: typing.on,
        }
        .say(out),
        presence::News::PresenceChanged(_) => {}
    }
}

fn told_entry(me: &Me, seq: Seq, entry: &Entry, directory: &dyn Directory, out: &mut Outbound) {
    let sender = called(entry.author, directory);
    let place = directory.place(entry.conversation);
    let message = match &entry.content {
        Content::Text(text) => text.text().unwrap_or_default(),
        Content::Created(_)
        | Content::Added(_)
        | Content::Removed(_)
        | Content::Left
        | Content::Renamed(_) => {
            return say_system(&changed(sender, entry, place, directory), out);
        }
    };
    let timestamp = time_of_day(entry.recorded_at);
    match place {
        // What everybody was told before this log-in is past, as it was in the chat of old.
        Place::Public if seq.0 < me.session => {}
        Place::Public => Told::Public {
            sender,
            message,
            timestamp,
        }
        .say(out),
        Place::Private => Told::Private {
            sender,
            recipient: &me.name,
            message,
            timestamp,
        }
        .say(out),
        Place::Named(room) => Told::RoomMessage {
            sender,
            room,
            message,
            timestamp,
        }
        .say(out),
    }
}

/// What became of a group, in words.
fn changed(author: &str, entry: &Entry, place: Place<'_>, directory: &dyn Directory) -> String {
    let group = match place {
        Place::Named(name) => name,
        Place::Public | Place::Private => "a group",
    };
    match &entry.content {
        Content::Text(_) => String::new(),
        Content::Created(name) => format!("{author} made group {name}"),
        Content::Added(user) => format!("{author} added {} to {group}", called(*user, directory)),
        Content::Removed(user) => {
            format!("{author} put {} out of {group}", called(*user, directory))
        }
        Content::Left => format!("{author} left {group}"),
        Content::Renamed(name) => format!("{author} renamed a group to {name}"),
    }
}

fn called(user: UserId, directory: &dyn Directory) -> &str {
    directory.name(user).unwrap_or("somebody")
}
