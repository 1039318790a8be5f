//! B6, no unexpected element: the log holds only what this run asked for.
//!
//! Keys prove who chose them and as what. A record whose key nobody minted, whose operation was
//! never sent, that stands under another person's name or says something else than was asked is a
//! phantom.

use protocol::{OwnedRecord, UserId};

use crate::operation::Operation;

use super::finding::{About, Finding, OperationId, Violation, Witness};
use super::ledger::Entry;
use super::log_chained::of_record;

const ABOUT: About = About {
    name: "no-phantom",
    demands: "Nothing is in the log that nobody asked for, and nothing other than what they asked.",
    confidence: "certificate: keys that only this run could mint",
};

/// The law.
#[derive(Debug)]
pub(super) struct NoPhantom {
    /// By client: operations sent.
    attempted: Vec<u32>,
    records: u64,
    compared: u64,
    finding: Finding,
}

impl NoPhantom {
    pub(super) fn new(clients: u32) -> Self {
        Self {
            attempted: vec![0; usize::try_from(clients).unwrap_or(0)],
            records: 0,
            compared: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A call is about to be sent.
    pub(super) fn handle_invoke(&mut self, client: u32, counter: u32) {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        if self.attempted.len() <= index {
            self.attempted.resize(index + 1, 0);
        }
        let sent = &mut self.attempted[index];
        *sent = (*sent).max(counter.saturating_add(1));
    }

    /// Whether an operation was sent, or is about to be.
    pub(super) fn has_sent(&self, (client, counter): OperationId) -> bool {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        self.attempted
            .get(index)
            .is_some_and(|sent| counter < *sent)
    }

    /// A record that somebody asked for after the run began.
    pub(super) fn handle_record(
        &mut self,
        record: &OwnedRecord,
        minted: Option<OperationId>,
        holder: Option<UserId>,
    ) {
        self.records += 1;
        let Some((client, counter)) = minted else {
            let what = format!(
                "the record at position {} has a key that nobody in this run chose",
                record.seq
            );
            self.convict(record, what, "no such record");
            return;
        };
        if !self.has_sent((client, counter)) {
            let what = format!(
                "the record at position {} is of operation {counter} of client {client}, which was never sent",
                record.seq
            );
            self.convict(record, what, "no such record");
        }
        if holder.is_some_and(|user| user != record.actor) {
            let what = format!(
                "the record at position {} of client {client} stands under the name of {}",
                record.seq, record.actor
            );
            self.convict(record, what, "the client's own user");
        }
    }

    /// An operation and its record: do they say the same?
    pub(super) fn handle_pair(
        &mut self,
        operation: &Operation,
        seq: u64,
        entry: &Entry,
        asked: u32,
    ) {
        self.compared += 1;
        if entry.asked != asked {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "the record at position {seq} says something else than client {} asked",
                    operation.client,
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "the key of the record is the key of this operation",
                expected: "the command as it was sent".to_owned(),
            });
        }
    }

    fn convict(&mut self, record: &OwnedRecord, sentence: String, expected: &str) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![of_record(record)],
            order: "log order",
            expected: expected.to_owned(),
        });
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding
            .count_needed("records of this run", self.records);
        self.finding.count("commands compared", self.compared);
        self.finding
    }
}
