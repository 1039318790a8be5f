//! Logs copied and brought back, whole, damaged, and while people leave.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use protocol::{
    Code, Refusal, Seq, UserId,
    words::{accounts, chat},
};
use tempfile::TempDir;

use super::{BackupError, backup, export, import, restore};
use crate::{
    clock::Monotonic,
    disk::RealDisk,
    health::Progress,
    inspect::{
        self, FilesRead,
        tests::{Stored, batch_behind, sample, stored},
    },
    keyring::Keyring,
    log::{
        EventLog as _, Head, LogReader as _, PersonKey, Row, SqliteLog, SqliteOptions,
        SqliteReader,
        manifest::{self, Vouched},
    },
    recover::recover,
    snapshot::Snapshots,
};

const ADA: UserId = UserId(1);
const BOB: UserId = UserId(4);

/// A log with two people, open as if it were served, and where it is.
struct Served {
    dir: TempDir,
    log: SqliteLog,
    keyring: Keyring,
}

impl Served {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
        let mut served = Self {
            dir,
            log,
            keyring: Keyring::new([7; 32]),
        };
        served.append(&sample(), &[ADA], &[]);
        served.append(&[register("bob")], &[BOB], &[]);
        fs::write(served.path().join("secret"), [3; 32]).unwrap();
        served
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn append(&mut self, words: &[Stored], joining: &[UserId], leaving: &[UserId]) {
        let keys: Vec<PersonKey> = joining
            .iter()
            .map(|user| self.keyring.make(*user))
            .collect();
        let mut batch = batch_behind(self.log.head(), words, &self.keyring);
        keys.into_iter().for_each(|key| batch.push_joining(key));
        leaving.iter().for_each(|user| batch.push_leaving(*user));
        self.log.append(&batch).unwrap();
    }

    fn erase(&mut self, user: UserId) {
        self.append(&[erase(user)], &[], &[user]);
    }

    fn close(self) -> TempDir {
        Box::new(self.log).close().unwrap();
        self.dir
    }
}

fn register(name: &str) -> Stored {
    let register = accounts::Command::from(accounts::Register {
        name: name.into(),
        password_hash: "$argon2id$v=19$secret".into(),
    });
    let registered = accounts::Event::from(accounts::Registered {});
    stored(0, &register, &Ok(registered))
}

fn erase(user: UserId) -> Stored {
    let erase = accounts::Command::from(accounts::EraseMe {});
    let erased = accounts::Event::from(accounts::Erased {});
    stored(user.0, &erase, &Ok(erased))
}

fn records(dir: &Path) -> Vec<protocol::OwnedRecord> {
    let mut records = Vec::new();
    let mut reader = SqliteReader::open(dir).unwrap();
    let visit = &mut |row: Row<'_>| {
        records.push(row.record.owned(row.hash));
        std::ops::ControlFlow::Continue(())
    };
    reader.read(Seq(1), visit).unwrap();
    records
}

fn keys(dir: &Path) -> Vec<PersonKey> {
    SqliteReader::open(dir).unwrap().keys().unwrap()
}

fn people(dir: &Path) -> Vec<UserId> {
    keys(dir).iter().map(|key| key.user).collect()
}

fn place() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/copy");
    (parent, path)
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

fn lines_of(dir: &Path) -> Vec<u8> {
    let mut lines = Vec::new();
    export(dir, &mut lines, &mut |_at, _end| {}).unwrap();
    lines
}

fn import_into(dir: &Path, lines: &[u8]) -> Result<Head, BackupError> {
    import(&mut Cursor::new(lines), dir, &mut |_at, _end| {}).map(|(copied, _)| copied.head)
}

fn back_up(from: &Path, to: &Path) -> Result<Head, BackupError> {
    backup(from, to, &mut |_at, _end| {}).map(|copied| copied.head)
}

/// Nothing but what was copied, with a manifest that vouches for it.
fn check_copy(of: &Path, copy: &Path) {
    assert_eq!(records(of), records(copy));
    assert_eq!(keys(of), keys(copy));
    assert_eq!(fs::read(copy.join("secret")).unwrap(), [3; 32]);
    let report = inspect::verify(copy).unwrap();
    assert!(report.is_sound(), "{report}");
    let vouched = FilesRead::Checked(Vouched::Whole {
        files: 4,
        bytes: ["events.sqlite", "head", "people.keys", "secret"]
            .iter()
            .map(|name| fs::metadata(copy.join(name)).unwrap().len())
            .sum(),
    });
    assert_eq!(report.files, vouched);
    assert!(!copy.join("unfinished").exists());
}

#[test]
fn a_backup_of_a_served_log_is_that_log() {
    let served = Served::new();
    let (_parent, copy) = place();
    assert_eq!(back_up(served.path(), &copy).unwrap(), served.log.head());
    check_copy(served.path(), &copy);
}

#[test]
fn a_backup_is_restored() {
    let served = Served::new();
    let (_parent, copy) = place();
    back_up(served.path(), &copy).unwrap();
    let (_parent, restored) = place();
    let (copied, report) = restore(&copy, &restored, &mut |_at, _end| {}).unwrap();
    assert_eq!((copied.head, copied.people), (served.log.head(), 2));
    assert!(report.is_sound(), "{report}");
    check_copy(served.path(), &restored);
}

#[test]
fn a_backup_has_the_keys_of_those_who_are_there_at_its_end() {
    let mut served = Served::new();
    let (_parent, before) = place();
    back_up(served.path(), &before).unwrap();
    served.erase(ADA);
    let (_parent, after) = place();
    back_up(served.path(), &after).unwrap();
    assert_eq!(people(&before), [ADA, BOB], "an older copy is older");
    assert_eq!(people(&after), [BOB]);
    let ada = *keys(&before)[0].key;
    for entry in fs::read_dir(&after).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(32).any(|window| window == ada));
    }
}

#[test]
fn whoever_is_erased_while_a_backup_is_made_is_erased_in_it() {
    let mut served = Served::new();
    let (_parent, copy) = place();
    let mut reader = SqliteReader::open(served.path()).unwrap();
    let source = served.path().to_owned();
    // What a server does while the first round reads.
    let mut visited = 0;
    let walked = super::walk(
        &mut reader,
        &mut |_row, _keyring| {
            visited += 1;
            if visited == 2 {
                served.erase(ADA);
            }
            Ok(())
        },
        &mut |_at, _end| {},
    );
    let (copied, keys) = walked.unwrap();
    assert_eq!(copied.head, served.log.head(), "up to the erasure");
    assert_eq!(keys.len(), 1);
    back_up(&source, &copy).unwrap();
    assert_eq!(people(&copy), [BOB]);
}

#[test]
fn a_log_without_the_keys_of_its_people_is_not_copied() {
    let dir = Served::new().close();
    fs::remove_file(dir.path().join("people.keys")).unwrap();
    let (_parent, copy) = place();
    let error = back_up(dir.path(), &copy).unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with("the keys of 2 people are missing"),
        "{told}"
    );
    assert_eq!(entries(&copy), 0);
    let mut lines = Vec::new();
    let error = export(dir.path(), &mut lines, &mut |_at, _end| {}).unwrap_err();
    assert!(matches!(error, BackupError::KeysMissing { .. }), "{error}");
}

#[test]
fn a_place_that_is_taken_is_left_alone() {
    let dir = Served::new().close();
    let taken = tempfile::tempdir().unwrap();
    fs::write(taken.path().join("diary"), "Dear diary").unwrap();
    let lines = lines_of(dir.path());
    let refused = [
        back_up(dir.path(), taken.path()).unwrap_err(),
        import_into(taken.path(), &lines).unwrap_err(),
        restore(dir.path(), taken.path(), &mut |_at, _end| {}).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, BackupError::Occupied(_)), "{error}");
    }
    assert_eq!(entries(taken.path()), 1);
    let served = Served::new();
    let error = back_up(dir.path(), served.path()).unwrap_err();
    assert!(
        error.to_string().contains("being served by process"),
        "{error}"
    );
    let (_parent, copy) = place();
    let error = restore(served.path(), &copy, &mut |_at, _end| {}).unwrap_err();
    assert!(matches!(error, BackupError::Served { .. }), "{error}");
}

#[test]
fn damage_is_not_copied_and_nothing_is_left_of_the_attempt() {
    let dir = Served::new().close();
    rusqlite::Connection::open(dir.path().join("events.sqlite"))
        .unwrap()
        .execute("UPDATE event_log SET actor = 9 WHERE seq = 2", [])
        .unwrap();
    let (_parent, copy) = place();
    for error in [
        back_up(dir.path(), &copy).unwrap_err(),
        restore(dir.path(), &copy, &mut |_at, _end| {}).unwrap_err(),
    ] {
        assert!(
            error.to_string().starts_with("seq 2 was altered"),
            "{error}"
        );
        assert_eq!(entries(&copy), 0);
    }
}

#[test]
fn a_copy_that_was_cut_short_is_not_taken_for_a_log() {
    let dir = Served::new().close();
    fs::write(dir.path().join("unfinished"), "").unwrap();
    let opened = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap_err();
    let verified = inspect::verify(dir.path()).unwrap_err();
    for told in [opened.to_string(), verified.to_string()] {
        assert!(told.contains("is an unfinished copy"), "{told}");
    }
}

#[test]
fn lines_make_the_log_that_they_were_made_of() {
    let served = Served::new();
    let lines = lines_of(served.path());
    let (_parent, imported) = place();
    assert_eq!(import_into(&imported, &lines).unwrap(), served.log.head());
    check_copy(served.path(), &imported);
    assert!(lines == lines_of(&imported), "and the same lines again");
    let text = String::from_utf8(lines).unwrap();
    let first = text.lines().nth(1).unwrap();
    for part in [
        r#""command":"register""#,
        r#""name":"ada""#,
        "<redacted>",
        r#""record":{"#,
    ] {
        assert!(first.contains(part), "{first}");
    }
}

#[test]
fn an_empty_log_is_copied_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = SqliteLog::open(dir.path(), SqliteOptions::default()).unwrap();
    Box::new(log).close().unwrap();
    let (_parent, imported) = place();
    let head = import_into(&imported, &lines_of(dir.path())).unwrap();
    assert_eq!(head, Head::default());
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    let dir = Served::new().close();
    let text = String::from_utf8(lines_of(dir.path())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // One line, four records, two people, one file, the end.
    assert_eq!(lines.len(), 9);
    let check = |changed: &[String], line: u64, part: &str| {
        let (_parent, imported) = place();
        let error = import_into(&imported, changed.join("\n").as_bytes()).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with(&format!("line {line}: ")),
            "{told}, not {line} {part}"
        );
        assert!(told.contains(part), "{told}");
        assert_eq!(entries(&imported), 0);
    };
    let with = |index: usize, from: &str, to: &str| -> Vec<String> {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let line = changed[index].replacen(from, to, 1);
        assert_ne!(line, changed[index], "{from} is in line {index}");
        changed[index] = line;
        changed
    };
    let without = |index: usize| -> Vec<String> {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        changed.remove(index);
        changed
    };
    check(&with(0, "stampede", "stampeed"), 1, "no exported log");
    check(&with(0, "\"version\":1", "\"version\":2"), 1, "reads 1");
    check(
        &with(2, "\"recorded_at\":1", "\"recorded_at\":2"),
        3,
        "seq 2 was altered",
    );
    check(
        &with(2, "\"actor\":1", "\"actor\":3"),
        3,
        "seq 2 was altered",
    );
    check(&with(3, "\"body\":\"", "\"body\":\"0"), 4, "`body`");
    check(
        &with(3, "\"record\"", "\"rceord\""),
        4,
        "`record` is missing",
    );
    check(&without(2), 3, "seq 3 stands where seq 2 should be");
    check(
        &with(5, "\"person\":1", "\"person\":9"),
        6,
        "belongs to nobody",
    );
    check(
        &without(5),
        8,
        "the keys of 2 people were exported, and there are 1",
    );
    check(
        &with(7, "\"secret\"", "\"../secret\""),
        8,
        "no log has a file",
    );
    check(
        &with(8, "\"end\":4", "\"end\":5"),
        9,
        "exported up to seq 5",
    );
    check(&without(8), 9, "cut short");
    check(&[lines[0].to_owned(), "{}".to_owned()], 2, "none of `seq`");
    check(&["Dear diary".to_owned()], 1, "no line of an exported log");
    check(&[], 1, "cut short");
}

/// A message that nobody was told.
fn refused_message(text: &str) -> Stored {
    let send = chat::Command::from(chat::Send {
        to: chat::Target::Conversation(9),
        text: text.into(),
    });
    let refusal = Refusal::with(Code::UNKNOWN_CONVERSATION, 9, 0);
    stored(ADA.0, &send, &Err::<chat::Event, _>(refusal))
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib / 1_024
}

/// Everything that is done with a whole log, with one that is so long that SQLite's lock-byte page, at
/// 2^30 bytes, which is never used, lies within it. Says how long each takes and how much memory.
#[test]
#[ignore = "writes some seven times the log: STAMPEDE_LOG_GIB=3 cargo test --release -p server --lib -- --ignored --nocapture lock_byte"]
fn a_log_beyond_the_lock_byte_page_is_verified_copied_and_brought_back() {
    let gib: u64 = std::env::var("STAMPEDE_LOG_GIB").map_or(1, |gib| gib.parse().unwrap());
    let clock = Monotonic::start();
    let mut told = 0;
    let mut tell = |what: &str| {
        let now = clock.ms();
        println!(
            "{what}: {} ms, {} MiB of memory at most",
            now - told,
            peak_mib()
        );
        told = now;
    };
    let mut served = Served::new();
    let text = "x".repeat(4_096);
    // One of them fills a page.
    for _ in 0..gib * (1 << 30) / (1_000 * 8_192) + 3 {
        let words: Vec<Stored> = (0..1_000).map(|_| refused_message(&text)).collect();
        served.append(&words, &[], &[]);
    }
    tell("make");
    let head = served.log.head();
    let dir = served.close();
    tell("close");
    let bytes = fs::metadata(dir.path().join("events.sqlite"))
        .unwrap()
        .len();
    assert!((1 << 30) + 8_192 < bytes, "{bytes} bytes");
    println!("{bytes} bytes, {} records", head.seq);
    let report = inspect::verify(dir.path()).unwrap();
    assert!(report.is_sound() && report.head == head, "{report}");
    tell("verify");
    let (_parent, copy) = place();
    assert_eq!(back_up(dir.path(), &copy).unwrap(), head);
    tell("backup");
    let vouched = manifest::check(&*RealDisk::at(&copy), head, |_seq| Ok(None)).unwrap();
    assert!(matches!(vouched, Vouched::Whole { .. }), "{vouched:?}");
    tell("the manifest alone");
    let (_parent, restored) = place();
    let (_, report) = restore(&copy, &restored, &mut |_at, _end| {}).unwrap();
    let text = report.to_string();
    assert!(text.contains("byte for byte"), "{text}");
    tell("restore");
    fs::remove_dir_all(&restored).unwrap();
    let (_parent, imported) = place();
    let (lines, out) = std::io::pipe().unwrap();
    let exported = std::thread::scope(|scope| {
        let exporting = scope.spawn(|| {
            let mut out = std::io::BufWriter::new(out);
            export(&copy, &mut out, &mut |_at, _end| {}).map(|copied| copied.head)
        });
        let mut lines = std::io::BufReader::new(lines);
        let (copied, _) = import(&mut lines, &imported, &mut |_at, _end| {}).unwrap();
        (exporting.join().unwrap().unwrap(), copied.head)
    });
    assert_eq!(exported, (head, head));
    tell("export and import");
    let mut log = SqliteLog::open(&imported, SqliteOptions::default()).unwrap();
    let recovered = recover(&mut log, [9; 32], &Snapshots::none(), &Progress::default());
    assert_eq!(recovered.unwrap().engine.decided(), head);
    tell("start");
}
