//! An agenda that is right by construction, and random clients of it.
//!
//! Every call takes effect at once at some instant between its sending and its return. A seed goes
//! in and a finished run comes out, with one defect planted into it where one is asked for.
#![expect(clippy::unwrap_used, reason = "test support")]

use std::collections::{BTreeMap, VecDeque};

use loadgen::operation::{Call, Observed, Operation, Outcome, Push, Slot};
use protocol::{
    ChainHash, Code, Key, Refusal, UserId,
    words::agenda::{self as words, SlotView},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::run::{MS, Pushed, Run};

const SLOTS: u16 = 3;

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// Gives a full slot away once more.
    DoubleBook,
    /// Refuses a free slot as taken.
    FalseRefusal,
    /// Acknowledges a cancel that it forgets.
    LostCancel,
    /// Answers reads from a state of some time ago.
    StaleRead,
    /// Shows the newest position with an older content.
    TornRead,
}

#[derive(Default)]
struct Place {
    held: Vec<(u64, u32)>,
    waiting: VecDeque<u32>,
}

/// The server.
pub(crate) struct Reference {
    pub(crate) run: Run,
    slots: BTreeMap<u16, Place>,
    bookings: BTreeMap<u64, (u16, u32, Key)>,
    waits: BTreeMap<(u16, u32), Key>,
    defect: Defect,
    /// What reads saw some time ago: position and content of the day.
    stale: Option<(u64, Vec<SlotView>)>,
    pub(crate) injected: u32,
}

impl Reference {
    pub(crate) fn new(users: u32, capacity: u16, defect: Defect) -> Self {
        Self {
            run: Run::new(users, capacity),
            slots: (0..SLOTS).map(|slot| (slot, Place::default())).collect(),
            bookings: BTreeMap::new(),
            waits: BTreeMap::new(),
            defect,
            stale: None,
            injected: 0,
        }
    }

    fn inject(&mut self, defect: Defect, when: bool) -> bool {
        let injections = self.defect == defect && when && self.injected == 0;
        self.injected += u32::from(injections);
        injections
    }

    /// Decides one call: outcome, position, what is shown.
    fn answer(&mut self, id: (u32, u32), call: Call, now: u64) -> (Outcome, u64, Observed) {
        let key = self.run.mint.mint(id.0, id.1);
        let (command, decided) = match call {
            Call::Reserve { slot } => self.reserve(slot.unpack().slot, id.0),
            Call::Cancel { booking, .. } => self.cancel(booking, id.0),
            Call::JoinWaitlist { slot } => self.join(slot.unpack().slot, id.0, key),
            Call::LeaveWaitlist { slot } => self.leave(slot.unpack().slot, id.0),
            Call::ListSlots { .. } => return self.list(id.0),
            Call::MyBookings => {
                let mine = self
                    .bookings
                    .iter()
                    .filter(|(_, booking)| booking.1 == id.0);
                let mine = mine.map(|(id, (slot, _, key))| (*id, self.run.packed(*slot), 0, *key));
                return (
                    Outcome::Ok,
                    self.run.head(),
                    Observed::Bookings(mine.collect()),
                );
            }
            Call::Hold { .. }
            | Call::Confirm { .. }
            | Call::Chat(_)
            | Call::Catalogue(_)
            | Call::Sales(_)
            | Call::EraseMe => unreachable!("not asked here"),
        };
        let seq = self.run.decide(Run::user(id.0), key, &command, &decided);
        let outcome = match decided {
            Ok(event) => {
                self.apply(&command, &event, (seq, id.0, key), now);
                Outcome::Ok
            }
            Err(refusal) => Outcome::Refused(refusal.code),
        };
        (outcome, seq, Observed::Nothing)
    }

    fn reserve(
        &mut self,
        slot: u16,
        client: u32,
    ) -> (words::Command, Result<words::Event, Refusal>) {
        let id = self.run.slot(slot);
        let full = self.slots[&slot].held.len() >= usize::from(self.run.capacity);
        let mine = self.slots[&slot]
            .held
            .iter()
            .any(|(_, holder)| *holder == client);
        let double = !mine && self.inject(Defect::DoubleBook, full);
        let busy = !self.slots[&slot].waiting.is_empty();
        let untouched = self.slots[&slot].held.is_empty() && !busy;
        let refuse = self.inject(Defect::FalseRefusal, untouched);
        let decided = if (full && !double) || refuse {
            Err(Refusal::new(Code::SLOT_TAKEN))
        } else if mine {
            Err(Refusal::new(Code::ALREADY_BOOKED))
        } else {
            Ok(words::Reserved { slot: id }.into())
        };
        (words::Reserve { slot: id }.into(), decided)
    }

    fn cancel(
        &mut self,
        booking: u64,
        client: u32,
    ) -> (words::Command, Result<words::Event, Refusal>) {
        let decided = match self.bookings.get(&booking) {
            None => Err(Refusal::new(Code::UNKNOWN_BOOKING)),
            Some((_, holder, _)) if *holder != client => Err(Refusal::new(Code::NOT_HOLDER)),
            Some((slot, ..)) => Ok(words::Cancelled {
                slot: self.run.slot(*slot),
            }
            .into()),
        };
        (words::Cancel { booking }.into(), decided)
    }

    fn join(
        &mut self,
        slot: u16,
        client: u32,
        key: Key,
    ) -> (words::Command, Result<words::Event, Refusal>) {
        let (id, place) = (self.run.slot(slot), &self.slots[&slot]);
        let decided = if place.held.len() < usize::from(self.run.capacity) {
            Err(Refusal::new(Code::SLOT_FREE))
        } else if place.held.iter().any(|(_, holder)| *holder == client) {
            Err(Refusal::new(Code::ALREADY_BOOKED))
        } else if place.waiting.contains(&client) {
            Err(Refusal::new(Code::ALREADY_WAITING))
        } else {
            let place = u32::try_from(place.waiting.len()).unwrap() + 1;
            self.waits.insert((slot, client), key);
            Ok(words::WaitlistJoined { slot: id, place }.into())
        };
        (words::JoinWaitlist { slot: id }.into(), decided)
    }

    fn leave(&mut self, slot: u16, client: u32) -> (words::Command, Result<words::Event, Refusal>) {
        let id = self.run.slot(slot);
        let decided = if self.slots[&slot].waiting.contains(&client) {
            Ok(words::WaitlistLeft { slot: id }.into())
        } else {
            Err(Refusal::new(Code::NOT_WAITING))
        };
        (words::LeaveWaitlist { slot: id }.into(), decided)
    }

    fn apply(
        &mut self,
        command: &words::Command,
        event: &words::Event,
        by: (u64, u32, Key),
        now: u64,
    ) {
        let (seq, client, key) = by;
        match event {
            words::Event::Reserved(reserved) => self.book(reserved.slot.slot, seq, client, key),
            words::Event::WaitlistJoined(joined) => {
                self.slots
                    .get_mut(&joined.slot.slot)
                    .unwrap()
                    .waiting
                    .push_back(client);
            }
            words::Event::WaitlistLeft(left) => {
                let place = self.slots.get_mut(&left.slot.slot).unwrap();
                place.waiting.retain(|other| *other != client);
            }
            words::Event::Cancelled(cancelled) => {
                let words::Command::Cancel(cancel) = command else {
                    unreachable!()
                };
                if !self.inject(Defect::LostCancel, true) {
                    self.free(cancelled.slot.slot, cancel.booking, now);
                }
            }
            _other => unreachable!("not decided here"),
        }
    }

    fn book(&mut self, slot: u16, seq: u64, client: u32, key: Key) {
        self.bookings.insert(seq, (slot, client, key));
        self.slots.get_mut(&slot).unwrap().held.push((seq, client));
    }

    fn free(&mut self, slot: u16, booking: u64, now: u64) {
        self.bookings.remove(&booking);
        let place = self.slots.get_mut(&slot).unwrap();
        place.held.retain(|(other, _)| *other != booking);
        let Some(client) = place.waiting.pop_front() else {
            return;
        };
        let key = self.waits[&(slot, client)];
        let (id, user) = (self.run.slot(slot), Run::user(client));
        let promote = words::Promote { slot: id }.into();
        let promoted = words::Promoted { slot: id, user }.into();
        let seq = self
            .run
            .decide(UserId::NOBODY, Key::default(), &promote, &Ok(promoted));
        self.book(slot, seq, client, key);
        self.run.pushes.push(Pushed {
            client,
            seq,
            push: Push::Promoted {
                slot: self.run.packed(slot),
            },
            at: now,
            has_right_hash: true,
        });
    }

    fn list(&mut self, client: u32) -> (Outcome, u64, Observed) {
        let view = |slot: u16| match self.slots.get(&slot) {
            None => SlotView {
                held: 0,
                waiting: 0,
                mine: 0,
                past: false,
            },
            Some(place) => SlotView {
                held: u16::try_from(place.held.len()).unwrap(),
                waiting: u16::try_from(place.waiting.len()).unwrap(),
                mine: (place.held.iter().find(|(_, holder)| *holder == client))
                    .map_or(0, |(booking, _)| *booking),
                past: false,
            },
        };
        let day: Vec<SlotView> = (0..24).map(view).collect();
        let head = self.run.head();
        let (seq, old) = self.stale.get_or_insert((head, day.clone())).clone();
        let own = |day: &[SlotView]| day.iter().all(|view| view.mine == 0);
        let changed = old != day && own(&old) && own(&day);
        if self.inject(Defect::StaleRead, seq + 3 < head) {
            return (Outcome::Ok, seq, Observed::Slots(old));
        }
        if self.inject(Defect::TornRead, changed) {
            return (Outcome::Ok, head, Observed::Slots(old));
        }
        (Outcome::Ok, head, Observed::Slots(day))
    }
}

/// A run of `calls` random calls.
pub(crate) fn random(seed: u64, calls: u32, defect: Defect) -> Reference {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let users = rng.random_range(2..6);
    let mut server = Reference::new(users, rng.random_range(1..3), defect);
    // By client: when it is free again, and its next counter.
    let mut clients = vec![(MS, 0); usize::try_from(users).unwrap()];
    let mut now = MS;
    for _ in 0..calls {
        // Effects follow each other; each lies within its call.
        now += rng.random_range(1..3 * MS);
        let client = rng.random_range(0..users);
        let (free_at, counter) = clients[usize::try_from(client).unwrap()];
        if now <= free_at {
            continue;
        }
        let sent_at = rng
            .random_range(free_at..now)
            .max(now.saturating_sub(5 * MS));
        let completed_at = now + rng.random_range(0..5 * MS);
        clients[usize::try_from(client).unwrap()] = (completed_at + 1, counter + 1);
        let call = draw(&mut rng, &server, client);
        let (outcome, seq, observed) = server.answer((client, counter), call, now);
        let lost = rng.random_ratio(1, 30);
        let operation = Operation {
            client,
            counter,
            call,
            intended_at: sent_at,
            sent_at,
            completed_at,
            floor: 0,
            outcome: if lost { Outcome::Unknown } else { outcome },
            seq: if lost { 0 } else { seq },
            hash: ChainHash::START,
            attempts: 1,
        };
        let observed = if lost { Observed::Nothing } else { observed };
        server.run.operations.push((operation, observed));
    }
    server.run.stamp();
    server
}

fn draw(rng: &mut ChaCha8Rng, server: &Reference, client: u32) -> Call {
    let slot = server.run.packed(rng.random_range(0..SLOTS));
    let mine = server
        .bookings
        .iter()
        .find(|(_, booking)| booking.1 == client);
    let told = |booking: u64| {
        server
            .run
            .operations
            .iter()
            .any(|(op, _)| op.seq == booking)
            || server.run.pushes.iter().any(|pushed| pushed.seq == booking)
    };
    match (rng.random_range(0..8), mine) {
        (0 | 1, Some((booking, (slot, ..)))) if told(*booking) => Call::Cancel {
            booking: *booking,
            slot: server.run.packed(*slot),
        },
        (2, _) => Call::JoinWaitlist { slot },
        (3, _) => Call::LeaveWaitlist { slot },
        (4, _) => Call::ListSlots {
            slot: Slot(slot.0 & !0xfff),
        },
        (5, _) => Call::MyBookings,
        _other => Call::Reserve { slot },
    }
}
