//! A target without a server: every request is answered at once, in memory.
//!
//! It measures the generator alone: clients, recorder, laws and history see what they would see,
//! and nothing travels. Every command is accepted at the next position; every list is empty.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use protocol::{
    ChainHash, Kind, Roles, Seq, UserId, frame,
    limits::REQUEST_BYTES_MAX,
    message::{Reply, Request},
    outcome,
    words::{
        accounts::{self, SessionResumed},
        agenda::{Answer, Bookings, Query, Slots},
        chat, presence,
    },
};

use super::{LinkLost, Target};

/// Answers everybody, from memory.
#[derive(Debug)]
pub struct NullTarget {
    answers: Vec<Vec<u8>>,
    ready: Vec<u32>,
    outcome: Vec<u8>,
    seq: u64,
}

impl NullTarget {
    /// A target with this many links.
    #[must_use]
    pub fn new(links: usize) -> Self {
        Self {
            answers: vec![Vec::new(); links],
            ready: Vec::new(),
            outcome: Vec::new(),
            seq: 0,
        }
    }

    fn answer(&mut self, link: usize, request: &Request<'_>) {
        self.outcome.clear();
        let correlation = match request {
            Request::Command {
                correlation,
                kind,
                body,
                ..
            } => {
                self.seq += 1;
                // Reserving and its event hold the same: the slot.
                outcome::encode_accepted(*kind, 1, &mut self.outcome);
                self.outcome.extend_from_slice(body);
                *correlation
            }
            Request::Query {
                correlation,
                kind,
                schema,
                body,
            } => {
                self.show_nothing(*kind, *schema, body);
                *correlation
            }
            Request::Auth { correlation, .. } => {
                let resumed = accounts::Answer::from(SessionResumed {
                    user: UserId(1),
                    roles: Roles::MEMBER,
                    session: 1,
                    expires_at: 0,
                    cursor: Seq(self.seq),
                });
                let (kind, schema) = resumed.kind();
                outcome::encode_accepted(kind, schema, &mut self.outcome);
                resumed.encode(&mut self.outcome);
                *correlation
            }
            Request::Hello { .. }
            | Request::Ping { .. }
            | Request::Signal { .. }
            | Request::Alive => return,
        };
        let reply = Reply::Answer {
            correlation,
            seq: Seq(self.seq),
            hash: hash_at(self.seq),
            outcome: &self.outcome,
        };
        if let Some(answers) = self.answers.get_mut(link) {
            reply.encode(answers);
        }
    }

    fn show_nothing(&mut self, kind: Kind, schema: u8, body: &[u8]) {
        let (bookings, _schema) =
            Query::MyBookings(protocol::words::agenda::MyBookings { after: 0, limit: 1 }).kind();
        let mut word = Vec::new();
        let (kind, schema) = if let Ok(presence::Query::Subscribe(subscribe)) =
            presence::Query::decode(kind, schema, body)
        {
            let from = subscribe.from.unwrap_or(Seq(self.seq));
            let answer = presence::Answer::from(presence::Subscribed { from });
            answer.encode(&mut word);
            answer.kind()
        } else if let Ok(chat::Query::ListConversations(_)) =
            chat::Query::decode(kind, schema, body)
        {
            let conversations = Vec::new();
            let answer = chat::Answer::from(chat::Conversations { conversations });
            answer.encode(&mut word);
            answer.kind()
        } else {
            let answer: Answer = if kind == bookings {
                let bookings = Vec::new();
                Bookings { bookings }.into()
            } else {
                let slots = Vec::new();
                Slots { day: 0, slots }.into()
            };
            answer.encode(&mut word);
            answer.kind()
        };
        outcome::encode_accepted(kind, schema, &mut self.outcome);
        self.outcome.extend_from_slice(&word);
    }
}

impl Target for NullTarget {
    fn links(&self) -> usize {
        self.answers.len()
    }

    fn poll_ready(
        &mut self,
        _context: &mut Context<'_>,
        ready: &mut Vec<u32>,
    ) -> Poll<io::Result<()>> {
        // Nobody needs to be woken: answers come into being only while the driver runs.
        if self.ready.is_empty() {
            return Poll::Pending;
        }
        ready.append(&mut self.ready);
        Poll::Ready(Ok(()))
    }

    fn receive(&mut self, link: u32, into: &mut [u8]) -> Result<usize, LinkLost> {
        let answers = index(link)
            .and_then(|link| self.answers.get_mut(link))
            .ok_or(LinkLost::Closed)?;
        let taken = answers.len().min(into.len());
        into[..taken].copy_from_slice(&answers[..taken]);
        answers.drain(..taken);
        Ok(taken)
    }

    fn transmit(&mut self, link: u32, out: &mut Vec<u8>) -> Result<(), LinkLost> {
        let at = index(link).ok_or(LinkLost::Closed)?;
        let mut rest = out.as_slice();
        while let Ok(Some((frame, after))) = frame::split(rest, REQUEST_BYTES_MAX) {
            if let Ok(request) = Request::decode(frame) {
                self.answer(at, &request);
            }
            rest = after;
        }
        out.clear();
        self.ready.push(link);
        Ok(())
    }

    fn close(&mut self, link: u32) {
        if let Some(answers) = index(link).and_then(|link| self.answers.get_mut(link)) {
            answers.clear();
        }
    }

    fn reopen(&mut self, _link: u32) -> Result<(), LinkLost> {
        Ok(())
    }

    fn redirect(&mut self, _address: SocketAddr) {}
}

fn index(link: u32) -> Option<usize> {
    usize::try_from(link).ok()
}

/// Some hash that differs from position to position.
fn hash_at(seq: u64) -> ChainHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&seq.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    ChainHash(hash)
}
