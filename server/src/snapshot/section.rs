//! One section of a snapshot: fields behind one another, in blocks that are checked one by one.
//!
//! Fields go in and become blocks of the file; blocks are read back, and only what a block's checksum
//! vouches for is handed out as fields, so that nothing is ever made of altered bytes. A field may
//! lie across two blocks. Fixed widths and little-endian throughout: large tables are little more
//! than copied. Deliberately absent: what the fields mean, and where a section begins (`header`).
//!
//! ```text
//! block:  length u32 LE | payload | checksum, 32
//! ```
//!
//! The checksum is BLAKE3 of section, number and block, keyed with the chain hash at the snapshot's
//! position: a block of another place or another snapshot does not fit.

use std::io;

use blake3::{Hash, Hasher};
use protocol::ChainHash;

use super::{Unsound, header::Section};
use crate::disk::DiskFile;

/// Payload of a full block: large enough for hashing at full speed, and small enough to stay in the
/// processor's cache between being checked and being used.
const BLOCK_BYTES: usize = 256 * 1024;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 32;

/// Bytes that may wait to reach the disk. Handed over in portions, since a sync of all of them at
/// the end would keep the log's own syncs waiting.
const UNSYNCED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Whether to give up. Asked once a block.
pub(super) type IsGivenUp<'a> = &'a (dyn Fn() -> bool + Sync);

/// Fields go in. What fails is told when it is finished.
pub struct SectionWriter<'a> {
    file: &'a dyn DiskFile,
    is_given_up: IsGivenUp<'a>,
    checksum: Checksum,
    /// Length, payload so far.
    block: Vec<u8>,
    /// Where in the file it begins.
    at: u64,
    written: u64,
    unsynced: usize,
    failure: Option<io::Error>,
}

impl std::fmt::Debug for SectionWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SectionWriter")
            .field("checksum", &self.checksum)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<'a> SectionWriter<'a> {
    /// Writes the section of this name from `at` on.
    pub(super) fn new(
        (file, at): (&'a dyn DiskFile, u64),
        name: &str,
        key: ChainHash,
        is_given_up: IsGivenUp<'a>,
    ) -> Self {
        let mut block = Vec::with_capacity(LENGTH_BYTES + BLOCK_BYTES + CHECKSUM_BYTES);
        block.resize(LENGTH_BYTES, 0);
        Self {
            file,
            is_given_up,
            checksum: Checksum::new(name, key),
            block,
            at,
            written: 0,
            unsynced: 0,
            failure: None,
        }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.array(&[value]);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.array(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.array(&value.to_le_bytes());
    }

    /// Eight bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.array(&value.to_le_bytes());
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) {
        self.array(&value.to_le_bytes());
    }

    /// How many follow.
    pub fn count(&mut self, count: usize) {
        self.u64(u64::try_from(count).expect("memory holds fewer than 2^64 things"));
    }

    /// A text or other bytes, with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }

    /// Bytes of a length that is known when they are read.
    #[inline]
    pub fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        if self.room() < N {
            return self.put(bytes);
        }
        self.block.extend_from_slice(bytes);
    }

    /// Not all of it can be had. Told when it is finished.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
    }

    fn room(&self) -> usize {
        LENGTH_BYTES + BLOCK_BYTES - self.block.len()
    }

    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.room() == 0 {
                self.end_block();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.block.extend_from_slice(now);
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        let written = self.write_block();
        self.block.truncate(LENGTH_BYTES);
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.failure.is_some() || (self.is_given_up)() {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        let payload = u32::try_from(self.block.len() - LENGTH_BYTES).expect("a block is short");
        self.block[..LENGTH_BYTES].copy_from_slice(&payload.to_le_bytes());
        let checksum = self.checksum.of_next(&self.block);
        self.block.extend_from_slice(checksum.as_bytes());
        self.file.write_at(&self.block, self.at + self.written)?;
        self.written += u64::try_from(self.block.len()).expect("a block is short");
        self.unsynced += self.block.len();
        if UNSYNCED_BYTES_MAX <= self.unsynced {
            self.unsynced = 0;
            self.file.sync()?;
        }
        Ok(())
    }

    /// Ends the section and says how many bytes of the file it takes.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if LENGTH_BYTES < self.block.len() {
            self.end_block();
        }
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.written),
        }
    }
}

/// Fields come out.
#[derive(Debug)]
pub struct SectionReader<'a> {
    file: &'a dyn DiskFile,
    name: String,
    checksum: Checksum,
    /// Where the next block is.
    at: u64,
    end: u64,
    /// The payload of the newest block.
    block: Vec<u8>,
    used: usize,
}

impl<'a> SectionReader<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, section: &Section, key: ChainHash) -> Self {
        Self {
            file,
            name: section.name.clone(),
            checksum: Checksum::new(&section.name, key),
            at: section.at,
            end: section.at + section.length,
            block: Vec::new(),
            used: 0,
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// If there is no more, or what is there was altered. So with all the others.
    pub fn u8(&mut self) -> Result<u8, Unsound> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn u16(&mut self) -> Result<u16, Unsound> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn u32(&mut self) -> Result<u32, Unsound> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Unsound> {
        self.array().map(u64::from_le_bytes)
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn u128(&mut self) -> Result<u128, Unsound> {
        self.array().map(u128::from_le_bytes)
    }

    /// How many follow, each of at least so many bytes: what a table may be made for.
    ///
    /// # Errors
    /// If the section is too short for them; and see [`SectionReader::u8`].
    pub fn count(&mut self, each_bytes_min: usize) -> Result<usize, Unsound> {
        let count = usize::try_from(self.u64()?).map_err(|_too_many| self.lacks("a count"))?;
        match count.checked_mul(each_bytes_min) {
            Some(bytes) if bytes <= self.bytes_left() => Ok(count),
            Some(_) | None => Err(self.lacks("as much as it counts")),
        }
    }

    /// Bytes that were written with their length.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn bytes(&mut self) -> Result<Vec<u8>, Unsound> {
        let mut bytes = vec![0; self.count(1)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A text that was written with its length.
    ///
    /// # Errors
    /// If it is none; and see [`SectionReader::u8`].
    pub fn text(&mut self) -> Result<String, Unsound> {
        String::from_utf8(self.bytes()?).map_err(|_no_text| self.lacks("a text"))
    }

    /// Bytes of a known length.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Unsound> {
        if let Some(bytes) = self.block[self.used..].first_chunk() {
            self.used += N;
            return Ok(*bytes);
        }
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Shows rows of one width, as many as counted. They are taken a block at a time, which makes
    /// large tables little more than copied.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn rows<const N: usize>(
        &mut self,
        count: usize,
        mut each: impl FnMut(&[u8; N]),
    ) -> Result<(), Unsound> {
        let mut left = count;
        while left != 0 {
            let (rows, _) = self.block[self.used..].as_chunks();
            let rows = &rows[..rows.len().min(left)];
            rows.iter().for_each(&mut each);
            self.used += rows.len() * N;
            left -= rows.len();
            if left != 0 {
                // The one that lies across two blocks, or begins the next.
                each(&self.array()?);
                left -= 1;
            }
        }
        Ok(())
    }

    /// What is wrong when something is not there.
    #[must_use]
    pub fn lacks(&self, wanted: &'static str) -> Unsound {
        Unsound::Content {
            section: self.name.clone(),
            wanted,
        }
    }

    /// Everything was read.
    pub(super) fn finish(self) -> Result<(), Unsound> {
        if self.used == self.block.len() && self.at == self.end {
            return Ok(());
        }
        Err(self.lacks("only what this version writes"))
    }

    /// Reads and checks every block that is left.
    pub(super) fn skip_all(&mut self) -> Result<(), Unsound> {
        while self.at < self.end {
            self.next_block()?;
        }
        self.used = self.block.len();
        Ok(())
    }

    /// At most this much of the section was not read, heads of blocks included.
    fn bytes_left(&self) -> usize {
        let behind = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        behind.saturating_add(self.block.len() - self.used)
    }

    /// As many bytes as there is room for.
    ///
    /// # Errors
    /// See [`SectionReader::u8`].
    pub fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), Unsound> {
        while !bytes.is_empty() {
            if self.used == self.block.len() {
                self.next_block()?;
            }
            let unread = &self.block[self.used..];
            let len = unread.len().min(bytes.len());
            bytes[..len].copy_from_slice(&unread[..len]);
            self.used += len;
            bytes = &mut bytes[len..];
        }
        Ok(())
    }

    fn next_block(&mut self) -> Result<(), Unsound> {
        if self.at == self.end {
            return Err(self.lacks("any more"));
        }
        let number = self.checksum.next;
        let len = self.block_len().ok_or_else(|| self.altered(number))?;
        self.block.resize(len + CHECKSUM_BYTES, 0);
        self.file.read_exact_at(&mut self.block, self.at)?;
        let (block, checksum) = self.block.split_at(len);
        let is_sound = self.checksum.of_next(block) == *checksum;
        if !is_sound {
            return Err(self.altered(number));
        }
        self.at += u64::try_from(self.block.len()).expect("a block is short");
        self.block.truncate(len);
        self.used = LENGTH_BYTES;
        Ok(())
    }

    /// Length and payload of the next block together; `None` if no block is that long or the
    /// section ends before it.
    fn block_len(&self) -> Option<usize> {
        let mut length = [0; LENGTH_BYTES];
        self.file.read_exact_at(&mut length, self.at).ok()?;
        let payload = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let len = LENGTH_BYTES + payload;
        let whole = u64::try_from(len + CHECKSUM_BYTES).ok()?;
        ((1..=BLOCK_BYTES).contains(&payload) && whole <= self.end - self.at).then_some(len)
    }

    fn altered(&self, block: u64) -> Unsound {
        Unsound::Block {
            section: self.name.clone(),
            block,
        }
    }
}

/// The checksums of a section's blocks, in order.
#[derive(Debug)]
struct Checksum {
    section: Hasher,
    next: u64,
}

impl Checksum {
    fn new(name: &str, key: ChainHash) -> Self {
        let mut section = Hasher::new_keyed(&key.0);
        section.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        section.update(name.as_bytes());
        Self { section, next: 0 }
    }

    fn of_next(&mut self, block: &[u8]) -> Hash {
        let mut hasher = self.section.clone();
        hasher.update(&self.next.to_le_bytes());
        hasher.update(block);
        self.next += 1;
        hasher.finalize()
    }
}
