//! Histories of one register that other tools leave: read, judged, and told.
//!
//! Text goes in; a verdict comes out, with the longest part that some order explains and the first
//! operation that none does. Deliberately absent: files, and how a verdict is shown (`reports`).
//!
//! What an ending says, by the convention of those tools: `:ok` took effect between its two lines;
//! a write that ended `:fail` did not happen, a failed read says nothing, and a failed cas saw that
//! the register did not hold its first value; what ended `:info`, timed out or never ended may have
//! taken effect at any later time, or never.

mod judge;
mod line;
mod model;
mod read;

#[cfg(test)]
mod tests;

pub use self::{
    judge::{STEPS_MAX, judge},
    model::{RegisterModel, RegisterOp, Value},
    read::{Ended, HistoryTextError, Moment, RegisterHistory, RegisterOperation},
};
