//! What was asked and is not answered: with its bytes, so that it can be asked again as it was.
//!
//! Requests go in as frames, in the order they are asked; they go out when they are answered or
//! given up. At most [`UNANSWERED_LEN_MAX`] are kept, each of at most a frame, and none is sent once
//! it is [`GIVE_UP_AFTER`] old. Deliberately absent: when else to send anything.

use std::collections::VecDeque;

use protocol::limits::IN_FLIGHT_MAX;

use crate::Nanos;

/// Requests that may be unanswered: what the wire promises to take on one connection, and so the
/// most that could be asked again at once. With frames of 16 KiB it is 1 MiB.
pub(crate) const UNANSWERED_LEN_MAX: usize = IN_FLIGHT_MAX as usize;

/// How long a request is sent again, from when it was asked. The protocol says so: a server remembers
/// the keys of its newest commands, and one that it has forgotten would be decided once more.
pub const GIVE_UP_AFTER: Nanos = 60_000_000_000;

/// Buffers of answered requests that are used again: a client with few unanswered at a time asks
/// without allocating, and one that is idle keeps little.
const SPARE_LEN_MAX: usize = 2;
/// A buffer longer than this is not kept.
const SPARE_BYTES_MAX: usize = 256;

/// A request that got no answer in the time its asker gave it.
#[derive(Debug)]
pub struct GivenUp<T> {
    /// What the asker wanted back with the answer.
    pub tag: T,
    /// How often it was sent.
    pub attempts: u8,
    /// Whether its connection was lost while it was unanswered: an answer may have been under way.
    pub was_cut_off: bool,
    /// Whether the server may have considered it: it was sent, and the server did not say that it was
    /// too busy. Otherwise nothing came of it.
    pub may_have_happened: bool,
}

#[derive(Debug)]
pub(crate) struct Unanswered<T> {
    pub(crate) correlation: u64,
    frame: Vec<u8>,
    pub(crate) attempts: u8,
    was_cut_off: bool,
    may_have_happened: bool,
    asked_at: Nanos,
    /// When to send it: `None` once that was done on this connection.
    pub(crate) due_at: Option<Nanos>,
    pub(crate) tag: T,
}

impl<T> Unanswered<T> {
    const fn expires_at(&self) -> Nanos {
        self.asked_at.saturating_add(GIVE_UP_AFTER)
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    requests: VecDeque<Unanswered<T>>,
    spare: Vec<Vec<u8>>,
    /// Requests that wait to be sent.
    unsent: usize,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            requests: VecDeque::new(),
            spare: Vec::new(),
            unsent: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn oldest(&self) -> Option<&T> {
        self.requests.front().map(|request| &request.tag)
    }

    pub(crate) fn newest(&mut self) -> Option<&mut T> {
        self.requests.back_mut().map(|request| &mut request.tag)
    }

    /// When the oldest request is too old to be sent again.
    pub(crate) fn expires_at(&self) -> Option<Nanos> {
        let oldest = self.requests.front()?;
        Some(oldest.expires_at())
    }

    /// Keeps a request of these bytes that is sent just now.
    pub(crate) fn push_sent(&mut self, correlation: u64, frame: &[u8], tag: T, now: Nanos) {
        let is_sent = true;
        self.push(correlation, frame, tag, (is_sent, now));
    }

    /// Keeps a request of these bytes that waits for a connection.
    pub(crate) fn push_unsent(&mut self, correlation: u64, frame: &[u8], tag: T, now: Nanos) {
        let is_sent = false;
        self.push(correlation, frame, tag, (is_sent, now));
        self.unsent += 1;
    }

    fn push(&mut self, correlation: u64, bytes: &[u8], tag: T, (is_sent, asked_at): (bool, Nanos)) {
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.extend_from_slice(bytes);
        self.requests.push_back(Unanswered {
            correlation,
            frame,
            attempts: u8::from(is_sent),
            was_cut_off: false,
            may_have_happened: is_sent,
            asked_at,
            due_at: (!is_sent).then_some(0),
            tag,
        });
    }

    /// Takes the request of this number. Answers come nearly in order, so the one that is looked
    /// for is nearly always the first.
    pub(crate) fn take(&mut self, correlation: u64) -> Option<(T, u8)> {
        let is_it = |request: &Unanswered<T>| request.correlation == correlation;
        let index = self.requests.iter().position(is_it)?;
        let request = self.requests.remove(index)?;
        Some((request.attempts, self.retire(request))).map(|(attempts, tag)| (tag, attempts))
    }

    /// Takes the oldest request: nobody waits for it any more.
    pub(crate) fn give_up(&mut self) -> Option<GivenUp<T>> {
        let request = self.requests.pop_front()?;
        let (attempts, was_cut_off) = (request.attempts, request.was_cut_off);
        let may_have_happened = request.may_have_happened;
        Some(GivenUp {
            tag: self.retire(request),
            attempts,
            was_cut_off,
            may_have_happened,
        })
    }

    fn retire(&mut self, request: Unanswered<T>) -> T {
        self.unsent -= usize::from(request.due_at.is_some());
        let mut frame = request.frame;
        if self.spare.len() < SPARE_LEN_MAX && frame.capacity() <= SPARE_BYTES_MAX {
            frame.clear();
            self.spare.push(frame);
        }
        request.tag
    }

    /// The connection is gone: everything is to be sent again, on the next.
    pub(crate) fn cut_off(&mut self) {
        for request in &mut self.requests {
            request.was_cut_off |= request.due_at.is_none();
            request.due_at = Some(0);
        }
        self.unsent = self.requests.len();
    }

    /// It was not considered, and may be asked again at `due_at`. False if nobody waits for it.
    pub(crate) fn put_off(&mut self, correlation: u64, due_at: Nanos) -> bool {
        let is_it = |request: &&mut Unanswered<T>| request.correlation == correlation;
        let Some(request) = self.requests.iter_mut().find(is_it) else {
            return false;
        };
        self.unsent += usize::from(request.due_at.is_none());
        request.due_at = Some(due_at);
        // What an earlier connection carried may have been considered all the same.
        request.may_have_happened = request.was_cut_off;
        true
    }

    /// When the first of those that wait is due.
    pub(crate) fn due_at(&self) -> Option<Nanos> {
        if self.unsent == 0 {
            return None;
        }
        self.requests
            .iter()
            .filter_map(|request| request.due_at)
            .min()
    }

    /// Appends to `out` what is due, in the order it was asked. What is too old is not sent any more.
    pub(crate) fn send_due(&mut self, now: Nanos, out: &mut Vec<u8>) {
        if self.unsent == 0 {
            return;
        }
        for request in &mut self.requests {
            if request.due_at.is_some_and(|due_at| due_at <= now) {
                request.due_at = None;
                self.unsent -= 1;
                if now < request.expires_at() {
                    out.extend_from_slice(&request.frame);
                    request.attempts = request.attempts.saturating_add(1);
                    request.may_have_happened = true;
                }
            }
        }
    }
}
