//! What is known of a run so far.
//!
//! Events go in as they happen, the newest state is there to be drawn. Of what grows only the newest
//! is kept. Deliberately absent: how it looks.

use std::collections::{BTreeMap, VecDeque};

/// Seconds that are kept for a sparkline: more than the widest screen shows.
const SECONDS_MAX: usize = 300;

/// A run so far.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// The scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// What goes on, in a few words: `offering load`.
    pub stage: String,
    /// Seconds since the run began.
    pub elapsed_s: f64,
    /// Whether the user has asked for an early end.
    pub is_stopping: bool,
    /// In the order they run.
    pub phases: Vec<Phase>,
    /// Faults, as they were injected.
    pub marks: Vec<Mark>,
    /// The newest seconds, the oldest first.
    pub seconds: VecDeque<Second>,
    /// By name, those that were answered so far.
    pub operations: BTreeMap<String, Operation>,
    /// Those that are judged while the run goes on.
    pub laws: Vec<Law>,
    /// Calls without an answer.
    pub in_flight: u64,
    /// How late the generator woke, 99th percentile, nanoseconds.
    pub lateness_p99: u64,
    /// At most.
    pub lateness_max: u64,
}

/// A planned phase, and how far it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Whether it is kept apart from the verdict.
    pub warmup: bool,
    /// How long it is planned to take, seconds.
    pub planned_s: f64,
    /// When it was first heard of, seconds after the run's start; `None` until then.
    pub began_s: Option<f64>,
}

/// A fault that was injected.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Seconds after the run's start.
    pub at_s: f64,
    /// What was done: `kill-server`.
    pub what: String,
}

/// A second of the run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Second {
    /// Operations that the schedule asked for.
    pub intended: u64,
    /// Answered.
    pub answered: u64,
    /// Failed.
    pub failed: u64,
}

/// An operation in the newest second in which it was answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Operation {
    /// Answers in that second.
    pub answered: u64,
    /// Response time, nanoseconds.
    pub p50: u64,
    /// Response time, nanoseconds.
    pub p90: u64,
    /// Response time, nanoseconds.
    pub p99: u64,
    /// Response time, nanoseconds.
    pub max: u64,
    /// The medians of the newest seconds, the oldest first.
    pub medians: VecDeque<u64>,
}

/// A law, as far as it is judged while the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Law {
    /// Its name.
    pub name: String,
    /// What it looked at: `bookings`; nothing for one that is judged after the run.
    pub what: &'static str,
    /// How much of it.
    pub count: u64,
    /// Violations found.
    pub violations: u64,
}

impl Live {
    /// A second of a phase ended.
    pub fn handle_second(&mut self, phase: &str, at_s: f64, second: Second) {
        if let Some(phase) = self.phases.iter_mut().find(|known| known.name == phase) {
            phase.began_s.get_or_insert(at_s);
        }
        keep(&mut self.seconds, second);
    }

    /// An operation was answered in a second, of which these are the figures.
    pub fn handle_operation(&mut self, name: &str, figures: &Operation) {
        let known = self.operations.entry(name.to_owned()).or_default();
        let mut medians = std::mem::take(&mut known.medians);
        keep(&mut medians, figures.p50);
        *known = Operation {
            medians,
            ..*figures
        };
    }

    /// The phase that runs.
    #[must_use]
    pub fn running(&self) -> Option<&Phase> {
        self.phases
            .iter()
            .rev()
            .find(|phase| phase.began_s.is_some())
    }
}

fn keep<T>(kept: &mut VecDeque<T>, newest: T) {
    if kept.len() == SECONDS_MAX {
        kept.pop_front();
    }
    kept.push_back(newest);
}
