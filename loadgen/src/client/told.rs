//! What a client is asked, and what it tells: plain values between it and the driver.
//!
//! Deliberately absent: how the one becomes the other (`asking`, `hearing`).

use ::client::Broken;
use protocol::{ChainHash, words::WordError};

use crate::{
    contention::Entry,
    operation::{Answer, Call, Nanos, News, Observed, Operation, Outcome, Push},
};

/// A call and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// What to ask.
    pub call: Call,
    /// When the schedule wanted it.
    pub intended_at: Nanos,
    /// When it leaves.
    pub sent_at: Nanos,
    /// The floor that was shown when it left.
    pub floor: u64,
    /// What of the driver's it belongs to; handed back with the answer.
    pub run: u32,
    /// Its place in the books of contention; handed back with the answer.
    pub entry: Entry,
}

/// A finished call.
#[derive(Debug)]
pub struct Finished {
    /// What was asked and what became of it.
    pub operation: Operation,
    /// What the answer showed.
    pub observed: Observed,
    /// What the answer says, if it is one to a command.
    pub answer: Option<Answer>,
    /// As in [`Ask`].
    pub run: u32,
    /// As in [`Ask`].
    pub entry: Entry,
    /// Whether it was answered after it had lost a connection on which it was outstanding.
    pub was_cut_off: bool,
    /// The newest position when its client came back the last time, before it was asked again: what
    /// stands at or before it had happened already.
    pub newest_at_return: u64,
}

/// What a server's frame came to.
#[derive(Debug)]
pub enum Told {
    /// A call was answered.
    Finished(Finished),
    /// A command asked again on purpose was answered again.
    Duplicate {
        /// The first answer.
        first: Operation,
        /// The second.
        second: Operation,
    },
    /// A key was used again on purpose, for another command.
    Reused {
        /// What it had been used for.
        first: Operation,
        /// What became of the other command.
        outcome: Outcome,
    },
    /// Pushes from behind this position follow.
    Subscribed {
        /// The last position that the client has.
        from: u64,
        /// The newest one there was: what lies between is what it missed.
        newest: u64,
    },
    /// Something the client did not ask for.
    Pushed {
        /// Where it happened, and the log's hash there.
        position: (u64, ChainHash),
        /// What.
        push: Push,
    },
    /// Something in passing.
    News(News),
    /// What is no answer to the call that it says it answers: the connection is of no further use.
    Unread {
        /// The call. Nobody knows what became of it.
        call: Finished,
        /// What is wrong with it.
        why: ClientError,
    },
    /// How far its conversations are is known, or so far as one page says.
    Standing,
    /// A word of no consequence.
    Nothing,
}

/// A call that got no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// A call that counts.
    Call(Box<Finished>),
    /// A command asked again on purpose, or another one under its key: its first answer has been
    /// counted.
    Duplicate,
    /// The driver's own question.
    Standing,
}

/// Bytes that are no conversation. The connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The conversation says so.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// No word where one was promised.
    #[error(transparent)]
    Word(#[from] WordError),
}

impl ClientError {
    /// Whether the server said what this program does not understand, rather than that it ends the
    /// connection, or nothing at all.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        match self {
            Self::Word(_) => true,
            Self::Broken(broken) => match broken {
                Broken::Frame(_)
                | Broken::Message(_)
                | Broken::Outcome(_)
                | Broken::Word(_)
                | Broken::OtherAnswer => true,
                Broken::Closing(_) | Broken::NotTaken(_) | Broken::Silent(_) => false,
            },
        }
    }
}
