//! SnapshotRequest a snapshot: a second state, folded from the log, written and put away.
//!
//! A data directory goes in, whether a server is running on it or not; a new file comes out, and of
//! the others the one that it was made from stays. The second state begins where that one ends, so
//! it costs the records since, and as much memory as the state of the server for as long as it
//! takes. Deliberately absent: when to make one (`keeper`).

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use protocol::{Seq, words::log::StateHash};
use rand::{TryRng as _, rngs::SysRng};

use super::{
    Snapshots,
    error::SnapshotError,
    file,
    section::IsGivenUp,
    store::{PART, name_of},
};
use crate::{
    belonging,
    disk::{Access, Disk, DiskFile, Lock, RealDisk},
    engine::Engine,
    health::Progress,
    log::{Head, LogReader as _, SqliteReader, watermark},
    recover::{Rebuild, Workers, rebuild},
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
    let disk = RealDisk::at(data_dir);
    let mark = watermark::read(&*disk)?;
    let mut reader = SqliteReader::open_on(&disk)?;
    let part = Part::take(&disk)?;
    // Before the keys: whoever is in the log by then has theirs in the file by now.
    let head = reader.head()?;
    mark.check(head, |seq| reader.hash_at(seq))?;
    let snapshots = Snapshots::on(&disk);
    // Those of a longer log are not to be removed for one of a shorter.
    let listed = snapshots
        .list()
        .map_err(|source| failed(data_dir, source))?;
    belonging::check_snapshots(&snapshots, &listed, head.seq)?;
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
        workers: Workers::Threads,
        is_given_up,
    })?;
    if is_given_up.load(Ordering::Relaxed) {
        return Err(SnapshotError::GivenUp);
    }
    check_state(&rebuilt.engine, making.expected.as_ref())?;
    let mut made = Snapshot {
        head,
        from: rebuilt.from,
        path: data_dir.join(name_of(head.seq)),
        bytes: 0,
        warnings: rebuilt.warnings,
    };
    if made.was_there() {
        made.bytes = disk.len_of(&name_of(head.seq)).ok().flatten().unwrap_or(0);
        return Ok(made);
    }
    let is_given_up = || is_given_up.load(Ordering::Relaxed);
    made.bytes = part.put_away(&rebuilt.engine, &is_given_up)?;
    // Sound ones only: what is left of others would be told of at every start.
    let kept = snapshots.keep_only(&[head.seq, made.from]);
    kept.map_err(|source| failed(data_dir, source))?;
    Ok(made)
}

/// The file to write to, which belongs to one process at a time. One that is left of a crash is
/// written over; one that did not become a snapshot is removed.
struct Part {
    file: Box<dyn DiskFile>,
    disk: Arc<dyn Disk>,
    is_renamed: bool,
}

impl Part {
    fn take(disk: &Arc<dyn Disk>) -> Result<Self, SnapshotError> {
        let path = disk.path().join(PART);
        let file = disk
            .open(PART, Access::Create)
            .map_err(|source| failed(&path, source))?;
        match file.lock(Lock::Exclusive) {
            Ok(true) => Ok(Self {
                file,
                disk: Arc::clone(disk),
                is_renamed: false,
            }),
            Ok(false) => Err(SnapshotError::Busy {
                data_dir: disk.path().to_owned(),
            }),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Writes, syncs and renames. A crash at any point leaves what there was, or all of it.
    fn put_away(
        mut self,
        engine: &Engine,
        is_given_up: IsGivenUp<'_>,
    ) -> Result<u64, SnapshotError> {
        let written = file::write(&*self.file, engine, is_given_up)
            .and_then(|header| self.file.sync().map(|()| header));
        let header = written.map_err(|source| {
            if is_given_up() {
                SnapshotError::GivenUp
            } else {
                failed(&self.disk.path().join(PART), source)
            }
        })?;
        let name = name_of(engine.decided().seq);
        let path = self.disk.path().join(&name);
        let renamed = self.disk.rename(PART, &name);
        renamed.map_err(|source| failed(&path, source))?;
        self.is_renamed = true;
        let synced = self.disk.sync_dir();
        synced.map_err(|source| failed(&path, source))?;
        Ok(header.file_bytes)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_renamed {
            let _left_for_the_next_one = self.disk.remove(PART);
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
