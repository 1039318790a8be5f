//! Who is here and who is writing: true while it lasts, and gone with the process.
//!
//! Connections made and lost and signals go in with the time; what others are to be told
//! comes out. Deliberately absent: connections, who is told, and whether people exist.

use std::collections::BTreeMap;

use protocol::{
    Code, Refusal, UserId,
    words::{
        chat::Target,
        presence::{PresenceChanged, Typing, TypingChanged},
    },
};

/// Milliseconds for which a start of writing holds unless it is repeated: a little longer than
/// clients wait between two repetitions.
pub const TYPING_MS: u64 = 6_000;

/// How many a person may be writing to at once: nobody has more hands.
pub const TYPING_TARGETS_MAX: usize = 8;

/// Starts and stops that a person may say at once; each may be told to a room of thousands.
const CHANGES_MAX: u64 = 20;

/// Milliseconds after which they may say one more.
const CHANGE_EACH_MS: u64 = 250;

/// Who is here. Remembers everybody who was since the server started.
#[derive(Debug, Default)]
pub struct Presence {
    epoch: u64,
    people: BTreeMap<UserId, Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    connections: usize,
    last_seen: u64,
    epoch: u64,
}

impl Presence {
    /// A connection is somebody's. Returns what is news: that they are here.
    pub fn arrive(&mut self, user: UserId, now: u64) -> Option<PresenceChanged> {
        let seen = self.people.entry(user).or_default();
        seen.connections += 1;
        (seen.connections == 1).then(|| self.change(user, now))
    }

    /// A connection of somebody's is over. Returns what is news: that they are gone.
    pub fn leave(&mut self, user: UserId, now: u64) -> Option<PresenceChanged> {
        let seen = self.people.get_mut(&user)?;
        seen.connections = seen.connections.saturating_sub(1);
        (seen.connections == 0).then(|| self.change(user, now))
    }

    fn change(&mut self, user: UserId, now: u64) -> PresenceChanged {
        self.epoch += 1;
        let epoch = self.epoch;
        let seen = self.people.entry(user).or_default();
        (seen.last_seen, seen.epoch) = (now, epoch);
        self.at(user, now)
    }

    /// How it stands with somebody; whoever is here is heard of now.
    #[must_use]
    pub fn at(&self, user: UserId, now: u64) -> PresenceChanged {
        let seen = self.people.get(&user).copied().unwrap_or_default();
        let online = seen.connections != 0;
        PresenceChanged {
            user,
            online,
            last_seen: if online { now } else { seen.last_seen },
            epoch: seen.epoch,
        }
    }
}

/// Who is writing to whom.
#[derive(Debug, Default)]
pub struct Writers {
    people: BTreeMap<UserId, Writer>,
}

#[derive(Debug)]
struct Writer {
    /// To whom, and until when that holds.
    targets: Vec<(Target, u64)>,
    /// What they may say at once, and since when that is counted.
    changes: u64,
    counted_at: u64,
}

impl Writers {
    /// Somebody begins or stops writing. Returns what is news.
    ///
    /// # Errors
    /// If they say so too often, or write to too many at once.
    pub fn handle(
        &mut self,
        user: UserId,
        typing: Typing,
        now: u64,
    ) -> Result<Option<TypingChanged>, Refusal> {
        let writer = self.people.entry(user).or_insert_with(|| Writer {
            targets: Vec::new(),
            changes: CHANGES_MAX,
            counted_at: now,
        });
        let place = (writer.targets.iter()).position(|(target, _)| *target == typing.to);
        match (place, typing.on) {
            (Some(place), true) => {
                writer.targets[place].1 = now + TYPING_MS;
                return Ok(None);
            }
            (None, false) => return Ok(None),
            (Some(place), false) => {
                writer.targets.swap_remove(place);
            }
            (None, true) => {
                writer.spend(now)?;
                if TYPING_TARGETS_MAX <= writer.targets.len() {
                    let len = u64::try_from(writer.targets.len()).unwrap_or(u64::MAX);
                    return Err(Refusal::with(Code::TYPING_TARGETS, len, len));
                }
                writer.targets.push((typing.to, now + TYPING_MS));
            }
        }
        Ok(Some(changed(user, typing.to, typing.on)))
    }

    /// Looks at the clock: returns who is not writing any more.
    pub fn handle_timeout(&mut self, now: u64) -> Vec<TypingChanged> {
        let mut over = Vec::new();
        self.people.retain(|user, writer| {
            writer.targets.retain(|(target, until)| {
                let holds = now < *until;
                if !holds {
                    over.push(changed(*user, *target, false));
                }
                holds
            });
            !writer.targets.is_empty() || writer.allowed(now) < CHANGES_MAX
        });
        over
    }

    /// Somebody is gone: returns to whom they are not writing any more.
    pub fn leave(&mut self, user: UserId) -> Vec<TypingChanged> {
        let Some(writer) = self.people.get_mut(&user) else {
            return Vec::new();
        };
        let targets = std::mem::take(&mut writer.targets);
        let stopped = |(target, _)| changed(user, target, false);
        targets.into_iter().map(stopped).collect()
    }
}

impl Writer {
    const fn allowed(&self, now: u64) -> u64 {
        let more = now.saturating_sub(self.counted_at) / CHANGE_EACH_MS;
        let all = self.changes.saturating_add(more);
        if CHANGES_MAX < all { CHANGES_MAX } else { all }
    }

    fn spend(&mut self, now: u64) -> Result<(), Refusal> {
        let allowed = self.allowed(now);
        if allowed == 0 {
            let (most, each) = (CHANGES_MAX, CHANGE_EACH_MS);
            return Err(Refusal::with(Code::TYPING_RATE, most, each));
        }
        if allowed != self.changes {
            self.counted_at = now;
        }
        self.changes = allowed - 1;
        Ok(())
    }
}

const fn changed(user: UserId, to: Target, on: bool) -> TypingChanged {
    TypingChanged { user, to, on }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: UserId = UserId(7);
    const ROOM: Target = Target::Conversation(30);

    #[test]
    fn only_the_first_coming_and_the_last_going_are_news() {
        let mut presence = Presence::default();
        let news = |user, online, last_seen, epoch| {
            Some(PresenceChanged {
                user,
                online,
                last_seen,
                epoch,
            })
        };
        assert_eq!(presence.arrive(ANA, 10), news(ANA, true, 10, 1));
        assert_eq!(presence.arrive(ANA, 11), None);
        assert_eq!(presence.leave(ANA, 12), None);
        assert_eq!(presence.arrive(UserId(8), 13), news(UserId(8), true, 13, 2));
        assert_eq!(Some(presence.at(ANA, 14)), news(ANA, true, 14, 1));
        assert_eq!(presence.leave(ANA, 15), news(ANA, false, 15, 3));
        assert_eq!(Some(presence.at(ANA, 99)), news(ANA, false, 15, 3));
        assert_eq!(
            Some(presence.at(UserId(9), 99)),
            news(UserId(9), false, 0, 0)
        );
    }

    fn say(writers: &mut Writers, on: bool, now: u64) -> Result<Option<bool>, Code> {
        let typing = Typing { to: ROOM, on };
        match writers.handle(ANA, typing, now) {
            Ok(news) => Ok(news.map(|news| news.on)),
            Err(refusal) => Err(refusal.code),
        }
    }

    #[test]
    fn a_start_is_told_once_and_holds_while_it_is_repeated() {
        let mut writers = Writers::default();
        assert_eq!(say(&mut writers, false, 0), Ok(None));
        assert_eq!(say(&mut writers, true, 0), Ok(Some(true)));
        assert_eq!(say(&mut writers, true, 4_000), Ok(None));
        assert!(writers.handle_timeout(TYPING_MS).is_empty());
        let over = writers.handle_timeout(4_000 + TYPING_MS);
        assert_eq!(over, [changed(ANA, ROOM, false)]);
        assert_eq!(say(&mut writers, false, 20_000), Ok(None));
        assert!(writers.handle_timeout(60_000).is_empty());
        assert!(writers.people.is_empty(), "nothing is kept of it");
    }

    #[test]
    fn whoever_is_gone_writes_no_more() {
        let mut writers = Writers::default();
        assert_eq!(say(&mut writers, true, 0), Ok(Some(true)));
        assert_eq!(writers.leave(ANA), [changed(ANA, ROOM, false)]);
        assert!(writers.leave(ANA).is_empty());
    }

    #[test]
    fn nobody_writes_to_too_many_at_once() {
        let mut writers = Writers::default();
        for nth in 0..=TYPING_TARGETS_MAX {
            let to = Target::Person(UserId(u64::try_from(nth).expect("few")));
            let told = writers.handle(ANA, Typing { to, on: true }, 0);
            let expected = Refusal::with(Code::TYPING_TARGETS, 8, 8);
            match told {
                Ok(news) => assert!(news.is_some() && nth < TYPING_TARGETS_MAX),
                Err(refusal) => assert_eq!((refusal, nth), (expected, TYPING_TARGETS_MAX)),
            }
        }
    }

    #[test]
    fn whoever_starts_too_often_waits() {
        let mut writers = Writers::default();
        for _ in 0..CHANGES_MAX {
            assert_eq!(say(&mut writers, true, 0), Ok(Some(true)));
            assert_eq!(say(&mut writers, false, 0), Ok(Some(false)));
        }
        assert_eq!(say(&mut writers, true, 200), Err(Code::TYPING_RATE));
        assert_eq!(say(&mut writers, true, CHANGE_EACH_MS), Ok(Some(true)));
        assert_eq!(say(&mut writers, false, CHANGE_EACH_MS), Ok(Some(false)));
        assert_eq!(say(&mut writers, true, 300), Err(Code::TYPING_RATE));
    }
}
