//! The high-water mark: the newest acknowledged position, kept outside the database.
//!
//! SQLite ends a write-ahead log silently at the first frame whose checksum is wrong, and starts
//! happily without one: a lost tail looks like a shorter log. The mark remembers how long the log
//! was. It is one line of text in the file `head`, `seq hash checksum`, so that `cat` shows it.
//!
//! It is written after the commit that it reports is on disk and is not synced itself. After a
//! crash of the process it is exact or one batch behind; after a power failure it may be older, or
//! torn, which its checksum shows. Under full durability it is never ahead of the durable log, so
//! a log that ends before the mark has lost something that was promised.
//!
//! Deliberately absent: whether a loss is accepted; that is decided where the log is opened.

use std::{fmt::Write as _, io};

use protocol::{ChainHash, Seq};
use xxhash_rust::xxh3::xxh3_64;

use super::{Head, LogError};
use crate::disk::{Access, Disk, DiskFile};

/// The name of the file in the data directory.
pub const FILE_NAME: &str = "head";

/// 20 digits, 64 and 16 hex digits, two spaces, a line end: one sector, which disks write whole.
const LINE_BYTES: usize = 20 + 1 + 64 + 1 + 16 + 1;
const LINE_LEN: u64 = 103;
const CHECKED_BYTES: usize = 20 + 1 + 64;
const _: () = assert!(LINE_BYTES < 512 && LINE_BYTES == 103);

/// What the file said when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkRead {
    /// There is no file: a new log, or a copy without it.
    Missing,
    /// The file is there and its checksum does not hold: a power failure tore it, or somebody
    /// edited it. It says nothing about the log.
    Unreadable,
    /// The log was at least this long.
    At(Head),
}

impl MarkRead {
    /// Compares with a log that ends at `head`; `hash_at` knows the hashes of its records.
    ///
    /// A missing or unreadable mark is compatible with every log.
    ///
    /// # Errors
    /// If the log ends before the mark or has a different record there.
    pub fn check(
        &self,
        head: Head,
        hash_at: impl FnOnce(Seq) -> Result<Option<ChainHash>, LogError>,
    ) -> Result<(), LogError> {
        let Self::At(mark) = *self else {
            return Ok(());
        };
        if head.seq < mark.seq {
            return Err(LogError::TailMissing {
                found: head.seq,
                acknowledged: mark.seq,
            });
        }
        if mark.seq != Seq::START && hash_at(mark.seq)? != Some(mark.hash) {
            return Err(LogError::Damaged(format!(
                "seq {} is not the record that was acknowledged (by the file `head`): log and mark have different pasts; restore both from one backup, or remove `head` if the log was exchanged on purpose",
                mark.seq
            )));
        }
        Ok(())
    }
}

/// The file, open for writing.
#[derive(Debug)]
pub struct Watermark {
    file: Box<dyn DiskFile>,
    line: String,
}

impl Watermark {
    /// Opens the file on `disk`, which need not exist, and has it say `head`, durably.
    ///
    /// # Errors
    /// If it can be neither opened nor created.
    pub fn open(disk: &dyn Disk, head: Head) -> Result<Self, LogError> {
        let failed = |source| LogError::Io {
            doing: format!(
                "open the high-water mark {}",
                disk.path().join(FILE_NAME).display()
            ),
            source,
        };
        let mut line = String::with_capacity(LINE_BYTES);
        render(head, &mut line);
        if disk.len_of(FILE_NAME).map_err(failed)? != Some(LINE_LEN) {
            disk.replace(FILE_NAME, line.as_bytes()).map_err(failed)?;
        }
        let file = disk.open(FILE_NAME, Access::Write).map_err(failed)?;
        let mut mark = Self { file, line };
        mark.write(head)?;
        mark.sync()?;
        Ok(mark)
    }

    /// Remembers `head`, which must be durable already.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, head: Head) -> Result<(), LogError> {
        render(head, &mut self.line);
        self.file
            .write_at(self.line.as_bytes(), 0)
            .map_err(|source| failed("write", source))
    }

    /// Makes the file itself durable: at the end of a process, when there is time.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self) -> Result<(), LogError> {
        self.file.sync().map_err(|source| failed("sync", source))
    }
}

/// What the mark on `disk` says.
///
/// # Errors
/// If there is a file and it cannot be read.
pub fn read(disk: &dyn Disk) -> Result<MarkRead, LogError> {
    match disk.read(FILE_NAME) {
        Ok(Some(bytes)) => Ok(parse(&bytes).map_or(MarkRead::Unreadable, MarkRead::At)),
        Ok(None) => Ok(MarkRead::Missing),
        Err(source) => Err(LogError::Io {
            doing: format!(
                "read the high-water mark {}",
                disk.path().join(FILE_NAME).display()
            ),
            source,
        }),
    }
}

/// Checks that there is one beside a log that ends at `head`. It is made, whole, before the first
/// record; what tears it never changes its length.
///
/// # Errors
/// If there is none, or a part of one: it was lost or copied half, and with it what it said.
pub fn check_there(disk: &dyn Disk, head: Head) -> Result<(), LogError> {
    let len = disk.len_of(FILE_NAME).map_err(|source| LogError::Io {
        doing: format!(
            "look at the high-water mark {}",
            disk.path().join(FILE_NAME).display()
        ),
        source,
    })?;
    if head.seq == Seq::START || len == Some(LINE_LEN) {
        return Ok(());
    }
    let what = len.map_or("missing".to_owned(), |len| {
        format!("not whole ({len} bytes instead of {LINE_LEN})")
    });
    Err(LogError::Damaged(format!(
        "the file `{FILE_NAME}` beside the log, which says how long the log was, is {what}, so nobody would notice if acknowledged records behind seq {seq} were missing; put it back, or restore a backup; or, if the log is known to end at seq {seq}, start with --accept-loss-after {seq}",
        seq = head.seq
    )))
}

fn failed(doing: &str, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("{doing} the high-water mark `{FILE_NAME}` in the data directory"),
        source,
    }
}

/// A line that says a position and its hash, and whether it is whole.
pub(super) fn render(head: Head, line: &mut String) {
    line.clear();
    write!(line, "{:020} {}", head.seq.0, head.hash).expect("a string takes everything");
    let checksum = xxh3_64(line.as_bytes());
    writeln!(line, " {checksum:016x}").expect("a string takes everything");
}

/// What such a line says; nothing of one that is torn or edited.
pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
    let line = std::str::from_utf8(bytes).ok()?;
    if line.len() != LINE_BYTES {
        return None;
    }
    let checked = line.get(..CHECKED_BYTES)?;
    let checksum = line.get(CHECKED_BYTES + 1..LINE_BYTES - 1)?;
    if u64::from_str_radix(checksum, 16).ok()? != xxh3_64(checked.as_bytes()) {
        return None;
    }
    let (seq, hash) = checked.split_once(' ')?;
    let head = Head {
        seq: Seq(seq.parse().ok()?),
        hash: parse_hash(hash)?,
    };
    // There is one way to write it: capitals among the digits, say, were never ours.
    let mut written = String::with_capacity(LINE_BYTES);
    render(head, &mut written);
    (written == line).then_some(head)
}

fn parse_hash(hex: &str) -> Option<ChainHash> {
    let mut hash = ChainHash::START;
    for (index, byte) in hash.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
