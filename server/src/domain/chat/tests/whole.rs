//! What must hold whatever is asked of the chat, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use protocol::{
    Seq, UserId,
    words::chat::{
        Answer, ConversationView, Event, ListConversations, ListMembers, ListPending, ListRooms,
        MemberView, PUBLIC, Push, Query, RoomView, Target,
    },
};

use super::{
    Command, add, context, delivered, group, join, leave, member_of, quit, read, remove, rename,
    room, say,
};
use crate::{
    domain::{
        Context, Pushed, Stream, System,
        chat::{Chat, members::Member},
        given::{Actor, member},
    },
    snapshot::tests::reloaded,
};

/// The people of these histories: 1 to this.
const PEOPLE: u64 = 6;

/// What happened: a command that was accepted, or somebody was erased.
enum Step {
    Accepted(Box<(Context, Command, Event)>),
    Forgotten(Context, UserId),
}

/// A chat, what happened to it, and what anybody can know of it who only heard what was told.
#[derive(Default)]
struct World {
    chat: Chat,
    seq: u64,
    steps: Vec<Step>,
    erased: BTreeSet<UserId>,
    /// The last entry of each conversation.
    lasts: BTreeMap<u64, u64>,
    /// Who is in what, and where everybody's watermarks stood.
    members: BTreeMap<(u64, UserId), (u64, u64)>,
}

impl World {
    /// Some people who know each other: room 1, group 3 and private conversation 4.
    fn inhabited() -> Self {
        let mut world = Self::default();
        let (one, two) = (member(1), member(2));
        world.execute(one, &room("a"));
        world.execute(two, &join(1));
        world.execute(one, &group("a", &[two, member(3)]));
        world.execute(two, &say(Target::Person(one.0)));
        assert_eq!(world.steps.len(), 4, "all of it is accepted");
        world
    }

    fn execute(&mut self, actor: Actor, command: &Command) {
        self.seq += 1;
        let cx = context(actor, self.seq);
        let is_erased = |user: &UserId| self.erased.contains(user);
        if is_erased(&cx.actor) || Chat::people(command).iter().any(is_erased) {
            return;
        }
        let Ok(event) = self.chat.decide(&cx, command) else {
            return;
        };
        self.check_writer(&cx, &event);
        self.chat.apply(&cx, command, &event);
        for membership in self.chat.memberships(&cx, command, &event) {
            let Stream::Conversation(id) = membership.stream else {
                panic!("only conversations begin and end");
            };
            let key = (id, membership.user);
            let before = if membership.begins {
                self.members.insert(key, (0, 0)).map(|_| ())
            } else {
                self.members.remove(&key).map_or(Some(()), |_| None)
            };
            assert_eq!(before, None, "{key:?} begins once and ends once");
        }
        if let Some(pushed) = Chat::push(&cx, command, &event) {
            self.check_push(&pushed);
        }
        let step = (cx, command.clone(), event);
        self.steps.push(Step::Accepted(Box::new(step)));
    }

    /// Whoever writes somewhere is in it, or begins it.
    fn check_writer(&self, cx: &Context, event: &Event) {
        if let Event::Sent(sent) = event {
            let is_in = self.members.contains_key(&(sent.conversation, cx.actor));
            let begins = (sent.conversation, sent.index) == (cx.seq.0, 1);
            assert!(is_in || begins || sent.conversation == PUBLIC, "{sent:?}");
        }
    }

    /// Every entry is the next of its conversation.
    fn check_push(&mut self, pushed: &Pushed<Push>) {
        match &pushed.word {
            Push::Entry(entry) => {
                let last = self.lasts.entry(entry.conversation).or_default();
                *last += 1;
                assert_eq!(entry.index, *last, "{entry:?}");
                assert!(pushed.is_kept);
            }
            Push::Receipt(receipt) => {
                let key = (receipt.conversation, receipt.user);
                assert!(self.members.contains_key(&key) && !pushed.is_kept);
            }
        }
    }

    /// Erases somebody, for whom nobody else's view changes.
    fn forget(&mut self, user: UserId) {
        self.seq += 1;
        let cx = context(member(user.0), self.seq);
        let others = || (1..=PEOPLE).map(UserId).filter(|other| *other != user);
        let before: Vec<_> = others()
            .map(|other| View::of(&self.chat, other, user))
            .collect();
        self.chat.forget(&cx, user);
        let after: Vec<_> = others()
            .map(|other| View::of(&self.chat, other, user))
            .collect();
        assert_eq!(before, after, "somebody noticed that {user} is gone");
        self.members.retain(|(_, member), _| *member != user);
        self.erased.insert(user);
        self.steps.push(Step::Forgotten(cx, user));
    }

    /// What must hold between any two steps.
    fn check(&mut self) {
        // What is left over by mistake is gone from what is loaded.
        assert_eq!(self.chat.recomputed_digest(), self.chat.digest());
        self.chat = reloaded(&self.chat);
        assert_eq!(self.chat.recomputed_digest(), self.chat.digest());
        let mut found = BTreeMap::new();
        for id in self.chat.conversation_ids() {
            let conversation = self.chat.conversation(id).expect("it was just listed");
            // A conversation that is over has no row; one that is not has every entry told of.
            assert_eq!(self.lasts.get(&id).copied().unwrap_or(0), conversation.last);
            for (user, member) in conversation.members.after(UserId::NOBODY, usize::MAX) {
                self.check_member(id, user, member, conversation.last);
                found.insert((id, user), (member.delivered, member.read));
            }
        }
        let is_shared = |key: &&(u64, UserId)| key.0 != PUBLIC;
        let listed: BTreeSet<_> = found.keys().filter(is_shared).copied().collect();
        let told: BTreeSet<_> = self.members.keys().filter(is_shared).copied().collect();
        assert_eq!(listed, told, "memberships say who is in what");
        assert_eq!(self.followed(), told, "and so does what they follow");
        self.members = found;
    }

    fn check_member(&self, id: u64, user: UserId, member: Member, last: u64) {
        assert!(!self.erased.contains(&user), "{user} was erased");
        assert!(member.read <= member.delivered && member.delivered <= last);
        let before = self.members.get(&(id, user)).copied().unwrap_or_default();
        assert!(
            before.0 <= member.delivered && before.1 <= member.read,
            "they fell"
        );
        assert_eq!(
            member_of(&self.chat, id, user).map(|(since, ..)| since),
            Some(member.since.0)
        );
    }

    fn followed(&self) -> BTreeSet<(u64, UserId)> {
        let mut followed = BTreeSet::new();
        for user in (1..=PEOPLE).map(UserId) {
            self.chat.follow(user, &mut |stream, from| {
                assert!(from <= Seq(self.seq + 1));
                let Stream::Conversation(id) = stream else {
                    panic!("other streams are with the accounts");
                };
                followed.insert((id, user));
            });
        }
        followed
    }

    /// The state that replaying the history gives.
    fn replayed(&self) -> Chat {
        let mut chat = Chat::default();
        for step in &self.steps {
            match step {
                Step::Accepted(step) => {
                    let (cx, command, event) = &**step;
                    chat.apply(cx, command, event);
                }
                Step::Forgotten(cx, user) => chat.forget(cx, *user),
            }
        }
        chat
    }
}

/// Everything somebody can see, without one other person.
#[derive(Debug, PartialEq)]
struct View {
    conversations: Vec<ConversationView>,
    pending: Vec<ConversationView>,
    rooms: Vec<RoomView>,
    members: BTreeMap<u64, Vec<MemberView>>,
}

impl View {
    fn of(chat: &Chat, user: UserId, without: UserId) -> Self {
        let (after, limit) = (None, 500);
        let answer = |query: Query| chat.answer(&context(member(user.0), u64::MAX), &query);
        let conversations = match answer(ListConversations { after, limit }.into()) {
            Ok(Answer::Conversations(page)) => page.conversations,
            other => panic!("{other:?}"),
        };
        let pending = match answer(ListPending { after, limit }.into()) {
            Ok(Answer::Conversations(page)) => page.conversations,
            other => panic!("{other:?}"),
        };
        let mut rooms = match answer(ListRooms { after: 0, limit }.into()) {
            Ok(Answer::Rooms(page)) => page.rooms,
            other => panic!("{other:?}"),
        };
        for room in &mut rooms {
            let is_in = member_of(chat, room.room, without).is_some();
            room.members -= u32::from(is_in);
        }
        let mut members = BTreeMap::new();
        for view in conversations
            .iter()
            .filter(|view| view.conversation != PUBLIC)
        {
            let (conversation, after) = (view.conversation, UserId::NOBODY);
            let page = match answer(
                ListMembers {
                    conversation,
                    after,
                    limit,
                }
                .into(),
            ) {
                Ok(Answer::Members(page)) => page.members,
                other => panic!("{other:?}"),
            };
            let others = page.into_iter().filter(|view| view.user != without);
            members.insert(conversation, others.collect());
        }
        Self {
            conversations,
            pending,
            rooms,
            members,
        }
    }
}

fn any_person() -> impl Strategy<Value = Actor> {
    (1..=PEOPLE).prop_map(member)
}

fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        1 => Just(Target::Public),
        2 => any_person().prop_map(|actor| Target::Person(actor.0)),
        3 => any_conversation().prop_map(Target::Conversation),
    ]
}

/// Mostly those that were there from the start, so that people meet.
fn any_conversation() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => prop::sample::select(vec![PUBLIC, 1, 3, 4]),
        1 => 0..30_u64,
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let id = any_conversation;
    let people = || prop::collection::vec(any_person(), 0..4);
    prop_oneof![
        8 => any_target().prop_map(say),
        2 => "[a-f]".prop_map(|name| room(&name)),
        4 => id().prop_map(join),
        2 => id().prop_map(leave),
        3 => ("[ab]", people()).prop_map(|(name, people)| group(&name, &people)),
        4 => (id(), any_person()).prop_map(|(id, actor)| add(id, actor)),
        2 => (id(), any_person()).prop_map(|(id, actor)| remove(id, actor)),
        1 => id().prop_map(quit),
        1 => (id(), "[ab]").prop_map(|(id, name)| rename(id, &name)),
        6 => (id(), 0..6_u64).prop_map(|(id, index)| delivered(id, index)),
        6 => (id(), 0..6_u64).prop_map(|(id, index)| read(id, index)),
    ]
}

/// A list of the first person's, by its number.
fn list(number: usize, after: Option<u64>, limit: u16) -> Query {
    let id = after.unwrap_or_default();
    match number {
        0 => ListConversations { after, limit }.into(),
        1 => ListPending { after, limit }.into(),
        2 => ListRooms { after: id, limit }.into(),
        _ => ListMembers {
            conversation: 3,
            after: UserId(id),
            limit,
        }
        .into(),
    }
}

/// The ids of a page; none when it is refused.
fn page(world: &World, number: usize, after: Option<u64>, limit: u16) -> Option<Vec<u64>> {
    let cx = context(member(1), world.seq);
    let answer = world.chat.answer(&cx, &list(number, after, limit)).ok()?;
    Some(match answer {
        Answer::Conversations(page) => {
            let views = page.conversations.iter();
            views.map(|view| view.conversation).collect()
        }
        Answer::Rooms(page) => page.rooms.iter().map(|view| view.room).collect(),
        Answer::Members(page) => page.members.iter().map(|view| view.user.0).collect(),
        Answer::History(_) => panic!("no list is answered with entries"),
    })
}

proptest! {
    #[test]
    fn pages_of_a_list_show_whatever_was_there_all_the_while_once(
        before in prop::collection::vec((any_person(), any_command()), 1..60),
        between in prop::collection::vec((any_person(), any_command()), 0..12),
        number in 0..4_usize,
        limit in 1..4_u16,
    ) {
        let mut world = World::inhabited();
        for (actor, command) in before {
            world.execute(actor, &command);
        }
        let (mut shown, mut always) = (Vec::new(), page(&world, number, None, 500));
        let mut between = between.into_iter();
        let is_whole = loop {
            let Some(ids) = page(&world, number, shown.last().copied(), limit) else {
                break false;
            };
            if ids.is_empty() {
                break true;
            }
            shown.extend(ids);
            if let Some((actor, command)) = between.next() {
                world.execute(actor, &command);
                let now = page(&world, number, None, 500).unwrap_or_default();
                always = always.map(|always| always.into_iter().filter(|id| now.contains(id)).collect());
            }
        };
        prop_assert!(shown.is_sorted_by(|one, other| one < other), "{shown:?}");
        for id in always.unwrap_or_default() {
            prop_assert!(!is_whole || shown.contains(&id), "{id} is not among {shown:?}");
        }
    }

    #[test]
    fn whatever_is_asked_indices_have_no_gap_and_watermarks_never_fall(
        steps in prop::collection::vec((any_person(), any_command(), 0..40_u8), 1..120),
    ) {
        let mut world = World::inhabited();
        for (actor, command, chance) in steps {
            if chance == 0 {
                world.forget(actor.0);
            } else {
                world.execute(actor, &command);
            }
            world.check();
        }
        prop_assert_eq!(world.replayed().state_hash(), world.chat.state_hash());
    }

    #[test]
    fn when_everybody_is_erased_only_names_and_lengths_are_left(
        steps in prop::collection::vec((any_person(), any_command()), 1..60),
    ) {
        let mut world = World::inhabited();
        for (actor, command) in steps {
            world.execute(actor, &command);
            world.check();
        }
        for user in 1..=PEOPLE {
            world.forget(UserId(user));
            world.check();
        }
        let rooms = world.chat.rooms_after(0).map(|(id, _)| id);
        let left: BTreeSet<u64> = rooms.chain([PUBLIC]).collect();
        prop_assert_eq!(world.chat.conversation_ids(), left);
    }
}
