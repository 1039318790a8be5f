//! Conversations as scripts: bytes in, bytes out, time by hand.

use proptest::prelude::*;
use protocol::{
    Key, Kind, Outcome, Roles, frame,
    limits::REPLY_BYTES_MAX,
    message::MessageError,
    outcome::{encode_accepted, encode_refused},
    words::accounts::{
        self, Answer, AuthRequest, Event, LoggedIn, SessionOpened, SessionResumed, Token,
    },
};

use super::*;

const NOW: u64 = 1_000;
const WALL: u64 = 1_700_000_000_000;
const LIMITS: SessionTimeouts = SessionTimeouts {
    hello: Duration::from_millis(10),
    login: Duration::from_millis(100),
    idle: Duration::from_millis(1_000),
    unread: Duration::from_millis(500),
};
const PERSON: Person = Person {
    user: UserId(7),
    session: 40,
    expires_at: WALL + 5_000,
};
const AT: Head = Head {
    seq: Seq(40),
    hash: ChainHash([4; 32]),
};
const KEY: Key = Key([1; 16]);

fn facts() -> ServerFacts {
    ServerFacts {
        flags: WelcomeFlags::DURABLE,
        durable: AT,
    }
}

fn new() -> Session {
    Session::new(NOW, LIMITS)
}

fn stranger() -> Session {
    let mut session = new();
    feed(&mut session, &hello(WIRE_VERSION));
    sent(&mut session);
    session
}

fn person() -> Session {
    let mut session = stranger();
    feed(&mut session, &log_in(1));
    session.handle_answer(1, AT, &resumed());
    sent(&mut session);
    session
}

fn bytes(requests: &[Request<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for request in requests {
        request.encode(&mut out);
    }
    out
}

fn hello(version: u16) -> Vec<u8> {
    bytes(&[Request::Hello { version }])
}

fn log_in(correlation: u64) -> Vec<u8> {
    let request = AuthRequest::LogIn {
        name: "ana".to_owned(),
        password: "secret".to_owned(),
    };
    bytes(&[Request::Auth {
        correlation,
        key: KEY,
        request,
    }])
}

fn command(correlation: u64) -> Vec<u8> {
    let (kind, schema) = (Kind::new(2, 2), 1);
    bytes(&[Request::Command {
        correlation,
        key: KEY,
        kind,
        schema,
        body: &[5],
    }])
}

/// Shows the session these bytes as the shell does; says what it demanded, in order.
fn feed(session: &mut Session, mut input: &[u8]) -> Vec<String> {
    let mut demands = Vec::new();
    loop {
        let (demand, rest) = session.handle_input(NOW, input, &facts());
        input = rest;
        match demand {
            Action::More => return demands,
            Action::Close => {
                demands.push("close".to_owned());
                return demands;
            }
            Action::Nothing => {}
            Action::Ask(asked) => demands.push(format!("{asked:?}")),
            Action::Signal { user, word } => demands.push(format!("{user:?} {word:?}")),
        }
    }
}

/// What was sent since the last look, one line a frame.
fn sent(session: &mut Session) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), session.outbound().to_vec());
    let len = rest.len();
    while let Some((one, behind)) = frame::split(&rest, REPLY_BYTES_MAX).unwrap() {
        lines.push(line(&Reply::decode(one).unwrap()));
        rest = behind.to_vec();
    }
    assert!(rest.is_empty(), "only whole frames are sent");
    session.handle_sent(len);
    lines
}

fn line(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Welcome(welcome) => format!("welcome {} at {}", welcome.version, welcome.seq),
        Reply::Answer {
            correlation,
            seq,
            outcome,
            ..
        } => {
            let word = match Outcome::decode(outcome).unwrap() {
                Outcome::Accepted { kind, .. } => format!("{:#06x}", kind.0),
                Outcome::Refused(refusal) => refusal.code.name().to_owned(),
            };
            format!("answer {correlation} at {seq}: {word}")
        }
        Reply::Push { seq, kind, .. } => format!("push at {seq}: {:#06x}", kind.0),
        Reply::Error(error) => format!(
            "{} {}: {} {}/{}{}",
            if error.fatal { "fatal" } else { "error" },
            error.correlation,
            error.refusal.code.name(),
            error.refusal.value,
            error.refusal.limit,
            if error.retry_after_ms == 0 {
                ""
            } else {
                " retry"
            },
        ),
        Reply::Pong { correlation } => format!("pong {correlation}"),
        Reply::Ephemeral { kind, .. } => format!("news {kind:?}"),
        Reply::Probe => "probe".to_owned(),
    }
}

fn refused(code: Code) -> Vec<u8> {
    let mut outcome = Vec::new();
    encode_refused(&Refusal::new(code), &mut outcome);
    outcome
}

fn accepted(event: &Event) -> Vec<u8> {
    let mut outcome = Vec::new();
    let (kind, schema) = event.kind();
    encode_accepted(kind, schema, &mut outcome);
    event.encode(&mut outcome);
    outcome
}

fn logged_in() -> Vec<u8> {
    accepted(
        &LoggedIn {
            user: PERSON.user,
            expires_at: PERSON.expires_at,
            cursor: Seq(30),
        }
        .into(),
    )
}

fn resumed() -> Vec<u8> {
    let answer = Answer::from(SessionResumed {
        user: PERSON.user,
        roles: Roles::MEMBER,
        session: PERSON.session,
        expires_at: PERSON.expires_at,
        cursor: Seq(30),
    });
    let mut outcome = Vec::new();
    let (kind, schema) = answer.kind();
    encode_accepted(kind, schema, &mut outcome);
    answer.encode(&mut outcome);
    outcome
}

/// Feeds `input` to `session`; the last thing demanded must be to close, after this.
#[track_caller]
fn closes(mut session: Session, input: &[u8], expected: &str) {
    assert_eq!(
        feed(&mut session, input).last().map(String::as_str),
        Some("close")
    );
    assert_eq!(
        sent(&mut session).last().map(String::as_str),
        Some(expected)
    );
    assert!(session.is_closed());
    assert_eq!(
        feed(&mut session, &hello(WIRE_VERSION)),
        ["close"],
        "nothing more is read"
    );
    assert!(
        sent(&mut session).is_empty(),
        "the fatal error is the last frame"
    );
}

#[test]
fn a_conversation_opens_with_a_hello() {
    let mut session = new();
    assert!(feed(&mut session, &hello(WIRE_VERSION)).is_empty());
    assert_eq!(sent(&mut session), ["welcome 1 at 40"]);
    closes(new(), &command(1), "fatal 0: hello-first 3/0");
    closes(new(), &log_in(1), "fatal 0: hello-first 2/0");
    closes(
        new(),
        &bytes(&[Request::Ping { correlation: 1 }]),
        "fatal 0: hello-first 5/0",
    );
}

#[test]
fn what_no_client_says_ends_the_conversation() {
    closes(new(), &hello(2), "fatal 0: wire-version 2/1");
    closes(stranger(), &hello(WIRE_VERSION), "fatal 0: bad-frame 0/0");
    closes(
        new(),
        b"GET / HTTP/1.1\r\n\r\n",
        "fatal 0: frame-too-long 542393671/16384",
    );
    closes(stranger(), &[0, 0, 0, 0], "fatal 0: bad-frame 0/0");
    closes(stranger(), &[1, 0, 0, 0, 0x7f], "fatal 0: bad-frame 0/0");
    closes(
        stranger(),
        &[3, 0, 0, 0, 0x03, 1, 2],
        "fatal 0: bad-frame 1/0",
    );
    closes(
        new(),
        &[7, 0, 0, 0, 1, b'H', b'T', b'T', b'P', 1, 0],
        "fatal 0: bad-frame 1/0",
    );
    closes(
        stranger(),
        &16_385_u32.to_le_bytes(),
        "fatal 0: frame-too-long 16385/16384",
    );
    closes(
        stranger(),
        &[0xff; 4],
        "fatal 0: frame-too-long 4294967295/16384",
    );
}

#[test]
fn the_longest_frame_is_taken() {
    let mut session = person();
    let head = 1 + 8 + 16 + 2 + 1;
    let body = vec![0; REQUEST_BYTES_MAX - head];
    let (kind, schema) = (Kind::new(2, 2), 1);
    let input = bytes(&[Request::Command {
        correlation: 3,
        key: KEY,
        kind,
        schema,
        body: &body,
    }]);
    assert_eq!(input.len(), REQUEST_BYTES_MAX + frame::PREFIX_BYTES);
    assert_eq!(feed(&mut session, &input).len(), 1);
    assert!(!session.is_closed());
}

proptest! {
    #[test]
    fn any_chunking_demands_the_same(cuts in prop::collection::vec(1..40_usize, 1..60)) {
        let script = [
            hello(WIRE_VERSION),
            command(1),
            bytes(&[Request::Ping { correlation: 2 }]),
            log_in(3),
            log_in(4),
            command(5),
        ]
        .concat();
        let mut whole = new();
        let demands = feed(&mut whole, &script);
        let mut pieces = new();
        let (mut partial, mut rest, mut asked) = (Vec::new(), &script[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*cut));
            rest = behind;
            partial.extend_from_slice(piece);
            let mut input = &partial[..];
            loop {
                let (demand, left) = pieces.handle_input(NOW, input, &facts());
                input = left;
                match demand {
                    Action::More => break,
                    Action::Ask(what) => asked.push(format!("{what:?}")),
                    Action::Signal { user, word } => asked.push(format!("{user:?} {word:?}")),
                    Action::Nothing => {}
                    Action::Close => panic!("nothing is wrong with the script"),
                }
            }
            partial = input.to_vec();
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(partial.is_empty());
        prop_assert_eq!(asked, demands);
        prop_assert_eq!(sent(&mut pieces), sent(&mut whole));
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..300), late: bool) {
        let mut session = if late { person() } else { new() };
        let _whatever = feed(&mut session, &input);
        let lines = sent(&mut session);
        let fatal = lines.iter().filter(|line| line.starts_with("fatal")).count();
        prop_assert_eq!(fatal, usize::from(session.is_closed()));
    }
}

#[test]
fn a_stranger_may_only_ask_to_be_somebody() {
    let mut session = stranger();
    let query = Request::Query {
        correlation: 9,
        kind: Kind::new(2, 1),
        schema: 1,
        body: &[],
    };
    let input = [
        command(8),
        bytes(&[query, Request::Ping { correlation: 10 }]),
    ]
    .concat();
    assert!(feed(&mut session, &input).is_empty());
    let expected = [
        "error 8: log-in-first 0/0",
        "error 9: log-in-first 0/0",
        "pong 10",
    ];
    assert_eq!(sent(&mut session), expected);
    assert!(
        !session.is_waiting(),
        "what was not considered is not in flight"
    );
    let demands = feed(&mut session, &log_in(11));
    assert_eq!(demands.len(), 1);
    assert!(demands[0].contains("Auth"), "{demands:?}");
    assert!(!demands[0].contains("secret"), "passwords are never shown");
}

/// Every request that has a correlation, under this one; those with a key, under this one.
fn numbered(correlation: u64, key: Key) -> [Request<'static>; 6] {
    let (kind, schema, body) = (Kind::new(2, 2), 1, &[5][..]);
    let auth = |request| Request::Auth {
        correlation,
        key,
        request,
    };
    let (name, password) = ("ana".to_owned(), "secret".to_owned());
    [
        Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        },
        auth(AuthRequest::Register {
            name: name.clone(),
            password: password.clone(),
        }),
        auth(AuthRequest::LogIn { name, password }),
        auth(AuthRequest::Resume {
            token: Token([9; 32]),
        }),
        Request::Query {
            correlation,
            kind,
            schema,
            body,
        },
        Request::Ping { correlation },
    ]
}

#[test]
fn no_request_takes_the_number_of_the_conversation() {
    for make in [stranger, person] {
        for request in numbered(0, KEY) {
            let mut session = make();
            let demands = feed(&mut session, &bytes(std::slice::from_ref(&request)));
            assert!(demands.is_empty(), "{request:?}: {demands:?}");
            assert_eq!(sent(&mut session), ["error 0: zero-correlation 0/0"]);
            assert!(!session.is_waiting(), "{request:?}");
        }
    }
}

#[test]
fn no_request_takes_a_key_of_the_servers_own() {
    let mut other = Key::of_server(Seq(1));
    other.0[7] = 1;
    let refused = |session: fn() -> Session, key, nth: usize| {
        let mut session = session();
        let demands = feed(&mut session, &bytes(&[numbered(5, key)[nth].clone()]));
        let lines = sent(&mut session);
        assert_eq!(demands.is_empty(), !lines.is_empty(), "{lines:?}");
        lines.contains(&"error 5: server-key 0/0".to_owned())
    };
    for key in [
        Key::default(),
        Key::of_server(Seq(1)),
        Key::of_server(Seq(u64::MAX)),
    ] {
        assert!(refused(person, key, 0), "a command under {key}");
        assert!(refused(stranger, key, 1), "a registration under {key}");
        assert!(refused(stranger, key, 2), "a log-in under {key}");
        assert!(
            !refused(stranger, key, 3),
            "the key of a resumption means nothing"
        );
    }
    assert!(!refused(person, other, 0));
    assert!(!refused(stranger, other, 1));
}

#[test]
fn one_authentication_at_a_time() {
    let mut session = stranger();
    assert_eq!(
        feed(&mut session, &[log_in(1), log_in(2)].concat()).len(),
        1
    );
    assert_eq!(sent(&mut session), ["error 2: too-many-in-flight 1/1"]);
    session.handle_answer(1, AT, &refused(Code::BAD_CREDENTIALS));
    assert_eq!(sent(&mut session), ["answer 1 at 40: bad-credentials"]);
    assert_eq!(
        feed(&mut session, &log_in(3)).len(),
        1,
        "the next one may come"
    );
    session.handle_answer(3, AT, &resumed());
    assert_eq!(session.person(), Some(PERSON));
    assert_eq!(sent(&mut session), ["answer 3 at 40: 0x0111"]);
    assert!(feed(&mut session, &log_in(4)).is_empty());
    assert_eq!(sent(&mut session), ["error 4: already-logged-in 7/0"]);
}

#[test]
fn guessing_ends_after_five_failures() {
    let mut session = stranger();
    for correlation in 1..=u64::from(LOGIN_FAILURES_MAX) {
        assert_eq!(feed(&mut session, &log_in(correlation)).len(), 1);
        session.handle_answer(correlation, AT, &refused(Code::BAD_CREDENTIALS));
    }
    closes(session, &log_in(9), "fatal 0: too-many-logins 5/5");
}

#[test]
fn an_accepted_log_in_hands_out_its_grant() {
    let mut session = stranger();
    feed(&mut session, &log_in(1));
    let grant = Grant {
        token: Token([9; 32]),
        roles: Roles::MANAGER,
    };
    session.handle_grant(grant);
    session.handle_answer(1, AT, &logged_in());
    assert_eq!(session.person(), Some(PERSON));
    let outbound = session.outbound().to_vec();
    let (one, rest) = frame::split(&outbound, REPLY_BYTES_MAX).unwrap().unwrap();
    assert!(rest.is_empty());
    let Ok(Reply::Answer {
        correlation: 1,
        outcome,
        ..
    }) = Reply::decode(one)
    else {
        panic!("an answer to 1")
    };
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(outcome) else {
        panic!("accepted")
    };
    let opened = SessionOpened {
        user: PERSON.user,
        roles: grant.roles,
        session: AT.seq.0,
        expires_at: PERSON.expires_at,
        cursor: Seq(30),
        token: grant.token,
    };
    assert_eq!(Answer::decode(kind, schema, body), Ok(opened.into()));
}

#[test]
fn registering_makes_nobody_of_a_connection() {
    let mut session = stranger();
    feed(&mut session, &log_in(1));
    let registered = accounts::Registered {};
    session.handle_answer(1, AT, &accepted(&registered.into()));
    assert_eq!(session.person(), None);
    assert_eq!(sent(&mut session), ["answer 1 at 40: 0x0101"]);
}

#[test]
fn the_sixty_fifth_unanswered_request_is_not_considered() {
    let mut session = person();
    let max = u64::from(IN_FLIGHT_MAX);
    let input: Vec<u8> = (1..=max + 1).flat_map(command).collect();
    assert_eq!(feed(&mut session, &input).len(), 64);
    assert_eq!(sent(&mut session), ["error 65: too-many-in-flight 64/64"]);
    session.handle_answer(5, AT, &refused(Code::SLOT_TAKEN));
    session.handle_refused(6, Refusal::with(Code::BUSY, 3, 3), 50);
    let expected = ["answer 5 at 40: slot-taken", "error 6: busy 3/3 retry"];
    assert_eq!(sent(&mut session), expected);
    assert_eq!(
        feed(&mut session, &input[..command(0).len() * 3]).len(),
        2,
        "room for two"
    );
    assert_eq!(sent(&mut session).len(), 1);
}

#[test]
fn conversations_that_are_too_slow_or_too_silent_end() {
    let check = |session: Session, at: u64, expected: &str| {
        let mut session = session;
        assert_eq!(session.handle_timeout(NOW + at - 1, WALL), Action::Nothing);
        assert!(sent(&mut session).iter().all(|line| line == "probe"));
        assert_eq!(session.handle_timeout(NOW + at, WALL), Action::Close);
        assert_eq!(session.handle_timeout(NOW + at + 1, WALL), Action::Close);
        assert_eq!(sent(&mut session), [expected]);
    };
    check(new(), 10, "fatal 0: hello-timeout 0/10");
    check(stranger(), 100, "fatal 0: login-timeout 0/100");
    check(person(), 1_000, "fatal 0: idle 0/1000");
}

#[test]
fn nobody_is_idle_while_an_answer_is_due() {
    let mut logging_in = stranger();
    feed(&mut logging_in, &log_in(1));
    assert_eq!(logging_in.handle_timeout(NOW + 100, WALL), Action::Nothing);
    let mut asking = person();
    feed(&mut asking, &command(1));
    assert_eq!(asking.handle_timeout(NOW + 1_000, WALL), Action::Nothing);
    asking.handle_answer(1, AT, &refused(Code::SLOT_TAKEN));
    assert_eq!(asking.handle_timeout(NOW + 1_000, WALL), Action::Close);
}

#[test]
fn a_ping_keeps_a_silent_conversation() {
    let mut session = person();
    let ping = bytes(&[Request::Ping { correlation: 1 }]);
    let (demand, rest) = session.handle_input(NOW + 999, &ping, &facts());
    assert_eq!((demand, rest), (Action::Nothing, &[][..]));
    assert_eq!(session.handle_timeout(NOW + 1_998, WALL), Action::Nothing);
    assert_eq!(session.handle_timeout(NOW + 1_999, WALL), Action::Close);
}

#[test]
fn a_session_that_expires_takes_its_conversation_along() {
    let mut session = person();
    assert_eq!(
        session.handle_timeout(NOW, PERSON.expires_at - 1),
        Action::Nothing
    );
    assert_eq!(
        session.handle_timeout(NOW, PERSON.expires_at),
        Action::Close
    );
    assert_eq!(sent(&mut session), ["fatal 0: session-ended 0/0"]);
}

#[test]
fn a_session_that_ended_still_hears_its_answers() {
    let mut session = person();
    feed(&mut session, &command(1));
    assert!(session.handle_revoked());
    session.handle_ended();
    assert!(feed(&mut session, &command(2)).is_empty());
    assert_eq!(sent(&mut session), ["error 2: session-ended 0/0"]);
    assert_eq!(
        session.handle_timeout(NOW, WALL),
        Action::Nothing,
        "an answer is due"
    );
    session.handle_answer(1, AT, &refused(Code::SLOT_TAKEN));
    assert_eq!(session.handle_timeout(NOW, WALL), Action::Close);
    let expected = ["answer 1 at 40: slot-taken", "fatal 0: session-ended 0/0"];
    assert_eq!(sent(&mut session), expected);
}

#[test]
fn a_revoked_session_is_told_nothing_before_that_is_durable() {
    let mut session = person();
    assert!(session.handle_revoked());
    assert!(!session.handle_revoked(), "once is enough");
    let demands = feed(&mut session, &command(1));
    assert_eq!(demands.len(), 1);
    assert!(demands[0].contains("TooLate"), "{demands:?}");
    let after_it_expired = PERSON.expires_at + 1;
    for now in [NOW, NOW + 1_000] {
        assert_eq!(
            session.handle_timeout(now, after_it_expired),
            Action::Nothing
        );
    }
    assert!(sent(&mut session).is_empty());
    session.handle_ended();
    session.handle_refused(1, Refusal::new(Code::SESSION_ENDED), 0);
    assert_eq!(session.handle_timeout(NOW, WALL), Action::Close);
    let expected = ["error 1: session-ended 0/0", "fatal 0: session-ended 0/0"];
    assert_eq!(sent(&mut session), expected);
}

#[test]
fn a_session_ends_only_after_it_was_revoked() {
    let mut session = person();
    session.handle_ended();
    assert_eq!(feed(&mut session, &command(1)).len(), 1);
    assert_eq!(session.handle_timeout(NOW, WALL), Action::Nothing);
    let mut nobody = stranger();
    assert!(!nobody.handle_revoked());
}

#[test]
fn nothing_revives_a_closed_conversation() {
    let check = |revive: &dyn Fn(&mut Session)| {
        let mut session = stranger();
        feed(&mut session, &[log_in(1), vec![0xff; 4]].concat());
        sent(&mut session);
        revive(&mut session);
        assert!(session.is_closed());
        assert_eq!(session.person(), None);
        assert!(!session.is_waiting(), "{:?}", sent(&mut session));
    };
    check(&|session| session.handle_answer(1, AT, &resumed()));
    check(&|session| session.handle_refused(1, Refusal::new(Code::BUSY), 50));
    check(&|session| {
        session.handle_grant(Grant {
            token: Token([9; 32]),
            roles: Roles::MEMBER,
        });
        session.handle_answer(1, AT, &logged_in());
    });
    check(&|session| {
        session.handle_refused(1, Refusal::new(Code::BUSY), 50);
        session.handle_end(Refusal::new(Code::SHUTTING_DOWN));
    });
}

#[test]
fn whoever_is_silent_is_asked_once_for_a_sign_of_life() {
    let mut session = person();
    let half = NOW + 500;
    assert_eq!(session.handle_timeout(half - 1, WALL), Action::Nothing);
    assert!(sent(&mut session).is_empty());
    for now in [half, half + 1] {
        assert_eq!(session.handle_timeout(now, WALL), Action::Nothing);
    }
    assert_eq!(sent(&mut session), ["probe"]);
    let mut alive = Vec::new();
    Request::Alive.encode(&mut alive);
    session.handle_input(half, &alive, &facts());
    let next = half + 500;
    assert_eq!(session.handle_timeout(next - 1, WALL), Action::Nothing);
    assert!(sent(&mut session).is_empty());
    assert_eq!(session.handle_timeout(next, WALL), Action::Nothing);
    assert_eq!(sent(&mut session), ["probe"]);
    assert_eq!(session.handle_timeout(half + 1_000, WALL), Action::Close);
}

#[test]
fn a_signal_of_nobody_is_refused_and_not_passed_on() {
    let mut signal = Vec::new();
    Request::Signal {
        kind: Kind::new(6, 1),
        schema: 1,
        body: &[],
    }
    .encode(&mut signal);
    let mut session = stranger();
    assert!(feed(&mut session, &signal).is_empty());
    assert_eq!(sent(&mut session), ["error 0: log-in-first 0/0"]);
    assert_eq!(feed(&mut person(), &signal).len(), 1);
}

#[test]
fn the_rest_of_a_cut_frame_comes_before_what_was_said_since() {
    let mut session = person();
    let mut frame = Vec::new();
    Reply::Pong { correlation: 3 }.encode(&mut frame);
    session.handle_answer(1, AT, &refused(Code::NOT_WAITING));
    session.handle_cut_frame(&frame);
    let expected = ["pong 3", "answer 1 at 40: not-waiting"];
    assert_eq!(sent(&mut session), expected);
}

#[test]
fn refusals_of_what_is_said_in_passing_are_bounded_and_no_request_is_refused_for_them() {
    let mut session = person();
    for _ in 0..IN_FLIGHT_MAX {
        assert!(!session.is_full_of_refusals());
        session.expect_refusal();
    }
    assert!(session.is_full_of_refusals());
    assert_eq!(feed(&mut session, &command(1)).len(), 1, "it is asked");
    session.handle_refused(0, Refusal::new(Code::TYPING_TARGET), 0);
    assert!(!session.is_full_of_refusals());
    assert_eq!(session.in_flight(), IN_FLIGHT_MAX);
}

#[test]
fn what_was_sent_in_part_is_sent_on() {
    let mut session = person();
    session.handle_answer(1, AT, &refused(Code::SLOT_TAKEN));
    let all = session.outbound().to_vec();
    session.handle_sent(3);
    assert_eq!(session.outbound(), &all[3..]);
    session.handle_sent(all.len() - 3);
    assert!(!session.is_waiting());
    assert_eq!(MessageError { at: 3 }.refusal().value, 3);
}
