//! What one request costs on its way in and out: the frame, the word, and the hash in the chain.
//!
//! The words are those of the hot path: a reservation and its acceptance. Deliberately absent:
//! sockets, the log and the rules.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use protocol::{
    ChainHash, Key, Record, Seq, UserId,
    codec::CODEC,
    frame,
    limits::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX},
    message::{Reply, Request},
    outcome::{Outcome, encode_accepted},
    record::chain,
    words::agenda::{Command, Event, Reserve, Reserved, SlotId},
};

const SLOT: SlotId = SlotId {
    agenda: 3,
    day: 20_777,
    slot: 9,
};
const KEY: Key = Key([0xa5; 16]);

fn write_command(body: &mut Vec<u8>, out: &mut Vec<u8>) {
    let command = Command::from(Reserve { slot: SLOT });
    body.clear();
    out.clear();
    command.encode(body);
    let (kind, schema) = command.kind();
    Request::Command {
        correlation: 77,
        key: KEY,
        kind,
        schema,
        body,
    }
    .encode(out);
}

fn read_command(bytes: &[u8]) -> Command {
    let (frame, _rest) = frame::split(bytes, REQUEST_BYTES_MAX)
        .expect("the frame is short")
        .expect("the frame is whole");
    match Request::decode(frame) {
        Ok(Request::Command {
            kind, schema, body, ..
        }) => Command::decode(kind, schema, body).expect("it was just encoded"),
        other => panic!("a command was encoded, not {other:?}"),
    }
}

fn write_answer(outcome: &mut Vec<u8>, out: &mut Vec<u8>) {
    let event = Event::from(Reserved { slot: SLOT });
    outcome.clear();
    out.clear();
    let (kind, schema) = event.kind();
    encode_accepted(kind, schema, outcome);
    event.encode(outcome);
    Reply::Answer {
        correlation: 77,
        seq: Seq(1_234_567),
        hash: ChainHash([0x5a; 32]),
        outcome,
    }
    .encode(out);
}

fn read_answer(bytes: &[u8]) -> Event {
    let (frame, _rest) = frame::split(bytes, REPLY_BYTES_MAX)
        .expect("the frame is short")
        .expect("the frame is whole");
    let Ok(Reply::Answer { outcome, .. }) = Reply::decode(frame) else {
        panic!("an answer was encoded");
    };
    match Outcome::decode(outcome) {
        Ok(Outcome::Accepted { kind, schema, body }) => {
            Event::decode(kind, schema, body).expect("it was just encoded")
        }
        other => panic!("an acceptance was encoded, not {other:?}"),
    }
}

fn frames(criterion: &mut Criterion) {
    let (mut word, mut bytes) = (Vec::new(), Vec::new());
    criterion.bench_function("reserve/encode", |bencher| {
        bencher.iter(|| write_command(black_box(&mut word), black_box(&mut bytes)));
    });
    criterion.bench_function("reserve/decode", |bencher| {
        bencher.iter(|| read_command(black_box(&bytes)));
    });
    criterion.bench_function("answer/encode", |bencher| {
        bencher.iter(|| write_answer(black_box(&mut word), black_box(&mut bytes)));
    });
    criterion.bench_function("answer/decode", |bencher| {
        bencher.iter(|| read_answer(black_box(&bytes)));
    });
}

fn hashes(criterion: &mut Criterion) {
    let command = Command::from(Reserve { slot: SLOT });
    let event = Event::from(Reserved { slot: SLOT });
    let (mut body, mut outcome) = (Vec::new(), Vec::new());
    command.encode(&mut body);
    let (kind, schema) = event.kind();
    encode_accepted(kind, schema, &mut outcome);
    event.encode(&mut outcome);
    let (kind, schema) = command.kind();
    let record = Record {
        seq: Seq(1_234_567),
        recorded_at: 1_795_000_000_000,
        actor: UserId(42),
        key: KEY,
        kind,
        schema,
        codec: CODEC,
        body: &body,
        outcome: &outcome,
    };
    let mut scratch = Vec::new();
    criterion.bench_function("record/chain", |bencher| {
        bencher.iter(|| {
            chain(
                black_box(&ChainHash::START),
                black_box(&record),
                &mut scratch,
            )
        });
    });
}

criterion_group!(benches, frames, hashes);
criterion_main!(benches);
