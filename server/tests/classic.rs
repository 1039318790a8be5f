//! The classic dialect, for a client that takes whatever one `recv` returns for one message.
//!
//! The client that this dialect exists for does so while it logs in. This one always does: a thread of
//! it reads once at a time into more room than any line needs, and parses what came as one line.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use protocol::{
    Seq, UserId,
    words::{
        accounts,
        chat::{self, Target},
    },
};
use serde_json::{Value, json};
use server::{ServerConfig, line::Language};
use tempfile::TempDir;

use crate::support::{Client, PASSWORD, Server, config, try_start};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room for more than any line.
const RECV_BYTES: usize = 1_024 * 1_024;

/// Messages that a test may leave unheard: more than any is told.
const HEARD_MAX: usize = 10_000;

/// A client that reads as the chat of old does.
struct Reader {
    stream: TcpStream,
    heard: Receiver<Value>,
    /// What came before what was waited for.
    skipped: VecDeque<Value>,
}

impl Reader {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut reading = stream.try_clone().unwrap();
        let (tell, heard) = sync_channel(HEARD_MAX);
        std::thread::spawn(move || {
            let mut room = vec![0; RECV_BYTES];
            while let Ok(len @ 1..) = reading.read(&mut room) {
                let one = str::from_utf8(&room[..len]).unwrap();
                // Two lines are none, as are half of one.
                let message = serde_json::from_str(one.trim()).unwrap_or_else(
                    |error| json!({"unreadable": one, "because": error.to_string()}),
                );
                if tell.send(message).is_err() {
                    break;
                }
            }
        });
        Self {
            stream,
            heard,
            skipped: VecDeque::new(),
        }
    }

    fn say(&mut self, request: &Value) {
        let line = format!("{request}\n");
        self.stream.write_all(line.as_bytes()).unwrap();
    }

    /// The next message; what cannot be read is the end of the test.
    #[track_caller]
    fn hear(&mut self) -> Value {
        if let Some(skipped) = self.skipped.pop_front() {
            return skipped;
        }
        self.receive()
    }

    #[track_caller]
    fn receive(&self) -> Value {
        let message = self.heard.recv_timeout(PATIENCE).expect("a message");
        assert!(message.get("unreadable").is_none(), "{message}");
        message
    }

    /// The first message that is like this, whatever else comes before; that is kept.
    #[track_caller]
    fn await_one(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.skipped.iter().position(&is_it) {
            return self.skipped.remove(place).unwrap();
        }
        loop {
            let message = self.receive();
            if is_it(&message) {
                return message;
            }
            self.skipped.push_back(message);
        }
    }

    #[track_caller]
    fn await_system(&mut self, sentence: &str) -> Value {
        self.await_one(|said| said["type"] == "SYSTEM" && said["message"] == sentence)
    }

    /// What was said to this person or in a room before this: what is said to everybody comes back
    /// behind it.
    #[track_caller]
    fn told(&mut self) -> Vec<Value> {
        self.say(&json!({"type": "PUBLIC", "message": "here"}));
        self.await_one(|said| said["message"] == "here");
        let is_told = |said: &Value| said["type"] == "PRIVATE" || said["type"] == "ROOM_MESSAGE";
        self.skipped.drain(..).filter(is_told).collect()
    }

    /// Says that it is there.
    #[track_caller]
    fn ping(&mut self) {
        self.say(&json!({"type": "PING"}));
        self.await_one(|said| said["type"] == "PONG");
    }

    fn register(address: SocketAddr, name: &str) {
        let mut reader = Self::connect(address);
        reader.say(&json!({"action": "REGISTER", "username": name, "password": PASSWORD}));
        assert_eq!(reader.hear()["status"], "SUCCESS");
    }

    /// Logs in as the chat of old does: it asks for the list when it has heard that it is in.
    fn enter(address: SocketAddr, name: &str) -> Self {
        let mut reader = Self::log_in(address, name);
        reader.say(&json!({"type": "USERLIST"}));
        let me = json!(format!("{name}:online"));
        reader.await_one(|said| {
            said["users"]
                .as_array()
                .is_some_and(|users| users.contains(&me))
        });
        reader
    }

    fn log_in(address: SocketAddr, name: &str) -> Self {
        let mut reader = Self::connect(address);
        reader.say(&json!({"action": "LOGIN", "username": name, "password": PASSWORD}));
        let said = reader.hear();
        assert_eq!(said["status"], "SUCCESS", "{said}");
        reader
    }

    fn newcomer(address: SocketAddr, name: &str) -> Self {
        Self::register(address, name);
        Self::enter(address, name)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The reading thread has the socket, too.
        let _already_over = self.stream.shutdown(Shutdown::Both);
    }
}

fn start_in(language: Language) -> (TempDir, Server, SocketAddr) {
    let data_dir = tempfile::tempdir().unwrap();
    let server = try_start(ServerConfig {
        jsonl: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        classic_language: language,
        ..config(data_dir.path())
    })
    .unwrap();
    let address = server.ready.jsonl.unwrap();
    (data_dir, server, address)
}

fn start() -> (TempDir, Server, SocketAddr) {
    start_in(Language::Portuguese)
}

fn send(client: &mut Client, to: Target, text: &str) {
    let send = chat::Command::from(chat::Send {
        to,
        text: text.into(),
    });
    assert!(client.chat(send).is_accepted());
}

fn id_of(client: &mut Client, name: &str) -> UserId {
    let find = accounts::Query::from(accounts::FindUser {
        name: name.to_owned(),
    });
    let answer = client.query(find.kind(), |out| find.encode(out));
    let (kind, schema, body) = answer.accepted();
    match accounts::Answer::decode(kind, schema, &body) {
        Ok(accounts::Answer::FoundUser(found)) => found.user,
        other => panic!("{other:?}"),
    }
}

/// The newest durable position.
fn head(server: &Server) -> Seq {
    let mut client = Client::connect(server.ready.address);
    client.hello().seq
}

/// Has somebody talk to everybody while `act` runs: a message for each that others begin with.
fn with_chatter<T>(server: &Server, act: impl FnOnce(&dyn Fn()) -> T) -> T {
    let (mut chatterbox, _) = server.member("chatterbox");
    let (ask, asked) = sync_channel::<()>(HEARD_MAX);
    let is_over = AtomicBool::new(false);
    let over = &is_over;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while asked.recv().is_ok() && !over.load(Ordering::Relaxed) {
                send(&mut chatterbox, Target::Public, "so it goes");
            }
        });
        let acted = act(&|| ask.send(()).unwrap());
        over.store(true, Ordering::Relaxed);
        drop(ask);
        acted
    })
}

#[test]
fn each_of_sixty_log_ins_is_read_by_whoever_takes_one_recv_for_one_message() {
    let (_data_dir, server, address) = start();
    let names = ["ana", "bob", "eve", "joe"];
    for name in names {
        Reader::register(address, name);
    }
    let entered = with_chatter(&server, |chat| {
        let mut entered = 0;
        for _ in 0..15 {
            // Four at a time, and somebody talks meanwhile.
            let readers = std::thread::scope(|scope| {
                let entering = names.map(|name| scope.spawn(move || Reader::enter(address, name)));
                chat();
                entering.map(|entering| entering.join().unwrap())
            });
            chat();
            for mut reader in readers {
                // What was said just now is told, a line at a time.
                reader.await_one(|said| said["type"] == "PUBLIC");
                entered += 1;
            }
        }
        entered
    });
    assert_eq!(entered, 60);
}

#[test]
fn each_of_twenty_offline_messages_is_read_by_whoever_takes_one_recv_for_one_message() {
    let (_data_dir, server, address) = start();
    drop(Reader::newcomer(address, "eve"));
    let (mut bob, _) = server.member("bob");
    let eve = Target::Person(id_of(&mut bob, "eve"));
    let texts: Vec<String> = (0..20).map(|nth| format!("nº {nth} ção 😀")).collect();
    for text in &texts {
        send(&mut bob, eve, text);
    }
    let mut reader = with_chatter(&server, |chat| {
        let mut reader = Reader::enter(address, "eve");
        for text in &texts {
            chat();
            let told = reader.await_one(|said| said["type"] == "PRIVATE");
            assert_eq!(told["message"], json!(text));
        }
        reader
    });
    assert_eq!(reader.told(), Vec::<Value>::new(), "each once");
    drop(reader);
    let told = Reader::enter(address, "eve").told();
    assert_eq!(
        told,
        Vec::<Value>::new(),
        "and not again by whoever lived on"
    );
}

#[test]
fn whoever_says_nothing_after_being_told_is_told_again() {
    let (_data_dir, server, address) = start();
    drop(Reader::newcomer(address, "eve"));
    let (mut bob, _) = server.member("bob");
    let eve = Target::Person(id_of(&mut bob, "eve"));
    send(&mut bob, eve, "one");
    send(&mut bob, eve, "two");
    let is_private = |said: &Value| said["type"] == "PRIVATE";
    // It hears that it is in, and dies; then it hears everything, and dies.
    drop(Reader::log_in(address, "eve"));
    let mut reader = Reader::enter(address, "eve");
    for text in ["one", "two"] {
        assert_eq!(reader.await_one(is_private)["message"], text);
    }
    drop(reader);
    let mut reader = Reader::enter(address, "eve");
    for text in ["one", "two"] {
        assert_eq!(reader.await_one(is_private)["message"], text);
    }
    // Now it lives on.
    assert_eq!(reader.told(), Vec::<Value>::new());
    drop(reader);
    let told = Reader::enter(address, "eve").told();
    assert_eq!(told, Vec::<Value>::new());
}

#[test]
fn whoever_speaks_to_everybody_hears_it_and_geral_is_everybody() {
    let (_data_dir, _server, address) = start();
    let mut bob = Reader::newcomer(address, "bob");
    let mut eve = Reader::newcomer(address, "eve");
    let is_public = |said: &Value| said["type"] == "PUBLIC";
    bob.say(&json!({"type": "PUBLIC", "message": "olá"}));
    bob.say(&json!({"type": "ROOM_MESSAGE", "room": "Geral", "message": "e aqui"}));
    for reader in [&mut bob, &mut eve] {
        for text in ["olá", "e aqui"] {
            let said = reader.await_one(is_public);
            assert_eq!(
                (&said["sender"], &said["message"]),
                (&json!("bob"), &json!(text))
            );
        }
    }
    bob.say(&json!({"type": "ROOM_ACTION", "room": "Geral", "action": "join"}));
    bob.await_system("você está na sala Geral");
    bob.say(&json!({"type": "ROOM_ACTION", "room": "Geral", "action": "leave"}));
    let said = bob.await_system("todos estão na sala Geral, e ninguém sai dela");
    assert_eq!(said["code"], "public-members");
}

#[test]
fn what_one_said_in_a_room_comes_back_and_what_one_said_to_somebody_goes_to_the_other_devices() {
    let (_data_dir, _server, address) = start();
    let mut bob = Reader::newcomer(address, "bob");
    let mut eve = Reader::newcomer(address, "eve");
    let mut other = Reader::enter(address, "bob");
    bob.say(&json!({"type": "ROOM_ACTION", "room": "cozinha", "action": "join"}));
    bob.await_system("você está na sala cozinha");
    bob.say(&json!({"type": "ROOM_MESSAGE", "room": "cozinha", "message": "chá?"}));
    let is_of_room = |said: &Value| said["type"] == "ROOM_MESSAGE" && said["message"] == "chá?";
    bob.await_one(is_of_room);
    other.await_one(is_of_room);
    bob.say(&json!({"type": "PRIVATE", "recipient": "eve", "message": "psst"}));
    let is_private = |said: &Value| said["type"] == "PRIVATE";
    for reader in [&mut eve, &mut other] {
        let said = reader.await_one(is_private);
        let from_to = (&said["sender"], &said["recipient"], &said["message"]);
        assert_eq!(from_to, (&json!("bob"), &json!("eve"), &json!("psst")));
    }
    assert_eq!(bob.told(), Vec::<Value>::new(), "its window has it");
}

#[test]
fn who_comes_and_goes_is_told_and_so_is_the_list() {
    let (_data_dir, _server, address) = start();
    let mut bob = Reader::newcomer(address, "bob");
    let has = |entry: &'static str| {
        move |said: &Value| {
            let users = said["users"].as_array();
            users.is_some_and(|users| users.contains(&json!(entry)))
        }
    };
    let eve = Reader::newcomer(address, "eve");
    bob.await_system("eve entrou no chat.");
    bob.await_one(has("eve:online"));
    drop(eve);
    bob.await_system("eve saiu do chat.");
    bob.await_one(has("eve:offline"));
}

#[test]
fn refusals_name_what_was_asked_for_in_the_language_of_the_window() {
    for (language, no_room, no_user, not_in) in [
        (
            Language::Portuguese,
            "não há sala `porão`; entre nela para criá-la",
            "não há usuário `ninguém`; confira o nome",
            "você não está na sala `sótão`; entre nela antes",
        ),
        (
            Language::English,
            "there is no room `porão`; join it, which makes it",
            "there is no user `ninguém`; check the name",
            "you are not in room `sótão`; join it first",
        ),
    ] {
        let (_data_dir, _server, address) = start_in(language);
        let mut bob = Reader::newcomer(address, "bob");
        let mut eve = Reader::newcomer(address, "eve");
        eve.say(&json!({"type": "ROOM_ACTION", "room": "sótão", "action": "join"}));
        eve.await_one(|said| said["type"] == "SYSTEM" && said.get("code").is_none());
        bob.say(&json!({"type": "ROOM_MESSAGE", "room": "porão", "message": "?"}));
        assert_eq!(bob.await_system(no_room)["code"], "unknown-room");
        bob.say(&json!({"type": "PRIVATE", "recipient": "ninguém", "message": "?"}));
        assert_eq!(bob.await_system(no_user)["code"], "unknown-user");
        bob.say(&json!({"type": "ROOM_MESSAGE", "room": "sótão", "message": "?"}));
        assert_eq!(bob.await_system(not_in)["code"], "not-member");
    }
}

#[test]
fn ten_public_messages_among_forty_clients_are_not_four_hundred_records() {
    let (_data_dir, server, address) = start();
    let names: Vec<String> = (0..40).map(|nth| format!("user{nth}")).collect();
    for name in &names {
        Reader::register(address, name);
    }
    let mut readers: Vec<Reader> = std::thread::scope(|scope| {
        let entering: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(move || Reader::enter(address, name)))
            .collect();
        entering
            .into_iter()
            .map(|entering| entering.join().unwrap())
            .collect()
    });
    let before = head(&server);
    for nth in 0..10 {
        readers[0].say(&json!({"type": "PUBLIC", "message": format!("nº {nth}")}));
    }
    for reader in &mut readers {
        reader.await_one(|said| said["message"] == "nº 9");
        reader.ping();
    }
    assert_eq!(head(&server).0, before.0 + 10);
    drop(readers);
    server.stop();
}
