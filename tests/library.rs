//! The client library against a real server in a thread: its examples as they stand, and what a program
//! sees of a connection that goes and comes.
//!
//! Nothing here sleeps or knows a port: every wait is for something to arrive.
#![expect(
    clippy::unwrap_used,
    reason = "test support: whatever fails, fails the test"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::mpsc::sync_channel,
    thread::JoinHandle,
};

use client::{
    AskError, Identity, Status, Told, connect, new_key,
    protocol::{
        Code,
        words::{
            accounts::WhoAmI,
            chat::{CreateRoom, Push, Target},
            presence::News,
        },
    },
    register, start,
};
use server::{Ready, ServeError, ServerConfig, passwords::PasswordCost};
use tokio::sync::oneshot;

macro_rules! example {
    ($name:ident, $path:literal) => {
        #[path = $path]
        #[expect(dead_code, reason = "its main is for `cargo run --example`")]
        mod $name;
    };
}

example!(agenda, "../client/examples/agenda.rs");
example!(chat, "../client/examples/chat.rs");
example!(sales, "../client/examples/sales.rs");

const PASSWORD: &str = "correct horse";

/// A server in a thread, which ends with it.
struct Server {
    ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Server {
    fn start(data_dir: &Path, port: u16) -> Self {
        let config = ServerConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            password_cost: PasswordCost::TEST,
            ..ServerConfig::on_loopback(data_dir)
        };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            let announce = |ready: &Ready| tell.send(ready.clone()).unwrap();
            server::serve(&config, announce, async {
                let _either_way = stopped.await;
            })
        });
        Self {
            ready: told.recv().expect("it gets ready"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn address(&self) -> String {
        self.ready.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _already_failing = thread.join();
        }
    }
}

fn serve() -> (tempfile::TempDir, Server, String) {
    let data_dir = tempfile::tempdir().unwrap();
    let server = Server::start(data_dir.path(), 0);
    let address = server.address();
    (data_dir, server, address)
}

fn log_in(name: &str, password: &str) -> Identity {
    Identity::LogIn {
        name: name.to_owned(),
        password: password.to_owned(),
        key: new_key().unwrap(),
    }
}

#[tokio::test]
async fn the_agenda_example_runs() {
    let (_data_dir, _server, address) = serve();
    agenda::run(&address).await.unwrap();
}

#[tokio::test]
async fn the_chat_example_runs() {
    let (_data_dir, _server, address) = serve();
    chat::run(&address).await.unwrap();
}

#[tokio::test]
async fn the_sales_example_runs() {
    let (_data_dir, server, address) = serve();
    let password = std::fs::read_to_string(&server.ready.admin_password_file).unwrap();
    sales::run(&address, password.trim()).await.unwrap();
}

#[tokio::test]
async fn a_name_is_registered_once() {
    let (_data_dir, _server, address) = serve();
    let ana = register(&address, "ana", PASSWORD).await.unwrap();
    match register(&address, "ana", PASSWORD).await {
        Err(AskError::Refused(refusal)) => {
            assert_eq!((refusal.code, refusal.value), (Code::NAME_TAKEN, ana.0));
        }
        other => panic!("{other:?}"),
    }
    let (handle, _pushes) = connect(&address, log_in("ana", PASSWORD), None)
        .await
        .unwrap();
    assert_eq!(handle.session().unwrap().user, ana);
    assert_eq!(handle.query(WhoAmI {}).await.unwrap().user, ana);
}

#[tokio::test]
async fn whoever_is_not_taken_is_told_why_and_so_is_whoever_asks() {
    let (_data_dir, _server, address) = serve();
    register(&address, "ana", PASSWORD).await.unwrap();
    let (handle, _pushes) = start(&address, log_in("ana", "wrong horse"), None).unwrap();
    let mut statuses = handle.watch_status();
    let mut last = None;
    while let Some(status) = statuses.next().await {
        last = Some(status);
    }
    let Some(Status::Ended(refusal)) = last else {
        panic!("{last:?}")
    };
    assert_eq!(refusal.code, Code::BAD_CREDENTIALS);
    assert_eq!(handle.query(WhoAmI {}).await, Err(AskError::Over(refusal)));
}

#[tokio::test]
async fn a_server_that_goes_and_comes_shows_in_the_status_and_in_nothing_else() {
    let (data_dir, server, address) = serve();
    let port = server.ready.address.port();
    let ana = register(&address, "ana", PASSWORD).await.unwrap();
    register(&address, "bob", PASSWORD).await.unwrap();
    let (bob, mut pushes) = connect(&address, log_in("bob", PASSWORD), None)
        .await
        .unwrap();
    bob.watch_presence(vec![ana]).await.unwrap();
    bob.command(CreateRoom {
        name: "kitchen".to_owned(),
    })
    .await
    .unwrap();
    let mut statuses = bob.watch_status();
    assert_eq!(statuses.next().await, Some(Status::Connected));
    drop(server);
    // What is asked while there is no server is answered when there is one again.
    let asking = tokio::spawn({
        let bob = bob.clone();
        async move { bob.send(Target::Public, "hello").await }
    });
    while !matches!(statuses.next().await, Some(Status::Waiting { .. })) {}
    let _server = Server::start(data_dir.path(), port);
    asking.await.unwrap().unwrap();
    while statuses.next().await != Some(Status::Connected) {}
    // She is watched on the new connection, too.
    let (_ana, _) = connect(&address, log_in("ana", PASSWORD), None)
        .await
        .unwrap();
    let (mut is_here, mut said) = (false, 0);
    while !is_here || said == 0 {
        match pushes.next().await.unwrap().told() {
            Told::News(News::PresenceChanged(changed)) => is_here |= changed.online,
            Told::Chat(Push::Entry(_)) => said += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(said, 1, "nothing is told twice");
}

#[tokio::test]
async fn pushes_that_nobody_takes_for_a_while_are_all_there() {
    let (_data_dir, _server, address) = serve();
    register(&address, "ana", PASSWORD).await.unwrap();
    register(&address, "bob", PASSWORD).await.unwrap();
    let (_ana, mut pushes) = connect(&address, log_in("ana", PASSWORD), None)
        .await
        .unwrap();
    let (bob, to_bob) = connect(&address, log_in("bob", PASSWORD), None)
        .await
        .unwrap();
    drop(to_bob);
    let count = 600;
    for nth in 0..count {
        bob.send(Target::Public, &nth.to_string()).await.unwrap();
    }
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(pushes.next().await.unwrap().seq.unwrap());
    }
    assert!(
        seqs.is_sorted_by(|one, next| one < next),
        "each once, in order"
    );
}
