//! A turn: how much is done for one connection before others are heard.
//!
//! Every connection that has something to say has its turn: a bounded amount of work, counted in units of
//! about a microsecond, which no clock is asked for. What it sent beyond that waits until its next turn.
//! So whatever one connection sends, and however much of it, another waits for one turn of each of
//! those before it and no longer. Deliberately absent: whose turn it is (`net`).

use std::ops::ControlFlow;

use protocol::{Code, Refusal};

use super::{Hub, Transport, query::Asker};
use crate::{
    engine::{Ask, Origin, PREFETCHED},
    session::{Action, PendingRequest, RequestKind, ServerFacts},
    time_base::Now,
};

/// Units of work in one turn: the deepest pipeline of short requests that a client may have, twice.
pub const TURN_WORK: u32 = 128;

/// Units of work for a connection that says something after it said nothing, before it queues like those who
/// say more: a pipeline of sixteen. Hundreds that begin at once are through with that in some ten milliseconds.
const FRESH_WORK: u32 = 32;

/// What is done in one turn of the server for connections that queued.
pub const ROUND_WORK: u32 = 8 * TURN_WORK;

/// What reading from a socket costs: a system call.
pub const READ_WORK: u32 = 4;

/// What every frame or line costs, with each [`BYTES_A_UNIT`] of its bytes.
pub(super) const FRAME_WORK: u32 = 1;

/// Bytes of a frame, of a line or of an answer that cost a unit more.
const BYTES_A_UNIT: usize = 512;

/// What a query costs that is answered from memory, beside the bytes of its answer.
pub(super) const QUERY_WORK: u32 = 4;

/// What it costs to look through many rows: those of a search, or of all connections when a session ends.
pub(super) const SEARCH_WORK: u32 = 64;

/// Connections looked at for a unit of work.
const CONNECTIONS_A_UNIT: usize = 32;

/// What a page of the log costs: up to fifty rows, each looked up on the disk's behalf. A turn of the server
/// holds one.
pub(super) const PAGE_WORK: u32 = ROUND_WORK;

/// What it costs to find one row of the log, as for a command that was decided before.
pub(super) const ROW_WORK: u32 = 16;

/// What a password costs: the hashing is done by others, but whoever shows one after the other queues.
const AUTH_WORK: u32 = TURN_WORK;

/// Lines that become frames at once.
pub(super) const LINES_AT_ONCE: u32 = 16;

/// How much of a turn is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    spent: u32,
    max: u32,
}

impl Work {
    /// The turn of a connection that was silent.
    #[must_use]
    pub const fn fresh() -> Self {
        Self {
            spent: 0,
            max: FRESH_WORK,
        }
    }

    /// The turn of a connection that queued for it.
    #[must_use]
    pub const fn turn() -> Self {
        Self {
            spent: 0,
            max: TURN_WORK,
        }
    }

    /// So much more was done.
    pub const fn spend(&mut self, units: u32) {
        self.spent = self.spent.saturating_add(units);
    }

    /// As [`Work::spend`], of something with so many bytes.
    pub(super) fn spend_bytes(&mut self, bytes: usize) {
        self.spend(u32::try_from(bytes / BYTES_A_UNIT).unwrap_or(u32::MAX));
    }

    /// As [`Work::spend`], of looking at so many connections.
    pub(super) fn spend_connections(&mut self, connections: usize) {
        self.spend(u32::try_from(connections / CONNECTIONS_A_UNIT).unwrap_or(u32::MAX));
    }

    /// What was done so far.
    #[must_use]
    pub const fn spent(self) -> u32 {
        self.spent
    }

    /// Whether the turn is over.
    #[must_use]
    pub const fn is_spent(self) -> bool {
        self.max <= self.spent
    }
}

/// How a connection goes on when it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Everything was considered: read more.
    Read,
    /// Its turn is over: go on with [`Hub::handle_input`] in its next one, without reading more before that.
    Again,
    /// Nothing more is considered, and nothing may be read, until [`Hub::take_resumed`] names it.
    Held,
    /// The conversation is over.
    Over,
}

/// Whose turn it is, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) id: u64,
    pub(super) index: usize,
    pub(super) now: Now,
}

impl<T: Transport> Hub<T> {
    /// Takes bytes in from a connection and acts on whole frames for as long as its turn lasts: `work`
    /// is what it did before, and grows. Returns how it goes on; jobs wait for [`Hub::poll_job`]. What
    /// it was shown and has not considered it shows itself the next time.
    pub fn handle_input(&mut self, now: Now, id: u64, bytes: &[u8], work: &mut Work) -> Flow {
        let Some(index) = self.connections.find(id) else {
            return Flow::Over;
        };
        let connection = &mut self.connections.slab[index];
        work.spend(std::mem::take(&mut connection.debt));
        let mut inbox = std::mem::take(&mut connection.inbox);
        let at = Heard { id, index, now };
        let flow = if inbox.is_empty() {
            let (taken, flow) = self.hear(at, bytes, work);
            inbox.push(&bytes[taken..]);
            flow
        } else {
            inbox.push(bytes);
            let (taken, flow) = self.hear(at, inbox.unread(), work);
            inbox.take(taken);
            flow
        };
        if flow != Flow::Over {
            self.connections.slab[index].inbox = inbox;
        }
        self.connections.mark_dirty(index);
        flow
    }

    /// Whether a connection is still there.
    #[must_use]
    pub fn is_connected(&self, id: u64) -> bool {
        self.connections.find(id).is_some()
    }

    /// Bytes to read at once from a connection.
    #[must_use]
    pub fn read_len(&self) -> usize {
        self.connections.share().read
    }

    /// Connections that were held and go on: call [`Hub::handle_input`] for each in its next turn.
    pub fn take_resumed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.connections.resumed)
    }

    /// Considers what a connection sent, until its turn is over. Returns how many bytes were taken.
    fn hear(&mut self, at: Heard, input: &[u8], work: &mut Work) -> (usize, Flow) {
        if self.connections.slab[at.index].lines.is_some() {
            self.hear_lines(at, input, work)
        } else {
            self.hear_frames(at, input, work)
        }
    }

    fn hear_frames(&mut self, at: Heard, input: &[u8], work: &mut Work) -> (usize, Flow) {
        let mut rest = input;
        for nth in 0.. {
            let taken = input.len() - rest.len();
            if let Some(flow) = self.pause(at.index, *work) {
                return (taken, flow);
            }
            if nth % PREFETCHED == 0 {
                self.prefetch(at.index, rest);
            }
            match self.hear_frame(at, &mut rest, work) {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => return (input.len(), Flow::Over),
                None if self.connections.pause_if_held(at.index) => return (taken, Flow::Held),
                None => return (taken, Flow::Read),
            }
        }
        unreachable!("input ends")
    }

    /// Whether nothing more of a connection is considered now, and how it goes on.
    pub(super) fn pause(&mut self, index: usize, work: Work) -> Option<Flow> {
        if self.connections.slab[index].session.is_closed() {
            Some(Flow::Over)
        } else if self.connections.pause_if_held(index) {
            Some(Flow::Held)
        } else {
            work.is_spent().then_some(Flow::Again)
        }
    }

    /// Considers all of these frames, which are few.
    pub(super) fn hear_all(
        &mut self,
        at: Heard,
        mut frames: &[u8],
        work: &mut Work,
    ) -> ControlFlow<()> {
        self.prefetch(at.index, frames);
        while let Some(flow) = self.hear_frame(at, &mut frames, work) {
            flow?;
        }
        ControlFlow::Continue(())
    }

    /// Considers the first whole frame and takes it off the input. Breaks when the conversation is over;
    /// `None` if there is no whole frame.
    fn hear_frame(
        &mut self,
        at: Heard,
        input: &mut &[u8],
        work: &mut Work,
    ) -> Option<ControlFlow<()>> {
        let facts = ServerFacts {
            flags: self.parts.flags,
            durable: self.parts.engine.durable(),
        };
        let session = &mut self.connections.slab[at.index].session;
        let (demand, rest) = session.handle_input(at.now.mono, input, &facts);
        if let Some(code) = session.take_refused() {
            self.connections.refusals.note(code);
        }
        self.requests.note(&demand);
        work.spend(FRAME_WORK);
        work.spend_bytes(input.len() - rest.len());
        *input = rest;
        match demand {
            Action::More => return None,
            Action::Close => return Some(ControlFlow::Break(())),
            Action::Nothing => {}
            Action::Ask(asked) => self.handle_asked(at, asked, work),
            Action::Signal { user, word } => self.handle_signal(at, user, &word.bytes(), work),
        }
        Some(ControlFlow::Continue(()))
    }

    /// What a client sent at once is looked at ahead of time, but for the command whose turn it is.
    fn prefetch(&self, index: usize, input: &[u8]) {
        let session = &self.connections.slab[index].session;
        let commands = session.prefetch(input).take(PREFETCHED).skip(1);
        let commands = commands.map(|(user, key, word)| (user, key, word.bytes()));
        self.parts.engine.prefetch(commands);
    }

    fn handle_asked(&mut self, at: Heard, asked: PendingRequest<'_>, work: &mut Work) {
        let origin = Origin {
            connection: at.id,
            correlation: asked.correlation,
        };
        match asked.what {
            RequestKind::Command { user, key, word } => {
                let command = word.bytes();
                let ask = Ask {
                    origin: Some(origin),
                    actor: user,
                    key,
                    command,
                };
                self.submit_within(at.now.wall, origin, &ask, work);
            }
            RequestKind::Query { user, word } => self.query_within(
                Asker {
                    origin,
                    user,
                    now: at.now,
                },
                &word.bytes(),
                work,
            ),
            RequestKind::Auth { key, request } => {
                work.spend(AUTH_WORK);
                self.authenticate(at.now, origin, key, request);
            }
            RequestKind::TooLate => {
                self.refuse(origin, Refusal::new(Code::SESSION_ENDED));
            }
        }
    }
}
