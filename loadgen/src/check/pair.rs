//! Why the operations of a violation are ordered as they are, pair by pair.
//!
//! By real time where one was answered before the other was asked, else by their positions in the
//! log. Of two that overlap and have no positions, nothing is said.

use reports::record::{OrderReason, PairRecord, WitnessRecord};

use super::finding::time_text;

/// The reasons for each operation and the next one told.
pub(crate) fn pairs(operations: &[WitnessRecord]) -> Vec<PairRecord> {
    let neighbours = (0..).zip(operations.windows(2));
    let pair = |(index, pair): (u32, &[WitnessRecord])| {
        let [one, other] = pair else { return None };
        let (by, is_turned, sentence) = reason(one, other)?;
        let (earlier, later) = if is_turned {
            (index + 1, index)
        } else {
            (index, index + 1)
        };
        Some(PairRecord {
            earlier,
            later,
            by,
            sentence,
        })
    };
    neighbours.filter_map(pair).collect()
}

/// By what, and whether the second one told comes first.
fn reason(one: &WitnessRecord, other: &WitnessRecord) -> Option<(OrderReason, bool, String)> {
    let timed = |(earlier, later), is_turned| {
        let (by, sentence) = by_time(earlier, later)?;
        Some((by, is_turned, sentence))
    };
    timed((one, other), false)
        .or_else(|| timed((other, one), true))
        .or_else(|| by_log(one, other))
}

fn by_time(earlier: &WitnessRecord, later: &WitnessRecord) -> Option<(OrderReason, String)> {
    let completed = earlier.completed_ns?;
    // What is no operation has no time.
    if later.invoked_ns == 0 || later.invoked_ns < completed {
        return None;
    }
    let (answered, asked) = (time_text(completed), time_text(later.invoked_ns));
    if earlier.client == later.client {
        let sentence = format!(
            "session: {} had its answer at {answered} before it went on at {asked}",
            earlier.client
        );
        return Some((OrderReason::Session, sentence));
    }
    let sentence = format!(
        "real time: {} had its answer at {answered}, before {} asked at {asked}",
        earlier.client, later.client
    );
    Some((OrderReason::RealTime, sentence))
}

fn by_log(one: &WitnessRecord, other: &WitnessRecord) -> Option<(OrderReason, bool, String)> {
    if one.seq == 0 || other.seq == 0 || one.seq == other.seq {
        return None;
    }
    let (earlier, later) = (one.seq.min(other.seq), one.seq.max(other.seq));
    let sentence = format!("log: position {earlier} stands before position {later}");
    Some((OrderReason::Log, other.seq < one.seq, sentence))
}
