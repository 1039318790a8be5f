//! What the program says about itself, for editors, shells and readers of manuals.
//!
//! Schemas of the formats that people and programs write and read, completions for shells, and
//! manual pages: all made from what the program really accepts, so that none can be out of date.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args as ClapArgs, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::{args::Args, printing};

/// `stampede schema`
#[derive(Debug, ClapArgs)]
pub(crate) struct Schema {
    /// Of which format
    #[arg(value_enum, default_value = "scenario", value_name = "FORMAT")]
    of: Format,
}

/// A format with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Scenario files
    Scenario,
    /// Target files
    Target,
    /// run.json
    Run,
    /// The wire: words, types, codes and limits, in a form of its own that protocol/README.md describes
    Protocol,
}

/// `stampede completions`
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// `stampede man`
#[derive(Debug, ClapArgs)]
pub(crate) struct Man {
    /// Of which command, such as `run` or `log verify`; of the whole program when left out
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// A command that there is no page of.
#[derive(Debug, thiserror::Error)]
#[error("there is no command `{name}` here to show the manual of; there are {known}")]
pub(crate) struct NoSuchCommand {
    name: String,
    known: String,
}

/// Prints a schema.
pub(crate) fn schema(args: &Schema) -> Result<ExitCode> {
    let text = match args.of {
        Format::Scenario => loadgen::scenario::schema(),
        Format::Target => loadgen::mapping::schema(),
        Format::Run => reports::read::schema_json(),
        Format::Protocol => format!("{:#}\n", protocol::describe::Protocol::new().to_json()),
    };
    printing::print_product(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a shell's completions.
pub(crate) fn completions(args: &Completions) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "stampede", &mut text);
    printing::print_product(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a manual page in roff: `stampede man | man -l -`.
pub(crate) fn man(args: &Man) -> Result<ExitCode> {
    let command = find(Args::command(), &args.command)?;
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    printing::print_product(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// The command at the end of these words; it knows its full name, `stampede-log-verify`.
fn find(mut root: Command, words: &[String]) -> Result<Command, NoSuchCommand> {
    // Names of commands within commands are put together when building.
    root.build();
    let mut found = root;
    for word in words {
        let next = found.find_subcommand(word).cloned();
        found = next.ok_or_else(|| NoSuchCommand {
            name: word.clone(),
            known: known(&found),
        })?;
    }
    Ok(found)
}

fn known(command: &Command) -> String {
    let names: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}
