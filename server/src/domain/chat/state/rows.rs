//! A conversation as it is kept, and as the rules read it.
//!
//! A private one is kept in few bytes, since there are so many, all others as they come; whoever
//! reads sees no difference. Deliberately absent: the digest, and what follows from a row.

use protocol::UserId;

use super::super::{
    members::{Member, Members},
    private::{Pair, Private},
};

/// A conversation as it is read. Its entries are in the log.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Conversation<'a> {
    pub(in super::super) sort: Sort<'a>,
    /// Its last entry; 0 when there is none.
    pub(in super::super) last: u64,
    pub(in super::super) members: MemberList<'a>,
}

impl Conversation<'_> {
    /// Whether nobody can ever say or read anything here again.
    pub(super) fn is_over(&self) -> bool {
        match self.sort {
            Sort::Private(_) | Sort::Group { .. } => self.members.is_empty(),
            Sort::Public | Sort::Room { .. } => false,
        }
    }
}

/// What sort a conversation is, and what only that sort has.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Sort<'a> {
    Public,
    /// Stays when one of the two is erased: for the other nothing changes.
    Private(Pair),
    Room {
        name: &'a str,
    },
    Group {
        name: &'a str,
        /// Who made it, until they leave.
        creator: Option<UserId>,
    },
}

/// Who is in a conversation.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum MemberList<'a> {
    /// Those of the private conversation of this id.
    Private(u64, &'a Private),
    Many(&'a Members),
}

impl MemberList<'_> {
    pub(in super::super) fn len(self) -> usize {
        match self {
            Self::Private(_, private) => private.len(),
            Self::Many(members) => members.len(),
        }
    }

    pub(in super::super) fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub(in super::super) fn get(self, user: UserId) -> Option<Member> {
        match self {
            Self::Private(id, private) => private.member(id, user),
            Self::Many(members) => members.get(user).copied(),
        }
    }

    pub(in super::super) fn contains(self, user: UserId) -> bool {
        self.get(user).is_some()
    }

    /// At most `limit` members after `user`, rising.
    pub(in super::super) fn after(self, user: UserId, limit: usize) -> Vec<(UserId, Member)> {
        match self {
            Self::Private(id, private) => {
                let behind = private.members(id).filter(|(other, _)| user < *other);
                behind.take(limit).collect()
            }
            Self::Many(members) => members.after(user, limit),
        }
    }
}

/// The public conversation, a room or a group, as it is kept.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) kind: Kind,
    pub(super) last: u64,
    pub(super) members: Members,
}

/// What sort of those it is.
#[derive(Debug, Default)]
pub(super) enum Kind {
    #[default]
    Public,
    Room {
        name: Box<str>,
    },
    Group {
        name: Box<str>,
        creator: Option<UserId>,
    },
}

impl Kind {
    pub(super) fn sort(&self) -> Sort<'_> {
        match self {
            Self::Public => Sort::Public,
            Self::Room { name } => Sort::Room { name },
            Self::Group { name, creator } => Sort::Group {
                name,
                creator: *creator,
            },
        }
    }
}

impl Shared {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub(super) fn view(&self) -> Conversation<'_> {
        Conversation {
            sort: self.kind.sort(),
            last: self.last,
            members: MemberList::Many(&self.members),
        }
    }
}

/// The same of a private conversation, whose id is this.
pub(super) fn view_private(id: u64, private: &Private) -> Conversation<'_> {
    Conversation {
        sort: Sort::Private(private.pair()),
        last: private.last(),
        members: MemberList::Private(id, private),
    }
}

/// A conversation, to be changed.
#[derive(Debug)]
pub(super) enum Row<'a> {
    /// The private one of this id.
    Private(u64, &'a mut Private),
    Shared(&'a mut Shared),
}

impl Row<'_> {
    pub(super) fn view(&self) -> Conversation<'_> {
        match self {
            Self::Private(id, private) => view_private(*id, private),
            Self::Shared(shared) => shared.view(),
        }
    }

    pub(super) fn set_last(&mut self, last: u64) {
        match self {
            Self::Private(_, private) => private.set_last(last),
            Self::Shared(shared) => shared.last = last,
        }
    }

    /// Somebody is as far as this now; what they had comes back.
    pub(super) fn insert(&mut self, user: UserId, member: Member) -> Option<Member> {
        match self {
            Self::Private(id, private) => private.insert(*id, user, member),
            Self::Shared(shared) => shared.members.insert(user, member),
        }
    }

    /// Somebody is in it no more.
    pub(super) fn remove(&mut self, user: UserId) -> Option<Member> {
        match self {
            Self::Private(id, private) => private.remove(*id, user),
            Self::Shared(shared) => shared.members.remove(user),
        }
    }
}
