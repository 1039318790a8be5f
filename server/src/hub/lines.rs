//! The hub's part in connections that speak lines.
//!
//! Lines become frames before the session sees them, and its frames become lines when they are sent;
//! both happen here, because the names that a dialect uses are in the state. Deliberately absent:
//! what the lines say (`line`).

use protocol::{Code, Refusal};

use super::{
    Errand, Flow, Hub, Work,
    turn::{FRAME_WORK, Heard, LINES_AT_ONCE},
};
use crate::{
    clock::wall_ms,
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

    /// As `hear_frames`, of lines: some at a time become frames, and all of these are heard.
    pub(super) fn hear_lines(
        &mut self,
        at: Heard,
        input: &[u8],
        work: &mut Work,
        errands: &mut Vec<Errand>,
    ) -> (usize, Flow) {
        let mut taken_bytes = 0;
        loop {
            if let Some(flow) = self.pause(at.index, *work) {
                return (taken_bytes, flow);
            }
            let rest = &input[taken_bytes..];
            let systems = self.parts.engine.systems();
            let Some(lines) = &mut self.connections.slab[at.index].lines else {
                return (taken_bytes, Flow::Over);
            };
            let mut frames = Vec::new();
            let taken = lines.handle_bytes(rest, LINES_AT_ONCE, systems, &mut frames);
            taken_bytes += taken.bytes;
            work.spend(FRAME_WORK * taken.lines);
            // What is looked at costs, also if it is no line yet: it is looked at again with more.
            work.spend_bytes(if taken.lines == 0 {
                rest.len()
            } else {
                taken.bytes
            });
            let is_over = self.hear_all(at, &frames, work, errands).is_break();
            if taken.flow.is_break() {
                // The last line has said why.
                let session = &mut self.connections.slab[at.index].session;
                session.handle_end(Refusal::new(Code::BAD_LINE));
            }
            if is_over || taken.flow.is_break() {
                return (taken_bytes, Flow::Over);
            }
            if taken.lines == 0 && !self.connections.pause_if_held(at.index) {
                return (taken_bytes, Flow::Read);
            }
        }
    }

    /// Sends what waits to be sent in lines.
    pub(super) fn send_lines(&mut self) {
        while let Some(index) = self.connections.voiced.pop() {
            // The connection may be another one by now, which has nothing to send.
            let Some(connection) = self.connections.slab.get_mut(index) else {
                continue;
            };
            if !std::mem::take(&mut connection.is_voiced) {
                continue;
            }
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
        let (at, mut work) = (self.heard_now(id, index), Work::turn());
        // A conversation that is over asks nothing more, which its session knows.
        let _is_over = self.hear_all(at, asks, &mut work, &mut errands);
        self.late_errands = errands;
        let debt = &mut self.connections.slab[index].debt;
        *debt = debt.saturating_add(work.spent());
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
            let _submitted = self.decide(wall_ms(), &ask, &mut Work::turn());
        }
        self.is_turn_wanted = true;
    }
}
