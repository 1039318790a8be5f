//! Somebody's own server, as a process group of the run's: started, killed, paused, ended.
//!
//! A command goes in; a server that is ready comes out, or why there is none. Everything is done to the whole
//! group, since a command may start others, and however the run ends the group ends with it. Deliberately
//! absent: what is asked of the server (`trial`).

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    net::{TcpStream, lookup_host},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::mapping::{Exchanged, ProcessSpec, Ready, exchange};

/// How often a server is looked at that is starting, ending or being paused.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a group may take to end after a signal, or to stop.
const END_MAX: Duration = Duration::from_secs(10);
/// The most of what a server said that an error repeats, characters.
const LAST_CHARS: usize = 2_000;

/// A server that did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Somebody else is there.
    #[error(
        "something answers at {0} already, and it is not this run's: end it, or give another port"
    )]
    Occupied(SocketAddr),
    /// It could not be started.
    #[error("`{command}` cannot be started: {source}")]
    Start {
        /// What.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It ended instead of getting ready.
    #[error("`{command}` ended ({how}) before it was ready; its last words: {words}")]
    NotReady {
        /// What.
        command: String,
        /// How.
        how: String,
        /// What it said.
        words: String,
    },
    /// It never got ready.
    #[error(
        "`{command}` was not ready within {}: {what}; its last words: {words}; a slow one wants a longer `ready_within`",
        humantime::format_duration(*.within)
    )]
    NeverReady {
        /// What.
        command: String,
        /// How long was waited.
        within: Duration,
        /// What was waited for.
        what: String,
        /// What it said.
        words: String,
    },
    /// It ended when nobody told it to.
    #[error("the server ended by itself ({how}); its last words: {words}")]
    Ended {
        /// How.
        how: String,
        /// What it said.
        words: String,
    },
    /// It would not end.
    #[error("the server did not end within {} s of a signal", END_MAX.as_secs())]
    NotEnded,
    /// What it says could not be kept.
    #[error("{}: {source}", .path.display())]
    Words {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How it is started.
#[derive(Debug)]
pub(super) struct Launch {
    /// What the file says, with every place filled.
    pub(super) spec: ProcessSpec,
    /// Where the file is.
    pub(super) dir: PathBuf,
    /// What takes all that it says.
    pub(super) words: PathBuf,
    /// Where it is to answer.
    pub(super) address: SocketAddr,
}

/// A running one.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    launch: Arc<Launch>,
}

impl Process {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// If it does not get there.
    pub(super) async fn start(launch: Arc<Launch>) -> Result<Self, ProcessError> {
        if TcpStream::connect(launch.address).await.is_ok() {
            return Err(ProcessError::Occupied(launch.address));
        }
        let said_before = fs::metadata(&launch.words).map_or(0, |file| file.len());
        let (out, errors) = launch
            .words_file()
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(|source| ProcessError::Words {
                path: launch.words.clone(),
                source,
            })?;
        let fail = |source| ProcessError::Start {
            command: launch.spec.start.clone(),
            source,
        };
        let child = Command::new("sh")
            .arg("-c")
            .arg(&launch.spec.start)
            .current_dir(&launch.dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let group = group.ok_or_else(|| fail(io::Error::other("it has no process")))?;
        let mut process = Self {
            child,
            group,
            launch,
        };
        process.wait_until_ready(said_before).await?;
        Ok(process)
    }

    async fn wait_until_ready(&mut self, said_before: u64) -> Result<(), ProcessError> {
        let launch = Arc::clone(&self.launch);
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let (command, how) = (launch.spec.start.clone(), how(status));
                return Err(ProcessError::NotReady {
                    command,
                    how,
                    words: launch.last_words(),
                });
            }
            // One look may not take longer than all of them.
            let look = timeout(launch.spec.within, launch.is_ready(said_before)).await;
            if look == Ok(true) {
                return Ok(());
            }
            if launch.spec.within <= began.elapsed() {
                return Err(ProcessError::NeverReady {
                    command: launch.spec.start.clone(),
                    within: launch.spec.within,
                    what: launch.spec.ready.to_string(),
                    words: launch.last_words(),
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The process that the command became.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, to all of the group.
    ///
    /// # Errors
    /// If it had ended before, or does not end.
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, ProcessError> {
        self.end_with(Signal::KILL).await
    }

    /// SIGTERM, to all of the group.
    ///
    /// # Errors
    /// If it had ended before, or does not end.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, ProcessError> {
        self.end_with(Signal::TERM).await
    }

    async fn end_with(&mut self, signal: Signal) -> Result<ExitStatus, ProcessError> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.ended_with(how(status)));
        }
        self.signal(signal);
        let ended = async {
            let status = self.child.wait().await;
            while test_kill_process_group(self.group).is_ok() {
                sleep(LOOK_EVERY).await;
            }
            status
        };
        match timeout(END_MAX, ended).await {
            Ok(status) => status.map_err(|error| self.ended_with(error.to_string())),
            Err(_elapsed) => Err(ProcessError::NotEnded),
        }
    }

    /// Starts it again, after it ended.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(super) async fn start_again(&mut self) -> Result<(), ProcessError> {
        *self = Self::start(Arc::clone(&self.launch)).await?;
        Ok(())
    }

    /// SIGSTOP. Whether the kernel says that every process of the group stands.
    pub(super) async fn pause(&self) -> bool {
        self.signal(Signal::STOP);
        let began = Instant::now();
        while began.elapsed() < END_MAX {
            let states = self.states();
            if !states.is_empty() && states.iter().all(|state| "TZ".contains(*state)) {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
        false
    }

    /// SIGCONT.
    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until it ends by itself, and says how it did.
    pub(super) async fn ended(&mut self) -> ProcessError {
        let status = self.child.wait().await;
        self.ended_with(status.map_or_else(|error| error.to_string(), how))
    }

    fn ended_with(&self, how: String) -> ProcessError {
        ProcessError::Ended {
            how,
            words: self.launch.last_words(),
        }
    }

    fn signal(&self, signal: Signal) {
        // It may have ended, which waiting for it will tell.
        let _already_gone = kill_process_group(self.group, signal);
    }

    /// The state of every process of the group, as the kernel abbreviates it.
    fn states(&self) -> Vec<char> {
        let group = self.group.as_raw_nonzero().get().to_string();
        let entries = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        let state = |stat: String| {
            // The name stands in brackets and may hold anything; behind it: state, parent, group.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.chars().next()?;
            (fields.nth(1)? == group).then_some(state)
        };
        stats.filter_map(state).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A number that was given back may be somebody else's: only a group that was not waited for.
        if test_kill_process_group(self.group).is_ok() {
            self.signal(Signal::KILL);
        }
    }
}

impl Launch {
    fn words_file(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.words)
    }

    async fn is_ready(&self, said_before: u64) -> bool {
        match &self.spec.ready {
            Ready::Tcp(address) => connects(address).await,
            Ready::Http(url) => answers(url).await,
            Ready::Line(text) => {
                let said = fs::read(&self.words).unwrap_or_default();
                let since = usize::try_from(said_before).unwrap_or(usize::MAX);
                let said = String::from_utf8_lossy(said.get(since..).unwrap_or_default());
                said.lines().any(|line| line.contains(text.as_str()))
            }
        }
    }

    fn last_words(&self) -> String {
        last_words(&self.words)
    }
}

fn last_words(path: &Path) -> String {
    let words = fs::read(path).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let words = words.trim();
    if words.is_empty() {
        return "none".to_owned();
    }
    let skipped = words.chars().count().saturating_sub(LAST_CHARS);
    words.chars().skip(skipped).collect()
}

async fn connects(address: &str) -> bool {
    let connecting = TcpStream::connect(address.to_owned());
    connecting.await.is_ok()
}

/// Whether a GET of a URL is answered with 2xx.
async fn answers(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(address) = lookup_host(authority)
        .await
        .ok()
        .and_then(|mut found| found.next())
    else {
        return false;
    };
    let request = hyper::Request::get(format!("/{path}"))
        .header(hyper::header::HOST, authority)
        .body(Full::<Bytes>::default());
    let Ok(request) = request else { return false };
    let (_closed, exchanged) = exchange(None, address, request).await;
    matches!(
        exchanged,
        Exchanged::Answer {
            status: 200..300,
            ..
        }
    )
}

fn how(status: ExitStatus) -> String {
    status
        .signal()
        .map_or_else(|| status.to_string(), |signal| format!("signal {signal}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(start: &str, ready: Ready, dir: &Path) -> Arc<Launch> {
        Arc::new(Launch {
            spec: ProcessSpec {
                start: start.to_owned(),
                ready,
                within: Duration::from_millis(200),
            },
            dir: dir.to_owned(),
            words: dir.join("words"),
            // Nobody listens on port 1 of this machine.
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
        })
    }

    #[tokio::test]
    async fn a_command_that_fails_says_why() {
        let dir = tempfile::tempdir().expect("a directory");
        let ready = Ready::Line("ready".to_owned());
        let failing = launch("echo no such module >&2; exit 3", ready.clone(), dir.path());
        let error = Process::start(failing)
            .await
            .expect_err("it ends")
            .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("no such module"),
            "{error}"
        );
        let silent = launch("sleep 60", ready, dir.path());
        let error = Process::start(silent)
            .await
            .expect_err("it is never ready")
            .to_string();
        assert!(
            error.contains("not ready within 200ms: a line with `ready`"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_group_stops_goes_on_and_ends_as_a_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        // The shell has a child of its own.
        let start = "sleep 60 & echo ready; wait";
        let launch = launch(start, Ready::Line("ready".to_owned()), dir.path());
        let mut process = Process::start(launch).await.expect("it is ready");
        assert!(process.pause().await);
        process.go_on();
        let status = process.kill().await.expect("it runs");
        assert_eq!(status.signal(), Some(9));
        assert!(
            test_kill_process_group(process.group).is_err(),
            "nobody of the group is left"
        );
        process.start_again().await.expect("it is ready again");
        let group = process.group;
        drop(process);
        // The kernel takes a moment to take them away.
        let began = Instant::now();
        while test_kill_process_group(group).is_ok() && began.elapsed() < END_MAX {
            sleep(LOOK_EVERY).await;
        }
        assert!(
            test_kill_process_group(group).is_err(),
            "dropped, and nobody is left"
        );
    }
}
