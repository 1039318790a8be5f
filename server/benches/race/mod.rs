//! The race that the benches of this crate run: people, agendas, and reservations all over them.
//!
//! Commands come out, the same for the same number. Deliberately absent: measuring.

use protocol::words::{accounts, agenda};
use server::domain::systems::OwnedCommand;

/// As many as in the booking race.
pub(crate) const USERS: u64 = 2_000;
/// Agendas of 96 slots a day for ten people each, over a year: 35 million places.
pub(crate) const AGENDAS: u64 = 100;
pub(crate) const SLOTS: u64 = 96;
pub(crate) const DAYS: u64 = 360;
pub(crate) const NOW: u64 = 1_700_000_000_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) fn register(user: u64) -> OwnedCommand {
    OwnedCommand::new(&accounts::Command::from(accounts::Register {
        name: format!("user{user}").into(),
        password_hash: "$".into(),
    }))
}

pub(crate) fn open_agenda(agenda: u64) -> OwnedCommand {
    OwnedCommand::new(&agenda::Command::from(agenda::OpenAgenda {
        name: format!("agenda{agenda}"),
        opens_minute: 0,
        closes_minute: 1_440,
        slot_minutes: 15,
        capacity: 10,
    }))
}

pub(crate) fn reserve(nth: u64) -> OwnedCommand {
    let place = scattered(nth) >> 10;
    let number = |value: u64| u32::try_from(value).expect("reduced below");
    let slot = agenda::SlotId {
        agenda: USERS + 1 + place % AGENDAS,
        day: number(NOW / DAY_MS + 1 + place / AGENDAS % DAYS),
        slot: u16::try_from(place / AGENDAS / DAYS % SLOTS).expect("reduced below"),
    };
    OwnedCommand::new(&agenda::Command::from(agenda::Reserve { slot }))
}

/// A number that looks like any other (SplitMix64).
pub(crate) const fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
