//! B7, real-time order of everything: the certificate floor.
//!
//! Whatever was asked after somebody was shown position `floor` must be answered from there on: a
//! decision beyond it, a read at it or beyond. Checked online against the floor noted in each
//! operation, and once more after the run against the log: what stands behind a record in the log
//! was not over before that record's command was sent. Reads from the future are found likewise.

use crate::operation::{Call, LawProgress, Nanos, Operation};

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness, call_text, time_text},
    law::{Completed, Ended, Law, LogKnown},
    laws::LawOptions,
    ledger::Ledger,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct RealTimeOrder {
    answers: u64,
    finding: Finding,
}

impl Law for RealTimeOrder {
    const ABOUT: About = About {
        name: "real-time-order",
        demands: "What is asked after an answer was seen takes effect after it, for everybody at once.",
        confidence: "certificate: positions in the log against the order of calls",
        topic: Topic::Everything,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            answers: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if completed.operation.outcome.is_decided() {
            self.handle_answer(completed.operation);
        }
    }

    fn on_log_known(&mut self, _: &LogKnown, world: &World) {
        self.sweep(&world.ledger);
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("answers", self.answers))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("answers", self.answers);
        self.finding
    }
}

impl RealTimeOrder {
    /// A decision or a read came back.
    fn handle_answer(&mut self, operation: &Operation) {
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
    }

    /// After the run: no command stands in the log before something that was over when it was sent.
    fn sweep(&mut self, ledger: &Ledger) {
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
                    witnesses: vec![Witness::Asked((entry.client, entry.counter))],
                    order: "log order against real time",
                    expected: format!(
                        "the command sent at {} behind what was shown at {}",
                        time_text(entry.sent_at),
                        time_text(at)
                    ),
                });
            }
        }
    }
}

/// Whether this call is a command with a record of its own.
pub(crate) const fn is_write(call: &Call) -> bool {
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
            "`{}` of client {} was {kind} position {} although position {} had been shown to somebody before it was asked at {}",
            call_text(&operation.call),
            operation.client,
            operation.seq,
            operation.floor,
            time_text(operation.sent_at),
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "real time: the higher position was shown before this call was sent",
        expected: format!("a position {bound} {}", operation.floor),
    }
}
