//! How fast a state is rebuilt from the log, against a scan that only looks at the bytes.
//!
//! A log of half a million records is built once; recovering an engine from it checks every hash,
//! applies every event and fills the tables of keys and trails. The bound reads the same rows and
//! does nothing. Beside that, what it costs to prove the rows of a page of 50 by their hashes, where
//! they stand far apart. Deliberately absent: a cold disk; the pages are in memory.

mod race;

use std::{
    hint::black_box,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use protocol::{Key, Seq, UserId};
use server::{
    archive,
    domain::systems::{CommandBytes, Source},
    engine::{Ask, Engine, Submitted},
    health::Progress,
    keyring::Keyring,
    log::{Durability, EventLog, LogReader, SqliteLog, SqliteOptions, commit, verify_chain},
    recover::recover,
    snapshot::Snapshots,
};

use race::{AGENDAS, NOW, USERS, open_agenda, register, reserve, scattered};

const RECORDS: u64 = 500_000;
const BATCH_LEN: u64 = 10_000;
const ROUNDS: u32 = 3;
const PAGES: u32 = 2_000;
const PAGE_LEN: u64 = 50;
/// Between two rows of a page: further than it pays to step over.
const APART: u64 = 40;

fn main() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is writable");
    // The log is thrown away: nobody needs it synced.
    let options = SqliteOptions {
        durability: Durability::None,
        accept_loss_after: None,
    };
    let mut log = SqliteLog::open(disk.path(), options).expect("a new log opens");
    let accepted = fill(&mut log);
    let records = log.head().seq.0;
    let mut spent = [Duration::ZERO; 3];
    for _round in 0..ROUNDS {
        spent[0] += timed(|| scan(&log));
        spent[1] += timed(|| verify(&log));
        spent[2] += timed(|| rebuild(&mut log));
    }
    print(records, accepted, spent);
    print_pages(
        timed(|| read_pages(&log, look_up)),
        timed(|| read_pages(&log, prove)),
    );
}

/// Reads pages from all over the log.
fn read_pages(log: &SqliteLog, read: fn(&mut dyn LogReader, &[Seq])) {
    let mut reader = log.reader().expect("a second view opens");
    for page in 0..PAGES {
        let span = RECORDS - PAGE_LEN * APART;
        let first = 1 + scattered(u64::from(page)) % span;
        let seqs: Vec<Seq> = (0..PAGE_LEN).map(|nth| Seq(first + nth * APART)).collect();
        read(&mut *reader, &seqs);
    }
}

fn look_up(reader: &mut dyn LogReader, seqs: &[Seq]) {
    for seq in seqs {
        let visit = &mut |row: server::log::Row<'_>| {
            black_box(row.hash);
            ControlFlow::Break(())
        };
        reader.read(*seq, visit).expect("the log is readable");
    }
}

fn prove(reader: &mut dyn LogReader, seqs: &[Seq]) {
    let visit = &mut |row: &server::log::Row<'_>| _ = black_box(row.hash);
    archive::read_rows(reader, seqs, visit).expect("the log is sound");
}

fn scan(log: &SqliteLog) {
    let mut bytes = 0;
    let mut reader = log.reader().expect("a second view opens");
    let visit = &mut |row: server::log::Row<'_>| {
        bytes += row.record.body.len() + row.record.outcome.len();
        ControlFlow::Continue(())
    };
    reader.read(Seq(1), visit).expect("the log is readable");
    black_box(bytes);
}

fn verify(log: &SqliteLog) {
    let mut reader = log.reader().expect("a second view opens");
    let head = verify_chain(&mut *reader).expect("the log is sound");
    assert_eq!(head, log.head());
}

fn rebuild(log: &mut SqliteLog) -> Engine {
    let recovered = recover(log, [7; 32], &Snapshots::none(), &Progress::default());
    let engine = recovered.expect("the log is sound").engine;
    assert_eq!(engine.decided(), log.head());
    engine
}

fn fill(log: &mut SqliteLog) -> u64 {
    let mut engine = Engine::new(Keyring::new([7; 32]));
    for user in 0..USERS {
        engine.submit_own(NOW, &register(user));
        // No batch is larger than the server would make it.
        if user % BATCH_LEN == BATCH_LEN - 1 {
            sync(&mut engine, log);
        }
    }
    for agenda in 0..AGENDAS {
        engine.submit_own(NOW, &open_agenda(agenda));
    }
    let mut accepted = 0;
    for nth in 1..=RECORDS {
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
            accepted += sync(&mut engine, log);
        }
    }
    accepted
}

fn sync(engine: &mut Engine, log: &mut SqliteLog) -> u64 {
    let batch = engine.take_batch().expect("something was submitted");
    let accepted = batch
        .iter()
        .filter(|row| row.record.outcome.first() == Some(&0))
        .count();
    let proof = commit(log, &batch).expect("the disk takes it");
    let released = engine.handle_committed(&proof, batch);
    engine.recycle(released);
    u64::try_from(accepted).expect("a batch is small")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let made = work();
    let spent = start.elapsed();
    // What was made is put away afterwards: a server never waits for that.
    drop(made);
    spent
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks to people")]
fn print(records: u64, accepted: u64, spent: [Duration; 3]) {
    let count = f64::from(u32::try_from(records).expect("half a million"));
    let rate = |spent: Duration| count * f64::from(ROUNDS) / spent.as_secs_f64();
    let [scan, verify, rebuild] = spent.map(rate);
    println!("{records} records, {accepted} of {RECORDS} reservations accepted");
    println!("scan (bound)     {scan:>10.0}/s");
    println!(
        "verify chain     {verify:>10.0}/s  {:.0}% of the bound",
        100.0 * verify / scan
    );
    println!(
        "rebuild engine   {rebuild:>10.0}/s  {:.0}% of the bound",
        100.0 * rebuild / scan
    );
}

#[expect(clippy::print_stdout, reason = "a benchmark speaks to people")]
fn print_pages(looked_up: Duration, proven: Duration) {
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(PAGES);
    println!("page of {PAGE_LEN} (bound) {:>8.0} us", micros(looked_up));
    println!("page of {PAGE_LEN} proven  {:>8.0} us", micros(proven));
}
