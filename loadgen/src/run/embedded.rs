//! The embedded server: this same program, as a child process over a fresh log.
//!
//! It is started on a free port, pulled the plug on with SIGKILL, started again on what is on the
//! disk, paused and let go on, and stopped with SIGTERM. Deliberately absent: what is asked of it (see `world`, `judge`).

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::scenario::ServerConfig;

/// How long a server may take to be ready: it replays its log first.
const READY_MAX: Duration = Duration::from_secs(120);

/// How long a server may take to stop: it finishes what it took, and checkpoints.
const STOP_MAX: Duration = Duration::from_secs(60);

/// How often and how soon to look whether a process that was told to stop has: the kernel does it
/// when the process is next about to run.
const PAUSE_LOOKS: u32 = 1_000;
/// See [`PAUSE_LOOKS`].
const PAUSE_LOOK_EVERY: Duration = Duration::from_millis(1);

/// A running child.
#[derive(Debug)]
pub(super) struct Embedded {
    child: Child,
    launch: Launch,
    ready: Ready,
}

/// How the child is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// This program.
    pub(super) program: PathBuf,
    /// Where the log is.
    pub(super) data_dir: PathBuf,
    /// The file that takes what the child complains of.
    pub(super) complaints: PathBuf,
    /// What the scenario says of the server.
    pub(super) server: ServerConfig,
    /// Further arguments, for a server built to misbehave.
    pub(super) extra: Vec<String>,
}

/// What the child says when it takes connections.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ready {
    /// Where it listens.
    pub(super) address: String,
    /// The position it found in the log.
    pub(super) recovered_seq: u64,
    /// How long rebuilding the state took.
    pub(super) recovered_ms: u64,
}

/// A child that did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// It could not be started.
    #[error("cannot start the embedded server ({}): {source}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says could not be kept.
    #[error("cannot write {}, which a run's server speaks into: {source}; was the run's directory removed?", .path.display())]
    Complaints {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended or said something else instead of being ready.
    #[error("the embedded server did not get ready: {0}")]
    NotReady(String),
    /// It ended when nobody told it to.
    #[error("the run's own server ended by itself ({how}); its last words: {words}")]
    Ended {
        /// The signal or the status that it ended with.
        how: String,
        /// What it said last.
        words: String,
    },
    /// It did not stop cleanly.
    #[error("the embedded server did not stop cleanly: {0}")]
    NotStopped(String),
}

impl Embedded {
    /// Starts a server and waits until it takes connections.
    ///
    /// # Errors
    /// If it does not get there.
    pub(super) async fn start(launch: Launch) -> Result<Self, EmbeddedError> {
        let mut child = launch
            .command()?
            .spawn()
            .map_err(|source| EmbeddedError::Start {
                program: launch.program.clone(),
                source,
            })?;
        let stdout = child.stdout.take().expect("the child's output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(READY_MAX, lines.next_line())
            .await
            .map_err(|_elapsed| not_ready(&format!("nothing within {} s", READY_MAX.as_secs())))?
            .map_err(|error| not_ready(&error.to_string()))?;
        let Some(line) = line else {
            return Err(not_ready(&launch.last_words()));
        };
        let ready = serde_json::from_str(&line)
            .map_err(|error| not_ready(&format!("it said {line:?}: {error}")))?;
        Ok(Self {
            child,
            launch,
            ready,
        })
    }

    /// The file with the first admin's password.
    #[must_use]
    pub(super) fn admin_password_file(&self) -> PathBuf {
        self.launch.data_dir.join("admin-password")
    }

    /// What it said when it got ready.
    #[must_use]
    pub(super) const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its process.
    #[must_use]
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Pulls the plug: SIGKILL, no warning. How the process ended.
    ///
    /// # Errors
    /// If it had ended before.
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, EmbeddedError> {
        self.assert_running()?;
        self.signal(Signal::KILL);
        self.wait_for_end().await
    }

    /// Asks it to end, with SIGTERM, and waits until it has.
    ///
    /// # Errors
    /// If it had ended before, or does not end.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, EmbeddedError> {
        self.assert_running()?;
        self.signal(Signal::TERM);
        self.wait_for_end().await
    }

    /// Starts another server on what is on the disk, after this one ended.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(super) async fn start_again(&mut self) -> Result<(), EmbeddedError> {
        *self = Self::start(self.launch.clone()).await?;
        Ok(())
    }

    /// Stops its process where it is, with SIGSTOP. Whether the kernel says that it stands.
    pub(super) async fn pause(&self) -> bool {
        self.signal(Signal::STOP);
        for _look in 0..PAUSE_LOOKS {
            if self.is_stopped() {
                return true;
            }
            sleep(PAUSE_LOOK_EVERY).await;
        }
        false
    }

    /// Lets a stopped process go on.
    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether the kernel says that the process is stopped.
    fn is_stopped(&self) -> bool {
        let Some(pid) = self.child.id() else {
            return false;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state follows the program's name, which stands in brackets and may hold anything.
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| state.starts_with('T'))
    }

    /// Stops it and waits until its log is at rest.
    ///
    /// # Errors
    /// If it had ended before, or does not end well.
    pub(super) async fn stop(mut self) -> Result<(), EmbeddedError> {
        let status = self.end().await?;
        if status.success() {
            self.launch.forget_silence();
            return Ok(());
        }
        let words = self.launch.last_words();
        Err(EmbeddedError::NotStopped(format!("{status}: {words}")))
    }

    async fn wait_for_end(&mut self) -> Result<ExitStatus, EmbeddedError> {
        timeout(STOP_MAX, self.child.wait())
            .await
            .map_err(|_elapsed| {
                EmbeddedError::NotStopped(format!("not within {} s", STOP_MAX.as_secs()))
            })?
            .map_err(|error| EmbeddedError::NotStopped(error.to_string()))
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// If it does not: how it ended.
    pub(super) fn assert_running(&mut self) -> Result<(), EmbeddedError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(self.ended_with(ended.transpose())),
        }
    }

    /// Waits until it ends by itself, and says how it did.
    pub(super) async fn ended(&mut self) -> EmbeddedError {
        let status = self.child.wait().await;
        self.ended_with(Some(status))
    }

    fn ended_with(&self, status: Option<io::Result<ExitStatus>>) -> EmbeddedError {
        let how = match status {
            Some(Ok(status)) => status
                .signal()
                .map_or_else(|| status.to_string(), |signal| format!("signal {signal}")),
            Some(Err(error)) => error.to_string(),
            None => "unknown".to_owned(),
        };
        EmbeddedError::Ended {
            how,
            words: self.launch.last_lines(),
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended since it was looked at, which waiting for it will tell.
            let _already_gone = kill_process(pid, signal);
        }
    }
}

impl Launch {
    fn command(&self) -> Result<Command, EmbeddedError> {
        let complaints = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.complaints)
            .map_err(|source| EmbeddedError::Complaints {
                path: self.complaints.clone(),
                source,
            })?;
        let mut command = Command::new(&self.program);
        command
            .arg("serve")
            .arg("--ready-json")
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(&self.data_dir)
            .args(["--durability", self.server.durability.name()])
            .args(["--password-cost", self.server.password_cost.name()])
            .args(&self.extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A pipe that nobody empties would stop a child with much to complain of.
            .stderr(complaints)
            // A generator that dies takes its server along; one that is interrupted from the
            // keyboard still needs it, so it does not share the terminal's signals.
            .kill_on_drop(true)
            .process_group(0);
        // Options for a server started by hand must not reach this one.
        for (name, _value) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"STAMPEDE_") {
                command.env_remove(name);
            }
        }
        Ok(command)
    }

    /// What a child that ended said on its way.
    fn last_words(&self) -> String {
        const LAST_CHARS: usize = 8 * 1024;
        let words = fs::read(&self.complaints).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        let words = words.trim();
        if words.is_empty() {
            return "it ended without a word".to_owned();
        }
        let skipped = words.chars().count().saturating_sub(LAST_CHARS);
        words.chars().skip(skipped).collect()
    }

    /// The last lines of that, in one.
    fn last_lines(&self) -> String {
        const LAST_LINES: usize = 3;
        let words = self.last_words();
        let lines: Vec<&str> = words.lines().collect();
        let skipped = lines.len().saturating_sub(LAST_LINES);
        lines[skipped..].join(" / ")
    }

    /// A child that never complained leaves no file that says so.
    fn forget_silence(&self) {
        if fs::metadata(&self.complaints).is_ok_and(|file| file.len() == 0) {
            // An empty file that stays harms nobody.
            let _stays = fs::remove_file(&self.complaints);
        }
    }
}

/// Where a run keeps its server's log.
#[must_use]
pub(super) fn data_dir(run_dir: &Path) -> PathBuf {
    run_dir.join("log")
}

/// Where a run keeps what its server complained of, if it did.
#[must_use]
pub(super) fn complaints(run_dir: &Path) -> PathBuf {
    run_dir.join("server.log")
}

fn not_ready(reason: &str) -> EmbeddedError {
    EmbeddedError::NotReady(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_removed_meanwhile_is_not_a_program_that_cannot_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let gone = dir.path().join("gone");
        let launch = Launch {
            program: PathBuf::from("stampede"),
            data_dir: data_dir(&gone),
            complaints: complaints(&gone),
            server: ServerConfig::default(),
            extra: Vec::new(),
        };
        let error = launch.command().expect_err("there is no such directory");
        assert!(
            error
                .to_string()
                .contains("was the run's directory removed?"),
            "{error}"
        );
    }
}
