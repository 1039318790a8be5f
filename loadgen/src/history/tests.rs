//! What is written is read; what is not as it was written is refused, in its own words.

use std::path::Path;

use proptest::prelude::*;
use protocol::Code;

use super::{
    number::{Pen, take_distance, take_number},
    *,
};
use crate::operation::{Call, Nanos, Outcome, Slot};

const HEAD: HistoryHead = HistoryHead {
    secret: [7; 32],
    started_at: 1_700_000_000_000,
    capacity: 1,
    began_at: 7,
};

const HEADER_BYTES: usize = HEAD_BYTES + 8;

fn written(entries: &[HistoryEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = HistoryWriter::new(&mut bytes, &HEAD).expect("memory");
    for entry in entries {
        let kept = writer.append(&entry.operation, entry.duplicate);
        kept.expect("memory");
    }
    let promised = writer.finish().expect("memory");
    assert_eq!(promised, bytes.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<HistoryEntry>, HistoryError> {
    let mut reader = HistoryReader::new(bytes, Path::new("history.bin"))?;
    let entries = reader.by_ref().collect();
    assert!(reader.block_capacity() <= BLOCK_BYTES_MAX);
    entries
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

/// Numbers of every length, not only long ones.
fn numbers() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn calls() -> impl Strategy<Value = Call> {
    let known = |number: &u8| Call::from_operands(*number, || Some(1)).is_some();
    let numbers: Vec<u8> = (0..=u8::MAX).filter(known).collect();
    assert_eq!(numbers.len(), Call::NAMES.len());
    let operands = proptest::collection::vec(self::numbers(), 4);
    (proptest::sample::select(numbers), operands).prop_map(|(number, operands)| {
        let mut drawn = operands.into_iter();
        // Some operands take only small numbers; 1 is one of each.
        Call::from_operands(number, || drawn.next())
            .or_else(|| Call::from_operands(number, || Some(1)))
            .expect("the number of a call")
    })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Ok),
        any::<u16>().prop_map(|code| Outcome::Refused(Code(code))),
        any::<u16>().prop_map(|code| Outcome::Error(Code(code))),
        Just(Outcome::Timeout),
        Just(Outcome::Unknown),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let who = any::<(u32, u32)>();
    let times = [numbers(), numbers(), numbers()];
    let position = prop_oneof![Just((0, 0)), (numbers(), any::<u64>())];
    let told = (numbers(), outcomes(), position, any::<u8>());
    (who, calls(), times, told).prop_map(|((client, counter), call, mut times, told)| {
        times.sort_unstable();
        let [intended_at, sent_at, completed_at] = times;
        let (floor, outcome, (seq, hash), attempts) = told;
        Operation {
            client,
            counter,
            call,
            intended_at,
            sent_at,
            completed_at,
            floor,
            outcome,
            seq,
            hash,
            attempts,
        }
    })
}

fn entries() -> impl Strategy<Value = HistoryEntry> {
    (operations(), any::<bool>()).prop_map(|(operation, duplicate)| HistoryEntry {
        operation,
        duplicate,
    })
}

/// The `number`-th operation of a race of 2,000 people for 600 slots, at 10,000 a second.
fn ordinary(number: u32) -> HistoryEntry {
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
    let operation = Operation {
        client: number.wrapping_mul(1_237) % 2_000,
        counter: number / 2_000,
        call,
        intended_at: sent_at.saturating_sub(noise >> 46),
        sent_at,
        completed_at: sent_at + 2_000_000 + (noise >> 42),
        floor: seq - (noise >> 56),
        outcome,
        seq,
        hash: noise,
        attempts: 1,
    };
    HistoryEntry {
        operation,
        duplicate: number % 50 == 7,
    }
}

/// Whether `back` is `told` with its interval made wider, by less than a tick an end.
fn is_widened(back: &HistoryEntry, told: &HistoryEntry) -> bool {
    let is_at_most = |low: Nanos, high: Nanos| low <= high && high - low < TICK;
    let (read, kept) = (back.operation, told.operation);
    let same = Operation {
        intended_at: kept.intended_at,
        sent_at: kept.sent_at,
        completed_at: kept.completed_at,
        ..read
    };
    let exact = HistoryEntry {
        operation: same,
        ..*back
    };
    exact == *told
        && is_at_most(kept.completed_at, read.completed_at)
        && is_at_most(read.sent_at, kept.sent_at)
        && is_at_most(read.intended_at, kept.intended_at)
}

proptest! {
    #[test]
    fn a_history_reads_as_it_was_written(entries in prop::collection::vec(entries(), 0..20)) {
        let read = read(&written(&entries)).expect("whole");
        prop_assert_eq!(read.len(), entries.len());
        for (back, told) in read.iter().zip(&entries) {
            prop_assert!(is_widened(back, told), "{:?} was read of {:?}", back, told);
        }
    }

    #[test]
    fn a_history_cut_anywhere_is_torn_or_foreign(
        entries in prop::collection::vec(entries(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = written(&entries);
        let cut = cut.index(bytes.len());
        match read(&bytes[..cut]) {
            Err(HistoryError::Foreign { .. }) => prop_assert!(cut < HEADER_BYTES),
            Err(HistoryError::Torn { .. }) => prop_assert!(HEADER_BYTES <= cut),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_history_with_any_byte_changed_is_torn_or_damaged(
        entries in prop::collection::vec(entries(), 1..4),
        at in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let mut bytes = written(&entries);
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
    fn a_header_with_any_bit_changed_is_refused(
        entries in prop::collection::vec(entries(), 0..4),
        bit in 0..HEADER_BYTES * 8,
    ) {
        let mut bytes = written(&entries);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(read(&bytes).is_err(), "bit {}", bit);
    }

    #[test]
    fn a_history_of_the_version_before_is_read_as_before(
        entries in prop::collection::vec(entries(), 0..4),
    ) {
        let mut bytes = written(&entries);
        bytes.drain(HEAD_BYTES..HEADER_BYTES);
        bytes[8] = 2;
        let mut reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
        prop_assert_eq!(reader.head(), &HEAD);
        prop_assert_eq!(reader.by_ref().filter(Result::is_ok).count(), entries.len());
    }

    #[test]
    fn strangers_bytes_never_panic_and_never_fill_memory(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0..20_u32,
    ) {
        let _foreign = read(&bytes);
        let mut headed = written(&[]);
        headed.truncate(HEADER_BYTES);
        headed.extend(&bytes);
        let _torn_or_damaged = read(&headed);
        // With the right checksum, so that the records themselves are looked at.
        let _as_it_comes = read(&block(&bytes, count));
    }

    #[test]
    fn numbers_and_distances_are_read_as_written(value in numbers(), base in numbers()) {
        let mut bytes = [0xff; RECORD_BYTES_MAX];
        let mut pen = Pen::new(&mut bytes);
        pen.number(value);
        let len = pen.written();
        pen.distance(value, base);
        let end = pen.written();
        prop_assert_eq!(len, (64 - (value | 1).leading_zeros()).div_ceil(7).min(9) as usize);
        let mut rest = &bytes[..end];
        prop_assert_eq!(take_number(&mut rest), Some(value));
        prop_assert_eq!(take_distance(&mut rest, base), Some(value));
        prop_assert!(rest.is_empty());
        prop_assert_eq!(take_number(&mut &bytes[..len - 1]), None);
    }
}

#[test]
fn an_ordinary_operation_takes_40_bytes_at_most_over_many_blocks() {
    let entries: Vec<_> = (0..20_000).map(ordinary).collect();
    let bytes = written(&entries);
    assert!(4 * BLOCK_BYTES_MAX < bytes.len());
    assert!(bytes.len() <= 40 * entries.len(), "{} bytes", bytes.len());
    let back = read(&bytes).expect("whole");
    assert_eq!(back.len(), entries.len());
    for (back, told) in back.iter().zip(&entries) {
        assert!(is_widened(back, told), "{back:?} was read of {told:?}");
    }
}

#[test]
fn the_longest_operation_has_room() {
    let longest = HistoryEntry {
        operation: Operation {
            client: u32::MAX,
            counter: u32::MAX,
            call: Call::Cancel {
                booking: u64::MAX,
                slot: Slot(u64::MAX),
            },
            intended_at: 0,
            sent_at: u64::MAX,
            completed_at: u64::MAX,
            floor: 1 << 63,
            outcome: Outcome::Refused(Code(u16::MAX)),
            seq: 1 << 63,
            hash: u64::MAX,
            attempts: u8::MAX,
        },
        duplicate: true,
    };
    let entries = vec![longest; 5_000];
    let back = read(&written(&entries)).expect("whole");
    assert!(back.iter().all(|back| is_widened(back, &longest)));
}

#[test]
fn an_interval_that_ends_before_it_begins_is_read_as_an_instant() {
    let mut entry = ordinary(0);
    entry.operation.intended_at = 900_000;
    entry.operation.sent_at = 600_000;
    entry.operation.completed_at = 300_000;
    let back = read(&written(&[entry])).expect("whole")[0].operation;
    let times = (back.intended_at, back.sent_at, back.completed_at);
    assert_eq!(times, (300_000, 300_000, 300_000));
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
    check(|bytes| bytes[8] = 9, "version 9");
    check(|bytes| bytes[12] = 3, "its header is not as it was written");
    check(|bytes| bytes.push(0), "bytes follow its end");
    check(|bytes| bytes[HEADER_BYTES + 8] = 3, "promises 3");
    check(
        |bytes| bytes.truncate(HEADER_BYTES),
        "no end after record 0",
    );
    check(
        |bytes| bytes[HEADER_BYTES..].fill(0xff),
        "damaged: record 0",
    );
}

#[test]
fn a_damaged_block_is_found_at_its_first_record_and_those_before_it_are_read() {
    let entries: Vec<_> = (0..10_000).map(ordinary).collect();
    let mut bytes = written(&entries);
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    let mut reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
    let whole = reader.by_ref().take_while(Result::is_ok).count() as u64;
    assert!((1..10_000).contains(&whole));
    assert!(reader.next().is_none(), "nothing follows an error");
    match read(&bytes) {
        Err(HistoryError::Damaged { index, .. }) => assert_eq!(index, whole),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_no_writer_writes_is_damage_even_in_a_block_as_written() {
    // Call 7 asks for nothing: its index, flags, client, counter, three times, floor.
    const MY_BOOKINGS: [u8; 8] = [7, 0, 3, 5, 1, 1, 1, 1];
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
    check(&changed(1, 5), 1, 0);
    check(&changed(1, 0x40), 1, 0);
    check(&changed(5, 3), 1, 0);
    check(&MY_BOOKINGS, 2, 1);
    check(&MY_BOOKINGS.repeat(2), 1, 1);
    check(&MY_BOOKINGS[..7], 1, 0);
    check(&[], 1, 0);
    check(&MY_BOOKINGS, 0, 0);
}

#[test]
fn the_bytes_of_a_history_never_change() {
    let mut timeout = ordinary(1);
    timeout.operation = Operation {
        call: Call::MyBookings,
        outcome: Outcome::Timeout,
        seq: 0,
        hash: 0,
        attempts: 3,
        ..timeout.operation
    };
    let bytes = written(&[ordinary(0), timeout, ordinary(7)]);
    let hex: Vec<String> = bytes[HEADER_BYTES..]
        .chunks(16)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    insta::assert_snapshot!(hex.join("\n"));
}
