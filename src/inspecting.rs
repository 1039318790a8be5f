//! `stampede log`: an event log, for people.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anyhow::Result;
use protocol::Seq;
use reports::verdict::EXIT_INVARIANT;
use server::{
    clock::Monotonic,
    inspect::{self, InspectError},
};

use crate::args::{Cat, Verify};

/// Prints records as JSON lines.
pub(crate) fn cat(args: &Cat) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let shown = inspect::cat(&args.data, Seq(args.from), args.limit, &mut out);
    match shown {
        // Whoever reads the lines has seen enough: `| head`.
        Err(InspectError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        shown => {
            shown?;
            out.flush()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays the log twice and says what it found.
pub(crate) fn verify(args: &Verify) -> Result<ExitCode> {
    let clock = Monotonic::start();
    let report = inspect::verify(&args.data)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "verified in {} ms", clock.ms())?;
    if report.is_sound() {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(EXIT_INVARIANT))
}
