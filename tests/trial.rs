//! Somebody's own server on trial: each demonstration beside `targets/` is judged as it deserves, on three
//! seeds, and what cannot be put on trial is refused in words.
//!
//! The servers are Python; where there is none, that is said and nothing is judged.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use reports::record::{RunRecord, Verdict};
use tempfile::tempdir;

use crate::{
    mistakes::write,
    program::{only_run, record_of, run, run_on_the_side, text},
};

/// Enough that nothing depends on one lucky race. `targets/trial.sh` takes twenty.
const SEEDS: [u64; 3] = [1, 2, 3];

fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("targets")
}

#[expect(clippy::print_stderr, reason = "a test that judged nothing says so")]
fn has_python() -> bool {
    let version = Command::new("python3").arg("--version").output();
    let has = version.is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: there is no python3 here, so no demonstration was put on trial");
    }
    has
}

/// So much of a scenario against a demonstration.
async fn judged(scenario: &str, target: &str, seed: u64, share: &str) -> RunRecord {
    let dir = tempdir().expect("a directory");
    let (scenario, target) = (targets().join(scenario), targets().join(target));
    let (seed, out) = (seed.to_string(), dir.path().join("runs"));
    let args = [
        "run",
        text(&scenario),
        "--target",
        text(&target),
        "--time-scale",
        share,
        "--seed",
        &seed,
    ];
    // A machine that left a run no time is asked again; a law that was broken is broken.
    let said = run_on_the_side(&args, &out).await;
    assert!(
        said.code.is_some_and(|code| code == 0 || 10 <= code),
        "{said:?}"
    );
    record_of(&only_run(&out))
}

async fn on_every_seed(scenario: &str, target: &str, share: &str) -> Vec<RunRecord> {
    let mut all = Vec::new();
    for seed in SEEDS {
        all.push(judged(scenario, target, seed, share).await);
    }
    all
}

fn with(record: &RunRecord, verdict: Verdict) -> Vec<&str> {
    let laws = record.laws.iter().filter(|law| law.verdict == verdict);
    laws.map(|law| law.name.as_str()).collect()
}

/// On every seed these laws are broken: of the whole scenario, since a quarter gives some races a chance
/// of never happening.
async fn convicts(scenario: &str, target: &str, laws: &[&str]) -> Vec<RunRecord> {
    let judged = on_every_seed(scenario, target, "1").await;
    for record in &judged {
        let broken = with(record, Verdict::Invalid);
        for law in laws {
            assert!(
                broken.contains(law),
                "{target}, seed {}: {broken:?}",
                record.scenario.seed
            );
        }
    }
    judged
}

/// On every seed no law is broken, and these were looked at and kept.
async fn acquits(scenario: &str, target: &str, laws: &[&str]) -> Vec<RunRecord> {
    let judged = on_every_seed(scenario, target, "0.25").await;
    for record in &judged {
        let (broken, kept) = (with(record, Verdict::Invalid), with(record, Verdict::Valid));
        let seed = record.scenario.seed;
        assert!(broken.is_empty(), "{target}, seed {seed}: {broken:?}");
        for law in laws {
            assert!(kept.contains(law), "{target}, seed {seed}: {kept:?}");
        }
    }
    judged
}

#[tokio::test]
async fn whoever_looks_first_and_books_then_is_convicted_of_double_booking() {
    if !has_python() {
        return;
    }
    let judged = convicts(
        "race.toml",
        "naive-http.toml",
        &["no-double-booking", "linearizable"],
    )
    .await;
    for record in judged {
        assert_eq!(record.environment.level, Some(0));
        assert!(with(&record, Verdict::NotApplicable).contains(&"log-chained"));
        let law = record
            .laws
            .iter()
            .find(|law| law.name == "no-double-booking");
        let sentence = &law.expect("it was judged").violations[0].sentence;
        // Two people and the slot, by the names that the server knows them by.
        assert_eq!(sentence.matches("(`u").count(), 2, "{sentence}");
        assert!(
            sentence.contains("slot ") && sentence.matches('`').count() == 6,
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn a_lock_in_memory_is_right_until_it_is_killed() {
    if !has_python() {
        return;
    }
    let alive = acquits(
        "race.toml",
        "lock-in-memory.toml",
        &[
            "no-double-booking",
            "refusals-justified",
            "no-lost-cancel",
            "linearizable",
        ],
    )
    .await;
    for record in alive {
        assert!(with(&record, Verdict::NotApplicable).contains(&"durable-acks"));
    }
    for record in convicts("race-killed.toml", "lock-in-memory.toml", &["durable-acks"]).await {
        let faults = record.faults.expect("it was killed").faults;
        assert!(
            faults[0].proof.contains("ended by signal 9"),
            "{}",
            faults[0].proof
        );
        assert!(
            faults[1].proof.contains("was seen stopped"),
            "{}",
            faults[1].proof
        );
    }
}

#[tokio::test]
async fn a_unique_slot_in_a_database_is_right_also_when_it_is_killed() {
    if !has_python() {
        return;
    }
    let of_race = [
        "no-double-booking",
        "refusals-justified",
        "no-lost-cancel",
        "linearizable",
    ];
    acquits("race.toml", "sqlite-unique.toml", &of_race).await;
    let of_kills = [
        "no-double-booking",
        "no-lost-cancel",
        "durable-acks",
        "linearizable",
    ];
    acquits("race-killed.toml", "sqlite-unique.toml", &of_kills).await;
}

#[tokio::test]
async fn a_conflict_that_is_swallowed_is_a_lost_cancel() {
    if !has_python() {
        return;
    }
    let laws = ["no-lost-cancel", "refusals-justified", "linearizable"];
    convicts("race.toml", "optimistic.toml", &laws).await;
}

#[tokio::test]
async fn a_trial_that_is_over_is_not_judged_again_and_not_called_torn() {
    if !has_python() {
        return;
    }
    let dir = tempdir().expect("a directory");
    let (scenario, target) = (
        targets().join("race.toml"),
        targets().join("lock-in-memory.toml"),
    );
    let args = [
        "run",
        text(&scenario),
        "--target",
        text(&target),
        "--time-scale",
        "0.1",
    ];
    let out = dir.path().join("runs");
    run_on_the_side(&args, &out).await;
    let kept = only_run(&out);
    for history in [kept.clone(), kept.join("history.bin")] {
        let said = run(&["check", text(&history)]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("cannot be judged again"), "{}", said.err);
        assert!(!said.err.contains("torn"), "{}", said.err);
    }
}

/// What a run against this target file says that does not begin.
async fn refused(target: &str, scenario: &Path) -> String {
    let dir = tempdir().expect("a directory");
    let target = write(dir.path(), "target.toml", target);
    let out = dir.path().join("runs");
    let args = [
        "run",
        text(scenario),
        "--target",
        &target,
        "--out",
        text(&out),
    ];
    let said = run(&args).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    said.err
}

/// A target that reserves, and starts like this.
fn reserving(process: &str) -> String {
    format!(
        "[system]\nspeaks = \"agenda\"\n[http]\nbase = \"http://127.0.0.1:{{port}}\"\n\
         [process]\n{process}\n[call.reserve]\npost = \"/book/{{slot}}\"\n"
    )
}

#[tokio::test]
async fn a_step_without_a_word_is_refused_with_its_place_before_anything_starts() {
    // It would fail if it were started.
    let target = reserving("start = \"exit 9\"\nready = \"tcp 127.0.0.1:{port}\"");
    let said = refused(&target, &targets().join("race.toml")).await;
    assert!(said.contains("race.toml:"), "{said}");
    assert!(
        said.contains("not-supported") && said.contains("add `[call.cancel]`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why_in_its_own_words() {
    let dir = tempdir().expect("a directory");
    let scenario = "name = \"one\"\n[world]\nusers = 2\nagendas = 1\n[[phase]]\nname = \"p\"\nduration = \"100ms\"\n\
                    load = [{ flow = \"f\", rate = 10 }]\n[flow.f]\n\
                    steps = [{ reserve = { agenda = 0, day = 0, slot = 0 } }]\n";
    let scenario = write(dir.path(), "scenario.toml", scenario);
    let start =
        reserving("start = \"echo no such module; exit 3\"\nready = \"tcp 127.0.0.1:{port}\"");
    let said = refused(&start, Path::new(&scenario)).await;
    assert!(
        said.contains("exit status: 3") && said.contains("no such module"),
        "{said}"
    );
    let start = reserving("start = \"sleep 60\"\nready = \"line here\"\nready_within = \"200ms\"");
    let said = refused(&start, Path::new(&scenario)).await;
    assert!(said.contains("not ready within 200ms"), "{said}");
}
