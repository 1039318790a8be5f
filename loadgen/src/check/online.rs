//! While the run goes on: every call, answer, push and change of a connection, as an event that every
//! law is told of.
//!
//! What the driver sees goes in, in the order in which it happens; here `World` is brought up to date and
//! the laws are told. What they found so far comes out. Deliberately absent: the log and the history
//! (`conclusion`).

use protocol::{ChainHash, Code, words::presence::Signal};

use crate::operation::{
    Answer, Call, ChatSeen, LawProgress, LinkChange, Nanos, News, Observed, Observer, Operation,
    Outcome, Push, Slot,
};

use super::{
    holders::Held,
    law::{Answered, Completed, Crowded, Duplicate, Fault, Invoked, Linked, Pushed, Read, Reused},
    laws::Laws,
    presence,
    registry::LAWS,
};

impl Laws {
    /// Something was broken on purpose at `now`: laws that stand on time stand back for a while.
    pub fn handle_fault(&mut self, now: Nanos) {
        self.world.presence.note_fault(now);
        self.tell(&Fault);
    }

    /// A retry under the key of `first` was answered with this as well.
    pub fn handle_duplicate(
        &mut self,
        first: &Operation,
        outcome: Outcome,
        seq: u64,
        hash: ChainHash,
    ) {
        self.tell(&Duplicate {
            first,
            outcome,
            seq,
            hash,
        });
        if outcome.is_decided() {
            self.world.floor = self.world.floor.max(seq);
            if !first.outcome.is_decided() {
                self.world.late.push(Operation {
                    outcome,
                    seq,
                    hash,
                    ..*first
                });
            }
        }
    }

    /// What a client's bookings were read to be when the run had drained: a read like any other,
    /// whose operation is the driver's own. To be told before the log.
    pub fn handle_final_bookings(&mut self, operation: &Operation, observed: &Observed) {
        self.tell(&Read {
            operation,
            observed,
        });
    }

    /// The number of the slot of which this call may take or free a place, if it was not refused to.
    fn slot_of(&mut self, call: &Call, outcome: Option<Outcome>) -> Option<usize> {
        match *call {
            Call::Reserve { slot }
            | Call::Hold { slot, .. }
            | Call::JoinWaitlist { slot }
            | Call::Cancel { slot, .. } => Some(self.world.slot_index(slot)),
            Call::Confirm { slot, .. } if outcome.is_some() => Some(self.world.slot_index(slot)),
            Call::LeaveWaitlist { slot } if outcome == Some(Outcome::Ok) => {
                Some(self.world.slot_index(slot))
            }
            Call::Confirm { .. }
            | Call::LeaveWaitlist { .. }
            | Call::ListSlots { .. }
            | Call::MyBookings
            | Call::EraseMe
            | Call::Chat(_)
            | Call::Catalogue(_)
            | Call::Sales(_) => None,
        }
    }

    /// What a finished call of the agenda says about who holds its slot.
    fn hold_slot(&mut self, operation: &Operation, index: usize) {
        let lasts = (self.world.options.contract).and_then(|contract| contract.lasts());
        let holders = &mut self.world.holders;
        let crowd = match (operation.call, operation.outcome) {
            (Call::Reserve { .. }, Outcome::Ok) => holders.book(index, operation, lasts),
            (Call::Hold { seconds, .. }, Outcome::Ok) => {
                holders.book(index, operation, Some(seconds))
            }
            (Call::Cancel { booking, .. }, Outcome::Ok) => {
                holders.free(index, booking);
                None
            }
            (Call::Confirm { booking, .. }, Outcome::Ok) => {
                holders.confirm(index, booking);
                None
            }
            // It ended by its deadline; whether anybody still stands in its place is not known.
            (Call::Confirm { booking, .. }, Outcome::Refused(Code::UNKNOWN_BOOKING)) => {
                holders.end(index, booking);
                None
            }
            _changes_no_holder => None,
        };
        self.tell_crowd(operation.call.slot(), crowd);
    }

    fn tell_crowd(&mut self, slot: Option<Slot>, crowd: Option<(Held, Vec<Held>)>) {
        if let (Some(slot), Some((new, others))) = (slot, crowd) {
            self.tell(&Crowded {
                slot,
                others: &others,
                new: &new,
            });
        }
    }

    /// Somebody is about to ask to be erased, on one of their devices.
    fn part(&mut self, client: u32) {
        let user = self.world.user(client);
        self.world.holders.part(client);
        for (other, known) in (0..).zip(&self.world.users) {
            if *known == Some(user) {
                self.world.holders.part(other);
            }
        }
    }

    /// What an answer showed, kept until it can be compared or shown to more laws.
    fn show(&mut self, operation: &Operation, observed: &Observed) {
        match (&operation.call, observed) {
            (Call::ListSlots { .. } | Call::MyBookings, _) if operation.outcome == Outcome::Ok => {
                self.tell(&Read {
                    operation,
                    observed,
                });
            }
            (Call::Chat(call), Observed::Chat(seen)) if operation.outcome == Outcome::Ok => {
                if let ChatSeen::Presences(list) = seen {
                    self.show_presences(operation, list);
                }
                self.show_chat(operation, call, seen);
            }
            (Call::Catalogue(call), Observed::Catalogue(seen))
                if operation.outcome == Outcome::Ok =>
            {
                self.world.catalogue.keep(operation, call, seen);
            }
            (Call::Sales(call), _) => {
                let seen = match observed {
                    Observed::Sales(seen) => Some(seen),
                    _shows_no_figure => None,
                };
                let user = self.world.user(operation.client);
                self.world.sales.keep(user, operation, call, seen);
            }
            _shows_nothing => {}
        }
        if let Call::Chat(call) = &operation.call {
            let seen = match observed {
                Observed::Chat(seen) => Some(seen),
                _shows_no_chat => None,
            };
            self.keep_list(operation, call, seen);
            self.world.chat.own.handle_complete(operation);
        }
    }
}

impl Observer for Laws {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        let id = (client, counter);
        self.world.note_sent(id);
        let slot = self.slot_of(call, None);
        match call {
            Call::Cancel { booking, .. } => {
                if let Some(index) = slot {
                    self.world.holders.cancel(index, *booking, now);
                }
            }
            Call::Chat(call) => self.world.chat.note_invoke(id, call),
            Call::Catalogue(_) => self.world.catalogue.note_invoke(),
            Call::Sales(_) => self.world.sales.note_invoke(),
            Call::EraseMe => self.part(client),
            Call::Reserve { .. }
            | Call::Hold { .. }
            | Call::JoinWaitlist { .. }
            | Call::Confirm { .. }
            | Call::LeaveWaitlist { .. }
            | Call::ListSlots { .. }
            | Call::MyBookings => {}
        }
        let user = self.world.user(client);
        self.tell(&Invoked {
            id,
            user,
            call,
            slot,
            now,
        });
        self.world.floor
    }

    fn handle_answer(&mut self, operation: &Operation, answer: &Answer) {
        self.tell(&Answered { operation, answer });
    }

    fn handle_complete(&mut self, operation: &Operation, observed: &Observed) {
        let slot = self.slot_of(&operation.call, Some(operation.outcome));
        let user = self.world.user(operation.client);
        self.tell(&Completed {
            operation,
            observed,
            user,
            slot,
        });
        if operation.outcome.is_decided() {
            self.world.floor = self.world.floor.max(operation.seq);
        }
        match slot {
            Some(index) => self.hold_slot(operation, index),
            None => self.show(operation, observed),
        }
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        Self::handle_duplicate(self, first, second.outcome, second.seq, second.hash);
    }

    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        self.tell(&Reused { first, outcome });
    }

    fn handle_push(&mut self, client: u32, (seq, hash): (u64, ChainHash), push: &Push, now: Nanos) {
        let floor = self.world.floor;
        let mut freed = None;
        match *push {
            Push::Promoted { slot } => {
                let index = self.world.slot_index(slot);
                let crowd = self.world.holders.promote(index, (client, seq), now);
                self.tell_crowd(Some(slot), crowd);
            }
            Push::Expired { booking, slot } => {
                let index = self.world.slot_index(slot);
                freed = self.world.holders.free(index, booking).then_some(index);
            }
            Push::Entry(_) | Push::Receipt { .. } => {}
        }
        self.tell(&Pushed {
            client,
            seq,
            hash,
            push,
            freed,
            now,
            floor,
        });
        self.world.floor = floor.max(seq);
        self.show_push(client, seq, push);
    }

    fn handle_signal(&mut self, client: u32, signal: &Signal, now: Nanos) {
        match signal {
            Signal::WatchPresence(watch) => self.watch_presence(client, &watch.users, now),
            Signal::Typing(_) => {}
        }
    }

    fn handle_news(&mut self, client: u32, news: &News, now: Nanos) {
        match *news {
            News::Presence {
                user,
                online,
                last_seen,
                epoch,
            } => {
                let news = presence::News {
                    user,
                    online,
                    last_seen,
                    epoch,
                    at: now,
                };
                self.show_news(client, news);
            }
            // Who is writing is true while it lasts: no law speaks of it.
            News::Typing { .. } => {}
        }
    }

    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        let user = self.world.user(client);
        let ended = self.link_presence(client, user, change, now);
        self.tell(&Linked {
            client,
            user,
            change,
            ended,
            now,
        });
        self.world.chat.note_link(client, change);
    }

    fn handle_fault(&mut self, now: Nanos) {
        Self::handle_fault(self, now);
    }

    /// Unless `is_settled`, what did not come is late and not lost.
    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.world.chat.mailbox.drain(client, seq, is_settled);
    }

    /// Those that looked at something or are required; then the required ones that the log decides.
    fn progress(&self) -> Vec<LawProgress> {
        let (required, contract) = (&self.world.options.required, self.world.options.contract);
        let can_be_judged =
            |name: &str| contract.is_none_or(|contract| contract.lacks(name).is_none());
        let is_required =
            |name: &str| can_be_judged(name) && required.iter().any(|required| required == name);
        let online = self.registry.progress(&self.world).into_iter();
        let mut told: Vec<LawProgress> = online
            .filter(|law| can_be_judged(law.name))
            .filter(|law| 0 < law.count || is_required(law.name))
            .collect();
        let later = LAWS.iter().filter(|name| is_required(name));
        for name in later {
            if told.iter().all(|law| law.name != *name) {
                told.push(LawProgress {
                    name,
                    what: "",
                    count: 0,
                    violations: 0,
                });
            }
        }
        told
    }
}
