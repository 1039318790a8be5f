//! Every answer to a command says what the log says, in every field of every word.
//!
//! The server stores what it answers, so that a retry is answered alike: the bytes of an answer are those
//! of its record. Kept of each answer is a digest, by position; and the bytes of some, so that a
//! violation shows what was said. A field that is added to a word is compared without a line here.
//! Deliberately absent: whether what the log says is right (`model-agrees`), and answers at
//! positions whose records are of other commands (`durable-acks`).

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    OwnedRecord,
    json::{Context, Sort, render_reply},
    message::Reply,
};

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
    law::{Answered, Ended, Law, Logged},
    laws::LawOptions,
    pages::Pages,
    world::World,
};
use crate::operation::{Answer, Operation};

/// Most different answers whose bytes are kept.
const SHOWN_MAX: usize = 1 << 16;

/// What was answered at a position.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// To whom; the counter is one more, 0 where nothing was answered.
    by: OperationId,
    digest: u64,
}

/// The law.
#[derive(Debug)]
pub(crate) struct AnswersAsLogged {
    told: Pages<Told>,
    /// By digest.
    shown: HashMap<u64, Answer, FixedState>,
    answers: u64,
    compared: u64,
    finding: Finding,
}

impl Law for AnswersAsLogged {
    const ABOUT: About = About {
        name: "answers-as-logged",
        demands: "Every answer to a command says what the log says became of it, in every field.",
        confidence: "certificate: a digest of every answer against the record at its position",
        topic: Topic::Itself,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        Self {
            told: Pages::new(options.share() / 2),
            shown: HashMap::with_hasher(FixedState::with_seed(0)),
            answers: 0,
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_answer(&mut self, answered: &Answered<'_>, _: &World) {
        let Answered { operation, answer } = *answered;
        self.answers += 1;
        self.note(operation, answer);
    }

    fn on_record(&mut self, logged: &Logged<'_>, _: &World) {
        let Some((client, counter)) = logged.minted else {
            return;
        };
        let record = logged.record;
        let told = self.told.get(record.seq.0).unwrap_or_default();
        if told.by != (client, counter.saturating_add(1)) {
            return;
        }
        self.compared += 1;
        if told.digest != Answer::of_bytes(&record.outcome).digest() {
            self.convict(record, (client, counter), told.digest);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        if self.answers == 0 {
            self.finding.leave_out();
        }
        self.finding.count_needed("answers compared", self.compared);
        self.finding
    }
}

impl AnswersAsLogged {
    fn note(&mut self, operation: &Operation, answer: &Answer) {
        let Operation {
            client,
            counter,
            seq,
            ..
        } = *operation;
        match self.told.slot(seq) {
            Some(told) => {
                *told = Told {
                    by: (client, counter.saturating_add(1)),
                    digest: answer.digest(),
                }
            }
            None => self
                .finding
                .doubt("there were more answers than the memory budget holds"),
        }
        if self.shown.len() < SHOWN_MAX {
            self.shown.entry(answer.digest()).or_insert(*answer);
        }
    }

    fn convict(&mut self, record: &OwnedRecord, by: OperationId, digest: u64) {
        let shown = self.shown.get(&digest);
        self.finding.convict(|| {
            let right = text(record, &record.outcome);
            let said = match shown.and_then(Answer::bytes) {
                Some(bytes) => format!("was told {}", text(record, bytes)),
                None => "was told something else".to_owned(),
            };
            Violation {
                sentence: format!(
                    "client {} {said}, and the log says {right} at position {}",
                    by.0, record.seq,
                ),
                witnesses: vec![Witness::Asked(by)],
                order: "the answer states the position of its record",
                expected: right,
            }
        });
    }
}

/// An outcome as the JSON lines of the protocol say it, without number, position and hash.
fn text(record: &OwnedRecord, outcome: &[u8]) -> String {
    let unread = || "bytes that are no outcome".to_owned();
    let reply = Reply::Answer {
        correlation: 0,
        seq: record.seq,
        hash: record.hash,
        outcome,
    };
    let context = Context {
        outcome: Sort::Event,
        made_key: None,
        hello: None,
    };
    let mut line = Vec::new();
    if render_reply(&reply, context, &mut line).is_err() {
        return unread();
    }
    let Ok(serde_json::Value::Object(mut said)) = serde_json::from_slice(&line) else {
        return unread();
    };
    for name in ["id", "seq", "hash"] {
        said.remove(name);
    }
    serde_json::Value::Object(said).to_string()
}
