//! A finished run as data, and its judging: operations, pushes, log, in the order they happened.
//!
//! The world is always the same: users 1 to n, then one agenda, of 24 slots a day, on [`DAY`].
#![expect(clippy::unwrap_used, reason = "test support")]

use std::borrow::Cow;

use loadgen::{
    check::{LawOptions, Laws},
    history::{Ended, Event, HistoryHead, HistoryWriter, Recording, Setup},
    operation::{
        Answer, KeyMint, LinkChange, News, Observed, Observer, Operation, Outcome, Push, Slot,
    },
    recheck::Recheck,
};
use protocol::{
    ChainHash, Key, Kind, OwnedRecord, Refusal, Seq, UserId, outcome,
    record::chain,
    words::{accounts, agenda, agenda::SlotId, presence::Signal},
};
use reports::record::LawRecord;

use super::trade::Logged;

/// The day that everything happens on.
pub(crate) const DAY: u32 = 20_000;
/// The clock of the log before the first record: long before that day.
pub(crate) const EPOCH: u64 = 1_700_000_000_000;
/// The secret of its keys.
const SECRET: [u8; 32] = [7; 32];
/// A millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// One push as its client got it.
pub(crate) struct Pushed {
    pub(crate) client: u32,
    pub(crate) seq: u64,
    pub(crate) push: Push,
    pub(crate) at: u64,
    /// Whether it came with the hash that the log has there.
    pub(crate) has_right_hash: bool,
}

/// A further answer to a key.
pub(crate) struct Again {
    pub(crate) id: (u32, u32),
    pub(crate) outcome: Outcome,
    pub(crate) seq: u64,
}

/// A finished run.
pub(crate) struct Run {
    pub(crate) capacity: u16,
    pub(crate) users: u32,
    pub(crate) mint: KeyMint,
    pub(crate) operations: Vec<(Operation, Observed)>,
    pub(crate) pushes: Vec<Pushed>,
    /// Client, change, when.
    pub(crate) links: Vec<(u32, LinkChange, u64)>,
    /// Client, what it says in passing, when.
    pub(crate) signals: Vec<(u32, Signal, u64)>,
    /// Client, news, when.
    pub(crate) news: Vec<(u32, News, u64)>,
    /// Client, up to where it was waited for, and whether until nothing was on its way any more.
    pub(crate) drained: Vec<(u32, u64, bool)>,
    /// The wall clock when the run began.
    pub(crate) wall: Option<u64>,
    /// Operations that were answered with the outcome at this position of the log.
    pub(crate) said: Vec<((u32, u32), u64)>,
    pub(crate) again: Vec<Again>,
    /// Operations whose key was used for another command, and what became of that.
    pub(crate) reused: Vec<((u32, u32), Outcome)>,
    pub(crate) records: Vec<OwnedRecord>,
    /// The last position of the set-up.
    pub(crate) began_at: u64,
    /// How far the log's clock is ahead of one millisecond a record.
    pub(crate) clock: u64,
    pub(crate) fault_at: Option<u64>,
    pub(crate) live: Option<(u64, u128)>,
    pub(crate) replayed: Option<(u64, u128)>,
}

impl Run {
    /// A world and nothing in it yet.
    pub(crate) fn new(users: u32, capacity: u16) -> Self {
        let mut run = Self {
            capacity,
            users,
            mint: KeyMint::new(SECRET),
            operations: Vec::new(),
            pushes: Vec::new(),
            links: Vec::new(),
            signals: Vec::new(),
            news: Vec::new(),
            drained: Vec::new(),
            wall: None,
            said: Vec::new(),
            again: Vec::new(),
            reused: Vec::new(),
            records: Vec::new(),
            began_at: u64::from(users) + 1,
            clock: 0,
            fault_at: None,
            live: Some((1, 1)),
            replayed: Some((1, 1)),
        };
        for user in 1..=users {
            run.register(user);
        }
        run.open();
        run
    }

    fn register(&mut self, user: u32) {
        let register = accounts::Register {
            name: format!("user{user}").into(),
            password_hash: "".into(),
        };
        let command = accounts::Command::from(register);
        let event = accounts::Event::from(accounts::Registered {});
        let mut record = blank(UserId::NOBODY, Key([u8::try_from(user).unwrap(); 16]));
        record.kind = command.kind().0;
        command.encode(&mut record.body);
        outcome::encode_accepted(event.kind().0, 1, &mut record.outcome);
        event.encode(&mut record.outcome);
        self.append(record);
    }

    fn open(&mut self) {
        let open = agenda::OpenAgenda {
            name: "room".to_owned(),
            opens_minute: 0,
            closes_minute: 1_440,
            slot_minutes: 60,
            capacity: self.capacity,
        };
        let opened = agenda::AgendaOpened { slots: 24 };
        self.decide(UserId(1), Key([99; 16]), &open.into(), &Ok(opened.into()));
    }

    /// The agenda, by the position that opened it.
    pub(crate) fn agenda(&self) -> u64 {
        u64::from(self.users) + 1
    }

    /// A slot of the agenda.
    pub(crate) fn slot(&self, slot: u16) -> SlotId {
        SlotId {
            agenda: self.agenda(),
            day: DAY,
            slot,
        }
    }

    /// The same, packed.
    pub(crate) fn packed(&self, slot: u16) -> Slot {
        Slot::pack(self.slot(slot)).unwrap()
    }

    /// Who a client is.
    pub(crate) fn user(client: u32) -> UserId {
        UserId(u64::from(client) + 1)
    }

    /// The position of the last record.
    pub(crate) fn head(&self) -> u64 {
        u64::try_from(self.records.len()).unwrap()
    }

    /// The hash at a position; zeros where there is none.
    pub(crate) fn hash(&self, seq: u64) -> ChainHash {
        let at = |record: &&OwnedRecord| record.seq.0 == seq;
        let record = self.records.iter().find(at);
        record.map_or(ChainHash::START, |record| record.hash)
    }

    /// The hash that a push came with.
    fn hash_of(&self, pushed: &Pushed) -> ChainHash {
        let mut hash = self.hash(pushed.seq);
        hash.0[31] ^= u8::from(!pushed.has_right_hash);
        hash
    }

    /// Appends what became of a command.
    pub(crate) fn decide(
        &mut self,
        actor: UserId,
        key: Key,
        command: &agenda::Command,
        decided: &Result<agenda::Event, Refusal>,
    ) -> u64 {
        let mut record = blank(actor, key);
        record.kind = command.kind().0;
        command.encode(&mut record.body);
        match decided {
            Ok(event) => {
                outcome::encode_accepted(event.kind().0, 1, &mut record.outcome);
                event.encode(&mut record.outcome);
            }
            Err(refusal) => outcome::encode_refused(refusal, &mut record.outcome),
        }
        self.append(record)
    }

    /// Appends what became of a command that is known by its bytes, with the event if it was
    /// accepted.
    pub(crate) fn decide_words(
        &mut self,
        actor: UserId,
        key: Key,
        (command, event): Logged,
        refused: Option<Refusal>,
    ) -> u64 {
        let mut record = blank(actor, key);
        (record.kind, record.body) = command;
        match refused {
            None => {
                outcome::encode_accepted(event.0, 1, &mut record.outcome);
                record.outcome.extend(event.1);
            }
            Some(refusal) => outcome::encode_refused(&refusal, &mut record.outcome),
        }
        self.append(record)
    }

    fn append(&mut self, mut record: OwnedRecord) -> u64 {
        record.seq = Seq(self.head() + 1);
        record.recorded_at = EPOCH + record.seq.0 + self.clock;
        self.records.push(record);
        self.chain();
        self.head()
    }

    /// Computes the hashes of the last record, or of all after a defect was planted.
    fn chain(&mut self) {
        let last = self.records.len() - 1;
        let before = last.checked_sub(1).map(|at| self.records[at].hash);
        let hash = chain(
            &before.unwrap_or(ChainHash::START),
            &self.records[last].record(),
            &mut Vec::new(),
        );
        self.records[last].hash = hash;
    }

    /// Computes every hash again, so that only the law of the defect sees it.
    pub(crate) fn chain_again(&mut self) {
        let records = std::mem::take(&mut self.records);
        for record in records {
            self.records.push(record);
            self.chain();
        }
    }

    /// Gives every answer the hash the log has at its position.
    pub(crate) fn stamp(&mut self) {
        for at in 0..self.operations.len() {
            let seq = self.operations[at].0.seq;
            self.operations[at].0.hash = self.hash(seq);
        }
    }

    /// What the laws know of this run.
    fn options(&self) -> LawOptions {
        let mut options = LawOptions::new(self.mint.clone(), u32::from(self.capacity), self.users);
        options.wall_at_start = self.wall;
        options
    }

    /// Every law on this run.
    pub(crate) fn judge(&self) -> Vec<LawRecord> {
        let mut laws = Laws::new(self.options());
        for client in 0..self.users {
            laws.handle_client(client, Self::user(client));
        }
        laws.begin(self.began_at);
        let history = self.play(&mut laws);
        for record in &self.records {
            laws.handle_record(record);
        }
        laws.handle_state_hashes(self.live, self.replayed);
        laws.conclude(|| history.iter().copied())
    }

    /// Every law on what a history keeps of this run.
    pub(crate) fn judge_again(&self) -> Vec<LawRecord> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.bin");
        let head = HistoryHead {
            secret: SECRET,
            started_at: EPOCH,
            capacity: self.capacity.into(),
            began_at: self.began_at,
        };
        let mut history = HistoryWriter::create(&path, &head).unwrap();
        let setup = Setup::of(&self.options());
        history.append(&Event::Setup(Cow::Owned(setup))).unwrap();
        for client in 0..self.users {
            let user = Self::user(client);
            history.append(&Event::Client { client, user }).unwrap();
        }
        let mut laws = Laws::new(self.options());
        let mut recording = Recording::new(&mut laws, history);
        self.play(&mut recording);
        let mut history = recording.into_history().unwrap();
        let ended = Ended {
            live: self.live,
            replayed: self.replayed,
            read_upto: Some(self.head()),
        };
        history.append(&Event::Ended(ended)).unwrap();
        history.finish().unwrap();
        let mut recheck = Recheck::open(&path, &[]).unwrap();
        for record in &self.records {
            recheck.handle_record(record);
        }
        let judged = recheck.conclude().unwrap();
        assert_eq!(judged.unjudged, []);
        judged.laws
    }

    /// When, what and which of that kind, in the order of time.
    fn moments(&self) -> Vec<(u64, u8, usize)> {
        let mut moments: Vec<(u64, u8, usize)> = Vec::new();
        for (at, (operation, _)) in self.operations.iter().enumerate() {
            moments.push((operation.sent_at, 0, at));
            moments.push((operation.completed_at, 1, at));
        }
        for (at, pushed) in self.pushes.iter().enumerate() {
            moments.push((pushed.at, 2, at));
        }
        for (at, (_, _, when)) in self.links.iter().enumerate() {
            moments.push((*when, 3, at));
        }
        for (at, (_, _, when)) in self.news.iter().enumerate() {
            moments.push((*when, 4, at));
        }
        for (at, (_, _, when)) in self.signals.iter().enumerate() {
            moments.push((*when, 5, at));
        }
        moments.sort_unstable();
        moments
    }

    /// Tells the laws what an answer said, if the history has it.
    fn say(&self, operation: &Operation, laws: &mut impl Observer) {
        let id = (operation.client, operation.counter);
        let said = self.said.iter().find(|(by, _)| *by == id);
        let record = said.and_then(|(_, at)| self.records.iter().find(|it| it.seq.0 == *at));
        if let Some(record) = record {
            laws.handle_answer(operation, &Answer::of_bytes(&record.outcome));
        }
    }

    /// Tells the laws what happened while it ran, in the order of time.
    fn play(&self, laws: &mut impl Observer) -> Vec<Operation> {
        let moments = self.moments();
        if let Some(at) = self.fault_at {
            laws.handle_fault(at);
        }
        let mut history: Vec<Operation> = self.operations.iter().map(|(op, _)| *op).collect();
        for (now, what, at) in moments {
            match what {
                0 => {
                    let Operation {
                        client,
                        counter,
                        call,
                        ..
                    } = history[at];
                    history[at].floor = laws.handle_invoke(client, counter, &call, now);
                }
                1 => {
                    self.say(&history[at], laws);
                    laws.handle_complete(&history[at], &self.operations[at].1);
                }
                2 => {
                    let pushed = &self.pushes[at];
                    let position = (pushed.seq, self.hash_of(pushed));
                    laws.handle_push(pushed.client, position, &pushed.push, now);
                }
                3 => {
                    let (client, change, _) = self.links[at];
                    laws.handle_link(client, change, now);
                }
                4 => {
                    let (client, news, _) = &self.news[at];
                    laws.handle_news(*client, news, now);
                }
                _signal => {
                    let (client, signal, _) = &self.signals[at];
                    laws.handle_signal(*client, signal, now);
                }
            }
        }
        for (client, seq, is_settled) in &self.drained {
            laws.handle_drained(*client, *seq, *is_settled);
        }
        for again in &self.again {
            let first = history
                .iter()
                .find(|op| (op.client, op.counter) == again.id);
            let first = first.unwrap();
            let second = Operation {
                outcome: again.outcome,
                seq: again.seq,
                hash: self.hash(again.seq),
                ..*first
            };
            laws.handle_duplicate(first, &second);
        }
        for (id, outcome) in &self.reused {
            let first = history.iter().find(|op| (op.client, op.counter) == *id);
            laws.handle_reused(first.unwrap(), *outcome);
        }
        history
    }
}

fn blank(actor: UserId, key: Key) -> OwnedRecord {
    OwnedRecord {
        seq: Seq(0),
        recorded_at: 0,
        actor,
        key,
        kind: Kind(0),
        schema: 1,
        codec: 1,
        body: Vec::new(),
        outcome: Vec::new(),
        hash: ChainHash::START,
    }
}

/// The verdict on one law.
pub(crate) fn law<'a>(laws: &'a [LawRecord], name: &str) -> &'a LawRecord {
    laws.iter().find(|law| law.name == name).unwrap()
}
