//! Words of the chat and the messenger: conversations, who is in them, and how far everybody is.
//!
//! A conversation is an ordered list of entries with a gapless index of its own, the first is 1.
//! There are four sorts: the public one (id 0, everybody is in it), private ones of two people,
//! rooms that anybody may join, and groups whose members are chosen. A room or group is known by the
//! position of the record that made it, a private conversation by that of its first message.

use serde::{Deserialize, Serialize};

use super::words;
use crate::{
    id::{Key, Seq, UserId},
    personal::Personal,
};

/// The number of this system.
pub const SYSTEM: u8 = 3;

/// The id of the conversation that everybody is in.
pub const PUBLIC: u64 = 0;

words! {
    /// What can be asked of the chat.
    Command in SYSTEM;
    Send = 1, "send";
    CreateRoom = 2, "create-room";
    JoinRoom = 3, "join-room";
    LeaveRoom = 4, "leave-room";
    CreateGroup = 5, "create-group";
    AddMember = 6, "add-member";
    RemoveMember = 7, "remove-member";
    LeaveGroup = 8, "leave-group";
    RenameGroup = 9, "rename-group";
    MarkDelivered = 10, "mark-delivered";
    MarkRead = 11, "mark-read";
}

words! {
    /// What happened in the chat.
    Event in SYSTEM;
    Sent = 1, "sent";
    RoomCreated = 2, "room-created";
    RoomJoined = 3, "room-joined";
    RoomLeft = 4, "room-left";
    GroupCreated = 5, "group-created";
    MemberAdded = 6, "member-added";
    MemberRemoved = 7, "member-removed";
    GroupLeft = 8, "group-left";
    GroupRenamed = 9, "group-renamed";
    Delivered = 10, "delivered";
    Read = 11, "read";
}

words! {
    /// What can be asked without changing anything.
    Query in SYSTEM;
    ListConversations = 1, "list-conversations";
    ListPending = 2, "list-pending";
    ListRooms = 3, "list-rooms";
    ListMembers = 4, "list-members";
    ReadHistory = 5, "read-history";
}

words! {
    /// What the chat answers.
    Answer in SYSTEM;
    Conversations = 1, "conversations";
    Rooms = 3, "rooms";
    Members = 4, "members";
    History = 5, "history";
}

words! {
    /// What the chat tells people who did not ask just now.
    Push in SYSTEM;
    Entry = 1, "entry";
    Receipt = 2, "receipt";
}

/// Whom a message or a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Everybody.
    Public,
    /// One person. The conversation of the two begins with its first message.
    Person(UserId),
    /// The members of a conversation of mine, by its id, whatever sort it is.
    Conversation(u64),
}

/// Say something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// To whom.
    pub to: Target,
    /// 1 to 4,096 bytes.
    pub text: Personal,
}

/// A new room, with its creator in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateRoom {
    /// 1 to 64 bytes, unique among rooms.
    pub name: String,
}

/// Become a member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRoom {
    /// Which.
    pub room: u64,
}

/// Be a member of a room no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveRoom {
    /// Which.
    pub room: u64,
}

/// A new group, with its creator and these people in it, at most 256 together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateGroup {
    /// 1 to 64 bytes.
    pub name: String,
    /// Who else; the creator is in it anyway.
    #[serde(deserialize_with = "crate::codec::list")]
    pub members: Vec<UserId>,
}

/// Take somebody into a group. Members only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddMember {
    /// Which.
    pub group: u64,
    /// Whom. They may read all of it, and what they are pushed begins with the entry that says so.
    pub user: UserId,
}

/// Put somebody out of a group. Its creator only, until they leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveMember {
    /// Which.
    pub group: u64,
    /// Whom.
    pub user: UserId,
}

/// Be a member of a group no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveGroup {
    /// Which.
    pub group: u64,
}

/// Call a group something else. Members only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameGroup {
    /// Which.
    pub group: u64,
    /// 1 to 64 bytes.
    pub name: String,
}

/// Everything up to this entry has reached one of my devices. What I wrote is no exception: only
/// marks raise a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkDelivered {
    /// Which.
    pub conversation: u64,
    /// The last entry that arrived; above what was delivered before, at most the last there is.
    pub index: u64,
}

/// I have read everything up to this entry. Marks it delivered too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRead {
    /// Which.
    pub conversation: u64,
    /// The last entry that was read; above what was read before, at most the last there is.
    pub index: u64,
}

/// A message stands in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Which.
    pub conversation: u64,
    /// Its place there.
    pub index: u64,
}

/// A room exists; its id is this record's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCreated {}

/// Somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomJoined {
    /// Members now.
    pub members: u32,
}

/// Somebody is in a room no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLeft {
    /// Members now.
    pub members: u32,
}

/// A group exists; its id is this record's position, and this is its entry 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCreated {
    /// Members now.
    pub members: u32,
}

/// Somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAdded {
    /// The entry that says so.
    pub index: u64,
}

/// Somebody was put out of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRemoved {
    /// The entry that says so.
    pub index: u64,
}

/// Somebody left a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLeft {
    /// The entry that says so.
    pub index: u64,
}

/// A group is called something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRenamed {
    /// The entry that says so.
    pub index: u64,
}

/// A `delivered` watermark rose. Both are told, so that a receipt can be made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Where `delivered` stands now.
    pub delivered: u64,
    /// Where `read` stands, as before.
    pub read: u64,
    /// Whether the other members get a [`Receipt`]: in private conversations and groups.
    pub shown: bool,
}

/// A `read` watermark rose, and the `delivered` one with it if it stood lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Where `delivered` stands now.
    pub delivered: u64,
    /// Where `read` stands now.
    pub read: u64,
    /// Whether the other members get a [`Receipt`]: in private conversations and groups.
    pub shown: bool,
}

/// The conversations I am in, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListConversations {
    /// Only ids after this one; `None` for the first page, which begins with the public one.
    pub after: Option<u64>,
    /// The most wanted.
    pub limit: u16,
}

/// The conversations of mine with entries above my `delivered` watermark, by id. Answered with
/// [`Conversations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPending {
    /// Only ids after this one; `None` for the first page.
    pub after: Option<u64>,
    /// The most wanted.
    pub limit: u16,
}

/// The rooms, in the order they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRooms {
    /// Only rooms after this id; 0 for the first page.
    pub after: u64,
    /// The most wanted.
    pub limit: u16,
}

/// Who is in a conversation, and how far. Members only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMembers {
    /// Which; not the public one, which has everybody.
    pub conversation: u64,
    /// Only people after this one; nobody (0) for the first page.
    pub after: UserId,
    /// The most wanted.
    pub limit: u16,
}

/// Entries of a conversation. Members only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadHistory {
    /// Which.
    pub conversation: u64,
    /// Forwards: entries after this index, the oldest first. Backwards: entries before it, the
    /// newest first; 0 for the newest there are.
    pub from: u64,
    /// Which way.
    pub direction: Direction,
    /// The most wanted, 1 to 50.
    pub limit: u16,
}

/// Which way to page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Rising indices.
    Forwards,
    /// Falling indices.
    Backwards,
}

/// A page of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversations {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub conversations: Vec<ConversationView>,
}

/// One conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// Its id.
    pub conversation: u64,
    /// What sort it is, and what it is called.
    pub sort: Sort,
    /// Its last entry; 0 when there is none.
    pub last: u64,
    /// My `delivered` watermark.
    pub delivered: u64,
    /// My `read` watermark.
    pub read: u64,
}

/// What sort of conversation it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Everybody's.
    Public,
    /// Mine and this person's.
    Private(UserId),
    /// A room of this name.
    Room(String),
    /// A group of this name.
    Group(String),
}

/// A page of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// In the order they were made.
    #[serde(deserialize_with = "crate::codec::list")]
    pub rooms: Vec<RoomView>,
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Its id.
    pub room: u64,
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: u32,
    /// Whether I am.
    pub mine: bool,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// By id.
    #[serde(deserialize_with = "crate::codec::list")]
    pub members: Vec<MemberView>,
}

/// One member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// Who.
    pub user: UserId,
    /// Their `delivered` watermark.
    pub delivered: u64,
    /// Their `read` watermark.
    pub read: u64,
}

/// A page of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// In the direction that was asked for.
    #[serde(deserialize_with = "crate::codec::list")]
    pub entries: Vec<StoredEntry>,
}

/// An entry and where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// The position of its record.
    pub seq: Seq,
    /// The entry, as it was pushed.
    pub entry: Entry,
}

/// One entry of a conversation. Pushed to its members, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which conversation.
    pub conversation: u64,
    /// Its place there.
    pub index: u64,
    /// Who wrote or did it.
    pub author: UserId,
    /// When, milliseconds since 1970-01-01 UTC.
    pub recorded_at: u64,
    /// The key of the author's command, by which they know their own message.
    pub key: Key,
    /// What it says.
    pub content: Content,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Somebody said this. Empty once its author's data has been erased.
    Text(Personal),
    /// The group exists, under this name.
    Created(String),
    /// This person is in the group now.
    Added(UserId),
    /// This person was put out.
    Removed(UserId),
    /// The author left.
    Left,
    /// The group is called this now.
    Renamed(String),
}

/// A watermark of another member rose. Pushed in private conversations and groups, to those who are
/// connected; it is not repeated on reconnect, since [`ListMembers`] has the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which conversation.
    pub conversation: u64,
    /// Whose watermarks.
    pub user: UserId,
    /// Where `delivered` stands now.
    pub delivered: u64,
    /// Where `read` stands now.
    pub read: u64,
}
