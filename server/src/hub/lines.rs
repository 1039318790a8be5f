//! The hub's part in connections that speak lines.
//!
//! Lines become frames before the session sees them, and its frames become lines when they are sent;
//! both happen here, because the names that a dialect uses are in the state. Deliberately absent:
//! what the lines say (`line`).

use protocol::{Code, Refusal};

use super::{
    Flow, Hub, Job, Transport, Work, id_of,
    subscribers::Topic,
    turn::{FRAME_WORK, Heard, LINES_AT_ONCE},
};
use crate::{
    domain::systems::OwnedCommand,
    engine::Ask,
    line::{Farewell, Language, Lines},
    time_base::Now,
};

/// What the nonces of a server's connections are made from.
pub type NonceSeed = [u8; 32];

/// How a listener speaks lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineOptions {
    /// Random.
    pub seed: NonceSeed,
    /// What the classic dialect speaks to people in.
    pub language: Language,
}

/// People in the lists that are made anew in one tick: a millisecond or two of work. Beyond, classic
/// connections wait for their list, each for its turn.
const LISTED_MAX: usize = 5_000;

impl<T: Transport> Hub<T> {
    /// Takes a new connection in that speaks lines, as [`Hub::connect`] does.
    pub fn connect_lines(&mut self, now: Now, link: T, options: &LineOptions) -> u64 {
        let id = self.connect(now, link);
        let Some(index) = self.connections.find(id) else {
            return id;
        };
        let hash = blake3::keyed_hash(&options.seed, &id.to_le_bytes());
        let nonce = hash.as_bytes().first_chunk();
        let nonce = nonce.expect("32 bytes begin with 16");
        let lines = Lines::new(*nonce, options.language);
        self.connections.slab[index].lines = Some(Box::new(lines));
        // In lines it goes without saying.
        self.handle_asks(now, index, &Lines::hello());
        // The welcome is kept for whoever asks for it, maybe before anything is sent.
        self.write_lines(now, index);
        id
    }

    /// As `hear_frames`, of lines: some at a time become frames, and all of these are heard.
    pub(super) fn hear_lines(&mut self, at: Heard, input: &[u8], work: &mut Work) -> (usize, Flow) {
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
            let is_over = self.hear_all(at, &frames, work).is_break();
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
    pub(super) fn send_lines(&mut self, now: Now) {
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
            } else if self.write_lines(now, index) {
                let connection = &mut self.connections.slab[index];
                connection.is_blocked = true;
                let blocked = (id_of(index, connection.serial), connection.link.clone());
                self.connections.blocked.push(blocked);
            }
        }
    }

    /// As [`Hub::handle_writable`], in lines.
    pub(super) fn handle_writable_lines(&mut self, now: Now, index: usize) -> bool {
        let is_blocked = self.write_lines(now, index);
        self.connections.slab[index].is_blocked = is_blocked;
        is_blocked
    }

    fn write_lines(&mut self, now: Now, index: usize) -> bool {
        let systems = self.parts.engine.systems();
        let mut asks = Vec::new();
        let is_blocked = self.connections.send_lines(index, systems, &mut asks);
        if !asks.is_empty() {
            self.handle_asks(now, index, &asks);
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
    pub(super) fn handle_asks(&mut self, now: Now, index: usize, asks: &[u8]) {
        let id = id_of(index, self.connections.slab[index].serial);
        let (at, mut work) = (Heard { id, index, now }, Work::turn());
        // A conversation that is over asks nothing more, which its session knows.
        let _is_over = self.hear_all(at, asks, &mut work);
        let debt = &mut self.connections.slab[index].debt;
        *debt = debt.saturating_add(work.spent());
        self.connections.mark_dirty(index);
        self.is_turn_wanted = true;
    }

    /// Has classic connections ask anew who is there, if that has changed: as many as a tick has time
    /// for, and the next tick goes on with the others.
    pub(super) fn refresh_lists(&mut self, now: Now) {
        let Some(classic) = self.connections.delivery.subscribers.of(Topic::Arrivals) else {
            return;
        };
        let ids = classic.as_slice().iter();
        let mut indices: Vec<usize> = ids.filter_map(|id| self.connections.find(*id)).collect();
        indices.sort_unstable();
        let next = indices.partition_point(|index| *index <= self.listed);
        indices.rotate_left(next);
        let mut left = LISTED_MAX;
        for index in indices {
            let mut asks = Vec::new();
            let Some(lines) = &mut self.connections.slab[index].lines else {
                continue;
            };
            let people = lines.refresh_users(now.mono, &mut asks);
            if people == 0 {
                continue;
            }
            self.listed = index;
            self.handle_asks(now, index, &asks);
            left = left.saturating_sub(people);
            if left == 0 {
                break;
            }
        }
    }

    /// Whether something was asked outside of a turn, which needs one. Once.
    pub const fn take_turn_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.is_turn_wanted, false)
    }

    /// The next job that the hub has for others.
    pub fn poll_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Whether something is unanswered or unsent on a connection.
    #[must_use]
    pub fn is_waiting(&self, id: u64) -> bool {
        let index = self.connections.find(id);
        index.is_some_and(|index| self.connections.slab[index].is_waiting())
    }

    /// Does what is left to do for somebody whose connection has ended.
    pub(super) fn on_disconnect(&mut self, now: Now, id: u64) {
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
            let _submitted = self.decide(now.wall, &ask, &mut Work::turn());
        }
        self.is_turn_wanted = true;
    }
}
