//! The hub: the engine, every conversation, and what passes between them.
//!
//! Input from connections goes in, demands go to the engine, releases come out and are spread over
//! the conversations they belong to. It lives on the thread that serves, borrowed for a moment by
//! whichever task has something for it; nothing in it waits. Deliberately absent: reading from
//! sockets (`net`), hashing passwords (`auth`), syncing (`writer`), answers about the log itself
//! (`archive`), what a connection may ask
//! (`query`), `signals` that are not logged, how the server is (`stats`).

mod backlog;
pub(crate) mod connections;
mod delivery;
pub(crate) mod frame;
mod inbox;
mod lines;
mod log_in;
pub(crate) mod outbox;
mod pressure;
mod query;
mod recent;
mod sending;
mod signals;
mod stats;
mod subscribers;
mod subscription;
mod transport;
mod turn;

pub(crate) use pressure::CONNECTIONS_BYTES_MAX;
pub use pressure::{HELD_BYTES_MAX, READ_BYTES};
#[cfg(test)]
pub(crate) use pressure::{OUTBOUND_BYTES_MAX, UNREAD_BYTES_MAX};
pub use transport::{Alone, Done, Transport, WriteMany, Written};

pub use lines::{LineOptions, NonceSeed};
pub use turn::{Flow, READ_WORK, ROUND_WORK, TURN_WORK, Work};

use std::collections::VecDeque;

use protocol::{Code, Key, Refusal, Seq, message::WelcomeFlags, words::accounts};

use self::{
    connections::{Connection, Connections, id_of},
    turn::ROW_WORK,
};
use crate::{
    archive,
    engine::{Ask, BUSY_RETRY_MS, Busy, Engine, Origin, Released, Submitted},
    health::Requests,
    log::{Batch, Committed, Head, LogError, LogReader},
    presence::{Presence, Writers},
    session::{Session, SessionTimeouts},
    time_base::Now,
};

/// What a hub is made of.
pub struct HubParts {
    /// The engine, restored from the log.
    pub engine: Engine,
    /// A view of what is durable.
    pub reader: Box<dyn LogReader>,
    /// Connections held at once.
    pub connections_max: usize,
    /// How patient conversations are.
    pub timeouts: SessionTimeouts,
    /// What a welcome tells.
    pub flags: WelcomeFlags,
    /// What it does wrong.
    #[cfg(feature = "planted-bugs")]
    pub planted_bug: Option<crate::tamper::PlantedBug>,
}

impl std::fmt::Debug for HubParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubParts")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// A name and a password that somebody shows.
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// Whether the name is to become theirs.
    pub is_new: bool,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

/// Work that a demand asks for and the hub must not do itself, because it takes long.
#[derive(Debug)]
pub enum Job {
    /// Find out who somebody is.
    Auth {
        /// Where the answer goes.
        origin: Origin,
        /// The idempotency key.
        key: Key,
        /// What was shown.
        shown: Credentials,
    },
    /// Rebuild a state from the log and answer its hash.
    Replay {
        /// Where the answer goes.
        origin: Origin,
        /// Up to and with this durable position.
        upto: Seq,
    },
}

/// See the head of this file.
#[derive(Debug)]
pub struct Hub<T: Transport> {
    parts: HubParts,
    connections: Connections<T>,
    presence: Presence,
    writers: Writers,
    arrivals: signals::Arrivals,
    /// Where in the slab the classic connection is whose list of people was made anew last.
    listed: usize,
    is_draining: bool,
    requests: Requests,
    /// What was proved durable, and is yet to be let go of.
    released: Option<Released>,
    /// Whether something was asked outside of a turn.
    is_turn_wanted: bool,
    /// What others are yet to be given to do.
    jobs: VecDeque<Job>,
}

impl<T: Transport> Hub<T> {
    /// A hub with nobody connected. `writers` write one frame to many.
    #[must_use]
    pub fn new(parts: HubParts, writers: T::Writers) -> Self {
        let mut connections = Connections::new(writers);
        #[cfg(feature = "planted-bugs")]
        {
            let tamper = crate::tamper::Tamper::new(parts.planted_bug);
            connections.tamper = tamper.found_at(parts.engine.durable().seq);
        }
        connections.delivery.reached = parts.engine.durable().seq;
        Self {
            connections,
            presence: Presence::default(),
            writers: Writers::default(),
            arrivals: signals::Arrivals::default(),
            listed: 0,
            parts,
            is_draining: false,
            requests: Requests::default(),
            released: None,
            is_turn_wanted: false,
            jobs: VecDeque::new(),
        }
    }

    /// Takes a new connection in and says what to call it. One too many is told so and closed.
    pub fn connect(&mut self, now: Now, link: T) -> u64 {
        let mut session = Session::new(now.mono, self.parts.timeouts);
        let held = self.connections.admitted;
        if self.parts.connections_max <= held {
            let held = u64::try_from(held).unwrap_or(u64::MAX);
            session.handle_end(Refusal::with(Code::CONNECTIONS, held, held));
        }
        self.connections.insert(session, link)
    }

    /// Forgets a connection whose link has ended.
    pub fn disconnect(&mut self, now: Now, id: u64) {
        self.on_disconnect(now, id);
        self.connections.remove(id);
        self.send_presence_changes(now);
    }

    /// Submits a command that is of no connection's turn.
    pub fn submit(&mut self, now: Now, origin: Origin, ask: &Ask<'_>) {
        self.submit_within(now.wall, origin, ask, &mut Work::turn());
    }

    fn submit_within(&mut self, wall: u64, origin: Origin, ask: &Ask<'_>, work: &mut Work) {
        if self.is_draining {
            return self.refuse(origin, Refusal::new(Code::SHUTTING_DOWN));
        }
        let delivery = &self.connections.delivery;
        if delivery.is_overloaded() {
            let waiting = delivery.len();
            return self.refuse_busy(origin, Busy { waiting }, BUSY_RETRY_MS);
        }
        let submitted = match self.decide(wall, ask, work) {
            Ok(submitted) => submitted,
            Err((seq, error)) => return self.refuse_unreadable(origin, seq, &error),
        };
        match submitted {
            Ok(Submitted::Decided(_)) if accounts::ENDING_SESSIONS.contains(&ask.command.kind) => {
                let accounts = &self.parts.engine.systems().accounts;
                self.connections.revoke_over(accounts);
                work.spend_connections(self.connections.slab.len());
                self.end_revoked();
            }
            // Its answer is read from the log.
            Ok(Submitted::Again(_)) => work.spend(ROW_WORK),
            Ok(_) => {}
            Err(busy) => self.refuse_busy(origin, busy, BUSY_RETRY_MS),
        }
        #[cfg(feature = "planted-bugs")]
        crate::tamper::invent(&mut self.parts.engine, wall, ask);
    }

    /// Submits a command, and looks into the log if that takes it. An error says where it looked.
    fn decide(
        &mut self,
        wall: u64,
        ask: &Ask<'_>,
        work: &mut Work,
    ) -> Result<Result<Submitted, Busy>, (Seq, LogError)> {
        let HubParts { engine, reader, .. } = &mut self.parts;
        match engine.submit(wall, ask) {
            Ok(Submitted::MaybeUsed(seqs)) => {
                work.spend(ROW_WORK);
                let used = archive::find_use(&mut **reader, ask.actor, ask.key, &seqs);
                let newest = seqs.first().copied().unwrap_or_default();
                let used = used.map_err(|error| (newest, error))?;
                Ok(engine.submit_found(wall, ask, used))
            }
            Ok(Submitted::Unreadable(kind)) => {
                let error = LogError::Io {
                    doing: "read where keys were used".to_owned(),
                    source: kind.into(),
                };
                Err((engine.durable().seq, error))
            }
            submitted => Ok(submitted),
        }
    }

    /// The answer to a request that was not considered. It waits for what was decided so far,
    /// because it may tell of it.
    pub fn refuse(&mut self, origin: Origin, refusal: Refusal) {
        self.parts.engine.refuse(origin, refusal);
    }

    /// The answer to a request there was no room for, with the milliseconds after which to try again: at
    /// once, or it would need room to wait.
    pub fn refuse_busy(&mut self, origin: Origin, busy: Busy, retry_after_ms: u32) {
        self.connections.with_session(origin.connection, |session| {
            session.handle_refused(origin.correlation, busy.refusal(), retry_after_ms);
        });
    }

    /// An outcome that was worked out elsewhere, of a state that is durable.
    pub fn answer(&mut self, origin: Origin, at: Head, outcome: &[u8]) {
        self.parts.engine.release_read_at(origin, at, outcome);
        self.connections.await_read(origin, outcome.len());
    }

    /// What answers a request cannot be read back from the log at `seq`: whoever asked is told so.
    pub fn refuse_unreadable(&mut self, origin: Origin, seq: Seq, error: &LogError) {
        self.connections.refuse_unreadable(origin, seq, error);
    }

    /// The next batch to make durable, if there is one and none is on its way. It comes back with its proof,
    /// by [`Hub::handle_synced`].
    pub fn poll_batch(&mut self) -> Option<Batch> {
        self.parts.engine.take_batch()
    }

    /// A batch is durable: what waited for it is let go of at the end of the turn.
    pub fn handle_synced(&mut self, proof: &Committed, batch: Batch) {
        let released = self.parts.engine.handle_committed(proof, batch);
        debug_assert!(
            self.released.is_none(),
            "one batch at a time is on its way, and the turn ends before the next"
        );
        self.released = Some(released);
    }

    /// Ends a turn, when everybody who was ready has been heard: the next batch is handed to `sync`, so that the
    /// disk works meanwhile; what waited is let go of; and every connection is written to once. Returns what
    /// [`Hub::flush`] does. What others are to be told follows, a slice at a time, by [`Hub::deliver`].
    pub fn end_turn(&mut self, now: Now, sync: impl FnOnce(Batch)) -> Vec<(u64, T)> {
        if let Some(batch) = self.poll_batch() {
            sync(batch);
        }
        if let Some(released) = self.released.take() {
            self.release(now, released);
        }
        if let Some(released) = self.parts.engine.release_idle() {
            self.release(now, released);
        }
        self.flush(now)
    }

    fn release(&mut self, now: Now, released: Released) {
        let HubParts { engine, reader, .. } = &mut self.parts;
        let accounts = &engine.systems().accounts;
        released.for_each(|release| {
            self.connections.dispatch(&release, accounts, &mut **reader);
        });
        if released.is_anybody_erased() {
            self.connections.delivery.forget_recent();
        }
        engine.recycle(released);
        self.end_revoked();
        self.send_presence_changes(now);
    }

    /// Lets the connections that lost their session know, when that is durable.
    fn end_revoked(&mut self) {
        for id in self.connections.revoked.drain(..) {
            self.parts.engine.end(id);
        }
    }

    /// Sends the answers that wait to be sent. Returns the connections whose link takes no more now:
    /// call [`Hub::handle_writable`] when it does.
    pub fn flush(&mut self, now: Now) -> Vec<(u64, T)> {
        let mut dirty = std::mem::take(&mut self.connections.dirty);
        for index in dirty.drain(..) {
            // The connection may be another one by now, which has nothing to send.
            let connection = self.connections.slab.get_mut(index);
            if connection.is_some_and(|connection| std::mem::take(&mut connection.is_dirty)) {
                self.connections.send(index);
            }
        }
        self.connections.dirty = dirty;
        self.send_lines(now);
        std::mem::take(&mut self.connections.blocked)
    }

    /// Tells others a slice of what they are to be told. Returns what [`Hub::flush`] does.
    pub fn deliver(&mut self, now: Now) -> Vec<(u64, T)> {
        let HubParts { engine, reader, .. } = &mut self.parts;
        self.connections
            .deliver(engine.feed(), engine.keyring(), &mut **reader);
        self.send_lines(now);
        std::mem::take(&mut self.connections.blocked)
    }

    /// Whether others are to be told something: call [`Hub::deliver`], again and again, with
    /// everybody else's turn in between.
    #[must_use]
    pub fn has_deliveries(&self) -> bool {
        self.connections.has_deliveries()
    }

    /// The link of a connection takes more. Returns whether it already takes no more again.
    pub fn handle_writable(&mut self, now: Now, id: u64) -> bool {
        match self.connections.find(id) {
            Some(index) if self.connections.slab[index].lines.is_some() => {
                self.handle_writable_lines(now, index)
            }
            Some(_) | None => self.connections.handle_writable(id),
        }
    }

    /// Time has passed: holds that end, conversations that are too slow or too silent.
    pub fn handle_timeout(&mut self, now: Now) {
        let Now { mono, wall } = now;
        if self
            .parts
            .engine
            .deadline()
            .is_some_and(|deadline| deadline <= wall)
        {
            self.parts.engine.handle_timeout(wall);
        }
        self.end_typing(mono);
        for (index, asks) in self.connections.handle_timeout(mono, wall) {
            self.handle_asks(now, index, &asks);
        }
        self.announce_arrivals(mono);
        self.refresh_lists(now);
    }

    /// Stops taking commands; what was taken still finishes.
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.connections.delivery.drain();
    }

    /// Whether everything that was taken has finished and been sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.parts.engine.is_settled()
            && self.connections.is_at_rest()
            && self
                .connections
                .slab
                .iter()
                .all(|(_, connection)| !connection.is_waiting())
    }

    /// The engine, to look at.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.parts.engine
    }

    /// The engine, for the server's own commands.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.parts.engine
    }
}
