//! All laws together: who is told what, and when.
//!
//! Online they see each operation once; afterwards the log, record by record, and the history. Each
//! law is told only what it needs, so that what a law costs is seen here. The judging after the run
//! is in `conclusion`.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{Code, UserId, words::presence::Signal};

use crate::operation::{
    Call, ChatCall, ChatSeen, KeyMint, LawProgress, LinkChange, Nanos, News, Observed, Operation,
    Outcome, Push, SalesCall, Slot, Watch,
};

use super::{
    catalogue::{self, CatalogueLaws},
    chat::{self, ChatLaws, Known},
    durable_acks::DurableAcks,
    erasure_complete::{self, ErasureComplete},
    idempotent_answers::IdempotentAnswers,
    ledger::Ledger,
    linearizable::Linearizable,
    log_chained::LogChained,
    model_agrees::ModelAgrees,
    no_double_booking::{NoDoubleBooking, Promotion},
    no_lost_cancel::NoLostCancel,
    no_phantom::NoPhantom,
    presence::{self, PresenceLaws},
    real_time_order::RealTimeOrder,
    refusals_justified::RefusalsJustified,
    replay_determinism::ReplayDeterminism,
    sales::{self, SalesLaws},
    session_order::SessionOrder,
    someone_wins::SomeoneWins,
};

/// The names of all laws, in the order of their verdicts: of the log and the agenda first, then of
/// each system that has laws of its own.
pub const LAWS: [&str; LAWS_LEN] = joined();

/// The laws of the log and of the agenda.
pub(super) const FIRST_LAWS: [&str; 13] = [
    "no-double-booking",
    "refusals-justified",
    "someone-wins",
    "no-lost-cancel",
    "durable-acks",
    "no-phantom",
    "real-time-order",
    "session-order",
    "idempotent-answers",
    "log-chained",
    "replay-determinism",
    "model-agrees",
    "linearizable",
];

const LAWS_LEN: usize = FIRST_LAWS.len()
    + chat::LAWS.len()
    + presence::LAWS.len()
    + catalogue::LAWS.len()
    + sales::LAWS.len()
    + erasure_complete::LAWS.len();

const fn joined() -> [&'static str; LAWS_LEN] {
    let mut laws = [""; LAWS_LEN];
    let sets: [&[&str]; 6] = [
        &FIRST_LAWS,
        &chat::LAWS,
        &presence::LAWS,
        &catalogue::LAWS,
        &sales::LAWS,
        &erasure_complete::LAWS,
    ];
    let (mut set, mut next) = (0, 0);
    while set < sets.len() {
        let mut law = 0;
        while law < sets[set].len() {
            laws[next] = sets[set][law];
            (law, next) = (law + 1, next + 1);
        }
        set += 1;
    }
    laws
}

/// What the laws must know about a run.
#[derive(Debug, Clone)]
pub struct LawOptions {
    /// The mint of the run's keys.
    pub mint: KeyMint,
    /// The laws that the scenario requires; all are judged whether or not they are required.
    pub required: Vec<String>,
    /// Places in each slot of the run's agendas.
    pub capacity: u32,
    /// Clients of the run, numbered from 0.
    pub clients: u32,
    /// Entries in the page that a `my-bookings` call asks for.
    pub page_len: u16,
    /// How far the server's wall clock may be off the generator's when holds end.
    pub hold_slack: Nanos,
    /// How long it may take until a coming or going is seen everywhere.
    pub presence_slack: Nanos,
    /// The server's wall clock when the run began, milliseconds since 1970-01-01 UTC, if it is the
    /// generator's too.
    pub wall_at_start: Option<u64>,
    /// Most bytes kept for judging after the run; beyond it a law says `unknown`.
    pub memory_bytes_max: u64,
    /// Most steps of the linearizability search for one slot.
    pub search_steps_max: u64,
}

impl LawOptions {
    /// The usual bounds.
    #[must_use]
    pub const fn new(mint: KeyMint, capacity: u32, clients: u32) -> Self {
        Self {
            mint,
            required: Vec::new(),
            capacity,
            clients,
            page_len: protocol::limits::PAGE_LEN_MAX,
            hold_slack: 100_000_000,
            presence_slack: 3_000_000_000,
            wall_at_start: None,
            memory_bytes_max: 1 << 30,
            search_steps_max: 2_000_000,
        }
    }
}

/// Every law of one run.
#[derive(Debug)]
pub struct Laws {
    pub(super) options: LawOptions,
    /// Slots seen so far, numbered.
    pub(super) slots: HashMap<Slot, usize, FixedState>,
    /// By client: who they are.
    pub(super) users: Vec<Option<UserId>>,
    /// The position that the live state was read at.
    pub(super) live_at: Option<u64>,
    /// The last position of the world's set-up.
    pub(super) began_at: u64,
    /// Slots that were held when the run began.
    pub(super) held_before: HashSet<Slot, FixedState>,
    /// Answers that came when nobody waited for them any more.
    pub(super) late: Vec<Operation>,
    pub(super) ledger: Ledger,
    pub(super) no_double_booking: NoDoubleBooking,
    pub(super) refusals_justified: RefusalsJustified,
    pub(super) someone_wins: SomeoneWins,
    pub(super) no_lost_cancel: NoLostCancel,
    pub(super) durable_acks: DurableAcks,
    pub(super) no_phantom: NoPhantom,
    pub(super) real_time_order: RealTimeOrder,
    pub(super) session_order: SessionOrder,
    pub(super) idempotent_answers: IdempotentAnswers,
    pub(super) log_chained: LogChained,
    pub(super) replay_determinism: ReplayDeterminism,
    pub(super) model_agrees: ModelAgrees,
    pub(super) linearizable: Linearizable,
    pub(super) chat: ChatLaws,
    pub(super) presence: PresenceLaws,
    pub(super) catalogue: CatalogueLaws,
    pub(super) sales: SalesLaws,
    pub(super) erasure: ErasureComplete,
}

impl Laws {
    /// No operation seen yet.
    #[must_use]
    pub fn new(options: LawOptions) -> Self {
        let (capacity, clients) = (options.capacity, options.clients);
        // What grows with the run: the ledger, which the slots follow when it is no longer needed, the
        // cancels, the reads of the agenda, of favourites and of sales, and all that the chat shows.
        let share = options.memory_bytes_max / 8;
        Self {
            slots: HashMap::with_hasher(FixedState::with_seed(0)),
            users: vec![None; usize::try_from(clients).unwrap_or(0)],
            live_at: None,
            began_at: 0,
            held_before: HashSet::with_hasher(FixedState::with_seed(0)),
            late: Vec::new(),
            ledger: Ledger::new(2 * share),
            no_double_booking: NoDoubleBooking::new(capacity, options.hold_slack),
            refusals_justified: RefusalsJustified::new(capacity),
            someone_wins: SomeoneWins::new(capacity),
            no_lost_cancel: NoLostCancel::new(share),
            durable_acks: DurableAcks::new(),
            no_phantom: NoPhantom::new(clients),
            real_time_order: RealTimeOrder::new(),
            session_order: SessionOrder::new(clients),
            idempotent_answers: IdempotentAnswers::new(),
            log_chained: LogChained::new(),
            replay_determinism: ReplayDeterminism::new(),
            model_agrees: ModelAgrees::new(options.page_len, share),
            linearizable: Linearizable::new(capacity, options.search_steps_max),
            chat: ChatLaws::new(2 * share),
            presence: PresenceLaws::new(options.presence_slack, options.wall_at_start),
            catalogue: CatalogueLaws::new(share),
            sales: SalesLaws::new(share),
            erasure: ErasureComplete::new(),
            options,
        }
    }

    /// Client `client` is logged in as `user`: to be told while the world is set up.
    pub fn handle_client(&mut self, client: u32, user: UserId) {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        if self.users.len() <= index {
            self.users.resize(index + 1, None);
        }
        self.users[index] = Some(user);
    }

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

    /// Records up to and with position `seq` are the world's set-up, not the run's.
    pub const fn begin(&mut self, seq: u64) {
        self.began_at = seq;
    }

    /// Who a client is; a person that no log has for one whom nobody told of.
    fn user(&self, client: u32) -> UserId {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        let known = self.users.get(index).copied().flatten();
        known.unwrap_or(UserId(u64::MAX - u64::from(client)))
    }

    /// The number of a slot.
    fn index(&mut self, slot: Slot) -> usize {
        let next = self.slots.len();
        let index = *self.slots.entry(slot).or_insert(next);
        if index == next {
            self.no_double_booking.handle_slot();
            self.refusals_justified.handle_slot();
        }
        index
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
        if operation.outcome == Outcome::Ok {
            self.no_lost_cancel.handle_read(operation, observed);
            self.model_agrees.handle_read(operation, observed);
        }
    }
}

impl Watch for Laws {
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
                self.chat.handle_invoke((client, counter), user, &call);
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
        };
        self.chat.handle_push(client, (seq, push), now, &known);
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

    fn handle_drained(&mut self, client: u32, seq: u64, now: Nanos) {
        self.chat.handle_drained(client, seq, now);
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
