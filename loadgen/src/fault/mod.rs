//! Faults: what is done to a run on purpose, and proof that it was done.
//!
//! | file | what |
//! |---|---|
//! | `fault_state` | what the driver of the load and whoever breaks things tell each other |
//! | `network` | faults between clients and server, as values, and what came of each |
//! | `proxy/` | a TCP proxy in this process that carries them out |
//!
//! Deliberately absent: when a fault is injected (the plan says) and what it must not break (the laws
//! say).

pub mod network;
pub mod proxy;
pub mod state;

pub use network::{Effects, NetworkFault, Share, Way};
pub use proxy::{FaultId, NoRoom, Proxy, ProxyError, check_direct_room, check_room};
pub use state::{FaultState, Injection, Recovery};
