//! Stopping, starting again, and refusing to start.

use protocol::{
    Code,
    words::{accounts, agenda, log as log_words},
};
use server::{
    ServeError, ServerConfig, log::LogError, passwords::PasswordCost, snapshot::Snapshots,
};

use crate::support::{
    Answer, Heard, PAGES, PASSWORD, block, config, reserve, start, start_fresh, try_start,
};

/// What `start` gives, without needing a server to be printable.
fn failure(config: ServerConfig) -> ServeError {
    match try_start(config) {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[test]
fn everything_acknowledged_is_there_after_a_restart() {
    let (data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let (key, command) = (client.new_key(), reserve(agenda, 0).into());
    client.send_agenda(key, &command);
    let first = client.answer();
    let wal = server.wal();
    let state = server.admin().log(log_words::ReadState {});
    let (seq, state) = (state.seq, state.outcome);
    server.stop();
    let left = std::fs::metadata(&wal).map_or(0, |file| file.len());
    assert_eq!(left, 0, "the log is at rest");
    // At this cost a hash takes minutes: resuming must not need one.
    let dear = PasswordCost {
        memory_kib: 512 * 1024,
        passes: 100,
    };
    let server = try_start(ServerConfig {
        password_cost: dear,
        ..config(data_dir.path())
    })
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.ready.recovered, seq);
    let mut client = server.connect();
    assert_eq!(client.resume(opened.token), Ok(opened.user));
    let correlation = client.send_agenda(key, &command);
    assert_eq!(
        client.answer(),
        Answer {
            correlation,
            ..first
        }
    );
    server.stop();
    let server = start(data_dir.path());
    let mut admin = server.admin();
    let _log_in_changed_it = state;
    let live = admin.log(log_words::ReadState {}).accepted();
    assert_eq!(
        admin
            .log(log_words::ReplayState {
                upto: protocol::Seq::START
            })
            .accepted(),
        live
    );
}

#[test]
fn snapshots_are_made_while_it_runs_and_a_start_begins_at_one() {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let often = || ServerConfig {
        snapshot_every: 2,
        ..config(data_dir.path())
    };
    let server = try_start(often()).unwrap_or_else(|error| panic!("{error}"));
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let snapshots = Snapshots::of(data_dir.path());
    for nth in 0..2 {
        // Two records make one due, wherever the last one stands.
        let first = client.agenda(reserve(agenda, nth)).seq;
        client.agenda(reserve(agenda, nth));
        let is_made = || {
            let listed = snapshots.list().expect("the directory can be read");
            listed.first().is_some_and(|newest| first <= newest.seq)
        };
        while !is_made() {
            client.ping();
        }
    }
    let state = server.admin().log(log_words::ReadState {});
    server.stop();
    let server = try_start(often()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.ready.warnings, [""; 0]);
    assert_eq!(
        server.ready.recovered_from, state.seq,
        "one is made at the end"
    );
}

#[test]
fn a_revoked_session_is_not_resumed_after_a_restart() {
    let (data_dir, server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    assert!(
        client
            .accounts(accounts::RevokeAllSessions {})
            .is_accepted()
    );
    server.stop();
    let server = start(data_dir.path());
    let mut client = server.connect();
    assert_eq!(
        client.resume(opened.token).unwrap_err().code,
        Code::UNKNOWN_SESSION
    );
    assert!(client.log_in("ana", PASSWORD).is_ok());
}

#[test]
fn a_stopping_server_answers_what_it_took() {
    let (data_dir, mut server) = start_fresh();
    let (mut client, opened) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let keys: Vec<_> = (0..64).map(|_| client.new_key()).collect();
    let mut sent = std::collections::BTreeMap::new();
    for (key, nth) in keys.into_iter().zip(0..) {
        let command = agenda::Command::from(reserve(agenda, nth));
        sent.insert(client.send_agenda(key, &command), (key, command));
    }
    let mut answers = vec![client.reply()];
    server.begin_stop();
    while let Some(heard) = client.hear() {
        answers.push(heard);
    }
    server.stop();
    let server = start(data_dir.path());
    let mut client = server.connect();
    client
        .resume(opened.token)
        .expect("the session is in the log");
    // Refusals overtake answers that wait for the disk.
    for heard in answers {
        match heard {
            Heard::Answer(first) => {
                let (key, command) = sent.remove(&first.correlation).expect("one answer each");
                let correlation = client.send_agenda(key, &command);
                assert_eq!(
                    client.answer(),
                    Answer {
                        correlation,
                        ..first
                    }
                );
            }
            Heard::Error(error) => assert_eq!(error.refusal.code, Code::SHUTTING_DOWN),
            other => panic!("{other:?}"),
        }
    }
    for (key, command) in sent.values() {
        client.send_agenda(*key, command);
        let seq = client.answer().seq;
        assert!(
            server.ready.recovered < seq,
            "{seq} was decided and never answered"
        );
    }
}

#[test]
fn a_stopping_server_waits_for_a_reader_and_takes_no_new_commands() {
    let (_data_dir, mut server) = start_fresh();
    let mut reader = server.admin();
    block(&mut reader);
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    server.begin_stop();
    let refused = (0..1_000_000).find_map(|nth| {
        let key = client.new_key();
        client.send_agenda(key, &reserve(agenda, nth % 1_000).into());
        match client.reply() {
            Heard::Error(error) => Some(error.refusal.code),
            _answered => None,
        }
    });
    assert_eq!(refused, Some(Code::SHUTTING_DOWN));
    for _ in 0..PAGES {
        assert!(reader.answer().is_accepted());
    }
    server.stop();
    assert!(reader.hear().is_none());
}

#[test]
fn a_data_directory_belongs_to_one_server() {
    let (data_dir, server) = start_fresh();
    let error = failure(config(data_dir.path()));
    assert!(
        matches!(error, ServeError::Log(LogError::Locked { .. })),
        "{error}"
    );
    server.connect().ping();
    server.stop();
    start(data_dir.path()).stop();
}

#[test]
fn an_address_belongs_to_one_server() {
    let (_data_dir, server) = start_fresh();
    let other = tempfile::tempdir().expect("a temporary directory");
    let listen = server.ready.address;
    let error = failure(ServerConfig {
        listen,
        ..config(other.path())
    });
    assert!(matches!(error, ServeError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&listen.to_string()), "{error}");
}
