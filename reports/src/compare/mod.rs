//! Two sides of stored runs held against each other: is the new one slower, or is it chance?
//!
//! Runs go in, a [`Comparison`] comes out, the same for the same runs. Every figure of every
//! operation is compared, and the chances of all of them are counted together, so that two sides of
//! the same thing are called different once in twenty times at most.
//!
//! | file | what |
//! |---|---|
//! | `comparison` | what was compared and found |
//! | `judge` | which changes are more than chance |
//! | `stored` | a run's seconds from its files |
//! | `counts` | values and how often each was there |
//! | `comparable` | whether runs can be compared at all |
//! | `measure` | figures of a run, and how far two sides differ in one |
//! | `bootstrap` | how much a quantile varies within a run |
//! | `statistic` | how sure a difference is |
//!
//! What it cannot know it says: one run a side shows how much a run differs from itself, and not how
//! much the next run would. Deliberately absent: files, words.

mod bootstrap;
mod comparable;
mod comparison;
mod counts;
mod judge;
mod measure;
mod statistic;
mod stored;

pub use self::{
    comparable::{Incomparable, PARTS},
    comparison::{
        ALARM_CHANCE, COMPARISON_VERSION, Change, ComparedAs, Comparison, DISK_CHANGE_MIN, Finding,
        Noise, SideRun, comparison_schema_json,
    },
    counts::Counts,
    measure::Figure,
    stored::{Clock, PhaseSeconds, StoredError, StoredRun, Texts, Track},
};
