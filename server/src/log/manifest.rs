//! The manifest: what the files of a data directory were, byte for byte, when the log was last brought
//! to rest.
//!
//! A closed log goes in, and the length and the BLAKE3 hash of each of its files come out in
//! `manifest.json`; later the files are held against it. It covers what nothing else does: bytes that
//! are free, and files that have no checksum of their own. A server that starts removes it, durably,
//! before it writes to any of these files, so that a log which has moved on is never held against
//! what it was. Deliberately absent: a manifest of a log that is being written, and of one that was
//! killed: the chain of hashes, SQLite's own checks and the mark have to do there.

use std::io::{self, ErrorKind};

use blake3::Hasher;
use protocol::{ChainHash, Seq, hex};
use serde::{Deserialize, Serialize};

use super::{
    Head, LogError,
    database::{self, sync_data_dir},
    key_store, watermark,
};
use crate::disk::{Access, Disk, DiskFile, FileReader};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "manifest.json";

/// The version of the file.
const VERSION: u32 = 1;

/// What is covered, where it is there. Snapshots carry checksums themselves, and what people may
/// change beside a stopped server (`admin-password`) is theirs.
const COVERED: [&str; 4] = [
    database::FILE_NAME,
    watermark::FILE_NAME,
    key_store::FILE_NAME,
    crate::secret::SECRET_FILE,
];

/// The longest log of which a server that stops makes a manifest. It hashes at some 1 to 2 GB/s, so
/// that a stop takes a second longer at most; a backup has one however long it is.
pub(super) const AT_CLOSE_BYTES_MAX: u64 = 1 << 30;

/// The file: what it says, and the hash of that, so that a damaged manifest accuses only itself.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    manifest: Manifest,
    /// BLAKE3 of `manifest` as JSON without spaces.
    blake3: String,
}

/// What the files of a data directory were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    stampede: u32,
    seq: u64,
    hash: String,
    files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    blake3: String,
}

/// What the manifest of a data directory says of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vouched {
    /// They are what they were when the log was brought to rest.
    Whole {
        /// How many.
        files: usize,
        /// How long all of them are together.
        bytes: u64,
    },
    /// Nothing: it is of a log that has moved on since, by a program that knows no manifests.
    Stale {
        /// Where the log ended then.
        seq: Seq,
    },
    /// Nothing: there is none.
    Missing,
}

/// Writes the manifest of a log that ends at `head` and is at rest, unless the log has more than
/// `bytes_max` bytes. Durable on return.
///
/// # Errors
/// If a file cannot be read, or the manifest not be written.
pub(super) fn write(disk: &dyn Disk, head: Head, bytes_max: u64) -> Result<(), LogError> {
    let len = disk.len_of(database::FILE_NAME);
    let len = len.map_err(|source| failed("look at", disk, database::FILE_NAME, source))?;
    if len.is_some_and(|len| bytes_max < len) {
        return Ok(());
    }
    let mut files = Vec::new();
    for name in COVERED {
        files.extend(read_entry(disk, name)?);
    }
    let manifest = Manifest {
        stampede: VERSION,
        seq: head.seq.0,
        hash: head.hash.to_string(),
        files,
    };
    disk.replace(FILE_NAME, render(manifest).as_bytes())
        .map_err(|source| failed("write", disk, FILE_NAME, source))
}

/// Removes the manifest before the files it speaks of change. Durable on return.
///
/// # Errors
/// If there is one that cannot be removed.
pub(super) fn remove(disk: &dyn Disk) -> Result<(), LogError> {
    match disk.remove(FILE_NAME) {
        Ok(true) => sync_data_dir(disk),
        Ok(false) => Ok(()),
        Err(source) => Err(failed("remove", disk, FILE_NAME, source)),
    }
}

/// Holds the files on `disk`, which nobody may be writing, against its manifest. `head` is where
/// the log ends, and `hash_at` knows the hashes of its records.
///
/// # Errors
/// If a file is not what it was, the log ends before the manifest, or the manifest was altered.
pub fn check(
    disk: &dyn Disk,
    head: Head,
    hash_at: impl FnOnce(Seq) -> Result<Option<ChainHash>, LogError>,
) -> Result<Vouched, LogError> {
    let Some(manifest) = read(disk)? else {
        return Ok(Vouched::Missing);
    };
    let seq = Seq(manifest.seq);
    if seq < head.seq && is_past(&manifest, hash_at(seq)?) {
        return Ok(Vouched::Stale { seq });
    }
    let mut bytes = 0;
    for then in &manifest.files {
        let now = read_entry(disk, &then.name)?;
        match now {
            Some(now) if now == *then => bytes += now.bytes,
            Some(now) => return Err(altered(then, &now)),
            None => {
                return Err(LogError::Damaged(format!(
                    "`{}` is missing: it was there when the log was brought to rest (by `{FILE_NAME}`); put it back, or restore a backup of the data directory",
                    then.name
                )));
            }
        }
    }
    Ok(Vouched::Whole {
        files: manifest.files.len(),
        bytes,
    })
}

/// Whether the log has the record at which the manifest saw it end. An empty log has none.
fn is_past(manifest: &Manifest, found: Option<ChainHash>) -> bool {
    manifest.seq == Seq::START.0 || found.is_some_and(|hash| hash.to_string() == manifest.hash)
}

fn altered(then: &Entry, now: &Entry) -> LogError {
    let what = match now.bytes == then.bytes {
        true => "its bytes are others".to_owned(),
        false => format!("it has {} bytes instead of {}", now.bytes, then.bytes),
    };
    LogError::Damaged(format!(
        "`{}` was altered since the log was brought to rest: {what} (by `{FILE_NAME}`); restore a backup of the data directory, or, where only this is told of, `log export` and `log import` what is sound: every record is",
        then.name
    ))
}

fn read(disk: &dyn Disk) -> Result<Option<Manifest>, LogError> {
    let bytes = disk.read(FILE_NAME);
    let bytes = bytes.map_err(|source| failed("read", disk, FILE_NAME, source))?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let sealed: Option<Sealed> = serde_json::from_slice(&bytes).ok();
    match sealed.map(|sealed| sealed.manifest) {
        // There is one way to write it.
        Some(manifest) if render(manifest.clone()).as_bytes() == bytes => Ok(Some(manifest)),
        Some(manifest) if manifest.stampede != VERSION => Err(LogError::Foreign(format!(
            "{} is of version {} and this program reads {VERSION}; use the version that wrote it",
            disk.path().join(FILE_NAME).display(),
            manifest.stampede
        ))),
        Some(_) | None => Err(LogError::Damaged(format!(
            "`{FILE_NAME}` was altered: its own hash does not hold; it only says what the other files were, and no record is lost; starting the server once writes it anew, but the disk is not to be trusted"
        ))),
    }
}

fn render(manifest: Manifest) -> String {
    let json = serde_json::to_vec(&manifest).expect("text and numbers are JSON");
    let sealed = Sealed {
        manifest,
        blake3: blake3::hash(&json).to_string(),
    };
    let mut text = serde_json::to_string_pretty(&sealed).expect("text and numbers are JSON");
    text.push('\n');
    text
}

/// A file as it is now, if it is there.
fn read_entry(disk: &dyn Disk, name: &str) -> Result<Option<Entry>, LogError> {
    let hash = |file: Box<dyn DiskFile>| {
        let mut hasher = Hasher::new();
        hasher.update_reader(FileReader::new(&*file))?;
        Ok((hasher.count(), hasher.finalize()))
    };
    match disk.open(name, Access::Read).and_then(hash) {
        Ok((bytes, hash)) => Ok(Some(Entry {
            name: name.to_owned(),
            bytes,
            blake3: hex::render(hash.as_bytes()),
        })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", disk, name, source)),
    }
}

fn failed(doing: &str, disk: &dyn Disk, name: &str, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} {}", disk.path().join(name).display()),
        source,
    }
}
