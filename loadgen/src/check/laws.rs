//! All laws of a run together: which there are, what they must know, what they keep in common.
//!
//! The options of a run go in; every law comes out, with nothing seen yet. While the run goes on they are
//! told of it in `online`, and judge it in `conclusion` when it is over.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::UserId;

use crate::operation::{KeyMint, Nanos, Operation, Slot};

use super::{
    catalogue::{self, CatalogueLaws},
    chat::{self, ChatLaws},
    durable_acks::DurableAcks,
    erasure_complete::{self, ErasureComplete},
    idempotent_answers::IdempotentAnswers,
    ledger::Ledger,
    linearizable::Linearizable,
    log_chained::LogChained,
    model_agrees::ModelAgrees,
    no_double_booking::NoDoubleBooking,
    no_lost_cancel::NoLostCancel,
    no_phantom::NoPhantom,
    people::People,
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
    + chat::PUSH_LAWS.len()
    + presence::LAWS.len()
    + catalogue::LAWS.len()
    + sales::LAWS.len()
    + erasure_complete::LAWS.len();

const fn joined() -> [&'static str; LAWS_LEN] {
    let mut laws = [""; LAWS_LEN];
    let sets: [&[&str]; 7] = [
        &FIRST_LAWS,
        &chat::LAWS,
        &chat::PUSH_LAWS,
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
    /// Whether the server is this run's alone. Elsewhere somebody whom the run did not register may use
    /// it too, and what they did is set aside.
    pub is_alone: bool,
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
            is_alone: false,
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
    /// Who is of this run, and what the others did.
    pub(super) people: People,
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
            people: People::new(options.is_alone),
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
        self.people.admit(user);
    }

    /// Records up to and with position `seq` are the world's set-up, not the run's.
    pub const fn begin(&mut self, seq: u64) {
        self.began_at = seq;
    }

    /// Who a client is; a person that no log has for one whom nobody told of.
    pub(super) fn user(&self, client: u32) -> UserId {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        let known = self.users.get(index).copied().flatten();
        known.unwrap_or(UserId(u64::MAX - u64::from(client)))
    }

    /// The number of a slot.
    pub(super) fn index(&mut self, slot: Slot) -> usize {
        let next = self.slots.len();
        let index = *self.slots.entry(slot).or_insert(next);
        if index == next {
            self.no_double_booking.handle_slot();
            self.refusals_justified.handle_slot();
        }
        index
    }
}
