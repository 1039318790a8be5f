//! When the instances of an open loop start.
//!
//! A rate over time goes in; arrivals come out, in order of time. Instants come from the inverse
//! of the rate's integral, computed anew for each arrival: no step is added to the one before, so
//! nothing drifts, however long the phase. Deliberately absent: clocks, and what the answers were.

use std::ops::Range;

use rand::{Rng, rngs::ChaCha8Rng};

use crate::{
    operation::Nanos,
    plan::{Arrival, Arrivals, Instance, OpenLoop, Pace, Plan, StreamOwner, math},
};

const NANOS_PER_SECOND: f64 = 1e9;

/// The arrivals of one open loop, in order.
#[derive(Debug)]
pub struct ArrivalStream {
    curve: Curve,
    arrival: Arrivals,
    random: ChaCha8Rng,
    clients: Range<u32>,
    flow: u16,
    index: u32,
    /// The rate's integral at the last arrival of a Poisson process.
    reached: f64,
}

impl Plan {
    /// The arrivals of an open loop, from the first. A load of another pace has none.
    ///
    /// # Panics
    /// When the plan has no such phase or load.
    #[must_use]
    pub fn arrivals(&self, phase: usize, load: usize) -> ArrivalStream {
        let source = &self.phases[phase].loads[load];
        let (curve, arrival) = match &source.pace {
            Pace::Open(open) => (
                Curve::new(open, self.phases[phase].duration.as_secs_f64()),
                open.arrival,
            ),
            Pace::Closed { .. } | Pace::Rendezvous { .. } => (Curve::NONE, Arrivals::Even),
        };
        ArrivalStream {
            curve,
            arrival,
            random: self.stream(phase, load, StreamOwner::Arrivals),
            clients: self.world.clients_of(source.who),
            flow: source.flow,
            index: 0,
            reached: 0.0,
        }
    }
}

impl ArrivalStream {
    /// How many arrivals the rate stands for: their exact number when they come evenly, the mean
    /// of it when they are a Poisson process.
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.curve.total()
    }

    fn next_at(&mut self) -> Option<Nanos> {
        match self.arrival {
            Arrivals::Even => self.reached = f64::from(self.index),
            Arrivals::Poisson => self.reached += math::exponential(self.random.next_u64()),
        }
        self.curve.instant(self.reached)
    }
}

impl Iterator for ArrivalStream {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let at = self.next_at()?;
        let Range { start, end } = self.clients;
        let client = start + math::below(self.random.next_u64(), end - start);
        let seed = self.random.next_u64();
        let instance = Instance {
            flow: self.flow,
            seed,
            round: self.index,
        };
        self.index = self.index.checked_add(1)?;
        Some(Arrival {
            at,
            client,
            instance,
        })
    }
}

/// A rate that goes in a straight line from one value to another.
#[derive(Debug, Clone, Copy)]
struct Curve {
    from: f64,
    to: f64,
    seconds: f64,
}

impl Curve {
    /// A rate that never lets anything start.
    const NONE: Self = Self {
        from: 0.0,
        to: 0.0,
        seconds: 0.0,
    };

    const fn new(open: &OpenLoop, seconds: f64) -> Self {
        Self {
            from: open.rate_from,
            to: open.rate_to,
            seconds,
        }
    }

    /// The integral over the whole phase.
    fn total(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }

    /// When the integral reaches `count`; `None` when the phase is over by then.
    fn instant(&self, count: f64) -> Option<Nanos> {
        if count >= self.total() {
            return None;
        }
        // The root of `from * t + (to - from) / (2 * seconds) * t^2 = count`, in the form that
        // loses no digits when the two rates are close.
        let root = (self.from * self.from + 2.0 * count * self.slope())
            .max(0.0)
            .sqrt();
        let divisor = self.from + root;
        let at = if count > 0.0 {
            2.0 * count * NANOS_PER_SECOND / divisor
        } else {
            0.0
        };
        Some(math::nanos(at))
    }

    fn slope(&self) -> f64 {
        (self.to - self.from) / self.seconds
    }
}
