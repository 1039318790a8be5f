//! Lines of JSON: every message both ways, and lines that say nothing.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value};

use super::{
    Noise, SETS, Set, check_text, read,
    samples::{self, Sample},
};
use crate::{
    code::{Code, Refusal},
    frame,
    id::{ChainHash, Key, Kind, Seq},
    json::{
        Context, ParsedRequest, Sort, Unsaid, key_of, parse_reply, parse_request, render_reply,
        render_request,
    },
    limits::{REPLY_BYTES_MAX, REQUEST_BYTES_MAX},
    message::{ErrorReply, Reply, Request, Welcome, WelcomeFlags},
    outcome::{encode_accepted, encode_refused},
};

const LINES: &str = "tests/vectors/lines.txt";
const KEY: Key = Key([7; 16]);
const HASH: ChainHash = ChainHash([0x5a; 32]);

/// A word where it stands in a conversation.
#[derive(Debug, Clone, Copy)]
struct Placed<'a> {
    sort: Sort,
    kind: Kind,
    schema: u8,
    body: &'a [u8],
}

fn sort_of(set: &str) -> Sort {
    match set.split_once('/') {
        Some((_, "command")) => Sort::Command,
        Some((_, "query")) => Sort::Query,
        Some((_, "signal")) => Sort::Signal,
        Some((_, "event")) => Sort::Event,
        Some((_, "answer")) => Sort::Answer,
        Some((_, "push")) => Sort::Push,
        Some((_, "news")) => Sort::News,
        other => panic!("{other:?} stands nowhere"),
    }
}

fn place(sample: &Sample) -> Placed<'_> {
    Placed {
        sort: sort_of(sample.set),
        kind: sample.kind,
        schema: sample.schema,
        body: &sample.body,
    }
}

/// The log's own commands, which a line cannot say.
fn is_sayable(sort: Sort, name: &str) -> bool {
    sort != Sort::Command || !["register", "log-in"].contains(&name)
}

/// One message, whichever side says it.
#[derive(Debug, PartialEq, Eq)]
enum Message<'a> {
    Request(Request<'a>),
    Reply(Reply<'a>),
}

/// The message that brings a word, with `outcome` to hold the bytes of one.
fn message<'a>(placed: Placed<'a>, outcome: &'a mut Vec<u8>) -> Message<'a> {
    let Placed {
        sort,
        kind,
        schema,
        body,
    } = placed;
    let (correlation, key, seq, hash) = (7, KEY, Seq(12), HASH);
    match sort {
        Sort::Command => Message::Request(Request::Command {
            correlation,
            key,
            kind,
            schema,
            body,
        }),
        Sort::Query => Message::Request(Request::Query {
            correlation,
            kind,
            schema,
            body,
        }),
        Sort::Signal => Message::Request(Request::Signal { kind, schema, body }),
        Sort::Event | Sort::Answer => {
            encode_accepted(kind, schema, outcome);
            outcome.extend_from_slice(body);
            Message::Reply(Reply::Answer {
                correlation,
                seq,
                hash,
                outcome,
            })
        }
        Sort::Push => Message::Reply(Reply::Push {
            seq,
            hash,
            kind,
            schema,
            body,
        }),
        Sort::News => Message::Reply(Reply::Ephemeral { kind, schema, body }),
    }
}

const fn context(outcome: Sort) -> Context {
    Context {
        outcome,
        made_key: Some(KEY),
        hello: Some(7),
    }
}

fn line_of(message: &Message<'_>, sort: Sort) -> String {
    let mut out = Vec::new();
    match message {
        Message::Request(request) => render_request(request, &mut out).unwrap(),
        Message::Reply(reply) => render_reply(reply, context(sort), &mut out).unwrap(),
    }
    let line = String::from_utf8(out).unwrap();
    let line = line.strip_suffix('\n').expect("a line ends");
    assert!(!line.contains('\n'), "one line: {line}");
    line.to_owned()
}

fn frame_of(frames: &[u8], len_max: usize) -> &[u8] {
    let (frame, rest) = frame::split(frames, len_max).unwrap().unwrap();
    assert_eq!(rest, [0_u8; 0], "a line is one frame");
    frame
}

/// Says a message as a line, reads it back, and checks that it is the same.
fn there_and_back(message: &Message<'_>, sort: Sort) -> String {
    let line = line_of(message, sort);
    let mut frames = Vec::new();
    match message {
        Message::Request(request) => {
            parse(&line, &mut frames).unwrap_or_else(|error| panic!("{line}: {error}"));
            let frame = frame_of(&frames, REQUEST_BYTES_MAX);
            assert_eq!(Request::decode(frame).as_ref(), Ok(request), "{line}");
        }
        Message::Reply(reply) => {
            parse_reply(&line, &mut frames).unwrap_or_else(|error| panic!("{line}: {error}"));
            let frame = frame_of(&frames, REPLY_BYTES_MAX);
            assert_eq!(Reply::decode(frame).as_ref(), Ok(reply), "{line}");
        }
    }
    line
}

fn parse(line: &str, out: &mut Vec<u8>) -> Result<ParsedRequest, crate::json::LineError> {
    parse_request(line, &Unsaid::new(&[9; 16], 1), out)
}

fn refusal(line: &str) -> crate::json::LineError {
    let mut out = vec![1];
    let error = parse(line, &mut out).expect_err(line);
    assert_eq!(out, [1], "a line that is refused leaves nothing behind");
    error
}

#[test]
fn every_word_is_said_as_it_always_was_and_read_back() {
    let mut wanted = String::from("# set line\n");
    for sample in samples::words() {
        let placed = place(&sample);
        if is_sayable(placed.sort, sample.name) {
            let mut outcome = Vec::new();
            let message = message(placed, &mut outcome);
            // A line has no schema version: it is read as the newest.
            let set = SETS.iter().find(|set| set.name == sample.set).unwrap();
            let line = match set.newest(sample.kind) == sample.schema {
                true => there_and_back(&message, placed.sort),
                false => line_of(&message, placed.sort),
            };
            wanted += &format!("{} {line}\n", sample.set);
        }
    }
    check_text(LINES, &read(LINES), &wanted);
}

fn invented(set: &Set, kind: Kind, bytes: &[u8]) -> Vec<u8> {
    (set.invent)(kind, &mut Noise(bytes)).0
}

proptest! {
    #[test]
    fn every_word_goes_through_a_line_unchanged(bytes in vec(any::<u8>(), 0..600)) {
        for set in SETS {
            let sort = sort_of(set.name);
            for (kind, name) in set.words.iter().filter(|word| is_sayable(sort, word.1)) {
                let body = invented(&set, *kind, &bytes);
                // A line whose frame would be refused is refused; see below.
                if body.len() < REQUEST_BYTES_MAX / 2 {
                    let placed = Placed { sort, kind: *kind, schema: set.newest(*kind), body: &body };
                    let line = there_and_back(&message(placed, &mut Vec::new()), sort);
                    prop_assert!(line.contains(name));
                }
            }
        }
    }

    #[test]
    fn arbitrary_lines_never_panic_and_leave_nothing_behind(
        text in "\\PC{0,80}",
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let wild = String::from_utf8_lossy(&bytes);
        let object = format!("{{\"do\":\"reserve\",\"slot\":{text}}}");
        for line in [text.as_str(), &wild, &object] {
            let mut out = vec![1];
            if parse(line, &mut out).is_err() {
                prop_assert_eq!(&out, &[1]);
            }
            let mut out = vec![1];
            if parse_reply(line, &mut out).is_err() {
                prop_assert_eq!(&out, &[1]);
            }
        }
    }

    #[test]
    fn a_cut_or_changed_line_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let samples = samples::words();
        let sample = &samples[at.index(samples.len())];
        let placed = place(sample);
        if is_sayable(placed.sort, sample.name) {
            let line = line_of(&message(placed, &mut Vec::new()), placed.sort);
            let mut bytes = line.clone().into_bytes();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            for text in [String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&bytes[..place])] {
                let _ = (parse(&text, &mut Vec::new()), parse_reply(&text, &mut Vec::new()));
            }
        }
    }

    #[test]
    fn figures_of_heads_go_through_a_line_unchanged(
        (correlation, seq, value, limit) in any::<(u64, u64, u64, u64)>(),
        (hash, code, after, flags, fatal) in any::<([u8; 32], u16, u32, u8, bool)>(),
    ) {
        let (seq, hash) = (Seq(seq), ChainHash(hash));
        let refusal = Refusal::with(Code(code), value, limit);
        let mut outcome = Vec::new();
        encode_refused(&refusal, &mut outcome);
        let welcome = Welcome {
            version: code,
            request_bytes_max: after,
            in_flight_max: after ^ 1,
            flags: WelcomeFlags(flags),
            seq,
            hash,
        };
        let error = ErrorReply { correlation, refusal, retry_after_ms: after, fatal };
        for reply in [
            Reply::Welcome(welcome),
            Reply::Answer { correlation, seq, hash, outcome: &outcome },
            Reply::Error(error),
            Reply::Pong { correlation },
            Reply::Probe,
        ] {
            there_and_back(&Message::Reply(reply), Sort::Event);
        }
        let auths = samples::auth_requests();
        for request in [
            Request::Hello { version: code },
            Request::Ping { correlation },
            Request::Alive,
        ]
        .into_iter()
        .chain(auths.map(|request| Request::Auth { correlation, key: KEY, request }))
        {
            there_and_back(&Message::Request(request), Sort::Event);
        }
    }
}

#[test]
fn names_are_unique_where_they_stand() {
    for sorts in [
        &[Sort::Command, Sort::Query, Sort::Signal][..],
        &[Sort::Event, Sort::Answer],
        &[Sort::Push],
        &[Sort::News],
    ] {
        let mut names = BTreeSet::from(["hello", "ping", "alive", "resume", "welcome", "pong"]);
        for set in SETS.iter().filter(|set| sorts.contains(&sort_of(set.name))) {
            for (_, name) in set.words {
                assert!(names.insert(name), "{name} is said twice: {sorts:?}");
            }
        }
    }
}

/// The line of every request there is.
fn request_lines() -> Vec<String> {
    let auths = samples::auth_requests().map(|request| Request::Auth {
        correlation: 7,
        key: KEY,
        request,
    });
    let auths = auths.map(|request| line_of(&Message::Request(request), Sort::Event));
    let words = samples::words();
    let words = words
        .iter()
        .filter(|sample| is_sayable(sort_of(sample.set), sample.name))
        .filter_map(|sample| {
            let placed = place(sample);
            match message(placed, &mut Vec::new()) {
                request @ Message::Request(_) => Some(line_of(&request, placed.sort)),
                Message::Reply(_) => None,
            }
        });
    auths.into_iter().chain(words).collect()
}

/// Every copy of `value` with one more field, in each object of it.
fn with_a_stranger(value: &Value) -> Vec<Value> {
    let Value::Object(fields) = value else {
        return Vec::new();
    };
    let mut variants = vec![{
        let mut fields: Map<String, Value> = fields.clone();
        fields.insert(String::from("stranger"), Value::Null);
        Value::Object(fields)
    }];
    for (name, inner) in fields {
        for variant in with_a_stranger(inner) {
            let mut fields = fields.clone();
            fields.insert(name.clone(), variant);
            variants.push(Value::Object(fields));
        }
    }
    variants
}

#[test]
fn a_field_nobody_knows_is_named_wherever_it_stands() {
    let mut nested = 0;
    for line in request_lines() {
        let variants = with_a_stranger(&serde_json::from_str(&line).unwrap());
        nested += variants.len() - 1;
        for variant in variants {
            let error = refusal(&variant.to_string());
            // An enum takes exactly one name, so that a second one is too many of them.
            let names = error.reason.contains("stranger")
                || error.reason.contains("field `to`")
                || error.reason.contains("field `subject`");
            assert!(names, "{variant}: {error}");
        }
    }
    assert!(5 < nested, "objects within objects are met");
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    for line in request_lines() {
        let value: Value = serde_json::from_str(&line).unwrap();
        for name in value.as_object().unwrap().keys() {
            let mut wrong = value.clone();
            wrong[name] = Value::from(-1.5);
            let error = refusal(&wrong.to_string());
            assert!(
                error.reason.contains(&format!("`{name}`")),
                "{wrong}: {error}"
            );
        }
    }
}

#[test]
fn a_field_that_is_missing_is_named() {
    for line in request_lines() {
        let value: Value = serde_json::from_str(&line).unwrap();
        for name in value.as_object().unwrap().keys() {
            // What may be left out.
            if ["id", "key", "after", "from"].contains(&name.as_str()) {
                continue;
            }
            let mut fields = value.as_object().unwrap().clone();
            fields.remove(name);
            let error = refusal(&Value::Object(fields).to_string());
            assert!(
                error.reason.contains(&format!("`{name}`")),
                "{line}: {error}"
            );
        }
    }
}

#[test]
fn a_broken_line_says_what_is_broken() {
    let check = |line: &str, id: Option<u64>, wanted: &str| {
        let error = refusal(line);
        assert_eq!((error.id, error.code), (id, Code::BAD_LINE), "{line}");
        assert!(error.reason.contains(wanted), "{line}: {error}");
        assert!(error.reason.chars().count() <= 200, "{error}");
    };
    check("", Some(1), "EOF");
    check(
        "GET / HTTP/1.1",
        Some(1),
        "expected value at line 1 column 1",
    );
    check("[]", Some(1), "expected one JSON object");
    check("{}", Some(1), "field `do`: missing");
    check("{\"id\":7}", Some(7), "field `do`: missing");
    check(
        "{\"id\":-7,\"do\":\"ping\"}",
        None,
        "field `id`: invalid value: integer `-7`",
    );
    check(
        "{\"do\":\"fly\",\"id\":8}",
        Some(8),
        "field `do`: `fly` is no command",
    );
    check("{\"do\":\"ping\"} {}", Some(1), "trailing characters");
    check(
        "{\"do\":\"ping\",\"do\":\"ping\"}",
        Some(1),
        "field `do`: twice",
    );
    check(
        "{\"do\":\"who-am-i\",\"key\":\"k\"}",
        Some(1),
        "field `key`: unknown here",
    );
    let wide: String = (0..100).map(|n| format!("\"f{n}\":0,")).collect();
    check(
        &format!("{{{wide}\"do\":\"ping\"}}"),
        Some(1),
        "more than 16 fields",
    );
    let deep = format!(
        "{{\"do\":\"send\",\"text\":\"hi\",\"to\":{}1",
        "[".repeat(10_000)
    );
    check(&deep, Some(1), "EOF");
    let deep = format!("{}{}}}", deep, "]".repeat(10_000));
    check(&deep, Some(1), "field `to`");
    check(
        &format!("{{\"do\":\"{}\"}}", "\\u0001".repeat(1_000)),
        Some(1),
        "field `do`: `",
    );
}

#[test]
fn a_line_that_makes_too_long_a_frame_is_refused() {
    let text = "x".repeat(REQUEST_BYTES_MAX);
    let line = format!("{{\"id\":7,\"do\":\"send\",\"to\":\"public\",\"text\":\"{text}\"}}");
    let error = refusal(&line);
    assert_eq!((error.id, error.code), (Some(7), Code::LINE_TOO_LONG));
}

#[test]
fn a_key_is_its_digits_or_a_hash() {
    assert_eq!(key_of("000102030405060708090A0b0c0d0e0f").0[10], 10);
    let hash = blake3::hash(b"order 66");
    assert_eq!(key_of("order 66").0, hash.as_bytes()[..16]);
    assert_ne!(
        key_of("00010203040506070809"),
        key_of("000102030405060708090a")
    );
}

#[test]
fn what_a_line_leaves_out_is_made_up_and_said() {
    let mut frames = Vec::new();
    let unsaid = Unsaid::new(&[9; 16], 3);
    let line = "{\"do\":\"reserve\",\"slot\":{\"agenda\":3,\"day\":20778,\"slot\":9}}";
    let parsed = parse_request(line, &unsaid, &mut frames).unwrap();
    let (key, id) = (unsaid.key(), 3);
    let asked = ParsedRequest::Asked {
        id,
        outcome: Sort::Event,
        made_key: Some(key),
        is_auth: false,
    };
    assert_eq!(parsed, asked);
    let request = Request::decode(frame_of(&frames, REQUEST_BYTES_MAX)).unwrap();
    assert!(
        matches!(request, Request::Command { correlation: 3, key: k, .. } if k == key),
        "{request:?}"
    );
    assert_ne!(key, Unsaid::new(&[9; 16], 4).key(), "each line has its own");
    assert_ne!(key, Unsaid::new(&[8; 16], 3).key(), "and each conversation");
}
