//! I1 to I5, idempotent retries: one key, one effect, one answer.
//!
//! Every answer to a key must be the first one (I2); the log may hold the key once (I1); and a key
//! that was used for something else is refused, and no other is (I3). An attempt on another
//! connection, or at a server that was killed meanwhile, is an attempt like any other (I4): a client
//! repeats under their keys whatever its lost connection left unanswered. A key that was forgotten
//! too early would let its retry into the log a second time (I5).

use protocol::{ChainHash, Code, OwnedRecord};

use crate::operation::{LawProgress, Operation, Outcome};

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness, outcome_text},
    law::{Completed, Duplicate, Ended, Law, Logged, Reused},
    laws::LawOptions,
    log_chained::of_record,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct IdempotentAnswers {
    duplicates: u64,
    retried: u64,
    reused: u64,
    doubled: u64,
    finding: Finding,
}

impl Law for IdempotentAnswers {
    const ABOUT: About = About {
        name: "idempotent-answers",
        demands: "A retry gets the answer the first attempt got, and has no effect of its own; a key is for one command only.",
        confidence: "certificate: every answer to a key compared, and the log searched for keys",
        topic: Topic::Everything,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            duplicates: 0,
            retried: 0,
            reused: 0,
            doubled: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        self.handle_complete(completed.operation);
    }

    fn on_duplicate(&mut self, duplicate: &Duplicate<'_>, _: &World) {
        let Duplicate {
            first,
            outcome,
            seq,
            hash,
        } = *duplicate;
        self.handle_duplicate(first, outcome, seq, hash);
    }

    fn on_reused(&mut self, reused: &Reused<'_>, _: &World) {
        self.handle_reused(reused.first, reused.outcome);
    }

    fn on_record(&mut self, logged: &Logged<'_>, _: &World) {
        if let (Some(earlier), Some(by)) = (logged.earlier, logged.minted) {
            self.handle_twice(logged.record, earlier, by);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("retries answered", self.duplicates))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        let retries = self.duplicates + self.retried;
        self.finding.count_needed("retries answered", retries);
        self.finding.count("answers compared", self.duplicates);
        self.finding.count(
            "keys refused that were used for something else",
            self.reused,
        );
        self.finding
    }
}

impl IdempotentAnswers {
    /// The first answer to an operation.
    fn handle_complete(&mut self, operation: &Operation) {
        self.retried += u64::from(operation.attempts > 1 && operation.outcome.is_decided());
        if operation.outcome == Outcome::Error(Code::KEY_REUSED) {
            self.convict(
                operation,
                "was told that its key had been used for something else",
                "the answer to its own command",
            );
        }
    }

    /// A further answer to the same key.
    fn handle_duplicate(&mut self, first: &Operation, outcome: Outcome, seq: u64, hash: ChainHash) {
        if outcome == Outcome::Error(Code::KEY_REUSED) {
            self.convict(
                first,
                "retried and was told that its key had been used for something else",
                "the first answer again",
            );
        }
        if !(outcome.is_decided() && first.outcome.is_decided()) {
            return;
        }
        self.duplicates += 1;
        if (first.outcome, first.seq, first.hash) != (outcome, seq, hash) {
            let hashes = if first.hash == hash {
                String::new()
            } else {
                format!(", with hash {hash} where it was {}", first.hash)
            };
            let told = format!(
                "retried and was then answered `{}` at position {seq}, after `{}` at position {}{hashes}",
                outcome_text(outcome),
                outcome_text(first.outcome),
                first.seq,
            );
            self.convict(first, &told, "the first answer again");
        }
    }

    /// Another command under a key that was used: what became of it.
    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        // Whatever else it was refused for, it was not considered.
        self.reused += u64::from(outcome == Outcome::Error(Code::KEY_REUSED));
        if outcome.is_decided() {
            let told = format!(
                "used a key again for another command and was answered `{}`",
                outcome_text(outcome)
            );
            self.convict(first, &told, "refused, since the key was used already");
        }
    }

    /// One record of an operation that has one already.
    fn handle_twice(&mut self, record: &OwnedRecord, earlier: u64, by: OperationId) {
        self.doubled += 1;
        self.finding.convict(|| Violation {
            sentence: format!(
                "operation {} of client {} took effect at position {earlier} and again at {}",
                by.1, by.0, record.seq,
            ),
            witnesses: vec![Witness::Asked(by), of_record(record)],
            order: "log order",
            expected: "one effect for one key".to_owned(),
        });
    }

    fn convict(&mut self, operation: &Operation, what: &str, expected: &str) {
        self.finding.convict(|| Violation {
            sentence: format!("client {} {what}", operation.client),
            witnesses: vec![Witness::Operation(*operation)],
            order: "all of these answers are to one key",
            expected: expected.to_owned(),
        });
    }

    /// Commands that the log has twice.
    pub(crate) const fn doubled(&self) -> u64 {
        self.doubled
    }
}
