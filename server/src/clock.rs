//! The one place of the server that reads clocks.
//!
//! Everything else is told the time. Two clocks are read: the wall, for what people and the log are
//! told, and the time since the machine was started, asleep or awake, for waiting. Deliberately
//! absent: what the server's time is when they disagree (`time_base`).

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

use crate::time_base::{Drift, Look, Now, TimeBase, millis};

/// Looks at the clocks.
#[expect(clippy::disallowed_methods, reason = "the one clock")]
#[must_use]
pub fn look() -> Look {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Look {
        mono: read(ClockId::Boottime),
        wall,
    }
}

/// What the wall clock says, milliseconds since 1970-01-01 UTC. For programs around a server: the
/// server's own time is [`Clock::now`].
#[must_use]
pub fn wall_ms() -> u64 {
    millis(look().wall)
}

/// Processor time that all threads of this process have used.
#[must_use]
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that never falls, from its making on. The time a machine sleeps passes on it.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    start: Duration,
}

impl Monotonic {
    /// Starts at 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: read(ClockId::Boottime),
        }
    }

    /// Since its start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        read(ClockId::Boottime).saturating_sub(self.start)
    }

    /// Milliseconds since its start.
    #[must_use]
    pub fn ms(&self) -> u64 {
        millis(self.elapsed())
    }
}

/// The clock of a server that serves: for waiting, and the server's time.
#[derive(Debug)]
pub struct Clock {
    start: Duration,
    base: Cell<TimeBase>,
    /// Whether somebody was told that the clock is wrong.
    is_drift_told: Cell<bool>,
}

impl Clock {
    /// A clock whose time goes on from `base`.
    #[must_use]
    pub fn new(base: TimeBase) -> Self {
        Self {
            start: read(ClockId::Boottime),
            is_drift_told: Cell::new(base.drift().text().is_some()),
            base: Cell::new(base),
        }
    }

    /// Looks at the clocks: the instant that everything which follows is told.
    #[must_use]
    pub fn now(&self) -> Now {
        let (mut base, look) = (self.base.get(), look());
        let wall = base.now(look);
        self.base.set(base);
        Now {
            mono: millis(look.mono.saturating_sub(self.start)),
            wall,
        }
    }

    /// Warns, once each time, that the clock was set back or leapt ahead. What was so at the start
    /// was told then.
    pub fn warn_of_drift(&self) {
        let text = self.drift().text();
        let was_told = self.is_drift_told.replace(text.is_some());
        if let Some(text) = text.filter(|_| !was_told) {
            tracing::warn!("{text}");
        }
    }

    /// How far the server's time was from the wall when it was last asked for.
    #[must_use]
    pub const fn drift(&self) -> Drift {
        self.base.get().drift()
    }
}
