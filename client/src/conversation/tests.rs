//! Scripts of bytes: what a conversation says on each of its connections, and when.

use protocol::{
    ChainHash, Code, Outcome, Roles, frame,
    limits::REQUEST_BYTES_MAX,
    message::{ErrorReply, Reply, Welcome, WelcomeFlags},
    outcome::{encode_accepted, encode_refused},
    words::accounts,
};

use super::*;
use crate::GIVE_UP_AFTER;

const SECOND: Nanos = 1_000_000_000;
const TOKEN: Token = Token([7; 32]);
const KIND: Kind = Kind::new(3, 1);

type Talk = Conversation<&'static str>;

const fn word(body: &[u8]) -> Word<'_> {
    Word {
        kind: KIND,
        schema: 1,
        body,
    }
}

fn options(identity: Identity) -> Options {
    Options {
        identity,
        cursor: None,
        seed: 11,
        on_busy: OnBusy::Retry,
    }
}

fn log_in() -> Identity {
    Identity::LogIn {
        name: "ana".to_owned(),
        password: "secret".to_owned(),
        key: Key([9; 16]),
    }
}

/// What it would write now, one line a frame.
fn said(talk: &mut Talk) -> Vec<String> {
    let out = std::mem::take(talk.poll_transmit());
    let (mut rest, mut lines) = (out.as_slice(), Vec::new());
    while let Some((frame, after)) = frame::split(rest, REQUEST_BYTES_MAX).unwrap() {
        lines.push(line(&Request::decode(frame).unwrap()));
        rest = after;
    }
    assert!(rest.is_empty(), "whole frames are said");
    lines
}

fn line(request: &Request<'_>) -> String {
    match request {
        Request::Hello { .. } => "hello".to_owned(),
        Request::Auth { request, .. } => format!("{request:?}"),
        Request::Command { key, body, .. } => format!("command {} {body:?}", key.0[0]),
        Request::Query {
            kind, schema, body, ..
        } => match presence::Query::decode(*kind, *schema, body) {
            Ok(presence::Query::Subscribe(subscribe)) => format!("{:?}", subscribe.from),
            Ok(presence::Query::ListPresence(_)) | Err(_) => format!("query {body:?}"),
        },
        Request::Ping { .. } => "ping".to_owned(),
        Request::Signal { body, .. } => format!("signal {body:?}"),
        Request::Alive => "alive".to_owned(),
    }
}

/// What it makes of a reply.
fn told(talk: &mut Talk, reply: &Reply<'_>, now: Nanos) -> Result<Vec<String>, Broken> {
    let mut bytes = Vec::new();
    reply.encode(&mut bytes);
    let (mut input, mut lines) = (bytes.as_slice(), Vec::new());
    while let Some(event) = talk.handle_bytes(&mut input, now)? {
        lines.push(match event {
            Event::Subscribed { from, newest } => format!("subscribed {from} of {newest}"),
            Event::Answered(answered) => {
                let is_ok = matches!(answered.outcome, Outcome::Accepted { .. });
                format!("{} {is_ok} by {}", answered.tag, answered.attempts)
            }
            Event::Unconsidered(it) => format!("{} {}", it.tag, it.refusal.code.name()),
            Event::Pushed { seq, .. } => format!("pushed {seq}"),
            Event::News { body, .. } => format!("news {body:?}"),
        });
    }
    Ok(lines)
}

fn outcome(answer: &accounts::Answer) -> Vec<u8> {
    let (kind, schema) = answer.kind();
    let mut outcome = Vec::new();
    encode_accepted(kind, schema, &mut outcome);
    answer.encode(&mut outcome);
    outcome
}

fn answer(correlation: u64, outcome: &[u8]) -> Reply<'_> {
    Reply::Answer {
        correlation,
        seq: Seq(40),
        hash: ChainHash::START,
        outcome,
    }
}

fn push(seq: u64) -> Reply<'static> {
    Reply::Push {
        seq: Seq(seq),
        hash: ChainHash::START,
        kind: KIND,
        schema: 1,
        body: b"",
    }
}

fn error(correlation: u64, code: Code, retry_after_ms: u32, fatal: bool) -> Reply<'static> {
    Reply::Error(ErrorReply {
        correlation,
        refusal: Refusal::new(code),
        retry_after_ms,
        fatal,
    })
}

fn opened() -> Vec<u8> {
    outcome(&accounts::Answer::from(accounts::SessionOpened {
        user: UserId(3),
        roles: Roles::MEMBER,
        session: 5,
        expires_at: 1,
        cursor: Seq(3),
        token: TOKEN,
    }))
}

fn resumed() -> Vec<u8> {
    outcome(&accounts::Answer::from(accounts::SessionResumed {
        user: UserId(3),
        roles: Roles::MEMBER,
        session: 5,
        expires_at: 1,
        cursor: Seq(3),
    }))
}

fn subscribed(from: u64) -> Vec<u8> {
    let answer = presence::Answer::from(presence::Subscribed { from: Seq(from) });
    let (kind, schema) = answer.kind();
    let mut outcome = Vec::new();
    encode_accepted(kind, schema, &mut outcome);
    answer.encode(&mut outcome);
    outcome
}

/// The correlation it used last.
fn last(talk: &Talk) -> u64 {
    talk.next_correlation - 1
}

/// A conversation that is open on its first connection, having logged in.
fn open(talk: &mut Talk) {
    assert!(talk.poll_connect(0) && !talk.poll_connect(0));
    talk.handle_connected(0);
    let welcome = Reply::Welcome(Welcome {
        version: 1,
        request_bytes_max: 1,
        in_flight_max: 1,
        flags: WelcomeFlags::default(),
        seq: Seq(40),
        hash: ChainHash::START,
    });
    assert_eq!(said(talk), ["hello", "LogIn(\"ana\", <password>)"]);
    assert!(told(talk, &welcome, 0).unwrap().is_empty());
    let correlation = last(talk);
    assert!(
        told(talk, &answer(correlation, &opened()), 0)
            .unwrap()
            .is_empty()
    );
    assert_eq!(said(talk), ["None"]);
    subscribe(talk, 3);
}

fn subscribe(talk: &mut Talk, from: u64) {
    subscribe_under(talk, last(talk), from);
}

fn subscribe_under(talk: &mut Talk, correlation: u64, from: u64) {
    let events = told(talk, &answer(correlation, &subscribed(from)), 0).unwrap();
    assert_eq!(events, [format!("subscribed {from} of 40")]);
    assert!(talk.is_open());
}

/// Loses its connection and has another one, up to being somebody again.
fn come_back(talk: &mut Talk, now: Nanos) {
    talk.handle_lost(now);
    let connect_at = talk.connect_at().expect("it comes back");
    assert!(now <= connect_at && connect_at < now + crate::BACKOFF_MAX);
    assert!(talk.poll_connect(connect_at));
    talk.handle_connected(connect_at);
    assert_eq!(said(talk), ["hello", "Resume(<token>)"]);
    let correlation = last(talk);
    told(talk, &answer(correlation, &resumed()), connect_at).unwrap();
}

#[test]
fn a_lost_connection_is_resumed_and_what_was_unanswered_asked_again_in_order_before_the_new() {
    let mut talk = Talk::new(options(log_in()));
    talk.command(Key([1; 16]), word(b"a"), "first", 0);
    open(&mut talk);
    let first = 1; // asked before the connection was there
    talk.query(word(b"b"), "second", 0);
    talk.command(Key([3; 16]), word(b"c"), "third", 0);
    assert_eq!(
        said(&mut talk),
        ["command 1 [97]", "query [98]", "command 3 [99]"]
    );
    assert_eq!(told(&mut talk, &push(41), 0).unwrap(), ["pushed 41"]);
    let decided = opened();
    let events = told(&mut talk, &answer(first, &decided), 0).unwrap();
    assert_eq!(events, ["first true by 1"]);
    come_back(&mut talk, 0);
    let asked = last(&talk);
    talk.command(Key([4; 16]), word(b"d"), "fourth", 0);
    assert_eq!(
        said(&mut talk),
        ["Some(Seq(41))"],
        "it goes on where it was"
    );
    subscribe_under(&mut talk, asked, 41);
    talk.command(Key([5; 16]), word(b"e"), "fifth", 0);
    let again = [
        "query [98]",
        "command 3 [99]",
        "command 4 [100]",
        "command 5 [101]",
    ];
    assert_eq!(said(&mut talk), again);
    let mut refused = Vec::new();
    encode_refused(&Refusal::new(Code::SLOT_TAKEN), &mut refused);
    let third = 5; // after the first, the log-in, the subscription and the query
    let events = told(&mut talk, &answer(third, &refused), 0).unwrap();
    assert_eq!(events, ["third false by 2"]);
    assert!(
        told(&mut talk, &answer(third, &refused), 0)
            .unwrap()
            .is_empty(),
        "once"
    );
}

#[test]
fn a_push_before_the_answer_to_its_subscription_counts() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    come_back(&mut talk, 0);
    told(&mut talk, &push(50), 0).unwrap();
    subscribe(&mut talk, 3);
    assert_eq!(talk.cursor(), Some(Seq(50)));
}

#[test]
fn whoever_is_told_to_come_later_comes_later_with_the_same_key() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    talk.command(Key([1; 16]), word(b"a"), "busy", 0);
    said(&mut talk);
    let correlation = last(&talk);
    let events = told(&mut talk, &error(correlation, Code::BUSY, 20, false), 0).unwrap();
    assert!(events.is_empty() && talk.poll_transmit().is_empty());
    assert_eq!(talk.poll_timeout(), Some(SECOND / 50));
    talk.handle_timeout(SECOND / 50).unwrap();
    assert_eq!(said(&mut talk), ["command 1 [97]"]);
    talk.on_busy = OnBusy::Tell;
    let events = told(&mut talk, &error(correlation, Code::BUSY, 20, false), 0).unwrap();
    assert_eq!(events, ["busy busy"]);
}

#[test]
fn a_busy_server_is_entered_later_on_the_same_connection() {
    let mut talk = Talk::new(options(log_in()));
    assert!(talk.poll_connect(0));
    talk.handle_connected(0);
    said(&mut talk);
    let correlation = last(&talk);
    told(&mut talk, &error(correlation, Code::BUSY, 1_000, false), 0).unwrap();
    assert_eq!(talk.poll_timeout(), Some(SECOND));
    talk.handle_timeout(SECOND).unwrap();
    assert_eq!(said(&mut talk), ["LogIn(\"ana\", <password>)"]);
}

#[test]
fn silence_is_asked_about_and_then_taken_for_the_end() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    assert_eq!(talk.poll_timeout(), Some(PING_AFTER));
    talk.handle_timeout(PING_AFTER).unwrap();
    assert_eq!(said(&mut talk), ["ping"]);
    let pong = Reply::Pong { correlation: 0 };
    told(&mut talk, &pong, PING_AFTER + 1).unwrap();
    assert_eq!(
        told(&mut talk, &Reply::Probe, PING_AFTER + 2)
            .unwrap()
            .len(),
        0
    );
    assert_eq!(said(&mut talk), ["alive"]);
    let ping_at = talk.poll_timeout().expect("a ping");
    talk.handle_timeout(ping_at).unwrap();
    assert_eq!(said(&mut talk), ["ping"]);
    let late = ping_at + PONG_WITHIN;
    assert!(matches!(talk.handle_timeout(late), Err(Broken::Silent(_))));
}

#[test]
fn a_server_that_answers_nothing_is_left_and_tried_again() {
    let mut talk = Talk::new(options(log_in()));
    assert!(talk.poll_connect(0));
    talk.handle_connected(0);
    assert_eq!(talk.poll_timeout(), Some(ENTER_TIMEOUT));
    assert!(talk.handle_timeout(ENTER_TIMEOUT).is_err());
    talk.handle_lost(ENTER_TIMEOUT);
    assert!(talk.connect_at().is_some());
}

#[test]
fn a_slow_reader_comes_back_at_its_cursor_and_an_ended_session_does_not() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    told(&mut talk, &push(45), 0).unwrap();
    let slow = error(0, Code::SLOW_READER, 0, true);
    assert!(matches!(told(&mut talk, &slow, 0), Err(Broken::Closing(_))));
    come_back(&mut talk, 0);
    assert_eq!(said(&mut talk), ["Some(Seq(45))"]);
    let ended = error(0, Code::SESSION_ENDED, 0, true);
    assert!(matches!(
        told(&mut talk, &ended, 0),
        Err(Broken::NotTaken(_))
    ));
    talk.handle_lost(0);
    assert_eq!((talk.connect_at(), talk.poll_timeout()), (None, None));
    assert_eq!(talk.ended(), Some(&Refusal::new(Code::SESSION_ENDED)));
}

#[test]
fn what_is_kept_is_bounded_and_what_is_given_up_is_not_asked_again() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    let mut asked = 0;
    while talk.has_room() {
        talk.query(word(b"q"), "query", 0);
        asked += 1;
    }
    assert_eq!(asked, UNANSWERED_LEN_MAX);
    said(&mut talk);
    talk.handle_lost(0);
    let given_up = talk.give_up().expect("the oldest");
    assert!(given_up.was_cut_off && given_up.attempts == 1);
    assert!(talk.has_room(), "away, more can be asked");
    let now = talk.connect_at().unwrap();
    assert!(talk.poll_connect(now));
    talk.handle_connected(now);
    said(&mut talk);
    let correlation = last(&talk);
    told(&mut talk, &answer(correlation, &resumed()), now).unwrap();
    said(&mut talk);
    subscribe(&mut talk, 3);
    assert_eq!(said(&mut talk).len(), UNANSWERED_LEN_MAX - 1);
}

#[test]
fn whoever_goes_away_by_choice_comes_back_then() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    talk.go_away(None);
    assert!(talk.is_away() && !talk.poll_connect(Nanos::MAX));
    talk.go_away(Some(5));
    assert!(!talk.poll_connect(4) && talk.poll_connect(5));
}

#[test]
fn whoever_has_logged_in_elsewhere_subscribes_and_can_come_back() {
    let session = Session {
        user: UserId(3),
        session: 5,
        token: TOKEN,
        cursor: Seq(3),
    };
    let mut talk = Talk::carry_on(session, 11, OnBusy::Tell, 0);
    assert_eq!(said(&mut talk), ["Some(Seq(3))"]);
    subscribe(&mut talk, 3);
    come_back(&mut talk, 0);
    assert_eq!(said(&mut talk), ["Some(Seq(3))"]);
}

/// Takes what is given up: how it is called, and whether it may have happened.
fn expired(talk: &mut Talk, now: Nanos) -> Vec<(&'static str, bool)> {
    let expired = std::iter::from_fn(|| talk.expire(now));
    expired
        .map(|given_up| (given_up.tag, given_up.may_have_happened))
        .collect()
}

#[test]
fn a_request_is_given_up_a_minute_after_it_was_asked() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    talk.command(Key([1; 16]), word(b"a"), "sent", 0);
    talk.query(word(b"b"), "later", SECOND);
    said(&mut talk);
    assert_eq!(talk.expires_at(), Some(GIVE_UP_AFTER));
    assert_eq!(expired(&mut talk, GIVE_UP_AFTER - 1), []);
    assert_eq!(expired(&mut talk, GIVE_UP_AFTER), [("sent", true)]);
    assert_eq!(
        expired(&mut talk, GIVE_UP_AFTER + SECOND),
        [("later", true)]
    );
    assert_eq!(talk.expires_at(), None);
    let late = told(&mut talk, &answer(3, &opened()), GIVE_UP_AFTER + SECOND).unwrap();
    assert!(
        late.is_empty(),
        "an answer that comes after that is nobody's"
    );
}

#[test]
fn nothing_is_sent_again_after_a_minute_though_nobody_gave_it_up() {
    let mut talk = Talk::new(options(log_in()));
    open(&mut talk);
    talk.command(Key([1; 16]), word(b"a"), "old", 0);
    talk.command(Key([2; 16]), word(b"b"), "young", SECOND);
    said(&mut talk);
    come_back(&mut talk, GIVE_UP_AFTER - SECOND);
    said(&mut talk);
    let correlation = last(&talk);
    let subscribed = subscribed(3);
    told(&mut talk, &answer(correlation, &subscribed), GIVE_UP_AFTER).unwrap();
    assert_eq!(said(&mut talk), ["command 2 [98]"]);
    assert_eq!(expired(&mut talk, GIVE_UP_AFTER), [("old", true)]);
}

#[test]
fn what_was_never_sent_or_not_considered_did_not_happen() {
    let mut talk = Talk::new(options(log_in()));
    talk.command(Key([1; 16]), word(b"a"), "never sent", 0);
    assert_eq!(expired(&mut talk, GIVE_UP_AFTER), [("never sent", false)]);
    open(&mut talk);
    let busy = |talk: &mut Talk| {
        let correlation = last(talk);
        let error = error(correlation, Code::BUSY, 120_000, false);
        assert!(told(talk, &error, 0).unwrap().is_empty());
    };
    talk.command(Key([2; 16]), word(b"b"), "told to come later", 0);
    said(&mut talk);
    busy(&mut talk);
    assert_eq!(
        expired(&mut talk, GIVE_UP_AFTER),
        [("told to come later", false)]
    );
    talk.command(Key([3; 16]), word(b"c"), "cut off before", 0);
    said(&mut talk);
    let asked = last(&talk);
    come_back(&mut talk, 0);
    said(&mut talk);
    subscribe(&mut talk, 3);
    said(&mut talk);
    let error = error(asked, Code::BUSY, 120_000, false);
    assert!(told(&mut talk, &error, 0).unwrap().is_empty());
    assert_eq!(
        expired(&mut talk, GIVE_UP_AFTER),
        [("cut off before", true)],
        "the first time it may have been considered"
    );
}
