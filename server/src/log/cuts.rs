//! The power cut at every sync of an erasure, on the disk in memory: nothing erased comes back, and
//! nothing kept is lost.
//!
//! A log whose rows are lines of a file stands on the disk, with the real mark, the real keys, the real
//! order of an append and the real recovery. People register and are erased; the power goes at each
//! sync in turn; from each, the images that a disk may leave are opened and compared with what the
//! same commands give without a cut. Then the power goes during that recovery as well. Deliberately
//! absent: SQLite, which needs a VFS of its own to stand on such a disk.

use std::sync::Arc;

use protocol::{
    OwnedRecord, Seq, UserId,
    words::{
        accounts::{Command, EraseMe, Register},
        log::StateHash,
    },
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{
    Batch, EventLog, Head, LogError, LogReader, PersonKey, Row, Visit, key_store, key_store::Keys,
    order::Beside, watermark,
};
use crate::{
    disk::{Access, Disk, DiskFile, Fate, MemoryDisk},
    domain::systems::OwnedCommand,
    engine::{Ask, Engine},
    health::Progress,
    keyring::Keyring,
    recover::{Workers, recover_by},
    reerase::commit_decided,
    snapshot::Snapshots,
};

const NOW: u64 = 1_700_000_000_000;
const SEED: [u8; 32] = [1; 32];
const ROWS: &str = "rows";
/// Images drawn of each cut, besides the strict and the lucky one.
const DRAWN: u64 = 12;

/// A log whose batches are lines of a file: a checksum and JSON. A batch is there whole or not at all.
struct LineLog {
    disk: Arc<dyn Disk>,
    rows: Box<dyn DiskFile>,
    end: u64,
    head: Head,
    beside: Beside,
}

fn io_failed(source: std::io::Error) -> LogError {
    LogError::Io {
        doing: "use the rows".to_owned(),
        source,
    }
}

fn line_of(json: &[u8]) -> Vec<u8> {
    let sum = xxh3_64(json);
    [format!("{sum:016x} ").as_bytes(), json, b"\n"].concat()
}

/// Every record of the sound lines, and where those end.
fn records(disk: &dyn Disk) -> Result<(Vec<OwnedRecord>, u64), LogError> {
    let bytes = disk.read(ROWS).map_err(io_failed)?.unwrap_or_default();
    let (mut all, mut end) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let json = line.get(17..line.len() - 1).unwrap_or_default();
        if line_of(json) != line {
            break;
        }
        let batch: Vec<OwnedRecord> = serde_json::from_slice(json).unwrap();
        all.extend(batch);
        end += u64::try_from(line.len()).unwrap();
    }
    Ok((all, end))
}

impl LineLog {
    /// Opens it as a start does: looks, checks, and only then writes.
    fn open(disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        let keys = Keys::read(&*disk)?;
        let (records, end) = records(&*disk)?;
        let head = records.last().map_or_else(Head::default, |last| Head {
            seq: last.seq,
            hash: last.hash,
        });
        watermark::read(&*disk)?.check(head, |seq| {
            let found = records.iter().find(|record| record.seq == seq);
            Ok(found.map(|record| record.hash))
        })?;
        keys.check_explained(head.seq)?;
        let rows = disk.open(ROWS, Access::Create).map_err(io_failed)?;
        rows.truncate(end)
            .and_then(|()| rows.sync())
            .map_err(io_failed)?;
        let beside = Beside::open(&*disk, head)?;
        disk.sync_dir().map_err(io_failed)?;
        Ok(Self {
            disk,
            rows,
            end,
            head,
            beside,
        })
    }
}

impl EventLog for LineLog {
    fn head(&self) -> Head {
        self.head
    }

    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        let head = batch.head().expect("a batch with something in it");
        let records: Vec<OwnedRecord> =
            batch.iter().map(|row| row.record.owned(row.hash)).collect();
        let line = line_of(&serde_json::to_vec(&records).unwrap());
        let Self { rows, end, .. } = self;
        let first = self.head.seq.next();
        self.beside.append(batch, (first, head), || {
            rows.write_at(&line, *end)
                .and_then(|()| rows.sync())
                .map_err(io_failed)
        })?;
        self.end += u64::try_from(line.len()).unwrap();
        self.head = head;
        Ok(())
    }

    fn destroy_keys(&mut self, people: &[UserId]) -> Result<(), LogError> {
        self.beside.destroy_keys(people)
    }

    fn reader(&self) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(LineReader(Arc::clone(&self.disk))))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.beside.sync_mark()
    }
}

struct LineReader(Arc<dyn Disk>);

impl LogReader for LineReader {
    fn read(&mut self, from: Seq, visit: &mut Visit<'_>) -> Result<(), LogError> {
        for row in records(&*self.0)?.0.iter().filter(|row| from <= row.seq) {
            let row = Row {
                record: row.record(),
                hash: row.hash,
            };
            if visit(row).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn keys(&mut self) -> Result<Vec<PersonKey>, LogError> {
        key_store::read(&*self.0)
    }
}

fn register(engine: &mut Engine, name: &str) -> UserId {
    let register = Command::from(Register {
        name: name.into(),
        password_hash: "$".into(),
    });
    engine.submit_own(NOW, &OwnedCommand::new(&register));
    UserId(engine.decided().seq.0)
}

fn erase(engine: &mut Engine, user: UserId) {
    let erase = OwnedCommand::new(&Command::from(EraseMe {}));
    let ask = Ask {
        origin: None,
        actor: user,
        key: engine.own_key(),
        command: erase.bytes(),
    };
    engine.submit(NOW, &ask).unwrap();
}

/// People come and go: alone, together, and by the same batch.
const STEPS: [fn(&mut Engine); 5] = [
    |engine| {
        register(engine, "ana");
        register(engine, "bob");
    },
    |engine| erase(engine, UserId(1)),
    |engine| _ = register(engine, "cleo"),
    |engine| {
        let dan = register(engine, "dan");
        erase(engine, dan);
        erase(engine, UserId(2));
    },
    |engine| _ = register(engine, "eve"),
];

/// What is to be found behind so many batches.
#[derive(Debug, Clone)]
struct Expected {
    head: Head,
    state: StateHash,
    /// Everybody who is there.
    people: Vec<UserId>,
    /// The keys of everybody who ever was.
    keys: Vec<PersonKey>,
}

fn expected_of(engine: &Engine, keys: Vec<PersonKey>) -> Expected {
    let people = engine.systems().accounts.people_after(UserId::NOBODY);
    Expected {
        head: engine.decided(),
        state: engine.state_hash(),
        people: people.map(|(user, _)| user).collect(),
        keys,
    }
}

/// Takes the steps on this disk until the power goes, and shows `seen` what each batch made of it.
fn live(disk: &MemoryDisk, seen: &mut dyn FnMut(Expected)) -> Result<(), LogError> {
    let mut engine = Engine::new(Keyring::new(SEED));
    let mut log = LineLog::open(Arc::new(disk.clone()))?;
    let mut keys = Vec::new();
    for step in STEPS {
        step(&mut engine);
        let batch = engine.take_batch().expect("every step decides something");
        keys.extend_from_slice(batch.joining());
        let proof = super::commit(&mut log, &batch)?;
        let released = engine.handle_committed(&proof, batch);
        engine.recycle(released);
        seen(expected_of(&engine, keys.clone()));
    }
    Box::new(log).close()
}

/// Images that a cut may leave: nothing pending, all of it, and some that are drawn.
fn images(disk: &MemoryDisk, drawn: u64) -> Vec<MemoryDisk> {
    let mut images = vec![
        disk.after_cut(&mut |_| Fate::Dropped),
        disk.after_cut(&mut |_| Fate::Kept),
    ];
    for seed in 0..drawn {
        let mut nth: u64 = 0;
        images.push(disk.after_cut(&mut |_| {
            nth += 1;
            let draw = xxh3_64_with_seed(&nth.to_le_bytes(), seed);
            match draw % 3 {
                0 => Fate::Kept,
                1 => Fate::Dropped,
                _ => Fate::Torn(draw / 3),
            }
        }));
    }
    images
}

/// Starts on an image.
fn start(disk: &MemoryDisk) -> Result<(Engine, LineLog), LogError> {
    let mut log = LineLog::open(Arc::new(disk.clone()))?;
    let (none, progress) = (Snapshots::none(), Progress::default());
    let recovered = recover_by(Workers::Caller, &mut log, [2; 32], &none, &progress)?;
    assert_eq!(recovered.lost, []);
    Ok((recovered.engine, log))
}

/// Every byte of every file.
fn bytes_of(disk: &MemoryDisk) -> Vec<u8> {
    let disk: &dyn Disk = disk;
    let names = disk.list().unwrap();
    let files = names.iter().map(|name| disk.read(name).unwrap().unwrap());
    files.collect::<Vec<_>>().concat()
}

fn has_key(bytes: &[u8], key: &PersonKey) -> bool {
    bytes.windows(32).any(|window| window == *key.key)
}

/// What a start on this image finds is what was there behind the batches that were acknowledged, or
/// behind one more.
fn check(image: &MemoryDisk, all: &[Expected], acknowledged: usize) {
    let before = bytes_of(image);
    let (engine, mut log) = start(image).unwrap();
    let head = engine.decided();
    let possible = acknowledged..=(acknowledged + 1).min(STEPS.len());
    let found = possible
        .map(|batches| &all[batches])
        .find(|one| one.head == head);
    let found =
        found.unwrap_or_else(|| panic!("{acknowledged} were acknowledged, it ends at {head:?}"));
    assert_eq!(
        engine.state_hash(),
        found.state,
        "nobody who is kept lost a name, nobody erased has one"
    );
    let after = bytes_of(image);
    for key in all.iter().flat_map(|one| &one.keys) {
        let is_there = found.people.contains(&key.user);
        assert_eq!(
            has_key(&after, key),
            is_there,
            "the key of user {}",
            key.user
        );
        let was_erased =
            all[acknowledged].keys.contains(key) && !all[acknowledged].people.contains(&key.user);
        assert!(
            !(was_erased && has_key(&before, key)),
            "it was told that user {} is gone",
            key.user
        );
    }
    // It serves on.
    let mut engine = engine;
    register(&mut engine, "late");
    commit_decided(&mut engine, &mut log).unwrap();
    drop(log);
    assert_eq!(start(image).unwrap().0.state_hash(), engine.state_hash());
}

#[test]
fn a_cut_at_any_sync_of_an_erasure_brings_nothing_back_and_loses_nothing() {
    let mut all = vec![expected_of(&Engine::new(Keyring::new(SEED)), Vec::new())];
    let whole = MemoryDisk::new();
    live(&whole, &mut |seen| all.push(seen)).unwrap();
    assert_eq!(all.last().unwrap().people, [UserId(4), UserId(8)]);
    for nth in 0..whole.syncs() {
        let disk = MemoryDisk::new();
        disk.cut_at_sync(nth);
        let mut acknowledged = 0;
        live(&disk, &mut |_| acknowledged += 1).unwrap_err();
        for (nth, image) in images(&disk, DRAWN).iter().enumerate() {
            if nth < 2 {
                cut_again(image, &all, acknowledged);
            }
            check(image, &all, acknowledged);
        }
    }
    // A key and a row each step, three erasures, and what opening and closing sync.
    assert!(15 < whole.syncs(), "{} syncs are cut at", whole.syncs());
}

/// Cuts at every sync of the start on this image, which stays as it is.
fn cut_again(image: &MemoryDisk, all: &[Expected], acknowledged: usize) {
    for nth in 0.. {
        let disk = image.after_cut(&mut |_| Fate::Kept);
        disk.cut_at_sync(nth);
        if start(&disk).is_ok() {
            assert!(0 < nth, "a start syncs");
            return;
        }
        for image in images(&disk, 0) {
            check(&image, all, acknowledged);
        }
    }
}
