//! The core, driven on sockets and on the run's clock.
//!
//! A plan, its clients and a target go in; what the core came to and what the generator cost come out.
//! The shell reads the clock, waits for sockets and for the pacer, reads and writes, spins until a
//! rendezvous is released, and keeps the files of the run. Everything happens in one task of one
//! thread: the state has one owner, there are no locks, and an operation never changes hands.
//! Deliberately absent: what is to be done, and when (see `core`).

mod files;
mod pacer;

use std::{future::poll_fn, io, sync::atomic::Ordering, task::Poll};

use reports::record::{GeneratorRecord, QuantileRecord};

use self::{files::Files, pacer::Pacer};
use super::{
    DriveError, DriveOptions, Driven, Progress,
    core::{Action, Core, CoreOptions, Stage, nanos},
    find_saturation,
};
use crate::{
    client::Client,
    clock::{self, Clock},
    operation::{Nanos, Observer},
    plan::Plan,
    recorder::{float, seconds},
    target::{LinkLost, Target},
};

/// Bytes taken from a link in one read: several hundred answers.
const READ_BYTES_MAX: usize = 64 * 1_024;
/// Turns after which other tasks of the runtime get theirs.
const TURNS_A_YIELD: u32 = 64;

/// A core on its way.
pub(super) struct Shell<'a, T, W> {
    core: Core<'a, W, Files>,
    plan: &'a Plan,
    target: &'a mut T,
    pacer: Pacer,
    clock: Clock,
    options: DriveOptions,
    stage: Stage,
    cpu: Cpu,
    ready: Vec<u32>,
    scratch: Vec<u8>,
}

/// Processor time that offering load took, nanoseconds.
#[derive(Debug, Default)]
struct Cpu {
    since: Option<u64>,
    used: u64,
}

impl<'a, T: Target, W: Observer> Shell<'a, T, W> {
    pub(super) fn open(
        plan: &'a Plan,
        clients: Vec<Client>,
        target: &'a mut T,
        watch: &'a mut W,
        mut options: DriveOptions,
    ) -> Result<Self, DriveError> {
        let clock = options.clock;
        let files = Files::new(options.intervals.take(), options.faults.clone());
        let core_options = CoreOptions {
            began_at: clock.now(),
            timeout: nanos(options.timeout),
            drain: nanos(options.drain),
            overtime: nanos(options.overtime),
            duplicate_every: options.duplicate_every,
        };
        Ok(Self {
            pacer: Pacer::open(clock).map_err(DriveError::Waiting)?,
            core: Core::new(plan, clients, watch, files, core_options),
            plan,
            target,
            clock,
            options,
            stage: Stage::Before(0),
            cpu: Cpu::default(),
            ready: Vec::new(),
            scratch: vec![0; READ_BYTES_MAX],
        })
    }

    /// Carries the plan out.
    pub(super) async fn drive(mut self) -> Result<Driven, DriveError> {
        self.carry_out();
        let mut turns: u32 = 0;
        while let Some(wake_at) = self.core.poll_wake() {
            self.wait(wake_at).await?;
            self.turn();
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS_A_YIELD) {
                tokio::task::yield_now().await;
            }
        }
        self.finish().map_err(DriveError::Keeping)
    }

    /// Until links have something or the instant has come.
    async fn wait(&mut self, wake_at: Nanos) -> Result<(), DriveError> {
        self.pacer.arm(wake_at).map_err(DriveError::Waiting)?;
        let (pacer, target, ready) = (&mut self.pacer, &mut *self.target, &mut self.ready);
        let waiting = poll_fn(|context| {
            let due = pacer.poll_due(context)?;
            let told = target.poll_ready(context, ready)?;
            match due {
                Poll::Pending if told.is_pending() => Poll::Pending,
                Poll::Pending | Poll::Ready(()) => Poll::Ready(Ok::<_, io::Error>(())),
            }
        });
        waiting.await.map_err(DriveError::Waiting)
    }

    /// Whether something that must be kept of the run could not be written.
    fn has_failed(&self) -> bool {
        self.core.log().has_failed() || self.core.has_observer_failed()
    }

    /// Serves the links that have something, and does what is due.
    fn turn(&mut self) {
        self.hear_faults();
        let mut ready = std::mem::take(&mut self.ready);
        for link in ready.drain(..) {
            self.serve(link);
        }
        self.ready = ready;
        if self.options.stop.load(Ordering::Relaxed) || self.has_failed() {
            self.core.interrupt();
        }
        self.core.handle_due(self.clock.now());
        self.note_stage();
        self.carry_out();
        while self.core.handle_start(self.clock.now()) {
            self.carry_out();
        }
        self.release();
        self.tell_progress();
    }

    /// What was broken and healed since the last turn, before anything that followed from it.
    fn hear_faults(&mut self) {
        let Some(fault_state) = &self.options.faults else {
            return;
        };
        self.core
            .handle_faults(fault_state.take_news(), fault_state.is_broken());
        if let Some(address) = fault_state.take_move() {
            self.target.redirect(address);
        }
    }

    /// Reads what a link has, and sends what that leads to.
    fn serve(&mut self, link: u32) {
        while self.core.is_listening(link) {
            let received = self.target.receive(link, &mut self.scratch);
            let now = self.clock.now();
            match received {
                Ok(0) => break,
                Ok(count) => {
                    self.core.handle_bytes(link, &self.scratch[..count], now);
                    // Less than there was room for: the link is empty, and will say when it is not.
                    if count < self.scratch.len() {
                        break;
                    }
                }
                Err(lost @ LinkLost::Foreign(_)) => {
                    self.core.handle_unreadable(link, &lost, now);
                    break;
                }
                Err(lost) => {
                    self.core.handle_lost(link, &lost, now);
                    break;
                }
            }
        }
        self.core.handle_ready(link);
        self.carry_out();
    }

    /// Does with the links what the core wants.
    fn carry_out(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Write(link) => self.write(link),
                Action::Close(link) => self.target.close(link),
                Action::Connect(link) => {
                    let opened = self.target.reopen(link);
                    let now = self.clock.now();
                    match opened {
                        Ok(()) => self.core.handle_connected(link, now),
                        Err(lost) => self.core.handle_lost(link, &lost, now),
                    }
                }
            }
        }
    }

    fn write(&mut self, link: u32) {
        if let Err(lost) = self.target.transmit(link, self.core.out(link)) {
            self.core.handle_lost(link, &lost, self.clock.now());
        }
    }

    /// Waits out the instant of a rendezvous that is ready, and releases it.
    fn release(&mut self) {
        let Some(release_at) = self.core.begin_release(self.clock.now()) else {
            return;
        };
        // A few hundred microseconds at most, and a sleep could not end on the instant.
        while self.clock.now() < release_at {
            std::hint::spin_loop();
        }
        while let Some(link) = self.core.handle_release(self.clock.now()) {
            self.write(link);
        }
        self.carry_out();
    }

    /// Says where the load is, to whoever breaks things, and counts what offering it costs.
    fn note_stage(&mut self) {
        let stage = self.core.stage();
        if stage == self.stage {
            return;
        }
        self.stage = stage;
        if let Some(fault_state) = &self.options.faults {
            fault_state.enter(stage);
        }
        let now = clock::process_cpu();
        let since = match stage {
            Stage::In(..) => self.cpu.since.replace(now),
            Stage::Before(_) | Stage::Over => self.cpu.since.take(),
        };
        self.cpu.used += since.map_or(0, |since| now.saturating_sub(since));
    }

    /// Tells of the second that ended.
    fn tell_progress(&mut self) {
        let Some(second) = self.core.poll_second() else {
            return;
        };
        let Some(progress) = &mut self.options.progress else {
            return;
        };
        let lateness = self.core.lateness().histogram();
        progress(&Progress {
            phase: &self.plan.phases[second.phase].name,
            second: second.point,
            in_flight: self.core.in_flight(),
            lateness: [lateness.value_at_quantile(0.99), lateness.max()],
            laws: self.core.observer().progress(),
            faults: self.core.log().injected(self.plan),
        });
    }

    fn finish(self) -> io::Result<Driven> {
        let interrupted = self.options.stop.load(Ordering::Relaxed);
        let outcome = self.core.finish();
        let wall = outcome.phases.iter().map(|phase| phase.duration_ns).sum();
        let sent = (outcome.phases.iter())
            .map(|phase| phase.conservation.sent)
            .sum();
        let cpu_s = seconds(self.cpu.used);
        let lateness_max = nanos(self.options.lateness_max);
        let generator = GeneratorRecord {
            operations_per_cpu_second: float(sent) / cpu_s.max(1e-9),
            cpu_s,
            wall_s: seconds(wall),
            memory_bytes_max: clock::memory_bytes_max(),
            lateness: QuantileRecord::from_histogram(outcome.lateness.histogram()),
            connections: u64::try_from(self.target.links()).unwrap_or(u64::MAX),
            saturated: find_saturation(&outcome.lateness, &outcome.phases, lateness_max),
            // Whoever keeps the history says how long it is.
            history_bytes: 0,
        };
        outcome.log.finish(self.clock.now())?;
        Ok(Driven {
            phases: outcome.phases,
            generator,
            contention: outcome.contention,
            duplicates: outcome.duplicates,
            connections: outcome.connections,
            doubts: outcome.doubts,
            interrupted,
        })
    }
}
