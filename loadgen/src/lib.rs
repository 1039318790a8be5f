//! Scenarios, honest load, and the laws that judge every answer.
//!
//! A scenario file becomes a plan, a plan becomes calls, calls become operations with three clocks,
//! operations become histograms and verdicts, and all of it becomes one run record. Knows the wire
//! and no server.

pub mod arrival;
pub mod check;
pub mod client;
pub mod client_memory;
pub mod clock;
pub mod contention;
pub mod deliveries;
pub mod driver;
pub mod fault;
pub mod heatmap;
pub mod history;
pub mod id_map;
pub mod intervals;
pub mod mapping;
pub mod operation;
pub mod plan;
pub mod recheck;
pub mod recorder;
pub mod register;
pub mod run;
pub mod scenario;
pub mod set_up;
pub mod shown;
pub mod target;
mod wake;
pub mod wire;
