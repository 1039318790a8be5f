//! A history that was judged on its own: its verdict, and what there is to show of it.
//!
//! The checker fills it in; `render` makes text and a page of it. Deliberately absent: what the
//! object is that the history is about, which is all in the words.

use crate::record::{Count, Verdict};

/// A judged history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRecord {
    /// What the object was taken for.
    pub model: String,
    /// What was found.
    pub verdict: Verdict,
    /// The same as a sentence, with the reason.
    pub sentence: String,
    /// What the history holds.
    pub counts: Vec<Count>,
    /// In the order of their calls.
    pub operations: Vec<JudgedOperation>,
    /// An order of the whole history; of one that has none, of its longest beginning that has.
    pub order: Vec<JudgedState>,
    /// The first operation, in the order of returns, that no order has room for.
    pub stuck: Option<usize>,
    /// What the object can have held there.
    pub states: Vec<String>,
}

/// One place in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedState {
    /// The operation, by its index.
    pub operation: usize,
    /// What the object holds after it.
    pub holds: String,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedOperation {
    /// Who.
    pub process: String,
    /// What was asked.
    pub call: String,
    /// The same in a few signs.
    pub short: String,
    /// What was answered.
    pub answer: String,
    /// How it ended.
    pub mood: Mood,
    /// Where it was called.
    pub called: MomentRecord,
    /// Where it ended; `None` when nobody knows that it did.
    pub returned: Option<MomentRecord>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It took effect.
    Ok,
    /// It did not.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A place in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MomentRecord {
    /// The line, from 1.
    pub line: usize,
    /// The time of day, as the history writes it.
    pub at: Option<String>,
}
