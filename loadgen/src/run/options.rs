//! What a run is asked to do, and whom it tells how it goes.
//!
//! Whoever starts a run fills this in; the run reads it. Deliberately absent: the scenario (a file that
//! is named here), and what came of it.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    driver::OnProgress, intervals::OnInterval, mapping::Mapping, operation::Nanos,
    plan::PlanOptions,
};

/// Told when something new begins.
pub type OnStage = Box<dyn FnMut(&Stage)>;

/// What to run, against what.
pub struct RunOptions {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Seed and scales.
    pub plan: PlanOptions,
    /// Where runs are kept; each gets a directory of its own.
    pub out: PathBuf,
    /// Against what.
    pub against: Against,
    /// How long logging everybody in may take before they all connect once more, since a server ends
    /// connections that are silent: [`super::SILENCE_MAX`], but for tests.
    pub silence_max: Nanos,
    /// The command line that runs it again.
    pub command: String,
    /// Set from anywhere to end early, with a report.
    pub stop: Arc<AtomicBool>,
    /// Told once a second.
    pub progress: Option<OnProgress>,
    /// Told once a second, by another thread, how each operation went.
    pub watcher: Option<OnInterval>,
    /// Told when something new begins.
    pub stage: OnStage,
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("scenario", &self.scenario)
            .finish_non_exhaustive()
    }
}

/// What a run goes against.
#[derive(Debug, Clone)]
pub enum Against {
    /// A server of its own.
    Embedded {
        /// This program.
        program: PathBuf,
        /// A bug to plant in it, where it was built with them.
        planted_bug: Option<String>,
    },
    /// Somebody's own server, spoken to as its file says.
    Mapped(Arc<Mapping>),
    /// A server that runs already.
    Live {
        /// Host and port.
        address: String,
        /// The file with its admin's password.
        admin_password_file: PathBuf,
    },
}

/// What a run is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Making users and agendas.
    Building {
        /// How many users.
        users: u32,
        /// How many agendas.
        agendas: u32,
    },
    /// Offering load.
    Driving,
    /// Killing the embedded server and starting another on what is on the disk.
    Crashing,
    /// Reading the log back and judging.
    Judging,
}
