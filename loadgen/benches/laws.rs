//! What the laws cost: online for each operation, and after the run for each record.
//!
//! The online figure is what a generator pays; it must stay far below a microsecond.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadgen::check::{LawOptions, Laws};
use loadgen::operation::{
    Call, KeyMint, LinkChange, Observed, Observer, Operation, Outcome, Push, ShownEntry, Slot,
    Words,
};
use protocol::{
    ChainHash, OwnedRecord, Seq, UserId, outcome,
    record::chain,
    words::agenda::{self as words, SlotId},
};

const OPERATIONS: u32 = 100_000;
const CLIENTS: u32 = 100;
const AGENDA: u64 = 1;

fn slot_id(number: u32) -> SlotId {
    SlotId {
        agenda: AGENDA,
        day: 20_000 + number / 24,
        slot: u16::try_from(number % 24).expect("below 24"),
    }
}

/// Every client reserves a slot of its own and cancels it, over and over.
fn operations() -> Vec<Operation> {
    let of = |number: u32| {
        let (client, counter) = (number % CLIENTS, number / CLIENTS);
        let slot = Slot::pack(slot_id(client)).expect("small");
        let seq = u64::from(number) + AGENDA + 1;
        let call = match counter % 2 {
            0 => Call::Reserve { slot },
            _odd => Call::Cancel {
                booking: seq - u64::from(CLIENTS),
                slot,
            },
        };
        let sent_at = u64::from(number) * 1_000;
        Operation {
            client,
            counter,
            call,
            intended_at: sent_at,
            sent_at,
            completed_at: sent_at + 900,
            floor: seq - 1,
            outcome: Outcome::Ok,
            seq,
            hash: ChainHash::START,
            attempts: 1,
        }
    };
    (0..OPERATIONS).map(of).collect()
}

fn append(
    log: &mut Vec<OwnedRecord>,
    actor: u64,
    key: protocol::Key,
    word: (words::Command, words::Event),
) {
    let (command, event) = word;
    let (mut body, mut decided) = (Vec::new(), Vec::new());
    command.encode(&mut body);
    outcome::encode_accepted(event.kind().0, 1, &mut decided);
    event.encode(&mut decided);
    let mut record = OwnedRecord {
        seq: Seq(log.len() as u64 + 1),
        recorded_at: 1_700_000_000_000,
        actor: UserId(actor),
        key,
        kind: command.kind().0,
        schema: 1,
        codec: 1,
        body,
        outcome: decided,
        hash: ChainHash::START,
    };
    let before = log.last().map_or(ChainHash::START, |record| record.hash);
    record.hash = chain(&before, &record.record(), &mut Vec::new());
    log.push(record);
}

fn log(mint: &KeyMint, operations: &[Operation]) -> Vec<OwnedRecord> {
    let mut log = Vec::new();
    let open = words::OpenAgenda {
        name: "room".to_owned(),
        opens_minute: 0,
        closes_minute: 1_440,
        slot_minutes: 60,
        capacity: 1,
    };
    let opened = words::AgendaOpened { slots: 24 };
    append(
        &mut log,
        1,
        protocol::Key([1; 16]),
        (open.into(), opened.into()),
    );
    for op in operations {
        let slot = op.call.slot().expect("no reads here").unpack();
        let word = match op.call {
            Call::Cancel { booking, .. } => (
                words::Cancel { booking }.into(),
                words::Cancelled { slot }.into(),
            ),
            _reserve => (
                words::Reserve { slot }.into(),
                words::Reserved { slot }.into(),
            ),
        };
        let actor = u64::from(op.client) + 1;
        append(&mut log, actor, mint.mint(op.client, op.counter), word);
    }
    log
}

fn online(laws: &mut Laws, operations: &[Operation]) {
    for op in operations {
        laws.handle_invoke(op.client, op.counter, &op.call, op.sent_at);
        laws.handle_complete(op, &Observed::Nothing);
    }
}

/// People who are told of every message.
const LISTENERS: u32 = 10_000;
const MESSAGES: u32 = 20;

/// Every message reaches everybody, before the next one does.
fn fan_out(laws: &mut Laws, mint: &KeyMint) {
    for client in 0..LISTENERS {
        let change = LinkChange::Subscribed {
            from: AGENDA,
            newest: AGENDA,
        };
        laws.handle_link(client, change, 0);
    }
    for counter in 0..MESSAGES {
        let call = Call::MyBookings;
        laws.handle_invoke(0, counter, &call, 0);
        let seq = AGENDA + 1 + u64::from(counter);
        let entry = ShownEntry {
            conversation: 0,
            index: u64::from(counter) + 1,
            seq,
            author: UserId(1),
            key: mint.mint(0, counter),
            text: Some(Words::Right),
        };
        for client in 0..LISTENERS {
            let position = (seq, ChainHash::START);
            laws.handle_push(
                client,
                position,
                &Push::Entry(entry),
                u64::from(counter) + 1,
            );
        }
    }
}

fn laws(criterion: &mut Criterion) {
    let mint = KeyMint::new([7; 32]);
    let operations = operations();
    let records = log(&mint, &operations);
    let new = || {
        let mut laws = Laws::new(LawOptions::new(mint.clone(), 1, CLIENTS));
        laws.begin(AGENDA);
        laws
    };
    let mut group = criterion.benchmark_group("laws");
    group.throughput(Throughput::Elements(u64::from(OPERATIONS)));
    group.sample_size(10);
    group.bench_function("online, an operation", |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut laws = new();
            online(&mut laws, &operations);
            laws
        });
    });
    group.throughput(Throughput::Elements(u64::from(LISTENERS * MESSAGES)));
    group.bench_function("online, an entry shown to one of 10,000", |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut laws = new();
            fan_out(&mut laws, &mint);
            laws
        });
    });
    group.throughput(Throughput::Elements(u64::from(OPERATIONS)));
    group.bench_function("after the run, a record and its operation", |bencher| {
        bencher.iter(|| {
            let mut laws = new();
            records.iter().for_each(|record| laws.handle_record(record));
            laws.conclude(|| operations.iter().copied())
        });
    });
    group.finish();
}

criterion_group!(benches, laws);
criterion_main!(benches);
