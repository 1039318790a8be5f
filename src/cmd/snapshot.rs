//! `stampede log snapshot`: the newest state in a file, for the next start.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::atomic::AtomicBool,
};

use anyhow::Result;
use clap::Args;
use protocol::Seq;
use server::{
    clock::Monotonic,
    snapshot::{SnapshotRequest, make},
};

use crate::printing;

/// `stampede log snapshot`
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    /// The data directory of a server, running or not
    #[arg(value_name = "DIR", default_value = "stampede-data")]
    data: PathBuf,
}

/// Makes one and says what of.
pub(crate) fn snapshot(args: &Snapshot) -> Result<ExitCode> {
    let clock = Monotonic::start();
    let made = make(&SnapshotRequest {
        data_dir: &args.data,
        expected: None,
        is_given_up: &AtomicBool::new(false),
    })?;
    for warning in &made.warnings {
        writeln!(io::stderr(), "Warning: {warning}")?;
    }
    let (seq, path, ms) = (made.head.seq, made.path.display(), clock.ms());
    let mut out = printing::out();
    if made.was_there() {
        writeln!(
            out,
            "There is a sound snapshot at seq {seq} already: {path}"
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let from = match made.from {
        Seq::START => "the whole log".to_owned(),
        from => format!("the snapshot at seq {from} and the log behind it"),
    };
    writeln!(
        out,
        "snapshot at seq {seq}, {} bytes, from {from}, in {ms} ms: {path}",
        made.bytes
    )?;
    Ok(ExitCode::SUCCESS)
}
