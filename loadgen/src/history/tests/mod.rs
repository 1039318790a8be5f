//! What is written is read; what is not as it was written is refused, in its own words.

mod drawn;
mod frozen;

use std::{borrow::Cow, path::Path};

use proptest::prelude::*;
use protocol::{ChainHash, Code, Key, UserId, words::presence::Signal};

use self::drawn::{numbers, told};
use super::{
    number::{Pen, take_distance, take_number},
    *,
};
use crate::operation::{
    Answer, Call, ChatSeen, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome, Push,
    ShownEntry, Slot, Words,
};

const HEAD: HistoryHead = HistoryHead {
    secret: [7; 32],
    started_at: 1_700_000_000_000,
    capacity: 1,
    began_at: 7,
};

const HEADER_BYTES: usize = HEAD_BYTES + 8;

/// Whoever is told, and keeps nothing.
struct Nobody;

impl Observer for Nobody {
    fn handle_invoke(&mut self, _client: u32, _counter: u32, _call: &Call, _now: Nanos) -> u64 {
        0
    }
    fn handle_complete(&mut self, _operation: &Operation, _observed: &Observed) {}
    fn handle_duplicate(&mut self, _first: &Operation, _second: &Operation) {}
    fn handle_answer(&mut self, _operation: &Operation, _answer: &Answer) {}
    fn handle_reused(&mut self, _first: &Operation, _outcome: Outcome) {}
    fn handle_push(&mut self, _: u32, _: (u64, ChainHash), _push: &Push, _now: Nanos) {}
    fn handle_signal(&mut self, _client: u32, _signal: &Signal, _now: Nanos) {}
    fn handle_news(&mut self, _client: u32, _news: &News, _now: Nanos) {}
    fn handle_link(&mut self, _client: u32, _change: LinkChange, _now: Nanos) {}
    fn handle_drained(&mut self, _client: u32, _seq: u64, _is_settled: bool) {}
    fn handle_fault(&mut self, _now: Nanos) {}
}

fn written(events: &[Event<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut history = HistoryWriter::new(&mut bytes, &HEAD).expect("memory");
    for event in events {
        history.append(event).expect("memory");
    }
    let promised = history.finish().expect("memory");
    assert_eq!(promised, bytes.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Event<'static>>, HistoryError> {
    let mut reader = HistoryReader::new(bytes, Path::new("history.bin"))?;
    let events = reader.by_ref().collect();
    assert!(reader.block_capacity() <= 2 * BLOCK_BYTES_MAX.max(bytes.len()));
    events
}

/// A history of one block with these bytes for its records.
fn block(records: &[u8], count: u32) -> Vec<u8> {
    let mut bytes = written(&[]);
    bytes.truncate(HEADER_BYTES);
    let len = u32::try_from(records.len()).expect("short");
    bytes.extend(len.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(checksum(records));
    bytes.extend(records);
    bytes.extend(DONE);
    bytes.extend(u64::from(count).to_le_bytes());
    bytes
}

fn entry(text: Words) -> ShownEntry {
    ShownEntry {
        conversation: 3,
        index: 4,
        seq: 2_201,
        author: UserId(17),
        key: Key([6; 16]),
        text: Some(text),
    }
}

/// The `number`-th operation of a race of 2,000 people for 600 slots, at 10,000 a second.
fn ordinary(number: u32) -> Operation {
    let noise = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let seq = 2_200 + u64::from(number) + (noise >> 58);
    let slot = Slot((2_001 + noise % 50) << 32 | 20_000 << 12 | (noise % 12));
    let sent_at = u64::from(number) * 100_000 + (noise >> 44);
    let (call, outcome) = match number % 3 {
        0 => (Call::Reserve { slot }, Outcome::Ok),
        1 => (Call::Reserve { slot }, Outcome::Refused(Code(0x0203))),
        _given_back => {
            let booking = seq - 100;
            (Call::Cancel { booking, slot }, Outcome::Ok)
        }
    };
    Operation {
        client: number.wrapping_mul(1_237) % 2_000,
        counter: number / 2_000,
        call,
        intended_at: sent_at.saturating_sub(noise >> 46),
        sent_at,
        completed_at: sent_at + 2_000_000 + (noise >> 42),
        floor: seq - (noise >> 56),
        outcome,
        seq,
        hash: ChainHash([noise.to_le_bytes()[0]; 32]),
        attempts: 1,
    }
}

fn completed(operation: Operation) -> Event<'static> {
    Event::Completed {
        operation,
        observed: Cow::Owned(Observed::Nothing),
    }
}

fn invoked(operation: &Operation) -> Event<'static> {
    Event::Invoked {
        client: operation.client,
        counter: operation.counter,
        call: operation.call,
        at: operation.sent_at,
    }
}

proptest! {
    /// Nothing that an observer is told is left out, rounded or told in another order.
    #[test]
    fn what_an_observer_is_told_is_read_as_it_was_told(
        events in prop::collection::vec(told(), 0..20),
    ) {
        let mut bytes = Vec::new();
        let history = HistoryWriter::new(&mut bytes, &HEAD).expect("memory");
        let mut nobody = Nobody;
        let mut recording = Recording::new(&mut nobody, history);
        for event in &events {
            event.play(&mut recording);
        }
        let history = recording.into_history().expect("memory");
        history.finish().expect("memory");
        prop_assert_eq!(read(&bytes).expect("whole"), events);
    }

    #[test]
    fn operations_are_read_without_what_was_shown(events in prop::collection::vec(told(), 0..20)) {
        let bytes = written(&events);
        let reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
        let read: Result<Vec<_>, _> = reader.operations().collect();
        let operations: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Completed { operation, .. } => Some(*operation),
                _other => None,
            })
            .collect();
        prop_assert_eq!(read.expect("whole"), operations);
    }

    #[test]
    fn a_history_cut_anywhere_is_torn_or_foreign(
        events in prop::collection::vec(told(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = written(&events);
        let cut = cut.index(bytes.len());
        match read(&bytes[..cut]) {
            Err(HistoryError::Foreign { .. }) => prop_assert!(cut < HEADER_BYTES),
            Err(HistoryError::Torn { .. }) => prop_assert!(HEADER_BYTES <= cut),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_history_with_any_byte_changed_is_torn_or_damaged(
        events in prop::collection::vec(told(), 1..4),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let mut bytes = written(&events);
        let at = HEADER_BYTES + at.index(bytes.len() - HEADER_BYTES);
        bytes[at] ^= change;
        let told = read(&bytes);
        let is_refused = matches!(
            told,
            Err(HistoryError::Torn { .. } | HistoryError::Damaged { .. })
        );
        prop_assert!(is_refused, "{:?}", told);
    }

    #[test]
    fn a_header_with_any_bit_changed_is_refused(bit in 0..HEADER_BYTES * 8) {
        let mut bytes = written(&[Event::Fault { at: 1 }]);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(read(&bytes).is_err(), "bit {}", bit);
    }

    #[test]
    fn strangers_bytes_never_panic_and_never_fill_memory(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0..20_u32,
        version in 2..5_u8,
    ) {
        let _foreign = read(&bytes);
        let mut headed = written(&[]);
        headed.truncate(HEADER_BYTES);
        headed.extend(&bytes);
        let _torn_or_damaged = read(&headed);
        // With the right checksums, so that the records themselves are looked at.
        let mut sound = block(&bytes, count);
        sound[8] = version;
        let header = checksum(&sound[..HEAD_BYTES]);
        sound[HEAD_BYTES..HEADER_BYTES].copy_from_slice(&header);
        let _as_it_comes = read(&sound);
    }

    #[test]
    fn numbers_and_distances_are_read_as_written(value in numbers(), base in numbers()) {
        let mut pen = Pen::new();
        pen.number(value);
        let len = pen.written().len();
        pen.distance(value, base);
        prop_assert_eq!(len, (64 - (value | 1).leading_zeros()).div_ceil(7).min(9) as usize);
        let mut rest = pen.written();
        prop_assert_eq!(take_number(&mut rest), Some(value));
        prop_assert_eq!(take_distance(&mut rest, base), Some(value));
        prop_assert!(rest.is_empty());
        prop_assert_eq!(take_number(&mut &pen.written()[..len - 1]), None);
    }
}

#[test]
fn an_ordinary_operation_takes_90_bytes_at_most_over_many_blocks() {
    let mut events: Vec<Event<'_>> = Vec::new();
    for number in 0..20_000 {
        let operation = ordinary(number);
        events.extend([invoked(&operation), completed(operation)]);
    }
    let bytes = written(&events);
    assert!(4 * BLOCK_BYTES_MAX < bytes.len());
    assert!(bytes.len() <= 90 * 20_000, "{} bytes", bytes.len());
    assert_eq!(read(&bytes).expect("whole"), events);
}

#[test]
fn the_longest_operation_has_room() {
    let longest = Operation {
        client: u32::MAX,
        counter: u32::MAX,
        call: Call::Cancel {
            booking: u64::MAX,
            slot: Slot(u64::MAX),
        },
        intended_at: u64::MAX / 4,
        sent_at: u64::MAX / 2 + 1,
        completed_at: 1 << 63,
        floor: 1 << 63,
        outcome: Outcome::Refused(Code(u16::MAX)),
        seq: 1 << 63,
        hash: ChainHash([255; 32]),
        attempts: u8::MAX,
    };
    let (first, second) = (longest, longest);
    let events = vec![Event::Duplicate { first, second }; 3_000];
    assert_eq!(read(&written(&events)).expect("whole"), events);
}

#[test]
fn an_answer_larger_than_a_block_is_kept_and_one_larger_than_a_record_is_refused() {
    let page = |len: usize| Event::Completed {
        operation: ordinary(0),
        observed: Cow::Owned(Observed::Chat(ChatSeen::History(vec![
            entry(Words::Other(
                u64::MAX
            ));
            len
        ]))),
    };
    let events = [page(1), page(20_000), page(1)];
    let bytes = written(&events);
    assert!(2 * BLOCK_BYTES_MAX < bytes.len());
    let reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
    let back: Result<Vec<_>, _> = reader.collect();
    assert_eq!(back.expect("whole"), events);

    let mut history = HistoryWriter::new(Vec::new(), &HEAD).expect("memory");
    let error = history.append(&page(200_000)).expect_err("too large");
    assert!(
        error.to_string().contains("more than 4194304 bytes"),
        "{error}"
    );
}

#[test]
fn foreign_other_and_overlong_files_are_refused_each_in_its_words() {
    let whole = written(&[]);
    let check = |change: fn(&mut Vec<u8>), words: &str| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        let told = read(&bytes).expect_err("refused").to_string();
        assert!(told.contains(words), "{told}");
    };
    check(|bytes| bytes[0] = b'X', "not a history");
    check(|bytes| bytes[8] = 1, "version 1");
    check(
        |bytes| bytes[8] = 9,
        "version 9 and this program reads 2 to 4",
    );
    check(|bytes| bytes[12] = 3, "its header is not as it was written");
    check(|bytes| bytes.push(0), "bytes follow its end");
    check(|bytes| bytes[HEADER_BYTES + 8] = 3, "promises 3");
    check(
        |bytes| bytes.truncate(HEADER_BYTES),
        "no end after record 0, in or behind the block at byte 72",
    );
    check(
        |bytes| bytes[HEADER_BYTES..].fill(0xff),
        "damaged: record 0, or what follows it in the block at byte 72",
    );
}

#[test]
fn a_damaged_block_is_found_at_its_first_record_and_those_before_it_are_read() {
    let events: Vec<_> = (0..10_000)
        .map(|number| completed(ordinary(number)))
        .collect();
    let mut bytes = written(&events);
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    let mut reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
    let whole = reader.by_ref().take_while(Result::is_ok).count() as u64;
    assert!((1..10_000).contains(&whole));
    assert!(reader.next().is_none(), "nothing follows an error");
    match read(&bytes) {
        Err(HistoryError::Damaged { index, offset, .. }) => {
            assert_eq!(index, whole);
            assert!(BLOCK_BYTES_MAX as u64 <= offset && offset < bytes.len() as u64);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_no_writer_writes_is_damage_even_in_a_block_as_written() {
    // Its kind; call 7, which asks for nothing, and flags; client, counter, three times, floor; nothing
    // shown.
    const MY_BOOKINGS: [u8; 10] = [4, 7, 0, 3, 5, 1, 1, 1, 1, 1];
    let check = |records: &[u8], count, index| match read(&block(records, count)) {
        Err(HistoryError::Damaged { index: at, .. }) => assert_eq!(at, index, "{records:?}"),
        other => panic!("{records:?}: {other:?}"),
    };
    let changed = |at: usize, to| {
        let mut record = MY_BOOKINGS;
        record[at] = to;
        record
    };
    assert_eq!(read(&block(&MY_BOOKINGS, 1)).expect("whole").len(), 1);
    check(&changed(0, 200), 1, 0);
    check(&changed(1, 200), 1, 0);
    check(&changed(2, 5), 1, 0);
    check(&changed(2, 0x40), 1, 0);
    check(&changed(9, 3), 1, 0);
    check(&MY_BOOKINGS, 2, 1);
    check(&MY_BOOKINGS.repeat(2), 1, 1);
    check(&MY_BOOKINGS[..9], 1, 0);
    check(&[], 1, 0);
    check(&MY_BOOKINGS, 0, 0);
}
