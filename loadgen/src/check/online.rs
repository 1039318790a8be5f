//! While the run goes on: every call, answer, push and change of a connection, told to the laws that
//! need it.
//!
//! What the driver sees goes in, in the order in which it happens; each law is told only what it needs,
//! so that what a law costs is seen here. What they found so far comes out. Deliberately absent:
//! the log and the history (`conclusion`).

use protocol::{Code, words::presence::Signal};

use crate::operation::{
    Call, ChatCall, ChatSeen, LawProgress, LinkChange, Nanos, News, Observed, Observer, Operation,
    Outcome, Push, SalesCall, Slot,
};

use super::{
    chat::Known,
    laws::{LAWS, Laws},
    no_double_booking::Promotion,
    presence,
};

impl Laws {
    /// Something was broken on purpose at `now`: laws that stand on time stand back for a while.
    pub fn handle_fault(&mut self, now: Nanos) {
        self.presence.handle_fault(now);
    }

    /// A retry under the key of `first` was answered with this as well.
    pub fn handle_duplicate(&mut self, first: &Operation, outcome: Outcome, seq: u64, hash: u64) {
        self.idempotent_answers
            .handle_duplicate(first, outcome, seq, hash);
        if outcome.is_decided() {
            self.real_time_order.raise(seq);
            if !first.outcome.is_decided() {
                self.late.push(Operation {
                    outcome,
                    seq,
                    hash,
                    ..*first
                });
            }
        }
    }

    /// Somebody tried to get a place and heard of it, or gave up hearing.
    fn handle_attempted(&mut self, slot: Slot, operation: &Operation, seconds: Option<u32>) {
        let index = self.index(slot);
        match operation.outcome {
            Outcome::Ok => (self.no_double_booking).handle_booked(index, operation, seconds),
            Outcome::Refused(code) => {
                if code == Code::SLOT_TAKEN {
                    self.refusals_justified.handle_taken(index, operation);
                }
                self.handle_lost(index, operation);
            }
            Outcome::Error(_) => self.handle_lost(index, operation),
            Outcome::Timeout | Outcome::Unknown => {}
        }
    }

    /// An attempt that came to nothing, unless an earlier try of it may have been heard.
    fn handle_lost(&mut self, index: usize, operation: &Operation) {
        if operation.outcome.is_decided() || operation.attempts <= 1 {
            self.refusals_justified
                .handle_gone(index, operation.completed_at);
        }
    }

    fn handle_cancel(&mut self, slot: Slot, booking: u64, operation: &Operation) {
        let index = self.index(slot);
        match operation.outcome {
            Outcome::Ok => {
                self.no_double_booking.handle_gone(index, booking);
                self.refusals_justified
                    .handle_gone(index, operation.completed_at);
                self.no_lost_cancel.handle_cancelled(booking, operation);
            }
            Outcome::Refused(_) | Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => {}
        }
    }

    fn handle_confirm(&mut self, slot: Slot, booking: u64, outcome: Outcome) {
        let index = self.index(slot);
        match outcome {
            Outcome::Ok => self.no_double_booking.handle_confirmed(index, booking),
            // It ended by its deadline; whether anybody still stands in its place is not known.
            Outcome::Refused(Code::UNKNOWN_BOOKING) => {
                self.no_double_booking.handle_over(index, booking);
            }
            Outcome::Refused(_) | Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => {}
        }
    }

    fn handle_chat(&mut self, operation: &Operation, call: &ChatCall, observed: &Observed) {
        let seen = match observed {
            Observed::Chat(seen) => Some(seen),
            Observed::Nothing
            | Observed::Slots(_)
            | Observed::Bookings(_)
            | Observed::Catalogue(_)
            | Observed::Sales(_) => None,
        };
        if let (Outcome::Ok, Some(seen)) = (operation.outcome, seen) {
            self.erasure.handle_chat(operation, seen);
            if let ChatSeen::Presences(list) = seen {
                self.presence.handle_list(operation, list);
            }
        }
        let known = Known {
            mint: &self.options.mint,
            users: &self.users,
            began_at: self.began_at,
            sent: &self.no_phantom,
            people: &self.people,
        };
        self.chat.handle_complete(operation, call, seen, &known);
    }

    fn handle_sales(&mut self, operation: &Operation, call: &SalesCall, observed: &Observed) {
        if let (Outcome::Ok, Observed::Sales(seen)) = (operation.outcome, observed) {
            self.erasure.handle_sales(operation, call, seen);
        }
        let user = self.user(operation.client);
        self.sales.handle_complete(user, operation, call, observed);
    }

    /// Somebody is about to ask to be erased, on one of their devices.
    fn handle_parting(&mut self, client: u32) {
        let user = self.user(client);
        self.erasure.handle_invoke(user);
        self.no_double_booking.handle_parting(client);
        for (other, known) in (0..).zip(&self.users) {
            if *known == Some(user) {
                self.no_double_booking.handle_parting(other);
            }
        }
    }

    fn handle_read(&mut self, operation: &Operation, observed: &Observed) {
        match operation.outcome {
            Outcome::Ok => {
                self.no_lost_cancel.handle_read(operation, observed);
                self.model_agrees.handle_read(operation, observed);
            }
            Outcome::Refused(code) => self.model_agrees.handle_refused_read(operation, code),
            Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => {}
        }
    }
}

impl Observer for Laws {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        self.session_order.handle_invoke(client, counter);
        self.no_phantom.handle_invoke(client, counter);
        match *call {
            Call::Reserve { slot } | Call::Hold { slot, .. } | Call::JoinWaitlist { slot } => {
                let index = self.index(slot);
                self.refusals_justified.handle_attempt(index);
            }
            Call::Cancel { slot, booking } => {
                let index = self.index(slot);
                (self.no_double_booking).handle_cancel_invoke(index, booking, now);
            }
            Call::Confirm { .. }
            | Call::LeaveWaitlist { .. }
            | Call::ListSlots { .. }
            | Call::MyBookings => {}
            Call::Chat(call) => {
                let user = self.user(client);
                (self.chat).handle_invoke((client, counter), (user, &call), now);
            }
            Call::Catalogue(call) => {
                let user = self.user(client);
                self.catalogue.handle_invoke(user, &call);
            }
            Call::Sales(call) => {
                let user = self.user(client);
                self.sales.handle_invoke((client, counter), user, &call);
            }
            Call::EraseMe => self.handle_parting(client),
        }
        self.real_time_order.floor()
    }

    fn handle_complete(&mut self, operation: &Operation, observed: &Observed) {
        self.session_order.handle_complete(operation);
        self.idempotent_answers.handle_complete(operation);
        if operation.outcome.is_decided() {
            self.real_time_order.handle_answer(operation);
        }
        match operation.call {
            Call::Reserve { slot } => self.handle_attempted(slot, operation, None),
            Call::Hold { slot, seconds } => self.handle_attempted(slot, operation, Some(seconds)),
            Call::JoinWaitlist { slot } => {
                if !matches!(
                    operation.outcome,
                    Outcome::Ok | Outcome::Timeout | Outcome::Unknown
                ) {
                    let index = self.index(slot);
                    self.handle_lost(index, operation);
                }
            }
            Call::LeaveWaitlist { slot } => {
                if operation.outcome == Outcome::Ok {
                    let index = self.index(slot);
                    (self.refusals_justified).handle_gone(index, operation.completed_at);
                }
            }
            Call::Cancel { slot, booking } => self.handle_cancel(slot, booking, operation),
            Call::Confirm { slot, booking } => {
                self.handle_confirm(slot, booking, operation.outcome);
            }
            Call::ListSlots { .. } | Call::MyBookings => self.handle_read(operation, observed),
            Call::Chat(call) => self.handle_chat(operation, &call, observed),
            Call::Catalogue(call) => {
                let user = self.user(operation.client);
                (self.catalogue).handle_complete(user, operation, &call, observed);
            }
            Call::Sales(call) => self.handle_sales(operation, &call, observed),
            // What follows from it is in the log.
            Call::EraseMe => {}
        }
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        Self::handle_duplicate(self, first, second.outcome, second.seq, second.hash);
    }

    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        self.idempotent_answers.handle_reused(first, outcome);
    }

    fn handle_push(&mut self, client: u32, seq: u64, push: &Push, now: Nanos) {
        let floor = self.real_time_order.floor();
        self.session_order.handle_push(client, seq);
        self.real_time_order.raise(seq);
        match *push {
            Push::Promoted { slot } => {
                let index = self.index(slot);
                let promotion = Promotion {
                    client,
                    booking: seq,
                    now,
                };
                (self.no_double_booking).handle_promoted(index, slot, promotion);
            }
            Push::Expired { booking, slot } => {
                let index = self.index(slot);
                if self.no_double_booking.handle_gone(index, booking) {
                    self.refusals_justified.handle_gone(index, now);
                }
            }
            Push::Entry(ref entry) => self.erasure.handle_push(client, entry),
            Push::Receipt { .. } => {}
        }
        let known = Known {
            mint: &self.options.mint,
            users: &self.users,
            began_at: self.began_at,
            sent: &self.no_phantom,
            people: &self.people,
        };
        (self.chat).handle_push(client, (seq, push), (now, floor), &known);
    }

    fn handle_signal(&mut self, client: u32, signal: &Signal, now: Nanos) {
        match signal {
            Signal::WatchPresence(watch) => self.presence.handle_watch(client, &watch.users, now),
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
                self.presence.handle_news(client, news);
            }
            // Who is writing is true while it lasts: no law speaks of it.
            News::Typing { .. } => {}
        }
    }

    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        let user = self.user(client);
        if let LinkChange::Subscribed { from, newest } = change {
            self.session_order.handle_subscribed(client, from);
            self.erasure.handle_subscribed(client, newest);
        }
        self.chat.handle_link(client, change, now);
        self.presence.handle_link(client, user, change, now);
    }

    fn handle_fault(&mut self, now: Nanos) {
        Self::handle_fault(self, now);
    }

    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.chat.handle_drained(client, seq, is_settled);
    }

    /// Those that looked at something or are required; then the required ones that the log decides.
    fn progress(&self) -> Vec<LawProgress> {
        let first = [
            self.no_double_booking.progress(),
            self.refusals_justified.progress(),
            self.no_lost_cancel.progress(),
            self.real_time_order.progress(),
            self.session_order.progress(),
            self.idempotent_answers.progress(),
        ];
        let systems = [
            self.chat.progress(),
            self.presence.progress(),
            self.catalogue.progress(),
            self.sales.progress(),
        ];
        let required = &self.options.required;
        let is_required = |name: &str| required.iter().any(|required| required == name);
        let online = first.into_iter().chain(systems.into_iter().flatten());
        let mut told: Vec<LawProgress> = online
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
