//! People who come, speak, book, wait and are erased, with crashes at any point.
//!
//! After every step: whoever is erased is nowhere, whoever is not has what they had and what came
//! free for them. At every rest: the log gives the live state again without the keys of the erased,
//! and nobody's name or text stands in it. Below the property, what erasing promises of single records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use proptest::prelude::*;
use protocol::{
    Code, Key, Kind, Outcome, Refusal, Roles, Seq, UserId,
    words::{
        accounts::{self, EraseMe, FindUser, FoundUser, LogIn, MySessions, Register, WhoAmI},
        agenda::{self, Cancel, Hold, JoinWaitlist, MyBookings, Reserve, SlotId},
        chat,
        log::Subject,
    },
};

use tempfile::TempDir;

use super::{Ask, Engine, Submitted, tests::submit};
use crate::{
    domain::{
        Context, Lifecycle, Systems, Word,
        systems::{Answered, CommandBytes, OwnedCommand, Source},
    },
    health::Progress,
    keyring::Keyring,
    log::{Batch, EventLog, LogReader, MemoryLog, commit},
    recover::{Recovered, recover},
    reerase::erase_again,
    snapshot::{
        Snapshots,
        tests::{assert_same, put},
    },
};

const NOW: u64 = 1_700_000_000_000;
const DAY: u32 = 19_676;
const AGENDA: u64 = 1;
const SLOTS: u16 = 3;
const REGISTER: Kind = Kind::new(accounts::SYSTEM, 1);
const SEND: Kind = Kind::new(chat::SYSTEM, 1);
/// In every name and every text, and nowhere else.
const MARK: &str = "Zq7";

#[derive(Debug, Clone)]
enum Step {
    Register { taken: bool },
    RegisterAgain { who: usize },
    LogIn { who: usize },
    Reserve { who: usize, slot: u16 },
    Hold { who: usize, slot: u16 },
    Wait { who: usize, slot: u16 },
    Cancel { who: usize },
    Say { who: usize, to: Option<usize> },
    Erase { who: usize },
    PassTime { ms: u64 },
    Settle,
    Snapshot,
    Crash { batch_survives: bool },
    Lose { records: u64, deaths: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let (who, slot) = (0..8_usize, 0..SLOTS);
    prop_oneof![
        4 => (0..4_u8).prop_map(|nth| Step::Register { taken: nth == 0 }),
        1 => who.clone().prop_map(|who| Step::RegisterAgain { who }),
        2 => who.clone().prop_map(|who| Step::LogIn { who }),
        6 => (who.clone(), slot.clone()).prop_map(|(who, slot)| Step::Reserve { who, slot }),
        2 => (who.clone(), slot.clone()).prop_map(|(who, slot)| Step::Hold { who, slot }),
        6 => (who.clone(), slot).prop_map(|(who, slot)| Step::Wait { who, slot }),
        1 => who.clone().prop_map(|who| Step::Cancel { who }),
        4 => (who.clone(), prop::option::of(who.clone())).prop_map(|(who, to)| Step::Say { who, to }),
        3 => who.prop_map(|who| Step::Erase { who }),
        1 => (0..3_000_u64).prop_map(|ms| Step::PassTime { ms }),
        2 => Just(Step::Settle),
        1 => Just(Step::Snapshot),
        1 => any::<bool>().prop_map(|batch_survives| Step::Crash { batch_survives }),
        1 => (0..30_u64, 0..3_u8).prop_map(|(records, deaths)| Step::Lose { records, deaths }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whoever_is_erased_is_gone_and_nobody_else_loses_anything(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.play(step);
        }
        world.settle();
        world.crash(false);
        world.settle();
    }
}

/// What one person can see of themselves.
#[derive(Debug, PartialEq)]
struct View {
    me: Vec<u8>,
    sessions: Vec<u8>,
    bookings: BTreeMap<u64, SlotId>,
}

struct World {
    engine: Engine,
    log: MemoryLog,
    /// For snapshots, which outlive crashes, and people.
    dir: TempDir,
    now: u64,
    asked: u64,
    /// Whoever is here, with the key that registered them.
    people: BTreeMap<UserId, Key>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(Keyring::new([1; 32])),
            log: MemoryLog::new(),
            dir: tempfile::tempdir().unwrap(),
            now: NOW,
            asked: 0,
            people: BTreeMap::new(),
        };
        let open = agenda::Command::from(agenda::OpenAgenda {
            name: "hall".to_owned(),
            opens_minute: 0,
            closes_minute: 1_440,
            slot_minutes: 60,
            capacity: 2,
        });
        world.engine.submit_own(NOW, &OwnedCommand::new(&open));
        world.settle();
        world
    }

    fn play(&mut self, step: &Step) {
        match *step {
            Step::Register { taken } => self.register(taken),
            Step::RegisterAgain { who } => self.register_again(who),
            Step::LogIn { who } => self.log_in(who),
            Step::Reserve { who, slot } => self.book(
                who,
                Reserve {
                    slot: slot_id(slot),
                },
            ),
            Step::Hold { who, slot } => {
                let (slot, seconds) = (slot_id(slot), 2);
                self.book(who, Hold { slot, seconds });
            }
            Step::Wait { who, slot } => self.book(
                who,
                JoinWaitlist {
                    slot: slot_id(slot),
                },
            ),
            Step::Cancel { who } => self.cancel(who),
            Step::Say { who, to } => self.say(who, to),
            Step::Erase { who } => self.erase(who),
            Step::PassTime { ms } => {
                self.now += ms;
                self.engine.handle_timeout(self.now);
            }
            Step::Settle => self.settle(),
            Step::Snapshot => put(self.dir.path(), &self.restored()),
            Step::Crash { batch_survives } => self.crash(batch_survives),
            Step::Lose { records, deaths } => self.lose(records, deaths),
        }
        self.check_nobody_waits_for_a_free_place();
    }

    fn person(&self, who: usize) -> Option<UserId> {
        self.people
            .keys()
            .nth(who.checked_rem(self.people.len())?)
            .copied()
    }

    fn register(&mut self, taken: bool) {
        let name = match self.people.keys().next().filter(|_| taken) {
            Some(user) => self.name(*user),
            None => format!("{MARK}.{}", self.asked),
        };
        let key = self.next_key();
        if let Ok(Submitted::Decided(seq)) = self.submit(UserId::NOBODY, key, &register(&name))
            && self.engine.systems().accounts.name(UserId(seq.0)).is_some()
        {
            self.people.insert(UserId(seq.0), key);
        }
    }

    /// The same registration under the same key is the first one, sealed or not.
    fn register_again(&mut self, who: usize) {
        if let Some(user) = self.person(who) {
            let (key, name) = (self.people[&user], self.name(user));
            let again = self.submit(UserId::NOBODY, key, &register(&name));
            assert_eq!(again, Ok(Submitted::Again(Seq(user.0))));
            let other = self.submit(UserId::NOBODY, key, &register("somebody"));
            assert_eq!(other, Ok(Submitted::Refused));
        }
    }

    fn log_in(&mut self, who: usize) {
        if let Some(user) = self.person(who) {
            let key = self.next_key();
            let (mut token_hash, verified) = ([0; 32], true);
            token_hash[..16].copy_from_slice(&key.0);
            let log_in = LogIn {
                verified,
                token_hash,
            };
            let command = accounts::Command::from(log_in);
            assert!(self.submit(user, key, &command).is_ok());
        }
    }

    fn book(&mut self, who: usize, command: impl Into<agenda::Command>) {
        if let Some(user) = self.person(who) {
            let key = self.next_key();
            assert!(self.submit(user, key, &command.into()).is_ok());
        }
    }

    fn say(&mut self, who: usize, to: Option<usize>) {
        if let Some(user) = self.person(who) {
            let to = to.and_then(|to| self.person(to));
            let send = chat::Command::from(chat::Send {
                to: to.map_or(chat::Target::Public, chat::Target::Person),
                text: format!("{MARK} says {}", self.asked).into(),
            });
            let key = self.next_key();
            let sent = self.submit(user, key, &send);
            let again = self.submit(user, key, &send);
            let Ok(Submitted::Decided(seq)) = sent else {
                panic!("{sent:?}");
            };
            assert_eq!(again, Ok(Submitted::Again(seq)));
        }
    }

    fn cancel(&mut self, who: usize) {
        if let Some(user) = self.person(who)
            && let Some((booking, _)) = self.view(user).bookings.pop_first()
        {
            self.book(who, Cancel { booking });
        }
    }

    fn erase(&mut self, who: usize) {
        let Some(user) = self.person(who) else {
            return;
        };
        self.people.remove(&user);
        let before = self.views();
        let decided = self.engine.decided().seq;
        let key = self.next_key();
        let command = accounts::Command::from(EraseMe {});
        assert_eq!(
            self.submit(user, key, &command),
            Ok(Submitted::Decided(decided.next()))
        );
        self.check_gone(user);
        self.check_others(decided.next(), &before);
    }

    fn check_gone(&self, user: UserId) {
        let systems = self.engine.systems();
        assert_eq!(systems.accounts.name(user), None);
        assert_eq!(systems.roles(user), Roles::MEMBER);
        assert!(self.view(user).bookings.is_empty());
        let trail = self.engine.trail(Subject::User(user), Seq::START, 9);
        assert_eq!(trail.expect("a page"), []);
    }

    /// They have what they had; what they have beyond that was given to them directly behind.
    fn check_others(&self, erased_at: Seq, before: &BTreeMap<UserId, View>) {
        let given = erased_at.0 + 1..=self.engine.decided().seq.0;
        let mut promoted = 0;
        for (user, mut view) in self.views() {
            let gained: Vec<u64> = view
                .bookings
                .keys()
                .filter(|booking| given.contains(*booking))
                .copied()
                .collect();
            promoted += gained.len();
            view.bookings.retain(|booking, _| !gained.contains(booking));
            assert_eq!(Some(&view), before.get(&user), "{user}");
        }
        assert_eq!(
            promoted,
            given.count(),
            "every record behind it gives a place"
        );
    }

    fn check_nobody_waits_for_a_free_place(&self) {
        let list = agenda::Query::from(agenda::ListSlots {
            agenda: AGENDA,
            day: DAY,
        });
        let Ok(agenda::Answer::Slots(slots)) = agenda_answer(&self.answer(UserId(1), &list)) else {
            panic!("slots were asked for");
        };
        for slot in &slots.slots[..SLOTS.into()] {
            assert!(slot.held <= 2);
            assert!(slot.held == 2 || slot.waiting == 0, "{slot:?}");
        }
    }

    fn views(&self) -> BTreeMap<UserId, View> {
        (self.people.keys())
            .map(|user| (*user, self.view(*user)))
            .collect()
    }

    fn view(&self, user: UserId) -> View {
        let mine = agenda::Query::from(MyBookings {
            after: 0,
            limit: 100,
        });
        let Ok(agenda::Answer::Bookings(page)) = agenda_answer(&self.answer(user, &mine)) else {
            panic!("bookings were asked for");
        };
        View {
            me: self.answer(user, &accounts::Query::from(WhoAmI {})),
            sessions: self.answer(user, &accounts::Query::from(MySessions {})),
            bookings: (page.bookings.iter())
                .map(|booking| (booking.booking, booking.slot))
                .collect(),
        }
    }

    fn name(&self, user: UserId) -> String {
        let name = self.engine.systems().accounts.name(user);
        name.expect("whoever is here has a name").to_owned()
    }

    fn answer(&self, user: UserId, query: &impl Word) -> Vec<u8> {
        let cx = Context {
            seq: self.engine.decided().seq,
            now: self.now,
            actor: user,
            roles: Roles::MEMBER,
            key: Key::default(),
        };
        let mut outcome = Vec::new();
        let query = OwnedCommand::new(query);
        let answered = self
            .engine
            .systems()
            .answer(&cx, &query.bytes(), &mut outcome);
        assert_eq!(answered, Ok(Answered::Here));
        outcome
    }

    fn next_key(&mut self) -> Key {
        self.asked += 1;
        Key((u128::MAX - u128::from(self.asked)).to_be_bytes())
    }

    fn submit(
        &mut self,
        actor: UserId,
        key: Key,
        command: &impl Word,
    ) -> Result<Submitted, super::Busy> {
        let owned = OwnedCommand::new(command);
        let ask = Ask {
            origin: None,
            actor,
            key,
            command: CommandBytes {
                source: Source::Session,
                ..owned.bytes()
            },
        };
        submit(&mut self.engine, &self.log, self.now, &ask)
    }

    fn settle(&mut self) {
        if let Some(batch) = self.engine.take_batch() {
            let proof = commit(&mut self.log, &batch).unwrap();
            let released = self.engine.handle_committed(&proof, batch);
            self.engine.recycle(released);
        }
        self.check_log();
    }

    /// The process dies, and the batch it was about to sync got there, or did not.
    fn crash(&mut self, batch_survives: bool) {
        let batch = self.engine.take_batch().unwrap_or_default();
        if batch_survives && !batch.is_empty() {
            let _nobody_hears_of_it = commit(&mut self.log, &batch).unwrap();
        }
        self.engine = self.restored();
        self.find_people();
        self.check_log();
    }

    /// The process dies, the log's end is gone, somebody accepts that, and so many starts die before
    /// they are through with it: one before it has erased anybody again, one behind that.
    fn lose(&mut self, records: u64, deaths: u8) {
        let end = self.log.head().seq.0.saturating_sub(records).max(1);
        self.log.lose_after(Seq(end));
        self.log.accept_loss();
        self.forget_snapshots_behind(Seq(end));
        let lost = self.recovered().lost;
        self.check_lost(&lost);
        if 0 < deaths {
            assert_eq!(self.recovered().lost, lost, "nothing is agreed to anew");
        }
        let mut recovered = self.recovered();
        let mut log = self.log.reopen();
        erase_again(&mut recovered.engine, &mut log, &lost, self.now).unwrap();
        if 1 < deaths {
            // It died before it could say that it was over.
            self.log.accept_loss();
            recovered = self.recovered();
            assert_eq!(recovered.lost, []);
            erase_again(&mut recovered.engine, &mut log, &[], self.now).unwrap();
        }
        assert_eq!(log.loss(), None);
        self.engine = recovered.engine;
        for user in lost {
            self.check_gone(user);
        }
        self.find_people();
        self.check_log();
    }

    /// Just those are lost who are in the log, have no key, and were erased before.
    fn check_lost(&self, lost: &[UserId]) {
        let mut expected = BTreeSet::new();
        let mut reader = self.log.reader().unwrap();
        visit(
            &mut *reader,
            &mut |row| match Systems::passage(&row.record) {
                Ok(Some(Lifecycle::Registered(user))) => _ = expected.insert(user),
                Ok(Some(Lifecycle::Erased(user))) => _ = expected.remove(&user),
                Ok(None) => {}
                Err(error) => panic!("{error}"),
            },
        );
        for key in reader.keys().unwrap() {
            expected.remove(&key.user);
        }
        assert_eq!(lost, Vec::from_iter(expected));
        assert!(lost.iter().all(|user| !self.people.contains_key(user)));
    }

    /// They would be told of at every start.
    fn forget_snapshots_behind(&self, end: Seq) {
        let snapshots = Snapshots::of(self.dir.path());
        let listed = snapshots.list().unwrap();
        let kept = listed.iter().map(|listed| listed.seq);
        let kept: Vec<Seq> = kept.filter(|seq| *seq <= end).collect();
        snapshots.keep_only(&kept).unwrap();
    }

    /// What the next process begins with, from whatever snapshot there is: the same as without one.
    fn restored(&self) -> Engine {
        let recovered = self.recovered();
        assert_eq!(recovered.lost, []);
        recovered.engine
    }

    fn recovered(&self) -> Recovered {
        let snapshots = Snapshots::of(self.dir.path());
        let recovered = recover(
            &mut self.log.reopen(),
            [2; 32],
            &snapshots,
            &Progress::default(),
        )
        .expect("a log of ours");
        assert_eq!(recovered.warnings, [""; 0]);
        assert_same(&recovered.engine, &restored(&mut self.log.reopen(), 2));
        recovered
    }

    /// A registration that got lost did not happen, nor did an erasure.
    fn find_people(&mut self) {
        let mut found = BTreeMap::new();
        visit(&mut *self.log.reader().unwrap(), &mut |row| {
            let user = UserId(row.record.seq.0);
            if self.engine.systems().accounts.name(user).is_some() {
                found.insert(user, row.record.key);
            }
        });
        self.people = found;
    }

    /// The log alone gives this state, and says nobody's name.
    fn check_log(&mut self) {
        let mut log = self.log.reopen();
        let again = restored(&mut log, 3);
        assert_eq!(again.state_hash(), self.engine.state_hash());
        let mut reader = log.reader().unwrap();
        let keys: Vec<UserId> = reader.keys().unwrap().iter().map(|key| key.user).collect();
        assert_eq!(keys, Vec::from_iter(self.people.keys().copied()));
        visit(&mut *reader, &mut |row| {
            let bytes = [row.record.body, row.record.outcome].concat();
            assert!(!has(&bytes, MARK), "a name at {}", row.record.seq);
            let opened = Systems::open(&row.record, again.keyring(), "").unwrap();
            let is_personal = [REGISTER, SEND].contains(&row.record.kind);
            let about = match row.record.actor {
                UserId::NOBODY => UserId(row.record.seq.0),
                actor => actor,
            };
            let is_here = self.people.contains_key(&about);
            assert_eq!(
                has(&opened, MARK),
                is_personal && is_here,
                "{}",
                row.record.seq
            );
        });
    }
}

fn restored(log: &mut MemoryLog, seed: u8) -> Engine {
    recover(log, [seed; 32], &Snapshots::none(), &Progress::default())
        .expect("a log of ours")
        .engine
}

fn visit(reader: &mut dyn LogReader, see: &mut dyn FnMut(crate::log::Row<'_>)) {
    let visit = &mut |row: crate::log::Row<'_>| {
        see(row);
        ControlFlow::Continue(())
    };
    reader.read(Seq(1), visit).unwrap();
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn slot_id(slot: u16) -> SlotId {
    SlotId {
        agenda: AGENDA,
        day: DAY,
        slot,
    }
}

fn register(name: &str) -> accounts::Command {
    accounts::Command::from(Register {
        name: name.into(),
        password_hash: format!("${name}").into(),
    })
}

fn agenda_answer(outcome: &[u8]) -> Result<agenda::Answer, Refusal> {
    match Outcome::decode(outcome).unwrap() {
        Outcome::Accepted { kind, schema, body } => {
            Ok(agenda::Answer::decode(kind, schema, body).unwrap())
        }
        Outcome::Refused(refusal) => Err(refusal),
    }
}

#[test]
fn a_key_is_with_the_log_before_its_person_and_gone_before_their_erasure_is_told() {
    let mut world = World::new();
    world.register(false);
    let user = world.person(0).unwrap();
    let batch = world.engine.take_batch().unwrap();
    assert_eq!(batch.joining().len(), 1);
    assert_eq!(batch.joining()[0].user, user);
    let proof = commit(&mut world.log, &batch).unwrap();
    let released = world.engine.handle_committed(&proof, batch);
    world.engine.recycle(released);
    world.erase(0);
    let batch: Batch = world.engine.take_batch().unwrap();
    assert!(batch.joining().is_empty(), "a batch's memory is used again");
    assert_eq!(batch.leaving(), [user]);
    let _proof = commit(&mut world.log, &batch).unwrap();
    assert!(world.log.reader().unwrap().keys().unwrap().is_empty());
}

#[test]
fn a_refused_registration_keeps_nothing_of_the_name() {
    let mut world = World::new();
    world.register(false);
    world.register(true);
    world.settle();
    let mut last = None;
    visit(&mut *world.log.reader().unwrap(), &mut |row| {
        last = Some((row.record.body.to_vec(), row.record.outcome.to_vec()));
    });
    let (body, outcome) = last.unwrap();
    assert_eq!(body, [1, 0xff, 1, 0xff], "two texts that nobody can open");
    let refusal = Refusal::with(Code::NAME_TAKEN, 2, 0);
    assert_eq!(Outcome::decode(&outcome), Ok(Outcome::Refused(refusal)));
}

#[test]
fn a_log_without_its_keys_is_refused_when_somebody_in_it_is_not_erased() {
    let mut world = World::new();
    for _person in 0..2 {
        world.register(false);
    }
    world.erase(0);
    world.settle();
    let user = world.person(0).unwrap();
    world.log.destroy_keys(&[user]).unwrap();
    let refused = recover(
        &mut world.log,
        [4; 32],
        &Snapshots::none(),
        &Progress::default(),
    )
    .err()
    .unwrap()
    .to_string();
    let expected = format!(
        "the keys of 1 people are missing from the file `people.keys`, the first that of user {user}"
    );
    assert!(refused.starts_with(&expected), "{refused}");
}

#[test]
fn keys_of_nobody_are_destroyed_when_a_server_starts() {
    let mut world = World::new();
    world.register(false);
    world.settle();
    let mut lost = world.log.reopen();
    lost.lose_after(Seq(1));
    let engine = restored(&mut lost, 5);
    assert!(lost.reader().unwrap().keys().unwrap().is_empty());
    assert!(engine.keyring().keyless().is_empty());
}

#[test]
fn a_name_that_was_erased_is_free() {
    let mut world = World::new();
    world.register(false);
    let first = world.person(0).unwrap();
    let name = world.name(first);
    world.erase(0);
    let key = world.next_key();
    let again = world.submit(UserId::NOBODY, key, &register(&name));
    let Ok(Submitted::Decided(seq)) = again else {
        panic!("{again:?}");
    };
    world.people.insert(UserId(seq.0), key);
    world.settle();
    let find = accounts::Query::from(FindUser { name });
    let outcome = world.answer(UserId(seq.0), &find);
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&outcome) else {
        panic!("they are found");
    };
    let found = accounts::Answer::decode(kind, schema, body);
    let user = UserId(seq.0);
    assert_eq!(found, Ok(FoundUser { user }.into()));
}
