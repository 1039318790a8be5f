//! One user of the plan, without a socket and without a clock.
//!
//! Calls go in and become requests of a [`Conversation`], which keeps them until they are answered,
//! over as many connections as that takes; bytes of the server go in and become finished
//! operations, pushes and news. A client knows who it is, what it counted to, and how far it was
//! shown each conversation. What it asks is decided by the plan, when by the driver, how its bytes
//! travel by a target.

use std::rc::Rc;

use ::client::{Answered, Broken, Conversation, Event, OnBusy, Session, Word};
use protocol::{
    ChainHash, Seq,
    outcome::Outcome as Decided,
    words::{WordError, presence},
};

use crate::{
    contention::Entry,
    knowledge::Knowledge,
    operation::{Call, KeyMint, Nanos, News, Observed, Operation, Outcome, Push, Slot},
    shown::{Shown, Standing},
    wire::{self, Asker},
    world_map::WorldMap,
};

/// The most attempts that are told apart: a history keeps seven bits of them.
const ATTEMPTS_MAX: u8 = 127;

/// One user.
#[derive(Debug)]
pub struct Client {
    id: u32,
    mint: KeyMint,
    world: Rc<WorldMap>,
    session: u64,
    knowledge: Knowledge,
    counter: u32,
    talk: Conversation<Tag>,
    shown: Shown,
    /// Until when it is away because the plan wants it.
    offline_until: Nanos,
    /// When the pushes of its connection began.
    subscribed_at: Nanos,
    /// Whether they did.
    is_subscribed: bool,
    /// The newest position when it came back the last time, before it asked anything again.
    newest_at_return: u64,
    body: Vec<u8>,
    partial: Vec<u8>,
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

/// What comes back with an answer.
#[derive(Debug)]
enum Tag {
    /// A call.
    Call(Outstanding),
    /// A command asked again on purpose, and its first answer.
    Again {
        first: Box<Operation>,
        sent_at: Nanos,
    },
    /// Another command under the key of this one, on purpose.
    Reused {
        first: Box<Operation>,
        sent_at: Nanos,
    },
    /// Which conversations there are, and how long: no operation, but the driver's own question.
    Standing,
}

/// An unanswered call.
#[derive(Debug)]
struct Outstanding {
    operation: Operation,
    run: u32,
    entry: Entry,
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
    /// Whether it was answered after it had lost a connection on which it was outstanding.
    pub was_cut_off: bool,
    /// The newest position when its client came back the last time, before it was asked again: what
    /// stands at or before it had happened already.
    pub newest_at_return: u64,
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
    /// A key was used again on purpose, for another command.
    Reused {
        /// What it had been used for.
        first: Operation,
        /// What became of the other command.
        outcome: Outcome,
    },
    /// Pushes from behind this position follow.
    Subscribed {
        /// The last position that the client has.
        from: u64,
        /// The newest one there was: what lies between is what it missed.
        newest: u64,
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
    /// How far its conversations are is known, or so far as one page says.
    Standing,
    /// A word of no consequence.
    Nothing,
}

/// A call that got no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// A call that counts.
    Call(Finished),
    /// A command asked again on purpose, or another one under its key: its first answer has been
    /// counted.
    Duplicate,
    /// The driver's own question.
    Standing,
}

/// Bytes that are no conversation. The connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The conversation says so.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// No word where one was promised.
    #[error(transparent)]
    Word(#[from] WordError),
}

impl Client {
    /// The client with number `id`, on a connection that has logged in by this session. The first
    /// it says is that it wants to be told of pushes.
    #[must_use]
    pub fn new(id: u32, mint: KeyMint, world: Rc<WorldMap>, session: Session) -> Self {
        // Somebody who measures a server counts what it is too busy for.
        let talk = Conversation::carry_on(session, u64::from(id), OnBusy::Tell, 0);
        Self {
            id,
            mint,
            world,
            session: session.session,
            knowledge: Knowledge::default(),
            counter: 0,
            talk,
            shown: Shown::default(),
            offline_until: 0,
            subscribed_at: 0,
            is_subscribed: false,
            newest_at_return: 0,
            body: Vec::new(),
            partial: Vec::new(),
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

    /// The key of one of its calls.
    #[must_use]
    pub fn key(&self, counter: u32) -> protocol::Key {
        self.mint.mint(self.id, counter)
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

    /// How far it was shown each conversation.
    #[must_use]
    pub const fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Since when its connection is told of pushes; later than anything while it is not.
    #[must_use]
    pub const fn subscribed_at(&self) -> Nanos {
        self.subscribed_at
    }

    /// Whether its connection was told of pushes and is not known to be lost: also where the server
    /// has just ended the conversation, so that no request reaches it any more.
    #[must_use]
    pub const fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// Whether its requests reach the server now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.talk.is_open()
    }

    /// Whether it has no connection, and makes none.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.talk.is_away()
    }

    /// Whether it is away because the plan wants it.
    #[must_use]
    pub const fn is_offline(&self, now: Nanos) -> bool {
        now < self.offline_until
    }

    /// Whether it will never come back.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.talk.ended().is_some()
    }

    /// When it wants its next connection, if it wants one.
    #[must_use]
    pub const fn connect_at(&self) -> Option<Nanos> {
        self.talk.connect_at()
    }

    /// Whether another call may be taken now. What a lost connection cannot carry waits for the
    /// next one; whoever is away because the plan wants it asks nothing.
    #[must_use]
    pub fn has_room(&self, now: Nanos) -> bool {
        !self.is_offline(now) && self.talk.has_room()
    }

    /// Frames that wait to be written. A target takes them from the front.
    pub const fn out(&mut self) -> &mut Vec<u8> {
        self.talk.poll_transmit()
    }

    /// Whether nothing it asked is unanswered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.talk.oldest().is_none()
    }

    /// Asks: the call is outstanding until it is answered or given up, whatever becomes of
    /// connections.
    pub fn ask(&mut self, ask: &Ask) {
        let counter = self.counter;
        self.counter += 1;
        self.knowledge.handle_ask(&ask.call);
        let tag = Tag::Call(Outstanding {
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
        });
        self.ask_for(&ask.call, counter, tag, ask.sent_at);
    }

    /// The count and the call it asked last, while that is outstanding.
    #[must_use]
    pub fn newest(&mut self) -> Option<(u32, Call)> {
        match self.talk.newest()? {
            Tag::Call(newest) => Some((newest.operation.counter, newest.operation.call)),
            Tag::Again { .. } | Tag::Reused { .. } | Tag::Standing => None,
        }
    }

    /// Notes when the last call left, where it was asked before it could leave.
    pub fn release(&mut self, now: Nanos, floor: u64) {
        if let Some(Tag::Call(last)) = self.talk.newest() {
            last.operation.sent_at = now;
            last.operation.floor = floor;
        }
    }

    /// Asks a finished command again, under its key and with its body.
    pub fn ask_again(&mut self, first: &Operation, now: Nanos) {
        let tag = Tag::Again {
            first: Box::new(*first),
            sent_at: now,
        };
        self.ask_for(&first.call, first.counter, tag, now);
    }

    /// Asks for something else under the key of a finished command. It does no harm where that is
    /// taken: nobody has such a booking.
    pub fn reuse_key(&mut self, first: &Operation, now: Nanos) {
        let tag = Tag::Reused {
            first: Box::new(*first),
            sent_at: now,
        };
        let (booking, slot) = (0, Slot(0));
        self.ask_for(&Call::Cancel { booking, slot }, first.counter, tag, now);
    }

    /// Asks how long its conversations are, to compare it with what it was shown.
    pub fn ask_standing(&mut self, now: Nanos) {
        self.shown.begin();
        self.ask_standing_after(None, now);
    }

    /// Nobody waits for anything that may be for it any more.
    pub fn excuse(&mut self) {
        self.shown.excuse();
    }

    fn ask_standing_after(&mut self, after: Option<u64>, now: Nanos) {
        self.body.clear();
        let (kind, schema) = Standing::ask(after, &mut self.body);
        let body = &self.body;
        let word = Word { kind, schema, body };
        self.talk.query(word, Tag::Standing, now);
    }

    /// Says something in passing: it is not answered, and nobody counts it.
    pub fn say(&mut self, signal: &presence::Signal, now: Nanos) {
        self.body.clear();
        signal.encode(&mut self.body);
        let (kind, schema) = signal.kind();
        let body = &self.body;
        self.talk.signal(Word { kind, schema, body }, now);
    }

    /// Bytes of a frame that has not arrived in full, to be put before what arrives next.
    pub const fn partial(&mut self) -> &mut Vec<u8> {
        &mut self.partial
    }

    /// Reads the next whole frame that matters off `input`. `None` when more bytes are needed.
    ///
    /// # Errors
    /// If the bytes are no conversation, or the server ends it.
    pub fn handle_bytes(
        &mut self,
        input: &mut &[u8],
        now: Nanos,
    ) -> Result<Option<Told>, ClientError> {
        let Some(event) = self.talk.handle_bytes(input, now)? else {
            return Ok(None);
        };
        Ok(Some(match event {
            Event::Answered(answer) => self.handle_answer(answer, now)?,
            Event::Unconsidered(it) => match it.tag {
                Tag::Call(mut call) => {
                    call.operation.attempts = it.attempts.min(ATTEMPTS_MAX);
                    Told::Finished(call.finish_without(Outcome::Error(it.refusal.code), now))
                }
                Tag::Again { first, sent_at } => {
                    let outcome = Outcome::Error(it.refusal.code);
                    tell_again(*first, sent_at, (Seq(0), ChainHash::START), outcome, now)
                }
                Tag::Reused { first, .. } => Told::Reused {
                    first: *first,
                    outcome: Outcome::Error(it.refusal.code),
                },
                Tag::Standing => {
                    self.shown.end();
                    Told::Standing
                }
            },
            Event::Subscribed { from, newest } => {
                (self.subscribed_at, self.is_subscribed) = (now, true);
                let (from, newest) = (from.0, newest.0);
                self.newest_at_return = newest;
                Told::Subscribed { from, newest }
            }
            Event::Pushed {
                seq,
                kind,
                schema,
                body,
            } => match wire::decode_push(seq, kind, schema, body)? {
                Some(push) => {
                    self.knowledge.handle_push(seq.0, &push);
                    if let Push::Entry(entry) = &push {
                        self.shown.note(entry.conversation, entry.index);
                    }
                    Told::Pushed { seq: seq.0, push }
                }
                None => Told::Nothing,
            },
            Event::News { kind, schema, body } => {
                Told::News(wire::decode_news(kind, schema, body)?)
            }
        }))
    }

    fn handle_answer(
        &mut self,
        answer: Answered<'_, Tag>,
        now: Nanos,
    ) -> Result<Told, ClientError> {
        let attempts = answer.attempts.min(ATTEMPTS_MAX);
        let position = (answer.seq, answer.hash);
        Ok(match answer.tag {
            Tag::Call(call) => {
                let finished = finish(call, attempts, position, answer.outcome, now)?;
                Told::Finished(Finished {
                    newest_at_return: self.newest_at_return,
                    ..finished
                })
            }
            Tag::Again { first, sent_at } => {
                let outcome = outcome(&answer.outcome);
                tell_again(*first, sent_at, position, outcome, now)
            }
            Tag::Reused { first, .. } => Told::Reused {
                first: *first,
                outcome: outcome(&answer.outcome),
            },
            Tag::Standing => {
                self.shown.reflect(answer.seq.0);
                self.handle_standing(answer.outcome, now)?
            }
        })
    }

    fn handle_standing(&mut self, outcome: Decided<'_>, now: Nanos) -> Result<Told, ClientError> {
        let Decided::Accepted { kind, schema, body } = outcome else {
            self.shown.end();
            return Ok(Told::Standing);
        };
        let standing = Standing::decode(kind, schema, body)?;
        match self.shown.compare(&standing) {
            Some(after) => self.ask_standing_after(Some(after), now),
            None => self.shown.end(),
        }
        Ok(Told::Standing)
    }

    /// Whether it wants a connection now. It says so once.
    pub fn poll_connect(&mut self, now: Nanos) -> bool {
        self.talk.poll_connect(now)
    }

    /// There is a connection, or will be.
    pub fn handle_connected(&mut self, now: Nanos) {
        self.talk.handle_connected(now);
    }

    /// Does what is due by itself.
    ///
    /// # Errors
    /// If the connection is of no further use.
    pub fn handle_timeout(&mut self, now: Nanos) -> Result<(), ClientError> {
        Ok(self.talk.handle_timeout(now)?)
    }

    /// The connection is gone: what was unanswered is asked again on the next.
    pub fn handle_loss(&mut self, now: Nanos) {
        self.talk.handle_lost(now);
        self.forget_connection();
    }

    /// Away from now on, until then.
    pub fn go_offline(&mut self, until: Nanos) {
        self.talk.go_away(Some(until));
        self.offline_until = until;
        self.forget_connection();
    }

    fn forget_connection(&mut self) {
        (self.subscribed_at, self.is_subscribed) = (Nanos::MAX, false);
        self.partial = Vec::new();
    }

    /// Gives up the oldest call if it was sent at `sent_before` or earlier. It may have happened if
    /// it was cut off from its answer; if not, its answer is overdue.
    pub fn give_up(&mut self, sent_before: Nanos, now: Nanos) -> Option<Unanswered> {
        let sent_at = match self.talk.oldest()? {
            Tag::Call(call) => call.operation.sent_at,
            Tag::Again { sent_at, .. } | Tag::Reused { sent_at, .. } => *sent_at,
            Tag::Standing => Nanos::MAX,
        };
        if sent_before < sent_at {
            return None;
        }
        let given_up = self.talk.give_up()?;
        Some(match given_up.tag {
            Tag::Call(mut call) => {
                call.operation.attempts = given_up.attempts.clamp(1, ATTEMPTS_MAX);
                let outcome = if given_up.was_cut_off {
                    Outcome::Unknown
                } else {
                    Outcome::Timeout
                };
                Unanswered::Call(call.finish_without(outcome, now))
            }
            Tag::Again { .. } | Tag::Reused { .. } => Unanswered::Duplicate,
            Tag::Standing => {
                self.shown.end();
                Unanswered::Standing
            }
        })
    }

    fn ask_for(&mut self, call: &Call, counter: u32, tag: Tag, now: Nanos) {
        self.body.clear();
        if let Some((kind, schema)) = wire::encode_query(call, &mut self.body) {
            let body = &self.body;
            return self.talk.query(Word { kind, schema, body }, tag, now);
        }
        let asker = Asker {
            key: self.mint.mint(self.id, counter),
            session: self.session,
        };
        let (kind, schema) = wire::encode_command(call, &asker, &mut self.body)
            .expect("a call that is no query is a command");
        let body = &self.body;
        self.talk
            .command(asker.key, Word { kind, schema, body }, tag, now);
    }
}

fn finish(
    mut call: Outstanding,
    attempts: u8,
    position: (Seq, ChainHash),
    decided: Decided<'_>,
    now: Nanos,
) -> Result<Finished, ClientError> {
    call.operation.attempts = attempts;
    let observed = match decided {
        Decided::Accepted { kind, schema, body } => {
            wire::observe(&call.operation.call, kind, schema, body)?
        }
        Decided::Refused(_) => Observed::Nothing,
    };
    Ok(Finished {
        operation: complete(call.operation, outcome(&decided), position, now),
        observed,
        run: call.run,
        entry: call.entry,
        // Only what was lost with its connection is sent again.
        was_cut_off: 1 < attempts,
        newest_at_return: 0,
    })
}

fn tell_again(
    first: Operation,
    sent_at: Nanos,
    position: (Seq, ChainHash),
    outcome: Outcome,
    now: Nanos,
) -> Told {
    let again = Operation {
        intended_at: sent_at,
        sent_at,
        ..first
    };
    let second = complete(again, outcome, position, now);
    Told::Duplicate { first, second }
}

const fn outcome(decided: &Decided<'_>) -> Outcome {
    match decided {
        Decided::Accepted { .. } => Outcome::Ok,
        Decided::Refused(refusal) => Outcome::Refused(refusal.code),
    }
}

impl Outstanding {
    fn finish_without(self, outcome: Outcome, now: Nanos) -> Finished {
        let nowhere = (Seq(0), ChainHash::START);
        Finished {
            was_cut_off: false,
            operation: complete(self.operation, outcome, nowhere, now),
            observed: Observed::Nothing,
            run: self.run,
            entry: self.entry,
            newest_at_return: 0,
        }
    }
}

fn complete(
    operation: Operation,
    outcome: Outcome,
    (seq, hash): (Seq, ChainHash),
    now: Nanos,
) -> Operation {
    let (hash, _rest) = hash.0.split_first_chunk().expect("a hash has 32 bytes");
    Operation {
        completed_at: now,
        outcome,
        seq: seq.0,
        hash: u64::from_le_bytes(*hash),
        ..operation
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        Key, UserId, frame,
        limits::REPLY_BYTES_MAX,
        message::{Reply, Request},
        outcome::encode_accepted,
        words::{
            agenda::{self, Answer, Event},
            presence,
        },
    };

    use super::*;
    use crate::plan::Place;

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
        let session = Session {
            user: UserId(2),
            session: 3,
            token: protocol::words::accounts::Token([4; 32]),
            cursor: Seq(2),
        };
        let mut client = Client::new(9, KeyMint::new([1; 32]), Rc::new(world), session);
        let subscribed = presence::Answer::from(presence::Subscribed { from: Seq(2) });
        let mut outcome = Vec::new();
        encode_accepted(subscribed.kind().0, 1, &mut outcome);
        subscribed.encode(&mut outcome);
        let told = tell(&mut client, &answer(1, &outcome));
        assert!(matches!(told, Told::Subscribed { from: 2, .. }), "{told:?}");
        client.out().clear();
        client
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
        let Told::Finished(finished) = tell(&mut client, &answer(3, &outcome)) else {
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
        let mut bytes = Vec::new();
        answer(3, &outcome).encode(&mut bytes);
        let told = client.handle_bytes(&mut bytes.as_slice(), 30);
        assert!(matches!(told, Ok(None)), "nobody waits for it: {told:?}");
        let given_up = client.give_up(20, 40);
        let Some(Unanswered::Call(finished)) = given_up else {
            panic!("the first call is overdue: {given_up:?}");
        };
        assert_eq!(finished.operation.outcome, Outcome::Timeout);
        assert!(client.give_up(20, 40).is_none());
    }

    #[test]
    fn a_call_that_was_cut_off_and_never_answered_is_unknown() {
        let mut client = client();
        ask(&mut client, Call::MyBookings);
        client.handle_loss(25);
        assert!(client.is_away() && client.has_room(25), "it can wait");
        ask(&mut client, Call::MyBookings);
        for wanted in [Outcome::Unknown, Outcome::Timeout] {
            let given_up = client.give_up(20, 40);
            let Some(Unanswered::Call(finished)) = given_up else {
                panic!("a call: {given_up:?}");
            };
            assert_eq!(finished.operation.outcome, wanted);
        }
    }

    #[test]
    fn a_conversation_that_the_server_ends_is_still_a_connection_to_lose() {
        let mut client = client();
        let mut bytes = Vec::new();
        Reply::Error(protocol::message::ErrorReply {
            correlation: 0,
            refusal: protocol::Refusal::new(protocol::Code::SESSION_ENDED),
            retry_after_ms: 0,
            fatal: true,
        })
        .encode(&mut bytes);
        assert!(client.handle_bytes(&mut bytes.as_slice(), 30).is_err());
        assert!(client.has_ended() && !client.is_open() && client.is_subscribed());
        client.handle_loss(31);
        assert!(!client.is_subscribed() && client.connect_at().is_none());
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
