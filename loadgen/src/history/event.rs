//! One thing that the laws were told, as a value.
//!
//! Calls of [`Observer`] go in through a [`Recording`](super::Recording), with what the laws know of a run
//! before its load and after it; played to an observer, events are those calls again, in the same order.
//! Deliberately absent: bytes (`record`).

use std::borrow::Cow;

use protocol::{ChainHash, UserId, words::presence::Signal};
use serde::{Deserialize, Serialize};

use crate::{
    check::LawOptions,
    operation::{
        Answer, Call, KeyMint, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome,
        Push,
    },
};

/// One thing that the laws were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// What the laws know of the run before it begins: the first event of a history.
    Setup(Cow<'a, Setup>),
    /// A client of the run is logged in as somebody.
    Client {
        /// Which.
        client: u32,
        /// As whom.
        user: UserId,
    },
    /// See [`Observer::handle_invoke`].
    Invoked {
        /// Who asks.
        client: u32,
        /// The client's own count.
        counter: u32,
        /// What.
        call: Call,
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_answer`].
    Answered {
        /// What was asked, and what became of it.
        operation: Operation,
        /// What the answer says.
        answer: Answer,
    },
    /// See [`Observer::handle_complete`].
    Completed {
        /// What was asked, and what became of it.
        operation: Operation,
        /// What the answer showed.
        observed: Cow<'a, Observed>,
    },
    /// See [`Observer::handle_duplicate`].
    Duplicate {
        /// The first answer.
        first: Operation,
        /// The second.
        second: Operation,
    },
    /// See [`Observer::handle_reused`].
    Reused {
        /// What the key had been used for.
        first: Operation,
        /// What became of the other command.
        outcome: Outcome,
    },
    /// See [`Observer::handle_push`].
    Pushed {
        /// To whom.
        client: u32,
        /// As of which position.
        seq: u64,
        /// The log's hash there.
        hash: ChainHash,
        /// What.
        push: Cow<'a, Push>,
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_signal`].
    Signal {
        /// Who says it.
        client: u32,
        /// What.
        signal: Cow<'a, Signal>,
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_news`].
    News {
        /// Who hears it.
        client: u32,
        /// What.
        news: Cow<'a, News>,
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_link`].
    Link {
        /// Whose connection.
        client: u32,
        /// What became of it.
        change: LinkChange,
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_fault`].
    Fault {
        /// When.
        at: Nanos,
    },
    /// See [`Observer::handle_drained`].
    Drained {
        /// Who waited.
        client: u32,
        /// Up to which position.
        seq: u64,
        /// Whether nothing more is on its way.
        is_settled: bool,
    },
    /// What was read of the server when the load was over: the last event of a history.
    Ended(Ended),
    /// The second answer to a command, or with no attempts what became of another command under its key:
    /// of a history before version 4, which does not keep the first beside it.
    Second(Operation),
}

/// What the laws know of a run before its load, beside what the header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The laws that the scenario requires.
    pub required: Vec<String>,
    /// Clients, numbered from 0.
    pub clients: u32,
    /// Whether the server was the run's alone.
    pub is_alone: bool,
    /// Entries in a page of bookings.
    pub page_len: u16,
    /// As in [`LawOptions`].
    pub hold_slack: Nanos,
    /// As in [`LawOptions`].
    pub presence_slack: Nanos,
    /// The server's wall clock when the run began, milliseconds since 1970-01-01 UTC, where it was known.
    pub wall_at_start: Option<u64>,
}

/// What was read of the server when the load was over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// Position and hash of the live state.
    pub live: Option<(u64, u128)>,
    /// The same of a replay.
    pub replayed: Option<(u64, u128)>,
    /// The last position of the log that the laws were shown; `None` if it could not be read to its end.
    pub read_upto: Option<u64>,
}

impl Setup {
    /// What of these options is the run's. The mint and the capacity stand in the header; how much memory
    /// and how many steps may be spent is for whoever judges to say.
    #[must_use]
    pub fn of(options: &LawOptions) -> Self {
        let LawOptions {
            mint: _,
            capacity: _,
            memory_bytes_max: _,
            search_steps_max: _,
            hash_bytes: _,
            // What somebody's own server promises is asked of it after the run, and not in the history.
            contract: _,
            required,
            clients,
            is_alone,
            page_len,
            hold_slack,
            presence_slack,
            wall_at_start,
        } = options;
        Self {
            required: required.clone(),
            clients: *clients,
            is_alone: *is_alone,
            page_len: *page_len,
            hold_slack: *hold_slack,
            presence_slack: *presence_slack,
            wall_at_start: *wall_at_start,
        }
    }

    /// The options of laws that judge the run again.
    #[must_use]
    pub fn options(self, mint: KeyMint, capacity: u32) -> LawOptions {
        LawOptions {
            required: self.required,
            is_alone: self.is_alone,
            page_len: self.page_len,
            hold_slack: self.hold_slack,
            presence_slack: self.presence_slack,
            wall_at_start: self.wall_at_start,
            ..LawOptions::new(mint, capacity, self.clients)
        }
    }
}

impl Event<'_> {
    /// Tells an observer what was told when this was recorded. Nothing, of what no observer is told: who
    /// the clients are, and what was read after the load.
    pub fn play(&self, observer: &mut impl Observer) {
        match self {
            Self::Invoked {
                client,
                counter,
                call,
                at,
            } => {
                // It was noted in the operation when the run went on.
                let _floor = observer.handle_invoke(*client, *counter, call, *at);
            }
            Self::Answered { operation, answer } => observer.handle_answer(operation, answer),
            Self::Completed {
                operation,
                observed,
            } => observer.handle_complete(operation, observed),
            Self::Duplicate { first, second } => observer.handle_duplicate(first, second),
            Self::Reused { first, outcome } => observer.handle_reused(first, *outcome),
            Self::Pushed {
                client,
                seq,
                hash,
                push,
                at,
            } => observer.handle_push(*client, (*seq, *hash), push, *at),
            Self::Signal { client, signal, at } => observer.handle_signal(*client, signal, *at),
            Self::News { client, news, at } => observer.handle_news(*client, news, *at),
            Self::Link { client, change, at } => observer.handle_link(*client, *change, *at),
            Self::Fault { at } => observer.handle_fault(*at),
            Self::Drained {
                client,
                seq,
                is_settled,
            } => observer.handle_drained(*client, *seq, *is_settled),
            Self::Setup(_) | Self::Client { .. } | Self::Ended(_) | Self::Second(_) => {}
        }
    }
}
