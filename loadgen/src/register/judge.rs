//! The verdict on a register history, and what there is to show of it.
//!
//! Operations go in, a record for `reports` comes out. Deliberately absent: the search itself (see
//! `check::linearizability`).

use reports::{
    judged::{JudgedOperation, JudgedRecord, JudgedState, MomentRecord, Mood},
    record::{Count, Verdict},
};

use super::{
    model::{RegisterModel, RegisterOp, Value},
    read::{Ended, Moment, RegisterHistory, RegisterOperation, value_text},
};
use crate::check::linearizability::{Found, Model, search};

/// Steps of the search for one history: a few seconds.
pub const STEPS_MAX: u64 = 20_000_000;

/// Judges a history in at most `steps_max` steps.
#[must_use]
pub fn judge(history: &RegisterHistory, model: RegisterModel, steps_max: u64) -> JudgedRecord {
    let (indexes, timed) = history.timed();
    let found = search(&model, &timed, steps_max);
    let of =
        |order: Vec<usize>| -> Vec<usize> { order.into_iter().map(|at| indexes[at]).collect() };
    let mut record = JudgedRecord {
        model: model.name().to_owned(),
        verdict: Verdict::Valid,
        sentence: String::new(),
        counts: counts(history),
        operations: history.operations.iter().map(told).collect(),
        order: Vec::new(),
        stuck: None,
        states: Vec::new(),
    };
    match found {
        Found::Linearizable { order } => {
            record.sentence = format!(
                "linearizable: an order of {} operations explains every answer",
                order.len()
            );
            record.order = stated(history, model, of(order));
        }
        Found::Impossible {
            longest,
            stuck,
            states,
        } => {
            let stuck = indexes[stuck];
            record.verdict = Verdict::Invalid;
            record.sentence = contradiction(&history.operations[stuck], &states);
            record.order = stated(history, model, of(longest));
            record.stuck = Some(stuck);
            record.states = states.into_iter().map(value_text).collect();
        }
        Found::GaveUp { steps } => {
            record.verdict = Verdict::Unknown;
            record.sentence = format!(
                "not decided: the search gave up after {steps} steps, its limit of steps or of memory"
            );
        }
    }
    record
}

/// An order, with what the register holds after each of its operations.
fn stated(history: &RegisterHistory, model: RegisterModel, order: Vec<usize>) -> Vec<JudgedState> {
    let mut state = model.initial();
    let mut next = |index: usize| {
        let operation = &history.operations[index];
        // One that failed observed, and changes nothing.
        let changes = operation.ended != Ended::Failed;
        if changes && let Some(after) = model.step(&state, &operation.asked) {
            state = after;
        }
        JudgedState {
            operation: index,
            holds: value_text(state),
        }
    };
    order.into_iter().map(&mut next).collect()
}

fn contradiction(stuck: &RegisterOperation, states: &[Value]) -> String {
    let held: Vec<String> = states.iter().copied().map(value_text).collect();
    let process = stuck.process;
    let line = (stuck.returned.as_ref()).map_or(0, |moment| moment.line);
    let did = match (stuck.asked, stuck.ended) {
        (RegisterOp::Read(value), _) => format!("read {}", value_text(value)),
        (RegisterOp::Cas(from, to), Ended::Failed) => format!(
            "was told that the register does not hold {}, by a failed cas to {}",
            value_text(from),
            value_text(to)
        ),
        (RegisterOp::Cas(from, to), _) => {
            format!("changed {} to {}", value_text(from), value_text(to))
        }
        (RegisterOp::Write(value), _) => format!("wrote {}", value_text(value)),
        (RegisterOp::Differs(value), _) => format!("saw anything but {}", value_text(value)),
    };
    format!(
        "not linearizable: process {process} {did} (line {line}), where in every order of what came before the register held {}",
        held.join(" or ")
    )
}

fn counts(history: &RegisterHistory) -> Vec<Count> {
    let count = |what: &str, is: &dyn Fn(&RegisterOperation) -> bool| Count {
        what: what.to_owned(),
        count: history
            .operations
            .iter()
            .filter(|operation| is(operation))
            .count() as u64,
    };
    vec![
        count("operations", &|_any| true),
        count("ended well", &|operation| operation.ended == Ended::Ok),
        count("failed", &|operation| operation.ended == Ended::Failed),
        count("never returned", &|operation| {
            matches!(operation.ended, Ended::Unknown | Ended::Never)
        }),
        Count {
            what: match history.skipped {
                1 => "line skipped".to_owned(),
                _more => "lines skipped".to_owned(),
            },
            count: history.skipped,
        },
    ]
}

fn told(operation: &RegisterOperation) -> JudgedOperation {
    let is_known = matches!(operation.ended, Ended::Ok | Ended::Failed);
    let (call, short) = match operation.asked {
        RegisterOp::Read(value) if operation.ended == Ended::Ok => {
            ("read".to_owned(), format!("r {}", value_text(value)))
        }
        RegisterOp::Read(_) => ("read".to_owned(), "r".to_owned()),
        RegisterOp::Write(value) | RegisterOp::Differs(value) => {
            let value = value_text(value);
            (format!("write {value}"), format!("w {value}"))
        }
        RegisterOp::Cas(from, to) => {
            let (from, to) = (value_text(from), value_text(to));
            (format!("cas {from} to {to}"), format!("{from}→{to}"))
        }
    };
    JudgedOperation {
        process: operation.process.to_string(),
        call,
        short,
        answer: answer(operation),
        mood: match operation.ended {
            Ended::Ok => Mood::Ok,
            Ended::Failed => Mood::Failed,
            Ended::Unknown | Ended::Never => Mood::Unknown,
        },
        called: moment(&operation.called),
        returned: (operation.returned.as_ref())
            .filter(|_| is_known)
            .map(moment),
    }
}

fn answer(operation: &RegisterOperation) -> String {
    match (operation.ended, operation.asked) {
        (Ended::Ok, RegisterOp::Read(value)) => value_text(value),
        (Ended::Ok, _) => "ok".to_owned(),
        (Ended::Failed, RegisterOp::Cas(from, _)) => {
            format!("failed: it did not hold {}", value_text(from))
        }
        (Ended::Failed, _) => "failed".to_owned(),
        (Ended::Unknown, _) => "unknown".to_owned(),
        (Ended::Never, _) => "never ended".to_owned(),
    }
}

fn moment(moment: &Moment) -> MomentRecord {
    MomentRecord {
        line: moment.line,
        at: moment.at.clone(),
    }
}
