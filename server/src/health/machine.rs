//! What the process costs, how large its files are, what room is left: asked when somebody wants to
//! know.
//!
//! Linux tells it in `/proc`; what cannot be read is left out rather than told as 0. Deliberately
//! absent: the server's own numbers (`stats`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statvfs,
    param::page_size,
    process::{Resource, getrlimit},
};

use super::stats::{float, wide};
use crate::{
    clock::process_cpu,
    log::database::{FILE_NAME, WAL_FILE_NAME},
};

/// Figures of the process and its files; `None` where the system does not tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: Option<f64>,
    pub(super) open_files: Option<f64>,
    pub(super) open_files_max: Option<f64>,
    pub(super) wal_bytes: Option<f64>,
    pub(super) database_bytes: Option<f64>,
    pub(super) disk_free_bytes: Option<f64>,
}

impl Machine {
    /// Asks the system, of the log in `data_dir`.
    pub(super) fn ask(data_dir: &Path) -> Self {
        let disk = statvfs(data_dir).ok();
        Self {
            cpu_seconds: process_cpu().as_secs_f64(),
            resident_bytes: resident_bytes(),
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| float(files.count())),
            open_files_max: getrlimit(Resource::Nofile).current.map(wide),
            wal_bytes: bytes(data_dir.join(WAL_FILE_NAME)),
            database_bytes: bytes(data_dir.join(FILE_NAME)),
            disk_free_bytes: disk.map(|disk| wide(disk.f_bavail.saturating_mul(disk.f_frsize))),
        }
    }
}

/// The second figure of `statm`: pages in memory.
fn resident_bytes() -> Option<f64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(float(pages.saturating_mul(page_size())))
}

/// A file that is not there has no bytes: SQLite removes its write-ahead log when it is done.
fn bytes(path: PathBuf) -> Option<f64> {
    match fs::metadata(path) {
        Ok(file) => Some(wide(file.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(0.0),
        Err(_unreadable) => None,
    }
}
