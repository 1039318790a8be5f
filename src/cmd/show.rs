//! `stampede show`: a run that is over, as it was printed when it ended.
//!
//! Renders the record anew, so that an older run is read with today's words; the verdict is the one
//! that was found then. Deliberately absent: judging again, and the page, which lies in the run's
//! directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args as ClapArgs;
use loadgen::run::{RECORD_FILE, REPORT_FILE};
use reports::{read::ReadError, record::RunRecord, render};

use crate::printing;

/// `stampede show`
#[derive(Debug, ClapArgs)]
pub(crate) struct Show {
    /// The run: its directory or its run.json; the latest when left out
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
    /// Where runs are kept, to find the latest
    #[arg(long, env = "STAMPEDE_OUT", default_value = "runs", value_name = "DIR")]
    out: PathBuf,
    /// Print the run record as JSON instead of the summary; the only value is `-`
    #[arg(long, env = "STAMPEDE_JSON", value_name = "-", value_parser = ["-"])]
    json: Option<String>,
}

/// A run that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    /// There is none.
    #[error(
        "there is no finished run in {}; name one, or make one: stampede run scenarios/smoke.toml",
        .out.display()
    )]
    NoRun {
        /// Where it was looked for.
        out: PathBuf,
    },
    /// It cannot be opened.
    #[error(
        "{}: {source}; give a run's directory or its {RECORD_FILE}",
        .path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no record.
    #[error("{}: {source}", .path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
}

/// Prints a stored run.
pub(crate) fn show(args: &Show) -> Result<ExitCode> {
    let path = match &args.run {
        Some(run) => record_of(run),
        None => latest(&args.out)?,
    };
    let record = read(&path)?;
    if args.json.is_some() {
        printing::print_product(&record.to_json())?;
        return Ok(ExitCode::SUCCESS);
    }
    let page = path.with_file_name(REPORT_FILE);
    let page = page.is_file().then(|| page.display().to_string());
    let text = render::terminal(&record, printing::style(), page.as_deref());
    printing::print_product(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a run's record.
pub(crate) fn read(path: &Path) -> Result<RunRecord, ShowError> {
    let text = fs::read_to_string(path).map_err(|source| ShowError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    RunRecord::read(&text).map_err(|source| ShowError::Record {
        path: path.to_owned(),
        source,
    })
}

/// The record of a run that is named by its directory or by the record itself.
pub(crate) fn record_of(run: &Path) -> PathBuf {
    if run.is_dir() {
        run.join(RECORD_FILE)
    } else {
        run.to_owned()
    }
}

/// The run that ended last. Not the last by name: two scenarios may have been begun in one second.
fn latest(out: &Path) -> Result<PathBuf, ShowError> {
    let no_run = || ShowError::NoRun {
        out: out.to_owned(),
    };
    let entries = fs::read_dir(out).map_err(|_missing| no_run())?;
    let records = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(RECORD_FILE));
    let ended = records.filter_map(|path| {
        let ended_at = path.metadata().ok()?.modified().ok()?;
        Some((ended_at, path))
    });
    ended.max().map(|(_, path)| path).ok_or_else(no_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_runs_says_how_to_make_one() {
        let nowhere = Path::new("no/such/directory");
        let error = latest(nowhere).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no finished run in no/such/directory; name one"),
            "{error}"
        );
    }
}
