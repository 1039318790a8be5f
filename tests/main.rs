//! The program as its user meets it: arguments in; exit codes, words and files out.
//!
//! The tests start the built binary, in directories of their own and on free ports; `returning` and
//! `library` stand here because only here the server, the load generator and the client are all
//! known. Deliberately absent: what a crate's own tests can show without a process.

mod checking;
mod comparing;
mod crash;
mod describing;
mod docs;
mod erase;
mod faults;
mod frozen;
mod inspecting;
mod keeping;
mod killing;
mod library;
mod limits;
mod live;
mod mistakes;
mod one_thread;
mod program;
mod prove;
mod returning;
mod scenario;
mod showing;
mod smoke;
mod snapshots;
mod stalled;
mod surroundings;
mod surviving;
mod trial;
mod verdict;
mod visiting;
mod words;
