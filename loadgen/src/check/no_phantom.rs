//! B6, no unexpected element: the log holds only what this run asked for.
//!
//! Keys prove who chose them and as what. A record whose key nobody minted, whose operation was
//! never sent, that stands under another person's name or says something else than was asked is a
//! phantom.

use protocol::{OwnedRecord, UserId};

use crate::operation::Operation;

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
    law::{Ended, Law, Logged, Recalled},
    laws::LawOptions,
    ledger::{Entry, asked_by},
    log_chained::of_record,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct NoPhantom {
    records: u64,
    compared: u64,
    finding: Finding,
}

impl Law for NoPhantom {
    const ABOUT: About = About {
        name: "no-phantom",
        demands: "Nothing is in the log that nobody asked for, and nothing other than what they asked.",
        confidence: "certificate: keys that only this run could mint",
        topic: Topic::Everything,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            records: 0,
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_record(&mut self, logged: &Logged<'_>, world: &World) {
        if logged.is_asked {
            self.handle_record(logged.record, logged.minted, logged.holder, world);
        }
    }

    fn on_history(&mut self, recalled: &Recalled<'_>, world: &World) {
        let Some((seq, entry)) = recalled.own else {
            return;
        };
        let operation = recalled.operation;
        let key = || (world.options.mint).mint(operation.client, operation.counter);
        if let Some(asked) = asked_by(&operation.call, key) {
            self.handle_pair(operation, seq, &entry, asked);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("records of this run", self.records);
        self.finding.count("commands compared", self.compared);
        self.finding
    }
}

impl NoPhantom {
    /// A record that somebody asked for after the run began.
    fn handle_record(
        &mut self,
        record: &OwnedRecord,
        minted: Option<OperationId>,
        holder: Option<UserId>,
        world: &World,
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
        if !world.has_sent((client, counter)) {
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
    fn handle_pair(&mut self, operation: &Operation, seq: u64, entry: &Entry, asked: u32) {
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
}
