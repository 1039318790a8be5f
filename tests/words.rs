//! What the program prints, to whom, and what it does when it is interrupted.

use std::{fs::File, path::Path};

use reports::record::{Conclusion, RunRecord};
use rustix::{
    fs::{FlockOperation, flock},
    process::Signal,
};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStderr},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    mistakes::{TINY, write},
    program::{DEADLINE, finish, only_run, record_of, run, run_load, send, stampede, text},
};

const ESCAPE: char = '\u{1b}';

#[tokio::test]
async fn json_is_all_that_the_standard_output_holds() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    let out = dir.path().join("runs");
    let said = run_load(&["run", &scenario, "--json", "-"], &out, 0).await;
    assert!(
        said.err.contains("Laws"),
        "people are told there: {}",
        said.err
    );
    let record = RunRecord::read(&said.out).expect("it is a record and nothing else");
    assert_eq!(
        record,
        record_of(&only_run(&out)),
        "the same as in the file"
    );
    let again = dir.path().join("quiet");
    let said = run_load(&["run", &scenario, "--json", "-", "--quiet"], &again, 0).await;
    assert_eq!(said.err, "", "nobody wants to be told");
}

#[tokio::test]
async fn quiet_is_one_line() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    let out = dir.path().join("runs");
    let said = run_load(&["run", &scenario, "--quiet"], &out, 0).await;
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    assert!(said.out.contains(" tiny: "), "{said:?}");
    assert_eq!(said.err, "");
}

#[tokio::test]
async fn nothing_is_coloured_for_a_pipe() {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "tiny.toml", TINY);
    for no_color in [None, Some("1")] {
        let mut command = stampede(["run", &scenario, "--out", text(dir.path())]);
        command.env_remove("NO_COLOR");
        command.envs(no_color.map(|value| ("NO_COLOR", value)));
        let said = finish(command, "a run into a pipe").await;
        assert!(said.out.contains("Laws"), "{said:?}");
        assert!(
            !said.out.contains(ESCAPE) && !said.err.contains(ESCAPE),
            "{said:?}"
        );
    }
    let broken = write(dir.path(), "broken.toml", &TINY.replace("users", "uzers"));
    let said = run(&["plan", &broken]).await;
    assert!(
        said.err.contains("uzers") && !said.err.contains(ESCAPE),
        "{said:?}"
    );
}

/// The line of a plan that names its hash, among all that it says.
async fn plan_hash(args: &[&str]) -> (String, String) {
    let said = run(&[&["plan", "scenarios/smoke.toml"], args].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let is_hash = |word: &&str| word.len() == 64 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let hash = said.out.split_whitespace().find(is_hash);
    (
        hash.expect("a plan has a hash").to_owned(),
        said.out.clone(),
    )
}

#[tokio::test]
async fn a_plan_is_its_seed_and_its_scales_and_nothing_else() {
    let (hash, words) = plan_hash(&[]).await;
    assert_eq!(plan_hash(&[]).await.0, hash);
    assert_eq!(
        plan_hash(&["--seed", "1"]).await.0,
        hash,
        "the scenario's own seed is 1"
    );
    let (other, other_words) = plan_hash(&["--seed", "2"]).await;
    assert_ne!(other, hash);
    assert!(other_words.contains("seed 2"), "{other_words}");
    let (slower, slower_words) = plan_hash(&["--time-scale", "2"]).await;
    let (harder, harder_words) = plan_hash(&["--rate-scale", "3"]).await;
    assert!(slower != hash && harder != hash && slower != harder);
    assert!(words.contains("200/s"), "{words}");
    assert!(
        slower_words.contains('2') && slower_words != words,
        "{slower_words}"
    );
    assert!(harder_words.contains("600/s"), "{harder_words}");
}

/// Starts a run that would last a minute and waits until its first second under load is over.
async fn start_long(dir: &Path) -> (Child, Lines<BufReader<ChildStderr>>) {
    let long = TINY.replace("200ms", "60s");
    let scenario = write(dir, "long.toml", &long);
    let mut child = stampede(["run", &scenario, "--out", text(&dir.join("runs"))])
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let loaded = async {
        while let Some(line) = lines.next_line().await.expect("it speaks text") {
            if line.contains("answered") {
                return;
            }
        }
        panic!("it ended before it offered load");
    };
    timeout(DEADLINE, loaded).await.expect("it begins");
    (child, lines)
}

#[tokio::test]
async fn a_run_that_is_killed_takes_its_server_along() {
    let dir = tempdir().expect("a directory");
    let (mut child, _lines) = start_long(dir.path()).await;
    let lock = only_run(&dir.path().join("runs")).join("log/lock");
    let lock = File::open(lock).expect("the server has its lock");
    let taken = flock(&lock, FlockOperation::NonBlockingLockShared);
    assert!(taken.is_err(), "the server holds its lock while it lives");
    child.kill().await.expect("it dies");
    let waiting = spawn_blocking(move || flock(&lock, FlockOperation::LockShared));
    let free = timeout(DEADLINE, waiting)
        .await
        .expect("the server ends too");
    free.expect("waiting ends").expect("the lock is free");
}

#[tokio::test]
async fn an_interrupted_run_still_leaves_its_report() {
    let dir = tempdir().expect("a directory");
    let out = dir.path().join("runs");
    let (mut child, mut lines) = start_long(dir.path()).await;
    send(&child, Signal::INT);
    let interrupted = async {
        while let Some(_line) = lines.next_line().await.expect("it speaks text") {}
        let mut said = String::new();
        let mut stdout = child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut said).await.expect("it is text");
        (child.wait().await.expect("it ends").code(), said)
    };
    let (code, said) = timeout(DEADLINE, interrupted)
        .await
        .expect("it ends in time");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.starts_with("INTERRUPTED"), "{said}");
    let kept = only_run(&out);
    for file in [
        "report.html",
        "junit.xml",
        "latency.hlog",
        "operations.hlog",
        "latency.hgrm",
    ] {
        assert!(kept.join(file).exists(), "{file}");
        assert!(
            said.contains(file) || file == "latency.hgrm",
            "{file}: {said}"
        );
    }
    let record = record_of(&kept);
    assert_eq!(record.verdict.conclusion, Conclusion::Interrupted);
    assert!(
        0 < record.phases[0].conservation.ok,
        "{:?}",
        record.phases[0].conservation
    );
}
