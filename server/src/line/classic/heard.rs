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
    Classic, ClassicRequest, Language, Me, PAGE_LEN, USERS_MAX,
    told::{self, Told, say_system, time_of_day},
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
            Reply::Error(error) if error.correlation == 0 => {
                self.refuse(&error.refusal, None, desk.out);
            }
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
            Reply::Ephemeral { kind, schema, body } => {
                if let Ok(news) = presence::News::decode(*kind, *schema, body) {
                    self.told_news(&news, desk.directory, desk.out);
                }
            }
            Reply::Pong { .. } => Told::Pong.say(desk.out),
            Reply::Probe => Told::Ping.say(desk.out),
            Reply::Welcome(_) => {}
        }
    }

    /// Whether an authentication is unanswered.
    pub(in crate::line) fn is_entering(&self) -> bool {
        let is_auth = |asked: &ClassicRequest| {
            matches!(asked, ClassicRequest::Register | ClassicRequest::LogIn(_))
        };
        self.asked.iter().any(|(_, asked)| is_auth(asked))
    }

    fn answered(&mut self, number: u64) -> ClassicRequest {
        let place = self.asked.iter().position(|asked| asked.0 == number);
        place.map_or(ClassicRequest::Nothing, |place| self.asked.remove(place).1)
    }

    fn accepted(
        &mut self,
        asked: ClassicRequest,
        opened: Option<accounts::Answer>,
        answer: Option<presence::Answer>,
        desk: &mut Desk<'_>,
    ) {
        match asked {
            ClassicRequest::Register => told::succeed(self.language.registered(), desk.out),
            ClassicRequest::LogIn(name) => {
                if let Some(accounts::Answer::SessionOpened(opened)) = opened {
                    // As it was registered, which is how others see it.
                    let name = desk.directory.name(opened.user).map_or(name, str::to_owned);
                    self.pace.greet();
                    told::succeed(&self.language.welcome(&name), desk.out);
                    self.me = Some(Me {
                        user: opened.user,
                        name,
                        session: opened.session,
                    });
                    let subscribe = Subscribe { from: None };
                    self.query(ClassicRequest::Nothing, &subscribe.into(), desk.asks);
                    self.list_users(
                        UserId::NOBODY,
                        ClassicRequest::Users { wanted: false },
                        desk.asks,
                    );
                }
            }
            ClassicRequest::Create(room) | ClassicRequest::Join(room) => {
                say_system(&self.language.in_room(&room), None, desk.out);
            }
            ClassicRequest::Leave(room) => {
                say_system(&self.language.left_room(&room), None, desk.out);
            }
            ClassicRequest::Users { wanted } => {
                if let Some(presence::Answer::Presences(page)) = answer {
                    self.listed(&page.people, wanted, desk);
                }
            }
            ClassicRequest::Said { .. } | ClassicRequest::Nothing => {}
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
                self.list_users(last.user, ClassicRequest::Users { wanted }, desk.asks);
            }
            Some(_) | None => {
                let users = std::mem::take(&mut self.users);
                self.listed_len = users.len();
                Told::UserList { users: &users }.say(desk.out);
            }
        }
    }

    fn refused(&mut self, asked: ClassicRequest, refusal: &Refusal, desk: &mut Desk<'_>) {
        match asked {
            ClassicRequest::Register | ClassicRequest::LogIn(_) => {
                let message = self.language.refusal(refusal, None);
                told::fail(&message, refusal.code.name(), desk.out);
            }
            // Somebody else made the room meanwhile.
            ClassicRequest::Create(name) if refusal.code == Code::ROOM_NAME_TAKEN => {
                self.join(refusal.value, name, desk.asks);
            }
            ClassicRequest::Users { wanted: false } => self.users.clear(),
            ClassicRequest::Users { wanted: true } => {
                self.users.clear();
                self.refuse(refusal, None, desk.out);
            }
            ClassicRequest::Said { about, key } => {
                self.echoes.retain(|echo| *echo != key);
                self.refuse(refusal, about.as_deref(), desk.out);
            }
            ClassicRequest::Create(room)
            | ClassicRequest::Join(room)
            | ClassicRequest::Leave(room) => {
                self.refuse(refusal, Some(&room), desk.out);
            }
            ClassicRequest::Nothing => {}
        }
    }

    fn pushed(
        &mut self,
        seq: Seq,
        push: &chat::Push,
        directory: &dyn Directory,
        out: &mut Outbound,
    ) {
        let Some(me) = &self.me else { return };
        match push {
            chat::Push::Entry(entry) => {
                let place = directory.place(entry.conversation);
                let is_past = seq.0 < me.session;
                // What everybody was told before this log-in is past, as it was in the chat of old; and
                // so is what this person said, on this device or another.
                if is_past && (place == Place::Public || entry.author == me.user) {
                    return;
                }
                if let Some(echo) = self.echoes.iter().position(|echo| *echo == entry.key) {
                    self.echoes.remove(echo);
                    return;
                }
                if place != Place::Public {
                    self.owed = self.owed.max(seq);
                }
                let speaker = Speaker {
                    me,
                    language: self.language,
                    directory,
                };
                speaker.tell(entry, place, out);
            }
            // Such a client has no receipts.
            chat::Push::Receipt(_) => {}
        }
    }

    fn told_news(&self, news: &presence::News, directory: &dyn Directory, out: &mut Outbound) {
        match news {
            presence::News::TypingChanged(typing) => Told::Typing {
                sender: called(typing.user, self.language, directory),
                status: typing.on,
            }
            .say(out),
            presence::News::PresenceChanged(changed) => {
                // Whoever was erased has no name, and nobody misses them.
                if let Some(name) = directory.name(changed.user) {
                    let sentence = if changed.online {
                        self.language.came(name)
                    } else {
                        self.language.went(name)
                    };
                    say_system(&sentence, None, out);
                }
            }
        }
    }
}

/// Tells somebody of entries.
struct Speaker<'a> {
    me: &'a Me,
    language: Language,
    directory: &'a dyn Directory,
}

impl Speaker<'_> {
    fn tell(&self, entry: &Entry, place: Place<'_>, out: &mut Outbound) {
        let sender = self.called(entry.author);
        let message = match &entry.content {
            Content::Text(text) => text.text().unwrap_or_default(),
            Content::Created(_)
            | Content::Added(_)
            | Content::Removed(_)
            | Content::Left
            | Content::Renamed(_) => {
                return say_system(&self.changed(entry, place), None, out);
            }
        };
        let timestamp = time_of_day(entry.recorded_at);
        match place {
            Place::Public => Told::Public {
                sender,
                message,
                timestamp,
            },
            Place::Private => Told::Private {
                sender,
                recipient: self.recipient(entry),
                message,
                timestamp,
            },
            Place::Named(room) => Told::RoomMessage {
                sender,
                room,
                message,
                timestamp,
            },
        }
        .say(out);
    }

    /// For whom a private message is: the other one, if this person sent it on another device.
    fn recipient(&self, entry: &Entry) -> &str {
        let Me { user, name, .. } = self.me;
        if entry.author != *user {
            return name;
        }
        let other = self.directory.partner(entry.conversation, *user);
        self.called(other.unwrap_or(UserId::NOBODY))
    }

    /// What became of a group, in words.
    fn changed(&self, entry: &Entry, place: Place<'_>) -> String {
        let (language, author) = (self.language, self.called(entry.author));
        let group = match place {
            Place::Named(name) => name,
            Place::Public | Place::Private => language.a_group(),
        };
        match &entry.content {
            Content::Text(_) => String::new(),
            Content::Created(name) => language.group_made(author, name),
            Content::Added(user) => language.group_added(author, self.called(*user), group),
            Content::Removed(user) => language.group_removed(author, self.called(*user), group),
            Content::Left => language.group_left(author, group),
            Content::Renamed(name) => language.group_renamed(author, name),
        }
    }

    fn called(&self, user: UserId) -> &str {
        called(user, self.language, self.directory)
    }
}

fn called(user: UserId, language: Language, directory: &dyn Directory) -> &str {
    directory.name(user).unwrap_or(language.somebody())
}
