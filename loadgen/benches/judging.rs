//! What it costs to judge a long run again: a race for bookings of five million operations.
//!
//! ```text
//! cargo bench -p loadgen --bench judging [-- OPERATIONS]
//! ```
//!
//! Writes a history, then judges it twice: alone, and with a log that another thread makes
//! meanwhile, as a server would. Prints time, processor time of the judging thread and the peak of
//! this process's memory, and fails where a law does not hold or could not be judged.

use std::{
    borrow::Cow,
    fs, io,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use loadgen::{
    check::LawOptions,
    clock::{self, Clock},
    history::{Ended, Event, HistoryHead, HistoryWriter, Setup},
    operation::{Call, KeyMint, Observed, Operation, Outcome, Slot},
    recheck::{Recheck, Rechecked},
};
use protocol::{
    ChainHash, Code, Key, OwnedRecord, Refusal, Seq, UserId, outcome,
    record::chain,
    words::agenda::{self as words, SlotId},
};
use reports::record::Verdict;

/// As many as the laws have memory for.
const OPERATIONS: u64 = 5_000_000;
const CLIENTS: u64 = 10_000;
/// Clients that race for each slot.
const RACE: u64 = 20;
const SECRET: [u8; 32] = [7; 32];
/// The agenda's position, and the last of the set-up.
const AGENDA: u64 = 1;
const SLOTS_A_DAY: u64 = 1_440;
/// Records handed over at once.
const BATCH: usize = 2_000;
/// Asked again under its key.
const DUPLICATE_EVERY: u64 = 50;
/// Races of which one client never heard.
const UNHEARD_EVERY: u64 = 50;

fn main() -> io::Result<()> {
    let given = std::env::args_os().nth(1);
    let given = given.and_then(|count| count.to_str()?.parse().ok());
    let operations = given.unwrap_or(OPERATIONS) / RACE * RACE;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("history.bin");
    write_history(&path, operations)?;
    let bytes = fs::metadata(&path)?.len();
    say(&format!(
        "{operations} operations, {bytes} bytes of history"
    ));
    measure("alone", || judge(&path, None));
    measure("with its log", || judge(&path, Some(operations)));
    Ok(())
}

fn say(line: &str) {
    use io::Write as _;
    let _unheard = writeln!(io::stdout(), "{line}");
}

fn measure(what: &str, judge: impl FnOnce() -> Rechecked) {
    let (clock, before) = (Clock::start(), clock::thread_cpu());
    let judged = judge();
    let ms = |nanos: u64| nanos / 1_000_000;
    let (wall, cpu) = (ms(clock.now()), ms(clock::thread_cpu() - before));
    let laws = judged.laws.len();
    for law in &judged.laws {
        let is_kept = law.verdict == Verdict::Valid;
        assert!(is_kept, "{law:#?}");
    }
    say(&format!(
        "{what}: {laws} laws in {wall} ms, {cpu} ms of processor time, peak memory {} MiB",
        clock::memory_bytes_max() >> 20
    ));
}

fn judge(path: &Path, log: Option<u64>) -> Rechecked {
    let mut recheck = Recheck::open(path, &[]).expect("the history was written whole");
    if let Some(operations) = log {
        let (batches, made) = sync_channel(8);
        let maker = thread::spawn(move || make_log(operations, &batches));
        hand_over(&made, &mut recheck);
        maker.join().expect("the log was made");
    }
    recheck.conclude().expect("the history is still there")
}

fn hand_over(made: &Receiver<Vec<OwnedRecord>>, recheck: &mut Recheck) {
    for batch in made {
        for record in &batch {
            recheck.handle_record(record);
        }
    }
}

fn slot_of(race: u64) -> SlotId {
    SlotId {
        agenda: AGENDA,
        day: u32::try_from(20_000 + race / SLOTS_A_DAY).expect("a day"),
        slot: u16::try_from(race % SLOTS_A_DAY).expect("below 1,440"),
    }
}

fn id_of(number: u64) -> (u32, u32) {
    let of = |number: u64| u32::try_from(number).expect("small");
    (of(number % CLIENTS), of(number / CLIENTS))
}

/// The position of an operation's record.
const fn seq_of(number: u64) -> u64 {
    AGENDA + 1 + number
}

fn is_unheard(number: u64) -> bool {
    number % RACE == RACE - 1 && (number / RACE).is_multiple_of(UNHEARD_EVERY)
}

/// Everybody in a race calls at once; the first wins, and the answers come one by one.
fn operation(number: u64, hash: ChainHash) -> Operation {
    let (race, place) = (number / RACE, number % RACE);
    let (client, counter) = id_of(number);
    let sent_at = race * 200_000 + place * 1_000;
    let seq = seq_of(number);
    let heard = !is_unheard(number);
    Operation {
        client,
        counter,
        call: Call::Reserve {
            slot: Slot::pack(slot_of(race)).expect("small"),
        },
        intended_at: sent_at,
        sent_at,
        completed_at: race * 200_000 + 100_000 + place * 10_000,
        floor: seq.saturating_sub(2 * RACE),
        outcome: match (heard, place) {
            (false, _) => Outcome::Unknown,
            (true, 0) => Outcome::Ok,
            (true, _) => Outcome::Refused(Code::SLOT_TAKEN),
        },
        seq: if heard { seq } else { 0 },
        hash: if heard { hash } else { ChainHash::START },
        attempts: 1,
    }
}

fn write_history(path: &Path, operations: u64) -> io::Result<()> {
    let head = HistoryHead {
        secret: SECRET,
        started_at: 1_700_000_000_000,
        capacity: 1,
        began_at: AGENDA,
    };
    let mut history = HistoryWriter::create(path, &head)?;
    let clients = u32::try_from(CLIENTS).expect("few");
    let options = LawOptions::new(KeyMint::new(SECRET), 1, clients);
    history.append(&Event::Setup(Cow::Owned(Setup::of(&options))))?;
    let mut log = Log::new();
    log.agenda();
    let mut race = Vec::new();
    for number in 0..operations {
        let operation = operation(number, log.reserve(number).hash);
        race.push(operation);
        if number % RACE == RACE - 1 {
            keep_race(&mut history, &race)?;
            race.clear();
        }
    }
    history.append(&Event::Ended(Ended::default()))?;
    history.finish().map(drop)
}

/// Everybody calls, then everybody is answered.
fn keep_race(history: &mut HistoryWriter, race: &[Operation]) -> io::Result<()> {
    for operation in race {
        history.append(&Event::Invoked {
            client: operation.client,
            counter: operation.counter,
            call: operation.call,
            at: operation.sent_at,
        })?;
    }
    for operation in race {
        history.append(&Event::Completed {
            operation: *operation,
            observed: Cow::Owned(Observed::Nothing),
        })?;
        let is_heard = operation.outcome.is_decided();
        if is_heard && u64::from(operation.counter).is_multiple_of(DUPLICATE_EVERY) {
            history.append(&Event::Duplicate {
                first: *operation,
                second: *operation,
            })?;
        }
    }
    Ok(())
}

fn make_log(operations: u64, batches: &SyncSender<Vec<OwnedRecord>>) {
    let mut log = Log::new();
    let mut batch = vec![log.agenda()];
    for number in 0..operations {
        batch.push(log.reserve(number));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            batches.send(full).expect("somebody judges");
        }
    }
    batches.send(batch).expect("somebody judges");
}

/// The log of a server that is right.
struct Log {
    mint: KeyMint,
    last: ChainHash,
    next: u64,
    scratch: Vec<u8>,
}

impl Log {
    fn new() -> Self {
        Self {
            mint: KeyMint::new(SECRET),
            last: ChainHash::START,
            next: AGENDA,
            scratch: Vec::new(),
        }
    }

    fn agenda(&mut self) -> OwnedRecord {
        let open = words::OpenAgenda {
            name: "room".to_owned(),
            opens_minute: 0,
            closes_minute: 1_440,
            slot_minutes: 1,
            capacity: 1,
        };
        let opened = words::AgendaOpened { slots: 1_440 };
        self.record(1, Key([1; 16]), &open.into(), Ok(opened.into()))
    }

    fn reserve(&mut self, number: u64) -> OwnedRecord {
        let (client, counter) = id_of(number);
        let slot = slot_of(number / RACE);
        let decided = match number % RACE {
            0 => Ok(words::Reserved { slot }.into()),
            _late => Err(Refusal::new(Code::SLOT_TAKEN)),
        };
        let key = self.mint.mint(client, counter);
        let actor = u64::from(client) + 2;
        self.record(actor, key, &words::Reserve { slot }.into(), decided)
    }

    fn record(
        &mut self,
        actor: u64,
        key: Key,
        command: &words::Command,
        decided: Result<words::Event, Refusal>,
    ) -> OwnedRecord {
        let (mut body, mut told) = (Vec::new(), Vec::new());
        command.encode(&mut body);
        match decided {
            Ok(event) => {
                outcome::encode_accepted(event.kind().0, 1, &mut told);
                event.encode(&mut told);
            }
            Err(refusal) => outcome::encode_refused(&refusal, &mut told),
        }
        let mut record = OwnedRecord {
            seq: Seq(self.next),
            recorded_at: 1_700_000_000_000,
            actor: UserId(actor),
            key,
            kind: command.kind().0,
            schema: 1,
            codec: 1,
            body,
            outcome: told,
            hash: ChainHash::START,
        };
        record.hash = chain(&self.last, &record.record(), &mut self.scratch);
        (self.last, self.next) = (record.hash, self.next + 1);
        record
    }
}
