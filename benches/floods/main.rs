//! How long an innocent client waits beside others who send without pause, read nothing, or come by the hundred.
//!
//! A server of this same build, in a process of its own, for each of fourteen floods of one connection and seven
//! crowds. Beside each, for some seconds, a client books slots and asks for them every ten milliseconds; now and then
//! another logs in. What is shown: what the flood got rid of, how long the client waited, the longest log-in, the most
//! memory the server had, and how long it took to end when it was told to in the midst of it. The goal stands
//! beside it. `cargo bench --bench floods`, or `-- WORD` for those with that word in their name.
//! Deliberately absent: a verdict. Machines differ; `server/tests/floods.rs` has the counts.

mod attack;
mod client;
mod subject;

use std::{
    env,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use attack::{ATTACKS, Attack};
use client::Client;
use loadgen::clock::Clock;
use reports::render::number;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use subject::Subject;

/// How long each of them lasts.
const LASTS_NS: u64 = 4_000_000_000;
/// Between two requests of the innocent client.
const PACE: Duration = Duration::from_millis(10);
/// Between two log-ins.
const LOG_IN_EVERY: usize = 64;

fn main() -> Result<()> {
    raise_limit();
    // What is no text names no flood.
    let wanted: Vec<String> = env::args_os()
        .skip(1)
        .filter_map(|word| word.into_string().ok())
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "an innocent client beside each flood; goal: p99 under 100 ms\n\n{:<34} {:>10} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}",
        "flood", "sent/s", "p50", "p99", "max", "log-in", "refused", "memory", "SIGTERM"
    )?;
    for attack in ATTACKS {
        let is_wanted = |word: &String| attack.name.contains(word.as_str());
        if wanted.is_empty() || wanted.iter().any(is_wanted) {
            let line = measure(attack).with_context(|| attack.name)?;
            writeln!(out, "{line}")?;
            out.flush()?;
        }
    }
    Ok(())
}

fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _as_many_as_there_were = setrlimit(Resource::Nofile, raised);
}

fn measure(attack: &Attack) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let server = Subject::start(dir.path())?;
    let mut innocent = Client::connect(server.native)?;
    innocent.register("innocent")?;
    innocent.log_in("innocent")?;
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, doors, begin) = (Arc::clone(&stop), server.doors(), attack.begin);
    let mut flood = begin(doors)?;
    let clock = Clock::start();
    let flooding = thread::spawn(move || {
        while !flag.load(Ordering::Relaxed) {
            if !flood.step() {
                pause(Duration::from_millis(1));
            }
        }
        flood.sent()
    });
    let mut waits = Waits::default();
    while clock.now() < LASTS_NS {
        waits.ask(&mut innocent, &server, &clock)?;
        pause(PACE);
    }
    let lasted = clock.now();
    let memory = server.peak_bytes()?;
    let ended = server.stop(&clock)?;
    stop.store(true, Ordering::Relaxed);
    let sent = flooding.join().expect("a flood does not panic");
    let ended = ended.map_or_else(|| "never".to_owned(), number::duration);
    let rate = sent.saturating_mul(1_000_000_000) / lasted.max(1);
    let [p50, p99, max] = waits.quantiles();
    Ok(format!(
        "{:<34} {:>8} B {p50:>9} {p99:>9} {max:>9} {:>9} {:>7} {:>6} MB {ended:>9}",
        attack.name,
        number::count(rate),
        number::duration(waits.log_in),
        waits.refused,
        memory / 1_000_000,
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark waits for as long as it says"
)]
fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// How long the innocent waited, in nanoseconds.
#[derive(Debug, Default)]
struct Waits {
    all: Vec<u64>,
    log_in: u64,
    refused: u64,
}

impl Waits {
    fn ask(&mut self, innocent: &mut Client, server: &Subject, clock: &Clock) -> Result<()> {
        let nth = self.all.len();
        let began = clock.now();
        let is_taken = if nth.is_multiple_of(2) {
            innocent.reserve()?
        } else {
            innocent.list()?
        };
        self.all.push(clock.now() - began);
        self.refused += u64::from(!is_taken);
        if nth % LOG_IN_EVERY == LOG_IN_EVERY / 2 {
            let began = clock.now();
            let mut other = Client::connect(server.native)?;
            self.refused += u64::from(!other.log_in("innocent")?);
            self.log_in = self.log_in.max(clock.now() - began);
        }
        Ok(())
    }

    fn quantiles(&mut self) -> [String; 3] {
        self.all.sort_unstable();
        let last = self.all.len().saturating_sub(1);
        [last / 2, last * 99 / 100, last]
            .map(|place| number::duration(self.all.get(place).copied().unwrap_or(0)))
    }
}
