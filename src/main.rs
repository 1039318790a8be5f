//! The program `stampede`: arguments in, one library call, an exit code out.

mod args;
mod serving;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Command::Serve(serve) => serving::serve(serve),
        Command::Log(_) => unreachable!(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stampede: {error:#}");
            ExitCode::from(1)
        }
    }
}
