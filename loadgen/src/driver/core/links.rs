//! Connections of clients: lost, given up for a while, and made again.
//!
//! Losses and wishes to be offline go in; the moments at which clients want their next connection
//! are kept here, and connections are asked for then, a bounded number at a time. What was unanswered
//! the clients keep. Deliberately absent: when a client comes back (see the crate `client`), and sockets.

use std::collections::BTreeMap;

use reports::record::ConnectionsRecord;

use super::{
    Action, OperationLog,
    calls::{CallEngine, client_of},
    timers::TimerQueue,
};
use crate::{
    client::Unanswered,
    deliveries::Return,
    operation::{LinkChange, Nanos, Observer},
};

/// Connections that are being made at once: half of what a server's queue of them holds by
/// default, beyond which they would wait for a second and more without anybody knowing why.
const ENTERING_MAX: u32 = 512;

/// All connections, as far as they are not just there.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Lost, not by choice; and of them, those on which something came that nobody understood.
    pub(super) counts: ConnectionsRecord,
    /// Clients that want a connection, and when.
    coming: TimerQueue,
    /// Connections that are there or being made, and nobody's yet.
    pub(super) entering: u32,
    /// Clients that came back and may not have everything yet.
    returning: BTreeMap<u32, Returning>,
}

/// A client on its way back.
#[derive(Debug, Clone, Copy)]
struct Returning {
    /// What it came to so far.
    so_far: Return,
    /// Up to where it missed something; `None` before the server took note of it.
    newest: Option<u64>,
}

impl Links {
    /// When the next connection is to be made, if one may be.
    pub(super) fn comes_at(&self) -> Option<Nanos> {
        self.coming
            .next_at()
            .filter(|_at| self.entering < ENTERING_MAX)
    }
}

impl<W: Observer, L: OperationLog> CallEngine<'_, W, L> {
    /// All connections are there and somebody's: clients say what they have to say first.
    pub(super) fn enter(&mut self) {
        self.links.entering = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        self.write_all();
    }

    /// Has everything written that anybody has to say.
    pub(super) fn write_all(&mut self) {
        let clients = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        self.dirty.extend(0..clients);
    }

    /// Asks for the connections that are due.
    pub(super) fn reopen(&mut self, now: Nanos) {
        while self.links.comes_at().is_some_and(|at| at <= now) {
            let Some((_at, link)) = self.links.coming.take() else {
                return;
            };
            // It may have been lost again meanwhile, and want to come later.
            if client_of(&mut self.clients, link).poll_connect(now) {
                self.open(link, now);
            }
        }
    }

    fn open(&mut self, link: u32, now: Nanos) {
        self.links.entering += 1;
        let so_far = Return {
            began_at: now,
            caught_up_at: now,
            pending: 0,
        };
        let returning = Returning {
            so_far,
            newest: None,
        };
        self.links.returning.insert(link, returning);
        self.changes.push_back(Action::Connect(link));
    }

    /// The connection that a client asked for is there, or being made.
    pub(super) fn handle_connected(&mut self, link: u32, now: Nanos) {
        client_of(&mut self.clients, link).handle_connected(now);
        self.dirty.push(link);
    }

    /// Something came on a connection that this program does not understand: nothing behind it can be
    /// trusted either.
    pub(super) fn lose_unread(&mut self, link: u32, why: &dyn std::error::Error, now: Nanos) {
        self.links.counts.unread += 1;
        (self.links.counts.why).get_or_insert_with(|| why.to_string());
        self.lose(link, why, now);
    }

    /// A connection is gone. What was unanswered on it is asked again on the next; if there will
    /// be none, it may or may not have happened.
    pub(super) fn lose(&mut self, link: u32, why: &dyn std::error::Error, now: Nanos) {
        let client = client_of(&mut self.clients, link);
        if client.is_away() && !client.has_ended() {
            return;
        }
        let was_open = client.is_subscribed();
        client.handle_loss(now);
        // Whoever was erased has no session any more, and that is how they are told.
        let is_parting = self.has_parted(link);
        self.links.counts.lost += u64::from(!is_parting);
        // A server that dies loses all of them: one line says it.
        if self.links.counts.lost == 1 && !is_parting {
            tracing::warn!(client = link, error = %why, "lost a connection");
        } else {
            tracing::debug!(client = link, error = %why, "lost a connection");
        }
        self.leave(link, was_open, now);
        let client = client_of(&mut self.clients, link);
        match client.connect_at() {
            Some(at) => self.links.coming.add(at, link),
            None => self.give_up_all(link, now),
        }
    }

    /// A client closes its connection because the plan wants it, until then.
    pub(super) fn go_offline(&mut self, link: u32, until: Nanos, now: Nanos) {
        let client = client_of(&mut self.clients, link);
        if client.has_ended() {
            return;
        }
        let (was_open, was_away) = (client.is_open(), client.is_away());
        client.go_offline(until);
        if !was_away {
            self.leave(link, was_open, now);
        }
        self.links.coming.add(until, link);
    }

    /// Whoever is offline comes back now: the phase is over.
    pub(super) fn call_back(&mut self, now: Nanos) {
        for link in 0..self.clients.len() {
            let client = &mut self.clients[link];
            if client.is_offline(now) {
                client.go_offline(now);
                let link = u32::try_from(link).unwrap_or(u32::MAX);
                self.links.coming.add(now, link);
            }
        }
    }

    fn leave(&mut self, link: u32, was_open: bool, now: Nanos) {
        self.changes.push_back(Action::Close(link));
        if was_open {
            self.watch.handle_link(link, LinkChange::Ended, now);
        } else {
            self.links.entering = self.links.entering.saturating_sub(1);
        }
        self.settle(link);
    }

    fn give_up_all(&mut self, link: u32, now: Nanos) {
        while let Some(unanswered) = client_of(&mut self.clients, link).give_up(Nanos::MAX, now) {
            self.handle_unanswered(unanswered, now);
        }
    }

    pub(super) fn handle_unanswered(&mut self, unanswered: Unanswered, now: Nanos) {
        match unanswered {
            Unanswered::Call(finished) => self.complete(&finished, now),
            Unanswered::Duplicate => self.in_flight -= 1,
            Unanswered::Standing => {}
        }
    }

    /// A client is told of pushes again, from behind `from`.
    pub(super) fn handle_subscribed(&mut self, link: u32, (from, newest): (u64, u64), now: Nanos) {
        self.links.entering = self.links.entering.saturating_sub(1);
        self.watch
            .handle_link(link, LinkChange::Subscribed { from, newest }, now);
        if let Some(returning) = self.links.returning.get_mut(&link) {
            returning.newest = Some(newest);
            returning.so_far.caught_up_at = now;
            if newest <= from {
                self.settle(link);
            }
        }
    }

    /// A client was shown something: of what it missed, or the first behind it.
    pub(super) fn note_return(&mut self, link: u32, seq: u64, now: Nanos) {
        let Some(returning) = self.links.returning.get_mut(&link) else {
            return;
        };
        if returning.newest.is_none_or(|newest| seq <= newest) {
            returning.so_far.pending += 1;
            returning.so_far.caught_up_at = now;
        } else {
            self.settle(link);
        }
    }

    /// A client that came back has what it missed, or is gone again.
    fn settle(&mut self, link: u32) {
        let returning = self.links.returning.remove(&link);
        if let Some(returning) = returning.filter(|returning| returning.newest.is_some()) {
            self.recorder.deliveries.come_back(&returning.so_far);
        }
    }

    /// The phase is over: whoever came back in it was shown what they will be. Whoever is still on
    /// the way belongs to the next.
    pub(super) fn settle_all(&mut self) {
        let here = |(link, returning): (&u32, &Returning)| returning.newest.map(|_here| *link);
        let links: Vec<u32> = self.links.returning.iter().filter_map(here).collect();
        links.into_iter().for_each(|link| self.settle(link));
    }

    /// Does what clients have to do by themselves: pings, and noticing who is silent.
    pub(super) fn tick(&mut self, now: Nanos) {
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            let tended = client.handle_timeout(now);
            let has_words = !client.out().is_empty();
            let link = u32::try_from(index).unwrap_or(u32::MAX);
            match tended {
                Ok(()) if has_words => self.dirty.push(link),
                Ok(()) => {}
                Err(error) => self.lose(link, &error, now),
            }
        }
    }
}
