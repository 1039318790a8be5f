//! P4, epochs: of two news about one person the higher one holds, and it does not hide who is here.
//!
//! News of one epoch say the same; and news that hold, or a list, must not say that somebody is gone
//! who has been here for longer than the slack and stays. Whether they stayed is known a while
//! later, so such news wait; an end of a connection soon after, or better news, excuses them.

use protocol::UserId;

use super::{News, Sighting, roll::Seat};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, time_text},
        law::{Ended, Fault, Law, Linked, Present},
        laws::LawOptions,
        world::World,
    },
    operation::{LawProgress, Nanos},
};

/// Most news that wait at once; far more than people go within the slack.
const DOUBTS_MAX: usize = 65_536;

/// The law.
#[derive(Debug)]
pub(crate) struct PresenceEpochs {
    slack: Nanos,
    /// People shown to be gone who seem to be here.
    doubts: Vec<Sighting>,
    told: u64,
    finding: Finding,
}

impl Law for PresenceEpochs {
    const ABOUT: About = About {
        name: "presence-epochs",
        demands: "News of an old going never hide somebody who is here, and one epoch says one thing.",
        confidence: "definite interval: connections by the harness's clock, widened by what noticing may take",
        topic: Topic::Presence,
        needs: Needs::Answers,
    };

    fn new(options: &LawOptions) -> Self {
        let slack = options.presence_slack;
        Self {
            slack,
            doubts: Vec::new(),
            told: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_presence(&mut self, present: &Present, _: &World) {
        let sighting = present.sighting;
        if let Some((news, Some(last))) = &present.news {
            self.check_pair(sighting, last, news);
        }
        match (present.is_settled, sighting.online) {
            (true, true) => self.check_here(sighting),
            (true, false) => self.check_gone(sighting, present.seat),
            (false, _) => {}
        }
    }

    fn on_link(&mut self, linked: &Linked, _: &World) {
        if let Some(user) = linked.ended {
            self.handle_ended(user, linked.now);
        }
    }

    fn on_fault(&mut self, _: &Fault, _: &World) {
        self.doubts.clear();
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("comings and goings", self.told))
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.judge(ended.world.presence.now);
        self.finding
            .count_needed("comings and goings told", self.told);
        self.finding
    }
}

impl PresenceEpochs {
    /// News that follow other news about the same person.
    fn check_pair(&mut self, sighting: Sighting, last: &News, new: &News) {
        if last.epoch == new.epoch && last.online != new.online {
            let how = format!("both here and gone in epoch {}", new.epoch);
            self.convict(sighting, &how);
        }
    }

    /// Somebody was shown to be gone.
    fn check_gone(&mut self, sighting: Sighting, seat: Option<Seat>) {
        self.told += 1;
        let since = seat.and_then(|seat| seat.here_since());
        let is_here = since.is_some_and(|since| since.saturating_add(self.slack) < sighting.from);
        if is_here && self.doubts.len() < DOUBTS_MAX {
            self.doubts.push(sighting);
        }
    }

    /// Somebody was shown to be here: whoever was shown otherwise soon before was shown it in time.
    fn check_here(&mut self, sighting: Sighting) {
        self.told += 1;
        if self.doubts.is_empty() {
            return;
        }
        let whose = (sighting.viewer, sighting.user);
        self.settle(sighting.to, |doubt| (doubt.viewer, doubt.user) == whose);
    }

    /// A connection of somebody's ended.
    fn handle_ended(&mut self, user: UserId, now: Nanos) {
        if !self.doubts.is_empty() {
            self.settle(now, |doubt| doubt.user == user);
        }
    }

    /// These doubts are over at `now`: excused if they are young.
    fn settle(&mut self, now: Nanos, concerns: impl Fn(&Sighting) -> bool) {
        let (concerned, others) = std::mem::take(&mut self.doubts)
            .into_iter()
            .partition::<Vec<Sighting>, _>(concerns);
        self.doubts = others;
        for doubt in concerned {
            if doubt.to.saturating_add(self.slack) < now {
                self.convict(doubt, "gone, and was here all the while");
            }
        }
    }

    fn convict(&mut self, sighting: Sighting, how: &str) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} was shown at {} that {} is {how}",
                sighting.viewer,
                time_text(sighting.to),
                sighting.user,
            ),
            witnesses: vec![sighting.witness()],
            order: "real time: connections by the harness's clock",
            expected: "here".to_owned(),
        });
    }

    /// The run is over at `now`.
    fn judge(&mut self, now: Nanos) {
        self.settle(now, |_all| true);
    }
}
