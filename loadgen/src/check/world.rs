//! What the laws share: who is who, what was sent and shown, the log as far as it was read, and a model
//! of each system.
//!
//! It is brought up to date by whoever tells the laws of events (`online`, `conclusion` and each
//! system's folder), before or after they are told, as each event says. Laws only look at it.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::UserId;

use crate::operation::{Operation, Slot};

use super::{
    catalogue::CatalogueState,
    chat::ChatState,
    finding::{OperationId, Topic},
    holders::Holders,
    laws::LawOptions,
    ledger::{Fingerprints, Ledger},
    model::Model,
    people::People,
    presence::PresenceState,
    sales::SalesState,
};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: LawOptions,
    /// Slots seen so far, numbered.
    pub(crate) slots: HashMap<Slot, usize, FixedState>,
    /// By client: who they are.
    pub(crate) users: Vec<Option<UserId>>,
    /// By client: operations sent.
    attempted: Vec<u32>,
    /// Who is of this run, and what the others did.
    pub(crate) people: People,
    /// The highest position that anybody has been shown.
    pub(crate) floor: u64,
    /// The position that the live state was read at.
    pub(crate) live_at: Option<u64>,
    /// The last position of the world's set-up.
    pub(crate) began_at: u64,
    /// Slots that were held when the run began.
    pub(crate) held_before: HashSet<Slot, FixedState>,
    /// Answers that came when nobody waited for them any more.
    pub(crate) late: Vec<Operation>,
    pub(crate) ledger: Ledger,
    pub(crate) holders: Holders,
    /// The agenda by the log.
    pub(crate) agenda: Model,
    pub(crate) chat: ChatState,
    pub(crate) presence: PresenceState,
    pub(crate) catalogue: CatalogueState,
    pub(crate) sales: SalesState,
}

impl World {
    pub(crate) fn new(options: LawOptions) -> Self {
        // What grows with the run: the ledger, which the slots follow when it is no longer needed, the
        // cancels, the reads of the agenda, of favourites and of sales, and all that the chat shows.
        let share = options.share();
        let clients = usize::try_from(options.clients).unwrap_or(0);
        Self {
            slots: HashMap::with_hasher(FixedState::with_seed(0)),
            users: vec![None; clients],
            attempted: vec![0; clients],
            people: People::new(options.is_alone),
            floor: 0,
            live_at: None,
            began_at: 0,
            held_before: HashSet::with_hasher(FixedState::with_seed(0)),
            late: Vec::new(),
            ledger: Ledger::new(2 * share, Fingerprints::of(&options)),
            holders: Holders::new(options.capacity, options.hold_slack),
            agenda: Model::new(),
            chat: ChatState::new(2 * share),
            presence: PresenceState::new(options.presence_slack),
            catalogue: CatalogueState::new(share),
            sales: SalesState::new(share),
            options,
        }
    }

    /// Client `client` is logged in as `user`.
    pub(crate) fn admit(&mut self, client: u32, user: UserId) {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        if self.users.len() <= index {
            self.users.resize(index + 1, None);
        }
        self.users[index] = Some(user);
        self.people.admit(user);
    }

    /// Who a client is, if somebody told.
    pub(crate) fn known_user(&self, client: u32) -> Option<UserId> {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        self.users.get(index).copied().flatten()
    }

    /// Who a client is; a person that no log has for one whom nobody told of.
    pub(crate) fn user(&self, client: u32) -> UserId {
        let known = self.known_user(client);
        known.unwrap_or(UserId(u64::MAX - u64::from(client)))
    }

    /// A call is about to be sent.
    pub(crate) fn note_sent(&mut self, (client, counter): OperationId) {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        if self.attempted.len() <= index {
            self.attempted.resize(index + 1, 0);
        }
        let sent = &mut self.attempted[index];
        *sent = (*sent).max(counter.saturating_add(1));
    }

    /// Whether an operation was sent, or is about to be.
    pub(crate) fn has_sent(&self, (client, counter): OperationId) -> bool {
        let index = usize::try_from(client).unwrap_or(usize::MAX);
        self.attempted
            .get(index)
            .is_some_and(|sent| counter < *sent)
    }

    /// The number of a slot.
    pub(crate) fn slot_index(&mut self, slot: Slot) -> usize {
        let next = self.slots.len();
        let index = *self.slots.entry(slot).or_insert(next);
        if index == next {
            self.holders.add_slot();
        }
        index
    }

    /// Whether anybody had to do with what these laws are about.
    pub(crate) fn is_exercised(&self, topic: Topic) -> bool {
        match topic {
            Topic::Everything | Topic::Itself => true,
            Topic::Slots => !self.slots.is_empty(),
            Topic::Chat => self.chat.is_exercised(),
            Topic::Presence => self.presence.is_exercised(),
            Topic::Catalogue => self.catalogue.is_exercised(),
            Topic::Sales => self.sales.is_exercised(),
        }
    }
}
