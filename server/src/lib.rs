//! An event-sourced server: every command appended to one log, every state rebuilt from it.
//!
//! Bytes arrive at `net`, become demands in `session`, are decided by `engine` with the rules of
//! `domain`, made durable by `writer` on `log`, and leave again only then. `hub` holds the
//! conversations together; `serve` starts and stops all of it; `snapshot` keeps states for the next start, `disk` is what all files stand on.

pub mod admin;
pub mod archive;
pub mod audit;
pub mod auth;
pub mod backup;
mod belonging;
mod chunked_vec;
pub mod clock;
mod clock_check;
mod complaints;
pub mod config;
pub mod disk;
pub mod domain;
pub mod engine;
mod fair;
pub mod feed;
mod growth;
pub mod hashing;
pub mod health;
pub mod hub;
mod index;
pub mod inspect;
pub mod keyring;
pub mod keys;
pub mod line;
pub mod log;
pub mod log_in;
mod modes;
pub mod net;
pub mod passwords;
pub mod presence;
#[cfg(test)]
mod promised;
pub mod recover;
pub mod reerase;
mod secret;
pub mod serve;
pub mod session;
pub mod snapshot;
mod spill_file;
mod stream_key;
#[cfg(feature = "planted-bugs")]
pub mod tamper;
pub mod time_base;
mod u40;
pub mod writer;

pub use config::ServerConfig;

pub use serve::{Ready, ServeError, serve};
