//! A data directory whose files do not belong together: half copied, of other servers, of other
//! moments.
//!
//! Whatever is refused is left as it is, byte for byte, and starts once the right file is back; what
//! starts has everything. Deliberately absent: damage within a file, see `server/src/log/flips.rs`.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use protocol::{Seq, words::chat};
use server::{ServerConfig, backup, inspect};
use tempfile::{TempDir, tempdir};

use crate::support::{PASSWORD, Server, config, start, try_start};

const LOG: &str = "events.sqlite";
const WAL: &str = "events.sqlite-wal";
const HEAD: &str = "head";
const KEYS: &str = "people.keys";
const SECRET: &str = "secret";
const PASSWORD_FILE: &str = "admin-password";
/// However many there are.
const SNAPSHOTS: &str = "snapshot-";

/// What is expected of a start.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// It does, and everything is there.
    Goes,
    /// It does; `verify` says that a file is not what it was when the log was brought to rest.
    Altered,
    /// It does, and says this.
    Warns(&'static str),
    /// It does not, and says this.
    Refused(&'static str),
}
use Start::{Altered, Goes, Refused, Warns};

/// One server at two moments, killed at a third, and another server of the same history.
struct Servers {
    early: TempDir,
    late: TempDir,
    killed: TempDir,
    other: TempDir,
}

impl Servers {
    fn new() -> Self {
        let (dir, other) = (live(), live());
        let early = copy(dir.path());
        go_on(dir.path());
        go_on(other.path());
        let late = copy(dir.path());
        let server = start(dir.path());
        speak(&server, "dan", "third words");
        let killed = copy(dir.path());
        server.stop();
        Self {
            early,
            late,
            killed,
            other,
        }
    }
}

/// A server that was started, used and stopped.
fn live() -> TempDir {
    let dir = tempdir().expect("a temporary directory");
    let server = start(dir.path());
    speak(&server, "ana", "first words");
    server.stop();
    dir
}

fn go_on(dir: &Path) {
    let server = start(dir);
    speak(&server, "bob", "second words");
    server.stop();
}

/// Somebody new says something.
fn speak(server: &Server, name: &str, words: &str) {
    let (mut client, _) = server.member(name);
    let send = chat::Send {
        to: chat::Target::Public,
        text: words.into(),
    };
    assert!(client.chat(send).is_accepted());
}

fn copy(of: &Path) -> TempDir {
    let dir = tempdir().expect("a temporary directory");
    for name in files(of).keys() {
        fs::copy(of.join(name), dir.path().join(name)).expect("it can be copied");
    }
    dir
}

/// Every file but those that SQLite makes to read: the index of its write-ahead log, and an empty one.
fn files(of: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(of).expect("it is there");
    let files = entries.map(|entry| {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("a file has a name");
        let bytes = fs::read(&path).expect("it can be read");
        (name.to_string_lossy().into_owned(), bytes)
    });
    let is_kept = |(name, bytes): &(String, Vec<u8>)| {
        name != "events.sqlite-shm" && (name != WAL || !bytes.is_empty())
    };
    files.filter(is_kept).collect()
}

fn remove(dir: &Path, name: &str) {
    for file in files(dir).keys().filter(|file| is_named(file, name)) {
        fs::remove_file(dir.join(file)).expect("it was there");
    }
}

fn is_named(file: &str, name: &str) -> bool {
    file == name || (name == SNAPSHOTS && file.starts_with(SNAPSHOTS))
}

/// The files of this name in the place of those that are there.
fn put(dir: &Path, name: &str, from: &Path) {
    remove(dir, name);
    for file in files(from).keys().filter(|file| is_named(file, name)) {
        fs::copy(from.join(file), dir.join(file)).expect("it can be copied");
    }
}

fn empty(dir: &Path, name: &str) {
    for file in files(dir).keys().filter(|file| is_named(file, name)) {
        fs::write(dir.join(file), "").expect("it can be written");
    }
}

fn texts(dir: &Path) -> String {
    let mut lines = Vec::new();
    inspect::cat(dir, Seq(1), None, &mut lines).expect("it can be shown");
    String::from_utf8(lines).expect("text")
}

/// Everything that was said is there, by whoever said it, and they can log in.
fn check_whole(dir: &Path, people: &[(&str, &str)]) -> Vec<String> {
    let server = start(dir);
    for (name, _) in people {
        let opened = server.connect().log_in(name, PASSWORD);
        opened.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
    let warnings = server.ready.warnings.clone();
    server.stop();
    let texts = texts(dir);
    for (name, words) in people {
        assert!(texts.contains(words), "{words} of {name}: {texts}");
    }
    warnings
}

/// What starts passes `verify` and is backed up; what does not, is not.
fn inspected(dir: &Path) -> [bool; 2] {
    let place = tempdir().expect("a temporary directory");
    let verified = inspect::verify(dir).is_ok_and(|report| report.is_sound());
    let hear = &mut |_at, _end| {};
    let backed_up = backup::backup(dir, &place.path().join("copy"), hear);
    [verified, backed_up.is_ok()]
}

/// Makes the mixture, starts it, and brings back what it was if that is refused.
fn check(base: &TempDir, people: &[(&str, &str)], expected: Start, mix: impl FnOnce(&Path)) {
    let dir = copy(base.path());
    mix(dir.path());
    let before = files(dir.path());
    let what = before.keys().cloned().collect::<Vec<_>>().join(" ");
    let started = match expected {
        Goes | Altered | Warns(_) => true,
        Refused(_) => false,
    };
    let verified = started && !matches!(expected, Altered);
    let inspected = inspected(dir.path());
    assert_eq!(inspected, [verified, started], "{expected:?}: {what}");
    match expected {
        Goes | Altered => assert_eq!(check_whole(dir.path(), people), [""; 0], "{what}"),
        Warns(words) => {
            let warnings = check_whole(dir.path(), people);
            let is_said = warnings.iter().any(|warning| warning.contains(words));
            assert!(is_said, "{words}: {warnings:?}");
        }
        Refused(words) => {
            let told = refusal(config(dir.path()));
            assert!(told.contains(words), "{words}: {told}");
            assert!(files(dir.path()) == before, "{told}: something changed");
            for name in [LOG, WAL, HEAD, KEYS, SECRET, SNAPSHOTS] {
                put(dir.path(), name, base.path());
            }
            check_whole(dir.path(), people);
        }
    }
}

fn refusal(config: ServerConfig) -> String {
    match try_start(config) {
        Ok(server) => panic!("it started: {:?}", server.ready),
        Err(error) => error.to_string(),
    }
}

const EARLY: [(&str, &str); 1] = [("ana", "first words")];
const LATE: [(&str, &str); 2] = [("ana", "first words"), ("bob", "second words")];
const KILLED: [(&str, &str); 3] = [
    ("ana", "first words"),
    ("bob", "second words"),
    ("dan", "third words"),
];

#[test]
fn a_file_that_is_missing_empty_or_of_another_server_or_moment() {
    let servers = Servers::new();
    let (early, other) = (servers.early.path(), servers.other.path());
    let no_log = Refused("and no `events.sqlite`: the log was lost, or not copied along");
    let table = [
        (
            LOG,
            no_log,
            no_log,
            Refused("different pasts"),
            Refused("the log ends at seq "),
        ),
        (
            HEAD,
            Refused("`head` beside the log, which says how long the log was, is missing"),
            Refused("not whole (0 bytes"),
            Refused("different pasts"),
            Altered,
        ),
        (
            KEYS,
            Refused("the keys of 3 people are missing"),
            Refused("the keys of 3 people are missing"),
            Refused("does not open with the key that is there"),
            Refused("the keys of 1 people are missing"),
        ),
        (
            SECRET,
            Refused("`secret`, is missing"),
            Refused("it has 0 bytes"),
            Refused("is not the one with which user user-"),
            Goes,
        ),
        (
            SNAPSHOTS,
            Goes,
            Warns("it has 0 bytes"),
            Warns("texts that the people's keys open"),
            Goes,
        ),
        (PASSWORD_FILE, Warns("there is no file"), Goes, Goes, Goes),
    ];
    for (name, missing, emptied, of_other, of_early) in table {
        let base = &servers.late;
        check(base, &LATE, missing, |dir| remove(dir, name));
        check(base, &LATE, emptied, |dir| empty(dir, name));
        check(base, &LATE, of_other, |dir| put(dir, name, other));
        check(base, &LATE, of_early, |dir| put(dir, name, early));
    }
}

#[test]
fn a_file_of_a_later_moment() {
    let servers = Servers::new();
    let late = servers.late.path();
    let table = [
        (LOG, Refused("the keys of 1 people are missing")),
        (HEAD, Refused("the log ends at seq ")),
        (
            KEYS,
            Refused("has the keys of 1 people who joined behind seq "),
        ),
        (SECRET, Goes),
        (SNAPSHOTS, Refused("the snapshot ")),
    ];
    for (name, expected) in table {
        check(&servers.early, &EARLY, expected, |dir| put(dir, name, late));
    }
}

#[test]
fn files_that_agree_with_each_other_and_not_with_the_rest() {
    let servers = Servers::new();
    let (early, other) = (servers.early.path(), servers.other.path());
    let check = |names: &[&str], from: &Path, words| {
        check(&servers.late, &LATE, Refused(words), |dir| {
            for name in names {
                put(dir, name, from);
            }
        });
    };
    let older = "has the keys of 1 people who joined behind seq ";
    check(&[LOG, HEAD], early, older);
    check(&[LOG, HEAD, KEYS], early, "the snapshot ");
    check(
        &[LOG, HEAD],
        other,
        "does not open with the key that is there",
    );
    check(
        &[LOG, HEAD, KEYS],
        other,
        "`secret`, is not the one with which",
    );
    // Also where nothing says how long the log was.
    let nothing = tempdir().expect("a temporary directory");
    check(&[LOG, HEAD], nothing.path(), "and no `events.sqlite`");
    check(
        &[LOG, HEAD, KEYS, SNAPSHOTS],
        nothing.path(),
        "has `secret` and no",
    );
    let without_head = copy(early);
    remove(without_head.path(), HEAD);
    check(&[LOG, HEAD], without_head.path(), older);
}

#[test]
fn what_a_kill_left_is_copied_half() {
    let servers = Servers::new();
    let base = &servers.killed;
    check(base, &KILLED, Goes, |_whole| {});
    let older = Refused("has the keys of 1 people who joined behind seq ");
    check(base, &KILLED, Refused("the log ends at seq "), |dir| {
        remove(dir, WAL);
    });
    check(base, &KILLED, older, |dir| {
        remove(dir, WAL);
        remove(dir, HEAD);
    });
    check(base, &KILLED, Refused("and no `events.sqlite`"), |dir| {
        remove(dir, LOG);
    });
}

#[test]
fn a_young_server_whose_log_is_still_to_be_copied_keeps_its_keys() {
    let young = tempdir().expect("a temporary directory");
    let server = start(young.path());
    speak(&server, "ana", "first words");
    let killed = copy(young.path());
    server.stop();
    let older = Refused("has the keys of 2 people who joined behind seq 0, where the log ends");
    check(&killed, &EARLY, older, |dir| {
        remove(dir, WAL);
        remove(dir, HEAD);
    });
}

#[test]
fn what_is_given_up_in_so_many_words_is_given_up() {
    let servers = Servers::new();
    let dir = copy(servers.early.path());
    for name in [KEYS, SNAPSHOTS] {
        put(dir.path(), name, servers.late.path());
    }
    let told = refusal(config(dir.path()));
    let (_, end) = told.rsplit_once(' ').expect("it ends with a position");
    let accepting = ServerConfig {
        accept_loss_after: Some(Seq(end.parse().expect("a position"))),
        ..config(dir.path())
    };
    try_start(accepting).expect("it was agreed to").stop();
    assert_eq!(check_whole(dir.path(), &EARLY), [""; 0]);
}

#[test]
fn a_secret_that_is_lost_is_replaced_when_that_is_asked_for_and_ends_no_session() {
    let servers = Servers::new();
    for (base, people) in [(&servers.late, &LATE[..]), (&servers.other, &LATE[..])] {
        let dir = copy(base.path());
        let server = start(dir.path());
        let opened = server
            .connect()
            .log_in("ana", PASSWORD)
            .expect("she is there");
        server.stop();
        remove(dir.path(), SECRET);
        let replacing = ServerConfig {
            new_secret: true,
            ..config(dir.path())
        };
        let server = try_start(replacing).expect("it was asked for");
        assert_eq!(server.connect().resume(opened.token), Ok(opened.user));
        server.stop();
        // From then on it is the secret of this log and of no other, whoever joins or does not.
        assert_eq!(check_whole(dir.path(), people), [""; 0]);
        let made = fs::read(dir.path().join(SECRET)).expect("it was made");
        let server = start(dir.path());
        speak(&server, "eve", "more words");
        server.stop();
        check_whole(dir.path(), people);
        let early = copy(servers.early.path());
        fs::write(early.path().join(SECRET), made).expect("it can be written");
        let told = refusal(config(early.path()));
        assert!(
            told.contains("is of another log, or of a later moment"),
            "{told}"
        );
    }
}

#[test]
fn every_bit_of_the_secret_counts() {
    let dir = live();
    let path = dir.path().join(SECRET);
    let secret = fs::read(&path).expect("it is there");
    for bit in (0..secret.len() * 8).step_by(5) {
        let mut flipped = secret.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).expect("it can be written");
        assert!(inspect::verify(dir.path()).is_err(), "bit {bit}");
    }
    // As an earlier version wrote it: proved by who registered.
    fs::write(&path, &secret[..32]).expect("it can be written");
    assert_eq!(check_whole(dir.path(), &EARLY), [""; 0]);
    let mut other = secret[..32].to_vec();
    other[7] ^= 1;
    fs::write(&path, other).expect("it can be written");
    let told = refusal(config(dir.path()));
    assert!(told.contains("is not the one with which user"), "{told}");
}

fn mode(path: &Path) -> u32 {
    let file = fs::metadata(path).expect("it is there");
    file.permissions().mode() & 0o777
}

#[test]
fn what_others_could_read_is_closed_to_them_and_told_of() {
    let dir = live();
    let file = |name: &str| -> PathBuf { dir.path().join(name) };
    for name in [PASSWORD_FILE, SECRET, KEYS, LOG] {
        fs::set_permissions(file(name), fs::Permissions::from_mode(0o644)).expect("it is ours");
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    let warnings = check_whole(dir.path(), &EARLY);
    let [of_files, of_dir] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(of_dir.contains("(mode 0777): `chmod 700` it"), "{of_dir}");
    for name in [PASSWORD_FILE, SECRET, KEYS, LOG] {
        assert_eq!(mode(&file(name)), 0o600, "{name}");
        assert!(of_files.contains(&format!("{name} (0644)")), "{of_files}");
    }
    assert_eq!(mode(dir.path()), 0o777, "it may be shared on purpose");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    assert_eq!(check_whole(dir.path(), &EARLY), [""; 0]);
}

#[test]
fn a_data_directory_that_is_a_file_is_refused() {
    let dir = tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "notes").expect("it can be written");
    for path in [file.clone(), file.join("below"), "/dev/null".into()] {
        let told = refusal(config(&path));
        assert!(
            told.contains("is no directory, or is below what is none"),
            "{told}"
        );
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"notes");
}
