//! The program as its user meets it: arguments in; exit codes, words and files out.
//!
//! Every test starts the built binary, in directories of its own and on free ports. Deliberately
//! absent: what a crate's own tests can show without a process.

mod crash;
mod describing;
mod erase;
mod faults;
mod frozen;
mod inspecting;
mod keeping;
mod live;
mod mistakes;
mod program;
mod prove;
mod scenario;
mod showing;
mod smoke;
mod snapshots;
mod surviving;
mod verdict;
mod words;
