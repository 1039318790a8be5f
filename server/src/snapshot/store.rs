//! The snapshots of a data directory: which there are, and which may go.
//!
//! One file each, named by its position: `snapshot-00000000000012345678`. Deliberately absent: what
//! is in them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use protocol::Seq;

use super::{
    Unsound,
    file::{self, Loaded},
    header::Header,
};
use crate::{
    disk::{Access, Disk, DiskFile, RealDisk},
    engine::Engine,
    recover::Workers,
};

/// How the names begin.
const PREFIX: &str = "snapshot-";
/// As many as 2^64 has, so that names sort as positions do.
const DIGITS: usize = 20;
/// The one that is being made.
pub(super) const PART: &str = "snapshot.part";

/// Where snapshots are.
#[derive(Debug, Clone)]
pub struct Snapshots {
    disk: Option<Arc<dyn Disk>>,
}

/// A file that is named like a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The position that its name says.
    pub seq: Seq,
    /// Where it is.
    pub path: PathBuf,
}

impl Snapshots {
    /// Those of a data directory.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self::on(&RealDisk::at(data_dir))
    }

    /// Those of the data directory on this disk.
    #[must_use]
    pub fn on(disk: &Arc<dyn Disk>) -> Self {
        Self {
            disk: Some(Arc::clone(disk)),
        }
    }

    /// None at all: every state is replayed from the beginning.
    #[must_use]
    pub const fn none() -> Self {
        Self { disk: None }
    }

    /// Where they are, if there are any.
    pub(crate) fn disk(&self) -> Option<&Arc<dyn Disk>> {
        self.disk.as_ref()
    }

    /// Every snapshot, sound or not, newest first.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let Some(disk) = &self.disk else {
            return Ok(Vec::new());
        };
        let mut listed = Vec::new();
        for name in disk.list()? {
            if let Some(seq) = seq_of(&name) {
                let path = disk.path().join(name);
                listed.push(Listed { seq, path });
            }
        }
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.seq));
        Ok(listed)
    }

    /// Removes every snapshot but those at these positions.
    pub(crate) fn keep_only(&self, kept: &[Seq]) -> io::Result<()> {
        for listed in self.list()? {
            if let Some(disk) = &self.disk
                && !kept.contains(&listed.seq)
            {
                disk.remove(&listed.name())?;
            }
        }
        Ok(())
    }

    /// The state of the snapshot at this position, in an engine that knows nothing yet but the keys of
    /// people.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(&self, seq: Seq, engine: Engine, workers: Workers) -> Result<Loaded, Unsound> {
        file::load(&*self.open(seq)?, engine, workers)
    }

    /// What the snapshot at this position says of itself, after every byte of it was checked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn inspect(&self, seq: Seq) -> Result<Header, Unsound> {
        file::inspect(&*self.open(seq)?)
    }

    fn open(&self, seq: Seq) -> io::Result<Box<dyn DiskFile>> {
        let disk = self.disk.as_ref().ok_or(io::ErrorKind::NotFound)?;
        disk.open(&name_of(seq), Access::Read)
    }
}

impl Listed {
    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        name_of(self.seq)
    }
}

/// How the snapshot at this position is called.
pub(super) fn name_of(seq: Seq) -> String {
    format!("{PREFIX}{:0DIGITS$}", seq.0)
}

fn seq_of(name: &str) -> Option<Seq> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_ours = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_ours {
        digits.parse().ok().map(Seq)
    } else {
        None
    }
}
