//! The server that a run started: its own, or somebody's.
//!
//! What faults do to a process, for either; proof that they took effect comes back. Deliberately absent: how
//! each of them is started (`embedded`, `process`).

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use super::{
    embedded::{Embedded, EmbeddedError},
    process::{Process, ProcessError},
};

/// SIGTERM, by which a program ends that does nothing about it.
const SIGTERM: i32 = 15;

/// Either of them.
#[derive(Debug)]
pub(super) enum Server {
    /// This program.
    Own(Embedded),
    /// Another.
    Foreign(Process),
}

/// What either of them did not do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// This program.
    #[error(transparent)]
    Own(#[from] EmbeddedError),
    /// Another.
    #[error(transparent)]
    Foreign(#[from] ProcessError),
}

impl Server {
    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Own(own) => own.pid(),
            Self::Foreign(foreign) => foreign.pid(),
        }
    }

    /// See [`Embedded::kill`].
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, ServerError> {
        Ok(match self {
            Self::Own(own) => own.kill().await?,
            Self::Foreign(foreign) => foreign.kill().await?,
        })
    }

    /// See [`Embedded::end`].
    pub(super) async fn end(&mut self) -> Result<ExitStatus, ServerError> {
        Ok(match self {
            Self::Own(own) => own.end().await?,
            Self::Foreign(foreign) => foreign.end().await?,
        })
    }

    /// See [`Embedded::start_again`].
    pub(super) async fn start_again(&mut self) -> Result<(), ServerError> {
        match self {
            Self::Own(own) => own.start_again().await?,
            Self::Foreign(foreign) => foreign.start_again().await?,
        }
        Ok(())
    }

    /// See [`Embedded::pause`].
    pub(super) async fn pause(&self) -> bool {
        match self {
            Self::Own(own) => own.pause().await,
            Self::Foreign(foreign) => foreign.pause().await,
        }
    }

    /// See [`Embedded::go_on`].
    pub(super) fn go_on(&self) {
        match self {
            Self::Own(own) => own.go_on(),
            Self::Foreign(foreign) => foreign.go_on(),
        }
    }

    /// See [`Embedded::ended`].
    pub(super) async fn ended(&mut self) -> ServerError {
        match self {
            Self::Own(own) => own.ended().await.into(),
            Self::Foreign(foreign) => foreign.ended().await.into(),
        }
    }

    /// Whether it ended as one does that was asked to: ours cleanly, another perhaps by the signal itself.
    pub(super) fn has_obeyed(&self, status: ExitStatus) -> bool {
        match self {
            Self::Own(_) => status.success(),
            Self::Foreign(_) => status.success() || status.signal() == Some(SIGTERM),
        }
    }

    /// Where it is now, if that changes from start to start.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::Own(own) => Some(&own.ready().address),
            Self::Foreign(_) => None,
        }
    }

    /// The position it found in its log, and how long rebuilding its state took, milliseconds.
    pub(super) const fn recovered(&self) -> Option<(u64, u64)> {
        match self {
            Self::Own(own) => Some((own.ready().recovered_seq, own.ready().recovered_ms)),
            Self::Foreign(_) => None,
        }
    }

    /// This program, if it is.
    pub(super) fn into_own(self) -> Option<Embedded> {
        match self {
            Self::Own(own) => Some(own),
            Self::Foreign(_) => None,
        }
    }
}
