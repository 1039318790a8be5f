//! Where a run ran: the facts that any figure depends on.
//!
//! Read from the kernel's own files, and measured on the run's own disk. Deliberately absent:
//! judging them (that is the report's).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use hdrhistogram::Histogram;
use reports::record::{EnvironmentRecord, QuantileRecord};

use crate::clock::Clock;

/// Appends measured: some 50 ms on a disk that syncs in 200 us.
const SYNCS: usize = 200;

/// What one append writes: a page of the log.
const APPEND_BYTES: usize = 4 * 1024;

/// Longer than any disk takes.
const HOUR_NS: u64 = 3_600_000_000_000;

/// Describes this machine. What only the run knows is filled in by it.
#[must_use]
pub(super) fn describe(fdatasync_ns: QuantileRecord) -> EnvironmentRecord {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    EnvironmentRecord {
        started_at: String::new(),
        program: concat!("stampede ", env!("CARGO_PKG_VERSION")).to_owned(),
        target: String::new(),
        durability: String::new(),
        planted_bug: None,
        cpu: field("/proc/cpuinfo", "model name")
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
        memory_bytes: memory_bytes(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(
            |_no_proc| std::env::consts::OS.to_owned(),
            |text| text.trim().to_owned(),
        ),
        level: None,
        fdatasync_ns,
    }
}

/// Measures `fdatasync` of a growing file in `dir`, which a commit cannot be faster than.
///
/// # Errors
/// If the disk cannot be written.
pub(super) fn measure_fdatasync(dir: &Path) -> io::Result<QuantileRecord> {
    let path = dir.join("fdatasync.probe");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    let measured = measure(&mut file);
    fs::remove_file(&path)?;
    measured
}

fn measure(file: &mut File) -> io::Result<QuantileRecord> {
    let clock = Clock::start();
    let page = [0x5a; APPEND_BYTES];
    let mut histogram =
        Histogram::<u64>::new_with_max(HOUR_NS, 3).expect("an hour in 3 digits is allowed");
    for _ in 0..SYNCS {
        let started = clock.now();
        file.write_all(&page)?;
        file.sync_data()?;
        histogram.saturating_record(clock.now().saturating_sub(started).max(1));
    }
    Ok(QuantileRecord::from_histogram(&histogram))
}

fn memory_bytes() -> u64 {
    let kib = field("/proc/meminfo", "MemTotal").and_then(|text| {
        text.split_whitespace()
            .next()
            .and_then(|kib| kib.parse::<u64>().ok())
    });
    kib.unwrap_or(0) * 1024
}

/// The value of the first line `name : value` of one of the kernel's files.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
