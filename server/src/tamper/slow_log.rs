//! A log that takes longer than it has to, by a share of what it took.
//!
//! The bug `slow`: nothing that it says is wrong. It is there to be found by a comparison with runs
//! of an honest server, and not by a law.

use std::{fmt, hint, time::Duration};

use protocol::UserId;

use crate::{
    clock::Monotonic,
    log::{Batch, EventLog, Head, LogError, LogReader},
};

/// Of the time that a batch took to become durable, the share that is waited in addition. The log
/// is some two thirds of what an answer takes on a machine that is not loaded: an answer takes a
/// tenth longer.
const WAITED_ONE_IN: u32 = 6;

/// See the head of this file.
pub struct SlowLog {
    log: Box<dyn EventLog>,
    clock: Monotonic,
}

impl SlowLog {
    /// Makes `log` slow.
    #[must_use]
    pub fn new(log: Box<dyn EventLog>) -> Self {
        Self {
            log,
            clock: Monotonic::start(),
        }
    }

    /// Spins: a sleep is longer than what there is to wait.
    fn wait(&self, length: Duration) {
        let until = self.clock.elapsed() + length;
        while self.clock.elapsed() < until {
            hint::spin_loop();
        }
    }
}

impl EventLog for SlowLog {
    fn head(&self) -> Head {
        self.log.head()
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        let began = self.clock.elapsed();
        self.log.append(batch)?;
        self.wait((self.clock.elapsed() - began) / WAITED_ONE_IN);
        Ok(())
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.log.destroy_keys(people)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.log.close()
    }
}

impl fmt::Debug for SlowLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use protocol::Seq;

    use super::*;
    use crate::log::MemoryLog;

    #[test]
    fn a_slow_log_keeps_everything_and_takes_its_time() {
        let clock = Monotonic::start();
        let mut log = SlowLog::new(Box::new(MemoryLog::new()));
        log.append(&Batch::default()).unwrap();
        assert_eq!(log.head().seq, Seq::START);
        log.wait(Duration::from_millis(2));
        assert!(Duration::from_millis(2) <= clock.elapsed());
    }
}
