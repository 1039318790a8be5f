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
        presence,
    },
};
use serde_json::{Value, json};

use super::{Directory, Farewell, Language, Lines, Place, WAITING_MAX};

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

    fn partner(&self, conversation: u64, user: UserId) -> Option<UserId> {
        (conversation == 8).then_some(UserId(9 - user.0))
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

/// Takes what is to be sent, however many rests that takes. Nothing is due by so little time.
fn take(lines: &mut Lines) -> Vec<Value> {
    let (mut taken, mut now) = (Vec::new(), 0);
    while lines.has_outbound() {
        let out = lines.outbound().to_vec();
        lines.handle_sent(out.len());
        let text = String::from_utf8(out).unwrap();
        taken.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
        rest(lines, &mut now);
    }
    taken
}

fn rest(lines: &mut Lines, now: &mut u64) {
    while !lines.is_open() {
        *now += 50;
        assert_eq!(cursor_asked(lines, *now), [""; 0]);
    }
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
    let mut lines = Lines::new([9; 16], Language::English);
    let log_in = "{\"action\":\"LOGIN\",\"username\":\"bob\",\"password\":\"correct horse\"}\n";
    assert_eq!(asked(&mut lines, log_in), ["LogIn(\"bob\", <password>)"]);
    enter(&mut lines);
    let welcome = json!({"status": "SUCCESS", "message": "welcome, bob"});
    assert_eq!(take(&mut lines), [welcome]);
    lines
}

/// His log-in is accepted.
fn enter(lines: &mut Lines) {
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
}

/// An answer of who is there.
fn presences(correlation: u64, word: &presence::Answer) -> Vec<u8> {
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
fn what_everybody_was_told_before_the_log_in_and_what_one_said_then_is_not_told() {
    let mut lines = bob();
    assert!(told(&mut lines, &entry(SESSION - 1, 4, chat::PUBLIC, "past")).is_empty());
    assert!(told(&mut lines, &entry(SESSION - 1, 5, 8, "mine")).is_empty());
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

/// The client says something.
fn ping(lines: &mut Lines) {
    assert_eq!(asked(lines, "{\"type\":\"PING\"}\n"), ["ping"]);
}

#[test]
fn the_cursor_follows_what_was_written_before_the_client_said_something() {
    let mut lines = bob();
    assert!(
        cursor_asked(&mut lines, 20_000).is_empty(),
        "nothing was told"
    );
    lines.handle_frames(&entry(11, 4, 8, "one"), &Village, &mut Vec::new());
    let one = lines.outbound().len();
    lines.handle_sent(one - 1);
    ping(&mut lines);
    assert!(
        cursor_asked(&mut lines, 30_000).is_empty(),
        "half a line is none"
    );
    lines.handle_sent(1);
    assert!(
        cursor_asked(&mut lines, 40_000).is_empty(),
        "who knows whether anybody is there"
    );
    ping(&mut lines);
    assert_eq!(cursor_asked(&mut lines, 50_000), [moved(11)]);
    assert_eq!(told(&mut lines, &entry(12, 4, 8, "two")).len(), 1);
    ping(&mut lines);
    assert_eq!(told(&mut lines, &entry(13, 4, 8, "three")).len(), 1);
    assert!(
        cursor_asked(&mut lines, 59_999).is_empty(),
        "not so soon again"
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
fn public_messages_move_no_cursor_before_the_end() {
    let mut lines = bob();
    assert_eq!(
        told(&mut lines, &entry(11, 4, chat::PUBLIC, "one")).len(),
        1
    );
    ping(&mut lines);
    assert!(cursor_asked(&mut lines, 60_000).is_empty());
    let farewell = lines.farewell().unwrap();
    assert_eq!(format!("{:?}", farewell.commands[0].1), moved(11));
}

#[test]
fn lines_are_sent_one_at_a_time_unless_too_many_wait() {
    let mut lines = bob();
    let frames: Vec<u8> = (11..14).flat_map(|seq| entry(seq, 4, 8, "x")).collect();
    let mut left = frames.as_slice();
    let mut now = 0;
    for nth in 1..=3 {
        let taken = lines.handle_frames(left, &Village, &mut Vec::new());
        left = &left[taken..];
        assert_eq!(
            left.len(),
            frames.len() / 3 * (3 - nth),
            "one frame at a time"
        );
        let line = lines.outbound().to_vec();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        lines.handle_sent(line.len());
        assert!(!lines.is_open(), "there is a rest behind it");
        rest(&mut lines, &mut now);
    }
    lines.handle_frames(&entry(14, 4, 8, "x"), &Village, &mut Vec::new());
    take(&mut lines);
    lines.note_waiting(WAITING_MAX + 1, false);
    assert_eq!(
        lines.handle_frames(&frames, &Village, &mut Vec::new()),
        frames.len()
    );
    let all = lines.outbound().to_vec();
    assert_eq!(all.iter().filter(|byte| **byte == b'\n').count(), 3);
}

#[test]
fn nothing_follows_the_answer_to_a_log_in_until_the_client_says_something() {
    let mut lines = Lines::new([9; 16], Language::English);
    asked(
        &mut lines,
        "{\"action\":\"LOGIN\",\"username\":\"bob\",\"password\":\"correct horse\"}\n",
    );
    enter(&mut lines);
    let welcome = lines.outbound().len();
    lines.handle_sent(welcome);
    for now in [0, 50, 100, 150, 200] {
        lines.handle_timeout(now, &mut Vec::new());
        assert!(!lines.is_open());
    }
    ping(&mut lines);
    assert!(lines.is_open());
}

#[test]
fn a_list_that_is_under_way_answers_whoever_asks_for_one() {
    let mut lines = bob();
    assert_eq!(asked(&mut lines, "{\"type\":\"USERLIST\"}\n"), [""; 0]);
    let people = presence::Answer::from(presence::Presences {
        people: vec![presence::PresenceView {
            user: UserId(5),
            name: String::from("bob"),
            online: true,
            last_seen: 0,
        }],
    });
    let list = json!({"type": "USERLIST", "users": ["bob:online"]});
    // The log-in was the first request, the subscription the second.
    assert_eq!(
        told(&mut lines, &presences(3, &people)),
        std::slice::from_ref(&list)
    );
    assert_eq!(
        asked(&mut lines, "{\"type\":\"USERLIST\"}\n"),
        ["query 0602"]
    );
    assert_eq!(told(&mut lines, &presences(4, &people)), [list]);
    // Without being asked, once a second, and only if somebody came or went.
    let refreshed = |lines: &mut Lines, now| {
        let mut asks = Vec::new();
        lines.refresh_users(now, &mut asks);
        rendered(&asks)
    };
    assert_eq!(refreshed(&mut lines, 5_000), [""; 0]);
    lines.note_people_changed();
    assert_eq!(refreshed(&mut lines, 5_000), ["query 0602"]);
    told(&mut lines, &presences(5, &people));
    lines.note_people_changed();
    assert_eq!(refreshed(&mut lines, 5_999), [""; 0]);
    assert_eq!(refreshed(&mut lines, 6_000), ["query 0602"]);
}

#[test]
fn lines_are_ascii_whatever_is_said() {
    let mut lines = bob();
    lines.handle_frames(&entry(11, 4, 8, "ção 😀"), &Village, &mut Vec::new());
    assert!(lines.outbound().is_ascii());
    assert_eq!(take(&mut lines)[0]["message"], "ção 😀");
}

#[test]
fn lines_behind_a_log_in_wait_for_its_answer() {
    let mut lines = Lines::new([9; 16], Language::English);
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
