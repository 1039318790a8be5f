//! The laws of presence, P1 to P4: who is told what.
//!
//! News, lists, and the beginnings and ends of connections go in as they come; one finding a law
//! comes out. Nothing of this is in the log, so it is judged by the harness's clock alone, with a
//! slack for what is on its way, and not for a while after something was broken on purpose. The
//! harness closes its sockets, which a server notices at once; how long it takes to notice a peer
//! that vanished is not judged.

mod last_seen_rises;
mod presence_accurate;
mod presence_complete;
mod presence_epochs;
mod roll;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use self::{
    last_seen_rises::LastSeenRises, presence_accurate::PresenceAccurate,
    presence_complete::PresenceComplete, presence_epochs::PresenceEpochs, roll::Roll,
};
use super::finding::{Finding, Witness, time_text};
use crate::operation::{LawProgress, LinkChange, Nanos, Operation};

/// The names of these laws, in the order of their verdicts.
pub(super) const LAWS: [&str; 4] = [
    "presence-accurate",
    "presence-complete",
    "last-seen-rises",
    "presence-epochs",
];

/// After something was broken, nothing is judged for so many times the slack.
const FAULT_SLACKS: u64 = 5;

/// Somebody was shown how it is with somebody, at an instant between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) viewer: u32,
    pub(super) user: UserId,
    pub(super) online: bool,
    pub(super) from: Nanos,
    pub(super) to: Nanos,
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
pub(super) struct News {
    pub(super) user: UserId,
    pub(super) online: bool,
    pub(super) last_seen: u64,
    pub(super) epoch: u64,
    pub(super) at: Nanos,
}

/// Every law of presence.
#[derive(Debug)]
pub(super) struct PresenceLaws {
    roll: Roll,
    /// By client: who it was told of on this connection, by person.
    watched: HashMap<u32, Vec<News>, FixedState>,
    /// By client: whom it asked to be told of on this connection, if it said so; sorted.
    watching: HashMap<u32, Vec<UserId>, FixedState>,
    /// By client: whether its connection is told to be up.
    up: HashMap<u32, UserId, FixedState>,
    slack: Nanos,
    quiet_until: Nanos,
    now: Nanos,
    told: u64,
    accurate: PresenceAccurate,
    complete: PresenceComplete,
    last_seen: LastSeenRises,
    epochs: PresenceEpochs,
}

impl PresenceLaws {
    pub(super) fn new(slack: Nanos, wall_at_start: Option<u64>) -> Self {
        Self {
            roll: Roll::default(),
            watched: HashMap::with_hasher(FixedState::with_seed(0)),
            watching: HashMap::with_hasher(FixedState::with_seed(0)),
            up: HashMap::with_hasher(FixedState::with_seed(0)),
            slack,
            quiet_until: 0,
            now: 0,
            told: 0,
            accurate: PresenceAccurate::new(slack),
            complete: PresenceComplete::new(slack),
            last_seen: LastSeenRises::new(slack, wall_at_start),
            epochs: PresenceEpochs::new(slack),
        }
    }

    /// How far the laws are that are judged while the run goes on.
    pub(super) fn progress(&self) -> Vec<LawProgress> {
        vec![self.epochs.progress(), self.last_seen.progress()]
    }

    /// Whether anybody was told of anybody.
    pub(super) const fn is_exercised(&self) -> bool {
        0 < self.told
    }

    /// Something was broken on purpose.
    pub(super) fn handle_fault(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.quiet_until = now.saturating_add(self.slack.saturating_mul(FAULT_SLACKS));
        self.accurate.handle_fault();
        self.complete.handle_fault(self.quiet_until);
        self.last_seen.handle_fault();
        self.epochs.handle_fault();
    }

    /// A connection of somebody's began or ended.
    pub(super) fn handle_link(
        &mut self,
        client: u32,
        user: UserId,
        change: LinkChange,
        now: Nanos,
    ) {
        self.now = self.now.max(now);
        self.end_watch(client, now);
        self.watching.remove(&client);
        if let Some(user) = self.up.remove(&client) {
            self.roll.end(user, now);
            self.epochs.handle_ended(user, now);
        }
        match change {
            LinkChange::Subscribed { .. } => {
                self.up.insert(client, user);
                self.roll.begin(user, now);
                self.accurate.handle_begun(user, now);
            }
            LinkChange::Ended => {}
        }
    }

    /// A client asks to be told of these people from now on, and of no others.
    pub(super) fn handle_watch(&mut self, client: u32, users: &[UserId], now: Nanos) {
        self.now = self.now.max(now);
        let mut users = users.to_vec();
        users.sort_unstable();
        let watched = self.watched.remove(&client).unwrap_or_default();
        let is_kept = |last: &News| users.binary_search(&last.user).is_ok();
        let (kept, ended) = watched.into_iter().partition::<Vec<News>, _>(is_kept);
        for last in ended {
            let seat = self.roll.seat(last.user);
            self.complete.check(client, &last, seat, now);
        }
        self.watched.insert(client, kept);
        self.watching.insert(client, users);
    }

    /// A client is told of nobody any more.
    fn end_watch(&mut self, client: u32, now: Nanos) {
        for last in self.watched.remove(&client).unwrap_or_default() {
            let seat = self.roll.seat(last.user);
            self.complete.check(client, &last, seat, now);
        }
    }

    /// News about somebody came.
    pub(super) fn handle_news(&mut self, viewer: u32, news: News) {
        let now = news.at;
        self.now = self.now.max(now);
        self.told += 1;
        let sighting = Sighting {
            viewer,
            user: news.user,
            online: news.online,
            from: now,
            to: now,
        };
        let watching = self.watching.get(&viewer);
        let is_watched = watching.is_none_or(|users| users.binary_search(&news.user).is_ok());
        let of_viewer = self.watched.entry(viewer).or_default();
        let place = of_viewer.binary_search_by_key(&news.user, |known| known.user);
        let last = place.ok().map(|at| of_viewer[at]);
        // Of two the higher one holds, whichever came first.
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
        if let Some(last) = last {
            self.epochs.check_pair(sighting, &last, &news);
            let seat = self.roll.seat(news.user);
            self.complete.check(viewer, &last, seat, now);
        }
        if holds && self.quiet_until <= now {
            // Whoever is here is seen whenever it is told: news of one epoch may overtake each other.
            let earlier = last.filter(|last| last.epoch < news.epoch);
            let before = earlier.map(|last| last.last_seen);
            self.last_seen.check_news(sighting, news.last_seen, before);
            self.handle_sighting(sighting);
        }
    }

    /// A list of people came: person, whether they are here, and when they were last seen.
    pub(super) fn handle_list(&mut self, operation: &Operation, list: &[(UserId, bool, u64)]) {
        self.told += 1;
        self.now = self.now.max(operation.completed_at);
        if operation.sent_at < self.quiet_until {
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
            self.last_seen.check_list(sighting, *last_seen);
            self.handle_sighting(sighting);
        }
    }

    fn handle_sighting(&mut self, sighting: Sighting) {
        if sighting.online {
            self.accurate.check(&self.roll, sighting);
            self.epochs.check_here(sighting);
        } else {
            let seat = self.roll.seat(sighting.user);
            self.epochs.check_gone(sighting, seat);
        }
    }

    /// The run is over: what was still open is judged.
    pub(super) fn judge(&mut self) {
        let now = self.now;
        let mut viewers: Vec<u32> = self.watched.keys().copied().collect();
        viewers.sort_unstable();
        for viewer in viewers {
            self.end_watch(viewer, now);
        }
        self.accurate.judge(now);
        self.epochs.judge(now);
    }

    /// Everything these laws want to tell with operations out of the history.
    pub(super) fn findings(&self) -> [&Finding; LAWS.len()] {
        [
            self.accurate.finding(),
            self.complete.finding(),
            self.last_seen.finding(),
            self.epochs.finding(),
        ]
    }

    /// The findings, in the order of [`LAWS`].
    pub(super) fn conclude(self) -> [Finding; LAWS.len()] {
        [
            self.accurate.conclude(),
            self.complete.conclude(),
            self.last_seen.conclude(),
            self.epochs.conclude(),
        ]
    }
}
