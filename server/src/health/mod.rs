//! How the server is, for those who run it: `/live`, `/ready` and `/metrics` over HTTP.
//!
//! | file | what |
//! |---|---|
//! | `stats` | the numbers, written by the threads that own them, a few times a second or once a batch |
//! | `counts` | what they are made of: buckets, refusals by code |
//! | `probes` | whether that is alive, and ready |
//! | `machine` | what the process, its files and its disk say |
//! | `metrics` | every figure with its name and meaning, as text for a scraper |
//! | `http` | the listener, on a thread of its own |
//!
//! Nothing here is asked for on the way of a command: the serving thread counts in plain numbers of
//! its own and lays them out beside the clock's tick. Deliberately absent: names, words and
//! addresses of people, in every figure.

mod counts;
mod http;
mod machine;
mod metrics;
mod probes;
mod stats;

#[cfg(test)]
mod tests;

pub use self::stats::{Progress, Stats};
pub(crate) use self::{
    counts::Refusals,
    http::HttpListener,
    stats::{Requests, Serving, Stage},
};
