//! What a client hears: answers, pushes and news, and answers that never came.
//!
//! Bytes of the server go in; what they tell the driver comes out. Deliberately absent: what the bytes
//! are (`wire`), and whether what they say may be (the laws').

use ::client::{Answered, Event};
use protocol::{ChainHash, Seq, outcome::Outcome as Decided};

use super::{
    Client,
    outstanding::{ATTEMPTS_MAX, Tag, finish, outcome, tell_again},
    told::{ClientError, Finished, Told, Unanswered},
};
use crate::{
    operation::{Nanos, Outcome, Push},
    shown::Standing,
    wire,
};

impl Client {
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
                    let outcome = match it.refusal.code {
                        wire::UNDECIDED => Outcome::Unknown,
                        code => Outcome::Error(code),
                    };
                    Told::Finished(call.finish_without(outcome, now))
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
                hash,
                kind,
                schema,
                body,
            } => match wire::decode_push(seq, kind, schema, body)? {
                Some(push) => {
                    self.knowledge.handle_push(seq.0, &push);
                    if let Push::Entry(entry) = &push {
                        self.shown.note(entry.conversation, entry.index);
                    }
                    Told::Pushed {
                        position: (seq.0, hash),
                        push,
                    }
                }
                None => Told::Nothing,
            },
            Event::News { kind, schema, body } => {
                wire::decode_news(kind, schema, body)?.map_or(Told::Nothing, Told::News)
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
                let outcome = (answer.outcome, &mut self.body);
                match finish(call, attempts, position, outcome, now) {
                    Told::Finished(finished) => Told::Finished(Finished {
                        newest_at_return: self.newest_at_return,
                        ..finished
                    }),
                    unread => unread,
                }
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
        let standing = match Standing::decode(kind, schema, body) {
            Ok(standing) => standing,
            Err(error) => {
                self.shown.end();
                return Err(error.into());
            }
        };
        match self.shown.compare(&standing) {
            Some(after) => self.ask_standing_after(Some(after), now),
            None => self.shown.end(),
        }
        Ok(Told::Standing)
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
                Unanswered::Call(Box::new(call.finish_without(outcome, now)))
            }
            Tag::Again { .. } | Tag::Reused { .. } => Unanswered::Duplicate,
            Tag::Standing => {
                self.shown.end();
                Unanswered::Standing
            }
        })
    }
}
