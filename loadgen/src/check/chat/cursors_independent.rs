//! O4, one cursor a device: it never falls, and no other device moves it.
//!
//! Each device is a client of its own. It must not go on from before a position that it went on from
//! or moved its cursor to; and once it has gone on from somewhere, not from beyond everything that
//! it was pushed and moved to itself: another device of the same person may be further.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Completed, Ended, Invoked, Law, Linked},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, ChatCall, LinkChange, Nanos, Operation, Outcome},
};

/// One device.
#[derive(Debug, Clone, Copy, Default)]
struct Device {
    /// Where its connections go on from at least.
    low: u64,
    /// The highest position that it had or asked for.
    high: u64,
    is_known: bool,
}

/// The law.
#[derive(Debug)]
pub(crate) struct CursorsIndependent {
    devices: HashMap<u32, Device, FixedState>,
    returns: u64,
    finding: Finding,
}

impl Law for CursorsIndependent {
    const ABOUT: About = About {
        name: "cursors-independent",
        demands: "A device's cursor never falls, and no other device moves it.",
        confidence: "certificate: where each connection goes on from, against the client's own positions",
        topic: Topic::Chat,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            devices: HashMap::with_hasher(FixedState::with_seed(0)),
            returns: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Chat(ChatCall::MoveCursor { seq }) = *invoked.call {
            self.handle_move(invoked.id.0, seq);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        if let (Call::Chat(ChatCall::MoveCursor { seq }), Outcome::Ok) =
            (operation.call, operation.outcome)
        {
            self.handle_moved(operation, seq);
        }
    }

    fn on_link(&mut self, linked: &Linked, world: &World) {
        if let LinkChange::Subscribed { from, newest } = linked.change {
            let link = world.chat.mailbox.link(linked.client);
            let pushed = link.map_or(0, |link| link.pushed);
            self.handle_subscribed(linked.client, (from, newest), pushed, linked.now);
        }
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("devices that came back", self.returns);
        self.finding
    }
}

impl CursorsIndependent {
    /// A device asks for its cursor to be moved: from now on it may be there.
    fn handle_move(&mut self, client: u32, seq: u64) {
        let device = self.devices.entry(client).or_default();
        device.high = device.high.max(seq);
    }

    /// Its cursor was moved.
    fn handle_moved(&mut self, operation: &Operation, seq: u64) {
        let device = self.devices.entry(operation.client).or_default();
        device.low = device.low.max(seq);
    }

    /// A device goes on from `from`, having been pushed everything up to `pushed` before.
    fn handle_subscribed(
        &mut self,
        client: u32,
        (from, newest): (u64, u64),
        pushed: u64,
        now: Nanos,
    ) {
        let device = self.devices.entry(client).or_default();
        device.high = device.high.max(pushed);
        let Device {
            low,
            high,
            is_known,
        } = *device;
        *device = Device {
            low: low.max(from),
            high: high.max(from),
            is_known: true,
        };
        self.returns += u64::from(is_known);
        if newest < from {
            // Nothing would be owed to a device that went on from the future.
            self.convict((client, from), now, format!("position {newest} at most"));
        } else if from < low {
            self.convict((client, from), now, format!("position {low} or beyond"));
        } else if is_known && high < from {
            self.convict((client, from), now, format!("position {high} at most"));
        }
    }

    fn convict(&mut self, (client, from): (u32, u64), now: Nanos, expected: String) {
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {client} went on from position {from} at {}, when its own cursor had been at {expected}",
                crate::check::finding::time_text(now),
            ),
            witnesses: vec![Witness::told(
                format!("client {client}"),
                "connected".to_owned(),
                "went on".to_owned(),
                from,
            )],
            order: "session: what this device was shown and asked for before",
            expected,
        });
    }
}
