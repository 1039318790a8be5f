//! What a run does, without doing it: told the time, it says what is to be written where, and when it
//! wants to be woken.
//!
//! A plan and its clients go in, and then instants, bytes of connections and their losses; calls to the
//! laws, operations for the log, connections to make and bytes to write come out, and in the end what
//! the run came to. Whoever drives it does this, in this order, until [`Core::poll_wake`] says nothing:
//!
//! 1. waits for that instant, or until a connection has something;
//! 2. hands over what came: [`Core::handle_bytes`], [`Core::handle_ready`], [`Core::handle_lost`];
//! 3. says what time it is: [`Core::handle_due`], then [`Core::handle_start`] as long as it starts somebody;
//! 4. releases a rendezvous that is ready: [`Core::begin_release`], [`Core::handle_release`];
//!
//! and behind each of these carries out every [`Core::poll_action`]. The shell does so on sockets, a
//! simulator in memory.
//!
//! | file | what |
//! |---|---|
//! | `phase` | what is due; the order of a run: enter, offer, drain, catch up |
//! | `catch_up` | until everybody was shown what the server has for them |
//! | `calls` | one call: sent, answered, given up, asked again |
//! | `links` | connections lost and made again |
//! | `run` | flow instances: what they saved, where they are |
//! | `resolve` | drawn steps as calls about real things |
//! | `rendezvous` | everybody at once |
//! | `erasure` | people who have themselves erased |
//! | `timers`, `lateness` | what waits for its instant; how late it was started |
//!
//! Deliberately absent: clocks, sockets, files, threads, chance that is not of the plan; judging answers.

mod calls;
mod catch_up;
mod erasure;
mod lateness;
mod links;
mod phase;
mod rendezvous;
mod resolve;
mod run;
mod timers;

use std::{error::Error, fmt, num::NonZeroU32, time::Duration};

use reports::record::{
    ConnectionsRecord, ContentionRecord, DoubtRecord, PhaseRecord, TimelinePoint,
};

pub use self::lateness::Lateness;
use self::{
    calls::{CallEngine, client_of},
    phase::{Phase, Step},
};
use crate::{
    client::Client,
    operation::{Nanos, Observer, Operation},
    plan::Plan,
};

/// How to carry out a plan, as far as the core is concerned. All in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct CoreOptions {
    /// When the run begins: the first that the core is told of the time.
    pub began_at: Nanos,
    /// How long an answer may take.
    pub timeout: Nanos,
    /// How long a phase waits at its end for what is in flight.
    pub drain: Nanos,
    /// How much longer than planned rendezvous may take.
    pub overtime: Nanos,
    /// Ask every n-th decided command again, under the same key, to see the same answer.
    pub duplicate_every: Option<NonZeroU32>,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before this phase.
    Before(usize),
    /// In this phase, which began at that instant.
    In(usize, Nanos),
    /// Behind all of them.
    Over,
}

impl Stage {
    /// Whether this phase is over, or will never be.
    #[must_use]
    pub const fn is_past(self, phase: usize) -> bool {
        match self {
            Self::Before(next) => phase < next,
            Self::In(current, _since) => phase < current,
            Self::Over => true,
        }
    }
}

/// Something to do about the connection of a client, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make a new one: to be followed by [`Core::handle_connected`] as soon as bytes may be written, or
    /// [`Core::handle_lost`].
    Connect(u32),
    /// Write what is in [`Core::out`], and take it out of there as far as it was written.
    Write(u32),
    /// Close it: it is of no further use now.
    Close(u32),
}

/// Where operations are written down.
pub trait OperationLog {
    /// A phase begins.
    fn begin_phase(&mut self, at: Nanos) {
        let _nobody_keeps_it = at;
    }
    /// An operation is over.
    fn append(&mut self, operation: &Operation) {
        let _nobody_keeps_it = operation;
    }
}

/// Nothing is written down.
impl OperationLog for () {}

/// A second that is over.
#[derive(Debug)]
pub struct Second {
    /// The number of its phase.
    pub phase: usize,
    /// What it was like.
    pub point: TimelinePoint,
}

/// What the core came to.
#[derive(Debug)]
pub struct Outcome<L> {
    /// In the order they ran; fewer than planned after an interruption.
    pub phases: Vec<PhaseRecord>,
    /// How contended the slots were.
    pub contention: ContentionRecord,
    /// Commands asked again on purpose and answered again.
    pub duplicates: u64,
    /// Connections lost.
    pub connections: ConnectionsRecord,
    /// Commands that were cut off from their answers.
    pub doubts: DoubtRecord,
    /// How late things were started.
    pub lateness: Lateness,
    /// Where operations were written down.
    pub log: L,
}

/// See the head of this file.
pub struct Core<'a, W, L> {
    calls: CallEngine<'a, W, L>,
    step: Step,
    phase: Phase,
    phases: Vec<PhaseRecord>,
    lateness: Lateness,
    /// When calls are looked through for those that take too long.
    sweep_at: Nanos,
    second: Option<Second>,
}

impl<W, L> fmt::Debug for Core<'_, W, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("step", &self.step)
            .field("phases", &self.phases.len())
            .finish_non_exhaustive()
    }
}

impl<'a, W: Observer, L: OperationLog> Core<'a, W, L> {
    /// A run that begins. Client `i` of the plan is `clients[i]`, each with a connection of its own.
    ///
    /// # Panics
    /// Later on, if there are fewer clients than the plan needs.
    #[must_use]
    pub fn new(
        plan: &'a Plan,
        clients: Vec<Client>,
        watch: &'a mut W,
        log: L,
        options: CoreOptions,
    ) -> Self {
        let mut calls = CallEngine::new(plan, clients, watch, log, options);
        calls.enter();
        Self {
            calls,
            step: Step::entering(options.began_at),
            phase: Phase::default(),
            phases: Vec::with_capacity(plan.phases.len()),
            lateness: Lateness::new(),
            sweep_at: options.began_at,
            second: None,
        }
    }

    /// What is to be done about connections next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.calls.poll_action()
    }

    /// What a client has to say. Whoever writes takes it from the front.
    pub fn out(&mut self, link: u32) -> &mut Vec<u8> {
        client_of(&mut self.calls.clients, link).out()
    }

    /// Whether anything that comes for this client is read: not while it has no connection.
    pub fn is_listening(&mut self, link: u32) -> bool {
        !client_of(&mut self.calls.clients, link).is_away()
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, link: u32, bytes: &[u8], now: Nanos) {
        self.calls.handle_bytes(link, bytes, now);
    }

    /// A connection has been read empty, and takes bytes: what waited for room can be written, and what
    /// came may have to be answered.
    pub fn handle_ready(&mut self, link: u32) {
        self.calls.dirty.push(link);
    }

    /// The connection that was asked for is there, or being made: bytes may be written.
    pub fn handle_connected(&mut self, link: u32, now: Nanos) {
        self.calls.handle_connected(link, now);
    }

    /// A connection is gone, or could not be made.
    pub fn handle_lost(&mut self, link: u32, why: &dyn Error, now: Nanos) {
        self.calls.lose(link, why, now);
    }

    /// A connection brought what is not the protocol.
    pub fn handle_unreadable(&mut self, link: u32, why: &dyn Error, now: Nanos) {
        self.calls.lose_unread(link, why, now);
    }

    /// Something was broken on purpose or healed, at `changed_at` if it was since the last time. To be
    /// said before anything that followed from it.
    pub fn handle_faults(&mut self, changed_at: Option<Nanos>, is_broken: bool) {
        self.calls.is_broken = is_broken;
        if let Some(at) = changed_at {
            self.calls.watch.handle_fault(at);
        }
    }

    /// The run is to end early, with its results.
    pub const fn interrupt(&mut self) {
        self.calls.is_interrupted = true;
    }

    /// Where the run is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.step.stage(self.phases.len(), self.phase.started_at)
    }

    /// The second that ended last, once.
    pub const fn poll_second(&mut self) -> Option<Second> {
        self.second.take()
    }

    /// Calls that are not answered.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.calls.in_flight
    }

    /// How late things were started so far.
    #[must_use]
    pub const fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// Whoever is told of everything.
    #[must_use]
    pub const fn observer(&self) -> &W {
        self.calls.watch
    }

    /// Whether the observer could not keep what it was told: the load is to end.
    #[must_use]
    pub fn has_observer_failed(&self) -> bool {
        self.calls.watch.has_failed()
    }

    /// Where operations are written down.
    #[must_use]
    pub const fn log(&self) -> &L {
        &self.calls.log
    }

    /// What the run came to.
    #[must_use]
    pub fn finish(mut self) -> Outcome<L> {
        Outcome {
            phases: self.phases,
            contention: self.calls.contention.record(),
            duplicates: self.calls.duplicates,
            connections: std::mem::take(&mut self.calls.links.counts),
            doubts: self.calls.doubts,
            lateness: self.lateness,
            log: self.calls.log,
        }
    }
}

/// A duration in nanoseconds; 584 years at most.
pub(super) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
