//! A client of the server that survives its connections.
//!
//! Commands, queries and bytes go in; answers, pushes and bytes come out, and a lost connection
//! shows in how long that takes and in nothing else: the session is resumed without another
//! password hash, what was unanswered is asked again under its keys, and pushes go on behind the
//! last one that was handed on. Rooms and groups need nothing: who is in them the server knows.
//!
//! | file | what |
//! |---|---|
//! | `conversation/` | all of it, without a socket, a clock or chance |
//! | `unanswered` | what was asked and may have to be asked again, with its bytes |
//! | `backoff` | how long to stay away |
//! | `shell` | the same over TCP, for programs on tokio: [`connect`] |
//! | `handle` | what such a program asks through: [`Handle`] |
//! | `words` | which word answers which |
//! | `register` | making an account: [`register()`] |
//!
//! Deliberately absent: what the words mean. They are those of [`protocol::words`].

mod backoff;
mod conversation;
mod handle;
mod register;
mod shell;
mod unanswered;
mod words;

pub use backoff::{BACKOFF_FIRST, BACKOFF_MAX};
pub use conversation::{
    Answered, Broken, Conversation, ENTER_TIMEOUT, Event, Identity, OnBusy, Options, PING_AFTER,
    PONG_WITHIN, STEADY_AFTER, Session, Unconsidered, Word,
};
pub use handle::{
    Answer, AskError, Handle, OpenSession, Pushed, Pushes, Status, StatusWatch, new_key,
};
pub use protocol;
pub use register::register;
pub use shell::{connect, start};
pub use unanswered::{GIVE_UP_AFTER, GivenUp};
pub use words::{Ask, Command, Query, Told};

/// Nanoseconds since any instant that stays the same: the caller's clock, which never falls.
pub type Nanos = u64;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
