//! A place of a slot, in ten bytes.
//!
//! Deliberately absent: which slot; whoever lists places knows.

use protocol::UserId;

use crate::u40::U40;

/// Who has a place of a slot, and by which booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    user: U40,
    booking: U40,
}

const _: () = assert!(size_of::<Place>() == Place::BYTES);

impl Place {
    /// What one takes, in memory and in a snapshot.
    pub(super) const BYTES: usize = 2 * U40::BYTES;

    /// Nobody's.
    pub(super) const NONE: Self = Self {
        user: U40::ZERO,
        booking: U40::ZERO,
    };

    /// A place that somebody has.
    pub(super) const fn new(user: UserId, booking: u64) -> Self {
        Self {
            user: U40::of_position(user.0),
            booking: U40::of_position(booking),
        }
    }

    /// Who has it.
    pub(super) const fn user(self) -> UserId {
        UserId(self.user.get())
    }

    /// The booking they have it by.
    pub(super) const fn booking(self) -> u64 {
        self.booking.get()
    }

    /// As it is saved.
    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        let Self { user, booking } = self;
        let ([a, b, c, d, e], [f, g, h, i, j]) = (user.bytes(), booking.bytes());
        [a, b, c, d, e, f, g, h, i, j]
    }

    /// The place that was saved as this.
    pub(super) const fn of_bytes([a, b, c, d, e, f, g, h, i, j]: [u8; Self::BYTES]) -> Self {
        Self {
            user: U40::of_bytes([a, b, c, d, e]),
            booking: U40::of_bytes([f, g, h, i, j]),
        }
    }
}
