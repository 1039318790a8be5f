//! The plan: a scenario with every draw decided, the same bytes for the same seed.
//!
//! A validated scenario and a seed go in; arrivals, and the steps of each flow instance, come out.
//! Open loops are a stream of arrivals at `start + i / rate`; closed loops are lanes that draw
//! their next instance when the last one ended. Deliberately absent: clocks, sockets, outcomes.

mod canon;
mod compile;
mod draw;
mod fault;
mod lane;
pub(crate) mod math;
mod summary;
mod systems;
#[cfg(test)]
mod tests;
mod world;

use std::time::Duration;

use crate::{fault::NetworkFault, operation::Nanos};

pub use self::{
    compile::PlanOptions,
    draw::{Draws, Pause, SAVED_LEN_MAX, Step},
    fault::{Fault, PlannedFault, STRIKES_MAX},
    lane::Lane,
    summary::PlanSummary,
    systems::{Address, CatalogueStep, ChatStep, Population, Ref, SalesStep},
    world::{Who, World},
};
pub(crate) use self::{
    draw::{Action, Pick, PlacePick, Select},
    fault::longest,
    lane::StreamOwner,
};

/// A scenario, decided.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The name of the scenario.
    pub name: String,
    /// The seed of every draw.
    pub seed: u64,
    /// What exists before the clock starts.
    pub world: World,
    /// In order.
    pub phases: Vec<Phase>,
    /// Step lists, by [`Instance::flow`].
    pub flows: Vec<Flow>,
    /// What is broken on purpose, in the order in which it is due.
    pub faults: Vec<PlannedFault>,
}

impl Plan {
    /// Whether something must stand between clients and server for its faults.
    #[must_use]
    pub fn needs_proxy(&self) -> bool {
        self.faults
            .iter()
            .any(|planned| !planned.fault.is_of_process())
    }

    /// What is done to the connections.
    pub fn network_faults(&self) -> impl Iterator<Item = NetworkFault> {
        self.faults
            .iter()
            .filter_map(|planned| match planned.fault {
                Fault::Network(fault) => Some(fault),
                Fault::KillServer | Fault::RestartServer | Fault::PauseServer => None,
            })
    }

    /// The first injection that needs a server of the run's own.
    #[must_use]
    pub fn first_of_process(&self) -> Option<&PlannedFault> {
        self.faults
            .iter()
            .find(|planned| planned.fault.is_of_process())
    }
}

/// One phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it offers load. A rendezvous phase ends when its rendezvous are over.
    pub duration: Duration,
    /// Kept apart from every verdict on speed.
    pub warmup: bool,
    /// What is offered, all at once.
    pub loads: Vec<Load>,
}

/// One source of load.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Which flow its instances run.
    pub flow: u16,
    /// Whose clients run them.
    pub who: Who,
    /// When they start.
    pub pace: Pace,
    /// Time between the end of an instance and the start of the next in a closed loop; the
    /// lane draws it. Nothing in the other paces.
    pub think: Pause,
}

/// When instances start.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// Open loop: by the schedule, whatever the answers do. Walk it with [`Plan::arrivals`].
    Open(OpenLoop),
    /// Closed loop: each lane starts its next instance when the last one ended.
    Closed {
        /// Clients taking part: the first ones of those whose load it is.
        clients: u32,
        /// Lanes (unanswered operations) a client keeps going at once.
        in_flight: u32,
    },
    /// Everybody at once, `times` times: each release waits until all of the last are answered.
    Rendezvous {
        /// Clients taking part, as above.
        clients: u32,
        /// How many releases.
        times: u32,
        /// First to last send allowed.
        spread_max: Duration,
    },
}

/// Rate over time of an open loop.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLoop {
    /// Starts a second at the beginning of the phase.
    pub rate_from: f64,
    /// Starts a second at its end; equal for a constant rate.
    pub rate_to: f64,
    /// How starts are spread.
    pub arrival: Arrivals,
}

/// Starts that one open loop may be expected to make: they are numbered in 32 bits.
pub const STARTS_MAX: f64 = 4e9;

impl OpenLoop {
    /// Starts that the rate stands for over this long.
    #[must_use]
    pub fn starts(&self, duration: Duration) -> f64 {
        f64::midpoint(self.rate_from, self.rate_to) * duration.as_secs_f64()
    }
}

/// How the starts of an open loop are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly: start i at the instant the rate's integral reaches i.
    Even,
    /// A Poisson process of that rate.
    Poisson,
}

/// One start of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// After the phase's start.
    pub at: Nanos,
    /// Who.
    pub client: u32,
    /// What.
    pub instance: Instance,
}

/// One run through a flow; all of its draws follow from `seed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Which flow.
    pub flow: u16,
    /// The seed of its draws.
    pub seed: u64,
    /// Its number: of the release in a rendezvous, of the arrival in an open loop, of the lane's
    /// instances in a closed one, always from 0. The pick `round` counts by it.
    pub round: u32,
}

/// The steps of a flow.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
}

/// One step of an instance, drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// Let this much time pass after the last answer.
    Wait(Nanos),
    /// Close the client's connection, and come back after this much time.
    Offline(Nanos),
    /// Ask this.
    Call(DrawnCall),
}

/// A call, drawn: numbers of the world, and what the instance made by the name it was saved under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrawnCall {
    /// Take a place, and remember the booking.
    Reserve {
        /// Where.
        place: Place,
        /// Save the booking under this number; `None` to forget it.
        save: Option<u8>,
    },
    /// Take a place for a while.
    Hold {
        /// Where.
        place: Place,
        /// For how long.
        seconds: u32,
        /// Save the booking under this number; `None` to forget it.
        save: Option<u8>,
    },
    /// Give a saved booking back. Skipped when nothing was saved (its reserve was refused).
    Cancel {
        /// Which.
        saved: u8,
    },
    /// Keep a saved hold. Skipped when nothing was saved.
    Confirm {
        /// Which.
        saved: u8,
    },
    /// Queue for a slot.
    JoinWaitlist {
        /// Where.
        place: Place,
    },
    /// Leave the queue.
    LeaveWaitlist {
        /// Where.
        place: Place,
    },
    /// Read a day.
    ListSlots {
        /// Where; the slot number is not looked at.
        place: Place,
    },
    /// Read one's own bookings.
    MyBookings,
    /// Forget whoever asks.
    EraseMe,
    /// Of the chat, or something said in passing.
    Chat {
        /// What.
        step: ChatStep<Ref>,
        /// Save what it makes under this number.
        save: Option<u8>,
    },
    /// Of the catalogue.
    Catalogue {
        /// What.
        step: CatalogueStep<Ref>,
        /// Save what it makes under this number.
        save: Option<u8>,
    },
    /// Of the sales.
    Sales(SalesStep<Ref>),
}

/// A slot of the plan's world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub agenda: u32,
    /// From 0.
    pub day: u32,
    /// From 0.
    pub slot: u16,
}
