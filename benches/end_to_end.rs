//! What a run gets out of this machine, end to end: generator, wire, server, log, laws, history.
//!
//! Closed loops over 127.0.0.1 against a server of this same build, in a process of its own, on
//! the disk of the temporary directory. Almost every reservation is accepted: there are far more
//! slots than there will be reservations. Three runs each, and their median. A figure stands
//! beside what bounds it: the lone client beside one `fdatasync` and one round trip measured in
//! the same minute, the crowds beside the design's targets, which are references and no promises.
//!
//! `cargo bench --bench end_to_end`. Deliberately absent: a verdict. Machines differ.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::{Context, Result, ensure};
use loadgen::{
    clock::Clock,
    plan::PlanOptions,
    run::{self, Against, RunOptions, SILENCE_MAX},
};
use reports::{
    record::{LawRecord, RunRecord, Verdict},
    render::number,
};

/// Runs of each load; the one in the middle is shown.
const RUNS: usize = 3;
/// Round trips of the bare loopback.
const ROUND_TRIPS: usize = 5_000;

/// A closed loop and what the design aims at.
struct Load {
    name: &'static str,
    clients: u32,
    in_flight: u32,
    /// Answers a second; `None` where latency is what counts.
    target: Option<f64>,
}

const LOADS: [Load; 4] = [
    Load {
        name: "256 connections, 16 in flight",
        clients: 256,
        in_flight: 16,
        target: Some(300_000.0),
    },
    Load {
        name: "256 connections, 1 in flight",
        clients: 256,
        in_flight: 1,
        target: Some(85_000.0),
    },
    Load {
        name: "64 connections, 1 in flight",
        clients: 64,
        in_flight: 1,
        target: Some(65_000.0),
    },
    Load {
        name: "1 connection, 1 in flight",
        clients: 1,
        in_flight: 1,
        target: None,
    },
];

/// What one run came to.
#[derive(Debug, Clone, Copy)]
struct Figures {
    answers_a_second: f64,
    accepted_share: f64,
    response_p50_ns: f64,
    operations_a_cpu_second: f64,
    fdatasync_p50_ns: f64,
}

fn main() -> Result<()> {
    let mut out = io::stdout().lock();
    let round_trip = loopback_round_trip_p50()?;
    writeln!(
        out,
        "end to end, laws and history on, every answer durable; median of {RUNS} runs\n"
    )?;
    let mut fdatasync = Vec::new();
    for load in &LOADS {
        let mut runs = Vec::new();
        for _run in 0..RUNS {
            runs.push(measure(load)?);
        }
        fdatasync.extend(runs.iter().map(|figures| figures.fdatasync_p50_ns));
        write!(out, "{}", render(load, &runs, round_trip))?;
        out.flush()?;
    }
    writeln!(
        out,
        "\nfdatasync of 4 KiB, p50   {:>10}   (median of {} runs)\nloopback round trip, p50  {:>10}",
        duration(median(fdatasync)),
        RUNS * LOADS.len(),
        duration(round_trip),
    )?;
    Ok(())
}

/// One run of a load, through the library that `stampede run` calls.
fn measure(load: &Load) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let scenario = dir.path().join("load.toml");
    std::fs::write(&scenario, scenario_text(load))?;
    let ran = run::run(options(&scenario, dir.path()))?;
    check(&ran.record)?;
    figures(&ran.record)
}

fn options(scenario: &Path, dir: &Path) -> RunOptions {
    RunOptions {
        scenario: scenario.to_owned(),
        plan: PlanOptions {
            seed: None,
            time_scale: 1.0,
            rate_scale: 1.0,
        },
        out: dir.join("runs"),
        against: Against::Embedded {
            program: PathBuf::from(env!("CARGO_BIN_EXE_stampede")),
            planted_bug: None,
        },
        silence_max: SILENCE_MAX,
        command: "cargo bench --bench end_to_end".to_owned(),
        stop: Arc::default(),
        progress: None,
        watcher: None,
        stage: Box::new(|_stage| {}),
    }
}

/// 21.6 million slots: a reservation seldom meets another.
fn scenario_text(load: &Load) -> String {
    let Load {
        clients, in_flight, ..
    } = load;
    let offered = format!("[{{ flow = \"book\", clients = {clients}, in_flight = {in_flight} }}]");
    format!(
        r#"
name = "bench"
world = {{ users = {clients}, agendas = 50, days = 300, slots = 1440 }}
server = {{ durability = "full", password_cost = "test" }}
phase = [
  {{ name = "warm-up", duration = "500ms", warmup = true, load = {offered} }},
  {{ name = "measured", duration = "2s", load = {offered} }},
]
flow.book.steps = [{{ reserve = {{ agenda = "uniform", day = "uniform", slot = "uniform" }} }}]
"#
    )
}

/// A figure that was reached by wrong answers is no figure.
fn check(record: &RunRecord) -> Result<()> {
    let is_broken = |law: &&LawRecord| law.verdict == Verdict::Invalid;
    if let Some(law) = record.laws.iter().find(is_broken) {
        anyhow::bail!("law {} was broken: {:?}", law.name, law.violations.first());
    }
    for phase in &record.phases {
        let counts = &phase.conservation;
        ensure!(counts.holds(), "{}: {counts:?}", phase.name);
        let failed = counts.error + counts.timeout + counts.unknown;
        ensure!(failed == 0, "{}: {failed} failed", phase.name);
    }
    Ok(())
}

fn figures(record: &RunRecord) -> Result<Figures> {
    let phase = record
        .phases
        .iter()
        .find(|phase| !phase.warmup)
        .context("there is a measured phase")?;
    let counts = &phase.conservation;
    let reserve = phase
        .operations
        .get("reserve")
        .context("something was reserved")?;
    let answered = float(counts.ok + counts.refused);
    Ok(Figures {
        answers_a_second: answered / (float(phase.duration_ns) / 1e9),
        accepted_share: float(counts.ok) / answered,
        response_p50_ns: float(reserve.response.quantiles.p50),
        operations_a_cpu_second: record.generator.operations_per_cpu_second,
        fdatasync_p50_ns: float(record.environment.fdatasync_ns.p50),
    })
}

fn render(load: &Load, runs: &[Figures], round_trip: f64) -> String {
    let middle = |read: fn(&Figures) -> f64| median(runs.iter().map(read).collect());
    let rate = middle(|it| it.answers_a_second);
    let latency = middle(|it| it.response_p50_ns);
    let beside = load.target.map_or_else(
        || {
            // One commit and one way there and back: nobody can do with less.
            let bound = middle(|it| it.fdatasync_p50_ns) + round_trip;
            format!(
                "p50 {:>9}   fdatasync + round trip {:>9}   ratio {:.2}",
                duration(latency),
                duration(bound),
                latency / bound
            )
        },
        |target| {
            format!(
                "p50 {:>9}   design target {:>9}/s   ratio {:.2}",
                duration(latency),
                count(target),
                rate / target
            )
        },
    );
    format!(
        "{name:<30} {rate:>8} commits/s   {beside}\n{nothing:<30} accepted {accepted:.2} %, generator {cpu} operations a CPU-second, runs {all}\n",
        name = load.name,
        rate = count(rate),
        nothing = "",
        accepted = middle(|it| it.accepted_share) * 100.0,
        cpu = count(middle(|it| it.operations_a_cpu_second)),
        all = runs
            .iter()
            .map(|run| count(run.answers_a_second))
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// A byte there and back over TCP on 127.0.0.1, between two threads that block.
fn loopback_round_trip_p50() -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut here = TcpStream::connect(listener.local_addr()?)?;
    let (mut there, _address) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
    });
    let clock = Clock::start();
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _trip in 0..ROUND_TRIPS {
        let started = clock.now();
        here.write_all(&[1])?;
        here.read_exact(&mut [0])?;
        times.push(float(clock.now() - started));
    }
    drop(here);
    echo.join().expect("echoing does not panic");
    Ok(median(times))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds of a few seconds are exact"
)]
const fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are positive and far below 2^53"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

fn count(value: f64) -> String {
    number::count(whole(value))
}

fn duration(nanos: f64) -> String {
    number::duration(whole(nanos))
}
