//! How fast batches become durable, against what SQLite and the disk can do at all.
//!
//! In one run and on one disk: the sync latency of the disk, SQLite with the same pragmas and
//! nothing but a key and a hundred bytes a row (the bound), and [`SqliteLog::append`] of records as
//! they really are. The two take turns at every batch size, so that their ratio means something on
//! a machine that is shared. Deliberately absent: deciding, encoding and hashing, see the others.

use std::{
    cell::RefCell,
    fs::File,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode, Throughput};
use protocol::{ChainHash, Key, Kind, Record, UserId};
use rusqlite::Connection;
use server::log::{Batch, EventLog as _, SqliteLog, SqliteOptions, database::PAGE_BYTES};

const BATCH_LENS: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// How often bound and log take turns at each batch size.
const TURNS: usize = 20;

/// Syncs of the probe: 500 at about 0.2 ms.
const SYNCS: usize = 500;

fn main() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    let growing = sync_p50(disk.path(), Place::Behind);
    let standing = sync_p50(disk.path(), Place::Over);
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(TURNS)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .configure_from_args();
    let summaries: Vec<Summary> = BATCH_LENS
        .into_iter()
        .map(|len| measure(&mut criterion, len, disk.path()))
        .collect();
    criterion.final_summary();
    print(growing, standing, &summaries);
}

/// Something that makes batches durable.
trait Target {
    /// Gets ready a batch of this many events.
    fn prepare(&mut self, len: u32);
    /// Makes it durable.
    fn append(&mut self);
}

/// The events a second of both in one turn, as many rounds of the one and then of the other.
#[derive(Debug, Clone, Copy)]
struct Turn {
    bound: f64,
    log: f64,
}

/// The medians over all turns; a disk that others use stalls now and then, and a mean would show
/// only that.
struct Summary {
    len: u32,
    bound: f64,
    log: f64,
    ratio: f64,
}

fn measure(criterion: &mut Criterion, len: u32, disk: &Path) -> Summary {
    let (mut bound, mut log) = (Bound::open(disk), Log::open(disk));
    let turns = RefCell::new(Vec::new());
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(u64::from(len)));
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(len.to_string(), |bencher| {
        bencher.iter_custom(|rounds| {
            let bound_spent = spend(&mut bound, len, rounds);
            let log_spent = spend(&mut log, len, rounds);
            turns.borrow_mut().push(Turn {
                bound: rate(len, rounds, bound_spent),
                log: rate(len, rounds, log_spent),
            });
            log_spent
        });
    });
    group.finish();
    let turns = turns.into_inner();
    // The first ones were the warm-up.
    summarize(len, &turns[turns.len().saturating_sub(TURNS)..])
}

fn spend(target: &mut dyn Target, len: u32, rounds: u64) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        target.prepare(len);
        spent += timed(|| target.append());
    }
    spent
}

fn rate(len: u32, rounds: u64, spent: Duration) -> f64 {
    let rounds = u32::try_from(rounds).expect("a turn is short");
    f64::from(len) * f64::from(rounds) / spent.as_secs_f64()
}

fn summarize(len: u32, turns: &[Turn]) -> Summary {
    Summary {
        len,
        bound: median(turns.iter().map(|turn| turn.bound)),
        log: median(turns.iter().map(|turn| turn.log)),
        ratio: median(turns.iter().map(|turn| turn.log / turn.bound)),
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least SQLite can be asked to do for an event.
struct Bound {
    connection: Connection,
    seq: i64,
    len: u32,
}

impl Bound {
    fn open(disk: &Path) -> Self {
        let dir = tempfile::tempdir_in(disk)
            .expect("target is writable")
            .keep();
        let connection = Connection::open(dir.join("bound.sqlite")).expect("a new database opens");
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 PRAGMA wal_autocheckpoint = 1000; PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0; PRAGMA cache_size = -16384;
                 CREATE TABLE bound (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
            ))
            .expect("a new database takes them");
        Self {
            connection,
            seq: 0,
            len: 0,
        }
    }

    fn write(&mut self) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO bound VALUES (?, ?)")?;
        for _ in 0..self.len {
            self.seq += 1;
            insert.raw_bind_parameter(1, self.seq)?;
            insert.raw_bind_parameter(2, &[0x5a_u8; 100][..])?;
            insert.raw_execute()?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Target for Bound {
    fn prepare(&mut self, len: u32) {
        self.len = len;
    }

    fn append(&mut self) {
        self.write().expect("the disk takes it");
    }
}

/// The log as the server uses it.
struct Log {
    log: SqliteLog,
    batch: Batch,
}

impl Log {
    fn open(disk: &Path) -> Self {
        let dir = tempfile::tempdir_in(disk)
            .expect("target is writable")
            .keep();
        Self {
            log: SqliteLog::open(&dir, SqliteOptions::default()).expect("a new log opens"),
            batch: Batch::default(),
        }
    }
}

impl Target for Log {
    fn prepare(&mut self, len: u32) {
        self.batch.clear();
        let mut seq = self.log.head().seq;
        for _ in 0..len {
            seq = seq.next();
            let record = Record {
                seq,
                recorded_at: 1_700_000_000_000,
                actor: UserId(seq.0 % 10_000),
                key: Key(u128::from(seq.0).to_be_bytes()),
                kind: Kind::new(2, 2),
                schema: 1,
                codec: 1,
                body: &[0x5a; 20],
                outcome: &[0xa5; 20],
            };
            self.batch.push(&record, ChainHash([0x77; 32]));
        }
    }

    fn append(&mut self) {
        self.log.append(&self.batch).expect("the disk takes it");
    }
}

/// Where a probe writes its next 4 KiB.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the end of a growing file.
    Behind,
    /// Over what is there.
    Over,
}

fn sync_p50(disk: &Path, place: Place) -> Duration {
    let mut file = File::create(disk.join("probe")).expect("target is writable");
    file.write_all(&[0; 4_096]).expect("the disk takes it");
    let mut samples: Vec<Duration> = (0..SYNCS)
        .map(|_| {
            timed(|| {
                match place {
                    Place::Behind => file.write_all(&[1; 4_096]),
                    Place::Over => file.write_all_at(&[1; 4_096], 0),
                }
                .and_then(|()| file.sync_data())
                .expect("the disk takes it");
            })
        })
        .collect();
    samples.sort_unstable();
    samples[SYNCS / 2]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks to people")]
fn print(growing: Duration, standing: Duration, summaries: &[Summary]) {
    println!(
        "\n4 KiB + fdatasync, p50: {growing:.0?} behind the end of a file, {standing:.0?} over what is there"
    );
    println!("events a second, medians of {TURNS} turns");
    println!(
        "{:>6}  {:>10}  {:>10}  {:>5}",
        "batch", "bound", "log", "ratio"
    );
    for Summary {
        len,
        bound,
        log,
        ratio,
    } in summaries
    {
        println!(
            "{len:>6}  {bound:>10.0}  {log:>10.0}  {:>4.0}%",
            100.0 * ratio
        );
    }
}
