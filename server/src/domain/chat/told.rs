//! Who is told what of an event of the chat, and who begins or ceases to be told.
//!
//! A record (command, event, context) comes in; a push and the changes of membership go out. Both
//! are made of the record alone, so that whoever was away is told the same later. A message is one
//! push whoever many are in its conversation. Deliberately absent: the state, and people who are
//! connected.

use protocol::{
    Seq, UserId,
    words::{
        chat::{
            AddMember, Command, Content, Entry, Event, PUBLIC, Push, Receipt, RemoveMember, Send,
            Sent, Target,
        },
        log::About,
    },
};

use super::{decide::founders, state::Chat};
use crate::domain::{Context, Membership, Pushed, Stream};

/// What the members of a conversation are told of this event.
pub(super) fn push(cx: &Context, command: &Command, event: &Event) -> Option<Pushed<Push>> {
    match (event, command) {
        (Event::Sent(event), Command::Send(command)) => {
            let content = Content::Text(command.text.clone());
            Some(entry(cx, event.conversation, event.index, content))
        }
        (Event::GroupCreated(_), Command::CreateGroup(command)) => {
            let content = Content::Created(command.name.clone());
            Some(entry(cx, cx.seq.0, 1, content))
        }
        (Event::MemberAdded(event), Command::AddMember(command)) => {
            let content = Content::Added(command.user);
            Some(entry(cx, command.group, event.index, content))
        }
        (Event::MemberRemoved(event), Command::RemoveMember(command)) => {
            let content = Content::Removed(command.user);
            Some(entry(cx, command.group, event.index, content))
        }
        (Event::GroupLeft(event), Command::LeaveGroup(command)) => {
            Some(entry(cx, command.group, event.index, Content::Left))
        }
        (Event::GroupRenamed(event), Command::RenameGroup(command)) => {
            let content = Content::Renamed(command.name.clone());
            Some(entry(cx, command.group, event.index, content))
        }
        (Event::Delivered(event), Command::MarkDelivered(command)) => event
            .shown
            .then(|| receipt(cx, command.conversation, event.delivered, event.read)),
        (Event::Read(event), Command::MarkRead(command)) => event
            .shown
            .then(|| receipt(cx, command.conversation, event.delivered, event.read)),
        // A room may have ten thousand members, who need not hear of each other's coming and going.
        (Event::RoomCreated(_) | Event::RoomJoined(_) | Event::RoomLeft(_), _) => None,
        (
            Event::Sent(_)
            | Event::GroupCreated(_)
            | Event::MemberAdded(_)
            | Event::MemberRemoved(_)
            | Event::GroupLeft(_)
            | Event::GroupRenamed(_)
            | Event::Delivered(_)
            | Event::Read(_),
            command,
        ) => panic!("{} cannot have caused {}", command.name(), event.name()),
    }
}

/// Whom somebody took into a group or put out of it.
pub(super) const fn concerns(command: &Command) -> Option<UserId> {
    match command {
        Command::AddMember(command) => Some(command.user),
        Command::RemoveMember(command) => Some(command.user),
        Command::Send(_)
        | Command::CreateRoom(_)
        | Command::JoinRoom(_)
        | Command::LeaveRoom(_)
        | Command::CreateGroup(_)
        | Command::LeaveGroup(_)
        | Command::RenameGroup(_)
        | Command::MarkDelivered(_)
        | Command::MarkRead(_) => None,
    }
}

/// What a command was about: which conversation, and who in it.
pub(super) fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
    match command {
        Command::Send(command) => match (event, command.to) {
            (Some(Event::Sent(sent)), _) => About::Conversation(sent.conversation),
            (_, Target::Public) => About::Conversation(PUBLIC),
            (_, Target::Person(user)) => About::Person(user),
            (_, Target::Conversation(id)) => About::Conversation(id),
        },
        Command::CreateRoom(_) | Command::CreateGroup(_) => {
            event.map_or(About::Nothing, |_| About::Conversation(cx.seq.0))
        }
        Command::JoinRoom(command) => About::Conversation(command.room),
        Command::LeaveRoom(command) => About::Conversation(command.room),
        Command::AddMember(AddMember { group, user })
        | Command::RemoveMember(RemoveMember { group, user }) => About::Member {
            conversation: *group,
            user: *user,
        },
        Command::LeaveGroup(command) => About::Conversation(command.group),
        Command::RenameGroup(command) => About::Conversation(command.group),
        Command::MarkDelivered(command) => About::Conversation(command.conversation),
        Command::MarkRead(command) => About::Conversation(command.conversation),
    }
}

/// Who begins or ceases to follow a conversation by this event.
pub(super) fn memberships(cx: &Context, command: &Command, event: &Event) -> Vec<Membership> {
    match (event, command) {
        (Event::Sent(event), Command::Send(command)) => first_message(cx, command, event),
        (Event::RoomCreated(_), Command::CreateRoom(_)) => vec![begins(cx.actor, cx.seq.0)],
        (Event::RoomJoined(_), Command::JoinRoom(command)) => {
            vec![begins(cx.actor, command.room)]
        }
        (Event::RoomLeft(_), Command::LeaveRoom(command)) => vec![ceases(cx.actor, command.room)],
        (Event::GroupCreated(_), Command::CreateGroup(command)) => {
            let founders = founders(cx.actor, command).into_iter();
            founders.map(|user| begins(user, cx.seq.0)).collect()
        }
        (Event::MemberAdded(_), Command::AddMember(command)) => {
            vec![begins(command.user, command.group)]
        }
        (Event::MemberRemoved(_), Command::RemoveMember(command)) => {
            vec![ceases(command.user, command.group)]
        }
        (Event::GroupLeft(_), Command::LeaveGroup(command)) => {
            vec![ceases(cx.actor, command.group)]
        }
        (Event::GroupRenamed(_) | Event::Delivered(_) | Event::Read(_), _) => Vec::new(),
        (
            Event::Sent(_)
            | Event::RoomCreated(_)
            | Event::RoomJoined(_)
            | Event::RoomLeft(_)
            | Event::GroupCreated(_)
            | Event::MemberAdded(_)
            | Event::MemberRemoved(_)
            | Event::GroupLeft(_),
            command,
        ) => panic!("{} cannot have caused {}", command.name(), event.name()),
    }
}

impl Chat {
    /// Every conversation that somebody is in, and the first position of it that is for them. The
    /// public one is with the person, in the accounts.
    pub(super) fn visit_followed(&self, user: UserId, visit: &mut dyn FnMut(Stream, Seq)) {
        for (id, conversation) in self.conversations_after(user, PUBLIC) {
            if let Some(member) = conversation.members.get(user) {
                visit(Stream::Conversation(id), member.since);
            }
        }
    }
}

/// A private conversation begins with its first message.
fn first_message(cx: &Context, command: &Send, event: &Sent) -> Vec<Membership> {
    match command.to {
        Target::Person(user) if event.index == 1 => [cx.actor, user]
            .map(|user| begins(user, event.conversation))
            .to_vec(),
        Target::Public | Target::Person(_) | Target::Conversation(_) => Vec::new(),
    }
}

fn entry(cx: &Context, conversation: u64, index: u64, content: Content) -> Pushed<Push> {
    let entry = Entry {
        conversation,
        index,
        author: cx.actor,
        recorded_at: cx.now,
        key: cx.key,
        content,
    };
    Pushed {
        stream: stream(conversation),
        word: entry.into(),
        is_kept: true,
    }
}

/// Not kept: whoever returns lists the members and has the newest watermarks at once.
fn receipt(cx: &Context, conversation: u64, delivered: u64, read: u64) -> Pushed<Push> {
    let receipt = Receipt {
        conversation,
        user: cx.actor,
        delivered,
        read,
    };
    Pushed {
        stream: stream(conversation),
        word: receipt.into(),
        is_kept: false,
    }
}

/// The stream that has a conversation's entries.
pub(super) const fn stream(conversation: u64) -> Stream {
    match conversation {
        PUBLIC => Stream::Everybody,
        id => Stream::Conversation(id),
    }
}

const fn begins(user: UserId, conversation: u64) -> Membership {
    Membership {
        user,
        stream: Stream::Conversation(conversation),
        begins: true,
    }
}

const fn ceases(user: UserId, conversation: u64) -> Membership {
    Membership {
        user,
        stream: Stream::Conversation(conversation),
        begins: false,
    }
}
