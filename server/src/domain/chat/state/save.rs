//! The chat in a snapshot: conversation by conversation, with the people in it.
//!
//! Texts are in the log, not here. Deliberately absent: what follows from the rows.

use protocol::{Seq, UserId};

use super::{Chat, Conversation, Member, Members, Pair, Sort, note_place};
use crate::{
    domain::digest::Digest,
    keyring::Keyring,
    snapshot::{Saved, SectionReader, SectionWriter, Unsound},
};

/// The least bytes of each.
const CONVERSATION_BYTES: usize = 8 + 1 + 8 + 8;
const MEMBER_BYTES: usize = 8 + 8 + 8 + 8;

/// Sorts of conversations, as they are stored. Never reuse one.
const SORT_PUBLIC: u8 = 0;
const SORT_PRIVATE: u8 = 1;
const SORT_ROOM: u8 = 2;
const SORT_GROUP: u8 = 3;

impl Saved for Chat {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        let Self {
            public,
            conversations,
            digest,
            // These follow from the conversations.
            rooms: _,
            room_names: _,
            private: _,
            people: _,
        } = self;
        out.u128(digest.value());
        public.save(out);
        let mut ids: Vec<u64> = conversations.keys().copied().collect();
        ids.sort_unstable();
        out.count(ids.len());
        for id in ids {
            out.u64(id);
            conversations[&id].save(out);
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut chat = Self {
            digest: Digest::of(from.u128()?),
            public: Conversation::load(from)?,
            ..Self::default()
        };
        for _ in 0..from.count(CONVERSATION_BYTES)? {
            let id = from.u64()?;
            let conversation = Conversation::load(from)?;
            if matches!(conversation.sort, Sort::Public) {
                return Err(from.lacks("one public conversation"));
            }
            chat.put_conversation(id, conversation);
        }
        *self = chat;
        Ok(())
    }
}

impl Chat {
    /// Puts in a conversation as it is, and everything that follows from it.
    fn put_conversation(&mut self, id: u64, conversation: Conversation) {
        self.note_sort(id, &conversation.sort);
        for (user, _) in conversation.members.after(UserId::NOBODY, usize::MAX) {
            note_place(&mut self.people, (id, &conversation.sort), user);
        }
        self.conversations.insert(id, conversation);
    }
}

impl Conversation {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            sort,
            last,
            members,
        } = self;
        save_sort(sort, out);
        out.u64(*last);
        out.count(members.len());
        for (user, member) in members.after(UserId::NOBODY, usize::MAX) {
            let Member {
                since,
                delivered,
                read,
            } = member;
            for number in [user.0, since.0, delivered, read] {
                out.u64(number);
            }
        }
    }

    fn load(from: &mut SectionReader<'_>) -> Result<Self, Unsound> {
        let (sort, last) = (load_sort(from)?, from.u64()?);
        let mut members = Members::default();
        for _ in 0..from.count(MEMBER_BYTES)? {
            let user = UserId(from.u64()?);
            let member = Member {
                since: Seq(from.u64()?),
                delivered: from.u64()?,
                read: from.u64()?,
            };
            members.insert(user, member);
        }
        Ok(Self {
            sort,
            last,
            members,
        })
    }
}

fn save_sort(sort: &Sort, out: &mut SectionWriter<'_>) {
    match sort {
        Sort::Public => out.u8(SORT_PUBLIC),
        Sort::Private(Pair([low, high])) => {
            out.u8(SORT_PRIVATE);
            out.u64(low.0);
            out.u64(high.0);
        }
        Sort::Room { name } => {
            out.u8(SORT_ROOM);
            out.bytes(name.as_bytes());
        }
        Sort::Group { name, creator } => {
            out.u8(SORT_GROUP);
            out.bytes(name.as_bytes());
            out.u64(super::creator_column(*creator));
        }
    }
}

fn load_sort(from: &mut SectionReader<'_>) -> Result<Sort, Unsound> {
    match from.u8()? {
        SORT_PUBLIC => Ok(Sort::Public),
        SORT_PRIVATE => Ok(Sort::Private(Pair([
            UserId(from.u64()?),
            UserId(from.u64()?),
        ]))),
        SORT_ROOM => Ok(Sort::Room {
            name: from.text()?.into(),
        }),
        SORT_GROUP => Ok(Sort::Group {
            name: from.text()?.into(),
            creator: Some(UserId(from.u64()?)).filter(|user| *user != UserId::NOBODY),
        }),
        _unknown => Err(from.lacks("a sort of conversation")),
    }
}
