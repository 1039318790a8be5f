//! What the server's frames do to a conversation.
//!
//! Bytes go in; what means something to the caller comes out, in their order, one at a time.
//! Welcomes, pongs, probes and the answers of entering are dealt with here. Deliberately absent:
//! buffers. Bytes of a frame that is not whole stay with the caller.

use protocol::{
    ChainHash, Code, Outcome, Seq, frame,
    limits::REPLY_BYTES_MAX,
    message::{ErrorReply, Reply, Request},
    words::{accounts, presence},
};

use super::{Answered, Broken, Conversation, Event, Identity, OnBusy, Stage, Unconsidered};
use crate::Nanos;

/// An answer's frame, taken apart.
struct Arrived<'b> {
    correlation: u64,
    seq: Seq,
    hash: ChainHash,
    outcome: Outcome<'b>,
}

impl<T> Conversation<T> {
    /// Reads whole frames off the front of `input`, up to the first that means something to the
    /// caller. `None` when more bytes are needed: what is left is to be shown again, with more.
    ///
    /// # Errors
    /// If the connection is of no further use.
    pub fn handle_bytes<'b>(
        &mut self,
        input: &mut &'b [u8],
        now: Nanos,
    ) -> Result<Option<Event<'b, T>>, Broken> {
        while let Some((frame, rest)) = frame::split(input, REPLY_BYTES_MAX)? {
            *input = rest;
            self.heard_at = now;
            self.pong_due_at = None;
            if let Some(event) = self.handle_reply(&Reply::decode(frame)?, now)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn handle_reply<'b>(
        &mut self,
        reply: &Reply<'b>,
        now: Nanos,
    ) -> Result<Option<Event<'b, T>>, Broken> {
        match *reply {
            Reply::Answer {
                correlation,
                seq,
                hash,
                outcome,
            } => {
                let outcome = Outcome::decode(outcome)?;
                let arrived = Arrived {
                    correlation,
                    seq,
                    hash,
                    outcome,
                };
                self.handle_answer(&arrived, now)
            }
            Reply::Push {
                seq,
                hash,
                kind,
                schema,
                body,
            } => {
                // A position never falls, whatever is pushed: nothing is asked for twice.
                self.cursor = self.cursor.max(Some(seq));
                Ok(Some(Event::Pushed {
                    seq,
                    hash,
                    kind,
                    schema,
                    body,
                }))
            }
            Reply::Ephemeral { kind, schema, body } => Ok(Some(Event::News { kind, schema, body })),
            Reply::Error(ref error) if error.fatal => Err(self.handle_closing(error)),
            Reply::Error(ref error) => self.handle_error(error, now),
            Reply::Probe => {
                self.say(&Request::Alive, now);
                Ok(None)
            }
            Reply::Welcome(_) | Reply::Pong { .. } => Ok(None),
        }
    }

    fn handle_answer<'b>(
        &mut self,
        answer: &Arrived<'b>,
        now: Nanos,
    ) -> Result<Option<Event<'b, T>>, Broken> {
        match self.stage {
            Stage::Entering {
                since, correlation, ..
            } if correlation == answer.correlation => {
                self.handle_entered(answer, since, now)?;
                Ok(None)
            }
            Stage::Subscribing { correlation, .. } if correlation == answer.correlation => {
                self.handle_subscribed(answer, now).map(Some)
            }
            Stage::Away { .. }
            | Stage::Connecting { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Open { .. }
            | Stage::Over(_) => {
                let taken = self.unanswered.take(answer.correlation);
                Ok(taken.map(|(tag, attempts)| {
                    Event::Answered(Answered {
                        tag,
                        attempts,
                        seq: answer.seq,
                        hash: answer.hash,
                        outcome: answer.outcome,
                    })
                }))
            }
        }
    }

    fn handle_entered(
        &mut self,
        answer: &Arrived<'_>,
        since: Nanos,
        now: Nanos,
    ) -> Result<(), Broken> {
        let (kind, schema, body) = match answer.outcome {
            Outcome::Accepted { kind, schema, body } => (kind, schema, body),
            Outcome::Refused(refusal) => return Err(self.give_over(refusal)),
        };
        match accounts::Answer::decode(kind, schema, body)? {
            accounts::Answer::SessionOpened(opened) => {
                (self.user, self.session) = (opened.user, opened.session);
                self.identity = Identity::Resume(opened.token);
            }
            accounts::Answer::SessionResumed(resumed) => {
                (self.user, self.session) = (resumed.user, resumed.session);
            }
            accounts::Answer::Me(_)
            | accounts::Answer::Sessions(_)
            | accounts::Answer::FoundUser(_) => return Err(Broken::OtherAnswer),
        }
        self.subscribe(since, now);
        Ok(())
    }

    fn handle_subscribed<'b>(
        &mut self,
        answer: &Arrived<'b>,
        now: Nanos,
    ) -> Result<Event<'b, T>, Broken> {
        let (kind, schema, body) = match answer.outcome {
            Outcome::Accepted { kind, schema, body } => (kind, schema, body),
            Outcome::Refused(refusal) => return Err(self.give_over(refusal)),
        };
        let from = match presence::Answer::decode(kind, schema, body)? {
            presence::Answer::Subscribed(subscribed) => subscribed.from,
            presence::Answer::Presences(_) => return Err(Broken::OtherAnswer),
        };
        // Pushes may have come before this answer: the cursor does not fall.
        self.cursor = self.cursor.max(Some(from));
        self.stage = Stage::Open { since: now };
        self.said_at = now;
        self.unanswered.send_due(now, &mut self.out);
        Ok(Event::Subscribed {
            from,
            newest: answer.seq,
        })
    }

    fn handle_error<'b>(
        &mut self,
        error: &ErrorReply,
        now: Nanos,
    ) -> Result<Option<Event<'b, T>>, Broken> {
        let hint = u64::from(error.retry_after_ms).saturating_mul(1_000_000);
        let later = Some(now.saturating_add(hint));
        match &mut self.stage {
            Stage::Entering {
                correlation,
                again_at,
                ..
            }
            | Stage::Subscribing {
                correlation,
                again_at,
                ..
            } if *correlation == error.correlation => {
                if error.retry_after_ms == 0 {
                    return Err(self.handle_closing(error));
                }
                *again_at = later;
                Ok(None)
            }
            Stage::Away { .. }
            | Stage::Connecting { .. }
            | Stage::Entering { .. }
            | Stage::Subscribing { .. }
            | Stage::Open { .. }
            | Stage::Over(_) => {
                if self.on_busy == OnBusy::Retry && error.retry_after_ms != 0 {
                    let _nobody_waits = self.unanswered.put_off(error.correlation, now + hint);
                    return Ok(None);
                }
                let taken = self.unanswered.take(error.correlation);
                Ok(taken.map(|(tag, attempts)| {
                    Event::Unconsidered(Unconsidered {
                        tag,
                        attempts,
                        refusal: error.refusal,
                    })
                }))
            }
        }
    }

    /// The server ends this connection. Some reasons end the conversation too.
    fn handle_closing(&mut self, error: &ErrorReply) -> Broken {
        if comes_back(error.refusal.code) {
            Broken::Closing(error.refusal)
        } else {
            self.give_over(error.refusal)
        }
    }

    fn give_over(&mut self, refusal: protocol::Refusal) -> Broken {
        self.stage = Stage::Over(refusal);
        Broken::NotTaken(refusal)
    }
}

/// Whether another connection may fare better. A slow reader goes on at its own cursor: everything
/// that was sent to it has been read when the last frame is.
fn comes_back(code: Code) -> bool {
    const PASSING: [Code; 8] = [
        Code::BUSY,
        Code::IN_FLIGHT,
        Code::CONNECTIONS,
        Code::HELLO_TIMEOUT,
        Code::LOGIN_TIMEOUT,
        Code::IDLE,
        Code::SHUTTING_DOWN,
        Code::SLOW_READER,
    ];
    PASSING.contains(&code)
}
