//! What a plan comes to, before anything is sent: for `stampede plan FILE`.

use std::{fmt, time::Duration};

use crate::plan::{Load, Pace, Plan, Who, World, math};

/// Arrivals that are counted one by one; beyond them a Poisson load says its mean.
const COUNTED_MAX: f64 = 5_000_000.0;

/// Injections that are shown one by one, of each phase.
const FAULTS_SHOWN_MAX: usize = 20;

/// A plan in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    /// The name of the scenario.
    pub name: String,
    /// The seed of every draw.
    pub seed: u64,
    /// The hash of the plan's canonical bytes.
    pub hash: String,
    /// What exists before the clock starts.
    pub world: World,
    /// In order.
    pub phases: Vec<PhaseSummary>,
    /// Attempts to take a place that open loops and rendezvous are expected to make, outside
    /// warm-up.
    pub attempts: f64,
    /// The same on the slot that the picks favour most.
    pub attempts_hottest: f64,
}

/// One phase in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseSummary {
    /// Its name.
    pub name: String,
    /// How long it is; for a rendezvous phase, at most.
    pub duration: Duration,
    /// Kept apart from every verdict on speed.
    pub warmup: bool,
    /// In order.
    pub loads: Vec<LoadSummary>,
    /// What is broken in it on purpose, and when.
    pub faults: Vec<(Duration, String)>,
}

/// One source of load in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSummary {
    /// The flow.
    pub flow: String,
    /// The pace in words.
    pub pace: String,
    /// Instances it starts; `None` for a closed loop, where the answers decide.
    pub starts: Option<u64>,
    /// Calls those are expected to make when nothing is refused; what was refused is not cancelled
    /// or confirmed.
    pub calls: Option<u64>,
}

impl PlanSummary {
    /// Starts and calls of all open loops and rendezvous together.
    #[must_use]
    pub fn planned(&self) -> (u64, u64) {
        let loads = self.phases.iter().flat_map(|phase| &phase.loads);
        loads.fold((0, 0), |(starts, calls), load| {
            (
                starts + load.starts.unwrap_or(0),
                calls + load.calls.unwrap_or(0),
            )
        })
    }
}

impl Plan {
    /// The plan in numbers. Walks the open loops, so it takes about as long as [`Plan::hash`].
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        let mut summary = PlanSummary {
            name: self.name.clone(),
            seed: self.seed,
            hash: self.hash(),
            world: self.world.clone(),
            phases: Vec::new(),
            attempts: 0.0,
            attempts_hottest: 0.0,
        };
        for (phase_index, phase) in self.phases.iter().enumerate() {
            let mut loads = Vec::new();
            for (load_index, load) in phase.loads.iter().enumerate() {
                let starts = self.count_starts(phase_index, load_index);
                if !phase.warmup {
                    self.add_contention(load, starts.unwrap_or(0), &mut summary);
                }
                loads.push(self.summarize_load(load, starts));
            }
            summary.phases.push(PhaseSummary {
                name: phase.name.clone(),
                duration: phase.duration,
                warmup: phase.warmup,
                loads,
                faults: self.injections(phase_index),
            });
        }
        summary
    }

    fn injections(&self, phase: usize) -> Vec<(Duration, String)> {
        let in_phase = self.faults.iter().filter(|fault| fault.phase == phase);
        in_phase
            .map(|fault| (Duration::from_nanos(fault.at), fault.to_string()))
            .collect()
    }

    fn count_starts(&self, phase: usize, load: usize) -> Option<u64> {
        match self.phases[phase].loads[load].pace {
            Pace::Open(_) => {
                let arrivals = self.arrivals(phase, load);
                let expected = arrivals.expected();
                let counted =
                    u64::try_from(arrivals.take(5_000_000).count()).expect("a count fits 64 bits");
                Some(if expected < COUNTED_MAX {
                    counted
                } else {
                    math::nanos(expected)
                })
            }
            Pace::Closed { .. } => None,
            Pace::Rendezvous { clients, times, .. } => Some(u64::from(clients) * u64::from(times)),
        }
    }

    fn add_contention(&self, load: &Load, starts: u64, summary: &mut PlanSummary) {
        for step in &self.flows[usize::from(load.flow)].steps {
            if let Some(place) = step.action.place().filter(|_| step.action.is_attempt()) {
                let attempts = math::float(starts) * step.probability();
                let chance =
                    place.agenda.chance_max() * place.day.chance_max() * place.slot.chance_max();
                summary.attempts += attempts;
                summary.attempts_hottest += attempts * chance;
            }
        }
    }

    fn summarize_load(&self, load: &Load, starts: Option<u64>) -> LoadSummary {
        let flow = &self.flows[usize::from(load.flow)];
        let calls_each: f64 = flow
            .steps
            .iter()
            .filter(|step| step.is_call())
            .map(|step| step.probability())
            .sum();
        LoadSummary {
            flow: flow.name.clone(),
            pace: describe(load),
            starts,
            calls: starts.map(|starts| math::nanos(math::float(starts) * calls_each)),
        }
    }
}

fn describe(load: &Load) -> String {
    let who = match load.who {
        Who::Everybody => String::new(),
        Who::Sellers | Who::Managers => format!(", by {}", load.who.name()),
    };
    describe_pace(&load.pace) + &who
}

fn describe_pace(pace: &Pace) -> String {
    match pace {
        Pace::Open(open) => {
            let arrival = match open.arrival {
                super::Arrivals::Even => "even",
                super::Arrivals::Poisson => "poisson",
            };
            let (from, to) = (open.rate_from, open.rate_to);
            if (from - to).abs() < f64::EPSILON {
                format!("open, {from}/s, {arrival}")
            } else {
                format!("open, {from}/s to {to}/s, {arrival}")
            }
        }
        Pace::Closed { clients, in_flight } => {
            format!("closed: {clients} clients, {in_flight} in flight each")
        }
        Pace::Rendezvous {
            clients,
            times,
            spread_max,
        } => format!(
            "rendezvous: {clients} clients at once, {times} times, within {}",
            humantime::format_duration(*spread_max)
        ),
    }
}

impl PlanSummary {
    fn write_contention(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, capacity) = (self.world.keys(), self.world.capacity);
        let mean = self.attempts / math::float(keys);
        writeln!(out, "  keys        {keys} slots of capacity {capacity}")?;
        writeln!(
            out,
            "  contention  {mean:.1} attempts a slot, at most {:.0} on the hottest (closed loops not counted)",
            self.attempts_hottest
        )
    }
}

impl fmt::Display for PlanSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} (seed {})", self.name, self.seed)?;
        for phase in &self.phases {
            write!(out, "{phase}")?;
        }
        let (starts, calls) = self.planned();
        writeln!(
            out,
            "  planned     {starts} starts, up to {calls} calls (closed loops not counted)"
        )?;
        writeln!(out, "  world       {}", self.world)?;
        if self.world.keys() > 0 {
            self.write_contention(out)?;
        }
        writeln!(out, "  plan        {}", self.hash)
    }
}

impl fmt::Display for PhaseSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warmup = if self.warmup { ", warm-up" } else { "" };
        writeln!(
            out,
            "  {} ({}{warmup})",
            self.name,
            humantime::format_duration(self.duration)
        )?;
        for load in &self.loads {
            write!(out, "    {:<12}{}", load.flow, load.pace)?;
            match (load.starts, load.calls) {
                (Some(starts), Some(calls)) => {
                    writeln!(out, ": {starts} starts, up to {calls} calls")?;
                }
                _ => writeln!(out)?,
            }
        }
        for (at, what) in self.faults.iter().take(FAULTS_SHOWN_MAX) {
            let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            writeln!(
                out,
                "    fault       {} in: {what}",
                humantime::format_duration(at)
            )?;
        }
        if FAULTS_SHOWN_MAX < self.faults.len() {
            let more = self.faults.len() - FAULTS_SHOWN_MAX;
            writeln!(out, "    fault       and {more} more")?;
        }
        Ok(())
    }
}
