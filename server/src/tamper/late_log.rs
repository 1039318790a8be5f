//! A log that says a batch is durable and keeps it back until the next one of people's comes.
//!
//! The bug `ack-before-commit`: a crash takes the newest batch, whose answers have left. It lies
//! only about that: the batches reach the log whole and in order, and a server that is stopped in
//! peace loses nothing.

use std::fmt;

use protocol::UserId;

use crate::log::{Batch, EventLog, Head, LogError, LogReader};

/// Batches that go to the disk at once when a server was just started: whoever looks at it after a crash
/// reads what the crash left, and not a log that ends before the server says.
const PROMPT_BATCHES: u32 = 64;

/// See the head of this file.
pub struct LateLog {
    log: Box<dyn EventLog>,
    held: Batch,
    prompt: u32,
}

impl LateLog {
    /// Makes `log` late by one batch.
    #[must_use]
    pub fn new(log: Box<dyn EventLog>) -> Self {
        Self {
            log,
            held: Batch::default(),
            prompt: PROMPT_BATCHES,
        }
    }

    fn append_held(&mut self) -> Result<(), LogError> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.log.append(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

impl EventLog for LateLog {
    fn head(&self) -> Head {
        self.held.head().unwrap_or_else(|| self.log.head())
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        if 0 < self.prompt {
            self.prompt -= 1;
            return self.log.append(batch);
        }
        // What the server decides by itself, when a hold ends long after the load, brings nothing to the disk:
        // the newest answer is always among what a crash takes.
        let is_own = batch.iter().all(|row| row.record.actor == UserId::NOBODY);
        if !is_own {
            self.append_held()?;
        }
        for row in batch.iter() {
            self.held.push(&row.record, row.hash);
        }
        for key in batch.joining() {
            self.held.push_joining(key.clone());
        }
        for user in batch.leaving() {
            self.held.push_leaving(*user);
        }
        Ok(())
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.log.destroy_keys(people)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader()
    }

    fn close(mut self: Box<Self>) -> Result<(), LogError> {
        self.append_held()?;
        self.log.close()
    }
}

impl fmt::Debug for LateLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateLog")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
