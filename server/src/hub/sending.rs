//! What waits for a connection, on its way into the link.
//!
//! A connection's own answers and the frames it shares with others leave in one write, answers
//! first. Deliberately absent: when (that is the hub's and the delivery's).

use protocol::{frame, limits::REPLY_BYTES_MAX};

use super::{Connection, Connections, Transport, id_of};
use crate::line::{Directory, WAITING_MAX};

/// Milliseconds a client has to take the last words of a conversation before the link is cut. A
/// link cut at once, with input still on its way, would throw those words away.
pub(crate) const LAST_WORDS_MS: u64 = 1_000;

/// Milliseconds a slow reader has to read that it was one: what its socket holds comes before.
const SLOW_LAST_WORDS_MS: u64 = 30_000;

/// Bytes gathered for one write: more than most sockets take at once.
const WRITE_BYTES: usize = 128 * 1_024;

impl<T: Transport> Connections<T> {
    /// Sends to one connection what its link takes, or when it is not lent any more.
    pub(crate) fn send(&mut self, index: usize) {
        self.try_send(index);
        self.weigh(index);
    }

    fn try_send(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        if connection.lines.is_some() {
            return self.voice(index);
        }
        if connection.is_borrowed {
            return;
        }
        if connection.is_blocked {
            return connection.cut_if_slow();
        }
        if connection.flush(&mut self.delivery.scratch) {
            connection.is_blocked = true;
            let id = id_of(index, connection.serial);
            self.blocked.push((id, connection.link.clone()));
        } else {
            self.queue_catching_up(index);
        }
    }

    /// Something is to be sent to a connection in lines: the hub makes them, because names are known
    /// there.
    fn voice(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        if !connection.is_voiced {
            connection.is_voiced = true;
            self.voiced.push(index);
        }
    }

    /// Sends to a connection in lines what its link takes. What the lines' dialect wants to ask
    /// because of it is appended to `asks`. Returns whether the link takes no more.
    pub(crate) fn send_lines(
        &mut self,
        index: usize,
        directory: &dyn Directory,
        asks: &mut Vec<u8>,
    ) -> bool {
        let connection = &mut self.slab[index];
        let is_blocked = connection.flush_lines(&mut self.delivery.scratch, directory, asks);
        if !is_blocked {
            self.queue_catching_up(index);
        }
        self.weigh(index);
        is_blocked
    }

    /// The link of a connection takes more. Returns whether it already takes no more again.
    pub(crate) fn handle_writable(&mut self, id: u64) -> bool {
        let Some(index) = self.find(id) else {
            return false;
        };
        let connection = &mut self.slab[index];
        connection.is_blocked = connection.flush(&mut self.delivery.scratch);
        let is_blocked = connection.is_blocked;
        if !is_blocked {
            self.queue_catching_up(index);
        }
        self.weigh(index);
        is_blocked
    }
}

impl<T: Transport> Connection<T> {
    /// As [`Connection::flush`], in lines.
    fn flush_lines(
        &mut self,
        scratch: &mut Vec<u8>,
        directory: &dyn Directory,
        asks: &mut Vec<u8>,
    ) -> bool {
        if self.session.is_closed() {
            self.outbox.clear();
        }
        loop {
            let waiting = self.waiting_frames();
            let is_last = self.session.is_closed();
            let Some(lines) = &mut self.lines else {
                return false;
            };
            lines.note_waiting(waiting, is_last);
            // Frames become lines when those before them are sent: until then they count as waiting.
            if !lines.has_outbound() && lines.is_open() {
                let answers = lines.handle_frames(self.session.outbound(), directory, asks);
                self.session.handle_sent(answers);
                scratch.clear();
                let enough = if lines.is_paced() { 1 } else { WRITE_BYTES };
                self.outbox.gather(enough, scratch);
                let taken = lines.handle_frames(scratch, directory, asks);
                let _nothing_left_of_a_frame = self.outbox.handle_sent(taken);
                if !lines.has_outbound() && 0 < answers + taken {
                    // Frames of which nothing is said: the next ones may be others.
                    continue;
                }
            }
            if lines.outbound().is_empty() {
                break;
            }
            match self.link.try_write(lines.outbound()) {
                Ok(len) => {
                    lines.handle_sent(len);
                    self.taken += 1;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.cut_if_slow();
                    return true;
                }
                Err(_gone) => {
                    self.discard();
                    self.link.shutdown();
                    return false;
                }
            }
        }
        if self.session.is_closed() {
            self.link.finish();
        }
        false
    }

    /// Frames that wait to become lines that are sent one at a time; beyond [`WAITING_MAX`] it does not
    /// matter how many.
    fn waiting_frames(&self) -> usize {
        if !self.is_classic() {
            return 0;
        }
        let mut answers = self.session.outbound();
        let mut waiting = self.outbox.len();
        while waiting <= WAITING_MAX
            && let Ok(Some((_, rest))) = frame::split(answers, REPLY_BYTES_MAX)
        {
            (answers, waiting) = (rest, waiting + 1);
        }
        waiting
    }

    /// Sends what the link takes. Returns whether it took less than there was. Says that nothing
    /// follows when the conversation is over; ends the link if its reader lets too much pile up.
    fn flush(&mut self, scratch: &mut Vec<u8>) -> bool {
        if self.session.is_closed() {
            self.outbox.clear();
        }
        while !(self.session.outbound().is_empty() && self.outbox.is_empty()) {
            match self.write(scratch) {
                Ok(()) => self.taken += 1,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.cut_if_slow();
                    return true;
                }
                Err(_gone) => {
                    self.discard();
                    self.link.shutdown();
                    return false;
                }
            }
        }
        if self.session.is_closed() {
            self.link.finish();
        }
        false
    }

    /// One write.
    fn write(&mut self, scratch: &mut Vec<u8>) -> std::io::Result<()> {
        let own_len = self.session.outbound().len();
        if self.outbox.is_empty() {
            let len = self.link.try_write(self.session.outbound())?;
            self.session.handle_sent(len);
            return Ok(());
        }
        scratch.clear();
        scratch.extend_from_slice(self.session.outbound());
        self.outbox.gather(WRITE_BYTES, scratch);
        let len = self.link.try_write(scratch)?;
        self.session.handle_sent(len.min(own_len));
        if let Some((frame, sent)) = self.outbox.handle_sent(len.saturating_sub(own_len)) {
            self.session.handle_cut_frame(&frame[sent..]);
        }
        Ok(())
    }

    /// Whether a shared frame may be written to the link right away: nothing else is to be sent before it.
    pub(crate) fn is_free(&self) -> bool {
        self.outbox.is_empty()
            && self.session.outbound().is_empty()
            && self.lines.is_none()
            && !self.is_blocked
            && !self.is_borrowed
    }

    /// Ends the link of a conversation that has been over for long enough.
    pub(crate) fn cut_if_over(&mut self, now: u64) {
        let ended_at = *self.ended_at.get_or_insert(now);
        let patience = if self.is_slow {
            SLOW_LAST_WORDS_MS
        } else {
            LAST_WORDS_MS
        };
        if ended_at.saturating_add(patience) <= now {
            self.link.shutdown();
        }
    }
}
