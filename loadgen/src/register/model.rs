//! What the objects of these histories do, one operation at a time.

use std::fmt;

use crate::check::linearizability::Model;

/// What a register holds, or an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// Anything else: its place among the texts of the history.
    Text(u32),
}

/// An operation with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOp {
    /// Read, and saw this.
    Read(Value),
    /// Wrote this.
    Write(Value),
    /// Changed it from the one to the other.
    Cas(Value, Value),
    /// Saw that it did not hold this.
    Differs(Value),
    /// Wrote this behind what was there.
    Append(Value),
}

/// What a history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterModel {
    /// Reads and writes; a cas in its history is refused when it is read.
    Register,
    /// The same with compare and set.
    CasRegister,
    /// Acquired by one at a time, and released.
    Mutex,
    /// Texts under keys: got, put and appended to.
    KeyValue,
}

impl RegisterModel {
    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::Mutex => "mutex",
            Self::KeyValue => "key-value",
        }
    }
}

impl fmt::Display for RegisterModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value that is read, written, and compared and set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Register {
    pub(super) initial: Value,
}

impl Model for Register {
    type State = Value;
    type Op = RegisterOp;

    fn initial(&self) -> Value {
        self.initial
    }

    fn step(&self, state: &Value, op: &RegisterOp) -> Option<Value> {
        match op {
            RegisterOp::Read(value) => (value == state).then_some(*state),
            RegisterOp::Write(value) => Some(*value),
            RegisterOp::Cas(from, to) => (from == state).then_some(*to),
            RegisterOp::Differs(value) => (value != state).then_some(*state),
            // No history of a register has one.
            RegisterOp::Append(_) => None,
        }
    }

    fn observes(&self, op: &RegisterOp) -> bool {
        observes(op)
    }

    fn is_same(&self, one: &RegisterOp, other: &RegisterOp) -> bool {
        one == other
    }
}

/// One text that is read, written, and appended to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    /// Of the history.
    pub(super) texts: &'a [String],
    pub(super) initial: Value,
}

impl Text<'_> {
    fn text(&self, value: Value) -> String {
        match value {
            Value::Nil => String::new(),
            Value::Number(number) => number.to_string(),
            Value::Text(at) => text_at(self.texts, at).to_owned(),
        }
    }

    fn is(&self, state: &str, value: Value) -> bool {
        match value {
            Value::Text(at) => text_at(self.texts, at) == state,
            other => self.text(other) == state,
        }
    }
}

impl Model for Text<'_> {
    type State = String;
    type Op = RegisterOp;

    fn initial(&self) -> String {
        self.text(self.initial)
    }

    fn step(&self, state: &String, op: &RegisterOp) -> Option<String> {
        match op {
            RegisterOp::Read(value) => self.is(state, *value).then(|| state.clone()),
            RegisterOp::Differs(value) => (!self.is(state, *value)).then(|| state.clone()),
            RegisterOp::Write(value) => Some(self.text(*value)),
            RegisterOp::Append(value) => Some(state.clone() + &self.text(*value)),
            RegisterOp::Cas(from, to) => self.is(state, *from).then(|| self.text(*to)),
        }
    }

    fn observes(&self, op: &RegisterOp) -> bool {
        observes(op)
    }

    fn is_same(&self, one: &RegisterOp, other: &RegisterOp) -> bool {
        one == other
    }
}

const fn observes(op: &RegisterOp) -> bool {
    match op {
        RegisterOp::Read(_) | RegisterOp::Differs(_) => true,
        RegisterOp::Write(_) | RegisterOp::Cas(..) | RegisterOp::Append(_) => false,
    }
}

/// The text at this place; every place was handed out by the history that has them.
pub(super) fn text_at(texts: &[String], at: u32) -> &str {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    texts.get(at).map_or("", String::as_str)
}
