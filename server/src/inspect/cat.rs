//! Records as lines of JSON.
//!
//! Opens what is sealed, where the key is there. Never shows a password hash or a token's hash, not even in a record that it cannot decode.
//! Deliberately absent: trust; a damaged log is shown as it is, `verify` says where it is wrong.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use protocol::{Outcome, Record, Seq, words::accounts};
use serde::Serialize;
use serde_json::Value;

use super::InspectError;
use crate::{
    domain::{
        Systems,
        systems::{Described, ReplayError},
    },
    keyring::Keyring,
    log::{LogReader as _, Row, SqliteReader},
};

/// What stands where a secret was.
const REDACTED: &str = "<redacted>";

/// What stands where a text was whose key is gone, or which belonged to nobody.
const ERASED: &str = "<erased>";

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
    let mut reader = SqliteReader::open(data_dir)?;
    let keyring = Keyring::of(reader.keys()?);
    reader.read(from, &mut |row| {
        written = write_line(&row, &keyring, out);
        left -= 1;
        if written.is_err() || left == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(written?)
}

/// A record as `log cat` writes it. Fields are in the order people read them.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
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

fn write_line(row: &Row<'_>, keyring: &Keyring, out: &mut dyn Write) -> io::Result<()> {
    line_of(row, keyring, &mut |line| {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    })
}

/// Shows `visit` a record as people read it.
pub(crate) fn line_of<T>(
    row: &Row<'_>,
    keyring: &Keyring,
    visit: &mut dyn FnMut(Line<'_>) -> T,
) -> T {
    let described = Systems::open(&row.record, keyring, ERASED).and_then(|body| {
        Systems::describe(&Record {
            body: &body,
            ..row.record
        })
    });
    visit(Line {
        seq: row.record.seq.0,
        at: timestamp(row.record.recorded_at),
        actor: row.record.actor.0,
        what: match &described {
            Ok(described) => decoded(described),
            Err(error) => undecoded(&row.record, error),
        },
        key: row.record.key.to_string(),
        hash: row.hash.to_string(),
    })
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

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Milliseconds since 1970-01-01 UTC as RFC 3339 writes them.
#[must_use]
pub fn timestamp(millis: u64) -> String {
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
