//! What every second of a run was like, in files that any HdrHistogram tool reads.
//!
//! Finished operations go in, four interval logs come out, each with one quantity, in nanoseconds:
//!
//! | file | one line | what |
//! |---|---|---|
//! | `latency.hlog` | an interval, untagged | response time of everything answered |
//! | `operations.hlog` | an interval and operation, tagged with its name | response time |
//! | `service.hlog` | the same | service time |
//! | `delay.hlog` | the same | sent minus intended, of the failed too |
//!
//! The first is the sum of the second, interval by interval. An interval is a second of a phase by
//! the instant of completion, the first of a phase beginning with it; where a phase ends it is cut
//! short. Intervals in which nothing was answered stand in `latency.hlog` with an empty histogram.
//! `StartTime` and `BaseTime` are the run's start, from which the times of a line are counted.
//!
//! Driving and writing are different threads: what a second's histograms take to encode would be
//! lateness of every operation due meanwhile. Between them is a queue with a bound.
//! Deliberately absent: clocks, failures (the run record has them), rendering.

mod write;

use std::{
    fmt, io,
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::SystemTime,
};

use self::write::{Files, keep};
use crate::operation::{Nanos, Operation};

/// Response time of everything answered, an interval a line.
pub const LATENCY_FILE: &str = "latency.hlog";
/// Response time, an interval and operation a line.
pub const OPERATIONS_FILE: &str = "operations.hlog";
/// Service time, an interval and operation a line.
pub const SERVICE_FILE: &str = "service.hlog";
/// Sent minus intended, an interval and operation a line.
pub const DELAY_FILE: &str = "delay.hlog";

/// How long an interval is.
const INTERVAL: Nanos = 1_000_000_000;
/// Samples handed over together: a fortieth of a second at 100,000 a second.
const BATCH_LEN: usize = 2_048;
/// Batches that wait for the writer: some 5 MiB. Beyond, the driver waits, and is late, and says so.
const BATCHES_MAX: usize = 64;

/// Told of every interval by the thread that writes them: how each operation went.
pub type OnInterval = Box<dyn FnMut(&[OperationInterval]) + Send>;

/// Response times of one operation in one interval, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationInterval {
    /// Its name.
    pub name: &'static str,
    /// How many were answered.
    pub answered: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile, of however few.
    pub p90: u64,
    /// The 99th percentile, of however few.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

/// One finished operation, as far as it is of interest here.
#[derive(Debug, Clone, Copy)]
struct Sample {
    call: usize,
    /// Response and service time; `None` where there was no answer.
    answered: Option<[Nanos; 2]>,
    delay: Nanos,
}

/// What the driver tells the writer.
enum Told {
    Samples(Vec<Sample>),
    /// The interval that ran from one instant to another is over.
    Ended([Nanos; 2]),
}

/// Records the seconds of a run.
pub struct IntervalLog {
    samples: Vec<Sample>,
    /// When the running interval began; `None` before the first phase.
    running: Option<Nanos>,
    to: SyncSender<Told>,
    writer: JoinHandle<io::Result<()>>,
}

/// The writer is gone: [`IntervalLog::finish`] tells why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterGone;

impl fmt::Debug for IntervalLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntervalLog")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl IntervalLog {
    /// Begins the logs of a run that began at `started_at`, in files that must not exist yet.
    ///
    /// # Errors
    /// If a file cannot be created, or the writer's thread.
    pub fn create(dir: &Path, started_at: SystemTime) -> io::Result<Self> {
        Self::watched(dir, started_at, None)
    }

    /// The same, with somebody who is told of every interval.
    ///
    /// # Errors
    /// If a file cannot be created, or the writer's thread.
    pub fn watched(
        dir: &Path,
        started_at: SystemTime,
        watcher: Option<OnInterval>,
    ) -> io::Result<Self> {
        let files = Files::create(dir)?;
        let (to, from) = sync_channel(BATCHES_MAX);
        let writer = thread::Builder::new()
            .name("intervals".to_owned())
            .spawn(move || keep(files, started_at, watcher, &from))?;
        Ok(Self {
            samples: Vec::with_capacity(BATCH_LEN),
            running: None,
            to,
            writer,
        })
    }

    /// A phase begins at this instant, and its first interval.
    ///
    /// # Errors
    /// If what came before could not be written.
    pub fn begin(&mut self, at: Nanos) -> Result<(), WriterGone> {
        self.end_until(at)?;
        self.end_at(at)?;
        self.running = Some(at);
        Ok(())
    }

    /// An operation is finished.
    ///
    /// # Errors
    /// If what came before could not be written.
    pub fn record(&mut self, operation: &Operation) -> Result<(), WriterGone> {
        self.end_until(operation.completed_at)?;
        self.samples.push(Sample::of(operation));
        if self.samples.len() < BATCH_LEN {
            return Ok(());
        }
        self.hand_over()
    }

    /// The run is over at this instant; everything is in the files when this returns.
    ///
    /// # Errors
    /// If something could not be written.
    pub fn finish(mut self, at: Nanos) -> io::Result<()> {
        // A writer that is gone has an error to tell, which it does below.
        let _gone = self.end_until(at).and_then(|()| self.end_at(at));
        drop(self.to);
        self.writer
            .join()
            .unwrap_or_else(|_panic| Err(io::Error::other("the writer of intervals panicked")))
    }

    /// Ends every interval that is over at this instant.
    fn end_until(&mut self, at: Nanos) -> Result<(), WriterGone> {
        while let Some(running) = self.running
            && running + INTERVAL <= at
        {
            self.end_at(running + INTERVAL)?;
        }
        Ok(())
    }

    /// Ends the running interval, if it has any length, and begins the next.
    fn end_at(&mut self, at: Nanos) -> Result<(), WriterGone> {
        let Some(running) = self.running.filter(|running| *running < at) else {
            return Ok(());
        };
        self.hand_over()?;
        self.tell(Told::Ended([running, at]))?;
        self.running = Some(at);
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), WriterGone> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(BATCH_LEN);
        let samples = std::mem::replace(&mut self.samples, next);
        self.tell(Told::Samples(samples))
    }

    fn tell(&self, told: Told) -> Result<(), WriterGone> {
        self.to.send(told).map_err(|_told| WriterGone)
    }
}

impl Sample {
    fn of(operation: &Operation) -> Self {
        let Operation {
            intended_at,
            sent_at,
            completed_at,
            ..
        } = *operation;
        let since = |from| completed_at.saturating_sub(from);
        let is_answered = operation.outcome.is_decided();
        Self {
            call: operation.call.index(),
            answered: is_answered.then(|| [since(intended_at), since(sent_at)]),
            delay: sent_at.saturating_sub(intended_at),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
