//! The laws: what must hold of every answer, whatever the load and whatever breaks.
//!
//! Operations go in as they happen, then the log, then the recorded history; one verdict a law
//! comes out. One file a law, which says what it listens to (`law`), and one line in `registry`; `world` is
//! what they share, `online` tells them what happens while the run goes on, `conclusion` judges when it
//! is over. Deliberately absent: clocks, sockets, the server's own code.

mod answers_as_logged;
mod by_answers;
mod catalogue;
mod chat;
mod conclusion;
mod contract;
mod durable_acks;
mod erasure_complete;
mod finding;
mod holders;
mod idempotent_answers;
mod law;
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
mod registry;
mod replay_determinism;
mod rules;
mod sales;
mod scope;
mod session_order;
mod slot_history;
mod someone_wins;
mod subject;
mod window;
mod world;

pub use by_answers::{Asked, Survivor};
pub use conclusion::Tally;
pub use contract::{Contract, Expiry};
pub(crate) use finding::slot_text;
pub use laws::{LawOptions, Laws};
pub use registry::LAWS;
