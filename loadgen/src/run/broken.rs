//! What a run broke on purpose, for its record.
//!
//! The plan's injections, what came of them, and what the driver and the laws counted go in; the
//! section of the record comes out. Deliberately absent: what it comes to (see `reports`).

use reports::record::{DoubtRecord, FaultRecord, FaultsRecord};

use crate::{
    check::Tally,
    fault::Injection,
    plan::{Plan, PlannedFault},
};

/// What is known when the run is over.
pub(super) struct Found<'f> {
    pub(super) plan: &'f Plan,
    pub(super) injections: Vec<Injection>,
    pub(super) doubts: DoubtRecord,
    pub(super) tally: Tally,
}

/// The section of the record; `None` where nothing was to be broken.
pub(super) fn record(found: Found<'_>) -> Option<FaultsRecord> {
    let Found {
        plan,
        injections,
        doubts,
        tally,
    } = found;
    if plan.faults.is_empty() {
        return None;
    }
    let DoubtRecord {
        had_happened,
        had_not_happened,
        ..
    } = doubts;
    let told = had_happened + had_not_happened;
    let faults = plan.faults.iter().zip(injections);
    Some(FaultsRecord {
        faults: faults
            .map(|(planned, injection)| fault(plan, planned, injection))
            .collect(),
        through_proxy: plan.needs_proxy(),
        doubts: DoubtRecord {
            in_doubt: told + tally.found + tally.absent,
            found_in_log: tally.found,
            not_in_log: tally.absent,
            ..doubts
        },
        acknowledged: tally.acknowledged,
        lost: tally.lost,
        doubled: tally.doubled,
    })
}

fn fault(plan: &Plan, planned: &PlannedFault, injection: Injection) -> FaultRecord {
    let Injection {
        injected_at,
        healed_at,
        answered_at,
        proof,
        process,
        network,
    } = injection;
    let proof = if proof.is_empty() {
        "the run ended before it was due".to_owned()
    } else {
        proof
    };
    FaultRecord {
        what: planned.to_string(),
        phase: plan.phases[planned.phase].name.clone(),
        planned_ns: planned.at,
        struck_ns: injected_at,
        mended_ns: healed_at,
        answered_ns: answered_at,
        recovery_ns: answered_at
            .zip(injected_at)
            .map(|(answered, injected)| answered.saturating_sub(injected)),
        proof,
        process,
        network,
    }
}
