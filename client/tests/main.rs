//! The client where there is no server, in virtual time. With one it is tested in `tests/library.rs` of
//! the workspace, which may name both.

use std::{net::TcpListener, time::Duration};

use client::{AskError, Identity, new_key, protocol::words::accounts::WhoAmI, register, start};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_for_a_minute_is_given_up() {
    // Nobody listens there: the port was given back.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let identity = Identity::LogIn {
        name: "ana".to_owned(),
        password: "correct horse".to_owned(),
        key: new_key().unwrap(),
    };
    let (handle, _pushes) = start(&address, identity, None).unwrap();
    let began = Instant::now();
    assert_eq!(handle.query(WhoAmI {}).await, Err(AskError::NotSent));
    assert!(Duration::from_secs(60) <= began.elapsed());
    let registered = register(&address, "ana", "correct horse").await;
    assert_eq!(registered, Err(AskError::NotSent));
}
