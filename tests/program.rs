//! The built program: started, listened to, signalled, and waited for with a deadline.
//!
//! Arguments go in; what it said and how it ended come out. Deliberately absent: opinions about
//! any of it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use reports::record::RunRecord;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

/// No test waits longer than this for anything: a hang is a failure and not a stuck build.
pub(crate) const DEADLINE: Duration = Duration::from_secs(50);

/// How a program ended and what it said until then.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, with none of its options taken from the environment of the tests.
pub(crate) fn stampede<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for (name, _value) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"STAMPEDE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str]) -> Said {
    finish(stampede(args), &args.join(" ")).await
}

/// Runs a command to its end; `what` is for the failure.
pub(crate) async fn finish(mut command: Command, what: &str) -> Said {
    let output = timeout(DEADLINE, command.output())
        .await
        .unwrap_or_else(|_elapsed| panic!("`{what}` did not end within {DEADLINE:?}"))
        .expect("the program starts");
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("its output is text"),
        err: String::from_utf8(output.stderr).expect("its errors are text"),
    }
}

/// Loads take turns: two at once would measure each other.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

/// Runs that may end without a verdict because the machine had other things to do.
const ATTEMPTS: usize = 8;

/// Offers a load and expects this exit code. `args` have no `--out` yet; runs are kept in `out`,
/// which must not exist.
///
/// A generator that could not keep its schedule says so and does not judge (12). On a machine
/// that also compiles this is the right answer and no subject of a test, so the load is offered
/// again, unless 12 is what is expected.
pub(crate) async fn run_load(args: &[&str], out: &Path, expected: i32) -> Said {
    let _turn = TURN.lock().await;
    let args = [args, &["--out", text(out)]].concat();
    let mut said = run(&args).await;
    for _attempt in 1..ATTEMPTS {
        if said.code != Some(12) || expected == 12 {
            break;
        }
        std::fs::remove_dir_all(out).expect("the run was kept");
        said = run(&args).await;
    }
    assert_eq!(said.code, Some(expected), "{args:?}: {said:?}");
    said
}

/// Offers a load beside another one, as often as the machine leaves it no time, and whatever it comes to.
pub(crate) async fn run_on_the_side(args: &[&str], out: &Path) -> Said {
    let args = [args, &["--out", text(out)]].concat();
    let mut said = run(&args).await;
    for _attempt in 1..ATTEMPTS {
        if said.code != Some(12) {
            break;
        }
        std::fs::remove_dir_all(out).expect("the run was kept");
        said = run(&args).await;
    }
    said
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are plain")
}

/// Sends a signal to a child.
pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(pid_of(child), signal).expect("the child can be signalled");
}

fn pid_of(child: &Child) -> Pid {
    let id = child.id().expect("the child runs");
    Pid::from_raw(i32::try_from(id).expect("ids are small")).expect("ids are not 0")
}

/// The one run that is kept in this directory.
pub(crate) fn only_run(out: &Path) -> PathBuf {
    let mut runs: Vec<_> = std::fs::read_dir(out)
        .expect("runs are kept here")
        .map(|entry| entry.expect("it can be listed").path())
        // Beside them is the table of runs.
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(runs.len(), 1, "one run is kept: {runs:?}");
    runs.remove(0)
}

/// What `run.json` of a run's directory holds.
pub(crate) fn record_of(run: &Path) -> RunRecord {
    let json = std::fs::read_to_string(run.join("run.json")).expect("the record is kept");
    RunRecord::read(&json).expect("the record is one")
}

/// A server started by hand, as a user would.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    err: ChildStderr,
    /// What it said when it was ready.
    pub(crate) greeting: Vec<String>,
    /// Host and port.
    pub(crate) address: String,
    /// Where its log is.
    pub(crate) data: PathBuf,
}

impl Server {
    /// Starts one and waits until it says that it takes connections.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// The same with more options.
    pub(crate) async fn start_with(data: &Path, options: &[&str]) -> Self {
        let mut child = stampede([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--password-cost",
            "test",
        ])
        .arg("--data")
        .arg(data)
        .args(options)
        .spawn()
        .expect("the server starts");
        let out = child.stdout.take().expect("the output is piped");
        let err = child.stderr.take().expect("the errors are piped");
        let mut server = Self {
            child,
            lines: BufReader::new(out).lines(),
            err,
            greeting: Vec::new(),
            address: String::new(),
            data: data.to_owned(),
        };
        timeout(DEADLINE, server.read_greeting())
            .await
            .expect("the server gets ready");
        server
    }

    async fn read_greeting(&mut self) {
        while let Some(line) = self.lines.next_line().await.expect("it speaks text") {
            if let Some(rest) = line.strip_prefix("Listening on tcp://") {
                let (address, _log) = rest.split_once(';').expect("the address ends");
                address.clone_into(&mut self.address);
            }
            let is_last = line.starts_with("Stop it with Ctrl-C");
            self.greeting.push(line);
            if is_last {
                return;
            }
        }
        let mut err = String::new();
        let _partial = self.err.read_to_string(&mut err).await;
        panic!("the server ended before it was ready: {err}");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// SIGKILL, and wait until it is gone.
    pub(crate) async fn kill(&mut self) {
        timeout(DEADLINE, self.child.kill())
            .await
            .expect("it dies at once")
            .expect("it ran until now");
    }

    /// No file that it writes may be longer from now on.
    pub(crate) fn limit_file_size(&self, bytes: u64) {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        let limited = prlimit(Some(pid_of(&self.child)), Resource::Fsize, limit);
        limited.expect("a child can be limited");
    }

    /// Ctrl-C, and everything that it says from then on.
    pub(crate) async fn interrupt(self) -> Said {
        send(&self.child, Signal::INT);
        self.end().await
    }

    /// Everything that it says until it ends by itself.
    pub(crate) async fn end(mut self) -> Said {
        let ending = async {
            let mut out = String::new();
            while let Some(line) = self.lines.next_line().await.expect("it speaks text") {
                out.push_str(&line);
                out.push('\n');
            }
            let mut err = String::new();
            self.err
                .read_to_string(&mut err)
                .await
                .expect("its errors are text");
            let status = self.child.wait().await.expect("it can be waited for");
            Said {
                code: status.code(),
                out,
                err,
            }
        };
        timeout(DEADLINE, ending).await.expect("it stops")
    }
}
