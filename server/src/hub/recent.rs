//! Frames of pushes that were made lately, so that a storm of reconnecting clients does not read the
//! same rows of the log again and again.
//!
//! Positions with their frames go in, and come out while there is room for them; what went in first
//! is forgotten first. Deliberately absent: the log.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::Seq;

use super::outbox::SharedFrame;

/// Bytes that are kept, with what keeping costs: some four thousand short messages, what a crowd
/// that comes back at once has missed in common. More of it would be memory for its own sake.
const RECENT_BYTES_MAX: usize = 1024 * 1024;

/// What a frame costs beside its bytes: its places in the map and in the queue, its counters.
const FRAME_COST: usize = 80;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    frames: HashMap<Seq, SharedFrame, FixedState>,
    order: VecDeque<Seq>,
    bytes: usize,
}

impl Recent {
    /// Keeps the frame of the push at `seq` for a while.
    pub(crate) fn insert(&mut self, seq: Seq, frame: &SharedFrame) {
        if self.frames.insert(seq, frame.clone()).is_some() {
            return;
        }
        self.order.push_back(seq);
        self.bytes += frame.len() + FRAME_COST;
        while RECENT_BYTES_MAX < self.bytes
            && let Some(oldest) = self.order.pop_front()
            && let Some(frame) = self.frames.remove(&oldest)
        {
            self.bytes -= frame.len() + FRAME_COST;
        }
    }

    /// The frame of the push at `seq`, if it is still here.
    pub(crate) fn find(&self, seq: Seq) -> Option<SharedFrame> {
        self.frames.get(&seq).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_is_forgotten_first() {
        let mut recent = Recent::default();
        let bytes = vec![0; RECENT_BYTES_MAX / 4];
        let frame = SharedFrame::new(bytes, &crate::hub::frame::Gauge::default());
        for seq in [5, 1, 1, 9, 7] {
            recent.insert(Seq(seq), &frame);
        }
        let kept = [5, 1, 9, 7].map(|seq| recent.find(Seq(seq)).is_some());
        assert_eq!(kept, [false, true, true, true]);
        assert!(recent.bytes <= RECENT_BYTES_MAX);
        assert_eq!(recent.frames.len(), recent.order.len());
    }
}
