//! `stampede prove`: the laws are tried on servers that lie.
//!
//! Every planted bug is run through one short scenario, and so is an honest server. Out comes a
//! table of which laws found which bug, and after how many operations. The proof holds when every
//! bug was found by the law that is there for it, and the honest server by none. Without the
//! feature `planted-bugs` there is nothing to prove with, and it says how to get it.

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn prove(_args: &crate::args::Prove) -> anyhow::Result<std::process::ExitCode> {
    Err(crate::args::UsageError::NoPlantedBugs.into())
}

#[cfg(feature = "planted-bugs")]
pub(crate) use proof::prove;

#[cfg(feature = "planted-bugs")]
mod proof;
#[cfg(feature = "planted-bugs")]
mod stage;
