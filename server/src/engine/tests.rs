//! The engine against a small model of its own promises, with crashes at any point.
//!
//! A world of a few clients plays generated scripts: commands, retries, batches taken and committed
//! at arbitrary moments, crashes, time moving both ways. After every step the log is looked at by a
//! model that shares no code with the rules. Below it, one test for each promise by itself.

use std::{collections::BTreeMap, ops::ControlFlow};

use proptest::prelude::*;
use protocol::{
    ChainHash, Code, Key, OwnedRecord, Record, Refusal, Seq, UserId,
    outcome::Outcome,
    words::{accounts, agenda},
};

use tempfile::TempDir;

use super::{Ask, BATCH_LEN_MAX, Busy, Engine, Origin, Release, Released, Submitted};
use crate::{
    archive,
    domain::{
        Stream,
        systems::{CommandBytes, OwnedCommand, PushBytes, Source, Systems},
    },
    health::Progress,
    keyring::Keyring,
    keys::KeyTable,
    log::{Batch, EventLog, Head, MemoryLog, commit, replay},
    snapshot::{
        Snapshots,
        tests::{assert_same, put},
    },
    spill_file::CHUNK_ROWS,
};

const SEED: [u8; 32] = [7; 32];
const START: u64 = 1_700_000_000_000;
const DAY_MS: u64 = 86_400_000;
const CAPACITY: usize = 2;
const CLIENTS: usize = 5;
const SLOTS: u16 = 2;

/// What a client may ask for.
#[derive(Debug, Clone)]
enum Wish {
    Reserve(u16),
    Hold(u16, u32),
    Cancel(usize),
    Confirm(usize),
    Join(u16),
    Leave(u16),
}

#[derive(Debug, Clone)]
enum Step {
    Ask { client: usize, wish: Wish },
    Query { client: usize },
    Retry { nth: usize },
    ReuseKey { nth: usize, wish: Wish },
    TakeBatch,
    Commit,
    Snapshot,
    Crash { batch_survives: bool },
    PassTime { ms: u64 },
    TurnClockBack { ms: u64 },
}

fn wish() -> impl Strategy<Value = Wish> {
    let slot = 0..SLOTS;
    prop_oneof![
        4 => slot.clone().prop_map(Wish::Reserve),
        2 => (slot.clone(), 1..4_u32).prop_map(|(slot, seconds)| Wish::Hold(slot, seconds)),
        3 => (0..4_usize).prop_map(Wish::Cancel),
        1 => (0..4_usize).prop_map(Wish::Confirm),
        4 => slot.clone().prop_map(Wish::Join),
        1 => slot.prop_map(Wish::Leave),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        12 => (client.clone(), wish()).prop_map(|(client, wish)| Step::Ask { client, wish }),
        2 => client.prop_map(|client| Step::Query { client }),
        3 => any::<usize>().prop_map(|nth| Step::Retry { nth }),
        1 => (any::<usize>(), wish()).prop_map(|(nth, wish)| Step::ReuseKey { nth, wish }),
        4 => Just(Step::TakeBatch),
        4 => Just(Step::Commit),
        1 => Just(Step::Snapshot),
        1 => any::<bool>().prop_map(|batch_survives| Step::Crash { batch_survives }),
        3 => (0..3_000_u64).prop_map(|ms| Step::PassTime { ms }),
        1 => (0..3_000_u64).prop_map(|ms| Step::TurnClockBack { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_promise_holds_whatever_happens(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.play(step);
            world.check_log();
        }
        world.crash(false);
        world.retry_everything();
        world.settle();
        world.check_acknowledged();
        world.check_replay();
    }
}

/// What a client sent.
#[derive(Debug, Clone)]
struct Sent {
    user: UserId,
    key: Key,
    command: OwnedCommand,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    at: Head,
    outcome: Vec<u8>,
}

struct World {
    engine: Engine,
    log: MemoryLog,
    /// For snapshots, which outlive crashes.
    dir: TempDir,
    /// The batch that is with the log.
    syncing: Option<Batch>,
    now: u64,
    /// Everything that was sent, by correlation.
    sent: Vec<Sent>,
    /// What was acknowledged, by the place in `sent` of the first try.
    told: BTreeMap<usize, Told>,
    model: Model,
}

const QUERIES_FROM: u64 = 1 << 32;
const REUSES_FROM: u64 = 1 << 33;

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(Keyring::new(SEED)),
            log: MemoryLog::new(),
            dir: tempfile::tempdir().unwrap(),
            syncing: None,
            now: START,
            sent: Vec::new(),
            told: BTreeMap::new(),
            model: Model::default(),
        };
        for client in 0..CLIENTS {
            world.engine.submit_own(START, &register(client));
        }
        world.engine.submit_own(START, &open_agenda());
        world.settle();
        world
    }

    fn play(&mut self, step: &Step) {
        match step {
            Step::Ask { client, wish } => self.ask(*client, wish),
            Step::Query { client } => self.query(*client),
            Step::Retry { nth } if !self.sent.is_empty() => self.send(nth % self.sent.len()),
            Step::ReuseKey { nth, wish } if !self.sent.is_empty() => self.reuse_key(*nth, wish),
            Step::Retry { .. } | Step::ReuseKey { .. } => {}
            Step::TakeBatch => self.take_batch(),
            Step::Commit => self.commit(),
            Step::Snapshot => put(self.dir.path(), &self.restored()),
            Step::Crash { batch_survives } => {
                self.crash(*batch_survives);
                self.retry_everything();
            }
            Step::PassTime { ms } => {
                self.now += ms;
                self.engine.handle_timeout(self.now);
                let deadline = self.engine.deadline();
                assert!(deadline.is_none_or(|deadline| self.now < deadline));
            }
            Step::TurnClockBack { ms } => self.now -= ms,
        }
    }

    fn ask(&mut self, client: usize, wish: &Wish) {
        let (user, command) = (user(client), self.command(client, wish));
        let key = Key(u128::try_from(self.sent.len() + 1).unwrap().to_be_bytes());
        self.sent.push(Sent { user, key, command });
        self.send(self.sent.len() - 1);
    }

    /// Sends what was sent at `index`, for the first time or again.
    fn send(&mut self, index: usize) {
        let sent = self.sent[index].clone();
        let correlation = u64::try_from(index).unwrap();
        let submitted = self.submit(self.now, &ask(&sent, correlation));
        if let Some(told) = self.told.get(&index) {
            assert_eq!(submitted, Ok(Submitted::Again(told.at.seq)));
        }
        assert_ne!(submitted, Ok(Submitted::Refused));
        assert!(submitted.is_ok(), "there is room");
        self.hear_idle();
    }

    fn submit(&mut self, now: u64, ask: &Ask<'_>) -> Result<Submitted, Busy> {
        submit(&mut self.engine, &self.log, now, ask)
    }

    fn reuse_key(&mut self, nth: usize, wish: &Wish) {
        let index = nth % self.sent.len();
        let mut sent = self.sent[index].clone();
        let client = usize::try_from(sent.user.0 - 1).unwrap();
        let other = self.command(client, wish);
        if other != sent.command {
            sent.command = other;
            let before = (self.engine.decided(), self.engine.state_hash());
            let submitted = self.submit(self.now, &ask(&sent, REUSES_FROM));
            assert_eq!(submitted, Ok(Submitted::Refused));
            assert_eq!(before, (self.engine.decided(), self.engine.state_hash()));
            self.hear_idle();
        }
    }

    fn query(&mut self, client: usize) {
        let query = my_bookings();
        let origin = origin(QUERIES_FROM + self.engine.decided().seq.0);
        let query = CommandBytes {
            source: Source::Client,
            ..query.bytes()
        };
        self.engine.query(self.now, origin, user(client), &query);
        self.hear_idle();
    }

    fn hear_idle(&mut self) {
        if let Some(released) = self.engine.release_idle() {
            self.hear_all(released);
        }
    }

    fn take_batch(&mut self) {
        let taken = self.engine.take_batch();
        assert!(
            self.syncing.is_none() || taken.is_none(),
            "one batch syncs at a time"
        );
        if taken.is_some() {
            self.syncing = taken;
        }
    }

    fn commit(&mut self) {
        if let Some(batch) = self.syncing.take() {
            let proof = commit(&mut self.log, &batch).unwrap();
            let released = self.engine.handle_committed(&proof, batch);
            self.hear_all(released);
        }
        if self.engine.is_settled() {
            self.check_replay();
        }
    }

    fn settle(&mut self) {
        self.commit();
        self.take_batch();
        self.commit();
        assert!(self.engine.is_settled());
        self.check_log();
    }

    /// The process dies. What was with the log got there, or did not; nobody was told.
    fn crash(&mut self, batch_survives: bool) {
        if let Some(batch) = self.syncing.take()
            && batch_survives
        {
            let _nobody_hears_of_it = commit(&mut self.log, &batch).unwrap();
        }
        self.log = self.log.reopen();
        self.engine = self.restored();
        assert!(self.engine.is_settled());
        self.check_acknowledged();
    }

    /// What the next process begins with, from whatever snapshot there is: the same as without one.
    fn restored(&self) -> Engine {
        let snapshots = Snapshots::of(self.dir.path());
        let recovered = crate::recover::recover(
            &mut self.log.reopen(),
            SEED,
            &snapshots,
            &Progress::default(),
        );
        let recovered = recovered.expect("a log of ours");
        assert_eq!(recovered.warnings, [""; 0]);
        assert_same(&recovered.engine, &restored(&self.log));
        recovered.engine
    }

    fn retry_everything(&mut self) {
        for index in 0..self.sent.len() {
            self.send(index);
        }
    }

    fn hear_all(&mut self, released: Released) {
        let durable = self.log.head().seq;
        let mut answers = Vec::new();
        released.for_each(|release| match release {
            Release::Answer {
                origin,
                at,
                outcome,
                is_read: _,
            } => {
                assert!(at.seq <= durable, "released before it was durable");
                answers.push((
                    origin.correlation,
                    Told {
                        at,
                        outcome: outcome.to_vec(),
                    },
                ));
            }
            Release::Again { origin, seq } => {
                assert!(seq <= durable, "released before it was durable");
                let mut reader = self.log.reader().unwrap();
                let (at, outcome) = archive::read_outcome(&mut *reader, seq).unwrap();
                answers.push((origin.correlation, Told { at, outcome }));
            }
            Release::Refused { origin, refusal } => {
                assert_eq!(
                    (origin.correlation, refusal.code),
                    (REUSES_FROM, Code::KEY_REUSED)
                );
                assert!(
                    refusal.value <= durable.0,
                    "it tells of what is not durable"
                );
            }
            Release::Ended { .. } => panic!("nobody has a session here"),
            Release::Membership { .. } | Release::Subscribed { .. } => {
                panic!("nobody joins or subscribes here")
            }
            Release::Push { at, push } => {
                assert!(at.seq <= durable, "told before it was durable");
                let stream = Stream::Person(pushed(push));
                assert_eq!(push.stream, stream, "the push is for whom it concerns");
            }
        });
        self.engine.recycle(released);
        for (correlation, told) in answers {
            self.hear(correlation, &told);
        }
    }

    fn hear(&mut self, correlation: u64, told: &Told) {
        let row = row_at(&self.log, told.at.seq);
        assert_eq!(
            row.hash, told.at.hash,
            "the hash is the log's at that position"
        );
        if QUERIES_FROM <= correlation {
            assert!(
                QUERIES_FROM + told.at.seq.0 == correlation,
                "a read is of what it saw"
            );
            return;
        }
        assert_eq!(row.outcome, told.outcome, "the answer is the log's");
        let index = usize::try_from(correlation).unwrap();
        let first = self.told.entry(index).or_insert_with(|| told.clone());
        assert_eq!(first, told, "a retry gets the first answer");
    }

    fn check_acknowledged(&self) {
        for (index, told) in &self.told {
            let (row, sent) = (row_at(&self.log, told.at.seq), &self.sent[*index]);
            assert_eq!((row.key, row.actor), (sent.key, sent.user));
            assert_eq!((row.hash, &row.outcome), (told.at.hash, &told.outcome));
        }
    }

    fn check_log(&mut self) {
        let (from, model) = (Seq(self.model.seq + 1), &mut self.model);
        let mut reader = self.log.reader().unwrap();
        let visit = &mut |row: crate::log::Row<'_>| {
            model.check(&row);
            ControlFlow::Continue(())
        };
        reader.read(from, visit).unwrap();
    }

    fn check_replay(&self) {
        let mut systems = Systems::default();
        let mut reader = self.log.reader().unwrap();
        let keyring = Keyring::of(reader.keys().unwrap());
        let head = replay(&mut *reader, Head::default(), &mut |row| {
            let body = Systems::open(&row.record, &keyring, "").unwrap();
            systems
                .replay(&Record {
                    body: &body,
                    ..row.record
                })
                .unwrap();
            ControlFlow::Continue(())
        });
        let live = self.engine.state_hash();
        assert_eq!(self.engine.decided(), head.unwrap());
        assert_eq!(
            live.hash,
            systems.state_hash(),
            "replaying gives the live state"
        );
    }

    fn command(&self, client: usize, wish: &Wish) -> OwnedCommand {
        let slot = |slot: u16| agenda::SlotId {
            agenda: agenda_id(),
            day: u32::try_from(START / DAY_MS + 2).unwrap(),
            slot,
        };
        let command: agenda::Command = match *wish {
            Wish::Reserve(nth) => agenda::Reserve { slot: slot(nth) }.into(),
            Wish::Hold(nth, seconds) => agenda::Hold {
                slot: slot(nth),
                seconds,
            }
            .into(),
            Wish::Cancel(nth) => agenda::Cancel {
                booking: self.booking(client, nth),
            }
            .into(),
            Wish::Confirm(nth) => agenda::Confirm {
                booking: self.booking(client, nth),
            }
            .into(),
            Wish::Join(nth) => agenda::JoinWaitlist { slot: slot(nth) }.into(),
            Wish::Leave(nth) => agenda::LeaveWaitlist { slot: slot(nth) }.into(),
        };
        OwnedCommand::new(&command)
    }

    /// One of the client's bookings, or one that is not theirs.
    fn booking(&self, client: usize, nth: usize) -> u64 {
        let cx = self
            .engine
            .context(self.now, user(client), Seq(1), Key::default());
        let mut outcome = Vec::new();
        self.engine
            .systems()
            .answer(&cx, &my_bookings().bytes(), &mut outcome)
            .unwrap();
        let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&outcome) else {
            panic!("everybody may list their bookings")
        };
        let Ok(agenda::Answer::Bookings(page)) = agenda::Answer::decode(kind, schema, body) else {
            panic!("bookings were asked for")
        };
        page.bookings
            .get(nth)
            .map_or_else(|| u64::try_from(nth).unwrap(), |view| view.booking)
    }
}

/// What the log says happened, kept without the rules.
#[derive(Debug, Default)]
struct Model {
    seq: u64,
    recorded_at: u64,
    places: BTreeMap<u64, (agenda::SlotId, UserId)>,
    /// The slot that the record before this one freed.
    freed: Option<agenda::SlotId>,
}

impl Model {
    fn check(&mut self, row: &crate::log::Row<'_>) {
        let record = &row.record;
        assert_eq!(record.seq.0, self.seq + 1, "gapless");
        assert!(self.recorded_at <= record.recorded_at, "time never falls");
        (self.seq, self.recorded_at) = (record.seq.0, record.recorded_at);
        let freed = self.freed.take();
        let Outcome::Accepted { kind, schema, body } = Outcome::decode(record.outcome).unwrap()
        else {
            return;
        };
        if kind.system() != agenda::SYSTEM {
            return;
        }
        match agenda::Event::decode(kind, schema, body).unwrap() {
            agenda::Event::Reserved(event) => self.take(event.slot, record.actor),
            agenda::Event::Held(event) => self.take(event.slot, record.actor),
            agenda::Event::Promoted(event) => {
                assert_eq!(
                    freed,
                    Some(event.slot),
                    "directly behind what freed the place"
                );
                self.take(event.slot, event.user);
            }
            agenda::Event::Cancelled(_) => {
                let word = agenda::Command::decode(record.kind, record.schema, record.body);
                let Ok(agenda::Command::Cancel(cancel)) = word else {
                    panic!("only a cancel cancels")
                };
                self.free(cancel.booking);
            }
            agenda::Event::Expired(event) => self.free(event.booking),
            agenda::Event::BookingCancelled(event) => self.free(event.booking),
            agenda::Event::AgendaOpened(_)
            | agenda::Event::Confirmed(_)
            | agenda::Event::WaitlistJoined(_)
            | agenda::Event::WaitlistLeft(_) => {}
        }
    }

    fn take(&mut self, slot: agenda::SlotId, user: UserId) {
        self.places.insert(self.seq, (slot, user));
        let held: Vec<_> = self
            .places
            .values()
            .filter(|place| place.0 == slot)
            .collect();
        assert!(held.len() <= CAPACITY, "more people than places");
        let mine = held.iter().filter(|place| place.1 == user).count();
        assert_eq!(mine, 1, "one place each");
    }

    fn free(&mut self, booking: u64) {
        let (slot, _) = self
            .places
            .remove(&booking)
            .expect("only what is held is freed");
        self.freed = Some(slot);
    }
}

fn ask(sent: &Sent, correlation: u64) -> Ask<'_> {
    Ask {
        origin: Some(origin(correlation)),
        actor: sent.user,
        key: sent.key,
        command: CommandBytes {
            source: Source::Client,
            ..sent.command.bytes()
        },
    }
}

const fn origin(correlation: u64) -> Origin {
    Origin {
        connection: 7,
        correlation,
    }
}

fn user(client: usize) -> UserId {
    UserId(u64::try_from(client).unwrap() + 1)
}

fn agenda_id() -> u64 {
    u64::try_from(CLIENTS).unwrap() + 1
}

fn register(client: usize) -> OwnedCommand {
    OwnedCommand::new(&accounts::Command::from(accounts::Register {
        name: format!("user{client}").into(),
        password_hash: "$".into(),
    }))
}

fn open_agenda() -> OwnedCommand {
    OwnedCommand::new(&agenda::Command::from(agenda::OpenAgenda {
        name: "hall".to_owned(),
        opens_minute: 0,
        closes_minute: 1_440,
        slot_minutes: 60,
        capacity: u16::try_from(CAPACITY).unwrap(),
    }))
}

fn my_bookings() -> OwnedCommand {
    OwnedCommand::new(&agenda::Query::from(agenda::MyBookings {
        after: 0,
        limit: 100,
    }))
}

fn pushed(push: &PushBytes) -> UserId {
    match agenda::Event::decode(push.kind, push.schema, &push.body) {
        Ok(agenda::Event::Promoted(event)) => event.user,
        Ok(agenda::Event::Expired(event)) => event.user,
        other => panic!("nobody is told of {other:?}"),
    }
}

/// As the hub does, which looks into the log where the engine is not sure.
pub(crate) fn submit(
    engine: &mut Engine,
    log: &dyn EventLog,
    now: u64,
    ask: &Ask<'_>,
) -> Result<Submitted, Busy> {
    let seqs = match engine.submit(now, ask) {
        Ok(Submitted::MaybeUsed(seqs)) => seqs,
        submitted => return submitted,
    };
    let mut reader = log.reader().expect("it can be read");
    let used = archive::find_use(&mut *reader, ask.actor, ask.key, &seqs);
    engine.submit_found(now, ask, used.expect("it can be read"))
}

fn restored(log: &MemoryLog) -> Engine {
    crate::recover::recover(
        &mut log.reopen(),
        SEED,
        &Snapshots::none(),
        &Progress::default(),
    )
    .expect("a log of ours")
    .engine
}

fn row_at(log: &MemoryLog, seq: Seq) -> OwnedRecord {
    rows(log)[usize::try_from(seq.0).unwrap() - 1].clone()
}

fn rows(log: &MemoryLog) -> Vec<OwnedRecord> {
    let mut rows = Vec::new();
    let visit = &mut |row: crate::log::Row<'_>| {
        rows.push(row.record.owned(row.hash));
        ControlFlow::Continue(())
    };
    log.reader().unwrap().read(Seq(1), visit).unwrap();
    rows
}

/// Correlations and positions of answers, in the order they are let go.
fn answers(released: &Released) -> Vec<(u64, u64)> {
    let mut answers = Vec::new();
    released.for_each(|release| match release {
        Release::Answer { origin, at, .. } => answers.push((origin.correlation, at.seq.0)),
        Release::Again { origin, seq } => answers.push((origin.correlation, seq.0)),
        Release::Refused { .. }
        | Release::Ended { .. }
        | Release::Push { .. }
        | Release::Membership { .. }
        | Release::Subscribed { .. } => {}
    });
    answers
}

/// Correlations and reasons of what was not considered, in the order they are let go.
fn refusals(released: &Released) -> Vec<(u64, Refusal)> {
    let mut refusals = Vec::new();
    released.for_each(|release| {
        if let Release::Refused { origin, refusal } = release {
            refusals.push((origin.correlation, refusal));
        }
    });
    refusals
}

impl World {
    fn finish(&mut self) -> Released {
        let batch = self.syncing.take().expect("a batch is with the log");
        let proof = commit(&mut self.log, &batch).unwrap();
        self.engine.handle_committed(&proof, batch)
    }

    fn read(&mut self, correlation: u64) {
        let query = my_bookings();
        let query = CommandBytes {
            source: Source::Client,
            ..query.bytes()
        };
        self.engine
            .query(self.now, origin(correlation), user(0), &query);
    }

    fn tail(&self) -> Vec<(UserId, &'static str)> {
        rows(&self.log)
            .iter()
            .skip(CLIENTS + 1)
            .map(|row| (row.actor, Systems::describe(&row.record()).unwrap().name))
            .collect()
    }
}

#[test]
fn a_read_of_what_is_durable_waits_for_nothing() {
    let mut world = World::new();
    world.read(1);
    assert!(world.engine.take_batch().is_none());
    let released = world.engine.release_idle().expect("nothing to wait for");
    let head = world.log.head().seq.0;
    assert_eq!(answers(&released), [(1, head)]);
    assert!(world.engine.release_idle().is_none());
}

#[test]
fn a_read_waits_for_the_batch_it_saw() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    world.ask(0, &Wish::Reserve(0));
    world.read(91);
    assert!(
        world.engine.release_idle().is_none(),
        "it saw what is not durable"
    );
    world.take_batch();
    world.read(92);
    assert!(
        world.engine.release_idle().is_none(),
        "it saw what is being synced"
    );
    world.ask(1, &Wish::Reserve(0));
    world.read(93);
    let first = world.finish();
    assert_eq!(
        answers(&first),
        [(0, head + 1), (91, head + 1), (92, head + 1)]
    );
    world.engine.recycle(first);
    assert!(world.engine.release_idle().is_none());
    world.take_batch();
    let second = world.finish();
    assert_eq!(answers(&second), [(1, head + 2), (93, head + 2)]);
}

#[test]
fn answers_leave_in_the_order_of_the_log() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    for client in [3, 1, 4, 0, 2] {
        world.ask(client, &Wish::Reserve(0));
    }
    world.take_batch();
    let released = world.finish();
    let expected: Vec<_> = (0..5).map(|nth| (nth, head + 1 + nth)).collect();
    assert_eq!(answers(&released), expected);
}

#[test]
fn the_next_batch_is_decided_while_one_syncs() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    assert!(
        world.engine.take_batch().is_none(),
        "an empty batch is never taken"
    );
    world.ask(0, &Wish::Reserve(0));
    world.take_batch();
    world.ask(1, &Wish::Reserve(0));
    assert!(world.engine.take_batch().is_none(), "one batch at a time");
    assert_eq!(world.engine.decided().seq.0, head + 2);
    assert_eq!(world.engine.durable().seq.0, head);
    let first = world.finish();
    assert_eq!(answers(&first), [(0, head + 1)]);
    assert_eq!(world.engine.durable().seq.0, head + 1);
    world.take_batch();
    assert_eq!(world.syncing.as_ref().map(Batch::len), Some(1));
    assert_eq!(answers(&world.finish()), [(1, head + 2)]);
    assert!(world.engine.is_settled());
}

#[test]
fn a_retry_waits_for_the_newest_batch() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    world.ask(0, &Wish::Reserve(0));
    world.take_batch();
    world.send(0);
    world.ask(1, &Wish::Reserve(0));
    world.send(0);
    world.send(1);
    let decided = world.engine.decided().seq.0;
    assert_eq!(decided, head + 2, "a retry decides nothing");
    assert_eq!(answers(&world.finish()), [(0, head + 1), (0, head + 1)]);
    world.take_batch();
    world.send(0);
    let expected = [(1, head + 2), (0, head + 1), (1, head + 2), (0, head + 1)];
    assert_eq!(answers(&world.finish()), expected);
    let again = world.submit(world.now, &ask(&world.sent[0].clone(), 5));
    assert_eq!(again, Ok(Submitted::Again(Seq(head + 1))));
    let released = world.engine.release_idle().expect("nothing to wait for");
    assert_eq!(answers(&released), [(5, head + 1)]);
}

#[test]
fn of_keys_that_are_durable_only_the_log_knows() {
    let mut world = World::new();
    world.ask(0, &Wish::Reserve(0));
    let (seq, sent) = (world.engine.decided().seq, world.sent[0].clone());
    let submit = |engine: &mut Engine| engine.submit(START, &ask(&sent, 0));
    assert_eq!(submit(&mut world.engine), Ok(Submitted::Again(seq)));
    world.take_batch();
    assert_eq!(submit(&mut world.engine), Ok(Submitted::Again(seq)));
    world.settle();
    let unsure = Ok(Submitted::MaybeUsed(vec![seq]));
    assert_eq!(submit(&mut world.engine), unsure);
    assert_eq!(submit(&mut restored(&world.log)), unsure);
    assert_eq!(world.engine.decided().seq, seq, "nothing was considered");
    let found = world.engine.submit_found(START, &ask(&sent, 0), None);
    assert_eq!(found, Ok(Submitted::Decided(seq.next())));
}

#[test]
fn a_command_whose_key_cannot_be_looked_for_is_not_considered() {
    let mut world = World::new();
    world.engine.keys = KeyTable::unreadable(world.engine.decided().seq.next());
    for _ in 0..CHUNK_ROWS {
        world.ask(0, &Wish::Leave(0));
    }
    world.settle();
    let before = (world.engine.decided(), world.engine.state_hash());
    let again = ask(&world.sent[0], 0);
    let submitted = world.engine.submit(START, &again);
    assert!(matches!(submitted, Ok(Submitted::Unreadable(_))));
    assert_eq!(
        (world.engine.decided(), world.engine.state_hash()),
        before,
        "it may have been used"
    );
}

#[test]
fn a_reused_key_is_refused_when_its_first_use_is_durable() {
    let mut world = World::new();
    let seq = world.log.head().seq.0 + 1;
    world.ask(0, &Wish::Reserve(0));
    let reuse = Sent {
        command: world.command(0, &Wish::Reserve(1)),
        ..world.sent[0].clone()
    };
    let submit = |world: &mut World, correlation| {
        let submitted = world.submit(START, &ask(&reuse, correlation));
        assert_eq!(submitted, Ok(Submitted::Refused));
    };
    let reason = Refusal::with(Code::KEY_REUSED, seq, 0);
    submit(&mut world, 91);
    assert!(world.engine.release_idle().is_none(), "nothing is durable");
    world.take_batch();
    submit(&mut world, 92);
    assert!(world.engine.release_idle().is_none(), "it is being synced");
    let released = world.finish();
    assert_eq!(refusals(&released), [(91, reason), (92, reason)]);
    world.engine.recycle(released);
    submit(&mut world, 93);
    assert!(world.engine.take_batch().is_none(), "there is no record");
    let released = world.engine.release_idle().expect("nothing to wait for");
    assert_eq!(refusals(&released), [(93, reason)]);
}

#[test]
fn whatever_is_told_of_the_decided_state_waits_for_it() {
    let mut world = World::new();
    let reason = Refusal::new(Code::UNKNOWN_SESSION);
    let tell = |world: &mut World| {
        let at = world.engine.durable();
        world.engine.refuse(origin(91), reason);
        world.engine.end(7);
        world.engine.release_read(origin(92), &[1]);
        world.engine.release_read_at(origin(93), at, &[2]);
    };
    let told = |released: &Released| {
        let mut told = Vec::new();
        released.for_each(|release| told.push(format!("{release:?}")));
        told
    };
    tell(&mut world);
    let released = world.engine.release_idle().expect("nothing to wait for");
    let expected = told(&released);
    assert_eq!(expected.len(), 4);
    world.engine.recycle(released);
    world.ask(0, &Wish::Reserve(0));
    tell(&mut world);
    world.take_batch();
    tell(&mut world);
    world.ask(1, &Wish::Reserve(0));
    tell(&mut world);
    assert!(world.engine.release_idle().is_none());
    let released = world.finish();
    assert_eq!(told(&released).len(), 1 + 4 + 4);
    world.engine.recycle(released);
    assert!(world.engine.release_idle().is_none());
    world.take_batch();
    assert_eq!(told(&world.finish()).len(), 1 + 4);
}

#[test]
fn a_full_batch_answers_busy_and_changes_nothing() {
    let mut world = World::new();
    let command = OwnedCommand::new(&agenda::Command::from(agenda::Cancel { booking: 0 }));
    let sent = |nth: usize| Sent {
        user: user(0),
        key: Key(u128::try_from(nth + 1).unwrap().to_be_bytes()),
        command: command.clone(),
    };
    for nth in 0..BATCH_LEN_MAX {
        assert!(world.engine.submit(START, &ask(&sent(nth), 0)).is_ok());
    }
    let before = (world.engine.decided(), world.engine.state_hash());
    let len = u64::try_from(BATCH_LEN_MAX).unwrap();
    let refused = world.engine.submit(START, &ask(&sent(BATCH_LEN_MAX), 0));
    let busy = Busy {
        waiting: BATCH_LEN_MAX,
    };
    assert_eq!(refused, Err(busy));
    assert_eq!(busy.refusal(), Refusal::with(Code::BUSY, len, len));
    assert!(
        world.engine.submit(START, &ask(&sent(0), 0)).is_ok(),
        "a retry needs no room"
    );
    assert_eq!(before, (world.engine.decided(), world.engine.state_hash()));
    world.take_batch();
    let accepted = world.engine.submit(START, &ask(&sent(BATCH_LEN_MAX), 0));
    assert!(
        accepted.is_ok(),
        "the refused key was not used up: {accepted:?}"
    );
}

#[test]
fn what_is_not_a_command_is_refused_and_not_logged() {
    let check = |kind: (u8, u8), schema: u8, body: &[u8], code: Code| {
        let mut world = World::new();
        let command = OwnedCommand {
            kind: protocol::Kind::new(kind.0, kind.1),
            schema,
            body: body.to_vec(),
        };
        let before = world.engine.decided();
        let sent = Sent {
            user: user(0),
            key: Key([9; 16]),
            command,
        };
        let submitted = world.engine.submit(START, &ask(&sent, 0));
        assert_eq!(submitted, Ok(Submitted::Refused));
        assert_eq!(world.engine.decided(), before);
        assert!(world.engine.take_batch().is_none());
        let released = world.engine.release_idle().expect("nothing to wait for");
        let reasons = refusals(&released);
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].1.code, code);
        world.ask(1, &Wish::Reserve(0));
        world.settle();
    };
    check((200, 1), 1, &[], Code::UNKNOWN_KIND);
    check((2, 200), 1, &[], Code::UNKNOWN_KIND);
    check((2, 3), 2, &[1], Code::UNKNOWN_KIND);
    check((2, 3), 1, &[], Code::BAD_BODY);
    check((2, 3), 1, &[1, 1], Code::BAD_BODY);
    check((2, 6), 1, &[1], Code::SERVER_ONLY);
    check((1, 1), 1, &[0, 0], Code::SERVER_ONLY);
}

#[test]
fn a_freed_place_is_given_away_by_the_record_directly_behind() {
    let mut world = World::new();
    for client in 0..CAPACITY {
        world.ask(client, &Wish::Reserve(0));
    }
    world.ask(2, &Wish::Join(0));
    world.settle();
    world.ask(0, &Wish::Cancel(0));
    world.ask(3, &Wish::Reserve(0));
    world.take_batch();
    assert_eq!(world.syncing.as_ref().map(Batch::len), Some(3), "one batch");
    let released = world.finish();
    let mut told = Vec::new();
    released.for_each(|release| {
        if let Release::Push { push, .. } = release {
            told.push((push.stream, pushed(push)));
        }
    });
    assert_eq!(told, [(Stream::Person(user(2)), user(2))]);
    let tail = world.tail();
    let expected = [
        (user(0), "cancel"),
        (UserId::NOBODY, "promote"),
        (user(3), "reserve"),
    ];
    assert_eq!(tail[CAPACITY + 1..], expected);
    world.check_log();
    world.check_replay();
}

#[test]
fn holds_end_when_their_time_has_come_and_not_before() {
    let mut world = World::new();
    world.ask(0, &Wish::Hold(0, 3));
    world.ask(1, &Wish::Hold(0, 2));
    world.ask(2, &Wish::Join(0));
    world.settle();
    assert_eq!(world.engine.deadline(), Some(START + 2_000));
    world.engine.handle_timeout(START + 1_999);
    assert!(world.engine.is_settled(), "nothing is due");
    world.engine.handle_timeout(START + 2_000);
    world.settle();
    let expected = [(UserId::NOBODY, "expire"), (UserId::NOBODY, "promote")];
    assert_eq!(world.tail()[3..], expected);
    assert_eq!(world.engine.deadline(), Some(START + 3_000));
    world.engine.handle_timeout(START + 60_000);
    world.settle();
    assert_eq!(world.tail().len(), 6);
    assert_eq!(world.engine.deadline(), None);
}

#[test]
fn what_was_not_durable_is_forgotten_by_a_crash_and_can_be_asked_again() {
    let mut world = World::new();
    let head = world.log.head();
    world.ask(0, &Wish::Reserve(0));
    world.take_batch();
    world.ask(1, &Wish::Reserve(0));
    world.crash(false);
    assert_eq!(world.engine.decided(), head);
    world.retry_everything();
    world.settle();
    assert_eq!(world.told.len(), 2);
    world.check_acknowledged();
}

#[test]
fn what_became_durable_unheard_is_answered_after_the_crash() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    world.ask(0, &Wish::Reserve(0));
    world.take_batch();
    world.crash(true);
    assert!(world.told.is_empty(), "nobody was told");
    world.retry_everything();
    assert_eq!(world.told[&0].at.seq, Seq(head + 1));
    assert!(world.engine.is_settled(), "nothing was decided again");
}

#[test]
#[should_panic(expected = "the proof is for this batch")]
fn the_proof_of_another_batch_lets_nothing_go() {
    let mut world = World::new();
    world.ask(0, &Wish::Reserve(0));
    world.take_batch();
    let proof = commit(&mut world.log, &Batch::default()).unwrap();
    let batch = world.syncing.take().unwrap();
    let _never = world.engine.handle_committed(&proof, batch);
}

#[test]
fn trails_show_only_what_is_durable() {
    let mut world = World::new();
    let head = world.log.head().seq.0;
    let steps = |world: &World, subject| -> Vec<(u64, u64)> {
        let steps = world.engine.trail(subject, Seq::START, 10).expect("a page");
        steps.iter().map(|step| (step.seq.0, step.target)).collect()
    };
    let (mine, hall) = (
        super::Subject::User(user(0)),
        super::Subject::Agenda(agenda_id()),
    );
    world.ask(0, &Wish::Reserve(0));
    assert!(steps(&world, mine).is_empty());
    world.settle();
    world.ask(0, &Wish::Cancel(0));
    let first = [(head + 1, agenda_id())];
    assert_eq!(steps(&world, mine), first);
    assert_eq!(steps(&world, hall), first);
    world.settle();
    let both = [(head + 2, agenda_id()), (head + 1, agenda_id())];
    assert_eq!(steps(&world, mine), both);
    assert_eq!(steps(&world, hall), both);
    let older = world.engine.trail(mine, Seq(head + 2), 10).expect("a page");
    assert_eq!(
        older.iter().map(|step| step.seq.0).collect::<Vec<_>>(),
        [head + 1]
    );
    let newest = world.engine.trail(mine, Seq::START, 1);
    assert_eq!(newest.expect("a page").len(), 1);
    let trails = |engine: &Engine| {
        [mine, hall].map(|subject| engine.trail(subject, Seq::START, 10).expect("a page"))
    };
    assert_eq!(trails(&world.engine), trails(&restored(&world.log)));
    assert_ne!(world.log.head().hash, ChainHash::START);
}
