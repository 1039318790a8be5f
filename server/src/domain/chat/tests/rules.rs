//! What is allowed in the chat: given these commands, when this one comes, then this is its outcome.

use protocol::{
    Code, Personal, Refusal, UserId,
    limits::{GROUP_MEMBERS_MAX, GROUPS_MAX, ROOMS_MAX},
    words::chat::{
        Command, Delivered, GroupCreated, GroupLeft, GroupRenamed, MemberAdded, MemberRemoved,
        PUBLIC, Read, RoomCreated, RoomJoined, RoomLeft, Send, Sent, Target,
    },
};

use super::{
    ANN, BOB, EVE, KIM, NOW, add, at, check_refused, context, delivered, group, join, leave,
    member_of, quit, read, remove, rename, room, say, say_text, to,
};
use crate::domain::{
    System,
    chat::Chat,
    given::{Actor, SERVER, STRANGER, given, member},
};

/// The index and the conversation of a message that was taken.
const fn sent(conversation: u64, index: u64) -> Sent {
    Sent {
        conversation,
        index,
    }
}

/// Ann has room 1 with Bob in it, and group 3 with Bob in it; Eve has a room of her own, 4. Kim is
/// nowhere.
fn house() -> Vec<(Actor, u64, Command)> {
    vec![
        at(ANN, room("hall")),
        at(BOB, join(1)),
        at(ANN, group("team", &[BOB])),
        at(EVE, room("attic")),
    ]
}

#[test]
fn entries_are_numbered_from_1_in_each_conversation_by_itself() {
    let mut given = given::<Chat>(&house());
    let shared = Target::Conversation;
    let steps = [
        (ANN, Target::Public, sent(PUBLIC, 1)),
        (KIM, Target::Public, sent(PUBLIC, 2)),
        (ANN, to(KIM), sent(7, 1)),
        (KIM, to(ANN), sent(7, 2)),
        (EVE, to(KIM), sent(9, 1)),
        (BOB, shared(1), sent(1, 1)),
        (ANN, shared(1), sent(1, 2)),
        // Entry 1 says that the group exists.
        (BOB, shared(3), sent(3, 2)),
        (ANN, to(KIM), sent(7, 3)),
        (EVE, shared(4), sent(4, 1)),
        (EVE, Target::Public, sent(PUBLIC, 3)),
        // Whatever it is, it has an id.
        (KIM, shared(7), sent(7, 4)),
        (EVE, shared(PUBLIC), sent(PUBLIC, 4)),
    ];
    for (actor, target, wanted) in steps {
        given.when(actor, NOW, say(target)).then(wanted);
    }
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    assert_eq!(given.replayed().state_hash(), given.system.state_hash());
}

#[test]
fn a_text_has_1_to_4096_bytes_of_utf_8() {
    for text in ["x", &"x".repeat(4_096), &"ß".repeat(2_048)] {
        let mut given = given::<Chat>(&[]);
        let said = given.when(ANN, NOW, say_text(Target::Public, text));
        said.then(sent(PUBLIC, 1));
    }
    let mut torn = b"hello ".to_vec();
    torn.push(0xc3);
    let cases = [
        (Vec::new(), Refusal::with(Code::TEXT_LENGTH, 0, 4_096)),
        (
            vec![b'x'; 4_097],
            Refusal::with(Code::TEXT_LENGTH, 4_097, 4_096),
        ),
        (vec![0xff], Refusal::with(Code::TEXT_ENCODING, 1, 0)),
        (torn, Refusal::with(Code::TEXT_ENCODING, 7, 0)),
    ];
    for (text, refusal) in cases {
        for target in [Target::Public, to(BOB), Target::Conversation(1)] {
            let text = Personal::from_bytes(text.clone());
            let command = Send { to: target, text };
            check_refused(&house(), ANN, command.into(), refusal);
        }
    }
}

#[test]
fn only_members_write() {
    let mut before = house();
    before.push(at(ANN, say(to(BOB))));
    let unknown = |id| Refusal::with(Code::UNKNOWN_CONVERSATION, id, 0);
    let not_member = |id| Refusal::with(Code::NOT_MEMBER, id, 0);
    let shared = Target::Conversation;
    let cases = [
        (ANN, to(ANN), Refusal::new(Code::TO_YOURSELF)),
        (ANN, shared(9), unknown(9)),
        // The record of a join is no conversation.
        (ANN, shared(2), unknown(2)),
        (EVE, shared(1), not_member(1)),
        (KIM, shared(1), not_member(1)),
        (EVE, shared(3), not_member(3)),
        (ANN, shared(4), not_member(4)),
        (EVE, shared(5), not_member(5)),
    ];
    for (actor, target, refusal) in cases {
        check_refused(&before, actor, say(target), refusal);
    }
}

#[test]
fn nobody_writes_to_somebody_who_was_erased() {
    let mut given = given::<Chat>(&[at(ANN, say(to(BOB)))]);
    given.system.forget(&context(BOB, 2), BOB.0);
    let refusal = Refusal::with(Code::UNKNOWN_USER, BOB.0.0, 0);
    given
        .when(ANN, NOW, say(Target::Conversation(1)))
        .refused(refusal);
    // Whoever is written to by their own number is looked up among the registered.
    assert_eq!(Chat::people(&say(to(BOB))), [BOB.0]);
}

#[test]
fn a_room_is_made_under_a_name_of_its_own() {
    let mut given = given::<Chat>(&house());
    given.when(ANN, NOW, room("x")).then(RoomCreated {});
    let longest = "x".repeat(64);
    given.when(ANN, NOW, room(&longest)).then(RoomCreated {});
    let length = |value| Refusal::with(Code::CONVERSATION_NAME_LENGTH, value, 64);
    let cases = [
        ("", length(0)),
        (&"x".repeat(65), length(65)),
        ("hall", Refusal::with(Code::ROOM_NAME_TAKEN, 1, 0)),
        ("attic", Refusal::with(Code::ROOM_NAME_TAKEN, 4, 0)),
    ];
    for (name, refusal) in cases {
        check_refused(&house(), KIM, room(name), refusal);
    }
    // A group may be called what a room is, and what another group is.
    for _ in 0..2 {
        let named = given.when(ANN, NOW, group("hall", &[]));
        named.then(GroupCreated { members: 1 });
    }
}

#[test]
fn anybody_joins_a_room_once_and_leaves_it() {
    let mut given = given::<Chat>(&house());
    given
        .when(KIM, NOW, join(1))
        .then(RoomJoined { members: 3 });
    given.when(ANN, NOW, leave(1)).then(RoomLeft { members: 2 });
    given.when(BOB, NOW, leave(1)).then(RoomLeft { members: 1 });
    given.when(KIM, NOW, leave(1)).then(RoomLeft { members: 0 });
    // An empty room is still there, and its name is taken.
    given
        .when(EVE, NOW, join(1))
        .then(RoomJoined { members: 1 });
    let taken = Refusal::with(Code::ROOM_NAME_TAKEN, 1, 0);
    given.when(KIM, NOW, room("hall")).refused(taken);
    let unknown = |id| Refusal::with(Code::UNKNOWN_ROOM, id, 0);
    let already = Refusal::with(Code::ALREADY_MEMBER, BOB.0.0, 1);
    let cases = [
        (BOB, join(1), already),
        (
            ANN,
            join(1),
            Refusal {
                value: ANN.0.0,
                ..already
            },
        ),
        (KIM, leave(1), Refusal::with(Code::NOT_MEMBER, 1, 0)),
        (ANN, join(3), unknown(3)),
        (ANN, leave(3), unknown(3)),
        (KIM, join(PUBLIC), unknown(PUBLIC)),
        (KIM, leave(PUBLIC), unknown(PUBLIC)),
        (KIM, join(99), unknown(99)),
    ];
    for (actor, command, refusal) in cases {
        check_refused(&house(), actor, command, refusal);
    }
}

#[test]
fn nobody_is_in_more_than_a_thousand_rooms() {
    let mut given = given::<Chat>(&[at(BOB, room("hall"))]);
    for number in 0..ROOMS_MAX {
        given
            .when(ANN, NOW, room(&number.to_string()))
            .then(RoomCreated {});
    }
    let refusal = Refusal::with(Code::ROOMS, 1_000, 1_000);
    given.when(ANN, NOW, room("one more")).refused(refusal);
    given.when(ANN, NOW, join(1)).refused(refusal);
    given.when(ANN, NOW, leave(2)).then(RoomLeft { members: 0 });
    given
        .when(ANN, NOW, join(1))
        .then(RoomJoined { members: 2 });
    // Groups are counted by themselves.
    let grouped = given.when(ANN, NOW, group("team", &[]));
    grouped.then(GroupCreated { members: 1 });
}

#[test]
fn a_group_begins_with_each_of_its_people_once() {
    let everybody = |count: usize| -> Vec<Actor> { (1_000..).map(member).take(count).collect() };
    let full = GROUP_MEMBERS_MAX;
    let cases = [
        (vec![], 1),
        (vec![ANN], 1),
        (vec![BOB, EVE, BOB, ANN], 3),
        (everybody(full - 1), 256),
    ];
    for (members, count) in cases {
        given::<Chat>(&[])
            .when(ANN, NOW, group("team", &members))
            .then(GroupCreated { members: count });
    }
    let refusal = |value| Refusal::with(Code::GROUP_FULL, value, 256);
    check_refused(&[], ANN, group("team", &everybody(full)), refusal(257));
    check_refused(&[], ANN, group("team", &[BOB; 300]), refusal(300));
    let length = |value| Refusal::with(Code::CONVERSATION_NAME_LENGTH, value, 64);
    check_refused(&[], ANN, group("", &[BOB]), length(0));
    check_refused(&[], ANN, group(&"x".repeat(65), &[BOB]), length(65));
}

#[test]
fn a_group_is_changed_by_its_members_and_thinned_by_its_creator() {
    let mut given = given::<Chat>(&house());
    given
        .when(BOB, NOW, add(3, EVE))
        .then(MemberAdded { index: 2 });
    given
        .when(EVE, NOW, rename(3, "crew"))
        .then(GroupRenamed { index: 3 });
    given
        .when(EVE, NOW, say(Target::Conversation(3)))
        .then(sent(3, 4));
    given
        .when(ANN, NOW, remove(3, EVE))
        .then(MemberRemoved { index: 5 });
    let gone = Refusal::with(Code::NOT_MEMBER, 3, 0);
    given
        .when(EVE, NOW, say(Target::Conversation(3)))
        .refused(gone);
    given.when(BOB, NOW, quit(3)).then(GroupLeft { index: 6 });
    given.when(BOB, NOW, quit(3)).refused(gone);
    assert_eq!(given.system.recomputed_digest(), given.system.digest());
    assert_eq!(given.replayed().state_hash(), given.system.state_hash());
}

#[test]
fn a_group_is_closed_to_everybody_else() {
    let before = house();
    let outside = Refusal::with(Code::NOT_MEMBER, 3, 0);
    for command in [add(3, KIM), remove(3, BOB), quit(3), rename(3, "ours")] {
        check_refused(&before, EVE, command, outside);
    }
    let unknown = |id| Refusal::with(Code::UNKNOWN_GROUP, id, 0);
    for id in [PUBLIC, 1, 2, 99] {
        for command in [add(id, KIM), remove(id, BOB), quit(id), rename(id, "x")] {
            check_refused(&before, ANN, command, unknown(id));
        }
    }
    let length = |value| Refusal::with(Code::CONVERSATION_NAME_LENGTH, value, 64);
    let cases = [
        (BOB, remove(3, ANN), Refusal::with(Code::NOT_CREATOR, 3, 0)),
        (BOB, remove(3, BOB), Refusal::with(Code::NOT_CREATOR, 3, 0)),
        (
            ANN,
            remove(3, KIM),
            Refusal::with(Code::NO_SUCH_MEMBER, KIM.0.0, 3),
        ),
        (
            ANN,
            add(3, BOB),
            Refusal::with(Code::ALREADY_MEMBER, BOB.0.0, 3),
        ),
        (
            BOB,
            add(3, BOB),
            Refusal::with(Code::ALREADY_MEMBER, BOB.0.0, 3),
        ),
        (ANN, rename(3, ""), length(0)),
        (ANN, rename(3, &"x".repeat(65)), length(65)),
    ];
    for (actor, command, refusal) in cases {
        check_refused(&before, actor, command, refusal);
    }
}

#[test]
fn whoever_made_a_group_has_no_say_over_it_once_they_left() {
    let mut given = given::<Chat>(&house());
    given.when(ANN, NOW, quit(3)).then(GroupLeft { index: 2 });
    given
        .when(BOB, NOW, add(3, ANN))
        .then(MemberAdded { index: 3 });
    let refusal = Refusal::with(Code::NOT_CREATOR, 3, 0);
    given.when(ANN, NOW, remove(3, BOB)).refused(refusal);
}

#[test]
fn a_group_goes_with_its_last_member() {
    let mut given = given::<Chat>(&[at(ANN, group("team", &[]))]);
    given.when(ANN, NOW, quit(1)).then(GroupLeft { index: 2 });
    let over = Refusal::with(Code::UNKNOWN_GROUP, 1, 0);
    given.when(ANN, NOW, add(1, BOB)).refused(over);
    assert_eq!(given.system.state_hash(), Chat::default().state_hash());
}

#[test]
fn a_group_takes_no_more_than_256() {
    let people: Vec<Actor> = (1_000..1_254).map(member).collect();
    let mut given = given::<Chat>(&[at(ANN, group("team", &people))]);
    given
        .when(ANN, NOW, add(1, BOB))
        .then(MemberAdded { index: 2 });
    let refusal = Refusal::with(Code::GROUP_FULL, 257, 256);
    given.when(BOB, NOW, add(1, EVE)).refused(refusal);
    given
        .when(ANN, NOW, remove(1, BOB))
        .then(MemberRemoved { index: 3 });
    given
        .when(ANN, NOW, add(1, EVE))
        .then(MemberAdded { index: 4 });
}

#[test]
fn nobody_is_in_more_than_a_thousand_groups() {
    let mut given = given::<Chat>(&[at(BOB, group("first", &[]))]);
    for number in 0..GROUPS_MAX {
        let made = given.when(ANN, NOW, group(&number.to_string(), &[]));
        made.then(GroupCreated { members: 1 });
    }
    let refusal = Refusal::with(Code::GROUPS, ANN.0.0, 1_000);
    given.when(ANN, NOW, group("more", &[])).refused(refusal);
    given.when(BOB, NOW, group("more", &[ANN])).refused(refusal);
    given.when(BOB, NOW, add(1, ANN)).refused(refusal);
    given.when(ANN, NOW, quit(2)).then(GroupLeft { index: 2 });
    given
        .when(BOB, NOW, add(1, ANN))
        .then(MemberAdded { index: 2 });
    given.when(ANN, NOW, room("hall")).then(RoomCreated {});
}

#[test]
fn watermarks_rise_up_to_the_last_entry_and_never_fall() {
    let mut before = house();
    before.extend((0..9).map(|_| at(ANN, say(to(BOB)))));
    let mut given = given::<Chat>(&before);
    let marks = |delivered, read| (delivered, read, true);
    let steps = [
        (delivered(5, 3), Ok(marks(3, 0))),
        (read(5, 2), Ok(marks(3, 2))),
        (
            delivered(5, 3),
            Err(Refusal::with(Code::WATERMARK_STANDS, 3, 3)),
        ),
        (
            delivered(5, 1),
            Err(Refusal::with(Code::WATERMARK_STANDS, 1, 3)),
        ),
        (read(5, 2), Err(Refusal::with(Code::WATERMARK_STANDS, 2, 2))),
        (read(5, 0), Err(Refusal::with(Code::WATERMARK_STANDS, 0, 2))),
        (read(5, 7), Ok(marks(7, 7))),
        (
            delivered(5, 10),
            Err(Refusal::with(Code::WATERMARK_BEYOND, 10, 9)),
        ),
        (
            read(5, u64::MAX),
            Err(Refusal::with(Code::WATERMARK_BEYOND, u64::MAX, 9)),
        ),
        (delivered(5, 9), Ok(marks(9, 7))),
    ];
    for (command, wanted) in steps {
        let is_read = matches!(command, Command::MarkRead(_));
        let when = given.when(BOB, NOW, command);
        match wanted {
            Ok((delivered, read, shown)) if is_read => when.then(Read {
                delivered,
                read,
                shown,
            }),
            Ok((delivered, read, shown)) => when.then(Delivered {
                delivered,
                read,
                shown,
            }),
            Err(refusal) => when.refused(refusal),
        }
    }
    assert_eq!(member_of(&given.system, 5, BOB.0), Some((5, 9, 7)));
    assert_eq!(
        member_of(&given.system, 5, ANN.0),
        Some((5, 0, 0)),
        "nobody else's"
    );
}

#[test]
fn watermarks_are_for_members_and_shown_where_people_know_each_other() {
    let mut before = house();
    before.extend([
        at(ANN, say(to(BOB))),
        at(ANN, say(Target::Conversation(1))),
        at(ANN, say(Target::Public)),
    ]);
    for (id, shown) in [(PUBLIC, false), (1, false), (3, true), (5, true)] {
        let mut given = given::<Chat>(&before);
        let marked = given.when(BOB, NOW, delivered(id, 1));
        marked.then(Delivered {
            delivered: 1,
            read: 0,
            shown,
        });
        let marked = given.when(BOB, NOW, read(id, 1));
        marked.then(Read {
            delivered: 1,
            read: 1,
            shown,
        });
    }
    let not_member = |id| Refusal::with(Code::NOT_MEMBER, id, 0);
    for id in [1, 3, 5] {
        check_refused(&before, EVE, delivered(id, 1), not_member(id));
        check_refused(&before, EVE, read(id, 1), not_member(id));
    }
    let unknown = Refusal::with(Code::UNKNOWN_CONVERSATION, 99, 0);
    check_refused(&before, ANN, delivered(99, 1), unknown);
    check_refused(&before, ANN, read(99, 1), unknown);
}

#[test]
fn the_public_conversation_knows_only_those_who_marked_something() {
    let mut given = given::<Chat>(&[at(ANN, say(Target::Public))]);
    assert_eq!(member_of(&given.system, PUBLIC, ANN.0), None);
    let marked = given.when(KIM, NOW, read(PUBLIC, 1));
    marked.then(Read {
        delivered: 1,
        read: 1,
        shown: false,
    });
    assert_eq!(member_of(&given.system, PUBLIC, KIM.0), Some((0, 1, 1)));
}

#[test]
fn whoever_comes_late_or_returns_begins_at_the_end() {
    let mut before = house();
    let three = [(); 3].map(|()| at(ANN, say(Target::Conversation(1))));
    before.extend(three);
    before.push(at(BOB, read(1, 3)));
    let mut given = given::<Chat>(&before);
    assert_eq!(
        member_of(&given.system, 1, ANN.0),
        Some((1, 0, 0)),
        "she made it"
    );
    assert_eq!(
        member_of(&given.system, 1, BOB.0),
        Some((3, 3, 3)),
        "behind his joining"
    );
    given.when(BOB, NOW, leave(1)).then(RoomLeft { members: 1 });
    assert_eq!(member_of(&given.system, 1, BOB.0), None);
    given
        .when(ANN, NOW, say(Target::Conversation(1)))
        .then(sent(1, 4));
    given
        .when(BOB, NOW, join(1))
        .then(RoomJoined { members: 2 });
    assert_eq!(member_of(&given.system, 1, BOB.0), Some((12, 4, 4)));
    // Taken into a group, one sees the entry that says so.
    given
        .when(BOB, NOW, add(3, EVE))
        .then(MemberAdded { index: 2 });
    assert_eq!(member_of(&given.system, 3, EVE.0), Some((12, 1, 1)));
    assert_eq!(
        member_of(&given.system, 3, BOB.0),
        Some((3, 0, 0)),
        "from the start"
    );
    let marked = given.when(EVE, NOW, delivered(3, 2));
    marked.then(Delivered {
        delivered: 2,
        read: 1,
        shown: true,
    });
}

#[test]
fn the_chat_is_for_people() {
    let commands = [
        say(Target::Public),
        room("x"),
        join(1),
        leave(1),
        group("x", &[]),
        add(3, KIM),
        remove(3, BOB),
        quit(3),
        rename(3, "x"),
        delivered(3, 1),
        read(3, 1),
    ];
    for command in commands {
        assert!(Chat::is_client_command(&command));
        for nobody in [STRANGER, SERVER] {
            let refusal = Refusal::new(Code::LOG_IN_FIRST);
            check_refused(&house(), nobody, command.clone(), refusal);
        }
    }
}

#[test]
fn whoever_a_command_is_for_must_be_registered() {
    let (bob, eve) = (BOB.0, EVE.0);
    let cases: [(Command, &[UserId]); 7] = [
        (say(to(BOB)), &[bob]),
        (say(Target::Public), &[]),
        (group("x", &[BOB, EVE]), &[bob, eve]),
        (add(3, EVE), &[eve]),
        // Whoever is put out was in it.
        (remove(3, EVE), &[]),
        (join(1), &[]),
        (read(1, 1), &[]),
    ];
    for (command, people) in cases {
        assert_eq!(Chat::people(&command), people, "{}", command.name());
    }
}
