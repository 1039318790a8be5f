//! How fast a server starts from a snapshot, against reading its bytes and against replaying the log.
//!
//! A log of ten million records is built once, and a snapshot of it made as a server makes one. The
//! bound reads the file and checks every byte, on one thread, and makes nothing of it. Beside it: a
//! start with a tail behind the snapshot, what making one costs, and what all of it takes of memory.
//! Deliberately absent: a cold disk; the pages are in memory.

mod race;

use std::{
    fs,
    path::Path,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use protocol::{Key, UserId};
use rustix::time::{ClockId, clock_gettime};
use server::{
    domain::systems::{CommandBytes, Source},
    engine::{Ask, Engine, Submitted},
    health::Progress,
    keyring::Keyring,
    log::{Durability, SqliteLog, SqliteOptions, commit},
    recover::{Recovered, recover},
    snapshot::{self, Snapshot, SnapshotRequest, Snapshots},
};

use race::{AGENDAS, NOW, USERS, open_agenda, register, reserve, scattered};

const RECORDS: u64 = 10_000_000;
const TAIL: u64 = 100_000;
const BATCH_LEN: u64 = 10_000;
const ROUNDS: usize = 5;

fn main() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    // The log is thrown away: nobody needs it synced.
    let options = SqliteOptions {
        durability: Durability::None,
        accept_loss_after: None,
    };
    let mut log = SqliteLog::open(disk.path(), options).expect("a new log opens");
    let mut engine = begin();
    sync(&mut engine, &mut log);
    ask(&mut engine, &mut log, 1..=RECORDS);
    let served = resident_mib();
    drop(engine);
    let (made, making) = timed(|| make(disk.path()));
    let snapshots = Snapshots::of(disk.path());
    let at = made.head.seq;
    let bound = median((0..ROUNDS).map(|_| timed(|| snapshots.inspect(at)).1));
    let started = median((0..ROUNDS).map(|_| timed(|| start(&mut log, &snapshots)).1));
    let engine = start(&mut log, &snapshots).engine;
    let tail = with_tail(engine, &mut log, &snapshots);
    let replay = timed(|| start(&mut log, &Snapshots::none())).1;
    print(&made, served, [bound, started, tail, replay, making]);
}

/// People and agendas.
fn begin() -> Engine {
    let mut engine = Engine::new(Keyring::new([7; 32]));
    (0..USERS).for_each(|user| engine.submit_own(NOW, &register(user)));
    (0..AGENDAS).for_each(|agenda| engine.submit_own(NOW, &open_agenda(agenda)));
    engine
}

fn ask(engine: &mut Engine, log: &mut SqliteLog, numbers: impl Iterator<Item = u64>) {
    for nth in numbers {
        let command = reserve(nth);
        let ask = Ask {
            origin: None,
            actor: UserId(1 + scattered(nth) % USERS),
            key: Key(u128::from(nth).to_be_bytes()),
            command: CommandBytes {
                source: Source::Client,
                ..command.bytes()
            },
        };
        let mut submitted = engine.submit(NOW, &ask);
        // A key that looks like another one; no key is used twice here.
        if matches!(submitted, Ok(Submitted::MaybeUsed(_))) {
            submitted = engine.submit_found(NOW, &ask, None);
        }
        assert!(
            matches!(submitted, Ok(Submitted::Decided(_))),
            "a command, and room for it"
        );
        if nth % BATCH_LEN == 0 {
            sync(engine, log);
        }
    }
}

fn sync(engine: &mut Engine, log: &mut SqliteLog) {
    let batch = engine.take_batch().expect("something was submitted");
    let proof = commit(log, &batch).expect("the disk takes it");
    let released = engine.handle_committed(&proof, batch);
    engine.recycle(released);
}

fn make(data_dir: &Path) -> Snapshot {
    let made = snapshot::make(&SnapshotRequest {
        data_dir,
        expected: None,
        is_given_up: &AtomicBool::new(false),
    });
    made.expect("the log is sound and the disk has room")
}

fn start(log: &mut SqliteLog, snapshots: &Snapshots) -> Recovered {
    let recovered =
        recover(log, [7; 32], snapshots, &Progress::default()).expect("the log is sound");
    assert!(recovered.warnings.is_empty(), "so is the snapshot");
    recovered
}

/// The log goes on behind the snapshot.
fn with_tail(mut engine: Engine, log: &mut SqliteLog, snapshots: &Snapshots) -> Spent {
    ask(&mut engine, log, RECORDS + 1..=RECORDS + TAIL);
    drop(engine);
    median((0..ROUNDS).map(|_| timed(|| start(log, snapshots)).1))
}

/// What something took, by the clock and of all processors together: the machine may be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spent {
    wall: Duration,
    processors: Duration,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (start, before) = (Instant::now(), processors());
    let made = work();
    let spent = Spent {
        wall: start.elapsed(),
        processors: processors().saturating_sub(before),
    };
    (made, spent)
}

/// What this process has had of the processors so far.
fn processors() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).expect("time goes forward")
}

fn median(times: impl Iterator<Item = Spent>) -> Spent {
    let mut times: Vec<Spent> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// What this process has in memory.
fn resident_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks to people")]
fn print(made: &Snapshot, served: u64, times: [Spent; 5]) {
    let [bound, start, ..] = times.map(|spent| spent.wall.as_secs_f64());
    let mib = made.bytes / 1_048_576;
    println!(
        "{} records; the state takes {served} MiB, its snapshot {mib} MiB",
        made.head.seq
    );
    let what = [
        "read and check (bound)",
        "start from the snapshot",
        "start with a tail of 100,000",
        "replay without it",
        "make it, from the whole log",
    ];
    for (what, spent) in what.iter().zip(times) {
        println!(
            "{what:<29} {:>7.2} s  {:>7.2} s of processors",
            spent.wall.as_secs_f64(),
            spent.processors.as_secs_f64()
        );
    }
    println!("a start is {:.1} x the bound", start / bound);
}
