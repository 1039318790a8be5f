//! What `protocol/README.md` promises of limits that live in other rooms than `protocol::limits`.

use protocol::limits;

use crate::{
    auth::WAIT_MAX,
    engine::BATCH_LEN_MAX,
    hub::{HELD_BYTES_MAX, OUTBOUND_BYTES_MAX, UNREAD_BYTES_MAX},
    keys::KEYS_RETAINED_MIN,
    presence::{TYPING_MS, TYPING_TARGETS_MAX},
    session::{LOGIN_FAILURES_MAX, SessionTimeouts},
};

#[test]
fn limits_are_what_the_protocol_says() {
    assert_eq!(LOGIN_FAILURES_MAX, limits::LOGIN_FAILURES_MAX);
    assert_eq!(OUTBOUND_BYTES_MAX, limits::UNREAD_BYTES_MAX);
    assert_eq!(UNREAD_BYTES_MAX, limits::UNREAD_BYTES_PAUSE);
    assert_eq!(HELD_BYTES_MAX, limits::HELD_BYTES_MAX);
    assert_eq!(WAIT_MAX.as_secs(), limits::AUTH_WAIT_SECONDS);
    assert_eq!(BATCH_LEN_MAX, limits::COMMANDS_WAITING_MAX);
    assert_eq!(KEYS_RETAINED_MIN, limits::KEYS_RETAINED_MIN);
    assert_eq!(TYPING_MS, 1_000 * limits::TYPING_SECONDS);
    assert_eq!(TYPING_TARGETS_MAX, limits::TYPING_TARGETS_MAX);
    let SessionTimeouts {
        hello,
        login,
        idle,
        unread,
    } = SessionTimeouts::default();
    let seconds = [hello, login, idle, unread].map(|timeout| timeout.as_secs());
    let promised = [
        limits::HELLO_SECONDS,
        limits::LOGIN_SECONDS,
        limits::IDLE_SECONDS,
        limits::UNREAD_SECONDS,
    ];
    assert_eq!(seconds, promised);
}
