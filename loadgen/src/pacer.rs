//! Waking at the planned instant, to microseconds.
//!
//! Deadlines go in and wake-ups come out, through a `timerfd` armed with absolute instants: the
//! timers of tokio tick in milliseconds. The pacer never moves an instant, so whoever wakes late finds
//! everything due with its planned instant still on it, and notes for each thing how late it is.
//! Deliberately absent: what is due (see `driver`).

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    os::fd::OwnedFd,
    task::{Context, Poll, ready},
};

use hdrhistogram::Histogram;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::{clock::Clock, operation::Nanos, recorder, wake};

/// A timer that knows how late it is.
#[derive(Debug)]
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
    clock: Clock,
    /// What the timer is set to; `None` when it is not going to fire.
    armed: Option<Nanos>,
    lateness: Lateness,
}

/// How late things were started, each counted once: a generator that stood still for a while is late for
/// everything that was due meanwhile, however few times it woke.
#[derive(Debug)]
pub struct Lateness(Histogram<u64>);

/// Starts that must be late before a share of them says anything, as for a percentile.
const LATE_MIN: u64 = 10;
/// Starts from which on their 99th percentile is known: ten lie beyond it.
const STARTS_MIN: u64 = 1_000;

impl Lateness {
    /// Nothing started.
    #[must_use]
    pub fn new() -> Self {
        Self(recorder::histogram())
    }

    /// Something was started so long after the instant that was planned for it, nanoseconds.
    pub fn note(&mut self, late: Nanos) {
        self.0.saturating_record(late.max(1));
    }

    /// Every start, nanoseconds.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// How many starts were later than `max`, if it was more than one in a hundred; of fewer than a thousand
    /// starts, whose 99th percentile nobody knows, more than one in ten.
    #[must_use]
    pub fn beyond(&self, max: Nanos) -> Option<u64> {
        let late = self.0.count_between(max.saturating_add(1), self.0.high());
        let one_in = if self.0.len() < STARTS_MIN { 10 } else { 100 };
        (LATE_MIN <= late && self.0.len() < late.saturating_mul(one_in)).then_some(late)
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacer {
    /// A pacer on the run's clock.
    ///
    /// # Errors
    /// If the kernel gives no timer. Must be called within a tokio runtime.
    pub fn open(clock: Clock) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Self {
            timer: wake::watch(timer)?,
            clock,
            armed: None,
            lateness: Lateness::new(),
        })
    }

    /// Sets the next wake-up. Setting the same instant again costs nothing.
    ///
    /// # Errors
    /// If the kernel refuses the timer.
    pub fn arm(&mut self, at: Nanos) -> io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: self.clock.absolute(at),
        };
        // Setting a timer also takes back an expiry nobody has read, so it is never read.
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed = Some(at);
        Ok(())
    }

    /// Ready once the armed instant has passed.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(armed) = self.armed else {
            return Poll::Pending;
        };
        loop {
            let mut guard = ready!(self.timer.poll_read_ready(context))?;
            guard.clear_ready();
            // Earlier than armed: the expiry of an instant that has been replaced.
            if armed <= self.clock.now() {
                self.armed = None;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// What was planned for the instant `due` begins at `now`.
    pub fn note_start(&mut self, due: Nanos, now: Nanos) {
        self.lateness.note(now.saturating_sub(due));
    }

    /// How late everything was started that was planned.
    #[must_use]
    pub const fn lateness(&self) -> &Lateness {
        &self.lateness
    }
}

/// Things to do at instants, earliest first; equal instants in the order they were added.
#[derive(Debug, Default)]
pub struct TimerQueue {
    heap: BinaryHeap<Reverse<(Nanos, u64, u32)>>,
    added: u64,
}

impl TimerQueue {
    /// Remembers `token` for `at`.
    pub fn add(&mut self, at: Nanos, token: u32) {
        self.heap.push(Reverse((at, self.added, token)));
        self.added += 1;
    }

    /// The earliest instant.
    #[must_use]
    pub fn next_at(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse((at, _added, _token))| *at)
    }

    /// Takes the earliest token that is due, with its instant.
    pub fn take_due(&mut self, now: Nanos) -> Option<(Nanos, u32)> {
        if now < self.next_at()? {
            return None;
        }
        self.take()
    }

    /// Takes the earliest token, due or not.
    pub fn take(&mut self) -> Option<(Nanos, u32)> {
        self.heap
            .pop()
            .map(|Reverse((at, _added, token))| (at, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_due_in_order_with_their_own_instants() {
        let mut queue = TimerQueue::default();
        for (at, token) in [(30, 3), (10, 1), (20, 2), (10, 4)] {
            queue.add(at, token);
        }
        assert_eq!(queue.take_due(9), None);
        let due: Vec<_> = std::iter::from_fn(|| queue.take_due(25)).collect();
        assert_eq!(due, [(10, 1), (10, 4), (20, 2)]);
        assert_eq!(queue.next_at(), Some(30));
    }

    /// What became of `count` starts of which `late` were `by` late and the others on time.
    fn beyond(count: u64, late: u64, by: Nanos) -> Option<u64> {
        let mut lateness = Lateness::new();
        (0..count - late).for_each(|_| lateness.note(100_000));
        (0..late).for_each(|_| lateness.note(by));
        lateness.beyond(5_000_000)
    }

    #[test]
    fn every_start_that_was_due_while_the_generator_stood_still_is_late() {
        const MS: Nanos = 1_000_000;
        assert_eq!(beyond(2_000, 0, 0), None);
        // 3 s of 10 s, at 200 a second: one wake-up, 600 starts.
        assert_eq!(beyond(2_000, 600, 3_000 * MS), Some(600));
        // 0.3 s of 12 s, at 2,000 a second.
        assert_eq!(beyond(24_000, 600, 300 * MS), Some(600));
        assert_eq!(
            beyond(20_000, 150, 300 * MS),
            None,
            "fewer than one in a hundred"
        );
        assert_eq!(beyond(2_000, 600, 4 * MS), None, "within what is allowed");
        // Of few starts more must be late.
        assert_eq!(beyond(20, 9, 300 * MS), None);
        assert_eq!(beyond(500, 50, 300 * MS), None);
        assert_eq!(beyond(500, 60, 300 * MS), Some(60));
    }

    #[tokio::test]
    async fn wakes_at_or_after_the_armed_instant_even_when_it_was_moved() {
        let clock = Clock::start();
        let mut pacer = Pacer::open(clock).expect("a timer");
        pacer.arm(1_000).expect("arm");
        let later = clock.now() + 2_000_000;
        pacer.arm(later).expect("arm again");
        std::future::poll_fn(|context| pacer.poll_due(context))
            .await
            .expect("the timer fires");
        assert!(later <= clock.now());
    }
}
