//! What waits for a batch, and what is let go of when it is durable.
//!
//! The engine puts in whatever is to be said, beside the batch that it must wait for; `Released` shows it in
//! the order of the log, and nothing else does. Deliberately absent: when that is.

use std::ops::Range;

use protocol::{Refusal, Seq};

use crate::{
    domain::{Membership, Stream, systems::PushBytes},
    log::{Batch, Head},
};

/// Where an answer goes: a connection and the number its client gave the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The connection, as the shell numbers them.
    pub connection: u64,
    /// The client's number for the request.
    pub correlation: u64,
}

/// What may leave, in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release<'a> {
    /// An answer to a command or a query.
    Answer {
        /// Where it goes.
        origin: Origin,
        /// The position it holds at, and the hash there.
        at: Head,
        /// See [`protocol::outcome`].
        outcome: &'a [u8],
        /// Whether it is what a query read, and not what became of a command.
        is_read: bool,
    },
    /// The answer to a command that was decided before: it is in the log.
    Again {
        /// Where it goes.
        origin: Origin,
        /// Its position, which is durable.
        seq: Seq,
    },
    /// Why something was not considered.
    Refused {
        /// Where it goes.
        origin: Origin,
        /// Why.
        refusal: Refusal,
    },
    /// A connection has lost its session, and may know.
    Ended {
        /// Which connection.
        connection: u64,
    },
    /// What others are told of an event.
    Push {
        /// Where it happened, and the hash there.
        at: Head,
        /// Whom, and what.
        push: &'a PushBytes,
    },
    /// Somebody begins or ceases to follow something.
    Membership {
        /// Where that happened.
        seq: Seq,
        /// Who, and what.
        membership: Membership,
    },
    /// A connection is told pushes from now on.
    Subscribed {
        /// Where the answer goes.
        origin: Origin,
        /// The position it holds at, and the hash there.
        at: Head,
        /// The last position it has.
        from: Seq,
        /// What its person follows at that position, each from which position on.
        follows: &'a [(Stream, Seq)],
    },
}

/// Something that waits for a batch.
#[derive(Debug)]
pub(super) enum Waiting {
    Command {
        origin: Origin,
        row: usize,
    },
    Push {
        row: usize,
        push: Box<PushBytes>,
    },
    Membership {
        seq: Seq,
        membership: Membership,
    },
    Subscribed {
        origin: Origin,
        at: Head,
        from: Seq,
        follows: Box<[(Stream, Seq)]>,
    },
    Read {
        origin: Origin,
        at: Head,
        outcome: Range<usize>,
    },
    Again {
        origin: Origin,
        seq: Seq,
    },
    Refused {
        origin: Origin,
        refusal: Refusal,
    },
    Ended {
        connection: u64,
    },
}

/// A batch and what waits for it.
#[derive(Debug, Default)]
pub(super) struct PendingBatch {
    pub(super) batch: Batch,
    pub(super) waiting: Vec<Waiting>,
    /// Outcomes of reads that wait.
    pub(super) reads: Vec<u8>,
}

impl PendingBatch {
    fn release<'a>(&'a self, waiting: &'a Waiting) -> Release<'a> {
        match *waiting {
            Waiting::Command { origin, row } => {
                let (at, outcome) = self.row(row);
                Release::Answer {
                    origin,
                    at,
                    outcome,
                    is_read: false,
                }
            }
            Waiting::Push { row, ref push } => {
                let (at, _) = self.row(row);
                Release::Push { at, push }
            }
            Waiting::Membership { seq, membership } => Release::Membership { seq, membership },
            Waiting::Subscribed {
                origin,
                at,
                from,
                ref follows,
            } => Release::Subscribed {
                origin,
                at,
                from,
                follows,
            },
            Waiting::Read {
                origin,
                at,
                ref outcome,
            } => Release::Answer {
                origin,
                at,
                outcome: &self.reads[outcome.clone()],
                is_read: true,
            },
            Waiting::Again { origin, seq } => Release::Again { origin, seq },
            Waiting::Refused { origin, refusal } => Release::Refused { origin, refusal },
            Waiting::Ended { connection } => Release::Ended { connection },
        }
    }

    fn row(&self, row: usize) -> (Head, &[u8]) {
        let row = self.batch.row(row);
        let at = Head {
            seq: row.record.seq,
            hash: row.hash,
        };
        (at, row.record.outcome)
    }
}

/// What was let go of together: proved durable, or said of nothing but what is.
#[derive(Debug)]
pub struct Released(pub(super) PendingBatch);

impl Released {
    /// Whether somebody was erased by what was let go of.
    #[must_use]
    pub fn is_anybody_erased(&self) -> bool {
        !self.0.batch.leaving().is_empty()
    }

    /// Shows every release in the order of the log.
    pub fn for_each(&self, mut visit: impl FnMut(Release<'_>)) {
        for waiting in &self.0.waiting {
            visit(self.0.release(waiting));
        }
    }
}
