//! Runs whose server ends under the load, or whose own process stands still: what is left of them.
//!
//! The program is started as a user would, and signalled as a system does that needs the memory or the
//! processor for something else.

use std::path::Path;

use reports::record::{Conclusion, RunRecord, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr},
    time::timeout,
};

use crate::{
    mistakes::{TINY, write},
    program::{DEADLINE, TURN, only_run, record_of, run, send, stampede, text},
};

/// Six seconds of starts by the clock: 1,800, so that one in a hundred is 60 ms of them.
const SCENARIO: &str = r#"
name = "watched"
world = { users = 8, agendas = 1, days = 2, slots = 24 }
phase = [{ name = "go", duration = "6s", load = [{ flow = "book", rate = 300 }] }]
flow.book.steps = [{ reserve = {}, save = "booking" }, { cancel = { booking = "$booking" } }]
require.laws = ["no-double-booking", "durable-acks", "no-phantom", "model-agrees"]
require.lateness_max = "20ms"
"#;

/// A run that offers its load.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Running {
    async fn start(scenario: &str, out: &Path) -> Self {
        let mut child = stampede(["run", scenario, "--out", text(out)])
            .spawn()
            .expect("the program starts");
        let err = child.stderr.take().expect("the errors are piped");
        let mut running = Self {
            child,
            lines: BufReader::new(err).lines(),
        };
        running.wait_for("intended").await;
        running
    }

    /// Waits for a line that says this.
    async fn wait_for(&mut self, what: &str) {
        let waiting = async {
            while let Some(line) = self.lines.next_line().await.expect("it speaks text") {
                if line.contains(what) {
                    return true;
                }
            }
            false
        };
        let told = timeout(DEADLINE, waiting).await.expect("it goes on");
        assert!(told, "it ended before it said `{what}`");
    }

    /// The server that it started.
    fn server(&self) -> Pid {
        let own = self.child.id().expect("it runs").to_string();
        let is_child = |stat: &str| {
            // State and parent follow the program's name, which stands in brackets.
            let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
            rest.and_then(|rest| rest.split(' ').nth(1)) == Some(&own)
        };
        let processes = std::fs::read_dir("/proc").expect("this is Linux");
        let mut children = processes.filter_map(|entry| {
            let path = entry.ok()?.path();
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            is_child(&stat).then_some(())?;
            path.file_name()?.to_str()?.parse::<i32>().ok()
        });
        let pid = children.next().expect("it has a server");
        Pid::from_raw(pid).expect("ids are not 0")
    }

    /// How it ended, and what it printed.
    async fn end(self) -> (Option<i32>, String) {
        let output = timeout(DEADLINE, self.child.wait_with_output());
        let output = output
            .await
            .expect("it ends")
            .expect("it can be waited for");
        let out = String::from_utf8(output.stdout).expect("its output is text");
        (output.status.code(), out)
    }
}

fn has_reason(record: &RunRecord, words: &[&str]) -> bool {
    let reasons = &record.verdict.reasons;
    (reasons.iter()).any(|reason| words.iter().all(|word| reason.contains(word)))
}

#[tokio::test]
async fn a_server_that_dies_under_the_load_leaves_a_report_and_no_verdict() {
    let _turn = TURN.lock().await;
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "watched.toml", SCENARIO);
    for (signal, how) in [(Signal::KILL, "signal 9"), (Signal::TERM, "exit status: 0")] {
        let out = dir.path().join(how.replace(' ', "-"));
        let running = Running::start(&scenario, &out).await;
        kill_process(running.server(), signal).expect("it can be signalled");
        let (code, said) = running.end().await;
        assert_eq!(code, Some(12), "{said}");
        assert!(said.starts_with("INCONCLUSIVE"), "{said}");
        let kept = only_run(&out);
        assert!(kept.join("report.html").exists());
        let record = record_of(&kept);
        assert_eq!(record.verdict.conclusion, Conclusion::Inconclusive);
        let words = ["s into the load: ", "ended by itself", how, "last words: "];
        assert!(has_reason(&record, &words), "{:#?}", record.verdict);
        let answered = record.phases[0].conservation.ok;
        assert!(0 < answered, "what was measured is told");
        // Its log was there, and was judged: nothing acknowledged is lost.
        let of = |name: &str| record.laws.iter().find(|law| law.name == name);
        let kept = of("durable-acks").map(|law| law.verdict);
        assert_eq!(kept, Some(Verdict::Valid), "{:#?}", record.laws);
    }
}

#[tokio::test]
async fn a_run_that_stood_still_says_so_and_judges_nothing() {
    let _turn = TURN.lock().await;
    let dir = tempdir().expect("a directory");
    let scenario = write(dir.path(), "watched.toml", SCENARIO);
    let tiny = write(dir.path(), "tiny.toml", TINY);
    let out = dir.path().join("runs");
    let running = Running::start(&scenario, &out).await;
    send(&running.child, Signal::STOP);
    // As long as another run takes, whose load alone is 200 ms: at least 54 starts are late.
    let other = run(&["run", &tiny, "--out", text(&dir.path().join("tiny"))]).await;
    send(&running.child, Signal::CONT);
    assert!(other.code.is_some(), "{other:?}");
    let (code, said) = running.end().await;
    assert_eq!(code, Some(12), "{said}");
    let record = record_of(&only_run(&out));
    assert!(
        has_reason(&record, &["the generator did not keep up"]),
        "{:#?}",
        record.verdict
    );
    assert!(
        said.contains("The generator itself stood still for up to"),
        "{said}"
    );
}

#[tokio::test]
async fn too_few_open_files_are_said_as_that() {
    let dir = tempdir().expect("a directory");
    let scenario = TINY.replace("users = 4", "users = 1000");
    let scenario = write(dir.path(), "many.toml", &scenario);
    let mut command = tokio::process::Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -n 256 && exec \"$0\" run \"$1\" --out \"$2\"")
        .arg(env!("CARGO_BIN_EXE_stampede"))
        .arg(&scenario)
        .arg(dir.path().join("runs"));
    let said = crate::program::finish(command, "run with few files").await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("1000 clients need 1128 open files") && said.err.contains("may open 256"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("is it running"), "{}", said.err);
}
