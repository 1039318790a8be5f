//! The first command of the README, and everything that it leaves behind.

use loadgen::history::HistoryReader;
use reports::{
    read::schema_json,
    record::{Conclusion, RunRecord, Verdict},
};
use tempfile::tempdir;

use crate::program::{only_run, record_of, run, run_load, text};

#[tokio::test]
async fn the_smoke_scenario_passes_and_leaves_a_run_that_can_be_looked_into() {
    let dir = tempdir().expect("a directory");
    let out = dir.path().join("runs");
    let said = run_load(&["run", "scenarios/smoke.toml"], &out, 0).await;
    let verdict = said.out.lines().next().expect("it says something");
    assert!(verdict.starts_with("PASS  smoke: "), "{verdict}");

    let kept = only_run(&out);
    let record = record_of(&kept);
    check_record(&record);
    check_schema(&record);
    check_listing(&said.out, &kept);
    check_page(&std::fs::read_to_string(kept.join("report.html")).expect("the report is kept"));
    let sent: u64 = record.phases.iter().map(|it| it.conservation.sent).sum();
    let history = HistoryReader::open(&kept.join("history.bin")).expect("the history is kept");
    let firsts = history
        .operations()
        .map(|operation| operation.expect("every one can be read"));
    let firsts = u64::try_from(firsts.count()).expect("few");
    assert_eq!(firsts, sent, "the history holds every operation once");

    let verified = run(&["log", "verify", text(&kept.join("log"))]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let newest = record.crash.expect("the plug was pulled").recovered_seq;
    let head = verified.out.lines().next().expect("it says something");
    let head = head.strip_prefix("head     seq ").map(str::parse::<u64>);
    // The server that came back lets holds expire while it is asked about its log.
    assert!(
        matches!(head, Some(Ok(head)) if newest <= head),
        "{}",
        verified.out
    );
}

/// What lies in the directory is named at the end of the summary.
fn check_listing(said: &str, kept: &std::path::Path) {
    let last = said.lines().last().expect("it says something");
    for file in [
        "run.json",
        "history.bin",
        "junit.xml",
        "latency.hlog",
        "latency.hgrm",
        "log",
    ] {
        assert!(kept.join(file).exists(), "{file} is kept");
        assert!(last.contains(file), "{file} is not named: {last}");
    }
    let table = kept.with_file_name("runs.v1.csv");
    let table = std::fs::read_to_string(table).expect("the table of runs is kept");
    assert!(
        table.starts_with("layout,started_at,scenario,conclusion,"),
        "{table}"
    );
    assert!(table.contains(",smoke,pass,0,"), "{table}");
}

fn check_record(record: &RunRecord) {
    assert_eq!(record.verdict.conclusion, Conclusion::Pass);
    assert_eq!(record.verdict.reasons, Vec::<String>::new());
    let judged = record.laws.iter().map(|law| law.name.as_str());
    let of_agenda = loadgen::check::LAWS.into_iter().take(13);
    assert!(
        judged.eq(of_agenda.chain(["pushes-complete", "answers-as-logged"])),
        "the agenda's, and those of what is pushed of it and of every answer; no other's"
    );
    for law in &record.laws {
        let is_fine =
            law.verdict == Verdict::Valid || law.verdict == Verdict::Unknown && !law.required;
        assert!(is_fine, "{law:#?}");
    }
    assert!(record.laws.iter().any(|law| law.required));
    assert_eq!(record.phases.len(), 3);
    for phase in &record.phases {
        assert!(phase.conservation.holds(), "{}", phase.name);
        assert!(0 < phase.conservation.ok, "{}", phase.name);
    }
    assert!(
        record.thresholds.iter().all(|it| it.passed == Some(true)),
        "{:?}",
        record.thresholds
    );
}

fn check_schema(record: &RunRecord) {
    let committed = include_str!("../reports/schema/run.schema.json");
    assert_eq!(committed, schema_json(), "the committed schema is current");
    let schema = serde_json::from_str(committed).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    let json = serde_json::from_str(&record.to_json()).expect("a record is JSON");
    let faults: Vec<_> = validator
        .iter_errors(&json)
        .map(|it| it.to_string())
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

/// Opened from a disk without a network it must show the same.
fn check_page(page: &str) {
    assert!(page.contains("smoke"), "it names the scenario");
    assert!(page.trim_end().ends_with("</html>"), "it is whole");
    for foreign in [
        "src=\"http",
        "href=\"http",
        "@import",
        "url(http",
        "<link",
        "src=\"/",
    ] {
        assert!(!page.contains(foreign), "it fetches something: {foreign}");
    }
}
