//! L6, replay determinism: the state is what replaying the log gives.
//!
//! Two state hashes go in, of the live server and of a replay of its log, each with its position.

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{Ended, Law, StateHashes},
    laws::LawOptions,
    world::World,
};

/// A state hash and the position it holds at.
pub(crate) type StateAt = (u64, u128);

/// The law.
#[derive(Debug)]
pub(crate) struct ReplayDeterminism {
    compared: u64,
    missing: &'static str,
    finding: Finding,
}

impl Law for ReplayDeterminism {
    const ABOUT: About = About {
        name: "replay-determinism",
        demands: "Replaying the log gives the state the server really had.",
        confidence: "certificate: hashes of both states at one position",
        topic: Topic::Everything,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            compared: 0,
            missing: "no state hashes were read",
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_state_hashes(&mut self, hashes: &StateHashes, _: &World) {
        self.handle_hashes(hashes.live, hashes.replayed);
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count("states compared", self.compared);
        if self.compared == 0 {
            self.finding.doubt(self.missing);
        }
        self.finding
    }
}

impl ReplayDeterminism {
    /// Both hashes, as far as they could be read.
    fn handle_hashes(&mut self, live: Option<StateAt>, replayed: Option<StateAt>) {
        let (live, replayed) = match (live, replayed) {
            (Some(live), Some(replayed)) => (live, replayed),
            (None, _) => return self.missing = "the hash of the live state could not be read",
            (_, None) => return self.missing = "the hash of the replayed state could not be read",
        };
        if live.0 != replayed.0 {
            self.missing = "live and replayed state were read at different positions";
            return;
        }
        self.compared += 1;
        if live.1 != replayed.1 {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "the live state at position {} is not what replaying the log gives",
                    live.0
                ),
                witnesses: vec![told("live", live), told("replayed", replayed)],
                order: "both hashes are of the state at one position",
                expected: "equal hashes".to_owned(),
            });
        }
    }
}

fn told(which: &str, (seq, hash): StateAt) -> Witness {
    Witness::told(
        "the run".to_owned(),
        format!("hash of the {which} state"),
        format!("{hash:032x}"),
        seq,
    )
}
