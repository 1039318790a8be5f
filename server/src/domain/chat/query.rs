//! What can be asked of the chat.
//!
//! A query and its context come in; an answer goes out, or which entries of the log it is made of.
//! Conversations are for those who are in them; that a room exists, and how many are in it, is for
//! everybody. Deliberately absent: any change of state, and entries: they are read from the log.

use protocol::{
    Code, Refusal, Seq,
    limits::HISTORY_LEN_MAX,
    words::chat::{
        self as words, ConversationView, Conversations, Direction, History, ListConversations,
        ListMembers, ListPending, ListRooms, MemberView, Members, PUBLIC, Push, ReadHistory,
        RoomView, Rooms, StoredEntry,
    },
};

use super::{
    decide::member,
    state::{Chat, Conversation, Sort},
    told::stream,
};
use crate::domain::{
    Context, PageWanted,
    checks::{check_person, page_len},
};

impl Chat {
    pub(super) fn list_conversations(
        &self,
        cx: &Context,
        query: &ListConversations,
    ) -> Result<Conversations, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let conversations = self.views_after(cx, query.after).take(limit).collect();
        Ok(Conversations { conversations })
    }

    pub(super) fn list_pending(
        &self,
        cx: &Context,
        query: &ListPending,
    ) -> Result<Conversations, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let pending = self
            .views_after(cx, query.after)
            .filter(|view| view.delivered < view.last);
        Ok(Conversations {
            conversations: pending.take(limit).collect(),
        })
    }

    pub(super) fn list_rooms(&self, cx: &Context, query: &ListRooms) -> Result<Rooms, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        let views = self.rooms_after(query.after).filter_map(|(id, room)| {
            let Sort::Room { name } = room.sort else {
                return None;
            };
            Some(RoomView {
                room: id,
                name: name.to_owned(),
                members: u32::try_from(room.members.len()).unwrap_or(u32::MAX),
                mine: room.members.contains(cx.actor),
            })
        });
        Ok(Rooms {
            rooms: views.take(limit).collect(),
        })
    }

    pub(super) fn list_members(
        &self,
        cx: &Context,
        query: &ListMembers,
    ) -> Result<Members, Refusal> {
        check_person(cx)?;
        let limit = page_len(query.limit)?;
        if query.conversation == PUBLIC {
            return Err(Refusal::new(Code::PUBLIC_MEMBERS));
        }
        let conversation = self.known(query.conversation)?;
        member(cx, query.conversation, conversation)?;
        let members = conversation.members.after(query.after, limit);
        let views = members.into_iter().map(|(user, member)| MemberView {
            user,
            delivered: member.delivered,
            read: member.read,
        });
        Ok(Members {
            members: views.collect(),
        })
    }

    /// Which entries a page of history is made of: none beyond those that there are.
    pub(super) fn wanted_history(
        &self,
        cx: &Context,
        query: &ReadHistory,
    ) -> Result<PageWanted, Refusal> {
        check_person(cx)?;
        check_history_len(query.limit)?;
        let conversation = self.known(query.conversation)?;
        member(cx, query.conversation, conversation)?;
        let last = conversation.last;
        let (from, there_are) = match (query.direction, query.from) {
            (Direction::Forwards, from) => (from.saturating_add(1), last.saturating_sub(from)),
            (Direction::Backwards, 0) => (last, last),
            (Direction::Backwards, from) => ((from - 1).min(last), (from - 1).min(last)),
        };
        Ok(PageWanted {
            stream: stream(query.conversation),
            from,
            limit: u16::try_from(there_are).map_or(query.limit, |there| there.min(query.limit)),
            is_backwards: query.direction == Direction::Backwards,
        })
    }

    /// What the actor is in, by id, beginning with the public conversation.
    fn views_after(
        &self,
        cx: &Context,
        after: Option<u64>,
    ) -> impl Iterator<Item = ConversationView> {
        let public = match after {
            None => self.conversation(PUBLIC),
            Some(_) => None,
        };
        let others = self.conversations_after(cx.actor, after.unwrap_or(PUBLIC));
        let all = public
            .map(|public| (PUBLIC, public))
            .into_iter()
            .chain(others);
        let cx = *cx;
        all.filter_map(move |(id, conversation)| view(&cx, id, conversation))
    }
}

/// The page that these entries make.
pub(super) fn history(entries: Vec<(Seq, Push)>) -> History {
    let entries = entries.into_iter().filter_map(|(seq, push)| match push {
        Push::Entry(entry) => Some(StoredEntry { seq, entry }),
        Push::Receipt(_) => None,
    });
    History {
        entries: entries.collect(),
    }
}

/// A conversation as the actor sees it, if they are in it.
fn view(cx: &Context, id: u64, conversation: Conversation<'_>) -> Option<ConversationView> {
    let member = member(cx, id, conversation).ok()?;
    let sort = match conversation.sort {
        Sort::Public => words::Sort::Public,
        Sort::Private(pair) => words::Sort::Private(pair.other(cx.actor)),
        Sort::Room { name } => words::Sort::Room(name.to_owned()),
        Sort::Group { name, .. } => words::Sort::Group(name.to_owned()),
    };
    Some(ConversationView {
        conversation: id,
        sort,
        last: conversation.last,
        delivered: member.delivered,
        read: member.read,
    })
}

/// Shorter than the page of a list: each entry is read from the log.
fn check_history_len(limit: u16) -> Result<(), Refusal> {
    if !(1..=HISTORY_LEN_MAX).contains(&limit) {
        let (value, limit) = (limit.into(), HISTORY_LEN_MAX.into());
        return Err(Refusal::with(Code::PAGE_LEN, value, limit));
    }
    Ok(())
}
