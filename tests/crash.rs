//! The server is killed in the middle of a race, five times, and nothing it said is taken back.
//!
//! Clients on connections of their own reserve and cancel until SIGKILL ends the server between
//! two of its instructions, whichever they are. What was acknowledged must then be in the log of
//! the next server, at that position, with that hash and that outcome; and asking again under the
//! same key must give the same answer. The laws watch all of it like a run.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use loadgen::{
    check::{LawOptions, Laws},
    clock::Clock,
    operation::{Call, KeyMint, Observed, Observer, Operation, Outcome, Slot},
    target::{Answered, CallError, Caller, OwnedOutcome},
};
use protocol::{
    ChainHash, Key, OwnedRecord, Seq,
    outcome::Outcome as Stored,
    record::chain,
    words::{
        accounts::Token,
        agenda::{Cancel, Command, Event, OpenAgenda, Reserve, SlotId},
        log::{Answer, Query, ReadLog, ReadState, ReplayState, StateHash},
    },
};
use reports::record::Verdict;
use tempfile::tempdir;
use tokio::{
    sync::Notify,
    task::{JoinSet, LocalSet},
    time::timeout,
};

use crate::program::{DEADLINE, Server, run, text};

const CLIENTS: u32 = 32;
const CRASHES: u64 = 5;
/// Few enough that clients collide, enough that many reservations succeed.
const SLOTS: u16 = 48;
const DAYS: u64 = 8;
const MINT: KeyMint = KeyMint::new([7; 32]);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One command that was sent, and what is known of it.
#[derive(Debug, Clone)]
struct Sent {
    operation: Operation,
    /// `None` while the answer was lost with the server.
    answered: Option<Answered>,
}

/// One client, over all lives of the server.
#[derive(Debug)]
struct Racer {
    number: u32,
    token: Token,
    sent: Vec<Sent>,
    /// Bookings it knows to have.
    bookings: Vec<(u64, Slot)>,
}

/// What everybody shares: one thread, so cells do.
#[derive(Debug)]
struct Race {
    clock: Clock,
    agenda: u64,
    first_day: u32,
    laws: RefCell<Laws>,
    acks_until_kill: Cell<u64>,
    /// Nobody asks any more once the kill is decided.
    falls_silent: Cell<bool>,
    kill: Notify,
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed_in_the_middle_of_a_race() {
    LocalSet::new()
        .run_until(async { timeout(DEADLINE, kill_repeatedly()).await })
        .await
        .expect("it ends in time");
}

async fn kill_repeatedly() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Server::start(&data).await;
    let (race, mut racers, admin_token) = set_up(&server).await;
    for crash in 0..CRASHES {
        // Another number of answers each time, so that another moment of the server's turn is hit.
        race.acks_until_kill.set(300 + 37 * crash);
        // In the crowd's midst, and with the last answers just out: a server that answers before
        // it writes is saved by the next request, if there is one.
        race.falls_silent.set(!crash.is_multiple_of(2));
        racers = crash_once(&race, racers, &mut server).await;
        server = Server::start(&data).await;
        let mut admin = resume_admin(&server, admin_token).await;
        let records = read_log(&mut admin).await;
        check_log(&records);
        check_acknowledgements(&records, &racers);
        racers = ask_again(&race, racers, &server).await;
        // The next start begins there, and must know all the same.
        let made = run(&["log", "snapshot", text(&data)]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        let is_from_snapshot = server.greeting.iter().any(|line| line.contains("snapshot"));
        assert_eq!(is_from_snapshot, 0 < crash, "{:?}", server.greeting);
    }
    let mut admin = resume_admin(&server, admin_token).await;
    conclude(race, &racers, &mut admin).await;
    server.kill().await;
    let verified = run(&["log", "verify", text(&data)]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

async fn set_up(server: &Server) -> (Rc<Race>, Vec<Racer>, Token) {
    let password = std::fs::read_to_string(server.data.join("admin-password"))
        .expect("the server left its admin's password");
    let mut admin = Caller::connect(&server.address).await.expect("it listens");
    let session = admin
        .log_in(Key([0xf0; 16]), "admin", &password)
        .await
        .expect("the admin logs in");
    let open = Command::from(OpenAgenda {
        name: "race".to_owned(),
        opens_minute: 0,
        closes_minute: 24 * 60,
        slot_minutes: 24 * 60 / SLOTS,
        capacity: 1,
    });
    let opened = command(&mut admin, Key([0xf1; 16]), &open).await;
    let opened = opened.expect("the agenda opens");
    let today = loadgen::clock::wall_ms() / DAY_MS;
    let mut laws = Laws::new(LawOptions::new(MINT, 1, CLIENTS));
    let mut racers = Vec::new();
    let mut began_at = opened.seq.0;
    for number in 0..CLIENTS {
        let name = format!("racer-{number}");
        let byte = u8::try_from(number).expect("few clients");
        let mut caller = Caller::connect(&server.address).await.expect("it listens");
        let registered = caller.register(Key([byte + 1; 16]), &name, "secret").await;
        registered
            .expect("there is an answer")
            .accepted()
            .expect("the name is free");
        let session = caller.log_in(Key([byte + 101; 16]), &name, "secret").await;
        let session = session.expect("the racer logs in");
        laws.handle_client(number, session.user);
        began_at = began_at.max(session.session);
        racers.push(Racer {
            number,
            token: session.token,
            sent: Vec::new(),
            bookings: Vec::new(),
        });
    }
    laws.begin(began_at);
    let race = Race {
        clock: Clock::start(),
        agenda: opened.seq.0,
        first_day: u32::try_from(today + 1).expect("this century"),
        laws: RefCell::new(laws),
        acks_until_kill: Cell::new(0),
        falls_silent: Cell::new(false),
        kill: Notify::new(),
    };
    (Rc::new(race), racers, session.token)
}

/// Everybody races until the server is dead.
async fn crash_once(race: &Rc<Race>, racers: Vec<Racer>, server: &mut Server) -> Vec<Racer> {
    let mut ready = Vec::new();
    for racer in racers {
        ready.push((connect(&server.address, &racer).await, racer));
    }
    let mut tasks = JoinSet::new();
    for (mut caller, mut racer) in ready {
        let race = Rc::clone(race);
        tasks.spawn_local(async move {
            while racer.race_once(&race, &mut caller).await {}
            racer
        });
    }
    race.kill.notified().await;
    server.kill().await;
    let racers = in_order(tasks).await;
    let lost = |racer: &Racer| racer.sent.iter().any(|sent| sent.answered.is_none());
    assert!(
        race.falls_silent.get() || racers.iter().any(lost),
        "the kill was in the middle of nothing"
    );
    race.laws.borrow_mut().handle_fault(race.clock.now());
    racers
}

/// Everything that was ever asked is asked again, under its key.
async fn ask_again(race: &Rc<Race>, racers: Vec<Racer>, server: &Server) -> Vec<Racer> {
    let mut tasks = JoinSet::new();
    for mut racer in racers {
        let (race, address) = (Rc::clone(race), server.address.clone());
        tasks.spawn_local(async move {
            let mut caller = connect(&address, &racer).await;
            for index in 0..racer.sent.len() {
                racer.ask_again(index, &race, &mut caller).await;
            }
            racer
        });
    }
    in_order(tasks).await
}

async fn in_order(mut tasks: JoinSet<Racer>) -> Vec<Racer> {
    let mut racers = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        racers.push(joined.expect("nobody gives up"));
    }
    racers.sort_by_key(|racer| racer.number);
    racers
}

impl Racer {
    /// Asks one thing. False when the server is gone.
    async fn race_once(&mut self, race: &Race, caller: &mut Caller) -> bool {
        if race.falls_silent.get() && race.acks_until_kill.get() == 0 {
            return false;
        }
        // From 1: the key of the first call of client 0 would begin like the server's own.
        let counter = u32::try_from(self.sent.len() + 1).expect("few");
        let call = self.next_call(race, counter);
        let sent_at = race.clock.now();
        let floor = race
            .laws
            .borrow_mut()
            .handle_invoke(self.number, counter, &call, sent_at);
        let answer = command(caller, MINT.mint(self.number, counter), &word(&call)).await;
        let answered = match answer {
            Ok(answered) => Some(answered),
            Err(CallError::Broken { .. }) => None,
            Err(error) => panic!("a server that lives answers, one that is dead breaks: {error}"),
        };
        let operation = Operation {
            client: self.number,
            counter,
            call,
            intended_at: sent_at,
            sent_at,
            completed_at: race.clock.now(),
            floor,
            outcome: outcome(answered.as_ref()),
            seq: answered.as_ref().map_or(0, |answered| answered.seq.0),
            hash: answered
                .as_ref()
                .map_or(ChainHash::START, |answered| answered.hash),
            attempts: 1,
        };
        let mut laws = race.laws.borrow_mut();
        laws.handle_complete(&operation, &Observed::Nothing);
        let is_alive = answered.is_some();
        self.learn(&operation);
        self.sent.push(Sent {
            operation,
            answered,
        });
        if is_alive {
            race.count_ack();
        }
        is_alive
    }

    /// One in four gives back what it has; the others want something, out of order.
    fn next_call(&mut self, race: &Race, counter: u32) -> Call {
        let mixed = u64::from(counter * CLIENTS + self.number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let drawn = mixed >> 32;
        if drawn.is_multiple_of(4)
            && let Some((booking, slot)) = self.bookings.pop()
        {
            return Call::Cancel { booking, slot };
        }
        let place = drawn / 4;
        let slot = SlotId {
            agenda: race.agenda,
            day: race.first_day + u32::try_from(place % DAYS).expect("below DAYS"),
            slot: u16::try_from(place / DAYS % u64::from(SLOTS)).expect("below SLOTS"),
        };
        Call::Reserve {
            slot: Slot::pack(slot).expect("a small slot"),
        }
    }

    fn learn(&mut self, operation: &Operation) {
        if let (Call::Reserve { slot }, Outcome::Ok) = (operation.call, operation.outcome) {
            self.bookings.push((operation.seq, slot));
        }
    }

    async fn ask_again(&mut self, index: usize, race: &Race, caller: &mut Caller) {
        let first = self.sent[index].operation;
        let key = MINT.mint(first.client, first.counter);
        let again = command(caller, key, &word(&first.call)).await;
        let again = again.expect("the new server answers");
        if let Some(answered) = &self.sent[index].answered {
            assert_eq!(*answered, again, "the answer to {first:?} changed");
        }
        let was_lost = self.sent[index].answered.is_none();
        if first.outcome.is_decided() || was_lost {
            let (outcome, hash) = (outcome(Some(&again)), again.hash);
            let mut laws = race.laws.borrow_mut();
            laws.handle_duplicate(&first, outcome, again.seq.0, hash);
        }
        if was_lost {
            self.learn(&Operation {
                outcome: outcome(Some(&again)),
                seq: again.seq.0,
                ..first
            });
            self.sent[index].answered = Some(again);
        }
    }
}

impl Race {
    fn count_ack(&self) {
        let left = self.acks_until_kill.get();
        self.acks_until_kill.set(left.saturating_sub(1));
        // Once: answers that were on their way at the kill are still counted.
        if left == 1 {
            self.kill.notify_one();
        }
    }
}

/// Every acknowledgement is the record at its position: same key, same hash, same outcome.
fn check_acknowledgements(records: &[OwnedRecord], racers: &[Racer]) {
    let mut checked = 0;
    let all = racers.iter().flat_map(|racer| &racer.sent);
    for Sent {
        operation,
        answered,
    } in all
    {
        let Some(answered) = answered else { continue };
        let index = usize::try_from(answered.seq.0 - 1).expect("few");
        let record = records.get(index).unwrap_or_else(|| {
            panic!(
                "{operation:?} was acknowledged and is not in the log of {}",
                records.len()
            )
        });
        let key = MINT.mint(operation.client, operation.counter);
        assert_eq!(
            (record.seq, record.key),
            (answered.seq, key),
            "{operation:?}"
        );
        assert_eq!(record.hash, answered.hash, "{operation:?}");
        assert_eq!(stored(record), answered.outcome, "{operation:?}");
        checked += 1;
    }
    assert!(
        300 <= checked,
        "only {checked} acknowledgements were looked at"
    );
}

/// The chain holds from the first record on, and nobody ever shared a slot of capacity 1.
fn check_log(records: &[OwnedRecord]) {
    let (mut hash, mut scratch) = (ChainHash::START, Vec::new());
    let mut holders: BTreeMap<SlotId, u64> = BTreeMap::new();
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq, Seq(seq), "the log has a gap");
        hash = chain(&hash, &record.record(), &mut scratch);
        assert_eq!(record.hash, hash, "the chain breaks at {seq}");
        let OwnedOutcome::Accepted { kind, schema, body } = stored(record) else {
            continue;
        };
        match Event::decode(kind, schema, &body) {
            Ok(Event::Reserved(reserved)) => {
                let other = holders.insert(reserved.slot, seq);
                assert_eq!(
                    other, None,
                    "{:?} was booked twice, at {seq}",
                    reserved.slot
                );
            }
            Ok(Event::Cancelled(cancelled)) => {
                assert!(
                    holders.remove(&cancelled.slot).is_some(),
                    "nobody had it at {seq}"
                );
            }
            Ok(_other_event) => {}
            Err(_other_system) => {}
        }
    }
    assert!(!holders.is_empty(), "somebody booked something");
}

/// The laws' own opinion, over all lives of the server.
async fn conclude(race: Rc<Race>, racers: &[Racer], admin: &mut Caller) {
    let live = state(admin, ReadState {}.into()).await;
    let replayed = state(admin, ReplayState { upto: live.seq }.into()).await;
    let records = read_log(admin).await;
    let race = Rc::into_inner(race).expect("everybody is done");
    let mut laws = race.laws.into_inner();
    laws.handle_state_hashes(
        Some((live.seq.0, live.hash)),
        Some((replayed.seq.0, replayed.hash)),
    );
    for record in &records {
        laws.handle_record(record);
    }
    let all = || {
        let sent = racers.iter().flat_map(|racer| &racer.sent);
        sent.map(|sent| sent.operation)
    };
    for law in laws.conclude(all) {
        // What nobody asked for (reads) or what faults excuse (progress) cannot be judged.
        let may_be_unknown = ["someone-wins", "no-lost-cancel"].contains(&law.name.as_str());
        let is_fine =
            law.verdict == Verdict::Valid || law.verdict == Verdict::Unknown && may_be_unknown;
        assert!(is_fine, "{law:#?}");
    }
}

async fn resume_admin(server: &Server, token: Token) -> Caller {
    let mut admin = Caller::connect(&server.address).await.expect("it listens");
    let resumed = admin.resume(Key([0xf2; 16]), token).await;
    resumed.expect("the admin's session outlives the server");
    admin
}

async fn connect(address: &str, racer: &Racer) -> Caller {
    let mut caller = Caller::connect(address).await.expect("the server listens");
    let resumed = caller.resume(Key([0xf3; 16]), racer.token).await;
    resumed.expect("a session outlives the server");
    caller
}

async fn read_log(admin: &mut Caller) -> Vec<OwnedRecord> {
    let mut records: Vec<OwnedRecord> = Vec::new();
    loop {
        let from = Seq(u64::try_from(records.len()).expect("few") + 1);
        let Answer::LogPage(page) = ask(admin, ReadLog { from, limit: 1_000 }.into()).await else {
            panic!("a page was asked for");
        };
        if page.records.is_empty() {
            return records;
        }
        records.extend(page.records);
    }
}

async fn state(admin: &mut Caller, query: Query) -> StateHash {
    match ask(admin, query).await {
        Answer::StateHash(hash) => hash,
        other => panic!("a state was asked for, {} came", other.name()),
    }
}

async fn ask(admin: &mut Caller, query: Query) -> Answer {
    let mut body = Vec::new();
    query.encode(&mut body);
    let answered = admin.query(query.kind(), &body).await.expect("an answer");
    let (kind, schema, body) = answered.accepted().expect("admins may");
    Answer::decode(kind, schema, body).expect("it is a known word")
}

async fn command(caller: &mut Caller, key: Key, command: &Command) -> Result<Answered, CallError> {
    let mut body = Vec::new();
    command.encode(&mut body);
    caller.command(key, command.kind(), &body).await
}

fn word(call: &Call) -> Command {
    match call {
        Call::Reserve { slot } => Command::from(Reserve {
            slot: slot.unpack(),
        }),
        Call::Cancel { booking, .. } => Command::from(Cancel { booking: *booking }),
        other => panic!("racers do not {other:?}"),
    }
}

fn outcome(answered: Option<&Answered>) -> Outcome {
    match answered.map(|answered| &answered.outcome) {
        Some(OwnedOutcome::Accepted { .. }) => Outcome::Ok,
        Some(OwnedOutcome::Refused(refusal)) => Outcome::Refused(refusal.code),
        None => Outcome::Unknown,
    }
}

fn stored(record: &OwnedRecord) -> OwnedOutcome {
    match Stored::decode(&record.outcome).expect("outcomes in the log can be read") {
        Stored::Accepted { kind, schema, body } => OwnedOutcome::Accepted {
            kind,
            schema,
            body: body.to_vec(),
        },
        Stored::Refused(refusal) => OwnedOutcome::Refused(refusal),
    }
}
