//! All laws of a run together, and what they share.
//!
//! The options of a run go in; every law comes out, with nothing seen yet. While the run goes on they are
//! told of it in `online`, and judge it in `conclusion` when it is over.

use protocol::UserId;

use crate::operation::{KeyMint, Nanos};

use super::{Contract, law::Event, registry::Registry, world::World};

/// What the laws must know about a run.
#[derive(Debug, Clone)]
pub struct LawOptions {
    /// The mint of the run's keys.
    pub mint: KeyMint,
    /// What a server without a log that can be read promises; `None` for one with a log.
    pub contract: Option<Contract>,
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
    /// How many bytes of a hash an answer keeps: all, but in old histories.
    pub hash_bytes: usize,
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
            contract: None,
            required: Vec::new(),
            capacity,
            clients,
            is_alone: false,
            page_len: protocol::limits::PAGE_LEN_MAX,
            hold_slack: 100_000_000,
            presence_slack: 3_000_000_000,
            wall_at_start: None,
            hash_bytes: 32,
            memory_bytes_max: 1 << 30,
            search_steps_max: 2_000_000,
        }
    }

    /// An eighth of the memory there is for judging.
    pub(crate) const fn share(&self) -> u64 {
        self.memory_bytes_max / 8
    }

    /// What each of the lists of the chat may take of it.
    pub(crate) const fn chat_share(&self) -> u64 {
        2 * self.share() / 8
    }
}

/// Every law of one run.
#[derive(Debug)]
pub struct Laws {
    pub(crate) world: World,
    pub(crate) registry: Registry,
}

impl Laws {
    /// No operation seen yet.
    #[must_use]
    pub fn new(mut options: LawOptions) -> Self {
        let promised = options.contract.and_then(|contract| contract.capacity);
        options.capacity = promised.unwrap_or(options.capacity);
        Self {
            registry: Registry::new(&options),
            world: World::new(options),
        }
    }

    /// Client `client` is logged in as `user`: to be told while the world is set up.
    pub fn handle_client(&mut self, client: u32, user: UserId) {
        self.world.admit(client, user);
    }

    /// Records up to and with position `seq` are the world's set-up, not the run's.
    pub const fn begin(&mut self, seq: u64) {
        self.world.began_at = seq;
    }

    /// Tells every law of an event.
    #[inline]
    pub(crate) fn tell<E: Event>(&mut self, event: &E) {
        self.registry.tell(event, &self.world);
    }
}
