//! What every log promises, as one suite of checks run on each of them.
//!
//! A [`Place`] goes in, which can open the log it keeps and the log a crash would leave; nothing
//! comes out, or a panic. Deliberately absent: what only one kind of log can do, see `tests.rs`.

use std::ops::ControlFlow;

use protocol::{ChainHash, Key, Kind, OwnedRecord, Record, Seq, UserId, record::chain};

use super::{
    Batch, EventLog, Head, LogReader, MemoryLog, SqliteLog, SqliteOptions, commit, replay,
    verify_chain,
};

/// Records behind `head` with this body.
pub(super) fn batch_of(head: Head, len: u64, body: &[u8]) -> Batch {
    let mut batch = Batch::default();
    let mut hash = head.hash;
    for seq in head.seq.0 + 1..=head.seq.0 + len {
        let record = Record {
            body,
            ..record(Seq(seq), body)
        };
        hash = chain(&hash, &record, &mut Vec::new());
        batch.push(&record, hash);
    }
    batch
}

/// Bytes of the write-ahead log.
pub(super) fn wal_bytes(data_dir: &std::path::Path) -> u64 {
    let wal = data_dir.join("events.sqlite-wal");
    std::fs::metadata(wal).unwrap().len()
}

/// Somewhere a log is kept.
pub(super) trait Place {
    type Log: EventLog + 'static;
    /// Nothing yet.
    fn new() -> Self;
    /// Opens the log that is kept here.
    fn open(&self) -> Self::Log;
    /// What a process finds that starts after this one was killed.
    fn after_crash(&self) -> Self;
}

struct MemoryPlace(MemoryLog);

impl Place for MemoryPlace {
    type Log = MemoryLog;

    fn new() -> Self {
        Self(MemoryLog::new())
    }

    fn open(&self) -> MemoryLog {
        self.0.reopen()
    }

    fn after_crash(&self) -> Self {
        Self(self.0.reopen())
    }
}

pub(super) struct SqlitePlace(pub(super) tempfile::TempDir);

impl Place for SqlitePlace {
    type Log = SqliteLog;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> SqliteLog {
        SqliteLog::open(self.0.path(), SqliteOptions::default()).unwrap()
    }

    // The files as they are while the log is still open: what a kill leaves.
    fn after_crash(&self) -> Self {
        let copy = Self::new();
        for name in ["events.sqlite", "events.sqlite-wal", "head"] {
            std::fs::copy(self.0.path().join(name), copy.0.path().join(name)).unwrap();
        }
        copy
    }
}

macro_rules! contract {
    ($($promise:ident,)*) => {
        mod memory {
            $(#[test] fn $promise() { super::$promise::<super::MemoryPlace>(); })*
        }
        mod sqlite {
            $(#[test] fn $promise() { super::$promise::<super::SqlitePlace>(); })*
        }
    };
}

contract! {
    a_new_log_is_empty,
    records_come_back_as_they_were,
    the_stored_hash_is_the_one_given,
    an_append_survives_a_crash,
    every_batch_length_is_kept_whole,
    bodies_of_the_largest_size_are_kept,
    reading_starts_anywhere,
    a_visitor_may_stop_early,
    a_reader_sees_what_was_appended_after_it_was_opened,
    an_empty_batch_changes_nothing,
    a_batch_behind_a_gap_is_a_bug,
    a_batch_that_is_there_already_is_a_bug,
    the_proof_names_the_new_head,
    a_closed_log_opens_where_it_ended,
    replay_goes_on_from_a_known_head,
}

fn a_new_log_is_empty<P: Place>() {
    let place = P::new();
    let log = place.open();
    assert_eq!(log.head(), Head::default());
    assert_eq!(records(&log, Seq(1)), []);
    assert_eq!(
        verify_chain(&mut *log.reader().unwrap()).unwrap(),
        Head::default()
    );
}

fn records_come_back_as_they_were<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let batch = batch(Head::default(), 5);
    log.append(&batch).unwrap();
    let expected: Vec<OwnedRecord> = batch.iter().map(|row| row.record.owned(row.hash)).collect();
    assert_eq!(records(&log, Seq(1)), expected);
}

fn the_stored_hash_is_the_one_given<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let mut batch = Batch::default();
    batch.push(&record(Seq(1), b"body"), ChainHash([7; 32]));
    log.append(&batch).unwrap();
    assert_eq!(log.head().hash, ChainHash([7; 32]));
    assert_eq!(records(&log, Seq(1))[0].hash, ChainHash([7; 32]));
    let error = verify_chain(&mut *log.reader().unwrap()).unwrap_err();
    assert!(
        error.to_string().starts_with("seq 1 was altered"),
        "{error}"
    );
}

fn an_append_survives_a_crash<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    for _ in 0..3 {
        log.append(&batch(log.head(), 7)).unwrap();
    }
    let found = place.after_crash();
    let found = found.open();
    assert_eq!(found.head(), log.head());
    assert_eq!(records(&found, Seq(1)), records(&log, Seq(1)));
}

fn every_batch_length_is_kept_whole<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let lengths = (1..=40).chain([63, 64, 65, 1_000]);
    for len in lengths {
        let before = log.head();
        log.append(&batch(before, len)).unwrap();
        assert_eq!(log.head().seq.0, before.seq.0 + len);
    }
    let head = log.head();
    assert_eq!(verify_chain(&mut *log.reader().unwrap()).unwrap(), head);
}

fn bodies_of_the_largest_size_are_kept<P: Place>() {
    let body = vec![0xab; protocol::limits::BODY_BYTES_MAX];
    let place = P::new();
    let mut log = place.open();
    let mut batch = Batch::default();
    let record = Record {
        outcome: &body,
        ..record(Seq(1), &body)
    };
    batch.push(&record, hash(ChainHash::START, &record));
    log.append(&batch).unwrap();
    let found = &records(&log, Seq(1))[0];
    assert_eq!((&found.body, &found.outcome), (&body, &body));
}

fn reading_starts_anywhere<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 10)).unwrap();
    let check = |from: u64, expected: &[u64]| {
        let found: Vec<u64> = records(&log, Seq(from))
            .iter()
            .map(|record| record.seq.0)
            .collect();
        assert_eq!(found, expected, "from {from}");
    };
    check(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    check(9, &[9, 10]);
    check(10, &[10]);
    check(11, &[]);
    check(u64::MAX, &[]);
}

fn a_visitor_may_stop_early<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 10)).unwrap();
    let mut reader = log.reader().unwrap();
    let mut seen = Vec::new();
    let mut visit = |row: super::Row<'_>| {
        seen.push(row.record.seq.0);
        if seen.len() % 3 == 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    reader.read(Seq(1), &mut visit).unwrap();
    reader.read(Seq(8), &mut visit).unwrap();
    assert_eq!(seen, [1, 2, 3, 8, 9, 10]);
}

fn a_reader_sees_what_was_appended_after_it_was_opened<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let mut reader = log.reader().unwrap();
    assert_eq!(collect(&mut *reader, Seq(1)).len(), 0);
    log.append(&batch(Head::default(), 4)).unwrap();
    assert_eq!(collect(&mut *reader, Seq(1)).len(), 4);
    log.append(&batch(log.head(), 4)).unwrap();
    assert_eq!(collect(&mut *reader, Seq(5)).len(), 4);
}

fn an_empty_batch_changes_nothing<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 2)).unwrap();
    let head = log.head();
    log.append(&Batch::default()).unwrap();
    assert_eq!(log.head(), head);
}

fn a_batch_behind_a_gap_is_a_bug<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 2)).unwrap();
    let behind_a_gap = Head {
        seq: Seq(3),
        ..log.head()
    };
    assert_refused_as_a_bug(log, &batch(behind_a_gap, 1));
}

fn a_batch_that_is_there_already_is_a_bug<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let batch = batch(Head::default(), 2);
    log.append(&batch).unwrap();
    assert_refused_as_a_bug(log, &batch);
}

fn the_proof_names_the_new_head<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    let batch = batch(Head::default(), 3);
    let proof = commit(&mut log, &batch).unwrap();
    assert_eq!(Some(proof.head()), batch.head());
    assert_eq!(proof.head(), log.head());
}

fn a_closed_log_opens_where_it_ended<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 20)).unwrap();
    let head = log.head();
    Box::new(log).close().unwrap();
    let mut log = place.open();
    assert_eq!(log.head(), head);
    log.append(&batch(head, 1)).unwrap();
    let end = log.head();
    assert_eq!(verify_chain(&mut *log.reader().unwrap()).unwrap(), end);
}

fn replay_goes_on_from_a_known_head<P: Place>() {
    let place = P::new();
    let mut log = place.open();
    log.append(&batch(Head::default(), 5)).unwrap();
    let middle = log.head();
    log.append(&batch(middle, 5)).unwrap();
    let mut seen = Vec::new();
    let head = replay(&mut *log.reader().unwrap(), middle, &mut |row| {
        seen.push(row.record.seq.0);
        ControlFlow::Continue(())
    });
    assert_eq!(head.unwrap(), log.head());
    assert_eq!(seen, [6, 7, 8, 9, 10]);
}

fn assert_refused_as_a_bug(mut log: impl EventLog, batch: &Batch) {
    let append = std::panic::AssertUnwindSafe(|| log.append(batch));
    let panic = std::panic::catch_unwind(append).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("append must be gapless"), "{message}");
}

fn records(log: &impl EventLog, from: Seq) -> Vec<OwnedRecord> {
    collect(&mut *log.reader().unwrap(), from)
}

fn collect(reader: &mut dyn LogReader, from: Seq) -> Vec<OwnedRecord> {
    let mut records = Vec::new();
    let mut visit = |row: super::Row<'_>| {
        records.push(row.record.owned(row.hash));
        ControlFlow::Continue(())
    };
    reader.read(from, &mut visit).unwrap();
    records
}

/// Records that follow `head`, each different from the others in every column, with true hashes.
pub(super) fn batch(head: Head, len: u64) -> Batch {
    let mut batch = Batch::default();
    let mut head = head;
    for _ in 0..len {
        let seq = head.seq.next();
        let body = seq.0.to_le_bytes().repeat(3);
        let record = record(seq, &body);
        head = Head {
            seq,
            hash: hash(head.hash, &record),
        };
        batch.push(&record, head.hash);
    }
    batch
}

pub(super) fn record(seq: Seq, body: &[u8]) -> Record<'_> {
    Record {
        seq,
        recorded_at: 1_700_000_000_000 + seq.0,
        actor: UserId(seq.0 % 7),
        key: Key(u128::from(seq.0).to_be_bytes()),
        kind: Kind::new(2, u8::try_from(seq.0 % 9).unwrap() + 1),
        schema: u8::try_from(seq.0 % 256).unwrap(),
        codec: 1,
        body,
        outcome: &body[body.len() / 2..],
    }
}

fn hash(previous: ChainHash, record: &Record<'_>) -> ChainHash {
    chain(&previous, record, &mut Vec::new())
}
