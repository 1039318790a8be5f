//! One record of the event log, and the hash that chains it to everything before it.
//!
//! A record goes in and its chain hash comes out. The hashed bytes are, in order, little-endian:
//!
//! ```text
//! previous hash 32 | seq 8 | recorded_at 8 | actor 8 | key 16 | kind 2 | schema 1 | codec 1 |
//! body length 4 | body | outcome
//! ```
//!
//! and the hash is BLAKE3 of them. Whoever knows the hash at a position can prove that the log up
//! to there is unaltered; it proves nothing against somebody who can rewrite the log *and* every
//! copy of its hashes, since no secret is involved. Deliberately absent: where records are kept.

use serde::{Deserialize, Serialize};

use crate::id::{ChainHash, Key, Kind, Seq, UserId};

/// A record, borrowed from wherever its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position; the first is 1.
    pub seq: Seq,
    /// The writer's wall clock when it was decided, milliseconds since 1970-01-01 UTC; never falls.
    pub recorded_at: u64,
    /// Who asked; nobody for the server itself and for strangers.
    pub actor: UserId,
    /// The idempotency key the client chose.
    pub key: Key,
    /// Which command.
    pub kind: Kind,
    /// The version of the command's layout.
    pub schema: u8,
    /// The codec of body and outcome.
    pub codec: u8,
    /// The command.
    pub body: &'a [u8],
    /// What became of it: see [`crate::outcome`].
    pub outcome: &'a [u8],
}

impl Record<'_> {
    /// The record with bytes of its own, and its hash.
    #[must_use]
    pub fn owned(&self, hash: ChainHash) -> OwnedRecord {
        OwnedRecord {
            seq: self.seq,
            recorded_at: self.recorded_at,
            actor: self.actor,
            key: self.key,
            kind: self.kind,
            schema: self.schema,
            codec: self.codec,
            body: self.body.to_vec(),
            outcome: self.outcome.to_vec(),
            hash,
        }
    }
}

/// A record that owns its bytes, with its hash: what a log is read back as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRecord {
    /// See [`Record::seq`].
    pub seq: Seq,
    /// See [`Record::recorded_at`].
    pub recorded_at: u64,
    /// See [`Record::actor`].
    pub actor: UserId,
    /// See [`Record::key`].
    pub key: Key,
    /// See [`Record::kind`].
    pub kind: Kind,
    /// See [`Record::schema`].
    pub schema: u8,
    /// See [`Record::codec`].
    pub codec: u8,
    /// See [`Record::body`].
    #[serde(with = "crate::hex::list")]
    pub body: Vec<u8>,
    /// See [`Record::outcome`].
    #[serde(with = "crate::hex::list")]
    pub outcome: Vec<u8>,
    /// The hash of this record and everything before it.
    pub hash: ChainHash,
}

impl OwnedRecord {
    /// The record without its hash.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record {
            seq: self.seq,
            recorded_at: self.recorded_at,
            actor: self.actor,
            key: self.key,
            kind: self.kind,
            schema: self.schema,
            codec: self.codec,
            body: &self.body,
            outcome: &self.outcome,
        }
    }
}

/// The hash at `record`, given the hash before it. `scratch` is cleared and reused.
#[must_use]
pub fn chain(previous: &ChainHash, record: &Record<'_>, scratch: &mut Vec<u8>) -> ChainHash {
    let body_len = u32::try_from(record.body.len()).expect("bodies are bounded far below 4 GiB");
    let [k1, k2] = record.kind.0.to_le_bytes();
    let [l1, l2, l3, l4] = body_len.to_le_bytes();
    let ([one, two, three, four], []) = previous.0.as_chunks() else {
        unreachable!("32 bytes are four times eight");
    };
    let ([key_one, key_two], []) = record.key.0.as_chunks() else {
        unreachable!("16 bytes are two times eight");
    };
    // All that has a fixed place goes in at once: this is done for every command.
    let head = [
        *one,
        *two,
        *three,
        *four,
        record.seq.0.to_le_bytes(),
        record.recorded_at.to_le_bytes(),
        record.actor.0.to_le_bytes(),
        *key_one,
        *key_two,
        [k1, k2, record.schema, record.codec, l1, l2, l3, l4],
    ];
    scratch.clear();
    scratch.extend_from_slice(head.as_flattened());
    scratch.extend_from_slice(record.body);
    scratch.extend_from_slice(record.outcome);
    ChainHash(*blake3::hash(scratch).as_bytes())
}
