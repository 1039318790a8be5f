//! What the page says in single figures: each with its name.

use hdrhistogram::Histogram;

use super::{number, wording};
use crate::histogram::merge;
use crate::record::{LatencyRecord, OperationRecord, QuantileRecord, RunRecord};

/// A figure with its name.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact {
        name,
        value: value.into(),
    }
}

/// The figures everybody asks for first, over all measured phases together.
pub(super) fn headline(record: &RunRecord) -> Vec<Fact> {
    let answered = |clock: fn(&OperationRecord) -> &LatencyRecord| {
        merge(
            wording::measured(record)
                .flat_map(|phase| phase.operations.values())
                .map(clock),
        )
    };
    let (Ok(response), Ok(service)) = (
        answered(|found| &found.response),
        answered(|found| &found.service),
    ) else {
        return Vec::new();
    };
    let seconds: f64 = wording::measured(record)
        .map(|phase| phase.duration_ns as f64 / 1e9)
        .sum();
    let rate = if 0.0 < seconds {
        response.len() as f64 / seconds
    } else {
        0.0
    };
    let at = |histogram: &Histogram<u64>| {
        let found = QuantileRecord::from_histogram(histogram);
        [number::duration(found.p50), number::quantile(found.p99)]
    };
    let [p50, p99] = at(&response);
    let [_, service_p99] = at(&service);
    vec![
        fact("answers", number::count(response.len())),
        fact("answered", number::rate(rate)),
        fact("response, median", p50),
        fact("response, p99", p99),
        fact("service, p99", service_p99),
        fact("response, largest", number::duration(response.max())),
    ]
}

pub(super) fn contention(record: &RunRecord) -> Vec<Fact> {
    let contention = &record.contention;
    let floor = contention.per_key_min.map_or_else(
        || "none set".to_owned(),
        |floor| number::counted(floor, "attempt"),
    );
    vec![
        fact("keys written to", number::count(contention.keys)),
        fact(
            "contended keys",
            format!(
                "{} ({})",
                number::count(contention.contended_keys),
                number::share(contention.contended_keys, contention.keys)
            ),
        ),
        fact(
            "attempts on the median key",
            number::count(contention.attempts_per_key_p50),
        ),
        fact("floor of the scenario", floor),
        fact(
            "most in flight at once on one key",
            number::count(contention.overlap_max),
        ),
    ]
}

pub(super) fn generator(record: &RunRecord) -> Vec<Fact> {
    let found = &record.generator;
    let kept_up = found
        .saturated
        .clone()
        .map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
    vec![
        fact("kept its schedule", kept_up),
        fact(
            "operations per CPU-second",
            number::number(found.operations_per_cpu_second),
        ),
        fact(
            "processor time",
            format!("{:.1} s in {:.1} s of load", found.cpu_s, found.wall_s),
        ),
        fact("started late, p99", number::quantile(found.lateness.p99)),
        fact(
            "started late, at most",
            number::duration(found.lateness.max),
        ),
        fact("connections", number::count(found.connections)),
        fact("memory, at most", number::bytes(found.memory_bytes_max)),
        fact("recorded history", history(record)),
        fact("server memory", server_memory(record)),
    ]
}

fn server_memory(record: &RunRecord) -> String {
    (record.server_memory.as_ref()).map_or_else(
        || "not looked at: the server was not this run's own".to_owned(),
        wording::memory,
    )
}

/// Its size, and that for each operation sent, with the second answers of those asked again.
fn history(record: &RunRecord) -> String {
    let bytes = record.generator.history_bytes;
    let sent: u64 = record
        .phases
        .iter()
        .map(|phase| phase.conservation.sent)
        .sum();
    let total = number::bytes(bytes);
    if sent == 0 {
        return total;
    }
    let each = number::number(bytes as f64 / sent as f64);
    format!("{total}, {each} bytes an operation")
}

pub(super) fn environment(record: &RunRecord) -> Vec<Fact> {
    let found = &record.environment;
    vec![
        fact("started", found.started_at.clone()),
        fact("program", found.program.clone()),
        fact("target", found.target.clone()),
        fact("durability", found.durability.clone()),
        fact(
            "planted bug",
            found
                .planted_bug
                .clone()
                .unwrap_or_else(|| "none".to_owned()),
        ),
        fact("processor", format!("{}, {} usable", found.cpu, found.cpus)),
        fact("memory", number::bytes(found.memory_bytes)),
        fact("kernel", found.kernel.clone()),
        fact("disk", wording::disk(record)),
        fact("server", wording::crash(record)),
    ]
}
