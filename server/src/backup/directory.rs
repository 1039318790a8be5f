//! A data directory out of another: while it is served, or back from such a copy.
//!
//! A backup is a data directory like any other: `cat`, `verify` and `serve` take it as it is. It is
//! made of the records and not of the pages of the file, so a damaged page is found and not copied.
//! Deliberately absent: keeping several backups, sending them somewhere.

use std::{path::Path, sync::Arc};

use super::{
    BackupError, Copied, Progress, SMALL_FILES, check_belongs, read_small,
    target::{Target, check_empty},
    walk,
};
use crate::{
    disk::{Disk, RealDisk},
    inspect::{InspectError, VerifyReport, verify, verify_unfinished},
    log::{SqliteReader, lock, watermark},
};

/// Copies the log of `data_dir`, which may be served meanwhile, into `target`, with the keys of the
/// people who are there at its end.
///
/// # Errors
/// If `target` is not empty, the log cannot be read, is damaged or shorter than its mark, or the files
/// beside it are not its own.
pub fn backup(
    data_dir: &Path,
    target: &Path,
    progress: &mut Progress<'_>,
) -> Result<Copied, BackupError> {
    let (copied, ()) = copy(data_dir, target, progress, |_| Ok(()))?;
    Ok(copied)
}

/// Copies, and lets others in once `check` has looked at the copy.
fn copy<T>(
    data_dir: &Path,
    target: &Path,
    progress: &mut Progress<'_>,
    check: impl FnOnce(&Arc<dyn Disk>) -> Result<T, BackupError>,
) -> Result<(Copied, T), BackupError> {
    // Before the log is read: a server may go on while we look, and the mark follows the log.
    let disk = RealDisk::at(data_dir);
    let mark = watermark::read(&*disk)?;
    let mut reader = SqliteReader::open_on(&disk)?;
    // Where the tail is missing, keys may be as well, and that is why.
    mark.check(reader.head()?, |seq| reader.hash_at(seq))?;
    let mut target = Target::create(target)?;
    let (copied, keys) = walk(&mut reader, &mut |row, _keyring| target.push(row), progress)?;
    mark.check(copied.head, |seq| reader.hash_at(seq))?;
    check_belongs(&disk, &mut reader, &keys)?;
    for name in SMALL_FILES {
        if let Some(bytes) = read_small(&*disk, name)? {
            target.write_small(name, &bytes)?;
        }
    }
    let checked = target.finish(copied.head, &keys, check)?;
    Ok((copied, checked))
}

/// Copies a backup, or any data directory that is at rest, into `target`, and verifies both.
///
/// # Errors
/// If `target` is not empty, or the backup is not sound.
pub fn restore(
    source: &Path,
    target: &Path,
    progress: &mut Progress<'_>,
) -> Result<(Copied, VerifyReport), BackupError> {
    // Said before a long log is verified.
    let disk = RealDisk::at(source);
    SqliteReader::open_on(&disk)?;
    if let Some(holder) = lock::holder(&*disk)? {
        return Err(BackupError::Served {
            data_dir: source.to_owned(),
            holder,
        });
    }
    check_empty(&*RealDisk::at(target))?;
    let expected = verify(source)?;
    if !expected.is_sound() {
        return Err(InspectError::Unsound(Box::new(expected)).into());
    }
    copy(source, target, progress, |copied| {
        let found = verify_unfinished(copied)?;
        if (found.head, found.state_hash) == (expected.head, expected.state_hash) {
            return Ok(found);
        }
        Err(BackupError::Differs {
            target: copied.path().to_owned(),
            what: "its state is another one".to_owned(),
        })
    })
}
