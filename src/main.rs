//! The program `stampede`: arguments in, one library call, an exit code out.

mod args;
mod descriptors;
mod inspecting;
mod running;
mod serving;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use args::{Args, Command, LogCommand};
use clap::Parser;
use loadgen::{run::RunError, scenario::ScenarioError};
use reports::verdict::{EXIT_INTERNAL, EXIT_USAGE};

fn main() -> ExitCode {
    let args = Args::parse();
    descriptors::raise_limit();
    let done = match &args.command {
        Command::Run(run) => running::run(run),
        Command::Plan(plan) => running::plan(plan),
        Command::Serve(serve) => serving::serve(serve),
        Command::Log(LogCommand::Cat(cat)) => inspecting::cat(cat),
        Command::Log(LogCommand::Verify(verify)) => inspecting::verify(verify),
    };
    done.unwrap_or_else(|error| {
        // Nobody can be told if the standard error is closed.
        let _unheard = writeln!(io::stderr(), "stampede: {error:#}");
        ExitCode::from(exit_code(&error))
    })
}

/// A mistake in what was typed or written is the user's to mend; anything else is ours to explain.
fn exit_code(error: &anyhow::Error) -> u8 {
    let is_usage = error.is::<ScenarioError>()
        || error.is::<args::UsageError>()
        || matches!(
            error.downcast_ref::<RunError>(),
            Some(RunError::Scenario(_) | RunError::World(_))
        );
    if is_usage { EXIT_USAGE } else { EXIT_INTERNAL }
}
