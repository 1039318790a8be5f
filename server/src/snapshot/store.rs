//! The snapshots of a data directory: which there are, and which may go.
//!
//! One file each, named by its position: `snapshot-00000000000012345678`. Deliberately absent: what
//! is in them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use protocol::Seq;

/// How the names begin.
const PREFIX: &str = "snapshot-";
/// As many as 2^64 has, so that names sort as positions do.
const DIGITS: usize = 20;
/// The one that is being made.
const PART: &str = "snapshot.part";

/// Where snapshots are.
#[derive(Debug, Clone)]
pub struct Snapshots {
    data_dir: Option<PathBuf>,
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
        Self {
            data_dir: Some(data_dir.to_owned()),
        }
    }

    /// None at all: every state is replayed from the beginning.
    #[must_use]
    pub const fn none() -> Self {
        Self { data_dir: None }
    }

    /// The data directory, if there is one.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Every snapshot, sound or not, newest first.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let Some(data_dir) = &self.data_dir else {
            return Ok(Vec::new());
        };
        let mut listed = Vec::new();
        for entry in fs::read_dir(data_dir)? {
            let entry = entry?;
            if let Some(seq) = entry.file_name().to_str().and_then(seq_of) {
                let path = entry.path();
                listed.push(Listed { seq, path });
            }
        }
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.seq));
        Ok(listed)
    }

    /// Removes every snapshot but those at these positions.
    pub(crate) fn keep_only(&self, kept: &[Seq]) -> io::Result<()> {
        for listed in self.list()? {
            if !kept.contains(&listed.seq) {
                fs::remove_file(listed.path)?;
            }
        }
        Ok(())
    }
}

/// Where the snapshot at this position is.
pub(super) fn path_of(data_dir: &Path, seq: Seq) -> PathBuf {
    data_dir.join(format!("{PREFIX}{:0DIGITS$}", seq.0))
}

/// Where a snapshot is while it is written.
pub(super) fn part_of(data_dir: &Path) -> PathBuf {
    data_dir.join(PART)
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
