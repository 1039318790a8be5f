//! The proof itself: the runs, what they came to, and the table.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use loadgen::{
    history::HistoryReader,
    plan::PlanOptions,
    run::{self, Against, HISTORY_FILE, Ran, RunOptions, SILENCE_MAX},
};
use reports::{
    record::{LawRecord, Verdict, ViolationRecord},
    verdict::EXIT_INTERNAL,
};
use server::tamper::PlantedBug;

use super::stage::{Stage, place_of};
use crate::{args::Prove, cmd::run::stop_on_signal};

/// What one run came to.
struct Trial {
    stage: Stage,
    bug: Option<PlantedBug>,
    laws: Vec<LawRecord>,
    /// Operations of the run.
    operations: u64,
    /// Operations that were over before the first violation the expected law tells.
    until_found: Option<u64>,
}

/// Runs the scenario against every bug and prints the table.
pub(crate) fn prove(args: &Prove) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&stop))?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    for stage in Stage::ALL {
        let scenario = args.out.join(stage.file());
        fs::write(&scenario, stage.text()).with_context(|| scenario.display().to_string())?;
    }
    let bugs = if args.bugs.is_empty() {
        PlantedBug::LIES
    } else {
        &args.bugs
    };
    let honest = Stage::ALL.map(|stage| (stage, None));
    let lying = (bugs.iter()).map(|bug| (place_of(*bug).stage, Some(*bug)));
    let mut trials = Vec::new();
    for (stage, bug) in honest.into_iter().chain(lying) {
        let trial = try_bug((stage, bug), args, &stop)?;
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted: nothing was proved");
        }
        // Progress is a courtesy: a closed standard error must not end the proof.
        let _unheard = writeln!(io::stderr(), "{}: {}", trial.name(), trial.told());
        trials.push(trial);
    }
    let holds = trials.iter().all(Trial::holds);
    write!(io::stdout(), "{}", table(&trials))?;
    let _unheard = writeln!(io::stderr(), "the proof {}", verdict(holds));
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_INTERNAL)
    })
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "does not hold" }
}

fn try_bug(
    (stage, bug): (Stage, Option<PlantedBug>),
    args: &Prove,
    stop: &Arc<AtomicBool>,
) -> Result<Trial> {
    let planted = bug.map(|bug| bug.name().to_owned());
    let file = stage.file();
    let command = match &planted {
        Some(name) => format!("stampede run scenarios/{file} --planted-bug {name}"),
        None => format!("stampede run scenarios/{file}"),
    };
    let ran = run::run(RunOptions {
        scenario: args.out.join(file),
        plan: PlanOptions {
            seed: args.seed,
            time_scale: 1.0,
            rate_scale: 1.0,
        },
        out: args.out.clone(),
        against: Against::Embedded {
            program: env::current_exe()
                .context("cannot find this program to start a server with")?,
            planted_bug: planted,
        },
        silence_max: SILENCE_MAX,
        command,
        stop: Arc::clone(stop),
        progress: None,
        watcher: None,
        stage: Box::new(|_stage| {}),
    })?;
    judge((stage, bug), ran)
}

fn judge((stage, bug): (Stage, Option<PlantedBug>), ran: Ran) -> Result<Trial> {
    let moments = moments(&ran.dir.join(HISTORY_FILE))?;
    let laws = ran.record.laws;
    let law = bug.and_then(|bug| laws.iter().find(|law| law.name == place_of(bug).law));
    let violations = law.map_or(&[][..], |law| &law.violations);
    let until_found = violations
        .iter()
        .map(|violation| operations_before(violation, &moments))
        .min();
    Ok(Trial {
        stage,
        bug,
        operations: u64::try_from(moments.len())?,
        until_found,
        laws,
    })
}

/// When each operation of the run was over, and at which position; 0 where it has none.
fn moments(history: &Path) -> Result<Vec<(u64, u64)>> {
    let mut moments = Vec::new();
    for operation in HistoryReader::open(history)?.operations() {
        let operation = operation?;
        moments.push((operation.completed_at, operation.seq));
    }
    Ok(moments)
}

/// Operations that were over before a violation was complete: before the last of the operations it
/// tells, or, where it tells none, before the position it tells.
fn operations_before(violation: &ViolationRecord, moments: &[(u64, u64)]) -> u64 {
    let witnesses = &violation.operations;
    let completed_at = witnesses.iter().filter_map(|w| w.completed_ns).max();
    let seq = witnesses.iter().map(|w| w.seq).max().unwrap_or(u64::MAX);
    let is_before = |(at, position): &&(u64, u64)| match completed_at {
        Some(completed_at) => *at < completed_at,
        None => *position < seq,
    };
    u64::try_from(moments.iter().filter(is_before).count()).unwrap_or(u64::MAX)
}

impl Trial {
    fn name(&self) -> &'static str {
        self.bug.map_or("none", PlantedBug::name)
    }

    fn convicted(&self) -> impl Iterator<Item = &str> {
        let convicted = |law: &&LawRecord| law.verdict == Verdict::Invalid;
        self.laws
            .iter()
            .filter(convicted)
            .map(|law| law.name.as_str())
    }

    /// Whether the right law found it; of an honest server, whether no law accuses it, and every law
    /// that the scenario is there for is content.
    fn holds(&self) -> bool {
        match self.bug {
            Some(bug) => self.convicted().any(|law| law == place_of(bug).law),
            None => self.laws.iter().all(|law| match law.verdict {
                Verdict::Valid | Verdict::NotApplicable => true,
                Verdict::Unknown => !law.required,
                Verdict::Invalid => false,
            }),
        }
    }

    fn told(&self) -> String {
        let convicted: Vec<&str> = self.convicted().collect();
        match (self.holds(), convicted.is_empty()) {
            (true, true) => "nothing found, as it should be".to_owned(),
            (true, false) => format!("found by {}", convicted.join(", ")),
            (false, true) => "NOT FOUND".to_owned(),
            (false, false) => format!("NOT AS EXPECTED, found by {}", convicted.join(", ")),
        }
    }

    fn row(&self) -> String {
        let convicted: Vec<String> = self.convicted().map(|law| format!("`{law}`")).collect();
        let convicted = match (self.holds(), convicted.is_empty()) {
            (true, true) => "none, as it should be".to_owned(),
            (true, false) => convicted.join(", "),
            (false, true) => "**nobody**".to_owned(),
            (false, false) => format!("**only** {}", convicted.join(", ")),
        };
        let operations = self.operations;
        match self.bug {
            Some(bug) => format!(
                "| `{bug}` | {} | `{}` | {convicted} | {} of {operations} |\n",
                bug.sentence(),
                place_of(bug).law,
                self.until_found
                    .map_or_else(|| "never".to_owned(), |until| until.to_string()),
            ),
            None => format!(
                "| none, {} | nothing wrong | none | {convicted} | {operations} |\n",
                self.stage.file(),
            ),
        }
    }
}

fn table(trials: &[Trial]) -> String {
    let mut text = String::from(HEAD);
    for trial in trials {
        text.push_str(&trial.row());
    }
    let lying = trials.iter().filter(|trial| trial.bug.is_some());
    let found = lying.clone().filter(|trial| trial.holds()).count();
    let _infallible = writeln!(
        text,
        "\n{found} of {} planted bugs found by the law that is there for them.",
        lying.count(),
    );
    text
}

const HEAD: &str = "\
# Planted bugs

A law that has never convicted anybody proves nothing. So the server can be built to lie: each bug
below is one lie that a real server might tell, told only now and then, and every law is there for
at least one of them. Each bug is run through the one of five scenarios in which it can show itself
([places](../scenarios/planted.toml), [talk](../scenarios/planted-talk.toml),
[trade](../scenarios/planted-trade.toml), [a crash](../scenarios/planted-crash.toml),
[erasure](../scenarios/erase-me.toml)), some seconds of load after which the server is killed; so is an
honest server, which no law may accuse.

This page is what the command prints:

```
cargo run --release --features planted-bugs -- prove > docs/planted-bugs.md
```

It fails if a bug is not found by the law that is there for it, or if the honest server is accused.
The last column counts the operations that were over before the first violation the expected law
tells was complete: before the last of the operations it names as witnesses, or, where it names a
position of the log instead, the operations answered below that position; then, all operations of
the run.

| planted bug | what it does | law expected | convicted by | operations until found |
|---|---|---|---|---|
";
