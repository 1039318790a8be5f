//! What each law found, and its violations told so that a person can follow them.
//!
//! Deliberately absent: thresholds, which judge figures and not answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Count;

/// What a law found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LawRecord {
    /// Its name, as in scenario files.
    pub name: String,
    /// One sentence: what it demands.
    pub demands: String,
    /// Whether the scenario requires it.
    pub required: bool,
    /// What it found.
    pub verdict: Verdict,
    /// Why, where the verdict is `unknown` or `n/a`.
    pub reason: Option<String>,
    /// How sure: certificate, definite interval, or complete search.
    pub confidence: String,
    /// How much was looked at, in the law's own words and figures. A pass with zeros proves nothing.
    pub exercised: Vec<Count>,
    /// All violations there were.
    pub violation_count: u64,
    /// The first few, told in full.
    pub violations: Vec<ViolationRecord>,
    /// How far all of them reach; `None` where there are none.
    #[serde(default)]
    pub scope: Option<ScopeRecord>,
}

/// How far the violations of a law reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeRecord {
    /// How many of them these figures are of: of very many, the first.
    pub looked_at: u64,
    /// The clients whose operations they tell of.
    pub clients: u64,
    /// The things (slots, conversations, items, stores) that they are about.
    pub subjects: u64,
    /// The thing with most of them, and how many.
    pub worst: Option<Count>,
    /// When the first operation that they tell of was called, nanoseconds after the run's start.
    pub first_ns: Option<u64>,
    /// When the last one was over.
    pub last_ns: Option<u64>,
}

/// One violation, told so that a person can follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationRecord {
    /// One sentence in the words of the domain.
    pub sentence: String,
    /// The thing it is about: a slot, a conversation, an item, a store.
    #[serde(default)]
    pub about: Option<String>,
    /// The two to six operations that contradict each other.
    pub operations: Vec<WitnessRecord>,
    /// Why they are ordered as they are.
    pub order: String,
    /// The same, pair by pair, where both of a pair have times or positions.
    #[serde(default)]
    pub pairs: Vec<PairRecord>,
    /// What should have been.
    pub expected: String,
    /// What else was asked of the same thing around that time: a few before, during and after.
    #[serde(default)]
    pub window: Vec<WitnessRecord>,
}

/// Why one operation of a violation comes before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairRecord {
    /// The earlier one, by its index in `operations`.
    pub earlier: u32,
    /// The later one.
    pub later: u32,
    /// By what.
    pub by: OrderReason,
    /// The same as a sentence.
    pub sentence: String,
}

/// What puts one operation before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderReason {
    /// One was answered before the other was asked.
    RealTime,
    /// The same, by one client.
    Session,
    /// One stands before the other in the log.
    Log,
}

/// One operation of a violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessRecord {
    /// Who.
    pub client: String,
    /// What was asked.
    pub call: String,
    /// What was answered.
    pub answer: String,
    /// Nanoseconds after the run's start.
    pub invoked_ns: u64,
    /// Nanoseconds after the run's start; `None` when no answer came.
    pub completed_ns: Option<u64>,
    /// The position in the answer; 0 when there was none.
    pub seq: u64,
}

/// What a law can find.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The server cannot be held to it, as far as it can be asked and by what it promises.
    #[serde(rename = "n/a")]
    NotApplicable,
    /// Looked at, and kept.
    Valid,
    /// Not enough was looked at to tell.
    Unknown,
    /// Broken.
    Invalid,
}
