//! P3, last seen: it never falls, and is never in the future.
//!
//! News are compared with news of a lower epoch and lists with lists, as each client got them: a list
//! may overtake news that were made before it, and so may the news that a client gets when it begins
//! to watch. A list counts only for lists asked for after it came.

use std::collections::BTreeMap;

use protocol::UserId;

use super::Sighting;
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation},
        law::{Ended, Fault, Law, Present},
        laws::LawOptions,
        world::World,
    },
    operation::{LawProgress, Nanos},
};

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

/// The law.
#[derive(Debug)]
pub(crate) struct LastSeenRises {
    slack: Nanos,
    /// The wall clock when the run began, milliseconds since 1970-01-01 UTC.
    wall_at_start: Option<u64>,
    /// By viewer and person: what the last list said, and when it came.
    listed: BTreeMap<(u32, UserId), (u64, Nanos)>,
    told: u64,
    finding: Finding,
}

impl Law for LastSeenRises {
    const ABOUT: About = About {
        name: "last-seen-rises",
        demands: "When somebody was last seen never falls, and is never in the future.",
        confidence: "certificate: instants in the order each client was told them",
        topic: Topic::Presence,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let (slack, wall_at_start) = (options.presence_slack, options.wall_at_start);
        Self {
            slack,
            wall_at_start,
            listed: BTreeMap::new(),
            told: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_presence(&mut self, present: &Present, _: &World) {
        let (sighting, last_seen) = (present.sighting, present.last_seen);
        match &present.news {
            Some((news, last)) if present.is_settled => {
                // News of one epoch may overtake each other.
                let earlier = last.filter(|last| last.epoch < news.epoch);
                let before = earlier.map(|last| last.last_seen);
                self.check_news(sighting, last_seen, before);
            }
            Some(_) => {}
            None => self.check_list(sighting, last_seen),
        }
    }

    /// The server may begin anew, and has then seen nobody.
    fn on_fault(&mut self, _: &Fault, _: &World) {
        self.listed.clear();
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("instants told", self.told))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("instants told", self.told);
        self.finding
    }
}

impl LastSeenRises {
    /// News that hold, after news that said `before`.
    fn check_news(&mut self, sighting: Sighting, last_seen: u64, before: Option<u64>) {
        self.told += 1;
        self.check_future(sighting, last_seen);
        if let Some(before) = before.filter(|before| last_seen < *before) {
            self.fell(sighting, last_seen, before);
        }
    }

    /// What a list said.
    fn check_list(&mut self, sighting: Sighting, last_seen: u64) {
        self.told += 1;
        self.check_future(sighting, last_seen);
        let whose = (sighting.viewer, sighting.user);
        if let Some((before, came_at)) = self.listed.get(&whose).copied() {
            if sighting.from < came_at {
                return;
            }
            if last_seen < before {
                self.fell(sighting, last_seen, before);
            }
        }
        self.listed.insert(whose, (last_seen, sighting.to));
    }

    fn check_future(&mut self, sighting: Sighting, last_seen: u64) {
        let Some(start) = self.wall_at_start else {
            return;
        };
        let latest = start.saturating_add((sighting.to.saturating_add(self.slack)) / MS);
        if latest < last_seen {
            self.convict(sighting, last_seen, format!("at most {latest} ms"));
        }
    }

    fn fell(&mut self, sighting: Sighting, last_seen: u64, before: u64) {
        self.convict(sighting, last_seen, format!("{before} ms or later"));
    }

    fn convict(&mut self, sighting: Sighting, last_seen: u64, expected: String) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} was told that {} was last seen at {last_seen} ms, and it should be {expected}",
                sighting.viewer, sighting.user,
            ),
            witnesses: vec![sighting.witness()],
            order: "session: what this client was told before",
            expected,
        });
    }
}
