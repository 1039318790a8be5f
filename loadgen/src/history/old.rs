//! One operation of a history of version 2 or 3, which kept operations and nothing else.
//!
//! ```text
//! record
//!  call u8: its number
//!  flags u8: 0-4 ok, refused, error, timeout, unknown
//!       + 8 the second answer to an operation; with no attempts, to another command under its key
//!       + 16 attempts follow, else it took 1
//!       + 32 seq and hash follow, else they are 0
//!  client n, counter n
//!  completed_at d, ticks rounded up
//!  response n: completed_at - sent_at, ticks
//!  delay n: sent_at - intended_at, ticks
//!  floor d
//!  seq d, the first 8 bytes of the hash: if so flagged
//!  code n: of refused and error
//!  attempts u8: if so flagged
//!  operands n ...: as many as the call has
//! ```
//!
//! `n` and `d` are those of the head of `history`. An interval was only ever made wider, so that an order
//! read from a file is an order of the run. Deliberately absent: writing it.

use std::borrow::Cow;

use protocol::ChainHash;

use super::{
    Event,
    number::{take, take_bytes, take_distance, take_number},
    record::take_outcome,
};
use crate::operation::{Call, Nanos, Observed, Operation};

/// What the times of such a history are counted in.
pub(crate) const TICK: Nanos = 100;
/// How much such a history keeps of a hash.
pub(crate) const HASH_BYTES: usize = 8;

const OUTCOME: u8 = 0b0000_0111;
const DUPLICATE: u8 = 0b0000_1000;
const RETRIED: u8 = 0b0001_0000;
const POSITION: u8 = 0b0010_0000;
const FLAGS: u8 = OUTCOME | DUPLICATE | RETRIED | POSITION;

/// The record before, as far as the next one is told against it; zeros before the first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Base {
    completed: u64,
    floor: u64,
    seq: u64,
}

/// Takes one record. `None` if no writer writes it.
pub(super) fn decode(rest: &mut &[u8], base: &mut Base) -> Option<Event<'static>> {
    let [call, flags] = take_bytes(rest)?;
    if flags & !FLAGS != 0 {
        return None;
    }
    let client = take(rest)?;
    let counter = take(rest)?;
    let times = decode_times(rest, base)?;
    base.floor = take_distance(rest, base.floor)?;
    let (mut seq, mut hash) = (0, ChainHash::START);
    if flags & POSITION != 0 {
        base.seq = take_distance(rest, base.seq)?;
        seq = base.seq;
        hash.0[..HASH_BYTES].copy_from_slice(&take_bytes::<HASH_BYTES>(rest)?);
    }
    let outcome = take_outcome(flags & OUTCOME, rest)?;
    let [attempts] = if flags & RETRIED == 0 {
        [1]
    } else {
        take_bytes(rest)?
    };
    let operation = Operation {
        client,
        counter,
        call: Call::from_operands(call, || take_number(rest))?,
        intended_at: times.intended_at,
        sent_at: times.sent_at,
        completed_at: times.completed_at,
        floor: base.floor,
        outcome,
        seq,
        hash,
        attempts,
    };
    Some(if flags & DUPLICATE != 0 {
        Event::Second(operation)
    } else {
        Event::Completed {
            operation,
            observed: Cow::Owned(Observed::Nothing),
        }
    })
}

/// The instants of an operation.
struct Times {
    intended_at: Nanos,
    sent_at: Nanos,
    completed_at: Nanos,
}

fn decode_times(rest: &mut &[u8], base: &mut Base) -> Option<Times> {
    base.completed = take_distance(rest, base.completed)?;
    let sent = base.completed.checked_sub(take_number(rest)?)?;
    let intended = sent.checked_sub(take_number(rest)?)?;
    Some(Times {
        intended_at: intended.saturating_mul(TICK),
        sent_at: sent.saturating_mul(TICK),
        completed_at: base.completed.saturating_mul(TICK),
    })
}
