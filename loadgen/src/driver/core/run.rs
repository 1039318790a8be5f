//! Flow instances on their way: who runs them, what they saved, and what they ask next.
//!
//! Drawn steps go in, what to do about real things comes out (see `resolve`). Slots of finished
//! instances are used again, so that an instance costs no allocation. Deliberately absent: time, sockets.

use super::resolve::{Next, Resolver, Saved};
use crate::{
    client::Client,
    operation::{Call, Nanos, Slot},
    plan::{Drawn, Draws, Instance, Plan},
};

/// Where an instance came from, and so what happens when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An open loop: nothing happens.
    Arrival,
    /// A lane of a closed loop, by number: its next instance starts.
    Lane(usize),
    /// A rendezvous, by number: one of those it waits for.
    Round(usize),
}

/// One instance.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) client: u32,
    pub(super) origin: Origin,
    /// What waits for its time.
    pub(super) next: Option<Next>,
    /// The call that was asked last.
    call: Call,
    /// Whether this instance has asked anything yet.
    pub(super) has_asked: bool,
    save: Option<u8>,
    draws: Draws,
    saved: Vec<Saved>,
}

/// All instances on their way, by number.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    free: Vec<u32>,
}

impl Runs {
    /// Begins an instance.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        client: u32,
        instance: Instance,
        origin: Origin,
    ) -> u32 {
        let draws = instance.draws(plan);
        if let Some(number) = self.free.pop() {
            let run = self.run(number);
            (run.client, run.origin) = (client, origin);
            run.begin(draws);
            return number;
        }
        self.runs.push(Run {
            client,
            origin,
            next: None,
            call: Call::MyBookings,
            has_asked: false,
            save: None,
            draws,
            saved: Vec::new(),
        });
        u32::try_from(self.runs.len() - 1).expect("fewer instances than requests outstanding")
    }

    /// Begins the next instance of a lane in the place of its last one.
    pub(super) fn restart(&mut self, number: u32, plan: &Plan, instance: Instance) {
        self.run(number).begin(instance.draws(plan));
    }

    /// An instance by its number.
    pub(super) fn run(&mut self, number: u32) -> &mut Run {
        let index = usize::try_from(number).expect("32 bits fit an index");
        self.runs.get_mut(index).expect("numbers come from `start`")
    }

    /// An instance is over; its number will be used again.
    pub(super) fn release(&mut self, number: u32) {
        self.free.push(number);
    }
}

impl Run {
    /// Walks to what it does next, adding waits to `at`. `None` at the end of the flow.
    pub(super) fn walk(&mut self, plan: &Plan, client: &Client, at: &mut Nanos) -> Option<Next> {
        loop {
            match self.draws.next(plan)? {
                Drawn::Wait(wait) => *at = at.saturating_add(wait),
                Drawn::Offline(length) => return Some(Next::Leave(length)),
                Drawn::Call(drawn) => {
                    let resolver = Resolver {
                        client: client.id(),
                        world: client.world(),
                        knowledge: client.knowledge(),
                        saved: &self.saved,
                    };
                    // Nothing was saved under that name, or shown: the step is left out.
                    if let Some((next, save)) = resolver.resolve(&drawn) {
                        if let Next::Ask(call) = &next {
                            (self.call, self.save) = (*call, save);
                            self.has_asked = true;
                        }
                        return Some(next);
                    }
                }
            }
        }
    }

    /// The last call was accepted, at this position: the id of what it made, if it made something.
    pub(super) fn accept(&mut self, seq: u64) {
        if let Some(number) = self.save {
            self.saved.retain(|saved| saved.number != number);
            self.saved.push(Saved {
                number,
                id: seq,
                slot: self.call.slot().unwrap_or(Slot(0)),
            });
        }
    }

    fn begin(&mut self, draws: Draws) {
        self.draws = draws;
        self.saved.clear();
        (self.next, self.save) = (None, None);
        self.has_asked = false;
    }
}
