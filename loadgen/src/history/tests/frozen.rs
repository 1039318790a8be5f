//! The bytes of histories, which never change: of this version and of those before it.

use std::{borrow::Cow, path::Path};

use protocol::{
    ChainHash, Code, Key, Seq, UserId,
    words::{
        agenda::SlotView,
        presence::{Signal, WatchPresence},
        sales::{Part, Sum},
    },
};

use super::{super::*, HEAD, HEADER_BYTES, completed, entry, invoked, ordinary, read, written};
use crate::operation::{
    Answer, Call, CatalogueSeen, ChatSeen, LinkChange, News, Observed, Operation, Outcome, Push,
    SalesSeen, Slot, Words,
};

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

/// One event of each kind that is of calls and answers.
fn one_of_each_call() -> Vec<Event<'static>> {
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
        Event::Answered {
            operation: ordinary(6),
            answer: Answer::of_bytes(&[1, 2, 3]),
        },
        completed(ordinary(6)),
        Event::Duplicate {
            first: ordinary(0),
            second: ordinary(3),
        },
        Event::Reused {
            first: ordinary(0),
            outcome: Outcome::Error(Code::KEY_REUSED),
        },
    ]
}

/// One of each other kind.
fn one_of_each_other() -> Vec<Event<'static>> {
    vec![
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
    let events = [one_of_each_call(), one_of_each_other()].concat();
    let bytes = written(&events);
    assert_eq!(read(&bytes).expect("whole"), events);
    insta::assert_snapshot!("version_4", hex(&bytes));
}

/// Everything that an answer, a push or news can show, once. A new kind is added at the end of its enum; a
/// change of what there is needs another version of the history.
#[test]
fn the_bytes_of_what_was_shown_never_change() {
    let sum = Sum { cents: 7, sales: 2 };
    let part = Part {
        of: 5,
        sum,
        reflects: Seq(9),
    };
    let shown = [
        Observed::Bookings(vec![(2_100, Slot(12), 0, Key([6; 16]))]),
        Observed::Chat(ChatSeen::Sent(3, 4)),
        Observed::Chat(ChatSeen::History(vec![entry(Words::Gone)])),
        Observed::Chat(ChatSeen::Conversations(vec![(3, 4, 2, 1)])),
        Observed::Chat(ChatSeen::Members(vec![(UserId(17), 2, 1)])),
        Observed::Chat(ChatSeen::Rooms(vec![(3, 50, true)])),
        Observed::Chat(ChatSeen::Presences(vec![(UserId(17), true, 9)])),
        Observed::Catalogue(CatalogueSeen::Favourite(true, 3)),
        Observed::Catalogue(CatalogueSeen::Items(vec![8, 9], 9)),
        Observed::Catalogue(CatalogueSeen::Favourites(1, 77, vec![8])),
        Observed::Sales(SalesSeen::Total(sum, 9, vec![part])),
        Observed::Sales(SalesSeen::Best(Some(part), 9)),
    ];
    let pushes = [
        Push::Promoted { slot: Slot(12) },
        Push::Expired {
            booking: 2_100,
            slot: Slot(12),
        },
        Push::Receipt {
            conversation: 3,
            user: UserId(17),
            delivered: 2,
            read: 1,
        },
    ];
    let answers = shown.map(|observed| Event::Completed {
        operation: ordinary(0),
        observed: Cow::Owned(observed),
    });
    let pushed = pushes.map(|push| Event::Pushed {
        client: 2,
        seq: 9,
        hash: ChainHash([8; 32]),
        push: Cow::Owned(push),
        at: 1,
    });
    let user = UserId(17);
    let rest = [
        Event::News {
            client: 2,
            news: Cow::Owned(News::Typing { user, on: true }),
            at: 1,
        },
        Event::Link {
            client: 2,
            change: LinkChange::Ended,
            at: 1,
        },
    ];
    let events: Vec<_> = (answers.into_iter()).chain(pushed).chain(rest).collect();
    let bytes = written(&events);
    assert_eq!(read(&bytes).expect("whole"), events);
    insta::assert_snapshot!("version_4_shown", hex(&bytes[HEADER_BYTES..]));
}

/// A history as version 3 wrote it: a reservation, a call that timed out after three attempts, and a second
/// answer.
#[test]
fn histories_of_operations_are_read_as_before() {
    const RECORDS: &str = include_str!("version_3.hex");
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
