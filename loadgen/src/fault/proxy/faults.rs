//! Which faults are on, what they ask of every byte, and what came of each.
//!
//! Faults go in and out by number; whoever carries one out notes what it did. Deliberately absent:
//! carrying them out (`pipe`, `pair`, `relay`).

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use crate::{
    fault::{Effects, NetworkFault},
    operation::Nanos,
};

/// The number of a fault, in the order in which they were applied.
pub(super) type FaultNumber = u64;

/// A delay that is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delay {
    pub(super) by: Nanos,
    pub(super) jitter: Nanos,
}

/// A throttle that is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Throttle {
    pub(super) fault: FaultNumber,
    pub(super) bytes_per_second: NonZeroU64,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: FaultNumber,
    on: BTreeMap<FaultNumber, Applied>,
    // What follows from those that are on; looked at for every piece that is read.
    delays: Vec<(FaultNumber, Delay)>,
    throttle: Option<Throttle>,
    split: Option<(FaultNumber, NonZeroU16)>,
    is_door_shut: bool,
}

#[derive(Debug)]
struct Applied {
    fault: NetworkFault,
    injected: Effects,
    touched: BTreeSet<u64>,
}

impl Faults {
    /// Switches a fault on.
    pub(super) fn apply(&mut self, fault: NetworkFault) -> FaultNumber {
        self.count += 1;
        let applied = Applied {
            fault,
            injected: Effects::default(),
            touched: BTreeSet::new(),
        };
        self.on.insert(self.count, applied);
        self.work_out();
        self.count
    }

    /// Switches a fault off. `None` if it is not on.
    pub(super) fn heal(&mut self, fault: FaultNumber) -> Option<(NetworkFault, Effects)> {
        let healed = self.on.remove(&fault)?;
        self.work_out();
        let touched = u64::try_from(healed.touched.len()).unwrap_or(u64::MAX);
        let injected = Effects {
            connections: touched,
            ..healed.injected
        };
        Some((healed.fault, injected))
    }

    /// Notes what a fault did to a connection. Those that are not on any more are not told of.
    pub(super) fn note(&mut self, fault: FaultNumber, connection: u64, did: Effects) {
        let nothing = Effects::default();
        if let Some(applied) = self.on.get_mut(&fault).filter(|_| did != nothing) {
            applied.touched.insert(connection);
            let sum = &mut applied.injected;
            sum.bytes_held += did.bytes_held;
            sum.bytes_dropped += did.bytes_dropped;
            sum.pieces += did.pieces;
        }
    }

    /// Notes that a fault ended a connection, and how many bytes went with it.
    pub(super) fn note_cut(&mut self, fault: FaultNumber, connection: u64, dropped: Effects) {
        if let Some(applied) = self.on.get_mut(&fault) {
            applied.touched.insert(connection);
        }
        self.note(fault, connection, dropped);
    }

    /// Whether every byte may pass as it comes.
    pub(super) const fn is_calm(&self) -> bool {
        self.delays.is_empty() && self.throttle.is_none() && self.split.is_none()
    }

    /// The n-th of the delays, which add up.
    pub(super) fn delay(&self, index: usize) -> Option<(FaultNumber, Delay)> {
        self.delays.get(index).copied()
    }

    /// The throttle that counts: the tightest.
    pub(super) const fn throttle(&self) -> Option<Throttle> {
        self.throttle
    }

    /// The splitting that counts: the finest.
    pub(super) const fn split(&self) -> Option<(FaultNumber, NonZeroU16)> {
        self.split
    }

    /// Whether new connections are held.
    pub(super) const fn is_door_shut(&self) -> bool {
        self.is_door_shut
    }

    fn work_out(&mut self) {
        self.delays.clear();
        (self.throttle, self.split, self.is_door_shut) = (None, None, false);
        for (number, applied) in &self.on {
            match applied.fault {
                NetworkFault::Cut { .. } | NetworkFault::HalfOpen { .. } => {}
                NetworkFault::Delay { by, jitter } => {
                    let (by, jitter) = (nanos(by), nanos(jitter));
                    self.delays.push((*number, Delay { by, jitter }));
                }
                NetworkFault::Throttle { bytes_per_second } => {
                    let throttle = Throttle {
                        fault: *number,
                        bytes_per_second,
                    };
                    let is_tighter = |now: Throttle| bytes_per_second < now.bytes_per_second;
                    if self.throttle.is_none_or(is_tighter) {
                        self.throttle = Some(throttle);
                    }
                }
                NetworkFault::SplitBytes { piece_max } => {
                    if self.split.is_none_or(|(_fault, max)| piece_max < max) {
                        self.split = Some((*number, piece_max));
                    }
                }
                NetworkFault::ReconnectStorm => self.is_door_shut = true,
            }
        }
    }
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
