//! A run record as one HTML file: opens anywhere, fetches nothing, runs nothing.
//!
//! A record goes in, the page comes out. This file chooses what the page says; how it looks is in
//! `templates/`. Every text of the record is escaped there, because scenario names are anybody's.

use askama::Template;
use hdrhistogram::Histogram;

use super::chart::{self, Chart};
use super::summary::{self, Fact};
use super::table::{self, Table};
use super::wording::{Piece, pieces};
use super::{faults, number, wording};
use crate::histogram::merge;
use crate::record::{
    Conclusion, FaultsRecord, LatencyRecord, LawRecord, OperationRecord, PhaseRecord, RunRecord,
    Verdict, ViolationRecord, WitnessRecord,
};

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    record: &'a RunRecord,
    css: &'static str,
    conclusion: &'static str,
    tone: &'static str,
    reasons: Vec<Vec<Piece<'a>>>,
    cautions: Vec<Vec<Piece<'a>>>,
    exercised: String,
    setting: String,
    headline: Vec<Fact>,
    faults: Option<FaultsView>,
    thresholds: Table,
    laws: Vec<LawView<'a>>,
    phases: Vec<PhaseView<'a>>,
    over_time: Vec<Chart>,
    unreadable: Option<String>,
    refusals: Table,
    contention: Vec<Fact>,
    hottest: Option<Chart>,
    durability: String,
    conservation: Table,
    erasures: Vec<String>,
    generator: Vec<Fact>,
    environment: Vec<Fact>,
}

struct FaultsView {
    recovery: Option<String>,
    kept: String,
    doubts: String,
    chart: Option<Chart>,
    table: Table,
}

struct LawView<'a> {
    law: &'a LawRecord,
    tone: &'static str,
    mark: &'static str,
    word: &'static str,
    exercised: String,
    broken: String,
    /// How far the violations reach, to follow their number.
    scope: String,
    violations: Vec<ViolationView<'a>>,
}

struct ViolationView<'a> {
    violation: &'a ViolationRecord,
    sentence: Vec<Piece<'a>>,
    chart: Option<Chart>,
    operations: Table,
    /// What else was asked of the same thing around that time.
    window: Option<Table>,
    /// What was broken on purpose at that time.
    meanwhile: Vec<String>,
}

struct PhaseView<'a> {
    phase: &'a PhaseRecord,
    line: String,
    rendezvous: Option<String>,
    chart: Option<Chart>,
    unreadable: Option<String>,
    outcomes: Table,
    latencies: Table,
    deliveries: Option<DeliveriesView>,
    by_operation: Vec<Chart>,
}

struct DeliveriesView {
    table: Table,
    line: String,
}

/// A run as one self-contained page.
#[must_use]
pub fn html(record: &RunRecord) -> String {
    let (heat, unreadable) = match chart::heatmap(record) {
        Ok(heat) => (heat, None),
        Err(error) => (None, Some(format!("no picture: {error}"))),
    };
    let over_time = [
        heat,
        chart::latency_over_time(record),
        chart::throughput(record),
    ];
    let page = Page {
        record,
        css: include_str!("../../templates/report.css"),
        conclusion: wording::conclusion(record.verdict.conclusion),
        tone: conclusion_tone(record.verdict.conclusion),
        reasons: record
            .verdict
            .reasons
            .iter()
            .map(|reason| pieces(reason))
            .collect(),
        cautions: record
            .cautions
            .iter()
            .map(|caution| pieces(caution))
            .collect(),
        exercised: wording::exercised(record),
        setting: wording::setting(record),
        headline: summary::headline(record),
        faults: (record.faults.as_ref()).map(|found| faults_view(record, found)),
        thresholds: threshold_table(record),
        laws: law_views(record),
        phases: record.phases.iter().map(phase_view).collect(),
        over_time: over_time.into_iter().flatten().collect(),
        unreadable,
        refusals: refusal_table(&record.phases),
        contention: summary::contention(record),
        hottest: chart::hottest(&record.contention),
        durability: wording::durability(record),
        conservation: conservation_table(&record.phases),
        erasures: erasures(&record.phases),
        generator: summary::generator(record),
        environment: summary::environment(record),
    };
    super::page(&page)
}

fn faults_view(record: &RunRecord, found: &FaultsRecord) -> FaultsView {
    FaultsView {
        chart: chart::recovery(record),
        recovery: faults::recovery_line(found),
        kept: faults::kept_line(record, found),
        doubts: faults::doubts_line(record, found),
        table: faults::table(found),
    }
}

const fn conclusion_tone(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "good",
        Conclusion::Inconclusive | Conclusion::Interrupted => "doubtful",
        Conclusion::ThresholdFailed | Conclusion::InvariantViolated => "bad",
    }
}

fn threshold_table(record: &RunRecord) -> Table {
    let names = ["metric", "must be", "phase", "measured", "met"];
    let mut table = Table::of_words("Each threshold, and what was measured", &names);
    for threshold in &record.thresholds {
        let met = match threshold.passed {
            Some(true) => "✓ met",
            Some(false) => "✗ missed",
            None => "? unknown",
        };
        table.push([
            threshold.metric.clone(),
            threshold.bound.clone(),
            threshold.phase.clone(),
            threshold
                .measured
                .clone()
                .unwrap_or_else(|| "nothing".to_owned()),
            met.to_owned(),
        ]);
    }
    table
}

/// What is wrong first, then what is not known.
fn law_views(record: &RunRecord) -> Vec<LawView<'_>> {
    let mut laws: Vec<_> = record.laws.iter().collect();
    laws.sort_by_key(|law| std::cmp::Reverse(law.verdict));
    let views = laws.into_iter().map(|law| law_view(law, record));
    views.collect()
}

fn law_view<'a>(law: &'a LawRecord, record: &'a RunRecord) -> LawView<'a> {
    LawView {
        law,
        tone: match law.verdict {
            Verdict::Valid => "good",
            Verdict::NotApplicable => "plain",
            Verdict::Unknown => "doubtful",
            Verdict::Invalid => "bad",
        },
        mark: wording::mark(law.verdict),
        word: wording::word(law.verdict),
        exercised: wording::looked_at(law),
        broken: format!(
            "{} of {}",
            law.violations.len(),
            number::counted(law.violation_count, "violation")
        ),
        scope: law.scope.as_ref().map(wording::scope).unwrap_or_default(),
        violations: violation_views(law, record.faults.as_ref()),
    }
}

/// What to see is said of the first picture.
fn violation_views<'a>(
    law: &'a LawRecord,
    faults: Option<&FaultsRecord>,
) -> Vec<ViolationView<'a>> {
    let view = |violation| violation_view(violation, faults);
    let mut views: Vec<_> = law.violations.iter().map(view).collect();
    for view in views.iter_mut().skip(1) {
        view.chart = view.chart.take().map(Chart::without_caption);
    }
    views
}

fn violation_view<'a>(
    violation: &'a ViolationRecord,
    faults: Option<&FaultsRecord>,
) -> ViolationView<'a> {
    let about = violation.about.as_deref().unwrap_or("the same");
    let meanwhile = faults.map(|found| faults::meanwhile(found, violation));
    ViolationView {
        violation,
        sentence: pieces(&violation.sentence),
        chart: chart::witnesses(violation),
        operations: witness_table(
            "The operations that contradict each other",
            &violation.operations,
        ),
        window: (!violation.window.is_empty())
            .then(|| witness_table(&format!("Around it, on {about}"), &violation.window)),
        meanwhile: meanwhile.unwrap_or_default(),
    }
}

fn witness_table(title: &str, witnesses: &[WitnessRecord]) -> Table {
    let names = ["client", "called", "asked", "answered", "answer", "seq"];
    let mut table = Table::of_words(title, &names);
    for witness in witnesses {
        table.push(witness_row(witness));
    }
    table
}

fn witness_row(witness: &WitnessRecord) -> [String; 6] {
    [
        witness.client.clone(),
        number::instant(witness.invoked_ns),
        witness.call.clone(),
        witness
            .completed_ns
            .map_or_else(|| "never".to_owned(), number::instant),
        witness.answer.clone(),
        if witness.seq == 0 {
            "–".to_owned()
        } else {
            number::count(witness.seq)
        },
    ]
}

fn phase_view(phase: &PhaseRecord) -> PhaseView<'_> {
    let (chart, unreadable) = match merged_chart(phase) {
        Ok(chart) => (chart, None),
        Err(error) => (None, Some(format!("no picture: {error}"))),
    };
    // One operation's own picture would be the phase's again.
    let apart = if phase.operations.len() < 2 {
        0
    } else {
        phase.operations.len()
    };
    PhaseView {
        phase,
        line: wording::phase(phase),
        rendezvous: rendezvous_line(phase),
        chart,
        unreadable,
        outcomes: table::outcomes(phase),
        latencies: latency_table(phase),
        deliveries: deliveries_view(phase),
        by_operation: phase
            .operations
            .iter()
            .take(apart)
            .filter_map(operation_chart)
            .collect(),
    }
}

fn deliveries_view(phase: &PhaseRecord) -> Option<DeliveriesView> {
    let found = phase.deliveries.as_ref()?;
    Some(DeliveriesView {
        table: table::deliveries(phase)?,
        line: wording::deliveries(found),
    })
}

fn rendezvous_line(phase: &PhaseRecord) -> Option<String> {
    let meeting = phase.rendezvous.as_ref()?;
    Some(format!(
        "Rendezvous: {} times {} clients at once. First to last send: median {}, largest {}. {} of {} stayed \
         within the {} that the scenario allows.",
        meeting.times,
        meeting.clients,
        number::duration(meeting.spread.p50),
        number::duration(meeting.spread.max),
        meeting.within,
        meeting.times,
        number::duration(meeting.spread_max_ns),
    ))
}

fn merged_chart(phase: &PhaseRecord) -> Result<Option<Chart>, crate::histogram::HistogramError> {
    let operations = || phase.operations.values();
    let response = merge(operations().map(|found| &found.response))?;
    let service = merge(operations().map(|found| &found.service))?;
    let delay = merge(operations().map(|found| &found.delay))?;
    let title = format!(
        "Latency by percentile, phase {}, all operations",
        phase.name
    );
    Ok(three_clocks(&title, [&response, &service, &delay]))
}

/// Delay lies on the bottom and response on top, as the one includes the other.
fn three_clocks(title: &str, [response, service, delay]: [&Histogram<u64>; 3]) -> Option<Chart> {
    let curves = [
        ("delay (sent − intended)", "delay", delay),
        ("service (completed − sent)", "service", service),
        ("response (completed − intended)", "response", response),
    ];
    chart::percentiles(title, &curves)
}

fn operation_chart((name, found): (&String, &OperationRecord)) -> Option<Chart> {
    // Unreadable histograms are told about once, where the phase's picture would be.
    let response = found.response.decode().ok()?;
    let (service, delay) = (found.service.decode().ok()?, found.delay.decode().ok()?);
    three_clocks(
        &format!("Latency by percentile, {name}"),
        [&response, &service, &delay],
    )
}

fn latency_table(phase: &PhaseRecord) -> Table {
    let names = [
        "clock", "samples", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean",
    ];
    let mut table = Table::of_figures("Latency", &names);
    for (name, found) in &phase.operations {
        let clocks = [
            ("response", &found.response),
            ("service", &found.service),
            ("delay", &found.delay),
            ("failed", &found.failed),
        ];
        let sampled = clocks
            .into_iter()
            .filter(|(_, latency)| 0 < latency.quantiles.count);
        for (clock, latency) in sampled {
            table.push(latency_row(format!("{name}, {clock}"), latency));
        }
    }
    table
}

fn latency_row(name: String, latency: &LatencyRecord) -> [String; 10] {
    let found = &latency.quantiles;
    [
        name,
        number::count(found.count),
        number::duration(found.min),
        number::duration(found.p50),
        number::quantile(found.p90),
        number::quantile(found.p99),
        number::quantile(found.p999),
        number::quantile(found.p9999),
        number::duration(found.max),
        number::mean(found.mean),
    ]
}

fn refusal_table(phases: &[PhaseRecord]) -> Table {
    let names = ["refusal", "phase", "operation", "count", "of the answers"];
    let mut table = Table::of_words("Refusals by code", &names);
    for column in &mut table.columns[3..] {
        column.numeric = true;
    }
    for phase in phases {
        for (operation, found) in &phase.operations {
            for (code, count) in &found.refused_by_code {
                table.push([
                    code.clone(),
                    phase.name.clone(),
                    operation.clone(),
                    number::count(*count),
                    number::share(*count, found.ok + found.refused),
                ]);
            }
        }
    }
    table
}

/// In which phases people had themselves erased.
fn erasures(phases: &[PhaseRecord]) -> Vec<String> {
    let told = |phase: &PhaseRecord| {
        let found = phase.erasure.as_ref()?;
        Some(format!("{}: {}", phase.name, wording::erasure(found)))
    };
    phases.iter().filter_map(told).collect()
}

fn conservation_table(phases: &[PhaseRecord]) -> Table {
    let names = [
        "phase",
        "intended",
        "= sent",
        "+ shed",
        "+ cancelled",
        "sent = ok",
        "+ refused",
        "+ error",
        "+ timeout",
        "+ unknown",
        "adds up",
    ];
    let mut table = Table::of_figures("Every operation accounted for", &names);
    for phase in phases {
        let counts = &phase.conservation;
        table.push([
            phase.name.clone(),
            number::count(counts.intended),
            number::count(counts.sent),
            number::count(counts.shed),
            number::count(counts.cancelled_at_end),
            number::count(counts.ok),
            number::count(counts.refused),
            number::count(counts.error),
            number::count(counts.timeout),
            number::count(counts.unknown),
            if counts.holds() { "✓ yes" } else { "✗ no" }.to_owned(),
        ]);
    }
    table
}
