//! The log for people: `stampede log cat` and `stampede log verify`.
//!
//! A data directory goes in; lines of JSON or a report come out. Works beside a running server,
//! since it only reads and takes no lock. Never shows a password hash or a token's hash, not even
//! in a record that it cannot decode. Deliberately absent: printing and clocks, which are main's.

use std::{
    fmt,
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use protocol::{Outcome, Record, Seq, words::accounts};
use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{
        Systems,
        systems::{Described, ReplayError},
    },
    log::{
        Head, LogError, LogReader as _, Row, SqliteReader,
        mark::{self, MarkRead},
        replay::ChainCheck,
    },
};

/// Records of a page of the second walk: a prime, so that its pages are cut differently from those
/// of the first walk at every turn.
const SECOND_PAGE_LEN: u64 = 9_973;

/// What stands where a secret was.
const REDACTED: &str = "<redacted>";

/// Why a log could not be shown or did not pass.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is sound and means nothing to this version.
    #[error("seq {seq} cannot be replayed: {source}; use the version that wrote it")]
    Replay {
        /// The record.
        seq: Seq,
        /// What was wrong with it.
        source: ReplayError,
    },
    /// SQLite found its own file damaged.
    #[error("SQLite finds {} problems in the file, the first: {}; restore a backup of the data directory", .0.len(), .0.first().map_or("none", String::as_str))]
    Integrity(Vec<String>),
    /// Where the lines go.
    #[error("write the lines: {0}")]
    Write(#[from] io::Error),
}

/// Writes one line of JSON for each record from `from` on, `limit` at most.
///
/// # Errors
/// If the log cannot be read or the lines cannot be written. A record that does not decode is
/// listed like the others, as bytes.
pub fn cat(
    data_dir: &Path,
    from: Seq,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let mut left = limit.unwrap_or(u64::MAX);
    if left == 0 {
        return Ok(());
    }
    let mut written = Ok(());
    SqliteReader::open(data_dir)?.read(from, &mut |row| {
        written = write_line(&row, out);
        left -= 1;
        if written.is_err() || left == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(written?)
}

/// What a walk over a sound log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The newest record that was walked.
    pub head: Head,
    /// How many there are.
    pub records: u64,
    /// Of them, what happened.
    pub accepted: u64,
    /// Of them, what was refused.
    pub refused: u64,
    /// The hash of the state that the records make.
    pub state_hash: u128,
    /// The same, from a second walk in pages cut elsewhere.
    pub state_hash_second: u128,
    /// What the high-water mark said.
    pub mark: MarkRead,
}

impl VerifyReport {
    /// Whether both walks made the same state; if not, replay is not deterministic.
    #[must_use]
    pub const fn is_reproducible(&self) -> bool {
        self.state_hash == self.state_hash_second
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "head     seq {}", self.head.seq)?;
        writeln!(f, "hash     {}", self.head.hash)?;
        writeln!(
            f,
            "records  {} ({} accepted, {} refused), none missing, none altered",
            self.records, self.accepted, self.refused
        )?;
        writeln!(f, "mark     {}", describe_mark(self.mark))?;
        if self.is_reproducible() {
            return write!(
                f,
                "state    {:032x}, the same in two walks",
                self.state_hash
            );
        }
        write!(
            f,
            "state    DIFFERS: {:032x} and {:032x} from the same records; report this as a bug",
            self.state_hash, self.state_hash_second
        )
    }
}

/// Walks the whole log twice: positions, hashes, meaning, its file, and its high-water mark.
///
/// # Errors
/// The first thing that is wrong, with its position and what can be done.
pub fn verify(data_dir: &Path) -> Result<VerifyReport, InspectError> {
    // Before the log is read: a server may go on while we look, and the mark follows the log.
    let mark = mark::read(data_dir)?;
    let mut reader = SqliteReader::open(data_dir)?;
    let problems = reader.integrity_problems()?;
    if !problems.is_empty() {
        return Err(InspectError::Integrity(problems));
    }
    let first = Fold::run(&mut reader, Seq(u64::MAX), u64::MAX)?;
    let head = first.chain.head();
    mark.check(head, |seq| reader.hash_at(seq))?;
    let second = Fold::run(&mut reader, head.seq, SECOND_PAGE_LEN)?;
    Ok(VerifyReport {
        head,
        records: first.accepted + first.refused,
        accepted: first.accepted,
        refused: first.refused,
        state_hash: first.systems.state_hash(),
        state_hash_second: second.systems.state_hash(),
        mark,
    })
}

/// A state being built from checked records.
struct Fold {
    chain: ChainCheck,
    systems: Systems,
    accepted: u64,
    refused: u64,
}

impl Fold {
    /// Folds the records up to `end`, or to the end of the log, read `page_len` at a time.
    fn run(reader: &mut SqliteReader, end: Seq, page_len: u64) -> Result<Self, InspectError> {
        let mut fold = Self {
            chain: ChainCheck::new(Head::default()),
            systems: Systems::default(),
            accepted: 0,
            refused: 0,
        };
        while fold.run_page(reader, end, page_len)? == page_len {}
        Ok(fold)
    }

    /// Folds one page and says how many records it had.
    fn run_page(
        &mut self,
        reader: &mut SqliteReader,
        end: Seq,
        page_len: u64,
    ) -> Result<u64, InspectError> {
        let mut count = 0;
        let mut failure = None;
        reader.read(self.chain.head().seq.next(), &mut |row| {
            if end < row.record.seq {
                return ControlFlow::Break(());
            }
            if let Err(error) = self.advance(&row) {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            count += 1;
            if count == page_len {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        failure.map_or(Ok(count), Err)
    }

    fn advance(&mut self, row: &Row<'_>) -> Result<(), InspectError> {
        self.chain.advance(row)?;
        let executed = self
            .systems
            .replay(&row.record)
            .map_err(|source| InspectError::Replay {
                seq: row.record.seq,
                source,
            })?;
        if executed.accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
        Ok(())
    }
}

fn describe_mark(mark: MarkRead) -> String {
    match mark {
        MarkRead::Missing => "there is none, so a lost tail could not be noticed".to_owned(),
        MarkRead::Unreadable => {
            "unreadable (torn or edited), so a lost tail could not be noticed".to_owned()
        }
        MarkRead::At(head) => format!("seq {}, which the log reaches", head.seq),
    }
}

/// A record as `log cat` writes it. Fields are in the order people read them.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    at: String,
    actor: u64,
    #[serde(flatten)]
    what: What<'a>,
    key: String,
    hash: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Accepted {
        command: &'a str,
        fields: Value,
        outcome: &'a str,
        event: Value,
    },
    Refused {
        command: &'a str,
        fields: Value,
        outcome: &'a str,
        code: &'a str,
        sentence: String,
    },
    Undecoded {
        undecoded: String,
        system: u8,
        number: u8,
        schema: u8,
        codec: u8,
        body: String,
        outcome: String,
    },
}

fn write_line(row: &Row<'_>, out: &mut dyn Write) -> io::Result<()> {
    let described = Systems::describe(&row.record);
    let line = Line {
        seq: row.record.seq.0,
        at: timestamp(row.record.recorded_at),
        actor: row.record.actor.0,
        what: match &described {
            Ok(described) => decoded(described),
            Err(error) => undecoded(&row.record, error),
        },
        key: row.record.key.to_string(),
        hash: row.hash.to_string(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn decoded(described: &Described) -> What<'static> {
    let command = described.name;
    let mut fields = redacted(&described.command);
    if let Value::Object(fields) = &mut fields {
        // The word's name, which `command` says already.
        fields.remove("word");
    }
    match &described.outcome {
        Ok(event) => What::Accepted {
            command,
            fields,
            outcome: "accepted",
            event: redacted(event),
        },
        Err(refusal) => What::Refused {
            command,
            fields,
            outcome: "refused",
            code: refusal.code.name(),
            sentence: refusal.sentence(),
        },
    }
}

// Whoever cannot decode a body of the accounts cannot tell where in it a secret is.
fn undecoded(record: &Record<'_>, error: &ReplayError) -> What<'static> {
    let is_secret = record.kind.system() == accounts::SYSTEM;
    let bytes = |bytes: &[u8]| match is_secret {
        true => format!("<redacted: {} bytes>", bytes.len()),
        false => hex(bytes),
    };
    What::Undecoded {
        undecoded: error.to_string(),
        system: record.kind.system(),
        number: record.kind.number(),
        schema: record.schema,
        codec: record.codec,
        body: bytes(record.body),
        outcome: match Outcome::decode(record.outcome) {
            Ok(Outcome::Refused(refusal)) => format!("refused: {}", refusal.code.name()),
            Ok(Outcome::Accepted { .. }) | Err(_) => bytes(record.outcome),
        },
    }
}

/// `value` without what is secret in it, which is known by its name.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match is_secret(name) {
                    true => Value::from(REDACTED),
                    false => redacted(value),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "token", "secret"]
        .iter()
        .any(|word| name.contains(word))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Milliseconds since 1970-01-01 UTC as RFC 3339 writes them.
fn timestamp(millis: u64) -> String {
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day counted from 1970-01-01, after Howard Hinnant: years that begin in
/// March end with the leap day, so that no month needs to know about it.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
