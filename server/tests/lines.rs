//! Lines of JSON and the classic dialect, as whoever has nothing but a socket meets them.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use server::{ServerConfig, line::Language};
use tempfile::TempDir;

use crate::support::{Server, config, reserve, slot, try_start};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection that speaks lines.
pub(crate) struct Talker {
    reader: BufReader<TcpStream>,
}

impl Talker {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The server may end the conversation while this is being written.
    fn push_on(&mut self, bytes: &[u8]) {
        let _either_way = self.reader.get_mut().write_all(bytes);
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Says no more, and listens.
    pub(crate) fn finish(&mut self) {
        self.reader.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// The next line; `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => {
                Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.say(&request.to_string());
        self.hear().expect("an answer")
    }

    /// Registers and logs in.
    pub(crate) fn member(address: SocketAddr, name: &str) -> Self {
        let mut talker = Self::connect(address);
        let password = "correct horse";
        for word in ["register", "log-in"] {
            let answer = talker.ask(&json!({"do": word, "name": name, "password": password}));
            assert!(answer["ok"].is_string(), "{answer}");
        }
        talker
    }

    /// The admin that every server begins with.
    pub(crate) fn admin(server: &Server) -> Self {
        let password = fs::read_to_string(&server.ready.admin_password_file).unwrap();
        let mut talker = Self::connect(server.ready.jsonl.unwrap());
        let log_in = json!({"do": "log-in", "name": "admin", "password": password.trim()});
        let answer = talker.ask(&log_in);
        assert_eq!(answer["ok"], "session-opened", "{answer}");
        talker
    }

    /// Asks, and is not refused; says the position.
    pub(crate) fn seq(&mut self, request: &Value) -> u64 {
        let answer = self.ask(request);
        assert!(answer["ok"].is_string(), "{answer}");
        answer["seq"].as_u64().unwrap()
    }

    /// Who this is.
    pub(crate) fn user(&mut self) -> u64 {
        self.ask(&json!({"do": "who-am-i"}))["user"]
            .as_u64()
            .unwrap()
    }

    /// Registers and logs in, in the classic dialect; the list of people has been heard. Of who comes
    /// and goes it hears nothing: see [`Talker::hear_classic`].
    fn classic(address: SocketAddr, name: &str) -> Self {
        let mut talker = Self::connect(address);
        talker.ask(&json!({"action": "REGISTER", "username": name, "password": "correct horse"}));
        talker.classic_log_in(name);
        talker
    }

    fn classic_log_in(&mut self, name: &str) {
        let log_in = json!({"action": "LOGIN", "username": name, "password": "correct horse"});
        let answer = self.ask(&log_in);
        assert_eq!(answer["status"], "SUCCESS", "{answer}");
        assert_eq!(self.list_people()["type"], "USERLIST");
    }

    /// The next line but for who comes and goes, which is told when it is.
    fn hear_classic(&mut self) -> Option<Value> {
        loop {
            let said = self.hear()?;
            let is_sentence = said["type"] == "SYSTEM" && said.get("code").is_none();
            let is_coming = is_sentence && said["message"].as_str().unwrap().ends_with(" chat.");
            if !is_coming && said["type"] != "USERLIST" {
                return Some(said);
            }
        }
    }

    /// The list of people, of which one may be under way.
    fn list_people(&mut self) -> Value {
        self.say(&json!({"type": "USERLIST"}).to_string());
        self.hear_list()
    }

    /// The next list of people, whatever else is heard before it.
    fn hear_list(&mut self) -> Value {
        loop {
            let said = self.hear().unwrap();
            if said["type"] == "USERLIST" {
                return said;
            }
        }
    }

    /// Everything before this was heard.
    fn expect_silence(&mut self) {
        self.say(&json!({"type": "PING"}).to_string());
        assert_eq!(self.hear_classic(), Some(json!({"type": "PONG"})));
    }

    fn ends_with(&mut self, error: &str) -> Value {
        let last = self.hear().expect("a last line");
        assert_eq!(
            (&last["error"], &last["fatal"]),
            (&json!(error), &json!(true)),
            "{last}"
        );
        assert_eq!(self.hear(), None);
        last
    }
}

fn talkative(data_dir: &TempDir) -> ServerConfig {
    ServerConfig {
        jsonl: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        classic_language: Language::English,
        ..config(data_dir.path())
    }
}

pub(crate) fn start() -> (TempDir, Server, SocketAddr) {
    let data_dir = tempfile::tempdir().unwrap();
    let server = try_start(talkative(&data_dir)).unwrap();
    let address = server.ready.jsonl.unwrap();
    (data_dir, server, address)
}

fn readme_block(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, after) = readme.split_once(&format!("<!-- {name}:")).unwrap();
    let (_, after) = after.split_once("```\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// Whether what was said is what was expected, where `…` stands for anything.
fn matches(expected: &Value, said: &Value) -> bool {
    match (expected, said) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(expected), Value::Object(said)) => {
            expected.len() == said.len()
                && expected
                    .iter()
                    .all(|(name, value)| said.get(name).is_some_and(|said| matches(value, said)))
        }
        (Value::Array(expected), Value::Array(said)) => {
            expected.len() == said.len()
                && expected
                    .iter()
                    .zip(said)
                    .all(|(expected, said)| matches(expected, said))
        }
        (expected, said) => expected == said,
    }
}

/// Has a conversation of the README: `name> line` is said by that connection, `name< line` heard.
fn converse(block: &str) {
    let (_data_dir, _server, address) = start();
    let day_to_come = slot(0, 0).day.to_string();
    let mut talkers: BTreeMap<String, Talker> = BTreeMap::new();
    for line in readme_block(block).lines() {
        let line = line.replace("20800", &day_to_come);
        let (name, rest) = line.split_at(line.find(['>', '<']).unwrap());
        let talker = talkers
            .entry(name.to_owned())
            .or_insert_with(|| Talker::connect(address));
        if let Some(request) = rest.strip_prefix("> ") {
            talker.say(request);
        } else {
            let expected: Value = serde_json::from_str(rest.strip_prefix("< ").unwrap()).unwrap();
            let is_list = expected["type"] == "USERLIST";
            let said = match (block, is_list) {
                ("classic", true) => talker.hear_list(),
                ("classic", false) => talker.hear_classic().expect("not the end"),
                _lines => talker.hear().expect("not the end"),
            };
            assert!(matches(&expected, &said), "{line}\nsaid: {said}");
        }
    }
}

#[test]
fn the_conversation_in_lines_goes_as_the_readme_says() {
    converse("lines");
}

#[test]
fn the_classic_conversation_goes_as_the_readme_says() {
    converse("classic");
}

#[test]
fn a_line_is_the_same_command_as_a_frame() {
    let (_data_dir, server, address) = start();
    let (mut native, _) = server.member("ana");
    let agenda = server.agenda(&mut native);
    assert!(native.agenda(reserve(agenda, 3)).is_accepted());
    let mut lines = Talker::member(address, "bob");
    let slot = slot(agenda, 3);
    let slot = json!({"agenda": agenda, "day": slot.day, "slot": slot.slot});
    let refused = lines.ask(&json!({"do": "reserve", "slot": slot}));
    assert_eq!(refused["refused"], "slot-taken");
    assert_eq!(
        refused["seq"].as_u64(),
        Some(native.agenda(reserve(agenda, 4)).seq.0 - 1)
    );
}

#[test]
fn a_broken_line_gets_one_error_and_the_next_is_considered() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::member(address, "ana");
    let broken: [&[u8]; 9] = [
        b"{",
        b"[]",
        b"nonsense",
        b"{\"do\":7}",
        b"{\"do\":\"reserve\",\"slot\":{}}",
        b"{\"id\":1,\"id\":2,\"do\":\"ping\"}",
        b"{\"do\":\"ping\"} {\"do\":\"ping\"}",
        b"\xff\xfe{\"do\":\"ping\"}",
        b"{\"do\":\"\xc3\x28\"}",
    ];
    for line in broken {
        talker.write(&[line, b"\r\n\n"].concat());
        let said = talker.hear().unwrap();
        assert_eq!(
            (&said["error"], &said["fatal"]),
            (&json!("bad-line"), &json!(false)),
            "{said}"
        );
        assert!(said["reason"].is_string() && said["code"] == 24, "{said}");
    }
    assert_eq!(
        talker.ask(&json!({"id": 70, "do": "ping"})),
        json!({"id": 70, "ok": "pong"})
    );
}

#[test]
fn thousands_of_broken_lines_harm_nobody() {
    let (_data_dir, server, address) = start();
    let mut talker = Talker::member(address, "ana");
    let count = 5_000;
    let mut writer = talker.reader.get_ref().try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        for _ in 0..count {
            writer.write_all(b"{\"do\":\"fly\"}\n").unwrap();
        }
    });
    for _ in 0..count {
        assert_eq!(talker.hear().unwrap()["error"], "bad-line");
    }
    writing.join().unwrap();
    assert_eq!(talker.ask(&json!({"id": 7, "do": "ping"}))["ok"], "pong");
    server.connect();
}

#[test]
fn whoever_speaks_another_language_is_sent_away_at_once() {
    let (_data_dir, _server, address) = start();
    let mut browser = Talker::connect(address);
    let hidden = "{\"do\":\"register\",\"name\":\"mallory\",\"password\":\"correct horse\"}";
    let post = format!("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{hidden}\n");
    browser.push_on(post.as_bytes());
    assert_eq!(
        browser.ends_with("bad-line")["reason"],
        "the first line is no JSON object"
    );
    let mut talker = Talker::member(address, "mallory");
    assert_eq!(talker.ask(&json!({"do": "who-am-i"}))["name"], "mallory");
}

#[test]
fn a_line_without_end_is_cut_off() {
    let (_data_dir, server, address) = start();
    let mut talker = Talker::member(address, "ana");
    talker.push_on(b"{\"do\":\"send\",\"to\":\"public\",\"text\":\"");
    for _ in 0..64 {
        talker.push_on(&[b'x'; 1_024]);
    }
    talker.ends_with("line-too-long");
    server.connect();
}

#[test]
fn a_text_too_long_for_a_frame_is_refused_and_one_that_fits_is_sent() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::member(address, "ana");
    let send = |text: String| json!({"id": 9, "do": "send", "to": "public", "text": text});
    let long = talker.ask(&send("x".repeat(20_000)));
    assert_eq!(
        (&long["error"], &long["id"]),
        (&json!("line-too-long"), &json!(9))
    );
    let over = talker.ask(&send("x".repeat(4_097)));
    assert_eq!(over["refused"], "text-length");
    // Every character escaped: the longest honest line.
    let escaped = "\\u0001".repeat(4_096);
    talker.say(&format!(
        "{{\"id\":10,\"do\":\"send\",\"to\":\"public\",\"text\":\"{escaped}\"}}"
    ));
    assert_eq!(talker.hear().unwrap()["ok"], "sent");
}

#[test]
fn deep_nesting_is_an_error_like_any_other() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::member(address, "ana");
    for value in ["[", "{\"a\":"] {
        let nest = value.repeat(32_000 / value.len());
        talker.say(&format!("{{\"do\":\"reserve\",\"slot\":{nest}"));
        assert_eq!(talker.hear().unwrap()["error"], "bad-line");
    }
    let closed = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    talker.say(&format!("{{\"do\":\"reserve\",\"slot\":{closed}}}"));
    assert_eq!(talker.hear().unwrap()["error"], "bad-line");
}

#[test]
fn what_comes_in_the_wrong_order_is_refused_as_in_frames() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    let stranger = talker.ask(&json!({"do": "who-am-i"}));
    assert_eq!(
        (&stranger["error"], &stranger["id"]),
        (&json!("log-in-first"), &json!(1))
    );
    assert_eq!(talker.ask(&json!({"do": "hello"}))["ok"], "welcome");
    let mut talker = Talker::member(address, "ana");
    let again = json!({"do": "log-in", "name": "ana", "password": "correct horse"});
    assert_eq!(talker.ask(&again)["error"], "already-logged-in");
    let server_only = json!({"do": "expire", "booking": 1});
    assert_eq!(talker.ask(&server_only)["error"], "server-only");
    assert_eq!(
        talker.ask(&json!({"do": "hello", "version": 99}))["error"],
        "wire-version"
    );
    assert_eq!(talker.hear(), None);
}

#[test]
fn a_hello_at_once_is_welcomed() {
    let (_data_dir, _server, address) = start();
    for _ in 0..50 {
        let mut talker = Talker::connect(address);
        let welcome = talker.ask(&json!({"do": "hello", "version": 1}));
        assert_eq!(welcome["in_flight_max"], 64, "{welcome}");
    }
}

#[test]
fn lines_arrive_whole_however_they_are_cut() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    for byte in "{\"do\":\"ping\",\"id\":5}\r\n{\"do\":\"pi".bytes() {
        talker.write(&[byte]);
    }
    assert_eq!(talker.hear().unwrap(), json!({"id": 5, "ok": "pong"}));
    talker.write(b"ng\",\"id\":6}\n");
    assert_eq!(talker.hear().unwrap(), json!({"id": 6, "ok": "pong"}));
}

#[test]
fn a_script_is_answered_to_its_end() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    let me = json!({"name": "ana", "password": "correct horse"});
    let script = [
        json!({"do": "register", "name": me["name"], "password": me["password"]}),
        json!({"do": "log-in", "name": me["name"], "password": me["password"]}),
        json!({"do": "create-room", "name": "kitchen"}),
        json!({"do": "who-am-i"}),
    ]
    .map(|line| format!("{line}\n"))
    .concat();
    talker.write(script.as_bytes());
    talker.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    for ok in ["registered", "session-opened", "room-created", "me"] {
        assert_eq!(talker.hear().unwrap()["ok"], ok);
    }
    assert_eq!(talker.hear(), None);
}

#[test]
fn what_waits_for_a_log_in_is_bounded() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::member(address, "ana");
    drop(talker);
    talker = Talker::connect(address);
    let log_in = json!({"do": "log-in", "name": "ana", "password": "correct horse"});
    talker.push_on(format!("{log_in}\n").as_bytes());
    // Whether the log-in is answered before the rest is there, or not.
    let pings = "{\"do\":\"ping\"}\n".repeat(3_000);
    talker.push_on(pings.as_bytes());
    talker.push_on(format!("{{\"do\":\"{}\n", "x".repeat(200_000)).as_bytes());
    let mut last = Value::Null;
    while let Some(said) = talker.hear() {
        last = said;
    }
    assert_eq!(last["error"], "line-too-long");
}

#[test]
fn a_line_at_the_end_is_one_when_it_is_whole() {
    let (_data_dir, _server, address) = start();
    for (line, expected) in [
        (
            "{\"do\":\"create-room\",\"name\":\"kitchen\"}",
            "room-created",
        ),
        ("{\"do\":\"create-room\",\"name\":\"kitchen\"", "bad-line"),
        ("  ", ""),
    ] {
        let name = format!("ana{}", expected.len());
        let mut talker = Talker::member(address, &name);
        talker.write(line.as_bytes());
        talker.finish();
        let mut rest = String::new();
        talker.reader.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(expected), "{line}: {rest}");
        assert_eq!(rest.lines().count(), usize::from(!expected.is_empty()));
    }
}

#[test]
fn a_classic_client_gets_what_it_missed_once() {
    let (data_dir, server, address) = start();
    drop(Talker::classic(address, "eve"));
    let mut bob = Talker::classic(address, "bob");
    let wish =
        |text: &str| json!({"type": "PRIVATE", "recipient": "eve", "message": text}).to_string();
    bob.say(&wish("one"));
    bob.say(&wish("two"));
    bob.say(&json!({"type": "PUBLIC", "message": "past"}).to_string());
    bob.expect_silence();
    let mut eve = Talker::connect(address);
    eve.classic_log_in("eve");
    for text in ["one", "two"] {
        assert_eq!(eve.hear_classic().unwrap()["message"], text);
    }
    eve.expect_silence();
    drop(eve);
    // Once a name is shown as offline, its connection has ended, and its cursor was moved.
    await_offline(&mut bob, "eve");
    bob.say(&wish("three"));
    bob.expect_silence();
    let mut eve = Talker::connect(address);
    eve.classic_log_in("eve");
    assert_eq!(eve.hear_classic().unwrap()["message"], "three");
    eve.expect_silence();
    drop(eve);
    await_offline(&mut bob, "eve");
    drop(bob);
    server.stop();
    let server = try_start(talkative(&data_dir)).unwrap();
    let mut eve = Talker::connect(server.ready.jsonl.unwrap());
    eve.classic_log_in("eve");
    eve.expect_silence();
}

/// Asks until the list of people says so.
fn await_offline(talker: &mut Talker, name: &str) {
    let gone = json!(format!("{name}:offline"));
    loop {
        let list = talker.list_people();
        if list["users"].as_array().unwrap().contains(&gone) {
            return;
        }
    }
}

#[test]
fn a_classic_session_ends_with_its_connection() {
    let (_data_dir, _server, address) = start();
    drop(Talker::classic(address, "eve"));
    let mut bob = Talker::classic(address, "bob");
    // A person has at most 64 sessions.
    for _ in 0..70 {
        let mut eve = Talker::connect(address);
        eve.classic_log_in("eve");
        drop(eve);
        await_offline(&mut bob, "eve");
    }
}

#[test]
fn a_broken_classic_line_gets_one_error() {
    let (_data_dir, _server, address) = start();
    let mut talker = Talker::connect(address);
    let said = talker.ask(&json!({"action": "DANCE"}));
    assert_eq!(
        (&said["status"], &said["code"]),
        (&json!("ERROR"), &json!("bad-line"))
    );
    let said = talker.ask(&json!({"type": "PUBLIC", "message": "hello"}));
    assert_eq!(
        (&said["status"], &said["code"]),
        (&json!("ERROR"), &json!("log-in-first"))
    );
    let mut talker = Talker::classic(address, "ana");
    for line in [
        "{",
        "[]",
        "{\"type\":\"DANCE\"}",
        "{\"type\":\"PRIVATE\",\"recipient\":\"bob\"}",
    ] {
        talker.say(line);
        let said = talker.hear_classic().unwrap();
        assert_eq!(
            (&said["type"], &said["code"]),
            (&json!("SYSTEM"), &json!("bad-line")),
            "{said}"
        );
    }
    talker.expect_silence();
}
