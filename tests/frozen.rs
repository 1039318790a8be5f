//! A server that stands still for a moment: the report says what its users waited.
//!
//! The acceptance test of honest latency: 2,000 operations a second for half a minute, and the server
//! is stopped for 1.4 s in the second half, which is the measured one. Whoever was planned to ask
//! meanwhile waits for the rest of it: so of the measured operations 1 % wait longer than 1.4 s less
//! 1 % of 16 s, however fast the server is before and after. A generator that waited for answers
//! before it asked again would have asked a few times and seen next to nothing.

use std::{path::Path, time::Duration};

use reports::{
    histogram::merge,
    record::{PhaseRecord, RunRecord},
};
use rustix::process::Signal;
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};

use crate::program::{DEADLINE, Server, TURN, only_run, record_of, stampede, text};

/// For how long the server stands still.
const FREEZE: Duration = Duration::from_millis(1_400);
/// Operations a second, and seconds of the measured phase.
const RATE: u64 = 2_000;
const SECONDS: u64 = 16;
/// What must be above this is 1,240 ms by reckoning; the rest is for clocks.
const P99_MIN: u64 = 1_200_000_000;
/// Runs that may end without a verdict because the machine had other things to do.
const ATTEMPTS: usize = 8;

const SCENARIO: &str = r#"
name = "frozen"
seed = 5

[world]
users   = 200
agendas = 20
days    = 30
slots   = 24

[[phase]]
name     = "before"
duration = "14s"
warmup   = true
load     = [{ flow = "take", rate = 1_000 }, { flow = "look", rate = 1_000 }]

[[phase]]
name     = "measured"
duration = "16s"
load     = [{ flow = "take", rate = 1_000 }, { flow = "look", rate = 1_000 }]

[flow.take]
steps = [{ reserve = {} }]

[flow.look]
steps = [{ list_slots = {} }]

[require]
laws = ["durable-acks", "real-time-order", "no-double-booking"]
"#;

#[tokio::test]
async fn who_asked_while_the_server_stood_still_is_in_the_percentiles() {
    let dir = tempdir().expect("a directory");
    let scenario = dir.path().join("frozen.toml");
    std::fs::write(&scenario, SCENARIO).expect("it can be written");
    let server = Server::start(&dir.path().join("data")).await;
    let _turn = TURN.lock().await;
    for attempt in 0..ATTEMPTS {
        let out = dir.path().join(format!("runs-{attempt}"));
        let (code, said) = run_frozen(&server, &scenario, &out).await;
        // A machine that also compiles may be too late to judge anything, and says so.
        if code == Some(12) && attempt + 1 < ATTEMPTS {
            continue;
        }
        assert_eq!(code, Some(0), "{said}");
        check_record(&record_of(&only_run(&out)));
        assert!(said.contains("service p99"), "beside the response: {said}");
        return;
    }
}

/// One run, in whose measured phase the server is stopped.
async fn run_frozen(server: &Server, scenario: &Path, out: &Path) -> (Option<i32>, String) {
    let target = format!("tcp://{}", server.address);
    let mut run = stampede(["run", text(scenario), "--target", &target])
        .args(["--admin-password-file", password_file(server)])
        .args(["--out", text(out)])
        .spawn()
        .expect("the program starts");
    timeout(DEADLINE, measured(&mut run))
        .await
        .expect("the measured phase begins");
    server.signal(Signal::STOP);
    // What is slept here is the fault itself; nothing is waited for.
    tokio::time::sleep(FREEZE).await;
    server.signal(Signal::CONT);
    let output = timeout(DEADLINE, run.wait_with_output());
    let output = output.await.expect("it ends in time").expect("it ran");
    let said = String::from_utf8(output.stdout).expect("its output is text");
    (output.status.code(), said)
}

/// The file that the server says its admin's password is in.
fn password_file(server: &Server) -> &str {
    let words = server.greeting.iter().flat_map(|line| line.split(' '));
    let mut behind = words.skip_while(|word| *word != "--admin-password-file");
    behind
        .nth(1)
        .expect("the server says how to run against it")
}

/// Waits until the measured phase is under way, by what the run says once a second. What it says
/// from then on is read too: nobody may block for us.
async fn measured(run: &mut Child) {
    let err = run.stderr.take().expect("the errors are piped");
    let mut lines = BufReader::new(err).lines();
    while let Some(line) = lines.next_line().await.expect("it speaks text") {
        if line.contains(" s  measured ") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return;
        }
    }
    panic!("the run ended before its measured phase");
}

fn check_record(record: &RunRecord) {
    let is_measured = |phase: &&PhaseRecord| phase.name == "measured";
    let phase = record.phases.iter().find(is_measured).expect("it ran");
    let books = &phase.conservation;
    assert!(books.holds(), "{books:?}");
    assert_eq!(books.intended, RATE * SECONDS, "{books:?}");
    assert_eq!((books.shed, books.cancelled_at_end), (0, 0), "{books:?}");
    let of_operations: u64 = (phase.operations.values())
        .map(|it| it.ok + it.refused + it.error + it.timeout + it.unknown)
        .sum();
    assert_eq!(of_operations, books.sent, "each is one of some sort");

    let responses = merge(phase.operations.values().map(|it| &it.response));
    let responses = responses.expect("histograms that were just written");
    assert_eq!(responses.len(), books.ok + books.refused);
    let p99 = responses.value_at_quantile(0.99);
    assert!(P99_MIN < p99, "p99 of all: {p99} ns");
    assert!(u128::from(responses.max()) + 10_000_000 >= FREEZE.as_nanos());
    for (name, operation) in &phase.operations {
        let (response, service) = (&operation.response.quantiles, &operation.service.quantiles);
        let p99 = response.p99.expect("enough samples");
        assert!(P99_MIN < p99, "{name}: p99 {p99} ns");
        // Sent when it was planned, it is the server that let it wait.
        let beside = service.p99.expect("as many samples");
        assert!(beside <= p99, "{name}: {beside} ns of {p99} ns");
    }
    // Whoever was planned in the first second of it waited longer than 0.4 s.
    let late = responses.count_between(400_000_000, u64::MAX);
    assert!(RATE * 99 / 100 <= late, "{late} waited");
}
