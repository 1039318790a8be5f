//! One phase: load is offered as planned, then what is in flight is drained.
//!
//! The loop is a turn: start what is due, write, wait for links or for the next instant, read.
//! Instants are `phase start + planned offset`; a late turn starts everything that is due with its
//! planned instant. What one turn may start is bounded, so that answers are read meanwhile.

use std::{future::poll_fn, io, iter::Peekable, task::Poll, time::Duration};

use reports::record::PhaseRecord;

use super::{DriveError, calls::CallEngine, rendezvous::Round, run::Origin};
use crate::{
    arrival::ArrivalStream,
    clock,
    deliveries::Drain,
    fault::Stage,
    operation::{Nanos, Observer},
    pacer::Pacer,
    plan::{Arrival, Pace},
    recorder::{Recorded, Recorder, float, seconds},
    target::Target,
};

/// Instances started before what they wrote is sent and answers are read: bounds how long the
/// last of them waits after its `sent_at`.
const STARTS_A_TURN_MAX: usize = 64;
/// The most time between two looks at the interrupt flag and at timeouts.
const SWEEP_EVERY: Nanos = 100_000_000;
/// How long clients may take before the first phase to say that they want to be told of pushes.
const ENTER_MAX: Nanos = 10_000_000_000;
/// How long after its end a phase may still start what was due before: beyond, it is cancelled.
const BEHIND_MAX: Nanos = 1_000_000_000;
/// Turns after which other tasks of the runtime get theirs.
const TURNS_A_YIELD: u32 = 64;

/// What a phase cost the generator while it offered load.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PhaseCost {
    pub(super) cpu: u64,
    pub(super) wall: u64,
    pub(super) sent: u64,
}

/// A phase on its way.
pub(super) struct PhaseDrive<'e, 'a, T, W> {
    pub(super) engine: &'e mut CallEngine<'a, T, W>,
    pacer: &'e mut Pacer,
    pub(super) index: usize,
    started_at: Nanos,
    arrivals: Vec<Peekable<ArrivalStream>>,
    sweep_at: Nanos,
    turns: u32,
    ready: Vec<u32>,
}

impl<'e, 'a, T: Target, W: Observer> PhaseDrive<'e, 'a, T, W> {
    pub(super) fn new(
        engine: &'e mut CallEngine<'a, T, W>,
        pacer: &'e mut Pacer,
        index: usize,
    ) -> Self {
        let started_at = engine.options.clock.now();
        Self {
            engine,
            pacer,
            index,
            started_at,
            arrivals: Vec::new(),
            sweep_at: started_at,
            turns: 0,
            ready: Vec::new(),
        }
    }

    /// Runs the phase to its end. Its record, and what it cost.
    pub(super) async fn drive(mut self) -> Result<(PhaseRecord, PhaseCost), DriveError> {
        self.engine.recorder = Recorder::new(self.started_at);
        self.engine.begin_intervals(self.started_at);
        self.engine.is_stopping = false;
        let cpu = clock::process_cpu();
        let stage = Stage::In(self.index, self.started_at);
        self.engine.enter_stage(stage);
        self.start_loads();
        while !self.is_over() {
            let wake = self.next_wake();
            self.turn(wake).await?;
            let now = self.engine.options.clock.now();
            self.start_due(now);
            self.release_due(now);
        }
        let ended_at = self.engine.options.clock.now();
        let cost = PhaseCost {
            cpu: clock::process_cpu().saturating_sub(cpu),
            wall: ended_at - self.started_at,
            sent: self.engine.recorder.conservation().sent,
        };
        self.drain().await?;
        let drain = self.catch_up(ended_at).await?;
        Ok((self.finish(&cost, drain), cost))
    }

    /// Before the first phase: waits until everybody is told of pushes, for a bounded time.
    pub(super) async fn enter(mut self) -> Result<(), DriveError> {
        self.engine.enter();
        let deadline = self.started_at + ENTER_MAX;
        while 0 < self.engine.links.entering && self.engine.options.clock.now() < deadline {
            let wake_at = self.house_at().min(deadline);
            self.turn(wake_at).await?;
        }
        Ok(())
    }

    fn start_loads(&mut self) {
        let plan = self.engine.plan;
        self.engine.lanes.clear();
        self.engine.rounds.clear();
        for (load, source) in plan.phases[self.index].loads.iter().enumerate() {
            let first = plan.world.clients_of(source.who).start;
            match &source.pace {
                Pace::Open(_rates) => {
                    let stream = plan.arrivals(self.index, load);
                    self.arrivals.push(stream.peekable());
                }
                Pace::Closed { clients, in_flight } => {
                    for client in first..first + *clients {
                        (0..*in_flight).for_each(|lane| self.start_lane(load, client, lane));
                        self.engine.flush();
                    }
                }
                Pace::Rendezvous {
                    clients,
                    times,
                    spread_max,
                } => {
                    let lane = |client| plan.lane(self.index, load, client, 0);
                    let lanes = (first..first + *clients).map(lane).collect();
                    let round = Round::new((first, lanes), *times, *spread_max, self.started_at);
                    self.engine.rounds.push(round);
                }
            }
        }
    }

    fn start_lane(&mut self, load: usize, client: u32, lane: u32) {
        let engine = &mut *self.engine;
        let mut lane = engine.plan.lane(self.index, load, client, lane);
        let (instance, think) = lane.next();
        let origin = Origin::Lane(engine.lanes.len());
        engine.lanes.push(lane);
        let run = engine.runs.start(engine.plan, client, instance, origin);
        let now = engine.options.clock.now();
        // A closed loop has no schedule: a lane is due when it exists and has thought.
        engine.advance(run, now + think, now);
    }

    fn is_over(&mut self) -> bool {
        let ends_at = self.ends_at();
        let engine = &*self.engine;
        if engine.is_interrupted() || engine.failure.is_some() {
            return true;
        }
        let now = engine.options.clock.now();
        if !engine.rounds.is_empty() {
            return engine.rounds.iter().all(Round::is_over)
                || ends_at + nanos(engine.options.overtime) <= now;
        }
        // All arrivals are due by the end: a schedule that is a little behind catches up first.
        let is_behind = self
            .arrivals
            .iter_mut()
            .any(|stream| stream.peek().is_some());
        ends_at + if is_behind { BEHIND_MAX } else { 0 } <= now
    }

    fn ends_at(&self) -> Nanos {
        self.started_at + nanos(self.engine.plan.phases[self.index].duration)
    }

    /// The next instant at which something is to be done without being told.
    fn next_wake(&mut self) -> Nanos {
        let started_at = self.started_at;
        let peek = |stream: &mut Peekable<ArrivalStream>| stream.peek().map(|next| next.at);
        let arrivals = self.arrivals.iter_mut().filter_map(peek);
        let planned = arrivals
            .map(|at| started_at + at)
            .chain(self.engine.rounds.iter().filter_map(Round::wake_at))
            .chain(self.engine.timers.next_at())
            .min();
        let sweep_at = self.house_at();
        let house = if self.engine.rounds.is_empty() {
            sweep_at.min(self.ends_at())
        } else {
            sweep_at
        };
        planned.map_or(house, |at| at.min(house))
    }

    /// When something is to be done that nobody planned: looking at clocks, connecting again.
    pub(super) fn house_at(&self) -> Nanos {
        let comes_at = self.engine.links.comes_at();
        comes_at.map_or(self.sweep_at, |at| at.min(self.sweep_at))
    }

    /// Waits for links or for the next instant, and serves the links that have something.
    pub(super) async fn turn(&mut self, wake_at: Nanos) -> Result<(), DriveError> {
        self.pacer.arm(wake_at).map_err(DriveError::Waiting)?;
        let (pacer, target) = (&mut *self.pacer, &mut *self.engine.target);
        let mut ready = std::mem::take(&mut self.ready);
        let waiting = poll_fn(|context| {
            let due = pacer.poll_due(context)?;
            let told = target.poll_ready(context, &mut ready)?;
            match due {
                Poll::Pending if told.is_pending() => Poll::Pending,
                Poll::Pending | Poll::Ready(()) => Poll::Ready(Ok::<_, io::Error>(())),
            }
        });
        waiting.await.map_err(DriveError::Waiting)?;
        self.engine.hear_faults();
        for link in ready.drain(..) {
            self.engine.serve(link);
        }
        self.ready = ready;
        self.housekeeping();
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_A_YIELD) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// What has to be done now and then: seconds end, and calls time out.
    fn housekeeping(&mut self) {
        let engine = &mut *self.engine;
        let now = engine.options.clock.now();
        engine.roll(self.index, self.pacer, now);
        engine.reopen(now);
        engine.flush();
        if now < self.sweep_at {
            return;
        }
        let timeout = nanos(engine.options.timeout);
        self.sweep_at = now + SWEEP_EVERY.min(timeout / 4 + 1);
        if let Some(sent_before) = now.checked_sub(timeout) {
            engine.give_up(sent_before, now);
        }
        engine.depart_all(now);
        engine.tick(now);
        engine.flush();
        // As long as something is broken, not only when it began.
        if engine.is_broken() {
            engine.watch.handle_fault(now);
        }
    }

    /// Starts what is due, up to a bound; what remains is due again at once.
    fn start_due(&mut self, now: Nanos) {
        for _start in 0..STARTS_A_TURN_MAX {
            let Some((at, run)) = self.engine.timers.take_due(now) else {
                break;
            };
            self.pacer.note_start(at, now);
            self.engine.resume(run, at, now);
        }
        for stream in 0..self.arrivals.len() {
            for _start in 0..STARTS_A_TURN_MAX {
                let Some(arrival) = self.take_due(stream, now) else {
                    break;
                };
                self.start_arrival(&arrival, now);
            }
        }
        self.engine.flush();
    }

    fn take_due(&mut self, stream: usize, now: Nanos) -> Option<Arrival> {
        let elapsed = now.saturating_sub(self.started_at);
        self.arrivals[stream].next_if(|arrival| arrival.at <= elapsed)
    }

    fn start_arrival(&mut self, arrival: &Arrival, now: Nanos) {
        let engine = &mut *self.engine;
        // What has no turn before the end is late as well.
        self.pacer.note_start(self.started_at + arrival.at, now);
        let Arrival {
            client, instance, ..
        } = *arrival;
        let run = engine
            .runs
            .start(engine.plan, client, instance, Origin::Arrival);
        engine.advance(run, self.started_at + arrival.at, now);
    }

    fn release_due(&mut self, now: Nanos) {
        for round in 0..self.engine.rounds.len() {
            if let Some(at) = self.engine.rounds[round].wake_at()
                && at <= now
            {
                self.pacer.note_start(at, now);
                self.engine.release_round(round);
            }
        }
    }

    /// Cancels what has not begun, and waits for what is in flight, for a bounded time.
    async fn drain(&mut self) -> Result<(), DriveError> {
        let now = self.engine.options.clock.now();
        (self.engine.is_stopping, self.engine.stopped_at) = (true, now);
        // Whatever is still broken is healed now.
        self.engine.enter_stage(Stage::Before(self.index + 1));
        self.cancel_arrivals(now);
        while let Some((at, run)) = self.engine.timers.take() {
            self.engine.resume(run, at, now);
        }
        self.engine.depart_all(now);
        self.engine.call_back(now);
        let deadline = now + nanos(self.engine.options.drain);
        while (0 < self.engine.in_flight || self.engine.is_broken())
            && self.engine.options.clock.now() < deadline
        {
            let wake_at = self.house_at().min(deadline);
            self.turn(wake_at).await?;
        }
        // Whatever is still open is censored: it took at least this long.
        self.engine
            .give_up(Nanos::MAX, self.engine.options.clock.now());
        Ok(())
    }

    /// Arrivals of the phase that had no turn. After an interruption only those already due:
    /// the schedule asked for no more.
    fn cancel_arrivals(&mut self, now: Nanos) {
        let until = if self.engine.is_interrupted() {
            now
        } else {
            Nanos::MAX
        };
        for stream in 0..self.arrivals.len() {
            while let Some(arrival) = self.take_due(stream, until) {
                self.start_arrival(&arrival, now);
            }
        }
    }

    fn finish(&mut self, cost: &PhaseCost, drain: Drain) -> PhaseRecord {
        let phase = &self.engine.plan.phases[self.index];
        let mut recorder = std::mem::replace(&mut self.engine.recorder, Recorder::new(0));
        let conservation = recorder.conservation();
        assert!(
            conservation.holds(),
            "the books of a phase are even: {conservation:?}"
        );
        let deliveries = std::mem::take(&mut recorder.deliveries).finish(drain);
        let erasure = self.engine.partings.take_counts();
        let Recorded {
            operations,
            timeline,
            heat,
        } = recorder.finish();
        let wall_s = seconds(cost.wall.max(1));
        let is_open = !self.arrivals.is_empty();
        PhaseRecord {
            name: phase.name.clone(),
            warmup: phase.warmup,
            started_ns: self.started_at,
            duration_ns: cost.wall,
            operations,
            conservation,
            offered_rate: is_open.then(|| float(conservation.intended) / wall_s),
            achieved_rate: float(cost.sent) / wall_s,
            rendezvous: self.engine.rounds.first().map(Round::record),
            deliveries,
            erasure,
            timeline,
            heat,
        }
    }
}

/// A duration in nanoseconds; 584 years at most.
pub(super) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
