//! A log out of lines of JSON.
//!
//! Lines as [`super::export`] writes them go in; a data directory comes out, or the number of the
//! first line that is wrong. Every hash is worked out anew, so a line that was altered, left out or
//! put elsewhere is found at that line. What a record's line says to people is not looked at: what
//! counts is `record`. Deliberately absent: mending.

use std::{
    io::{self, BufRead},
    path::Path,
    sync::Arc,
};

use protocol::{ChainHash, Key, Kind, Record, Seq, UserId, hex};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    BackupError, Copied, PROGRESS_STEP, People, Progress, SMALL_FILES,
    export::{Bytes, VERSION, WHAT},
    target::Target,
};
use crate::{
    disk::Disk,
    inspect::{InspectError, VerifyReport, verify_unfinished},
    log::{Head, PersonKey, Row, replay::ChainCheck},
};

/// Any line: which it is, its first field says.
#[derive(Debug, Deserialize)]
struct Line {
    stampede: Option<String>,
    version: Option<u32>,
    seq: Option<u64>,
    actor: Option<u64>,
    key: Option<String>,
    hash: Option<String>,
    record: Option<Bytes>,
    person: Option<u64>,
    file: Option<String>,
    bytes: Option<String>,
    end: Option<u64>,
    people: Option<usize>,
}

/// Makes a log in `target` of the lines, and verifies it.
///
/// # Errors
/// If `target` is not empty, or a line is wrong.
pub fn import(
    lines: &mut dyn BufRead,
    target: &Path,
    progress: &mut Progress<'_>,
) -> Result<(Copied, VerifyReport), BackupError> {
    let mut importing = Importing::new(Target::create(target)?);
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = lines.read_until(b'\n', &mut text);
        if read.map_err(failed)? == 0 {
            break;
        }
        importing.line += 1;
        let taken = importing.take_line(&text);
        taken.map_err(|error| importing.name(error))?;
        let seq = importing.chain.head().seq;
        if seq.0.is_multiple_of(PROGRESS_STEP) {
            progress(seq, Seq::START);
        }
    }
    importing.finish()
}

fn verify_sound(imported: &Arc<dyn Disk>) -> Result<VerifyReport, BackupError> {
    let report = verify_unfinished(imported)?;
    if !report.is_sound() {
        return Err(InspectError::Unsound(Box::new(report)).into());
    }
    Ok(report)
}

struct Importing {
    target: Target,
    chain: ChainCheck,
    people: People,
    keys: Vec<PersonKey>,
    line: u64,
    recorded_at: u64,
    is_ended: bool,
}

/// A mistake in a line, whose number is not known here; or another one.
enum Mistake {
    Line(String),
    Other(BackupError),
}

impl From<BackupError> for Mistake {
    fn from(error: BackupError) -> Self {
        Self::Other(error)
    }
}

impl Importing {
    fn new(target: Target) -> Self {
        Self {
            target,
            chain: ChainCheck::new(Head::default()),
            people: People::default(),
            keys: Vec::new(),
            line: 0,
            recorded_at: 0,
            is_ended: false,
        }
    }

    fn name(&self, mistake: Mistake) -> BackupError {
        match mistake {
            Mistake::Line(what) => BackupError::Line {
                line: self.line,
                what,
            },
            Mistake::Other(error) => error,
        }
    }

    fn take_line(&mut self, text: &[u8]) -> Result<(), Mistake> {
        if self.is_ended {
            return Err(wrong("something stands behind the line that says `end`"));
        }
        let line: Line = serde_json::from_slice(text).map_err(|error| {
            Mistake::Line(format!("this is no line of an exported log ({error})"))
        })?;
        if self.line == 1 {
            return check_first(&line);
        }
        match line {
            Line { seq: Some(seq), .. } => self.take_record(seq, &line),
            Line {
                person: Some(person),
                ..
            } => self.take_person(UserId(person), &line),
            Line {
                file: Some(ref name),
                ..
            } => self.take_file(name, &line),
            Line { end: Some(end), .. } => self.take_end(end, &line),
            _none_of_these => Err(wrong(
                "this is no line of an exported log: it has none of `seq`, `person`, `file` and `end`",
            )),
        }
    }

    fn take_record(&mut self, seq: u64, line: &Line) -> Result<(), Mistake> {
        let bytes = needed(line.record.as_ref(), "record")?;
        let (body, outcome) = (
            needed(hex::parse(&bytes.body), "body")?,
            needed(hex::parse(&bytes.outcome), "outcome")?,
        );
        let row = Row {
            record: Record {
                seq: Seq(seq),
                recorded_at: bytes.recorded_at,
                actor: UserId(needed(line.actor, "actor")?),
                key: Key(needed(parse(line.key.as_ref()), "key")?),
                kind: Kind(bytes.kind),
                schema: bytes.schema,
                codec: bytes.codec,
                body: &body,
                outcome: &outcome,
            },
            hash: ChainHash(needed(parse(line.hash.as_ref()), "hash")?),
        };
        let expected = self.chain.head().seq.next();
        if row.record.seq != expected {
            return Err(Mistake::Line(format!(
                "seq {seq} stands where seq {expected} should be: lines are missing, or in another order"
            )));
        }
        self.chain.advance(&row).map_err(|_altered| {
            Mistake::Line(format!(
                "seq {seq} was altered: its bytes do not make its hash"
            ))
        })?;
        self.people.note(&row.record)?;
        self.recorded_at = row.record.recorded_at;
        Ok(self.target.push(&row)?)
    }

    fn take_person(&mut self, user: UserId, line: &Line) -> Result<(), Mistake> {
        let key = needed(parse(line.key.as_ref()), "key")?;
        if !self.people.0.contains(&user) {
            return Err(Mistake::Line(format!(
                "the key of user {user} belongs to nobody who is there"
            )));
        }
        self.keys.push(PersonKey {
            user,
            key: Zeroizing::new(key),
        });
        Ok(())
    }

    // Only names that we export: a line must not write anywhere else.
    fn take_file(&self, name: &str, line: &Line) -> Result<(), Mistake> {
        if !SMALL_FILES.contains(&name) {
            return Err(Mistake::Line(format!("no log has a file `{name}`")));
        }
        let bytes = line.bytes.as_deref().and_then(hex::parse);
        Ok(self.target.write_small(name, &needed(bytes, "bytes")?)?)
    }

    fn take_end(&mut self, end: u64, line: &Line) -> Result<(), Mistake> {
        let head = self.chain.head();
        let hash = ChainHash(needed(parse(line.hash.as_ref()), "hash")?);
        if (Seq(end), hash) != (head.seq, head.hash) {
            return Err(Mistake::Line(format!(
                "the log was exported up to seq {end}, and the lines end at seq {}",
                head.seq
            )));
        }
        let people = needed(line.people, "people")?;
        if people != self.keys.len() {
            return Err(Mistake::Line(format!(
                "the keys of {people} people were exported, and there are {}",
                self.keys.len()
            )));
        }
        self.is_ended = true;
        Ok(())
    }

    fn finish(self) -> Result<(Copied, VerifyReport), BackupError> {
        if !self.is_ended {
            return Err(BackupError::Line {
                line: self.line + 1,
                what: format!(
                    "the lines end behind seq {} without the one that says `end`: they were cut short",
                    self.chain.head().seq
                ),
            });
        }
        let (keys, missing) = self.people.keys_of(self.keys);
        if let Some(first) = missing.first() {
            return Err(BackupError::KeysMissing {
                count: missing.len(),
                first: *first,
            });
        }
        let head = self.chain.head();
        let report = self.target.finish(head, &keys, verify_sound)?;
        let copied = Copied {
            head,
            recorded_at: self.recorded_at,
            people: keys.len(),
        };
        Ok((copied, report))
    }
}

fn check_first(line: &Line) -> Result<(), Mistake> {
    if line.stampede.as_deref() != Some(WHAT) {
        return Err(wrong(
            "this is no exported log; the first line of one says `stampede`, see `stampede log export`",
        ));
    }
    match line.version {
        Some(VERSION) => Ok(()),
        other => Err(Mistake::Line(format!(
            "the lines are of version {}, and this program reads {VERSION}; use the version that wrote them, or a newer one",
            other.map_or("none".to_owned(), |version| version.to_string())
        ))),
    }
}

fn parse<const N: usize>(digits: Option<&String>) -> Option<[u8; N]> {
    hex::parse_array(digits?)
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, Mistake> {
    value.ok_or_else(|| Mistake::Line(format!("`{field}` is missing or not what it should be")))
}

fn wrong(what: &str) -> Mistake {
    Mistake::Line(what.to_owned())
}

fn failed(source: io::Error) -> BackupError {
    BackupError::Io {
        doing: "read the lines".to_owned(),
        source,
    }
}
