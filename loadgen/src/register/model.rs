//! What a register does, one operation at a time.

use std::fmt;

use crate::check::linearizability::Model;

/// What a register holds; `None` is `nil`.
pub type Value = Option<i64>;

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
}

/// A register that anybody can read, write, and compare and set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterModel {
    /// Reads and writes; a cas in its history is refused when it is read.
    Register,
    /// The same with compare and set.
    CasRegister,
}

impl RegisterModel {
    /// Every model.
    pub const ALL: [Self; 2] = [Self::Register, Self::CasRegister];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
        }
    }
}

impl fmt::Display for RegisterModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Model for RegisterModel {
    type State = Value;
    type Op = RegisterOp;

    fn initial(&self) -> Value {
        None
    }

    fn step(&self, state: &Value, op: &RegisterOp) -> Option<Value> {
        match op {
            RegisterOp::Read(value) => (value == state).then_some(*state),
            RegisterOp::Write(value) => Some(*value),
            RegisterOp::Cas(from, to) => (from == state).then_some(*to),
            RegisterOp::Differs(value) => (value != state).then_some(*state),
        }
    }

    fn observes(&self, op: &RegisterOp) -> bool {
        match op {
            RegisterOp::Read(_) | RegisterOp::Differs(_) => true,
            RegisterOp::Write(_) | RegisterOp::Cas(..) => false,
        }
    }

    fn is_same(&self, one: &RegisterOp, other: &RegisterOp) -> bool {
        one == other
    }
}
