//! B7, real-time order of everything: the certificate floor.
//!
//! Whatever was asked after somebody was shown position `floor` must be answered from there on: a
//! decision beyond it, a read at it or beyond. Checked online against the floor noted in each
//! operation, and once more after the run against the log: what stands behind a record in the log
//! was not over before that record's command was sent. Reads from the future are found likewise.

use reports::record::WitnessRecord;

use crate::operation::{Call, LawProgress, Nanos, Operation};

use super::finding::{About, Finding, Violation, Witness};
use super::ledger::Ledger;

const ABOUT: About = About {
    name: "real-time-order",
    demands: "What is asked after an answer was seen takes effect after it, for everybody at once.",
    confidence: "certificate: positions in the log against the order of calls",
};

/// The law.
#[derive(Debug)]
pub(super) struct RealTimeOrder {
    floor: u64,
    answers: u64,
    finding: Finding,
}

impl RealTimeOrder {
    pub(super) const fn new() -> Self {
        Self {
            floor: 0,
            answers: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// The highest position anybody has been shown.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    /// Position `seq` was shown to somebody.
    pub(super) fn raise(&mut self, seq: u64) {
        self.floor = self.floor.max(seq);
    }

    /// A decision or a read came back.
    pub(super) fn handle_answer(&mut self, operation: &Operation) {
        self.answers += 1;
        let write = is_write(&operation.call);
        let late = if write {
            operation.seq <= operation.floor
        } else {
            operation.seq < operation.floor
        };
        if late {
            self.finding.convict(|| stale(operation, write));
        }
        self.raise(operation.seq);
    }

    /// After the run: no command stands in the log before something that was over when it was sent.
    pub(super) fn sweep(&mut self, ledger: &Ledger) {
        let mut earliest = (Nanos::MAX, 0);
        for seq in ledger.seqs().rev() {
            let Some(entry) = ledger.get(seq) else {
                continue;
            };
            earliest = earliest.min((entry.shown_at, seq));
            if entry.sent_at != Nanos::MAX && earliest.0 < entry.sent_at {
                let (at, later) = earliest;
                self.finding.convict(|| Violation {
                    sentence: format!(
                        "position {later} was shown to somebody before the command at position {seq} was even sent",
                    ),
                    witnesses: vec![Witness::Told(WitnessRecord {
                        client: format!("client {}", entry.client),
                        call: format!("its operation {}", entry.counter),
                        answer: "in the log".to_owned(),
                        invoked_ns: entry.sent_at,
                        completed_ns: None,
                        seq,
                    })],
                    order: "log order against real time",
                    expected: format!("the command sent at {} ns behind what was shown at {at} ns", entry.sent_at),
                });
            }
        }
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("answers", self.answers)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("answers", self.answers);
        self.finding
    }
}

/// Whether this call is a command with a record of its own.
pub(super) const fn is_write(call: &Call) -> bool {
    !call.is_query()
}

fn stale(operation: &Operation, write: bool) -> Violation {
    let (kind, bound) = if write {
        ("decided", "beyond")
    } else {
        ("answered from", "at or beyond")
    };
    Violation {
        sentence: format!(
            "client {} was {kind} position {} although position {} had been shown to somebody before it asked",
            operation.client, operation.seq, operation.floor,
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "real time: the higher position was shown before this call was sent",
        expected: format!("a position {bound} {}", operation.floor),
    }
}
