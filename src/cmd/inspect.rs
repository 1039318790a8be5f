//! `stampede log`: an event log, for people.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anyhow::Result;
use protocol::Seq;
use reports::{
    printable::{PrintableWriter, printable},
    verdict::EXIT_INVARIANT,
};
use server::{
    clock::Monotonic,
    inspect::{self, InspectError},
    snapshot::survey,
};

use crate::{
    args::{Cat, Verify},
    printing,
};

/// Prints records as JSON lines.
pub(crate) fn cat(args: &Cat) -> Result<ExitCode> {
    let mut out = PrintableWriter(BufWriter::new(printing::product()?));
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
    let mut out = printing::out();
    writeln!(out, "{report}")?;
    let mut are_sound = true;
    for snapshot in survey(&args.data)? {
        let path = snapshot.listed.path.display().to_string();
        let path = printable(&path);
        match snapshot.found {
            Ok(header) => writeln!(out, "snapshot seq {}, sound: {path}", header.head.seq)?,
            Err(unsound) => {
                are_sound = false;
                writeln!(
                    out,
                    "snapshot UNSOUND: {unsound}: {path}; a start passes it over, remove it"
                )?;
            }
        }
    }
    writeln!(out, "verified in {} ms", clock.ms())?;
    if report.is_sound() && are_sound {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(EXIT_INVARIANT))
}
