//! What can be seen of the chat, who is told what, and from where on.

use protocol::{
    Code, Key, Kind, Outcome, Personal, Refusal, Seq, UserId,
    words::{
        accounts,
        chat::{
            Answer, Command, Content, ConversationView, Conversations, Direction, Entry, History,
            ListConversations, ListMembers, ListPending, ListRooms, MemberView, Members, PUBLIC,
            Push, Query, ReadHistory, Receipt, RoomView, Rooms, Sort, StoredEntry, Target,
        },
    },
};

use super::{
    ANN, BOB, EVE, KIM, NOW, add, at, context, delivered, group, join, leave, quit, read, remove,
    rename, room, say, say_text, to,
};
use crate::domain::{
    Membership, PageWanted, Pushed, Stream, System, Systems, Word,
    chat::Chat,
    given::{Actor, Given, STRANGER, given, member},
    systems::OwnedCommand,
};

/// Ann and Bob: room 1 with three messages and group 3; Ann wrote to Kim in 7 and Kim read it; one
/// public message; Eve has room 10 alone.
fn house() -> Vec<(Actor, u64, Command)> {
    let hall = Target::Conversation(1);
    vec![
        at(ANN, room("hall")),
        at(BOB, join(1)),
        at(ANN, group("team", &[BOB])),
        at(ANN, say(hall)),
        at(BOB, say(hall)),
        at(BOB, say(hall)),
        at(ANN, say(to(KIM))),
        at(KIM, read(7, 1)),
        at(EVE, say(Target::Public)),
        at(EVE, room("attic")),
        at(BOB, delivered(1, 2)),
        at(BOB, read(1, 1)),
    ]
}

fn view(conversation: u64, sort: Sort, last: u64, marks: (u64, u64)) -> ConversationView {
    let (delivered, read) = marks;
    ConversationView {
        conversation,
        sort,
        last,
        delivered,
        read,
    }
}

#[test]
fn everybody_sees_the_conversations_they_are_in() {
    let given = given::<Chat>(&house());
    let public = view(PUBLIC, Sort::Public, 1, (0, 0));
    let hall = |marks| view(1, Sort::Room("hall".to_owned()), 3, marks);
    let team = view(3, Sort::Group("team".to_owned()), 1, (0, 0));
    let private = |other: Actor, marks| view(7, Sort::Private(other.0), 1, marks);
    let attic = view(10, Sort::Room("attic".to_owned()), 0, (0, 0));
    let cases = [
        (
            ANN,
            vec![
                public.clone(),
                hall((0, 0)),
                team.clone(),
                private(KIM, (0, 0)),
            ],
        ),
        (BOB, vec![public.clone(), hall((2, 1)), team]),
        (KIM, vec![public.clone(), private(ANN, (1, 1))]),
        (EVE, vec![public, attic]),
    ];
    for (actor, views) in cases {
        let pending: Vec<_> = (views.iter().filter(|view| view.delivered < view.last))
            .cloned()
            .collect();
        check_pages(&given, actor, &views, |after, limit| {
            ListConversations { after, limit }.into()
        });
        check_pages(&given, actor, &pending, |after, limit| {
            ListPending { after, limit }.into()
        });
    }
}

/// The whole list in one page, and each of its elements in a page of its own.
#[track_caller]
fn check_pages(
    given: &Given<Chat>,
    actor: Actor,
    views: &[ConversationView],
    query: impl Fn(Option<u64>, u16) -> Query,
) {
    let conversations = views.to_vec();
    let all = given.asked(actor, NOW, query(None, 500));
    all.then(Conversations { conversations });
    let mut after = None;
    for view in views {
        let page = given.asked(actor, NOW, query(after, 1));
        let conversations = vec![view.clone()];
        page.then(Conversations { conversations });
        after = Some(view.conversation);
    }
    let conversations = Vec::new();
    let end = given.asked(actor, NOW, query(Some(u64::MAX), 500));
    end.then(Conversations { conversations });
}

#[test]
fn rooms_are_for_everybody_to_see() {
    let given = given::<Chat>(&house());
    for (actor, mine) in [
        (ANN, [true, false]),
        (EVE, [false, true]),
        (KIM, [false, false]),
    ] {
        let view = |room, name: &str, members, mine| RoomView {
            room,
            name: name.to_owned(),
            members,
            mine,
        };
        let rooms = [view(1, "hall", 2, mine[0]), view(10, "attic", 1, mine[1])];
        for (after, limit, range) in [(0, 500, 0..2), (0, 1, 0..1), (1, 9, 1..2), (10, 9, 2..2)] {
            let rooms = rooms[range].to_vec();
            given
                .asked(actor, NOW, ListRooms { after, limit })
                .then(Rooms { rooms });
        }
    }
}

#[test]
fn members_see_each_other_and_how_far_they_are() {
    let given = given::<Chat>(&house());
    let view = |actor: Actor, delivered, read| MemberView {
        user: actor.0,
        delivered,
        read,
    };
    let members = |conversation, after, limit| ListMembers {
        conversation,
        after,
        limit,
    };
    let hall = [view(ANN, 0, 0), view(BOB, 2, 1)];
    for (after, limit, range) in [
        (UserId::NOBODY, 500, 0..2),
        (UserId::NOBODY, 1, 0..1),
        (ANN.0, 9, 1..2),
        (BOB.0, 9, 2..2),
    ] {
        let page = given.asked(BOB, NOW, members(1, after, limit));
        let members = hall[range].to_vec();
        page.then(Members { members });
    }
    let private = [view(ANN, 0, 0), view(KIM, 1, 1)].to_vec();
    let page = given.asked(ANN, NOW, members(7, UserId::NOBODY, 9));
    page.then(Members { members: private });
    let cases = [
        (KIM, 1, Refusal::with(Code::NOT_MEMBER, 1, 0)),
        (BOB, 7, Refusal::with(Code::NOT_MEMBER, 7, 0)),
        (BOB, 99, Refusal::with(Code::UNKNOWN_CONVERSATION, 99, 0)),
        (BOB, PUBLIC, Refusal::new(Code::PUBLIC_MEMBERS)),
    ];
    for (actor, conversation, refusal) in cases {
        let page = given.asked(actor, NOW, members(conversation, UserId::NOBODY, 9));
        page.refused(refusal);
    }
}

fn history(conversation: u64, from: u64, direction: Direction, limit: u16) -> Query {
    ReadHistory {
        conversation,
        from,
        direction,
        limit,
    }
    .into()
}

#[test]
fn history_is_paged_both_ways_and_ends_where_the_conversation_does() {
    use Direction::{Backwards, Forwards};
    let mut given = given::<Chat>(&house());
    for _ in 3..100 {
        given
            .execute(ANN, NOW, &say(Target::Conversation(1)))
            .expect("she is in it");
    }
    // from, direction, limit; then the first entry wanted and how many.
    let cases = [
        (0, Forwards, 50, (1, 50)),
        (40, Forwards, 50, (41, 50)),
        (90, Forwards, 50, (91, 10)),
        (100, Forwards, 50, (101, 0)),
        (u64::MAX, Forwards, 50, (u64::MAX, 0)),
        (0, Backwards, 50, (100, 50)),
        (51, Backwards, 50, (50, 50)),
        (50, Backwards, 50, (49, 49)),
        (3, Backwards, 1, (2, 1)),
        (1, Backwards, 50, (0, 0)),
        (500, Backwards, 50, (100, 50)),
        (u64::MAX, Backwards, 1, (100, 1)),
    ];
    for (from, direction, limit, (first, count)) in cases {
        let query = history(1, from, direction, limit);
        let wanted = given.system.wanted(&context(BOB, 200), &query);
        let page = PageWanted {
            stream: Stream::Conversation(1),
            from: first,
            limit: count,
            is_backwards: direction == Backwards,
        };
        assert_eq!(wanted, Ok(Some(page)), "{query:?}");
    }
    let public = history(PUBLIC, 0, Forwards, 9);
    let wanted = given.system.wanted(&context(KIM, 200), &public);
    let stream = wanted.map(|page| page.map(|page| (page.stream, page.limit)));
    assert_eq!(stream, Ok(Some((Stream::Everybody, 1))));
}

#[test]
fn history_is_for_members() {
    let given = given::<Chat>(&house());
    let check = |actor, conversation, limit, refusal| {
        let query = history(conversation, 0, Direction::Forwards, limit);
        let wanted = given.system.wanted(&context(actor, 20), &query);
        assert_eq!(wanted, Err(refusal));
    };
    check(KIM, 1, 9, Refusal::with(Code::NOT_MEMBER, 1, 0));
    check(EVE, 3, 9, Refusal::with(Code::NOT_MEMBER, 3, 0));
    check(BOB, 7, 9, Refusal::with(Code::NOT_MEMBER, 7, 0));
    check(BOB, 99, 9, Refusal::with(Code::UNKNOWN_CONVERSATION, 99, 0));
    check(BOB, 1, 0, Refusal::with(Code::PAGE_LEN, 0, 50));
    check(BOB, 1, 51, Refusal::with(Code::PAGE_LEN, 51, 50));
    check(STRANGER, PUBLIC, 9, Refusal::new(Code::LOG_IN_FIRST));
}

#[test]
fn history_is_not_answered_without_the_log() {
    let given = given::<Chat>(&house());
    let query = history(1, 0, Direction::Forwards, 9);
    let refusal = Refusal::with(Code::UNKNOWN_KIND, Kind::new(3, 5).0.into(), 0);
    given.asked(BOB, NOW, query).refused(refusal);
    let rooms = Query::from(ListRooms { after: 0, limit: 9 });
    assert_eq!(given.system.wanted(&context(BOB, 20), &rooms), Ok(None));
    let entry = entry_of(1, 2, Content::Left);
    let receipt = Receipt {
        conversation: 1,
        user: BOB.0,
        delivered: 1,
        read: 1,
    };
    let pushes = vec![(Seq(7), entry.clone().into()), (Seq(8), receipt.into())];
    let seq = Seq(7);
    let entries = vec![StoredEntry { seq, entry }];
    let page = Chat::answer_page(pushes);
    assert_eq!(page, Some(Answer::from(History { entries })));
}

#[test]
fn every_list_has_a_bound_and_is_for_people() {
    let given = given::<Chat>(&house());
    let queries = |limit| -> [Query; 4] {
        let (conversation, user) = (1, UserId::NOBODY);
        [
            ListConversations { after: None, limit }.into(),
            ListPending { after: None, limit }.into(),
            ListRooms { after: 0, limit }.into(),
            ListMembers {
                conversation,
                after: user,
                limit,
            }
            .into(),
        ]
    };
    for limit in [0, 501] {
        let refusal = Refusal::with(Code::PAGE_LEN, limit.into(), 500);
        for query in queries(limit) {
            given.asked(BOB, NOW, query).refused(refusal);
        }
    }
    for query in queries(9) {
        let refusal = Refusal::new(Code::LOG_IN_FIRST);
        given.asked(STRANGER, NOW, query).refused(refusal);
    }
}

/// An entry by Bob, whose command had no key.
fn entry_of(conversation: u64, index: u64, content: Content) -> Entry {
    Entry {
        conversation,
        index,
        author: BOB.0,
        recorded_at: NOW,
        key: Key::default(),
        content,
    }
}

/// What Bob does here, at position 13 behind the history of the house: what is told of it, and who
/// begins (true) or ceases to follow what.
fn told(command: &Command) -> (Option<Pushed<Push>>, Vec<Membership>) {
    let mut given = given::<Chat>(&house());
    let cx = context(BOB, 13);
    let event = given.system.decide(&cx, command).expect("he may");
    given.system.apply(&cx, command, &event);
    let push = Chat::push(&cx, command, &event);
    (push, given.system.memberships(&cx, command, &event))
}

/// A command, its entry, and who begins (true) or ceases to follow the entry's conversation.
type Telling<'a> = (Command, Entry, &'a [(Actor, bool)]);

#[test]
fn messages_and_changes_of_groups_are_told_and_kept() {
    let text = || Content::Text(Personal::from("oh"));
    let cases: [Telling<'_>; 8] = [
        (
            say_text(Target::Public, "oh"),
            entry_of(PUBLIC, 2, text()),
            &[],
        ),
        (
            say_text(Target::Conversation(1), "oh"),
            entry_of(1, 4, text()),
            &[],
        ),
        (
            say_text(to(EVE), "oh"),
            entry_of(13, 1, text()),
            &[(BOB, true), (EVE, true)],
        ),
        (
            group("new", &[EVE, ANN, EVE]),
            entry_of(13, 1, Content::Created("new".to_owned())),
            &[(ANN, true), (BOB, true), (EVE, true)],
        ),
        (
            add(3, EVE),
            entry_of(3, 2, Content::Added(EVE.0)),
            &[(EVE, true)],
        ),
        (quit(3), entry_of(3, 2, Content::Left), &[(BOB, false)]),
        (
            rename(3, "us"),
            entry_of(3, 2, Content::Renamed("us".to_owned())),
            &[],
        ),
        (
            say_text(Target::Conversation(3), "oh"),
            entry_of(3, 2, text()),
            &[],
        ),
    ];
    for (command, entry, changes) in cases {
        let stream = match entry.conversation {
            PUBLIC => Stream::Everybody,
            id => Stream::Conversation(id),
        };
        let memberships = changes.iter().map(|(actor, begins)| Membership {
            user: actor.0,
            stream,
            begins: *begins,
        });
        let pushed = Pushed {
            stream,
            word: Push::from(entry),
            is_kept: true,
        };
        assert_eq!(
            told(&command),
            (Some(pushed), memberships.collect()),
            "{command:?}"
        );
    }
}

#[test]
fn who_is_put_out_is_told_and_then_follows_no_more() {
    let mut given = given::<Chat>(&house());
    let cx = context(ANN, 13);
    let command = remove(3, BOB);
    let event = given.system.decide(&cx, &command).expect("she made it");
    given.system.apply(&cx, &command, &event);
    let pushed = Chat::push(&cx, &command, &event).expect("it is told");
    let entry = Entry {
        author: ANN.0,
        ..entry_of(3, 2, Content::Removed(BOB.0))
    };
    assert_eq!((pushed.word, pushed.is_kept), (entry.into(), true));
    let gone = Membership {
        user: BOB.0,
        stream: Stream::Conversation(3),
        begins: false,
    };
    assert_eq!(given.system.memberships(&cx, &command, &event), [gone]);
}

#[test]
fn who_comes_to_a_room_follows_it_and_the_room_is_not_told() {
    let cases = [
        (join(10), 10, true),
        (leave(1), 1, false),
        (room("new"), 13, true),
    ];
    for (command, id, begins) in cases {
        let membership = Membership {
            user: BOB.0,
            stream: Stream::Conversation(id),
            begins,
        };
        assert_eq!(told(&command), (None, vec![membership]), "{command:?}");
    }
}

#[test]
fn receipts_are_told_where_people_know_each_other_and_not_kept() {
    let receipt = |conversation, delivered, read| Receipt {
        conversation,
        user: BOB.0,
        delivered,
        read,
    };
    let cases = [
        (delivered(3, 1), Some(receipt(3, 1, 0))),
        (read(3, 1), Some(receipt(3, 1, 1))),
        (delivered(1, 3), None),
        (read(1, 2), None),
        (read(PUBLIC, 1), None),
    ];
    for (command, receipt) in cases {
        let pushed = receipt.map(|receipt| Pushed {
            stream: Stream::Conversation(receipt.conversation),
            word: Push::from(receipt),
            is_kept: false,
        });
        assert_eq!(told(&command), (pushed, Vec::new()), "{command:?}");
    }
}

#[test]
fn everybody_follows_what_they_are_in_from_where_they_came() {
    let mut given = given::<Chat>(&house());
    let stays = [(1, 3), (3, 3)];
    let cases: [(Actor, &[(u64, u64)]); 4] = [
        (ANN, &[(1, 1), (3, 3), (7, 7)]),
        (BOB, &stays),
        (EVE, &[(10, 10)]),
        (KIM, &[(7, 7)]),
    ];
    for (actor, wanted) in cases {
        assert_eq!(followed(&given.system, actor), wanted);
    }
    given.execute(BOB, NOW, &leave(1)).expect("he is in it");
    assert_eq!(followed(&given.system, BOB), stays[1..]);
    given.execute(BOB, NOW, &join(1)).expect("it is open");
    assert_eq!(followed(&given.system, BOB), [(1, 15), (3, 3)]);
}

/// Which conversations somebody follows, and from where.
fn followed(chat: &Chat, actor: Actor) -> Vec<(u64, u64)> {
    let mut followed = Vec::new();
    chat.follow(actor.0, &mut |stream, from| match stream {
        Stream::Conversation(id) => followed.push((id, from.0)),
        Stream::Person(_) | Stream::Everybody => panic!("those are with the accounts"),
    });
    followed
}

#[test]
fn a_trail_finds_what_a_command_was_about() {
    let chat = Chat::default();
    let cases: [(Command, u64); 13] = [
        (say(Target::Public), PUBLIC),
        (say(to(BOB)), BOB.0.0),
        (say(Target::Conversation(7)), 7),
        (room("x"), 0),
        (join(7), 7),
        (leave(7), 7),
        (group("x", &[BOB]), 0),
        (add(7, BOB), 7),
        (remove(7, BOB), 7),
        (quit(7), 7),
        (rename(7, "x"), 7),
        (delivered(7, 1), 7),
        (read(7, 1), 7),
    ];
    for (command, target) in cases {
        assert_eq!(chat.target(&command), target, "{}", command.name());
    }
}

#[test]
fn nobody_writes_to_people_who_are_not_registered() {
    let mut systems = Systems::default();
    for (seq, name) in [(1, "ann"), (2, "bob")] {
        let register = accounts::Command::from(accounts::Register {
            name: name.into(),
            password_hash: "$hash$".into(),
        });
        assert_eq!(refused(&mut systems, seq, &register), None);
    }
    let unknown = |user| Some(Refusal::with(Code::UNKNOWN_USER, user, 0));
    let (bob, nobody) = (member(2), member(0));
    let cases = [
        (say(to(bob)), None),
        (say(to(member(3))), unknown(3)),
        (say(to(nobody)), unknown(0)),
        (group("x", &[bob, member(9)]), unknown(9)),
        (group("x", &[bob]), None),
        (add(7, member(3)), unknown(3)),
    ];
    for (seq, (command, refusal)) in (3..).zip(cases) {
        assert_eq!(refused(&mut systems, seq, &command), refusal, "{command:?}");
    }
}

/// Why a command of person 1 is refused among all systems, if it is.
fn refused(systems: &mut Systems, seq: u64, command: &impl Word) -> Option<Refusal> {
    let command = OwnedCommand::new(command);
    let mut outcome = Vec::new();
    systems
        .execute(&context(member(1), seq), &command.bytes(), &mut outcome)
        .expect("the words are known");
    match Outcome::decode(&outcome).expect("outcomes decode") {
        Outcome::Accepted { .. } => None,
        Outcome::Refused(refusal) => Some(refusal),
    }
}
