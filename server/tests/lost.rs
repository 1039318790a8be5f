//! A tail of the log is gone and given up, and with it registrations and erasures: what is lost, what
//! is not, and that a server starts.
//!
//! A server is left as a kill leaves it when its write-ahead log is lost: its files are copied while
//! it runs, all but that one. Deliberately absent: the log alone, see `server/src/log/tests.rs`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protocol::{
    Code, Key, Roles, Seq, UserId,
    words::{
        accounts::{AuthRequest, EraseMe, SessionOpened, SetRoles},
        agenda::{self, JoinWaitlist, MyBookings},
        log as log_words,
    },
};
use rusqlite::Connection;
use server::{
    ServerConfig, backup, inspect,
    log::{LogReader as _, SqliteReader},
    snapshot::{SnapshotRequest, make},
};
use tempfile::{TempDir, tempdir};

use crate::support::{
    Answer, Client, Heard, PASSWORD, Server, config, reserve, slot, start, start_fresh, try_start,
};

/// The first who is registered in any log.
const ADMIN: UserId = UserId(1);
/// A trigger by which no record is stored: the disk fails at the first.
const FAILING: &str = "CREATE TRIGGER full BEFORE INSERT ON event_log
    BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END";

/// What a server left that was killed and whose write-ahead log is lost: everything since it started.
struct Left {
    dir: TempDir,
    /// Where the log ends.
    end: Seq,
}

impl Left {
    fn of(server: &Server) -> Self {
        let dir = tempdir().expect("a temporary directory");
        for entry in fs::read_dir(&server.ready.data_dir).expect("it is there") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().expect("a file has a name");
            if !name.to_string_lossy().starts_with("events.sqlite-") {
                fs::copy(&path, dir.path().join(name)).expect("it can be copied");
            }
        }
        let end = server.ready.recovered;
        Self { dir, end }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn accepting(&self) -> ServerConfig {
        ServerConfig {
            accept_loss_after: Some(self.end),
            ..config(self.path())
        }
    }

    fn accept(&self) -> Server {
        try_start(self.accepting()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Why no server starts.
    fn refusal(&self, config: ServerConfig) -> String {
        match try_start(config) {
            Ok(_) => panic!("it started"),
            Err(error) => error.to_string(),
        }
    }

    /// What a kill leaves of a start that agreed to the loss and did not get to a record.
    fn begin_to_accept(&self) {
        let (log, kept) = (self.file("events.sqlite"), self.file("kept"));
        fs::copy(&log, &kept).expect("it can be copied");
        let failing = Connection::open(&log).expect("it opens");
        failing.execute_batch(FAILING).expect("it takes it");
        drop(failing);
        let told = self.refusal(self.accepting());
        assert!(told.ends_with("the disk is gone"), "{told}");
        for name in ["events.sqlite-wal", "events.sqlite-shm"] {
            let _there_need_not_be_one = fs::remove_file(self.file(name));
        }
        fs::rename(&kept, &log).expect("it can be renamed");
    }

    fn keys(&self) -> Vec<UserId> {
        let mut reader = SqliteReader::open(self.path()).expect("there is a log");
        let keys = reader.keys().expect("they can be read");
        keys.iter().map(|key| key.user).collect()
    }

    fn check_sound(&self) {
        let report = inspect::verify(self.path()).expect("it can be verified");
        assert!(report.is_sound(), "{report}");
    }
}

/// Ana has a place, bob waits for it; then she is erased, cid joins, dan joins and is erased, and
/// none of that is left.
fn lived() -> (Left, [SessionOpened; 2]) {
    let (data_dir, server) = start_fresh();
    let (mut ana, her) = server.member("ana");
    let (mut bob, his) = server.member("bob");
    let agenda = server.agenda(&mut ana);
    assert!(ana.agenda(reserve(agenda, 0)).is_accepted());
    let wait = JoinWaitlist {
        slot: slot(agenda, 0),
    };
    assert!(bob.agenda(wait).is_accepted());
    server.stop();
    let server = start(data_dir.path());
    let mut ana = server.connect();
    ana.resume(her.token).expect("she was there");
    assert!(ana.accounts(EraseMe {}).is_accepted());
    server.member("cid");
    let (mut dan, _) = server.member("dan");
    assert!(dan.accounts(EraseMe {}).is_accepted());
    let left = Left::of(&server);
    assert_eq!(left.keys().len(), 3, "those of the admin, bob and cid");
    (left, [her, his])
}

fn bookings(client: &mut Client) -> usize {
    let mine = agenda::Query::from(MyBookings {
        after: 0,
        limit: 10,
    });
    let (kind, schema, body) = client.query(mine.kind(), |out| mine.encode(out)).accepted();
    match agenda::Answer::decode(kind, schema, &body) {
        Ok(agenda::Answer::Bookings(page)) => page.bookings.len(),
        other => panic!("{other:?}"),
    }
}

fn register(client: &mut Client, name: &str) -> Answer {
    let request = AuthRequest::Register {
        name: name.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let mut key = Key([0xab; 16]);
    key.0[0] = name.as_bytes()[0];
    match client.auth(key, request) {
        Heard::Answer(answer) => answer,
        other => panic!("{other:?} instead of an answer"),
    }
}

fn refused(of: Result<SessionOpened, protocol::Refusal>) -> Code {
    of.expect_err("nobody has that name").code
}

/// What is said of one who was erased again.
fn said_of(user: UserId, end: Seq) -> String {
    format!(
        "1 people were erased again, the first {user}: they had been, in the tail behind seq {end} that was given up,"
    )
}

#[test]
fn whoever_was_erased_in_a_lost_tail_is_erased_again_and_nobody_else() {
    let (left, [ana, bob]) = lived();
    let server = left.accept();
    let [told] = server.ready.warnings.as_slice() else {
        panic!("{:?}", server.ready.warnings);
    };
    assert!(told.starts_with(&said_of(ana.user, left.end)), "{told}");
    assert_eq!(left.keys(), [ADMIN, bob.user]);
    let mut client = server.connect();
    assert_eq!(
        client.resume(ana.token).unwrap_err().code,
        Code::UNKNOWN_SESSION
    );
    assert_eq!(client.resume(bob.token), Ok(bob.user));
    assert_eq!(bookings(&mut client), 1, "what she held is his");
    // Cid joined, and dan came and went, in what was given up: their names are nobody's.
    let mut client = server.connect();
    for name in ["ana", "cid", "dan"] {
        let nobody = refused(client.log_in(name, PASSWORD));
        assert_eq!(nobody, Code::BAD_CREDENTIALS);
        assert!(register(&mut client, name).is_accepted(), "{name}");
        client.log_in(name, PASSWORD).expect("they are new");
        client = server.connect();
    }
    let mut admin = server.admin();
    let live = admin.log(log_words::ReadState {}).accepted();
    let upto = Seq::START;
    let replayed = admin.log(log_words::ReplayState { upto }).accepted();
    assert_eq!(live, replayed);
    server.stop();
    left.check_sound();
}

#[test]
fn an_erasure_that_was_lost_is_a_record_like_any_other() {
    let (left, [ana, _bob]) = lived();
    left.accept().stop();
    let mut lines = Vec::new();
    let shown = inspect::cat(left.path(), left.end.next(), Some(2), &mut lines);
    shown.expect("it can be shown");
    let lines = String::from_utf8(lines).expect("lines of text");
    let [first, second] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("{lines}");
    };
    let erased = format!("\"actor\":{},\"command\":\"erase-me\"", ana.user.0);
    assert!(first.contains(&erased), "{first}");
    assert!(second.contains("\"command\":\"promote\""), "{second}");
}

#[test]
fn a_loss_that_nobody_accepted_is_refused_in_the_words_it_always_was() {
    let (left, _) = lived();
    let told = left.refusal(config(left.path()));
    assert!(
        told.starts_with(&format!("the log ends at seq {} but ", left.end)),
        "{told}"
    );
    assert!(
        told.ends_with(&format!("start with --accept-loss-after {}", left.end)),
        "{told}"
    );
    // Without the mark nobody knows of a loss; that keys are missing is seen all the same.
    fs::remove_file(left.file("head")).expect("it was there");
    let (keys, told) = (left.keys(), left.refusal(config(left.path())));
    assert_eq!(
        told,
        "the keys of 1 people are missing from the file `people.keys`, the first that of user user-4; restore that file together with the log"
    );
    assert_eq!(
        left.keys(),
        keys,
        "nothing is destroyed before that is clear"
    );
    // Whoever says that it is a loss is believed.
    left.accept().stop();
    left.check_sound();
}

#[test]
fn a_key_that_is_missing_when_the_loss_is_over_is_not_explained_by_it() {
    let (left, [_ana, bob]) = lived();
    left.accept().stop();
    assert!(!left.file("accepted-loss").exists());
    let path = left.file("people.keys");
    let mut keys = fs::read(&path).expect("it is there");
    let slots = keys.as_chunks_mut::<64>().0;
    let his = slots
        .iter_mut()
        .find(|slot| slot[..8] == bob.user.0.to_le_bytes());
    *his.expect("his key is there") = [0; 64];
    fs::write(&path, keys).expect("it can be written");
    for config in [config(left.path()), left.accepting()] {
        let told = left.refusal(config);
        let expected = format!(
            "the keys of 1 people are missing from the file `people.keys`, the first that of user {};",
            bob.user
        );
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[test]
fn a_start_that_is_killed_while_it_erases_again_is_gone_on_with() {
    let (left, [ana, bob]) = lived();
    left.begin_to_accept();
    let report = inspect::verify(left.path()).expect("it can be verified");
    assert_eq!((report.keyless, report.lost_after), (1, Some(left.end)));
    let half = fs::read(left.file("accepted-loss")).expect("it is there");
    // The mark says nothing of a loss any more, and nobody has to say it again.
    let server = start(left.path());
    assert!(
        server.ready.warnings[0].starts_with(&said_of(ana.user, left.end)),
        "{:?}",
        server.ready.warnings
    );
    assert_eq!(left.keys(), [ADMIN, bob.user]);
    server.stop();
    // As if it had been killed before it could say that it was over.
    fs::write(left.file("accepted-loss"), half).expect("it can be written");
    let server = start(left.path());
    assert_eq!(server.ready.warnings, [""; 0]);
    server.stop();
    assert!(!left.file("accepted-loss").exists());
    left.check_sound();
}

#[test]
fn a_file_of_keys_that_was_lost_as_well_is_no_reason_to_erase_anybody() {
    let (left, _) = lived();
    let (path, kept) = (left.file("people.keys"), left.file("kept"));
    fs::rename(&path, &kept).expect("it can be renamed");
    let told = left.refusal(left.accepting());
    assert_eq!(
        told,
        format!(
            "the keys of 3 people are missing from the file `people.keys`, the first that of user user-1, and the loss behind seq {} does not say why, since no more than 0 keys were ever destroyed in it; restore that file together with the log",
            left.end
        )
    );
    fs::rename(&kept, &path).expect("it can be renamed");
    // A start that refuses remembers nothing of what was accepted for it.
    left.accept().stop();
    left.check_sound();
}

#[test]
fn an_admin_whose_erasure_was_lost_leaves_a_new_one() {
    let (data_dir, server) = start_fresh();
    let (_, eve) = server.member("eve");
    server.stop();
    let server = start(data_dir.path());
    let (mut admin, user) = (server.admin(), eve.user);
    let roles = Roles::ADMIN;
    assert!(admin.accounts(SetRoles { user, roles }).is_accepted());
    assert!(admin.accounts(EraseMe {}).is_accepted());
    let left = Left::of(&server);
    server.stop();
    let server = left.accept();
    let [of_admin, of_erased] = server.ready.warnings.as_slice() else {
        panic!("{:?}", server.ready.warnings);
    };
    assert!(
        of_admin
            .starts_with("nobody is left who may grant roles, so there is a new admin, `admin`,"),
        "{of_admin}"
    );
    assert!(
        of_erased.starts_with(&said_of(ADMIN, left.end)),
        "{of_erased}"
    );
    let mut admin = server.admin();
    assert!(admin.accounts(SetRoles { user, roles }).is_accepted());
    server.stop();
    left.check_sound();
}

#[test]
fn a_new_admin_takes_no_name_that_is_somebodys() {
    let (data_dir, server) = start_fresh();
    let (_, hers) = server.member("eve");
    let (_, fay) = server.member("fay");
    let mut admin = server.admin();
    let roles = Roles::ADMIN;
    let [promote_eve, promote_fay] = [hers.user, fay.user].map(|user| SetRoles { user, roles });
    assert!(admin.accounts(promote_eve).is_accepted());
    assert!(admin.accounts(EraseMe {}).is_accepted());
    // Whoever likes that name may have it, and is nobody for it.
    assert!(register(&mut server.connect(), "admin").is_accepted());
    server.stop();
    let server = start(data_dir.path());
    let mut eve = server.connect();
    eve.resume(hers.token).expect("she was there");
    assert!(eve.accounts(promote_fay.clone()).is_accepted());
    assert!(eve.accounts(EraseMe {}).is_accepted());
    let left = Left::of(&server);
    server.stop();
    let server = left.accept();
    let told = &server.ready.warnings[0];
    assert!(told.contains("a new admin, `admin-2`,"), "{told}");
    let password = fs::read_to_string(&server.ready.admin_password_file);
    let mut admin = server.connect();
    let opened = admin.log_in("admin-2", &password.expect("it is there"));
    opened.expect("the password is theirs");
    assert!(admin.accounts(promote_fay).is_accepted());
}

#[test]
fn copies_and_snapshots_of_a_log_without_its_tail_say_what_it_lacks() {
    let (left, _) = lived();
    let copy = tempdir().expect("a temporary directory");
    let place = |name: &str| copy.path().join(name);
    let told = |nth: &str| {
        let making = SnapshotRequest {
            data_dir: left.path(),
            expected: None,
            is_given_up: &false.into(),
        };
        let hear = &mut |_at, _end| {};
        [
            backup::backup(left.path(), &place(&format!("backup{nth}")), hear)
                .map_err(|error| error.to_string())
                .map(drop),
            backup::restore(left.path(), &place(&format!("restored{nth}")), hear)
                .map_err(|error| error.to_string())
                .map(drop),
            backup::export(left.path(), &mut Vec::new(), hear)
                .map_err(|error| error.to_string())
                .map(drop),
            inspect::verify(left.path())
                .map_err(|error| error.to_string())
                .map(drop),
            make(&making).map_err(|error| error.to_string()).map(drop),
        ]
    };
    for told in told("-before") {
        let told = told.expect_err("its tail is missing");
        assert!(told.starts_with("the log ends at seq "), "{told}");
    }
    left.begin_to_accept();
    for (what, told) in ["backup", "restore", "export", "verify", "snapshot"]
        .iter()
        .zip(told("-half"))
    {
        match told {
            Ok(()) => assert_eq!(*what, "verify", "a report, which says what is missing"),
            Err(told) => assert!(
                told.contains("loss") && told.contains("accepted"),
                "{what}: {told}"
            ),
        }
    }
    start(left.path()).stop();
    for told in told("-after") {
        told.expect("nothing is missing any more");
    }
}
