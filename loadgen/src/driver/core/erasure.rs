//! People who have themselves erased: they finish what they are at, ask for it, and do nothing more.
//!
//! Steps that are due go in; whether they are taken comes out. From the step on nobody begins
//! anything for that person on any of their devices, and the call is sent when nothing of theirs is
//! unanswered. So everything they ever asked was over before it, whatever anybody makes of a session
//! that ends in the middle of a request; and nothing is asked of a server that has to refuse it.
//! What they would have done after it is counted as left out. Deliberately absent: whether the server
//! did it. They are gone for the driver whatever they are told.

use std::collections::BTreeMap;

use reports::record::ErasureRecord;

use super::{
    OperationLog,
    calls::{CallEngine, client_of},
    resolve::Next,
};
use crate::operation::{Call, Nanos, Observer};

/// Everybody who is on their way out, or is gone.
#[derive(Debug, Default)]
pub(super) struct Partings {
    /// By user of the plan: the instance that waits to ask for it, and since when it is due;
    /// `None` when it was asked.
    people: BTreeMap<u32, Option<(u32, Nanos)>>,
    /// Whoever waits to ask.
    waiting: usize,
    /// Of the phase that runs.
    counts: ErasureRecord,
}

impl Partings {
    /// What the phase that is over came to; nothing if nobody was concerned.
    pub(super) fn take_counts(&mut self) -> Option<ErasureRecord> {
        let counts = std::mem::take(&mut self.counts);
        (counts != ErasureRecord::default()).then_some(counts)
    }
}

impl<W: Observer, L: OperationLog> CallEngine<'_, W, L> {
    /// Whether a client does nothing more, because its person is being erased or is.
    pub(super) fn has_parted(&self, client: u32) -> bool {
        !self.partings.people.is_empty() && self.partings.people.contains_key(&self.user_of(client))
    }

    fn user_of(&self, client: u32) -> u32 {
        client / self.plan.world.devices.max(1)
    }

    fn clients_of(&self, user: u32) -> std::ops::Range<u32> {
        let devices = self.plan.world.devices.max(1);
        user * devices..(user + 1) * devices
    }

    /// Whether a step is not taken, because of who would take it.
    pub(super) fn leaves_out(&mut self, client: u32, next: Option<&Next>) -> bool {
        let is_left_out = next.is_some() && !self.is_stopping && self.has_parted(client);
        self.partings.counts.left_out += u64::from(is_left_out);
        is_left_out
    }

    /// The call that leaves at once is of somebody who asks to be erased.
    pub(super) fn note_parting(&mut self, client: u32) {
        let user = self.user_of(client);
        self.partings.people.insert(user, None);
        self.partings.counts.people += 1;
    }

    /// Somebody is to ask to be erased, as soon as nothing else of theirs is under way.
    pub(super) fn part(&mut self, run: u32, at: Nanos, now: Nanos) {
        let client = self.runs.run(run).client;
        let user = self.user_of(client);
        self.partings.people.insert(user, Some((run, at)));
        self.partings.waiting += 1;
        self.request_erasure(client, now);
    }

    /// Asks for it, if whoever this client belongs to waited to and has nothing unanswered any more.
    pub(super) fn request_erasure(&mut self, client: u32, now: Nanos) {
        if self.partings.waiting == 0 {
            return;
        }
        let user = self.user_of(client);
        let Some(Some((run, at))) = self.partings.people.get(&user).copied() else {
            return;
        };
        let mut clients = self.clients_of(user);
        let is_idle = clients.all(|number| client_of(&mut self.clients, number).is_idle());
        if !is_idle && !self.is_stopping {
            return;
        }
        self.partings.waiting -= 1;
        self.partings.people.insert(user, None);
        if self.send(run, &Call::EraseMe, at, now) {
            self.partings.counts.people += 1;
        } else {
            // They were to be, and stay: they are away, there was no room, or the phase is over.
            self.partings.people.remove(&user);
            if let Some(next_at) = self.end(run, at, now) {
                self.advance(run, next_at, now);
            }
        }
    }

    /// Whoever still waits to ask does so now: for calls that were given up, and at the end.
    pub(super) fn depart_all(&mut self, now: Nanos) {
        if self.partings.waiting == 0 {
            return;
        }
        let waits = |(user, waiting): (&u32, &Option<(u32, Nanos)>)| waiting.map(|_run| *user);
        let users: Vec<u32> = self.partings.people.iter().filter_map(waits).collect();
        for user in users {
            let first = self.clients_of(user).start;
            self.request_erasure(first, now);
        }
    }
}
