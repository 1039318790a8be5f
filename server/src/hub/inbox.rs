//! What a connection sent and nobody has considered yet.
//!
//! Bytes go in at the end as they were read, and are taken off the front as frames or lines of them are
//! considered. What is left is a frame that has not arrived whole, or waits for the connection's next turn. An
//! empty one costs no memory. Deliberately absent: a bound, which follows from reading nothing more while
//! something waits that could be considered.

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Bytes at the front that were taken.
    start: usize,
}

impl Inbox {
    /// Adds what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if 0 < self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What was not taken.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes bytes off the front.
    pub(crate) fn take(&mut self, len: usize) {
        self.start += len;
        debug_assert!(
            self.start <= self.bytes.len(),
            "only what is there is taken"
        );
        if self.bytes.len() <= self.start {
            *self = Self::default();
        }
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What it costs, in bytes.
    pub(crate) const fn cost(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone_and_what_is_left_comes_first() {
        let mut inbox = Inbox::default();
        inbox.push(b"one two");
        inbox.take(4);
        assert_eq!(inbox.unread(), b"two");
        inbox.push(b" three");
        assert_eq!(inbox.unread(), b"two three");
        inbox.take(9);
        assert!(inbox.is_empty());
        assert_eq!(inbox.cost(), 0, "nothing costs nothing");
    }
}
