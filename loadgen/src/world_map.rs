//! Where the plan's numbers are on the server.
//!
//! The set-up fills it in; the driver turns places of the plan into ids with it. Deliberately
//! absent: how any of it was made (see `run`), and who picks what (see `plan`).

use protocol::words::agenda;

use crate::{operation::Slot, plan::Place};

/// Where the plan's places are on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldMap {
    /// The id of each agenda of the plan.
    pub agendas: Vec<u64>,
    /// The server's day that is day 0 of the plan, days since 1970-01-01 UTC.
    pub first_day: u32,
}

impl WorldMap {
    /// The slot that stands for a place of the plan.
    ///
    /// # Panics
    /// If the plan's world has more agendas than were opened, which its set-up rules out.
    #[must_use]
    pub fn slot(&self, place: Place) -> Slot {
        let agenda = usize::try_from(place.agenda)
            .ok()
            .and_then(|index| self.agendas.get(index))
            .expect("the set-up opened every agenda of the plan");
        let day = self.first_day.saturating_add(place.day);
        let id = agenda::SlotId {
            agenda: *agenda,
            day,
            slot: place.slot,
        };
        Slot::pack(id).expect("agendas, days and slots of a run fit")
    }
}
