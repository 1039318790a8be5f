//! Everybody at once: one rendezvous after the other, and how close together they were released.
//!
//! A round's frames are made ready before its instant, then each client is released when whoever
//! writes asks for the next: one tight loop. The next round waits until every instance of this one is
//! over. Deliberately absent: waiting out the instant (see `shell`).

use std::time::Duration;

use hdrhistogram::Histogram;
use reports::record::{QuantileRecord, RendezvousRecord};

use super::{
    OperationLog,
    calls::{CallEngine, client_of},
    resolve::Next,
    run::Origin,
};
use crate::{
    client::Ask,
    operation::{Call, Nanos, Observer},
    plan::Lane,
    recorder,
};

/// From the end of one round to the release of the next: time for the server to settle, and for
/// the pacer to wake before the release.
const GAP: Nanos = 3_000_000;
/// Time kept to make a client's frame ready, generous.
const READY_TIME: Nanos = 2_000;
/// Time the pacer may be late without making the round late.
const WAKE_TIME: Nanos = 300_000;

/// A series of rendezvous.
#[derive(Debug)]
pub(super) struct Round {
    /// The first of the clients taking part.
    first: u32,
    lanes: Vec<Lane>,
    times: u32,
    released: u32,
    /// Instances of the round that are not over.
    unfinished: usize,
    release_at: Nanos,
    spread: Histogram<u64>,
    spread_max: Nanos,
    within: u32,
}

/// A round on its way out.
#[derive(Debug)]
pub(super) struct Releasing {
    round: usize,
    /// Clients whose first call waits in their buffers.
    ready: std::vec::IntoIter<u32>,
    first: Option<Nanos>,
    last: Nanos,
}

impl Round {
    pub(super) fn new(
        (first, lanes): (u32, Vec<Lane>),
        times: u32,
        spread_max: Duration,
        now: Nanos,
    ) -> Self {
        Self {
            first,
            lanes,
            times,
            released: 0,
            unfinished: 0,
            release_at: now + GAP,
            spread: recorder::histogram(),
            spread_max: u64::try_from(spread_max.as_nanos()).unwrap_or(Nanos::MAX),
            within: 0,
        }
    }

    /// One of its instances is over.
    pub(super) fn leave(&mut self, now: Nanos) {
        self.unfinished = self.unfinished.saturating_sub(1);
        self.release_at = now + GAP;
    }

    /// Whether there is nothing left to release or to wait for.
    pub(super) const fn is_over(&self) -> bool {
        self.released == self.times && self.unfinished == 0
    }

    /// When to begin making the next round ready; `None` while one is under way.
    pub(super) fn wake_at(&self) -> Option<Nanos> {
        let clients = u64::try_from(self.lanes.len()).unwrap_or(u64::MAX);
        let lead = clients.saturating_mul(READY_TIME) + WAKE_TIME;
        let is_waiting = self.unfinished == 0 && self.released < self.times;
        is_waiting.then(|| self.release_at.saturating_sub(lead.min(GAP)))
    }

    pub(super) fn record(&self) -> RendezvousRecord {
        RendezvousRecord {
            clients: u32::try_from(self.lanes.len()).unwrap_or(u32::MAX),
            times: self.released,
            planned: self.times,
            spread: QuantileRecord::from_histogram(&self.spread),
            spread_max_ns: self.spread_max,
            within: self.within,
        }
    }

    fn note_spread(&mut self, first: Nanos, last: Nanos) {
        let spread = last.saturating_sub(first);
        self.spread.saturating_record(spread.max(1));
        self.within += u32::from(spread <= self.spread_max);
    }
}

impl<W: Observer, L: OperationLog> CallEngine<'_, W, L> {
    /// Makes the next round ready, if one is due: when it is to be released.
    pub(super) fn begin_release(&mut self, round: usize) -> Option<Nanos> {
        let series = self.rounds.get_mut(round)?;
        series.released += 1;
        let release_at = series.release_at;
        let mut instances = Vec::with_capacity(series.lanes.len());
        instances.extend(series.lanes.iter_mut().map(|lane| lane.next().0));
        let first = series.first;
        self.rounds[round].unfinished = instances.len();
        let mut ready = Vec::with_capacity(instances.len());
        for (client, instance) in (first..).zip(instances) {
            let run = self
                .runs
                .start(self.plan, client, instance, Origin::Round(round));
            ready.extend(self.prepare(run, release_at));
        }
        self.releasing = Some(Releasing {
            round,
            ready: ready.into_iter(),
            first: None,
            last: release_at,
        });
        Some(release_at)
    }

    /// Releases the next client of the round that is ready: whose bytes are to be written at once.
    /// `None` when all are released.
    pub(super) fn handle_release(&mut self, now: Nanos) -> Option<u32> {
        let releasing = self.releasing.as_mut()?;
        for number in releasing.ready.by_ref() {
            let client = client_of(&mut self.clients, number);
            let Some((counter, call)) = client.newest() else {
                continue; // lost while this round was released
            };
            releasing.last = now;
            releasing.first.get_or_insert(now);
            let floor = self.watch.handle_invoke(number, counter, &call, now);
            client.release(now, floor);
            return Some(number);
        }
        if let Some(Releasing {
            round,
            first: Some(first),
            last,
            ..
        }) = self.releasing.take()
        {
            self.rounds[round].note_spread(first, last);
        }
        None
    }

    /// Puts the first call of an instance in its client's buffer. Whose, if there is one.
    fn prepare(&mut self, run: u32, release_at: Nanos) -> Option<u32> {
        let number = self.runs.run(run).client;
        let has_parted = self.has_parted(number);
        let current = self.runs.run(run);
        let client = client_of(&mut self.clients, number);
        // A wait before the first step would spread the round: it is not waited for.
        let mut ignored = release_at;
        let call = loop {
            match current.walk(self.plan, client, &mut ignored) {
                // Whoever is erased is not waited for.
                Some(next) if has_parted => {
                    self.leaves_out(number, Some(&next));
                    self.end(run, release_at, release_at);
                    return None;
                }
                Some(Next::Ask(call)) => break call,
                // What leads up to the call is not part of the round.
                Some(Next::Say(_) | Next::Leave(_)) => {}
                None => {
                    self.end(run, release_at, release_at);
                    return None;
                }
            }
        };
        self.recorder.intend(&call, release_at);
        if !client.has_room(release_at) {
            self.recorder.shed(&call);
            self.end(run, release_at, release_at);
            return None;
        }
        if call == Call::EraseMe {
            self.note_parting(number);
        }
        let client = client_of(&mut self.clients, number);
        client.ask(&Ask {
            call,
            intended_at: release_at,
            sent_at: release_at,
            floor: 0,
            run,
            entry: self.contention.begin(number, &call),
        });
        self.note_sent(number, &call, [release_at; 2]);
        Some(number)
    }
}
