//! `stampede target`: how somebody's own server is spoken to, tried out call by call, and a file begun.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args as ClapArgs, Subcommand};
use loadgen::{
    mapping::{self, Mapping, Meaning},
    run::{CallChecked, check_target},
};
use reports::verdict::{EXIT_INCONCLUSIVE, EXIT_PASS};

use crate::printing;

/// What can be done with a target file.
#[derive(Debug, Subcommand)]
#[command(after_help = "The format: docs/your-server.md, and stampede schema target")]
pub(crate) enum Target {
    /// Make one call of each that a target file describes, and show how its answer was understood
    Check(Check),
    /// Print a target file to begin with, made of an OpenAPI description
    Init(Init),
}

/// `stampede target check`
#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// The target file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// `stampede target init`
#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// The description of the server's API, as JSON
    #[arg(value_name = "OPENAPI.json")]
    description: PathBuf,
}

/// Does what is asked of a target file.
pub(crate) fn target(what: &Target) -> Result<ExitCode> {
    match what {
        Target::Check(check) => try_out(&check.file),
        Target::Init(init) => begin(&init.description),
    }
}

/// Makes one call of each. Ends well if each came to what such a call should come to.
fn try_out(file: &Path) -> Result<ExitCode> {
    let checked = check_target(Mapping::load(file)?)?;
    let text: String = checked.iter().map(told).collect();
    printing::print(&text)?;
    let is_right = !checked.is_empty() && checked.iter().all(|call| call.is_expected);
    Ok(ExitCode::from(if is_right {
        EXIT_PASS
    } else {
        EXIT_INCONCLUSIVE
    }))
}

fn told(call: &CallChecked) -> String {
    let mark = if call.is_expected { "✓" } else { "?" };
    let understood = &call.understood;
    let mut means = match understood.meaning {
        Meaning::Ok => "ok: it took effect".to_owned(),
        Meaning::Refused(code) => {
            format!("refused ({}): it was considered and did not", code.name())
        }
        Meaning::Error(_) => "error: it was definitely not done".to_owned(),
        Meaning::Unknown => "unknown: it may have happened".to_owned(),
    };
    if let Some(why) = &understood.why {
        means = format!("{means}; {why}");
    }
    let mut text = format!("{mark} {}\n    asked     {}\n", call.name, call.request);
    let _infallible = write!(
        text,
        "    answered  {}\n    means     {means}\n",
        call.answer
    );
    for entry in understood.entries.iter().filter(|entry| !entry.is_empty()) {
        let taken = entry
            .iter()
            .map(|(name, value)| format!("{name} = {value}"));
        let taken = taken.collect::<Vec<_>>().join(", ");
        let _infallible = writeln!(text, "    taken     {taken}");
    }
    text
}

fn begin(description: &Path) -> Result<ExitCode> {
    let name = || description.display().to_string();
    let text = fs::read_to_string(description).with_context(name)?;
    let document = serde_json::from_str(&text).with_context(name)?;
    printing::print_product(&mapping::skeleton(&document))?;
    Ok(ExitCode::SUCCESS)
}
