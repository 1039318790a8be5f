//! The laws: what must hold of every answer, whatever the load and whatever breaks.
//!
//! Operations go in as they happen, then the log, then the recorded history; one verdict a law
//! comes out. One file a law. Deliberately absent: clocks, sockets, the server's own code.

mod laws;

pub use laws::{LAWS, LawOptions, Laws};
