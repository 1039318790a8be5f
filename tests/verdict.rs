//! What a run comes to when it does not pass: the exit code, the first line, and the reasons.

use reports::record::{Conclusion, RunRecord};
use tempfile::tempdir;

use crate::{
    mistakes::{TINY, write},
    program::{only_run, record_of, run_load},
};

/// Runs this scenario, which comes to `code` and to a first line that begins with `first`.
async fn check(scenario: &str, code: i32, first: &str) -> RunRecord {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "scenario.toml", scenario);
    let out = dir.path().join("runs");
    let said = run_load(&["run", &scenario], &out, code).await;
    assert!(said.out.starts_with(first), "{}", said.out);
    let kept = only_run(&out);
    assert!(
        kept.join("report.html").exists(),
        "the report is kept whatever it says"
    );
    record_of(&kept)
}

fn has_reason(record: &RunRecord, words: &str) -> bool {
    record
        .verdict
        .reasons
        .iter()
        .any(|reason| reason.contains(words))
}

#[tokio::test]
async fn a_threshold_that_cannot_be_met_fails_the_run() {
    let scenario = format!("{TINY}[require.thresholds]\n\"reserve.response.p50\" = \"< 1ns\"\n");
    let record = check(&scenario, 10, "THRESHOLD FAILED").await;
    assert_eq!(record.verdict.conclusion, Conclusion::ThresholdFailed);
    assert!(
        has_reason(&record, "reserve.response.p50"),
        "{:?}",
        record.verdict
    );
}

#[tokio::test]
async fn contention_that_was_promised_and_did_not_happen_proves_nothing() {
    let scenario = format!("{TINY}[require]\ncontention = {{ per_key_min = 1000000 }}\n");
    let record = check(&scenario, 12, "INCONCLUSIVE").await;
    assert_eq!(record.verdict.conclusion, Conclusion::Inconclusive);
    assert!(has_reason(&record, "contention"), "{:?}", record.verdict);
}

#[tokio::test]
async fn a_rate_that_nobody_can_offer_is_never_a_pass() {
    let scenario = TINY
        .replace("200ms", "1s")
        .replace("rate = 50", "rate = 1000000");
    let record = check(&scenario, 12, "INCONCLUSIVE").await;
    assert_eq!(record.verdict.conclusion, Conclusion::Inconclusive);
    let phase = &record.phases[0];
    assert!(phase.conservation.holds(), "{:?}", phase.conservation);
    let unsent = phase.conservation.intended - phase.conservation.sent;
    assert!(0 < unsent, "{:?}", phase.conservation);
    assert!(has_reason(&record, "generator"), "{:?}", record.verdict);
}
