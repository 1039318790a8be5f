//! What connections may hold of the server's memory: each, and all together.
//!
//! Each is weighed whenever something of it changes: what it sent and nobody considered, what it was answered
//! and has not read, what it asked and waits for. Nothing more of a connection is considered, and nothing read,
//! while it leaves more unread than its share; whoever reads nothing for too long is ended, and when all of
//! them hold too much, the worst are. Deliberately absent: the engine's batches and what waits for them, which
//! have bounds of their own ([`HELD_BYTES_MAX`] names them).

use protocol::{Code, Refusal};

use super::{Connection, Connections, Transport, delivery::ITEMS_BYTES_MAX, id_of};
use crate::engine::{BATCH_BYTES_MAX, READS_BYTES_MAX};

/// What everything that passes through may hold of the memory, all connections together: 256 MiB, so that a
/// machine of 1 GiB keeps room for a state of ten million bookings' worth of rows, whoever comes. Of it, two
/// batches with what waits for them and the pushes that are yet to be handed out have a fixed part.
pub const HELD_BYTES_MAX: usize = 256 * 1_024 * 1_024;

/// The part of the connections themselves: input, answers and pushes that nobody has read.
pub(crate) const CONNECTIONS_BYTES_MAX: usize =
    HELD_BYTES_MAX - 2 * (BATCH_BYTES_MAX + READS_BYTES_MAX) - ITEMS_BYTES_MAX;
const _: () = assert!(HELD_BYTES_MAX / 2 < CONNECTIONS_BYTES_MAX);

/// Unread bytes from which on nothing more is considered of a connection. Who reads has them in its socket's
/// buffers, which take more than this at once; so it never waits for itself.
pub(crate) const UNREAD_BYTES_MAX: usize = 64 * 1_024;

/// The least share, with very many connections: the answers of a whole pipeline.
const UNREAD_BYTES_MIN: usize = 4 * 1_024;

/// Bytes read at once from one connection: the deepest pipeline of short requests in one system call. The
/// rest of a longer one stays in the socket until its connection's next turn.
pub const READ_BYTES: usize = 16 * 1_024;

/// The least that is read at once.
const READ_BYTES_MIN: usize = 1_024;

/// Unread bytes at which a connection is ended at once. One request may be answered by 2 MiB of JSON, with
/// pushes behind it; beyond that, what stopped it from asking more has failed.
pub(crate) const OUTBOUND_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// What a request costs that waits for its answer, beside its bytes in a batch.
const REQUEST_COST: usize = 96;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Bytes that it may leave unread before nothing more is considered.
    pub(crate) unread: usize,
    /// Bytes to read at once.
    pub(crate) read: usize,
}

impl<T: Transport> Connections<T> {
    /// What every connection may do now: with many of them, or when they hold much, it is less.
    pub(crate) fn share(&self) -> Share {
        // Beyond three quarters each has the smallest share only: who reads does not notice.
        let all = if self.bytes_max / 4 * 3 < self.held_bytes() {
            0
        } else {
            self.bytes_max / 2
        };
        let each = all / self.slab.len().max(1);
        Share {
            unread: each.clamp(UNREAD_BYTES_MIN, UNREAD_BYTES_MAX),
            read: each.clamp(READ_BYTES_MIN, READ_BYTES),
        }
    }

    /// Bytes that all connections hold.
    pub(crate) fn held_bytes(&self) -> usize {
        self.weight + self.delivery.gauge.bytes()
    }

    /// Something of a connection has changed: weighs it again, and lets it go on if it was held and may.
    pub(crate) fn weigh(&mut self, index: usize) {
        let share = self.share();
        let connection = &mut self.slab[index];
        let weight = connection.weigh();
        self.weight = self.weight + weight - std::mem::replace(&mut connection.weight, weight);
        let is_let_on = connection.is_paused && !connection.is_held(share);
        if is_let_on {
            connection.is_paused = false;
            self.resumed.push(id_of(index, connection.serial));
        }
        self.held_peak = self.held_peak.max(self.held_bytes());
    }

    /// Whether nothing more of a connection is considered now. If so, it is let go on when that is over.
    pub(crate) fn pause_if_held(&mut self, index: usize) -> bool {
        let share = self.share();
        let connection = &mut self.slab[index];
        connection.is_paused = connection.is_held(share);
        connection.is_paused
    }

    /// Looks at the clock: ends whoever reads nothing, and when all hold too much, the worst.
    pub(crate) fn relieve(&mut self, now: u64) {
        debug_assert_eq!(
            self.weight,
            self.slab.iter().map(|(_, it)| it.weigh()).sum::<usize>(),
            "everybody was weighed when something changed"
        );
        let slow = |(index, connection): (usize, &mut Connection<T>)| {
            connection.is_stalled(now).then_some(index)
        };
        let slow: Vec<usize> = self.slab.iter_mut().filter_map(slow).collect();
        for index in slow {
            self.end_slow_reader(index);
            // It had its time.
            self.slab[index].is_slow = false;
        }
        if self.bytes_max < self.held_bytes() {
            self.end_worst();
        }
    }

    /// Ends those that hold most, until all of them hold seven eighths of what they may.
    fn end_worst(&mut self) {
        let cost = |(index, connection): (usize, &Connection<T>)| {
            (connection.weight + connection.outbox.bytes(), index)
        };
        let mut worst: Vec<(usize, usize)> = self.slab.iter().map(cost).collect();
        worst.sort_unstable();
        let (held, mut ended) = (self.held_bytes(), 0_usize);
        while self.bytes_max / 8 * 7 < self.held_bytes()
            && let Some((_, index)) = worst.pop()
        {
            self.end_for_room(index);
            ended += 1;
        }
        tracing::warn!(
            held,
            limit = self.bytes_max,
            ended,
            "connections held too much of the memory; those that held most were ended"
        );
    }

    /// Ends a connection and forgets what it holds. Its reader is not told why: what it would have to read before
    /// that is what there is no room for.
    fn end_for_room(&mut self, index: usize) {
        self.unsubscribe(index);
        self.unwatch(index);
        let connection = &mut self.slab[index];
        let sent = connection.outbox.sent().0;
        let refusal = Refusal::with(Code::SLOW_READER, sent, 0);
        connection.session.handle_end(refusal);
        connection.discard();
        connection.inbox = super::inbox::Inbox::default();
        connection.link.shutdown();
        self.count_refused(index);
        self.weigh(index);
    }
}

impl<T: Transport> Connection<T> {
    /// Bytes that were answered or pushed and that the link has not taken, and those of answers that wait for
    /// the disk.
    fn unread(&self) -> usize {
        self.unsent() + self.awaited
    }

    fn unsent(&self) -> usize {
        let lines = self.lines.as_ref();
        let lines = lines.map_or(0, |lines| lines.unsent());
        self.session.outbound().len() + lines + self.outbox.bytes()
    }

    /// What it costs, in bytes. Those of frames that it shares are counted where they are made.
    fn weigh(&self) -> usize {
        let requests = usize::try_from(self.session.in_flight()).unwrap_or(usize::MAX);
        self.inbox.cost()
            + self.session.outbound_cost()
            + self.lines.as_ref().map_or(0, |lines| lines.cost())
            + self.outbox.cost()
            + self.awaited
            + requests * REQUEST_COST
    }

    /// Whether nothing more may be considered, nor read.
    fn is_held(&self, share: Share) -> bool {
        let is_entering = || self.lines.as_ref().is_some_and(|lines| lines.is_entering());
        !self.session.is_closed()
            && (share.unread <= self.unread()
                || self.session.is_full_of_refusals()
                || is_entering())
    }

    /// Whether its link has taken nothing for as long as a reader may be silent.
    fn is_stalled(&mut self, now: u64) -> bool {
        if !self.is_blocked || self.taken != self.taken_seen || self.session.is_closed() {
            self.taken_seen = self.taken;
            self.stalled_at = None;
            return false;
        }
        let since = *self.stalled_at.get_or_insert(now);
        since.saturating_add(self.session.unread_max_ms()) <= now
    }

    /// Ends the link if more waits than a reader can ever be allowed.
    pub(crate) fn cut_if_slow(&self) {
        if OUTBOUND_BYTES_MAX < self.unsent() {
            self.link.shutdown();
        }
    }

    /// The link is gone, or will be: what waits will never be sent.
    pub(crate) fn discard(&mut self) {
        self.session.discard();
        self.outbox.clear();
        if let Some(lines) = &mut self.lines {
            lines.discard();
        }
    }
}
