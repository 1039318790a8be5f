//! What a client remembers of what it was shown without asking.
//!
//! Pushes and the calls it asks go in; what there is to say of them (this arrived, that was read, up
//! to here) comes out. A few numbers a client, since ten thousand of them are told everything.
//! Deliberately absent: entries themselves, and what other devices of the same person said.

use crate::operation::{Call, ChatCall, Push};

/// How far a conversation was shown, and how far its client said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Latest {
    conversation: u64,
    index: u64,
    delivered: u64,
    read: u64,
}

/// What one client remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientMemory {
    latest: Option<Latest>,
    seq: u64,
    cursor: u64,
}

impl ClientMemory {
    /// A push reached the client.
    pub fn handle_push(&mut self, seq: u64, push: &Push) {
        self.seq = self.seq.max(seq);
        let Push::Entry(entry) = push else { return };
        match &mut self.latest {
            Some(latest) if latest.conversation == entry.conversation => {
                latest.index = latest.index.max(entry.index);
            }
            Some(_) | None => {
                self.latest = Some(Latest {
                    conversation: entry.conversation,
                    index: entry.index,
                    delivered: 0,
                    read: 0,
                });
            }
        }
    }

    /// The client asks: what it says of entries needs not be said again.
    pub fn handle_ask(&mut self, call: &Call) {
        let Call::Chat(call) = call else { return };
        let (about, upto, is_read) = match *call {
            ChatCall::MoveCursor { seq } => {
                self.cursor = self.cursor.max(seq);
                return;
            }
            ChatCall::MarkDelivered {
                conversation,
                index,
            } => (conversation, index, false),
            ChatCall::MarkRead {
                conversation,
                index,
            } => (conversation, index, true),
            _says_nothing_of_entries => return,
        };
        if let Some(latest) = &mut self.latest
            && latest.conversation == about
        {
            latest.delivered = latest.delivered.max(upto);
            if is_read {
                latest.read = latest.read.max(upto);
            }
        }
    }

    /// The conversation that it was shown an entry of last.
    #[must_use]
    pub fn conversation(&self) -> Option<u64> {
        self.latest.map(|latest| latest.conversation)
    }

    /// Conversation and index of what it was shown last and has not called delivered.
    #[must_use]
    pub fn undelivered(&self) -> Option<(u64, u64)> {
        let latest = self.latest?;
        (latest.delivered < latest.index).then_some((latest.conversation, latest.index))
    }

    /// Conversation and index of what it was shown last and has not called read.
    #[must_use]
    pub fn unread(&self) -> Option<(u64, u64)> {
        let latest = self.latest?;
        (latest.read < latest.index).then_some((latest.conversation, latest.index))
    }

    /// The newest position it was shown, if its cursor was not moved there yet.
    #[must_use]
    pub fn beyond_cursor(&self) -> Option<u64> {
        (self.cursor < self.seq).then_some(self.seq)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Key, UserId};

    use super::*;
    use crate::operation::{ShownEntry, Words};

    fn show(knowledge: &mut ClientMemory, seq: u64, conversation: u64, index: u64) {
        let entry = ShownEntry {
            conversation,
            index,
            seq,
            author: UserId(1),
            key: Key([0; 16]),
            text: Some(Words::Right),
        };
        knowledge.handle_push(seq, &Push::Entry(entry));
    }

    #[test]
    fn what_was_marked_is_not_marked_again_until_something_new_comes() {
        let mut knowledge = ClientMemory::default();
        assert_eq!((knowledge.undelivered(), knowledge.unread()), (None, None));
        show(&mut knowledge, 10, 4, 2);
        assert_eq!(knowledge.undelivered(), Some((4, 2)));
        knowledge.handle_ask(&Call::Chat(ChatCall::MarkDelivered {
            conversation: 4,
            index: 2,
        }));
        assert_eq!(knowledge.undelivered(), None);
        assert_eq!(knowledge.unread(), Some((4, 2)));
        show(&mut knowledge, 11, 4, 3);
        knowledge.handle_ask(&Call::Chat(ChatCall::MarkRead {
            conversation: 4,
            index: 3,
        }));
        assert_eq!((knowledge.undelivered(), knowledge.unread()), (None, None));
    }

    #[test]
    fn the_conversation_shown_last_is_the_one_that_counts() {
        let mut knowledge = ClientMemory::default();
        show(&mut knowledge, 10, 4, 2);
        show(&mut knowledge, 11, 6, 9);
        assert_eq!(knowledge.conversation(), Some(6));
        assert_eq!(knowledge.unread(), Some((6, 9)));
    }

    #[test]
    fn a_cursor_moves_only_to_where_it_has_not_been() {
        let mut knowledge = ClientMemory::default();
        assert_eq!(knowledge.beyond_cursor(), None);
        show(&mut knowledge, 10, 4, 2);
        assert_eq!(knowledge.beyond_cursor(), Some(10));
        knowledge.handle_ask(&Call::Chat(ChatCall::MoveCursor { seq: 10 }));
        assert_eq!(knowledge.beyond_cursor(), None);
    }
}
