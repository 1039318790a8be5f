//! Who is in a conversation, and how far each of them is.
//!
//! Groups have a few members and some rooms ten thousand: a short list is one piece of memory in
//! order, a long one is a tree, and both are walked by rising person. Deliberately absent: what a
//! conversation is, and the two of a private one, see [`super::private`].

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use protocol::{Seq, UserId};

use crate::growth::make_room;

/// From this length on members are a tree: people come and go in the middle of a list, which moves
/// all behind them.
const MEMBERS_FEW: usize = 64;

/// How far somebody is in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Member {
    /// The first position that is for them.
    pub(super) since: Seq,
    /// Everything up to this entry reached a device of theirs.
    pub(super) delivered: u64,
    /// They read everything up to this entry, which is not above `delivered`.
    pub(super) read: u64,
}

// There are as many of these as places in all rooms together.
const _: () = assert!(size_of::<Member>() == 24);

/// Members by person.
#[derive(Debug)]
pub(super) enum Members {
    Few(Vec<(UserId, Member)>),
    Many(BTreeMap<UserId, Member>),
}

impl Default for Members {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Members {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn get(&self, user: UserId) -> Option<&Member> {
        match self {
            Self::Few(few) => {
                let index = place(few, user).ok()?;
                few.get(index).map(|(_, member)| member)
            }
            Self::Many(many) => many.get(&user),
        }
    }

    /// Puts `user` where they belong, or `member` in the place of what they had, which is returned.
    pub(super) fn insert(&mut self, user: UserId, member: Member) -> Option<Member> {
        if let Self::Few(few) = self
            && few.len() == MEMBERS_FEW
        {
            *self = Self::Many(few.iter().copied().collect());
        }
        match self {
            Self::Few(few) => match place(few, user) {
                Ok(index) => Some(std::mem::replace(&mut few[index].1, member)),
                Err(index) => {
                    make_room(few);
                    few.insert(index, (user, member));
                    None
                }
            },
            Self::Many(many) => many.insert(user, member),
        }
    }

    pub(super) fn remove(&mut self, user: UserId) -> Option<Member> {
        match self {
            Self::Few(few) => {
                let index = place(few, user).ok()?;
                Some(few.remove(index).1)
            }
            Self::Many(many) => many.remove(&user),
        }
    }

    /// At most `limit` members after `user`, rising.
    pub(super) fn after(&self, user: UserId, limit: usize) -> Vec<(UserId, Member)> {
        match self {
            Self::Few(few) => {
                let first = few.partition_point(|(other, _)| *other <= user);
                few[first..].iter().copied().take(limit).collect()
            }
            Self::Many(many) => many
                .range((Excluded(user), Unbounded))
                .map(|(user, member)| (*user, *member))
                .take(limit)
                .collect(),
        }
    }
}

/// Where somebody is in a list by person, or belongs.
fn place(few: &[(UserId, Member)], user: UserId) -> Result<usize, usize> {
    few.binary_search_by_key(&user, |(user, _)| *user)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use protocol::{Seq, UserId};

    use super::{MEMBERS_FEW, Member, Members};

    #[test]
    fn a_list_of_any_length_has_everybody_once_and_in_order() {
        let mut members = Members::default();
        let mut model = BTreeMap::new();
        let len = u64::try_from(MEMBERS_FEW).unwrap() * 2 + 1;
        for step in 1..len {
            // A step that shares no factor with the length visits every number once.
            let user = UserId(step * 7 % len);
            let member = Member {
                since: Seq(step),
                ..Member::default()
            };
            assert_eq!(members.insert(user, member), model.insert(user, member));
            assert_eq!(members.insert(user, member), Some(member), "twice is once");
            assert_eq!(members.len(), model.len());
        }
        for step in 1..len {
            let user = UserId(step * 11 % len);
            let page = members.after(user, 3);
            let wanted = model.range(UserId(user.0 + 1)..).take(3);
            assert_eq!(page, wanted.map(|(u, m)| (*u, *m)).collect::<Vec<_>>());
            assert_eq!(members.get(user), model.get(&user));
            assert_eq!(members.remove(user), model.remove(&user));
            assert!(members.get(user).is_none() && members.remove(user).is_none());
        }
        assert_eq!(members.len(), 0);
    }
}
