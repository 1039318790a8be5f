//! The chat and the messenger: conversations whose entries have a gapless index.
//!
//! Commands come in and events go out through [`System`]; the files are the steps: `decide` reads
//! and may refuse, `apply` writes, `told` says who hears of it, `query` answers, `state` holds the
//! rows, `members` the lists of people among them and `private` what two people need.
//!
//! Texts are not here but in the log: a conversation is its length and, for each of its members,
//! the position they came at and two watermarks. Watermarks move by what their member says of
//! them and by nothing else, not even by their own messages, since another device of theirs may
//! not have those. Whoever comes to a room or group may read all of it, and has nothing pending of
//! what was before their time; whoever returns begins anew.
//!
//! Deliberately absent: removing a room, taking back or changing a message, and declining to be
//! taken into a group.

mod apply;
mod decide;
mod members;
mod private;
mod query;
mod state;
mod told;

#[cfg(test)]
mod tests;

use protocol::{
    Code, Refusal, Seq, UserId,
    words::{
        chat::{self as words, Command, Event, Target},
        log::About,
    },
};

pub use state::Chat;

use super::{
    Context, Membership, PageWanted, Pushed, Stream, System, personal::AboutSomebody, word,
};

word!(Command, Event, words::Query, words::Answer, words::Push);

impl System for Chat {
    const ID: u8 = words::SYSTEM;
    type Command = Command;
    type Event = Event;
    type Query = words::Query;
    type Answer = words::Answer;
    type Push = words::Push;

    /// `send`.
    const PERSONAL: &'static [u8] = &[1];

    fn personal(_seq: Seq, actor: UserId, command: &mut Command) -> Option<AboutSomebody<'_>> {
        match command {
            Command::Send(command) => Some(AboutSomebody {
                user: actor,
                texts: [Some(&mut command.text), None],
            }),
            Command::CreateRoom(_)
            | Command::JoinRoom(_)
            | Command::LeaveRoom(_)
            | Command::CreateGroup(_)
            | Command::AddMember(_)
            | Command::RemoveMember(_)
            | Command::LeaveGroup(_)
            | Command::RenameGroup(_)
            | Command::MarkDelivered(_)
            | Command::MarkRead(_) => None,
        }
    }

    fn is_client_command(command: &Command) -> bool {
        match command {
            Command::Send(_)
            | Command::CreateRoom(_)
            | Command::JoinRoom(_)
            | Command::LeaveRoom(_)
            | Command::CreateGroup(_)
            | Command::AddMember(_)
            | Command::RemoveMember(_)
            | Command::LeaveGroup(_)
            | Command::RenameGroup(_)
            | Command::MarkDelivered(_)
            | Command::MarkRead(_) => true,
        }
    }

    fn people(command: &Command) -> &[UserId] {
        match command {
            Command::Send(command) => match &command.to {
                Target::Person(user) => std::slice::from_ref(user),
                Target::Public | Target::Conversation(_) => &[],
            },
            Command::CreateGroup(command) => &command.members,
            Command::AddMember(command) => std::slice::from_ref(&command.user),
            Command::CreateRoom(_)
            | Command::JoinRoom(_)
            | Command::LeaveRoom(_)
            | Command::RemoveMember(_)
            | Command::LeaveGroup(_)
            | Command::RenameGroup(_)
            | Command::MarkDelivered(_)
            | Command::MarkRead(_) => &[],
        }
    }

    fn decide(&self, cx: &Context, command: &Command) -> Result<Event, Refusal> {
        match command {
            Command::Send(command) => self.decide_send(cx, command).map(Event::from),
            Command::CreateRoom(command) => self.decide_create_room(cx, command).map(Event::from),
            Command::JoinRoom(command) => self.decide_join_room(cx, command).map(Event::from),
            Command::LeaveRoom(command) => self.decide_leave_room(cx, command).map(Event::from),
            Command::CreateGroup(command) => self.decide_create_group(cx, command).map(Event::from),
            Command::AddMember(command) => self.decide_add(cx, command).map(Event::from),
            Command::RemoveMember(command) => self.decide_remove(cx, command).map(Event::from),
            Command::LeaveGroup(command) => self.decide_leave_group(cx, command).map(Event::from),
            Command::RenameGroup(command) => self.decide_rename(cx, command).map(Event::from),
            Command::MarkDelivered(command) => self.decide_delivered(cx, command).map(Event::from),
            Command::MarkRead(command) => self.decide_read(cx, command).map(Event::from),
        }
    }

    fn apply(&mut self, cx: &Context, command: &Command, event: &Event) {
        self.apply_event(cx, command, event);
    }

    fn answer(&self, cx: &Context, query: &words::Query) -> Result<words::Answer, Refusal> {
        match query {
            words::Query::ListConversations(query) => {
                self.list_conversations(cx, query).map(Into::into)
            }
            words::Query::ListPending(query) => self.list_pending(cx, query).map(Into::into),
            words::Query::ListRooms(query) => self.list_rooms(cx, query).map(Into::into),
            words::Query::ListMembers(query) => self.list_members(cx, query).map(Into::into),
            // Answered with entries, by whoever reads the log; from the state alone it is unknown.
            words::Query::ReadHistory(_) => {
                let (kind, _) = query.kind();
                Err(Refusal::with(Code::UNKNOWN_KIND, kind.0.into(), 0))
            }
        }
    }

    fn push(cx: &Context, command: &Command, event: &Event) -> Option<Pushed<words::Push>> {
        told::push(cx, command, event)
    }

    fn concerns(command: &Command, _event: &Event) -> Option<UserId> {
        told::concerns(command)
    }

    fn about(cx: &Context, command: &Command, event: Option<&Event>) -> About {
        told::about(cx, command, event)
    }

    fn memberships(&self, cx: &Context, command: &Command, event: &Event) -> Vec<Membership> {
        told::memberships(cx, command, event)
    }

    fn follow(&self, user: UserId, visit: &mut dyn FnMut(Stream, Seq)) {
        self.visit_followed(user, visit);
    }

    fn wanted(&self, cx: &Context, query: &words::Query) -> Result<Option<PageWanted>, Refusal> {
        match query {
            words::Query::ReadHistory(query) => self.wanted_history(cx, query).map(Some),
            words::Query::ListConversations(_)
            | words::Query::ListPending(_)
            | words::Query::ListRooms(_)
            | words::Query::ListMembers(_) => Ok(None),
        }
    }

    fn answer_page(entries: Vec<(Seq, words::Push)>) -> Option<words::Answer> {
        Some(query::history(entries).into())
    }

    fn forget(&mut self, _cx: &Context, user: UserId) {
        self.remove_person(user);
    }

    /// A private message is about the person it is for: where it stands depends on who sends it.
    fn target(&self, command: &Command) -> u64 {
        match command {
            Command::Send(command) => match command.to {
                Target::Public => words::PUBLIC,
                Target::Person(user) => user.0,
                Target::Conversation(id) => id,
            },
            Command::CreateRoom(_) | Command::CreateGroup(_) => 0,
            Command::JoinRoom(words::JoinRoom { room })
            | Command::LeaveRoom(words::LeaveRoom { room }) => *room,
            Command::AddMember(words::AddMember { group, .. })
            | Command::RemoveMember(words::RemoveMember { group, .. })
            | Command::LeaveGroup(words::LeaveGroup { group })
            | Command::RenameGroup(words::RenameGroup { group, .. }) => *group,
            Command::MarkDelivered(words::MarkDelivered { conversation, .. })
            | Command::MarkRead(words::MarkRead { conversation, .. }) => *conversation,
        }
    }

    fn state_hash(&self) -> u128 {
        self.digest().value()
    }
}
