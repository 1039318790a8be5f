//! What an event changes in the chat.
//!
//! An event that happened, with the command it answered, comes in; rows change. Total: there is no
//! way to refuse. An event beside a command that cannot have caused it, or about a row that is not
//! there, means that the log was not written by these rules, and nothing sound can follow: panic.
//! Texts may be sealed by now and are not looked at. Deliberately absent: conditions; they were
//! decided.

use protocol::{
    Seq, UserId,
    words::chat::{Command, CreateGroup, Event, Send, Sent, Target},
};

use super::{
    decide::founders,
    members::Member,
    private::Pair,
    state::{Chat, Sort},
};
use crate::domain::Context;

impl Chat {
    pub(super) fn apply_event(&mut self, cx: &Context, command: &Command, event: &Event) {
        match (event, command) {
            (Event::Sent(event), Command::Send(command)) => self.apply_sent(cx, command, event),
            (Event::RoomCreated(_), Command::CreateRoom(command)) => {
                let name = command.name.as_str();
                self.insert_conversation(cx.seq.0, Sort::Room { name });
                self.insert_founder(cx, cx.actor);
            }
            (Event::RoomJoined(_), Command::JoinRoom(command)) => {
                self.apply_joined(cx, command.room);
            }
            (Event::RoomLeft(_), Command::LeaveRoom(command)) => {
                self.remove_member(command.room, cx.actor);
            }
            (Event::GroupCreated(_), Command::CreateGroup(command)) => {
                self.apply_group_created(cx, command);
            }
            (Event::MemberAdded(event), Command::AddMember(command)) => {
                let member = at_end(cx.seq, event.index - 1);
                self.set_last(command.group, event.index);
                self.insert_member(command.group, command.user, member);
            }
            (Event::MemberRemoved(event), Command::RemoveMember(command)) => {
                self.set_last(command.group, event.index);
                self.remove_member(command.group, command.user);
            }
            (Event::GroupLeft(event), Command::LeaveGroup(command)) => {
                self.set_last(command.group, event.index);
                self.remove_member(command.group, cx.actor);
            }
            (Event::GroupRenamed(event), Command::RenameGroup(command)) => {
                self.set_last(command.group, event.index);
                self.rename_group(command.group, &command.name);
            }
            (Event::Delivered(event), Command::MarkDelivered(command)) => {
                let marks = (event.delivered, event.read);
                self.apply_marks(cx, command.conversation, marks);
            }
            (Event::Read(event), Command::MarkRead(command)) => {
                let marks = (event.delivered, event.read);
                self.apply_marks(cx, command.conversation, marks);
            }
            (
                Event::Sent(_)
                | Event::RoomCreated(_)
                | Event::RoomJoined(_)
                | Event::RoomLeft(_)
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

    fn apply_sent(&mut self, cx: &Context, command: &Send, event: &Sent) {
        match command.to {
            Target::Person(user) if event.index == 1 => {
                let pair = Pair::new(cx.actor, user);
                let pair = pair.expect("people are named by positions");
                self.insert_conversation(event.conversation, Sort::Private(pair));
                for user in pair.both() {
                    self.insert_founder(cx, user);
                }
            }
            Target::Public | Target::Person(_) | Target::Conversation(_) => {}
        }
        self.set_last(event.conversation, event.index);
    }

    fn apply_joined(&mut self, cx: &Context, room: u64) {
        let last = self.conversation(room).map_or(0, |room| room.last);
        self.insert_member(room, cx.actor, at_end(cx.seq.next(), last));
    }

    fn apply_group_created(&mut self, cx: &Context, command: &CreateGroup) {
        let group = Sort::Group {
            name: &command.name,
            creator: Some(cx.actor),
        };
        self.insert_conversation(cx.seq.0, group);
        for user in founders(cx.actor, command) {
            self.insert_founder(cx, user);
        }
        self.set_last(cx.seq.0, 1);
    }

    /// Somebody is in the conversation that this record begins, and everything there is for them.
    fn insert_founder(&mut self, cx: &Context, user: UserId) {
        self.insert_member(cx.seq.0, user, at_end(cx.seq, 0));
    }

    fn apply_marks(&mut self, cx: &Context, id: u64, (delivered, read): (u64, u64)) {
        let member = self
            .conversation(id)
            .and_then(|it| it.members.get(cx.actor));
        // Only the public conversation has members without a row.
        let since = member.map_or(Seq::START, |member| member.since);
        let member = Member {
            since,
            delivered,
            read,
        };
        self.set_member(id, cx.actor, member);
    }
}

/// Somebody for whom everything up to this entry was before their time.
const fn at_end(since: Seq, last: u64) -> Member {
    Member {
        since,
        delivered: last,
        read: last,
    }
}
