//! What the session says, as clients of the classic dialect are told it.
//!
//! A reply goes in; lines come out, and now and then a request that follows from it. Deliberately
//! absent: what clients ask (beside this file).

use protocol::{
    Code, Outcome, Refusal, Seq, UserId,
    message::Reply,
    words::{
        accounts,
        chat::{self, Content, Entry},
        presence::{self, Subscribe},
    },
};

use super::{
    Asked, Classic, Me, PAGE_LEN, USERS_MAX,
    told::{self, Told, time_of_day},
};
use crate::line::{Desk, Directory, Place, outbound::Outbound};

impl Classic {
    /// Says the same as a reply, and asks what follows from it.
    pub(in crate::line) fn handle_reply(&mut self, reply: &Reply<'_>, desk: &mut Desk<'_>) {
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
                        self.accepted(asked, opened, answer, desk);
                    }
                    Ok(Outcome::Refused(refusal)) => self.refused(asked, &refusal, desk),
                    Err(error) => tracing::error!(%error, "an answer cannot be read"),
                }
            }
            Reply::Error(error) if error.correlation == 0 => self.refuse(&error.refusal, desk.out),
            Reply::Error(error) => {
                let asked = self.answered(error.correlation);
                self.refused(asked, &error.refusal, desk);
            }
            Reply::Push {
                seq,
                kind,
                schema,
                body,
                ..
            } => {
                if let Ok(push) = chat::Push::decode(*kind, *schema, body) {
                    self.pushed(*seq, &push, desk.directory, desk.out);
                }
                desk.out.mark(*seq);
            }
            Reply::News { kind, schema, body } => {
                if let Ok(news) = presence::News::decode(*kind, *schema, body) {
                    told_news(&news, desk.directory, desk.out);
                }
            }
            Reply::Pong { .. } => Told::Pong.say(desk.out),
            Reply::Probe => Told::Ping.say(desk.out),
            Reply::Welcome(_) => {}
        }
    }

    /// Whether an authentication is unanswered.
    pub(in crate::line) fn is_entering(&self) -> bool {
        let is_auth = |asked: &Asked| matches!(asked, Asked::Register | Asked::LogIn(_));
        self.asked.iter().any(|(_, asked)| is_auth(asked))
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
        desk: &mut Desk<'_>,
    ) {
        match asked {
            Asked::Register => told::succeed("registered; log in now", desk.out),
            Asked::LogIn(name) => {
                if let Some(accounts::Answer::SessionOpened(opened)) = opened {
                    // As it was registered, which is how others see it.
                    let name = desk.directory.name(opened.user).map_or(name, str::to_owned);
                    told::succeed(&format!("welcome, {name}"), desk.out);
                    self.me = Some(Me {
                        user: opened.user,
                        name,
                        session: opened.session,
                    });
                    let subscribe = Subscribe { from: None };
                    self.query(Asked::Said, &subscribe.into(), desk.asks);
                    self.list_users(UserId::NOBODY, Asked::Users { wanted: false }, desk.asks);
                }
            }
            Asked::Create(room) | Asked::Join(room) => {
                say_system(&format!("you are in room {room}"), desk.out);
            }
            Asked::Leave(room) => say_system(&format!("you left room {room}"), desk.out),
            Asked::Users { wanted } => {
                if let Some(presence::Answer::Presences(page)) = answer {
                    self.listed(&page.people, wanted, desk);
                }
            }
            Asked::Said | Asked::Nothing => {}
        }
    }

    /// A page of people: the next one is asked for, or all of them are told.
    fn listed(&mut self, people: &[presence::PresenceView], wanted: bool, desk: &mut Desk<'_>) {
        for person in people {
            let here = if person.online { "online" } else { "offline" };
            self.users.push(format!("{}:{here}", person.name));
        }
        match people.last() {
            Some(last) if self.users.len() < USERS_MAX && usize::from(PAGE_LEN) <= people.len() => {
                self.list_users(last.user, Asked::Users { wanted }, desk.asks);
            }
            Some(_) | None => {
                let users = std::mem::take(&mut self.users);
                Told::UserList { users: &users }.say(desk.out);
            }
        }
    }

    fn refused(&mut self, asked: Asked, refusal: &Refusal, desk: &mut Desk<'_>) {
        match asked {
            Asked::Register | Asked::LogIn(_) => {
                told::fail(&refusal.sentence(), refusal.code.name(), desk.out);
            }
            // Somebody else made the room meanwhile.
            Asked::Create(name) if refusal.code == Code::ROOM_NAME_TAKEN => {
                self.join(refusal.value, name, desk.asks);
            }
            Asked::Users { wanted: false } | Asked::Nothing => self.users.clear(),
            Asked::Create(_)
            | Asked::Join(_)
            | Asked::Leave(_)
            | Asked::Users { wanted: true }
            | Asked::Said => self.refuse(refusal, desk.out),
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
