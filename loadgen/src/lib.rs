//! Scenarios, honest load, and the laws that judge every answer.
//!
//! A scenario file becomes a plan, a plan becomes calls, calls become operations with three clocks,
//! operations become histograms and verdicts, and all of it becomes one run record. Knows the wire
//! and no server.

pub mod check;
pub mod operation;
pub mod plan;
