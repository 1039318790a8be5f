//! What a run broke on purpose, in words and as a table for both media.
//!
//! The section of a record goes in. Whether it makes the run inconclusive is in `verdict`.

use super::number;
use super::table::Table;
use crate::record::{
    FaultRecord, FaultsRecord, NetworkRecord, ProcessRecord, RunRecord, ViolationRecord,
};

/// Faults that a terminal shows one by one; the page shows all of them.
const SHOWN_MAX: usize = 12;

/// All faults: when they were injected, what they did, and how long it took to recover.
pub(super) fn table(found: &FaultsRecord) -> Table {
    let names = [
        "fault",
        "phase",
        "injected at",
        "recovered in",
        "what it did",
    ];
    let mut table = Table::of_words("Each fault, and what came of it", &names);
    for fault in &found.faults {
        table.push([
            fault.what.clone(),
            fault.phase.clone(),
            (fault.struck_ns).map_or_else(|| "was not injected".to_owned(), number::instant),
            recovery(fault),
            effect(fault),
        ]);
    }
    table
}

/// The faults of a terminal's summary, a line each, and how many are left out.
pub(super) fn lines(found: &FaultsRecord) -> Vec<String> {
    let mut lines: Vec<String> = found.faults.iter().take(SHOWN_MAX).map(line).collect();
    let more = found.faults.len().saturating_sub(SHOWN_MAX);
    if 0 < more {
        lines.push(format!("and {more} more, all of them in the report"));
    }
    lines
}

fn line(fault: &FaultRecord) -> String {
    let FaultRecord { what, phase, .. } = fault;
    match fault.struck_ns {
        Some(at) => format!(
            "{} in {phase}: {what}; recovered in {}; {}",
            number::instant(at),
            recovery(fault),
            effect(fault)
        ),
        None => format!("{phase}: {what} was not injected: {}", fault.proof),
    }
}

/// What was broken, or had not recovered yet, while the operations of a violation were under way;
/// if one of them never ended, also what was broken next: that may be why.
pub(super) fn meanwhile(found: &FaultsRecord, violation: &ViolationRecord) -> Vec<String> {
    let operations = &violation.operations;
    let begun = operations.iter().map(|witness| witness.invoked_ns);
    let ended = operations.iter().filter_map(|witness| witness.completed_ns);
    let (Some(first), Some(last)) = (begun.clone().min(), begun.chain(ended).max()) else {
        return Vec::new();
    };
    let struck_at = |fault: &&FaultRecord| fault.struck_ns.is_some_and(|struck| struck <= last);
    let (before, mut after): (Vec<_>, Vec<_>) = found.faults.iter().partition(struck_at);
    let is_over = |fault: &&FaultRecord| fault.answered_ns.is_some_and(|at| at < first);
    let mut meanwhile: Vec<String> = (before.into_iter().filter(|fault| !is_over(fault)))
        .map(line)
        .collect();
    after.retain(|fault| fault.struck_ns.is_some());
    let is_open = operations
        .iter()
        .any(|witness| witness.completed_ns.is_none());
    if is_open && let Some(next) = after.iter().min_by_key(|fault| fault.struck_ns) {
        meanwhile.push(line(next));
    }
    meanwhile
}

fn recovery(fault: &FaultRecord) -> String {
    fault
        .recovery_ns
        .map_or_else(|| "never".to_owned(), number::duration)
}

fn effect(fault: &FaultRecord) -> String {
    let process = fault.process.iter().filter_map(|it| rebuilt(*it));
    let network = fault.network.iter().flat_map(|it| felt(*it));
    let words: Vec<String> = [fault.proof.clone()]
        .into_iter()
        .chain(process)
        .chain(network)
        .collect();
    words.join(", ")
}

fn rebuilt(process: ProcessRecord) -> Option<String> {
    let seq = process.recovered_seq?;
    let took = process.recovered_ms?.saturating_mul(1_000_000);
    Some(format!(
        "rebuilt up to seq {} in {}",
        number::count(seq),
        number::duration(took)
    ))
}

fn felt(network: NetworkRecord) -> Vec<String> {
    let NetworkRecord {
        connections: _in_the_proof,
        bytes_held,
        bytes_dropped,
        pieces,
        let_in,
        unnoticed,
    } = network;
    let figures = [
        (bytes_held, format!("{} held", number::bytes(bytes_held))),
        (
            bytes_dropped,
            format!("{} dropped", number::bytes(bytes_dropped)),
        ),
        (pieces, number::counted(pieces, "piece")),
        (let_in, format!("{} let in at once", number::count(let_in))),
        (
            unnoticed,
            format!("{} unnoticed to the end", number::count(unnoticed)),
        ),
    ];
    let some = figures.into_iter().filter(|(count, _)| 0 < *count);
    some.map(|(_, words)| words).collect()
}

/// How long recovery took, over all faults.
pub(super) fn recovery_line(found: &FaultsRecord) -> Option<String> {
    let mut times: Vec<u64> = (found.faults.iter())
        .filter_map(|fault| fault.recovery_ns)
        .collect();
    times.sort_unstable();
    let (median, worst) = (times.get(times.len() / 2)?, times.last()?);
    let struck = (found.faults.iter()).filter(|fault| fault.struck_ns.is_some());
    Some(format!(
        "{} of {} injected; calls succeeded again after {} in the median, {} at most",
        struck.count(),
        number::counted(count(found.faults.len()), "fault"),
        number::duration(*median),
        number::duration(*worst),
    ))
}

/// Acknowledged operations that were lost or doubled; of a server without a log, those that it does not
/// show any more.
pub(super) fn kept_line(record: &RunRecord, found: &FaultsRecord) -> String {
    if record.environment.level.is_some() {
        return format!(
            "{} acknowledged bookings looked for after the run: {} lost",
            number::count(found.acknowledged),
            number::count(found.lost),
        );
    }
    format!(
        "{} acknowledged commands held against the log: {} lost, {} doubled",
        number::count(found.acknowledged),
        number::count(found.lost),
        number::count(found.doubled),
    )
}

/// What became of commands of which nobody knew.
pub(super) fn doubts_line(record: &RunRecord, found: &FaultsRecord) -> String {
    if record.environment.level.is_some() {
        return "nothing was asked again: what nobody knew the outcome of stayed unknown"
            .to_owned();
    }
    let doubts = &found.doubts;
    format!(
        "{} in doubt: {} had happened when asked again and {} had not; of those never answered, {} \
         are in the log and {} are not",
        number::counted(doubts.in_doubt, "command"),
        number::count(doubts.had_happened),
        number::count(doubts.had_not_happened),
        number::count(doubts.found_in_log),
        number::count(doubts.not_in_log),
    )
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
