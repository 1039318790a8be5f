//! The program `stampede`: arguments in, one library call, an exit code out.

mod args;
mod cmd;
mod descriptors;
mod environment;
mod file_size;
mod printing;
mod shell;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::{Command, LogCommand};
use loadgen::{
    history::HistoryError, mapping::MappingError, register::HistoryTextError, run::RunError,
    scenario::ScenarioError,
};
use reports::{
    printable::printable_lines,
    verdict::{EXIT_INTERNAL, EXIT_INVARIANT, EXIT_USAGE},
};
use server::{
    ServeError, backup::BackupError, inspect::InspectError, log::LogError, snapshot::SnapshotError,
};

fn main() -> ExitCode {
    let args = match environment::arguments() {
        Ok(args) => args,
        Err(told) => return told,
    };
    descriptors::raise_limit();
    file_size::hear_of_limit();
    let done = match &args.command {
        Command::Run(run) => cmd::run::run(run),
        Command::Plan(plan) => cmd::run::plan(plan),
        Command::Serve(serve) => cmd::serve::serve(serve),
        Command::Compare(compare) => cmd::compare::compare(compare),
        Command::Target(target) => cmd::target::target(target),
        Command::Show(show) => cmd::show::show(show),
        Command::Schema(schema) => cmd::describe::schema(schema),
        Command::Completions(completions) => cmd::describe::completions(completions),
        Command::Man(man) => cmd::describe::man(man),
        Command::Prove(prove) => cmd::prove::prove(prove),
        Command::Check(check) => cmd::check::check(check),
        Command::Log(LogCommand::Cat(cat)) => cmd::inspect::cat(cat),
        Command::Log(LogCommand::Verify(verify)) => cmd::inspect::verify(verify),
        Command::Log(LogCommand::Snapshot(snapshot)) => cmd::snapshot::snapshot(snapshot),
        Command::Log(LogCommand::Backup(backup)) => cmd::backup::backup(backup),
        Command::Log(LogCommand::Restore(restore)) => cmd::backup::restore(restore),
        Command::Log(LogCommand::Export(export)) => cmd::backup::export(export),
        Command::Log(LogCommand::Import(import)) => cmd::backup::import(import),
    };
    done.unwrap_or_else(|error| {
        // Nobody can be told if the standard error is closed.
        // What was typed is repeated in it, and stands in some file's name as likely as not.
        let sentence = sentence(&error);
        let _unheard = writeln!(io::stderr(), "stampede: {}", printable_lines(&sentence));
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
    if let Some(error) = inspect_error(error) {
        return inspect_exit_code(error);
    }
    if let Some(error) = error.downcast_ref() {
        return copy_exit_code(error);
    }
    let is_usage = error.is::<ScenarioError>()
        || error.is::<MappingError>()
        || error.is::<args::UsageError>()
        || error.is::<cmd::compare::CompareError>()
        || error.is::<HistoryTextError>()
        || error.is::<HistoryError>()
        || error.is::<cmd::show::ShowError>()
        || error.is::<cmd::describe::NoSuchCommand>()
        || matches!(
            error.downcast_ref(),
            Some(ServeError::Listen { .. } | ServeError::Clock(_))
        )
        || matches!(
            error.downcast_ref(),
            Some(
                RunError::Scenario(_)
                    | RunError::World(_)
                    | RunError::Trial(_)
                    | RunError::Out { .. }
            )
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
    match (
        inspect_error(error),
        error.downcast_ref(),
        error.downcast_ref(),
    ) {
        (Some(InspectError::Log(error)), _, _)
        | (_, Some(ServeError::Log(error)), _)
        | (_, _, Some(BackupError::Log(error))) => Some(error),
        _none => None,
    }
}

/// What `log verify` would say, whoever verified.
fn inspect_error(error: &anyhow::Error) -> Option<&InspectError> {
    match error.downcast_ref() {
        Some(BackupError::Inspect(error)) => Some(error),
        _other => error.downcast_ref(),
    }
}

const fn inspect_exit_code(error: &InspectError) -> u8 {
    match error {
        InspectError::Log(error) => log_exit_code(error),
        InspectError::Integrity(_) | InspectError::Unsound(_) => EXIT_INVARIANT,
        InspectError::Replay { .. } => EXIT_USAGE,
        InspectError::Write(_) => EXIT_INTERNAL,
    }
}

const fn copy_exit_code(error: &BackupError) -> u8 {
    match error {
        BackupError::Log(error) => log_exit_code(error),
        BackupError::Inspect(error) => inspect_exit_code(error),
        BackupError::Line { .. }
        | BackupError::KeysMissing { .. }
        | BackupError::Differs { .. } => EXIT_INVARIANT,
        BackupError::Occupied(_) | BackupError::Served { .. } | BackupError::Replay { .. } => {
            EXIT_USAGE
        }
        BackupError::Restless | BackupError::Io { .. } => EXIT_INTERNAL,
    }
}

const fn log_exit_code(error: &LogError) -> u8 {
    match error {
        LogError::Damaged(_) | LogError::TailMissing { .. } => EXIT_INVARIANT,
        // There is no log, it is somebody else's, or somebody has it: another one must be named.
        LogError::Foreign(_) | LogError::Locked { .. } => EXIT_USAGE,
        LogError::Database { .. }
        | LogError::Io { .. }
        | LogError::NoRoom { .. }
        | LogError::DiskFails { .. }
        | LogError::NotWritable { .. }
        | LogError::Busy { .. } => EXIT_INTERNAL,
    }
}
