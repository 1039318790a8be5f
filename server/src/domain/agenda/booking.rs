//! A booking, and the row it is kept as.
//!
//! Rows are the bulk of a state, so they are as small as they can be: people and agendas are named
//! by positions, and when a hold ends stands elsewhere, since few bookings are on hold. Deliberately
//! absent: where rows are.

use protocol::{Key, UserId, words::agenda::SlotId};

use crate::u40::U40;

/// A place somebody has, for sure or for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Booking {
    pub(super) user: UserId,
    pub(super) slot: SlotId,
    /// When a hold ends by itself; 0 for a confirmed booking.
    pub(super) until: u64,
    pub(super) key: Key,
}

/// A booking as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    user: U40,
    agenda: U40,
    day: [u8; 4],
    slot: [u8; 2],
    pub(super) is_on_hold: bool,
    key: Key,
}

// The compiler finds room in the flag for saying that there is none.
const _: () = assert!(size_of::<Option<Row>>() == Row::BYTES);

impl Row {
    /// What one takes, in memory and in a snapshot.
    pub(super) const BYTES: usize = 2 * U40::BYTES + 4 + 2 + 1 + 16;

    /// The row of a booking.
    pub(super) const fn new(booking: &Booking) -> Self {
        let SlotId { agenda, day, slot } = booking.slot;
        Self {
            user: U40::of_position(booking.user.0),
            agenda: U40::of_position(agenda),
            day: day.to_le_bytes(),
            slot: slot.to_le_bytes(),
            is_on_hold: booking.until != 0,
            key: booking.key,
        }
    }

    /// The booking that this is the row of; `until` is asked for the end of a hold.
    pub(super) fn booking(&self, until: impl FnOnce() -> u64) -> Booking {
        Booking {
            user: UserId(self.user.get()),
            slot: SlotId {
                agenda: self.agenda.get(),
                day: u32::from_le_bytes(self.day),
                slot: u16::from_le_bytes(self.slot),
            },
            until: if self.is_on_hold { until() } else { 0 },
            key: self.key,
        }
    }

    /// As it is saved.
    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let Self {
            user,
            agenda,
            day,
            slot,
            is_on_hold,
            key,
        } = self;
        let mut bytes = [0; Self::BYTES];
        let (user, agenda) = (user.bytes(), agenda.bytes());
        let fields = [
            &user[..],
            &agenda,
            day,
            slot,
            &[u8::from(*is_on_hold)],
            &key.0,
        ];
        let mut rest = &mut bytes[..];
        for field in fields {
            let (place, behind) = rest.split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = behind;
        }
        bytes
    }

    /// The row that was saved as this.
    pub(super) fn of_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            m,
            n,
            o,
            p,
            hold,
            key @ ..,
        ] = *bytes;
        Self {
            user: U40::of_bytes([a, b, c, d, e]),
            agenda: U40::of_bytes([f, g, h, i, j]),
            day: [k, l, m, n],
            slot: [o, p],
            is_on_hold: hold != 0,
            key: Key(key),
        }
    }
}
