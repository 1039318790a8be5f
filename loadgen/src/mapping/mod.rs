//! Other people's servers: how one is spoken to over HTTP, and what its answers mean.
//!
//! A `target.toml` goes in; a checked [`Mapping`] comes out, or one error that points at the offending
//! text. From it come calls as HTTP requests and answers in the one vocabulary of outcomes: ok, refused
//! with a reason, error (definitely not done), unknown (may have happened). When in doubt an answer is
//! unknown: that is never wrong, only weaker.
//!
//! | file | what |
//! |---|---|
//! | `file` | the shape of the file, for serde and its schema |
//! | `read` | the file checked: every name known, every place of a call filled |
//! | `template` | texts with places to fill in |
//! | `path` | the subset of JSONPath by which values are taken out of answers |
//! | `request` | a call as an HTTP request, an answer as what it means |
//! | `exchange` | one request and its answer over one connection |
//! | `book` | which bookings were given to whom, and which of them a read shows |
//! | `skeleton` | a file to begin with, out of an OpenAPI description |
//! | `target` | all of that as a [`crate::target::Target`] of the driver |
//!
//! Deliberately absent: processes (`run`), and what may be judged without a log (`check`).

mod book;
mod exchange;
mod file;
mod path;
mod read;
mod request;
mod skeleton;
mod target;
mod template;

pub(crate) use self::target::{holders_of, name_of};
pub use self::{
    exchange::{ANSWER_MAX, BODY_BYTES_MAX, Exchanged, Link, exchange},
    file::schema,
    path::Path,
    read::{Mapping, MappingError, Names, ProcessSpec, Ready, Who},
    request::{Meaning, Request, Understood},
    skeleton::skeleton,
    target::{HttpTarget, Person, SlotNames, Surprises},
    template::{Scope, Template},
};
