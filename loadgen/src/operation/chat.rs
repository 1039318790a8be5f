//! What a client asks of the chat and the messenger, and what it is shown.
//!
//! Conversations and people are the server's ids. Texts are not kept: the text of a message follows
//! from its key (see [`text_of`]), so that a recipient can tell a right one without having seen it.

use protocol::{Key, UserId, words::chat::Target};
use serde::{Deserialize, Serialize};

use super::calls::calls;

calls! {
    /// A call of the chat.
    ChatCall;
    /// Say something.
    Send = 0, "send", false {
        /// To whom.
        to: Target,
        /// Bytes of the text.
        bytes: u16,
    }
    /// Make a room.
    CreateRoom = 1, "create-room", false {}
    /// Join one.
    JoinRoom = 2, "join-room", false {
        /// Which.
        room: u64,
    }
    /// Leave one.
    LeaveRoom = 3, "leave-room", false {
        /// Which.
        room: u64,
    }
    /// Make a group of the asker and these people.
    CreateGroup = 4, "create-group", false {
        /// One of them.
        first: UserId,
        /// Another one.
        second: UserId,
    }
    /// Take somebody in.
    AddMember = 5, "add-member", false {
        /// Which group.
        group: u64,
        /// Whom.
        user: UserId,
    }
    /// Put somebody out.
    RemoveMember = 6, "remove-member", false {
        /// Which group.
        group: u64,
        /// Whom.
        user: UserId,
    }
    /// Leave a group.
    LeaveGroup = 7, "leave-group", false {
        /// Which.
        group: u64,
    }
    /// Call a group something else; its new name follows from the key.
    RenameGroup = 8, "rename-group", false {
        /// Which.
        group: u64,
    }
    /// Everything up to this entry has arrived.
    MarkDelivered = 9, "mark-delivered", false {
        /// Of which conversation.
        conversation: u64,
        /// Which entry.
        index: u64,
    }
    /// Everything up to this entry was read.
    MarkRead = 10, "mark-read", false {
        /// Of which conversation.
        conversation: u64,
        /// Which entry.
        index: u64,
    }
    /// This device has everything up to this position.
    MoveCursor = 11, "move-cursor", false {
        /// The position.
        seq: u64,
    }
    /// The conversations the asker is in.
    ListConversations = 12, "list-conversations", true {}
    /// Those with something undelivered.
    ListPending = 13, "list-pending", true {}
    /// The rooms there are.
    ListRooms = 14, "list-rooms", true {}
    /// Who is in a conversation.
    ListMembers = 15, "list-members", true {
        /// Which.
        conversation: u64,
    }
    /// Entries of a conversation.
    ReadHistory = 16, "read-history", true {
        /// Which.
        conversation: u64,
        /// From where: see [`protocol::words::chat::ReadHistory`].
        from: u64,
        /// Which way.
        backwards: bool,
        /// The most wanted.
        limit: u16,
    }
    /// Who is here.
    ListPresence = 17, "list-presence", true {}
}

/// An entry of a conversation as somebody was shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownEntry {
    /// Which conversation.
    pub conversation: u64,
    /// Its place there.
    pub index: u64,
    /// Where it stands in the log.
    pub seq: u64,
    /// Who wrote or did it.
    pub author: UserId,
    /// The key of the author's command.
    pub key: Key,
    /// What it says, if it is a text.
    pub text: Option<Words>,
}

/// The text of an entry, held against the one that its key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Words {
    /// That one.
    Right,
    /// Another one: a digest of it.
    Other(u64),
    /// None any more: what is shown of somebody who was erased.
    Gone,
}

/// What an accepted answer of the chat showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChatSeen {
    /// Where a message stands now: conversation, index.
    Sent(u64, u64),
    /// Entries.
    History(Vec<ShownEntry>),
    /// Conversation, last entry, my `delivered` and `read`.
    Conversations(Vec<(u64, u64, u64, u64)>),
    /// Person, `delivered`, `read`.
    Members(Vec<(UserId, u64, u64)>),
    /// Rooms: id, members, whether the asker is one.
    Rooms(Vec<(u64, u32, bool)>),
    /// Person, online, last seen in milliseconds since 1970-01-01 UTC.
    Presences(Vec<(UserId, bool, u64)>),
}

/// The text of the message with this key: its key in hex, again and again, and a last letter that is no
/// digit and stands for the length. So no part of a text is a right one: words that are lost are seen.
#[must_use]
pub fn text_of(key: &Key, bytes: u16) -> String {
    const LAST: &[u8; 16] = b"ghijklmnopqrstuv";
    let hex = key.to_string();
    let digits = usize::from(bytes.saturating_sub(1));
    let mut text: String = hex.chars().cycle().take(digits).collect();
    if bytes != 0 {
        text.push(char::from(LAST[usize::from(bytes % 16)]));
    }
    text
}

/// Whether this is a text that [`text_of`] makes of this key.
#[must_use]
pub fn is_text_of(key: &Key, text: &str) -> bool {
    u16::try_from(text.len()).is_ok_and(|bytes| text == text_of(key, bytes))
}

#[cfg(test)]
mod tests {
    use protocol::Key;

    use super::{is_text_of, text_of};

    #[test]
    fn no_part_of_a_text_is_a_right_text() {
        let key = Key([0x5a; 16]);
        for bytes in 1..100 {
            let text = text_of(&key, bytes);
            assert_eq!(text.len(), usize::from(bytes));
            assert!(is_text_of(&key, &text), "{text}");
            for cut in 1..text.len() {
                assert!(!is_text_of(&key, &text[..cut]), "{text} cut to {cut}");
            }
            assert!(!is_text_of(&key, &format!("{text}g")), "{text} and more");
        }
    }
}
