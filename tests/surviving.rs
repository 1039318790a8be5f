//! Two people talk while their server is killed and started again, and neither notices.
//!
//! They use the client library through a relay that keeps one address for all of the server's
//! lives. Whatever the kills hit, every message is accepted once, stands at a place of its own, and
//! is pushed to its reader once, in order.

use std::{cell::RefCell, collections::BTreeSet, path::Path, rc::Rc};

use client::{Handle, Identity, Pushes, Told, connect};
use loadgen::target::Caller;
use protocol::{
    Key, UserId,
    words::chat::{Content, Entry, Push, Target},
};
use tempfile::tempdir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinSet, LocalSet},
    time::timeout,
};

use crate::program::{DEADLINE, Server};

/// Messages in all, by as many writers at once as stay busy over a restart.
const MESSAGES: u64 = 1_200;
const WRITERS: u64 = 8;
/// Answers between two kills.
const ANSWERS_A_LIFE: u64 = 250;

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_the_server_is_killed_and_restarted() {
    LocalSet::new()
        .run_until(async { timeout(DEADLINE, talk_through_kills()).await })
        .await
        .expect("it ends in time");
}

async fn talk_through_kills() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("data");
    let server = Server::start(&data).await;
    let relay = Relay::start(&server.address).await;
    let reader_id = register(&server, 1, "reader").await;
    register(&server, 2, "writer").await;
    let (_handle, pushes) = log_in(&relay, 3, "reader").await;
    let (writer, own) = log_in(&relay, 4, "writer").await;
    drop(own); // they are pushed to their writer too, who does not take them

    let answers = Rc::new(Answers::default());
    let mut tasks = JoinSet::new();
    for number in 0..WRITERS {
        let (writer, answers) = (writer.clone(), Rc::clone(&answers));
        tasks.spawn_local(write(writer, reader_id, number, answers));
    }
    let reading = tokio::task::spawn_local(read(pushes));
    let lives = kill_now_and_then(server, &data, &relay, &answers).await;
    assert!(4 <= lives, "{lives} lives");
    while let Some(joined) = tasks.join_next().await {
        joined.expect("no writer gives up");
    }
    let places = answers.places.take();
    assert_eq!(places.len() as u64, MESSAGES, "each has a place of its own");
    assert_eq!(places.last(), Some(&MESSAGES), "and there are no others");
    let read = reading.await.expect("the reader reads");
    assert!(read.is_sorted(), "in order: {read:?}");
    let all: Vec<u64> = (1..=MESSAGES).collect();
    assert_eq!(read, all, "everything once");
}

/// What writers were told.
#[derive(Debug, Default)]
struct Answers {
    places: RefCell<BTreeSet<u64>>,
    another: Notify,
}

async fn write(writer: Handle, to: UserId, number: u64, answers: Rc<Answers>) {
    for message in (number..MESSAGES).step_by(usize::try_from(WRITERS).expect("few")) {
        let text = format!("message {message}");
        let sent = writer.send(Target::Person(to), &text).await;
        let place = sent.expect("an answer, whatever happens").index;
        assert!(
            answers.places.borrow_mut().insert(place),
            "{place} is taken"
        );
        answers.another.notify_one();
    }
}

/// The places of all messages, as they are pushed.
async fn read(mut pushes: Pushes) -> Vec<u64> {
    let mut read = Vec::new();
    while read.last() != Some(&MESSAGES) {
        let pushed = pushes.next().await.expect("the conversation goes on");
        if let Told::Chat(Push::Entry(Entry {
            index,
            content: Content::Text(_),
            ..
        })) = pushed.told()
        {
            read.push(index);
        }
    }
    read
}

/// Until everything is answered. How many lives the server had.
async fn kill_now_and_then(
    mut server: Server,
    data: &Path,
    relay: &Relay,
    answers: &Answers,
) -> u64 {
    let (mut lives, mut kill_at) = (1, ANSWERS_A_LIFE);
    loop {
        let answered = answers.places.borrow().len() as u64;
        if answered == MESSAGES {
            // Dropping it kills it, and the reader may have something to read still.
            tokio::task::spawn_local(async move {
                let _until_the_test_ends = server;
                std::future::pending::<()>().await;
            });
            return lives;
        }
        if kill_at <= answered {
            server.kill().await;
            server = Server::start(data).await;
            relay.lead_to(&server.address);
            lives += 1;
            kill_at = answers.places.borrow().len() as u64 + ANSWERS_A_LIFE;
        } else {
            answers.another.notified().await;
        }
    }
}

async fn register(server: &Server, key: u8, name: &str) -> UserId {
    let mut caller = Caller::connect(&server.address).await.expect("it listens");
    let registered = caller.register(Key([key; 16]), name, "secret").await;
    UserId(registered.expect("the name is free").seq.0)
}

async fn log_in(relay: &Relay, key: u8, name: &str) -> (Handle, Pushes) {
    let identity = Identity::LogIn {
        name: name.to_owned(),
        password: "secret".to_owned(),
        key: Key([key; 16]),
    };
    let connected = connect(&relay.address, identity, None).await;
    connected.expect("they are registered")
}

/// One address for all lives of a server.
struct Relay {
    address: String,
    leads_to: Rc<RefCell<String>>,
}

impl Relay {
    async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let leads_to = Rc::new(RefCell::new(server.to_owned()));
        let target = Rc::clone(&leads_to);
        tokio::task::spawn_local(async move {
            while let Ok((near, _peer)) = listener.accept().await {
                let address = target.borrow().clone();
                tokio::task::spawn_local(relay(near, address));
            }
        });
        Self { address, leads_to }
    }

    fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.leads_to.borrow_mut());
    }
}

async fn relay(mut near: TcpStream, address: String) {
    // While the server is dead nobody is there, and the near side is closed.
    if let Ok(mut far) = TcpStream::connect(address).await {
        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
