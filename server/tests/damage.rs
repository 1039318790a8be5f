//! Records altered on the disk beneath a server that began at a snapshot and so never read them: what
//! it answers from them is what was written, or that they are damaged, and never a third thing.

use std::collections::BTreeMap;

use protocol::{
    Code, Key, Outcome, Seq,
    words::{
        accounts::Token,
        chat,
        log::{ReadLog, ReadTrail, Subject},
    },
};
use rusqlite::{Connection, types::Value};

use crate::support::{Answer, Client, Heard, Push, Pushed, Server, start, start_fresh};

const COLUMNS: [&str; 9] = [
    "recorded_at",
    "actor",
    "key",
    "kind",
    "schema",
    "codec",
    "body",
    "outcome",
    "hash",
];

/// Everything that shows a record, asked of one server again and again.
struct Asking<'a> {
    server: &'a Server,
    ana: Client,
    admin: Client,
    token: Token,
    user: protocol::UserId,
    key: Key,
    seq: Seq,
}

/// What was found out of a record, or that it is damaged.
type Told = Result<Vec<u8>, Code>;

impl Asking<'_> {
    fn ask_all(&mut self) -> BTreeMap<&'static str, Told> {
        BTreeMap::from([
            ("retry", self.retry()),
            ("read-history", self.history()),
            ("catching up", self.catch_up()),
            ("read-log", self.read_log()),
            ("read-trail", self.trail()),
        ])
    }

    fn retry(&mut self) -> Told {
        self.ana.send_chat(self.key, &send("two"));
        match self.ana.reply() {
            Heard::Answer(answer) => {
                let hash = answer.hash.0.to_vec();
                Ok([hash, answer.seq.0.to_be_bytes().to_vec(), answer.outcome].concat())
            }
            Heard::Error(error) if !error.fatal => Err(error.refusal.code),
            other => panic!("{other:?}"),
        }
    }

    fn history(&mut self) -> Told {
        let query = chat::Query::from(chat::ReadHistory {
            conversation: chat::PUBLIC,
            from: 0,
            direction: chat::Direction::Forwards,
            limit: 10,
        });
        outcome(&self.ana.query(query.kind(), |out| query.encode(out)))
    }

    fn read_log(&mut self) -> Told {
        outcome(&self.admin.log(ReadLog {
            from: self.seq,
            limit: 1,
        }))
    }

    fn trail(&mut self) -> Told {
        outcome(&self.ana.log(ReadTrail {
            subject: Subject::User(self.user),
            before: Seq::START,
            limit: 50,
        }))
    }

    /// A connection of its own: one that cannot be told everything ends.
    fn catch_up(&self) -> Told {
        let mut client = self.server.connect();
        client.resume(self.token).expect("the session is open");
        client.subscribe(Some(Seq(self.seq.0 - 1)));
        match client.told() {
            Heard::Push(Push {
                seq,
                hash,
                word: Pushed::Chat(chat::Push::Entry(entry)),
            }) if seq == self.seq => match entry.content {
                chat::Content::Text(text) => Ok([&hash.0[..], text.as_bytes()].concat()),
                other => panic!("{other:?}"),
            },
            Heard::Error(error) if error.fatal => Err(error.refusal.code),
            other => panic!("{other:?}"),
        }
    }
}

fn outcome(answer: &Answer) -> Told {
    match Outcome::decode(&answer.outcome).expect("an outcome") {
        Outcome::Accepted { .. } => Ok(answer.outcome.clone()),
        Outcome::Refused(refusal) => Err(refusal.code),
    }
}

fn send(text: &str) -> chat::Command {
    chat::Command::from(chat::Send {
        to: chat::Target::Public,
        text: text.into(),
    })
}

/// A position as SQLite has it.
fn sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).expect("positions are small")
}

/// The values that a column may have with one bit of each of its bytes flipped.
fn flipped(value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(number) => (0..8)
            .map(|bit| Value::Integer(number ^ (1 << bit)))
            .collect(),
        Value::Blob(bytes) => (0..bytes.len())
            .map(|at| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << (at % 8);
                Value::Blob(bytes)
            })
            .collect(),
        other => panic!("{other:?} in a log"),
    }
}

#[test]
fn a_flipped_bit_of_a_record_is_told_as_damage_or_as_what_was_written() {
    let (data_dir, server) = start_fresh();
    let (mut ana, opened) = server.member("ana");
    ana.chat(send("one"));
    let key = ana.new_key();
    ana.send_chat(key, &send("two"));
    let seq = ana.answer().seq;
    ana.chat(send("three"));
    server.stop();
    let server = start(data_dir.path());
    let ready = &server.ready;
    assert_eq!(ready.recovered_from, ready.recovered, "from a snapshot");
    let admin = server.admin();
    let mut ana = server.connect();
    ana.resume(opened.token).unwrap();
    let mut asking = Asking {
        server: &server,
        ana,
        admin,
        token: opened.token,
        user: opened.user,
        key,
        seq,
    };
    let disk = Connection::open(data_dir.path().join("events.sqlite")).unwrap();
    let row = sql(seq);
    let before = row - 1;
    let places = COLUMNS.map(|column| (row, column));
    let mut told = Vec::new();
    for (row, column) in places.into_iter().chain([(before, "hash")]) {
        let read = format!("SELECT {column} FROM event_log WHERE seq = ?1");
        let write = format!("UPDATE event_log SET {column} = ?2 WHERE seq = ?1");
        let value: Value = disk.query_row(&read, [row], |row| row.get(0)).unwrap();
        for other in flipped(&value) {
            disk.execute(&write, (row, other)).unwrap();
            told.push(asking.ask_all());
            disk.execute(&write, (row, value.clone())).unwrap();
        }
    }
    // Last, since what was shown once may be shown again from memory.
    let truth = asking.ask_all();
    assert!(truth.values().all(Result::is_ok), "{truth:?}");
    for told in &told {
        for (asked, told) in told {
            let is_true = told == &truth[asked];
            assert!(
                is_true || *told == Err(Code::LOG_DAMAGED),
                "{asked}: {told:?}"
            );
        }
    }
    for asked in truth.keys() {
        let damaged = told.iter().filter(|told| told[asked].is_err()).count();
        assert_eq!(
            damaged,
            told.len(),
            "every bit of a record is in its hash: {asked}"
        );
    }
}

#[test]
fn a_record_that_is_gone_is_damage_and_its_command_is_not_decided_again() {
    let (data_dir, server) = start_fresh();
    let (mut ana, opened) = server.member("ana");
    let key = ana.new_key();
    ana.send_chat(key, &send("two"));
    let seq = ana.answer().seq;
    ana.chat(send("three"));
    let mut asking = Asking {
        admin: server.admin(),
        ana,
        token: opened.token,
        user: opened.user,
        key,
        seq,
        server: &server,
    };
    let disk = Connection::open(data_dir.path().join("events.sqlite")).unwrap();
    disk.execute("DELETE FROM event_log WHERE seq = ?1", [sql(seq)])
        .unwrap();
    let told = asking.ask_all();
    let damaged = told
        .iter()
        .filter(|(_, told)| **told == Err(Code::LOG_DAMAGED));
    // It was told when it was said, and that is remembered.
    let expected = ["read-history", "read-log", "read-trail", "retry"];
    assert_eq!(
        damaged.map(|(asked, _)| *asked).collect::<Vec<_>>(),
        expected
    );
    // The newest one, too: a shorter log is not an older one.
    let newest = "DELETE FROM event_log WHERE seq = (SELECT max(seq) FROM event_log)";
    disk.execute(newest, []).unwrap();
    asking.seq = Seq(server.ready.recovered.0.max(seq.0) + 2);
    assert_eq!(asking.read_log(), Err(Code::LOG_DAMAGED));
}
