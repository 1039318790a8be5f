//! The hub's part in connections that speak lines.
//!
//! Lines become frames before the session sees them, and its frames become lines when they are sent;
//! both happen here, because the names that a dialect uses are in the state. Deliberately absent:
//! what the lines say (`line`).

use std::ops::ControlFlow;

use protocol::{Code, Refusal};

use super::{Errand, Hub};
use crate::{
    connections::id_of,
    domain::systems::OwnedCommand,
    engine::Ask,
    line::{Farewell, Lines},
    net::Link,
};

/// What the nonces of a server's connections are made from.
pub type NonceSeed = [u8; 32];

impl Hub {
    /// Takes a new connection in that speaks lines, as [`Hub::connect`] does.
    pub fn connect_lines(&mut self, link: Link, seed: &NonceSeed) -> u64 {
        let id = self.connect(link);
        let Some(index) = self.connections.find(id) else {
            return id;
        };
        let hash = blake3::keyed_hash(seed, &id.to_le_bytes());
        let nonce = hash.as_bytes().first_chunk();
        let nonce = nonce.expect("32 bytes begin with 16");
        self.connections.slab[index].lines = Some(Box::new(Lines::new(*nonce)));
        // In lines it goes without saying.
        self.handle_asks(index, &Lines::hello());
        // The welcome is kept for whoever asks for it, maybe before anything is sent.
        self.write_lines(index);
        id
    }

    /// As [`Hub::handle_input`], of lines.
    pub(super) fn handle_lines(
        &mut self,
        id: u64,
        index: usize,
        bytes: &[u8],
        errands: &mut Vec<Errand>,
    ) -> ControlFlow<()> {
        let systems = self.parts.engine.systems();
        let connection = &mut self.connections.slab[index];
        let Some(lines) = &mut connection.lines else {
            return ControlFlow::Break(());
        };
        let mut frames = Vec::new();
        let read = lines.handle_bytes(bytes, systems, &mut frames);
        let handled = self.handle_frames(id, index, &frames, errands);
        if read.is_break() {
            // The last line has said why.
            let session = &mut self.connections.slab[index].session;
            session.handle_end(Refusal::new(Code::BAD_LINE));
        }
        self.connections.mark_dirty(index);
        if handled.is_break() { handled } else { read }
    }

    /// Sends what waits to be sent in lines.
    pub(super) fn send_lines(&mut self) {
        while let Some(index) = self.connections.voiced.pop() {
            let connection = &mut self.connections.slab[index];
            connection.is_voiced = false;
            if connection.is_blocked {
                connection.cut_if_slow();
            } else if self.write_lines(index) {
                let connection = &mut self.connections.slab[index];
                connection.is_blocked = true;
                let blocked = (id_of(index, connection.serial), connection.link.clone());
                self.connections.blocked.push(blocked);
            }
        }
    }

    /// As [`Hub::handle_writable`], in lines.
    pub(super) fn handle_writable_lines(&mut self, index: usize) -> bool {
        let is_blocked = self.write_lines(index);
        self.connections.slab[index].is_blocked = is_blocked;
        is_blocked
    }

    fn write_lines(&mut self, index: usize) -> bool {
        let systems = self.parts.engine.systems();
        let mut asks = Vec::new();
        let is_blocked = self.connections.send_lines(index, systems, &mut asks);
        if !asks.is_empty() {
            self.handle_asks(index, &asks);
        }
        let connection = &mut self.connections.slab[index];
        if connection
            .lines
            .as_ref()
            .is_some_and(|lines| lines.is_over())
        {
            // The last line has said why.
            connection.session.handle_end(Refusal::new(Code::BAD_LINE));
            self.connections.mark_dirty(index);
        }
        is_blocked
    }

    /// Takes in what a dialect asks by itself: frames like any other.
    pub(super) fn handle_asks(&mut self, index: usize, asks: &[u8]) {
        let id = id_of(index, self.connections.slab[index].serial);
        let mut errands = std::mem::take(&mut self.late_errands);
        // A conversation that is over asks nothing more, which its session knows.
        let _is_over = self.handle_frames(id, index, asks, &mut errands);
        self.late_errands = errands;
        self.connections.mark_dirty(index);
        self.is_turn_wanted = true;
    }

    /// Whether something was asked outside of a turn, which needs one. Once.
    pub const fn take_turn_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.is_turn_wanted, false)
    }

    /// Errands of what was asked outside of a connection's input.
    pub fn take_errands(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.late_errands)
    }

    /// Whether something is unanswered or unsent on a connection.
    #[must_use]
    pub fn is_waiting(&self, id: u64) -> bool {
        let index = self.connections.find(id);
        index.is_some_and(|index| self.connections.slab[index].is_waiting())
    }

    /// Does what is left to do for somebody whose connection has ended.
    pub(super) fn bid_farewell(&mut self, id: u64) {
        let Some(index) = self.connections.find(id) else {
            return;
        };
        let lines = self.connections.slab[index].lines.as_mut();
        let Some(Farewell { user, commands }) = lines.and_then(|lines| lines.farewell()) else {
            return;
        };
        if self.is_draining {
            return;
        }
        for (key, command) in &commands {
            let command = OwnedCommand::new(command);
            let ask = Ask {
                origin: None,
                actor: user,
                key: *key,
                command: command.bytes(),
            };
            // Nobody waits for an answer. When there is no room, or no reading the log, the session lasts
            // until it expires.
            let _submitted = self.decide(self.wall_ms(), &ask);
        }
        self.is_turn_wanted = true;
    }
}
