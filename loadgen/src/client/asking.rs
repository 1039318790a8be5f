//! What a client asks: calls as requests, with the key and the count that they go by.
//!
//! Calls of the driver go in; the conversation has requests to write. Deliberately absent: when to ask
//! (the driver's), and what bytes a call is (`wire`).

use ::client::Word;
use protocol::{ChainHash, words::presence};

use super::{
    Client,
    outstanding::{Outstanding, Tag},
    told::Ask,
};
use crate::{
    operation::{Call, Nanos, Operation, Outcome, Slot},
    shown::Standing,
    wire::{self, Asker},
};

impl Client {
    /// Asks: the call is outstanding until it is answered or given up, whatever becomes of
    /// connections.
    pub fn ask(&mut self, ask: &Ask) {
        let counter = self.counter;
        self.counter += 1;
        self.knowledge.handle_ask(&ask.call);
        let tag = Tag::Call(Outstanding {
            operation: Operation {
                client: self.id,
                counter,
                call: ask.call,
                intended_at: ask.intended_at,
                sent_at: ask.sent_at,
                completed_at: 0,
                floor: ask.floor,
                outcome: Outcome::Unknown,
                seq: 0,
                hash: ChainHash::START,
                attempts: 1,
            },
            run: ask.run,
            entry: ask.entry,
        });
        self.ask_for(&ask.call, counter, tag, ask.sent_at);
    }

    /// The count and the call it asked last, while that is outstanding.
    #[must_use]
    pub fn newest(&mut self) -> Option<(u32, Call)> {
        match self.talk.newest()? {
            Tag::Call(newest) => Some((newest.operation.counter, newest.operation.call)),
            Tag::Again { .. } | Tag::Reused { .. } | Tag::Standing => None,
        }
    }

    /// Notes when the last call left, where it was asked before it could leave.
    pub fn release(&mut self, now: Nanos, floor: u64) {
        if let Some(Tag::Call(last)) = self.talk.newest() {
            last.operation.sent_at = now;
            last.operation.floor = floor;
        }
    }

    /// Asks a finished command again, under its key and with its body.
    pub fn ask_again(&mut self, first: &Operation, now: Nanos) {
        let tag = Tag::Again {
            first: Box::new(*first),
            sent_at: now,
        };
        self.ask_for(&first.call, first.counter, tag, now);
    }

    /// Asks for something else under the key of a finished command. It does no harm where that is
    /// taken: nobody has such a booking.
    pub fn reuse_key(&mut self, first: &Operation, now: Nanos) {
        let tag = Tag::Reused {
            first: Box::new(*first),
            sent_at: now,
        };
        let (booking, slot) = (0, Slot(0));
        self.ask_for(&Call::Cancel { booking, slot }, first.counter, tag, now);
    }

    /// Asks how long its conversations are, to compare it with what it was shown.
    pub fn ask_standing(&mut self, now: Nanos) {
        self.shown.begin();
        self.ask_standing_after(None, now);
    }

    /// Nobody waits for anything that may be for it any more.
    pub fn excuse(&mut self) {
        self.shown.excuse();
    }

    pub(super) fn ask_standing_after(&mut self, after: Option<u64>, now: Nanos) {
        self.body.clear();
        let (kind, schema) = Standing::ask(after, &mut self.body);
        let body = &self.body;
        let word = Word { kind, schema, body };
        self.talk.query(word, Tag::Standing, now);
    }

    /// Says something in passing: it is not answered, and nobody counts it.
    pub fn say(&mut self, signal: &presence::Signal, now: Nanos) {
        self.body.clear();
        signal.encode(&mut self.body);
        let (kind, schema) = signal.kind();
        let body = &self.body;
        self.talk.signal(Word { kind, schema, body }, now);
    }

    fn ask_for(&mut self, call: &Call, counter: u32, tag: Tag, now: Nanos) {
        self.body.clear();
        if let Some((kind, schema)) = wire::encode_query(call, &mut self.body) {
            let body = &self.body;
            return self.talk.query(Word { kind, schema, body }, tag, now);
        }
        let asker = Asker {
            key: self.mint.mint(self.id, counter),
            session: self.session,
        };
        let (kind, schema) = wire::encode_command(call, &asker, &mut self.body)
            .expect("a call that is no query is a command");
        let body = &self.body;
        self.talk
            .command(asker.key, Word { kind, schema, body }, tag, now);
    }
}
