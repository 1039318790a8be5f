//! What may happen in the chat, and why not.
//!
//! A command and its context come in; the event that would happen, or the first rule in its way,
//! goes out. What a command says is checked before what the state says, so that the same nonsense
//! is always refused alike. Whether a recipient is registered is not known here: see
//! [`crate::domain::System::people`]. Deliberately absent: any change of state, and any walk along
//! the members of a conversation.

use std::collections::BTreeSet;

use protocol::{
    Code, Refusal, UserId,
    limits::{GROUP_MEMBERS_MAX, GROUPS_MAX, LIST_NAME_BYTES_MAX, ROOMS_MAX, TEXT_BYTES_MAX},
    words::chat::{
        AddMember, CreateGroup, CreateRoom, Delivered, GroupCreated, GroupLeft, GroupRenamed,
        JoinRoom, LeaveGroup, LeaveRoom, MarkDelivered, MarkRead, MemberAdded, MemberRemoved,
        PUBLIC, Read, RemoveMember, RenameGroup, RoomCreated, RoomJoined, RoomLeft, Send, Sent,
        Target,
    },
};

use super::{
    members::Member,
    private::Pair,
    state::{Chat, Conversation, Sort},
};
use crate::domain::{
    Context,
    checks::{check_name, check_person, check_room, refusal},
};

// Sending, and marking what came.
impl Chat {
    pub(super) fn decide_send(&self, cx: &Context, command: &Send) -> Result<Sent, Refusal> {
        check_person(cx)?;
        check_text(command.text.as_bytes())?;
        let (conversation, last) = match command.to {
            Target::Public => (PUBLIC, self.known(PUBLIC)?.last),
            Target::Person(user) => self.private_with(cx, user)?,
            Target::Conversation(id) => (id, self.mine(cx, id)?.last),
        };
        Ok(Sent {
            conversation,
            index: last + 1,
        })
    }

    pub(super) fn decide_delivered(
        &self,
        cx: &Context,
        command: &MarkDelivered,
    ) -> Result<Delivered, Refusal> {
        check_person(cx)?;
        let conversation = self.known(command.conversation)?;
        let member = member(cx, command.conversation, conversation)?;
        check_rises(command.index, member.delivered, conversation.last)?;
        Ok(Delivered {
            delivered: command.index,
            read: member.read,
            shown: is_shown(conversation.sort),
        })
    }

    pub(super) fn decide_read(&self, cx: &Context, command: &MarkRead) -> Result<Read, Refusal> {
        check_person(cx)?;
        let conversation = self.known(command.conversation)?;
        let member = member(cx, command.conversation, conversation)?;
        check_rises(command.index, member.read, conversation.last)?;
        Ok(Read {
            delivered: member.delivered.max(command.index),
            read: command.index,
            shown: is_shown(conversation.sort),
        })
    }
}

// Rooms.
impl Chat {
    pub(super) fn decide_create_room(
        &self,
        cx: &Context,
        command: &CreateRoom,
    ) -> Result<RoomCreated, Refusal> {
        check_person(cx)?;
        check_conversation_name(&command.name)?;
        if let Some(room) = self.room_named(&command.name) {
            return Err(Refusal::with(Code::ROOM_NAME_TAKEN, room, 0));
        }
        self.check_rooms(cx)?;
        Ok(RoomCreated {})
    }

    pub(super) fn decide_join_room(
        &self,
        cx: &Context,
        command: &JoinRoom,
    ) -> Result<RoomJoined, Refusal> {
        check_person(cx)?;
        let room = self.room(command.room)?;
        if room.members.contains(cx.actor) {
            return Err(already_member(cx.actor, command.room));
        }
        self.check_rooms(cx)?;
        Ok(RoomJoined {
            members: count(room.members.len() + 1),
        })
    }

    pub(super) fn decide_leave_room(
        &self,
        cx: &Context,
        command: &LeaveRoom,
    ) -> Result<RoomLeft, Refusal> {
        check_person(cx)?;
        let room = self.room(command.room)?;
        member(cx, command.room, room)?;
        Ok(RoomLeft {
            members: count(room.members.len() - 1),
        })
    }

    fn check_rooms(&self, cx: &Context) -> Result<(), Refusal> {
        let rooms = self.person(cx.actor).map_or(0, |person| person.rooms);
        check_room(Code::ROOMS, rooms, ROOMS_MAX)
    }
}

// Groups.
impl Chat {
    pub(super) fn decide_create_group(
        &self,
        cx: &Context,
        command: &CreateGroup,
    ) -> Result<GroupCreated, Refusal> {
        check_person(cx)?;
        check_conversation_name(&command.name)?;
        // Before the list is sorted: a stranger's list is as long as a frame.
        check_group_len(command.members.len())?;
        let members = founders(cx.actor, command);
        check_group_len(members.len())?;
        for user in &members {
            self.check_groups(*user)?;
        }
        Ok(GroupCreated {
            members: count(members.len()),
        })
    }

    pub(super) fn decide_add(
        &self,
        cx: &Context,
        command: &AddMember,
    ) -> Result<MemberAdded, Refusal> {
        check_person(cx)?;
        let group = self.my_group(cx, command.group)?;
        if group.members.contains(command.user) {
            return Err(already_member(command.user, command.group));
        }
        check_group_len(group.members.len() + 1)?;
        self.check_groups(command.user)?;
        Ok(MemberAdded {
            index: group.last + 1,
        })
    }

    pub(super) fn decide_remove(
        &self,
        cx: &Context,
        command: &RemoveMember,
    ) -> Result<MemberRemoved, Refusal> {
        check_person(cx)?;
        let group = self.my_group(cx, command.group)?;
        if !is_creator(group.sort, cx.actor) {
            return Err(Refusal::with(Code::NOT_CREATOR, command.group, 0));
        }
        if !group.members.contains(command.user) {
            let (user, group) = (command.user.0, command.group);
            return Err(Refusal::with(Code::NO_SUCH_MEMBER, user, group));
        }
        Ok(MemberRemoved {
            index: group.last + 1,
        })
    }

    pub(super) fn decide_leave_group(
        &self,
        cx: &Context,
        command: &LeaveGroup,
    ) -> Result<GroupLeft, Refusal> {
        check_person(cx)?;
        let group = self.my_group(cx, command.group)?;
        Ok(GroupLeft {
            index: group.last + 1,
        })
    }

    pub(super) fn decide_rename(
        &self,
        cx: &Context,
        command: &RenameGroup,
    ) -> Result<GroupRenamed, Refusal> {
        check_person(cx)?;
        check_conversation_name(&command.name)?;
        let group = self.my_group(cx, command.group)?;
        Ok(GroupRenamed {
            index: group.last + 1,
        })
    }

    fn check_groups(&self, user: UserId) -> Result<(), Refusal> {
        let groups = self.person(user).map_or(0, |person| person.groups);
        if GROUPS_MAX <= groups {
            let groups = u64::try_from(groups).unwrap_or(u64::MAX);
            return Err(Refusal::with(Code::GROUPS, user.0, groups));
        }
        Ok(())
    }
}

// Finding conversations.
impl Chat {
    pub(super) fn known(&self, id: u64) -> Result<Conversation<'_>, Refusal> {
        self.conversation(id)
            .ok_or(Refusal::with(Code::UNKNOWN_CONVERSATION, id, 0))
    }

    /// The conversation of the actor and another person, and its last entry; the one that would
    /// begin here if they have none.
    fn private_with(&self, cx: &Context, user: UserId) -> Result<(u64, u64), Refusal> {
        if user == cx.actor {
            return Err(Refusal::new(Code::TO_YOURSELF));
        }
        let pair = Pair::new(cx.actor, user);
        match pair.and_then(|pair| self.private_of(pair)) {
            Some(id) => Ok((id, self.known(id)?.last)),
            None => Ok((cx.seq.0, 0)),
        }
    }

    /// A conversation that the actor is in and somebody may still read what they say: the other
    /// half of a private one may have been erased.
    fn mine(&self, cx: &Context, id: u64) -> Result<Conversation<'_>, Refusal> {
        let conversation = self.known(id)?;
        member(cx, id, conversation)?;
        if let Sort::Private(pair) = conversation.sort {
            let other = pair.other(cx.actor);
            if !conversation.members.contains(other) {
                return Err(Refusal::with(Code::UNKNOWN_USER, other.0, 0));
            }
        }
        Ok(conversation)
    }

    fn room(&self, id: u64) -> Result<Conversation<'_>, Refusal> {
        self.conversation(id)
            .filter(|conversation| matches!(conversation.sort, Sort::Room { .. }))
            .ok_or(Refusal::with(Code::UNKNOWN_ROOM, id, 0))
    }

    /// A group that the actor is in.
    fn my_group(&self, cx: &Context, id: u64) -> Result<Conversation<'_>, Refusal> {
        let group = self
            .conversation(id)
            .filter(|conversation| matches!(conversation.sort, Sort::Group { .. }))
            .ok_or(Refusal::with(Code::UNKNOWN_GROUP, id, 0))?;
        member(cx, id, group).map(|_| group)
    }
}

/// How far the actor is in a conversation, if they are in it. Everybody is in the public one, and
/// nowhere before they marked something.
pub(super) fn member(
    cx: &Context,
    id: u64,
    conversation: Conversation<'_>,
) -> Result<Member, Refusal> {
    match (conversation.members.get(cx.actor), conversation.sort) {
        (Some(member), _) => Ok(member),
        (None, Sort::Public) => Ok(Member::default()),
        (None, Sort::Private(_) | Sort::Room { .. } | Sort::Group { .. }) => {
            Err(Refusal::with(Code::NOT_MEMBER, id, 0))
        }
    }
}

/// Everybody whom a new group begins with, each once.
pub(super) fn founders(creator: UserId, command: &CreateGroup) -> BTreeSet<UserId> {
    let members = command.members.iter().copied();
    members.chain([creator]).collect()
}

/// Whether others see how far somebody is: a room may have ten thousand of them.
const fn is_shown(sort: Sort<'_>) -> bool {
    match sort {
        Sort::Private(_) | Sort::Group { .. } => true,
        Sort::Public | Sort::Room { .. } => false,
    }
}

fn is_creator(sort: Sort<'_>, user: UserId) -> bool {
    match sort {
        Sort::Group { creator, .. } => creator == Some(user),
        Sort::Public | Sort::Private(_) | Sort::Room { .. } => false,
    }
}

fn check_text(text: &[u8]) -> Result<(), Refusal> {
    if text.is_empty() || TEXT_BYTES_MAX < text.len() {
        return Err(refusal(Code::TEXT_LENGTH, text.len(), TEXT_BYTES_MAX));
    }
    // Counted as people count: the first byte is 1.
    std::str::from_utf8(text)
        .map(|_| ())
        .map_err(|error| refusal(Code::TEXT_ENCODING, error.valid_up_to() + 1, 0))
}

fn check_conversation_name(name: &str) -> Result<(), Refusal> {
    check_name(Code::CONVERSATION_NAME_LENGTH, name, LIST_NAME_BYTES_MAX)
}

fn check_group_len(members: usize) -> Result<(), Refusal> {
    if GROUP_MEMBERS_MAX < members {
        return Err(refusal(Code::GROUP_FULL, members, GROUP_MEMBERS_MAX));
    }
    Ok(())
}

fn check_rises(index: u64, watermark: u64, last: u64) -> Result<(), Refusal> {
    if last < index {
        return Err(Refusal::with(Code::WATERMARK_BEYOND, index, last));
    }
    if index <= watermark {
        return Err(Refusal::with(Code::WATERMARK_STANDS, index, watermark));
    }
    Ok(())
}

const fn already_member(user: UserId, conversation: u64) -> Refusal {
    Refusal::with(Code::ALREADY_MEMBER, user.0, conversation)
}

fn count(members: usize) -> u32 {
    u32::try_from(members).expect("people are far fewer than 2^32")
}
