//! What a run comes to: from what was found to one conclusion, its reasons and an exit code.
//!
//! A record goes in, a [`RunVerdict`] comes out. Pure: the same record gives the same verdict, so a
//! stored run can be judged again. Deliberately absent: measuring, and anything that words a number
//! for a table.

use std::collections::BTreeMap;

use crate::caution;
use crate::record::{
    Conclusion, ConservationRecord, ContentionRecord, FaultRecord, LawRecord, PhaseRecord,
    RunRecord, RunVerdict, ThresholdRecord, Verdict,
};
use crate::render::number;

/// Every required law valid, every threshold met.
pub const EXIT_PASS: u8 = 0;
/// The program itself failed.
pub const EXIT_INTERNAL: u8 = 1;
/// The command line, the configuration or the scenario is wrong.
pub const EXIT_USAGE: u8 = 2;
/// A threshold was not met.
pub const EXIT_THRESHOLD: u8 = 10;
/// A law was broken.
pub const EXIT_INVARIANT: u8 = 11;
/// Too little was exercised to say anything.
pub const EXIT_INCONCLUSIVE: u8 = 12;
/// Worse than the baseline that it was compared with.
pub const EXIT_REGRESSION: u8 = 13;
/// Stopped by the user; the report was still written.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Share of the intended operations that may stay unsent (shed, or cancelled at the end) before
/// the run says nothing about the rate that was asked for.
pub const UNSENT_SHARE_MAX: f64 = 0.01;

/// Share of the rendezvous that must stay within their spread. A few late ones are the operating
/// system's; when one in ten is late, the race that was promised did not take place.
pub const RENDEZVOUS_WITHIN_MIN: f64 = 0.9;

/// Answers below which a run says nothing: one alone raced with nobody.
pub const ANSWERS_MIN: u64 = 2;

/// Share of the operations of a kind that may stay unanswered where nothing was broken on purpose.
pub const UNANSWERED_SHARE_MAX: f64 = 0.01;

/// Share of the connections that may be lost where nothing was broken on purpose.
pub const LOST_SHARE_MAX: f64 = 0.1;

/// Share of what a schedule asks for that may be unanswered when it ends.
pub const BEHIND_SHARE_MAX: f64 = 0.1;

/// Whether a run reached its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All phases ran.
    Complete,
    /// The user stopped it.
    Interrupted,
}

impl Conclusion {
    /// The exit code of a process that came to this.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => EXIT_PASS,
            Self::Inconclusive => EXIT_INCONCLUSIVE,
            Self::ThresholdFailed => EXIT_THRESHOLD,
            Self::InvariantViolated => EXIT_INVARIANT,
            Self::Interrupted => EXIT_INTERRUPTED,
        }
    }

    /// Higher is more severe. An interruption outweighs a threshold, because half a run's
    /// percentiles prove neither; a law that is broken is broken however the run ended.
    const fn severity(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Inconclusive => 1,
            Self::ThresholdFailed => 2,
            Self::Interrupted => 3,
            Self::InvariantViolated => 4,
        }
    }
}

/// The more severe of two exit codes of finished runs or comparisons: 11, 13, 10, 12, then 0.
/// Anything else (internal, usage, interrupted) outweighs them all.
#[must_use]
pub fn more_severe(one: u8, other: u8) -> u8 {
    let rank = |code: u8| match code {
        EXIT_PASS => 0,
        EXIT_INCONCLUSIVE => 1,
        EXIT_THRESHOLD => 2,
        EXIT_REGRESSION => 3,
        EXIT_INVARIANT => 4,
        _ => 5,
    };
    if rank(one) < rank(other) { other } else { one }
}

impl RunVerdict {
    /// What stands in a record before [`RunRecord::conclude`].
    #[must_use]
    pub fn unjudged() -> Self {
        Self {
            conclusion: Conclusion::Inconclusive,
            reasons: vec!["the run has not been judged".to_owned()],
        }
    }
}

impl RunRecord {
    /// Fills in `verdict` and `cautions` from everything else. Cautions that are there already stay,
    /// in front.
    pub fn conclude(&mut self, end: RunEnd) {
        for caution in caution::collect(self) {
            let sentence = caution.to_string();
            if !self.cautions.contains(&sentence) {
                self.cautions.push(sentence);
            }
        }
        self.verdict = judge(self, end);
    }
}

/// One reason why a run is not a pass.
type Finding = (Conclusion, String);

/// What a run comes to, whatever its `verdict` says now.
#[must_use]
pub fn judge(record: &RunRecord, end: RunEnd) -> RunVerdict {
    let mut findings: Vec<Finding> = Vec::new();
    if end == RunEnd::Interrupted {
        findings.push((
            Conclusion::Interrupted,
            "stopped by the user before its end".to_owned(),
        ));
    }
    findings.extend(record.laws.iter().filter_map(judge_law));
    findings.extend(record.thresholds.iter().filter_map(judge_threshold));
    findings.extend(record.phases.iter().flat_map(judge_phase));
    findings.extend(judge_answers(&record.phases));
    findings.extend(judge_success(&record.phases));
    findings.extend(judge_missing(&record.phases));
    findings.extend(judge_contention(&record.contention));
    let faults = record.faults.iter().flat_map(|found| &found.faults);
    findings.extend(faults.filter_map(judge_fault));
    if let Some(why) = &record.generator.saturated {
        findings.push(inconclusive(format!(
            "the generator did not keep up: {why}"
        )));
    }
    findings.extend(record.broke_off.clone().map(inconclusive));
    if record.faults.is_none() {
        findings.extend(judge_server(record));
    }
    // Stable: reasons of one severity stay in the order of the report.
    findings.sort_by_key(|(conclusion, _)| std::cmp::Reverse(conclusion.severity()));
    RunVerdict {
        conclusion: findings
            .first()
            .map_or(Conclusion::Pass, |(conclusion, _)| *conclusion),
        reasons: findings.into_iter().map(|(_, reason)| reason).collect(),
    }
}

fn inconclusive(reason: String) -> Finding {
    (Conclusion::Inconclusive, reason)
}

/// A broken law counts whether or not the scenario required it; an unanswered one only if it did.
fn judge_law(law: &LawRecord) -> Option<Finding> {
    match law.verdict {
        Verdict::Valid | Verdict::NotApplicable => None,
        Verdict::Invalid => Some((
            Conclusion::InvariantViolated,
            format!(
                "law `{}` was broken {}",
                law.name,
                number::times(law.violation_count)
            ),
        )),
        Verdict::Unknown => law.required.then(|| {
            let why = law.reason.as_deref().unwrap_or("no reason was given");
            inconclusive(format!("law `{}` could not be judged: {why}", law.name))
        }),
    }
}

fn judge_threshold(threshold: &ThresholdRecord) -> Option<Finding> {
    let ThresholdRecord {
        metric,
        bound,
        phase,
        ..
    } = threshold;
    match threshold.passed {
        Some(true) => None,
        Some(false) => {
            let measured = threshold.measured.as_deref().unwrap_or("nothing");
            let reason =
                format!("phase `{phase}`: `{metric}` was {measured} and had to be {bound}");
            Some((Conclusion::ThresholdFailed, reason))
        }
        None => Some(inconclusive(format!(
            "phase `{phase}`: `{metric}` {bound} could not be measured"
        ))),
    }
}

/// Warm-up is judged by nothing but the arithmetic of its own counts.
fn judge_phase(phase: &PhaseRecord) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = &phase.name;
    if !phase.conservation.holds() {
        findings.push(inconclusive(format!(
            "phase `{name}`: the generator lost count of its operations; trust none of its figures"
        )));
    }
    if phase.warmup {
        return findings;
    }
    findings.extend(judge_unsent(phase));
    findings.extend(judge_rendezvous(phase));
    findings
}

/// A run that judged nothing learnt nothing, whatever its laws say.
fn judge_answers(phases: &[PhaseRecord]) -> Option<Finding> {
    let measured = || phases.iter().filter(|phase| !phase.warmup);
    let answers: u64 = measured()
        .map(|phase| phase.conservation.ok + phase.conservation.refused)
        .sum();
    if measured().next().is_none() {
        let why = "every phase is a warm-up, which nothing judges: there is no answer to judge";
        return Some(inconclusive(why.to_owned()));
    }
    (answers < ANSWERS_MIN).then(|| {
        inconclusive(format!(
            "{} outside of warm-ups is too little to say anything",
            number::counted(answers, "answer")
        ))
    })
}

/// Where nothing was broken on purpose: whether the server answered, in time, and kept its connections.
fn judge_server(record: &RunRecord) -> Vec<Finding> {
    let measured = || record.phases.iter().filter(|phase| !phase.warmup);
    let mut findings: Vec<Finding> = measured().flat_map(judge_unanswered).collect();
    findings.extend(measured().filter_map(judge_pace));
    let (lost, all) = (record.connections.lost, record.generator.connections);
    if all as f64 * LOST_SHARE_MAX < lost as f64 {
        findings.push(inconclusive(format!(
            "the clients lost {}, and have {}",
            number::counted(lost, "connection"),
            number::count(all),
        )));
    }
    findings
}

fn judge_unanswered(phase: &PhaseRecord) -> Vec<Finding> {
    let unanswered = phase.operations.iter().filter_map(|(operation, found)| {
        let silent = found.timeout + found.unknown;
        let sent = silent + found.ok + found.refused + found.error;
        (sent as f64 * UNANSWERED_SHARE_MAX < silent as f64).then(|| {
            inconclusive(format!(
                "phase `{}`: {} of {} `{operation}` were never answered",
                phase.name,
                number::count(silent),
                number::count(sent),
            ))
        })
    });
    unanswered.collect()
}

fn judge_pace(phase: &PhaseRecord) -> Option<Finding> {
    let (answered, intended) = phase.fell_behind()?;
    let late = intended.saturating_sub(answered);
    (intended as f64 * BEHIND_SHARE_MAX < late as f64).then(|| {
        inconclusive(format!(
            "phase `{}`: the server did not keep up with the offered rate: it answered {} of {} \
             operations while they were offered",
            phase.name,
            number::count(answered),
            number::count(intended),
        ))
    })
}

/// An operation that never once succeeded, in no phase, was not exercised. One that did and later
/// was always refused was: of those who come too late, all are refused.
fn judge_success(phases: &[PhaseRecord]) -> Vec<Finding> {
    let mut succeeded: BTreeMap<&str, u64> = BTreeMap::new();
    for (operation, found) in phases.iter().flat_map(|phase| &phase.operations) {
        *succeeded.entry(operation).or_default() += found.ok;
    }
    succeeded
        .into_iter()
        .filter(|(_, ok)| *ok == 0)
        .map(|(operation, _)| {
            inconclusive(format!(
                "`{operation}` never succeeded, so nothing was learnt about it"
            ))
        })
        .collect()
}

/// Whoever is known to lack something when everything is over was not shown to be told all of it. What
/// was late in one phase and came in a later one is not missing.
fn judge_missing(phases: &[PhaseRecord]) -> Option<Finding> {
    let delivering = phases.iter().rev();
    let (phase, deliveries) = delivering
        .filter_map(|phase| Some((phase, phase.deliveries.as_ref()?)))
        .next()?;
    let drain = &deliveries.drain;
    (0 < drain.missing.max(drain.waiting)).then(|| {
        inconclusive(format!(
            "phase `{}`: when waiting for it ended, {} lacked something that they had to be shown, or did not learn whether they did; known to be missing: {} of their entries",
            phase.name,
            number::counted(drain.waiting, "client"),
            number::count(drain.missing),
        ))
    })
}

fn judge_unsent(phase: &PhaseRecord) -> Option<Finding> {
    let counts = &phase.conservation;
    let unsent = counts.shed + counts.cancelled_at_end;
    let missed = counts.intended as f64 * UNSENT_SHARE_MAX < unsent as f64;
    missed.then(|| {
        inconclusive(format!(
            "phase `{}`: {} of {} intended operations were never sent, so the offered rate was \
             missed: {}",
            phase.name,
            number::count(unsent),
            number::count(counts.intended),
            why_unsent(counts),
        ))
    })
}

/// Whose doing it is that operations stayed unsent.
fn why_unsent(counts: &ConservationRecord) -> String {
    let shed = (0 < counts.shed).then(|| {
        format!(
            "{} found their connection full of calls that the server had not answered, or none",
            number::count(counts.shed)
        )
    });
    let cancelled = (0 < counts.cancelled_at_end).then(|| {
        format!(
            "{} had no turn before the phase ended",
            number::count(counts.cancelled_at_end)
        )
    });
    shed.into_iter()
        .chain(cancelled)
        .collect::<Vec<_>>()
        .join("; ")
}

fn judge_rendezvous(phase: &PhaseRecord) -> Option<Finding> {
    let meeting = phase.rendezvous.as_ref()?;
    if meeting.times < meeting.planned {
        return Some(inconclusive(format!(
            "phase `{}`: only {} of {} rendezvous took place before its time was over",
            phase.name,
            number::count(u64::from(meeting.times)),
            number::count(u64::from(meeting.planned)),
        )));
    }
    let missed = f64::from(meeting.within) < f64::from(meeting.times) * RENDEZVOUS_WITHIN_MIN;
    (missed || meeting.times == 0).then(|| {
        inconclusive(format!(
            "phase `{}`: only {} of {} rendezvous were released within {}",
            phase.name,
            number::count(u64::from(meeting.within)),
            number::count(u64::from(meeting.times)),
            number::duration(meeting.spread_max_ns),
        ))
    })
}

/// A run whose fault was not injected did not come through it.
fn judge_fault(fault: &FaultRecord) -> Option<Finding> {
    let FaultRecord {
        what, phase, proof, ..
    } = fault;
    let planned = number::duration(fault.planned_ns);
    let told = |what_happened: String| {
        inconclusive(format!(
            "fault `{what}`, planned {planned} into phase `{phase}`, {what_happened}"
        ))
    };
    match (fault.struck_ns, fault.answered_ns) {
        (None, _) => Some(told(format!("was not injected: {proof}"))),
        (Some(_), None) => Some(told(
            "injected, and nothing was answered after it, so nothing is known about recovery"
                .to_owned(),
        )),
        (Some(_), Some(_)) => None,
    }
}

fn judge_contention(contention: &ContentionRecord) -> Option<Finding> {
    let floor = contention.per_key_min?;
    (contention.attempts_per_key_p50 < floor).then(|| {
        inconclusive(format!(
            "contention stayed below its floor: {} attempts on the median key, the scenario \
             promises {}",
            number::count(contention.attempts_per_key_p50),
            number::count(floor),
        ))
    })
}
