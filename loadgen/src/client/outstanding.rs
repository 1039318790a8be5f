//! A call from when it is asked until it is a finished operation, and what else waits for an answer.
//!
//! What waits goes in with what became of it; finished calls come out. Deliberately absent: the
//! conversation that waiting is done in, and the client's own memory.

use protocol::{ChainHash, Seq, outcome::Outcome as Decided};

use super::told::{Finished, Told};
use crate::{
    contention::Entry,
    operation::{Answer, Nanos, Observed, Operation, Outcome},
    wire,
};

/// The most attempts that are told apart: a history keeps seven bits of them.
pub(super) const ATTEMPTS_MAX: u8 = 127;

/// What comes back with an answer.
#[derive(Debug)]
pub(super) enum Tag {
    /// A call.
    Call(Outstanding),
    /// A command asked again on purpose, and its first answer.
    Again {
        first: Box<Operation>,
        sent_at: Nanos,
    },
    /// Another command under the key of this one, on purpose.
    Reused {
        first: Box<Operation>,
        sent_at: Nanos,
    },
    /// Which conversations there are, and how long: no operation, but the driver's own question.
    Standing,
}

/// An unanswered call.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) operation: Operation,
    pub(super) run: u32,
    pub(super) entry: Entry,
}

/// The call with its answer; unread if what was accepted is no answer to it. Then nobody knows what became
/// of it.
pub(super) fn finish(
    mut call: Outstanding,
    attempts: u8,
    position: (Seq, ChainHash),
    (decided, scratch): (Decided<'_>, &mut Vec<u8>),
    now: Nanos,
) -> Told {
    call.operation.attempts = attempts;
    let observed = match decided {
        Decided::Accepted { kind, schema, body } => {
            match wire::observe(&call.operation.call, kind, schema, body) {
                Ok(observed) => observed,
                Err(error) => {
                    return Told::Unread {
                        call: call.finish_without(Outcome::Unknown, now),
                        why: error.into(),
                    };
                }
            }
        }
        Decided::Refused(_) => Observed::Nothing,
    };
    let is_command = !call.operation.call.is_query();
    let answer = is_command.then(|| Answer::of(&decided, scratch));
    Told::Finished(Finished {
        operation: complete(call.operation, outcome(&decided), position, now),
        observed,
        answer,
        run: call.run,
        entry: call.entry,
        // Only what was lost with its connection is sent again.
        was_cut_off: 1 < attempts,
        newest_at_return: 0,
    })
}

pub(super) fn tell_again(
    first: Operation,
    sent_at: Nanos,
    position: (Seq, ChainHash),
    outcome: Outcome,
    now: Nanos,
) -> Told {
    let again = Operation {
        intended_at: sent_at,
        sent_at,
        ..first
    };
    let second = complete(again, outcome, position, now);
    Told::Duplicate { first, second }
}

pub(super) const fn outcome(decided: &Decided<'_>) -> Outcome {
    match decided {
        Decided::Accepted { .. } => Outcome::Ok,
        Decided::Refused(refusal) => Outcome::Refused(refusal.code),
    }
}

impl Outstanding {
    pub(super) fn finish_without(self, outcome: Outcome, now: Nanos) -> Finished {
        let nowhere = (Seq(0), ChainHash::START);
        Finished {
            was_cut_off: false,
            operation: complete(self.operation, outcome, nowhere, now),
            observed: Observed::Nothing,
            answer: None,
            run: self.run,
            entry: self.entry,
            newest_at_return: 0,
        }
    }
}

fn complete(
    operation: Operation,
    outcome: Outcome,
    (seq, hash): (Seq, ChainHash),
    now: Nanos,
) -> Operation {
    Operation {
        completed_at: now,
        outcome,
        seq: seq.0,
        hash,
        ..operation
    }
}
