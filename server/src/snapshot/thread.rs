//! The thread that makes snapshots while a server runs.
//!
//! It looks at the log now and then, through a connection of its own, and makes a snapshot when
//! enough records have come. It asks for little: whoever serves and writes goes first. While it
//! works there is a second state in memory; in between there is none. Deliberately absent: how a
//! snapshot is made (`make`).

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use protocol::Seq;

use super::{SnapshotError, SnapshotRequest, Snapshots, make};
use crate::{
    clock::Monotonic,
    log::{LogError, SqliteReader},
    net::Complaints,
};

/// How often it looks. A look is one row read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A snapshot is as large as the state, which grows with the log; so the records between two grow
/// too: what is written stays a fixed multiple of what is logged, and what a start after a crash
/// replays a fixed part of the log.
const PART_OF_LOG: u64 = 4;

/// The most that a thread can step back.
const NICENESS: i32 = 19;

/// The thread; it ends when it is stopped, or dropped.
#[derive(Debug)]
pub struct SnapshotThread {
    is_given_up: Arc<AtomicBool>,
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotThread {
    /// Starts the thread. It makes a snapshot whenever `every` records came since the last one, or a
    /// quarter of the log if that is more.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn spawn(data_dir: &Path, every: u64) -> io::Result<Self> {
        let is_given_up = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = sync_channel(1);
        let keeping = Keeping {
            data_dir: data_dir.to_owned(),
            every,
            is_given_up: Arc::clone(&is_given_up),
        };
        let thread = thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || keeping.run(&stopped))?;
        Ok(Self {
            is_given_up,
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the thread. A snapshot that it is making is given up.
    pub fn stop(&mut self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        let _it_may_have_ended = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            thread
                .join()
                .expect("a panic of this thread ends the process");
        }
    }
}

impl Drop for SnapshotThread {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Keeping {
    data_dir: PathBuf,
    every: u64,
    is_given_up: Arc<AtomicBool>,
}

impl Keeping {
    fn run(&self, stopped: &Receiver<()>) {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::warn!(%error, "snapshots are made at the priority of everything else");
        }
        let (clock, mut complaints) = (Monotonic::start(), Complaints::default());
        let mut last = self.newest();
        while stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            match self.head() {
                Ok(head) if self.is_due(last, head) => {
                    self.make();
                    // Also after a failure, so that it is not tried again at every look.
                    last = head;
                }
                Ok(_) => {}
                Err(error) => {
                    if let Some(times) = complaints.note(clock.elapsed()) {
                        tracing::warn!(%error, times, "whether a snapshot is due is not known");
                    }
                }
            }
        }
    }

    const fn is_due(&self, last: Seq, head: Seq) -> bool {
        let part = head.0 / PART_OF_LOG;
        let enough = if self.every < part { part } else { self.every };
        enough <= head.0.saturating_sub(last.0)
    }

    fn newest(&self) -> Seq {
        let listed = Snapshots::of(&self.data_dir).list();
        listed
            .ok()
            .and_then(|listed| listed.first().map(|newest| newest.seq))
            .unwrap_or_default()
    }

    fn head(&self) -> Result<Seq, LogError> {
        Ok(SqliteReader::open(&self.data_dir)?.head()?.seq)
    }

    fn make(&self) {
        let made = make(&SnapshotRequest {
            data_dir: &self.data_dir,
            expected: None,
            is_given_up: &self.is_given_up,
        });
        match made {
            Ok(made) => {
                for warning in made.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(seq = %made.head.seq, bytes = made.bytes, "made a snapshot");
            }
            Err(SnapshotError::GivenUp) => {}
            Err(error) => tracing::warn!(%error, "no snapshot could be made"),
        }
    }
}
