//! Waking at the planned instant, to microseconds.
//!
//! Deadlines go in and wake-ups come out, through a `timerfd` armed with absolute instants: the
//! timers of tokio tick in milliseconds. The pacer measures how late it wakes; it never moves an
//! instant, so whoever wakes late finds everything due with its planned instant still on it.
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
    lateness: Histogram<u64>,
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
            lateness: recorder::histogram(),
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

    /// Ready once the armed instant has passed, with how late that was noticed.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Nanos>> {
        let Some(armed) = self.armed else {
            return Poll::Pending;
        };
        loop {
            let mut guard = ready!(self.timer.poll_read_ready(context))?;
            guard.clear_ready();
            let now = self.clock.now();
            // Earlier than armed: the expiry of an instant that has been replaced.
            if armed <= now {
                self.armed = None;
                return Poll::Ready(Ok(now - armed));
            }
        }
    }

    /// Somebody had planned something for the instant it woke late for.
    pub fn note_lateness(&mut self, late: Nanos) {
        self.lateness.saturating_record(late.max(1));
    }

    /// How late it woke for what was planned, nanoseconds.
    #[must_use]
    pub const fn lateness(&self) -> &Histogram<u64> {
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
