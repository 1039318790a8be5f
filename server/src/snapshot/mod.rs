//! Snapshots: the state at one position in a file, so that a start need not replay the whole log.
//!
//! ```text
//! log ─▶ a second state ─▶ sections ─▶ file, synced, renamed      a start ◀─ sections ◀─ the newest sound file
//! ```
//!
//! A snapshot is made by a state of its own (`make`), folded from the newest snapshot and the log's
//! records behind it, on a thread of its own (`keeper`): whoever serves never waits for it. It is
//! trusted only if every byte of it is as it was written (`section`, `header`), the log has the very
//! record at its position, and the state it gives has the hash it had. Whatever is wrong with one
//! costs time, never an answer: the older one is used, or the whole log.
//!
//! A snapshot holds nothing that is not in the log, and what is sealed there is sealed here with the
//! same keys, which are in no snapshot. Deliberately absent: what the parts of a state hold (each
//! says so beside its own rows), and the choice of when to start from one (`recover`).

mod error;
mod file;
mod header;
mod make;
mod section;
mod store;
mod survey;
mod thread;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{SnapshotError, Unsound};
pub use file::Loaded;
pub use header::{Header, LAYOUT};
pub use make::{Snapshot, SnapshotRequest, make};
pub use section::{SectionReader, SectionWriter};
pub use store::{Listed, Snapshots};
pub use survey::{Surveyed, survey};
pub use thread::SnapshotThread;

use crate::keyring::Keyring;

/// A part of a state that is saved as one section.
///
/// `save` and `load` name every field of their type, so that a field which is forgotten does not
/// compile. What follows from other fields is not saved but made again.
pub trait Saved: Send {
    /// Writes all of it. What is about a person is sealed with their key.
    fn save(&self, out: &mut SectionWriter<'_>, keyring: &Keyring);

    /// Becomes what was saved. What is about somebody whose key is gone is empty, as in a replay.
    ///
    /// # Errors
    /// If that is not what stands there.
    fn load(&mut self, from: &mut SectionReader<'_>, keyring: &Keyring) -> Result<(), Unsound>;
}
