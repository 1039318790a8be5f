//! What is written is read; what is not as it was written is refused, in its own words.

use std::{borrow::Cow, path::Path};

use proptest::prelude::*;
use protocol::{
    ChainHash, Code, Key, UserId,
    words::{
        agenda::SlotView,
        presence::{Signal, WatchPresence},
    },
};

use super::{
    number::{Pen, take_distance, take_number},
    *,
};
use crate::operation::{
    Answer, Call, CatalogueSeen, ChatSeen, LinkChange, Nanos, News, Observed, Observer, Operation,
    Outcome, Push, SalesSeen, ShownEntry, Slot, Words,
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

/// Hashes, some of them again and again.
fn hashes() -> impl Strategy<Value = ChainHash> {
    prop_oneof![
        (0..3_u8).prop_map(|byte| ChainHash([byte; 32])),
        any::<[u8; 32]>().prop_map(ChainHash),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let who = any::<(u32, u32)>();
    let times = [numbers(), numbers(), numbers()];
    let position = prop_oneof![Just((0, ChainHash::START)), (numbers(), hashes())];
    let told = (numbers(), outcomes(), position, any::<u8>());
    (who, calls(), times, told).prop_map(|((client, counter), call, times, told)| {
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

fn entries() -> impl Strategy<Value = ShownEntry> {
    let text = prop_oneof![
        Just(None),
        Just(Some(Words::Right)),
        Just(Some(Words::Gone)),
        numbers().prop_map(|digest| Some(Words::Other(digest))),
    ];
    let numbers = [numbers(), numbers(), numbers(), numbers()];
    (numbers, any::<[u8; 16]>(), text).prop_map(|(numbers, key, text)| {
        let [conversation, index, seq, author] = numbers;
        ShownEntry {
            conversation,
            index,
            seq,
            author: UserId(author),
            key: Key(key),
            text,
        }
    })
}

fn observed() -> impl Strategy<Value = Observed> {
    let slot =
        (any::<(u16, u16, bool)>(), numbers()).prop_map(|((held, waiting, past), mine)| SlotView {
            held,
            waiting,
            mine,
            past,
        });
    let booking = (numbers(), numbers(), numbers(), any::<[u8; 16]>())
        .prop_map(|(booking, slot, until, key)| (booking, Slot(slot), until, Key(key)));
    let items = (proptest::collection::vec(numbers(), 0..4), numbers());
    let presences = (numbers(), any::<bool>(), numbers());
    let presences = presences.prop_map(|(user, online, seen)| (UserId(user), online, seen));
    let list = 0..4;
    prop_oneof![
        Just(Observed::Nothing),
        proptest::collection::vec(slot, list.clone()).prop_map(Observed::Slots),
        proptest::collection::vec(booking, list.clone()).prop_map(Observed::Bookings),
        proptest::collection::vec(entries(), list.clone())
            .prop_map(|entries| Observed::Chat(ChatSeen::History(entries))),
        proptest::collection::vec(presences, list)
            .prop_map(|people| Observed::Chat(ChatSeen::Presences(people))),
        items.prop_map(|(items, next)| Observed::Catalogue(CatalogueSeen::Items(items, next))),
        numbers().prop_map(|seq| Observed::Sales(SalesSeen::Best(None, seq))),
    ]
}

/// Every kind of thing that an observer is told.
fn told() -> impl Strategy<Value = Event<'static>> {
    let push = prop_oneof![
        numbers().prop_map(|slot| Push::Promoted { slot: Slot(slot) }),
        entries().prop_map(Push::Entry),
    ];
    let news = prop_oneof![
        (numbers(), any::<bool>(), numbers(), numbers()).prop_map(
            |(user, online, last_seen, epoch)| News::Presence {
                user: UserId(user),
                online,
                last_seen,
                epoch
            }
        ),
        (numbers(), any::<bool>()).prop_map(|(user, on)| News::Typing {
            user: UserId(user),
            on
        }),
    ];
    let signal = proptest::collection::vec(numbers().prop_map(UserId), 0..4)
        .prop_map(|users| Cow::Owned(Signal::WatchPresence(WatchPresence { users })));
    let change = prop_oneof![
        Just(LinkChange::Ended),
        (numbers(), numbers()).prop_map(|(from, newest)| LinkChange::Subscribed { from, newest }),
    ];
    let who = || any::<u32>();
    prop_oneof![
        (who(), any::<u32>(), calls(), numbers()).prop_map(|(client, counter, call, at)| {
            Event::Invoked {
                client,
                counter,
                call,
                at,
            }
        }),
        (operations(), observed().prop_map(Cow::Owned)).prop_map(|(operation, observed)| {
            Event::Completed {
                operation,
                observed,
            }
        }),
        (operations(), operations()).prop_map(|(first, second)| Event::Duplicate { first, second }),
        (operations(), outcomes()).prop_map(|(first, outcome)| Event::Reused { first, outcome }),
        (who(), (numbers(), hashes()), push, numbers()).prop_map(
            |(client, (seq, hash), push, at)| Event::Pushed {
                client,
                seq,
                hash,
                push: Cow::Owned(push),
                at
            }
        ),
        (who(), signal, numbers()).prop_map(|(client, signal, at)| Event::Signal {
            client,
            signal,
            at
        }),
        (who(), news.prop_map(Cow::Owned), numbers()).prop_map(|(client, news, at)| Event::News {
            client,
            news,
            at
        }),
        (who(), change, numbers()).prop_map(|(client, change, at)| Event::Link {
            client,
            change,
            at
        }),
        numbers().prop_map(|at| Event::Fault { at }),
        (who(), numbers(), any::<bool>()).prop_map(|(client, seq, is_settled)| Event::Drained {
            client,
            seq,
            is_settled
        }),
    ]
}

fn setup() -> Setup {
    Setup {
        required: vec!["durable-acks".to_owned()],
        clients: 3,
        is_alone: true,
        page_len: 500,
        hold_slack: 1,
        presence_slack: 2,
        wall_at_start: Some(1_700_000_000_000),
    }
}

fn ended() -> Ended {
    Ended {
        live: Some((9, u128::MAX)),
        replayed: None,
        read_upto: Some(9),
    }
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

/// One event of each kind.
fn one_of_each() -> Vec<Event<'static>> {
    let timeout = Operation {
        call: Call::MyBookings,
        outcome: Outcome::Timeout,
        seq: 0,
        hash: ChainHash::START,
        attempts: 3,
        ..ordinary(1)
    };
    let view = SlotView {
        held: 1,
        waiting: 2,
        mine: 2_100,
        past: false,
    };
    vec![
        Event::Setup(Cow::Owned(setup())),
        Event::Client {
            client: 0,
            user: UserId(17),
        },
        invoked(&ordinary(0)),
        completed(ordinary(0)),
        Event::Completed {
            operation: timeout,
            observed: Cow::Owned(Observed::Slots(vec![view])),
        },
        Event::Duplicate {
            first: ordinary(0),
            second: ordinary(3),
        },
        Event::Reused {
            first: ordinary(0),
            outcome: Outcome::Error(Code::KEY_REUSED),
        },
        Event::Pushed {
            client: 2,
            seq: 2_201,
            hash: ChainHash([8; 32]),
            push: Cow::Owned(Push::Entry(entry(Words::Right))),
            at: 3_000_000,
        },
        Event::Pushed {
            client: 3,
            seq: 2_201,
            hash: ChainHash([8; 32]),
            push: Cow::Owned(Push::Entry(entry(Words::Other(5)))),
            at: 3_000_001,
        },
        Event::Signal {
            client: 2,
            signal: Cow::Owned(Signal::WatchPresence(WatchPresence {
                users: vec![UserId(17)],
            })),
            at: 3_000_100,
        },
        Event::News {
            client: 2,
            news: Cow::Owned(News::Presence {
                user: UserId(17),
                online: true,
                last_seen: 1_700_000_000_000,
                epoch: 2,
            }),
            at: 3_000_200,
        },
        Event::Link {
            client: 2,
            change: LinkChange::Subscribed { from: 7, newest: 9 },
            at: 3_000_300,
        },
        Event::Fault { at: 3_000_400 },
        Event::Drained {
            client: 2,
            seq: 2_201,
            is_settled: true,
        },
        Event::Ended(ended()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = bytes.chunks(16).map(line).collect();
    lines.join("\n")
}

#[test]
fn the_bytes_of_a_history_never_change() {
    let events = one_of_each();
    let bytes = written(&events);
    assert_eq!(read(&bytes).expect("whole"), events);
    insta::assert_snapshot!("version_4", hex(&bytes));
}

/// A history as version 3 wrote it: a reservation, a call that timed out after three attempts, and a second
/// answer.
#[test]
fn histories_of_operations_are_read_as_before() {
    const RECORDS: &str = include_str!("tests/version_3.hex");
    let digits: Vec<u8> = RECORDS.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
    let tail: Vec<u8> = digits
        .chunks(2)
        .map(|pair| byte(pair).expect("hex"))
        .collect();
    let mut third = written(&[])[..HEAD_BYTES].to_vec();
    third[8] = 3;
    let mut second = third.clone();
    second[8] = 2;
    let header = checksum(&third);
    third.extend(header);
    third.extend(&tail);
    second.extend(&tail);
    let kept = |number| {
        let mut operation = ordinary(number);
        // To a hundred nanoseconds, made longer.
        operation.completed_at = operation.completed_at.div_ceil(OLD_TICK) * OLD_TICK;
        operation.sent_at -= operation.sent_at % OLD_TICK;
        operation.intended_at -= operation.intended_at % OLD_TICK;
        // What the fixture was made with.
        let noise = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        operation.hash = ChainHash::START;
        operation.hash.0[..8].copy_from_slice(&noise.to_le_bytes());
        operation
    };
    let timeout = Operation {
        call: Call::MyBookings,
        outcome: Outcome::Timeout,
        seq: 0,
        hash: ChainHash::START,
        attempts: 3,
        ..kept(1)
    };
    let expected = [
        completed(kept(0)),
        completed(timeout),
        Event::Second(kept(7)),
    ];
    for bytes in [third, second] {
        let reader = HistoryReader::new(bytes.as_slice(), Path::new("h")).expect("a history");
        assert_eq!(reader.head(), &HEAD);
        assert!(!reader.holds_all());
        let events: Result<Vec<_>, _> = reader.collect();
        assert_eq!(events.expect("whole"), expected);
    }
}
