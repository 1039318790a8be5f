//! How fast the whole engine is on one thread, against what SQLite can do at all.
//!
//! In one run and on one disk: SQLite with the same pragmas and nothing but a key and a hundred
//! bytes a row (the bound), and 1,000 commands decided, gathered, made durable and let go. They take
//! turns, so that their ratio means something on a machine that is shared. Which part of it is
//! deciding and which the log, and encoding and hashing alone, stand beside them. Deliberately
//! absent: the second thread that a server has, sockets, sessions.

mod race;

use std::{
    hint::black_box,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use protocol::{
    ChainHash, Key, Kind, Outcome, Record, Seq, UserId, outcome::encode_accepted, record::chain,
    words::agenda,
};
use rusqlite::Connection;
use server::{
    disk::RealDisk,
    domain::systems::{CommandBytes, OwnedCommand, Source},
    engine::{Ask, Engine, Origin, PREFETCHED, Release, Submitted},
    keyring::Keyring,
    log::{Batch, SqliteLog, SqliteOptions, commit, database::PAGE_BYTES},
};

use race::{AGENDAS, NOW, USERS, open_agenda, register, reserve, scattered};

/// Commands of one batch.
const BATCH_LEN: u32 = 1_000;
/// Where a log is when its rates are printed: memory grows with it, and caches do not.
const LENGTHS: [u32; 3] = [100_000, 300_000, 1_000_000];
const RUNS: usize = 3;
/// Batches in one turn: enough for the processor's caches to be the turn's own.
const TURN: u32 = 20;

fn main() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut chainer = Chainer::default();
    let mut group = criterion.benchmark_group("encode and chain");
    group.throughput(Throughput::Elements(u64::from(BATCH_LEN)));
    group.bench_function(BATCH_LEN.to_string(), |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| chainer.turn()).sum());
    });
    group.finish();
    criterion.final_summary();
    let runs: Vec<_> = (0..RUNS).map(|_| Run::measure(disk.path())).collect();
    print(&runs);
}

/// One fresh log, filled: what each stretch of it took.
#[derive(Debug, Default)]
struct Run {
    bound: [Duration; LENGTHS.len()],
    engine: [Spent; LENGTHS.len()],
    accepted: (u64, u64),
}

/// What the engine took, from commands to released answers.
#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    /// Deciding, hashing, gathering.
    decide: Duration,
    /// SnapshotRequest durable and letting go.
    commit: Duration,
}

impl Spent {
    fn all(&self) -> Duration {
        self.decide + self.commit
    }
}

impl Run {
    /// The bound and the engine on its log take turns, so that whatever else the machine does meets
    /// both.
    fn measure(disk: &Path) -> Self {
        let mut bound = Bound::open(disk);
        let mut whole = Whole::new(disk);
        let mut run = Self::default();
        let mut done = 0;
        for (stretch, length) in LENGTHS.into_iter().enumerate() {
            while done < length {
                run.bound[stretch] += (0..TURN).map(|_| bound.write()).sum::<Duration>();
                (0..TURN).for_each(|_| whole.turn(&mut run.engine[stretch]));
                done += TURN * BATCH_LEN;
            }
        }
        run.accepted = whole.accepted;
        run
    }
}

/// The least SQLite can be asked to do for an event.
struct Bound {
    connection: Connection,
    seq: i64,
}

impl Bound {
    fn open(disk: &Path) -> Self {
        let dir = new_dir(disk);
        let connection = Connection::open(dir.join("bound.sqlite")).expect("a new database opens");
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA wal_autocheckpoint = 1000; PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0;
                 CREATE TABLE bound (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
            ))
            .expect("a new database takes them");
        Self { connection, seq: 0 }
    }

    fn write(&mut self) -> Duration {
        timed(|| self.insert().expect("the disk takes it"))
    }

    fn insert(&mut self) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO bound VALUES (?, ?)")?;
        for _ in 0..BATCH_LEN {
            self.seq += 1;
            insert.raw_bind_parameter(1, self.seq)?;
            insert.raw_bind_parameter(2, &[0x5a_u8; 100][..])?;
            insert.raw_execute()?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

fn new_dir(disk: &Path) -> PathBuf {
    let dir = tempfile::tempdir_in(disk);
    dir.expect("target is writable").keep()
}

/// An engine and its log on one thread.
struct Whole {
    engine: Engine,
    log: SqliteLog,
    asked: u64,
    written: Written,
    accepted: (u64, u64),
}

impl Whole {
    fn new(disk: &Path) -> Self {
        let dir = new_dir(disk);
        let log = SqliteLog::open(&dir, SqliteOptions::default()).expect("a new log opens");
        let mut whole = Self {
            engine: Engine::new(Keyring::new([7; 32])),
            log,
            asked: 0,
            written: Written::default(),
            accepted: (0, 0),
        };
        let spilled = whole.engine.spill_into(&RealDisk::at(&dir));
        spilled.expect("it takes another file");
        for user in 0..USERS {
            whole.engine.submit_own(NOW, &register(user));
        }
        for agenda in 0..AGENDAS {
            whole.engine.submit_own(NOW, &open_agenda(agenda));
        }
        whole.sync();
        whole.accepted = (0, 0);
        whole
    }

    /// Commands that were written beforehand, from bytes to released answers.
    fn turn(&mut self, spent: &mut Spent) {
        self.prepare();
        spent.decide += timed(|| self.submit());
        spent.commit += timed(|| self.sync());
    }

    fn prepare(&mut self) {
        let first = self.asked + 1;
        self.written.clear();
        for number in first..first + u64::from(BATCH_LEN) {
            self.written.push(number, &reserve(number));
        }
    }

    /// As the hub does with what a client sent at once.
    fn submit(&mut self) {
        for first in (0..self.written.len()).step_by(PREFETCHED) {
            let some = first..self.written.len().min(first + PREFETCHED);
            self.engine.prefetch(some.clone().map(|nth| {
                let ask = self.written.ask(nth);
                (ask.actor, ask.key, ask.command)
            }));
            for nth in some {
                let ask = self.written.ask(nth);
                let mut submitted = self.engine.submit(NOW, &ask);
                // A key that looks like another one; no key is used twice here.
                if matches!(submitted, Ok(Submitted::MaybeUsed(_))) {
                    submitted = self.engine.submit_found(NOW, &ask, None);
                }
                assert!(
                    matches!(submitted, Ok(Submitted::Decided(_))),
                    "a command, and room for it"
                );
            }
        }
        self.asked += u64::from(BATCH_LEN);
    }

    fn sync(&mut self) {
        let batch = self.engine.take_batch().expect("something was submitted");
        let proof = commit(&mut self.log, &batch).expect("the disk takes it");
        let released = self.engine.handle_committed(&proof, batch);
        let accepted = &mut self.accepted;
        released.for_each(|release| {
            if let Release::Answer { outcome, .. } = release {
                let is_accepted =
                    Outcome::decode(outcome).is_ok_and(|outcome| outcome.is_accepted());
                accepted.0 += u64::from(is_accepted);
                accepted.1 += 1;
            }
        });
        self.engine.recycle(released);
    }
}

/// Commands as clients send them, behind one another, and who sends them: what the clients do is
/// done beforehand, and the engine allocates nothing for a command.
#[derive(Default)]
struct Written {
    commands: Vec<(OwnedAsk, Range<usize>)>,
    bytes: Vec<u8>,
}

/// Everything of an ask but its body.
struct OwnedAsk {
    origin: Origin,
    actor: UserId,
    key: Key,
    kind: Kind,
    schema: u8,
}

impl Written {
    fn clear(&mut self) {
        self.commands.clear();
        self.bytes.clear();
    }

    fn len(&self) -> usize {
        self.commands.len()
    }

    fn push(&mut self, number: u64, command: &OwnedCommand) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&command.body);
        let mut key = Key::default();
        key.0[..8].copy_from_slice(&scattered(number).to_le_bytes());
        key.0[8..].copy_from_slice(&number.to_le_bytes());
        let ask = OwnedAsk {
            origin: Origin {
                connection: number % 100,
                correlation: number,
            },
            actor: UserId(1 + scattered(number) % USERS),
            key,
            kind: command.kind,
            schema: command.schema,
        };
        self.commands.push((ask, start..self.bytes.len()));
    }

    fn ask(&self, nth: usize) -> Ask<'_> {
        let (ask, body) = &self.commands[nth];
        Ask {
            origin: Some(ask.origin),
            actor: ask.actor,
            key: ask.key,
            command: CommandBytes {
                kind: ask.kind,
                schema: ask.schema,
                body: &self.bytes[body.clone()],
                source: Source::Client,
            },
        }
    }
}

/// Encoding an outcome, hashing its record, putting both in a batch.
#[derive(Default)]
struct Chainer {
    batch: Batch,
    hash: ChainHash,
    seq: Seq,
    outcome: Vec<u8>,
    scratch: Vec<u8>,
}

impl Chainer {
    fn turn(&mut self) -> Duration {
        self.batch.clear();
        let command = reserve(1);
        let slot = agenda::SlotId {
            agenda: 1_050,
            day: 19_900,
            slot: 40,
        };
        timed(|| {
            for _ in 0..BATCH_LEN {
                self.push(&command, slot);
            }
            black_box(&self.batch);
        })
    }

    fn push(&mut self, command: &OwnedCommand, slot: agenda::SlotId) {
        self.outcome.clear();
        let event = agenda::Event::from(agenda::Reserved { slot });
        let (kind, schema) = event.kind();
        encode_accepted(kind, schema, &mut self.outcome);
        event.encode(&mut self.outcome);
        self.seq = self.seq.next();
        let record = Record {
            seq: self.seq,
            recorded_at: NOW,
            actor: UserId(7),
            key: Key([7; 16]),
            kind: Kind::new(2, 2),
            schema: 1,
            codec: 1,
            body: &command.body,
            outcome: &self.outcome,
        };
        self.hash = chain(&self.hash, &record, &mut self.scratch);
        self.batch.push(&record, self.hash);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Nanoseconds a command, the median of the runs.
fn median(runs: &[Run], spent: impl Fn(&Run) -> Duration, commands: u32) -> f64 {
    let mut each: Vec<_> = runs
        .iter()
        .map(|run| spent(run).as_secs_f64() * 1e9 / f64::from(commands))
        .collect();
    each.sort_unstable_by(f64::total_cmp);
    each[each.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks to people")]
fn print(runs: &[Run]) {
    let (accepted, asked) = runs[0].accepted;
    println!(
        "\nbatches of {BATCH_LEN}, medians of {RUNS} runs; {accepted} of {asked} commands accepted"
    );
    println!("bound: SQLite, one row of 100 bytes a command, as many of them");
    println!(
        "records in the log    bound       engine                     of the bound    deciding    commit and release"
    );
    let mut from = 0;
    for (stretch, length) in LENGTHS.into_iter().enumerate() {
        let part = |part: fn(&Spent) -> Duration| {
            median(runs, |run| part(&run.engine[stretch]), length - from)
        };
        let bound = median(runs, |run| run.bound[stretch], length - from);
        let engine = part(Spent::all);
        let decide = part(|spent| spent.decide);
        let commit = part(|spent| spent.commit);
        println!(
            "{from:>7} to {length:>9}  {bound:>5.0} ns  {:>9.0}/s {engine:>6.0} ns each  {:>10.0}%  {decide:>7.0} ns  {commit:>7.0} ns",
            1e9 / engine,
            100.0 * bound / engine,
        );
        from = length;
    }
}
