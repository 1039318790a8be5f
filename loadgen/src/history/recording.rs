//! An observer that writes down what it is told before it passes it on.
//!
//! What a driver tells its observer goes in; the same goes to whoever observes, and a history grows. A
//! method of [`Observer`] that is not written down does not compile: none of those that tell something
//! has a default. Deliberately absent: what is done about a history that cannot be written (`failure`
//! says so, and the driver ends).

use std::{borrow::Cow, io};

use protocol::{ChainHash, words::presence::Signal};

use super::{Event, HistoryWriter};
use crate::operation::{
    Answer, Call, LawProgress, LinkChange, Nanos, News, Observed, Observer, Operation, Outcome,
    Push,
};

/// An observer, and the history of what it is told.
#[derive(Debug)]
pub struct Recording<'a, O, W: io::Write = std::fs::File> {
    observer: &'a mut O,
    history: HistoryWriter<W>,
    failure: Option<io::Error>,
}

impl<'a, O: Observer, W: io::Write> Recording<'a, O, W> {
    /// Writes down in `history` what `observer` is told.
    pub const fn new(observer: &'a mut O, history: HistoryWriter<W>) -> Self {
        Self {
            observer,
            history,
            failure: None,
        }
    }

    /// The history, to be ended.
    ///
    /// # Errors
    /// If something could not be written down.
    pub fn into_history(self) -> io::Result<HistoryWriter<W>> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.history),
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        if self.failure.is_none() {
            self.failure = self.history.append(event).err();
        }
    }
}

impl<O: Observer, W: io::Write> Observer for Recording<'_, O, W> {
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64 {
        self.note(&Event::Invoked {
            client,
            counter,
            call: *call,
            at: now,
        });
        self.observer.handle_invoke(client, counter, call, now)
    }

    fn handle_answer(&mut self, operation: &Operation, answer: &Answer) {
        self.note(&Event::Answered {
            operation: *operation,
            answer: *answer,
        });
        self.observer.handle_answer(operation, answer);
    }

    fn handle_complete(&mut self, operation: &Operation, observed: &Observed) {
        self.note(&Event::Completed {
            operation: *operation,
            observed: Cow::Borrowed(observed),
        });
        self.observer.handle_complete(operation, observed);
    }

    fn handle_duplicate(&mut self, first: &Operation, second: &Operation) {
        self.note(&Event::Duplicate {
            first: *first,
            second: *second,
        });
        self.observer.handle_duplicate(first, second);
    }

    fn handle_reused(&mut self, first: &Operation, outcome: Outcome) {
        self.note(&Event::Reused {
            first: *first,
            outcome,
        });
        self.observer.handle_reused(first, outcome);
    }

    fn handle_push(&mut self, client: u32, (seq, hash): (u64, ChainHash), push: &Push, now: Nanos) {
        self.note(&Event::Pushed {
            client,
            seq,
            hash,
            push: Cow::Borrowed(push),
            at: now,
        });
        self.observer.handle_push(client, (seq, hash), push, now);
    }

    fn handle_signal(&mut self, client: u32, signal: &Signal, now: Nanos) {
        self.note(&Event::Signal {
            client,
            signal: Cow::Borrowed(signal),
            at: now,
        });
        self.observer.handle_signal(client, signal, now);
    }

    fn handle_news(&mut self, client: u32, news: &News, now: Nanos) {
        self.note(&Event::News {
            client,
            news: Cow::Borrowed(news),
            at: now,
        });
        self.observer.handle_news(client, news, now);
    }

    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        self.note(&Event::Link {
            client,
            change,
            at: now,
        });
        self.observer.handle_link(client, change, now);
    }

    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.note(&Event::Drained {
            client,
            seq,
            is_settled,
        });
        self.observer.handle_drained(client, seq, is_settled);
    }

    fn handle_fault(&mut self, now: Nanos) {
        self.note(&Event::Fault { at: now });
        self.observer.handle_fault(now);
    }

    fn progress(&self) -> Vec<LawProgress> {
        self.observer.progress()
    }

    fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}
