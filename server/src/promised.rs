//! What `protocol/README.md` promises of limits that live in other rooms than `protocol::limits`.

use protocol::limits;

use crate::{
    auth::AUTH_WAITING_MAX,
    engine::BATCH_LEN_MAX,
    keys::KEYS_RETAINED_MIN,
    presence::{TYPING_MS, TYPING_TARGETS_MAX},
    session::{LOGIN_FAILURES_MAX, OUTBOUND_BYTES_MAX, SessionTimeouts},
};

#[test]
fn limits_are_what_the_protocol_says() {
    assert_eq!(LOGIN_FAILURES_MAX, limits::LOGIN_FAILURES_MAX);
    assert_eq!(OUTBOUND_BYTES_MAX, limits::UNREAD_BYTES_MAX);
    assert_eq!(AUTH_WAITING_MAX, limits::AUTH_WAITING_MAX);
    assert_eq!(BATCH_LEN_MAX, limits::COMMANDS_WAITING_MAX);
    assert_eq!(KEYS_RETAINED_MIN, limits::KEYS_RETAINED_MIN);
    assert_eq!(TYPING_MS, 1_000 * limits::TYPING_SECONDS);
    assert_eq!(TYPING_TARGETS_MAX, limits::TYPING_TARGETS_MAX);
    let SessionTimeouts { hello, login, idle } = SessionTimeouts::default();
    let seconds = [hello, login, idle].map(|timeout| timeout.as_secs());
    let promised = [
        limits::HELLO_SECONDS,
        limits::LOGIN_SECONDS,
        limits::IDLE_SECONDS,
    ];
    assert_eq!(seconds, promised);
}
