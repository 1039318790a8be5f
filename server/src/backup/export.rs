//! A log as lines of JSON, and what each line holds.
//!
//! ```text
//! {"stampede":"log","version":1}
//! {"seq":1,"at":…,"actor":0,"command":"register",…,"key":…,"hash":…,"record":{…}}      a record
//! {"person":1,"key":"…"}                            the key of somebody who is there at the end
//! {"file":"secret","bytes":"…"}                     what stands beside the log
//! {"end":3,"hash":"…","people":1}                   nothing is missing
//! ```
//!
//! A record's line is that of `log cat`, for people, and `record` what is needed byte for byte. The
//! keys come along, so the lines are as private as the data directory. Deliberately absent: a
//! choice of records; what is exported is a whole log.

use std::{
    io::{self, Write},
    path::Path,
};

use protocol::hex;
use serde::{Deserialize, Serialize};

use super::{BackupError, Copied, Progress, SMALL_FILES, check_belongs, read_small, walk};
use crate::{
    disk::RealDisk,
    inspect::line_of,
    keyring::Keyring,
    log::{Row, SqliteReader, watermark},
};

/// The version of the lines.
pub(super) const VERSION: u32 = 1;

/// What the first line says that these are.
pub(super) const WHAT: &str = "log";

/// A record, byte for byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bytes {
    pub(super) recorded_at: u64,
    pub(super) kind: u16,
    pub(super) schema: u8,
    pub(super) codec: u8,
    pub(super) body: String,
    pub(super) outcome: String,
}

/// Any line but a record's.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Line<'a> {
    First {
        stampede: &'a str,
        version: u32,
    },
    Person {
        person: u64,
        key: String,
    },
    File {
        file: &'a str,
        bytes: String,
    },
    Last {
        end: u64,
        hash: String,
        people: usize,
    },
}

/// Writes the log of `data_dir`, which may be served meanwhile, as lines.
///
/// # Errors
/// If the log cannot be read, is damaged or shorter than its mark, or the lines cannot be written.
pub fn export(
    data_dir: &Path,
    out: &mut dyn Write,
    progress: &mut Progress<'_>,
) -> Result<Copied, BackupError> {
    let disk = RealDisk::at(data_dir);
    let mark = watermark::read(&*disk)?;
    let mut reader = SqliteReader::open_on(&disk)?;
    // Where the tail is missing, keys may be as well, and that is why.
    mark.check(reader.head()?, |seq| reader.hash_at(seq))?;
    let first = Line::First {
        stampede: WHAT,
        version: VERSION,
    };
    write(&first, out)?;
    let visit = &mut |row: &Row<'_>, keyring: &Keyring| write_record(row, keyring, out);
    let (copied, keys) = walk(&mut reader, visit, progress)?;
    mark.check(copied.head, |seq| reader.hash_at(seq))?;
    check_belongs(&disk, &mut reader, &keys)?;
    for key in keys {
        let line = Line::Person {
            person: key.user.0,
            key: hex::render(&*key.key),
        };
        write(&line, out)?;
    }
    for file in SMALL_FILES {
        if let Some(bytes) = read_small(&*disk, file)? {
            let bytes = hex::render(&bytes);
            write(&Line::File { file, bytes }, out)?;
        }
    }
    let last = Line::Last {
        end: copied.head.seq.0,
        hash: copied.head.hash.to_string(),
        people: copied.people,
    };
    write(&last, out)?;
    out.flush().map_err(failed)?;
    Ok(copied)
}

#[derive(Serialize)]
struct Both<'a, L> {
    #[serde(flatten)]
    line: L,
    record: &'a Bytes,
}

fn write_record(row: &Row<'_>, keyring: &Keyring, out: &mut dyn Write) -> Result<(), BackupError> {
    let record = &row.record;
    let bytes = Bytes {
        recorded_at: record.recorded_at,
        kind: record.kind.0,
        schema: record.schema,
        codec: record.codec,
        body: hex::render(record.body),
        outcome: hex::render(record.outcome),
    };
    line_of(row, keyring, &mut |line| {
        let both = Both {
            line,
            record: &bytes,
        };
        write(&both, out)
    })
}

fn write(line: &impl Serialize, out: &mut dyn Write) -> Result<(), BackupError> {
    serde_json::to_writer(&mut *out, line)
        .map_err(io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(failed)
}

fn failed(source: io::Error) -> BackupError {
    BackupError::Io {
        doing: "write the lines".to_owned(),
        source,
    }
}
