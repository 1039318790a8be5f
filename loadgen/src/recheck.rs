//! A recorded run judged again, from its history and, where there is one, its log.
//!
//! A history goes in, then the records of the log; out come the verdicts of the laws that can be
//! judged on that, and for each other law why it cannot. What answers and pushes showed is in no
//! history: the laws of what people were shown are judged while a run goes on, or not at all.
//!
//! The history tells operations in the order in which they were over. The laws want the calls as
//! well, each at its instant: a second reader runs ahead by as much as the longest operation took.
//! Deliberately absent: files other than the history.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    path::Path,
};

use protocol::OwnedRecord;
use reports::record::LawRecord;

use crate::{
    check::{LAWS, LawOptions, Laws},
    history::{HistoryEntry, HistoryError, HistoryFile, HistoryHead, HistoryReader, TICK},
    operation::{Call, KeyMint, Nanos, Observed, Observer, Operation},
};

/// A run that is being judged again.
#[derive(Debug)]
pub struct Recheck {
    history: HistoryFile,
    head: HistoryHead,
    laws: Laws,
    survey: Survey,
    records: u64,
}

/// What the judging came to.
#[derive(Debug)]
pub struct Recheckd {
    /// The laws that could be judged.
    pub laws: Vec<LawRecord>,
    /// The others.
    pub unjudged: Vec<Unjudged>,
    /// Operations of the history.
    pub operations: u64,
    /// Records of the log.
    pub records: u64,
}

/// A law that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Which.
    pub law: &'static str,
    /// Why not.
    pub why: &'static str,
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

impl Recheck {
    /// Reads the history and shows it to the laws. `required` are the laws that the run's scenario
    /// requires.
    ///
    /// # Errors
    /// If it cannot be read to its end.
    pub fn open(path: &Path, required: &[String]) -> Result<Self, HistoryError> {
        let head = HistoryReader::open(path)?.head().clone();
        let history = HistoryFile::new(path.to_owned());
        let survey = Survey::of(history.entries());
        let mint = KeyMint::new(head.secret);
        let mut options = LawOptions::new(mint, head.capacity.max(1), survey.clients);
        options.required = required.to_vec();
        // Most of it is for what was shown, and that is not kept here.
        options.memory_bytes_max *= 2;
        let mut laws = Laws::new(options);
        laws.begin(head.began_at);
        play(&history, &survey, &mut laws);
        Ok(Self {
            history,
            head,
            laws,
            survey,
            records: 0,
        })
    }

    /// One record of the run's log, from the first to the last.
    pub fn handle_record(&mut self, record: &OwnedRecord) {
        self.records += 1;
        self.laws.handle_record(record);
    }

    /// Judges.
    ///
    /// # Errors
    /// If the history cannot be read any more.
    pub fn conclude(self) -> Result<Recheckd, HistoryError> {
        let judged = self.laws.conclude(|| self.history.operations());
        self.history.finish()?;
        let has_log = 0 < self.records;
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
        Ok(Recheckd {
            laws,
            unjudged,
            operations: self.survey.operations,
            records: self.records,
        })
    }
}

impl Survey {
    fn of(entries: impl Iterator<Item = HistoryEntry>) -> Self {
        let mut survey = Self::default();
        for HistoryEntry {
            operation,
            duplicate,
        } in entries
        {
            if duplicate {
                (survey.twice).insert((operation.client, operation.counter));
            } else {
                survey.note(&operation);
            }
        }
        survey
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
        const PUSHES: &str =
            "the server gives and takes places by itself, and its pushes are not in a history";
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
                .then_some("what was pushed to each client counts as seen, and is not in a history"),
            "durable-acks" | "no-phantom" | "log-chained" => (!has_log).then_some(LOG),
            "replay-determinism" => {
                Some("it needs the state that the live server had; see `stampede log verify`")
            }
            _shown => Some("what answers and pushes showed is not in a history"),
        }
    }
}

/// What happens next to the laws.
struct Calls<I: Iterator<Item = Operation>> {
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

impl<I: Iterator<Item = Operation>> Calls<I> {
    fn new(mut ahead: I, longest: Nanos) -> Self {
        Self {
            next: ahead.next(),
            ahead,
            waiting: BinaryHeap::new(),
            longest,
        }
    }

    /// Makes every call that was sent before `now`. A history rounds calls down and ends up: one that
    /// is a tick before an end can have been sent at the same instant, because of it, and comes after.
    fn make_until(&mut self, now: Nanos, laws: &mut Laws) {
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
            self.next = self.ahead.next();
        }
        while let Some(Reverse((sent_at, ..))) = self.waiting.peek()
            && sent_at.saturating_add(TICK) < now
            && let Some(Reverse((sent_at, client, counter, Waiting(call)))) = self.waiting.pop()
        {
            laws.handle_invoke(client, counter, &call, sent_at);
        }
    }
}

/// Shows the laws every call and every end, in the order of time.
fn play(history: &HistoryFile, survey: &Survey, laws: &mut Laws) {
    let mut calls = Calls::new(history.operations(), survey.longest);
    let mut firsts: BTreeMap<(u32, u32), Operation> = BTreeMap::new();
    for HistoryEntry {
        operation,
        duplicate,
    } in history.entries()
    {
        calls.make_until(operation.completed_at, laws);
        let id = (operation.client, operation.counter);
        if duplicate {
            if let Some(first) = firsts.remove(&id) {
                show_again(&first, &operation, laws);
            }
            continue;
        }
        if survey.twice.contains(&id) {
            firsts.insert(id, operation);
        }
        laws.handle_complete(&operation, &Observed::Nothing);
    }
    calls.make_until(Nanos::MAX, laws);
}

/// A command that was asked again on purpose, or another one under its key.
fn show_again(first: &Operation, again: &Operation, laws: &mut Laws) {
    if again.attempts == 0 {
        laws.handle_reused(first, again.outcome);
    } else {
        laws.handle_duplicate(first, again.outcome, again.seq, again.hash);
    }
}
