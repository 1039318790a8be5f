//! A server in a thread, and a client that speaks the wire format over a blocking socket.
//!
//! Deliberately absent: the load generator's client, which must not be judged by itself.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread::JoinHandle,
    time::Duration,
};

use protocol::{
    ChainHash, Code, Key, Outcome, Refusal, Seq, UserId, frame,
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{ErrorReply, Reply, Request, Welcome},
    words::{
        accounts::{self, AuthRequest, SessionOpened, Token},
        agenda, chat, log as log_words, presence, sales,
    },
};
use server::{
    Ready, ServeError, ServerConfig, log::Durability, passwords::PasswordCost,
    session::SessionTimeouts,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) const PASSWORD: &str = "correct horse";

/// A server that is told to stop when it is dropped.
pub(crate) struct Server {
    pub(crate) ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

pub(crate) fn config(data_dir: &Path) -> ServerConfig {
    ServerConfig {
        data_dir: data_dir.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        jsonl: None,
        classic_language: server::line::Language::default(),
        http: None,
        durability: Durability::Full,
        accept_loss_after: None,
        trust_clock: false,
        new_secret: false,
        password_cost: PasswordCost::TEST,
        connections_max: 1_000,
        timeouts: SessionTimeouts::default(),
        snapshot_every: 1_000_000,
        #[cfg(feature = "planted-bugs")]
        planted_bug: None,
    }
}

pub(crate) fn start(data_dir: &Path) -> Server {
    try_start(config(data_dir)).unwrap()
}

pub(crate) fn start_fresh() -> (TempDir, Server) {
    let data_dir = tempfile::tempdir().unwrap();
    let server = start(data_dir.path());
    (data_dir, server)
}

/// Starts a server and waits until it takes connections, or says why it does not.
pub(crate) fn try_start(config: ServerConfig) -> Result<Server, ServeError> {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = sync_channel(1);
    let thread = std::thread::spawn(move || {
        let announce = |ready: &Ready| tell.send(ready.clone()).unwrap();
        server::serve(&config, announce, async {
            let _either_way = stopped.await;
        })
    });
    match told.recv() {
        Ok(ready) => Ok(Server {
            ready,
            stop: Some(stop),
            thread: Some(thread),
        }),
        Err(_) => Err(thread.join().unwrap().unwrap_err()),
    }
}

impl Server {
    /// Tells it to stop and does not wait.
    pub(crate) fn begin_stop(&mut self) {
        let _it_may_be_gone = self.stop.take().unwrap().send(());
    }

    /// Stops it and waits for the end.
    pub(crate) fn stop(mut self) {
        if self.stop.is_some() {
            self.begin_stop();
        }
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub(crate) fn connect(&self) -> Client {
        let mut client = Client::connect(self.ready.address);
        client.hello();
        client
    }

    /// A connection of somebody new.
    pub(crate) fn member(&self, name: &str) -> (Client, SessionOpened) {
        let mut client = self.connect();
        client.register(name);
        let opened = client.log_in(name, PASSWORD).unwrap();
        (client, opened)
    }

    pub(crate) fn admin(&self) -> Client {
        let password = std::fs::read_to_string(&self.ready.admin_password_file).unwrap();
        let mut client = self.connect();
        client.log_in("admin", &password).unwrap();
        client
    }

    /// The agenda that every log begins with: the record behind the admin's two.
    pub(crate) fn agenda(&self, client: &mut Client) -> u64 {
        let query = agenda::Query::from(agenda::ListAgendas {
            after: 0,
            limit: 10,
        });
        let answer = client
            .query(query.kind(), |out| query.encode(out))
            .accepted();
        match agenda::Answer::decode(answer.0, answer.1, &answer.2) {
            Ok(agenda::Answer::Agendas(page)) => page.agendas[0].agenda,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.ready.data_dir.join("events.sqlite-wal")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test must not wait for a server that nobody stops.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _already_failing = thread.join();
        }
    }
}

/// What the server sent, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Welcome(Welcome),
    Answer(Answer),
    Push(Push),
    News(presence::News),
    Probe,
    Error(ErrorReply),
    Pong(u64),
}

/// A push, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) seq: Seq,
    pub(crate) hash: ChainHash,
    pub(crate) word: Pushed,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pushed {
    Accounts(accounts::Push),
    Agenda(agenda::Push),
    Chat(chat::Push),
    Sales(sales::Push),
}

/// An answer, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) correlation: u64,
    pub(crate) seq: Seq,
    pub(crate) hash: ChainHash,
    pub(crate) outcome: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn accepted(&self) -> (protocol::Kind, u8, Vec<u8>) {
        match Outcome::decode(&self.outcome).unwrap() {
            Outcome::Accepted { kind, schema, body } => (kind, schema, body.to_vec()),
            Outcome::Refused(refusal) => panic!("{refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&self) -> Refusal {
        match Outcome::decode(&self.outcome).unwrap() {
            Outcome::Refused(refusal) => refusal,
            Outcome::Accepted { kind, .. } => panic!("accepted with {kind:?}"),
        }
    }

    pub(crate) fn is_accepted(&self) -> bool {
        Outcome::decode(&self.outcome).unwrap().is_accepted()
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    /// Pushes that came while something else was waited for.
    pub(crate) pushes: VecDeque<Heard>,
    correlation: u64,
    serial: u64,
    person: UserId,
}

/// A key for every command of every client of a test.
pub(crate) fn key(client: UserId, serial: u64) -> Key {
    let mut key = [0; 16];
    // Also of nobody, a key that no server has.
    key[..8].copy_from_slice(&(client.0 | 1 << 63).to_be_bytes());
    key[8..].copy_from_slice(&serial.to_be_bytes());
    Key(key)
}

fn name_key(name: &str, purpose: u8) -> Key {
    let mut key = [purpose; 16];
    for (place, byte) in key[1..].iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    Key(key)
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        // Only a server that hangs makes this run out; it turns a hung test into a failed one.
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            input: Vec::new(),
            pushes: VecDeque::new(),
            correlation: 0,
            serial: 0,
            person: UserId::NOBODY,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, request: &Request<'_>) {
        let mut out = Vec::new();
        request.encode(&mut out);
        self.write(&out);
    }

    /// The next frame; `None` when the server ended the conversation.
    pub(crate) fn hear(&mut self) -> Option<Heard> {
        loop {
            if let Some((one, rest)) = frame::split(&self.input, REPLY_BYTES_MAX).unwrap() {
                let heard = own(&Reply::decode(one).unwrap());
                self.input = rest.to_vec();
                return Some(heard);
            }
            let mut chunk = vec![0; 256 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(len) => self.input.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
    }

    /// The next frame that is not a push.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Heard {
        loop {
            match self.hear().expect("the server goes on") {
                push @ (Heard::Push(_) | Heard::News(_)) => self.pushes.push_back(push),
                other => return other,
            }
        }
    }

    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        match self.reply() {
            Heard::Answer(answer) => answer,
            other => panic!("{other:?} instead of an answer"),
        }
    }

    #[track_caller]
    pub(crate) fn error(&mut self) -> ErrorReply {
        match self.reply() {
            Heard::Error(error) => error,
            other => panic!("{other:?} instead of an error"),
        }
    }

    /// Hears until the end; the last frame must be this fatal error.
    #[track_caller]
    pub(crate) fn ends_with(&mut self, code: Code) -> Refusal {
        let mut last = None;
        while let Some(heard) = self.hear() {
            last = Some(heard);
        }
        match last {
            Some(Heard::Error(error)) if error.fatal && error.refusal.code == code => error.refusal,
            other => panic!("ended with {other:?} instead of {}", code.name()),
        }
    }

    pub(crate) fn hello(&mut self) -> Welcome {
        self.send(&Request::Hello {
            version: WIRE_VERSION,
        });
        match self.reply() {
            Heard::Welcome(welcome) => welcome,
            other => panic!("{other:?} instead of a welcome"),
        }
    }

    /// A round trip that needs no person.
    pub(crate) fn ping(&mut self) {
        self.correlation += 1;
        let correlation = self.correlation;
        self.send(&Request::Ping { correlation });
        assert_eq!(self.reply(), Heard::Pong(correlation));
    }

    pub(crate) fn auth(&mut self, key: Key, request: AuthRequest) -> Heard {
        self.correlation += 1;
        self.send(&Request::Auth {
            correlation: self.correlation,
            key,
            request,
        });
        self.reply()
    }

    pub(crate) fn register(&mut self, name: &str) -> Answer {
        self.register_as(name_key(name, 1), name)
    }

    pub(crate) fn register_as(&mut self, key: Key, name: &str) -> Answer {
        let request = AuthRequest::Register {
            name: name.to_owned(),
            password: PASSWORD.to_owned(),
        };
        match self.auth(key, request) {
            Heard::Answer(answer) => answer,
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// Logs in under a key that no other log-in of this name uses.
    pub(crate) fn log_in(&mut self, name: &str, password: &str) -> Result<SessionOpened, Refusal> {
        use std::sync::atomic::{AtomicU8, Ordering};
        static LOG_INS: AtomicU8 = AtomicU8::new(100);
        let key = name_key(name, LOG_INS.fetch_add(1, Ordering::Relaxed));
        self.log_in_as(key, name, password)
    }

    pub(crate) fn log_in_as(
        &mut self,
        key: Key,
        name: &str,
        password: &str,
    ) -> Result<SessionOpened, Refusal> {
        let request = AuthRequest::LogIn {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        let answer = match self.auth(key, request) {
            Heard::Answer(answer) => answer,
            Heard::Error(error) => return Err(error.refusal),
            other => panic!("{other:?} instead of an answer"),
        };
        let (kind, schema, body) = match Outcome::decode(&answer.outcome).unwrap() {
            Outcome::Accepted { kind, schema, body } => (kind, schema, body),
            Outcome::Refused(refusal) => return Err(refusal),
        };
        match accounts::Answer::decode(kind, schema, body) {
            Ok(accounts::Answer::SessionOpened(opened)) => {
                self.person = opened.user;
                self.serial = opened.session << 20;
                Ok(opened)
            }
            other => panic!("{other:?} instead of a session"),
        }
    }

    pub(crate) fn resume(&mut self, token: Token) -> Result<UserId, Refusal> {
        match self.auth(Key::default(), AuthRequest::Resume { token }) {
            Heard::Answer(answer) => {
                let (kind, schema, body) = answer.accepted();
                match accounts::Answer::decode(kind, schema, &body) {
                    Ok(accounts::Answer::SessionResumed(resumed)) => {
                        self.person = resumed.user;
                        self.serial = 1 << 60;
                        Ok(resumed.user)
                    }
                    other => panic!("{other:?} instead of a session"),
                }
            }
            Heard::Error(error) => Err(error.refusal),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// A key this client has not used.
    pub(crate) fn new_key(&mut self) -> Key {
        self.serial += 1;
        key(self.person, self.serial)
    }

    /// Sends a command and does not wait. Returns its correlation.
    pub(crate) fn send_agenda(&mut self, key: Key, command: &agenda::Command) -> u64 {
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        self.correlation += 1;
        let correlation = self.correlation;
        self.send(&Request::Command {
            correlation,
            key,
            kind,
            schema,
            body: &body,
        });
        correlation
    }

    #[track_caller]
    pub(crate) fn agenda(&mut self, command: impl Into<agenda::Command>) -> Answer {
        let key = self.new_key();
        self.send_agenda(key, &command.into());
        self.answer()
    }

    #[track_caller]
    pub(crate) fn chat(&mut self, command: impl Into<chat::Command>) -> Answer {
        let key = self.new_key();
        self.send_chat(key, &command.into());
        self.answer()
    }

    /// Sends a command and does not wait. Returns its correlation.
    pub(crate) fn send_chat(&mut self, key: Key, command: &chat::Command) -> u64 {
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        self.correlation += 1;
        let correlation = self.correlation;
        self.send(&Request::Command {
            correlation,
            key,
            kind,
            schema,
            body: &body,
        });
        correlation
    }

    pub(crate) fn signal(&mut self, signal: impl Into<presence::Signal>) {
        let signal = signal.into();
        let ((kind, schema), mut body) = (signal.kind(), Vec::new());
        signal.encode(&mut body);
        self.send(&Request::Signal {
            kind,
            schema,
            body: &body,
        });
    }

    /// What was or is told next without being asked for.
    #[track_caller]
    pub(crate) fn told(&mut self) -> Heard {
        let told = self.pushes.pop_front().or_else(|| self.hear());
        told.expect("the server goes on")
    }

    /// The text of the next push, which is a message, and its index.
    #[track_caller]
    pub(crate) fn message(&mut self) -> (u64, String) {
        match self.told() {
            Heard::Push(Push {
                word: Pushed::Chat(chat::Push::Entry(entry)),
                ..
            }) => match entry.content {
                chat::Content::Text(text) => (entry.index, text.text().unwrap().to_owned()),
                other => panic!("{other:?} instead of a text"),
            },
            other => panic!("{other:?} instead of a message"),
        }
    }

    #[track_caller]
    pub(crate) fn accounts(&mut self, command: impl Into<accounts::Command>) -> Answer {
        let (command, key) = (command.into(), self.new_key());
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        self.correlation += 1;
        let correlation = self.correlation;
        self.send(&Request::Command {
            correlation,
            key,
            kind,
            schema,
            body: &body,
        });
        self.answer()
    }

    pub(crate) fn send_query(
        &mut self,
        word: (protocol::Kind, u8),
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut body = Vec::new();
        encode(&mut body);
        self.correlation += 1;
        let (correlation, (kind, schema)) = (self.correlation, word);
        self.send(&Request::Query {
            correlation,
            kind,
            schema,
            body: &body,
        });
    }

    #[track_caller]
    pub(crate) fn query(
        &mut self,
        word: (protocol::Kind, u8),
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Answer {
        self.send_query(word, encode);
        self.answer()
    }

    #[track_caller]
    pub(crate) fn log(&mut self, query: impl Into<log_words::Query>) -> Answer {
        let query = query.into();
        self.query(query.kind(), |out| query.encode(out))
    }

    /// Asks for pushes behind a position. Returns which it is.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, from: Option<Seq>) -> Seq {
        let query = presence::Query::from(presence::Subscribe { from });
        let answer = self.query(query.kind(), |out| query.encode(out));
        let (kind, schema, body) = answer.accepted();
        match presence::Answer::decode(kind, schema, &body) {
            Ok(presence::Answer::Subscribed(subscribed)) => subscribed.from,
            other => panic!("{other:?} instead of a position"),
        }
    }

    /// The push that comes next, or came already.
    #[track_caller]
    pub(crate) fn push(&mut self) -> (Seq, agenda::Push) {
        let heard = match self.pushes.pop_front() {
            Some(push) => push,
            None => self.hear().expect("the server goes on"),
        };
        match heard {
            Heard::Push(Push {
                seq,
                word: Pushed::Agenda(event),
                ..
            }) => (seq, event),
            other => panic!("{other:?} instead of a push of the agenda"),
        }
    }

    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

fn own(reply: &Reply<'_>) -> Heard {
    match *reply {
        Reply::Welcome(welcome) => Heard::Welcome(welcome),
        Reply::Answer {
            correlation,
            seq,
            hash,
            outcome,
        } => Heard::Answer(Answer {
            correlation,
            seq,
            hash,
            outcome: outcome.to_vec(),
        }),
        Reply::Push {
            seq,
            hash,
            kind,
            schema,
            body,
        } => Heard::Push(Push {
            seq,
            hash,
            word: match kind.system() {
                accounts::SYSTEM => {
                    Pushed::Accounts(accounts::Push::decode(kind, schema, body).unwrap())
                }
                agenda::SYSTEM => Pushed::Agenda(agenda::Push::decode(kind, schema, body).unwrap()),
                sales::SYSTEM => Pushed::Sales(sales::Push::decode(kind, schema, body).unwrap()),
                _ => Pushed::Chat(chat::Push::decode(kind, schema, body).unwrap()),
            },
        }),
        Reply::Error(error) => Heard::Error(error),
        Reply::Pong { correlation } => Heard::Pong(correlation),
        Reply::Ephemeral { kind, schema, body } => {
            Heard::News(presence::News::decode(kind, schema, body).unwrap())
        }
        Reply::Probe => Heard::Probe,
    }
}

/// What is answered over HTTP.
pub(crate) fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.ready.http.unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A slot a week from now: `nth` counts over the slots of the default agenda's days.
pub(crate) fn slot(agenda: u64, nth: u32) -> agenda::SlotId {
    let today = server::clock::wall_ms() / 86_400_000;
    agenda::SlotId {
        agenda,
        day: u32::try_from(today).unwrap() + 7 + nth / 12,
        slot: u16::try_from(nth % 12).unwrap(),
    }
}

pub(crate) fn reserve(agenda: u64, nth: u32) -> agenda::Reserve {
    agenda::Reserve {
        slot: slot(agenda, nth),
    }
}

/// Pages of some 195 KiB: more than the socket's buffers take, and less beyond them than makes a
/// reader slow.
pub(crate) const PAGES: usize = 26;

/// Makes the log long enough that one page of it is some 195 KiB.
pub(crate) fn fill_a_page(admin: &mut Client) {
    // A refused name of 15 KiB is logged in full.
    let mut open = server::domain::agenda::default_agenda();
    open.name = "x".repeat(15_000);
    for _ in 0..14 {
        assert_eq!(
            admin.agenda(open.clone()).refused().code,
            Code::AGENDA_NAME_LENGTH
        );
    }
}

/// Fills an admin's way out until the server must wait for it to read.
pub(crate) fn block(admin: &mut Client) {
    fill_a_page(admin);
    let query = log_words::Query::from(log_words::ReadLog {
        from: Seq(1),
        limit: 500,
    });
    for _ in 0..PAGES {
        admin.send_query(query.kind(), |out| query.encode(out));
    }
}
