//! Operations in, a history out: a block at a time, through one buffer that never grows.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::Path,
};

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, DONE, HEAD_BYTES, HISTORY_MAGIC, HISTORY_VERSION,
    HistoryEntry, HistoryHead, RECORD_BYTES_MAX, checksum,
    record::{Base, encode},
};
use crate::operation::Operation;

/// Writes a history.
pub struct HistoryWriter<W: Write = File> {
    out: W,
    block: Box<[u8; BLOCK_BYTES_MAX]>,
    block_bytes: usize,
    block_records: u32,
    base: Base,
    records: u64,
    written: u64,
}

impl<W: Write> fmt::Debug for HistoryWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryWriter")
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl HistoryWriter {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// If the file exists already or cannot be written.
    pub fn create(path: &Path, head: &HistoryHead) -> io::Result<Self> {
        Self::new(File::create_new(path)?, head)
    }
}

impl<W: Write> HistoryWriter<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(out: W, head: &HistoryHead) -> io::Result<Self> {
        let mut writer = Self {
            out,
            block: Box::new([0; BLOCK_BYTES_MAX]),
            block_bytes: 0,
            block_records: 0,
            base: Base::default(),
            records: 0,
            written: 0,
        };
        let mut header = [0; HEAD_BYTES];
        header[..8].copy_from_slice(&HISTORY_MAGIC);
        header[8..12].copy_from_slice(&HISTORY_VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&head.capacity.to_le_bytes());
        header[16..24].copy_from_slice(&head.started_at.to_le_bytes());
        header[24..56].copy_from_slice(&head.secret);
        header[56..64].copy_from_slice(&head.began_at.to_le_bytes());
        writer.write(&header)?;
        writer.write(&checksum(&header))?;
        Ok(writer)
    }

    /// Appends one finished operation.
    ///
    /// # Errors
    /// If the full block cannot be written.
    pub fn append(&mut self, operation: &Operation, duplicate: bool) -> io::Result<()> {
        if BLOCK_BYTES_MAX < self.block_bytes + RECORD_BYTES_MAX {
            self.write_block()?;
        }
        let entry = HistoryEntry {
            operation: *operation,
            duplicate,
        };
        let room = self.block[self.block_bytes..].first_chunk_mut();
        let room = room.expect("a block with less room was written");
        self.block_bytes += encode(&entry, &mut self.base, room);
        self.block_records += 1;
        Ok(())
    }

    /// Ends the history. Without this it reads as torn. Returns its bytes.
    ///
    /// # Errors
    /// If what is buffered cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        if 0 < self.block_records {
            self.write_block()?;
        }
        self.write(&DONE)?;
        self.write(&self.records.to_le_bytes())?;
        self.out.flush()?;
        Ok(self.written)
    }

    fn write_block(&mut self) -> io::Result<()> {
        let records = &self.block[..self.block_bytes];
        let bytes = u32::try_from(records.len()).expect("a block is shorter");
        let mut head = [0; BLOCK_HEAD_BYTES];
        head[..4].copy_from_slice(&bytes.to_le_bytes());
        head[4..8].copy_from_slice(&self.block_records.to_le_bytes());
        head[8..].copy_from_slice(&checksum(records));
        self.out.write_all(&head)?;
        self.out.write_all(records)?;
        self.written += (BLOCK_HEAD_BYTES + records.len()) as u64;
        self.records += u64::from(self.block_records);
        (self.block_bytes, self.block_records) = (0, 0);
        self.base = Base::default();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
