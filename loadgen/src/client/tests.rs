//! A client told and asked by hand, without a server.

use std::rc::Rc;

use ::client::Session;
use protocol::{
    ChainHash, Key, Seq, UserId, frame,
    limits::REPLY_BYTES_MAX,
    message::{Reply, Request},
    outcome::encode_accepted,
    words::{
        agenda::{self, Answer, Event},
        presence,
    },
};

use super::{Ask, Client, Told, Unanswered};
use crate::{
    id_map::IdMap,
    operation::{Call, KeyMint, Observed, Outcome, Push, Slot},
    plan::Place,
};

const SLOT: agenda::SlotId = agenda::SlotId {
    agenda: 5,
    day: 20_000,
    slot: 3,
};

fn client() -> Client {
    let world = IdMap {
        agendas: vec![5],
        first_day: 20_000,
        ..IdMap::default()
    };
    let session = Session {
        user: UserId(2),
        session: 3,
        token: protocol::words::accounts::Token([4; 32]),
        cursor: Seq(2),
    };
    let mut client = Client::new(9, KeyMint::new([1; 32]), Rc::new(world), session);
    let subscribed = presence::Answer::from(presence::Subscribed { from: Seq(2) });
    let mut outcome = Vec::new();
    encode_accepted(subscribed.kind().0, 1, &mut outcome);
    subscribed.encode(&mut outcome);
    let told = tell(&mut client, &answer(1, &outcome));
    assert!(matches!(told, Told::Subscribed { from: 2, .. }), "{told:?}");
    client.out().clear();
    client
}

fn ask(client: &mut Client, call: Call) {
    client.ask(&Ask {
        call,
        intended_at: 10,
        sent_at: 20,
        floor: 4,
        run: 77,
        entry: None,
    });
}

fn tell(client: &mut Client, reply: &Reply<'_>) -> Told {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    let mut input = bytes.as_slice();
    let told = client.handle_bytes(&mut input, 30).expect("a conversation");
    assert!(input.is_empty());
    told.expect("a whole frame")
}

fn answer(correlation: u64, outcome: &[u8]) -> Reply<'_> {
    Reply::Answer {
        correlation,
        seq: Seq(6),
        hash: ChainHash([2; 32]),
        outcome,
    }
}

#[test]
fn a_command_carries_a_key_that_its_mint_knows() {
    let mut client = client();
    let slot = client.world().slot(Place {
        agenda: 0,
        day: 0,
        slot: 3,
    });
    ask(&mut client, Call::Reserve { slot });
    let out = client.out().clone();
    let (frame, _rest) = frame::split(&out, REPLY_BYTES_MAX).unwrap().unwrap();
    let Ok(Request::Command {
        key, kind, body, ..
    }) = Request::decode(frame)
    else {
        panic!("a command was asked");
    };
    assert_eq!(KeyMint::new([1; 32]).verify(&key), Some((9, 1)));
    let first = KeyMint::new([1; 32]).mint(0, client.counter() - 1);
    assert!(!first.is_server_own(), "also of the client that is 0");
    let word = agenda::Command::decode(kind, 1, body).expect("a word");
    assert_eq!(word, agenda::Reserve { slot: SLOT }.into());
}

#[test]
fn an_answer_finds_its_call_in_any_order_and_only_once() {
    let mut client = client();
    ask(&mut client, Call::MyBookings);
    ask(&mut client, Call::MyBookings);
    let key = Key([3; 16]);
    let view = agenda::BookingView {
        booking: 8,
        slot: SLOT,
        until: 0,
        key,
    };
    let shown = Answer::Bookings(agenda::Bookings {
        bookings: vec![view],
    });
    let mut outcome = Vec::new();
    encode_accepted(shown.kind().0, 1, &mut outcome);
    shown.encode(&mut outcome);
    let Told::Finished(finished) = tell(&mut client, &answer(3, &outcome)) else {
        panic!("the second call was answered");
    };
    let done = finished.operation;
    assert_eq!((done.counter, done.seq, done.floor), (2, 6, 4));
    assert_eq!(
        (done.sent_at, done.completed_at, finished.run),
        (20, 30, 77)
    );
    let slot = Slot::pack(SLOT).unwrap();
    assert_eq!(
        finished.observed,
        Observed::Bookings(vec![(8, slot, 0, key)])
    );
    let mut bytes = Vec::new();
    answer(3, &outcome).encode(&mut bytes);
    let told = client.handle_bytes(&mut bytes.as_slice(), 30);
    assert!(matches!(told, Ok(None)), "nobody waits for it: {told:?}");
    let given_up = client.give_up(20, 40);
    let Some(Unanswered::Call(finished)) = given_up else {
        panic!("the first call is overdue: {given_up:?}");
    };
    assert_eq!(finished.operation.outcome, Outcome::Timeout);
    assert!(client.give_up(20, 40).is_none());
}

#[test]
fn a_call_that_was_cut_off_and_never_answered_is_unknown() {
    let mut client = client();
    ask(&mut client, Call::MyBookings);
    client.handle_loss(25);
    assert!(client.is_away() && client.has_room(25), "it can wait");
    ask(&mut client, Call::MyBookings);
    for wanted in [Outcome::Unknown, Outcome::Timeout] {
        let given_up = client.give_up(20, 40);
        let Some(Unanswered::Call(finished)) = given_up else {
            panic!("a call: {given_up:?}");
        };
        assert_eq!(finished.operation.outcome, wanted);
    }
}

#[test]
fn a_conversation_that_the_server_ends_is_still_a_connection_to_lose() {
    let mut client = client();
    let mut bytes = Vec::new();
    Reply::Error(protocol::message::ErrorReply {
        correlation: 0,
        refusal: protocol::Refusal::new(protocol::Code::SESSION_ENDED),
        retry_after_ms: 0,
        fatal: true,
    })
    .encode(&mut bytes);
    assert!(client.handle_bytes(&mut bytes.as_slice(), 30).is_err());
    assert!(client.has_ended() && !client.is_open() && client.is_subscribed());
    client.handle_loss(31);
    assert!(!client.is_subscribed() && client.connect_at().is_none());
}

#[test]
fn a_push_is_told_as_what_happened_to_the_client() {
    let promoted = Event::Promoted(agenda::Promoted {
        slot: SLOT,
        user: UserId(2),
    });
    let mut body = Vec::new();
    promoted.encode(&mut body);
    let (kind, schema) = promoted.kind();
    const HASH: ChainHash = ChainHash([9; 32]);
    let reply = Reply::Push {
        seq: Seq(12),
        hash: HASH,
        kind,
        schema,
        body: &body,
    };
    let slot = Slot::pack(SLOT).unwrap();
    let told = tell(&mut client(), &reply);
    let wanted = Push::Promoted { slot };
    assert!(
        matches!(told, Told::Pushed { position: (12, HASH), push } if push == wanted),
        "{told:?}"
    );
}
