//! Events of every kind, drawn.

use std::borrow::Cow;

use proptest::prelude::*;
use protocol::{
    ChainHash, Code, Key, UserId,
    words::{
        agenda::SlotView,
        presence::{Signal, WatchPresence},
    },
};

use super::super::Event;
use crate::operation::{
    Answer, Call, CatalogueSeen, ChatSeen, LinkChange, News, Observed, Operation, Outcome, Push,
    SalesSeen, ShownEntry, Slot, Words,
};

/// Numbers of every length, not only long ones.
pub(super) fn numbers() -> impl Strategy<Value = u64> {
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

fn answers() -> impl Strategy<Value = Answer> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    bytes.prop_map(|bytes| Answer::of_bytes(&bytes))
}

fn pushes() -> impl Strategy<Value = Push> {
    prop_oneof![
        numbers().prop_map(|slot| Push::Promoted { slot: Slot(slot) }),
        entries().prop_map(Push::Entry),
    ]
}

fn news() -> impl Strategy<Value = News> {
    prop_oneof![
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
    ]
}

/// Every kind of thing that an observer is told.
pub(super) fn told() -> impl Strategy<Value = Event<'static>> {
    let (push, news) = (pushes(), news());
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
        (operations(), answers())
            .prop_map(|(operation, answer)| Event::Answered { operation, answer }),
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
