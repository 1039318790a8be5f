//! Runs against a server that has other users too: visitors of every system, and another run.
//!
//! A visitor speaks lines of JSON for as long as the run goes on, again and again as somebody new, so that
//! nobody has to hit an instant. Deliberately absent: what each law makes of a visitor's record
//! (`loadgen/tests/histories`).

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use reports::record::{Conclusion, RunRecord, Verdict};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    mistakes::write,
    program::{DEADLINE, Server, only_run, record_of, run_load, run_on_the_side, text},
};

/// Every system, and slots that run out.
const SCENARIO: &str = r#"
name = "visited"
seed = 5

[world]
users    = 24
agendas  = 2
days     = 1
slots    = 24
rooms    = 1
room_members = 6
items    = 12
words    = 3
networks = 1
stores   = 2
sellers  = 6
managers = 4

[[phase]]
name     = "all"
duration = "3s"
load     = [
  { flow = "book", rate = 40 },
  { flow = "talk", rate = 20 },
  { flow = "like", clients = 2, think = "exp(30ms)" },
  { flow = "sell", rate = 20, who = "sellers" },
  { flow = "ask",  clients = 1, think = "exp(50ms)", who = "managers" },
]

[flow.book]
steps = [
  { reserve = {}, save = "booking" },
  { list_slots = {} },
  { wait = "1ms..20ms" },
  { cancel = { booking = "$booking" }, probability = 0.6 },
  { my_bookings = {} },
]
[flow.talk]
steps = [{ send = { to = "public" } }, { read_history = { of = "public" } }]
[flow.like]
steps = [
  { add_favourite = { item = "uniform" } },
  { list_favourites = {} },
  { search_items = { word = "uniform" } },
]
[flow.sell]
steps = [{ record_sale = { cents = "100..20_000" } }]
[flow.ask]
steps = [{ store_total = {} }, { network_total = {} }, { best_seller = {} }]

[require]
lateness_max = "1s"
laws = [
  "no-double-booking", "refusals-justified", "no-lost-cancel", "durable-acks", "no-phantom",
  "real-time-order", "session-order", "log-chained", "replay-determinism", "model-agrees",
  "no-phantom-message", "no-lost-message", "one-entry-per-index", "favourites-listed", "searches-agree",
  "sales-bounded", "sales-agree", "sales-exact",
]
"#;

/// Somebody with a connection of lines.
struct Visitor {
    lines: BufReader<TcpStream>,
}

impl Visitor {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
        Self {
            lines: BufReader::new(stream),
        }
    }

    /// Asks, and waits for the answer, past whatever is pushed meanwhile.
    fn ask(&mut self, request: &Value) -> Value {
        let line = format!("{request}\n");
        self.lines
            .get_mut()
            .write_all(line.as_bytes())
            .expect("it takes a line");
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("it answers");
            assert_ne!(read, 0, "the server hung up behind {request}");
            let said: Value = serde_json::from_str(&line).expect("lines are JSON");
            if said.get("push").is_none() && said.get("news").is_none() {
                return said;
            }
        }
    }

    /// Somebody new, logged in.
    fn register(address: &str, name: &str) -> Self {
        let mut visitor = Self::connect(address);
        let password = "correct horse";
        visitor.ask(&json!({"do": "register", "name": name, "password": password}));
        visitor.ask(&json!({"do": "log-in", "name": name, "password": "wrong horse"}));
        visitor.ask(&json!({"do": "log-in", "name": "nobody.at.all", "password": password}));
        let session = visitor.ask(&json!({"do": "log-in", "name": name, "password": password}));
        assert_eq!(session["ok"], "session-opened", "{session}");
        visitor
    }

    /// The ids in a list that an answer has.
    fn ids(&mut self, list: &str, id: &str) -> Vec<u64> {
        let limit = 100;
        let answer = self.ask(&json!({"do": format!("list-{list}"), "after": 0, "limit": limit}));
        let all = answer[list].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|it| it[id].as_u64()).collect()
    }

    /// A bit of every system: what is taken in it, the run's people lack.
    fn live(&mut self, name: &str) {
        let day = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("now")
            .as_secs()
            / 86_400
            + 1;
        for agenda in self.ids("agendas", "agenda") {
            for slot in 0..3 {
                let slot = json!({"agenda": agenda, "day": day, "slot": slot});
                let booked = self.ask(&json!({"do": "reserve", "slot": slot}));
                self.ask(&json!({"do": "join-waitlist", "slot": slot}));
                self.ask(&json!({"do": "leave-waitlist", "slot": slot}));
                let booking = booked["seq"].as_u64().unwrap_or(0);
                self.ask(&json!({"do": "cancel", "booking": booking}));
            }
            let slot = json!({"agenda": agenda, "day": day, "slot": 4});
            self.ask(&json!({"do": "hold", "slot": slot, "seconds": 1}));
        }
        self.ask(&json!({"do": "cancel", "booking": 1}));
        self.ask(
            &json!({"do": "send", "to": "public", "text": format!("good morning from {name}")}),
        );
        self.ask(&json!({"do": "mark-read", "conversation": 0, "index": 1}));
        self.ask(&json!({"do": "create-room", "name": name}));
        for room in self.ids("rooms", "room") {
            self.ask(&json!({"do": "join-room", "room": room}));
            let to = json!({"conversation": room});
            self.ask(&json!({"do": "send", "to": to, "text": "and in here"}));
        }
        let item = self.ask(&json!({"do": "register-item", "name": name, "item_type": 1}));
        self.ask(&json!({"do": "add-favourite", "item": item["seq"]}));
        self.ask(
            &json!({"do": "rename-item", "item": item["seq"], "name": format!("{name} again")}),
        );
    }
}

/// Visits until it is told to stop; how many people it was.
fn visit(lines: &str, data: &Path, stop: &AtomicBool) -> u32 {
    let password = std::fs::read_to_string(data.join("admin-password")).expect("it is there");
    let mut admin = Visitor::connect(lines);
    admin.ask(&json!({"do": "log-in", "name": "admin", "password": password.trim()}));
    let mut people = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("visitor-{people}");
        let mut visitor = Visitor::register(lines, &name);
        people += 1;
        visitor.live(&name);
        let me = visitor.ask(&json!({"do": "who-am-i"}))["user"].clone();
        admin.ask(&json!({"do": "set-roles", "user": me, "roles": 1}));
        let stores = admin.ids("stores", "store");
        if let Some(store) = stores.last() {
            admin.ask(&json!({"do": "assign-seller", "seller": me, "store": store}));
            let sale = format!("{people:032x}");
            let day = 20_000;
            let word =
                json!({"do": "record-sale", "sale": sale, "store": store, "cents": 7, "day": day});
            visitor.ask(&word);
        }
        if people % 2 == 0 {
            visitor.ask(&json!({"do": "erase-me"}));
        }
    }
    people
}

async fn shared_server(dir: &Path) -> (Server, String, String) {
    let server = Server::start_with(&dir.join("data"), &["--jsonl", "127.0.0.1:0"]).await;
    let lines = server.greeting.iter().find_map(|line| {
        let address = line.trim_start().strip_prefix("nc ")?;
        Some(address.replace(' ', ":"))
    });
    let lines = lines.unwrap_or_else(|| panic!("no address of lines in {:?}", server.greeting));
    let password = text(&server.data.join("admin-password")).to_owned();
    (server, lines, password)
}

fn assert_passed(record: &RunRecord) {
    let broken: Vec<_> = record
        .laws
        .iter()
        .filter(|law| law.verdict == Verdict::Invalid)
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(
        record.verdict.conclusion,
        Conclusion::Pass,
        "{:#?}",
        record.verdict
    );
}

#[tokio::test]
async fn visitors_of_every_system_are_set_aside_and_named() {
    let dir = tempdir().expect("a directory");
    let (server, lines, password) = shared_server(dir.path()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let visiting = {
        let (stop, data) = (Arc::clone(&stop), server.data.clone());
        thread::spawn(move || visit(&lines, &data, &stop))
    };
    let scenario = write(dir.path(), "visited.toml", SCENARIO);
    let target = format!("tcp://{}", server.address);
    let args = [
        "run",
        &scenario,
        "--target",
        &target,
        "--admin-password-file",
        &password,
    ];
    let out = dir.path().join("runs");
    let said = run_load(&args, &out, 0).await;
    stop.store(true, Ordering::Relaxed);
    let people = visiting.join().expect("the visitor was answered");
    let record = record_of(&only_run(&out));
    assert_passed(&record);
    let visitors = record.visitors.expect("somebody visited");
    assert!(
        0 < visitors.people && visitors.people <= u64::from(people) + 1,
        "{visitors:?}"
    );
    assert!(visitors.people < visitors.records, "{visitors:?}");
    assert!(
        said.out.contains("Others used the server too: "),
        "{}",
        said.out
    );
    assert_eq!(server.interrupt().await.code, Some(0));
}

#[tokio::test]
async fn two_runs_at_once_on_one_server_both_pass() {
    let dir = tempdir().expect("a directory");
    let (server, _lines, password) = shared_server(dir.path()).await;
    let scenario = write(dir.path(), "visited.toml", SCENARIO);
    let target = format!("tcp://{}", server.address);
    let other = dir.path().join("other");
    // The second begins and ends within the first, or lies over one of its ends: both are visits.
    let seeded = [
        "run",
        &scenario,
        "--seed",
        "9",
        "--target",
        &target,
        "--admin-password-file",
        &password,
    ];
    let beside = run_on_the_side(&seeded, &other);
    let out = dir.path().join("runs");
    let args = [
        "run",
        &scenario,
        "--target",
        &target,
        "--admin-password-file",
        &password,
    ];
    let (_said, beside) = tokio::join!(run_load(&args, &out, 0), beside);
    assert_ne!(beside.code, Some(11), "{beside:?}");
    for out in [&out, &other] {
        let record = record_of(&only_run(out));
        let invalid = record
            .laws
            .iter()
            .filter(|law| law.verdict == Verdict::Invalid);
        assert_eq!(invalid.count(), 0, "{:#?}", record.verdict);
    }
    assert_passed(&record_of(&only_run(&out)));
    assert_eq!(server.interrupt().await.code, Some(0));
}
