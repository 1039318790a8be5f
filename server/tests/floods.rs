//! Whoever sends without pause, reads nothing, or comes by the hundred, and an innocent client beside them.
//!
//! Beside each flood an innocent client has a number of requests answered, none of them refused, `/live` says yes,
//! and what connections hold of the memory stays under its bound. Counts, not times: a server that let a flood have
//! more than its turn would not answer at all. How long answers take is measured by `cargo bench --bench floods`.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use protocol::{
    Code, Key, Kind, UserId,
    message::Request,
    words::{
        accounts::{AuthRequest, Token},
        chat, presence,
    },
};
use rustix::{
    net::sockopt::set_socket_recv_buffer_size,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use server::{ServerConfig, passwords::PasswordCost, session::SessionTimeouts};
use tempfile::TempDir;

use crate::support::{Client, PASSWORD, Server, config, key, reserve, try_start};

/// Requests of the innocent client beside each flood, three of which go together.
const ASKED: u32 = 12;

/// How much a single connection may make the server hold: its share, a turn's answers, what it sent.
const HELD_BY_ONE: f64 = 1024.0 * 1024.0;

/// Bytes that a flood has got rid of before the innocent begins, unless the server takes no more.
const UNDER_WAY: u64 = 256 * 1024;

fn start() -> (TempDir, Server) {
    start_with(|config| config)
}

fn start_with(change: impl FnOnce(ServerConfig) -> ServerConfig) -> (TempDir, Server) {
    let data_dir = tempfile::tempdir().unwrap();
    let free = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = try_start(change(ServerConfig {
        jsonl: free,
        http: free,
        ..config(data_dir.path())
    }));
    (data_dir, server.unwrap())
}

fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.ready.http.unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn figure(server: &Server, name: &str) -> f64 {
    find(server, name).unwrap_or_else(|| panic!("{name} is not among the figures"))
}

fn find(server: &Server, name: &str) -> Option<f64> {
    let page = get(server, "/metrics");
    let line = page.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    Some(line?.rsplit_once(' ').unwrap().1.parse().unwrap())
}

/// Somebody who books slots and means no harm.
struct Innocent {
    client: Client,
    agenda: u64,
    slot: u32,
}

impl Innocent {
    fn new(server: &Server) -> Self {
        let (mut client, _) = server.member("innocent");
        let agenda = server.agenda(&mut client);
        Self {
            client,
            agenda,
            slot: 0,
        }
    }

    /// So many requests, each answered and none refused.
    fn ask(&mut self, count: u32) {
        for _ in 0..count / 3 {
            self.client.ping();
            let answer = self.client.agenda(reserve(self.agenda, self.slot));
            assert!(answer.is_accepted(), "a free slot is reserved");
            let who = presence::Query::from(presence::ListPresence {
                after: UserId::NOBODY,
                limit: 10,
            });
            let answer = self.client.query(who.kind(), |out| who.encode(out));
            assert!(answer.is_accepted(), "whoever is in may look who is");
            self.slot += 1;
        }
    }
}

/// What is sent again and again.
struct Flood {
    bytes: Vec<u8>,
    /// Written a byte at a time.
    is_dribbled: bool,
}

fn flood(bytes: &[u8]) -> Flood {
    // Whole requests, as many as a deep pipeline: what is written is bound by the server, not by system calls.
    let times = (32 * 1024 / bytes.len()).max(1);
    Flood {
        bytes: bytes.repeat(times),
        is_dribbled: false,
    }
}

fn frames(requests: &[Request<'_>]) -> Flood {
    let mut bytes = Vec::new();
    for request in requests {
        request.encode(&mut bytes);
    }
    flood(&bytes)
}

/// A thread that floods until it is told to stop or the server ends its connection.
struct Flooder {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    is_stuck: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Flooder {
    fn begin(stream: TcpStream, flood: Flood, does_read: bool) -> Self {
        // Only a write that finds no room for so long ends: then the server takes no more, which is an answer.
        let patience = Some(Duration::from_millis(100));
        stream.set_write_timeout(patience).unwrap();
        stream.set_read_timeout(patience).unwrap();
        let mut flooder = Self {
            stop: Arc::default(),
            sent: Arc::default(),
            is_stuck: Arc::default(),
            threads: Vec::new(),
            stream,
        };
        let (mut writer, stop) = (flooder.stream.try_clone().unwrap(), flooder.stop.clone());
        let (sent, is_stuck) = (flooder.sent.clone(), flooder.is_stuck.clone());
        let piece = if flood.is_dribbled {
            1
        } else {
            flood.bytes.len()
        };
        flooder.threads.push(thread::spawn(move || {
            let mut at = 0;
            while !stop.load(Ordering::Relaxed) {
                match writer.write(&flood.bytes[at..(at + piece).min(flood.bytes.len())]) {
                    Ok(len) => {
                        sent.fetch_add(u64::try_from(len).unwrap(), Ordering::Relaxed);
                        at = (at + len) % flood.bytes.len();
                    }
                    Err(error) if is_timeout(&error) => is_stuck.store(true, Ordering::Relaxed),
                    Err(_ended) => break,
                }
            }
        }));
        if does_read {
            let (mut reader, stop) = (flooder.stream.try_clone().unwrap(), flooder.stop.clone());
            flooder.threads.push(thread::spawn(move || {
                let mut chunk = vec![0; 256 * 1024];
                while !stop.load(Ordering::Relaxed) {
                    match reader.read(&mut chunk) {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(error) if is_timeout(&error) => {}
                        Err(_ended) => break,
                    }
                }
            }));
        }
        flooder
    }

    /// Waits until it is under way, or the server takes no more of it, or has ended it.
    fn wait(&self) {
        while self.sent.load(Ordering::Relaxed) < UNDER_WAY
            && !self.is_stuck.load(Ordering::Relaxed)
            && !self.threads[0].is_finished()
        {
            thread::yield_now();
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _either_way = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Who floods.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Somebody who said hello.
    Stranger,
    /// Somebody who is logged in.
    Member,
    /// Somebody who speaks lines.
    Lines,
}

fn connect(server: &Server, who: Who) -> TcpStream {
    match who {
        Who::Stranger => server.connect().stream,
        Who::Member => server.member("flooder").0.stream,
        Who::Lines => {
            let mut stream = TcpStream::connect(server.ready.jsonl.unwrap()).unwrap();
            // The first line says which language it is.
            stream.write_all(b"{\"do\":\"ping\"}\n").unwrap();
            stream
        }
    }
}

/// The innocent beside one flood that is not read, and beside the same that is.
fn beside(who: Who, make: impl Fn(u64) -> Flood) {
    for does_read in [false, true] {
        let (_data_dir, server) = start();
        let mut innocent = Innocent::new(&server);
        let stream = connect(&server, who);
        let flooder = Flooder::begin(stream, make(innocent.agenda), does_read);
        flooder.wait();
        innocent.ask(ASKED);
        assert!(get(&server, "/live").starts_with("HTTP/1.1 200 "));
        let peak = figure(&server, "stampede_held_bytes_peak");
        assert!(
            peak < HELD_BY_ONE,
            "{peak} bytes were held for one connection"
        );
        flooder.end();
        innocent.ask(3);
        server.stop();
    }
}

#[test]
fn bad_lines_of_a_stranger() {
    beside(Who::Lines, |_| flood(b"{}\n"));
}

#[test]
fn pings_in_lines() {
    beside(Who::Lines, |_| flood(b"{\"do\":\"ping\"}\n"));
}

#[test]
fn empty_lines() {
    beside(Who::Lines, |_| flood(b"\n"));
}

#[test]
fn lines_that_never_end() {
    beside(Who::Lines, |_| flood(&[b'{'; 4096]));
}

#[test]
fn a_byte_at_a_time() {
    beside(Who::Lines, |_| Flood {
        bytes: b"{\"do\":\"ping\"}\n".to_vec(),
        is_dribbled: true,
    });
}

#[test]
fn queries_before_a_log_in() {
    beside(Who::Stranger, |_| {
        frames(&[Request::Query {
            correlation: 1,
            kind: Kind(0x0101),
            schema: 1,
            body: &[],
        }])
    });
}

#[test]
fn pings() {
    beside(Who::Stranger, |_| {
        frames(&[Request::Ping { correlation: 1 }])
    });
}

#[test]
fn authentications_that_need_no_hash() {
    beside(Who::Stranger, |_| {
        let request = AuthRequest::Register {
            name: "flooder".to_owned(),
            password: "short".to_owned(),
        };
        frames(&[Request::Auth {
            correlation: 1,
            key: Key([1; 16]),
            request,
        }])
    });
}

#[test]
fn sessions_that_are_not_there() {
    beside(Who::Stranger, |_| {
        let request = AuthRequest::Resume {
            token: Token([7; 32]),
        };
        frames(&[Request::Auth {
            correlation: 1,
            key: Key([1; 16]),
            request,
        }])
    });
}

#[test]
fn commands_beyond_those_in_flight() {
    beside(Who::Member, |_| {
        let send = chat::Command::from(chat::Send {
            to: chat::Target::Public,
            text: "again and again".into(),
        });
        let ((kind, schema), mut body) = (send.kind(), Vec::new());
        send.encode(&mut body);
        let requests: Vec<Request<'_>> = (0..=255_u8)
            .map(|nth| Request::Command {
                correlation: nth.into(),
                key: Key([nth; 16]),
                kind,
                schema,
                body: &body,
            })
            .collect();
        frames(&requests)
    });
}

#[test]
fn queries_that_are_refused() {
    beside(Who::Member, |_| {
        frames(&[Request::Query {
            correlation: 1,
            kind: Kind(0x0f01),
            schema: 1,
            body: &[1, 2, 3],
        }])
    });
}

fn signal(signal: &presence::Signal) -> Flood {
    let ((kind, schema), mut body) = (signal.kind(), Vec::new());
    signal.encode(&mut body);
    frames(&[Request::Signal {
        kind,
        schema,
        body: &body,
    }])
}

#[test]
fn typing_to_nobody() {
    beside(Who::Member, |_| {
        let to = chat::Target::Person(UserId(999));
        signal(&presence::Typing { to, on: true }.into())
    });
}

#[test]
fn watching_nobody() {
    beside(Who::Member, |_| {
        signal(&presence::WatchPresence { users: Vec::new() }.into())
    });
}

#[test]
fn signs_of_life() {
    beside(Who::Member, |_| frames(&[Request::Alive]));
}

#[test]
fn pages_of_what_was_said() {
    beside(Who::Member, |_| {
        let history = chat::Query::from(chat::ReadHistory {
            conversation: chat::PUBLIC,
            from: 0,
            direction: chat::Direction::Backwards,
            limit: 50,
        });
        let ((kind, schema), mut body) = (history.kind(), Vec::new());
        history.encode(&mut body);
        frames(&[Request::Query {
            correlation: 1,
            kind,
            schema,
            body: &body,
        }])
    });
}

/// Strangers of a crowd.
const CROWD: usize = 600;

/// Slow readers of one room.
const SLOW: usize = 300;

/// Lets this process open as many files as it may: both ends of a crowd's connections are here, and several
/// crowds come at once.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let needed = u64::try_from(8 * CROWD).unwrap();
    let may = getrlimit(Resource::Nofile).current;
    assert!(
        may.is_none_or(|may| needed <= may),
        "these crowds need {needed} open files, and this process may open {may:?}: raise `ulimit -Hn`"
    );
}

#[test]
fn a_crowd_that_floods_at_once_and_reads_nothing() {
    raise_limit();
    let (_data_dir, mut server) = start();
    let mut innocent = Innocent::new(&server);
    let crowd: Vec<Flooder> = (0..CROWD)
        .map(|nth| {
            let (who, flood) = match nth % 3 {
                0 => (Who::Lines, flood(b"{}\n")),
                1 => (Who::Lines, flood(b"{\"do\":\"ping\"}\n")),
                _ => (Who::Stranger, frames(&[Request::Ping { correlation: 1 }])),
            };
            Flooder::begin(connect(&server, who), flood, false)
        })
        .collect();
    crowd.iter().for_each(Flooder::wait);
    innocent.ask(ASKED);
    assert!(get(&server, "/live").starts_with("HTTP/1.1 200 "));
    let peak = figure(&server, "stampede_held_bytes_peak");
    let bound = 600.0 * 256.0 * 1024.0;
    assert!(peak < bound, "{peak} bytes for {CROWD} connections");
    assert!(peak < figure(&server, "stampede_held_bytes_max"));
    // It ends while they go on.
    server.begin_stop();
    server.stop();
    crowd.into_iter().for_each(Flooder::end);
}

#[test]
fn a_crowd_that_comes_and_goes() {
    let (_data_dir, server) = start();
    let mut innocent = Innocent::new(&server);
    let stop = Arc::new(AtomicBool::new(false));
    let (address, stopped) = (server.ready.address, stop.clone());
    let coming = thread::spawn(move || {
        let mut count = 0_u32;
        while !stopped.load(Ordering::Relaxed) || count < 2_000 {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut hello = Vec::new();
            Request::Hello { version: 1 }.encode(&mut hello);
            stream.write_all(&hello).unwrap();
            count += 1;
        }
        count
    });
    innocent.ask(ASKED);
    stop.store(true, Ordering::Relaxed);
    assert!(2_000 <= coming.join().unwrap());
    innocent.ask(3);
}

#[test]
fn a_crowd_that_dribbles() {
    raise_limit();
    let (_data_dir, server) = start();
    let mut innocent = Innocent::new(&server);
    let mut crowd: Vec<TcpStream> = (0..CROWD)
        .map(|nth| match nth % 2 {
            0 => TcpStream::connect(server.ready.address).unwrap(),
            _ => TcpStream::connect(server.ready.jsonl.unwrap()).unwrap(),
        })
        .collect();
    let mut hello = Vec::new();
    Request::Hello { version: 1 }.encode(&mut hello);
    for byte in &hello[..hello.len() - 1] {
        for (nth, stream) in crowd.iter_mut().enumerate() {
            let byte = if nth % 2 == 0 { *byte } else { b'{' };
            stream.write_all(&[byte]).unwrap();
        }
        innocent.ask(3);
    }
}

#[test]
fn slow_readers_of_a_busy_room() {
    raise_limit();
    let (_data_dir, server) = start();
    let mut innocent = Innocent::new(&server);
    let mut slow = Vec::new();
    for nth in 0..SLOW {
        let (mut client, _) = server.member(&format!("slow{nth}"));
        // So that the system keeps little of what nobody reads.
        set_socket_recv_buffer_size(&client.stream, 4_096).unwrap();
        client.subscribe(None);
        slow.push(client);
    }
    let (mut talker, _) = server.member("talker");
    let told = "stampede_refusals_total{code=\"slow-reader\"}";
    // Until every one of them is behind by more than it may be.
    for _ in 0..100 {
        for _ in 0..100 {
            let to = chat::Target::Public;
            let text = "x".repeat(4_000).into();
            assert!(talker.chat(chat::Send { to, text }).is_accepted());
        }
        innocent.ask(3);
        if find(&server, told) == Some(300.0) {
            break;
        }
    }
    assert_eq!(find(&server, told), Some(300.0), "each of them was told");
    // A frame that waits for many is held once: it is no more for three hundred than for six.
    let peak = figure(&server, "stampede_held_bytes_peak");
    let bound = 32.0 * 1024.0 * 1024.0;
    assert!(peak < bound, "{peak} bytes were held");
}

#[test]
fn whoever_reads_nothing_for_too_long_is_ended() {
    let (_data_dir, server) = start_with(|config| ServerConfig {
        timeouts: SessionTimeouts {
            unread: Duration::from_millis(200),
            ..SessionTimeouts::default()
        },
        ..config
    });
    let mut innocent = Innocent::new(&server);
    let stream = connect(&server, Who::Member);
    let flood = frames(&[Request::Ping { correlation: 1 }]);
    let flooder = Flooder::begin(stream, flood, false);
    // The flooder's thread ends when the server has ended its connection.
    let is_over = |_| {
        innocent.client.ping();
        flooder.threads[0].is_finished()
    };
    assert!((0..1_000_000).any(is_over));
    flooder.end();
    innocent.ask(3);
}

/// Hashes that take a while, in a debug build as well.
const DEAR: PasswordCost = PasswordCost {
    memory_kib: 8 * 1024,
    passes: 1,
};

/// Logs somebody in beside a crowd of strangers who each try once, under these names.
fn log_in_beside(names: impl Fn(usize) -> String) {
    raise_limit();
    let (_data_dir, server) = start_with(|config| ServerConfig {
        password_cost: DEAR,
        ..config
    });
    let (_, opened) = server.member("innocent");
    server.member("victim");
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| server.connect()).collect();
    for (nth, client) in crowd.iter_mut().enumerate() {
        client.send(&Request::Auth {
            correlation: 1,
            key: key(UserId(999), u64::try_from(nth).unwrap()),
            request: AuthRequest::LogIn {
                name: names(nth),
                password: "not the password".to_owned(),
            },
        });
    }
    // Resuming waits for nothing.
    let mut resumed = server.connect();
    resumed.resume(opened.token).unwrap();
    assert!(0 < unanswered(&crowd), "log-ins still wait");
    let mut innocent = server.connect();
    innocent.log_in("innocent", PASSWORD).unwrap();
    assert!(0 < unanswered(&crowd), "the innocent was not the last");
    for client in &mut crowd {
        let code = match client.reply() {
            crate::support::Heard::Answer(answer) => answer.refused().code,
            crate::support::Heard::Error(error) => error.refusal.code,
            other => panic!("{other:?}"),
        };
        assert!([Code::BAD_CREDENTIALS, Code::BUSY].contains(&code));
    }
}

/// How many have not been answered yet.
fn unanswered(crowd: &[Client]) -> usize {
    let is_silent = |client: &&Client| {
        client.stream.set_nonblocking(true).unwrap();
        let peeked = client.stream.peek(&mut [0]);
        client.stream.set_nonblocking(false).unwrap();
        peeked.is_err()
    };
    crowd.iter().filter(is_silent).count()
}

#[test]
fn wrong_log_ins_under_names_that_nobody_has() {
    log_in_beside(|nth| format!("nobody{nth}"));
}

#[test]
fn wrong_log_ins_under_one_name() {
    log_in_beside(|_| "victim".to_owned());
}
