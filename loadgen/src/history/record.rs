//! One event of a history in bytes, told against the ones before it in its block.
//!
//! The layout is drawn in the head of `history`. Deliberately absent: blocks, files, and what a call's
//! operands mean (see [`Call::from_operands`]).

use std::{borrow::Cow, io};

use protocol::{ChainHash, Code, Kind, UserId, codec, words::presence::Signal};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Event, RECORD_BYTES_MAX,
    number::{Pen, take, take_bytes, take_distance, take_number},
};
use crate::operation::{Answer, Call, Nanos, Observed, Operation, Outcome};

const SETUP: u8 = 1;
const CLIENT: u8 = 2;
const INVOKED: u8 = 3;
const COMPLETED: u8 = 4;
const DUPLICATE: u8 = 5;
const REUSED: u8 = 6;
const PUSHED: u8 = 7;
const SIGNAL: u8 = 8;
const NEWS: u8 = 9;
const LINK: u8 = 10;
const FAULT: u8 = 11;
const DRAINED: u8 = 12;
const ENDED: u8 = 13;
const ANSWERED: u8 = 14;
/// Of the operation whose answer stands right before it.
const COMPLETED_SO: u8 = 15;

const OUTCOME: u8 = 0b0000_0111;
const SAME_HASH: u8 = 0b0000_1000;
const RETRIED: u8 = 0b0001_0000;
const POSITION: u8 = 0b0010_0000;
const FLAGS: u8 = OUTCOME | SAME_HASH | RETRIED | POSITION;

/// What the next record is told against; zeros before the first of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    at: Nanos,
    floor: u64,
    seq: u64,
    hash: ChainHash,
    /// The operation whose answer was the record before.
    answered: Option<Operation>,
}

impl Base {
    pub(super) const START: Self = Self {
        at: 0,
        floor: 0,
        seq: 0,
        hash: ChainHash::START,
        answered: None,
    };
}

/// Appends one record to `block`.
///
/// # Errors
/// If what was shown is larger than a record may be.
pub(super) fn encode(
    event: &Event<'_>,
    base: &mut Base,
    (pen, block): (&mut Pen, &mut Vec<u8>),
) -> io::Result<()> {
    pen.clear();
    match event {
        Event::Setup(setup) => put(SETUP, setup.as_ref(), (pen, block)),
        Event::Ended(ended) => put(ENDED, ended, (pen, block)),
        Event::Client { client, user } => {
            pen.bytes([CLIENT]);
            pen.number(u64::from(*client));
            pen.number(user.0);
            finish(pen, block)
        }
        Event::Invoked {
            client,
            counter,
            call,
            at,
        } => {
            put_head(pen, INVOKED, (*client, *at), base);
            pen.number(u64::from(*counter));
            pen.bytes([call.number()]);
            call.for_each_operand(|operand| pen.number(operand));
            finish(pen, block)
        }
        Event::Completed {
            operation,
            observed,
        } => {
            if base.answered.take() == Some(*operation) {
                pen.bytes([COMPLETED_SO]);
            } else {
                pen.bytes([COMPLETED]);
                put_operation(operation, base, pen);
            }
            match observed.as_ref() {
                Observed::Nothing => pen.number(0),
                shown => return put_shown(shown, (pen, block)),
            }
            finish(pen, block)
        }
        Event::Answered { operation, answer } => put_answer(operation, answer, base, (pen, block)),
        Event::Duplicate { first, second } => {
            pen.bytes([DUPLICATE]);
            put_operation(first, base, pen);
            put_operation(second, base, pen);
            finish(pen, block)
        }
        Event::Reused { first, outcome } => {
            pen.bytes([REUSED]);
            put_operation(first, base, pen);
            pen.bytes([tag_of(*outcome)]);
            put_code(*outcome, pen);
            finish(pen, block)
        }
        Event::Pushed { .. }
        | Event::Signal { .. }
        | Event::News { .. }
        | Event::Link { .. }
        | Event::Fault { .. }
        | Event::Drained { .. } => encode_passing(event, base, (pen, block)),
        Event::Second(_) => Err(nobody_writes()),
    }
}

fn put_answer(
    operation: &Operation,
    answer: &Answer,
    base: &mut Base,
    (pen, block): (&mut Pen, &mut Vec<u8>),
) -> io::Result<()> {
    pen.bytes([ANSWERED]);
    put_operation(operation, base, pen);
    base.answered = Some(*operation);
    let (digest, bytes) = answer.parts();
    pen.bytes(digest.to_le_bytes());
    pen.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    finish(pen, block)?;
    block.extend_from_slice(bytes);
    Ok(())
}

/// What happens beside calls and answers.
fn encode_passing(
    event: &Event<'_>,
    base: &mut Base,
    (pen, block): (&mut Pen, &mut Vec<u8>),
) -> io::Result<()> {
    match event {
        Event::Pushed {
            client,
            seq,
            hash,
            push,
            at,
        } => {
            put_head(pen, PUSHED, (*client, *at), base);
            let is_same = *hash == base.hash;
            pen.bytes([if is_same { SAME_HASH } else { 0 }]);
            put_position((*seq, *hash), is_same, base, pen);
            put_shown(push.as_ref(), (pen, block))
        }
        Event::Signal { client, signal, at } => {
            put_head(pen, SIGNAL, (*client, *at), base);
            put_shown(&Said::of(signal), (pen, block))
        }
        Event::News { client, news, at } => {
            put_head(pen, NEWS, (*client, *at), base);
            put_shown(news.as_ref(), (pen, block))
        }
        Event::Link { client, change, at } => {
            put_head(pen, LINK, (*client, *at), base);
            put_shown(change, (pen, block))
        }
        Event::Fault { at } => {
            put_head(pen, FAULT, (0, *at), base);
            finish(pen, block)
        }
        Event::Drained {
            client,
            seq,
            is_settled,
        } => {
            pen.bytes([DRAINED, u8::from(*is_settled)]);
            pen.number(u64::from(*client));
            pen.number(*seq);
            finish(pen, block)
        }
        _of_another_kind => Err(nobody_writes()),
    }
}

fn nobody_writes() -> io::Error {
    io::Error::other("an event of an older version's history is written into no new one")
}

/// Takes one record. `None` if no writer writes it.
pub(super) fn decode(rest: &mut &[u8], base: &mut Base) -> Option<Event<'static>> {
    let [kind] = take_bytes(rest)?;
    Some(match kind {
        SETUP => Event::Setup(Cow::Owned(take_shown(rest)?)),
        CLIENT => Event::Client {
            client: take(rest)?,
            user: UserId(take_number(rest)?),
        },
        INVOKED => {
            let (client, at) = take_head(rest, base)?;
            let counter = take(rest)?;
            let [call] = take_bytes(rest)?;
            let call = Call::from_operands(call, || take_number(rest))?;
            Event::Invoked {
                client,
                counter,
                call,
                at,
            }
        }
        COMPLETED => {
            let operation = take_operation(rest, base)?;
            base.answered = None;
            let observed = Cow::Owned(take_observed(rest)?);
            Event::Completed {
                operation,
                observed,
            }
        }
        ANSWERED => {
            let operation = take_operation(rest, base)?;
            base.answered = Some(operation);
            let digest = u64::from_le_bytes(take_bytes(rest)?);
            let answer = Answer::from_parts(digest, take_bytes_of(rest)?)?;
            Event::Answered { operation, answer }
        }
        COMPLETED_SO => {
            let operation = base.answered.take()?;
            let observed = Cow::Owned(take_observed(rest)?);
            Event::Completed {
                operation,
                observed,
            }
        }
        DUPLICATE => Event::Duplicate {
            first: take_operation(rest, base)?,
            second: take_operation(rest, base)?,
        },
        REUSED => {
            let first = take_operation(rest, base)?;
            let [tag] = take_bytes(rest)?;
            let outcome = take_outcome(tag, rest)?;
            Event::Reused { first, outcome }
        }
        FAULT => {
            let (_client, at) = take_head(rest, base)?;
            Event::Fault { at }
        }
        DRAINED => Event::Drained {
            is_settled: take_flag(rest, 1)?,
            client: take(rest)?,
            seq: take_number(rest)?,
        },
        ENDED => Event::Ended(take_shown(rest)?),
        kind => return decode_passing(kind, rest, base),
    })
}

/// The reverse of [`encode_passing`].
fn decode_passing(kind: u8, rest: &mut &[u8], base: &mut Base) -> Option<Event<'static>> {
    Some(match kind {
        PUSHED => {
            let (client, at) = take_head(rest, base)?;
            let is_same = take_flag(rest, SAME_HASH)?;
            let (seq, hash) = take_position(rest, is_same, base)?;
            let push = Cow::Owned(take_shown(rest)?);
            Event::Pushed {
                client,
                seq,
                hash,
                push,
                at,
            }
        }
        SIGNAL => {
            let (client, at) = take_head(rest, base)?;
            let signal = Cow::Owned(take_shown::<Said>(rest)?.signal()?);
            Event::Signal { client, signal, at }
        }
        NEWS => {
            let (client, at) = take_head(rest, base)?;
            let news = Cow::Owned(take_shown(rest)?);
            Event::News { client, news, at }
        }
        LINK => {
            let (client, at) = take_head(rest, base)?;
            let change = take_shown(rest)?;
            Event::Link { client, change, at }
        }
        _no_writer_writes => return None,
    })
}

/// Takes one record, and of what it shows no more than its length: for whoever wants the operations.
pub(super) fn skim(rest: &mut &[u8], base: &mut Base) -> Option<Option<Operation>> {
    let kind = *rest.first()?;
    if kind == COMPLETED || kind == COMPLETED_SO {
        let [_kind] = take_bytes(rest)?;
        let operation = match base.answered.take() {
            Some(answered) if kind == COMPLETED_SO => answered,
            None if kind == COMPLETED_SO => return None,
            Some(_) | None => take_operation(rest, base)?,
        };
        skip_shown(rest)?;
        return Some(Some(operation));
    }
    let payload = matches!(kind, PUSHED | NEWS | SIGNAL);
    if !payload {
        return decode(rest, base).map(|_event| None);
    }
    let [_kind] = take_bytes(rest)?;
    take_head(rest, base)?;
    if kind == PUSHED {
        let is_same = take_flag(rest, SAME_HASH)?;
        take_position(rest, is_same, base)?;
    }
    skip_shown(rest)?;
    Some(None)
}

/// A signal as the wire carries it.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    kind: Kind,
    schema: u8,
    body: Vec<u8>,
}

impl Said {
    fn of(signal: &Signal) -> Self {
        let (kind, schema) = signal.kind();
        let mut body = Vec::new();
        signal.encode(&mut body);
        Self { kind, schema, body }
    }

    fn signal(&self) -> Option<Signal> {
        Signal::decode(self.kind, self.schema, &self.body).ok()
    }
}

fn finish(pen: &Pen, block: &mut Vec<u8>) -> io::Result<()> {
    block.extend_from_slice(pen.written());
    Ok(())
}

/// A record that is nothing but a value.
fn put(kind: u8, value: &impl Serialize, (pen, block): (&mut Pen, &mut Vec<u8>)) -> io::Result<()> {
    pen.bytes([kind]);
    put_shown(value, (pen, block))
}

/// Ends a record with a value behind its length, which is not known before the value is written: the
/// length goes in front of it then.
fn put_shown(value: &impl Serialize, (pen, block): (&mut Pen, &mut Vec<u8>)) -> io::Result<()> {
    let begin = block.len();
    codec::encode_within(value, RECORD_BYTES_MAX, block)?;
    let len = block.len() - begin;
    pen.number(u64::try_from(len).unwrap_or(u64::MAX));
    let head = pen.written();
    block.extend_from_slice(head);
    block[begin..].rotate_right(head.len());
    Ok(())
}

fn take_bytes_of<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take(rest)?;
    let (value, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(value)
}

fn take_shown<T: DeserializeOwned>(rest: &mut &[u8]) -> Option<T> {
    codec::decode_within(take_bytes_of(rest)?, RECORD_BYTES_MAX).ok()
}

fn take_observed(rest: &mut &[u8]) -> Option<Observed> {
    match take_bytes_of(rest)? {
        [] => Some(Observed::Nothing),
        shown => codec::decode_within(shown, RECORD_BYTES_MAX).ok(),
    }
}

fn skip_shown(rest: &mut &[u8]) -> Option<()> {
    take_bytes_of(rest).map(drop)
}

fn take_flag(rest: &mut &[u8], flag: u8) -> Option<bool> {
    let [byte] = take_bytes(rest)?;
    (byte & !flag == 0).then_some(byte == flag)
}

fn put_head(pen: &mut Pen, kind: u8, (client, at): (u32, Nanos), base: &mut Base) {
    pen.bytes([kind]);
    pen.number(u64::from(client));
    pen.distance(at, base.at);
    base.at = at;
}

fn take_head(rest: &mut &[u8], base: &mut Base) -> Option<(u32, Nanos)> {
    let client = take(rest)?;
    base.at = take_distance(rest, base.at)?;
    Some((client, base.at))
}

fn put_position((seq, hash): (u64, ChainHash), is_same: bool, base: &mut Base, pen: &mut Pen) {
    pen.distance(seq, base.seq);
    if !is_same {
        pen.bytes(hash.0);
    }
    (base.seq, base.hash) = (seq, hash);
}

fn take_position(rest: &mut &[u8], is_same: bool, base: &mut Base) -> Option<(u64, ChainHash)> {
    base.seq = take_distance(rest, base.seq)?;
    if !is_same {
        base.hash = ChainHash(take_bytes(rest)?);
    }
    Some((base.seq, base.hash))
}

fn put_operation(operation: &Operation, base: &mut Base, pen: &mut Pen) {
    let position = (operation.seq, operation.hash);
    let has_position = position != (0, ChainHash::START);
    let is_same = has_position && operation.hash == base.hash;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    pen.bytes([
        operation.call.number(),
        tag_of(operation.outcome)
            | flag(operation.attempts != 1, RETRIED)
            | flag(has_position, POSITION)
            | flag(is_same, SAME_HASH),
    ]);
    pen.number(operation.client.into());
    pen.number(operation.counter.into());
    pen.distance(operation.completed_at, base.at);
    pen.distance(operation.completed_at, operation.sent_at);
    pen.distance(operation.sent_at, operation.intended_at);
    pen.distance(operation.floor, base.floor);
    (base.at, base.floor) = (operation.completed_at, operation.floor);
    if has_position {
        put_position(position, is_same, base, pen);
    }
    put_code(operation.outcome, pen);
    if operation.attempts != 1 {
        pen.bytes([operation.attempts]);
    }
    (operation.call).for_each_operand(|operand| pen.number(operand));
}

fn take_operation(rest: &mut &[u8], base: &mut Base) -> Option<Operation> {
    let [call, flags] = take_bytes(rest)?;
    if flags & !FLAGS != 0 {
        return None;
    }
    let client = take(rest)?;
    let counter = take(rest)?;
    let completed_at = take_distance(rest, base.at)?;
    // The same distance the other way round.
    let sent_at = completed_at.wrapping_sub(take_distance(rest, 0)?);
    let intended_at = sent_at.wrapping_sub(take_distance(rest, 0)?);
    let floor = take_distance(rest, base.floor)?;
    (base.at, base.floor) = (completed_at, floor);
    let (seq, hash) = if flags & POSITION == 0 {
        (0, ChainHash::START)
    } else {
        take_position(rest, flags & SAME_HASH != 0, base)?
    };
    let outcome = take_outcome(flags & OUTCOME, rest)?;
    let [attempts] = if flags & RETRIED == 0 {
        [1]
    } else {
        take_bytes(rest)?
    };
    Some(Operation {
        client,
        counter,
        call: Call::from_operands(call, || take_number(rest))?,
        intended_at,
        sent_at,
        completed_at,
        floor,
        outcome,
        seq,
        hash,
        attempts,
    })
}

pub(super) const fn tag_of(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Refused(_) => 1,
        Outcome::Error(_) => 2,
        Outcome::Timeout => 3,
        Outcome::Unknown => 4,
    }
}

fn put_code(outcome: Outcome, pen: &mut Pen) {
    match outcome {
        Outcome::Refused(code) | Outcome::Error(code) => pen.number(code.0.into()),
        Outcome::Ok | Outcome::Timeout | Outcome::Unknown => {}
    }
}

pub(super) fn take_outcome(tag: u8, rest: &mut &[u8]) -> Option<Outcome> {
    match tag {
        0 => Some(Outcome::Ok),
        1 => take(rest).map(Code).map(Outcome::Refused),
        2 => take(rest).map(Code).map(Outcome::Error),
        3 => Some(Outcome::Timeout),
        4 => Some(Outcome::Unknown),
        _no_writer_writes => None,
    }
}
