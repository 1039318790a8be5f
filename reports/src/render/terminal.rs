//! A run record for a terminal: the verdict first, then what a reader must know, then the figures.
//!
//! Readable at 80 columns. Deliberately absent: finding out whether there is a terminal.

use super::screen::{Screen, Tone};
use super::table::{self, Table};
use super::{faults, number, wording};
use crate::record::{
    Conclusion, ContentionRecord, FaultsRecord, GeneratorRecord, LatencyRecord, LawRecord,
    OperationRecord, PhaseRecord, RunRecord, ThresholdRecord, Verdict, ViolationRecord,
    WitnessRecord,
};

pub use super::screen::Style;

/// A run as text. `report` is the path of the page, where one was written.
#[must_use]
pub fn terminal(record: &RunRecord, style: Style, report: Option<&str>) -> String {
    let mut screen = Screen::new(style);
    write_verdict(&mut screen, record);
    write_cautions(&mut screen, &record.cautions);
    for phase in &record.phases {
        write_phase(&mut screen, phase);
    }
    if let Some(found) = &record.faults {
        write_faults(&mut screen, record, found);
    }
    write_laws(&mut screen, &record.laws);
    write_thresholds(&mut screen, &record.thresholds);
    write_contention(&mut screen, &record.contention);
    write_cost(&mut screen, record);
    write_violations(&mut screen, &record.laws, record.faults.as_ref());
    write_reproduction(&mut screen, record, report);
    screen.finish()
}

const fn tone(conclusion: Conclusion) -> Tone {
    match conclusion {
        Conclusion::Pass => Tone::Good,
        Conclusion::Inconclusive | Conclusion::Interrupted => Tone::Doubtful,
        Conclusion::ThresholdFailed | Conclusion::InvariantViolated => Tone::Bad,
    }
}

fn write_verdict(screen: &mut Screen, record: &RunRecord) {
    let conclusion = record.verdict.conclusion;
    let word = wording::conclusion(conclusion).to_uppercase();
    let line = format!(
        "{word}  {}: {}",
        record.scenario.name,
        wording::headline(record)
    );
    screen.emphasised("", tone(conclusion), &line);
    for reason in record.verdict.reasons.iter().skip(1) {
        screen.text("  and ", reason);
    }
    if conclusion != Conclusion::Pass {
        screen.text("  ", &wording::exercised(record));
    }
    screen.text("  ", &wording::setting(record));
}

fn write_cautions(screen: &mut Screen, cautions: &[String]) {
    if cautions.is_empty() {
        return;
    }
    screen.heading("Know first");
    for caution in cautions {
        screen.marked("!", Tone::Doubtful, caution);
    }
}

fn write_phase(screen: &mut Screen, phase: &PhaseRecord) {
    screen.heading(&wording::phase(phase));
    screen.table(&table::outcomes(phase));
    screen.blank();
    screen.table(&latency_table(phase));
    if let (Some(found), Some(table)) = (&phase.deliveries, table::deliveries(phase)) {
        screen.blank();
        screen.table(&table);
        screen.text("  ", &wording::deliveries(found));
    }
    write_conservation(screen, phase);
    if let Some(meeting) = &phase.rendezvous {
        let line = format!(
            "rendezvous: {} times {} clients at once, spread median {}, max {}; {} within {}",
            meeting.times,
            meeting.clients,
            number::duration(meeting.spread.p50),
            number::duration(meeting.spread.max),
            meeting.within,
            number::duration(meeting.spread_max_ns),
        );
        screen.text("  ", &line);
    }
}

fn write_conservation(screen: &mut Screen, phase: &PhaseRecord) {
    screen.blank();
    let counts = &phase.conservation;
    screen.text("  ", &wording::intended(counts));
    screen.text("  ", &wording::sent(counts));
    if let Some(erasure) = &phase.erasure {
        screen.text("  ", &wording::erasure(erasure));
    }
    if !counts.holds() {
        screen.marked(
            "✗",
            Tone::Bad,
            "these do not add up: the generator lost count",
        );
    }
}

/// Response percentiles with the service time beside them: where the server made the generator
/// wait, the two part, and a tool that starts its clock at the send would have hidden it.
fn latency_table(phase: &PhaseRecord) -> Table {
    let names = [
        "response",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "service p99",
    ];
    let mut table = Table::of_figures("Response", &names);
    for (
        name,
        OperationRecord {
            response,
            service,
            failed,
            ..
        },
    ) in &phase.operations
    {
        table.push(latency_row(
            name.clone(),
            response,
            number::quantile(service.quantiles.p99),
        ));
        if 0 < failed.quantiles.count {
            table.push(latency_row(
                format!("{name}, failed"),
                failed,
                String::new(),
            ));
        }
    }
    table
}

fn latency_row(name: String, latency: &LatencyRecord, service: String) -> [String; 7] {
    let found = &latency.quantiles;
    if found.count == 0 {
        let none = || "–".to_owned();
        return [name, none(), none(), none(), none(), none(), service];
    }
    [
        name,
        number::duration(found.p50),
        number::quantile(found.p90),
        number::quantile(found.p99),
        number::quantile(found.p999),
        number::duration(found.max),
        service,
    ]
}

fn write_faults(screen: &mut Screen, record: &RunRecord, found: &FaultsRecord) {
    screen.heading("Broken on purpose");
    for line in faults::lines(found) {
        screen.text("  ", &line);
    }
    if let Some(line) = faults::recovery_line(found) {
        screen.text("  ", &line);
    }
    let is_kept = found.lost == 0 && found.doubled == 0;
    let (mark, tone) = if is_kept {
        ("✓", Tone::Good)
    } else {
        ("✗", Tone::Bad)
    };
    screen.marked(mark, tone, &faults::kept_line(record, found));
    screen.text("  ", &faults::doubts_line(record, found));
}

pub(super) fn write_laws(screen: &mut Screen, laws: &[LawRecord]) {
    screen.heading("Laws");
    if laws.is_empty() {
        screen.text(
            "  ",
            "none was asked for: nothing is known about whether answers were right",
        );
    }
    for law in laws {
        let tone = match law.verdict {
            Verdict::Valid => Tone::Good,
            Verdict::NotApplicable => Tone::Plain,
            Verdict::Unknown => Tone::Doubtful,
            Verdict::Invalid => Tone::Bad,
        };
        let mut line = format!("{}: {}", law.name, wording::looked_at(law));
        if !law.required {
            line.push_str(" (not required)");
        }
        if let Some(reason) = &law.reason {
            line.push_str("; ");
            line.push_str(reason);
        }
        if 0 < law.violation_count {
            line.push_str("; broken ");
            line.push_str(&number::times(law.violation_count));
        }
        screen.marked(wording::mark(law.verdict), tone, &line);
    }
}

fn write_thresholds(screen: &mut Screen, thresholds: &[ThresholdRecord]) {
    if thresholds.is_empty() {
        return;
    }
    screen.heading("Thresholds");
    for threshold in thresholds {
        let (mark, tone) = match threshold.passed {
            Some(true) => ("✓", Tone::Good),
            Some(false) => ("✗", Tone::Bad),
            None => ("?", Tone::Doubtful),
        };
        let measured = threshold.measured.as_deref().unwrap_or("not measured");
        let ThresholdRecord {
            metric,
            bound,
            phase,
            ..
        } = threshold;
        screen.marked(
            mark,
            tone,
            &format!("{metric} {bound} in {phase}: {measured}"),
        );
    }
}

fn write_contention(screen: &mut Screen, contention: &ContentionRecord) {
    screen.heading("Contention");
    let floor = contention.per_key_min.map_or_else(String::new, |floor| {
        format!(" (the scenario promises {})", number::count(floor))
    });
    let line = format!(
        "{} of {} contended; {} on the median key{floor}; at most {} in flight at once on one key",
        number::count(contention.contended_keys),
        number::counted(contention.keys, "key"),
        number::counted(contention.attempts_per_key_p50, "attempt"),
        number::count(contention.overlap_max),
    );
    screen.text("  ", &line);
    let hottest = contention.hottest.iter().take(3);
    let hottest: Vec<String> = hottest
        .map(|key| format!("{} ({})", key.what, number::count(key.count)))
        .collect();
    if !hottest.is_empty() {
        screen.text("  ", &format!("hottest: {}", hottest.join(", ")));
    }
}

/// What the generator and the disk contributed, the two usual suspects for a surprising figure, and
/// what became of the server.
fn write_cost(screen: &mut Screen, record: &RunRecord) {
    screen.heading("Generator, disk and server");
    let GeneratorRecord {
        lateness,
        saturated,
        ..
    } = &record.generator;
    let generator = format!(
        "{} operations per CPU-second over {}; late {} at p99, {} at most; {}",
        number::number(record.generator.operations_per_cpu_second),
        number::counted(record.generator.connections, "connection"),
        number::quantile(lateness.p99),
        number::duration(lateness.max),
        saturated
            .as_ref()
            .map_or_else(|| "kept up".to_owned(), |why| format!("SATURATED: {why}")),
    );
    screen.text("  ", &generator);
    screen.text("  ", &wording::disk(record));
    screen.text("  ", &format!("server: {}", wording::crash(record)));
    if let Some(memory) = &record.server_memory {
        let text = format!("server memory: {}", wording::memory(memory));
        screen.text("  ", &text);
    }
}

/// How laws were broken, and what was broken on purpose at the time.
pub(super) fn write_violations(
    screen: &mut Screen,
    laws: &[LawRecord],
    faults: Option<&FaultsRecord>,
) {
    for law in laws.iter().filter(|law| !law.violations.is_empty()) {
        let shown = law.violations.len();
        screen.heading(&format!("How {} was broken", law.name));
        screen.text("  ", &format!("It demands: {}", law.demands));
        for violation in &law.violations {
            write_violation(screen, violation);
            let meanwhile = faults.map(|found| faults::meanwhile(found, violation));
            for fault in meanwhile.iter().flatten() {
                screen.text("    broken meanwhile: ", fault);
            }
        }
        screen.blank();
        let scope = format!(
            "{shown} of {} shown{}; confidence: {}",
            number::counted(law.violation_count, "violation"),
            law.scope.as_ref().map(wording::scope).unwrap_or_default(),
            law.confidence
        );
        screen.text("  ", &scope);
    }
}

fn write_violation(screen: &mut Screen, violation: &ViolationRecord) {
    screen.blank();
    screen.marked("✗", Tone::Bad, &violation.sentence);
    for witness in &violation.operations {
        screen.text("      ", &witness_line(witness));
    }
    screen.text("    order: ", &violation.order);
    for pair in &violation.pairs {
        screen.text("      ", &pair.sentence);
    }
    if !violation.expected.is_empty() {
        screen.text("    expected: ", &violation.expected);
    }
    if !violation.window.is_empty() {
        let about = violation.about.as_deref().unwrap_or("the same");
        screen.text("    around it, on ", &format!("{about}:"));
    }
    for witness in &violation.window {
        screen.text("      ", &witness_line(witness));
    }
}

fn witness_line(witness: &WitnessRecord) -> String {
    let completed = witness
        .completed_ns
        .map_or_else(|| "never".to_owned(), number::instant);
    let seq = if witness.seq == 0 {
        String::new()
    } else {
        format!(" at seq {}", witness.seq)
    };
    format!(
        "{} to {completed}  {}: {} -> {}{seq}",
        number::instant(witness.invoked_ns),
        witness.client,
        witness.call,
        witness.answer
    )
}

fn write_reproduction(screen: &mut Screen, record: &RunRecord, report: Option<&str>) {
    screen.heading("Again");
    screen.verbatim(&record.scenario.command);
    if let Some(path) = report {
        screen.heading("Report");
        screen.verbatim(path);
    }
}
