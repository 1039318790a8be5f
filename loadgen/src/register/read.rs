//! The events of a history put together to operations on one object, or on several by key.
//!
//! A text goes in, operations with the lines of their calls and returns come out, or the first line
//! that cannot be. Events of others are counted. Deliberately absent: what is right.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{
    edn::{Datum, Reader},
    event::{CallName, Event, Form, Kind, TIMED_OUT, events, form},
    model::{RegisterModel, RegisterOp, Value, text_at},
};
use crate::check::linearizability::Timed;

/// How a history is to be read; what is not said follows from the history.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What it is about; without it, told by the first call.
    pub model: Option<RegisterModel>,
    /// What some answers say; without it, Porcupine's for lines of a log, and Knossos's for EDN and
    /// JSON.
    pub convention: Option<Convention>,
    /// What the object, or each of them, holds at first, as EDN writes it; nothing without it.
    pub initial: Option<String>,
}

/// What answers say of which the two checkers think differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// A failed cas says nothing, and neither does a read that saw nil.
    Knossos,
    /// A failed cas saw that the register did not hold its first value, and nil is a value.
    Porcupine,
}

/// A history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterHistory {
    /// What it is about.
    pub model: RegisterModel,
    /// What its answers say.
    pub convention: Convention,
    /// What each object holds at first.
    pub initial: Value,
    /// In the order of their calls.
    pub operations: Vec<RegisterOperation>,
    /// The names of its objects, where it tells them apart.
    pub keys: Vec<String>,
    /// The values that are no numbers.
    pub texts: Vec<String>,
    /// Lines, or events, that are of no operation of a numbered process.
    pub skipped: u64,
}

/// One operation, as the history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterOperation {
    /// Who called.
    pub process: u64,
    /// Which object, by its place among the keys; 0 where there is one.
    pub key: usize,
    /// What was called, as the history calls it.
    pub name: &'static str,
    /// What was asked; of a read, what it saw where it ended well.
    pub asked: RegisterOp,
    /// How it ended.
    pub ended: Ended,
    /// The line of its call.
    pub called: Moment,
    /// The line of its end, whatever that says; `None` if there is none.
    pub returned: Option<Moment>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It took effect.
    Ok,
    /// It did not.
    Failed,
    /// Nobody knows.
    Unknown,
    /// The history is over before it ended.
    Never,
}

/// Where, and when, something stands in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The line, from 1.
    pub line: usize,
    /// The time of day, or since the beginning, as the history has it.
    pub at: Option<String>,
    /// Its place among all events: several may stand in one line.
    pub(super) place: u64,
}

/// A history that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryTextError {
    /// A line that cannot be.
    #[error("{path}:{line}: {reason}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Something else altogether.
    #[error(
        "{path}: there is no operation in its {lines} lines; expected lines as jepsen writes them (INFO  jepsen.util - 3 :invoke :write 4, with tabs between), its history.edn or its history.jsonl"
    )]
    Empty {
        /// The file.
        path: String,
        /// How many lines it has.
        lines: usize,
    },
    /// What the object is said to hold at first.
    #[error("{given:?} is no value to begin with; expected nil, a number, or a text in quotes")]
    Initial {
        /// What was given.
        given: String,
    },
}

impl RegisterHistory {
    /// Reads a history; `path` is for the errors.
    ///
    /// # Errors
    /// If an event of a numbered process cannot be read, or does not follow from those before it.
    pub fn parse(text: &str, reading: &Reading, path: &str) -> Result<Self, HistoryTextError> {
        let convention = reading.convention.unwrap_or(match form(text) {
            Form::Lines => Convention::Porcupine,
            Form::Data { .. } => Convention::Knossos,
        });
        let mut events_of = Assembly::new(reading.model);
        let counts = events(text, |event| events_of.take(&event)).map_err(|(line, reason)| {
            let path = path.to_owned();
            HistoryTextError::Line { path, line, reason }
        })?;
        let Some(model) = events_of.model.filter(|_| !events_of.operations.is_empty()) else {
            return Err(HistoryTextError::Empty {
                path: path.to_owned(),
                lines: counts.lines,
            });
        };
        let initial = events_of.initial(model, reading.initial.as_deref())?;
        Ok(Self {
            model,
            convention,
            initial,
            operations: events_of.operations,
            keys: events_of.keys,
            texts: events_of.texts.all,
            skipped: counts.skipped,
        })
    }

    /// What the search is to explain of one object, each with its index in `operations`: what failed
    /// without an effect and without seeing anything is not in it.
    #[must_use]
    pub fn timed(&self, key: usize) -> (Vec<usize>, Vec<Timed<RegisterOp>>) {
        let all = self.operations.iter().enumerate();
        all.filter(|(_, operation)| operation.key == key)
            .filter_map(|(index, operation)| Some((index, self.timed_of(operation)?)))
            .unzip()
    }

    fn timed_of(&self, operation: &RegisterOperation) -> Option<Timed<RegisterOp>> {
        let says_all = self.convention == Convention::Porcupine;
        let (op, returned) = match (operation.ended, operation.asked) {
            (Ended::Ok, RegisterOp::Read(Value::Nil)) if !says_all => return None,
            (Ended::Ok, op) => (op, operation.returned.as_ref()),
            (Ended::Failed, RegisterOp::Cas(from, _))
                if says_all && self.model != RegisterModel::Mutex =>
            {
                (RegisterOp::Differs(from), operation.returned.as_ref())
            }
            (
                Ended::Unknown | Ended::Never,
                op @ (RegisterOp::Write(_) | RegisterOp::Cas(..) | RegisterOp::Append(_)),
            ) => (op, None),
            (Ended::Failed | Ended::Unknown | Ended::Never, _no_effect) => return None,
        };
        Some(Timed {
            op,
            called_at: operation.called.place,
            returned_at: returned.map(|moment| moment.place),
        })
    }

    /// A value as the history writes it.
    #[must_use]
    pub fn value_text(&self, value: Value) -> String {
        match value {
            Value::Nil => "nil".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Text(at) => match self.model {
                RegisterModel::KeyValue => format!("{:?}", text_at(&self.texts, at)),
                RegisterModel::Register | RegisterModel::CasRegister | RegisterModel::Mutex => {
                    text_at(&self.texts, at).to_owned()
                }
            },
        }
    }
}

/// What a mutex holds.
const FREE: &str = "free";
const HELD: &str = "held";

/// Texts, each with its place.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, u32>,
}

impl Texts {
    fn place(&mut self, text: String) -> Value {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        Value::Text(*self.places.entry(text).or_insert_with_key(|text| {
            self.all.push(text.clone());
            next
        }))
    }
}

/// Events on their way to operations.
struct Assembly {
    model: Option<RegisterModel>,
    /// Whether values are `[key value]`, and the line that says so.
    tuples: Option<(bool, usize)>,
    operations: Vec<RegisterOperation>,
    /// By process: the operation that has not ended.
    open: BTreeMap<u64, usize>,
    keys: Vec<String>,
    key_places: HashMap<String, usize>,
    texts: Texts,
    places: u64,
}

impl Assembly {
    fn new(model: Option<RegisterModel>) -> Self {
        Self {
            model,
            tuples: None,
            operations: Vec::new(),
            open: BTreeMap::new(),
            keys: Vec::new(),
            key_places: HashMap::new(),
            texts: Texts::default(),
            places: 0,
        }
    }

    fn initial(
        &mut self,
        model: RegisterModel,
        given: Option<&str>,
    ) -> Result<Value, HistoryTextError> {
        let Some(given) = given else {
            return Ok(match model {
                RegisterModel::Mutex => self.texts.place(FREE.to_owned()),
                RegisterModel::Register | RegisterModel::CasRegister | RegisterModel::KeyValue => {
                    Value::Nil
                }
            });
        };
        let mut reader = Reader::new(given, false);
        let read = reader.read().ok().flatten();
        match read.filter(|_| reader.peek().is_none()) {
            Some(datum) => Ok(self.value(model, datum)),
            None => Err(HistoryTextError::Initial {
                given: given.to_owned(),
            }),
        }
    }

    fn value(&mut self, model: RegisterModel, datum: Datum) -> Value {
        match datum {
            Datum::Nil => Value::Nil,
            Datum::Number(number) => Value::Number(number),
            Datum::Text(text) if model == RegisterModel::KeyValue => self.texts.place(text),
            other => self.texts.place(other.to_string()),
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        let model = *self.model.get_or_insert(model_of(event.call));
        if !fits(model, event.call) {
            return Err(format!(
                "a {} knows no :{}; judge this history with --model {}",
                match model {
                    RegisterModel::Register => "plain register",
                    other => other.name(),
                },
                event.call.name(),
                model_of(event.call)
            ));
        }
        self.places += 1;
        let moment = Moment {
            line: event.line,
            at: event.at.clone(),
            place: self.places,
        };
        match event.kind {
            Kind::Invoke => self.invoke(model, event, moment),
            Kind::Ok | Kind::Fail | Kind::Info => self.end(model, event, moment),
        }
    }

    fn invoke(
        &mut self,
        model: RegisterModel,
        event: &Event,
        called: Moment,
    ) -> Result<(), String> {
        let process = event.process;
        if let Some(open) = self.open.get(&process) {
            let open = self.operations[*open].called.line;
            return Err(format!(
                "process {process} calls again although its call of line {open} has not ended; a process does one thing at a time, and one that ended :info goes on under another number"
            ));
        }
        let (key, value) = self.split(event)?;
        let asked = self
            .op(model, event.call, value)
            .ok_or_else(|| misfit(event.call))?;
        self.open.insert(process, self.operations.len());
        self.operations.push(RegisterOperation {
            process,
            key,
            name: event.call.name(),
            asked,
            ended: Ended::Never,
            called,
            returned: None,
        });
        Ok(())
    }

    fn end(&mut self, model: RegisterModel, event: &Event, returned: Moment) -> Result<(), String> {
        let process = event.process;
        let Some(open) = self.open.remove(&process) else {
            return Err(format!(
                "process {process} ends a {} that it never called; each end follows an :invoke of the same process",
                event.call.name()
            ));
        };
        let called = self.operations[open].called.line;
        let another = || {
            format!(
                "this is not the end of what process {process} called in line {called}; both lines name the same call and the same value"
            )
        };
        if self.operations[open].name != event.call.name() {
            return Err(another());
        }
        let asked = self.operations[open].asked;
        let answered = if is_timeout(&event.value) {
            None
        } else {
            // Of one that did not end well, nothing need be told.
            let is_told = event.kind == Kind::Ok || event.value != Datum::Nil;
            is_told
                .then(|| self.answered(model, event, open))
                .transpose()?
        };
        if let Some((key, answer)) = answered {
            let is_same = key == self.operations[open].key && is_end_of(asked, answer);
            if !is_same {
                return Err(another());
            }
        }
        let operation = &mut self.operations[open];
        operation.ended = ended(event)?;
        if let (Ended::Ok, Some((_, answer))) = (operation.ended, answered) {
            operation.asked = answer;
        }
        operation.returned = Some(returned);
        Ok(())
    }

    fn answered(
        &mut self,
        model: RegisterModel,
        event: &Event,
        open: usize,
    ) -> Result<(usize, RegisterOp), String> {
        if model == RegisterModel::Mutex {
            // Whatever it is told with: a token, the holder.
            return Ok((self.operations[open].key, self.operations[open].asked));
        }
        let (key, value) = self.split(event)?;
        let answer = self
            .op(model, event.call, value)
            .ok_or_else(|| misfit(event.call))?;
        Ok((key, answer))
    }

    /// Of which object, and the value without that.
    fn split(&mut self, event: &Event) -> Result<(usize, Datum), String> {
        if let Some(key) = &event.key {
            return Ok((self.key(key.to_string()), event.value.clone()));
        }
        let pair = match &event.value {
            Datum::List(list) => <&[Datum; 2]>::try_from(list.as_slice()).ok(),
            _one => None,
        };
        let is_tuple = match (event.call, pair) {
            (CallName::Cas, Some([_, Datum::List(_)])) => true,
            (CallName::Cas, _) => false,
            (_, pair) => pair.is_some(),
        };
        let (expected, line) = *self.tuples.get_or_insert((is_tuple, event.line));
        match pair {
            Some([key, value]) if expected && is_tuple => {
                Ok((self.key(key.to_string()), value.clone()))
            }
            _one if !expected && !is_tuple => Ok((0, event.value.clone())),
            _other => Err(format!(
                "the value of this {} is {}, and in line {line} it is {}; either all have the key they are about in front, as in [3 1], or none has",
                event.call.name(),
                event.value,
                if expected {
                    "[key value]"
                } else {
                    "the value alone"
                },
            )),
        }
    }

    fn key(&mut self, key: String) -> usize {
        let next = self.keys.len();
        *self.key_places.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            next
        })
    }

    fn op(&mut self, model: RegisterModel, call: CallName, value: Datum) -> Option<RegisterOp> {
        let held = |texts: &mut Texts| (texts.place(FREE.to_owned()), texts.place(HELD.to_owned()));
        Some(match call {
            CallName::Read | CallName::Get => RegisterOp::Read(self.value(model, value)),
            CallName::Write | CallName::Put => RegisterOp::Write(self.value(model, value)),
            CallName::Append => RegisterOp::Append(self.value(model, value)),
            CallName::Cas => {
                let Datum::List(list) = value else {
                    return None;
                };
                let [from, to] = <[Datum; 2]>::try_from(list).ok()?;
                RegisterOp::Cas(self.value(model, from), self.value(model, to))
            }
            CallName::Acquire => {
                let (free, held) = held(&mut self.texts);
                RegisterOp::Cas(free, held)
            }
            CallName::Release => {
                let (free, held) = held(&mut self.texts);
                RegisterOp::Cas(held, free)
            }
        })
    }
}

/// What a history is about that has this call.
const fn model_of(call: CallName) -> RegisterModel {
    match call {
        CallName::Read | CallName::Write | CallName::Cas => RegisterModel::CasRegister,
        CallName::Acquire | CallName::Release => RegisterModel::Mutex,
        CallName::Get | CallName::Put | CallName::Append => RegisterModel::KeyValue,
    }
}

fn fits(model: RegisterModel, call: CallName) -> bool {
    match model {
        RegisterModel::Register => matches!(call, CallName::Read | CallName::Write),
        other => other == model_of(call),
    }
}

fn is_timeout(value: &Datum) -> bool {
    matches!(value, Datum::Word(word) if word == TIMED_OUT)
}

/// Whether an answer can be one to this question: of a read it says what was seen.
fn is_end_of(asked: RegisterOp, answer: RegisterOp) -> bool {
    match (asked, answer) {
        (RegisterOp::Read(_), RegisterOp::Read(_)) => true,
        (asked, answer) => asked == answer,
    }
}

fn ended(event: &Event) -> Result<Ended, String> {
    match (event.kind, is_timeout(&event.value)) {
        (Kind::Ok, true) => Err(
            "an operation cannot have ended :ok and timed out; expected :info or :fail".to_owned(),
        ),
        (Kind::Ok, false) => Ok(Ended::Ok),
        (Kind::Info, _) => Ok(Ended::Unknown),
        // Whoever did not wait for the answer cannot know that it was no.
        (Kind::Fail, true) => Ok(Ended::Unknown),
        (Kind::Fail, false) => Ok(Ended::Failed),
        (Kind::Invoke, _) => Err("a call is no end".to_owned()),
    }
}

fn misfit(call: CallName) -> String {
    let expected = match call {
        CallName::Cas => "both values, as in `:invoke :cas [3 4]`",
        CallName::Read
        | CallName::Write
        | CallName::Acquire
        | CallName::Release
        | CallName::Get
        | CallName::Put
        | CallName::Append => "one value, as in `:invoke :write 4`",
    };
    format!(
        "the value does not fit a {}; expected {expected}",
        call.name()
    )
}
