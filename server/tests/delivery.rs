//! What others are told: live, after an absence, to slow readers, and in passing.

use protocol::{
    Code, Seq, UserId,
    words::{
        accounts::SessionOpened,
        chat::{
            self, CreateGroup, CreateRoom, Direction, JoinRoom, LeaveRoom, MarkRead, ReadHistory,
            Target,
        },
        presence::{
            self, ListPresence, News, PresenceChanged, Presences, Typing, TypingChanged,
            WatchPresence,
        },
    },
};

use crate::support::{Client, Heard, Push, Pushed, Server, start, start_fresh};

fn message(to: Target, text: &str) -> chat::Send {
    chat::Send {
        to,
        text: text.into(),
    }
}

/// Somebody new who is told pushes.
fn listener(server: &Server, name: &str) -> (Client, SessionOpened) {
    let (mut client, opened) = server.member(name);
    client.subscribe(None);
    (client, opened)
}

fn room(client: &mut Client) -> u64 {
    let name = "hall".to_owned();
    client.chat(CreateRoom { name }).seq.0
}

fn numbered(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, String)> {
    numbers.map(|n| (n, n.to_string())).collect()
}

fn messages(client: &mut Client, count: usize) -> Vec<(u64, String)> {
    (0..count).map(|_| client.message()).collect()
}

#[test]
fn a_message_reaches_all_who_follow_and_nobody_else() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = listener(&server, "ana");
    let (mut bob, _) = listener(&server, "bob");
    let (mut eve, _) = listener(&server, "eve");
    let (mut deaf, _) = server.member("deaf");
    let room = room(&mut ana);
    for client in [&mut bob, &mut deaf] {
        assert!(client.chat(JoinRoom { room }).is_accepted());
    }
    let to = Target::Conversation(room);
    let sent = ana.chat(message(to, "hello"));
    for client in [&mut ana, &mut bob] {
        match client.told() {
            Heard::Push(Push {
                seq,
                hash,
                word: Pushed::Chat(chat::Push::Entry(entry)),
            }) => {
                assert_eq!((seq, hash), (sent.seq, sent.hash));
                assert_eq!((entry.conversation, entry.index), (room, 1));
                assert_eq!(entry.content, chat::Content::Text("hello".into()));
            }
            other => panic!("{other:?}"),
        }
    }
    ana.chat(message(Target::Public, "everybody"));
    for client in [&mut ana, &mut bob, &mut eve] {
        assert_eq!(client.message(), (1, "everybody".to_owned()));
    }
    deaf.ping();
    assert!(deaf.pushes.is_empty());
}

#[test]
fn whoever_comes_back_is_told_what_they_missed_and_then_what_happens() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = server.member("ana");
    let (mut bob, opened) = listener(&server, "bob");
    let room = room(&mut ana);
    assert!(bob.chat(JoinRoom { room }).is_accepted());
    let to = Target::Conversation(room);
    for n in 1..=300 {
        ana.chat(message(to, &n.to_string()));
    }
    assert_eq!(messages(&mut bob, 300), numbered(1..=300));
    let mut again = server.connect();
    again.resume(opened.token).unwrap();
    assert_eq!(again.subscribe(None), opened.cursor);
    assert_eq!(messages(&mut again, 300), numbered(1..=300));
    let last = ana.chat(message(to, "301")).seq;
    assert_eq!(again.message(), (301, "301".to_owned()));
    let mut third = server.connect();
    third.resume(opened.token).unwrap();
    let from = Seq(last.0 - 2);
    assert_eq!(third.subscribe(Some(from)), from);
    assert_eq!(messages(&mut third, 2), numbered(300..=301));
}

#[test]
fn what_was_missed_is_told_after_a_restart() {
    let data_dir = tempfile::tempdir().unwrap();
    let server = start(data_dir.path());
    let (mut ana, opened) = server.member("ana");
    let room = room(&mut ana);
    for n in 1..=5 {
        ana.chat(message(Target::Conversation(room), &n.to_string()));
    }
    drop(ana);
    server.stop();
    let server = start(data_dir.path());
    let mut ana = server.connect();
    ana.resume(opened.token).unwrap();
    ana.subscribe(None);
    assert_eq!(messages(&mut ana, 5), numbered(1..=5));
}

#[test]
fn whoever_left_hears_no_more() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = listener(&server, "ana");
    let (mut bob, _) = listener(&server, "bob");
    let room = room(&mut ana);
    let to = Target::Conversation(room);
    assert!(bob.chat(JoinRoom { room }).is_accepted());
    ana.chat(message(to, "in"));
    assert!(bob.chat(LeaveRoom { room }).is_accepted());
    ana.chat(message(to, "out"));
    ana.chat(message(Target::Public, "everybody"));
    assert_eq!(bob.message(), (1, "in".to_owned()));
    assert_eq!(bob.message(), (1, "everybody".to_owned()));
}

#[test]
fn a_receipt_is_told_and_not_kept() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = listener(&server, "ana");
    let (mut bob, opened) = server.member("bob");
    let members = vec![opened.user];
    let name = "two".to_owned();
    let group = ana.chat(CreateGroup { name, members }).seq.0;
    let read = bob.chat(MarkRead {
        conversation: group,
        index: 1,
    });
    assert!(read.is_accepted());
    let is_entry = |heard: &Heard| {
        matches!(heard, Heard::Push(Push { word: Pushed::Chat(chat::Push::Entry(entry)), .. })
            if entry.index == 1)
    };
    assert!(is_entry(&ana.told()));
    match ana.told() {
        Heard::Push(Push {
            word: Pushed::Chat(chat::Push::Receipt(receipt)),
            seq,
            ..
        }) => assert_eq!(
            (seq, receipt.user, receipt.read),
            (read.seq, opened.user, 1)
        ),
        other => panic!("{other:?}"),
    }
    bob.subscribe(None);
    assert!(is_entry(&bob.told()));
    ana.chat(message(Target::Public, "on"));
    assert_eq!(bob.message().1, "on");
}

#[test]
fn a_subscription_is_refused_twice_and_from_the_future() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, opened) = server.member("ana");
    let mut refused = |from| {
        let query = presence::Query::from(presence::Subscribe { from });
        ana.send_query(query.kind(), |out| query.encode(out));
        match ana.reply() {
            Heard::Error(error) => Some((error.refusal.code, error.fatal)),
            _ => None,
        }
    };
    let ahead = Some(Seq(opened.session + 1));
    assert_eq!(refused(ahead), Some((Code::FROM_AHEAD, false)));
    assert_eq!(refused(None), None);
    assert_eq!(refused(None), Some((Code::ALREADY_SUBSCRIBED, false)));
}

#[test]
fn history_is_paged_both_ways() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = server.member("ana");
    let room = room(&mut ana);
    for n in 1..=30 {
        ana.chat(message(Target::Conversation(room), &n.to_string()));
    }
    let mut page = |from, direction| {
        let query = chat::Query::from(ReadHistory {
            conversation: room,
            from,
            direction,
            limit: 10,
        });
        let answer = ana.query(query.kind(), |out| query.encode(out));
        let (kind, schema, body) = answer.accepted();
        match chat::Answer::decode(kind, schema, &body) {
            Ok(chat::Answer::History(history)) => {
                let index = |entry: &chat::StoredEntry| entry.entry.index;
                history.entries.iter().map(index).collect::<Vec<u64>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(page(0, Direction::Forwards), (1..=10).collect::<Vec<_>>());
    assert_eq!(page(25, Direction::Forwards), (26..=30).collect::<Vec<_>>());
    let newest: Vec<u64> = (21..=30).rev().collect();
    assert_eq!(page(0, Direction::Backwards), newest);
    assert_eq!(page(4, Direction::Backwards), [3, 2, 1]);
}

/// Enough that no socket holds all of it, whatever its buffers.
const FLOOD: usize = 8_000;

#[test]
fn a_reader_that_does_not_read_is_told_where_to_go_on() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = server.member("ana");
    let (mut lazy, opened) = listener(&server, "lazy");
    let text = "x".repeat(4_000);
    let command = message(Target::Public, &text).into();
    for _ in 0..FLOOD / 50 {
        for _ in 0..50 {
            let key = ana.new_key();
            ana.send_chat(key, &command);
        }
        for _ in 0..50 {
            assert!(ana.answer().is_accepted(), "nobody waits for the lazy");
        }
    }
    let mut last = Seq(0);
    let resume = loop {
        match lazy.hear() {
            Some(Heard::Push(push)) => {
                assert!(last < push.seq);
                last = push.seq;
            }
            Some(Heard::Error(error)) if error.fatal => {
                assert_eq!(error.refusal.code, Code::SLOW_READER);
                break Seq(error.refusal.value);
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(resume, last);
    let mut again = server.connect();
    again.resume(opened.token).unwrap();
    again.subscribe(Some(resume));
    let mut index = 0;
    while index < u64::try_from(FLOOD).unwrap() {
        index = again.message().0;
    }
}

#[test]
fn typing_is_told_to_the_others_and_ends_with_the_connection() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, ana_opened) = listener(&server, "ana");
    let (mut bob, bob_opened) = listener(&server, "bob");
    let (mut eve, _) = listener(&server, "eve");
    let room = room(&mut ana);
    assert!(bob.chat(JoinRoom { room }).is_accepted());
    let told = |to, on| {
        Heard::News(News::from(TypingChanged {
            user: ana_opened.user,
            to,
            on,
        }))
    };
    for to in [Target::Conversation(room), Target::Person(bob_opened.user)] {
        for on in [true, true, false, true] {
            ana.signal(Typing { to, on });
        }
        for on in [true, false, true] {
            assert_eq!(bob.told(), told(to, on));
        }
    }
    drop(ana);
    for to in [Target::Conversation(room), Target::Person(bob_opened.user)] {
        assert_eq!(bob.told(), told(to, false));
    }
    for (to, code) in [
        (Target::Conversation(room), Code::TYPING_TARGET),
        (Target::Public, Code::TYPING_TARGET),
    ] {
        eve.signal(Typing { to, on: true });
        let error = eve.error();
        assert_eq!(
            (error.correlation, error.refusal.code, error.fatal),
            (0, code, false)
        );
    }
    assert!(eve.pushes.is_empty());
}

#[test]
fn whoever_watches_is_told_who_comes_and_goes() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, _) = server.member("ana");
    let (bob, opened) = server.member("bob");
    let check = |changed: PresenceChanged, online, before: u64| {
        assert_eq!((changed.user, changed.online), (opened.user, online));
        assert!(before < changed.epoch && 0 < changed.last_seen);
        changed.epoch
    };
    ana.signal(WatchPresence {
        users: vec![opened.user],
    });
    let mut next = || match ana.told() {
        Heard::News(News::PresenceChanged(changed)) => changed,
        other => panic!("{other:?}"),
    };
    let epoch = check(next(), true, 0);
    let mut second = server.connect();
    second.resume(opened.token).unwrap();
    drop(bob);
    drop(second);
    let epoch = check(next(), false, epoch);
    let mut third = server.connect();
    third.resume(opened.token).unwrap();
    check(next(), true, epoch);
}

#[test]
fn everybody_is_listed_with_whether_they_are_here() {
    let (_data_dir, server) = start_fresh();
    let (mut ana, ana_opened) = server.member("ana");
    let (mut bob, bob_opened) = server.member("bob");
    ana.signal(WatchPresence {
        users: vec![bob_opened.user],
    });
    assert!(matches!(ana.told(), Heard::News(_)));
    bob.finish();
    assert_eq!(bob.hear(), None);
    assert!(matches!(ana.told(), Heard::News(_)));
    let mut page = |after, limit| -> Presences {
        let query = presence::Query::from(ListPresence { after, limit });
        let answer = ana.query(query.kind(), |out| query.encode(out));
        let (kind, schema, body) = answer.accepted();
        match presence::Answer::decode(kind, schema, &body) {
            Ok(presence::Answer::Presences(page)) => page,
            other => panic!("{other:?}"),
        }
    };
    let seen: Vec<_> = page(UserId::NOBODY, 9)
        .people
        .into_iter()
        .map(|view| (view.user, view.name, view.online, 0 < view.last_seen))
        .collect();
    let expected = [
        (UserId(1), "admin".to_owned(), false, false),
        (ana_opened.user, "ana".to_owned(), true, true),
        (bob_opened.user, "bob".to_owned(), false, true),
    ];
    assert_eq!(seen, expected);
    assert_eq!(page(ana_opened.user, 9).people.len(), 1);
    assert_eq!(page(UserId::NOBODY, 1).people[0].user, UserId(1));
    assert!(page(bob_opened.user, 9).people.is_empty());
}
