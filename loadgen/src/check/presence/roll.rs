//! Who is connected, by the harness's own clock.
//!
//! Beginnings and ends of connections go in; whether a person was there at some time comes out, as
//! far as it is certain. People of whom no connection was ever told are not judged.

use std::collections::BTreeMap;

use protocol::UserId;

use crate::operation::Nanos;

/// One person's connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seat {
    /// How many there are now.
    up: u32,
    /// Since when there has been at least one, if there is.
    since: Nanos,
    /// From when to when there was none, the last time; the end counts only while there is one.
    gone_at: Option<Nanos>,
}

impl Seat {
    /// Whether a connection was there at some instant from `from` to `to`.
    pub(crate) fn was_here(&self, from: Nanos, to: Nanos) -> bool {
        let now = 0 < self.up && self.since <= to;
        now || self.gone_at.is_some_and(|gone| from <= gone)
    }

    /// Since when there has been a connection, if there is one.
    pub(crate) fn here_since(&self) -> Option<Nanos> {
        (0 < self.up).then_some(self.since)
    }

    /// The last time without a connection: from when to when, which is `now` if it lasts.
    pub(crate) fn absence(&self, now: Nanos) -> Option<(Nanos, Nanos)> {
        let gone_at = self.gone_at?;
        Some((gone_at, if 0 < self.up { self.since } else { now }))
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    seats: BTreeMap<UserId, Seat>,
}

impl Roll {
    pub(crate) fn seat(&self, user: UserId) -> Option<Seat> {
        self.seats.get(&user).copied()
    }

    /// A connection of somebody's began.
    pub(crate) fn begin(&mut self, user: UserId, now: Nanos) {
        let seat = self.seats.entry(user).or_default();
        if seat.up == 0 {
            seat.since = now;
        }
        seat.up += 1;
    }

    /// One ended. Returns whether it was the last one.
    pub(crate) fn end(&mut self, user: UserId, now: Nanos) -> bool {
        let Some(seat) = self.seats.get_mut(&user) else {
            return false;
        };
        let was_last = seat.up == 1;
        seat.up = seat.up.saturating_sub(1);
        if was_last {
            seat.gone_at = Some(now);
        }
        was_last
    }
}
