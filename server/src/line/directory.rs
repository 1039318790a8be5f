//! The state of the server as a directory of names.
//!
//! Names are those of the newest decided state, which may not be durable yet: whatever is asked by
//! one is decided behind it, and answered when both are. A name that nobody has is refused at once,
//! which may tell of an erasure a moment before it is durable.

use protocol::{UserId, words::chat::PUBLIC};

use super::{Directory, Place};
use crate::domain::Systems;

impl Directory for Systems {
    fn name(&self, user: UserId) -> Option<&str> {
        self.accounts.name(user)
    }

    fn user(&self, name: &str) -> Option<UserId> {
        self.accounts.credential(name).map(|found| found.user)
    }

    fn room(&self, name: &str) -> Option<u64> {
        self.chat.room_named(name)
    }

    fn place(&self, conversation: u64) -> Place<'_> {
        if conversation == PUBLIC {
            return Place::Public;
        }
        self.chat
            .name(conversation)
            .map_or(Place::Private, Place::Named)
    }

    fn partner(&self, conversation: u64, user: UserId) -> Option<UserId> {
        self.chat.partner(conversation, user)
    }
}
