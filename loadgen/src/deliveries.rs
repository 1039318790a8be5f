//! How long messages took to reach the people they are for.
//!
//! Messages go in as they are meant to be sent, receipts as they arrive; out come two histograms.
//! `delivery` has a sample a receipt: from the instant the sender's schedule intended to the
//! receipt. `everybody` has a sample a message: to the last of those receipts. Both count the
//! people who were subscribed when the message was intended; whoever was away gets it on coming
//! back, which says how long they were away, so it is counted apart and timed by the return: from
//! the connection to the last push of what was missed. Senders' own copies are not deliveries.
//!
//! Nothing here knows who should have got a message: that nobody is left out is for the laws, and
//! `everybody` means everybody who did. The newest [`MESSAGES_MAX`] messages are known.
//! Deliberately absent: sockets, clocks, verdicts.

use hashbrown::HashMap;
use hdrhistogram::Histogram;
use protocol::Key;
use reports::record::{DeliveryRecord, DrainRecord, LatencyRecord, QuantileRecord, ReturnRecord};

use crate::{
    operation::Nanos,
    recorder::{histogram, seconds},
};

/// Messages that are known at once: some 4 MiB. At 10,000 a second it is six seconds of them, and
/// a delivery that takes longer is counted as late.
pub const MESSAGES_MAX: usize = 64 * 1_024;

/// One phase's messages.
#[derive(Debug, Default)]
pub struct Deliveries {
    index: HashMap<(u32, u32), usize, foldhash::fast::FixedState>,
    ring: Vec<Message>,
    /// The oldest of a full ring: the next to be forgotten.
    oldest: usize,
    messages: u64,
    receipts: u64,
    caught_up: u64,
    late: u64,
    clocks: Option<Box<Clocks>>,
    returns: Option<Box<Returns>>,
}

#[derive(Debug)]
struct Message {
    key: Key,
    intended_at: Nanos,
    last_at: Nanos,
}

#[derive(Debug)]
struct Clocks {
    delivery: Histogram<u64>,
    everybody: Histogram<u64>,
}

#[derive(Debug)]
struct Returns {
    drain: Histogram<u64>,
    pending: u64,
    pending_max: u64,
}

/// Somebody got something.
#[derive(Debug, Clone, Copy)]
pub struct Receipt {
    /// Who.
    pub client: u32,
    /// The key of the message.
    pub key: Key,
    /// Since when they are subscribed.
    pub subscribed_at: Nanos,
    /// When they got it.
    pub now: Nanos,
}

/// Somebody came back and was shown what they had missed.
#[derive(Debug, Clone, Copy)]
pub struct Return {
    /// When their connection was begun.
    pub began_at: Nanos,
    /// When they were shown the last of it.
    pub caught_up_at: Nanos,
    /// How much it was.
    pub pending: u64,
}

impl Deliveries {
    /// A message was sent under this key.
    pub fn send(&mut self, key: Key, intended_at: Nanos) {
        self.messages += 1;
        let message = Message {
            key,
            intended_at,
            last_at: 0,
        };
        let at = if self.ring.len() < MESSAGES_MAX {
            self.ring.push(message);
            self.ring.len() - 1
        } else {
            let at = self.oldest;
            self.oldest = (at + 1) % MESSAGES_MAX;
            let forgotten = std::mem::replace(&mut self.ring[at], message);
            self.index.remove(&who(&forgotten.key));
            self.settle(&forgotten);
            at
        };
        self.index.insert(who(&key), at);
    }

    /// Somebody was shown it.
    pub fn receive(&mut self, receipt: &Receipt) {
        let (sender, counter) = who(&receipt.key);
        if sender == receipt.client {
            return;
        }
        let found = self.index.get(&(sender, counter));
        let message = found.and_then(|at| self.ring.get_mut(*at));
        let Some(message) = message.filter(|message| message.key == receipt.key) else {
            self.late += 1;
            return;
        };
        if message.intended_at < receipt.subscribed_at {
            self.caught_up += 1;
            return;
        }
        message.last_at = message.last_at.max(receipt.now);
        let took = receipt.now.saturating_sub(message.intended_at).max(1);
        self.receipts += 1;
        let clocks = self.clocks.get_or_insert_with(Box::default);
        clocks.delivery.saturating_record(took);
    }

    /// Somebody came back.
    pub fn come_back(&mut self, back: &Return) {
        let returns = self.returns.get_or_insert_with(Box::default);
        let took = back.caught_up_at.saturating_sub(back.began_at).max(1);
        returns.drain.saturating_record(took);
        returns.pending += back.pending;
        returns.pending_max = returns.pending_max.max(back.pending);
    }

    /// Whether there is anything to wait for.
    #[must_use]
    pub const fn has_messages(&self) -> bool {
        0 < self.messages || self.returns.is_some()
    }

    /// What it came to; `None` where nobody said anything, came back or lacks anything.
    #[must_use]
    pub fn finish(mut self, drain: Drain) -> Option<DeliveryRecord> {
        if !self.has_messages() && self.late == 0 && drain.waiting == 0 {
            return None;
        }
        for message in std::mem::take(&mut self.ring) {
            self.settle(&message);
        }
        let clocks = self.clocks.unwrap_or_default();
        Some(DeliveryRecord {
            messages: self.messages,
            receipts: self.receipts,
            caught_up: self.caught_up,
            late: self.late,
            delivery: LatencyRecord::from_histogram(&clocks.delivery),
            everybody: LatencyRecord::from_histogram(&clocks.everybody),
            drain: DrainRecord {
                seconds: seconds(drain.took),
                missing: drain.missing,
                waiting: drain.waiting,
            },
            returns: self.returns.map(|returns| ReturnRecord {
                drain: QuantileRecord::from_histogram(&returns.drain),
                pending: returns.pending,
                pending_max: returns.pending_max,
            }),
        })
    }

    /// Nothing more is expected of it.
    fn settle(&mut self, message: &Message) {
        if message.last_at == 0 {
            return;
        }
        let took = message.last_at.saturating_sub(message.intended_at).max(1);
        let clocks = self.clocks.get_or_insert_with(Box::default);
        clocks.everybody.saturating_record(took);
    }
}

/// How a phase's end went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drain {
    /// Until everybody had everything, or waiting ended.
    pub took: Nanos,
    /// Entries the server has and clients were not shown when waiting ended.
    pub missing: u64,
    /// Clients that are behind, or did not learn whether they are.
    pub waiting: u64,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            delivery: histogram(),
            everybody: histogram(),
        }
    }
}

impl Default for Returns {
    fn default() -> Self {
        Self {
            drain: histogram(),
            pending: 0,
            pending_max: 0,
        }
    }
}

/// Whose key it says it is, and their count. Whether it is so, the rest of the key tells.
fn who(key: &Key) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    let (client, counter) = ([a, b, c, d], [e, f, g, h]);
    (u32::from_le_bytes(client), u32::from_le_bytes(counter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::KeyMint;

    const MINT: KeyMint = KeyMint::new([1; 32]);

    fn receive(deliveries: &mut Deliveries, client: u32, counter: u32, times: [Nanos; 2]) {
        let [subscribed_at, now] = times;
        deliveries.receive(&Receipt {
            client,
            key: MINT.mint(0, counter),
            subscribed_at,
            now,
        });
    }

    #[test]
    fn a_message_is_timed_to_each_who_was_there_and_to_the_last_of_them() {
        let mut deliveries = Deliveries::default();
        deliveries.send(MINT.mint(0, 7), 1_000);
        receive(&mut deliveries, 1, 7, [0, 1_300]);
        receive(&mut deliveries, 2, 7, [0, 1_900]);
        receive(&mut deliveries, 3, 7, [1_500, 60_000]); // was away
        receive(&mut deliveries, 0, 7, [0, 70_000]); // its sender
        receive(&mut deliveries, 1, 8, [0, 2_000]); // of nobody we know
        let record = deliveries.finish(Drain::default()).expect("messages");
        assert_eq!((record.messages, record.receipts), (1, 2));
        assert_eq!((record.caught_up, record.late), (1, 1));
        let delivery = &record.delivery.quantiles;
        assert_eq!((delivery.min, delivery.max), (300, 900));
        let everybody = &record.everybody.quantiles;
        assert_eq!((everybody.count, everybody.max), (1, 900));
    }

    #[test]
    fn what_is_forgotten_has_been_settled_and_counts_as_late_from_then_on() {
        let mut deliveries = Deliveries::default();
        deliveries.send(MINT.mint(0, 0), 10);
        receive(&mut deliveries, 1, 0, [0, 20]);
        for counter in 1..=u32::try_from(MESSAGES_MAX).unwrap() {
            deliveries.send(MINT.mint(0, counter), 30);
        }
        receive(&mut deliveries, 2, 0, [0, 40]);
        let record = deliveries.finish(Drain::default()).expect("messages");
        assert_eq!((record.late, record.everybody.quantiles.count), (1, 1));
        assert_eq!(record.everybody.quantiles.max, 10);
    }

    #[test]
    fn a_phase_without_messages_has_no_deliveries() {
        assert!(Deliveries::default().finish(Drain::default()).is_none());
    }
}
