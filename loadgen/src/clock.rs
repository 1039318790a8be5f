//! The clocks, and what the process costs: the one file of this crate that reads them.
//!
//! Monotonic nanoseconds since the run's start, the wall time for names and files, and the
//! processor time and memory the generator costs. Everything else is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::operation::Nanos;

const NANOS_A_SECOND: u64 = 1_000_000_000;

/// The run's clock: nanoseconds since its start, on the kernel's monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: u64,
}

impl Clock {
    /// A clock that reads 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: read(ClockId::Monotonic),
        }
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> Nanos {
        read(ClockId::Monotonic).saturating_sub(self.start)
    }

    /// The same instant on the kernel's clock, for timers armed with absolute times.
    #[must_use]
    pub fn absolute(&self, at: Nanos) -> Timespec {
        let at = self.start.saturating_add(at);
        Timespec {
            tv_sec: i64::try_from(at / NANOS_A_SECOND).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(at % NANOS_A_SECOND).unwrap_or(0),
        }
    }
}

/// Processor time this process has used, nanoseconds.
#[must_use]
pub fn process_cpu() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// Processor time this thread has used, nanoseconds.
#[must_use]
pub fn thread_cpu() -> u64 {
    read(ClockId::ThreadCPUTime)
}

/// Milliseconds since 1970-01-01 UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one wall clock")]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The largest resident size this process has had, bytes; 0 where the kernel does not tell.
#[must_use]
pub fn memory_bytes_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NANOS_A_SECOND).saturating_add(nanos)
}
