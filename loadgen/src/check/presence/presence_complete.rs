//! P2, completeness: whoever watches somebody is told in time that they are gone.
//!
//! For each watcher and person the last news is kept; a person gone for longer than the slack, of
//! whom a watcher that was connected all the while was last told that they are here, was missed.
//! Whoever was told of somebody once is taken to watch them until its connection ends, or until it
//! asks to be told of others.

use super::{News, roll::Seat};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness, time_text},
        law::{Ended, Fault, Law, Watched},
        laws::LawOptions,
        world::World,
    },
    operation::Nanos,
};

/// The law.
#[derive(Debug)]
pub(crate) struct PresenceComplete {
    slack: Nanos,
    /// Absences before this are not judged: something was broken on purpose.
    quiet_until: Nanos,
    absences: u64,
    finding: Finding,
}

impl Law for PresenceComplete {
    const ABOUT: About = About {
        name: "presence-complete",
        demands: "Whoever watches somebody is told in time that they are gone.",
        confidence: "definite interval: connections by the harness's clock, widened by what noticing may take",
        topic: Topic::Presence,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let slack = options.presence_slack;
        Self {
            slack,
            quiet_until: 0,
            absences: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_watched(&mut self, watched: &Watched, _: &World) {
        self.check(watched.watcher, &watched.last, watched.seat, watched.now);
    }

    fn on_fault(&mut self, _: &Fault, world: &World) {
        self.quiet_until = world.presence.quiet_until;
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("times somebody who was watched was gone", self.absences);
        self.finding
    }
}

impl PresenceComplete {
    /// What a watcher knew until `now` of somebody whose connections are these.
    fn check(&mut self, watcher: u32, last: &News, seat: Option<Seat>, now: Nanos) {
        let Some((gone_at, until)) = seat.and_then(|seat| seat.absence(now)) else {
            return;
        };
        if !last.online || gone_at <= last.at || gone_at < self.quiet_until {
            return;
        }
        self.absences += 1;
        if gone_at.saturating_add(self.slack) < until.min(now) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {watcher} watched {}, who was gone from {} on, and had not been told by {}",
                    last.user,
                    time_text(gone_at),
                    time_text(until.min(now)),
                ),
                witnesses: vec![Witness::told(
                    format!("client {watcher}"),
                    format!("told of {}", last.user),
                    format!("here, at {}", time_text(last.at)),
                    0,
                )],
                order: "real time: connections by the harness's clock",
                expected: format!("news of it within {}", time_text(self.slack)),
            });
        }
    }
}
