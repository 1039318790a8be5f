//! Steps of the chat and the messenger.

use std::ops::Range;

use protocol::limits::HISTORY_LEN_MAX;

use super::{
    SelectSpec,
    flow::StepReader,
    reader::{Read, Table, Value},
    select::read_amount,
};
use crate::plan::{Address, ChatStep, Population};

/// Bytes of a message: what the server takes.
const BYTES: Range<u64> = 1..4_097;
/// Bytes of a message when the file does not say: a sentence or two.
const BYTES_DEFAULT: u32 = 100;
/// Entries of a page: what the server takes.
const LIMITS: Range<u64> = 1..HISTORY_LEN_MAX as u64 + 1;
/// Entries of a page when the file does not say: all it may have.
const LIMIT_DEFAULT: u16 = HISTORY_LEN_MAX;
/// People whose coming and going one client asks to be told of: what the server takes.
const WATCHED: Range<u64> = 1..257;

/// Keys that say where something is said or read: one of them in each such step.
const ADDRESS_KEYS: [&str; 4] = ["to", "room", "group", "user"];
/// Keys of a message.
pub(super) const SEND_KEYS: [&str; 5] = ["to", "room", "group", "user", "bytes"];
/// Keys of being seen to write.
pub(super) const TYPING_KEYS: [&str; 5] = ["to", "room", "group", "user", "on"];
/// Keys of a list of members.
pub(super) const MEMBERS_KEYS: [&str; 3] = ["of", "room", "group"];
/// Keys of a page of a conversation.
pub(super) const HISTORY_KEYS: [&str; 5] = ["of", "room", "group", "direction", "limit"];
/// Keys of a change of who is in a group.
pub(super) const MEMBER_KEYS: [&str; 2] = ["group", "user"];
/// Keys of a new group.
pub(super) const GROUP_KEYS: [&str; 2] = ["first", "second"];

impl<'a> StepReader<'_, 'a> {
    /// Reads a step of the chat; `None` if it is of another system.
    pub(super) fn read_chat(&mut self, value: &Value<'a>) -> Read<Option<ChatStep<SelectSpec>>> {
        let plain = |step| value.table("this step", &[]).map(|_nothing| step);
        Ok(Some(match value.key() {
            "send" => self.read_send(value)?,
            "create_room" => plain(ChatStep::CreateRoom)?,
            "join_room" => ChatStep::JoinRoom {
                room: self.read_only(value, "room", Population::Rooms)?,
            },
            "leave_room" => ChatStep::LeaveRoom {
                room: self.read_only(value, "room", Population::OwnRooms)?,
            },
            "mark_delivered" => plain(ChatStep::MarkDelivered)?,
            "mark_read" => plain(ChatStep::MarkRead)?,
            "move_cursor" => plain(ChatStep::MoveCursor)?,
            "list_conversations" => plain(ChatStep::ListConversations)?,
            "list_pending" => plain(ChatStep::ListPending)?,
            "list_rooms" => plain(ChatStep::ListRooms)?,
            "list_members" => self.read_members(value)?,
            "read_history" => self.read_history(value)?,
            "list_presence" => plain(ChatStep::ListPresence)?,
            "typing" => self.read_typing(value)?,
            "watch_presence" => read_watch(value)?,
            _of_groups_or_another => return self.read_group(value),
        }))
    }

    fn read_group(&mut self, value: &Value<'a>) -> Read<Option<ChatStep<SelectSpec>>> {
        Ok(Some(match value.key() {
            "create_group" => {
                let table = value.table("a group", &GROUP_KEYS)?;
                ChatStep::CreateGroup {
                    first: self.part(&table, "first", Population::Users)?,
                    second: self.part(&table, "second", Population::Users)?,
                }
            }
            "add_member" => {
                let (group, user) = self.read_member(value)?;
                ChatStep::AddMember { group, user }
            }
            "remove_member" => {
                let (group, user) = self.read_member(value)?;
                ChatStep::RemoveMember { group, user }
            }
            "leave_group" => ChatStep::LeaveGroup {
                group: self.read_only(value, "group", Population::OwnGroups)?,
            },
            "rename_group" => ChatStep::RenameGroup {
                group: self.read_only(value, "group", Population::OwnGroups)?,
            },
            _of_another => return Ok(None),
        }))
    }

    fn read_send(&mut self, value: &Value<'a>) -> Read<ChatStep<SelectSpec>> {
        let table = value.table("a message", &SEND_KEYS)?;
        Ok(ChatStep::Send {
            to: self.read_to(&table)?,
            bytes: read_amount(&table, "bytes", BYTES, BYTES_DEFAULT)?,
        })
    }

    fn read_typing(&mut self, value: &Value<'a>) -> Read<ChatStep<SelectSpec>> {
        let table = value.table("this step", &TYPING_KEYS)?;
        Ok(ChatStep::Typing {
            to: self.read_to(&table)?,
            on: table.get("on").map_or(Ok(true), |value| value.boolean())?,
        })
    }

    fn read_members(&mut self, value: &Value<'a>) -> Read<ChatStep<SelectSpec>> {
        let table = value.table("a list of members", &MEMBERS_KEYS)?;
        let of = self.read_of(&table)?;
        if of == Address::Public {
            return Err(value
                .fault("everybody is in the public conversation, so there is no list of it")
                .hint("use `list_presence = {}`"));
        }
        Ok(ChatStep::ListMembers { of })
    }

    fn read_history(&mut self, value: &Value<'a>) -> Read<ChatStep<SelectSpec>> {
        let table = value.table("a page", &HISTORY_KEYS)?;
        let directions = [("backwards", true), ("forwards", false)];
        Ok(ChatStep::ReadHistory {
            of: self.read_of(&table)?,
            backwards: table
                .get("direction")
                .map_or(Ok(true), |value| value.choice(&directions))?,
            limit: table
                .get("limit")
                .map_or(Ok(LIMIT_DEFAULT), |value| value.integer(LIMITS))?,
        })
    }

    /// To whom: `to = "public"`, `room = ..`, `group = ..` or `user = ..`.
    fn read_to(&mut self, table: &Table<'a>) -> Read<Address<SelectSpec>> {
        let value = the_one(
            table,
            &ADDRESS_KEYS,
            "`to = \"public\"`, `room`, `group` or `user`",
        )?;
        match value.key() {
            "to" => value.choice(&[("public", Address::Public)]),
            "user" => Ok(Address::User(
                self.read_part_value(&value, Population::Users)?,
            )),
            _room_or_group => self.read_shared(&value),
        }
    }

    /// Of which: `of = "public"`, `of = "last"`, `room = ..` or `group = ..`.
    fn read_of(&mut self, table: &Table<'a>) -> Read<Address<SelectSpec>> {
        let keys = ["of", "room", "group"];
        let hint = "`of = \"last\"`, `of = \"public\"`, `room` or `group`";
        let value = the_one(table, &keys, hint)?;
        match value.key() {
            "of" => value.choice(&[("public", Address::Public), ("last", Address::Last)]),
            _room_or_group => self.read_shared(&value),
        }
    }

    fn read_shared(&mut self, value: &Value<'a>) -> Read<Address<SelectSpec>> {
        Ok(if value.key() == "room" {
            Address::Room(self.read_part_value(value, Population::OwnRooms)?)
        } else {
            Address::Group(self.read_part_value(value, Population::OwnGroups)?)
        })
    }

    fn read_member(&mut self, value: &Value<'a>) -> Read<(SelectSpec, SelectSpec)> {
        let table = value.table("this step", &MEMBER_KEYS)?;
        Ok((
            self.part(&table, "group", Population::OwnGroups)?,
            self.part(&table, "user", Population::Users)?,
        ))
    }

    /// Reads a step with one part.
    pub(super) fn read_only(
        &mut self,
        value: &Value<'a>,
        key: &'static str,
        among: Population,
    ) -> Read<SelectSpec> {
        let table = value.table("this step", &[key])?;
        self.part(&table, key, among)
    }
}

fn read_watch(value: &Value<'_>) -> Read<ChatStep<SelectSpec>> {
    let table = value.table("this step", &["users"])?;
    let users = table.need("users")?.integer(WATCHED)?;
    Ok(ChatStep::WatchPresence { users })
}

/// The one of these keys that is there.
fn the_one<'a>(table: &Table<'a>, keys: &[&'static str], hint: &str) -> Read<Value<'a>> {
    let mut values = keys.iter().filter_map(|key| table.get(key));
    let first = values.next().ok_or_else(|| {
        table
            .fault("this step needs to know which conversation")
            .hint(format!("add one of {hint}"))
    })?;
    match values.next() {
        None => Ok(first),
        Some(second) => Err(second
            .fault(format!(
                "a step is about one conversation, not `{}` and `{}`",
                first.key(),
                second.key()
            ))
            .hint("make it two steps")),
    }
}
