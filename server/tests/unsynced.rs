//! What is told while the disk is at work: nothing that a crash could still take back.
//!
//! A hub without its tasks, turned by hand, over real sockets and a log that syncs when it is let.
//! That nothing was said is seen from a ping that was sent behind the question and answered first.

use std::{
    cell::RefCell,
    net::{TcpListener, TcpStream},
    rc::Rc,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use protocol::{
    Code, Key, Seq, UserId,
    message::{Request, WelcomeFlags},
    words::{
        accounts::{self, AuthRequest, Token},
        agenda, log as log_words,
    },
};
use server::{
    clock::{Clock, look, wall_ms},
    domain::{
        agenda::default_agenda,
        systems::{CommandBytes, OwnedCommand, Source},
    },
    engine::{Ask, BATCH_LEN_MAX, Engine, Submitted},
    hub::{Flow, Hub, HubParts, Work},
    keyring::Keyring,
    log::{Batch, EventLog, Head, LogError, LogReader, MemoryLog, commit},
    net::{Link, write_pool::WritePool},
    passwords::token_hash,
    serve::end_process,
    session::SessionTimeouts,
    time_base::TimeBase,
    writer::{Synced, Writer},
};
use tokio::runtime::{self, Runtime};

use crate::support::{Answer, Client, Heard, reserve};

/// The first two people and their sessions, in the order of the log.
const NAMES: [&str; 2] = ["ana", "bob"];
const ANA: UserId = UserId(1);
const AGENDA: u64 = 5;

fn token(nth: u8) -> Token {
    Token([nth; 32])
}

/// A log whose every sync waits until it is let.
struct HeldLog {
    log: MemoryLog,
    gate: Receiver<()>,
}

impl EventLog for HeldLog {
    fn head(&self) -> Head {
        self.log.head()
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        let _a_failed_test_holds_nothing = self.gate.recv();
        self.log.append(batch)
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.log.destroy_keys(people)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

/// A hub and the gate of its disk.
struct Room {
    runtime: Runtime,
    hub: Rc<RefCell<Hub<Link>>>,
    gate: SyncSender<()>,
    synced: tokio::sync::mpsc::Receiver<Synced>,
    clock: Clock,
    writer: Writer,
}

/// A client and what the hub calls its connection.
struct Guest {
    id: u64,
    client: Client,
}

impl Room {
    fn new() -> Self {
        let (mut engine, mut log) = (Engine::new(Keyring::new([7; 32])), MemoryLog::new());
        for (name, nth) in NAMES.into_iter().zip(1..) {
            engine.submit_own(wall_ms(), &register(name));
            let user = UserId(engine.decided().seq.0);
            log_in(&mut engine, user, nth);
        }
        let open = agenda::Command::from(default_agenda());
        engine.submit_own(wall_ms(), &OwnedCommand::new(&open));
        assert_eq!(engine.decided().seq, Seq(AGENDA));
        let batch = engine.take_batch().expect("something was submitted");
        let proof = commit(&mut log, &batch).expect("memory takes it");
        let released = engine.handle_committed(&proof, batch);
        engine.recycle(released);
        let (gate, held) = sync_channel(1);
        let reader = log.reader().expect("memory can be read");
        let log = HeldLog { log, gate: held };
        let (writer, synced) =
            Writer::spawn(Box::new(log), std::sync::Arc::default(), end_process).expect("a thread");
        let parts = HubParts {
            engine,
            reader,
            connections_max: 10,
            timeouts: SessionTimeouts::default(),
            flags: WelcomeFlags::DURABLE,
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        };
        let hub = Hub::new(parts, WritePool::default());
        let clock = Clock::new(TimeBase::trusting(look()));
        Self {
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            hub: Rc::new(RefCell::new(hub)),
            gate,
            synced,
            clock,
            writer,
        }
    }

    /// A connection that said hello.
    fn connect(&self) -> Guest {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let client = Client::over(TcpStream::connect(address).expect("it listens"));
        let (stream, _) = listener.accept().expect("it was connected to");
        stream.set_nonblocking(true).expect("a socket");
        let link = self.runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
            let link = Link::new(stream);
            link.writable().await.expect("it is connected");
            link
        });
        let id = self.hub.borrow_mut().connect(self.clock.now(), link);
        let mut guest = Guest { id, client };
        self.show(&guest, &Request::Hello { version: 1 });
        self.flush();
        assert!(matches!(guest.client.reply(), Heard::Welcome(_)));
        guest
    }

    /// A connection of one of the first people.
    fn member(&self, nth: u8) -> Guest {
        let mut guest = self.connect();
        self.resume(&guest, 1, token(nth));
        self.turn();
        assert!(guest.client.answer().is_accepted());
        guest
    }

    /// Shows the hub a request, as if it had been read from the guest's socket.
    fn show(&self, guest: &Guest, request: &Request<'_>) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let mut work = Work::turn();
        let flow =
            (self.hub.borrow_mut()).handle_input(self.clock.now(), guest.id, &bytes, &mut work);
        assert_ne!(flow, Flow::Over);
        let job = self.hub.borrow_mut().poll_job();
        assert!(job.is_none(), "nobody shows a password: {job:?}");
    }

    fn resume(&self, guest: &Guest, correlation: u64, token: Token) {
        let request = Request::Auth {
            correlation,
            key: Key::default(),
            request: AuthRequest::Resume { token },
        };
        self.show(guest, &request);
    }

    fn command(&self, guest: &Guest, correlation: u64, command: &OwnedCommand) {
        // One key a number, so that a number used again is a key used again.
        let request = Request::Command {
            correlation,
            key: Key([u8::try_from(correlation).expect("a small number"); 16]),
            kind: command.kind,
            schema: command.schema,
            body: &command.body,
        };
        self.show(guest, &request);
    }

    fn query(&self, guest: &Guest, correlation: u64, query: &log_words::Query) {
        let ((kind, schema), mut body) = (query.kind(), Vec::new());
        query.encode(&mut body);
        let request = Request::Query {
            correlation,
            kind,
            schema,
            body: &body,
        };
        self.show(guest, &request);
    }

    fn flush(&self) {
        assert!(
            self.hub.borrow_mut().flush(self.clock.now()).is_empty(),
            "it is little"
        );
    }

    fn turn(&self) {
        let sync = |batch| self.writer.sync(batch);
        let blocked = (self.hub.borrow_mut()).end_turn(self.clock.now(), sync);
        assert!(blocked.is_empty(), "it is little");
    }

    fn tick(&self) {
        self.hub.borrow_mut().handle_timeout(self.clock.now());
        self.turn();
    }

    /// Lets the disk finish one batch.
    fn sync(&mut self) {
        self.gate.send(()).expect("the log is there");
        let (proof, batch) = self.synced.blocking_recv().expect("the writer goes on");
        self.hub.borrow_mut().handle_synced(&proof, batch);
        self.turn();
    }

    fn decided(&self) -> Seq {
        self.hub.borrow().engine().decided().seq
    }

    /// Whatever this guest was sent until now was heard already, whatever the clocks do.
    #[track_caller]
    fn hears_nothing(&self, guest: &mut Guest) {
        const PING: u64 = 1 << 40;
        self.turn();
        self.tick();
        self.show(guest, &Request::Ping { correlation: PING });
        self.turn();
        assert_eq!(guest.client.reply(), Heard::Pong(PING));
    }
}

impl Guest {
    #[track_caller]
    fn hears_error(&mut self, correlation: u64, code: Code) -> u64 {
        let error = self.client.error();
        assert_eq!((error.correlation, error.fatal), (correlation, false));
        assert_eq!(error.refusal.code, code);
        error.refusal.value
    }

    #[track_caller]
    fn hears_accepted(&mut self, correlation: u64) -> Answer {
        let answer = self.client.answer();
        assert_eq!(answer.correlation, correlation);
        assert!(answer.is_accepted());
        answer
    }
}

fn register(name: &str) -> OwnedCommand {
    OwnedCommand::new(&accounts::Command::from(accounts::Register {
        name: name.into(),
        password_hash: "$".into(),
    }))
}

/// What the log-in of this person leads to when their password was right.
fn log_in(engine: &mut Engine, user: UserId, nth: u8) {
    let command = OwnedCommand::new(&accounts::Command::from(accounts::LogIn {
        verified: true,
        token_hash: token_hash(&token(nth)),
    }));
    let ask = Ask {
        origin: None,
        actor: user,
        // Not one that a guest's own requests have.
        key: Key([0xf0 | nth; 16]),
        command: CommandBytes {
            source: Source::Session,
            ..command.bytes()
        },
    };
    let submitted = engine.submit(wall_ms(), &ask);
    assert!(matches!(submitted, Ok(Submitted::Decided(_))));
}

fn log_out() -> OwnedCommand {
    OwnedCommand::new(&accounts::Command::from(accounts::RevokeAllSessions {}))
}

fn take(nth: u32) -> OwnedCommand {
    OwnedCommand::new(&agenda::Command::from(reserve(AGENDA, nth)))
}

/// `ask` is asked while the disk is at work on a reservation: it is told nothing before.
fn is_told_when_synced(ask: impl Fn(&Room, &Guest), code: Code) {
    let mut room = Room::new();
    let (mut taker, mut asker) = (room.member(1), room.member(1));
    room.command(&taker, 2, &take(0));
    room.turn();
    ask(&room, &asker);
    room.hears_nothing(&mut asker);
    room.hears_nothing(&mut taker);
    room.sync();
    taker.hears_accepted(2);
    asker.hears_error(2, code);
}

#[test]
fn a_reused_key_names_only_what_is_durable() {
    is_told_when_synced(
        |room, asker| room.command(asker, 2, &take(1)),
        Code::KEY_REUSED,
    );
}

#[test]
fn a_role_is_missing_only_in_what_is_durable() {
    let replay = log_words::Query::from(log_words::ReplayState { upto: Seq(0) });
    is_told_when_synced(
        |room, asker| room.query(asker, 2, &replay),
        Code::NOT_ALLOWED,
    );
}

#[test]
fn that_there_is_no_room_is_said_at_once() {
    let mut room = Room::new();
    let (taker, mut asker) = (room.member(1), room.member(2));
    room.command(&taker, 2, &take(0));
    room.turn();
    for _ in 0..BATCH_LEN_MAX {
        (room.hub.borrow_mut().engine_mut()).submit_own(wall_ms(), &register("ana"));
    }
    room.command(&asker, 2, &take(1));
    room.turn();
    let waiting = asker.hears_error(2, Code::BUSY);
    assert_eq!(usize::try_from(waiting), Ok(BATCH_LEN_MAX));
    room.sync();
    room.sync();
}

#[test]
fn a_revocation_is_told_to_nobody_before_it_is_durable() {
    let mut room = Room::new();
    let (mut first, mut second) = (room.member(1), room.member(1));
    let (mut late, mut other) = (room.connect(), room.member(2));
    room.command(&first, 2, &log_out());
    let revoked = room.decided();
    room.turn();
    room.command(&second, 3, &take(0));
    room.resume(&late, 4, token(1));
    for guest in [&mut first, &mut second, &mut late, &mut other] {
        room.hears_nothing(guest);
    }
    assert_eq!(room.decided(), revoked, "nothing was considered behind it");
    room.sync();
    assert_eq!(first.hears_accepted(2).seq, revoked);
    second.hears_error(3, Code::SESSION_ENDED);
    late.hears_error(4, Code::UNKNOWN_SESSION);
    room.tick();
    first.client.ends_with(Code::SESSION_ENDED);
    second.client.ends_with(Code::SESSION_ENDED);
    room.command(&other, 5, &take(0));
    room.turn();
    room.sync();
    other.hears_accepted(5);
}

#[test]
fn a_session_is_resumed_when_its_log_in_is_durable() {
    let mut room = Room::new();
    let mut guest = room.connect();
    log_in(room.hub.borrow_mut().engine_mut(), ANA, 9);
    let logged_in = room.decided();
    room.turn();
    room.resume(&guest, 1, token(9));
    room.hears_nothing(&mut guest);
    room.command(&guest, 2, &take(0));
    room.turn();
    guest.hears_error(2, Code::LOG_IN_FIRST);
    room.sync();
    assert_eq!(guest.hears_accepted(1).seq, logged_in);
    room.command(&guest, 3, &take(0));
    room.turn();
    room.sync();
    guest.hears_accepted(3);
}

#[test]
fn a_session_revoked_while_it_is_resumed_asks_nothing_more() {
    let mut room = Room::new();
    let (mut owner, mut guest) = (room.member(1), room.connect());
    room.command(&owner, 2, &take(0));
    room.turn();
    room.resume(&guest, 1, token(1));
    room.command(&owner, 3, &log_out());
    let revoked = room.decided();
    room.sync();
    owner.hears_accepted(2);
    guest.hears_accepted(1);
    room.command(&guest, 2, &take(1));
    for guest in [&mut owner, &mut guest] {
        room.hears_nothing(guest);
    }
    assert_eq!(room.decided(), revoked, "nothing was considered behind it");
    room.sync();
    owner.hears_accepted(3);
    guest.hears_error(2, Code::SESSION_ENDED);
    room.tick();
    guest.client.ends_with(Code::SESSION_ENDED);
}
