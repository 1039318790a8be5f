//! The driver: a plan, carried out against a target, with nothing lost on the way.
//!
//! A plan, its clients and a target go in; phases recorded by clock and outcome, what the
//! generator cost, and how contended the slots were come out. [`core`] decides what is sent when,
//! and is told the time; `shell` has the clock, the sockets and the files. A simulator drives the same
//! core on a clock of its own.
//!
//! Deliberately absent: building the world, judging answers, rendering results.

pub mod core;
mod shell;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    num::NonZeroU32,
    rc::Rc,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use reports::record::{
    ConnectionsRecord, ContentionRecord, DoubtRecord, GeneratorRecord, PhaseRecord, TimelinePoint,
};

use self::{core::Lateness, shell::Shell};
use crate::{
    client::Client,
    clock::Clock,
    fault::FaultState,
    intervals::IntervalLog,
    operation::{LawProgress, Nanos, Observer},
    plan::{Load, Pace, Plan},
    recorder::float,
    target::Target,
};

/// The share of intended operations that must have been sent.
const SENT_SHARE_MIN: f64 = 0.9;

/// Told once a second: how it goes.
pub type OnProgress = Box<dyn FnMut(&Progress<'_>)>;

/// How to carry out a plan.
pub struct DriveOptions {
    /// The run's clock; its start is the 0 of every instant.
    pub clock: Clock,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a phase waits at its end for what is in flight.
    pub drain: Duration,
    /// How much longer than planned rendezvous may take: a server that does not answer keeps each of them
    /// waiting, and no run is without an end.
    pub overtime: Duration,
    /// How late the generator may start things at the 99th percentile, and have kept its schedule.
    pub lateness_max: Duration,
    /// Ask every n-th decided command again, under the same key, to see the same answer.
    pub duplicate_every: Option<NonZeroU32>,
    /// Where the seconds of the run are kept.
    pub intervals: Option<IntervalLog>,
    /// Set from anywhere to end the run early, with its results.
    pub stop: Arc<AtomicBool>,
    /// Told once a second.
    pub progress: Option<OnProgress>,
    /// Where it is said what is broken on purpose.
    pub faults: Option<Rc<FaultState>>,
}

impl DriveOptions {
    /// The usual: 10 s for an answer, 5 s to drain, a minute more for rendezvous, 5 ms to be late, nothing asked twice, nothing kept.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            timeout: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            overtime: Duration::from_secs(60),
            lateness_max: Duration::from_millis(5),
            duplicate_every: None,
            intervals: None,
            stop: Arc::default(),
            progress: None,
            faults: None,
        }
    }
}

impl fmt::Debug for DriveOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveOptions")
            .field("timeout", &self.timeout)
            .field("drain", &self.drain)
            .field("duplicate_every", &self.duplicate_every)
            .finish_non_exhaustive()
    }
}

/// How a run goes: the second that just ended.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The phase's name.
    pub phase: &'a str,
    /// The second.
    pub second: TimelinePoint,
    /// Unanswered calls.
    pub in_flight: u64,
    /// How late the generator started things so far, 99th percentile and at most, nanoseconds.
    pub lateness: [Nanos; 2],
    /// What the laws looked at so far.
    pub laws: Vec<LawProgress>,
    /// Faults that were injected so far: when, and what was done.
    pub faults: Vec<(Nanos, &'static str)>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Driven {
    /// In the order they ran; fewer than planned after an interruption.
    pub phases: Vec<PhaseRecord>,
    /// What the generator cost and whether it kept its schedule.
    pub generator: GeneratorRecord,
    /// How contended the slots were.
    pub contention: ContentionRecord,
    /// Commands asked again on purpose and answered again.
    pub duplicates: u64,
    /// Connections lost.
    pub connections: ConnectionsRecord,
    /// Commands that were cut off from their answers.
    pub doubts: DoubtRecord,
    /// Whether it was ended early.
    pub interrupted: bool,
}

/// A run that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Too few clients.
    #[error("the plan needs {needed} clients and {clients} with {links} connections were given")]
    Clients {
        /// By the plan.
        needed: u32,
        /// Given.
        clients: usize,
        /// Of the target.
        links: usize,
    },
    /// The kernel.
    #[error("waiting for connections or timers failed: {0}")]
    Waiting(io::Error),
    /// The disk.
    #[error("the files of the run could not be written: {0}; is the disk full?")]
    Keeping(io::Error),
}

/// Carries out a plan. Client `i` of the plan is `clients[i]`, on link `i` of the target. Must be
/// called within a tokio runtime of one thread, with time and io enabled.
///
/// # Errors
/// If there are fewer clients than the plan needs, or the kernel or the disk fails. A server that
/// fails is a result, not an error.
pub async fn drive<T: Target, W: Observer>(
    plan: &Plan,
    clients: Vec<Client>,
    target: &mut T,
    watch: &mut W,
    options: DriveOptions,
) -> Result<Driven, DriveError> {
    check_clients(plan, clients.len(), target.links())?;
    Shell::open(plan, clients, target, watch, options)?
        .drive()
        .await
}

fn check_clients(plan: &Plan, clients: usize, links: usize) -> Result<(), DriveError> {
    let in_load = |load: &Load| {
        let of = plan.world.clients_of(load.who);
        match load.pace {
            Pace::Open(_) => of.end,
            Pace::Closed { clients, .. } | Pace::Rendezvous { clients, .. } => of.start + clients,
        }
    };
    let loads = plan.phases.iter().flat_map(|phase| &phase.loads);
    let needed = loads.map(in_load).max().unwrap_or(0);
    let given = u32::try_from(clients.min(links)).unwrap_or(u32::MAX);
    if given < needed {
        return Err(DriveError::Clients {
            needed,
            clients,
            links,
        });
    }
    Ok(())
}

/// Why the generator did not keep up, if it did not. What found no room on its connection is no fault of
/// the generator's: the server had not answered what was there.
fn find_saturation(
    lateness: &Lateness,
    phases: &[PhaseRecord],
    lateness_max: Nanos,
) -> Option<String> {
    if let Some(late) = lateness.beyond(lateness_max) {
        let all = lateness.histogram();
        return Some(format!(
            "{late} of {} starts were more than {} us late, the 99th percentile {} us and the latest {} us",
            all.len(),
            lateness_max / 1_000,
            all.value_at_quantile(0.99) / 1_000,
            all.max() / 1_000,
        ));
    }
    phases.iter().find_map(|phase| {
        let counts = &phase.conservation;
        let unstarted = float(counts.intended) * (1.0 - SENT_SHARE_MIN);
        (unstarted < float(counts.cancelled_at_end)).then(|| {
            format!(
                "phase `{}` intended {} operations, and {} of them had no turn before its end",
                phase.name, counts.intended, counts.cancelled_at_end
            )
        })
    })
}
