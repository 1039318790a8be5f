//! The rules of the chat, one table a feature, and what must hold whatever happens.
//!
//! `rules` says what is allowed, `lists` what can be seen and who is told, `whole` plays at random.
//! Here is what they share.

mod lists;
mod rules;
mod whole;

use protocol::{
    Key, Personal, Refusal, Roles, Seq, UserId,
    words::chat::{
        AddMember, Command, CreateGroup, CreateRoom, JoinRoom, LeaveGroup, LeaveRoom,
        MarkDelivered, MarkRead, RemoveMember, RenameGroup, Send, Target,
    },
};

use super::Chat;
use crate::domain::{
    Context, System,
    given::{Actor, Given, given, member},
};

const NOW: u64 = 1_800_000_000_000;

const ANN: Actor = member(101);
const BOB: Actor = member(102);
const EVE: Actor = member(103);
const KIM: Actor = member(104);

fn at(actor: Actor, command: impl Into<Command>) -> (Actor, u64, Command) {
    (actor, NOW, command.into())
}

fn say(to: Target) -> Command {
    say_text(to, "hello")
}

fn say_text(to: Target, text: &str) -> Command {
    let text = Personal::from(text);
    Send { to, text }.into()
}

const fn to(actor: Actor) -> Target {
    Target::Person(actor.0)
}

fn room(name: &str) -> Command {
    let name = name.to_owned();
    CreateRoom { name }.into()
}

fn join(room: u64) -> Command {
    JoinRoom { room }.into()
}

fn leave(room: u64) -> Command {
    LeaveRoom { room }.into()
}

fn group(name: &str, members: &[Actor]) -> Command {
    let members = members.iter().map(|actor| actor.0).collect();
    let name = name.to_owned();
    CreateGroup { name, members }.into()
}

fn add(group: u64, actor: Actor) -> Command {
    let user = actor.0;
    AddMember { group, user }.into()
}

fn remove(group: u64, actor: Actor) -> Command {
    let user = actor.0;
    RemoveMember { group, user }.into()
}

fn quit(group: u64) -> Command {
    LeaveGroup { group }.into()
}

fn rename(group: u64, name: &str) -> Command {
    let name = name.to_owned();
    RenameGroup { group, name }.into()
}

fn delivered(conversation: u64, index: u64) -> Command {
    MarkDelivered {
        conversation,
        index,
    }
    .into()
}

fn read(conversation: u64, index: u64) -> Command {
    MarkRead {
        conversation,
        index,
    }
    .into()
}

/// Where and for whom, for what is looked at without the play of a history.
fn context(actor: Actor, seq: u64) -> Context {
    Context {
        seq: Seq(seq),
        now: NOW,
        actor: actor.0,
        roles: Roles::MEMBER,
        key: Key::default(),
    }
}

/// After these commands, this one is refused for this reason.
#[track_caller]
fn check_refused(
    before: &[(Actor, u64, Command)],
    actor: Actor,
    command: Command,
    refusal: Refusal,
) {
    let mut given: Given<Chat> = given(before);
    let hash = given.system.state_hash();
    given.when(actor, NOW, command).refused(refusal);
    assert_eq!(given.system.state_hash(), hash, "a refusal changes nothing");
}

/// How far somebody is: the position they came at, `delivered`, `read`.
fn member_of(chat: &Chat, conversation: u64, user: UserId) -> Option<(u64, u64, u64)> {
    let conversation = chat.conversation(conversation)?;
    let member = conversation.members.get(user)?;
    Some((member.since.0, member.delivered, member.read))
}
