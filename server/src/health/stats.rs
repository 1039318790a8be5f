//! The server's numbers: written by the threads that own them, read by whoever asks how it is.
//!
//! The serving thread lays its numbers out at every tick of its clock, the writer once a batch, the
//! start once a stretch of the log. Each takes a lock that is otherwise taken only while somebody
//! reads, for a copy. Deliberately absent: what the numbers mean (`probes`, `metrics`).

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use protocol::Seq;

use super::counts::{Buckets, Refusals};
use crate::{clock::Monotonic, log::Checkpoints, time_base::Drift};

/// Where the disks of this world are: a tenth of a millisecond for flash with a battery, tens of
/// milliseconds for a disk that turns, seconds for one that is failing.
const COMMIT_SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// From a lone command to a full batch, see `engine::BATCH_LEN_MAX`.
const COMMIT_RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

/// How far a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    /// Opening the log.
    #[default]
    Opening,
    /// Rebuilding the state from it.
    Replaying,
    /// Taking connections.
    Serving,
    /// Finishing what it took.
    Stopping,
}

/// How far the state is rebuilt.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    expected: AtomicU64,
}

impl Progress {
    /// So many records are to be applied.
    pub fn expect(&self, records: u64) {
        self.expected.store(records, Ordering::Relaxed);
    }

    /// So many more were.
    pub fn advance(&self, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.done.fetch_add(records, Ordering::Relaxed);
    }

    fn read(&self) -> Replayed {
        Replayed {
            done: self.done.load(Ordering::Relaxed),
            expected: self.expected.load(Ordering::Relaxed),
        }
    }
}

/// Records applied at the start, and how many there are to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Replayed {
    pub(crate) done: u64,
    pub(crate) expected: u64,
}

/// What the writer knows.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    pub(crate) seconds: Buckets,
    pub(crate) records: Buckets,
    /// Since when a batch is on its way to the disk.
    pub(crate) busy_since: Option<Duration>,
    pub(crate) checkpoints: Checkpoints,
}

/// Requests by what they are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requests {
    pub(crate) commands: u64,
    pub(crate) queries: u64,
    pub(crate) auths: u64,
    pub(crate) signals: u64,
}

/// What the serving thread knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Serving {
    /// When it laid this out.
    pub(crate) turned_at: Duration,
    pub(crate) decided: Seq,
    pub(crate) durable: Seq,
    /// Records decided and not yet with the writer.
    pub(crate) waiting_records: usize,
    /// Things to tell others, not yet handed out.
    pub(crate) waiting_deliveries: usize,
    /// Connections that are told what they missed.
    pub(crate) behind: usize,
    /// People whose password is being checked.
    pub(crate) waiting_auths: usize,
    pub(crate) connections: usize,
    pub(crate) connections_max: usize,
    /// Connections that are somebody's.
    pub(crate) sessions: usize,
    /// People who have one.
    pub(crate) people: usize,
    /// Bytes that connections hold of the memory, and the most they ever did.
    pub(crate) held_bytes: usize,
    pub(crate) held_bytes_peak: usize,
    pub(crate) accepted: u64,
    pub(crate) requests: Requests,
    pub(crate) refusals: Refusals,
    pub(crate) drift: Drift,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Stats {
    clock: Monotonic,
    pub(crate) progress: Progress,
    stage: Mutex<Stage>,
    commits: Mutex<Commits>,
    serving: Mutex<Serving>,
}

/// All of it at one moment, or nearly.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) now: Duration,
    pub(crate) stage: Stage,
    pub(crate) replayed: Replayed,
    pub(crate) commits: Commits,
    pub(crate) serving: Serving,
}

impl Default for Stats {
    /// Of a server that starts now.
    fn default() -> Self {
        Self {
            clock: Monotonic::start(),
            progress: Progress::default(),
            stage: Mutex::default(),
            commits: Mutex::new(Commits {
                seconds: Buckets::new(COMMIT_SECONDS),
                records: Buckets::new(COMMIT_RECORDS),
                busy_since: None,
                checkpoints: Checkpoints::default(),
            }),
            serving: Mutex::default(),
        }
    }
}

impl Stats {
    /// The server is further in its life.
    pub(crate) fn enter(&self, stage: Stage) {
        if stage == Stage::Serving {
            lock(&self.serving).turned_at = self.clock.elapsed();
        }
        *lock(&self.stage) = stage;
    }

    /// A batch is on its way to the disk.
    pub(crate) fn begin_commit(&self) {
        lock(&self.commits).busy_since = Some(self.clock.elapsed());
    }

    /// It is there; and so went copying what was there before.
    pub(crate) fn end_commit(&self, records: usize, checkpoints: Checkpoints) {
        let now = self.clock.elapsed();
        let mut commits = lock(&self.commits);
        if let Some(began) = commits.busy_since.take() {
            commits.seconds.observe((now - began).as_secs_f64());
            commits.records.observe(float(records));
        }
        commits.checkpoints = checkpoints;
    }

    /// The serving thread has turned, and this is what it knows.
    pub(crate) fn lay_out(&self, serving: Serving) {
        *lock(&self.serving) = Serving {
            turned_at: self.clock.elapsed(),
            ..serving
        };
    }

    /// How it all stands.
    pub(crate) fn read(&self) -> Reading {
        // The clock last: nothing that is read began after now.
        let (stage, replayed) = (*lock(&self.stage), self.progress.read());
        let (commits, serving) = (lock(&self.commits).clone(), lock(&self.serving).clone());
        Reading {
            now: self.clock.elapsed(),
            stage,
            replayed,
            commits,
            serving,
        }
    }
}

/// Numbers are whole even if somebody panicked while writing others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The float nearest to a count.
pub(crate) fn float(count: usize) -> f64 {
    wide(u64::try_from(count).unwrap_or(u64::MAX))
}

/// The same.
#[expect(
    clippy::cast_precision_loss,
    reason = "every figure of a scraper is a float; counts stay far below 2^53"
)]
pub(crate) const fn wide(count: u64) -> f64 {
    count as f64
}
