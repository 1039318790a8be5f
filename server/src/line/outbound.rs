//! Lines that wait to be sent, and which pushes are in them.
//!
//! Lines go in at the end, bytes to send come out from the front. A mark is set behind the line of a
//! push, and reached when the socket has taken that line. Deliberately absent: the socket.

use std::collections::VecDeque;

use protocol::Seq;

/// Memory a connection keeps for sending after a burst.
const BYTES_KEPT: usize = 4 * 1024;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    bytes: Vec<u8>,
    /// Bytes that were sent before those.
    sent: u64,
    /// Behind which byte the line of which push ends.
    marks: VecDeque<(u64, Seq)>,
    reached: Seq,
}

impl Outbound {
    /// Where to append lines.
    pub(super) const fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes up to the end of the first line, or what is left of it.
    pub(super) fn first_line(&self) -> &[u8] {
        let end = self.bytes.iter().position(|byte| *byte == b'\n');
        end.map_or(&self.bytes, |end| &self.bytes[..=end])
    }

    /// Whether more than this many lines wait.
    pub(super) fn has_more_lines_than(&self, count: usize) -> bool {
        // A line has a byte at least, so few bytes need no counting.
        count < self.bytes.len()
            && (self.bytes.iter().filter(|byte| **byte == b'\n').nth(count)).is_some()
    }

    /// What it costs in memory.
    pub(super) const fn cost(&self) -> usize {
        self.bytes.capacity()
    }

    /// Everything that was appended so far tells of this push.
    pub(super) fn mark(&mut self, seq: Seq) {
        if self.bytes.is_empty() {
            self.reached = self.reached.max(seq);
            return;
        }
        let end = self.sent + u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        self.marks.push_back((end, seq));
    }

    /// The highest push whose line the socket has taken; [`Seq::START`] for none.
    pub(super) const fn reached(&self) -> Seq {
        self.reached
    }

    /// What waits will never be sent.
    pub(super) fn discard(&mut self) {
        self.bytes = Vec::new();
        self.marks.clear();
    }

    /// `len` of the bytes to send were sent.
    pub(super) fn handle_sent(&mut self, len: usize) {
        self.sent += u64::try_from(len).unwrap_or(u64::MAX);
        while let Some((end, seq)) = self.marks.front().copied()
            && end <= self.sent
        {
            self.reached = self.reached.max(seq);
            self.marks.pop_front();
        }
        if len < self.bytes.len() {
            self.bytes.drain(..len);
        } else {
            self.bytes.clear();
            self.bytes.shrink_to(BYTES_KEPT);
        }
    }
}
