//! The last message of its own that each client knows to stand, by conversation.
//!
//! Answers to senders go in; what a call sent later must be behind, or must show, comes out. An
//! answer counts only for calls sent after it came, so that several calls at once never mislead; and
//! since much happens within one instant of the clock, what was first is counted, not timed.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    UserId,
    words::chat::{PUBLIC, Target},
};

use crate::{check::finding::OperationId, operation::Operation};

/// A message that stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stands {
    pub(crate) index: u64,
    pub(crate) by: OperationId,
    /// When that was known, by our own count.
    at: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Own {
    last: HashMap<(u32, u64), Stands, FixedState>,
    private: HashMap<(u32, UserId), u64, FixedState>,
    /// By call under way: when it was sent, by our own count.
    open: HashMap<OperationId, u64, FixedState>,
    count: u64,
}

impl Own {
    pub(crate) const fn new() -> Self {
        Self {
            last: HashMap::with_hasher(FixedState::with_seed(0)),
            private: HashMap::with_hasher(FixedState::with_seed(0)),
            open: HashMap::with_hasher(FixedState::with_seed(0)),
            count: 0,
        }
    }

    /// A call is about to be sent.
    pub(crate) fn handle_invoke(&mut self, id: OperationId) {
        self.count += 1;
        self.open.insert(id, self.count);
    }

    /// A call is over, and everything was asked about it.
    pub(crate) fn handle_complete(&mut self, operation: &Operation) {
        self.open.remove(&(operation.client, operation.counter));
    }

    /// A client's message stands at this index of this conversation.
    pub(crate) fn note(&mut self, operation: &Operation, to: Target, at: (u64, u64)) {
        let (conversation, index) = at;
        if let Target::Person(user) = to {
            self.private.insert((operation.client, user), conversation);
        }
        self.count += 1;
        let new = Stands {
            index,
            by: (operation.client, operation.counter),
            at: self.count,
        };
        let last = self
            .last
            .entry((operation.client, conversation))
            .or_insert(new);
        if last.index < index {
            *last = new;
        }
    }

    /// The conversation that a client means, if it knows it.
    pub(crate) fn conversation(&self, client: u32, to: Target) -> Option<u64> {
        match to {
            Target::Public => Some(PUBLIC),
            Target::Conversation(id) => Some(id),
            Target::Person(user) => self.private.get(&(client, user)).copied(),
        }
    }

    /// The last message of the client's that it knew to stand in a conversation when it sent this.
    pub(crate) fn before(&self, operation: &Operation, conversation: u64) -> Option<Stands> {
        let last = self.last.get(&(operation.client, conversation))?;
        let sent = self.open.get(&(operation.client, operation.counter))?;
        (last.at < *sent).then_some(*last)
    }
}
