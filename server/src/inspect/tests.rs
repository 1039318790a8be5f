//! Logs of real words, shown and verified.

use protocol::{
    Code, Key, Kind, Record, Refusal, Seq, UserId,
    outcome::{encode_accepted, encode_refused},
    record::chain,
    words::{accounts, agenda},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{InspectError, cat, cat::hex, timestamp, verify, verify::Fold};
use crate::{
    domain::{
        Systems,
        personal::Place,
        systems::{CommandBytes, Source},
    },
    keyring::Keyring,
    log::{
        Batch, Durability, EventLog as _, Head, LogError, SqliteLog, SqliteOptions, SqliteReader,
        watermark::MarkRead,
    },
};

#[test]
fn a_log_is_shown_line_by_line() {
    let dir = log_of(&sample());
    let expected = [
        r#"{"seq":1,"at":"2023-11-14T22:13:20.001Z","actor":0,"command":"register","fields":{"name":"ada","password_hash":"<redacted>"},"outcome":"accepted","event":{"word":"registered"},"#,
        r#"{"seq":2,"at":"2023-11-14T22:13:20.002Z","actor":1,"command":"cancel","fields":{"booking":9},"outcome":"refused","code":"unknown-booking","sentence":"there is no booking 9, or it has ended; list your bookings","#,
        r#"{"seq":3,"at":"2023-11-14T22:13:20.003Z","actor":1,"command":"log-in","fields":{"token_hash":"<redacted>","verified":true},"outcome":"accepted","#,
    ];
    let lines = lines(&dir, 1, None);
    assert_eq!(lines.len(), 3);
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
        serde_json::from_str::<Value>(line).unwrap();
    }
    assert!(lines[0].contains(r#""key":"00000000000000000000000000000001","hash":""#));
}

#[test]
fn a_page_of_a_log_is_shown() {
    let dir = log_of(&sample());
    let seqs = |from, limit| -> Vec<u64> {
        lines(&dir, from, limit)
            .iter()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["seq"]
                    .as_u64()
                    .unwrap()
            })
            .collect()
    };
    assert_eq!(seqs(2, None), [2, 3]);
    assert_eq!(seqs(1, Some(2)), [1, 2]);
    assert_eq!(seqs(1, Some(0)), [0; 0]);
    assert_eq!(seqs(4, None), [0; 0]);
}

#[test]
fn what_does_not_decode_is_listed_as_bytes() {
    let mut words = sample();
    words[1].schema = 9;
    let line = lines(&log_of(&words), 2, Some(1)).remove(0);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["system"], 2);
    assert_eq!(line["number"], 3);
    assert_eq!(line["schema"], 9);
    assert_eq!(line["body"], "09");
    assert_eq!(line["outcome"], "refused: unknown-booking");
    assert_eq!(line["undecoded"], "kind Kind(515) with schema 9 is unknown");
}

#[test]
fn secrets_are_never_shown() {
    let mut undecodable = sample();
    for word in &mut undecodable {
        word.schema = 9;
    }
    for words in [sample(), undecodable] {
        let text = lines(&log_of(&words), 1, None).join("\n");
        assert!(!text.contains("$argon2id"), "{text}");
        assert!(!text.contains(&hex(b"$argon2id")), "{text}");
        assert!(!text.contains("171,171"), "{text}");
        assert!(!text.contains("abab"), "{text}");
    }
}

#[test]
fn without_the_keys_a_log_is_verified_and_its_people_are_not_shown() {
    let dir = log_of(&sample());
    let with_keys = verify(dir.path()).unwrap();
    assert_eq!(with_keys.keyless, 0);
    std::fs::remove_file(dir.path().join("people.keys")).unwrap();
    let error = verify(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with("`people.keys` is missing"), "{error}");
    // As after a kill.
    std::fs::remove_file(dir.path().join("manifest.json")).unwrap();
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.head, report.keyless), (with_keys.head, 1));
    assert!(report.is_reproducible());
    assert!(report.to_string().contains("keys     MISSING for 1 people"));
    let line = lines(&dir, 1, Some(1)).remove(0);
    assert!(line.contains(r#""fields":{"name":"<erased>","#), "{line}");
}

#[test]
fn the_keys_of_another_log_are_damage_and_no_erasure() {
    let (dir, other) = (log_of(&sample()), log_of(&[]));
    let mut log = SqliteLog::open(other.path(), SqliteOptions::default()).unwrap();
    let key = Keyring::new([8; 32]).make(UserId(1));
    log.keep_keys(&[key]).unwrap();
    let keys = |dir: &TempDir| dir.path().join("people.keys");
    std::fs::copy(keys(&other), keys(&dir)).unwrap();
    let told = "seq 1 cannot be read: what it says about user-1 does not open";
    let error = verify(dir.path()).unwrap_err();
    let is_damage =
        matches!(&error, InspectError::Log(LogError::Damaged(what)) if what.starts_with(told));
    assert!(is_damage, "{error}");
    let line = lines(&dir, 1, Some(1)).remove(0);
    assert!(
        line.contains(r#""undecoded":"what it says about user-1 "#),
        "{line}"
    );
    assert!(!line.contains("<erased>"), "{line}");
}

#[test]
fn a_sound_log_passes() {
    let dir = log_of(&sample());
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.records, report.accepted, report.refused), (3, 2, 1));
    assert_eq!(report.head.seq, Seq(3));
    assert_eq!(report.mark, MarkRead::At(report.head));
    assert!(report.is_reproducible());
    let text = report.to_string();
    assert!(
        text.contains("records  3 (2 accepted, 1 refused)"),
        "{text}"
    );
}

#[test]
fn an_empty_log_passes() {
    let report = verify(log_of(&[]).path()).unwrap();
    assert_eq!((report.records, report.head), (0, Head::default()));
    let other = verify(log_of(&sample()).path()).unwrap();
    assert_ne!(report.state_hash, other.state_hash);
}

#[test]
fn a_log_is_verified_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    log.append(&batch(&sample())).unwrap();
    std::fs::write(dir.path().join("secret"), [3; 32]).unwrap();
    assert_eq!(verify(dir.path()).unwrap().head, log.head());
    assert_eq!(lines(&dir, 1, None).len(), 3);
}

#[test]
fn damage_is_named_with_its_position() {
    let cases = [
        (
            "UPDATE event_log SET actor = 5 WHERE seq = 2",
            "seq 2 was altered",
        ),
        ("DELETE FROM event_log WHERE seq = 1", "seq 1 is missing"),
        (
            "DELETE FROM event_log WHERE seq = 3",
            "the log ends at seq 2 but 3 was acknowledged",
        ),
    ];
    for (statement, expected) in cases {
        let dir = log_of(&sample());
        let connection = rusqlite::Connection::open(dir.path().join("events.sqlite")).unwrap();
        connection.execute_batch(statement).unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_record_of_another_version_is_named() {
    let mut words = sample();
    words[1].schema = 9;
    let error = verify(log_of(&words).path()).unwrap_err().to_string();
    assert!(
        error.starts_with("seq 2 cannot be replayed: kind"),
        "{error}"
    );
}

#[test]
fn a_walk_in_small_pages_ends_where_one_in_large_pages_does() {
    let dir = log_of(&sample());
    let mut reader = SqliteReader::open(dir.path()).unwrap();
    for page_len in [1, 2, 3, 4] {
        let fold = Fold::run(&mut reader, Seq(u64::MAX), page_len).unwrap();
        assert_eq!((fold.accepted, fold.refused), (2, 1), "{page_len}");
    }
    let fold = Fold::run(&mut reader, Seq(2), 1).unwrap();
    assert_eq!(fold.chain.head().seq, Seq(2));
}

#[test]
fn instants_are_written_as_rfc_3339() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (millis, expected) in cases {
        assert_eq!(timestamp(millis), expected);
    }
}

/// A record to be.
pub(crate) struct Stored {
    actor: u64,
    kind: Kind,
    schema: u8,
    body: Vec<u8>,
    outcome: Vec<u8>,
}

impl Stored {
    /// The body as the log keeps it, if it is about somebody.
    fn sealed(&self, seq: Seq, keyring: &Keyring) -> Option<Vec<u8>> {
        let place = Place {
            seq,
            actor: UserId(self.actor),
        };
        let command = CommandBytes {
            kind: self.kind,
            schema: self.schema,
            body: &self.body,
            source: Source::Server,
        };
        let mut sealed = Vec::new();
        (self.schema == 1 && Systems::seal(place, &command, keyring, &mut sealed)).then_some(sealed)
    }
}

/// Somebody registers, cancels what is not there, and logs in.
pub(crate) fn sample() -> Vec<Stored> {
    let register = accounts::Command::from(accounts::Register {
        name: "ada".into(),
        password_hash: "$argon2id$v=19$secret".into(),
    });
    let registered = accounts::Event::from(accounts::Registered {});
    let log_in = accounts::Command::from(accounts::LogIn {
        verified: true,
        token_hash: [0xab; 32],
    });
    let logged_in = accounts::Event::from(accounts::LoggedIn {
        user: UserId(1),
        expires_at: 1_800_000_000_000,
        cursor: Seq(1),
    });
    let cancel = agenda::Command::from(agenda::Cancel { booking: 9 });
    let refusal = Refusal::with(Code::UNKNOWN_BOOKING, 9, 0);
    vec![
        stored(0, &register, &Ok(registered)),
        stored(1, &cancel, &Err::<agenda::Event, _>(refusal)),
        stored(1, &log_in, &Ok(logged_in)),
    ]
}

pub(crate) fn stored<C: crate::domain::Word, E: crate::domain::Word>(
    actor: u64,
    command: &C,
    decided: &Result<E, Refusal>,
) -> Stored {
    let (kind, schema) = command.kind();
    let mut body = Vec::new();
    command.encode(&mut body);
    let mut outcome = Vec::new();
    match decided {
        Ok(event) => {
            let (kind, schema) = event.kind();
            encode_accepted(kind, schema, &mut outcome);
            event.encode(&mut outcome);
        }
        Err(refusal) => encode_refused(refusal, &mut outcome),
    }
    Stored {
        actor,
        kind,
        schema,
        body,
        outcome,
    }
}

pub(crate) fn batch(words: &[Stored]) -> Batch {
    let mut keyring = Keyring::new([7; 32]);
    let joining = keyring.make(UserId(1));
    let mut batch = batch_behind(Head::default(), words, &keyring);
    batch.push_joining(joining);
    batch
}

/// Records of these words behind `head`, sealed with these keys.
pub(crate) fn batch_behind(head: Head, words: &[Stored], keyring: &Keyring) -> Batch {
    let mut batch = Batch::default();
    let mut hash = head.hash;
    for (seq, word) in (head.seq.0 + 1..).zip(words) {
        let sealed = word.sealed(Seq(seq), keyring);
        let record = Record {
            seq: Seq(seq),
            recorded_at: 1_700_000_000_000 + seq,
            actor: UserId(word.actor),
            key: Key(u128::from(seq).to_be_bytes()),
            kind: word.kind,
            schema: word.schema,
            codec: protocol::codec::CODEC,
            body: sealed.as_deref().unwrap_or(&word.body),
            outcome: &word.outcome,
        };
        hash = chain(&hash, &record, &mut Vec::new());
        batch.push(&record, hash);
    }
    batch
}

fn log_of(words: &[Stored]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        durability: Durability::Full,
        accept_loss_after: None,
    };
    let mut log = SqliteLog::open(dir.path(), options).unwrap();
    log.append(&batch(words)).unwrap();
    Box::new(log).close().unwrap();
    std::fs::write(dir.path().join("secret"), [3; 32]).unwrap();
    dir
}

fn lines(dir: &TempDir, from: u64, limit: Option<u64>) -> Vec<String> {
    let mut out = Vec::new();
    cat(dir.path(), Seq(from), limit, &mut out).unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}
