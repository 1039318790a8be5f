//! The laws: what must hold of every answer, whatever the load and whatever breaks.
//!
//! Operations go in as they happen, then the log, then the recorded history; one verdict a law
//! comes out. One file a law; `laws` has them all, `online` tells each what it needs while the run
//! goes on, `conclusion` judges when it is over. Deliberately absent: clocks, sockets, the server's own code.

mod catalogue;
mod chat;
mod conclusion;
mod durable_acks;
mod erasure_complete;
mod finding;
mod idempotent_answers;
mod laws;
mod ledger;
pub mod linearizability;
mod linearizable;
mod log_chained;
mod model;
mod model_agrees;
mod no_double_booking;
mod no_lost_cancel;
mod no_phantom;
mod online;
mod pages;
mod pair;
mod people;
mod presence;
mod reads;
mod real_time_order;
mod record;
mod refusals_justified;
mod replay_determinism;
mod rules;
mod sales;
mod scope;
mod session_order;
mod slot_history;
mod someone_wins;
mod subject;
mod window;

pub use conclusion::Tally;
pub use laws::{LAWS, LawOptions, Laws};
