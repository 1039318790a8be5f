//! The agenda in a snapshot: agendas with who waits, bookings, who holds.
//!
//! Deliberately absent: what follows from the rows. Where a person's bookings are is saved all the
//! same: finding it again costs more than reading it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::{
    Key, UserId,
    words::agenda::{OpenAgenda, SlotId},
};

use super::{Agenda, AgendaRow, BookingIds, HeldSlots, Map, RankMap, Row, SlotKey, Waiter};
use crate::{
    domain::digest::Digest,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// The least bytes of each.
const AGENDA_BYTES: usize = 8 + 2 + 8 + 4 * 2 + 8;
const HOLD_BYTES: usize = 8 + 8;
const QUEUE_BYTES: usize = 8 + 8;
const WAITER_BYTES: usize = 8 + 8 + 16;
const SLOT_BYTES: usize = 8 + 4 + 2;
const PERSON_BYTES: usize = 8 + 8;

impl Saved for Agenda {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            agendas,
            bookings,
            held,
            by_user,
            owed,
            digest,
            holds,
            // These follow from the agendas and the holds.
            by_id: _,
            names: _,
            hold_ends: _,
        } = self;
        out.u128(digest.value());
        out.count(agendas.len());
        agendas.iter().for_each(|row| row.save(out));
        bookings.save(out, Row::bytes);
        held.save(out);
        out.count(holds.len());
        for (until, id) in holds {
            out.u64(*until);
            out.u64(*id);
        }
        let mut people: Vec<UserId> = by_user.keys().copied().collect();
        people.sort_unstable();
        out.count(people.len());
        for user in people {
            out.u64(user.0);
            by_user[&user].save(out);
        }
        out.count(owed.len());
        owed.iter().for_each(|slot| save_slot(*slot, out));
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let digest = Digest::of(from.u128()?);
        let agendas: Vec<AgendaRow> = (0..from.count(AGENDA_BYTES)?)
            .map(|_| AgendaRow::load(from))
            .collect::<Result<_, _>>()?;
        let mut on_hold = 0;
        let bookings = RankMap::load(from, |bytes| {
            let row = Row::of_bytes(bytes);
            on_hold += usize::from(row.is_on_hold);
            row
        })?;
        let held = HeldSlots::load(from)?;
        let mut holds = BTreeSet::new();
        for _ in 0..from.count(HOLD_BYTES)? {
            holds.insert((from.u64()?, from.u64()?));
        }
        let is_held = |id| bookings.get(id).is_some_and(|row| row.is_on_hold);
        if holds.len() != on_hold || !holds.iter().all(|(_, id)| is_held(*id)) {
            return Err(from.lacks("the end of every hold"));
        }
        let mut by_user = Map::default();
        for _ in 0..from.count(PERSON_BYTES)? {
            by_user.insert(UserId(from.u64()?), BookingIds::load(from)?);
        }
        let owed = (0..from.count(SLOT_BYTES)?)
            .map(|_| load_slot(from))
            .collect::<Result<_, _>>()?;
        *self = Self {
            by_id: (0..)
                .zip(&agendas)
                .map(|(index, row)| (row.id, index))
                .collect(),
            names: agendas
                .iter()
                .map(|row| (row.opened.name.clone(), row.id))
                .collect::<BTreeMap<_, _>>(),
            hold_ends: holds.iter().map(|(until, id)| (*id, *until)).collect(),
            agendas,
            bookings,
            held,
            by_user,
            owed,
            holds,
            digest,
        };
        Ok(())
    }
}

impl AgendaRow {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            id,
            slots,
            opened,
            queues,
        } = self;
        let OpenAgenda {
            name,
            opens_minute,
            closes_minute,
            slot_minutes,
            capacity,
        } = opened;
        out.u64(*id);
        out.u16(*slots);
        out.bytes(name.as_bytes());
        for number in [opens_minute, closes_minute, slot_minutes, capacity] {
            out.u16(*number);
        }
        let mut slots: Vec<SlotKey> = queues.keys().copied().collect();
        slots.sort_unstable();
        out.count(slots.len());
        for slot in slots {
            out.u64(slot.0);
            out.count(queues[&slot].len());
            queues[&slot].iter().for_each(|waiter| waiter.save(out));
        }
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let (id, slots) = (from.u64()?, from.u16()?);
        let opened = OpenAgenda {
            name: from.text()?,
            opens_minute: from.u16()?,
            closes_minute: from.u16()?,
            slot_minutes: from.u16()?,
            capacity: from.u16()?,
        };
        let mut queues = Map::default();
        for _ in 0..from.count(QUEUE_BYTES)? {
            let slot = SlotKey(from.u64()?);
            let queue: Result<VecDeque<Waiter>, Unsound> = (0..from.count(WAITER_BYTES)?)
                .map(|_| Waiter::load(from))
                .collect();
            queues.insert(slot, queue?);
        }
        Ok(Self {
            id,
            slots,
            opened,
            queues,
        })
    }
}

impl Waiter {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self { user, joined, key } = self;
        out.u64(user.0);
        out.u64(*joined);
        out.array(&key.0);
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        Ok(Self {
            user: UserId(from.u64()?),
            joined: from.u64()?,
            key: Key(from.array()?),
        })
    }
}

fn save_slot(slot: SlotId, out: &mut SectionWriter<'_>) {
    let SlotId { agenda, day, slot } = slot;
    out.u64(agenda);
    out.u32(day);
    out.u16(slot);
}

fn load_slot(from: &mut SectionReader<'_>) -> Result<SlotId, Unsound> {
    Ok(SlotId {
        agenda: from.u64()?,
        day: from.u32()?,
        slot: from.u16()?,
    })
}
