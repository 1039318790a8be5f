//! What it costs that texts stand sealed in the log: one message in, one message out.
//!
//! Beside it a reservation, which says nothing about anybody and must be passed by. Deliberately
//! absent: the log, and what a message costs otherwise.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use protocol::{Key, Record, Seq, UserId, words::agenda, words::chat};
use server::{
    domain::{
        Systems,
        personal::Place,
        systems::{CommandBytes, OwnedCommand},
    },
    keyring::Keyring,
};

const USER: UserId = UserId(7);
const PLACE: Place = Place {
    seq: Seq(1_000),
    actor: USER,
};
const TEXT_BYTES: usize = 100;

fn message() -> OwnedCommand {
    OwnedCommand::new(&chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: "x".repeat(TEXT_BYTES).into(),
    }))
}

fn reservation() -> OwnedCommand {
    let slot = agenda::SlotId {
        agenda: 3,
        day: 20_777,
        slot: 9,
    };
    OwnedCommand::new(&agenda::Command::from(agenda::Reserve { slot }))
}

fn record<'a>(command: &CommandBytes<'_>, body: &'a [u8]) -> Record<'a> {
    Record {
        seq: PLACE.seq,
        recorded_at: 0,
        actor: PLACE.actor,
        key: Key::default(),
        kind: command.kind,
        schema: command.schema,
        codec: protocol::codec::CODEC,
        body,
        outcome: &[],
    }
}

fn seal(criterion: &mut Criterion) {
    let mut keyring = Keyring::new([7; 32]);
    keyring.make(USER);
    let cases = [
        ("a message of 100 bytes", message()),
        ("a reservation", reservation()),
    ];
    for (name, command) in cases {
        let (bytes, mut sealed) = (command.bytes(), Vec::new());
        criterion.bench_function(&format!("seal {name}"), |bencher| {
            bencher.iter(|| {
                sealed.clear();
                Systems::seal(PLACE, black_box(&bytes), &keyring, &mut sealed)
            });
        });
        if sealed.is_empty() {
            sealed.extend_from_slice(bytes.body);
        }
        let record = record(&bytes, &sealed);
        criterion.bench_function(&format!("open {name}"), |bencher| {
            bencher.iter(|| {
                black_box(
                    Systems::open(black_box(&record), &keyring, "").expect("it was just sealed"),
                )
                .len()
            });
        });
    }
}

criterion_group!(benches, seal);
criterion_main!(benches);
