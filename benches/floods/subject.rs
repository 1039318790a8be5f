//! The server that is attacked: a process of its own, and what it took.
//!
//! Deliberately absent: the attacks.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use loadgen::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to end before it is killed.
const END_MAX_NS: u64 = 15_000_000_000;

/// Where an attack goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) native: SocketAddr,
    pub(crate) lines: SocketAddr,
}

/// See the head of this file.
pub(crate) struct Subject {
    child: Child,
    pub(crate) native: SocketAddr,
    lines: SocketAddr,
}

impl Subject {
    pub(crate) fn start(data: &Path) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stampede"))
            .args(["serve", "--listen", "127.0.0.1:0", "--jsonl", "127.0.0.1:0"])
            .arg("--data")
            .arg(data.join("data"))
            .arg("--ready-json")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().context("it was piped")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        output.read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let address = |name: &str| -> Result<SocketAddr> {
            let text = ready[name].as_str().context("it says where it is")?;
            Ok(text.trim_start_matches("tcp://").parse()?)
        };
        let (native, lines) = (address("address")?, address("jsonl")?);
        // Nobody reads what else it says.
        std::thread::spawn(move || {
            let mut rest = Vec::new();
            let _either_way = output.read_to_end(&mut rest);
        });
        Ok(Self {
            child,
            native,
            lines,
        })
    }

    pub(crate) const fn doors(&self) -> Doors {
        Doors {
            native: self.native,
            lines: self.lines,
        }
    }

    /// The most memory that was ever resident.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib
            .context("a running process has memory")?
            .trim()
            .parse()?;
        Ok(kib * 1_024)
    }

    /// Tells it to end. Returns how long it took, if it did.
    pub(crate) fn stop(mut self, clock: &Clock) -> Result<Option<u64>> {
        let pid = Pid::from_child(&self.child);
        let told = clock.now();
        kill_process(pid, Signal::TERM)?;
        while clock.now() - told < END_MAX_NS {
            if self.child.try_wait()?.is_some() {
                return Ok(Some(clock.now() - told));
            }
            super::pause(Duration::from_millis(2));
        }
        Ok(None)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
