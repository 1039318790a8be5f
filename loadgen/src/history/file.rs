//! A history that is read as often as somebody asks.
//!
//! A path goes in; operations come out, from the first on each time. What is wrong with the file is
//! kept until the end, so that whoever reads needs no opinion on it. Nothing is held in memory.

use std::{cell::RefCell, path::PathBuf};

use super::{HistoryError, HistoryReader};
use crate::operation::Operation;

/// A history on disk.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    damage: RefCell<Option<HistoryError>>,
}

impl HistoryFile {
    /// The history at `path`, which nobody looks at yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            damage: RefCell::new(None),
        }
    }

    /// Every operation, without the second answers, up to the first that cannot be read.
    pub fn operations(&self) -> impl Iterator<Item = Operation> + '_ {
        let opened = HistoryReader::open(&self.path);
        let reader = opened.map_err(|error| self.keep(error)).ok();
        let operations = reader.map(HistoryReader::operations);
        (operations.into_iter().flatten())
            .map_while(|operation| operation.map_err(|error| self.keep(error)).ok())
    }

    fn keep(&self, error: HistoryError) {
        self.damage.borrow_mut().get_or_insert(error);
    }

    /// Whether all that was read could be.
    ///
    /// # Errors
    /// What was wrong with the file, at the first reading that found it.
    pub fn finish(self) -> Result<(), HistoryError> {
        self.damage.into_inner().map_or(Ok(()), Err)
    }
}
