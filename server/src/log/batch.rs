//! A batch: records on their way to the log, in one piece of memory.
//!
//! Records go in one by one as they are decided and are walked in order when the batch is
//! appended, with the keys of who joins by them, and the names of whose keys must go. Two allocations a batch, reused, none a record. Deliberately absent: deciding, disks.

use std::ops::Range;

use protocol::{ChainHash, Key, Kind, Record, Seq, UserId};

use super::{Head, PersonKey, Row};

/// Memory for bodies and outcomes that a batch keeps for the next one.
const BYTES_KEPT: usize = 1024 * 1024;

/// Records that will be durable together.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Entry>,
    bytes: Vec<u8>,
    joining: Vec<PersonKey>,
    leaving: Vec<UserId>,
}

#[derive(Debug)]
struct Entry {
    seq: Seq,
    recorded_at: u64,
    actor: UserId,
    key: Key,
    kind: Kind,
    schema: u8,
    codec: u8,
    body: Range<usize>,
    outcome: Range<usize>,
    hash: ChainHash,
}

impl Batch {
    /// Adds a record and its hash.
    ///
    /// # Panics
    /// If it does not follow directly on the last one.
    pub fn push(&mut self, record: &Record<'_>, hash: ChainHash) {
        if let Some(last) = self.rows.last() {
            assert_eq!(record.seq, last.seq.next(), "a batch is gapless");
        }
        let body = self.put(record.body);
        let outcome = self.put(record.outcome);
        self.rows.push(Entry {
            seq: record.seq,
            recorded_at: record.recorded_at,
            actor: record.actor,
            key: record.key,
            kind: record.kind,
            schema: record.schema,
            codec: record.codec,
            body,
            outcome,
            hash,
        });
    }

    fn put(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Somebody joins by a record of this batch: their key must be durable before it.
    pub fn push_joining(&mut self, key: PersonKey) {
        self.joining.push(key);
    }

    /// Somebody leaves by a record of this batch: their key must be gone before that is told.
    pub fn push_leaving(&mut self, user: UserId) {
        self.leaving.push(user);
    }

    /// The keys of those who join.
    #[must_use]
    pub fn joining(&self) -> &[PersonKey] {
        &self.joining
    }

    /// Those who leave, some of whom may have joined by the same batch.
    #[must_use]
    pub fn leaving(&self) -> &[UserId] {
        &self.leaving
    }

    /// Records in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of bodies and outcomes in it.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The head of a log that ends with this batch; nothing if it is empty.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.rows.last().map(|last| Head {
            seq: last.seq,
            hash: last.hash,
        })
    }

    /// The record at `index`, counted from 0.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn row(&self, index: usize) -> Row<'_> {
        self.view(&self.rows[index])
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|entry| self.view(entry))
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
        self.joining.clear();
        self.leaving.clear();
    }

    fn view<'a>(&'a self, entry: &Entry) -> Row<'a> {
        Row {
            record: Record {
                seq: entry.seq,
                recorded_at: entry.recorded_at,
                actor: entry.actor,
                key: entry.key,
                kind: entry.kind,
                schema: entry.schema,
                codec: entry.codec,
                body: &self.bytes[entry.body.clone()],
                outcome: &self.bytes[entry.outcome.clone()],
            },
            hash: entry.hash,
        }
    }
}
