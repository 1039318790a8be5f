//! Snapshots against the log they are of: the same state or none, whatever became of the file.
//!
//! The tests of the engine and of every system save and load their states at any moment, with what is
//! here. Below it, real files of a small log in which every system has something: torn, flipped,
//! exchanged, outlived by the people in them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use protocol::{
    ChainHash, Key, Roles, Seq, UserId,
    words::{accounts, agenda, catalogue, chat, log::Subject, sales},
};
use tempfile::TempDir;

use super::{
    Header, LAYOUT, Loaded, Saved, SectionReader, SectionWriter, Snapshot, SnapshotError,
    SnapshotRequest, Snapshots, Unsound, file,
    header::Section,
    make,
    store::{PART, name_of},
};
use crate::{
    domain::{
        Stream, Word,
        systems::{CommandBytes, OwnedCommand, Source},
    },
    engine::{Ask, Engine, Submitted},
    health::Progress,
    keyring::Keyring,
    log::{Durability, EventLog, SqliteLog, SqliteOptions, commit},
    recover::{Recovered, Workers, recover, recover_by},
};

/// A part of a state after it was saved and loaded.
pub(crate) fn reloaded<S: Saved + Default>(part: &S) -> S {
    reloaded_into(part, S::default())
}

/// The same, loaded into this one.
pub(crate) fn reloaded_into<S: Saved>(part: &S, mut loaded: S) -> S {
    reload(part, &mut loaded).unwrap();
    loaded
}

/// The same, if it can be.
pub(crate) fn reload<S: Saved>(part: &S, loaded: &mut S) -> Result<(), Unsound> {
    let mut keyring = Keyring::new([7; 32]);
    (0..128).for_each(|user| drop(keyring.make(UserId(user))));
    let file = tempfile::tempfile().unwrap();
    let mut out = SectionWriter::new((&file, 0), "part", ChainHash::START, &|| false);
    part.save(&mut out, &keyring);
    let section = Section {
        name: "part".to_owned(),
        at: 0,
        length: out.finish().unwrap(),
    };
    let mut from = SectionReader::new(&file, &section, ChainHash::START);
    loaded.load(&mut from, &keyring)?;
    from.finish()
}

/// Writes a snapshot of this state, which must be durable.
pub(crate) fn put(dir: &Path, engine: &Engine) {
    let file = File::create(dir.join(name_of(engine.decided().seq))).unwrap();
    file::write(&file, engine, &|| false).unwrap();
}

/// Everything that one engine knows the other knows, byte by byte as it would be saved. Except the
/// table of keys: every start that replays the log hashes them with a seed of its own.
#[track_caller]
pub(crate) fn assert_same(one: &Engine, other: &Engine) {
    assert_eq!(one.decided(), other.decided());
    assert_eq!(one.durable(), other.durable());
    assert_eq!(one.recorded_at(), other.recorded_at());
    assert_eq!(one.state_hash(), other.state_hash());
    assert_eq!(one.deadline(), other.deadline());
    assert_eq!(one.keyring().keyless(), other.keyring().keyless());
    for ((name, one_part), (_, other_part)) in one.parts().into_iter().zip(other.parts()) {
        let bytes = |part: &dyn Saved, keyring| bytes_of(part, name, keyring);
        assert!(
            name == "keys" || bytes(one_part, one.keyring()) == bytes(other_part, other.keyring()),
            "they differ in {name}"
        );
    }
}

fn bytes_of(part: &dyn Saved, name: &str, keyring: &Keyring) -> Vec<u8> {
    let file = tempfile::tempfile().unwrap();
    let mut out = SectionWriter::new((&file, 0), name, ChainHash::START, &|| false);
    part.save(&mut out, keyring);
    let length = out.finish().unwrap();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// The state in this file, as a start finds it.
fn load(path: &Path, engine: Engine) -> Result<Loaded, Unsound> {
    file::load(&File::open(path)?, engine, Workers::Threads)
}

/// What this file says of itself.
fn inspect(path: &Path) -> Result<Header, Unsound> {
    file::inspect(&File::open(path)?)
}

const NOW: u64 = 1_700_000_000_000;
const SEED: [u8; 32] = [7; 32];
/// In every name, and nowhere else.
const MARK: &str = "Zq7";
const ANA: UserId = UserId(1);
const BOB: UserId = UserId(2);

/// A server's state, its log on disk, and what was asked of it.
struct World {
    dir: TempDir,
    engine: Engine,
    log: SqliteLog,
    asked: BTreeMap<Seq, (UserId, Key, OwnedCommand)>,
}

impl World {
    /// Nobody is there yet.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = SqliteOptions {
            durability: Durability::None,
            accept_loss_after: None,
        };
        Self {
            engine: Engine::new(Keyring::new(SEED)),
            log: SqliteLog::open(dir.path(), options).unwrap(),
            dir,
            asked: BTreeMap::new(),
        }
    }

    /// Two people, and something in every system.
    fn lived() -> Self {
        let mut world = Self::new();
        world.register("ana");
        world.register("bob");
        let promote = accounts::SetRoles {
            user: ANA,
            roles: Roles(Roles::ADMIN.0 | Roles::MANAGER.0 | Roles::SELLER.0),
        };
        let own = OwnedCommand::new(&accounts::Command::from(promote));
        world.engine.submit_own(NOW, &own);
        world.log_in(ANA, 1);
        world.log_in(BOB, 2);
        world.book();
        world.chat();
        world.trade();
        world.sync();
        world
    }

    fn register(&mut self, name: &str) -> u64 {
        let register = accounts::Register {
            name: format!("{MARK}.{name}").into(),
            password_hash: format!("{MARK} hash of {name}").into(),
        };
        self.ask(UserId::NOBODY, &accounts::Command::from(register))
    }

    fn log_in(&mut self, user: UserId, token: u8) {
        let log_in = accounts::LogIn {
            verified: true,
            token_hash: [token; 32],
        };
        self.ask(user, &accounts::Command::from(log_in));
    }

    fn book(&mut self) {
        let ask = |world: &mut Self, user, command: agenda::Command| world.ask(user, &command);
        let open = agenda::OpenAgenda {
            name: "hall".to_owned(),
            opens_minute: 0,
            closes_minute: 1_440,
            slot_minutes: 60,
            capacity: 1,
        };
        let agenda = ask(self, ANA, open.into());
        let slot = |slot| agenda::SlotId {
            agenda,
            day: 19_676,
            slot,
        };
        ask(self, BOB, agenda::Reserve { slot: slot(0) }.into());
        let (held, seconds) = (slot(1), 60);
        let hold = agenda::Hold {
            slot: held,
            seconds,
        };
        ask(self, BOB, hold.into());
        ask(self, ANA, agenda::JoinWaitlist { slot: slot(0) }.into());
    }

    fn chat(&mut self) {
        let ask = |world: &mut Self, user, command: chat::Command| world.ask(user, &command);
        let say = |to| chat::Send {
            to,
            text: format!("{MARK} said").into(),
        };
        ask(self, ANA, say(chat::Target::Public).into());
        ask(self, ANA, say(chat::Target::Person(BOB)).into());
        let name = "room".to_owned();
        let room = ask(self, BOB, chat::CreateRoom { name }.into());
        ask(self, ANA, chat::JoinRoom { room }.into());
        ask(self, ANA, say(chat::Target::Conversation(room)).into());
        let (name, members) = ("group".to_owned(), vec![BOB]);
        ask(self, ANA, chat::CreateGroup { name, members }.into());
        let (conversation, index) = (room, 1);
        let read = chat::MarkRead {
            conversation,
            index,
        };
        ask(self, BOB, read.into());
    }

    fn trade(&mut self) {
        let name = "type".to_owned();
        let item_type = self.ask(ANA, &catalogue::Command::from(catalogue::AddType { name }));
        let name = "Straße".to_owned();
        let register = catalogue::RegisterItem { name, item_type };
        let item = self.ask(ANA, &catalogue::Command::from(register));
        let add = catalogue::AddFavourite { item };
        self.ask(BOB, &catalogue::Command::from(add));
        let ask = |world: &mut Self, user, command: sales::Command| world.ask(user, &command);
        let name = || "name".to_owned();
        let network = ask(self, ANA, sales::OpenNetwork { name: name() }.into());
        let store = sales::OpenStore {
            network,
            name: name(),
        };
        let store = ask(self, ANA, store.into());
        let assign = sales::AssignSeller { seller: ANA, store };
        ask(self, ANA, assign.into());
        let sale = sales::RecordSale {
            sale: sales::SaleId([5; 16]),
            store,
            cents: 250,
            day: 19_000,
        };
        ask(self, ANA, sale.into());
    }

    /// Asks and is accepted. Returns the position.
    #[track_caller]
    fn ask(&mut self, actor: UserId, command: &impl Word) -> u64 {
        let key = Key((self.asked.len() as u128 + 1).to_be_bytes());
        let owned = OwnedCommand::new(command);
        let before = self.engine.state_hash().hash;
        let submitted = submit(&mut self.engine, &self.log, (actor, key), &owned);
        let Submitted::Decided(seq) = submitted else {
            panic!("{submitted:?}");
        };
        assert_ne!(before, self.engine.state_hash().hash, "it is accepted");
        self.asked.insert(seq, (actor, key, owned));
        seq.0
    }

    fn sync(&mut self) {
        let batch = self.engine.take_batch().unwrap();
        let proof = commit(&mut self.log, &batch).unwrap();
        let released = self.engine.handle_committed(&proof, batch);
        self.engine.recycle(released);
    }

    fn make(&self) -> Snapshot {
        self.try_make().unwrap()
    }

    fn try_make(&self) -> Result<Snapshot, SnapshotError> {
        make(&SnapshotRequest {
            data_dir: self.dir.path(),
            expected: Some(self.engine.state_hash()),
            is_given_up: &AtomicBool::new(false),
        })
    }

    /// Starts again, and is where it was: the same state, and the same answers to retries.
    #[track_caller]
    fn restart(&mut self) -> Recovered {
        let snapshots = Snapshots::of(self.dir.path());
        let mut recovered = recover(&mut self.log, SEED, &snapshots, &Progress::default()).unwrap();
        assert_same(&recovered.engine, &self.engine);
        let (log, progress) = (&mut self.log, Progress::default());
        let alone = recover_by(Workers::Caller, log, SEED, &snapshots, &progress).unwrap();
        assert_same(&alone.engine, &self.engine);
        assert_eq!(alone.from, recovered.from);
        for (seq, (actor, key, command)) in &self.asked {
            let again = submit(&mut recovered.engine, &self.log, (*actor, *key), command);
            assert_eq!(again, Submitted::Again(*seq));
        }
        for user in [ANA, BOB] {
            let trail = |engine: &Engine| {
                let page = engine.trail(Subject::User(user), Seq::START, 99);
                page.expect("a page")
            };
            assert_eq!(trail(&recovered.engine), trail(&self.engine));
            let mut streams = Vec::new();
            let systems = recovered.engine.systems();
            systems.follow(user, &mut |stream, _| streams.push(stream));
            for stream in streams.into_iter().chain([Stream::Person(user)]) {
                let entries = |engine: &Engine| engine.feed().entries(stream).to_vec();
                assert_eq!(entries(&recovered.engine), entries(&self.engine));
            }
        }
        recovered
    }

    fn names(&self) -> Vec<Seq> {
        let listed = Snapshots::of(self.dir.path()).list().unwrap();
        listed.iter().map(|listed| listed.seq).collect()
    }
}

fn submit(
    engine: &mut Engine,
    log: &SqliteLog,
    (actor, key): (UserId, Key),
    command: &OwnedCommand,
) -> Submitted {
    let ask = Ask {
        origin: None,
        actor,
        key,
        command: CommandBytes {
            source: Source::Session,
            ..command.bytes()
        },
    };
    crate::engine::tests::submit(engine, log, NOW, &ask).expect("there is room")
}

fn flip(path: &Path, byte: usize, bit: u32) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn wrong(path: &Path) -> Unsound {
    load(path, Engine::new(Keyring::new(SEED))).expect_err("it is not sound")
}

#[test]
fn a_start_from_a_snapshot_is_where_the_server_was() {
    let mut world = World::lived();
    let made = world.make();
    assert_eq!((made.head, made.from), (world.log.head(), Seq::START));
    let header = inspect(&made.path).unwrap();
    assert_eq!(header.head, made.head);
    assert_eq!(header.file_bytes, made.bytes);
    let started = world.restart();
    assert_eq!((started.from, started.warnings), (made.head.seq, vec![]));
    world.register("eve");
    world.sync();
    assert_eq!(world.restart().from, made.head.seq);
    // There is nothing to add to a snapshot of the newest state.
    let made = world.make();
    assert!(!made.was_there());
    assert!(world.make().was_there());
}

#[test]
fn two_snapshots_are_kept_the_second_made_from_the_first() {
    let mut world = World::lived();
    let mut made = Vec::new();
    for nth in 0..4 {
        world.register(&format!("nth{nth}"));
        world.sync();
        made.push(world.make());
        let kept: Vec<Seq> = made
            .iter()
            .rev()
            .take(2)
            .map(|made| made.head.seq)
            .collect();
        assert_eq!(world.names(), kept);
    }
    assert_eq!(made[3].from, made[2].head.seq);
    assert!(!world.dir.path().join(PART).exists());
}

#[test]
fn a_damaged_snapshot_is_told_of_and_the_older_one_used_and_then_the_log() {
    let mut world = World::lived();
    let older = world.make();
    world.register("eve");
    world.sync();
    let newer = world.make();
    flip(&newer.path, 5_000, 3);
    let started = world.restart();
    assert_eq!((started.from, started.warnings.len()), (older.head.seq, 1));
    let warning = &started.warnings[0];
    let newer_path = newer.path.display().to_string();
    assert!(
        warning.contains(&newer_path) && warning.contains("was altered"),
        "{warning}"
    );
    fs::write(&older.path, "").unwrap();
    let started = world.restart();
    assert_eq!((started.from, started.warnings.len()), (Seq::START, 2));
    // The next one takes their place, also at the same position.
    let made = world.make();
    assert_eq!((made.from, made.warnings.len()), (Seq::START, 2));
    assert_eq!(world.names(), [made.head.seq]);
    let started = world.restart();
    assert_eq!((started.from, started.warnings), (made.head.seq, vec![]));
}

#[test]
fn a_snapshot_torn_at_any_length_is_not_used() {
    let world = World::lived();
    let made = world.make();
    let file = File::options().write(true).open(&made.path).unwrap();
    for longer in [made.bytes + 1, made.bytes + 4_096] {
        file.set_len(longer).unwrap();
        assert!(matches!(wrong(&made.path), Unsound::Length { .. }));
    }
    for len in (0..made.bytes).rev() {
        file.set_len(len).unwrap();
        let is_told = matches!(inspect(&made.path), Err(Unsound::Length { .. }));
        assert!(is_told, "cut at {len}");
    }
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_found() {
    let world = World::lived();
    let made = world.make();
    let whole = fs::read(&made.path).unwrap();
    let file = File::options().write(true).open(&made.path).unwrap();
    for (at, byte) in (0..).zip(&whole) {
        // A block's bytes are checked together, so one bit of each says enough; of the numbers in
        // the first page each is read by itself.
        let bits = if at < 128 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            file.write_all_at(&[byte ^ 1 << bit], at).unwrap();
            assert!(inspect(&made.path).is_err(), "bit {bit} of byte {at}");
        }
        // A start looks at the same bytes; to be sure, at some of them in fact.
        if at % 64 == 0 {
            let _what_it_is_does_not_matter = wrong(&made.path);
        }
        file.write_all_at(&[*byte], at).unwrap();
    }
    assert!(inspect(&made.path).is_ok());
}

#[test]
fn a_snapshot_of_another_log_or_of_a_lost_tail_is_not_used() {
    let (mut world, mut other) = (World::lived(), World::new());
    other.register("someone");
    other.sync();
    let stranger = other.make();
    let named = |name: &Path| world.dir.path().join(name.file_name().unwrap());
    let copy = named(&stranger.path);
    fs::copy(&stranger.path, &copy).unwrap();
    let started = world.restart();
    assert_eq!(started.from, Seq::START);
    assert!(started.warnings[0].contains("another record at its seq 1"));
    // Nor one that is beyond the end of the log.
    let made = world.make();
    fs::rename(
        &made.path,
        other.dir.path().join(made.path.file_name().unwrap()),
    )
    .unwrap();
    let started = other.restart();
    assert_eq!(started.from, stranger.head.seq);
    assert_eq!(started.warnings.len(), 1);
}

#[test]
fn what_another_version_wrote_is_told_apart_from_damage() {
    let world = World::lived();
    let made = world.make();
    let mut bytes = fs::read(&made.path).unwrap();
    bytes[8..12].copy_from_slice(&(LAYOUT + 1).to_le_bytes());
    fs::write(&made.path, &bytes).unwrap();
    let told = wrong(&made.path).to_string();
    assert_eq!(
        told,
        format!(
            "it has layout {} and this version reads {LAYOUT}",
            LAYOUT + 1
        )
    );
    fs::write(&made.path, vec![b'x'; 9_000]).unwrap();
    assert!(matches!(wrong(&made.path), Unsound::Foreign));
}

#[test]
fn a_state_that_the_log_does_not_give_is_not_written() {
    let world = World::lived();
    let mut expected = world.engine.state_hash();
    expected.hash ^= 1;
    let refused = make(&SnapshotRequest {
        data_dir: world.dir.path(),
        expected: Some(expected),
        is_given_up: &AtomicBool::new(false),
    });
    assert!(matches!(refused, Err(SnapshotError::Differs { .. })));
    assert_eq!(world.names(), []);
}

#[test]
fn one_is_made_at_a_time_and_what_a_crash_left_is_written_over() {
    let world = World::lived();
    let part = world.dir.path().join(PART);
    fs::write(&part, vec![b'x'; 1_000_000]).unwrap();
    let held = File::open(&part).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(world.try_make(), Err(SnapshotError::Busy { .. })));
    drop(held);
    let made = world.make();
    assert!(inspect(&made.path).is_ok());
    assert!(!part.exists());
}

#[test]
fn what_is_given_up_leaves_no_snapshot() {
    let world = World::lived();
    let given_up = make(&SnapshotRequest {
        data_dir: world.dir.path(),
        expected: None,
        is_given_up: &AtomicBool::new(true),
    });
    assert!(matches!(given_up, Err(SnapshotError::GivenUp)));
    assert_eq!(world.names(), []);
}

#[test]
fn names_are_sealed_and_gone_with_their_key_in_older_snapshots_too() {
    let mut world = World::lived();
    let eve = UserId(world.register("eve"));
    world.sync();
    let made = world.make();
    assert!(!has(&made.path, MARK));
    let named = load(&made.path, Engine::new(Keyring::of(keys(&world)))).unwrap();
    assert_eq!(named.engine.systems().accounts.name(eve), Some("Zq7.eve"));
    let erase = accounts::Command::from(accounts::EraseMe {});
    world.ask(eve, &erase);
    world.sync();
    // What is sealed with a key that is gone is no retry of anything.
    world.asked.remove(&Seq(eve.0));
    let nameless = load(&made.path, Engine::new(Keyring::of(keys(&world)))).unwrap();
    assert_eq!(nameless.engine.systems().accounts.name(eve), Some(""));
    assert!(
        nameless
            .engine
            .systems()
            .accounts
            .credential("Zq7.eve")
            .is_none()
    );
    let started = world.restart();
    assert_eq!((started.from, started.warnings), (made.head.seq, vec![]));
    assert_eq!(started.engine.systems().accounts.name(eve), None);
    let made = world.make();
    let later = load(&made.path, Engine::new(Keyring::of(keys(&world)))).unwrap();
    assert_eq!(later.engine.systems().accounts.name(eve), None);
}

#[test]
fn nothing_is_made_of_people_whose_keys_are_missing() {
    let mut world = World::lived();
    world.log.destroy_keys(&[BOB]).unwrap();
    let refused = world.try_make();
    let told = refused.unwrap_err().to_string();
    assert!(
        told.starts_with("1 people have no key") && told.contains("user-2"),
        "{told}"
    );
    assert_eq!(world.names(), []);
}

#[test]
fn a_key_of_somebody_else_opens_nothing() {
    let world = World::lived();
    let made = world.make();
    let mut keyring = Keyring::new([9; 32]);
    drop((keyring.make(ANA), keyring.make(BOB)));
    let wrong = load(&made.path, Engine::new(keyring))
        .expect_err("other keys")
        .to_string();
    assert!(
        wrong.contains("`accounts`") && wrong.contains("keys open"),
        "{wrong}"
    );
}

fn keys(world: &World) -> Vec<crate::log::PersonKey> {
    world.log.reader().unwrap().keys().unwrap()
}

fn has(path: &PathBuf, text: &str) -> bool {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// If this fails, a byte of a snapshot is written differently than by the version before: raise
/// [`LAYOUT`], so that older snapshots are passed over, and put the new hash here.
#[test]
fn the_layout_is_raised_with_every_change_of_it() {
    let world = World::lived();
    // Not made as usual: what tables are hashed with is drawn then.
    put(world.dir.path(), &world.engine);
    let bytes = fs::read(world.dir.path().join(name_of(world.log.head().seq))).unwrap();
    assert_eq!((LAYOUT, blake3::hash(&bytes).to_string().as_str()), GOLDEN);
}

const GOLDEN: (u32, &str) = (
    5,
    "ad02d451e6e005e2608a4932932caf90eabd359b94b2683143779f2145df3e6f",
);
