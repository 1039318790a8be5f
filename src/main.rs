//! The program `stampede`: arguments in, one library call, an exit code out.

mod args;
mod checking;
mod describing;
mod descriptors;
mod inspecting;
mod printing;
mod proving;
mod running;
mod serving;
mod showing;
mod snapshotting;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::{Args, Command, LogCommand};
use clap::Parser;
use loadgen::{register::HistoryTextError, run::RunError, scenario::ScenarioError};
use reports::verdict::{EXIT_INTERNAL, EXIT_INVARIANT, EXIT_USAGE};
use server::{ServeError, inspect::InspectError, log::LogError, snapshot::SnapshotError};

fn main() -> ExitCode {
    let args = Args::parse();
    descriptors::raise_limit();
    let done = match &args.command {
        Command::Run(run) => running::run(run),
        Command::Plan(plan) => running::plan(plan),
        Command::Serve(serve) => serving::serve(serve),
        Command::Show(show) => showing::show(show),
        Command::Schema(schema) => describing::schema(schema),
        Command::Completions(completions) => describing::completions(completions),
        Command::Man(man) => describing::man(man),
        Command::Prove(prove) => proving::prove(prove),
        Command::Check(check) => checking::check(check),
        Command::Log(LogCommand::Cat(cat)) => inspecting::cat(cat),
        Command::Log(LogCommand::Verify(verify)) => inspecting::verify(verify),
        Command::Log(LogCommand::Snapshot(snapshot)) => snapshotting::snapshot(snapshot),
    };
    done.unwrap_or_else(|error| {
        // Nobody can be told if the standard error is closed.
        let _unheard = writeln!(io::stderr(), "stampede: {}", sentence(&error));
        ExitCode::from(exit_code(&error))
    })
}

/// The error and its causes. Errors of ours quote their causes and those of libraries do not:
/// nothing is said twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

/// A mistake in what was typed or written is the user's to mend, a damaged log breaks a law;
/// anything else is ours to explain.
fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = log_error(error) {
        return log_exit_code(error);
    }
    if let Some(InspectError::Integrity(_)) = error.downcast_ref() {
        return EXIT_INVARIANT;
    }
    let is_usage = error.is::<ScenarioError>()
        || error.is::<args::UsageError>()
        || error.is::<HistoryTextError>()
        || error.is::<showing::ShowError>()
        || error.is::<describing::NoSuchCommand>()
        || matches!(error.downcast_ref(), Some(ServeError::Listen { .. }))
        || matches!(
            error.downcast_ref(),
            Some(RunError::Scenario(_) | RunError::World(_))
        );
    if is_usage { EXIT_USAGE } else { EXIT_INTERNAL }
}

/// What is wrong with a log, whoever found it.
fn log_error(error: &anyhow::Error) -> Option<&LogError> {
    if let Some(SnapshotError::Log(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ServeError::Log(error)), _) | (_, Some(InspectError::Log(error))) => Some(error),
        _neither => None,
    }
}

const fn log_exit_code(error: &LogError) -> u8 {
    match error {
        LogError::Damaged(_) | LogError::TailMissing { .. } => EXIT_INVARIANT,
        // There is no log, it is somebody else's, or somebody has it: another one must be named.
        LogError::Foreign(_) | LogError::Locked { .. } => EXIT_USAGE,
        LogError::Sqlite { .. } | LogError::Io { .. } | LogError::Busy { .. } => EXIT_INTERNAL,
    }
}
