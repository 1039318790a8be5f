//! The order in which one append touches the disk: keys, rows, high-water mark, keys destroyed.
//!
//! A batch, and how its rows are made durable, go in; when it returns, whoever joins by it has a key on
//! the disk, and no byte is left of the keys of those who leave. Each step is durable before the next
//! begins, wherever the next would be wrong without it: a row without its key could never be read
//! again, and a key that went before its row would take somebody's name who is not erased. The mark
//! alone waits for nothing, since an older one is no lie. A cut between any two steps leaves what a
//! start tells apart (`cuts.rs` tries all of them). Deliberately absent: how rows are stored.

use protocol::{Seq, UserId};

use super::{Batch, Head, LogError, PersonKey, key_store::KeyStore, watermark::Watermark};
use crate::disk::Disk;

/// What changes beside the rows with every append.
#[derive(Debug)]
pub(super) struct Beside {
    mark: Watermark,
    keys: KeyStore,
}

impl Beside {
    /// Opens both beside a log that ends at `head`, and makes what is missing.
    pub(super) fn open(disk: &dyn Disk, head: Head) -> Result<Self, LogError> {
        Ok(Self {
            mark: Watermark::open(disk, head)?,
            keys: KeyStore::open(disk, head.seq)?,
        })
    }

    /// Appends a batch that begins at `first` and ends at `head`; `commit_rows` makes its rows durable.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        (first, head): (Seq, Head),
        commit_rows: impl FnOnce() -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        // A crash in between leaves keys of nobody, of which it is known that they are.
        self.keys.add_uncommitted(batch.joining(), first)?;
        commit_rows()?;
        self.mark.write(head)?;
        self.keys.commit(batch.joining())?;
        // A crash in between leaves keys of people whom the log says are erased: the same.
        self.keys.destroy(batch.leaving())
    }

    /// Keeps keys of people who are in the log already, durably.
    pub(super) fn add_keys(&mut self, keys: &[PersonKey]) -> Result<(), LogError> {
        self.keys.add(keys)
    }

    /// Destroys keys, durably.
    pub(super) fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.keys.destroy(people)
    }

    /// Keys that were ever destroyed.
    pub(super) fn keys_destroyed(&self) -> usize {
        self.keys.destroyed()
    }

    /// Makes the mark durable: at the end of a process, when there is time.
    pub(super) fn sync_mark(&self) -> Result<(), LogError> {
        self.mark.sync()
    }
}
