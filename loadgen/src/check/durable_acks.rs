//! B5, durability: whatever was answered or pushed is in the log, at that place, with that hash.
//!
//! The chain hash in an answer proves the whole log up to there: if the log read back has the same
//! hash at that position, nothing that anybody was told has been lost, altered or moved.

use crate::operation::{Operation, Outcome};

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness, call_text, outcome_text},
    law::{Ended, Law, LogKnown, Pushed, Recalled},
    laws::LawOptions,
    ledger::{Entry, Ledger},
    pages::Pages,
    real_time_order::is_write,
    world::World,
};

/// What became of commands, by the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) lost: u64,
    pub(crate) found: u64,
    pub(crate) absent: u64,
}

/// The law.
#[derive(Debug)]
pub(crate) struct DurableAcks {
    decisions: u64,
    reads: u64,
    resolved: u64,
    /// Those of them and of those not considered that the log has.
    found: u64,
    lost: u64,
    absent: u64,
    pushes: u64,
    /// By position: what was pushed as of it first. Everybody who is pushed it is told the same hash.
    pushed: Pages<FirstPush>,
    newest_pushed: u64,
    is_overflowed: bool,
    finding: Finding,
}

/// A push, as far as its position is held against the log.
#[derive(Debug, Clone, Copy, Default)]
struct FirstPush {
    fingerprint: u64,
    client: u32,
    is_there: bool,
}

impl Law for DurableAcks {
    const ABOUT: About = About {
        name: "durable-acks",
        demands: "Whatever was answered or pushed stands in the log at that position, and the log up to there is what it was.",
        confidence: "certificate: position and chain hash of every answer and push against the log",
        topic: Topic::Everything,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        Self {
            pushes: 0,
            pushed: Pages::new(options.share() / 4),
            newest_pushed: 0,
            is_overflowed: false,
            decisions: 0,
            reads: 0,
            resolved: 0,
            found: 0,
            lost: 0,
            absent: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_push(&mut self, pushed: &Pushed<'_>, world: &World) {
        let fingerprint = world.ledger.fingerprint(&pushed.hash);
        self.handle_push(pushed.client, pushed.seq, fingerprint);
    }

    fn on_history(&mut self, recalled: &Recalled<'_>, world: &World) {
        if !world.ledger.is_empty() {
            self.check(recalled.operation, &world.ledger);
        }
    }

    fn on_log_known(&mut self, _: &LogKnown, world: &World) {
        let ledger = &world.ledger;
        for late in &world.late {
            self.check(late, ledger);
        }
        self.check_pushes(ledger);
        if let Some(seq) = world.live_at {
            self.check_live(seq, ledger);
        }
        if ledger.is_empty() {
            self.finding = Finding::new(Self::ABOUT);
            self.finding.doubt("the log was not read");
        }
        if ledger.is_overflowed() || self.is_overflowed {
            self.finding
                .doubt("the log is larger than the memory budget");
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("decisions", self.decisions);
        self.finding.count("reads", self.reads);
        self.finding.count("pushes", self.pushes);
        self.finding
            .count("unanswered operations found in the log", self.resolved);
        self.finding
    }
}

impl DurableAcks {
    /// A client was pushed something as of a position and a hash.
    fn handle_push(&mut self, client: u32, seq: u64, fingerprint: u64) {
        self.pushes += 1;
        self.newest_pushed = self.newest_pushed.max(seq);
        let Some(first) = self.pushed.slot(seq) else {
            self.is_overflowed = true;
            return;
        };
        if !first.is_there {
            *first = FirstPush {
                fingerprint,
                client,
                is_there: true,
            };
        } else if first.fingerprint != fingerprint {
            let told = format!("and client {} with another", first.client);
            self.convict_push(client, seq, &told);
        }
    }

    /// What was pushed, when the whole log is known.
    fn check_pushes(&mut self, ledger: &Ledger) {
        if ledger.is_empty() || ledger.is_overflowed() {
            return;
        }
        for seq in 0..=self.newest_pushed {
            let Some(pushed) = self.pushed.get(seq).filter(|pushed| pushed.is_there) else {
                continue;
            };
            match ledger.get(seq) {
                None => self.convict_push(pushed.client, seq, "but the log has no such record"),
                Some(entry) if entry.fingerprint != pushed.fingerprint => {
                    self.convict_push(pushed.client, seq, "which the log does not have there");
                }
                Some(_) => {}
            }
        }
    }

    fn convict_push(&mut self, client: u32, seq: u64, what: &str) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {client} was pushed something at position {seq} with a hash, {what}"
            ),
            witnesses: vec![Witness::told(
                format!("client {client}"),
                "a push".to_owned(),
                "shown".to_owned(),
                seq,
            )],
            order: "the log was read after the push was shown",
            expected: "the hash of the log at that position".to_owned(),
        });
    }

    /// One operation of the history, when the whole log is known.
    fn check(&mut self, operation: &Operation, ledger: &Ledger) {
        match operation.outcome {
            Outcome::Ok | Outcome::Refused(_) => self.check_answer(operation, ledger),
            Outcome::Error(_) => self.check_error(operation, ledger),
            Outcome::Timeout | Outcome::Unknown => {
                let found = ledger.find((operation.client, operation.counter));
                self.resolved += u64::from(found.is_some());
                self.resolve(operation, found.is_some());
            }
        }
    }

    fn check_answer(&mut self, operation: &Operation, ledger: &Ledger) {
        let write = is_write(&operation.call);
        if write {
            self.decisions += 1;
        } else {
            self.reads += 1;
        }
        let entry = ledger.get(operation.seq);
        let is_there = entry.is_some_and(|entry| is_of(&entry, operation));
        self.lost += u64::from(write && !is_there);
        match entry {
            None => self.convict(
                operation,
                "the log has no such record",
                "the record in the log",
            ),
            Some(entry) if write && !is_of(&entry, operation) => self.convict(
                operation,
                "the record there is of another command",
                "the record of this command",
            ),
            Some(entry) if entry.fingerprint != ledger.fingerprint(&operation.hash) => self
                .convict(
                    operation,
                    "it was answered with a hash the log does not have",
                    "the hash of the log at that position",
                ),
            Some(_) => {}
        }
    }

    fn check_error(&mut self, operation: &Operation, ledger: &Ledger) {
        // With several attempts an earlier one may have been the one that was logged.
        let found = ledger.find((operation.client, operation.counter));
        if 1 < operation.attempts {
            return self.resolve(operation, found.is_some());
        }
        if found.is_some() {
            self.convict(
                operation,
                "it was told that nothing was considered, yet the log has a record of it",
                "no record",
            );
        }
    }

    /// Nobody was told whether it happened: the log tells.
    fn resolve(&mut self, operation: &Operation, is_there: bool) {
        if is_write(&operation.call) {
            self.found += u64::from(is_there);
            self.absent += u64::from(!is_there);
        }
    }

    fn convict(&mut self, operation: &Operation, what: &str, expected: &str) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} was answered `{}` to `{}` at position {}, but {what}",
                operation.client,
                outcome_text(operation.outcome),
                call_text(&operation.call),
                operation.seq,
            ),
            witnesses: vec![Witness::Operation(*operation)],
            order: "the log was read after the answer was given",
            expected: expected.to_owned(),
        });
    }

    /// Decisions held against the log and those it lacks; unanswered commands it has and lacks.
    pub(crate) const fn counts(&self) -> Counts {
        Counts {
            acknowledged: self.decisions,
            lost: self.lost,
            found: self.found,
            absent: self.absent,
        }
    }

    /// The position that the live state was read at, before the crash: it was shown to somebody too.
    fn check_live(&mut self, seq: u64, ledger: &Ledger) {
        if ledger.is_empty() || ledger.is_overflowed() || ledger.get(seq).is_some() {
            return;
        }
        self.finding.convict(|| Violation {
            sentence: format!(
                "the live state was shown as of position {seq}, but the log has no such record"
            ),
            witnesses: vec![Witness::told(
                "the run".to_owned(),
                "position of the live state".to_owned(),
                "shown".to_owned(),
                seq,
            )],
            order: "the log was read after the state was shown",
            expected: "the record in the log".to_owned(),
        });
    }
}

fn is_of(entry: &Entry, operation: &Operation) -> bool {
    (entry.client, entry.counter) == (operation.client, operation.counter)
}
