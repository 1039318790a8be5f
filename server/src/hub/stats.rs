//! What the hub knows of how the server is.
//!
//! Counted in plain numbers as things happen, copied out when somebody keeps stats. Deliberately
//! absent: where they go (`health`).

use super::{Hub, Transport};
use crate::{
    health::{Requests, Serving},
    session::{Action, RequestKind},
};

impl Requests {
    /// Counts what a connection demands.
    pub(super) const fn note(&mut self, demand: &Action<'_>) {
        match demand {
            Action::Ask(asked) => match asked.what {
                RequestKind::Command { .. } | RequestKind::TooLate => self.commands += 1,
                RequestKind::Query { .. } => self.queries += 1,
                RequestKind::Auth { .. } => self.auths += 1,
            },
            Action::Signal { .. } => self.signals += 1,
            Action::More | Action::Close | Action::Nothing => {}
        }
    }
}

impl<T: Transport> Hub<T> {
    /// How it stands with everything that lives on the thread that serves.
    pub(crate) fn stats(&self) -> Serving {
        let (engine, connections) = (&self.parts.engine, &self.connections);
        Serving {
            decided: engine.decided().seq,
            durable: engine.durable().seq,
            waiting_records: engine.waiting(),
            waiting_deliveries: connections.delivery.len(),
            behind: connections.delivery.catching_up(),
            connections: connections.admitted,
            connections_max: self.parts.connections_max,
            sessions: connections.people.values().map(Vec::len).sum(),
            people: connections.people.len(),
            held_bytes: connections.held_bytes(),
            held_bytes_peak: connections.held_peak,
            accepted: connections.accepted,
            requests: self.requests,
            refusals: connections.refusals.clone(),
            ..Serving::default()
        }
    }
}
