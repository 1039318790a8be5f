//! Lines of recorded histories about the chat and about presence: calls, answers, pushes, records.
//!
//! ```text
//! op  <client>.<counter> <call> <a/b/c> ...        the numbers of the call, as histories keep them, with
//!                                                  `public`, `c<conversation>`, `u<user>` for a target
//!     sent:<conversation>:<index>                  shown by a message
//!     entry:<conversation>:<index>:<seq>:<client>.<counter>[:wrong|:gone] ... by a page of history
//!     of:<conversation>:<last>:<delivered>:<read> ...                     by a list of conversations
//!     room:<room>:<members>:<1 if the asker is one> ...                   by a list of rooms
//!     member:<user>:<delivered>:<read> ...         person:<user>:<here>:<last seen> ...
//! push <client> entry <conversation>:<index>:<client>.<counter>[:wrong|:otherwise|:gone] <seq> <at>
//! push <client> receipt <conversation>:<user>:<delivered>:<read> <seq> <at>
//! link <client> <from>:<newest> <at>               a connection goes on, or `ended`
//! news <client> <user>:<here>:<last seen>:<epoch> <at>
//! watch <client> <user>/<user>... <at>             it asks to be told of these people
//! drained <client> <seq> [late]                    it was waited for; `late`: and things were still coming
//! wall <ms>                                        the wall clock when the run began
//! log <client>.<counter> <call> <a/b/c> <ok or code>
//! ```

use loadgen::operation::{
    Call, ChatCall, ChatSeen, LinkChange, News, Observed, Operand, Push, ShownEntry, Words, text_of,
};
use protocol::{
    Key, Roles, Seq, UserId,
    words::{
        accounts,
        chat::{self, Target},
        presence::{Signal, WatchPresence},
    },
};

use super::{
    histories::{author_of, number, pair},
    run::{MS, Run},
    trade::{Logged, all, bytes_of},
};

/// The numbers between slashes.
fn numbers(about: &str) -> Vec<u64> {
    let parts = about.split('/').filter(|part| *part != "-");
    parts.map(operand).collect()
}

fn operand(text: &str) -> u64 {
    if text == "public" {
        Target::Public.number()
    } else if let Some(id) = text.strip_prefix('c') {
        Target::Conversation(number(id)).number()
    } else if let Some(user) = text.strip_prefix('u') {
        Target::Person(UserId(number(user))).number()
    } else {
        number(text)
    }
}

/// The call of this name, if it is of the chat.
pub(crate) fn call(name: &str, about: &str) -> Option<Call> {
    let index = ChatCall::NAMES.iter().position(|known| *known == name)?;
    let mut operands = numbers(about).into_iter();
    ChatCall::from_operands(index, || operands.next()).map(Call::Chat)
}

/// What an answer showed.
pub(crate) fn observed(run: &Run, call: &ChatCall, shown: &[&str]) -> Observed {
    let seen = match call {
        ChatCall::Send { .. } => {
            let sent = all(shown, "sent").next();
            sent.map(|parts| ChatSeen::Sent(parts[0], parts[1]))
        }
        ChatCall::ReadHistory { .. } => {
            let entries = shown.iter().filter_map(|text| text.strip_prefix("entry:"));
            Some(ChatSeen::History(
                entries.map(|text| stored(run, text)).collect(),
            ))
        }
        ChatCall::ListConversations {} | ChatCall::ListPending {} => {
            let list = all(shown, "of").map(|of| (of[0], of[1], of[2], of[3]));
            Some(ChatSeen::Conversations(list.collect()))
        }
        ChatCall::ListRooms {} => {
            let list = all(shown, "room").map(|of| {
                let members = u32::try_from(of[1]).unwrap_or(u32::MAX);
                (of[0], members, of[2] == 1)
            });
            Some(ChatSeen::Rooms(list.collect()))
        }
        ChatCall::ListMembers { .. } => {
            let list = all(shown, "member").map(|of| (UserId(of[0]), of[1], of[2]));
            Some(ChatSeen::Members(list.collect()))
        }
        ChatCall::ListPresence {} => {
            let list = all(shown, "person").map(|of| (UserId(of[0]), of[1] == 1, of[2]));
            Some(ChatSeen::Presences(list.collect()))
        }
        _shows_nothing => None,
    };
    seen.map_or(Observed::Nothing, Observed::Chat)
}

/// Conversation, index, position and who wrote it.
fn stored(run: &Run, text: &str) -> ShownEntry {
    let parts: Vec<&str> = text.split(':').collect();
    let of = [&[parts[0], parts[1]], &parts[3..]].concat();
    entry(run, &of, number(parts[2]))
}

/// Conversation, index, who wrote it, and perhaps that its text is another one, or gone.
fn entry(run: &Run, parts: &[&str], seq: u64) -> ShownEntry {
    let (author, key) = author_of(run, parts[2]);
    ShownEntry {
        conversation: number(parts[0]),
        index: number(parts[1]),
        seq,
        author,
        key,
        text: Some(match parts.get(3) {
            Some(&"wrong") => Words::Other(1),
            Some(&"otherwise") => Words::Other(2),
            Some(&"gone") => Words::Gone,
            _as_it_was => Words::Right,
        }),
    }
}

/// A push of the chat.
pub(crate) fn push(run: &Run, name: &str, about: &str, seq: u64) -> Option<Push> {
    let parts: Vec<&str> = about.split(':').collect();
    Some(match name {
        "entry" => Push::Entry(entry(run, &parts, seq)),
        "receipt" => Push::Receipt {
            conversation: number(parts[0]),
            user: UserId(number(parts[1])),
            delivered: number(parts[2]),
            read: number(parts[3]),
        },
        _other => return None,
    })
}

/// What became of a connection, and when.
pub(crate) fn link(parts: &[&str]) -> (u32, LinkChange, u64) {
    let change = if parts[1] == "ended" {
        LinkChange::Ended
    } else {
        let (from, newest) = pair(parts[1], ':');
        LinkChange::Subscribed { from, newest }
    };
    (number(parts[0]), change, number::<u64>(parts[2]) * MS)
}

/// Whom a client asks to be told of, and when.
pub(crate) fn watch(parts: &[&str]) -> (u32, Signal, u64) {
    let users = parts[1].split('/').map(|user| UserId(number(user)));
    let watch = WatchPresence {
        users: users.collect(),
    };
    (number(parts[0]), watch.into(), number::<u64>(parts[2]) * MS)
}

/// News, and when.
pub(crate) fn news(parts: &[&str]) -> (u32, News, u64) {
    let about: Vec<u64> = parts[1].split(':').map(number).collect();
    let news = News::Presence {
        user: UserId(about[0]),
        online: about[1] == 1,
        last_seen: about[2],
        epoch: about[3],
    };
    (number(parts[0]), news, number::<u64>(parts[2]) * MS)
}

/// What is logged of a call of the chat that was accepted. Events are not looked at.
pub(crate) fn logged(name: &str, about: &str, key: &Key) -> Option<Logged> {
    match name {
        "erase-me" => return Some(erased()),
        "register" => return Some(registered()),
        "make-admin" => return Some(roles_given(UserId(number(about)), Roles::ADMIN)),
        "make-manager" => return Some(roles_given(UserId(number(about)), Roles::MANAGER)),
        _a_call => {}
    }
    let Some(Call::Chat(call)) = call(name, about) else {
        return None;
    };
    let nothing = chat::Event::from(chat::RoomCreated {});
    let event = bytes_of(|out| nothing.encode(out), nothing.kind().0);
    let command: chat::Command = match call {
        ChatCall::Send { to, bytes } => chat::Send {
            to,
            text: text_of(key, bytes).into(),
        }
        .into(),
        ChatCall::CreateRoom {} => chat::CreateRoom {
            name: format!("room {key}"),
        }
        .into(),
        ChatCall::JoinRoom { room } => chat::JoinRoom { room }.into(),
        ChatCall::LeaveRoom { room } => chat::LeaveRoom { room }.into(),
        ChatCall::CreateGroup { first, second } => chat::CreateGroup {
            name: format!("group {key}"),
            members: vec![first, second],
        }
        .into(),
        ChatCall::AddMember { group, user } => chat::AddMember { group, user }.into(),
        ChatCall::RemoveMember { group, user } => chat::RemoveMember { group, user }.into(),
        ChatCall::LeaveGroup { group } => chat::LeaveGroup { group }.into(),
        ChatCall::RenameGroup { group } => chat::RenameGroup {
            group,
            name: format!("group {key}"),
        }
        .into(),
        ChatCall::MarkDelivered {
            conversation,
            index,
        } => chat::MarkDelivered {
            conversation,
            index,
        }
        .into(),
        ChatCall::MarkRead {
            conversation,
            index,
        } => chat::MarkRead {
            conversation,
            index,
        }
        .into(),
        ChatCall::MoveCursor { seq } => return Some(moved(seq)),
        ChatCall::ListConversations {}
        | ChatCall::ListPending {}
        | ChatCall::ListRooms {}
        | ChatCall::ListMembers { .. }
        | ChatCall::ReadHistory { .. }
        | ChatCall::ListPresence {} => return None,
    };
    Some((bytes_of(|out| command.encode(out), command.kind().0), event))
}

fn registered() -> Logged {
    let command = accounts::Command::from(accounts::Register {
        name: "visitor".into(),
        password_hash: "".into(),
    });
    let event = accounts::Event::from(accounts::Registered {});
    (
        bytes_of(|out| command.encode(out), command.kind().0),
        bytes_of(|out| event.encode(out), event.kind().0),
    )
}

fn roles_given(user: UserId, role: Roles) -> Logged {
    let roles = Roles::MEMBER.with(role);
    let command = accounts::Command::from(accounts::SetRoles { user, roles });
    let event = accounts::Event::from(accounts::RolesSet { user, roles });
    (
        bytes_of(|out| command.encode(out), command.kind().0),
        bytes_of(|out| event.encode(out), event.kind().0),
    )
}

fn erased() -> Logged {
    let command = accounts::Command::from(accounts::EraseMe {});
    let event = accounts::Event::from(accounts::Erased {});
    (
        bytes_of(|out| command.encode(out), command.kind().0),
        bytes_of(|out| event.encode(out), event.kind().0),
    )
}

fn moved(seq: u64) -> Logged {
    let seq = Seq(seq);
    let command = accounts::Command::from(accounts::MoveCursor { session: 1, seq });
    let event = accounts::Event::from(accounts::CursorMoved {});
    (
        bytes_of(|out| command.encode(out), command.kind().0),
        bytes_of(|out| event.encode(out), event.kind().0),
    )
}
