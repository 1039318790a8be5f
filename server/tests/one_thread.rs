//! The whole server in one thread, on a virtual clock: a race of twenty people for twelve slots.
//!
//! Hub, engine, sessions and authentication are those that serve; the log and the connections are in memory. A seed goes in and
//! decides when bytes arrive, how much room a connection has and how long a sync takes; every byte that the server
//! writes comes out, with its instant. No socket, no runtime, no clock: two runs of a seed are the same bytes.
//! Deliberately absent: the loop over sockets (`net`).

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    rc::Rc,
    time::Duration,
};

use protocol::{
    ChainHash, Code, Key, Outcome, Seq, frame,
    limits::{REPLY_BYTES_MAX, WIRE_VERSION},
    message::{Reply, Request, WelcomeFlags},
    words::{
        accounts::AuthRequest,
        agenda,
        chat::{self, Target},
        presence::{self, Subscribe},
    },
};
use server::{
    auth::{AuthJob, Authenticator},
    domain::{agenda::default_agenda, systems::OwnedCommand},
    engine::Engine,
    hub::{Alone, Flow, Hub, HubParts, Job, Transport, Work},
    keyring::Keyring,
    log::{Batch, EventLog, MemoryLog, commit},
    passwords::{HashJob, Memory, PasswordCost, Secret},
    session::SessionTimeouts,
    time_base::Now,
};

const PEOPLE: u8 = 20;
/// Slots of one day of the default agenda, each for one person.
const SLOTS: u16 = 12;
/// Everybody says something to everybody after every third slot.
const TALKS_EVERY: u16 = 3;
/// 2027-01-15.
const START: u64 = 1_800_000_000_000;
/// Milliseconds by which all of it must be over.
const END: u64 = 600_000;
const TICK: u64 = 50;
const PASSWORD: &str = "correct horse";
/// Threads that hash, each one job at a time.
const HASHERS: usize = 2;
const REGISTERED: u64 = 1;
const LOGGED_IN: u64 = 2;
const FIRST: u64 = 10;

/// Draws that follow from a seed (splitmix64).
struct Draws(u64);

impl Draws {
    /// One of `from..to`.
    fn among(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }

    fn len(&mut self, from: u64, to: u64) -> usize {
        usize::try_from(self.among(from, to)).expect("a small number")
    }
}

/// Everything that was written: when, over which connection, which bytes.
#[derive(Debug, Default)]
struct Trace {
    now: Cell<u64>,
    bytes: RefCell<Vec<u8>>,
}

impl Trace {
    fn note(&self, nth: u64, bytes: &[u8]) {
        let mut all = self.bytes.borrow_mut();
        all.extend_from_slice(&self.now.get().to_le_bytes());
        all.extend_from_slice(&nth.to_le_bytes());
        all.extend_from_slice(bytes);
    }
}

/// A connection in memory, with as much room as its reader makes.
#[derive(Debug, Clone)]
struct Wire(Rc<End>);

#[derive(Debug)]
struct End {
    nth: u64,
    trace: Rc<Trace>,
    room: Cell<usize>,
    was_full: Cell<bool>,
    sent: RefCell<Vec<u8>>,
    is_over: Cell<bool>,
}

impl Transport for Wire {
    type Writers = Alone;

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0.room.get());
        if len == 0 {
            self.0.was_full.set(true);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.set(self.0.room.get() - len);
        self.0.trace.note(self.0.nth, &bytes[..len]);
        self.0.sent.borrow_mut().extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn finish(&self) {
        self.0.is_over.set(true);
    }

    fn shutdown(&self) {
        self.0.is_over.set(true);
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// Some of what a client sent arrives.
    Arrive(usize),
    /// A client reads, and so its connection has room again.
    Read(usize),
    /// The disk has done its work.
    Synced,
    /// A thread has hashed a password.
    Hashed(u64),
    Tick,
}

struct Client {
    nth: u8,
    id: u64,
    wire: Wire,
    /// On its way to the server.
    input: Vec<u8>,
    /// Nothing may be shown to the hub until it says so.
    is_held: bool,
    is_blocked: bool,
    /// Bytes that were understood.
    heard: usize,
    answers: BTreeMap<u64, Answered>,
    said: Vec<Seq>,
}

/// An answer, as far as the laws need it.
struct Answered {
    seq: Seq,
    hash: ChainHash,
    refused: Option<Code>,
}

struct World {
    draws: Draws,
    events: BTreeMap<(u64, u64), Event>,
    serial: u64,
    trace: Rc<Trace>,
    hub: Hub<Wire>,
    log: MemoryLog,
    syncing: Option<Batch>,
    authenticator: Authenticator,
    hashing: BTreeMap<u64, HashJob>,
    memory: Memory,
    clients: Vec<Client>,
    agenda: u64,
    /// Whether everybody logs in, at once.
    is_storming: bool,
}

/// An agenda, durable. Returns its id.
fn prepare(engine: &mut Engine, log: &mut MemoryLog) -> u64 {
    let open = agenda::Command::from(default_agenda());
    engine.submit_own(START, &OwnedCommand::new(&open));
    let batch = engine.take_batch().expect("something was submitted");
    let proof = commit(log, &batch).expect("memory takes it");
    let released = engine.handle_committed(&proof, batch);
    engine.recycle(released);
    engine.decided().seq.0
}

/// What somebody sends who is new: hello, and to become `person{nth}`.
fn introduce(nth: u8) -> Vec<u8> {
    let mut input = Vec::new();
    let version = WIRE_VERSION;
    Request::Hello { version }.encode(&mut input);
    let (name, password) = (format!("person{nth}"), PASSWORD.to_owned());
    let request = AuthRequest::Register { name, password };
    authenticate(REGISTERED, nth, request, &mut input);
    input
}

fn log_in(nth: u8) -> Vec<u8> {
    let mut input = Vec::new();
    let (name, password) = (format!("person{nth}"), PASSWORD.to_owned());
    let request = AuthRequest::LogIn { name, password };
    authenticate(LOGGED_IN, nth, request, &mut input);
    input
}

fn authenticate(correlation: u64, nth: u8, request: AuthRequest, input: &mut Vec<u8>) {
    let mut key = Key([nth; 16]);
    key.0[0] = u8::try_from(correlation).expect("one of two");
    Request::Auth {
        correlation,
        key,
        request,
    }
    .encode(input);
}

impl World {
    fn new(seed: u64) -> Self {
        let (mut engine, mut log) = (Engine::new(Keyring::new([7; 32])), MemoryLog::new());
        let agenda = prepare(&mut engine, &mut log);
        let parts = HubParts {
            engine,
            reader: log.reader().expect("memory can be read"),
            connections_max: 100,
            timeouts: SessionTimeouts::default(),
            flags: WelcomeFlags::DURABLE,
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        };
        let mut world = Self {
            draws: Draws(seed),
            events: BTreeMap::new(),
            serial: 0,
            trace: Rc::default(),
            hub: Hub::new(parts, Alone),
            log,
            syncing: None,
            authenticator: Authenticator::new(Secret::new([3; 32]), HASHERS),
            hashing: BTreeMap::new(),
            memory: Memory::default(),
            clients: Vec::new(),
            agenda,
            is_storming: false,
        };
        for nth in 0..PEOPLE {
            world.connect(nth);
        }
        world.schedule(TICK, Event::Tick);
        world
    }

    fn now(&self) -> Now {
        let mono = self.trace.now.get();
        Now {
            mono,
            wall: START + mono,
        }
    }

    /// Has something happen so many milliseconds from now; among what happens at one instant the seed decides.
    fn schedule(&mut self, after: u64, event: Event) {
        self.serial += 1;
        let tie = self.draws.among(0, 1 << 20) << 32 | self.serial;
        let at = self.trace.now.get() + after;
        self.events.insert((at, tie), event);
    }

    fn connect(&mut self, nth: u8) {
        let wire = Wire(Rc::new(End {
            nth: nth.into(),
            trace: Rc::clone(&self.trace),
            room: Cell::new(0),
            was_full: Cell::new(false),
            sent: RefCell::default(),
            is_over: Cell::new(false),
        }));
        let id = self.hub.connect(self.now(), wire.clone());
        self.clients.push(Client {
            nth,
            id,
            wire,
            input: introduce(nth),
            is_held: false,
            is_blocked: false,
            heard: 0,
            answers: BTreeMap::new(),
            said: Vec::new(),
        });
        let (arrives, reads) = (self.draws.among(0, 20), self.draws.among(0, 20));
        self.schedule(arrives, Event::Arrive(nth.into()));
        self.schedule(reads, Event::Read(nth.into()));
    }

    /// Goes on to what happens next, with a turn of the server behind it.
    fn step(&mut self) {
        let ((at, _), event) = self.events.pop_first().expect("the clock always ticks");
        assert!(at < END, "it does not come to an end");
        self.trace.now.set(at);
        match event {
            Event::Arrive(nth) => self.arrive(nth),
            Event::Read(nth) => self.read(nth),
            Event::Synced => {
                let batch = self.syncing.take().expect("a batch is on its way");
                let proof = commit(&mut self.log, &batch).expect("memory takes it");
                self.hub.handle_synced(&proof, batch);
            }
            Event::Hashed(id) => {
                let job = self.hashing.remove(&id).expect("it was begun");
                let result = job.run(PasswordCost::TEST, &mut self.memory);
                let done = (result, Duration::from_millis(30));
                let now = self.now();
                (self.authenticator).finish(now, &mut self.hub, id, done);
            }
            Event::Tick => {
                self.hub.handle_timeout(self.now());
                self.schedule(TICK, Event::Tick);
            }
        }
        self.end_turn();
        for nth in 0..self.clients.len() {
            self.hear(nth);
        }
        // Who registers late is not told what was said before: all are there before anybody talks.
        let is_registered = |client: &Client| client.answers.contains_key(&REGISTERED);
        if !self.is_storming && self.clients.iter().all(is_registered) {
            self.is_storming = true;
            for client in &mut self.clients {
                client.input = log_in(client.nth);
            }
        }
    }

    fn end_turn(&mut self) {
        let (now, mut batch) = (self.now(), None);
        let mut blocked = self.hub.end_turn(now, |next| batch = Some(next));
        if let Some(batch) = batch {
            let earlier = self.syncing.replace(batch);
            assert!(earlier.is_none(), "one batch at a time");
            let lasts = self.draws.among(1, 9);
            self.schedule(lasts, Event::Synced);
        }
        if self.hub.has_deliveries() {
            blocked.extend(self.hub.deliver(now));
        }
        for (id, _wire) in blocked {
            self.client_of(id).is_blocked = true;
        }
        for id in self.hub.take_resumed() {
            self.client_of(id).is_held = false;
        }
        self.start_jobs();
    }

    /// Passwords are hashed meanwhile.
    fn start_jobs(&mut self) {
        while let Some(job) = self.hub.poll_job() {
            match job {
                Job::Auth { origin, key, shown } => {
                    (self.authenticator).begin(&mut self.hub, origin, key, shown);
                }
                Job::Replay { .. } => panic!("nobody asks for that"),
            }
        }
        while let Some(AuthJob { id, job }) = self.authenticator.poll_job() {
            self.hashing.insert(id, job);
            assert!(
                self.hashing.len() <= HASHERS,
                "no more than there are threads"
            );
            let lasts = self.draws.among(20, 40);
            self.schedule(lasts, Event::Hashed(id));
        }
    }

    fn client_of(&mut self, id: u64) -> &mut Client {
        let client = self.clients.iter_mut().find(|client| client.id == id);
        client.expect("a connection of ours")
    }

    fn arrive(&mut self, nth: usize) {
        let (now, len) = (self.now(), self.draws.len(1, 400));
        let client = &mut self.clients[nth];
        if !client.is_held {
            let len = len.min(client.input.len());
            let bytes: Vec<u8> = client.input.drain(..len).collect();
            let mut flow = Flow::Again;
            let mut shown = &bytes[..];
            while flow == Flow::Again {
                flow = (self.hub).handle_input(now, client.id, shown, &mut Work::turn());
                shown = &[];
            }
            assert_ne!(flow, Flow::Over, "nobody says anything wrong");
            client.is_held = flow == Flow::Held;
        }
        let next = self.draws.among(1, 15);
        self.schedule(next, Event::Arrive(nth));
    }

    fn read(&mut self, nth: usize) {
        let (now, room) = (self.now(), self.draws.len(1, 300));
        let client = &mut self.clients[nth];
        client.wire.0.room.set(room);
        if client.is_blocked {
            client.is_blocked = self.hub.handle_writable(now, client.id);
        }
        let next = self.draws.among(1, 15);
        self.schedule(next, Event::Read(nth));
    }

    /// A client takes in what it was sent: nothing that it is told may be ahead of the log.
    fn hear(&mut self, nth: usize) {
        let durable = self.log.head().seq;
        let client = &mut self.clients[nth];
        let wire = client.wire.clone();
        let sent = wire.0.sent.borrow();
        while let Some((one, rest)) =
            frame::split(&sent[client.heard..], REPLY_BYTES_MAX).expect("a frame")
        {
            client.heard = sent.len() - rest.len();
            match Reply::decode(one).expect("a reply") {
                Reply::Answer {
                    correlation,
                    seq,
                    hash,
                    outcome,
                } => {
                    assert!(seq <= durable, "{seq} is acknowledged and not durable");
                    let refused = match Outcome::decode(outcome).expect("an outcome") {
                        Outcome::Accepted { .. } => None,
                        Outcome::Refused(refusal) => Some(refusal.code),
                    };
                    let answered = Answered { seq, hash, refused };
                    let twice = client.answers.insert(correlation, answered);
                    assert!(twice.is_none(), "{correlation} was answered twice");
                    if correlation == LOGGED_IN {
                        client.input = race(&mut self.draws, self.agenda);
                    }
                }
                Reply::Push { seq, kind, .. } => {
                    assert!(seq <= durable, "{seq} is told and not durable");
                    if kind.system() == chat::SYSTEM {
                        client.said.push(seq);
                    }
                }
                Reply::Welcome(_) => {}
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }

    fn is_over(&self) -> bool {
        let (requests, texts) = (requests(), usize::from(PEOPLE) * texts());
        self.clients
            .iter()
            .all(|client| client.answers.len() == requests && client.said.len() == texts)
            && self.hub.is_drained()
    }
}

/// Texts of one person.
fn texts() -> usize {
    usize::from(SLOTS / TALKS_EVERY)
}

/// Answers that everybody gets: to registering, to the log-in, to subscribing, and to what they ask for.
fn requests() -> usize {
    3 + usize::from(SLOTS) + texts()
}

/// What somebody asks for who wants any slot there is, in an order of their own, and talks about it.
fn race(draws: &mut Draws, agenda: u64) -> Vec<u8> {
    let mut input = Vec::new();
    let subscribe = presence::Query::from(Subscribe {
        from: Some(Seq(agenda)),
    });
    let ((kind, schema), mut body) = (subscribe.kind(), Vec::new());
    subscribe.encode(&mut body);
    Request::Query {
        correlation: FIRST,
        kind,
        schema,
        body: &body,
    }
    .encode(&mut input);
    let mut slots: Vec<u16> = (0..SLOTS).collect();
    let mut correlation = FIRST;
    let mut command = |command: &OwnedCommand| {
        correlation += 1;
        Request::Command {
            correlation,
            key: Key([u8::try_from(correlation).expect("a few dozen"); 16]),
            kind: command.kind,
            schema: command.schema,
            body: &command.body,
        }
        .encode(&mut input);
    };
    while !slots.is_empty() {
        let drawn = draws.len(0, u64::try_from(slots.len()).expect("a few"));
        let slot = agenda::SlotId {
            agenda,
            day: u32::try_from(START / 86_400_000).expect("a day") + 7,
            slot: slots.swap_remove(drawn),
        };
        let reserve = agenda::Command::from(agenda::Reserve { slot });
        command(&OwnedCommand::new(&reserve));
        if slots.len().is_multiple_of(usize::from(TALKS_EVERY)) {
            let (to, text) = (Target::Public, "who has the first one?".into());
            let send = chat::Command::from(chat::Send { to, text });
            command(&OwnedCommand::new(&send));
        }
    }
    input
}

/// The laws that are cheap: no slot twice, nothing acknowledged that is not in the log, everybody told the same once.
fn judge(world: &World) {
    let (mut hashes, mut taken, mut said) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    let mut reader = world.log.reader().expect("memory can be read");
    let mut visit = |row: server::log::Row<'_>| {
        let record = row.record;
        hashes.insert(record.seq, row.hash);
        let is_accepted = matches!(
            Outcome::decode(record.outcome),
            Ok(Outcome::Accepted { .. })
        );
        let agenda = agenda::Command::decode(record.kind, record.schema, record.body);
        if let Ok(agenda::Command::Reserve(reserve)) = agenda
            && is_accepted
        {
            assert!(taken.insert(reserve.slot), "{:?} twice", reserve.slot);
        }
        if record.kind.system() == chat::SYSTEM {
            said.push(record.seq);
        }
        ControlFlow::Continue(())
    };
    reader.read(Seq(1), &mut visit).expect("memory can be read");
    assert_eq!(taken.len(), usize::from(SLOTS), "everybody wanted each");
    let mut refused = 0;
    for client in &world.clients {
        assert!(!client.wire.0.is_over.get());
        assert_eq!(client.said, said, "each text once, in the order of the log");
        for (correlation, answer) in &client.answers {
            let hash = hashes.get(&answer.seq);
            assert_eq!(hash, Some(&answer.hash), "{correlation} is no receipt");
            match answer.refused {
                None => {}
                Some(Code::SLOT_TAKEN) => refused += 1,
                Some(other) => panic!("{other:?} is no reason"),
            }
        }
    }
    assert_eq!(refused, usize::from(SLOTS) * (usize::from(PEOPLE) - 1));
    let full = |client: &&Client| client.wire.0.was_full.get();
    assert!(
        world.clients.iter().filter(full).count() > usize::from(PEOPLE) / 2,
        "connections were full now and then"
    );
}

fn run(seed: u64) -> Vec<u8> {
    let mut world = World::new(seed);
    while !world.is_over() {
        world.step();
    }
    judge(&world);
    world.trace.bytes.take()
}

#[test]
fn a_booking_race_in_one_thread_leaves_the_same_bytes_for_the_same_seed() {
    let mut traces = BTreeSet::new();
    for seed in 0..5 {
        let trace = run(seed);
        assert!(trace == run(seed), "seed {seed} twice is not the same");
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 5, "seeds decide what happens");
}
