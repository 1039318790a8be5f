//! A log in memory, for tests and for the simulator.
//!
//! Keeps the same promises as the one on disk for as long as its storage lives: [`MemoryLog::reopen`]
//! is what a process finds after the one before it died. Deliberately absent: durability.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{OwnedRecord, Seq, UserId};

use super::{Batch, EventLog, Head, LogError, LogReader, Loss, PersonKey, Row, Visit};

/// Records copied out under the lock at a time, so that a visitor may take as long as it likes.
const PAGE_LEN: usize = 512;

/// A log in memory.
#[derive(Debug, Default)]
pub struct MemoryLog {
    stored: Storage,
}

#[derive(Debug, Default)]
struct Stored {
    rows: Vec<OwnedRecord>,
    keys: Vec<PersonKey>,
    keys_destroyed: usize,
    /// Where it ended when a loss was accepted, until that is over.
    accepted: Option<Seq>,
}

type Storage = Arc<Mutex<Stored>>;

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The log as the next process finds it.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self {
            stored: Arc::clone(&self.stored),
        }
    }

    /// Loses everything after `seq`, as a disk does that lied about what it had written.
    pub fn lose_after(&self, seq: Seq) {
        let kept = usize::try_from(seq.0).unwrap_or(usize::MAX);
        lock(&self.stored).rows.truncate(kept);
    }

    /// Gives up what was lost.
    pub fn accept_loss(&self) {
        let end = self.head().seq;
        lock(&self.stored).accepted = Some(end);
    }
}

impl EventLog for MemoryLog {
    fn head(&self) -> Head {
        lock(&self.stored)
            .rows
            .last()
            .map_or_else(Head::default, |row| Head {
                seq: row.seq,
                hash: row.hash,
            })
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.head().assert_followed_by(batch);
        let mut stored = lock(&self.stored);
        stored.keys.extend_from_slice(batch.joining());
        stored
            .rows
            .extend(batch.iter().map(|row| row.record.owned(row.hash)));
        stored.destroy_keys(batch.leaving());
        Ok(())
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        lock(&self.stored).destroy_keys(people);
        Ok(())
    }

    fn loss(&self) -> Option<Loss> {
        let stored = lock(&self.stored);
        Some(Loss {
            after: stored.accepted?,
            keys_destroyed: stored.keys_destroyed,
        })
    }

    fn end_loss(&mut self) -> Result<(), LogError> {
        lock(&self.stored).accepted = None;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(MemoryReader {
            stored: Arc::clone(&self.stored),
        }))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

/// Reads a log in memory.
#[derive(Debug)]
struct MemoryReader {
    stored: Storage,
}

impl LogReader for MemoryReader {
    fn read(&mut self, from: Seq, visit: &mut Visit<'_>) -> Result<(), LogError> {
        let mut index = usize::try_from(from.0.saturating_sub(1)).unwrap_or(usize::MAX);
        loop {
            let page: Vec<OwnedRecord> = lock(&self.stored)
                .rows
                .iter()
                .skip(index)
                .take(PAGE_LEN)
                .cloned()
                .collect();
            if page.is_empty() {
                return Ok(());
            }
            index += page.len();
            for row in &page {
                let row = Row {
                    record: row.record(),
                    hash: row.hash,
                };
                if visit(row).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn keys(&mut self) -> Result<Vec<PersonKey>, LogError> {
        Ok(lock(&self.stored).keys.clone())
    }
}

impl Stored {
    fn destroy_keys(&mut self, people: &[UserId]) {
        let before = self.keys.len();
        self.keys.retain(|key| !people.contains(&key.user));
        self.keys_destroyed += before - self.keys.len();
    }
}

// A panicking reader leaves the records whole: they are only ever added.
fn lock(stored: &Storage) -> MutexGuard<'_, Stored> {
    stored.lock().unwrap_or_else(PoisonError::into_inner)
}
