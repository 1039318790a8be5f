//! A history in, events out: a block at a time, each checked before anything of it is believed.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, DONE, Event, HEAD_BYTES, HISTORY_MAGIC, HISTORY_VERSION,
    HistoryError, HistoryHead, RECORD_BYTES_MAX, VERSION_OF_OPERATIONS, VERSION_UNGUARDED,
    checksum, old, record,
};
use crate::operation::Operation;

/// Reads a history, event by event.
#[derive(Debug)]
pub struct HistoryReader<R: Read = File> {
    input: R,
    path: PathBuf,
    version: u32,
    head: HistoryHead,
    block: Vec<u8>,
    block_at: usize,
    block_records: u32,
    base: Base,
    index: u64,
    /// Where the next block begins in the file, and the one that is read.
    offset: u64,
    block_offset: u64,
    is_over: bool,
}

/// What the next record is told against, by version.
#[derive(Debug)]
enum Base {
    Operations(old::Base),
    Events(record::Base),
}

impl Base {
    fn of(version: u32) -> Self {
        if version <= VERSION_OF_OPERATIONS {
            Self::Operations(old::Base::default())
        } else {
            Self::Events(record::Base::START)
        }
    }
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
            VERSION_OF_OPERATIONS | HISTORY_VERSION => check_header(&mut input, &header, &path)?,
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
            version,
            head,
            block: Vec::with_capacity(BLOCK_BYTES_MAX),
            block_at: 0,
            block_records: 0,
            base: Base::of(version),
            index: 0,
            offset: match version {
                VERSION_UNGUARDED => HEAD_BYTES as u64,
                _guarded => HEAD_BYTES as u64 + 8,
            },
            block_offset: 0,
            is_over: false,
        })
    }

    /// What the header says.
    #[must_use]
    pub const fn head(&self) -> &HistoryHead {
        &self.head
    }

    /// Whether it holds all that the laws were told, and not only the operations.
    #[must_use]
    pub const fn holds_all(&self) -> bool {
        VERSION_OF_OPERATIONS < self.version
    }

    /// Every operation, once: without what was shown, which is not even decoded.
    pub fn operations(mut self) -> impl Iterator<Item = Result<Operation, HistoryError>> {
        std::iter::from_fn(move || {
            loop {
                match self.step(skim).transpose()? {
                    Ok(None) => {}
                    Ok(Some(operation)) => return Some(Ok(operation)),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    #[cfg(test)]
    pub(super) fn block_capacity(&self) -> usize {
        self.block.capacity()
    }

    /// The next record as `take` makes it of its bytes; nothing behind the last or behind an error.
    fn step<T>(
        &mut self,
        take: fn(&mut &[u8], &mut Base) -> Option<T>,
    ) -> Result<Option<T>, HistoryError> {
        if self.is_over {
            return Ok(None);
        }
        let record = self.read(take);
        self.is_over = !matches!(record, Ok(Some(_)));
        record
    }

    fn read<T>(
        &mut self,
        take: fn(&mut &[u8], &mut Base) -> Option<T>,
    ) -> Result<Option<T>, HistoryError> {
        if self.block_records == 0 {
            if self.block_at < self.block.len() {
                return Err(self.damaged());
            }
            match self.read_mark()? {
                Mark::End { records } => return self.check_end(records).map(|()| None),
                Mark::Block { bytes, checksum } => self.read_block(bytes, checksum)?,
            }
        }
        let mut rest = &self.block[self.block_at..];
        let record = take(&mut rest, &mut self.base);
        let left = rest.len();
        let record = record.ok_or_else(|| self.damaged())?;
        self.block_at = self.block.len() - left;
        self.block_records -= 1;
        self.index += 1;
        Ok(Some(record))
    }

    /// Bytes of the longest block of this version.
    const fn block_bytes_max(&self) -> usize {
        if self.holds_all() {
            BLOCK_BYTES_MAX + RECORD_BYTES_MAX
        } else {
            BLOCK_BYTES_MAX
        }
    }

    fn read_mark(&mut self) -> Result<Mark, HistoryError> {
        let mut head = [0; BLOCK_HEAD_BYTES];
        self.block_offset = self.offset;
        let read = self.input.read_exact(&mut head);
        read.map_err(|source| self.unreadable(source))?;
        if head.starts_with(&DONE) {
            let records = u64::from_le_bytes(part(&head, 8));
            return Ok(Mark::End { records });
        }
        let bytes = u32::from_le_bytes(part(&head, 0));
        self.block_records = u32::from_le_bytes(part(&head, 4));
        match usize::try_from(bytes) {
            Ok(bytes) if bytes <= self.block_bytes_max() && 0 < self.block_records => {
                Ok(Mark::Block {
                    bytes,
                    checksum: part(&head, 8),
                })
            }
            _no_writer_writes => Err(self.damaged()),
        }
    }

    /// The buffer grows as bytes arrive: a length that was made up takes no memory.
    fn read_block(&mut self, bytes: usize, promised: [u8; 8]) -> Result<(), HistoryError> {
        self.block.clear();
        self.block.shrink_to(2 * BLOCK_BYTES_MAX);
        let mut input = (&mut self.input).take(bytes as u64);
        let read = input.read_to_end(&mut self.block);
        let read = read.map_err(|source| self.unreadable(source))?;
        if read < bytes {
            return Err(self.unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        if checksum(&self.block) != promised {
            return Err(self.damaged());
        }
        self.block_at = 0;
        self.base = Base::of(self.version);
        self.offset += (BLOCK_HEAD_BYTES + bytes) as u64;
        Ok(())
    }

    fn check_end(&mut self, records: u64) -> Result<(), HistoryError> {
        let follows = self.input.read(&mut [0]);
        let reason = match follows {
            Ok(0) if records == self.index => return Ok(()),
            Ok(0) => format!("it holds {} records and promises {records}", self.index),
            Ok(_more) => "bytes follow its end".to_owned(),
            Err(source) => return Err(self.unreadable(source)),
        };
        Err(self.torn(reason))
    }

    fn unreadable(&self, source: io::Error) -> HistoryError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.torn(format!(
                "it has no end after record {}, in or behind the block at byte {}",
                self.index, self.block_offset
            ));
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
            offset: self.block_offset,
            index: self.index,
        }
    }
}

impl<R: Read> Iterator for HistoryReader<R> {
    type Item = Result<Event<'static>, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(decode).transpose()
    }
}

fn decode(rest: &mut &[u8], base: &mut Base) -> Option<Event<'static>> {
    match base {
        Base::Operations(base) => old::decode(rest, base),
        Base::Events(base) => record::decode(rest, base),
    }
}

fn skim(rest: &mut &[u8], base: &mut Base) -> Option<Option<Operation>> {
    match base {
        Base::Operations(base) => old::decode(rest, base).map(|event| match event {
            Event::Completed { operation, .. } => Some(operation),
            _second => None,
        }),
        Base::Events(base) => record::skim(rest, base),
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
