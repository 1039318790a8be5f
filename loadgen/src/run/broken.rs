//! What a run broke on purpose, for its record.
//!
//! The plan's strikes, what came of them, and what the driver and the laws counted go in; the
//! section of the record comes out. Deliberately absent: what it comes to (see `reports`).

use reports::record::{DoubtRecord, FaultRecord, FaultsRecord};

use crate::{
    check::Tally,
    fault::Strike,
    plan::{Plan, PlannedFault},
};

/// What is known when the run is over.
pub(super) struct Found<'f> {
    pub(super) plan: &'f Plan,
    pub(super) strikes: Vec<Strike>,
    pub(super) doubts: DoubtRecord,
    pub(super) tally: Tally,
}

/// The section of the record; `None` where nothing was to be broken.
pub(super) fn record(found: Found<'_>) -> Option<FaultsRecord> {
    let Found {
        plan,
        strikes,
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
    let faults = plan.faults.iter().zip(strikes);
    Some(FaultsRecord {
        faults: faults
            .map(|(planned, strike)| fault(plan, planned, strike))
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

fn fault(plan: &Plan, planned: &PlannedFault, strike: Strike) -> FaultRecord {
    let Strike {
        struck_at,
        mended_at,
        answered_at,
        proof,
        process,
        network,
    } = strike;
    let proof = if proof.is_empty() {
        "the run ended before it was due".to_owned()
    } else {
        proof
    };
    FaultRecord {
        what: planned.to_string(),
        phase: plan.phases[planned.phase].name.clone(),
        planned_ns: planned.at,
        struck_ns: struck_at,
        mended_ns: mended_at,
        answered_ns: answered_at,
        recovery_ns: answered_at
            .zip(struck_at)
            .map(|(answered, struck)| answered.saturating_sub(struck)),
        proof,
        process,
        network,
    }
}
