//! Samples of the words of chat and presence.

use super::{AT, KEY, Sample};
use crate::{
    id::{Seq, UserId},
    personal::Personal,
    words::{
        chat::{self, Content, Direction, Entry, Sort, StoredEntry, Target},
        presence,
    },
};

const USER: UserId = UserId(4);
/// A conversation whose varint has two bytes behind its marker.
const CONVERSATION: u64 = 300;

pub(super) fn words(samples: &mut Vec<Sample>) {
    commands(samples);
    events(samples);
    queries(samples);
    answers(samples);
    pushes(samples);
    presence_words(samples);
}

fn send(to: Target) -> chat::Send {
    let text = Personal::from("wie gehts, ça va? 🐎");
    chat::Send { to, text }
}

fn commands(samples: &mut Vec<Sample>) {
    let name = String::from("Küche");
    let (room, group, user) = (CONVERSATION, CONVERSATION, USER);
    let (conversation, index) = (CONVERSATION, 65_536);
    samples!(samples, "chat/command", chat::Command;
        send(Target::Public),
        send(Target::Person(USER)),
        send(Target::Conversation(CONVERSATION)),
        chat::CreateRoom { name: name.clone() },
        chat::JoinRoom { room },
        chat::LeaveRoom { room },
        chat::CreateGroup { name: name.clone(), members: vec![USER, UserId(251)] },
        chat::AddMember { group, user },
        chat::RemoveMember { group, user },
        chat::LeaveGroup { group },
        chat::RenameGroup { group, name },
        chat::MarkDelivered { conversation, index },
        chat::MarkRead { conversation, index },
    );
}

fn events(samples: &mut Vec<Sample>) {
    let (conversation, index) = (CONVERSATION, 251);
    samples!(samples, "chat/event", chat::Event;
        chat::Sent { conversation, index },
        chat::RoomCreated {},
        chat::RoomJoined { members: 10_000 },
        chat::RoomLeft { members: 9_999 },
        chat::GroupCreated { members: 3 },
        chat::MemberAdded { index },
        chat::MemberRemoved { index },
        chat::GroupLeft { index },
        chat::GroupRenamed { index },
        chat::Delivered { delivered: 251, read: 250, shown: true },
        chat::Read { delivered: 252, read: 251, shown: false },
    );
}

fn queries(samples: &mut Vec<Sample>) {
    let limit = 500;
    let history = |from, direction| chat::ReadHistory {
        conversation: CONVERSATION,
        from,
        direction,
        limit,
    };
    samples!(samples, "chat/query", chat::Query;
        chat::ListConversations { after: None, limit },
        chat::ListConversations { after: Some(chat::PUBLIC), limit },
        chat::ListPending { after: Some(CONVERSATION), limit },
        chat::ListRooms { after: 0, limit },
        chat::ListMembers { conversation: CONVERSATION, after: UserId::NOBODY, limit },
        history(0, Direction::Backwards),
        history(250, Direction::Forwards),
    );
}

fn conversation(sort: Sort) -> chat::ConversationView {
    chat::ConversationView {
        conversation: CONVERSATION,
        sort,
        last: 65_536,
        delivered: 251,
        read: 250,
    }
}

fn answers(samples: &mut Vec<Sample>) {
    let conversations = [
        Sort::Public,
        Sort::Private(USER),
        Sort::Room(String::from("Küche")),
        Sort::Group(String::from("wir")),
    ]
    .map(conversation)
    .to_vec();
    let room = chat::RoomView {
        room: CONVERSATION,
        name: String::from("Küche"),
        members: 10_000,
        mine: true,
    };
    let member = chat::MemberView {
        user: USER,
        delivered: 251,
        read: 250,
    };
    let entries = contents()
        .into_iter()
        .map(|content| StoredEntry {
            seq: Seq(65_536),
            entry: entry(content),
        })
        .collect();
    samples!(samples, "chat/answer", chat::Answer;
        chat::Conversations { conversations },
        chat::Rooms { rooms: vec![room] },
        chat::Members { members: vec![member] },
        chat::History { entries },
    );
}

fn contents() -> [Content; 6] {
    [
        Content::Text(Personal::from("wie gehts, ça va? 🐎")),
        Content::Created(String::from("wir")),
        Content::Added(USER),
        Content::Removed(USER),
        Content::Left,
        Content::Renamed(String::from("wir alle")),
    ]
}

fn entry(content: Content) -> Entry {
    Entry {
        conversation: CONVERSATION,
        index: 251,
        author: USER,
        recorded_at: AT,
        key: KEY,
        content,
    }
}

fn pushes(samples: &mut Vec<Sample>) {
    let [text, _, _, _, left, _] = contents();
    samples!(samples, "chat/push", chat::Push;
        entry(text),
        entry(left),
        chat::Receipt { conversation: CONVERSATION, user: USER, delivered: 251, read: 250 },
    );
}

fn presence_words(samples: &mut Vec<Sample>) {
    let user = USER;
    samples!(samples, "presence/query", presence::Query;
        presence::Subscribe { from: None },
        presence::Subscribe { from: Some(Seq(65_536)) },
        presence::ListPresence { after: UserId::NOBODY, limit: 500 },
    );
    let view = presence::PresenceView {
        user,
        name: String::from("ana"),
        online: true,
        last_seen: AT,
    };
    samples!(samples, "presence/answer", presence::Answer;
        presence::Subscribed { from: Seq(65_536) },
        presence::Presences { people: vec![view] },
    );
    samples!(samples, "presence/signal", presence::Signal;
        presence::Typing { to: Target::Person(USER), on: true },
        presence::WatchPresence { users: vec![USER, UserId(251)] },
    );
    samples!(samples, "presence/news", presence::News;
        presence::TypingChanged { user, to: Target::Conversation(CONVERSATION), on: false },
        presence::PresenceChanged { user, online: false, last_seen: AT, epoch: 251 },
    );
}
