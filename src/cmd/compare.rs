//! `stampede compare`: two sides of stored runs, and whether the new one is slower.
//!
//! Directories of runs in; a verdict, a page where one is asked for, and an exit code out.
//! Deliberately absent: everything that finds a difference (`reports::compare`).

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use loadgen::run::RECORD_FILE;
use reports::{
    compare::{Comparison, Incomparable, StoredError, StoredRun, Texts},
    render::{comparison_html, comparison_terminal},
};

use crate::printing;

/// Response times by operation and second.
const RESPONSE_FILE: &str = "operations.hlog";
/// Service times by operation and second.
const SERVICE_FILE: &str = "service.hlog";

/// `stampede compare`
#[derive(Debug, ClapArgs)]
#[command(after_help = "One run a side:       stampede compare runs/A runs/B
Several, which knows more: stampede compare runs/A1 runs/A2 runs/A3 -- runs/B1 runs/B2 runs/B3

Exit codes: 0 nothing became worse that could be seen, 13 something did, 12 one side lacks figures or a
slowdown of --max-noise could not have been seen, 2 the runs cannot be compared.")]
pub(crate) struct Compare {
    /// The run to compare with and the run to compare; before `--`, all runs to compare with
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// After `--`: the runs to compare
    #[arg(value_name = "NEW", last = true)]
    pub(crate) new: Vec<PathBuf>,
    /// Changes below this are of no interest, in percent
    #[arg(long, env = "STAMPEDE_MIN_EFFECT", default_value = "5", value_name = "PERCENT", value_parser = percent)]
    pub(crate) min_effect: f64,
    /// Be inconclusive (12) where a slowdown of so many percent could not have been seen
    #[arg(long, env = "STAMPEDE_MAX_NOISE", value_name = "PERCENT", value_parser = percent)]
    pub(crate) max_noise: Option<f64>,
    /// Write the comparison as a page to this file, too
    #[arg(long, env = "STAMPEDE_HTML", value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Print the comparison as JSON instead of text; the only value is `-`
    #[arg(long, env = "STAMPEDE_JSON", value_name = "-", value_parser = ["-"])]
    pub(crate) json: Option<String>,
}

/// Runs that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    /// Neither two runs nor two sides.
    #[error(
        "{given} before `--` and nothing behind it: give two runs (stampede compare A B), or two sides of several \
         (stampede compare A1 A2 A3 -- B1 B2 B3)"
    )]
    Sides {
        /// How many runs were given, in words.
        given: String,
    },
    /// No run there.
    #[error(
        "{} is no run: there is no {RECORD_FILE}; give a directory that `stampede run` made, which it names at its end",
        .dir.display()
    )]
    NoRun {
        /// Where.
        dir: PathBuf,
    },
    /// A run without its seconds.
    #[error(
        "{} has no {RESPONSE_FILE}, the latencies of every second: it was run by an earlier version, or the file was \
         removed; run the scenario again",
        .dir.display()
    )]
    NoSeconds {
        /// Where.
        dir: PathBuf,
    },
    /// A file of a run that cannot be read.
    #[error("{}: {source}", .dir.display())]
    Stored {
        /// Where.
        dir: PathBuf,
        /// Why.
        source: StoredError,
    },
    /// Runs that are not of the same thing.
    #[error(transparent)]
    Incomparable(#[from] Incomparable),
}

/// Compares two sides and prints what it comes to.
pub(crate) fn compare(args: &Compare) -> Result<ExitCode> {
    let (base, new) = sides(args)?;
    let base: Vec<StoredRun> = base.iter().map(|dir| read(dir)).collect::<Result<_>>()?;
    let new: Vec<StoredRun> = new.iter().map(|dir| read(dir)).collect::<Result<_>>()?;
    let mut comparison =
        Comparison::of(&base, &new, args.min_effect).map_err(CompareError::from)?;
    if let Some(max_noise) = args.max_noise {
        comparison = comparison.with_max_noise(max_noise);
    }
    if let Some(file) = &args.html {
        fs::write(file, comparison_html(&comparison))
            .with_context(|| file.display().to_string())?;
    }
    printing::print(&words(args, &comparison))?;
    Ok(ExitCode::from(comparison.conclusion.exit_code()))
}

fn sides(args: &Compare) -> Result<(&[PathBuf], &[PathBuf]), CompareError> {
    if !args.new.is_empty() {
        return Ok((&args.runs, &args.new));
    }
    match args.runs.as_slice() {
        [_base, _new] => Ok(args.runs.split_at(1)),
        other => Err(CompareError::Sides {
            given: if other.len() == 1 {
                "one run".to_owned()
            } else {
                format!("{} runs", other.len())
            },
        }),
    }
}

/// Reads a run, given as its directory or as its record.
fn read(path: &Path) -> Result<StoredRun> {
    let dir = if path.ends_with(RECORD_FILE) {
        path.parent().unwrap_or(path)
    } else {
        path
    };
    let record = match fs::read_to_string(dir.join(RECORD_FILE)) {
        Err(error) if is_missing(&error) => {
            return Err(CompareError::NoRun {
                dir: dir.to_owned(),
            }
            .into());
        }
        record => record.with_context(|| dir.join(RECORD_FILE).display().to_string())?,
    };
    let Some(response) = optional(&dir.join(RESPONSE_FILE))? else {
        return Err(CompareError::NoSeconds {
            dir: dir.to_owned(),
        }
        .into());
    };
    let service = optional(&dir.join(SERVICE_FILE))?;
    let texts = Texts {
        record: &record,
        response: &response,
        service: service.as_deref(),
    };
    let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy();
    let stored = |source| CompareError::Stored {
        dir: dir.to_owned(),
        source,
    };
    let run = StoredRun::read(&name, texts).map_err(stored)?;
    run.check_whole().map_err(stored)?;
    Ok(run)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if is_missing(&error) => Ok(None),
        read => Ok(Some(read.with_context(|| path.display().to_string())?)),
    }
}

fn words(args: &Compare, comparison: &Comparison) -> String {
    if args.json.is_some() {
        return comparison.to_json();
    }
    let page = args.html.as_ref().map(|file| file.display().to_string());
    comparison_terminal(comparison, printing::style(), page.as_deref())
}

/// `5` or `5%` as 0.05.
fn percent(text: &str) -> Result<f64, String> {
    let bare = text.trim().trim_end_matches('%').trim_end();
    let percent: Option<f64> = bare
        .parse()
        .ok()
        .filter(|percent| (0.0..=1_000.0).contains(percent));
    percent
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "give a number of percent from 0 to 1000, such as 5 or 2.5%".to_owned())
}
