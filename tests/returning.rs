//! Everybody connects once more where logging in took long: a set-up through a door that counts.
//!
//! The server runs in this process, and the run reaches it through a door that numbers connections
//! as they come and says when both sides have let go of one. Deliberately absent: a set-up that really
//! takes so long (the limit is what a run is told).

use std::{
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use loadgen::{
    operation::Nanos,
    plan::PlanOptions,
    run::{self, Against, RunOptions, SILENCE_MAX, Stage},
};
use reports::record::{RunRecord, Verdict};
use server::{
    Ready, ServeError, ServerConfig, log::Durability, passwords::PasswordCost,
    session::SessionTimeouts,
};
use tempfile::tempdir;
use tokio::sync::oneshot;

use crate::program::{DEADLINE, TURN};

/// Three people on two devices each, every one of which says something once.
const SCENARIO: &str = r#"
name  = "returning"
seed  = 1
world = { users = 3, devices = 2 }

[[phase]]
name       = "together"
rendezvous = { clients = 6, times = 1, spread_max = "10s" }
load       = [{ flow = "speak" }]

[flow.speak]
steps = [{ send = { to = "public" } }]
"#;

/// Clients of it, each with a connection.
const CLIENTS: u32 = 6;

/// The connections on which they log in: the admin's is number 0.
const LOGGED_IN: Range<u32> = 1..1 + CLIENTS;

/// Those that they come again on, if they do.
const CAME_AGAIN: Range<u32> = LOGGED_IN.end..LOGGED_IN.end + CLIENTS;

/// What may be told before somebody asks: a run makes less than a hundred connections, each with two things
/// to tell of.
const PASSED_MAX: usize = 1_024;

/// What becomes of a connection.
enum Passed {
    Opened,
    /// Neither side holds it any more.
    Over(u32),
}

/// What had become of all connections when the load began.
#[derive(Debug, Default)]
struct Seen {
    opened: u32,
    over: BTreeSet<u32>,
}

impl Seen {
    fn handle(&mut self, passed: &Passed) {
        match passed {
            Passed::Opened => self.opened += 1,
            Passed::Over(number) => assert!(self.over.insert(*number), "{number} ended twice"),
        }
    }

    fn all_over(&self, numbers: Range<u32>) -> bool {
        numbers
            .into_iter()
            .all(|number| self.over.contains(&number))
    }
}

/// A server in a thread, which ends with it.
struct Served {
    ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Served {
    fn start(data_dir: &Path) -> Self {
        let config = ServerConfig {
            data_dir: data_dir.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
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
            snapshot_every: 0,
            #[cfg(feature = "planted-bugs")]
            planted_bug: None,
        };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = sync_channel(1);
        let thread = thread::spawn(move || {
            let announce = |ready: &Ready| tell.send(ready.clone()).expect("somebody waits");
            server::serve(&config, announce, async {
                let _either_way = stopped.await;
            })
        });
        Self {
            ready: told.recv().expect("it gets ready"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A test that failed already has said why.
            let _ended = thread.join();
        }
    }
}

/// Opens a door before `upstream`: where it is, and what passes it. It stays open until the tests end.
fn open_door(upstream: SocketAddr) -> (SocketAddr, Receiver<Passed>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (tell, passed) = sync_channel(PASSED_MAX);
    thread::spawn(move || {
        for (number, client) in (0..).zip(listener.incoming()) {
            let client = client.expect("a connection");
            // Told before anything passes: whoever was welcomed is counted.
            let _nobody_asks_any_more = tell.send(Passed::Opened);
            let tell = tell.clone();
            thread::spawn(move || let_through(number, &client, upstream, &tell));
        }
    });
    (address, passed)
}

fn let_through(number: u32, client: &TcpStream, upstream: SocketAddr, tell: &SyncSender<Passed>) {
    let server = TcpStream::connect(upstream).expect("the server listens");
    for side in [client, &server] {
        side.set_nodelay(true).expect("a socket");
    }
    thread::scope(|scope| {
        scope.spawn(|| hand_on(client, &server));
        hand_on(&server, client);
    });
    let _nobody_asks_any_more = tell.send(Passed::Over(number));
}

/// WritePool bytes on to their end, and the end too.
fn hand_on(mut from: &TcpStream, mut to: &TcpStream) {
    // A connection that breaks has ended like one that is closed.
    let _ended = io::copy(&mut from, &mut to);
    let _gone = to.shutdown(Shutdown::Write);
}

/// Runs the scenario with this limit. When the load begins, it waits until these connections are over.
fn run_with(silence_max: Nanos, awaited: Range<u32>) -> (Seen, RunRecord) {
    let dir = tempdir().expect("a directory");
    let server = Served::start(&dir.path().join("data"));
    let (address, passed) = open_door(server.ready.address);
    let scenario = dir.path().join("returning.toml");
    fs::write(&scenario, SCENARIO).expect("it can be written");
    let (show, shown) = sync_channel(1);
    let stage = move |stage: &Stage| {
        if *stage != Stage::Driving {
            return;
        }
        let mut seen = Seen::default();
        passed.try_iter().for_each(|passed| seen.handle(&passed));
        while !seen.all_over(awaited.clone()) {
            match passed.recv_timeout(DEADLINE) {
                Ok(passed) => seen.handle(&passed),
                Err(_elapsed) => panic!("{awaited:?} are not over: {seen:?}"),
            }
        }
        show.send(seen).expect("the test waits for it");
    };
    let ran = run::run(RunOptions {
        scenario,
        plan: PlanOptions {
            seed: None,
            time_scale: 1.0,
            rate_scale: 1.0,
        },
        out: dir.path().join("runs"),
        against: Against::Live {
            address: address.to_string(),
            admin_password_file: server.ready.admin_password_file.clone(),
        },
        silence_max,
        command: "cargo test returning".to_owned(),
        stop: Arc::default(),
        progress: None,
        watcher: None,
        stage: Box::new(stage),
    });
    let ran = ran.unwrap_or_else(|error| panic!("{error}"));
    (shown.recv().expect("the load began"), ran.record)
}

/// Every client said something on the connection it has, was answered, and heard everybody else.
fn check_load(record: &RunRecord) {
    let [phase] = record.phases.as_slice() else {
        panic!("one phase: {:?}", record.phases);
    };
    let counts = phase.conservation;
    let clients = u64::from(CLIENTS);
    assert_eq!((counts.sent, counts.ok), (clients, clients), "{counts:?}");
    let deliveries = phase.deliveries.as_ref().expect("something was said");
    let missing = deliveries.drain.missing;
    assert_eq!((deliveries.messages, missing), (clients, 0));
    let broken = record
        .laws
        .iter()
        .find(|law| law.verdict == Verdict::Invalid);
    assert!(broken.is_none(), "{broken:?}");
}

#[test]
fn everybody_comes_again_only_where_logging_in_took_long() {
    let _turn = TURN.blocking_lock();
    let (once, record) = run_with(SILENCE_MAX, 0..0);
    check_load(&record);
    let (again, record) = run_with(0, LOGGED_IN);
    check_load(&record);
    assert_eq!(again.opened, once.opened + CLIENTS, "one more for each");
    assert!(
        CAME_AGAIN.into_iter().all(|new| !again.over.contains(&new)),
        "the new ones stay: {again:?}"
    );
}
