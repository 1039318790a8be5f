//! One user of the plan, without a socket and without a clock.
//!
//! Calls go in and become frames; bytes of the server go in and become finished operations. A
//! client knows who it is, what it counted to, and what is unanswered. What it asks is decided by
//! the plan, when by the driver, how its bytes travel by a target.

use std::{collections::VecDeque, rc::Rc};

use protocol::{
    ChainHash, Code, Seq,
    codec::CodecError,
    frame::{self, FrameError},
    limits::{IN_FLIGHT_MAX, REPLY_BYTES_MAX},
    message::{MessageError, Reply, Request},
    outcome,
    words::{WordError, presence},
};

use crate::{
    contention::Entry,
    knowledge::Knowledge,
    operation::{Call, KeyMint, Nanos, News, Observed, Operation, Outcome, Push},
    wire::{self, Asker},
    world_map::WorldMap,
};

/// Bytes that may wait to be written on one connection: beyond, the server has stopped reading.
pub const OUT_BYTES_MAX: usize = 64 * 1_024;

/// Unanswered requests a client may have, as the wire promises.
const OUTSTANDING_LEN_MAX: usize = IN_FLIGHT_MAX as usize;

/// One user.
#[derive(Debug)]
pub struct Client {
    id: u32,
    mint: KeyMint,
    world: Rc<WorldMap>,
    session: u64,
    knowledge: Knowledge,
    counter: u32,
    outstanding: VecDeque<Outstanding>,
    body: Vec<u8>,
    out: Vec<u8>,
    partial: Vec<u8>,
    is_lost: bool,
}

/// A call and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// What to ask.
    pub call: Call,
    /// When the schedule wanted it.
    pub intended_at: Nanos,
    /// When it leaves.
    pub sent_at: Nanos,
    /// The floor that was shown when it left.
    pub floor: u64,
    /// What of the driver's it belongs to; handed back with the answer.
    pub run: u32,
    /// Its place in the books of contention; handed back with the answer.
    pub entry: Entry,
}

/// An unanswered call.
#[derive(Debug)]
struct Outstanding {
    correlation: u64,
    operation: Operation,
    run: u32,
    entry: Entry,
    /// The first answer, when this asks again on purpose.
    first: Option<Box<Operation>>,
}

/// A finished call.
#[derive(Debug)]
pub struct Finished {
    /// What was asked and what became of it.
    pub operation: Operation,
    /// What the answer showed.
    pub observed: Observed,
    /// As in [`Ask`].
    pub run: u32,
    /// As in [`Ask`].
    pub entry: Entry,
}

/// What a server's frame came to.
#[derive(Debug)]
pub enum Told {
    /// A call was answered.
    Finished(Finished),
    /// A command asked again on purpose was answered again.
    Duplicate {
        /// The first answer.
        first: Operation,
        /// The second.
        second: Operation,
    },
    /// Something the client did not ask for.
    Pushed {
        /// Where it happened.
        seq: u64,
        /// What.
        push: Push,
    },
    /// Something in passing.
    News(News),
    /// An answer nobody waits for any more, or a word of no consequence.
    Nothing,
}

/// A call that got no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// A call that counts.
    Call(Finished),
    /// A command asked again on purpose: its first answer has been counted.
    Duplicate,
}

/// Bytes that are no conversation. The connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No outcome.
    #[error(transparent)]
    Outcome(#[from] CodecError),
    /// No word.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The server is about to close.
    #[error("the server closes the connection: {0}")]
    Closing(protocol::Refusal),
}

impl Client {
    /// The client with number `id`, on a connection that is open and belongs to this session.
    #[must_use]
    pub fn new(id: u32, mint: KeyMint, world: Rc<WorldMap>, session: u64) -> Self {
        Self {
            id,
            mint,
            world,
            session,
            knowledge: Knowledge::default(),
            counter: 0,
            outstanding: VecDeque::new(),
            body: Vec::new(),
            out: Vec::new(),
            partial: Vec::new(),
            is_lost: false,
        }
    }

    /// Its number in the plan.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The count of its next call.
    #[must_use]
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// Where the plan's places are.
    #[must_use]
    pub fn world(&self) -> &WorldMap {
        &self.world
    }

    /// What it remembers of what it was shown.
    #[must_use]
    pub const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Whether its connection is gone.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether another call may be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_lost
            && self.outstanding.len() < OUTSTANDING_LEN_MAX
            && self.out.len() < OUT_BYTES_MAX
    }

    /// Frames that wait to be written. A target takes them from the front.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Asks: the frame is appended to [`Self::out`], and the call is outstanding.
    pub fn ask(&mut self, ask: &Ask) {
        let counter = self.counter;
        self.counter += 1;
        let correlation = u64::from(counter) + 1; // 0 concerns the conversation
        self.knowledge.handle_ask(&ask.call);
        self.encode(&ask.call, counter, correlation);
        self.outstanding.push_back(Outstanding {
            correlation,
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
                hash: 0,
                attempts: 1,
            },
            run: ask.run,
            entry: ask.entry,
            first: None,
        });
    }

    /// The count and the call it asked last, while that is outstanding.
    #[must_use]
    pub fn newest(&self) -> Option<(u32, Call)> {
        let newest = self.outstanding.back()?;
        Some((newest.operation.counter, newest.operation.call))
    }

    /// Says something in passing: it is not answered, and nobody counts it.
    pub fn say(&mut self, signal: &presence::Signal) {
        self.body.clear();
        signal.encode(&mut self.body);
        let (kind, schema) = signal.kind();
        let body = &self.body;
        Request::Signal { kind, schema, body }.encode(&mut self.out);
    }

    /// Notes when the last call left, where it was asked before it could leave.
    pub fn release(&mut self, now: Nanos, floor: u64) {
        if let Some(last) = self.outstanding.back_mut() {
            last.operation.sent_at = now;
            last.operation.floor = floor;
        }
    }

    /// Asks a finished command again, under its key and with its body.
    pub fn ask_again(&mut self, first: &Operation, now: Nanos) {
        let correlation = u64::from(first.counter) + 1;
        self.encode(&first.call, first.counter, correlation);
        self.outstanding.push_back(Outstanding {
            correlation,
            operation: Operation {
                intended_at: now,
                sent_at: now,
                ..*first
            },
            run: 0,
            entry: None,
            first: Some(Box::new(*first)),
        });
    }

    /// Bytes of a frame that has not arrived in full, to be put before what arrives next.
    pub const fn partial(&mut self) -> &mut Vec<u8> {
        &mut self.partial
    }

    /// Reads the next whole frame off `input`. `None` when more bytes are needed.
    ///
    /// # Errors
    /// If the bytes are no conversation, or the server ends it.
    pub fn handle_bytes(
        &mut self,
        input: &mut &[u8],
        now: Nanos,
    ) -> Result<Option<Told>, ClientError> {
        let Some((frame, rest)) = frame::split(input, REPLY_BYTES_MAX)? else {
            return Ok(None);
        };
        *input = rest;
        match Reply::decode(frame)? {
            Reply::Answer {
                correlation,
                seq,
                hash,
                outcome,
            } => self.handle_answer(correlation, (seq, hash), outcome, now),
            Reply::Push {
                seq,
                kind,
                schema,
                body,
                ..
            } => {
                let Some(push) = wire::decode_push(seq, kind, schema, body)? else {
                    return Ok(Some(Told::Nothing));
                };
                self.knowledge.handle_push(seq.0, &push);
                Ok(Told::Pushed { seq: seq.0, push })
            }
            Reply::News { kind, schema, body } => {
                Ok(Told::News(wire::decode_news(kind, schema, body)?))
            }
            Reply::Error(error) if error.fatal => Err(ClientError::Closing(error.refusal)),
            Reply::Error(error) => {
                Ok(self.handle_error(error.correlation, error.refusal.code, now))
            }
            Reply::Welcome(_) | Reply::Pong { .. } | Reply::Probe => Ok(Told::Nothing),
        }
        .map(Some)
    }

    /// The connection is gone: frames that wait will never travel.
    pub fn handle_loss(&mut self) {
        self.is_lost = true;
        self.out = Vec::new();
        self.partial = Vec::new();
    }

    /// Gives up the oldest call if it was sent at `sent_before` or earlier.
    pub fn give_up(
        &mut self,
        sent_before: Nanos,
        outcome: Outcome,
        now: Nanos,
    ) -> Option<Unanswered> {
        if sent_before < self.outstanding.front()?.operation.sent_at {
            return None;
        }
        let outstanding = self.outstanding.pop_front()?;
        if outstanding.first.is_some() {
            return Some(Unanswered::Duplicate);
        }
        let finished =
            outstanding.finish(outcome, (Seq(0), ChainHash::START), Observed::Nothing, now);
        Some(Unanswered::Call(finished))
    }

    fn handle_answer(
        &mut self,
        correlation: u64,
        position: (Seq, ChainHash),
        bytes: &[u8],
        now: Nanos,
    ) -> Result<Told, ClientError> {
        let Some(outstanding) = self.take(correlation) else {
            return Ok(Told::Nothing);
        };
        let (outcome, observed) = match outcome::Outcome::decode(bytes)? {
            outcome::Outcome::Accepted { kind, schema, body } => {
                let observed = wire::observe(&outstanding.operation.call, kind, schema, body)?;
                (Outcome::Ok, observed)
            }
            outcome::Outcome::Refused(refusal) => {
                (Outcome::Refused(refusal.code), Observed::Nothing)
            }
        };
        Ok(outstanding.tell(outcome, position, observed, now))
    }

    fn handle_error(&mut self, correlation: u64, code: Code, now: Nanos) -> Told {
        self.take(correlation).map_or(Told::Nothing, |outstanding| {
            let nowhere = (Seq(0), ChainHash::START);
            outstanding.tell(Outcome::Error(code), nowhere, Observed::Nothing, now)
        })
    }

    /// Answers come nearly in order, so the one that is looked for is nearly always the first.
    fn take(&mut self, correlation: u64) -> Option<Outstanding> {
        let is_it = |outstanding: &Outstanding| outstanding.correlation == correlation;
        let index = self.outstanding.iter().position(is_it)?;
        self.outstanding.remove(index)
    }

    fn encode(&mut self, call: &Call, counter: u32, correlation: u64) {
        self.body.clear();
        if let Some((kind, schema)) = wire::encode_query(call, &mut self.body) {
            let body = &self.body;
            return Request::Query {
                correlation,
                kind,
                schema,
                body,
            }
            .encode(&mut self.out);
        }
        let asker = Asker {
            key: self.mint.mint(self.id, counter),
            session: self.session,
        };
        let (kind, schema) = wire::encode_command(call, &asker, &mut self.body)
            .expect("a call that is no query is a command");
        Request::Command {
            correlation,
            key: asker.key,
            kind,
            schema,
            body: &self.body,
        }
        .encode(&mut self.out);
    }
}

impl Outstanding {
    fn tell(
        self,
        outcome: Outcome,
        position: (Seq, ChainHash),
        observed: Observed,
        now: Nanos,
    ) -> Told {
        let first = self.first.as_deref().copied();
        let finished = self.finish(outcome, position, observed, now);
        match first {
            None => Told::Finished(finished),
            Some(first) => Told::Duplicate {
                first,
                second: finished.operation,
            },
        }
    }

    fn finish(
        self,
        outcome: Outcome,
        (seq, hash): (Seq, ChainHash),
        observed: Observed,
        now: Nanos,
    ) -> Finished {
        let (hash, _rest) = hash.0.split_first_chunk().expect("a hash has 32 bytes");
        Finished {
            operation: Operation {
                completed_at: now,
                outcome,
                seq: seq.0,
                hash: u64::from_le_bytes(*hash),
                ..self.operation
            },
            observed,
            run: self.run,
            entry: self.entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        Key, UserId,
        outcome::encode_accepted,
        words::agenda::{self, Answer, Event},
    };

    use super::*;
    use crate::{operation::Slot, plan::Place};

    const SLOT: agenda::SlotId = agenda::SlotId {
        agenda: 5,
        day: 20_000,
        slot: 3,
    };

    fn client() -> Client {
        let world = WorldMap {
            agendas: vec![5],
            first_day: 20_000,
            ..WorldMap::default()
        };
        Client::new(9, KeyMint::new([1; 32]), Rc::new(world), 3)
    }

    fn ask(client: &mut Client, call: Call) {
        client.ask(&Ask {
            call,
            intended_at: 10,
            sent_at: 20,
            floor: 4,
            run: 77,
            entry: None,
        });
    }

    fn tell(client: &mut Client, reply: &Reply<'_>) -> Told {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let mut input = bytes.as_slice();
        let told = client.handle_bytes(&mut input, 30).expect("a conversation");
        assert!(input.is_empty());
        told.expect("a whole frame")
    }

    fn answer(correlation: u64, outcome: &[u8]) -> Reply<'_> {
        Reply::Answer {
            correlation,
            seq: Seq(6),
            hash: ChainHash([2; 32]),
            outcome,
        }
    }

    #[test]
    fn a_command_carries_a_key_that_its_mint_knows() {
        let mut client = client();
        let slot = client.world().slot(Place {
            agenda: 0,
            day: 0,
            slot: 3,
        });
        ask(&mut client, Call::Reserve { slot });
        let out = client.out().clone();
        let (frame, _rest) = frame::split(&out, REPLY_BYTES_MAX).unwrap().unwrap();
        let Ok(Request::Command {
            key, kind, body, ..
        }) = Request::decode(frame)
        else {
            panic!("a command was asked");
        };
        assert_eq!(KeyMint::new([1; 32]).verify(&key), Some((9, 0)));
        let word = agenda::Command::decode(kind, 1, body).expect("a word");
        assert_eq!(word, agenda::Reserve { slot: SLOT }.into());
    }

    #[test]
    fn an_answer_finds_its_call_in_any_order_and_only_once() {
        let mut client = client();
        ask(&mut client, Call::MyBookings);
        ask(&mut client, Call::MyBookings);
        let key = Key([3; 16]);
        let view = agenda::BookingView {
            booking: 8,
            slot: SLOT,
            until: 0,
            key,
        };
        let shown = Answer::Bookings(agenda::Bookings {
            bookings: vec![view],
        });
        let mut outcome = Vec::new();
        encode_accepted(shown.kind().0, 1, &mut outcome);
        shown.encode(&mut outcome);
        let Told::Finished(finished) = tell(&mut client, &answer(2, &outcome)) else {
            panic!("the second call was answered");
        };
        let done = finished.operation;
        assert_eq!((done.counter, done.seq, done.floor), (1, 6, 4));
        assert_eq!(
            (done.sent_at, done.completed_at, finished.run),
            (20, 30, 77)
        );
        let slot = Slot::pack(SLOT).unwrap();
        assert_eq!(
            finished.observed,
            Observed::Bookings(vec![(8, slot, 0, key)])
        );
        assert!(matches!(
            tell(&mut client, &answer(2, &outcome)),
            Told::Nothing
        ));
        assert!(client.give_up(20, Outcome::Timeout, 40).is_some());
        assert!(client.give_up(20, Outcome::Timeout, 40).is_none());
    }

    #[test]
    fn a_push_is_told_as_what_happened_to_the_client() {
        let promoted = Event::Promoted(agenda::Promoted {
            slot: SLOT,
            user: UserId(2),
        });
        let mut body = Vec::new();
        promoted.encode(&mut body);
        let (kind, schema) = promoted.kind();
        let reply = Reply::Push {
            seq: Seq(12),
            hash: ChainHash::START,
            kind,
            schema,
            body: &body,
        };
        let slot = Slot::pack(SLOT).unwrap();
        let told = tell(&mut client(), &reply);
        let wanted = Push::Promoted { slot };
        assert!(
            matches!(told, Told::Pushed { seq: 12, push } if push == wanted),
            "{told:?}"
        );
    }
}
