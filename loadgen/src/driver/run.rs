//! Flow instances on their way: who runs them, what they saved, and what they ask next.
//!
//! Drawn steps go in, calls about real slots and bookings come out. Slots of finished instances
//! are used again, so that an instance costs no allocation. Deliberately absent: time, sockets.

use crate::{
    operation::{Call, Nanos, Slot},
    plan::{Drawn, DrawnCall, Draws, Instance, Plan},
    world_map::WorldMap,
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

/// What an instance does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ahead {
    /// It asks.
    Call(Call),
    /// Its client has no connection for so long.
    Offline(Nanos),
}

/// One instance.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) client: u32,
    pub(super) origin: Origin,
    /// What waits for its time, or was done last.
    pub(super) ahead: Ahead,
    /// Whether this instance has asked anything yet.
    pub(super) has_asked: bool,
    save: Option<u8>,
    draws: Draws,
    saved: Vec<Saved>,
}

#[derive(Debug, Clone, Copy)]
struct Saved {
    number: u8,
    booking: u64,
    slot: Slot,
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
            ahead: Ahead::Call(Call::MyBookings),
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
    pub(super) fn walk(&mut self, plan: &Plan, world: &WorldMap, at: &mut Nanos) -> Option<Ahead> {
        loop {
            match self.draws.next(plan)? {
                Drawn::Wait(wait) => *at = at.saturating_add(wait),
                Drawn::Call(drawn) => {
                    let (call, save) = self.resolve(drawn, world);
                    self.save = save;
                    // Nothing was saved under that name: the step is skipped.
                    if let Some(call) = call {
                        self.ahead = Ahead::Call(call);
                        self.has_asked = true;
                        return Some(self.ahead);
                    }
                }
            }
        }
    }

    /// The last call was accepted, at this position: a booking, if it made one.
    pub(super) fn accept(&mut self, seq: u64) {
        let Ahead::Call(call) = self.ahead else {
            return;
        };
        if let (Some(number), Some(slot)) = (self.save, call.slot()) {
            self.saved.retain(|saved| saved.number != number);
            self.saved.push(Saved {
                number,
                booking: seq,
                slot,
            });
        }
    }

    fn begin(&mut self, draws: Draws) {
        self.draws = draws;
        self.saved.clear();
        self.save = None;
        self.has_asked = false;
    }

    fn resolve(&self, drawn: DrawnCall, world: &WorldMap) -> (Option<Call>, Option<u8>) {
        let slot = |place| world.slot(place);
        let saved = |number| self.saved.iter().find(|saved| saved.number == number);
        match drawn {
            DrawnCall::Reserve { place, save } => (Some(Call::Reserve { slot: slot(place) }), save),
            DrawnCall::Hold {
                place,
                seconds,
                save,
            } => {
                let slot = slot(place);
                (Some(Call::Hold { slot, seconds }), save)
            }
            DrawnCall::Cancel { saved: number } => {
                let cancel = |Saved { booking, slot, .. }: &Saved| Call::Cancel {
                    booking: *booking,
                    slot: *slot,
                };
                (saved(number).map(cancel), None)
            }
            DrawnCall::Confirm { saved: number } => {
                let confirm = |Saved { booking, slot, .. }: &Saved| Call::Confirm {
                    booking: *booking,
                    slot: *slot,
                };
                (saved(number).map(confirm), None)
            }
            DrawnCall::JoinWaitlist { place } => {
                (Some(Call::JoinWaitlist { slot: slot(place) }), None)
            }
            DrawnCall::LeaveWaitlist { place } => {
                (Some(Call::LeaveWaitlist { slot: slot(place) }), None)
            }
            DrawnCall::ListSlots { place } => (Some(Call::ListSlots { slot: slot(place) }), None),
            DrawnCall::MyBookings => (Some(Call::MyBookings), None),
        }
    }
}
