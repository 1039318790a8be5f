//! Things to do at instants, in order.
//!
//! Instants and tokens go in; whoever asks with an instant of theirs takes what is due by then.
//! Deliberately absent: waiting.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::operation::Nanos;

/// Things to do at instants, earliest first; equal instants in the order they were added.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    heap: BinaryHeap<Reverse<(Nanos, u64, u32)>>,
    added: u64,
}

impl TimerQueue {
    /// Remembers `token` for `at`.
    pub(super) fn add(&mut self, at: Nanos, token: u32) {
        self.heap.push(Reverse((at, self.added, token)));
        self.added += 1;
    }

    /// The earliest instant.
    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse((at, _added, _token))| *at)
    }

    /// Takes the earliest token that is due, with its instant.
    pub(super) fn take_due(&mut self, now: Nanos) -> Option<(Nanos, u32)> {
        if now < self.next_at()? {
            return None;
        }
        self.take()
    }

    /// Takes the earliest token, due or not.
    pub(super) fn take(&mut self) -> Option<(Nanos, u32)> {
        self.heap
            .pop()
            .map(|Reverse((at, _added, token))| (at, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_due_in_order_with_their_own_instants() {
        let mut queue = TimerQueue::default();
        for (at, token) in [(30, 3), (10, 1), (20, 2), (10, 4)] {
            queue.add(at, token);
        }
        assert_eq!(queue.take_due(9), None);
        let due: Vec<_> = std::iter::from_fn(|| queue.take_due(25)).collect();
        assert_eq!(due, [(10, 1), (10, 4), (20, 2)]);
        assert_eq!(queue.next_at(), Some(30));
    }
}
