//! The lines of a register history put together to operations.
//!
//! A text goes in, operations with the lines of their calls and returns come out, or the first line
//! that cannot be. Lines of other things are counted. Deliberately absent: what is right.

use std::collections::BTreeMap;

use super::{
    line::{self, CallName, Kind, Line, LineValue},
    model::{RegisterModel, RegisterOp, Value},
};
use crate::check::linearizability::Timed;

/// A history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterHistory {
    /// In the order of their calls.
    pub operations: Vec<RegisterOperation>,
    /// Lines that are of no operation of a numbered process.
    pub skipped: u64,
}

/// One operation, as the history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterOperation {
    /// Who called.
    pub process: u64,
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
    /// The time of day that the line begins with, as it is written.
    pub at: Option<String>,
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
        "{path}: there is no operation in its {lines} lines; expected lines as jepsen writes them: INFO  jepsen.util - 3 :invoke :write 4, with tabs between"
    )]
    Empty {
        /// The file.
        path: String,
        /// How many lines it has.
        lines: usize,
    },
}

impl RegisterHistory {
    /// Reads a history of `model`; `path` is for the errors.
    ///
    /// # Errors
    /// If a line of a numbered process cannot be read, or does not follow from those before it.
    pub fn parse(text: &str, model: RegisterModel, path: &str) -> Result<Self, HistoryTextError> {
        let mut reader = Reader {
            model,
            operations: Vec::new(),
            open: BTreeMap::new(),
        };
        let (mut skipped, mut lines) = (0, 0);
        for (number, text) in (1..).zip(text.lines()) {
            lines = number;
            let taken = match line::parse(text) {
                Ok(Some(line)) => reader.take(&line, number),
                Ok(None) => {
                    skipped += u64::from(!text.trim().is_empty());
                    Ok(())
                }
                Err(reason) => Err(reason),
            };
            taken.map_err(|reason| HistoryTextError::Line {
                path: path.to_owned(),
                line: number,
                reason,
            })?;
        }
        if reader.operations.is_empty() {
            let path = path.to_owned();
            return Err(HistoryTextError::Empty { path, lines });
        }
        Ok(Self {
            operations: reader.operations,
            skipped,
        })
    }

    /// What the search is to explain, each with its index in `operations`: what failed without an
    /// effect and without seeing anything is not in it.
    #[must_use]
    pub fn timed(&self) -> (Vec<usize>, Vec<Timed<RegisterOp>>) {
        let all = self.operations.iter().enumerate();
        all.filter_map(|(index, operation)| Some((index, operation.timed()?)))
            .unzip()
    }
}

impl RegisterOperation {
    fn timed(&self) -> Option<Timed<RegisterOp>> {
        let line = |moment: &Moment| u64::try_from(moment.line).unwrap_or(u64::MAX);
        let (op, returned) = match (self.ended, self.asked) {
            (Ended::Ok, op) => (op, self.returned.as_ref()),
            (Ended::Failed, RegisterOp::Cas(from, _)) => {
                (RegisterOp::Differs(from), self.returned.as_ref())
            }
            (Ended::Unknown | Ended::Never, op @ (RegisterOp::Write(_) | RegisterOp::Cas(..))) => {
                (op, None)
            }
            (Ended::Failed | Ended::Unknown | Ended::Never, _no_effect) => return None,
        };
        Some(Timed {
            op,
            called_at: line(&self.called),
            returned_at: returned.map(line),
        })
    }
}

struct Reader {
    model: RegisterModel,
    operations: Vec<RegisterOperation>,
    /// By process: the operation that has not ended.
    open: BTreeMap<u64, usize>,
}

impl Reader {
    fn take(&mut self, line: &Line, number: usize) -> Result<(), String> {
        if line.call == CallName::Cas && self.model == RegisterModel::Register {
            return Err(
                "a plain register knows no :cas; judge this history with --model cas-register"
                    .to_owned(),
            );
        }
        let at = line.at.clone();
        let moment = Moment { line: number, at };
        match line.kind {
            Kind::Invoke => self.invoke(line, moment),
            Kind::Ok | Kind::Fail | Kind::Info => self.end(line, moment),
        }
    }

    fn invoke(&mut self, line: &Line, called: Moment) -> Result<(), String> {
        let process = line.process;
        if let Some(open) = self.open.get(&process) {
            let open = self.operations[*open].called.line;
            return Err(format!(
                "process {process} calls again although its call of line {open} has not ended; a process does one thing at a time, and one that ended :info goes on under another number"
            ));
        }
        let asked = match (line.call, line.value) {
            (CallName::Read, LineValue::One(value)) => RegisterOp::Read(value),
            (CallName::Write, LineValue::One(value)) => RegisterOp::Write(value),
            (CallName::Cas, LineValue::Pair(from, to)) => RegisterOp::Cas(from, to),
            (call, _other) => return Err(misfit(call)),
        };
        self.open.insert(process, self.operations.len());
        self.operations.push(RegisterOperation {
            process,
            asked,
            ended: Ended::Never,
            called,
            returned: None,
        });
        Ok(())
    }

    fn end(&mut self, line: &Line, returned: Moment) -> Result<(), String> {
        let process = line.process;
        let Some(open) = self.open.remove(&process) else {
            return Err(format!(
                "process {process} ends a {} that it never called; each end follows an :invoke of the same process",
                line.call.name()
            ));
        };
        let operation = &mut self.operations[open];
        let called = operation.called.line;
        operation.asked = answered(operation.asked, line).ok_or_else(|| {
            format!(
                "this is not the end of what process {process} called in line {called}; both lines name the same call and the same value"
            )
        })?;
        operation.ended = ended(line)?;
        operation.returned = Some(returned);
        Ok(())
    }
}

/// What an operation was, seen from its end. `None` if that is the end of another.
fn answered(asked: RegisterOp, line: &Line) -> Option<RegisterOp> {
    let same = |is_same: bool| is_same.then_some(asked);
    match (asked, line.call, line.value) {
        (RegisterOp::Read(_), CallName::Read, LineValue::One(value)) => {
            Some(RegisterOp::Read(value))
        }
        (RegisterOp::Read(_), CallName::Read, LineValue::TimedOut)
        | (RegisterOp::Write(_), CallName::Write, LineValue::TimedOut)
        | (RegisterOp::Cas(..), CallName::Cas, LineValue::TimedOut) => Some(asked),
        (RegisterOp::Write(value), CallName::Write, LineValue::One(other)) => same(value == other),
        (RegisterOp::Cas(from, to), CallName::Cas, LineValue::Pair(one, other)) => {
            same((from, to) == (one, other))
        }
        (_asked, _call, _value) => None,
    }
}

fn ended(line: &Line) -> Result<Ended, String> {
    match (line.kind, line.value) {
        (Kind::Ok, LineValue::TimedOut) => Err(
            "an operation cannot have ended :ok and timed out; expected :info or :fail".to_owned(),
        ),
        (Kind::Ok, LineValue::One(_) | LineValue::Pair(..)) => Ok(Ended::Ok),
        (Kind::Info, _) => Ok(Ended::Unknown),
        // Whoever did not wait for the answer cannot know that it was no.
        (Kind::Fail, LineValue::TimedOut) => Ok(Ended::Unknown),
        (Kind::Fail, LineValue::One(_) | LineValue::Pair(..)) => Ok(Ended::Failed),
        (Kind::Invoke, _) => Err("a call is no end".to_owned()),
    }
}

fn misfit(call: CallName) -> String {
    let expected = match call {
        CallName::Read => "nil, as in `:invoke :read nil`",
        CallName::Write => "the value, as in `:invoke :write 4`",
        CallName::Cas => "both values, as in `:invoke :cas [3 4]`",
    };
    format!(
        "the value does not fit a {}; expected {expected}",
        call.name()
    )
}

/// A value as the history writes it.
pub(super) fn value_text(value: Value) -> String {
    value.map_or_else(|| "nil".to_owned(), |number| number.to_string())
}
