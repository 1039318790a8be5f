//! The floods: what each sends, over how many connections, and whether it reads.
//!
//! An attack is made of connections that are written to in turn, by one thread that never waits. Deliberately
//! absent: what becomes of others meanwhile.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::Result;
use protocol::{
    Key, Kind, UserId,
    message::Request,
    words::{
        accounts::{AuthRequest, Token},
        chat::{self, Direction, ReadHistory, Send, Target},
        presence::{self, Subscribe, Typing, WatchPresence},
    },
};

use super::{client::Client, subject::Doors};

/// An attack and its name.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) begin: fn(Doors) -> Result<Flood>,
}

const fn attack(name: &'static str, begin: fn(Doors) -> Result<Flood>) -> Attack {
    Attack { name, begin }
}

pub(crate) const ATTACKS: &[Attack] = &[
    attack("nothing", |_| Ok(Flood::default())),
    attack("JSON {} lines", |doors| lines(doors, b"{}\n")),
    attack("JSON pings", |doors| lines(doors, b"{\"do\":\"ping\"}\n")),
    attack("empty lines", |doors| lines(doors, b"\n")),
    attack("a byte at a time", |doors| {
        let mut flood = lines(doors, b"{\"do\":\"ping\"}\n")?;
        flood.piece = 1;
        Ok(flood)
    }),
    attack("queries before the log-in", |doors| {
        stranger(doors, &[query(0x0101, &[])])
    }),
    attack("native pings", |doors| {
        stranger(doors, &[Request::Ping { correlation: 1 }])
    }),
    attack("resume with a wrong token", |doors| {
        let token = Token([7; 32]);
        stranger(doors, &[auth(AuthRequest::Resume { token })])
    }),
    attack("registrations that are refused", |doors| {
        let (name, password) = ("flooder".to_owned(), "x".to_owned());
        stranger(doors, &[auth(AuthRequest::Register { name, password })])
    }),
    attack("commands beyond 64 in flight", commands),
    attack("refused queries", |doors| {
        member(doors, &[query(0x0f01, &[1])])
    }),
    attack("typing to nobody", |doors| {
        let to = Target::Person(UserId(999));
        signals(doors, &Typing { to, on: true }.into())
    }),
    attack("an empty watch list", |doors| {
        signals(doors, &WatchPresence { users: Vec::new() }.into())
    }),
    attack("alive", |doors| member(doors, &[Request::Alive])),
    attack("pages of history", |doors| pages(doors, 1)),
    attack("crowd: 600 read nothing", |doors| {
        let mut all = lines_of(doors, 600, b"{}\n")?;
        all.does_read = false;
        Ok(all)
    }),
    attack("crowd: 600 flood and read", |doors| {
        lines_of(doors, 600, b"{\"do\":\"ping\"}\n")
    }),
    attack("crowd: 560 dribble", |doors| {
        let mut all = lines_of(doors, 560, b"{\"do\":\"ping\"")?;
        all.piece = 1;
        all.is_slow = true;
        Ok(all)
    }),
    attack("crowd: 40 slow readers of a room", slow_readers),
    attack("crowd: strangers come and go", |doors| {
        Ok(Flood {
            doors: Some(doors),
            ..Flood::default()
        })
    }),
    attack("crowd: 5,000 wrong log-ins", wrong_log_ins),
    attack("crowd: 8 ask for 15 pages each", |doors| pages(doors, 8)),
];

/// See the head of this file.
#[derive(Default)]
pub(crate) struct Flood {
    links: Vec<(TcpStream, Vec<u8>, usize)>,
    next: usize,
    /// Bytes written at once; 0 for as many as there are.
    piece: usize,
    does_read: bool,
    /// Whether each gets a byte a round, with a pause behind it.
    is_slow: bool,
    /// Where connections come and go.
    doors: Option<Doors>,
    sent: u64,
    scratch: Vec<u8>,
}

impl Flood {
    fn new(links: Vec<(TcpStream, Vec<u8>)>) -> Result<Self> {
        for (stream, _) in &links {
            stream.set_nonblocking(true)?;
        }
        Ok(Self {
            links: links
                .into_iter()
                .map(|(link, bytes)| (link, bytes, 0))
                .collect(),
            does_read: true,
            scratch: vec![0; 256 * 1_024],
            ..Self::default()
        })
    }

    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// One round of all connections. Returns whether it got rid of anything.
    pub(crate) fn step(&mut self) -> bool {
        if let Some(doors) = self.doors {
            return self.come_and_go(doors);
        }
        let before = self.sent;
        for (link, bytes, at) in &mut self.links {
            let end = match self.piece {
                0 => bytes.len(),
                piece => (*at + piece).min(bytes.len()),
            };
            if let Ok(len) = link.write(&bytes[*at..end]) {
                self.sent += u64::try_from(len).unwrap_or(0);
                *at = (*at + len) % bytes.len().max(1);
            }
            if self.does_read {
                // Nothing there, or ended: both are no answer that matters.
                let _either_way = link.read(&mut self.scratch);
            }
        }
        before < self.sent && !self.is_slow
    }

    fn come_and_go(&mut self, doors: Doors) -> bool {
        let mut hello = Vec::new();
        Request::Hello { version: 1 }.encode(&mut hello);
        if let Ok(mut stream) = TcpStream::connect(doors.native) {
            // It is gone before it is answered.
            let _either_way = stream.write_all(&hello);
            self.sent += u64::try_from(hello.len()).unwrap_or(0);
        }
        // Not more than half of the processor: ports run out.
        self.next += 1;
        !self.next.is_multiple_of(16)
    }
}

fn repeated(bytes: &[u8]) -> Vec<u8> {
    bytes.repeat((64 * 1_024 / bytes.len()).max(1))
}

fn encoded(requests: &[Request<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in requests {
        request.encode(&mut bytes);
    }
    repeated(&bytes)
}

const fn query(kind: u16, body: &[u8]) -> Request<'_> {
    Request::Query {
        correlation: 1,
        kind: Kind(kind),
        schema: 1,
        body,
    }
}

const fn auth(request: AuthRequest) -> Request<'static> {
    Request::Auth {
        correlation: 1,
        key: Key([1; 16]),
        request,
    }
}

fn lines(doors: Doors, line: &[u8]) -> Result<Flood> {
    lines_of(doors, 1, line)
}

fn lines_of(doors: Doors, count: usize, line: &[u8]) -> Result<Flood> {
    let link = |_| -> Result<(TcpStream, Vec<u8>)> {
        let mut stream = TcpStream::connect(doors.lines)?;
        stream.write_all(b"{\"do\":\"ping\"}\n")?;
        Ok((stream, repeated(line)))
    };
    Flood::new((0..count).map(link).collect::<Result<_>>()?)
}

fn stranger(doors: Doors, requests: &[Request<'_>]) -> Result<Flood> {
    let client = Client::connect(doors.native)?;
    Flood::new(vec![(client.stream, encoded(requests))])
}

fn somebody(doors: Doors, name: &str) -> Result<Client> {
    let mut client = Client::connect(doors.native)?;
    client.register(name)?;
    client.log_in(name)?;
    Ok(client)
}

fn member(doors: Doors, requests: &[Request<'_>]) -> Result<Flood> {
    let client = somebody(doors, "flooder")?;
    Flood::new(vec![(client.stream, encoded(requests))])
}

fn signals(doors: Doors, signal: &presence::Signal) -> Result<Flood> {
    let ((kind, schema), mut body) = (signal.kind(), Vec::new());
    signal.encode(&mut body);
    let body = &body;
    member(doors, &[Request::Signal { kind, schema, body }])
}

/// Something said to everybody, under keys that begin with `nth`.
fn said(nth: u8, len: usize) -> Vec<u8> {
    let send = chat::Command::from(Send {
        to: Target::Public,
        text: "x".repeat(len).into(),
    });
    let ((kind, schema), mut body) = (send.kind(), Vec::new());
    send.encode(&mut body);
    let mut bytes = Vec::new();
    for serial in 0..1_024_u16 {
        let mut key = [nth; 16];
        key[..2].copy_from_slice(&serial.to_le_bytes());
        Request::Command {
            correlation: serial.into(),
            key: Key(key),
            kind,
            schema,
            body: &body,
        }
        .encode(&mut bytes);
    }
    bytes
}

fn commands(doors: Doors) -> Result<Flood> {
    let client = somebody(doors, "flooder")?;
    Flood::new(vec![(client.stream, said(1, 10))])
}

/// Pages of fifty messages of four kilobytes.
fn pages(doors: Doors, members: usize) -> Result<Flood> {
    let mut talker = somebody(doors, "talker")?;
    let text = said(2, 4_000);
    for piece in text.chunks(4_076 * 32).take(2) {
        talker.stream.write_all(piece)?;
        let mut chunk = [0; 16 * 1_024];
        // Enough of them are said when the first are answered.
        let _answers = talker.stream.read(&mut chunk)?;
    }
    let history = chat::Query::from(ReadHistory {
        conversation: chat::PUBLIC,
        from: 0,
        direction: Direction::Backwards,
        limit: 50,
    });
    let ((kind, schema), mut body) = (history.kind(), Vec::new());
    history.encode(&mut body);
    let request = Request::Query {
        correlation: 1,
        kind,
        schema,
        body: &body,
    };
    let mut bytes = Vec::new();
    for _ in 0..15 {
        request.encode(&mut bytes);
    }
    let link = |nth| -> Result<(TcpStream, Vec<u8>)> {
        Ok((
            somebody(doors, &format!("reader{nth}"))?.stream,
            bytes.clone(),
        ))
    };
    Flood::new((0..members).map(link).collect::<Result<_>>()?)
}

/// A room in which much is said, and people who do not read it.
fn slow_readers(doors: Doors) -> Result<Flood> {
    let subscribe = presence::Query::from(Subscribe { from: None });
    let ((kind, schema), mut body) = (subscribe.kind(), Vec::new());
    subscribe.encode(&mut body);
    let mut links = Vec::new();
    for nth in 0..40 {
        let mut client = somebody(doors, &format!("slow{nth}"))?;
        client.send(&Request::Query {
            correlation: 9,
            kind,
            schema,
            body: &body,
        })?;
        links.push((client.stream, Vec::new()));
    }
    let mut flood = Flood::new(links)?;
    flood.does_read = false;
    for nth in 0..4 {
        let talker = somebody(doors, &format!("talker{nth}"))?;
        talker.stream.set_nonblocking(true)?;
        flood.links.push((talker.stream, said(10 + nth, 4_000), 0));
    }
    Ok(flood)
}

/// Strangers who try once, each under another name.
fn wrong_log_ins(doors: Doors) -> Result<Flood> {
    let mut links = Vec::new();
    for nth in 0..5_000 {
        let client = Client::connect(doors.native)?;
        let (name, password) = (format!("nobody{nth}"), "not the password".to_owned());
        let mut bytes = Vec::new();
        auth(AuthRequest::LogIn { name, password }).encode(&mut bytes);
        links.push((client.stream, bytes));
    }
    let mut flood = Flood::new(links)?;
    // What is sent is the same once more; a connection has five tries.
    flood.is_slow = true;
    Ok(flood)
}
