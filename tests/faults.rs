//! A server that is broken under load: each fault is injected and told of, and nothing answered is lost.

use std::path::Path;

use reports::record::{Conclusion, FaultRecord, FaultsRecord, RunRecord};
use tempfile::tempdir;

use crate::{
    mistakes::write,
    program::{Server, only_run, record_of, run, run_load, text},
};

/// A short race with a place for faults.
pub(crate) const RACE: &str = r#"
name = "broken"
seed = 11

[world]
users = 60
agendas = 2
days = 2

[[phase]]
name = "race"
duration = "3s"
load = [
  { flow = "book", rate = 300 },
  { flow = "look", clients = 4, think = "exp(20ms)" },
]

[flow.book]
steps = [
  { reserve = { agenda = "zipf(1.1)" }, save = "booking" },
  { wait = "1ms..20ms" },
  { cancel = { booking = "$booking" }, probability = 0.7 },
]

[flow.look]
steps = [{ list_slots = {} }, { my_bookings = {} }]

[require]
lateness_max = "500ms"
laws = [
  "no-double-booking", "refusals-justified", "no-lost-cancel", "durable-acks", "no-phantom",
  "real-time-order", "session-order", "idempotent-answers", "log-chained", "replay-determinism",
  "model-agrees", "linearizable",
]
"#;

/// Runs the race with these faults; it must end with this exit code.
async fn race(faults: &str, code: i32) -> RunRecord {
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "scenario.toml", &format!("{RACE}{faults}"));
    let out = dir.path().join("runs");
    run_load(&["run", &scenario], &out, code).await;
    record_of(&only_run(&out))
}

fn broken(record: &RunRecord) -> &FaultsRecord {
    let found = record.faults.as_ref().expect("something was broken");
    assert_eq!((found.lost, found.doubled), (0, 0), "{found:?}");
    assert!(0 < found.acknowledged, "{found:?}");
    found
}

/// It was injected, was healed, and something was answered afterwards, in this order.
fn check_times(fault: &FaultRecord) {
    let times = [fault.struck_ns, fault.mended_ns, fault.answered_ns];
    assert!(times.iter().all(Option::is_some), "{fault:?}");
    assert!(times.is_sorted(), "{fault:?}");
    let recovery = fault.answered_ns.zip(fault.struck_ns);
    let recovery = recovery.map(|(answered, injected)| answered - injected);
    assert_eq!(fault.recovery_ns, recovery);
}

#[tokio::test]
async fn a_server_that_is_killed_under_load_comes_back_with_all_it_answered() {
    let faults = r#"
[require.thresholds]
"recovery" = "< 20s"

[[fault]]
at = "race+500ms..2500ms"
times = 2
do = "kill-server"
restart_after = "100ms..200ms"
"#;
    let record = race(faults, 0).await;
    let found = broken(&record);
    assert_eq!(found.faults.len(), 2);
    assert!(!found.through_proxy, "processes need none");
    let mut pids = Vec::new();
    for fault in &found.faults {
        check_times(fault);
        let process = fault.process.expect("a process was killed");
        assert_ne!(process.pid_before, process.pid_after);
        assert!(process.recovered_seq > Some(0), "{process:?}");
        assert!(fault.proof.contains("by signal 9"), "{fault:?}");
        pids.push(process);
    }
    assert_eq!(
        pids[0].pid_after, pids[1].pid_before,
        "the one that came back was killed next"
    );
    let doubts = &found.doubts;
    let asked_again = doubts.had_happened + doubts.had_not_happened;
    let by_the_log = doubts.found_in_log + doubts.not_in_log;
    assert_eq!(asked_again + by_the_log, doubts.in_doubt, "{doubts:?}");
    let threshold = record.thresholds.first().expect("one is set");
    assert_eq!(
        (threshold.metric.as_str(), threshold.passed),
        ("recovery", Some(true))
    );
}

#[tokio::test]
async fn a_server_that_is_paused_and_one_that_is_restarted_are_waited_for() {
    let faults = r#"
[[fault]]
at = "race+500ms"
do = "pause-server"
for = "400ms"

[[fault]]
at = "race+1500ms"
do = "restart-server"
restart_after = "0s"
"#;
    let record = race(faults, 0).await;
    let [paused, restarted] = broken(&record).faults.as_slice() else {
        panic!("two faults: {:?}", record.faults);
    };
    check_times(paused);
    check_times(restarted);
    let process = paused.process.expect("a process was paused");
    assert_eq!(process.pid_before, process.pid_after);
    assert_eq!(process.recovered_seq, None, "nothing was rebuilt");
    assert!(Some(400_000_000) <= paused.recovery_ns, "{paused:?}");
    let process = restarted.process.expect("a process was restarted");
    assert_ne!(process.pid_before, process.pid_after);
}

#[tokio::test]
async fn a_fault_that_comes_too_late_makes_the_run_inconclusive() {
    let faults = r#"
[[phase]]
name = "together"
rendezvous = { clients = 5, times = 2, spread_max = "10s" }
load = [{ flow = "look" }]

[[fault]]
at = "together+50s"
do = "kill-server"
"#;
    let record = race(faults, 12).await;
    assert_eq!(record.verdict.conclusion, Conclusion::Inconclusive);
    let reason = "was not injected: the phase was over before it was due";
    let reasons = &record.verdict.reasons;
    assert!(reasons.iter().any(|it| it.contains(reason)), "{reasons:?}");
    let fault = &record.faults.as_ref().expect("one was planned").faults[0];
    assert_eq!((fault.struck_ns, fault.recovery_ns), (None, None));
}

#[tokio::test]
async fn a_server_of_somebody_else_is_not_killed() {
    let dir = tempdir().expect("a directory");
    let server = Server::start(&dir.path().join("data")).await;
    let kill = "[[fault]]\nat = \"race+1s\"\ndo = \"kill-server\"\n";
    let scenario = write(dir.path(), "scenario.toml", &format!("{RACE}{kill}"));
    let target = format!("tcp://{}", server.address);
    let password = server.data.join("admin-password");
    let said = run(&[
        "run",
        &scenario,
        "--target",
        &target,
        "--admin-password-file",
        text(&password),
        "--out",
        text(dir.path()),
    ])
    .await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("run it without --target"), "{said:?}");
    assert!(!Path::new(&dir.path().join("run.json")).exists());
}

/// More calls than clients may have unanswered while nobody answers: the rest is shed, and counted.
#[tokio::test]
async fn what_has_no_room_while_the_server_is_down_is_shed_and_counted() {
    let dir = tempdir().expect("a directory");
    let kill = "[[fault]]\nat = \"race+300ms\"\ndo = \"kill-server\"\nrestart_after = \"2s\"\n";
    let crowded = RACE
        .replace("users = 60", "users = 4")
        .replace("rate = 300", "rate = 900");
    let scenario = write(dir.path(), "scenario.toml", &format!("{crowded}{kill}"));
    let out = dir.path().join("runs");
    run_load(&["run", &scenario], &out, 12).await;
    let record = record_of(&only_run(&out));
    broken(&record);
    let counts = &record.phases[0].conservation;
    assert!(counts.holds(), "{counts:?}");
    assert!(0 < counts.shed, "{counts:?}");
}

/// All that is done to connections, one after the other.
#[tokio::test]
async fn connections_that_are_broken_in_every_way_lose_nothing() {
    let faults = r#"
[[fault]]
at = "race+200ms"
do = "delay"
by = "20ms"
jitter = "10ms"
for = "200ms"

[[fault]]
at = "race+600ms"
do = "split-bytes"
piece_max = 5
for = "200ms"

[[fault]]
at = "race+1s"
do = "cut"
share = "30%"

[[fault]]
at = "race+1300ms"
do = "throttle"
bytes_per_second = 200
for = "300ms"

[[fault]]
at = "race+1800ms"
do = "half-open"
share = "20%"
for = "300ms"

[[fault]]
at = "race+2300ms"
do = "reconnect-storm"
for = "600ms"
"#;
    let record = race(faults, 0).await;
    let found = broken(&record);
    assert!(found.through_proxy, "connections are broken in a proxy");
    let told = "Clients reached the server through a proxy";
    assert!(record.cautions.iter().any(|it| it.contains(told)));
    for fault in &found.faults {
        let network = fault.network.expect("connections were hit");
        assert!(0 < network.connections, "{fault:?}");
        assert!(fault.struck_ns <= fault.answered_ns, "{fault:?}");
    }
    assert_eq!(found.faults.len(), 6);
}

#[cfg(feature = "planted-bugs")]
mod tamper {
    use reports::record::Verdict;

    use super::{RACE, only_run, record_of, run_load, tempdir, write};

    #[tokio::test]
    async fn a_server_that_answers_before_it_writes_is_convicted_by_a_kill() {
        let dir = tempdir().expect("a directory");
        let kill = "[[fault]]\nat = \"race+1s\"\ndo = \"kill-server\"\n";
        let scenario = write(dir.path(), "scenario.toml", &format!("{RACE}{kill}"));
        let out = dir.path().join("runs");
        let args = ["run", &scenario, "--planted-bug", "ack-before-commit"];
        run_load(&args, &out, 11).await;
        let record = record_of(&only_run(&out));
        let law = record.laws.iter().find(|law| law.name == "durable-acks");
        assert_eq!(law.expect("it is judged").verdict, Verdict::Invalid);
        let faults = record.faults.expect("one was planned");
        assert!(0 < faults.lost, "{faults:?}");
    }
}
