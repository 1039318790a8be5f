//! Events in, a history out: a block at a time, through one buffer that holds a block.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::Path,
};

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, DONE, Event, HEAD_BYTES, HISTORY_MAGIC, HISTORY_VERSION,
    HistoryHead, checksum,
    number::Pen,
    record::{Base, encode},
};

/// Writes a history.
pub struct HistoryWriter<W: Write = File> {
    out: W,
    pen: Box<Pen>,
    block: Vec<u8>,
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
            pen: Box::new(Pen::new()),
            block: Vec::with_capacity(2 * BLOCK_BYTES_MAX),
            block_records: 0,
            base: Base::START,
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

    /// Appends one event.
    ///
    /// # Errors
    /// If the full block cannot be written, or what was shown is larger than a record may be.
    pub fn append(&mut self, event: &Event<'_>) -> io::Result<()> {
        encode(event, &mut self.base, (&mut self.pen, &mut self.block))?;
        self.block_records += 1;
        if BLOCK_BYTES_MAX <= self.block.len() {
            self.write_block()?;
        }
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
        let records = self.block.as_slice();
        let bytes = u32::try_from(records.len()).map_err(io::Error::other)?;
        let mut head = [0; BLOCK_HEAD_BYTES];
        head[..4].copy_from_slice(&bytes.to_le_bytes());
        head[4..8].copy_from_slice(&self.block_records.to_le_bytes());
        head[8..].copy_from_slice(&checksum(records));
        self.out.write_all(&head)?;
        self.out.write_all(records)?;
        self.written += (BLOCK_HEAD_BYTES + records.len()) as u64;
        self.records += u64::from(self.block_records);
        self.block.clear();
        // What an answer of many pages needed is not kept for those of one.
        self.block.shrink_to(2 * BLOCK_BYTES_MAX);
        self.block_records = 0;
        self.base = Base::START;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
