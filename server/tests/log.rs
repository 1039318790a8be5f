//! Questions about the log itself, and who may ask them.

use protocol::{
    Code, Roles, Seq, UserId,
    record::chain,
    words::{
        accounts,
        log::{
            Answer, LogPage, ReadLog, ReadState, ReadTrail, ReadTrail1, ReplayState, StateHash,
            Subject, TrailEntry, TrailEntry1,
        },
    },
};
use server::log::{Head, LogReader as _, SqliteReader};

use crate::support::{self, Client, reserve, start_fresh};

fn decoded(answer: &support::Answer) -> Answer {
    let (kind, schema, body) = answer.accepted();
    Answer::decode(kind, schema, &body).expect("a word of the log")
}

fn page(client: &mut Client, from: u64, limit: u16) -> LogPage {
    match decoded(&client.log(ReadLog {
        from: Seq(from),
        limit,
    })) {
        Answer::LogPage(page) => page,
        other => panic!("{other:?}"),
    }
}

fn state(answer: &support::Answer) -> StateHash {
    match decoded(answer) {
        Answer::StateHash(hash) => hash,
        other => panic!("{other:?}"),
    }
}

fn trail(client: &mut Client, subject: Subject, limit: u16) -> Vec<TrailEntry> {
    match decoded(&client.log(ReadTrail {
        subject,
        before: Seq::START,
        limit,
    })) {
        Answer::TrailPage(page) => page.entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_hold_the_log_as_it_is_and_only_for_admins() {
    let (data_dir, server) = start_fresh();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    for nth in [0, 1, 0, 2] {
        client.agenda(reserve(agenda, nth));
    }
    let asked = ReadLog {
        from: Seq(1),
        limit: 10,
    };
    assert_eq!(client.log(asked).refused().code, Code::NOT_ALLOWED);
    let mut admin = server.admin();
    let (mut records, mut from) = (Vec::new(), 1);
    loop {
        let page = page(&mut admin, from, 3);
        assert!(page.records.len() <= 3);
        let Some(last) = page.records.last() else {
            break;
        };
        from = last.seq.0 + 1;
        records.extend(page.records);
    }
    let mut head = Head::default();
    for record in &records {
        let hash = chain(&head.hash, &record.record(), &mut Vec::new());
        assert_eq!((record.seq, record.hash), (head.seq.next(), hash));
        head = Head {
            seq: record.seq,
            hash,
        };
    }
    let mut reader = SqliteReader::open(data_dir.path()).expect("a log is there");
    let mut index = 0;
    let visit = &mut |row: server::log::Row<'_>| {
        assert_eq!(
            (row.record, row.hash),
            (records[index].record(), records[index].hash)
        );
        index += 1;
        std::ops::ControlFlow::Continue(())
    };
    reader.read(Seq(1), visit).expect("the log is readable");
    assert_eq!(index, records.len());
}

#[test]
fn replaying_the_log_gives_the_live_state() {
    let (_data_dir, server) = start_fresh();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    for nth in 0..20 {
        client.agenda(reserve(agenda, nth));
    }
    assert_eq!(client.log(ReadState {}).refused().code, Code::NOT_ALLOWED);
    let mut admin = server.admin();
    let live = state(&admin.log(ReadState {}));
    assert_eq!(state(&admin.log(ReplayState { upto: Seq::START })), live);
    client.agenda(reserve(agenda, 30));
    let later = state(&admin.log(ReadState {}));
    assert_ne!(later.hash, live.hash, "the hash is of the state");
    assert_eq!(later.seq, live.seq.next());
    client.send_query(
        protocol::words::log::Query::from(ReplayState { upto: Seq::START }).kind(),
        |out| protocol::words::log::Query::from(ReplayState { upto: Seq::START }).encode(out),
    );
    assert_eq!(client.error().refusal.code, Code::NOT_ALLOWED);
}

#[test]
fn replays_that_are_asked_for_at_once_are_all_answered_and_delay_nobody() {
    let (_data_dir, server) = start_fresh();
    let (mut client, _) = server.member("ana");
    let agenda = server.agenda(&mut client);
    let mut admin = server.admin();
    let live = state(&admin.log(ReadState {}));
    let replay = protocol::words::log::Query::from(ReplayState { upto: live.seq });
    for _ in 0..64 {
        admin.send_query(replay.kind(), |out| replay.encode(out));
    }
    for nth in 0..20 {
        assert!(client.agenda(reserve(agenda, nth)).is_accepted());
    }
    for _ in 0..64 {
        assert_eq!(state(&admin.answer()), live);
    }
}

#[test]
fn trails_show_what_was_tried_to_those_who_may_see_it() {
    let (_data_dir, server) = start_fresh();
    let (mut client, me) = server.member("ana");
    let (mut other, bob) = server.member("bob");
    let agenda = server.agenda(&mut client);
    let reserved = client.agenda(reserve(agenda, 0));
    let refused = client.agenda(reserve(agenda, 0));
    let mine = Subject::User(me.user);
    let entries = trail(&mut client, mine, 10);
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.seq,
                entry.command.as_str(),
                entry.target,
                entry.refused,
            )
        })
        .collect();
    let expected = [
        (refused.seq, "reserve", agenda, Some(Code::SLOT_TAKEN)),
        (reserved.seq, "reserve", agenda, None),
        (Seq(me.session), "log-in", 0, None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(trail(&mut client, mine, 1), entries[..1]);
    let first = ReadTrail1 {
        subject: mine,
        before: Seq::START,
        limit: 10,
    };
    let Answer::TrailPage1(page) = decoded(&client.log(first)) else {
        panic!("whoever asks in the first layout reads no other");
    };
    let as_first = |entry: &TrailEntry| TrailEntry1 {
        seq: entry.seq,
        recorded_at: entry.recorded_at,
        actor: entry.actor,
        command: entry.command.clone(),
        target: entry.target,
        refused: entry.refused,
    };
    let expected: Vec<TrailEntry1> = entries.iter().map(as_first).collect();
    assert_eq!(page.entries, expected);
    let asked = |subject, limit| ReadTrail {
        subject,
        before: Seq::START,
        limit,
    };
    assert_eq!(other.log(asked(mine, 10)).refused().code, Code::NOT_ALLOWED);
    let hall = Subject::Agenda(agenda);
    assert_eq!(other.log(asked(hall, 10)).refused().code, Code::NOT_ALLOWED);
    assert_eq!(client.log(asked(mine, 0)).refused().code, Code::PAGE_LEN);
    assert_eq!(client.log(asked(mine, 51)).refused().code, Code::PAGE_LEN);
    let mut admin = server.admin();
    assert!(
        admin
            .accounts(accounts::SetRoles {
                user: bob.user,
                roles: Roles::MANAGER
            })
            .is_accepted()
    );
    assert_eq!(trail(&mut other, hall, 10), entries[..2]);
    assert_eq!(trail(&mut admin, mine, 10), entries);
    assert!(trail(&mut admin, Subject::User(UserId(9_999)), 10).is_empty());
}
