//! What waits to be sent to one connection beside its own answers: pushes and news, as frames that
//! many connections share.
//!
//! Frames go in at the end; bytes to send come out from the front, and how many of them were sent
//! comes back. Bounded, by the count and by the bytes: whoever lets more wait is a slow reader.
//! Deliberately absent: the socket, and what the frames say.

use std::collections::VecDeque;

use protocol::Seq;

pub(crate) use super::frame::SharedFrame;

/// Frames that may wait for a reader whose socket takes no more. The socket's own buffers hold some
/// twenty thousand short pushes before the first waits here, so a reader that is this far behind has
/// not read for long; its places cost 48 KiB.
pub(crate) const OUTBOX_FRAMES_MAX: usize = 2_048;

/// Bytes of frames that may wait: they are shared among the readers, unless each waits for others.
pub(crate) const OUTBOX_BYTES_MAX: usize = 1_024 * 1_024;

/// Places kept after a burst.
const OUTBOX_FRAMES_KEPT: usize = 8;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Each with its position in the log, [`Seq::START`] if it has none.
    frames: VecDeque<(Seq, SharedFrame)>,
    bytes: usize,
    /// The position of the newest push that was handed to the socket.
    sent: Seq,
}

impl Outbox {
    /// Adds a frame.
    pub(crate) fn push(&mut self, seq: Seq, frame: SharedFrame) {
        self.bytes += frame.len();
        self.frames.push_back((seq, frame));
    }

    /// How many frames wait.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it costs, in bytes, beside the frames, which many share.
    pub(crate) fn cost(&self) -> usize {
        self.frames.capacity() * size_of::<(Seq, SharedFrame)>()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether more waits than a reader can be allowed.
    pub(crate) fn is_over(&self) -> bool {
        OUTBOX_FRAMES_MAX < self.frames.len() || OUTBOX_BYTES_MAX < self.bytes
    }

    /// Everything up to this position has been told without being sent from here.
    pub(crate) fn begin_at(&mut self, seq: Seq) {
        self.sent = self.sent.max(seq);
    }

    /// The position of the newest push of which the client has all, or will have when it reads on.
    pub(crate) const fn sent(&self) -> Seq {
        self.sent
    }

    /// Appends frames to `out` until it is `max` bytes long.
    pub(crate) fn gather(&self, max: usize, out: &mut Vec<u8>) {
        for (_, frame) in &self.frames {
            if max <= out.len() {
                break;
            }
            out.extend_from_slice(frame);
        }
    }

    /// `len` of the bytes gathered were sent. Returns what is left of a frame that was sent in part:
    /// it must be sent before anything else, and is out of here.
    pub(crate) fn handle_sent(&mut self, mut len: usize) -> Option<(SharedFrame, usize)> {
        let mut left = None;
        while 0 < len
            && let Some((seq, frame)) = self.frames.pop_front()
        {
            self.bytes -= frame.len();
            self.sent = self.sent.max(seq);
            if len < frame.len() {
                left = Some((frame, len));
                break;
            }
            len -= frame.len();
        }
        if self.frames.is_empty() && OUTBOX_FRAMES_KEPT < self.frames.capacity() {
            self.frames = VecDeque::new();
        }
        left
    }

    /// The frame that is next.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<&SharedFrame> {
        self.frames.front().map(|(_, frame)| frame)
    }

    /// Throws away what waits.
    pub(crate) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::frame::Gauge;

    fn shared(bytes: &[u8]) -> SharedFrame {
        SharedFrame::new(bytes.to_vec(), &Gauge::default())
    }

    fn outbox(frames: &[(u64, &str)]) -> Outbox {
        let mut outbox = Outbox::default();
        for (seq, frame) in frames {
            outbox.push(Seq(*seq), shared(frame.as_bytes()));
        }
        outbox
    }

    fn gathered(outbox: &Outbox, max: usize) -> String {
        let mut out = Vec::new();
        outbox.gather(max, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn whole_frames_are_gathered_until_it_is_enough() {
        let outbox = outbox(&[(1, "one"), (2, "two"), (3, "three")]);
        assert_eq!(gathered(&outbox, 100), "onetwothree");
        assert_eq!(gathered(&outbox, 4), "onetwo");
        assert_eq!(gathered(&outbox, 3), "one");
    }

    #[test]
    fn what_is_left_of_a_frame_comes_out() {
        let mut outbox = outbox(&[(1, "one"), (2, "two"), (0, "news"), (4, "four")]);
        assert!(outbox.handle_sent(0).is_none());
        assert_eq!(outbox.sent(), Seq(0));
        let (frame, sent) = outbox.handle_sent(4).expect("a part");
        assert_eq!(&frame[sent..], b"wo");
        assert_eq!(outbox.sent(), Seq(2), "the rest of it follows in any case");
        assert!(outbox.handle_sent(4).is_none());
        assert_eq!(outbox.sent(), Seq(2), "news have no position");
        assert!(outbox.handle_sent(4).is_none());
        assert!(outbox.is_empty());
        assert_eq!((outbox.sent(), outbox.bytes), (Seq(4), 0));
    }

    #[test]
    fn too_many_frames_are_too_much() {
        let mut outbox = Outbox::default();
        let frame = shared(b"x");
        for _ in 0..OUTBOX_FRAMES_MAX {
            outbox.push(Seq(1), frame.clone());
        }
        assert!(!outbox.is_over());
        outbox.push(Seq(1), frame);
        assert!(outbox.is_over());
        outbox.clear();
        assert!(!outbox.is_over());
    }

    #[test]
    fn too_many_bytes_are_too_much() {
        let mut outbox = Outbox::default();
        let frame = shared(&vec![0; OUTBOX_BYTES_MAX / 2]);
        outbox.push(Seq(1), frame.clone());
        outbox.push(Seq(2), frame.clone());
        assert!(!outbox.is_over());
        outbox.push(Seq(3), frame);
        assert!(outbox.is_over());
    }
}
