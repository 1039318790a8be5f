//! What can be asked of the agenda.
//!
//! A query and its context come in; an answer goes out. Everybody may see what there is to book
//! and how many have it; who has it, only its holder. Deliberately absent: any change of state.

use protocol::{
    Code, Refusal,
    limits::PAGE_LEN_MAX,
    words::agenda::{
        AgendaView, Agendas, BookingView, Bookings, ListAgendas, ListSlots, MyBookings, SlotId,
        SlotView, Slots,
    },
};

use super::{
    decide::{check_day, check_person, place_of},
    state::{Agenda, AgendaRow, DAY_MS},
};
use crate::domain::Context;

impl Agenda {
    pub(super) fn list_agendas(&self, query: &ListAgendas) -> Result<Agendas, Refusal> {
        let limit = page_len(query.limit)?;
        let agendas = self
            .agendas_after(query.after)
            .iter()
            .take(limit)
            .map(|row| AgendaView {
                agenda: row.id,
                opened: row.opened.clone(),
            })
            .collect();
        Ok(Agendas { agendas })
    }

    pub(super) fn list_slots(&self, cx: &Context, query: &ListSlots) -> Result<Slots, Refusal> {
        let agenda = self.known_agenda(query.agenda)?;
        let day = match query.day {
            0 => u32::try_from(cx.now / DAY_MS).unwrap_or(u32::MAX),
            day => day,
        };
        check_day(cx, day)?;
        let slot_id = |slot| SlotId {
            agenda: agenda.id,
            day,
            slot,
        };
        let slots = (0..agenda.slots)
            .map(|slot| self.slot_view(cx, agenda, slot_id(slot)))
            .collect();
        Ok(Slots { day, slots })
    }

    pub(super) fn my_bookings(
        &self,
        cx: &Context,
        query: &MyBookings,
    ) -> Result<Bookings, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let bookings = self
            .bookings_of(cx.actor, query.after, limit)
            .into_iter()
            .filter_map(|id| self.booking_view(id))
            .collect();
        Ok(Bookings { bookings })
    }

    fn slot_view(&self, cx: &Context, agenda: &AgendaRow, slot: SlotId) -> SlotView {
        let places = self.places(slot);
        let waiting = self.queue(slot).map_or(0, |queue| queue.len());
        SlotView {
            held: count(places.len()),
            waiting: count(waiting),
            mine: place_of(places, cx.actor).map_or(0, |place| place.booking()),
            past: agenda.starts_at(slot.day, slot.slot) < cx.now,
        }
    }

    fn booking_view(&self, id: u64) -> Option<BookingView> {
        let row = self.booking(id)?;
        Some(BookingView {
            booking: id,
            slot: row.slot,
            until: row.until,
            key: row.key,
        })
    }
}

fn page_len(limit: u16) -> Result<usize, Refusal> {
    if !(1..=PAGE_LEN_MAX).contains(&limit) {
        return Err(Refusal::with(
            Code::PAGE_LEN,
            limit.into(),
            PAGE_LEN_MAX.into(),
        ));
    }
    Ok(limit.into())
}

fn count(len: usize) -> u16 {
    u16::try_from(len).expect("capacities and queues are bounded at 1000")
}
