//! The chat in a snapshot: conversation by conversation, with the people in it.
//!
//! Texts are in the log, not here. Deliberately absent: what follows from the rows.

use protocol::{Seq, UserId};

use super::{Chat, Conversation, Kind, Member, Pair, Private, Shared, Sort, U40, creator_column};
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
            private,
            shared,
            digest,
            // These follow from the conversations.
            rooms: _,
            room_names: _,
            pairs: _,
            people: _,
        } = self;
        out.u128(digest.value());
        public.view().save(out);
        let private = private.keys().map(|id| id.get());
        let mut ids: Vec<u64> = private.chain(shared.keys().copied()).collect();
        ids.sort_unstable();
        out.count(ids.len());
        for id in ids {
            out.u64(id);
            let conversation = self.conversation(id);
            conversation.expect("it was just listed").save(out);
        }
    }

    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        let mut chat = Self {
            digest: Digest::of(from.u128()?),
            ..Self::default()
        };
        match load_sort(from)? {
            Loaded::Shared(public @ Kind::Public) => chat.public = load_shared(public, from)?,
            Loaded::Shared(_) | Loaded::Private(_) => {
                return Err(from.lacks("the public conversation"));
            }
        }
        for _ in 0..from.count(CONVERSATION_BYTES)? {
            let id = from.u64()?;
            // The public one among them.
            if U40::new(id).is_none_or(|id| id == U40::ZERO) {
                return Err(from.lacks("an id of a conversation"));
            }
            match load_sort(from)? {
                Loaded::Shared(Kind::Public) => return Err(from.lacks("one public conversation")),
                Loaded::Shared(kind) => chat.put_shared(id, load_shared(kind, from)?),
                Loaded::Private(pair) => chat.put_private(id, load_private(id, pair, from)?),
            }
            chat.note_places(id);
        }
        *self = chat;
        Ok(())
    }
}

impl Chat {
    /// Everybody of a conversation that was just put in is in it.
    fn note_places(&mut self, id: u64) {
        let members = self
            .conversation(id)
            .map(|it| it.members.after(UserId::NOBODY, usize::MAX));
        for (user, _) in members.into_iter().flatten() {
            self.note_place(id, user);
        }
    }
}

impl Conversation<'_> {
    fn save(&self, out: &mut SectionWriter<'_>) {
        let Self {
            sort,
            last,
            members,
        } = *self;
        save_sort(sort, out);
        out.u64(last);
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
}

/// A conversation of which the rest is yet to be read.
enum Loaded {
    Private(Pair),
    Shared(Kind),
}

fn load_shared(kind: Kind, from: &mut SectionReader<'_>) -> Result<Shared, Unsound> {
    let mut shared = Shared::new(kind);
    shared.last = from.u64()?;
    for _ in 0..from.count(MEMBER_BYTES)? {
        let (user, member) = load_member(from)?;
        shared.members.insert(user, member);
    }
    Ok(shared)
}

fn load_private(id: u64, pair: Pair, from: &mut SectionReader<'_>) -> Result<Private, Unsound> {
    let mut private = Private::new(pair);
    let last = from.u64()?;
    if U40::new(last).is_none() {
        return Err(from.lacks("a last entry"));
    }
    private.set_last(last);
    for _ in 0..from.count(MEMBER_BYTES)? {
        let (user, member) = load_member(from)?;
        let is_one = pair.both().contains(&user) && member.since == Seq(id);
        let is_so_far = member.delivered.max(member.read) <= last;
        if !(is_one && is_so_far) {
            return Err(from.lacks("one of the two of a private conversation"));
        }
        private.insert(id, user, member);
    }
    Ok(private)
}

fn load_member(from: &mut SectionReader<'_>) -> Result<(UserId, Member), Unsound> {
    let user = UserId(from.u64()?);
    let member = Member {
        since: Seq(from.u64()?),
        delivered: from.u64()?,
        read: from.u64()?,
    };
    Ok((user, member))
}

fn save_sort(sort: Sort<'_>, out: &mut SectionWriter<'_>) {
    match sort {
        Sort::Public => out.u8(SORT_PUBLIC),
        Sort::Private(pair) => {
            let [low, high] = pair.both();
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
            out.u64(creator_column(creator));
        }
    }
}

fn load_sort(from: &mut SectionReader<'_>) -> Result<Loaded, Unsound> {
    let kind = match from.u8()? {
        SORT_PUBLIC => Kind::Public,
        SORT_PRIVATE => {
            let pair = Pair::new(UserId(from.u64()?), UserId(from.u64()?));
            let pair = pair.ok_or_else(|| from.lacks("two people"))?;
            return Ok(Loaded::Private(pair));
        }
        SORT_ROOM => Kind::Room {
            name: from.text()?.into(),
        },
        SORT_GROUP => Kind::Group {
            name: from.text()?.into(),
            creator: Some(UserId(from.u64()?)).filter(|user| *user != UserId::NOBODY),
        },
        _unknown => return Err(from.lacks("a sort of conversation")),
    };
    Ok(Loaded::Shared(kind))
}
