//! Waking at the planned instant, to microseconds.
//!
//! Deadlines go in and wake-ups come out, through a `timerfd` armed with absolute instants: the
//! timers of tokio tick in milliseconds. The pacer never moves an instant, so whoever wakes late finds
//! everything due with its planned instant still on it. Deliberately absent: what is due, and how late
//! it is (see `core`).

use std::{
    io,
    os::fd::OwnedFd,
    task::{Context, Poll, ready},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::{clock::Clock, operation::Nanos, wake};

/// A timer on the run's clock.
#[derive(Debug)]
pub(super) struct Pacer {
    timer: AsyncFd<OwnedFd>,
    clock: Clock,
    /// What the timer is set to; `None` when it is not going to fire.
    armed: Option<Nanos>,
}

impl Pacer {
    /// A pacer on the run's clock.
    ///
    /// # Errors
    /// If the kernel gives no timer. Must be called within a tokio runtime.
    pub(super) fn open(clock: Clock) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Self {
            timer: wake::watch(timer)?,
            clock,
            armed: None,
        })
    }

    /// Sets the next wake-up. Setting the same instant again costs nothing.
    ///
    /// # Errors
    /// If the kernel refuses the timer.
    pub(super) fn arm(&mut self, at: Nanos) -> io::Result<()> {
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
    pub(super) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
