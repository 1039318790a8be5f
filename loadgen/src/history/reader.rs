//! A history in, operations out: a block at a time, each checked before anything of it is believed.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, DONE, HEAD_BYTES, HISTORY_MAGIC, HISTORY_VERSION,
    HistoryEntry, HistoryError, HistoryHead, VERSION_UNGUARDED, checksum,
    record::{Base, decode},
};

/// Reads a history, entry by entry.
#[derive(Debug)]
pub struct HistoryReader<R: Read = File> {
    input: R,
    path: PathBuf,
    head: HistoryHead,
    block: Vec<u8>,
    block_at: usize,
    block_records: u32,
    base: Base,
    index: u64,
    is_over: bool,
}

/// What stands between blocks.
enum Mark {
    Block { bytes: usize, checksum: [u8; 8] },
    End { records: u64 },
}

impl HistoryReader {
    /// Opens a history.
    ///
    /// # Errors
    /// If the file cannot be read or is no history of a version this program knows.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let file = File::open(path).map_err(|source| HistoryError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::new(file, path)
    }
}

impl<R: Read> HistoryReader<R> {
    /// Reads a history from bytes; `path` is for the errors.
    ///
    /// # Errors
    /// As [`HistoryReader::open`].
    pub fn new(mut input: R, path: &Path) -> Result<Self, HistoryError> {
        let path = path.to_owned();
        let mut header = [0; HEAD_BYTES];
        match input.read_exact(&mut header) {
            Ok(()) if header.starts_with(&HISTORY_MAGIC) => {}
            Ok(()) => return Err(HistoryError::Foreign { path }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(HistoryError::Foreign { path });
            }
            Err(source) => return Err(HistoryError::Unreadable { path, source }),
        }
        let version = u32::from_le_bytes(part(&header, 8));
        match version {
            HISTORY_VERSION => check_header(&mut input, &header, &path)?,
            VERSION_UNGUARDED => {}
            version => return Err(HistoryError::Version { path, version }),
        }
        let head = HistoryHead {
            secret: part(&header, 24),
            started_at: u64::from_le_bytes(part(&header, 16)),
            capacity: u32::from_le_bytes(part(&header, 12)),
            began_at: u64::from_le_bytes(part(&header, 56)),
        };
        Ok(Self {
            input,
            path,
            head,
            block: Vec::with_capacity(BLOCK_BYTES_MAX),
            block_at: 0,
            block_records: 0,
            base: Base::default(),
            index: 0,
            is_over: false,
        })
    }

    /// What the header says.
    #[must_use]
    pub const fn head(&self) -> &HistoryHead {
        &self.head
    }

    #[cfg(test)]
    pub(super) fn block_capacity(&self) -> usize {
        self.block.capacity()
    }

    fn read(&mut self) -> Result<Option<HistoryEntry>, HistoryError> {
        if self.block_records == 0 {
            if self.block_at < self.block.len() {
                return Err(self.damaged());
            }
            match self.read_mark()? {
                Mark::End { records } => return self.check_end(records),
                Mark::Block { bytes, checksum } => self.read_block(bytes, checksum)?,
            }
        }
        let mut rest = &self.block[self.block_at..];
        let entry = decode(&mut rest, &mut self.base);
        let entry = entry.ok_or_else(|| self.damaged())?;
        self.block_at = self.block.len() - rest.len();
        self.block_records -= 1;
        self.index += 1;
        Ok(Some(entry))
    }

    fn read_mark(&mut self) -> Result<Mark, HistoryError> {
        let mut head = [0; BLOCK_HEAD_BYTES];
        let read = self.input.read_exact(&mut head);
        read.map_err(|source| self.unreadable(source))?;
        if head.starts_with(&DONE) {
            let records = u64::from_le_bytes(part(&head, 8));
            return Ok(Mark::End { records });
        }
        let bytes = u32::from_le_bytes(part(&head, 0));
        self.block_records = u32::from_le_bytes(part(&head, 4));
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= BLOCK_BYTES_MAX && 0 < self.block_records => Ok(Mark::Block {
                bytes,
                checksum: part(&head, 8),
            }),
            _no_writer_writes => Err(self.damaged()),
        }
    }

    /// Only now that `bytes` was checked may it size the buffer.
    fn read_block(&mut self, bytes: usize, promised: [u8; 8]) -> Result<(), HistoryError> {
        self.block.resize(bytes, 0);
        let read = self.input.read_exact(&mut self.block);
        read.map_err(|source| self.unreadable(source))?;
        if checksum(&self.block) != promised {
            return Err(self.damaged());
        }
        self.block_at = 0;
        self.base = Base::default();
        Ok(())
    }

    fn check_end(&mut self, records: u64) -> Result<Option<HistoryEntry>, HistoryError> {
        let follows = self.input.read(&mut [0]);
        let reason = match follows {
            Ok(0) if records == self.index => return Ok(None),
            Ok(0) => format!("it holds {} records and promises {records}", self.index),
            Ok(_more) => "bytes follow its end".to_owned(),
            Err(source) => return Err(self.unreadable(source)),
        };
        Err(self.torn(reason))
    }

    fn unreadable(&self, source: io::Error) -> HistoryError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.torn(format!("it has no end after record {}", self.index));
        }
        HistoryError::Unreadable {
            path: self.path.clone(),
            source,
        }
    }

    fn torn(&self, reason: String) -> HistoryError {
        HistoryError::Torn {
            path: self.path.clone(),
            reason,
        }
    }

    fn damaged(&self) -> HistoryError {
        HistoryError::Damaged {
            path: self.path.clone(),
            index: self.index,
        }
    }
}

impl<R: Read> Iterator for HistoryReader<R> {
    type Item = Result<HistoryEntry, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let entry = self.read().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

fn check_header(
    input: &mut impl Read,
    header: &[u8; HEAD_BYTES],
    path: &Path,
) -> Result<(), HistoryError> {
    let mut promised = [0; 8];
    let path = path.to_owned();
    match input.read_exact(&mut promised) {
        Ok(()) if promised == checksum(header) => Ok(()),
        Ok(()) => Err(HistoryError::Header { path }),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(HistoryError::Foreign { path })
        }
        Err(source) => Err(HistoryError::Unreadable { path, source }),
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("every field lies inside its head")
}
