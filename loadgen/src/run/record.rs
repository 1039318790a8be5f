//! The record of a run, put together: what was run, where, and what was found.
//!
//! What each part of the run found goes in; the whole record comes out, concluded. Deliberately absent:
//! finding it, and the rules by which it is concluded (`reports`).

use protocol::message::WelcomeFlags;
use reports::{
    record::{
        CrashRecord, EnvironmentRecord, FaultsRecord, LawRecord, MemoryRecord, RECORD_VERSION,
        RunRecord, RunVerdict, ScenarioRecord, VisitorsRecord,
    },
    verdict::RunEnd,
};

use super::{Against, Run, threshold};
use crate::{
    driver::Driven,
    target::{Caller, Wire},
};

/// What became of the server, for the record.
pub(super) struct Rest {
    pub(super) faults: Option<FaultsRecord>,
    pub(super) visitors: Option<VisitorsRecord>,
    pub(super) crash: Option<CrashRecord>,
    pub(super) server_memory: Option<MemoryRecord>,
    pub(super) broke_off: Option<String>,
}

impl Run<'_> {
    /// What the server says of itself, for the part of the record that tells where the run ran.
    pub(super) fn describe_target(&self, environment: &mut EnvironmentRecord, admin: &Caller) {
        let flags = admin.welcome().flags;
        let (target, durability) = match &self.options.against {
            Against::Embedded { .. } => (
                "embedded".to_owned(),
                self.scenario.server.durability.name(),
            ),
            Against::Live { address, .. } => {
                let is_durable = flags.contains(WelcomeFlags::DURABLE);
                let url = match Wire::of(address) {
                    (Wire::Native, bare) => format!("tcp://{bare}"),
                    (Wire::Lines, _bare) => address.clone(),
                };
                (url, if is_durable { "full" } else { "not full" })
            }
            // It has no welcome to say anything in.
            Against::Mapped(_) => return,
        };
        environment.target = target;
        environment.durability = durability.to_owned();
        environment.planted_bug =
            flags
                .contains(WelcomeFlags::PLANTED_BUG)
                .then(|| match &self.options.against {
                    Against::Embedded {
                        planted_bug: Some(bug),
                        ..
                    } => bug.clone(),
                    Against::Embedded { .. } | Against::Live { .. } | Against::Mapped(_) => {
                        "unknown".to_owned()
                    }
                });
    }

    pub(super) fn record(
        &self,
        environment: EnvironmentRecord,
        driven: Driven,
        laws: Vec<LawRecord>,
        rest: Rest,
    ) -> RunRecord {
        let measured = threshold::Measured {
            phases: &driven.phases,
            faults: (rest.faults.as_ref()).map_or(&[], |found| &found.faults),
            memory: rest.server_memory.as_ref(),
        };
        let mut contention = driven.contention;
        contention.per_key_min = self.scenario.require.per_key_min;
        let mut record = RunRecord {
            version: RECORD_VERSION,
            scenario: self.scenario_record(),
            environment,
            thresholds: threshold::judge(&self.scenario.require.thresholds, measured),
            phases: driven.phases,
            laws,
            contention,
            generator: driven.generator,
            crash: rest.crash,
            faults: rest.faults,
            visitors: rest.visitors,
            connections: driven.connections,
            broke_off: rest.broke_off,
            server_memory: rest.server_memory,
            cautions: Vec::new(),
            verdict: RunVerdict::unjudged(),
        };
        let end = if driven.interrupted {
            RunEnd::Interrupted
        } else {
            RunEnd::Complete
        };
        record.conclude(end);
        record
    }

    fn scenario_record(&self) -> ScenarioRecord {
        ScenarioRecord {
            name: self.scenario.name.clone(),
            description: self.scenario.description.clone(),
            path: self.options.scenario.display().to_string(),
            seed: self.plan.seed,
            rng: "ChaCha8, one stream a label; SplitMix64 within an instance".to_owned(),
            plan_hash: self.plan.hash(),
            time_scale: self.options.plan.time_scale,
            rate_scale: self.options.plan.rate_scale,
            command: self.options.command.clone(),
        }
    }
}
