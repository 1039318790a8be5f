//! The history of a run on disk: every finished operation, for the checkers to judge again.
//!
//! Operations go in as they finish and leave through a bounded buffer; a reader gives them back.
//!
//! ```text
//! header, 64 bytes                         record, 64 bytes
//!  0 magic "STMPHIST"                       0 client u32
//!  8 version u32                            4 counter u32
//! 12 bytes of a record u32                  8 sent_at u64, nanoseconds
//! 16 started_at u64, ms since 1970         16 response u32: completed - sent, 100 ns, rounded up
//! 24 secret of the keys, 32 bytes          20 delay u32: sent - intended, 100 ns, rounded down
//! 56 zeros                                 24 seq u64
//!                                          32 hash u64
//! footer, 64 bytes                         40 slot u64; of a hold see subject
//!  0 magic "STMPDONE"                      48 floor u48
//!  8 records u64                           54 subject u48: the booking, or a hold's seconds
//! 16 zeros                                 60 code u16
//!                                          62 call in the low 4 bits, outcome in the high 4
//!                                          63 attempts in the low 7 bits, duplicate in the high
//! ```
//!
//! All little-endian. `response` and `delay` saturate at 429 seconds, and an interval is only ever
//! made wider, so that an order read from a file was an order of the run. Deliberately absent: what
//! queries showed, and every opinion on what is right.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use protocol::Code;

use crate::operation::{Call, Nanos, Operation, Outcome, Slot};

/// The version of this layout.
pub const HISTORY_VERSION: u32 = 1;
/// Bytes of the header, of each record, and of the footer.
pub const RECORD_BYTES: usize = 64;
/// Bytes held back before they are written: 4,096 operations.
const BUFFER_BYTES_MAX: usize = 256 * 1_024;

const MAGIC: [u8; 8] = *b"STMPHIST";
const DONE: [u8; 8] = *b"STMPDONE";
const TICK: Nanos = 100;
const DUPLICATE: u8 = 0x80;
const U48_MAX: u64 = (1 << 48) - 1;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryHead {
    /// The secret of the run's [`crate::operation::KeyMint`].
    pub secret: [u8; 32],
    /// When the run began, milliseconds since 1970-01-01 UTC.
    pub started_at: u64,
}

/// One entry of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What happened; `intended_at` and `completed_at` to 100 ns.
    pub operation: Operation,
    /// Whether this is the second answer to a command asked again on purpose.
    pub duplicate: bool,
}

/// A history that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file could not be opened or read.
    #[error("`{path}` cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("`{path}` is not a history of this program; expected a file that begins with STMPHIST")]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// It was written by another version.
    #[error("`{path}` is a history of version {version} and this program reads {HISTORY_VERSION}")]
    Version {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The run that wrote it did not finish it.
    #[error("`{path}` is torn: {reason}; the run that wrote it was cut short")]
    Torn {
        /// Which.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A record that no writer writes.
    #[error("`{path}` is damaged: record {index} makes no sense")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The record, from 0.
        index: u64,
    },
}

/// Writes a history.
#[derive(Debug)]
pub struct HistoryWriter<W: Write = File> {
    out: W,
    buffer: Vec<u8>,
    records: u64,
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
            buffer: Vec::with_capacity(BUFFER_BYTES_MAX),
            records: 0,
        };
        let mut header = [0; RECORD_BYTES];
        put(&mut header, 0, &MAGIC);
        put(&mut header, 8, &HISTORY_VERSION.to_le_bytes());
        put(&mut header, 12, &[64, 0, 0, 0]);
        put(&mut header, 16, &head.started_at.to_le_bytes());
        put(&mut header, 24, &head.secret);
        writer.push(&header)?;
        Ok(writer)
    }

    /// Appends one finished operation.
    ///
    /// # Errors
    /// If the full buffer cannot be written.
    pub fn append(&mut self, operation: &Operation, duplicate: bool) -> io::Result<()> {
        self.records += 1;
        self.push(&encode(operation, duplicate))
    }

    /// Ends the history. Without this it reads as torn. Returns its bytes.
    ///
    /// # Errors
    /// If what is buffered cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        let mut footer = [0; RECORD_BYTES];
        put(&mut footer, 0, &DONE);
        put(&mut footer, 8, &self.records.to_le_bytes());
        self.push(&footer)?;
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok((self.records + 2) * 64)
    }

    fn push(&mut self, record: &[u8; RECORD_BYTES]) -> io::Result<()> {
        if BUFFER_BYTES_MAX < self.buffer.len() + RECORD_BYTES {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(record);
        Ok(())
    }
}

/// Reads a history, entry by entry.
#[derive(Debug)]
pub struct HistoryReader<R: Read = io::BufReader<File>> {
    input: R,
    path: PathBuf,
    head: HistoryHead,
    index: u64,
    is_over: bool,
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
        Self::new(io::BufReader::with_capacity(BUFFER_BYTES_MAX, file), path)
    }
}

impl<R: Read> HistoryReader<R> {
    /// Reads a history from bytes; `path` is for the errors.
    ///
    /// # Errors
    /// As [`HistoryReader::open`].
    pub fn new(mut input: R, path: &Path) -> Result<Self, HistoryError> {
        let path = path.to_owned();
        let header = match read_record(&mut input) {
            Ok(header) if header.starts_with(&MAGIC) => header,
            Ok(_other) => return Err(HistoryError::Foreign { path }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(HistoryError::Foreign { path });
            }
            Err(source) => return Err(HistoryError::Unreadable { path, source }),
        };
        let version = u32::from_le_bytes(take(&header, 8));
        if version != HISTORY_VERSION {
            return Err(HistoryError::Version { path, version });
        }
        let head = HistoryHead {
            secret: take(&header, 24),
            started_at: u64::from_le_bytes(take(&header, 16)),
        };
        Ok(Self {
            input,
            path,
            head,
            index: 0,
            is_over: false,
        })
    }

    /// What the header says.
    #[must_use]
    pub const fn head(&self) -> &HistoryHead {
        &self.head
    }

    fn read(&mut self) -> Result<Option<HistoryEntry>, HistoryError> {
        let record = read_record(&mut self.input).map_err(|source| self.unreadable(source))?;
        if record.starts_with(&DONE) {
            return self.check_end(u64::from_le_bytes(take(&record, 8)));
        }
        let index = self.index;
        self.index += 1;
        match decode(&record) {
            Some(entry) => Ok(Some(entry)),
            None => Err(HistoryError::Damaged {
                path: self.path.clone(),
                index,
            }),
        }
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

fn read_record(input: &mut impl Read) -> io::Result<[u8; RECORD_BYTES]> {
    let mut record = [0; RECORD_BYTES];
    input.read_exact(&mut record)?;
    Ok(record)
}

fn encode(operation: &Operation, duplicate: bool) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let response = operation.completed_at.saturating_sub(operation.sent_at);
    let delay = operation.sent_at.saturating_sub(operation.intended_at);
    let (outcome, code) = split_outcome(operation.outcome);
    let call = u8::try_from(operation.call.index()).expect("eight names");
    let attempts = operation.attempts.min(DUPLICATE - 1);
    put(&mut record, 0, &operation.client.to_le_bytes());
    put(&mut record, 4, &operation.counter.to_le_bytes());
    put(&mut record, 8, &operation.sent_at.to_le_bytes());
    put(
        &mut record,
        16,
        &ticks(response.div_ceil(TICK)).to_le_bytes(),
    );
    put(&mut record, 20, &ticks(delay / TICK).to_le_bytes());
    put(&mut record, 24, &operation.seq.to_le_bytes());
    put(&mut record, 32, &operation.hash.to_le_bytes());
    let slot = operation.call.slot().unwrap_or(Slot(0));
    put(&mut record, 40, &slot.0.to_le_bytes());
    put_u48(&mut record, 48, operation.floor);
    put_u48(&mut record, 54, subject(&operation.call));
    put(&mut record, 60, &code.to_le_bytes());
    put(&mut record, 62, &[call | outcome << 4]);
    put(
        &mut record,
        63,
        &[attempts | if duplicate { DUPLICATE } else { 0 }],
    );
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> Option<HistoryEntry> {
    let [call_and_outcome, attempts] = take(record, 62);
    let sent_at = u64::from_le_bytes(take(record, 8));
    let response = Nanos::from(u32::from_le_bytes(take(record, 16))) * TICK;
    let delay = Nanos::from(u32::from_le_bytes(take(record, 20))) * TICK;
    let slot = Slot(u64::from_le_bytes(take(record, 40)));
    let code = Code(u16::from_le_bytes(take(record, 60)));
    Some(HistoryEntry {
        operation: Operation {
            client: u32::from_le_bytes(take(record, 0)),
            counter: u32::from_le_bytes(take(record, 4)),
            call: join_call(call_and_outcome & 0xf, slot, take_u48(record, 54))?,
            intended_at: sent_at.saturating_sub(delay),
            sent_at,
            completed_at: sent_at.saturating_add(response),
            floor: take_u48(record, 48),
            outcome: join_outcome(call_and_outcome >> 4, code)?,
            seq: u64::from_le_bytes(take(record, 24)),
            hash: u64::from_le_bytes(take(record, 32)),
            attempts: attempts & !DUPLICATE,
        },
        duplicate: attempts & DUPLICATE != 0,
    })
}

const fn split_outcome(outcome: Outcome) -> (u8, u16) {
    match outcome {
        Outcome::Ok => (0, 0),
        Outcome::Refused(code) => (1, code.0),
        Outcome::Error(code) => (2, code.0),
        Outcome::Timeout => (3, 0),
        Outcome::Unknown => (4, 0),
    }
}

const fn join_outcome(tag: u8, code: Code) -> Option<Outcome> {
    match tag {
        0 => Some(Outcome::Ok),
        1 => Some(Outcome::Refused(code)),
        2 => Some(Outcome::Error(code)),
        3 => Some(Outcome::Timeout),
        4 => Some(Outcome::Unknown),
        _no_writer_writes => None,
    }
}

fn subject(call: &Call) -> u64 {
    match call {
        Call::Cancel { booking, .. } | Call::Confirm { booking, .. } => *booking,
        Call::Hold { seconds, .. } => u64::from(*seconds),
        Call::Reserve { .. }
        | Call::JoinWaitlist { .. }
        | Call::LeaveWaitlist { .. }
        | Call::ListSlots { .. }
        | Call::MyBookings
        | Call::Chat(_)
        | Call::Catalogue(_)
        | Call::Sales(_) => 0,
    }
}

fn join_call(index: u8, slot: Slot, subject: u64) -> Option<Call> {
    let booking = subject;
    match index {
        0 => Some(Call::Reserve { slot }),
        1 => Some(Call::Cancel { booking, slot }),
        2 => {
            let seconds = u32::try_from(subject).ok()?;
            Some(Call::Hold { slot, seconds })
        }
        3 => Some(Call::Confirm { booking, slot }),
        4 => Some(Call::JoinWaitlist { slot }),
        5 => Some(Call::LeaveWaitlist { slot }),
        6 => Some(Call::ListSlots { slot }),
        7 => Some(Call::MyBookings),
        _no_writer_writes => None,
    }
}

fn ticks(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn put(record: &mut [u8; RECORD_BYTES], at: usize, bytes: &[u8]) {
    record[at..at + bytes.len()].copy_from_slice(bytes);
}

fn put_u48(record: &mut [u8; RECORD_BYTES], at: usize, value: u64) {
    // A position this high is 100 years at 90,000 a second.
    put(record, at, &value.min(U48_MAX).to_le_bytes()[..6]);
}

fn take<const N: usize>(record: &[u8; RECORD_BYTES], at: usize) -> [u8; N] {
    *record[at..]
        .first_chunk()
        .expect("every field lies inside the record")
}

fn take_u48(record: &[u8; RECORD_BYTES], at: usize) -> u64 {
    let [a, b, c, d, e, f] = take(record, at);
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: HistoryHead = HistoryHead {
        secret: [7; 32],
        started_at: 1_700_000_000_000,
    };

    fn written(entries: &[HistoryEntry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = HistoryWriter::new(&mut bytes, &HEAD).expect("memory");
        for entry in entries {
            writer
                .append(&entry.operation, entry.duplicate)
                .expect("memory");
        }
        let promised = writer.finish().expect("memory");
        assert_eq!(promised, bytes.len() as u64);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<HistoryEntry>, HistoryError> {
        HistoryReader::new(bytes, Path::new("history.bin"))?.collect()
    }

    fn calls() -> impl Strategy<Value = Call> {
        (0..8_u8, any::<u64>(), 0..=U48_MAX, any::<u32>()).prop_map(
            |(index, slot, booking, seconds)| {
                let subject = if index == 2 {
                    u64::from(seconds)
                } else {
                    booking
                };
                join_call(index, Slot(slot), subject).expect("an index of a call")
            },
        )
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        (0..5_u8, any::<u16>())
            .prop_map(|(tag, code)| join_outcome(tag, Code(code)).expect("a tag of an outcome"))
    }

    fn entries() -> impl Strategy<Value = HistoryEntry> {
        let times = (0..1_u64 << 40, 0..1_u64 << 30, 0..1_u64 << 30);
        let words = (
            any::<u64>(),
            any::<u64>(),
            0..=U48_MAX,
            1..128_u8,
            any::<bool>(),
        );
        (any::<(u32, u32)>(), calls(), outcomes(), times, words).prop_map(
            |((client, counter), call, outcome, (intended_at, delay, service), words)| {
                let (seq, hash, floor, attempts, duplicate) = words;
                let sent_at = intended_at + delay;
                let completed_at = sent_at + service;
                let operation = Operation {
                    client,
                    counter,
                    call,
                    intended_at,
                    sent_at,
                    completed_at,
                    floor,
                    outcome,
                    seq,
                    hash,
                    attempts,
                };
                HistoryEntry {
                    operation,
                    duplicate,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_history_reads_as_it_was_written(entries in prop::collection::vec(entries(), 0..20)) {
            let read = read(&written(&entries)).expect("whole");
            prop_assert_eq!(read.len(), entries.len());
            for (read, entry) in read.iter().zip(&entries) {
                let (back, told) = (read.operation, entry.operation);
                prop_assert!(told.completed_at <= back.completed_at);
                prop_assert!(back.completed_at < told.completed_at + TICK);
                prop_assert!(told.intended_at <= back.intended_at);
                prop_assert!(back.intended_at < told.intended_at + TICK);
                let same = Operation {
                    intended_at: told.intended_at,
                    completed_at: told.completed_at,
                    ..back
                };
                prop_assert_eq!(HistoryEntry { operation: same, ..*read }, *entry);
            }
        }

        #[test]
        fn a_history_cut_anywhere_is_refused(
            entries in prop::collection::vec(entries(), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = written(&entries);
            let cut = cut.index(bytes.len());
            prop_assert!(read(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn foreign_newer_and_overlong_files_are_refused_each_in_its_words() {
        let whole = written(&[]);
        let check = |change: fn(&mut Vec<u8>), words: &str| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            let told = read(&bytes).expect_err("refused").to_string();
            assert!(told.contains(words), "{told}");
        };
        check(|bytes| bytes[0] = b'X', "not a history");
        check(|bytes| bytes[8] = 9, "version 9");
        check(|bytes| bytes.push(0), "bytes follow its end");
        check(|bytes| bytes[64 + 8] = 3, "promises 3");
        check(|bytes| bytes.truncate(64), "no end after record 0");
    }
}
