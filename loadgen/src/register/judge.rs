//! The verdict on a history, and what there is to show of it.
//!
//! Operations go in, a record for `reports` comes out. Each object is judged by itself, and the first
//! that is broken is told. Deliberately absent: the search itself (see `check::linearizability`).

use std::collections::BTreeMap;

use reports::{
    checked::{CheckedOperation, CheckedRecord, Ending, JudgedState, MomentRecord},
    record::{Count, Verdict},
};

use super::{
    model::{Register, RegisterModel, RegisterOp, Text, Value},
    read::{Convention, Ended, Moment, RegisterHistory, RegisterOperation},
};
use crate::check::linearizability::{Effort, Found, Model, Timed, search_within};

/// Steps of the search for one object: a few seconds.
pub const STEPS_MAX: u64 = 20_000_000;

/// Steps of the search where the verdict is known without it.
const LOOK_STEPS_MAX: u64 = 100_000;

/// What is known of one object.
enum Outcome {
    Explained(Vec<JudgedState>),
    Broken {
        order: Vec<JudgedState>,
        stuck: usize,
        states: Vec<String>,
    },
    /// This operation saw what nothing that was called before it returned can have left there.
    Unwritten(usize),
    GaveUp {
        steps: u64,
    },
}

/// Judges a history, each of its objects with so much effort.
#[must_use]
pub fn judge(history: &RegisterHistory, effort: Effort) -> CheckedRecord {
    let keys = history.keys.len().max(1);
    let outcomes: Vec<Outcome> = (0..keys).map(|key| outcome(history, key, effort)).collect();
    let is_broken = |it: &&Outcome| matches!(it, Outcome::Broken { .. } | Outcome::Unwritten(_));
    let is_open = |it: &&Outcome| matches!(it, Outcome::GaveUp { .. });
    let count = |is: &dyn Fn(&&Outcome) -> bool| outcomes.iter().filter(is).count() as u64;
    let mut counts = counts(history);
    if !history.keys.is_empty() {
        let of = |what: &str, count| Count {
            what: what.to_owned(),
            count,
        };
        counts.push(of("keys", keys as u64));
        counts.push(of("of them broken", count(&is_broken)));
        counts.push(of("not decided", count(&is_open)));
    }
    let worst = outcomes.iter().position(|it| is_broken(&it));
    let worst = worst.or_else(|| outcomes.iter().position(|it| is_open(&it)));
    // Of many objects that are all right there is no one order to show.
    let told = worst.or((keys == 1).then_some(0));
    let record = CheckedRecord {
        model: history.model.name().to_owned(),
        initial: history.value_text(history.initial),
        verdict: Verdict::Valid,
        sentence: format!(
            "linearizable: for each of its {keys} keys an order of the operations explains every answer"
        ),
        counts,
        operations: Vec::new(),
        order: Vec::new(),
        stuck: None,
        states: Vec::new(),
    };
    match (told, outcomes.into_iter().nth(told.unwrap_or(keys))) {
        (Some(key), Some(outcome)) => tell(history, key, outcome, record),
        _all_explained => CheckedRecord {
            operations: (history.operations.iter())
                .map(|operation| told_operation(history, operation))
                .collect(),
            ..record
        },
    }
}

/// What was found of one object, with its operations.
fn tell(
    history: &RegisterHistory,
    key: usize,
    outcome: Outcome,
    record: CheckedRecord,
) -> CheckedRecord {
    let all = (0..).zip(&history.operations);
    let own: Vec<(usize, &RegisterOperation)> =
        all.filter(|(_, operation)| operation.key == key).collect();
    let place = |index: usize| own.partition_point(|(other, _)| *other < index);
    let places = |order: Vec<JudgedState>| {
        let states = order.into_iter().map(|state| JudgedState {
            operation: place(state.operation),
            ..state
        });
        states.collect()
    };
    let of_key = match history.keys.get(key) {
        Some(name) => format!("key {name}: "),
        None => String::new(),
    };
    let operations = own.iter().map(|(_, it)| told_operation(history, it));
    let mut record = CheckedRecord {
        operations: operations.collect(),
        ..record
    };
    match outcome {
        Outcome::Explained(order) => {
            record.sentence = format!(
                "{of_key}linearizable: an order of {} operations explains every answer",
                order.len()
            );
            record.order = places(order);
        }
        Outcome::Broken {
            order,
            stuck,
            states,
        } => {
            record.verdict = Verdict::Invalid;
            let broken = contradiction(history, &history.operations[stuck], &states);
            record.sentence = format!("{of_key}{broken}");
            record.order = places(order);
            record.stuck = Some(place(stuck));
            record.states = states;
        }
        Outcome::Unwritten(index) => {
            record.verdict = Verdict::Invalid;
            let operation = &history.operations[index];
            record.sentence = format!(
                "{of_key}not linearizable: process {} {} (line {}), which nothing that was called before then can have left there",
                operation.process,
                did(history, operation),
                operation.returned.as_ref().map_or(0, |moment| moment.line),
            );
        }
        Outcome::GaveUp { steps } => {
            record.verdict = Verdict::Unknown;
            record.sentence = format!(
                "{of_key}not decided: the search gave up after {steps} steps, its limit of steps or of memory; --max-steps and --max-memory allow it more"
            );
        }
    }
    record
}

fn outcome(history: &RegisterHistory, key: usize, effort: Effort) -> Outcome {
    let initial = history.initial;
    match history.model {
        RegisterModel::Register | RegisterModel::CasRegister | RegisterModel::Mutex => {
            let (indexes, timed) = history.timed(key);
            let unwritten = unwritten(&timed, initial).map(|at| indexes[at]);
            // What is known already needs no search, but for a look at where it breaks.
            let effort = Effort {
                steps_max: if unwritten.is_some() {
                    effort.steps_max.min(LOOK_STEPS_MAX)
                } else {
                    effort.steps_max
                },
                ..effort
            };
            let text = |value: &Value| history.value_text(*value);
            let found = explain(
                history,
                (indexes, timed),
                &Register { initial },
                text,
                effort,
            );
            match (found, unwritten) {
                (Outcome::GaveUp { .. }, Some(index)) => Outcome::Unwritten(index),
                (found, _) => found,
            }
        }
        RegisterModel::KeyValue => {
            let texts = &history.texts;
            let model = Text { texts, initial };
            let text = |state: &String| format!("{state:?}");
            explain(history, history.timed(key), &model, text, effort)
        }
    }
}

/// The first operation, in the order of returns, that saw a value which was not there at first and
/// which nobody had asked for by then. It is told at once: a search would try all orders of what
/// never returned before it knew.
fn unwritten(timed: &[Timed<RegisterOp>], initial: Value) -> Option<usize> {
    let mut asked: BTreeMap<Value, u64> = BTreeMap::from([(initial, 0)]);
    for it in timed {
        let to = match it.op {
            RegisterOp::Write(to) | RegisterOp::Cas(_, to) => to,
            RegisterOp::Read(_) | RegisterOp::Differs(_) | RegisterOp::Append(_) => continue,
        };
        let first = asked.entry(to).or_insert(it.called_at);
        *first = it.called_at.min(*first);
    }
    let saw = |it: &Timed<RegisterOp>| match it.op {
        RegisterOp::Read(value) | RegisterOp::Cas(value, _) => Some((value, it.returned_at?)),
        RegisterOp::Write(_) | RegisterOp::Differs(_) | RegisterOp::Append(_) => None,
    };
    let is_unwritten =
        |(value, returned): (Value, u64)| asked.get(&value).is_none_or(|asked| returned < *asked);
    let found = (0..).zip(timed).filter_map(|(at, it)| Some((at, saw(it)?)));
    let found = found.filter(|(_, saw)| is_unwritten(*saw));
    found
        .min_by_key(|(_, (_, returned))| *returned)
        .map(|(at, _)| at)
}

fn explain<M: Model<Op = RegisterOp>>(
    history: &RegisterHistory,
    (indexes, timed): (Vec<usize>, Vec<Timed<RegisterOp>>),
    model: &M,
    text: impl Fn(&M::State) -> String,
    effort: Effort,
) -> Outcome {
    let stated = |order: Vec<usize>| {
        let mut state = model.initial();
        let mut states = Vec::with_capacity(order.len());
        for index in order.into_iter().map(|at| indexes[at]) {
            let operation = &history.operations[index];
            // One that failed observed, and changes nothing.
            let changes = operation.ended != Ended::Failed;
            if changes && let Some(after) = model.step(&state, &operation.asked) {
                state = after;
            }
            states.push(JudgedState {
                operation: index,
                holds: text(&state),
            });
        }
        states
    };
    match search_within(model, &timed, effort) {
        Found::Linearizable { order } => Outcome::Explained(stated(order)),
        Found::Impossible {
            longest,
            stuck,
            states,
        } => Outcome::Broken {
            order: stated(longest),
            stuck: indexes[stuck],
            states: states.iter().map(text).collect(),
        },
        Found::GaveUp { steps } => Outcome::GaveUp { steps },
    }
}

fn contradiction(
    history: &RegisterHistory,
    stuck: &RegisterOperation,
    states: &[String],
) -> String {
    let line = (stuck.returned.as_ref()).map_or(0, |moment| moment.line);
    let held = match history.model {
        RegisterModel::Mutex => "the mutex was",
        RegisterModel::Register | RegisterModel::CasRegister => "the register held",
        RegisterModel::KeyValue => "it held",
    };
    format!(
        "not linearizable: process {} {} (line {line}), where in every order of what came before {held} {}",
        stuck.process,
        did(history, stuck),
        states.join(" or ")
    )
}

/// What somebody did, as far as it was heard of.
fn did(history: &RegisterHistory, operation: &RegisterOperation) -> String {
    let text = |value: Value| history.value_text(value);
    match (operation.asked, operation.ended) {
        (RegisterOp::Cas(..), _) if history.model == RegisterModel::Mutex => match operation.name {
            "acquire" => "acquired it".to_owned(),
            _release => "released it".to_owned(),
        },
        (RegisterOp::Read(value), _) => format!("read {}", text(value)),
        (RegisterOp::Cas(from, to), Ended::Failed) => format!(
            "was told that the register does not hold {}, by a failed cas to {}",
            text(from),
            text(to)
        ),
        (RegisterOp::Cas(from, to), _) => format!("changed {} to {}", text(from), text(to)),
        (RegisterOp::Write(value), _) => format!("wrote {}", text(value)),
        (RegisterOp::Append(value), _) => format!("appended {}", text(value)),
        (RegisterOp::Differs(value), _) => format!("saw anything but {}", text(value)),
    }
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

fn told_operation(history: &RegisterHistory, operation: &RegisterOperation) -> CheckedOperation {
    let text = |value: Value| history.value_text(value);
    let is_known = matches!(operation.ended, Ended::Ok | Ended::Failed);
    let name = operation.name;
    let (call, short) = match operation.asked {
        RegisterOp::Read(value) if operation.ended == Ended::Ok => {
            (name.to_owned(), format!("r {}", text(value)))
        }
        RegisterOp::Read(_) => (name.to_owned(), "r".to_owned()),
        RegisterOp::Write(value) | RegisterOp::Differs(value) => {
            let value = text(value);
            (format!("{name} {value}"), format!("w {value}"))
        }
        RegisterOp::Append(value) => {
            let value = text(value);
            (format!("{name} {value}"), format!("a {value}"))
        }
        RegisterOp::Cas(..) if history.model == RegisterModel::Mutex => {
            (name.to_owned(), name.to_owned())
        }
        RegisterOp::Cas(from, to) => {
            let (from, to) = (text(from), text(to));
            (format!("{name} {from} to {to}"), format!("{from}→{to}"))
        }
    };
    CheckedOperation {
        process: operation.process.to_string(),
        call,
        short,
        answer: answer(history, operation),
        mood: match operation.ended {
            Ended::Ok => Ending::Ok,
            Ended::Failed => Ending::Failed,
            Ended::Unknown | Ended::Never => Ending::Unknown,
        },
        called: moment(&operation.called),
        returned: (operation.returned.as_ref())
            .filter(|_| is_known)
            .map(moment),
    }
}

fn answer(history: &RegisterHistory, operation: &RegisterOperation) -> String {
    let says_all = history.convention == Convention::Porcupine;
    match (operation.ended, operation.asked) {
        (Ended::Ok, RegisterOp::Read(value)) => history.value_text(value),
        (Ended::Ok, _) => "ok".to_owned(),
        (Ended::Failed, RegisterOp::Cas(from, _))
            if says_all && history.model != RegisterModel::Mutex =>
        {
            format!("failed: it did not hold {}", history.value_text(from))
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
