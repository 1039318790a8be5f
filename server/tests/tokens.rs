//! Session tokens over real sockets: each is for one session, whoever has its name or its key later.

use protocol::{
    Code, Key,
    words::accounts::{EraseMe, RevokeSession},
};

use crate::support::{PASSWORD, start, start_fresh};

const LOGIN: Key = Key([9; 16]);

#[test]
fn whoever_takes_a_name_and_a_key_does_not_take_the_token_of_somebody_erased() {
    let (_data_dir, server) = start_fresh();
    let mut victim = server.connect();
    victim.register("vic");
    let old = victim
        .log_in_as(LOGIN, "vic", PASSWORD)
        .expect("it is hers");
    assert!(victim.accounts(EraseMe {}).is_accepted());
    let mut other = server.connect();
    // Her registration stands under the key that `register` makes of a name.
    other.register_as(Key([8; 16]), "vic");
    let new = other.log_in_as(LOGIN, "vic", PASSWORD).expect("it is free");
    assert_ne!(new.token, old.token);
    let refused = server.connect().resume(old.token).expect_err("she is gone");
    assert_eq!(refused.code, Code::UNKNOWN_SESSION);
    assert_eq!(server.connect().resume(new.token), Ok(new.user));
}

#[test]
fn a_log_in_that_is_sent_again_gets_its_first_token_also_when_that_is_dead() {
    let (data_dir, server) = start_fresh();
    let mut client = server.connect();
    client.register("vic");
    let opened = client
        .log_in_as(LOGIN, "vic", PASSWORD)
        .expect("it is hers");
    let again =
        |server: &crate::support::Server| server.connect().log_in_as(LOGIN, "vic", PASSWORD);
    assert_eq!(again(&server), Ok(opened.clone()));
    let session = opened.session;
    assert!(client.accounts(RevokeSession { session }).is_accepted());
    assert_eq!(again(&server), Ok(opened.clone()));
    server.stop();
    let server = start(data_dir.path());
    assert_eq!(again(&server), Ok(opened.clone()));
    let refused = server.connect().resume(opened.token).expect_err("revoked");
    assert_eq!(refused.code, Code::UNKNOWN_SESSION);
}
