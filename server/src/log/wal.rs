//! The write-ahead log as bytes: which page it holds newest, and which bytes of it nobody reads.
//!
//! The file `events.sqlite-wal` goes in, as a crash left it. SQLite ends such a file at the first
//! frame whose checksum is wrong, and so does this. Behind that end lie frames from before SQLite
//! began the file anew: nothing reads them, yet each vouches for the next, so that a changed bit is
//! found there too, in all but the first. Deliberately absent: what pages mean (`pages.rs`), and
//! whether the end is where it should be, which the mark knows.
//!
//! ```text
//! header, 32 bytes:  magic | version | page size | number | salt, 8 | checksum, 8
//! frame:             page | pages of the database after a commit, or 0 | salt, 8 | checksum, 8 | the page
//! ```

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    LogError,
    database::PAGE_BYTES,
    pages::{PAGE, Page, be32},
};

/// The name of the file in the data directory.
pub(super) const FILE_NAME: &str = "events.sqlite-wal";

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const FRAME_BYTES: usize = FRAME_HEADER_BYTES + PAGE;
/// The last bit of the magic says in which order the checksum takes bytes.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// A running checksum, after the manner of Fletcher.
type Sum = (u32, u32);

/// What a write-ahead log holds.
#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    path: PathBuf,
    /// The newest committed version of each page: the frame it is in.
    newest: BTreeMap<u32, u64>,
    /// Pages of the whole database after the last commit; nothing if nothing was committed.
    pub(super) page_count: Option<u32>,
    /// Bytes that nothing reads and nothing vouches for.
    pub(super) dead_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    is_big_endian: bool,
    salt: [u8; 8],
    sum: Sum,
}

impl Wal {
    /// Opens the write-ahead log of `data_dir`; there is none when the log was closed in peace.
    pub(super) fn open(data_dir: &Path) -> Result<Option<Self>, LogError> {
        let path = data_dir.join(FILE_NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(&path, source)),
        };
        let bytes = file
            .metadata()
            .map_err(|source| failed(&path, source))?
            .len();
        if bytes == 0 {
            return Ok(None);
        }
        let mut wal = Self {
            file,
            path,
            newest: BTreeMap::new(),
            page_count: None,
            dead_bytes: 0,
        };
        let head = wal.read_head()?;
        let frames = bytes.saturating_sub(to_u64(HEADER_BYTES)) / to_u64(FRAME_BYTES);
        let end = wal.read_frames(head, frames)?;
        wal.check_leftovers(head, end, frames)?;
        let whole = to_u64(HEADER_BYTES) + frames * to_u64(FRAME_BYTES);
        wal.dead_bytes += bytes.saturating_sub(whole);
        Ok(Some(wal))
    }

    /// The pages it holds.
    pub(super) fn pages(&self) -> Vec<u32> {
        self.newest.keys().copied().collect()
    }

    /// Reads the newest version of a page into `page`, if it is here.
    pub(super) fn read(&self, number: u32, page: &mut Page) -> Result<bool, LogError> {
        let Some(frame) = self.newest.get(&number) else {
            return Ok(false);
        };
        let at = frame_at(*frame) + to_u64(FRAME_HEADER_BYTES);
        self.read_at(at, page)?;
        Ok(true)
    }

    fn read_head(&self) -> Result<Head, LogError> {
        let mut bytes = [0; HEADER_BYTES];
        let read = self.file.read_at(&mut bytes, 0);
        let len = read.map_err(|source| failed(&self.path, source))?;
        let magic = be32(&bytes, 0);
        let mut head = Head {
            is_big_endian: magic & 1 == 1,
            salt: array(&bytes, 16),
            sum: (0, 0),
        };
        head.sum = sum(head, (0, 0), &bytes[..24]);
        let is_sound = len == HEADER_BYTES
            && magic & !1 == MAGIC
            && be32(&bytes, 4) == VERSION
            && be32(&bytes, 8) == PAGE_BYTES
            && head.sum == (be32(&bytes, 24), be32(&bytes, 28));
        if is_sound {
            return Ok(head);
        }
        Err(LogError::Damaged(format!(
            "the first {HEADER_BYTES} bytes of {} were altered: its checksum does not hold, and SQLite takes the whole file for empty; restore a backup of the data directory",
            self.path.display()
        )))
    }

    /// Follows the frames for as long as they are sound. Returns the first that is not.
    fn read_frames(&mut self, head: Head, frames: u64) -> Result<u64, LogError> {
        let mut frame = vec![0; FRAME_BYTES];
        let mut before = head.sum;
        let mut uncommitted = Vec::new();
        for index in 0..frames {
            self.read_at(frame_at(index), &mut frame)?;
            let page = be32(&frame, 0);
            if salt_of(&frame) != head.salt || page == 0 || !is_vouched_for(head, before, &frame) {
                return Ok(index);
            }
            before = sum_of(&frame);
            uncommitted.push((page, index));
            let page_count = be32(&frame, 4);
            if page_count != 0 {
                self.newest.extend(uncommitted.drain(..));
                self.page_count = Some(page_count);
            }
        }
        Ok(frames)
    }

    /// Checks the frames from `end` on, which nobody reads, as far as one vouches for the next.
    fn check_leftovers(&mut self, head: Head, end: u64, frames: u64) -> Result<(), LogError> {
        let mut frame = vec![0; FRAME_BYTES];
        let mut before: Option<([u8; 8], Sum)> = None;
        for index in end..frames {
            self.read_at(frame_at(index), &mut frame)?;
            match before {
                Some((salt, sum)) if salt == salt_of(&frame) => {
                    if !is_vouched_for(head, sum, &frame) {
                        return Err(self.altered_leftover(index));
                    }
                }
                Some(_) | None => self.dead_bytes += to_u64(FRAME_BYTES),
            }
            before = Some((salt_of(&frame), sum_of(&frame)));
        }
        Ok(())
    }

    fn altered_leftover(&self, index: u64) -> LogError {
        LogError::Damaged(format!(
            "frame {} of {} was altered: its checksum does not hold; nothing reads it any more, so no record is lost, but the disk is not to be trusted",
            index + 1,
            self.path.display()
        ))
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> Result<(), LogError> {
        self.file
            .read_exact_at(bytes, at)
            .map_err(|source| failed(&self.path, source))
    }
}

fn is_vouched_for(head: Head, before: Sum, frame: &[u8]) -> bool {
    let (fields, page) = (&frame[..8], &frame[FRAME_HEADER_BYTES..]);
    sum(head, sum(head, before, fields), page) == sum_of(frame)
}

fn sum(head: Head, before: Sum, bytes: &[u8]) -> Sum {
    let word = |word: &[u8; 4]| match head.is_big_endian {
        true => u32::from_be_bytes(*word),
        false => u32::from_le_bytes(*word),
    };
    let (words, _no_rest) = bytes.as_chunks::<4>();
    let (pairs, _no_rest) = words.as_chunks::<2>();
    pairs.iter().fold(before, |(one, two), [a, b]| {
        let one = one.wrapping_add(word(a)).wrapping_add(two);
        (one, two.wrapping_add(word(b)).wrapping_add(one))
    })
}

fn sum_of(frame: &[u8]) -> Sum {
    (be32(frame, 16), be32(frame, 20))
}

fn salt_of(frame: &[u8]) -> [u8; 8] {
    array(frame, 8)
}

fn array(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    array
}

fn frame_at(index: u64) -> u64 {
    to_u64(HEADER_BYTES) + index * to_u64(FRAME_BYTES)
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("lengths fit 64 bits")
}

fn failed(path: &Path, source: io::Error) -> LogError {
    LogError::Io {
        doing: format!("read {}", path.display()),
        source,
    }
}
