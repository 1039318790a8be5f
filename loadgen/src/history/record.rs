//! One operation of a history in bytes, told against the one before it.
//!
//! The layout is drawn in the head of `history`. Deliberately absent: blocks, files, and what a
//! call's operands mean (see [`Call::from_operands`]).

use protocol::Code;

use super::{
    HistoryEntry, RECORD_BYTES_MAX, TICK,
    number::{Pen, take, take_bytes, take_distance, take_number},
};
use crate::operation::{Call, Nanos, Operation, Outcome};

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

/// Writes one record. Returns its bytes.
pub(super) fn encode(
    entry: &HistoryEntry,
    base: &mut Base,
    into: &mut [u8; RECORD_BYTES_MAX],
) -> usize {
    let operation = &entry.operation;
    let mut pen = Pen::new(into);
    let call = operation.call.number();
    pen.bytes([call, flags(entry)]);
    pen.number(operation.client.into());
    pen.number(operation.counter.into());
    encode_times(operation, base, &mut pen);
    pen.distance(operation.floor, base.floor);
    base.floor = operation.floor;
    if has_position(operation) {
        pen.distance(operation.seq, base.seq);
        pen.bytes(operation.hash.to_le_bytes());
        base.seq = operation.seq;
    }
    match operation.outcome {
        Outcome::Refused(code) | Outcome::Error(code) => pen.number(code.0.into()),
        Outcome::Ok | Outcome::Timeout | Outcome::Unknown => {}
    }
    if operation.attempts != 1 {
        pen.bytes([operation.attempts]);
    }
    operation
        .call
        .for_each_operand(|operand| pen.number(operand));
    pen.written()
}

/// Takes one record. `None` if no writer writes it.
pub(super) fn decode(rest: &mut &[u8], base: &mut Base) -> Option<HistoryEntry> {
    let [call, flags] = take_bytes(rest)?;
    if flags & !FLAGS != 0 {
        return None;
    }
    let client = take(rest)?;
    let counter = take(rest)?;
    let times = decode_times(rest, base)?;
    base.floor = take_distance(rest, base.floor)?;
    let (mut seq, mut hash) = (0, 0);
    if flags & POSITION != 0 {
        base.seq = take_distance(rest, base.seq)?;
        seq = base.seq;
        hash = u64::from_le_bytes(take_bytes(rest)?);
    }
    let outcome = decode_outcome(flags & OUTCOME, rest)?;
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
    Some(HistoryEntry {
        operation,
        duplicate: flags & DUPLICATE != 0,
    })
}

fn flags(entry: &HistoryEntry) -> u8 {
    let outcome = match entry.operation.outcome {
        Outcome::Ok => 0,
        Outcome::Refused(_) => 1,
        Outcome::Error(_) => 2,
        Outcome::Timeout => 3,
        Outcome::Unknown => 4,
    };
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    outcome
        | flag(entry.duplicate, DUPLICATE)
        | flag(entry.operation.attempts != 1, RETRIED)
        | flag(has_position(&entry.operation), POSITION)
}

const fn has_position(operation: &Operation) -> bool {
    operation.seq != 0 || operation.hash != 0
}

fn decode_outcome(tag: u8, rest: &mut &[u8]) -> Option<Outcome> {
    match tag {
        0 => Some(Outcome::Ok),
        1 => take(rest).map(Code).map(Outcome::Refused),
        2 => take(rest).map(Code).map(Outcome::Error),
        3 => Some(Outcome::Timeout),
        4 => Some(Outcome::Unknown),
        _no_writer_writes => None,
    }
}

/// The instants of an operation.
struct Times {
    intended_at: Nanos,
    sent_at: Nanos,
    completed_at: Nanos,
}

/// Records stand in the order in which outcomes became known, so that instant is the one that is
/// near its neighbour's. The ends of the interval are rounded away from each other.
fn encode_times(operation: &Operation, base: &mut Base, pen: &mut Pen<'_>) {
    let completed = operation.completed_at.div_ceil(TICK);
    // What was never so must not become a longer way round 2^64.
    let sent = (operation.sent_at / TICK).min(completed);
    let intended = (operation.intended_at / TICK).min(sent);
    pen.distance(completed, base.completed);
    pen.number(completed - sent);
    pen.number(sent - intended);
    base.completed = completed;
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
