//! What surrounds the program: variables, names that are no text, terminals, and files that others left.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use reports::record::RunRecord;
use tempfile::tempdir;

use crate::{
    mistakes::{TINY, write},
    program::{Said, Server, TURN, finish, only_run, record_of, run, stampede, text},
};

/// Runs a command of no load with these variables, to this exit code.
async fn with(variables: &[(&str, &str)], args: &[&str], code: i32) -> Said {
    let mut command = stampede(args);
    command.envs(variables.iter().copied());
    let said = finish(command, &args.join(" ")).await;
    assert_eq!(said.code, Some(code), "{variables:?} {args:?}: {said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
    said
}

#[tokio::test]
async fn names_that_are_no_text_are_names_like_any_other() {
    let dir = tempdir().expect("a directory");
    let odd = |name: &[u8]| dir.path().join(OsStr::from_bytes(name));
    let (scenario, out) = (odd(b"caf\xe9 $(id).toml"), odd(b"e\xff"));
    fs::write(&scenario, TINY).expect("it can be written");
    let _turn = TURN.lock().await;
    let mut command = stampede(["run", "--seed", "3"]);
    command.arg(&scenario).arg("--out").arg(&out);
    command.env("SOME_LATIN", OsString::from_vec(b"caf\xe9".to_vec()));
    let said = finish(command, "run").await;
    // A machine that also compiles may be too late to judge anything (12).
    assert!(matches!(said.code, Some(0 | 12)), "{said:?}");
    let again = record_of(&only_run(&out)).scenario.command;
    assert!(
        again.contains(r#"caf'"$(printf '\351')"' $(id).toml'"#),
        "{again}"
    );
    assert!(again.contains("--seed 3"), "{again}");
}

#[tokio::test]
async fn the_command_of_a_run_names_what_the_environment_said() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "a;b.toml", TINY);
    let out = dir.path().join("runs");
    let _turn = TURN.lock().await;
    let mut command = stampede(["run", &scenario, "--quiet"]);
    command.envs([
        ("STAMPEDE_SEED", "99"),
        ("STAMPEDE_TIME_SCALE", "0.5"),
        ("STAMPEDE_OUT", text(&out)),
    ]);
    let said = finish(command, "run").await;
    assert!(matches!(said.code, Some(0 | 12)), "{said:?}");
    let again = record_of(&only_run(&out)).scenario.command;
    let out = text(&out);
    let expected = format!("stampede run --seed 99 --time-scale 0.5 --out {out} '{scenario}'");
    assert_eq!(again, expected);
}

#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    let empty = [
        ("STAMPEDE_SEED", ""),
        ("STAMPEDE_TIME_SCALE", ""),
        ("STAMPEDE_RATE_SCALE", ""),
    ];
    let plan = with(&empty, &["plan", &scenario], 0).await;
    assert_eq!(plan.out, run(&["plan", &scenario]).await.out);
    let empty = [
        ("STAMPEDE_DATA", ""),
        ("STAMPEDE_HTTP", ""),
        ("STAMPEDE_JSONL", ""),
        ("STAMPEDE_LISTEN", ""),
        ("STAMPEDE_DURABILITY", ""),
        ("STAMPEDE_TRUST_CLOCK", ""),
        ("STAMPEDE_LOG_FILTER", ""),
    ];
    // It gets as far as the one thing that is wrong.
    let said = with(&empty, &["serve", "--log-filter", "server=loud"], 2).await;
    assert!(said.err.contains("--log-filter"), "{said:?}");
    let said = with(&[("STAMPEDE_SEED", "x")], &["plan", &scenario], 2).await;
    assert!(
        said.err.contains("--seed"),
        "what is not empty is read: {said:?}"
    );
}

#[tokio::test]
async fn a_flag_in_the_environment_is_yes_or_no() {
    let args = ["serve", "--log-filter", "server=loud"];
    for word in ["1", "0", "yes", "no", "true", "false", "on", "off", "YES"] {
        let said = with(&[("STAMPEDE_TRUST_CLOCK", word)], &args, 2).await;
        assert!(said.err.contains("--log-filter"), "{word}: {said:?}");
    }
    let said = with(&[("STAMPEDE_TRUST_CLOCK", "maybe")], &args, 2).await;
    assert!(said.err.contains("--trust-clock"), "{said:?}");
}

#[tokio::test]
async fn the_variable_of_a_log_is_not_that_of_a_filter() {
    let missing = tempdir().expect("a directory");
    let history = text(missing.path());
    let variables = [("STAMPEDE_LOG_FILTER", "debug")];
    let said = with(&variables, &["check", history], 2).await;
    assert!(!said.err.contains("debug"), "{said:?}");
}

#[tokio::test]
async fn what_a_server_warns_of_has_no_colours_in_a_file() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start_with(&data, &[]).await;
    // A log that is taken from under it cannot be made a snapshot of at the end.
    fs::remove_file(data.join("events.sqlite")).expect("it is there");
    let err = server.interrupt().await.err;
    assert!(err.contains("no snapshot was made at the end"), "{err}");
    assert!(!err.contains('\u{1b}'), "{err}");
}

/// A run into a place whose table of runs is not what it should be: the verdict is printed all the same.
async fn run_beside(table: &Path) -> (Said, RunRecord) {
    let out = table.parent().expect("it stands beside the runs");
    let scenario = write(out, "tiny.toml", TINY);
    let _turn = TURN.lock().await;
    let said = run(&["run", &scenario, "--out", text(out)]).await;
    let runs = fs::read_dir(out).expect("runs are kept here");
    let runs = runs.map(|entry| entry.expect("it can be listed").path());
    let mut kept = runs.filter(|path| path.join("run.json").exists());
    let kept = kept.next().expect("the run is kept");
    (said, record_of(&kept))
}

#[tokio::test]
async fn a_table_that_cannot_be_written_takes_nothing_from_the_verdict() {
    let dir = tempdir().expect("a directory");
    let table = dir.path().join("runs.v1.csv");
    fs::create_dir(&table).expect("it can be made");
    let (said, record) = run_beside(&table).await;
    let found = i32::from(record.verdict.conclusion.exit_code());
    // Whoever asks for nothing but the code hears that something is wrong.
    let expected = if found == 0 { 1 } else { found };
    assert_eq!(said.code, Some(expected), "{said:?}");
    assert!(said.out.contains("Again"), "the summary is whole: {said:?}");
    assert!(said.err.contains("runs.v1.csv"), "{said:?}");
}

#[tokio::test]
async fn a_place_for_runs_that_is_a_file_is_a_mistake_of_who_named_it() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    for out in [scenario.as_str(), "/proc/runs"] {
        let said = run(&["run", &scenario, "--out", out]).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("name another with --out"), "{said:?}");
    }
}

#[tokio::test]
async fn a_server_listens_where_a_name_says() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start_with(&data, &["--http", "localhost:0"]).await;
    let said = server.greeting.join("\n");
    assert!(said.contains("curl http://127.0.0.1:"), "{said}");
    let said = run(&["serve", "--data", text(&data), "--listen", "7400"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("or localhost:7400"), "{said:?}");
}

#[tokio::test]
async fn a_seed_is_what_a_scenario_could_say_too() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    let most = i64::MAX.to_string();
    let said = run(&["plan", &scenario, "--seed", &most]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let more = (i64::MAX.unsigned_abs() + 1).to_string();
    let said = run(&["plan", &scenario, "--seed", &more]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains(&most), "the limit is named: {said:?}");
}
