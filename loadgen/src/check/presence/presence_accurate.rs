//! P1, accuracy: whoever is shown to be here was here not long ago.
//!
//! Shown by news or by a list, to somebody, some time: a connection of that person must have been
//! there, or come soon after, since whoever connects is here before it is told that it is. Judged by
//! the harness's clock, with a slack for what is on its way.

use protocol::UserId;

use super::{Sighting, roll::Seat};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, time_text},
        law::{Ended, Fault, Law, Linked, Present},
        laws::LawOptions,
        world::World,
    },
    operation::{LinkChange, Nanos},
};

/// The law.
#[derive(Debug)]
pub(crate) struct PresenceAccurate {
    slack: Nanos,
    /// People shown to be here who were not, yet: the first time each was.
    early: Vec<Sighting>,
    sightings: u64,
    finding: Finding,
}

impl Law for PresenceAccurate {
    const ABOUT: About = About {
        name: "presence-accurate",
        demands: "Nobody is shown to be here who has been gone for longer than it takes to notice.",
        confidence: "definite interval: connections by the harness's clock, widened by what noticing may take",
        topic: Topic::Presence,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let slack = options.presence_slack;
        Self {
            slack,
            early: Vec::new(),
            sightings: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_presence(&mut self, present: &Present, _: &World) {
        if present.is_settled && present.sighting.online {
            self.check(present.seat, present.sighting);
        }
    }

    fn on_link(&mut self, linked: &Linked, _: &World) {
        if let LinkChange::Subscribed { .. } = linked.change {
            self.handle_begun(linked.user, linked.now);
        }
    }

    /// What is not settled is not judged.
    fn on_fault(&mut self, _: &Fault, _: &World) {
        self.early.clear();
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.judge(ended.world.presence.now);
        self.finding
            .count_needed("times somebody was shown to be here", self.sightings);
        self.finding
    }
}

impl PresenceAccurate {
    /// Somebody was shown to be here.
    fn check(&mut self, seat: Option<Seat>, sighting: Sighting) {
        let Some(seat) = seat else {
            return;
        };
        self.sightings += 1;
        let from = sighting.from.saturating_sub(self.slack);
        let is_known = |early: &Sighting| early.user == sighting.user;
        if !seat.was_here(from, sighting.to) && !self.early.iter().any(is_known) {
            self.early.push(sighting);
        }
    }

    /// Somebody is here now: who saw them a moment ago saw them come.
    fn handle_begun(&mut self, user: UserId, now: Nanos) {
        let Some(at) = self.early.iter().position(|early| early.user == user) else {
            return;
        };
        let early = self.early.swap_remove(at);
        if early.to.saturating_add(self.slack) < now {
            self.convict(early);
        }
    }

    fn convict(&mut self, sighting: Sighting) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} was shown at {} that {} is here, who had been gone for longer than {}",
                sighting.viewer,
                time_text(sighting.to),
                sighting.user,
                time_text(self.slack),
            ),
            witnesses: vec![sighting.witness()],
            order: "real time: connections by the harness's clock",
            expected: "not here".to_owned(),
        });
    }

    /// The run is over at `now`.
    fn judge(&mut self, now: Nanos) {
        for early in std::mem::take(&mut self.early) {
            if early.to.saturating_add(self.slack) < now {
                self.convict(early);
            }
        }
    }
}
