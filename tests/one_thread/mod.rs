//! Everything in one thread on a virtual clock: the driver's core and twenty clients against hub, sessions
//! and engine of the server, with a log in memory; judged by the laws of every run.
//!
//! A seed goes in and decides how long bytes travel, how much a connection takes at once, how long a sync
//! takes, what happens first at one instant and which connections break. A trace comes out: every byte that
//! the server wrote and everything that the clients did, each with its instant. Two runs of a seed leave the
//! same. Deliberately absent: hashing passwords (everybody resumes a session), disks, sockets.

mod world;

use std::{cell::RefCell, fmt::Write, ops::ControlFlow, rc::Rc};

use client::Session;
use loadgen::{
    check::{LawOptions, Laws},
    client::Client,
    driver::core::{Core, CoreOptions, Outcome as Ended},
    operation::{
        Answer, Call, KeyMint, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome,
        Push, SetUpKeys,
    },
    plan::{Plan, PlanOptions},
    scenario::Scenario,
    set_up::{self, Known},
};
use protocol::{
    ChainHash, Key, OwnedRecord, Seq, UserId,
    message::WelcomeFlags,
    words::{
        accounts::{self, Token},
        presence::Signal,
    },
};
use reports::record::Verdict;
use server::{
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, Engine, Submitted},
    hub::{Alone, Hub, HubParts},
    keyring::Keyring,
    log::{EventLog, MemoryLog, Row, commit},
    passwords::token_hash,
    session::SessionTimeouts,
};

use self::world::World;

const MS: Nanos = 1_000_000;
/// 2027-01-15, when the virtual clock reads 0; and the day after it, in days since 1970-01-01.
const WALL: u64 = 1_800_000_000_000;
const TOMORROW: u32 = 20_834;
const SECRET: [u8; 32] = [7; 32];
/// Users of the race, with one device each.
const CLIENTS: usize = 20;

const RACE: &str = r#"
name = "race"
[world]
users = 20
agendas = 2
days = 3
slots = 16
[[phase]]
name = "together"
rendezvous = { clients = 20, times = 5, spread_max = "1ms" }
load = [{ flow = "book" }]
[[phase]]
name = "open"
duration = "10s"
load = [{ flow = "churn", rate = 40 }]
[flow.book]
steps = [{ reserve = { agenda = "zipf(1.1)", day = "uniform", slot = "uniform" } }]
[flow.churn]
steps = [
  { reserve = { agenda = "uniform", day = "uniform", slot = "uniform" }, save = "booking" },
  { wait = "50ms..500ms" },
  { cancel = { booking = "$booking" } },
]
"#;

/// What happened, line by line.
#[derive(Clone, Default)]
struct Trace(Rc<RefCell<String>>);

impl Trace {
    fn note(&self, line: &std::fmt::Arguments<'_>) {
        writeln!(self.0.borrow_mut(), "{line}").expect("memory");
    }
}

/// The laws of a run, and a trace of what they were told.
struct Witness {
    laws: Laws,
    trace: Trace,
    completed: Vec<Operation>,
    lost: u32,
}

impl Observer for Witness {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        let line = format_args!("{now} client {client} asks {counter} {call:?}").to_string();
        self.trace.note(&format_args!("{line}"));
        self.laws.handle_invoke(client, counter, call, now)
    }

    fn handle_answer(&mut self, operation: &Operation, answer: &Answer) {
        self.trace.note(&format_args!("answered {answer:?}"));
        self.laws.handle_answer(operation, answer);
    }

    fn handle_complete(&mut self, operation: &Operation, observed: &Observed) {
        self.trace.note(&format_args!("{operation:?}"));
        self.completed.push(*operation);
        self.laws.handle_complete(operation, observed);
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        self.trace.note(&format_args!("again {second:?}"));
        Observer::handle_duplicate(&mut self.laws, first, second);
    }

    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        self.trace
            .note(&format_args!("reused {first:?} {outcome:?}"));
        self.laws.handle_reused(first, outcome);
    }

    fn handle_push(&mut self, client: u32, position: (u64, ChainHash), push: &Push, now: Nanos) {
        self.trace.note(&format_args!(
            "{now} client {client} is pushed {position:?} {push:?}"
        ));
        self.laws.handle_push(client, position, push, now);
    }

    fn handle_signal(&mut self, client: u32, signal: &Signal, now: Nanos) {
        self.trace
            .note(&format_args!("{now} client {client} signals {signal:?}"));
        self.laws.handle_signal(client, signal, now);
    }

    fn handle_news(&mut self, client: u32, news: &News, now: Nanos) {
        self.laws.handle_news(client, news, now);
    }

    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        self.trace
            .note(&format_args!("{now} client {client} {change:?}"));
        self.lost += u32::from(change == LinkChange::Ended);
        self.laws.handle_link(client, change, now);
    }

    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.laws.handle_drained(client, seq, is_settled);
    }

    fn handle_fault(&mut self, now: Nanos) {
        self.laws.handle_fault(now);
    }
}

/// A server with the plan's world: engine, log, what was made, and the session of each client.
fn prepare(plan: &Plan) -> (Engine, MemoryLog, Known, Vec<Session>) {
    let (mut engine, mut log) = (Engine::new(Keyring::new([7; 32])), MemoryLog::new());
    let keys = SetUpKeys::new(1);
    let mut sessions = Vec::new();
    for person in set_up::people(&plan.world, keys) {
        let register = accounts::Command::from(accounts::Register {
            name: person.name.into(),
            password_hash: "$".into(),
        });
        let user = UserId(
            submit(
                &mut engine,
                UserId(0),
                person.register,
                &OwnedCommand::new(&register),
            )
            .0,
        );
        let token = Token([u8::try_from(person.user + 1).expect("twenty"); 32]);
        let log_in = accounts::Command::from(accounts::LogIn {
            verified: true,
            token_hash: token_hash(&token),
        });
        let seq = submit(
            &mut engine,
            user,
            person.devices[0],
            &OwnedCommand::new(&log_in),
        );
        sessions.push(Session {
            user,
            session: seq.0,
            token,
            cursor: seq,
        });
    }
    let users = sessions.iter().map(|session| session.user).collect();
    let mut known = Known::new(users, engine.decided().seq);
    for stage in set_up::Stage::ALL {
        let mut seqs = Vec::new();
        for command in set_up::commands(stage, &plan.world, keys) {
            let mut body = Vec::new();
            let (kind, schema) = command.encode(&known, &mut body).expect("it is known");
            engine.submit_own(WALL, &OwnedCommand { kind, schema, body });
            seqs.push(engine.decided().seq);
        }
        known.handle_done(stage, &seqs);
    }
    let batch = engine.take_batch().expect("something was submitted");
    let proof = commit(&mut log, &batch).expect("memory takes it");
    let released = engine.handle_committed(&proof, batch);
    engine.recycle(released);
    (engine, log, known, sessions)
}

fn submit(engine: &mut Engine, actor: UserId, key: Key, command: &OwnedCommand) -> Seq {
    let ask = Ask {
        origin: None,
        actor,
        key,
        command: CommandBytes {
            source: Source::Session,
            ..command.bytes()
        },
    };
    let submitted = engine.submit(WALL, &ask);
    assert!(matches!(submitted, Ok(Submitted::Decided(_))));
    engine.decided().seq
}

/// The laws, which know who everybody is and where the run begins.
fn laws(plan: &Plan, mint: &KeyMint, sessions: &[Session], began_at: Seq) -> Laws {
    let world = &plan.world;
    let mut options = LawOptions::new(mint.clone(), u32::from(world.capacity), world.clients());
    options.is_alone = true;
    options.wall_at_start = Some(WALL);
    let mut laws = Laws::new(options);
    for (client, session) in (0..).zip(sessions) {
        laws.handle_client(client, session.user);
    }
    laws.begin(began_at.0);
    laws
}

/// What a seed leaves behind.
struct Left {
    trace: String,
    ended: Ended<()>,
    witness: Witness,
    log: MemoryLog,
}

fn race(seed: u64) -> Left {
    let scenario = Scenario::parse("race.toml", RACE).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::new(&scenario, &PlanOptions::default()).expect("a plan");
    let (engine, log, known, sessions) = prepare(&plan);
    let began_at = known.newest();
    let mint = KeyMint::new(SECRET);
    let (trace, laws) = (Trace::default(), laws(&plan, &mint, &sessions, began_at));
    let mut witness = Witness {
        laws,
        trace: trace.clone(),
        completed: Vec::new(),
        lost: 0,
    };
    let map = Rc::new(known.into_map(&plan.world, TOMORROW));
    let client = |(id, session): (u32, &Session)| {
        let session = Session {
            cursor: began_at,
            ..*session
        };
        Client::new(id, mint.clone(), Rc::clone(&map), session)
    };
    let core_options = CoreOptions {
        began_at: 1_000 * MS,
        timeout: 10_000 * MS,
        drain: 5_000 * MS,
        overtime: 60_000 * MS,
        duplicate_every: std::num::NonZeroU32::new(20),
    };
    let clients = (0..).zip(&sessions).map(client).collect();
    let parts = HubParts {
        engine,
        reader: log.reader().expect("memory can be read"),
        connections_max: 100,
        timeouts: SessionTimeouts::default(),
        flags: WelcomeFlags::DURABLE,
        #[cfg(feature = "planted-bugs")]
        planted_bug: None,
    };
    let core = Core::new(&plan, clients, &mut witness, (), core_options);
    let hub = Hub::new(parts, Alone);
    let mut world = World::new(seed, (hub, log), core, trace.clone());
    let tokens: Vec<Token> = sessions.iter().map(|session| session.token).collect();
    world.enter(&tokens);
    let (ended, log) = world.run(core_options.began_at);
    Left {
        trace: trace.0.take(),
        ended,
        witness,
        log,
    }
}

#[test]
fn server_and_clients_in_one_thread_leave_the_same_trace_for_the_same_seed() {
    let (first, second) = (race(1), race(1));
    assert!(first.trace == second.trace, "a seed twice is not the same");
    assert!(first.trace != race(2).trace, "seeds decide what happens");
}

#[test]
fn the_laws_of_every_run_judge_a_race_in_one_thread() {
    let Left {
        ended,
        witness,
        log,
        ..
    } = race(3);
    let Witness {
        mut laws,
        completed,
        lost,
        ..
    } = witness;
    assert!(0 < lost && 0 < ended.duplicates);
    assert!(
        completed.iter().any(|done| 1 < done.attempts),
        "asked again on another connection"
    );
    let mut visit = |row: Row<'_>| {
        let record = row.record;
        laws.handle_record(&OwnedRecord {
            seq: record.seq,
            recorded_at: record.recorded_at,
            actor: record.actor,
            key: record.key,
            kind: record.kind,
            schema: record.schema,
            codec: record.codec,
            body: record.body.to_vec(),
            outcome: record.outcome.to_vec(),
            hash: ChainHash(row.hash.0),
        });
        ControlFlow::Continue(())
    };
    let mut reader = log.reader().expect("memory can be read");
    reader.read(Seq(1), &mut visit).expect("memory can be read");
    let found = laws.conclude(|| completed.iter().copied());
    for law in &found {
        assert_ne!(
            law.verdict,
            Verdict::Invalid,
            "{}: {:?}",
            law.name,
            law.violations
        );
    }
    for name in [
        "no-double-booking",
        "durable-acks",
        "log-chained",
        "idempotent-answers",
        "refusals-justified",
        "linearizable",
    ] {
        let law = found.iter().find(|law| law.name == name).expect("a law");
        assert_eq!(law.verdict, Verdict::Valid, "{name}: {:?}", law.reason);
    }
}
