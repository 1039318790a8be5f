//! Numbers to words: the record of a run, and what people and machines read of it.
//!
//! Knows no server and no socket: a record goes in, text goes out.

pub mod caution;
pub mod checked;
pub mod compare;
pub mod histogram;
pub mod live;
pub mod printable;
pub mod read;
pub mod record;
pub mod render;
pub mod verdict;
