//! The driver's core in one thread on a virtual clock, against a server that is a value.
//!
//! A seed decides how long bytes travel and which connections break; everything else follows from the
//! plan. So a run of a minute takes a moment, and the same seed leaves the same trace.

mod server;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fmt::Write,
    rc::Rc,
};

use client::Session;
use loadgen::{
    client::Client,
    driver::core::{Action, Core, CoreOptions, Outcome as Ended},
    id_map::IdMap,
    operation::{
        Answer, Call, KeyMint, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome,
        Push, Slot,
    },
    plan::{Plan, PlanOptions},
    scenario::Scenario,
};
use protocol::{
    ChainHash, Seq, UserId,
    words::{accounts::Token, presence::Signal},
};
use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

use self::server::BookingServer;

const CLIENTS: u32 = 20;
const MS: Nanos = 1_000_000;
/// One in so many frames is lost with its connection.
const CUT_ONE_IN: u64 = 400;

const RACE: &str = r#"
name = "race"
[world]
users = 20
agendas = 3
days = 5
slots = 16
[[phase]]
name = "together"
rendezvous = { clients = 20, times = 10, spread_max = "1ms" }
load = [{ flow = "book" }]
[[phase]]
name = "open"
duration = "20s"
load = [{ flow = "book", rate = 50 }]
[[phase]]
name = "closed"
duration = "40s"
load = [{ flow = "book", clients = 20, think = "500ms" }]
[flow.book]
steps = [{ reserve = { agenda = "uniform", day = "uniform", slot = "uniform" } }]
"#;

/// Writes down what happens, in the order in which it does.
#[derive(Default)]
struct Trace {
    lines: String,
    completed: Vec<Operation>,
    lost: u32,
}

impl Observer for Trace {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        writeln!(self.lines, "{now} {client} asks {counter} {call:?}").expect("memory");
        0
    }

    fn handle_complete(&mut self, operation: &Operation, _observed: &Observed) {
        writeln!(self.lines, "{operation:?}").expect("memory");
        self.completed.push(*operation);
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        assert_eq!(
            (first.seq, first.outcome, first.hash),
            (second.seq, second.outcome, second.hash),
            "the same key is answered the same"
        );
        writeln!(self.lines, "again {second:?}").expect("memory");
    }

    fn handle_answer(&mut self, _operation: &Operation, _answer: &Answer) {}
    fn handle_signal(&mut self, _client: u32, _signal: &Signal, _now: Nanos) {}
    fn handle_fault(&mut self, _now: Nanos) {}
    fn handle_drained(&mut self, _client: u32, _seq: u64, _is_settled: bool) {}

    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        writeln!(self.lines, "reused {first:?} {outcome:?}").expect("memory");
    }

    fn handle_push(&mut self, _: u32, _: (u64, ChainHash), push: &Push, _now: Nanos) {
        panic!("nobody is pushed anything in a booking race: {push:?}");
    }

    fn handle_news(&mut self, _client: u32, news: &News, _now: Nanos) {
        panic!("nobody asked for news: {news:?}");
    }

    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        self.lost += u32::from(change == LinkChange::Ended);
        writeln!(self.lines, "{now} {client} {change:?}").expect("memory");
    }
}

/// Something that happens to the connection of a client: in which it was made, counted from 0.
enum Event {
    ToServer(Vec<u8>),
    ToClient(Vec<u8>),
    Cut,
}

/// Every connection, and what travels on them.
struct Network {
    random: ChaCha8Rng,
    /// By instant, then in the order in which it was sent.
    due: BinaryHeap<Reverse<(Nanos, u64)>>,
    events: BTreeMap<u64, (u32, u32, Event)>,
    sent: u64,
    /// How many connections each client had before this one.
    epochs: Vec<u32>,
    /// When the last of what is on its way arrives, each way: bytes of a connection keep their order.
    arrive_at: Vec<[Nanos; 2]>,
}

impl Network {
    fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            due: BinaryHeap::new(),
            events: BTreeMap::new(),
            sent: 0,
            epochs: vec![0; 20],
            arrive_at: vec![[0; 2]; 20],
        }
    }

    fn send(&mut self, link: u32, event: Event, now: Nanos) {
        let is_cut = self.random.next_u64().is_multiple_of(CUT_ONE_IN);
        let event = if is_cut { Event::Cut } else { event };
        let way = usize::from(matches!(event, Event::ToServer(_)));
        let last = &mut self.arrive_at[index(link)][way];
        let at = (*last + 1).max(now + MS / 10 + self.random.next_u64() % (5 * MS));
        *last = at;
        self.due.push(Reverse((at, self.sent)));
        let epoch = self.epochs[index(link)];
        self.events.insert(self.sent, (link, epoch, event));
        self.sent += 1;
    }

    fn next_at(&self) -> Nanos {
        self.due.peek().map_or(Nanos::MAX, |Reverse((at, _))| *at)
    }

    /// What is due by now, on connections that are still there.
    fn take(&mut self, now: Nanos) -> Option<(u32, Event)> {
        while self.next_at() <= now {
            let Reverse((_at, number)) = self.due.pop()?;
            let (link, epoch, event) = self.events.remove(&number)?;
            if epoch == self.epochs[index(link)] {
                return Some((link, event));
            }
        }
        None
    }

    fn close(&mut self, link: u32) {
        self.epochs[index(link)] += 1;
    }
}

struct Simulation<'a> {
    core: Core<'a, Trace, ()>,
    network: Network,
    server: BookingServer,
    now: Nanos,
    /// Seconds that ended, by phase.
    seconds: [u32; 3],
}

impl Simulation<'_> {
    /// To the end; when that is.
    fn run(mut self) -> (Ended<()>, Nanos) {
        self.carry_out();
        while let Some(wake_at) = self.core.poll_wake() {
            self.now = self.now.max(wake_at.min(self.network.next_at()));
            while let Some((link, event)) = self.network.take(self.now) {
                self.deliver(link, event);
            }
            self.core.handle_due(self.now);
            self.carry_out();
            if let Some(second) = self.core.poll_second() {
                self.seconds[second.phase] += 1;
            }
            while self.core.handle_start(self.now) {
                self.carry_out();
            }
            if let Some(release_at) = self.core.begin_release(self.now) {
                self.now = self.now.max(release_at);
                while let Some(link) = self.core.handle_release(self.now) {
                    self.write(link);
                    self.now += 1_000; // writing takes a microsecond
                }
                self.carry_out();
            }
        }
        let [together, open, closed] = self.seconds;
        assert!(
            together <= 1 && 20 <= open && 40 <= closed,
            "{:?}",
            self.seconds
        );
        (self.core.finish(), self.now)
    }

    fn deliver(&mut self, link: u32, event: Event) {
        match event {
            Event::ToServer(bytes) => {
                for answer in self.server.handle_bytes(&bytes) {
                    self.network.send(link, Event::ToClient(answer), self.now);
                }
            }
            Event::ToClient(bytes) => {
                assert!(self.core.is_listening(link), "its connection is there");
                self.core.handle_bytes(link, &bytes, self.now);
                self.core.handle_ready(link);
            }
            Event::Cut => {
                let why = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                self.core.handle_lost(link, &why, self.now);
            }
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Connect(link) => self.core.handle_connected(link, self.now),
                Action::Write(link) => self.write(link),
                Action::Close(link) => self.network.close(link),
            }
        }
    }

    fn write(&mut self, link: u32) {
        let bytes = std::mem::take(self.core.out(link));
        self.network.send(link, Event::ToServer(bytes), self.now);
    }
}

fn index(link: u32) -> usize {
    usize::try_from(link).expect("32 bits fit")
}

/// What a seed leaves behind, and when the run was over.
fn race(seed: u64) -> (Trace, Ended<()>, Nanos) {
    let scenario = Scenario::parse("race.toml", RACE).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::new(&scenario, &PlanOptions::default()).expect("a plan");
    let world = Rc::new(IdMap {
        agendas: vec![11, 12, 13],
        first_day: 20_000,
        ..IdMap::default()
    });
    let session = |id: u32| Session {
        user: UserId(u64::from(id) + 2),
        session: 3,
        token: Token([4; 32]),
        cursor: Seq(2),
    };
    let mint = KeyMint::new([7; 32]);
    let client = |id| Client::new(id, mint.clone(), Rc::clone(&world), session(id));
    let mut trace = Trace::default();
    let options = CoreOptions {
        began_at: 0,
        timeout: 10_000 * MS,
        drain: 5_000 * MS,
        overtime: 60_000 * MS,
        duplicate_every: std::num::NonZeroU32::new(50),
    };
    let (ended, now) = Simulation {
        core: Core::new(
            &plan,
            (0..CLIENTS).map(client).collect(),
            &mut trace,
            (),
            options,
        ),
        network: Network::new(seed),
        server: BookingServer::default(),
        now: 0,
        seconds: [0; 3],
    }
    .run();
    (trace, ended, now)
}

#[test]
fn the_same_seed_leaves_the_same_trace_of_a_booking_race() {
    let (first, second) = (race(1), race(1));
    assert_eq!(first.0.lines, second.0.lines);
    assert_eq!(first.2, second.2);
    assert_ne!(
        first.0.lines,
        race(2).0.lines,
        "another seed is another run"
    );
}

#[test]
fn a_booking_race_on_a_virtual_clock_is_a_whole_run() {
    let (trace, ended, now) = race(3);
    assert!(60_000 * MS <= now, "{now}");
    let names: Vec<_> = ended.phases.iter().map(|phase| &*phase.name).collect();
    assert_eq!(names, ["together", "open", "closed"]);
    let meeting = ended.phases[0].rendezvous.as_ref().unwrap();
    assert_eq!((meeting.times, meeting.within), (10, 10));
    assert_eq!(ended.phases[1].conservation.intended, 1_000);
    // Nothing but what the plan wants makes anybody late.
    assert!(ended.lateness.histogram().max() < MS);
    assert!(0 < trace.lost && u64::from(trace.lost) <= ended.connections.lost);
    assert!(trace.completed.iter().any(|done| 1 < done.attempts));
    assert!(0 < ended.duplicates);
    let mut winners = BTreeMap::new();
    for done in &trace.completed {
        let Call::Reserve { slot: Slot(slot) } = done.call else {
            panic!("nobody does anything else: {done:?}");
        };
        match done.outcome {
            Outcome::Ok => assert_eq!(winners.insert(slot, done.client), None, "{done:?}"),
            Outcome::Refused(code) => assert_eq!(code.name(), "slot-taken"),
            Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => panic!("{done:?}"),
        }
    }
    assert!(200 < winners.len(), "of 240 places {} went", winners.len());
}
