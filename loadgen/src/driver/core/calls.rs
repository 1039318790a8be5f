//! What happens to one call: sent, answered, given up, asked again.
//!
//! Decisions of the phase go in ("this instance goes on, now"), bytes of links go in; frames,
//! records and the instances' next steps come out. Nothing here waits. Every call passes through
//! `send` and then exactly one of `complete` or nothing else, which is what keeps the books even.

use std::{collections::VecDeque, mem};

use protocol::{ChainHash, words::presence};
use reports::record::DoubtRecord;

use super::{
    Action, CoreOptions, OperationLog,
    erasure::Partings,
    links::Links,
    rendezvous::{Releasing, Round},
    resolve::Next,
    run::{Origin, Runs},
    timers::TimerQueue,
};
use crate::{
    client::{Ask, Client, Finished, Told},
    contention::Contention,
    deliveries::Receipt,
    operation::{Call, ChatCall, Nanos, Observer, Operation, Outcome, Push},
    plan::{Lane, Plan},
    recorder::Recorder,
};

/// How soon a lane tries again that could ask nothing.
const LANE_PAUSE: Nanos = 1_000_000;
/// Of the commands asked again, every how-many-th is another one under the same key.
const REUSED_EVERY: u32 = 4;

/// Everything that one call touches.
pub(super) struct CallEngine<'a, W, L> {
    pub(super) plan: &'a Plan,
    pub(super) clients: Vec<Client>,
    pub(super) watch: &'a mut W,
    pub(super) log: L,
    pub(super) options: CoreOptions,
    pub(super) recorder: Recorder,
    pub(super) contention: Contention,
    pub(super) runs: Runs,
    pub(super) timers: TimerQueue,
    pub(super) lanes: Vec<Lane>,
    pub(super) rounds: Vec<Round>,
    /// The round that is being released.
    pub(super) releasing: Option<Releasing>,
    /// Calls sent and not answered, and commands asked again and not answered.
    pub(super) in_flight: u64,
    pub(super) duplicates: u64,
    /// Commands that were cut off from their answers, and what asking again showed.
    pub(super) doubts: DoubtRecord,
    pub(super) links: Links,
    pub(super) partings: Partings,
    /// No new calls: the phase is over.
    pub(super) is_stopping: bool,
    /// When it was over.
    pub(super) stopped_at: Nanos,
    /// Whether anything was asked of which somebody may have to be told without asking.
    pub(super) may_push: bool,
    /// When anybody was pushed anything last.
    pub(super) pushed_at: Nanos,
    /// The run is to end early, with its results.
    pub(super) is_interrupted: bool,
    /// Whether something is broken on purpose at the moment.
    pub(super) is_broken: bool,
    commands: u32,
    asked_again: u32,
    /// Connections to close and to make, in this order; before anything is written.
    pub(super) changes: VecDeque<Action>,
    /// Clients that may have something to write.
    pub(super) dirty: Vec<u32>,
}

impl<'a, W: Observer, L: OperationLog> CallEngine<'a, W, L> {
    pub(super) fn new(
        plan: &'a Plan,
        clients: Vec<Client>,
        watch: &'a mut W,
        log: L,
        options: CoreOptions,
    ) -> Self {
        Self {
            plan,
            clients,
            watch,
            log,
            options,
            recorder: Recorder::new(0),
            contention: Contention::default(),
            runs: Runs::default(),
            timers: TimerQueue::default(),
            lanes: Vec::new(),
            rounds: Vec::new(),
            releasing: None,
            in_flight: 0,
            duplicates: 0,
            doubts: DoubtRecord::default(),
            links: Links::default(),
            partings: Partings::default(),
            is_stopping: false,
            stopped_at: 0,
            may_push: false,
            pushed_at: 0,
            is_interrupted: false,
            is_broken: false,
            commands: 0,
            asked_again: 0,
            changes: VecDeque::new(),
            dirty: Vec::new(),
        }
    }

    /// What is to be done about connections next: first they are closed and made, then written to.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        if let Some(change) = self.changes.pop_front() {
            return Some(change);
        }
        while let Some(link) = self.dirty.pop() {
            if !client_of(&mut self.clients, link).out().is_empty() {
                return Some(Action::Write(link));
            }
        }
        None
    }

    /// What an answer says about doubts.
    fn note_doubts(&mut self, finished: &Finished) {
        let operation = &finished.operation;
        // What is not decided now the log tells after the run.
        let is_told = finished.was_cut_off && operation.outcome.is_decided();
        if is_told && !operation.call.is_query() {
            let had_happened = operation.seq <= finished.newest_at_return;
            self.doubts.had_happened += u64::from(had_happened);
            self.doubts.had_not_happened += u64::from(!had_happened);
        }
    }

    /// Takes an instance as far as it goes by now: to its next call, to a wait, or to its end.
    /// `at` is when it may go on: its planned start, or when its last call was answered.
    pub(super) fn advance(&mut self, run: u32, mut at: Nanos, now: Nanos) {
        loop {
            let current = self.runs.run(run);
            let client = client_of(&mut self.clients, current.client);
            let next = current.walk(self.plan, client, &mut at);
            if next.is_some() && now < at && !self.is_stopping {
                current.next = next;
                return self.timers.add(at, run);
            }
            match self.take(run, next, at, now) {
                Some(next_at) => at = next_at,
                None => return,
            }
        }
    }

    /// A wait of an instance is over: what it does next is due.
    pub(super) fn resume(&mut self, run: u32, at: Nanos, now: Nanos) {
        let next = self.runs.run(run).next.take();
        if let Some(next_at) = self.take(run, next, at, now) {
            self.advance(run, next_at, now);
        }
    }

    /// Does what is due; nothing is the end of the instance. When to walk on, if not later.
    fn take(&mut self, run: u32, next: Option<Next>, at: Nanos, now: Nanos) -> Option<Nanos> {
        let client = self.runs.run(run).client;
        if self.leaves_out(client, next.as_ref()) {
            return self.end(run, at, now);
        }
        match next {
            Some(Next::Ask(Call::EraseMe)) if !self.is_stopping => {
                self.part(run, at, now);
                None
            }
            Some(Next::Ask(call)) if self.send(run, &call, at, now) => None,
            Some(Next::Say(signal)) => {
                self.say(run, &signal, now);
                Some(at)
            }
            Some(Next::Leave(length)) if !self.is_stopping => {
                let until = at.saturating_add(length);
                self.go_offline(client, until, now);
                Some(until)
            }
            Some(Next::Ask(_) | Next::Leave(_)) | None => self.end(run, at, now),
        }
    }

    /// Says something in passing, if the client can say anything.
    pub(super) fn say(&mut self, run: u32, signal: &presence::Signal, now: Nanos) {
        let number = self.runs.run(run).client;
        let client = client_of(&mut self.clients, number);
        if self.is_stopping || !client.has_room(now) {
            return;
        }
        if client.out().is_empty() {
            self.dirty.push(number);
        }
        client.say(signal, now);
        self.watch.handle_signal(number, signal, now);
    }

    /// Sends a call, or counts it as shed or cancelled. Whether it was sent. What is due after the
    /// phase was never intended: its instance only thought that far, or was answered then. Whoever the plan has sent away
    /// intends nothing meanwhile.
    pub(super) fn send(&mut self, run: u32, call: &Call, intended_at: Nanos, now: Nanos) -> bool {
        let number = self.runs.run(run).client;
        let client = client_of(&mut self.clients, number);
        let is_over = self.is_stopping && self.stopped_at <= intended_at;
        let is_away = client.is_offline(intended_at) && client.is_offline(now);
        if is_over || is_away {
            return false;
        }
        self.recorder.intend(call, intended_at.min(now));
        if self.is_stopping {
            self.recorder.cancel(call);
            return false;
        }
        if !client.has_room(now) {
            self.recorder.shed(call);
            return false;
        }
        let floor = self
            .watch
            .handle_invoke(number, client.counter(), call, now);
        if client.out().is_empty() {
            self.dirty.push(number);
        }
        client.ask(&Ask {
            call: *call,
            intended_at,
            sent_at: now,
            floor,
            run,
            entry: self.contention.begin(number, call),
        });
        self.note_sent(number, call, [intended_at, now]);
        true
    }

    /// A call left, or will when there is a connection.
    pub(super) fn note_sent(
        &mut self,
        number: u32,
        call: &Call,
        [intended_at, sent_at]: [Nanos; 2],
    ) {
        self.recorder.send(call, sent_at);
        self.in_flight += 1;
        self.may_push |= may_push(call);
        if matches!(call, Call::Chat(ChatCall::Send { .. })) {
            let client = client_of(&mut self.clients, number);
            let key = client.key(client.counter() - 1);
            self.recorder.deliveries.send(key, intended_at);
        }
    }

    /// An instance is over, or cut short. When its lane starts the next one, if it does.
    pub(super) fn end(&mut self, run: u32, at: Nanos, now: Nanos) -> Option<Nanos> {
        let current = self.runs.run(run);
        let (client, origin) = (current.client, current.origin);
        let is_lost = client_of(&mut self.clients, client).has_ended() || self.has_parted(client);
        let current = self.runs.run(run);
        match origin {
            Origin::Lane(lane) if !self.is_stopping && !is_lost => {
                let has_room = client_of(&mut self.clients, current.client).has_room(now);
                let (instance, think) = self.lanes.get_mut(lane)?.next();
                // An instance that asks nothing must not spin.
                let pause = if current.has_asked && has_room {
                    0
                } else {
                    LANE_PAUSE
                };
                self.runs.restart(run, self.plan, instance);
                return Some(at + think.max(pause));
            }
            Origin::Round(round) => self.rounds.get_mut(round)?.leave(now),
            Origin::Lane(_) | Origin::Arrival => {}
        }
        self.runs.release(run);
        None
    }

    /// Gives up every call sent at `sent_before` or earlier.
    pub(super) fn give_up(&mut self, sent_before: Nanos, now: Nanos) {
        for link in 0..self.clients.len() {
            while let Some(unanswered) = self.clients[link].give_up(sent_before, now) {
                self.handle_unanswered(unanswered, now);
            }
        }
    }

    pub(super) fn handle_bytes(&mut self, link: u32, bytes: &[u8], now: Nanos) {
        let mut joined = mem::take(client_of(&mut self.clients, link).partial());
        let mut input = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        loop {
            let client = client_of(&mut self.clients, link);
            match client.handle_bytes(&mut input, now) {
                Ok(Some(told)) => self.handle_told(link, told, now),
                Ok(None) => {
                    client.partial().extend_from_slice(input);
                    return;
                }
                Err(error) if error.is_foreign() => return self.lose_unread(link, &error, now),
                Err(error) => return self.lose(link, &error, now),
            }
        }
    }

    fn handle_told(&mut self, link: u32, told: Told, now: Nanos) {
        match told {
            Told::Finished(finished) => self.complete(&finished, now),
            Told::Unread { call, why } => {
                self.complete(&call, now);
                self.lose_unread(link, &why, now);
            }
            Told::Duplicate { first, second } => {
                self.in_flight -= 1;
                self.duplicates += 1;
                self.watch.handle_duplicate(&first, &second);
            }
            Told::Reused { first, outcome } => {
                self.in_flight -= 1;
                self.watch.handle_reused(&first, outcome);
            }
            Told::Pushed { position, push } => self.handle_push(link, position, &push, now),
            Told::Subscribed { from, newest } => self.handle_subscribed(link, (from, newest), now),
            Told::News(news) => self.watch.handle_news(link, &news, now),
            Told::Standing | Told::Nothing => {}
        }
        self.request_erasure(link, now);
    }

    fn handle_push(&mut self, link: u32, position: (u64, ChainHash), push: &Push, now: Nanos) {
        if let Push::Entry(entry) = push
            && entry.text.is_some()
        {
            let client = client_of(&mut self.clients, link);
            self.recorder.deliveries.receive(&Receipt {
                client: link,
                key: entry.key,
                subscribed_at: client.subscribed_at(),
                now,
            });
        }
        self.pushed_at = now;
        self.note_return(link, position.0, now);
        self.watch.handle_push(link, position, push, now);
    }

    /// The outcome of a call is known: everybody is told, and its instance goes on.
    pub(super) fn complete(&mut self, finished: &Finished, now: Nanos) {
        let operation = &finished.operation;
        self.in_flight -= 1;
        self.note_doubts(finished);
        self.contention.end(finished.entry);
        self.recorder.complete(operation);
        self.log.append(operation);
        if let Some(answer) = &finished.answer {
            self.watch.handle_answer(operation, answer);
        }
        self.watch.handle_complete(operation, &finished.observed);
        self.ask_again(operation, now);
        if operation.outcome == Outcome::Ok {
            self.runs.run(finished.run).accept(operation.seq);
        }
        self.advance(finished.run, operation.completed_at, now);
        self.request_erasure(operation.client, now);
    }

    /// Asks every n-th decided command again, as a client would that did not get the answer; and now
    /// and then another one under its key, as no client should.
    fn ask_again(&mut self, first: &Operation, now: Nanos) {
        let Some(every) = self.options.duplicate_every else {
            return;
        };
        let is_over = self.is_stopping || self.has_parted(first.client);
        if first.call.is_query() || !first.outcome.is_decided() || is_over {
            return;
        }
        self.commands += 1;
        let client = client_of(&mut self.clients, first.client);
        if self.commands < every.get() || !client.has_room(now) {
            return;
        }
        self.commands = 0;
        self.asked_again = self.asked_again.wrapping_add(1);
        if client.out().is_empty() {
            self.dirty.push(first.client);
        }
        if self.asked_again.is_multiple_of(REUSED_EVERY) {
            client.reuse_key(first, now);
        } else {
            client.ask_again(first, now);
        }
        self.in_flight += 1;
    }
}

/// Whether somebody may be pushed something because of this call.
const fn may_push(call: &Call) -> bool {
    match call {
        Call::Hold { .. } | Call::JoinWaitlist { .. } | Call::Chat(_) => true,
        Call::Reserve { .. }
        | Call::Cancel { .. }
        | Call::Confirm { .. }
        | Call::LeaveWaitlist { .. }
        | Call::ListSlots { .. }
        | Call::MyBookings
        | Call::Catalogue(_)
        | Call::Sales(_)
        | Call::EraseMe => false,
    }
}

/// The client with this number.
pub(super) fn client_of(clients: &mut [Client], number: u32) -> &mut Client {
    usize::try_from(number)
        .ok()
        .and_then(|index| clients.get_mut(index))
        .expect("the plan's clients were all given")
}
