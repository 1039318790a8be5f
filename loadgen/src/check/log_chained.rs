//! L1, L2, L8, L9: the log is one unbroken chain.
//!
//! Positions without a gap, hashes that we compute ourselves, clock readings that never fall, and
//! no key twice. Streaming; the keys that this run did not mint are kept.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{ChainHash, OwnedRecord, record::chain};

use super::finding::{About, Finding, OperationId, Violation, Witness};

const ABOUT: About = About {
    name: "log-chained",
    demands: "The log has no gap, every hash follows from what stands before it, its clock never falls and no key is there twice.",
    confidence: "certificate: every record read and hashed again",
};

/// The law.
#[derive(Debug)]
pub(super) struct LogChained {
    last: Option<(u64, u64, ChainHash)>,
    scratch: Vec<u8>,
    /// Actor and key, and where: of records that this run did not ask for.
    keys: HashMap<(u64, [u8; 16]), u64, FixedState>,
    records: u64,
    finding: Finding,
}

impl LogChained {
    pub(super) fn new() -> Self {
        Self {
            last: None,
            scratch: Vec::new(),
            keys: HashMap::with_hasher(FixedState::with_seed(0)),
            records: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// One record, whoever asked for it.
    pub(super) fn handle_record(&mut self, record: &OwnedRecord) {
        self.records += 1;
        let (seq, recorded_at, hash) = self.last.unwrap_or_else(|| before(record));
        if record.seq.0 != seq + 1 {
            self.convict(
                record,
                format!("position {} follows position {seq} in the log", record.seq),
                format!("position {}", seq + 1),
            );
        }
        if record.recorded_at < recorded_at {
            self.convict(
                record,
                format!(
                    "the clock of the log falls from {recorded_at} to {} at position {}",
                    record.recorded_at, record.seq
                ),
                format!("{recorded_at} or later"),
            );
        }
        let chained = chain(&hash, &record.record(), &mut self.scratch);
        // What does not start at the beginning has a first hash that must be taken on trust.
        let trusted = self.last.is_none() && record.seq.0 != 1;
        if chained != record.hash && !trusted {
            self.convict(
                record,
                format!(
                    "the hash at position {} does not follow from what stands before it",
                    record.seq
                ),
                format!("hash {chained}"),
            );
        }
        self.last = Some((record.seq.0, record.recorded_at, record.hash));
    }

    /// One record that this run did not ask for: is its key its actor's alone?
    pub(super) fn handle_stranger(&mut self, record: &OwnedRecord) {
        let key = (record.actor.0, record.key.0);
        if let Some(earlier) = self.keys.insert(key, record.seq.0) {
            self.twice(record, earlier);
        }
    }

    /// One record of an operation that has one already.
    pub(super) fn handle_twice(&mut self, record: &OwnedRecord, earlier: u64, by: OperationId) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "operation {} of client {} is in the log at position {earlier} and again at {}",
                by.1, by.0, record.seq,
            ),
            witnesses: vec![Witness::Asked(by), of_record(record)],
            order: "log order",
            expected: "one record for one key".to_owned(),
        });
    }

    fn twice(&mut self, record: &OwnedRecord, earlier: u64) {
        self.convict(
            record,
            format!(
                "{} used one key at position {earlier} and again at {}",
                record.actor, record.seq
            ),
            "one record for one key".to_owned(),
        );
    }

    fn convict(&mut self, record: &OwnedRecord, sentence: String, expected: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![of_record(record)],
            order: "log order",
            expected,
        });
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("records", self.records);
        self.finding
    }
}

fn before(first: &OwnedRecord) -> (u64, u64, ChainHash) {
    (first.seq.0.saturating_sub(1), 0, ChainHash::START)
}

/// A record as a witness.
pub(super) fn of_record(record: &OwnedRecord) -> Witness {
    Witness::told(
        record.actor.to_string(),
        format!("record of kind {:#06x}", record.kind.0),
        format!("recorded at {} ms", record.recorded_at),
        record.seq.0,
    )
}
