//! Scripts of lines and frames, without sockets.

use std::ops::ControlFlow;

use protocol::{
    ChainHash, Key, Roles, Seq, UserId, frame,
    limits::REQUEST_BYTES_MAX,
    message::{Reply, Request},
    outcome::encode_accepted,
    words::{
        accounts::{self, MoveCursor, RevokeSession, SessionOpened, Token},
        chat::{self, Content, Entry, Target},
    },
};
use serde_json::{Value, json};

use super::{Directory, Farewell, Lines, Place};

/// Ana is 4, Bob is 5; room 7 is the kitchen, conversation 8 is theirs.
struct Village;

impl Directory for Village {
    fn name(&self, user: UserId) -> Option<&str> {
        match user.0 {
            4 => Some("ana"),
            5 => Some("bob"),
            _stranger => None,
        }
    }

    fn user(&self, name: &str) -> Option<UserId> {
        match name {
            "ana" => Some(UserId(4)),
            "bob" => Some(UserId(5)),
            _stranger => None,
        }
    }

    fn room(&self, name: &str) -> Option<u64> {
        (name == "kitchen").then_some(7)
    }

    fn place(&self, conversation: u64) -> Place<'_> {
        match conversation {
            chat::PUBLIC => Place::Public,
            7 => Place::Named("kitchen"),
            _other => Place::Private,
        }
    }
}

const SESSION: u64 = 10;

/// The requests that these lines become.
fn asked(lines: &mut Lines, input: &str) -> Vec<String> {
    let mut frames = Vec::new();
    let taken = lines.handle_bytes(input.as_bytes(), u32::MAX, &Village, &mut frames);
    assert_eq!(taken.flow, ControlFlow::Continue(()));
    rendered(&frames)
}

fn rendered(mut frames: &[u8]) -> Vec<String> {
    let mut requests = Vec::new();
    while let Some((frame, rest)) = frame::split(frames, REQUEST_BYTES_MAX).unwrap() {
        requests.push(match Request::decode(frame).unwrap() {
            Request::Command {
                kind, schema, body, ..
            } => {
                let chat =
                    chat::Command::decode(kind, schema, body).map(|word| format!("{word:?}"));
                let accounts = || accounts::Command::decode(kind, schema, body);
                chat.unwrap_or_else(|_other| format!("{:?}", accounts().unwrap()))
            }
            Request::Query { kind, .. } => format!("query {:04x}", kind.0),
            Request::Auth { request, .. } => format!("{request:?}"),
            Request::Ping { .. } => String::from("ping"),
            other => format!("{other:?}"),
        });
        frames = rest;
    }
    requests
}

/// Takes frames in; the lines that became of them are sent. Returns what is asked because of them.
fn hear(lines: &mut Lines, reply: &Reply<'_>) -> (Vec<Value>, Vec<String>) {
    let (mut frames, mut asks) = (Vec::new(), Vec::new());
    reply.encode(&mut frames);
    lines.handle_frames(&frames, &Village, &mut asks);
    (take(lines), rendered(&asks))
}

fn take(lines: &mut Lines) -> Vec<Value> {
    let out = lines.outbound().to_vec();
    lines.handle_sent(out.len());
    let text = String::from_utf8(out).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn answer(correlation: u64, word: &accounts::Answer) -> Vec<u8> {
    let mut outcome = Vec::new();
    let (kind, schema) = word.kind();
    encode_accepted(kind, schema, &mut outcome);
    word.encode(&mut outcome);
    let mut frame = Vec::new();
    Reply::Answer {
        correlation,
        seq: Seq(SESSION),
        hash: ChainHash::START,
        outcome: &outcome,
    }
    .encode(&mut frame);
    frame
}

/// Bob, in the classic dialect.
fn bob() -> Lines {
    let mut lines = Lines::new([9; 16]);
    let log_in = "{\"action\":\"LOGIN\",\"username\":\"bob\",\"password\":\"correct horse\"}\n";
    assert_eq!(asked(&mut lines, log_in), ["LogIn(\"bob\", <password>)"]);
    let opened = SessionOpened {
        user: UserId(5),
        roles: Roles::MEMBER,
        session: SESSION,
        expires_at: 1,
        cursor: Seq(5),
        token: Token([1; 32]),
    };
    let mut asks = Vec::new();
    lines.handle_frames(&answer(1, &opened.into()), &Village, &mut asks);
    assert_eq!(rendered(&asks), ["query 0601", "query 0602"]);
    let welcome = json!({"status": "SUCCESS", "message": "welcome, bob"});
    assert_eq!(take(&mut lines), [welcome]);
    lines
}

fn entry(seq: u64, author: u64, conversation: u64, text: &str) -> Vec<u8> {
    let word = chat::Push::from(Entry {
        conversation,
        index: 1,
        author: UserId(author),
        recorded_at: 3_723_000,
        key: Key::default(),
        content: Content::Text(text.into()),
    });
    let mut body = Vec::new();
    word.encode(&mut body);
    let (kind, schema) = word.kind();
    let mut frame = Vec::new();
    Reply::Push {
        seq: Seq(seq),
        hash: ChainHash::START,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut frame);
    frame
}

fn told(lines: &mut Lines, frame: &[u8]) -> Vec<Value> {
    lines.handle_frames(frame, &Village, &mut Vec::new());
    take(lines)
}

#[test]
fn names_become_ids() {
    let mut lines = bob();
    let to_ana = chat::Command::from(chat::Send {
        to: Target::Person(UserId(4)),
        text: "hello".into(),
    });
    let said = "{\"type\":\"PRIVATE\",\"recipient\":\"ana\",\"message\":\"hello\"}\n";
    assert_eq!(asked(&mut lines, said), [format!("{to_ana:?}")]);
    let joining = "{\"type\":\"ROOM_ACTION\",\"room\":\"kitchen\",\"action\":\"JOIN\"}\n";
    let join = chat::Command::from(chat::JoinRoom { room: 7 });
    assert_eq!(asked(&mut lines, joining), [format!("{join:?}")]);
    let making = "{\"type\":\"ROOM_ACTION\",\"room\":\"cellar\",\"action\":\"join\"}\n";
    let make = chat::Command::from(chat::CreateRoom {
        name: String::from("cellar"),
    });
    assert_eq!(asked(&mut lines, making), [format!("{make:?}")]);
}

#[test]
fn ids_become_names() {
    let mut lines = bob();
    let at = "01:02:03";
    let public = json!({"type": "PUBLIC", "sender": "ana", "message": "a", "timestamp": at});
    assert_eq!(told(&mut lines, &entry(11, 4, chat::PUBLIC, "a")), [public]);
    let room = json!({"type": "ROOM_MESSAGE", "sender": "ana", "room": "kitchen", "message": "b", "timestamp": at});
    assert_eq!(told(&mut lines, &entry(12, 4, 7, "b")), [room]);
    let gone = told(&mut lines, &entry(13, 99, 8, "c"));
    assert_eq!(gone[0]["sender"], "somebody");
}

#[test]
fn what_everybody_was_told_before_the_log_in_and_what_one_said_is_not_told() {
    let mut lines = bob();
    assert!(told(&mut lines, &entry(SESSION - 1, 4, chat::PUBLIC, "past")).is_empty());
    assert!(told(&mut lines, &entry(SESSION + 1, 5, 8, "mine")).is_empty());
    assert_eq!(
        told(&mut lines, &entry(SESSION - 1, 4, 8, "missed")).len(),
        1
    );
}

fn cursor_asked(lines: &mut Lines, now: u64) -> Vec<String> {
    let mut asks = Vec::new();
    lines.handle_timeout(now, &mut asks);
    rendered(&asks)
}

fn moved(seq: u64) -> String {
    let seq = Seq(seq);
    let session = SESSION;
    format!("{:?}", accounts::Command::from(MoveCursor { session, seq }))
}

#[test]
fn the_cursor_follows_what_the_socket_has_taken() {
    let mut lines = bob();
    assert!(
        cursor_asked(&mut lines, 5_000).is_empty(),
        "nothing was told"
    );
    lines.handle_frames(&entry(11, 4, 8, "one"), &Village, &mut Vec::new());
    let one = lines.outbound().len();
    lines.handle_frames(&entry(12, 4, 8, "two"), &Village, &mut Vec::new());
    lines.handle_sent(one - 1);
    assert!(
        cursor_asked(&mut lines, 6_000).is_empty(),
        "half a line is none"
    );
    lines.handle_sent(1);
    assert_eq!(cursor_asked(&mut lines, 7_000), [moved(11)]);
    let rest = lines.outbound().len();
    lines.handle_sent(rest);
    assert!(
        cursor_asked(&mut lines, 7_999).is_empty(),
        "not at once again"
    );
    let farewell = lines.farewell().unwrap();
    let said: Vec<String> = farewell
        .commands
        .iter()
        .map(|(_, command)| format!("{command:?}"))
        .collect();
    let session = SESSION;
    let revoke = accounts::Command::from(RevokeSession { session });
    assert_eq!(said, [moved(12), format!("{revoke:?}")]);
    assert_eq!(lines.farewell(), None::<Farewell>, "once");
}

#[test]
fn lines_behind_a_log_in_wait_for_its_answer() {
    let mut lines = Lines::new([9; 16]);
    let script = "{\"do\":\"resume\",\"token\":\"00\"}\n{\"do\":\"ping\"}\n";
    assert_eq!(
        asked(&mut lines, script),
        ["ping"],
        "a broken log-in holds nobody up"
    );
    let token = "00".repeat(32);
    let script =
        format!("{{\"id\":5,\"do\":\"resume\",\"token\":\"{token}\"}}\n{{\"do\":\"ping\"}}\n");
    let mut frames = Vec::new();
    let taken = lines.handle_bytes(script.as_bytes(), 9, &Village, &mut frames);
    assert_eq!(rendered(&frames), ["Resume(<token>)"]);
    let rest = &script[taken.bytes..];
    assert_eq!((taken.lines, rest), (1, "{\"do\":\"ping\"}\n"));
    let other = Reply::Pong { correlation: 1 };
    hear(&mut lines, &other);
    assert!(lines.is_entering() && asked(&mut lines, rest).is_empty());
    let refused = Reply::Error(protocol::message::ErrorReply {
        correlation: 5,
        refusal: protocol::Refusal::new(protocol::Code::UNKNOWN_SESSION),
        retry_after_ms: 0,
        fatal: false,
    });
    hear(&mut lines, &refused);
    assert!(!lines.is_entering());
    assert_eq!(asked(&mut lines, rest), ["ping"]);
}
