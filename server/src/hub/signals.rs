//! Signals, which are not logged, and who comes and goes.
//!
//! Whoever watches somebody is told at once; whoever is told of everybody (the classic dialect), at
//! most once a second and of the first [`ANNOUNCED_MAX`] changes. Signals of one connection go in; news for others come out, and refusals for whoever asked for
//! what cannot be. Deliberately absent: the log, which never hears of any of it.

use protocol::{
    Code, Refusal, UserId,
    limits::PAGE_LEN_MAX,
    message::Reply,
    outcome::{encode_accepted, encode_refused},
    words::{
        chat::Target,
        presence::{
            Answer, ListPresence, News, PresenceChanged, PresenceView, Presences, Signal, Typing,
            TypingChanged, WatchPresence,
        },
    },
};

use super::{
    Hub, Transport, Work,
    connections::PresenceChange,
    frame::{Gauge, SharedFrame},
    subscribers::Topic,
    turn::{Heard, QUERY_WORK},
};
use crate::{
    domain::{
        Stream,
        systems::{self, CommandBytes},
    },
    engine::{Busy, Origin},
    session::Session,
    time_base::Now,
};

/// People one connection may watch: more than a screen shows.
const WATCHED_MAX: usize = 256;

/// Milliseconds between two announcements of who came and went.
const ANNOUNCE_MS: u64 = 1_000;

/// Comings and goings that one announcement tells: each is a line to everybody. Lists tell of the others.
const ANNOUNCED_MAX: usize = 5;

/// Who came and went since that was announced last.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The first of them.
    waiting: Vec<PresenceChanged>,
    announced_at: u64,
}

impl<T: Transport> Hub<T> {
    /// Takes somebody's signal. It is answered only if it cannot be.
    pub(super) fn handle_signal(
        &mut self,
        Heard { id, now, .. }: Heard,
        user: UserId,
        word: &CommandBytes<'_>,
        work: &mut Work,
    ) {
        // Whoever is watched costs as much as a short frame, and has eight bytes.
        work.spend(QUERY_WORK);
        work.spend(u32::try_from(word.body.len() / 8).unwrap_or(u32::MAX));
        let refused = match Signal::decode(word.kind, word.schema, word.body) {
            Ok(Signal::Typing(typing)) => self.type_to(now, user, typing),
            Ok(Signal::WatchPresence(watch)) => self.watch(now, id, watch),
            Err(error) => Err(systems::refusal(&error)),
        };
        if let Err(refusal) = refused {
            // It may tell of what is decided, so it waits like any refusal.
            self.connections.with_session(id, Session::expect_refusal);
            let origin = Origin {
                connection: id,
                correlation: 0,
            };
            self.refuse(origin, refusal);
        }
    }

    fn type_to(&mut self, now: Now, user: UserId, typing: Typing) -> Result<(), Refusal> {
        let delivery = &self.connections.delivery;
        if delivery.is_busy() {
            let waiting = delivery.len();
            return Err(Busy { waiting }.refusal());
        }
        self.check_target(user, typing.to)?;
        let told = self.writers.handle(user, typing, now.mono)?;
        self.tell_typing(told);
        Ok(())
    }

    /// Whether there is somebody whom `user` may tell that they are writing.
    fn check_target(&self, user: UserId, to: Target) -> Result<(), Refusal> {
        let systems = self.parts.engine.systems();
        let (is_possible, id) = match to {
            Target::Public => (false, 0),
            Target::Person(other) => {
                let is_somebody = systems.accounts.name(other).is_some();
                (is_somebody && other != user, other.0)
            }
            Target::Conversation(id) => {
                let mut is_in = false;
                systems.follow(user, &mut |stream, _| {
                    is_in |= stream == Stream::Conversation(id);
                });
                (is_in, id)
            }
        };
        if is_possible {
            Ok(())
        } else {
            Err(Refusal::with(Code::TYPING_TARGET, id, 0))
        }
    }

    fn tell_typing(&mut self, news: impl IntoIterator<Item = TypingChanged>) {
        for changed in news {
            let stream = match changed.to {
                Target::Public => Stream::Everybody,
                Target::Person(user) => Stream::Person(user),
                Target::Conversation(id) => Stream::Conversation(id),
            };
            let frame = encode(&changed.into(), &self.connections.delivery.gauge);
            let delivery = &mut self.connections.delivery;
            delivery.push_news(Topic::Stream(stream), frame, changed.user);
        }
    }

    /// Tells a connection how it stands with these people, and when that changes.
    fn watch(&mut self, now: Now, connection: u64, watch: WatchPresence) -> Result<(), Refusal> {
        let mut users = watch.users;
        users.sort_unstable();
        users.dedup();
        if WATCHED_MAX < users.len() {
            let len = u64::try_from(users.len()).unwrap_or(u64::MAX);
            let max = u64::try_from(WATCHED_MAX).unwrap_or(u64::MAX);
            return Err(Refusal::with(Code::WATCH_LENGTH, len, max));
        }
        let gauge = &self.connections.delivery.gauge;
        let changed = |user: &UserId| encode(&self.presence.at(*user, now.wall).into(), gauge);
        let frames: Vec<SharedFrame> = users.iter().map(changed).collect();
        self.connections.watch(connection, users.into(), frames);
        Ok(())
    }

    /// People came or went: tells whoever watches them.
    pub(super) fn send_presence_changes(&mut self, now: Now) {
        for coming in std::mem::take(&mut self.connections.presence_changes) {
            #[cfg(feature = "planted-bugs")]
            if self.connections.tamper.overlooks(&coming) {
                continue;
            }
            let (user, changed) = match coming {
                PresenceChange::Arrived(user) => (user, self.presence.arrive(user, now.wall)),
                PresenceChange::Left(user) => (user, self.presence.leave(user, now.wall)),
            };
            if let Some(changed) = changed {
                if self.arrivals.waiting.len() < ANNOUNCED_MAX {
                    self.arrivals.waiting.push(changed);
                }
                if !changed.online {
                    let stopped = self.writers.leave(user);
                    self.tell_typing(stopped);
                }
                #[cfg(not(feature = "planted-bugs"))]
                let told = [changed];
                #[cfg(feature = "planted-bugs")]
                let told = self.connections.tamper.announce(changed);
                for changed in told {
                    let frame = encode(&changed.into(), &self.connections.delivery.gauge);
                    let delivery = &mut self.connections.delivery;
                    delivery.push_news(Topic::Presence(user), frame, UserId::NOBODY);
                }
            }
        }
    }

    /// Time has passed: tells the classic connections who came and went, and that their list of
    /// people is old.
    pub(super) fn announce_arrivals(&mut self, now: u64) {
        let is_due = self.arrivals.announced_at + ANNOUNCE_MS <= now;
        if self.arrivals.waiting.is_empty() || !is_due {
            return;
        }
        self.arrivals.announced_at = now;
        let waiting = std::mem::take(&mut self.arrivals.waiting);
        let Some(classic) = self.connections.delivery.subscribers.of(Topic::Arrivals) else {
            return;
        };
        for id in classic.as_slice() {
            self.connections.note_people_changed(*id, &waiting);
        }
        for changed in waiting {
            let frame = encode(&changed.into(), &self.connections.delivery.gauge);
            let delivery = &mut self.connections.delivery;
            // To their own devices it is no news.
            delivery.push_news(Topic::Arrivals, frame, changed.user);
        }
    }

    /// Time has passed: who is not writing any more.
    pub(super) fn end_typing(&mut self, now: u64) {
        let over = self.writers.handle_timeout(now);
        self.tell_typing(over);
    }

    /// Answers with everybody, by id.
    pub(super) fn list_presence(&mut self, now: Now, origin: Origin, list: ListPresence) {
        let mut outcome = Vec::new();
        if list.limit == 0 || PAGE_LEN_MAX < list.limit {
            let (asked, limit) = (u64::from(list.limit), u64::from(PAGE_LEN_MAX));
            encode_refused(&Refusal::with(Code::PAGE_LEN, asked, limit), &mut outcome);
        } else {
            let answer = Answer::from(self.people_after(now, list));
            let (kind, schema) = answer.kind();
            encode_accepted(kind, schema, &mut outcome);
            answer.encode(&mut outcome);
        }
        self.parts.engine.release_read(origin, &outcome);
    }

    fn people_after(&self, now: Now, list: ListPresence) -> Presences {
        let view = |(user, name): (UserId, &str)| {
            let at = self.presence.at(user, now.wall);
            PresenceView {
                user,
                name: name.to_owned(),
                online: at.online,
                last_seen: at.last_seen,
            }
        };
        let accounts = &self.parts.engine.systems().accounts;
        let people = accounts.people_after(list.after).map(view);
        Presences {
            people: people.take(usize::from(list.limit)).collect(),
        }
    }
}

fn encode(news: &News, gauge: &Gauge) -> SharedFrame {
    let ((kind, schema), mut body) = (news.kind(), Vec::new());
    news.encode(&mut body);
    let mut frame = Vec::with_capacity(16 + body.len());
    Reply::Ephemeral {
        kind,
        schema,
        body: &body,
    }
    .encode(&mut frame);
    SharedFrame::new(frame, gauge)
}
