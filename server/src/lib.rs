//! An event-sourced server: every command appended to one log, every state rebuilt from it.
//!
//! Bytes arrive at `net`, become requests in `session`, are decided by `engine` with the rules of
//! `domain`, made durable by `writer` on `log`, and leave again only then.

pub mod domain;
pub mod inspect;
pub mod log;
