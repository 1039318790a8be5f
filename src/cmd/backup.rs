//! `stampede log backup`, `restore`, `export`, `import`: a log, kept somewhere else.
//!
//! Arguments go in; one call of the library is made, and what was copied is said. Long ones say on
//! standard error how far they are. Deliberately absent: copying.

use std::{
    io::{self, BufReader, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use protocol::Seq;
use reports::printable::{PrintableWriter, printable};
use server::{
    backup::{self, BackupError, Copied},
    clock::Monotonic,
    inspect::timestamp,
};

use crate::{printing, shell};

/// Milliseconds between two words about the progress.
const PROGRESS_EVERY_MS: u64 = 1_000;

/// `stampede log backup`
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the backup is made: a directory that is not there yet, or an empty one
    #[arg(value_name = "DEST")]
    dest: PathBuf,
    /// The data directory of a server, running or not
    #[arg(value_name = "DIR", default_value = "stampede-data")]
    data: PathBuf,
}

/// `stampede log restore`
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A backup
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// The data directory to make: one that is not there yet, or an empty one
    #[arg(value_name = "DIR", default_value = "stampede-data")]
    data: PathBuf,
}

/// `stampede log export`
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The data directory of a server, running or not
    #[arg(value_name = "DIR", default_value = "stampede-data")]
    data: PathBuf,
}

/// `stampede log import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The data directory to make of the lines on standard input: one that is not there yet, or an empty one
    #[arg(value_name = "DIR", default_value = "stampede-data")]
    data: PathBuf,
}

/// Copies a log while it is served.
pub(crate) fn backup(args: &Backup) -> Result<ExitCode> {
    let copied = backup::backup(&args.data, &args.dest, &mut progress("copied"))?;
    let dest = shell::quoted(&args.dest);
    let mut out = printing::out();
    writeln!(
        out,
        "backed up {} into {}",
        describe(&copied),
        printable(&args.dest.display().to_string())
    )?;
    writeln!(out, "Look at it with:     stampede log verify {dest}")?;
    writeln!(
        out,
        "Bring it back with:  stampede log restore {dest} NEW-DIR"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a data directory of a backup.
pub(crate) fn restore(args: &Restore) -> Result<ExitCode> {
    let (copied, report) = backup::restore(&args.source, &args.data, &mut progress("copied"))?;
    let mut out = printing::out();
    writeln!(out, "{report}")?;
    writeln!(
        out,
        "restored {} into {}",
        describe(&copied),
        printable(&args.data.display().to_string())
    )?;
    writeln!(out, "{}", erased_since(&copied))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a log as lines.
pub(crate) fn export(args: &Export) -> Result<ExitCode> {
    let mut out = PrintableWriter(BufWriter::new(printing::product()?));
    match backup::export(&args.data, &mut out, &mut progress("exported")) {
        // Whoever reads the lines has seen enough: `| head`.
        Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {}
        done => {
            let copied = done?;
            writeln!(io::stderr(), "exported {}", describe(&copied))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a data directory of lines.
pub(crate) fn import(args: &Import) -> Result<ExitCode> {
    let mut lines = BufReader::new(io::stdin().lock());
    let (copied, report) = backup::import(&mut lines, &args.data, &mut progress("imported"))?;
    let mut out = printing::out();
    writeln!(out, "{report}")?;
    writeln!(
        out,
        "imported {} into {}",
        describe(&copied),
        printable(&args.data.display().to_string())
    )?;
    writeln!(out, "{}", erased_since(&copied))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(copied: &Copied) -> String {
    format!(
        "{} records up to hash {}, with the keys of {} people,",
        copied.head.seq, copied.head.hash, copied.people
    )
}

/// What no copy can know.
fn erased_since(copied: &Copied) -> String {
    format!(
        "Whoever had themselves erased after {} is there again: erase them before it is served.",
        timestamp(copied.recorded_at)
    )
}

/// Says on standard error, once a second, how far it is.
fn progress(done: &'static str) -> impl FnMut(Seq, Seq) {
    let clock = Monotonic::start();
    let mut next_ms = PROGRESS_EVERY_MS;
    move |at, end| {
        if clock.ms() < next_ms {
            return;
        }
        next_ms = clock.ms() + PROGRESS_EVERY_MS;
        let of = match end {
            Seq::START => String::new(),
            end => format!(" of {end}"),
        };
        // Nobody can be told if the standard error is closed.
        let _unheard = writeln!(io::stderr(), "{done} {at}{of} records");
    }
}
