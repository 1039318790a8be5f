//! The order of a run, and what is due: clients enter, then each phase offers its load as planned,
//! waits for what is in flight, and until everybody was shown what is theirs.
//!
//! Instants go in; what is due by then is started, in the planned order and with its planned instant
//! however late it is, and the next instant comes out. What one turn may start is bounded, so that
//! answers are read meanwhile.

use std::{iter::Peekable, ops::Range};

use reports::record::PhaseRecord;

use super::{Core, OperationLog, Second, Stage, nanos, rendezvous::Round, run::Origin};
use crate::{
    arrival::ArrivalStream,
    deliveries::Drain,
    operation::{Nanos, Observer},
    plan::{Arrival, Pace},
    recorder::{Recorded, Recorder, float, seconds},
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

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// That everybody is told of pushes.
    Entering { deadline: Nanos },
    /// Nothing: the next phase begins at once.
    Between,
    /// The end of the phase.
    Offering,
    /// Answers to what is in flight.
    Draining { wall: Nanos, deadline: Nanos },
    /// Pushes that the server is known to have for somebody.
    CatchingUp { wall: Nanos, deadline: Nanos },
    /// That nobody is pushed anything any more.
    Settling {
        wall: Nanos,
        /// How long catching up took.
        took: Nanos,
        deadline: Nanos,
        /// Since when nobody is asked anything.
        answered_at: Option<Nanos>,
    },
    /// Nothing: the run is over.
    Over,
}

impl Step {
    pub(super) const fn entering(now: Nanos) -> Self {
        Self::Entering {
            deadline: now.saturating_add(ENTER_MAX),
        }
    }

    /// Where the run is, which is through with so many phases.
    pub(super) const fn stage(&self, through: usize, started_at: Nanos) -> Stage {
        match self {
            Self::Entering { .. } | Self::Between => Stage::Before(through),
            Self::Offering => Stage::In(through, started_at),
            Self::Draining { .. } | Self::CatchingUp { .. } | Self::Settling { .. } => {
                Stage::Before(through + 1)
            }
            Self::Over => Stage::Over,
        }
    }
}

/// The phase that runs.
#[derive(Debug, Default)]
pub(super) struct Phase {
    pub(super) started_at: Nanos,
    arrivals: Vec<Peekable<ArrivalStream>>,
    /// Closed loops whose clients are not all started yet.
    starting: Vec<Starting>,
}

/// Clients of a closed loop that are to be started.
#[derive(Debug)]
struct Starting {
    load: usize,
    clients: Range<u32>,
    in_flight: u32,
}

impl<W: Observer, L: OperationLog> Core<'_, W, L> {
    /// When [`Self::handle_due`] wants to be called, at the latest; nothing when the run is over.
    pub fn poll_wake(&mut self) -> Option<Nanos> {
        let deadline = match self.step {
            Step::Over => return None,
            Step::Between => 0,
            Step::Offering => self.planned_at(),
            Step::Entering { deadline }
            | Step::Draining { deadline, .. }
            | Step::CatchingUp { deadline, .. } => deadline,
            Step::Settling {
                deadline,
                answered_at,
                ..
            } => self.quiet_at(answered_at).unwrap_or(deadline).min(deadline),
        };
        Some(self.house_at().min(deadline))
    }

    /// It is so late now: does what is due, and goes on with the run.
    pub fn handle_due(&mut self, now: Nanos) {
        // Between two phases there are no seconds to end, and nobody waited since the last turn.
        if !matches!(self.step, Step::Between) {
            self.housekeeping(now);
        }
        if matches!(self.step, Step::Offering) {
            self.start_due(now);
        }
        while let Some(next) = self.next_step(now) {
            self.step = next;
            if matches!(next, Step::Between | Step::Offering | Step::Over) {
                break;
            }
        }
    }

    /// What the run goes on with, if it goes on.
    fn next_step(&mut self, now: Nanos) -> Option<Step> {
        match self.step {
            Step::Entering { deadline } => {
                let is_over = self.calls.links.entering == 0 || deadline <= now;
                is_over.then_some(Step::Between)
            }
            Step::Between => Some(self.begin_phase(now)),
            Step::Offering => self.is_over(now).then(|| self.begin_drain(now)),
            Step::Draining { wall, deadline } => {
                let is_open = 0 < self.calls.in_flight || self.calls.is_broken;
                (!is_open || deadline <= now).then(|| {
                    // Whatever is still open is censored: it took at least this long.
                    self.calls.give_up(Nanos::MAX, now);
                    self.begin_catch_up(wall, now)
                })
            }
            Step::CatchingUp { wall, deadline } => self.catch_up(wall, deadline, now),
            Step::Settling { .. } => self.settle(now),
            Step::Over => None,
        }
    }

    fn begin_phase(&mut self, now: Nanos) -> Step {
        let index = self.phases.len();
        if self.calls.is_interrupted || self.calls.plan.phases.len() <= index {
            return Step::Over;
        }
        self.calls.recorder = Recorder::new(now);
        self.calls.log.begin_phase(now);
        self.calls.is_stopping = false;
        self.sweep_at = now;
        self.phase = Phase {
            started_at: now,
            ..Phase::default()
        };
        self.begin_loads(index, now);
        Step::Offering
    }

    fn begin_loads(&mut self, index: usize, now: Nanos) {
        let plan = self.calls.plan;
        self.calls.lanes.clear();
        self.calls.rounds.clear();
        for (load, source) in plan.phases[index].loads.iter().enumerate() {
            let first = plan.world.clients_of(source.who).start;
            match &source.pace {
                Pace::Open(_rates) => {
                    let stream = plan.arrivals(index, load);
                    self.phase.arrivals.push(stream.peekable());
                }
                Pace::Closed { clients, in_flight } => self.phase.starting.push(Starting {
                    load,
                    clients: first..first + *clients,
                    in_flight: *in_flight,
                }),
                Pace::Rendezvous {
                    clients,
                    times,
                    spread_max,
                } => {
                    let lane = |client| plan.lane(index, load, client, 0);
                    let lanes = (first..first + *clients).map(lane).collect();
                    let round = Round::new((first, lanes), *times, *spread_max, now);
                    self.calls.rounds.push(round);
                }
            }
        }
        self.phase.starting.reverse(); // the last one is started first
    }

    /// Starts the closed loops of one more client, if there is one. What it wrote is to be sent before
    /// the next.
    pub fn handle_start(&mut self, now: Nanos) -> bool {
        while let Some(starting) = self.phase.starting.last_mut() {
            let (load, in_flight) = (starting.load, starting.in_flight);
            if let Some(client) = starting.clients.next() {
                (0..in_flight).for_each(|lane| self.start_lane(load, client, lane, now));
                return true;
            }
            self.phase.starting.pop();
        }
        false
    }

    fn start_lane(&mut self, load: usize, client: u32, lane: u32, now: Nanos) {
        let (index, calls) = (self.phases.len(), &mut self.calls);
        let mut lane = calls.plan.lane(index, load, client, lane);
        let (instance, think) = lane.next();
        let origin = Origin::Lane(calls.lanes.len());
        calls.lanes.push(lane);
        let run = calls.runs.start(calls.plan, client, instance, origin);
        // A closed loop has no schedule: a lane is due when it exists and has thought.
        calls.advance(run, now + think, now);
    }

    fn is_over(&mut self, now: Nanos) -> bool {
        if self.calls.is_interrupted {
            return true;
        }
        let ends_at = self.ends_at();
        let rounds = &self.calls.rounds;
        if !rounds.is_empty() {
            return rounds.iter().all(Round::is_over)
                || ends_at + self.calls.options.overtime <= now;
        }
        // All arrivals are due by the end: a schedule that is a little behind catches up first.
        let is_behind = self
            .phase
            .arrivals
            .iter_mut()
            .any(|stream| stream.peek().is_some());
        ends_at + if is_behind { BEHIND_MAX } else { 0 } <= now
    }

    fn ends_at(&self) -> Nanos {
        let duration = self.calls.plan.phases[self.phases.len()].duration;
        self.phase.started_at + nanos(duration)
    }

    /// The next instant of the phase at which something is to be done without being told.
    fn planned_at(&mut self) -> Nanos {
        let started_at = self.phase.started_at;
        let peek = |stream: &mut Peekable<ArrivalStream>| stream.peek().map(|next| next.at);
        let arrivals = self.phase.arrivals.iter_mut().filter_map(peek);
        let planned = arrivals
            .map(|at| started_at + at)
            .chain(self.calls.rounds.iter().filter_map(Round::wake_at))
            .chain(self.calls.timers.next_at())
            .min()
            .unwrap_or(Nanos::MAX);
        if self.calls.rounds.is_empty() {
            planned.min(self.ends_at())
        } else {
            planned
        }
    }

    /// When something is to be done that nobody planned: looking at clocks, connecting again.
    fn house_at(&self) -> Nanos {
        let comes_at = self.calls.links.comes_at();
        comes_at.map_or(self.sweep_at, |at| at.min(self.sweep_at))
    }

    /// What has to be done now and then: seconds end, and calls time out.
    fn housekeeping(&mut self, now: Nanos) {
        let calls = &mut self.calls;
        calls.recorder.roll(now);
        if let Some(point) = calls.recorder.take_ended() {
            let phase = self.phases.len();
            self.second = Some(Second { phase, point });
        }
        calls.reopen(now);
        if now < self.sweep_at {
            return;
        }
        let timeout = calls.options.timeout;
        self.sweep_at = now + SWEEP_EVERY.min(timeout / 4 + 1);
        if let Some(sent_before) = now.checked_sub(timeout) {
            calls.give_up(sent_before, now);
        }
        calls.depart_all(now);
        calls.tick(now);
        // As long as something is broken, not only when it began.
        if calls.is_broken {
            calls.watch.handle_fault(now);
        }
    }

    /// Starts what is due, up to a bound; what remains is due again at once.
    fn start_due(&mut self, now: Nanos) {
        for _start in 0..STARTS_A_TURN_MAX {
            let Some((at, run)) = self.calls.timers.take_due(now) else {
                break;
            };
            self.lateness.note_start(at, now);
            self.calls.resume(run, at, now);
        }
        for stream in 0..self.phase.arrivals.len() {
            for _start in 0..STARTS_A_TURN_MAX {
                let Some(arrival) = self.take_due(stream, now) else {
                    break;
                };
                self.start_arrival(&arrival, now);
            }
        }
    }

    fn take_due(&mut self, stream: usize, now: Nanos) -> Option<Arrival> {
        let elapsed = now.saturating_sub(self.phase.started_at);
        self.phase.arrivals[stream].next_if(|arrival| arrival.at <= elapsed)
    }

    fn start_arrival(&mut self, arrival: &Arrival, now: Nanos) {
        let due = self.phase.started_at + arrival.at;
        // What has no turn before the end is late as well.
        self.lateness.note_start(due, now);
        let Arrival {
            client, instance, ..
        } = *arrival;
        let calls = &mut self.calls;
        let run = calls
            .runs
            .start(calls.plan, client, instance, Origin::Arrival);
        calls.advance(run, due, now);
    }

    /// Makes a rendezvous ready that is due: when it is to be released. To be asked when nothing is left
    /// to write, so that a frame that is ready leaves on its instant and not before.
    pub fn begin_release(&mut self, now: Nanos) -> Option<Nanos> {
        if !matches!(self.step, Step::Offering) {
            return None;
        }
        for round in 0..self.calls.rounds.len() {
            if let Some(at) = self.calls.rounds[round].wake_at()
                && at <= now
            {
                self.lateness.note_start(at, now);
                return self.calls.begin_release(round);
            }
        }
        None
    }

    /// Releases the next client of a rendezvous, whose instant has come: whose bytes are to be written
    /// before the next is asked for. `None` when all are released.
    pub fn handle_release(&mut self, now: Nanos) -> Option<u32> {
        self.calls.handle_release(now)
    }

    /// Cancels what has not begun; what is in flight is waited for, for a bounded time.
    fn begin_drain(&mut self, now: Nanos) -> Step {
        (self.calls.is_stopping, self.calls.stopped_at) = (true, now);
        self.phase.starting.clear();
        self.cancel_arrivals(now);
        while let Some((at, run)) = self.calls.timers.take() {
            self.calls.resume(run, at, now);
        }
        self.calls.depart_all(now);
        self.calls.call_back(now);
        Step::Draining {
            wall: now - self.phase.started_at,
            deadline: now + self.calls.options.drain,
        }
    }

    /// Arrivals of the phase that had no turn. After an interruption only those already due:
    /// the schedule asked for no more.
    fn cancel_arrivals(&mut self, now: Nanos) {
        let until = if self.calls.is_interrupted {
            now
        } else {
            Nanos::MAX
        };
        for stream in 0..self.phase.arrivals.len() {
            while let Some(arrival) = self.take_due(stream, until) {
                self.start_arrival(&arrival, now);
            }
        }
    }

    /// The phase is over: its record.
    pub(super) fn finish_phase(&mut self, wall: Nanos, drain: Drain) -> Step {
        let phase = &self.calls.plan.phases[self.phases.len()];
        let mut recorder = std::mem::replace(&mut self.calls.recorder, Recorder::new(0));
        let conservation = recorder.conservation();
        assert!(
            conservation.holds(),
            "the books of a phase are even: {conservation:?}"
        );
        let deliveries = std::mem::take(&mut recorder.deliveries).finish(drain);
        let Recorded {
            operations,
            timeline,
            heat,
        } = recorder.finish();
        let wall_s = seconds(wall.max(1));
        let is_open = !self.phase.arrivals.is_empty();
        self.phases.push(PhaseRecord {
            name: phase.name.clone(),
            warmup: phase.warmup,
            started_ns: self.phase.started_at,
            duration_ns: wall,
            operations,
            conservation,
            offered_rate: is_open.then(|| float(conservation.intended) / wall_s),
            achieved_rate: float(conservation.sent) / wall_s,
            rendezvous: self.calls.rounds.first().map(Round::record),
            deliveries,
            erasure: self.calls.partings.take_counts(),
            timeline,
            heat,
        });
        Step::Between
    }
}
