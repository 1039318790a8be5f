//! A server of a hundred lines that follows one order: for tests of what clients make of servers.

use std::{
    net::TcpStream as StdStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use protocol::{
    ChainHash, Code, Kind, Refusal, Roles, Seq, UserId, codec, frame,
    limits::REQUEST_BYTES_MAX,
    message::{ErrorReply, Reply, Request, Welcome, WelcomeFlags},
    outcome,
    words::{
        accounts::{self, SessionResumed},
        chat::{self, ConversationView, PUBLIC, Sort},
        presence,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What to do with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Accept each.
    Answer,
    /// Refuse each: the slot is taken.
    Refuse,
    /// Consider none.
    Busy,
    /// Answer none.
    Silence,
    /// Accept each, but none before so many have come on all connections together.
    WithholdUntil(u64),
    /// Accept each, and say that everybody has a private conversation with entries.
    Owe,
    /// The first connection to ask for the n-th time is closed instead of answered.
    HangUpAfter(u64),
    /// Accept each, and close the connection behind each answer.
    HangUpEach,
    /// Accept each, with this before every fifth answer.
    Strange(Strange),
}

/// What a server may say that is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strange {
    /// A push and news of kinds that nobody knows: clients ignore them.
    UnknownKinds,
    /// A frame of a type that there is not.
    UnknownType,
    /// A known frame with bytes left over.
    TrailingBytes,
    /// The head of a frame longer than any may be.
    EndlessFrame,
    /// Bytes of something else.
    Garbage,
    /// A message about a conversation that is cut short.
    HalfPush,
}

impl Strange {
    fn say(self, output: &mut Vec<u8>) {
        let unknown = Kind::new(9, 9);
        match self {
            Self::UnknownKinds => {
                Reply::Push {
                    seq: Seq(3),
                    hash: ChainHash::START,
                    kind: unknown,
                    schema: 1,
                    body: b"to come",
                }
                .encode(output);
                Reply::Ephemeral {
                    kind: unknown,
                    schema: 1,
                    body: b"",
                }
                .encode(output);
            }
            Self::UnknownType => frame::write(output, |out| out.push(0xee)),
            Self::TrailingBytes => {
                let mut pong = Vec::new();
                Reply::Pong { correlation: 1 }.encode(&mut pong);
                let length = pong.len() - frame_of(&pong).len();
                frame::write(output, |out| {
                    out.extend_from_slice(&pong[length..]);
                    out.extend_from_slice(b"more");
                });
            }
            Self::EndlessFrame => output.extend_from_slice(&[0xff; 4]),
            Self::Garbage => output.extend_from_slice(&[b'!'; 64]),
            Self::HalfPush => Reply::Push {
                seq: Seq(3),
                hash: ChainHash::START,
                kind: Kind::new(3, 1),
                schema: 1,
                body: b"",
            }
            .encode(output),
        }
    }
}

/// The first frame of these bytes, without its length.
fn frame_of(bytes: &[u8]) -> &[u8] {
    let split = frame::split(bytes, REQUEST_BYTES_MAX).unwrap();
    split.map_or(&[], |(frame, _rest)| frame)
}

/// The server.
pub(super) struct Responder {
    pub(super) address: String,
}

struct State {
    order: Order,
    seq: AtomicU64,
    hung_up: AtomicU64,
    seen: watch::Sender<u64>,
}

impl Responder {
    /// Listens and follows the order on every connection, until the test is over.
    pub(super) async fn start(order: Order) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            order,
            seq: AtomicU64::new(7),
            hung_up: AtomicU64::new(0),
            seen: watch::Sender::new(0),
        });
        tokio::spawn(async move {
            while let Ok((stream, _address)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&state)));
            }
        });
        Self { address }
    }

    /// Connections for a target.
    pub(super) fn connect(&self, count: usize) -> Vec<StdStream> {
        let connect = |_number| StdStream::connect(&self.address).unwrap();
        (0..count).map(connect).collect()
    }
}

async fn converse(mut stream: TcpStream, state: Arc<State>) {
    let (mut input, mut prompt, mut output) = (Vec::new(), Vec::new(), Vec::new());
    let (mut asked, mut seen) = (0, state.seen.subscribe());
    let count = match state.order {
        Order::WithholdUntil(count) => count,
        Order::Answer
        | Order::Refuse
        | Order::Busy
        | Order::Silence
        | Order::Owe
        | Order::HangUpAfter(_)
        | Order::HangUpEach
        | Order::Strange(_) => 0,
    };
    loop {
        tokio::select! {
            read = stream.read_buf(&mut input) => if !matches!(read, Ok(1..)) {
                return;
            },
            _enough = seen.wait_for(|seen| count <= *seen), if !output.is_empty() => {}
        }
        while let Some((frame, rest)) = frame::split(&input, REQUEST_BYTES_MAX).unwrap() {
            let request = Request::decode(frame).unwrap();
            asked += u64::from(matches!(request, Request::Command { .. }));
            if state.hangs_up(asked) {
                return;
            }
            state.answer(&request, &mut prompt, &mut output);
            let taken = input.len() - rest.len();
            input.drain(..taken);
        }
        let _hung_up = stream.write_all(&prompt).await;
        prompt.clear();
        // Reading goes on while answers are withheld: every request is counted as it comes.
        if count <= *state.seen.borrow() {
            let _hung_up = stream.write_all(&output).await;
            if state.order == Order::HangUpEach && !output.is_empty() {
                return;
            }
            output.clear();
        }
    }
}

impl State {
    fn hangs_up(&self, asked: u64) -> bool {
        self.order == Order::HangUpAfter(asked) && self.hung_up.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Commands as ordered; what makes a connection somebody's as usual, and at once.
    fn answer(&self, request: &Request<'_>, prompt: &mut Vec<u8>, output: &mut Vec<u8>) {
        if matches!(request, Request::Command { .. }) {
            self.seen.send_modify(|seen| *seen += 1);
        }
        match request {
            Request::Hello { version } => Reply::Welcome(Welcome {
                version: *version,
                request_bytes_max: 1,
                in_flight_max: 1,
                flags: WelcomeFlags::default(),
                seq: Seq(3),
                hash: ChainHash::START,
            })
            .encode(prompt),
            Request::Command {
                correlation,
                kind,
                body,
                ..
            } => {
                let mut decided = Vec::new();
                if self.order == Order::Refuse {
                    outcome::encode_refused(&Refusal::new(Code::SLOT_TAKEN), &mut decided);
                } else {
                    outcome::encode_accepted(*kind, 1, &mut decided);
                    decided.extend_from_slice(body);
                }
                self.reply(*correlation, &decided, output);
            }
            Request::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                if chat::Query::decode(*kind, *schema, body).is_ok() {
                    return answer_with(*correlation, Seq(3), &self.conversations(), prompt);
                }
                // The other question there is: pushes from where the client is.
                let subscribe: presence::Subscribe = codec::decode(body).unwrap();
                let from = subscribe.from.unwrap_or_default();
                let answer = presence::Answer::from(presence::Subscribed { from });
                let mut shown = Vec::new();
                outcome::encode_accepted(answer.kind().0, 1, &mut shown);
                answer.encode(&mut shown);
                answer_with(*correlation, Seq(3), &shown, prompt);
            }
            Request::Auth { correlation, .. } => {
                let answer = accounts::Answer::from(SessionResumed {
                    user: UserId(2),
                    roles: Roles::MEMBER,
                    session: 3,
                    expires_at: 0,
                    cursor: Seq(2),
                });
                let mut resumed = Vec::new();
                outcome::encode_accepted(answer.kind().0, 1, &mut resumed);
                answer.encode(&mut resumed);
                answer_with(*correlation, Seq(3), &resumed, prompt);
            }
            Request::Ping { .. } | Request::Signal { .. } | Request::Alive => {}
        }
    }

    /// How long everybody's conversations are.
    fn conversations(&self) -> Vec<u8> {
        let (conversation, sort) = match self.order {
            Order::Owe => (9, Sort::Private(UserId(5))),
            _another => (PUBLIC, Sort::Public),
        };
        let view = ConversationView {
            conversation,
            sort,
            last: 5,
            delivered: 0,
            read: 0,
        };
        let conversations = vec![view];
        let answer = chat::Answer::from(chat::Conversations { conversations });
        let mut shown = Vec::new();
        outcome::encode_accepted(answer.kind().0, answer.kind().1, &mut shown);
        answer.encode(&mut shown);
        shown
    }

    fn reply(&self, correlation: u64, outcome: &[u8], output: &mut Vec<u8>) {
        match self.order {
            Order::Silence => {}
            Order::Busy => Reply::Error(ErrorReply {
                correlation,
                refusal: Refusal::new(Code::BUSY),
                retry_after_ms: 1,
                fatal: false,
            })
            .encode(output),
            Order::Answer
            | Order::Refuse
            | Order::Owe
            | Order::WithholdUntil(_)
            | Order::HangUpAfter(_)
            | Order::HangUpEach
            | Order::Strange(_) => {
                let seq = Seq(self.seq.fetch_add(1, Ordering::Relaxed) + 1);
                if let Order::Strange(strange) = self.order
                    && seq.0.is_multiple_of(5)
                {
                    strange.say(output);
                }
                answer_with(correlation, seq, outcome, output);
            }
        }
    }
}

fn answer_with(correlation: u64, seq: Seq, outcome: &[u8], output: &mut Vec<u8>) {
    Reply::Answer {
        correlation,
        seq,
        hash: ChainHash([1; 32]),
        outcome,
    }
    .encode(output);
}
