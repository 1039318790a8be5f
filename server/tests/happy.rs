//! What an honest client does all day.

use protocol::{
    Code, Roles,
    limits::IN_FLIGHT_MAX,
    message::WelcomeFlags,
    words::{accounts, agenda},
};

use crate::support::{PASSWORD, reserve, slot, start_fresh};

#[test]
fn a_newcomer_registers_logs_in_and_reserves() {
    let (_data_dir, server) = start_fresh();
    let mut client = crate::support::Client::connect(server.ready.address);
    let welcome = client.hello();
    assert!(welcome.flags.contains(WelcomeFlags::DURABLE));
    let registered = client.register("ana");
    assert!(welcome.seq < registered.seq);
    let opened = client.log_in("ana", PASSWORD).unwrap();
    assert_eq!(
        (opened.user.0, opened.roles),
        (registered.seq.0, Roles::MEMBER)
    );
    let agenda = server.agenda(&mut client);
    let reserved = client.agenda(reserve(agenda, 0));
    let (kind, schema, body) = reserved.accepted();
    let event = agenda::Event::decode(kind, schema, &body);
    assert_eq!(
        event,
        Ok(agenda::Reserved {
            slot: slot(agenda, 0)
        }
        .into())
    );
    let again = client.agenda(reserve(agenda, 0));
    assert_eq!(again.refused().code, Code::SLOT_TAKEN);
    assert_eq!(
        again.seq,
        reserved.seq.next(),
        "refusals are in the log too"
    );
    let query = agenda::Query::from(agenda::MyBookings {
        after: 0,
        limit: 10,
    });
    let mine = client.query(query.kind(), |out| query.encode(out));
    let (kind, schema, body) = mine.accepted();
    let Ok(agenda::Answer::Bookings(page)) = agenda::Answer::decode(kind, schema, &body) else {
        panic!("bookings were asked for")
    };
    assert_eq!(page.bookings.len(), 1);
    assert_eq!(page.bookings[0].booking, reserved.seq.0);
    server.stop();
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_one_refusal() {
    let (_data_dir, server) = start_fresh();
    let mut client = server.connect();
    client.register("ana");
    for (name, password) in [("ana", "wrong horse"), ("bob", PASSWORD)] {
        let refused = client.log_in(name, password).unwrap_err();
        assert_eq!(refused.code, Code::BAD_CREDENTIALS);
    }
    assert_eq!(
        client.log_in("ana", "short").unwrap_err().code,
        Code::PASSWORD_LENGTH
    );
    assert!(client.log_in("ana", PASSWORD).is_ok());
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    let (_data_dir, server) = start_fresh();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let sent: Vec<u64> = (0..IN_FLIGHT_MAX)
        .map(|nth| {
            let key = client.new_key();
            client.send_agenda(key, &reserve(agenda, nth).into())
        })
        .collect();
    let answers: Vec<_> = sent.iter().map(|_| client.answer()).collect();
    assert!(answers.iter().all(crate::support::Answer::is_accepted));
    let heard: Vec<u64> = answers.iter().map(|answer| answer.correlation).collect();
    assert_eq!(heard, sent);
    assert!(
        answers
            .windows(2)
            .all(|pair| pair[1].seq == pair[0].seq.next())
    );
}

#[test]
fn somebody_who_waits_hears_of_their_place_on_every_connection() {
    let (_data_dir, server) = start_fresh();
    let (mut holder, _) = server.member("ana");
    let (mut waiter, opened) = server.member("bob");
    let mut second = server.connect();
    second.resume(opened.token).unwrap();
    for client in [&mut holder, &mut waiter, &mut second] {
        client.subscribe(None);
    }
    let agenda = server.agenda(&mut holder);
    let booking = holder.agenda(reserve(agenda, 0)).seq.0;
    let joined = waiter.agenda(agenda::JoinWaitlist {
        slot: slot(agenda, 0),
    });
    assert!(joined.is_accepted());
    let cancelled = holder.agenda(agenda::Cancel { booking });
    let expected = agenda::Promoted {
        slot: slot(agenda, 0),
        user: opened.user,
    }
    .into();
    for client in [&mut waiter, &mut second] {
        assert_eq!(
            client.push(),
            (cancelled.seq.next(), agenda::Push::clone(&expected))
        );
    }
    assert!(holder.pushes.is_empty());
    let mine = waiter.agenda(agenda::Cancel {
        booking: cancelled.seq.0 + 1,
    });
    assert!(mine.is_accepted(), "the place is theirs");
}

#[test]
fn a_hold_ends_by_itself_and_its_holder_hears_of_it() {
    let (_data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    client.subscribe(None);
    let agenda = server.agenda(&mut client);
    let held = client.agenda(agenda::Hold {
        slot: slot(agenda, 0),
        seconds: 1,
    });
    let expected = agenda::Expired {
        booking: held.seq.0,
        user: opened.user,
        slot: slot(agenda, 0),
    };
    assert_eq!(client.push().1, expected.into());
}

#[test]
fn a_retry_on_another_connection_gets_the_first_answer() {
    let (_data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let (key, command) = (client.new_key(), reserve(agenda, 0).into());
    client.send_agenda(key, &command);
    let first = client.answer();
    let mut second = server.connect();
    second.resume(opened.token).unwrap();
    let correlation = second.send_agenda(key, &command);
    let again = second.answer();
    assert_eq!(
        again,
        crate::support::Answer {
            correlation,
            ..first.clone()
        }
    );
    second.send_agenda(key, &reserve(agenda, 1).into());
    let error = second.error();
    assert_eq!(
        (error.refusal.code, error.refusal.value),
        (Code::KEY_REUSED, first.seq.0)
    );
    assert!(!error.fatal);
}

#[test]
fn roles_decide_who_may_open_an_agenda() {
    let (_data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    let mut open = server::domain::agenda::default_agenda();
    "second".clone_into(&mut open.name);
    assert_eq!(
        client.agenda(open.clone()).refused().code,
        Code::NOT_ALLOWED
    );
    let mut admin = server.admin();
    let grant = accounts::SetRoles {
        user: opened.user,
        roles: Roles::MANAGER,
    };
    assert_eq!(
        client.accounts(grant.clone()).refused().code,
        Code::NOT_ALLOWED
    );
    assert!(admin.accounts(grant).is_accepted());
    assert!(client.agenda(open).is_accepted());
}

#[test]
fn revoking_every_session_ends_the_other_connections() {
    let (_data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    let (mut bystander, _) = server.member("bob");
    let mut second = server.connect();
    second.resume(opened.token).unwrap();
    assert!(
        client
            .accounts(accounts::RevokeAllSessions {})
            .is_accepted()
    );
    second.ends_with(Code::SESSION_ENDED);
    client.ends_with(Code::SESSION_ENDED);
    bystander.ping();
    let mut third = server.connect();
    assert_eq!(
        third.resume(opened.token).unwrap_err().code,
        Code::UNKNOWN_SESSION
    );
}

#[test]
fn a_log_in_retried_after_its_session_was_revoked_opens_nothing() {
    let (_data_dir, server) = start_fresh();
    let mut client = server.connect();
    client.register("ana");
    let key = protocol::Key([200; 16]);
    let opened = client.log_in_as(key, "ana", PASSWORD).unwrap();
    assert!(
        client
            .accounts(accounts::RevokeSession {
                session: opened.session
            })
            .is_accepted()
    );
    client.ends_with(Code::SESSION_ENDED);
    let mut second = server.connect();
    assert_eq!(
        second.log_in_as(key, "ana", PASSWORD),
        Ok(opened),
        "the first answer"
    );
    second.ends_with(Code::SESSION_ENDED);
}
