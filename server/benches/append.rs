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
    ops::AddAssign,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use protocol::{ChainHash, Key, Kind, Record, UserId};
use rusqlite::Connection;
use server::log::{Batch, EventLog as _, SqliteLog, SqliteOptions, database::PAGE_BYTES};

const BATCH_LENS: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// Syncs of the probe: 500 at about 0.2 ms.
const SYNCS: usize = 500;

fn main() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    let growing = sync_p50(disk.path(), Place::Behind);
    let standing = sync_p50(disk.path(), Place::Over);
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .configure_from_args();
    let pairs: Vec<(u32, Figures, Figures)> = BATCH_LENS
        .into_iter()
        .map(|len| {
            let bound = measure(&mut criterion, "bound", len, &mut Bound::open(disk.path()));
            let log = measure(&mut criterion, "log", len, &mut Log::open(disk.path()));
            (len, bound, log)
        })
        .collect();
    criterion.final_summary();
    print(growing, standing, &pairs);
}

/// Something that makes batches durable.
trait Target {
    /// Gets ready a batch of this many events.
    fn prepare(&mut self, len: u32);
    /// Makes it durable.
    fn append(&mut self);
}

/// Events and the time they took.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    events: f64,
    spent: Duration,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.events / self.spent.as_secs_f64()
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.spent += other.spent;
    }
}

fn measure(criterion: &mut Criterion, name: &str, len: u32, target: &mut dyn Target) -> Figures {
    let total = RefCell::new(Figures::default());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(len)));
    group.bench_function(len.to_string(), |bencher| {
        bencher.iter_custom(|rounds| {
            let mut figures = Figures::default();
            for _ in 0..rounds {
                target.prepare(len);
                figures += Figures {
                    events: f64::from(len),
                    spent: timed(|| target.append()),
                };
            }
            *total.borrow_mut() += figures;
            figures.spent
        });
    });
    group.finish();
    total.into_inner()
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
fn print(growing: Duration, standing: Duration, pairs: &[(u32, Figures, Figures)]) {
    println!(
        "\n4 KiB + fdatasync, p50: {growing:.0?} behind the end of a file, {standing:.0?} over what is there"
    );
    println!(
        "{:>6}  {:>14}  {:>14}  {:>5}",
        "batch", "bound/s", "log/s", "ratio"
    );
    for (len, bound, log) in pairs {
        println!(
            "{len:>6}  {:>14.0}  {:>14.0}  {:>4.0}%",
            bound.rate(),
            log.rate(),
            100.0 * log.rate() / bound.rate()
        );
    }
}
