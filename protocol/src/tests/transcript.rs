//! A whole conversation, byte for byte: the README's transcript and the golden records behind it.
//!
//! The frames are made from the messages and read back into them; the records are the log that
//! such a conversation would leave.

use super::{check_text, hex, readme_block, unhex};
use crate::{
    code::{Code, Refusal},
    codec::CODEC,
    frame,
    id::{ChainHash, Key, Kind, Roles, Seq, UserId},
    limits::{IN_FLIGHT_MAX, MAGIC, REPLY_BYTES_MAX, REQUEST_BYTES_MAX, WIRE_VERSION},
    message::{ErrorReply, Reply, Request, Welcome, WelcomeFlags},
    outcome::{encode_accepted, encode_refused},
    personal::Personal,
    record::{OwnedRecord, chain},
    words::{
        accounts::{self, AuthRequest, SessionOpened, Token},
        agenda::{self, OpenAgenda, SlotId},
    },
};

const AT: u64 = 1_795_176_000_000;
const EXPIRES_AT: u64 = AT + 30 * 24 * 3_600_000;
const ANA: UserId = UserId(4);
const TOKEN: Token = Token([0xc3; 32]);
const SLOT: SlotId = SlotId {
    agenda: 3,
    day: 20_778,
    slot: 9,
};

/// The slot behind it.
const NEXT: SlotId = SlotId { slot: 10, ..SLOT };
/// When the hold of it ends.
const HELD_UNTIL: u64 = AT + 8 + 1_000;

/// A word as it stands in a frame or a record.
struct Word {
    kind: Kind,
    schema: u8,
    body: Vec<u8>,
}

impl Word {
    fn outcome(&self) -> Vec<u8> {
        let mut outcome = Vec::new();
        encode_accepted(self.kind, self.schema, &mut outcome);
        outcome.extend_from_slice(&self.body);
        outcome
    }
}

macro_rules! word {
    ($set:ty, $word:expr) => {{
        let word = <$set>::from($word);
        let (kind, schema) = word.kind();
        let mut body = Vec::new();
        word.encode(&mut body);
        Word { kind, schema, body }
    }};
}

/// The key of the client's n-th wish.
const fn key(n: u8) -> Key {
    Key([0xa0 | n; 16])
}

/// The key the server gives its own command at a position.
fn own_key(seq: u8) -> Key {
    let mut key = Key::default();
    key.0[8] = seq;
    key
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn refused(refusal: Refusal) -> Vec<u8> {
    let mut outcome = Vec::new();
    encode_refused(&refusal, &mut outcome);
    outcome
}

fn reserve() -> Word {
    word!(agenda::Command, agenda::Reserve { slot: SLOT })
}

fn hold() -> Word {
    let hold = agenda::Hold {
        slot: NEXT,
        seconds: 1,
    };
    word!(agenda::Command, hold)
}

fn expired() -> Word {
    let expired = agenda::Expired {
        booking: 8,
        user: ANA,
        slot: NEXT,
    };
    word!(agenda::Event, expired)
}

/// The log: three records of a fresh one, and six of the conversation.
pub(super) fn records() -> Vec<OwnedRecord> {
    let mut records = Vec::new();
    for (actor, key, command, outcome) in fresh().into_iter().chain(conversed()) {
        let previous = records
            .last()
            .map_or(ChainHash::START, |last: &OwnedRecord| last.hash);
        let seq = u64::try_from(records.len() + 1).unwrap();
        let mut record = OwnedRecord {
            seq: Seq(seq),
            recorded_at: if seq < 9 { AT + seq } else { HELD_UNTIL },
            actor,
            key,
            kind: command.kind,
            schema: command.schema,
            codec: CODEC,
            body: command.body,
            outcome,
            hash: ChainHash::START,
        };
        record.hash = chain(&previous, &record.record(), &mut Vec::new());
        records.push(record);
    }
    records
}

type Step = (UserId, Key, Word, Vec<u8>);

/// A text as the log keeps it, under a key that nobody has.
fn sealed(text: &str) -> Personal {
    const OVERHEAD: usize = 29;
    let mut bytes = vec![0x5e; OVERHEAD + text.len()];
    bytes[0] = 0xff;
    Personal::from_bytes(bytes)
}

fn register(name: &str) -> (Word, Vec<u8>) {
    let name = sealed(name);
    let password_hash = sealed("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA");
    let event = word!(accounts::Event, accounts::Registered {});
    let command = word!(
        accounts::Command,
        accounts::Register {
            name,
            password_hash
        }
    );
    (command, event.outcome())
}

fn fresh() -> [Step; 3] {
    let nobody = UserId::NOBODY;
    let (register, registered) = register("admin");
    let roles = Roles::ADMIN;
    let promote = word!(
        accounts::Command,
        accounts::SetRoles {
            user: UserId(1),
            roles
        }
    );
    let promoted = word!(
        accounts::Event,
        accounts::RolesSet {
            user: UserId(1),
            roles
        }
    );
    let agenda = OpenAgenda {
        name: text("default"),
        opens_minute: 480,
        closes_minute: 1_200,
        slot_minutes: 60,
        capacity: 1,
    };
    let open = word!(agenda::Command, agenda);
    let opened = word!(agenda::Event, agenda::AgendaOpened { slots: 12 });
    [
        (nobody, own_key(1), register, registered),
        (nobody, own_key(2), promote, promoted.outcome()),
        (nobody, own_key(3), open, opened.outcome()),
    ]
}

fn conversed() -> [Step; 6] {
    let (register, registered) = register("ana");
    let token_hash = *blake3::hash(&TOKEN.0).as_bytes();
    let log_in = accounts::LogIn {
        verified: true,
        token_hash,
    };
    let log_in = word!(accounts::Command, log_in);
    let logged_in = accounts::LoggedIn {
        user: ANA,
        expires_at: EXPIRES_AT,
        cursor: Seq(ANA.0),
    };
    let logged_in = word!(accounts::Event, logged_in);
    let reserved = word!(agenda::Event, agenda::Reserved { slot: SLOT });
    let held = agenda::Held {
        slot: NEXT,
        until: HELD_UNTIL,
    };
    let held = word!(agenda::Event, held);
    let expire = word!(agenda::Command, agenda::Expire { booking: 8 });
    let taken = refused(Refusal::with(Code::SLOT_TAKEN, 1, 1));
    [
        (UserId::NOBODY, key(1), register, registered),
        (ANA, key(2), log_in, logged_in.outcome()),
        (ANA, key(3), reserve(), reserved.outcome()),
        (ANA, key(4), reserve(), taken),
        (ANA, key(5), hold(), held.outcome()),
        (UserId::NOBODY, own_key(9), expire, expired().outcome()),
    ]
}

/// One frame of the conversation.
struct Line {
    says: &'static str,
    frame: Vec<u8>,
}

fn asks(says: &'static str, request: &Request<'_>) -> Line {
    let mut frame = Vec::new();
    request.encode(&mut frame);
    Line { says, frame }
}

fn replies(says: &'static str, reply: &Reply<'_>) -> Line {
    let mut frame = Vec::new();
    reply.encode(&mut frame);
    Line { says, frame }
}

fn answers(says: &'static str, correlation: u64, at: &OwnedRecord, outcome: &[u8]) -> Line {
    let answer = Reply::Answer {
        correlation,
        seq: at.seq,
        hash: at.hash,
        outcome,
    };
    replies(says, &answer)
}

fn conversation() -> Vec<Line> {
    let records = records();
    let mut lines = opening(&records);
    lines.extend(booking(&records));
    lines.extend(closing(&records));
    lines
}

fn opening(records: &[OwnedRecord]) -> Vec<Line> {
    let (name, password) = (text("ana"), text("correct horse"));
    let (key1, key2) = (key(1), key(2));
    let auth = |correlation, key, request| Request::Auth {
        correlation,
        key,
        request,
    };
    let register = AuthRequest::Register {
        name: name.clone(),
        password: password.clone(),
    };
    let session = SessionOpened {
        user: ANA,
        roles: Roles::MEMBER,
        session: records[4].seq.0,
        expires_at: EXPIRES_AT,
        cursor: Seq(ANA.0),
        token: TOKEN,
    };
    let session = word!(accounts::Answer, session).outcome();
    let welcome = Reply::Welcome(Welcome {
        version: WIRE_VERSION,
        request_bytes_max: u32::try_from(REQUEST_BYTES_MAX).unwrap(),
        in_flight_max: IN_FLIGHT_MAX,
        flags: WelcomeFlags::DURABLE,
        seq: records[2].seq,
        hash: records[2].hash,
    });
    vec![
        asks(
            "> hello",
            &Request::Hello {
                version: WIRE_VERSION,
            },
        ),
        replies("< welcome, at 3", &welcome),
        asks("> auth 1: register ana", &auth(1, key1, register)),
        answers(
            "< answer 1: registered, at 4",
            1,
            &records[3],
            &records[3].outcome,
        ),
        asks(
            "> auth 2: log in",
            &auth(2, key2, AuthRequest::LogIn { name, password }),
        ),
        answers("< answer 2: session opened, at 5", 2, &records[4], &session),
    ]
}

fn command(says: &'static str, correlation: u64, key: Key, word: &Word) -> Line {
    let command = Request::Command {
        correlation,
        key,
        kind: word.kind,
        schema: word.schema,
        body: &word.body,
    };
    asks(says, &command)
}

fn booking(records: &[OwnedRecord]) -> Vec<Line> {
    let (sixth, seventh) = (&records[5], &records[6]);
    let cancel = word!(agenda::Command, agenda::Cancel { booking: 6 });
    let reused = Reply::Error(ErrorReply {
        correlation: 6,
        refusal: Refusal::with(Code::KEY_REUSED, 6, 0),
        retry_after_ms: 0,
        fatal: false,
    });
    vec![
        command("> command 3: reserve", 3, key(3), &reserve()),
        answers("< answer 3: reserved, at 6", 3, sixth, &sixth.outcome),
        command(
            "> command 4: the same again, under its key",
            4,
            key(3),
            &reserve(),
        ),
        answers(
            "< answer 4: what was answered first",
            4,
            sixth,
            &sixth.outcome,
        ),
        command(
            "> command 5: the same, under a new key",
            5,
            key(4),
            &reserve(),
        ),
        answers(
            "< answer 5: refused, slot-taken, at 7",
            5,
            seventh,
            &seventh.outcome,
        ),
        command("> command 6: cancel, under a used key", 6, key(3), &cancel),
        replies("< error 6: key-reused", &reused),
    ]
}

fn closing(records: &[OwnedRecord]) -> Vec<Line> {
    let query = word!(
        agenda::Query,
        agenda::MyBookings {
            after: 0,
            limit: 500
        }
    );
    let query = Request::Query {
        correlation: 7,
        kind: query.kind,
        schema: query.schema,
        body: &query.body,
    };
    let mine = agenda::BookingView {
        booking: 6,
        slot: SLOT,
        until: 0,
        key: key(3),
    };
    let bookings = word!(
        agenda::Answer,
        agenda::Bookings {
            bookings: vec![mine]
        }
    )
    .outcome();
    let (eighth, ninth) = (&records[7], &records[8]);
    let expired = expired();
    let push = Reply::Push {
        seq: ninth.seq,
        hash: ninth.hash,
        kind: expired.kind,
        schema: expired.schema,
        body: &expired.body,
    };
    vec![
        asks("> query 7: my bookings", &query),
        answers("< answer 7: one, as of 7", 7, &records[6], &bookings),
        command(
            "> command 8: hold the next slot for a second",
            8,
            key(5),
            &hold(),
        ),
        answers("< answer 8: held, at 8", 8, eighth, &eighth.outcome),
        replies("< push, a second later: expired, at 9", &push),
        asks("> ping 9", &Request::Ping { correlation: 9 }),
        replies("< pong 9", &Reply::Pong { correlation: 9 }),
    ]
}

#[test]
fn the_readme_shows_this_conversation() {
    let mut wanted = String::from("\n```\n");
    for line in conversation() {
        wanted += line.says;
        for piece in line.frame.chunks(32) {
            wanted += &format!("\n    {}", hex(piece));
        }
        wanted.push('\n');
    }
    wanted += "```\n\n";
    check_text(
        "README.md, transcript",
        &readme_block("transcript"),
        &wanted,
    );
}

#[test]
fn the_transcript_reads_back_byte_for_byte() {
    let block = readme_block("transcript");
    let (mut streams, mut is_server) = ([Vec::new(), Vec::new()], 0);
    for line in block
        .lines()
        .filter(|line| !line.is_empty() && *line != "```")
    {
        match line.strip_prefix("    ") {
            Some(bytes) => streams[is_server].extend(unhex(bytes)),
            None => is_server = usize::from(line.starts_with('<')),
        }
    }
    let [client, server] = &streams;
    let (mut rest, mut again) = (&client[..], Vec::new());
    while let Some((frame, left)) = frame::split(rest, REQUEST_BYTES_MAX).unwrap() {
        Request::decode(frame).unwrap().encode(&mut again);
        rest = left;
    }
    assert_eq!(&again, client);
    assert_eq!(client[5..9], MAGIC);
    let (mut rest, mut again) = (&server[..], Vec::new());
    while let Some((frame, left)) = frame::split(rest, REPLY_BYTES_MAX).unwrap() {
        Reply::decode(frame).unwrap().encode(&mut again);
        rest = left;
    }
    assert_eq!(&again, server);
}
