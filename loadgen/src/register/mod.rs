//! Histories of a register, a mutex or texts under keys that other tools leave: read, judged, and told.
//!
//! Text goes in; a verdict comes out, with the longest part that some order explains and the first
//! operation that none does. `event` reads what Jepsen, Knossos and Porcupine write (lines of a log,
//! EDN, JSON: `edn`), `read` puts it together to operations by object, `model` is what the objects do.
//! Deliberately absent: files, and how a verdict is shown (`reports`).
//!
//! What an ending says: `:ok` took effect between its two lines; a write that ended `:fail` did not
//! happen, and a failed read says nothing; what ended `:info`, timed out or never ended may have taken
//! effect at any later time, or never. Whether a failed cas saw that the register did not hold its first
//! value, and whether nil is a value that a read can see, the tools think differently ([`Convention`]).

mod edn;
mod event;
mod judge;
mod model;
mod read;

#[cfg(test)]
mod tests;

pub use self::{
    judge::{STEPS_MAX, judge},
    model::{RegisterModel, RegisterOp, Value},
    read::{
        Convention, Ended, HistoryTextError, Moment, Reading, RegisterHistory, RegisterOperation,
    },
};
pub use crate::check::linearizability::Effort;
