//! A run record as JUnit XML: what continuous integration shows without being taught anything.
//!
//! Three suites: every law and every threshold is a test case, and the run itself is one, so that
//! an inconclusive or interrupted run is never all green. A failure is what was found to be wrong;
//! an error is what could not be judged; what nobody required and could not be judged is skipped, and so is
//! what the server cannot be held to.
//! Deliberately absent: the writing of XML, which a library does.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{number, wording};
use crate::record::{
    Conclusion, LawRecord, RunRecord, ThresholdRecord, Verdict, ViolationRecord, WitnessRecord,
};

/// A run as the text of a `junit.xml`.
#[must_use]
pub fn junit(record: &RunRecord) -> String {
    let name = &record.scenario.name;
    let mut report = Report::new(format!("stampede {name}"));
    report.set_time(took(record));
    report.add_test_suites([
        suite(record, "run", vec![run_case(record)]),
        suite(record, "laws", record.laws.iter().map(law_case).collect()),
        suite(
            record,
            "thresholds",
            record.thresholds.iter().map(threshold_case).collect(),
        ),
    ]);
    report
        .to_string()
        .expect("the report is plain text and is written to memory")
}

fn suite(record: &RunRecord, kind: &str, cases: Vec<TestCase>) -> TestSuite {
    let class = format!("{}.{kind}", record.scenario.name);
    let mut suite = TestSuite::new(class.clone());
    for (name, value) in [
        ("seed", record.scenario.seed.to_string()),
        ("plan", record.scenario.plan_hash.clone()),
        ("target", record.environment.target.clone()),
        ("durability", record.environment.durability.clone()),
        ("started", record.environment.started_at.clone()),
        ("again", record.scenario.command.clone()),
    ] {
        suite.add_property((name, value.as_str()));
    }
    for mut case in cases {
        case.set_classname(class.clone());
        case.set_time(Duration::ZERO);
        suite.add_test_case(case);
    }
    suite.set_time(Duration::ZERO);
    suite
}

/// How long load was offered; laws and thresholds take no time of their own.
fn took(record: &RunRecord) -> Duration {
    Duration::from_nanos(record.phases.iter().map(|phase| phase.duration_ns).sum())
}

fn run_case(record: &RunRecord) -> TestCase {
    let conclusion = record.verdict.conclusion;
    let kind = match conclusion {
        Conclusion::Pass => None,
        Conclusion::ThresholdFailed | Conclusion::InvariantViolated => {
            Some(NonSuccessKind::Failure)
        }
        Conclusion::Inconclusive | Conclusion::Interrupted => Some(NonSuccessKind::Error),
    };
    let status = kind.map_or_else(TestCaseStatus::success, |kind| {
        let reasons = record.verdict.reasons.join("\n");
        unsuccessful(kind, wording::conclusion(conclusion), reasons)
    });
    let mut case = TestCase::new("conclusion", status);
    case.set_system_out(format!(
        "{}\n{}\n",
        wording::exercised(record),
        record.cautions.join("\n")
    ));
    case
}

fn law_case(law: &LawRecord) -> TestCase {
    let reason = law.reason.as_deref().unwrap_or("no reason was given");
    let status = match (law.verdict, law.required) {
        (Verdict::Valid, _) => TestCaseStatus::success(),
        (Verdict::Invalid, _) => {
            let first = law.violations.first();
            let message = first.map_or(law.demands.as_str(), |told| told.sentence.as_str());
            unsuccessful(NonSuccessKind::Failure, message, told(law))
        }
        (Verdict::Unknown, true) => {
            unsuccessful(NonSuccessKind::Error, reason, law.demands.clone())
        }
        (Verdict::Unknown, false) | (Verdict::NotApplicable, _) => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(reason);
            skipped
        }
    };
    let mut case = TestCase::new(law.name.clone(), status);
    case.set_system_out(format!(
        "{}\nexercised: {}\n",
        law.demands,
        wording::looked_at(law)
    ));
    case
}

/// Every violation that the record tells, in words.
fn told(law: &LawRecord) -> String {
    let mut text = format!("broken {}\n", number::times(law.violation_count));
    for violation in &law.violations {
        let ViolationRecord {
            sentence,
            operations,
            order,
            pairs,
            expected,
            about: _,
            window,
        } = violation;
        let lines = |witnesses: &[WitnessRecord]| -> String {
            let lines: Vec<_> = witnesses.iter().map(witness).collect();
            lines.join("\n")
        };
        text.push_str(&format!(
            "\n{sentence}\n{}\norder: {order}\n",
            lines(operations)
        ));
        for pair in pairs {
            text.push_str(&format!("  {}\n", pair.sentence));
        }
        text.push_str(&format!("expected: {expected}\n"));
        if !window.is_empty() {
            text.push_str(&format!("around it:\n{}\n", lines(window)));
        }
    }
    text
}

fn witness(witness: &WitnessRecord) -> String {
    let completed = witness.completed_ns;
    format!(
        "  {} to {}  {}: {} -> {}",
        number::instant(witness.invoked_ns),
        completed.map_or_else(|| "never".to_owned(), number::instant),
        witness.client,
        witness.call,
        witness.answer
    )
}

fn threshold_case(threshold: &ThresholdRecord) -> TestCase {
    let ThresholdRecord {
        metric,
        bound,
        phase,
        measured,
        passed,
    } = threshold;
    let measured = measured.as_deref().unwrap_or("nothing");
    let message = format!("{metric} in phase {phase} was {measured} and had to be {bound}");
    let status = match passed {
        Some(true) => TestCaseStatus::success(),
        Some(false) => unsuccessful(NonSuccessKind::Failure, &message, String::new()),
        None => {
            let message = format!("{metric} {bound} in phase {phase} could not be measured");
            unsuccessful(NonSuccessKind::Error, &message, String::new())
        }
    };
    let mut case = TestCase::new(format!("{phase}: {metric} {bound}"), status);
    case.set_system_out(message);
    case
}

fn unsuccessful(kind: NonSuccessKind, message: &str, text: String) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_type(match kind {
        NonSuccessKind::Failure => "failed",
        NonSuccessKind::Error => "inconclusive",
    });
    if !text.is_empty() {
        status.set_description(text);
    }
    status
}
