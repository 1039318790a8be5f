//! A run whose history holds operations and nothing else, judged again as far as that goes.
//!
//! Such a history (version 2 or 3) and the records of its log go in; out come the verdicts of the laws that
//! can be judged on that, and for each other law why it cannot: what answers and pushes showed is not
//! there. It tells operations in the order in which they were over, and the laws want the calls as well,
//! each at its instant: a second reader runs ahead by as much as the longest operation took.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    path::Path,
};

use reports::record::LawRecord;

use super::Unjudged;
use crate::{
    check::{LAWS, LawOptions, Laws},
    history::{Event, HistoryError, HistoryHead, HistoryReader, OLD_HASH_BYTES, OLD_TICK},
    operation::{Call, KeyMint, Nanos, Observed, Observer, Operation},
};

/// What such a history can tell the laws.
#[derive(Debug)]
pub(super) struct Operations {
    head: HistoryHead,
    survey: Survey,
}

impl Operations {
    /// Shows laws what they can know of the history at `path`. `required` are those of the run's scenario.
    ///
    /// # Errors
    /// If it cannot be read to its end.
    pub(super) fn open(path: &Path, required: &[String]) -> Result<(Self, Laws), HistoryError> {
        let head = HistoryReader::open(path)?.head().clone();
        let survey = Survey::of(HistoryReader::open(path)?)?;
        let mint = KeyMint::new(head.secret);
        let mut options = LawOptions::new(mint, head.capacity.max(1), survey.clients);
        options.required = required.to_vec();
        options.hash_bytes = OLD_HASH_BYTES;
        // Most of it is for what was shown, and that is not kept here.
        options.memory_bytes_max *= 2;
        let mut laws = Laws::new(options);
        laws.begin(head.began_at);
        play(path, &survey, &mut laws)?;
        Ok((Self { head, survey }, laws))
    }

    /// How many operations there are.
    pub(super) const fn count(&self) -> u64 {
        self.survey.operations
    }

    /// Parts verdicts that stand on what is there from laws that cannot be judged.
    pub(super) fn part(
        &self,
        judged: Vec<LawRecord>,
        has_log: bool,
    ) -> (Vec<LawRecord>, Vec<Unjudged>) {
        let mut unjudged = Vec::new();
        for law in LAWS {
            if let Some(why) = self.survey.obstacle(law, &self.head, has_log) {
                unjudged.push(Unjudged { law, why });
            }
        }
        let can_be = |law: &LawRecord| !unjudged.iter().any(|other| other.law == law.name);
        let known: BTreeSet<String> = judged.iter().map(|law| law.name.clone()).collect();
        let laws = judged.into_iter().filter(can_be).collect();
        // A law of a system that nobody asked anything of is no law of this run.
        unjudged.retain(|unjudged| known.contains(unjudged.law));
        (laws, unjudged)
    }
}

/// What a first look at the history finds.
#[derive(Debug, Default)]
struct Survey {
    operations: u64,
    clients: u32,
    /// The longest time from a call to its end.
    longest: Nanos,
    /// Operations that were asked again on purpose.
    twice: BTreeSet<(u32, u32)>,
    /// Whether the server may have pushed something.
    pushes: bool,
    /// Whether it gives and takes places by itself.
    lets_go: bool,
    /// Whether somebody asked to be erased.
    erases: bool,
    /// Attempts at a place that nobody heard the end of.
    unheard: bool,
}

impl Survey {
    fn of(history: HistoryReader) -> Result<Self, HistoryError> {
        let mut survey = Self::default();
        for event in history {
            match event? {
                Event::Completed { operation, .. } => survey.note(&operation),
                Event::Second(second) => {
                    (survey.twice).insert((second.client, second.counter));
                }
                _not_kept => {}
            }
        }
        Ok(survey)
    }

    fn note(&mut self, operation: &Operation) {
        self.operations += 1;
        self.clients = self.clients.max(operation.client.saturating_add(1));
        let took = operation.completed_at.saturating_sub(operation.sent_at);
        self.longest = self.longest.max(took);
        let is_heard = operation.outcome.is_decided();
        match operation.call {
            Call::Reserve { .. } => self.unheard |= !is_heard,
            Call::Hold { .. }
            | Call::Confirm { .. }
            | Call::JoinWaitlist { .. }
            | Call::LeaveWaitlist { .. } => (self.lets_go, self.pushes) = (true, true),
            Call::Chat(_) => self.pushes = true,
            Call::Cancel { .. }
            | Call::ListSlots { .. }
            | Call::MyBookings
            | Call::Catalogue(_)
            | Call::Sales(_) => {}
            // What they held is free from then on, as a hold is that ends.
            Call::EraseMe => (self.lets_go, self.erases) = (true, true),
        }
    }

    /// Why a law cannot be judged on this, if it cannot.
    fn obstacle(&self, law: &str, head: &HistoryHead, has_log: bool) -> Option<&'static str> {
        const OLD: &str = "the history does not say how many places a slot has: it was written by an earlier version";
        const PUSHES: &str = "the server gives and takes places by itself, and its pushes are not in a history of an earlier version";
        const LOG: &str = "it is about the log; give the run's data directory with --log";
        let is_old = (head.capacity == 0).then_some(OLD);
        match law {
            "no-double-booking" | "refusals-justified" => {
                is_old.or_else(|| self.lets_go.then_some(PUSHES))
            }
            "linearizable" => is_old.or_else(|| {
                let needs_log = self.erases && !has_log;
                needs_log.then_some("somebody had themselves erased, and which other devices were theirs stands in the log: give the run's data directory with --log")
            }),
            "someone-wins" => is_old.or_else(|| {
                let needs_log = self.unheard && !has_log;
                needs_log.then_some("some attempts were never answered; whether they won stands in the log: give the run's data directory with --log")
            }),
            "real-time-order" | "idempotent-answers" => None,
            "session-order" => (self.pushes)
                .then_some("what was pushed to each client counts as seen, and is not in a history of an earlier version"),
            "durable-acks" | "no-phantom" | "log-chained" => (!has_log).then_some(LOG),
            "replay-determinism" => {
                Some("it needs the state that the live server had; see `stampede log verify`")
            }
            _shown => Some("what answers and pushes showed is not in a history of an earlier version"),
        }
    }
}

/// What happens next to the laws.
struct Calls<I> {
    ahead: I,
    next: Option<Operation>,
    /// Calls that were read and not yet made, the earliest first.
    waiting: BinaryHeap<Reverse<(Nanos, u32, u32, Waiting)>>,
    /// How far behind the ends the earliest call can be.
    longest: Nanos,
}

/// A call, outside the order of the heap.
struct Waiting(Call);

impl PartialEq for Waiting {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl<I: Iterator<Item = Result<Operation, HistoryError>>> Calls<I> {
    fn new(mut ahead: I, longest: Nanos) -> Result<Self, HistoryError> {
        Ok(Self {
            next: ahead.next().transpose()?,
            ahead,
            waiting: BinaryHeap::new(),
            longest,
        })
    }

    /// Makes every call that was sent before `now`. A history rounds calls down and ends up: one that
    /// is a tick before an end can have been sent at the same instant, because of it, and comes after.
    fn make_until(&mut self, now: Nanos, laws: &mut Laws) -> Result<(), HistoryError> {
        while let Some(operation) = self.next
            && operation.completed_at <= now.saturating_add(self.longest)
        {
            let Operation {
                client,
                counter,
                call,
                sent_at,
                ..
            } = operation;
            (self.waiting).push(Reverse((sent_at, client, counter, Waiting(call))));
            self.next = self.ahead.next().transpose()?;
        }
        while let Some(Reverse((sent_at, ..))) = self.waiting.peek()
            && sent_at.saturating_add(OLD_TICK) < now
            && let Some(Reverse((sent_at, client, counter, Waiting(call)))) = self.waiting.pop()
        {
            laws.handle_invoke(client, counter, &call, sent_at);
        }
        Ok(())
    }
}

/// Shows the laws every call and every end, in the order of time.
fn play(path: &Path, survey: &Survey, laws: &mut Laws) -> Result<(), HistoryError> {
    let ahead = HistoryReader::open(path)?.operations();
    let mut calls = Calls::new(ahead, survey.longest)?;
    let mut firsts: BTreeMap<(u32, u32), Operation> = BTreeMap::new();
    for event in HistoryReader::open(path)? {
        match event? {
            Event::Completed { operation, .. } => {
                calls.make_until(operation.completed_at, laws)?;
                let id = (operation.client, operation.counter);
                if survey.twice.contains(&id) {
                    firsts.insert(id, operation);
                }
                laws.handle_complete(&operation, &Observed::Nothing);
            }
            Event::Second(second) => {
                calls.make_until(second.completed_at, laws)?;
                if let Some(first) = firsts.remove(&(second.client, second.counter)) {
                    show_again(&first, &second, laws);
                }
            }
            _not_kept => {}
        }
    }
    calls.make_until(Nanos::MAX, laws)
}

/// A command that was asked again on purpose, or another one under its key.
fn show_again(first: &Operation, again: &Operation, laws: &mut Laws) {
    if again.attempts == 0 {
        laws.handle_reused(first, again.outcome);
    } else {
        laws.handle_duplicate(first, again.outcome, again.seq, again.hash);
    }
}
