//! What the laws of presence share, P1 to P4, and when they are told.
//!
//! News, lists, and the beginnings and ends of connections go in as they come; how somebody was shown
//! somebody, and what they knew of them until then, comes out. Nothing of this is in the log, so it is judged by the harness's clock alone, with a
//! slack for what is on its way, and not for a while after something was broken on purpose. The
//! harness closes its sockets, which a server notices at once; how long it takes to notice a peer
//! that vanished is not judged.

pub(crate) mod last_seen_rises;
pub(crate) mod presence_accurate;
pub(crate) mod presence_complete;
pub(crate) mod presence_epochs;
pub(crate) mod roll;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use self::roll::Roll;
use super::{
    finding::{Witness, time_text},
    law::{Present, Watched},
    laws::Laws,
};
use crate::operation::{LinkChange, Nanos, Operation};

/// After something was broken, nothing is judged for so many times the slack.
const FAULT_SLACKS: u64 = 5;

/// Somebody was shown how it is with somebody, at an instant between two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) viewer: u32,
    pub(crate) user: UserId,
    pub(crate) online: bool,
    pub(crate) from: Nanos,
    pub(crate) to: Nanos,
}

impl Sighting {
    fn witness(&self) -> Witness {
        let how = if self.online { "here" } else { "gone" };
        Witness::told(
            format!("client {}", self.viewer),
            format!("shown {}", self.user),
            format!("{how}, at {}", time_text(self.to)),
            0,
        )
    }
}

/// The news that hold about somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News {
    pub(crate) user: UserId,
    pub(crate) online: bool,
    pub(crate) last_seen: u64,
    pub(crate) epoch: u64,
    pub(crate) at: Nanos,
}

/// What the laws of presence share.
#[derive(Debug)]
pub(crate) struct PresenceState {
    roll: Roll,
    /// By client: who it was told of on this connection, by person.
    watched: HashMap<u32, Vec<News>, FixedState>,
    /// By client: whom it asked to be told of on this connection, if it said so; sorted.
    watching: HashMap<u32, Vec<UserId>, FixedState>,
    /// By client: whether its connection is told to be up.
    up: HashMap<u32, UserId, FixedState>,
    slack: Nanos,
    /// Until when nothing is judged, since something was broken on purpose.
    pub(crate) quiet_until: Nanos,
    /// The latest instant that anybody told of.
    pub(crate) now: Nanos,
    told: u64,
}

impl PresenceState {
    pub(crate) fn new(slack: Nanos) -> Self {
        Self {
            roll: Roll::default(),
            watched: HashMap::with_hasher(FixedState::with_seed(0)),
            watching: HashMap::with_hasher(FixedState::with_seed(0)),
            up: HashMap::with_hasher(FixedState::with_seed(0)),
            slack,
            quiet_until: 0,
            now: 0,
            told: 0,
        }
    }

    /// Whether anybody was told of anybody.
    pub(crate) const fn is_exercised(&self) -> bool {
        0 < self.told
    }

    /// Something was broken on purpose.
    pub(crate) fn note_fault(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.quiet_until = now.saturating_add(self.slack.saturating_mul(FAULT_SLACKS));
    }

    /// A client was told of somebody. Returns what it was told before, and whether this holds: of two
    /// the higher one does, whichever came first.
    fn note_news(&mut self, viewer: u32, news: News) -> (Option<News>, bool) {
        let watching = self.watching.get(&viewer);
        let is_watched = watching.is_none_or(|users| users.binary_search(&news.user).is_ok());
        let of_viewer = self.watched.entry(viewer).or_default();
        let place = of_viewer.binary_search_by_key(&news.user, |known| known.user);
        let last = place.ok().map(|at| of_viewer[at]);
        let holds = last.is_none_or(|last| last.epoch <= news.epoch);
        match place {
            Ok(at) if holds => {
                let last_seen = news.last_seen.max(of_viewer[at].last_seen);
                of_viewer[at] = News { last_seen, ..news };
            }
            // It may have been on its way when the viewer asked to be told of others.
            Err(at) if is_watched => of_viewer.insert(at, news),
            Ok(_) | Err(_) => {}
        }
        (last, holds)
    }
}

impl Laws {
    /// A connection of somebody's began or ended. Returns whose was up until now, if one was.
    pub(crate) fn link_presence(
        &mut self,
        client: u32,
        user: UserId,
        change: LinkChange,
        now: Nanos,
    ) -> Option<UserId> {
        self.end_watch(client, now);
        let presence = &mut self.world.presence;
        presence.now = presence.now.max(now);
        presence.watching.remove(&client);
        let ended = presence.up.remove(&client);
        if let Some(user) = ended {
            presence.roll.end(user, now);
        }
        match change {
            LinkChange::Subscribed { .. } => {
                presence.up.insert(client, user);
                presence.roll.begin(user, now);
            }
            LinkChange::Ended => {}
        }
        ended
    }

    /// A client asks to be told of these people from now on, and of no others.
    pub(crate) fn watch_presence(&mut self, client: u32, users: &[UserId], now: Nanos) {
        let presence = &mut self.world.presence;
        presence.now = presence.now.max(now);
        let mut users = users.to_vec();
        users.sort_unstable();
        let watched = presence.watched.remove(&client).unwrap_or_default();
        let is_kept = |last: &News| users.binary_search(&last.user).is_ok();
        let (kept, ended) = watched.into_iter().partition::<Vec<News>, _>(is_kept);
        presence.watched.insert(client, kept);
        presence.watching.insert(client, users);
        for last in ended {
            self.tell_watched(client, last, now);
        }
    }

    /// A client is told of nobody any more.
    fn end_watch(&mut self, client: u32, now: Nanos) {
        let watched = self.world.presence.watched.remove(&client);
        for last in watched.unwrap_or_default() {
            self.tell_watched(client, last, now);
        }
    }

    fn tell_watched(&mut self, watcher: u32, last: News, now: Nanos) {
        let seat = self.world.presence.roll.seat(last.user);
        self.tell(&Watched {
            watcher,
            last,
            seat,
            now,
        });
    }

    /// News about somebody came.
    pub(crate) fn show_news(&mut self, viewer: u32, news: News) {
        let now = news.at;
        let presence = &mut self.world.presence;
        presence.now = presence.now.max(now);
        presence.told += 1;
        let (last, holds) = presence.note_news(viewer, news);
        let is_settled = holds && presence.quiet_until <= now;
        let seat = presence.roll.seat(news.user);
        let sighting = Sighting {
            viewer,
            user: news.user,
            online: news.online,
            from: now,
            to: now,
        };
        self.tell(&Present {
            sighting,
            seat,
            last_seen: news.last_seen,
            news: Some((news, last)),
            is_settled,
        });
        if let Some(last) = last {
            self.tell_watched(viewer, last, now);
        }
    }

    /// A list of people came: person, whether they are here, and when they were last seen.
    pub(crate) fn show_presences(&mut self, operation: &Operation, list: &[(UserId, bool, u64)]) {
        let presence = &mut self.world.presence;
        presence.told += 1;
        presence.now = presence.now.max(operation.completed_at);
        if operation.sent_at < presence.quiet_until {
            return;
        }
        for (user, online, last_seen) in list {
            let sighting = Sighting {
                viewer: operation.client,
                user: *user,
                online: *online,
                from: operation.sent_at,
                to: operation.completed_at,
            };
            let seat = self.world.presence.roll.seat(*user);
            self.tell(&Present {
                sighting,
                seat,
                last_seen: *last_seen,
                news: None,
                is_settled: true,
            });
        }
    }

    /// The run is over: what was still open is judged.
    pub(crate) fn end_presence(&mut self) {
        let PresenceState { now, watched, .. } = &self.world.presence;
        let now = *now;
        let mut viewers: Vec<u32> = watched.keys().copied().collect();
        viewers.sort_unstable();
        for viewer in viewers {
            self.end_watch(viewer, now);
        }
    }
}
