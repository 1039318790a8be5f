//! SnapshotRequest a snapshot: a second state, folded from the log, written and put away.
//!
//! A data directory goes in, whether a server is running on it or not; a new file comes out, and of
//! the others the one that it was made from stays. The second state begins where that one ends, so
//! it costs the records since, and as much memory as the state of the server for as long as it
//! takes. Deliberately absent: when to make one (`keeper`).

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use protocol::{Seq, words::log::StateHash};
use rand::{TryRng as _, rngs::SysRng};
use rustix::fs::{FlockOperation, flock};

use super::{
    Snapshots,
    error::SnapshotError,
    file,
    section::IsGivenUp,
    store::{part_of, path_of},
};
use crate::{
    belonging,
    engine::Engine,
    health::Progress,
    log::{Head, LogReader as _, SqliteReader, watermark},
    recover::{Rebuild, rebuild},
};

/// What to make a snapshot of.
#[derive(Debug, Clone)]
pub struct SnapshotRequest<'a> {
    /// Of which log.
    pub data_dir: &'a Path,
    /// The state a server has, if one has come to rest: the same must follow from the log.
    pub expected: Option<StateHash>,
    /// Becomes true when nobody wants it any more.
    pub is_given_up: &'a AtomicBool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the log ended when it was begun.
    pub head: Head,
    /// The position of the snapshot it was made from; [`Seq::START`] for none.
    pub from: Seq,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What is wrong with other snapshots.
    pub warnings: Vec<String>,
}

impl Snapshot {
    /// Whether there was one at this position already, sound to the last byte.
    #[must_use]
    pub fn was_there(&self) -> bool {
        self.from == self.head.seq
    }
}

/// Makes a snapshot of the newest durable state.
///
/// # Errors
/// If the log cannot be read or the file not written; if another process is at it; if the log gives
/// another state than was expected. Nothing else in the directory was changed.
pub fn make(making: &SnapshotRequest<'_>) -> Result<Snapshot, SnapshotError> {
    let SnapshotRequest {
        data_dir,
        is_given_up,
        ..
    } = *making;
    // Before the log is read: a server may go on while we look, and the mark follows the log.
    let mark = watermark::read(data_dir)?;
    let mut reader = SqliteReader::open(data_dir)?;
    let part = Part::take(data_dir)?;
    // Before the keys: whoever is in the log by then has theirs in the file by now.
    let head = reader.head()?;
    mark.check(head, |seq| reader.hash_at(seq))?;
    let snapshots = Snapshots::of(data_dir);
    // Those of a longer log are not to be removed for one of a shorter.
    let listed = snapshots
        .list()
        .map_err(|source| failed(data_dir, source))?;
    belonging::check_snapshots(&listed, head.seq)?;
    let keys = reader.keys()?;
    // Keys are never made from it, since nobody joins here who has not joined; but tables are hashed
    // with what follows from it.
    let mut seed = [0; 32];
    let drawn = SysRng.try_fill_bytes(&mut seed);
    drawn.map_err(|error| failed(data_dir, io::Error::other(error)))?;
    let rebuilt = rebuild(Rebuild {
        reader: &mut reader,
        head,
        keys,
        seed,
        snapshots: &snapshots,
        progress: &Progress::default(),
        is_given_up,
    })?;
    if is_given_up.load(Ordering::Relaxed) {
        return Err(SnapshotError::GivenUp);
    }
    check_state(&rebuilt.engine, making.expected.as_ref())?;
    let mut made = Snapshot {
        head,
        from: rebuilt.from,
        path: path_of(data_dir, head.seq),
        bytes: 0,
        warnings: rebuilt.warnings,
    };
    if made.was_there() {
        made.bytes = fs::metadata(&made.path).map_or(0, |file| file.len());
        return Ok(made);
    }
    let is_given_up = || is_given_up.load(Ordering::Relaxed);
    made.bytes = part.put_away(&rebuilt.engine, &made.path, &is_given_up)?;
    // Sound ones only: what is left of others would be told of at every start.
    let kept = snapshots.keep_only(&[head.seq, made.from]);
    kept.map_err(|source| failed(data_dir, source))?;
    Ok(made)
}

/// The file to write to, which belongs to one process at a time. One that is left of a crash is
/// written over; one that did not become a snapshot is removed.
struct Part {
    file: File,
    path: PathBuf,
    data_dir: PathBuf,
    is_renamed: bool,
}

impl Part {
    fn take(data_dir: &Path) -> Result<Self, SnapshotError> {
        let path = part_of(data_dir);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed(&path, source))?;
        let data_dir = data_dir.to_owned();
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                file,
                path,
                data_dir,
                is_renamed: false,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(SnapshotError::Busy { data_dir }),
            Err(error) => Err(failed(&path, error.into())),
        }
    }

    /// Writes, syncs and renames. A crash at any point leaves what there was, or all of it.
    fn put_away(
        mut self,
        engine: &Engine,
        path: &Path,
        is_given_up: IsGivenUp<'_>,
    ) -> Result<u64, SnapshotError> {
        let written = file::write(&self.file, engine, is_given_up)
            .and_then(|header| self.file.sync_all().map(|()| header));
        let header = written.map_err(|source| {
            if is_given_up() {
                SnapshotError::GivenUp
            } else {
                failed(&self.path, source)
            }
        })?;
        fs::rename(&self.path, path).map_err(|source| failed(path, source))?;
        self.is_renamed = true;
        File::open(&self.data_dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|source| failed(path, source))?;
        Ok(header.file_bytes)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _left_for_the_next_one = fs::remove_file(&self.path);
        }
    }
}

/// Nothing is written of a state that is not the server's.
fn check_state(engine: &Engine, expected: Option<&StateHash>) -> Result<(), SnapshotError> {
    let keyless = engine.keyring().keyless();
    if let Some(first) = keyless.first() {
        return Err(SnapshotError::Keyless {
            count: keyless.len(),
            first: *first,
        });
    }
    let found = engine.state_hash();
    match expected {
        Some(expected) if expected.seq == found.seq && expected.hash != found.hash => {
            Err(SnapshotError::Differs {
                seq: found.seq,
                found: found.hash,
                expected: expected.hash,
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> SnapshotError {
    SnapshotError::Write {
        path: path.to_owned(),
        source,
    }
}
