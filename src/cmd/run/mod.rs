//! `stampede run` and `stampede plan`: a scenario, carried out or only shown.

mod screen;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use loadgen::{
    driver::{OnProgress, Progress},
    intervals::OnInterval,
    mapping::Mapping,
    plan::{Plan, PlanOptions},
    run::{self, Against, OnStage, REPORT_FILE, Ran, RunOptions, SILENCE_MAX, Stage},
    scenario::Scenario,
};
use reports::{
    live::{self, Live},
    render::{self, Style, number},
    verdict::EXIT_PASS,
};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{
    args::{self, ScenarioArgs, UsageError},
    printing, shell,
};
use screen::Screen;

/// Runs a scenario and prints what it came to.
pub(crate) fn run(args: &args::Run) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&stop))?;
    let is_talkative = !args.quiet;
    let screen = match Screen::has_room(is_talkative && args.json.is_none()) {
        true => Some(Screen::start(what_runs(args)?, Arc::clone(&stop))?),
        false => None,
    };
    let told = Told::of(is_talkative, screen.as_ref());
    let ran = run::run(RunOptions {
        scenario: args.scenario.file.clone(),
        plan: plan_options(&args.scenario),
        out: args.out.clone(),
        against: against(args)?,
        silence_max: SILENCE_MAX,
        command: command_line(args),
        stop,
        progress: told.progress,
        watcher: told.watcher,
        stage: told.stage,
    });
    // Before anything is said: the screen takes it away.
    drop(screen);
    let ran = ran?;
    print_outcome(args, &ran)?;
    let code = ran.record.verdict.conclusion.exit_code();
    match ran.unwritten {
        // What was found out counts for more than where it is kept.
        Some(error) if code == EXIT_PASS => Err(error.into()),
        Some(error) => {
            let _unheard = writeln!(io::stderr(), "stampede: {error}");
            Ok(ExitCode::from(code))
        }
        None => Ok(ExitCode::from(code)),
    }
}

/// Who is told how a run goes.
struct Told {
    progress: Option<OnProgress>,
    watcher: Option<OnInterval>,
    stage: OnStage,
}

impl Told {
    /// The screen where there is one, lines where somebody may read them, else nobody.
    fn of(is_talkative: bool, screen: Option<&Screen>) -> Self {
        match screen {
            Some(screen) => Self {
                progress: Some(screen.on_progress()),
                watcher: Some(screen.on_interval()),
                stage: screen.on_stage(),
            },
            None if is_talkative => Self {
                progress: Some(Box::new(print_progress)),
                watcher: None,
                stage: Box::new(print_stage),
            },
            None => Self {
                progress: None,
                watcher: None,
                stage: Box::new(|_stage| {}),
            },
        }
    }
}

/// What the screen shows before anything has happened.
fn what_runs(args: &args::Run) -> Result<Live> {
    let scenario = Scenario::load(&args.scenario.file)?;
    let plan = Plan::new(&scenario, &plan_options(&args.scenario))?;
    let phase = |phase: &loadgen::plan::Phase| live::Phase {
        name: phase.name.clone(),
        warmup: phase.warmup,
        planned_s: phase.duration.as_secs_f64(),
        began_s: None,
    };
    Ok(Live {
        scenario: scenario.name,
        seed: plan.seed,
        phases: plan.phases.iter().map(phase).collect(),
        ..Live::default()
    })
}

/// Shows what a scenario would do.
pub(crate) fn plan(args: &args::Plan) -> Result<ExitCode> {
    let scenario = Scenario::load(&args.scenario.file)?;
    let plan = Plan::new(&scenario, &plan_options(&args.scenario))?;
    printing::print(&plan.summary().to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn plan_options(args: &ScenarioArgs) -> PlanOptions {
    PlanOptions {
        seed: args.seed,
        time_scale: args.time_scale,
        rate_scale: args.rate_scale,
    }
}

fn against(args: &args::Run) -> Result<Against> {
    let Some(target) = &args.target else {
        return Ok(Against::Embedded {
            program: env::current_exe()
                .context("cannot find this program to start a server with")?,
            planted_bug: planted_bug(args),
        });
    };
    if Path::new(target)
        .extension()
        .is_some_and(|end| end == "toml")
    {
        return Ok(Against::Mapped(Arc::new(Mapping::load(Path::new(target))?)));
    }
    let address = Some(target.trim_end_matches('/')).filter(|address| {
        let bare = ["tcp://", "jsonl://"]
            .iter()
            .find_map(|scheme| address.strip_prefix(scheme));
        let port = bare
            .and_then(|bare| bare.rsplit_once(':'))
            .map(|(host, port)| (host, port.parse::<u16>()));
        matches!(port, Some((host, Ok(1..))) if !host.is_empty())
    });
    let address = address.ok_or_else(|| UsageError::Target {
        given: target.clone(),
    })?;
    let admin_password_file = args
        .admin_password_file
        .clone()
        .ok_or(UsageError::AdminPassword)?;
    Ok(Against::Live {
        // Frames are what an address without a scheme speaks.
        address: address.strip_prefix("tcp://").unwrap_or(address).to_owned(),
        admin_password_file,
    })
}

#[cfg(feature = "planted-bugs")]
fn planted_bug(args: &args::Run) -> Option<String> {
    args.planted_bug.map(|bug| bug.name().to_owned())
}

#[cfg(not(feature = "planted-bugs"))]
const fn planted_bug(_args: &args::Run) -> Option<String> {
    None
}

/// What a reader pastes to see the same again: whatever made this run what it is, from wherever it was
/// taken, the environment too. What only says how it is told is left out.
fn command_line(args: &args::Run) -> String {
    let scenario = &args.scenario;
    let mut words: Vec<OsString> = vec!["stampede".into(), "run".into()];
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    // A scenario that cannot be read ends the run before anybody asks how it was begun.
    let drawn = Scenario::load(&scenario.file).map(|scenario| scenario.seed);
    if let Some(seed) = scenario.seed.or(drawn.ok()) {
        option("--seed", seed.to_string().into());
    }
    let scales = [
        ("--time-scale", scenario.time_scale),
        ("--rate-scale", scenario.rate_scale),
    ];
    for (name, scale) in scales.into_iter().filter(|(_, scale)| *scale != 1.0) {
        option(name, scale.to_string().into());
    }
    if let Some(target) = &args.target {
        option("--target", target.into());
    }
    if let Some(file) = &args.admin_password_file {
        option("--admin-password-file", file.into());
    }
    if let Some(bug) = planted_bug(args) {
        option("--planted-bug", bug.into());
    }
    if args.out != Path::new(args::OUT_DEFAULT) {
        option("--out", (&args.out).into());
    }
    // A file may be named as if it were an option.
    if scenario.file.as_os_str().as_bytes().starts_with(b"-") {
        words.push("--".into());
    }
    words.push((&scenario.file).into());
    shell::line(words)
}

/// The first signal ends the load early, with a report; the second ends the program.
pub(crate) fn stop_on_signal(stop: Arc<AtomicBool>) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let Ok(mut interrupts) = signal(SignalKind::interrupt()) else {
                    return;
                };
                let Ok(mut terminates) = signal(SignalKind::terminate()) else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = interrupts.recv() => {}
                        _ = terminates.recv() => {}
                    }
                    if stop.swap(true, Ordering::Relaxed) {
                        screen::give_back_terminal();
                        std::process::abort();
                    }
                    // A screen shows it by itself.
                    if !screen::has_terminal() {
                        let _unheard = writeln!(
                            io::stderr(),
                            "stopping early; the report is still written (once more to end at once)"
                        );
                    }
                }
            });
        })?;
    Ok(())
}

fn print_stage(stage: &Stage) {
    // Progress is a courtesy: a closed standard error must not end the run.
    let _unheard = writeln!(io::stderr(), "{} ...", stage_words(stage));
}

/// What a run is doing.
pub(crate) fn stage_words(stage: &Stage) -> String {
    match stage {
        Stage::Building { users, agendas } => format!(
            "setting up {} and {}",
            number::counted(u64::from(*users), "user"),
            number::counted(u64::from(*agendas), "agenda"),
        ),
        Stage::Driving => "offering load".to_owned(),
        Stage::Crashing => "killing the server and starting another on its log".to_owned(),
        Stage::Judging => "judging".to_owned(),
    }
}

fn print_progress(progress: &Progress<'_>) {
    let second = &progress.second;
    let _unheard = writeln!(
        io::stderr(),
        "{at:>6.1} s  {phase:<16} intended {intended:>9}/s  answered {answered:>9}/s  failed {failed:>6}  \
         response p50 {p50:>9} p99 {p99:>9}  in flight {in_flight}",
        at = second.at_s,
        phase = progress.phase,
        intended = number::count(second.intended),
        answered = number::count(second.answered),
        failed = number::count(second.failed),
        p50 = number::duration(second.response_p50),
        p99 = number::duration(second.response_p99),
        in_flight = progress.in_flight,
    );
}

/// The summary goes where people look, the record where programs do: with `--json -` that is the
/// standard output, and people are told on the standard error.
fn print_outcome(args: &args::Run, ran: &Ran) -> Result<()> {
    let text = summary(args, ran);
    if args.json.is_none() {
        return Ok(printing::print(&text)?);
    }
    if !args.quiet {
        let _unheard = write!(io::stderr(), "{text}");
    }
    Ok(printing::print(&ran.record.to_json())?)
}

fn summary(args: &args::Run, ran: &Ran) -> String {
    let report = ran.dir.join(REPORT_FILE).display().to_string();
    let style = Style {
        color: args.json.is_none() && printing::style().color,
        ..printing::style()
    };
    let text = render::terminal(&ran.record, style, Some(&report));
    if !args.quiet {
        return format!("{text}{}\n", beside(&ran.dir));
    }
    // Where the verdict's line is wrapped its rest is not indented, and all that follows is.
    let lines = text.lines().take_while(|line| !line.starts_with("  "));
    format!("{}\n", lines.collect::<Vec<_>>().join(" "))
}

/// What else lies in a run's directory, in a sentence.
fn beside(dir: &Path) -> String {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let names = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names: BTreeSet<String> = names
        .filter(|name| name != REPORT_FILE)
        // One of these for each operation.
        .map(|name| {
            if name.starts_with("latency-") {
                "latency-*.hgrm".to_owned()
            } else {
                name
            }
        })
        .collect();
    format!(
        "  Beside it: {}. Once more: stampede show {}",
        names.into_iter().collect::<Vec<_>>().join(", "),
        shell::quoted(dir)
    )
}
