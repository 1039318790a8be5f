//! Somebody is erased: what was about them is in no file any more, whenever the server dies.
//!
//! The files are searched as they are, byte by byte: the database, its write-ahead log and its
//! index, the high-water mark, the keys, and snapshots made before and after. Everybody else's are opened to show that the search
//! would have found something. Deliberately absent: what a disk keeps below its file system.

use std::{collections::BTreeMap, fs, path::Path};

use loadgen::target::{Answered, CallError, Caller};
use protocol::{
    Key, Seq, UserId,
    words::{
        accounts::{self, EraseMe, Token},
        chat,
        log::{Answer, Query, ReadState, ReplayState, StateHash},
    },
};
use server::log::{LogReader as _, SqliteReader};
use tempfile::tempdir;
use tokio::{task::JoinSet, time::timeout};

use crate::program::{DEADLINE, Server, run, text};

/// In every name and every text that anybody registers or says here.
const MARK: &str = "Zq7";
const PASSWORD: &str = "correct horse";
/// How every stored password hash begins.
const HASH: &str = "$argon2";

/// The first who is registered in any log.
const ADMIN: UserId = UserId(1);

/// How often a server is killed while people are being erased, and how many at once.
const CRASHES: u8 = 4;
const CROWD: u8 = 12;

struct Person {
    name: String,
    user: UserId,
    token: Token,
    caller: Caller,
}

#[tokio::test]
async fn what_was_about_an_erased_person_is_in_no_file() {
    timeout(DEADLINE, erase_one()).await.expect("it ends");
}

async fn erase_one() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Server::start(&data).await;
    let mut ana = join(&server, "ana", 1).await;
    let mut bob = join(&server, "bob", 2).await;
    for (person, key) in [(&mut ana, 10), (&mut bob, 20)] {
        let said = say(person, key).await;
        assert!(said.accepted().is_ok(), "{said:?}");
    }
    // Somebody else wanted her name.
    let mut stranger = Caller::connect(&server.address).await.expect("it listens");
    let refused = stranger.register(Key([30; 16]), &ana.name, PASSWORD).await;
    assert!(refused.expect("an answer").accepted().is_err());
    let keys = keys_of(&data);
    let made = run(&["log", "snapshot", text(&data)]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(has_snapshot(&data), "the search has one to look into");
    let erased = erase(&mut ana).await.expect("the server lives");
    assert!(erased.accepted().is_ok(), "{erased:?}");
    // She was told, so it must be true: now, after a crash, and after a clean end.
    check_files(&data, &keys[&ana.user], &keys[&bob.user]);
    server.kill().await;
    check_files(&data, &keys[&ana.user], &keys[&bob.user]);
    let server = Server::start(&data).await;
    check_gone(&server, &ana).await;
    check_here(&server, &bob).await;
    check_replay(&server).await;
    let shown = run(&["log", "cat", text(&data)]).await.out;
    assert!(
        shown.contains("\"text\":\"<erased>\"") && shown.contains(&words_of(&bob.name)),
        "{shown}"
    );
    assert!(!shown.contains(&ana.name), "{shown}");
    join(&server, "ana", 40).await;
    assert_eq!(server.interrupt().await.code, Some(0));
    check_files(&data, &keys[&ana.user], &keys[&bob.user]);
    let verified = run(&["log", "verify", text(&data)]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test]
async fn a_server_that_dies_while_it_erases_has_erased_or_has_not() {
    timeout(DEADLINE, erase_many()).await.expect("it ends");
}

async fn erase_many() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Server::start(&data).await;
    for crash in 0..CRASHES {
        let mut crowd = Vec::new();
        for nth in 0..CROWD {
            let byte = crash * CROWD + nth + 50;
            crowd.push(join(&server, &format!("{crash}.{nth}"), byte).await);
        }
        let keys = keys_of(&data);
        let acks_until_kill = usize::from(crash * CROWD / CRASHES);
        let (crowd, told) = erase_until(&mut server, crowd, acks_until_kill).await;
        server = Server::start(&data).await;
        let left = keys_of(&data);
        for person in &crowd {
            let is_gone = !left.contains_key(&person.user);
            assert!(is_gone || !told.contains(&person.user), "told too early");
            if is_gone {
                check_files(&data, &keys[&person.user], &keys[&ADMIN]);
                check_gone(&server, person).await;
            } else {
                check_here(&server, person).await;
            }
        }
        check_replay(&server).await;
    }
}

/// Everybody asks to be erased; the server is killed when so many were told that they are.
async fn erase_until(
    server: &mut Server,
    crowd: Vec<Person>,
    acks: usize,
) -> (Vec<Person>, Vec<UserId>) {
    let mut tasks = JoinSet::new();
    for mut person in crowd {
        tasks.spawn(async move {
            let is_told = erase(&mut person).await.is_ok();
            (person, is_told)
        });
    }
    let (mut crowd, mut told) = (Vec::new(), Vec::new());
    if acks == 0 {
        server.kill().await;
    }
    while let Some(ended) = tasks.join_next().await {
        let (person, is_told) = ended.expect("nobody gives up");
        if is_told {
            told.push(person.user);
            if told.len() == acks {
                server.kill().await;
            }
        }
        crowd.push(person);
    }
    (crowd, told)
}

async fn join(server: &Server, name: &str, byte: u8) -> Person {
    let name = format!("{MARK}.{name}");
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let registered = caller.register(Key([byte; 16]), &name, PASSWORD).await;
    let registered = registered.expect("an answer");
    assert!(registered.accepted().is_ok(), "{registered:?}");
    let session = caller.log_in(Key([byte + 100; 16]), &name, PASSWORD).await;
    let session = session.expect("they log in");
    Person {
        name,
        user: session.user,
        token: session.token,
        caller,
    }
}

fn words_of(name: &str) -> String {
    format!("{MARK} said {name}")
}

async fn say(person: &mut Person, key: u8) -> Answered {
    let send = chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: words_of(&person.name).into(),
    });
    let mut body = Vec::new();
    send.encode(&mut body);
    let sent = person.caller.command(Key([key; 16]), send.kind(), &body);
    sent.await.expect("the server lives")
}

async fn erase(person: &mut Person) -> Result<Answered, CallError> {
    let erase = accounts::Command::from(EraseMe {});
    person
        .caller
        .command(Key([0xee; 16]), erase.kind(), &[])
        .await
}

/// The keys that stand in the file now.
fn keys_of(data: &Path) -> BTreeMap<UserId, [u8; 32]> {
    let mut reader = SqliteReader::open(data).expect("there is a log");
    let keys = reader.keys().expect("its keys can be read");
    keys.iter().map(|key| (key.user, *key.key)).collect()
}

/// No file says anything about anybody in clear, and none has the key that is gone, while the one
/// that is not is found.
fn check_files(data: &Path, gone: &[u8; 32], kept: &[u8; 32]) {
    let mut is_found = false;
    for entry in fs::read_dir(data).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        let bytes = fs::read(&path).expect("a file");
        for clear in [MARK, &MARK.to_lowercase(), HASH] {
            assert!(
                !has(&bytes, clear.as_bytes()),
                "{clear} in {}",
                path.display()
            );
        }
        assert!(!has(&bytes, gone), "the key is in {}", path.display());
        is_found |= has(&bytes, kept);
    }
    assert!(is_found, "the search finds what is there");
}

fn has_snapshot(data: &Path) -> bool {
    let mut snapshots = fs::read_dir(data).expect("the directory is there");
    snapshots.any(|entry| {
        let name = entry.expect("it can be listed").file_name();
        name.to_string_lossy().starts_with("snapshot-")
    })
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn check_gone(server: &Server, person: &Person) {
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let resumed = caller.resume(Key([0xf1; 16]), person.token).await;
    assert!(resumed.is_err(), "{resumed:?}");
    let logged_in = caller.log_in(Key([0xf2; 16]), &person.name, PASSWORD).await;
    assert!(logged_in.is_err(), "{logged_in:?}");
}

async fn check_here(server: &Server, person: &Person) {
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let resumed = caller.resume(Key([0xf1; 16]), person.token).await;
    assert_eq!(resumed.expect("a session").user, person.user);
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let logged_in = caller.log_in(Key([0xf2; 16]), &person.name, PASSWORD).await;
    assert_eq!(logged_in.expect("the password fits").user, person.user);
}

async fn check_replay(server: &Server) {
    let password = fs::read_to_string(server.data.join("admin-password")).expect("there is one");
    let mut admin = Caller::connect(&server.address).await.expect("it listens");
    let session = admin.log_in(Key([0xf3; 16]), "admin", &password).await;
    session.expect("the admin logs in");
    let live = state(&mut admin, ReadState {}.into()).await;
    let upto = live.seq;
    assert!(Seq(1) < upto);
    let replayed = state(&mut admin, ReplayState { upto }.into()).await;
    assert_eq!(live, replayed);
}

async fn state(admin: &mut Caller, query: Query) -> StateHash {
    let mut body = Vec::new();
    query.encode(&mut body);
    let answered = admin.query(query.kind(), &body).await.expect("an answer");
    let (kind, schema, body) = answered.accepted().expect("admins may");
    match Answer::decode(kind, schema, body).expect("a known word") {
        Answer::StateHash(hash) => hash,
        other => panic!("a state was asked for, {} came", other.name()),
    }
}
