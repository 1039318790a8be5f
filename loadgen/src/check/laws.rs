//! All laws together: who is told what, and when.
//!
//! Online they see each operation once; afterwards the log, record by record, and the history.

use protocol::{UserId, record::OwnedRecord};
use reports::record::LawRecord;

use crate::operation::{Call, KeyMint, Nanos, Observed, Operation, Outcome, Push, Watch};

/// The names of all laws, in the order of their verdicts.
pub const LAWS: [&str; 13] = [
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
            memory_bytes_max: 1 << 30,
            search_steps_max: 2_000_000,
        }
    }
}

/// Every law of one run.
#[derive(Debug)]
pub struct Laws {
    options: LawOptions,
}

impl Laws {
    /// No operation seen yet.
    #[must_use]
    pub const fn new(options: LawOptions) -> Self {
        Self { options }
    }

    /// Client `client` is logged in as `user`: call it while the world is set up.
    pub fn handle_client(&mut self, client: u32, user: UserId) {
        let _ = (client, user);
    }

    /// Something was broken on purpose at `now`: laws of progress stand back.
    pub fn handle_fault(&mut self, now: Nanos) {
        let _ = now;
    }

    /// A retry under the key of `first` was answered with this as well.
    pub fn handle_duplicate(&mut self, first: &Operation, outcome: Outcome, seq: u64, hash: u64) {
        let _ = (first, outcome, seq, hash);
    }

    /// Records up to and with position `seq` are the world's set-up, not the run's.
    pub fn begin(&mut self, seq: u64) {
        let _ = seq;
    }

    /// One record of the log, from the first to the last, after the run.
    pub fn handle_record(&mut self, record: &OwnedRecord) {
        let _ = record;
    }

    /// The state hash of the live server and of a replay of its log: position and hash.
    pub fn handle_state_hashes(&mut self, live: Option<(u64, u128)>, replayed: Option<(u64, u128)>) {
        let _ = (live, replayed);
    }

    /// What a client's bookings were read to be when the run had drained, at position `seq`.
    pub fn handle_final_bookings(&mut self, client: u32, seq: u64, observed: &Observed) {
        let _ = (client, seq, observed);
    }

    /// Judges: streams the history once and says what each law found.
    #[must_use]
    pub fn conclude(self, history: impl Iterator<Item = Operation>) -> Vec<LawRecord> {
        let _ = (history, self.options);
        Vec::new()
    }
}

impl Watch for Laws {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        let _ = (client, counter, call, now);
        0
    }

    fn handle_complete(&mut self, operation: &Operation, observed: &Observed) {
        let _ = (operation, observed);
    }

    fn handle_push(&mut self, client: u32, seq: u64, push: &Push, now: Nanos) {
        let _ = (client, seq, push, now);
    }
}
