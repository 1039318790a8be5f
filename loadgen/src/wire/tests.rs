//! Calls to words and back, each against bytes written by hand.

use protocol::{
    Key, Kind, Seq, UserId,
    words::{
        accounts, catalogue,
        chat::{self, Target},
        presence, sales,
    },
};

use super::*;
use crate::operation::{
    Call, CatalogueCall, CatalogueSeen, ChatCall, ChatSeen, News, Observed, Push, SalesCall,
    SalesSeen, Words, item_name, text_of, word_text,
};

const ASKER: Asker = Asker {
    key: Key([0xab; 16]),
    session: 77,
};

/// Every call of every set, whatever it is about.
fn calls() -> Vec<Call> {
    let of_set = |set: u8| {
        (0..64).filter_map(move |index| Call::from_operands(set << 6 | index, || Some(4)))
    };
    let booleans = |set: u8| {
        (0..64).filter_map(move |index| Call::from_operands(set << 6 | index, || Some(1)))
    };
    let mut calls: Vec<Call> = (0..4).flat_map(of_set).collect();
    let known: Vec<usize> = calls.iter().map(Call::index).collect();
    calls.extend(
        (0..4)
            .flat_map(booleans)
            .filter(|call| !known.contains(&call.index())),
    );
    calls
}

fn command(call: ChatCall) -> chat::Command {
    let mut body = Vec::new();
    let (kind, schema) = encode_command(&Call::Chat(call), &ASKER, &mut body).expect("a command");
    chat::Command::decode(kind, schema, &body).expect("a word of the chat")
}

fn body_of(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = Vec::new();
    encode(&mut body);
    body
}

fn entry(content: chat::Content) -> chat::Entry {
    chat::Entry {
        conversation: 8,
        index: 2,
        author: UserId(5),
        recorded_at: 1_000,
        key: ASKER.key,
        content,
    }
}

#[test]
fn every_call_is_either_a_command_or_a_query_as_it_says() {
    let calls = calls();
    assert_eq!(calls.len(), Call::NAMES.len());
    for call in calls {
        let mut body = Vec::new();
        let query = encode_query(&call, &mut body);
        let command = encode_command(&call, &ASKER, &mut body);
        assert_eq!(query.is_some(), call.is_query(), "{call:?}");
        assert_eq!(command.is_some(), !call.is_query(), "{call:?}");
    }
}

#[test]
fn what_a_message_says_follows_from_its_key() {
    let sent = command(ChatCall::Send {
        to: Target::Person(UserId(3)),
        bytes: 40,
    });
    let wanted = chat::Send {
        to: Target::Person(UserId(3)),
        text: text_of(&ASKER.key, 40).into(),
    };
    assert_eq!(sent, wanted.into());
}

#[test]
fn a_cursor_moves_in_the_askers_session() {
    let call = Call::Chat(ChatCall::MoveCursor { seq: 12 });
    let mut body = Vec::new();
    let (kind, schema) = encode_command(&call, &ASKER, &mut body).expect("a command");
    let word = accounts::Command::decode(kind, schema, &body).expect("a word of the accounts");
    let wanted = accounts::MoveCursor {
        session: 77,
        seq: Seq(12),
    };
    assert_eq!(word, wanted.into());
}

#[test]
fn a_sale_is_known_by_its_key() {
    let call = Call::Sales(SalesCall::RecordSale {
        store: 4,
        cents: 100,
        day: 20_000,
    });
    let mut body = Vec::new();
    let (kind, schema) = encode_command(&call, &ASKER, &mut body).expect("a command");
    let word = sales::Command::decode(kind, schema, &body).expect("a word of the sales");
    let wanted = sales::RecordSale {
        sale: SaleId(ASKER.key.0),
        store: 4,
        cents: 100,
        day: 20_000,
    };
    assert_eq!(word, wanted.into());
}

#[test]
fn an_item_is_named_after_its_word_with_an_accent_that_a_search_leaves_out() {
    assert_eq!(word_text(0), "wggggg");
    assert_eq!(word_text(0x12), "wggghi");
    assert_ne!(word_text(1), word_text(16));
    let name = item_name(1, &ASKER.key);
    assert_eq!(name, format!("\u{1e82}ggggh {}", ASKER.key));
    assert!(name.len() <= 128);
}

#[test]
fn a_sent_message_shows_where_it_stands() {
    let event = chat::Event::from(chat::Sent {
        conversation: 8,
        index: 2,
    });
    let body = body_of(|out| event.encode(out));
    let (kind, schema) = event.kind();
    let call = Call::Chat(ChatCall::Send {
        to: Target::Conversation(8),
        bytes: 1,
    });
    assert_eq!(
        observe(&call, kind, schema, &body),
        Ok(Observed::Chat(ChatSeen::Sent(8, 2)))
    );
    // The same bytes answer no search.
    let other = Call::Catalogue(CatalogueCall::ListFavourites {});
    assert!(observe(&other, kind, schema, &body).is_err());
}

#[test]
fn favourites_show_their_count_their_digest_and_a_page() {
    let view = catalogue::ItemView {
        item: 9,
        name: "x".into(),
        item_type: 1,
        favourite: true,
    };
    let answer = catalogue::Answer::from(catalogue::Favourites {
        count: 60,
        digest: 7,
        next: 9,
        items: vec![view],
    });
    let body = body_of(|out| answer.encode(out));
    let (kind, schema) = answer.kind();
    let call = Call::Catalogue(CatalogueCall::ListFavourites {});
    let wanted = Observed::Catalogue(CatalogueSeen::Favourites(60, 7, vec![9]));
    assert_eq!(observe(&call, kind, schema, &body), Ok(wanted));
}

#[test]
fn a_figure_shows_the_position_it_says_it_reflects() {
    let sum = sales::Sum { cents: 5, sales: 1 };
    let part = sales::Part {
        of: 3,
        sum,
        reflects: Seq(40),
    };
    let answer = sales::Answer::from(sales::StoreTotals {
        total: sum,
        reflects: Seq(41),
        sellers: vec![part],
    });
    let body = body_of(|out| answer.encode(out));
    let (kind, schema) = answer.kind();
    let call = Call::Sales(SalesCall::StoreTotal {
        store: 3,
        from: 1,
        to: 2,
    });
    let wanted = Observed::Sales(SalesSeen::Total(sum, 41, vec![part]));
    assert_eq!(observe(&call, kind, schema, &body), Ok(wanted));
}

#[test]
fn a_reader_can_tell_a_right_text_from_a_wrong_one_and_from_none() {
    let seen = |content| {
        let push = chat::Push::from(entry(content));
        let body = body_of(|out| push.encode(out));
        let (kind, schema) = push.kind();
        match decode_push(Seq(50), kind, schema, &body) {
            Ok(Some(Push::Entry(shown))) => {
                assert_eq!((shown.conversation, shown.index, shown.seq), (8, 2, 50));
                shown.text
            }
            other => panic!("{other:?} is no entry"),
        }
    };
    let right = text_of(&ASKER.key, 10);
    assert_eq!(seen(chat::Content::Text(right.into())), Some(Words::Right));
    assert_eq!(seen(chat::Content::Text("".into())), Some(Words::Gone));
    assert_eq!(
        seen(chat::Content::Text("wrong".into())),
        Some(Words::Other(shown::digest_of(b"wrong")))
    );
    assert_eq!(seen(chat::Content::Left), None);
}

#[test]
fn news_say_who_is_here() {
    let news = presence::News::from(presence::PresenceChanged {
        user: UserId(4),
        online: true,
        last_seen: 6,
        epoch: 2,
    });
    let body = body_of(|out| news.encode(out));
    let (kind, schema) = news.kind();
    let wanted = News::Presence {
        user: UserId(4),
        online: true,
        last_seen: 6,
        epoch: 2,
    };
    assert_eq!(decode_news(kind, schema, &body), Ok(Some(wanted)));
    assert_eq!(
        decode_news(Kind::new(9, 9), 1, &body),
        Ok(None),
        "of a kind to come"
    );
    assert_eq!(decode_push(Seq(1), Kind::new(9, 9), 1, &body), Ok(None));
    assert!(decode_news(kind, schema, &body[1..]).is_err(), "cut short");
}
