//! A private conversation in 37 bytes: there may be one for each two people.
//!
//! What follows from what it is, is not kept: it begins with its first message, and with both of the
//! two in it, so the position they came at is its id. One of them may be erased, and then the other
//! is in it alone. Deliberately absent: the id, which whoever keeps it knows.

use protocol::{Seq, UserId};

use super::members::Member;
use crate::u40::U40;

/// Two people, whichever of them is named first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair([U40; 2]);

impl Pair {
    /// The two; none if a number is that of nobody, but one that a client made up.
    pub(super) fn new(one: UserId, other: UserId) -> Option<Self> {
        let (low, high) = (one.min(other), one.max(other));
        Some(Self([U40::new(low.0)?, U40::new(high.0)?]))
    }

    pub(super) fn both(self) -> [UserId; 2] {
        self.0.map(|user| UserId(user.get()))
    }

    pub(super) fn other(self, user: UserId) -> UserId {
        let [low, high] = self.both();
        if low == user { high } else { low }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Private {
    pair: Pair,
    last: U40,
    /// Of each of the two, as long as they are in it.
    marks: [Option<Marks>; 2],
}

// There may be as many of these as pairs of people.
const _: () = assert!(size_of::<Private>() == 37);

/// How far somebody is.
#[derive(Debug, Clone, Copy)]
struct Marks {
    delivered: U40,
    read: U40,
}

impl Marks {
    const fn of(member: Member) -> Self {
        Self {
            delivered: U40::of_position(member.delivered),
            read: U40::of_position(member.read),
        }
    }

    const fn member(self, id: u64) -> Member {
        Member {
            since: Seq(id),
            delivered: self.delivered.get(),
            read: self.read.get(),
        }
    }
}

impl Private {
    /// One that has no entries yet, and nobody in it.
    pub(super) const fn new(pair: Pair) -> Self {
        Self {
            pair,
            last: U40::ZERO,
            marks: [None, None],
        }
    }

    pub(super) const fn pair(&self) -> Pair {
        self.pair
    }

    /// Its last entry; 0 when there is none.
    pub(super) const fn last(&self) -> u64 {
        self.last.get()
    }

    pub(super) const fn set_last(&mut self, last: u64) {
        self.last = U40::of_position(last);
    }

    pub(super) fn len(&self) -> usize {
        self.marks.iter().flatten().count()
    }

    /// How far somebody is; `id` is that of this conversation, here and below.
    pub(super) fn member(&self, id: u64, user: UserId) -> Option<Member> {
        let marks = self.marks[self.place(user)?]?;
        Some(marks.member(id))
    }

    /// The same of both, rising.
    pub(super) fn members(&self, id: u64) -> impl Iterator<Item = (UserId, Member)> {
        let both = self.pair.both().into_iter().zip(self.marks);
        both.filter_map(move |(user, marks)| Some((user, marks?.member(id))))
    }

    /// Somebody is as far as this now; what they had comes back.
    ///
    /// # Panics
    /// If it is none of the two, or they did not come with the first message.
    pub(super) fn insert(&mut self, id: u64, user: UserId, member: Member) -> Option<Member> {
        assert_eq!(
            member.since,
            Seq(id),
            "a private conversation begins with both"
        );
        let place = self.place(user).expect("it has the two whose it is");
        let before = self.marks[place].replace(Marks::of(member));
        before.map(|marks| marks.member(id))
    }

    /// Somebody is in it no more.
    pub(super) fn remove(&mut self, id: u64, user: UserId) -> Option<Member> {
        let marks = self.marks[self.place(user)?].take()?;
        Some(marks.member(id))
    }

    fn place(&self, user: UserId) -> Option<usize> {
        self.pair.both().iter().position(|one| *one == user)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Seq, UserId};

    use super::{Member, Pair, Private};

    const ID: u64 = (1 << 40) - 1;
    const ANN: UserId = UserId(3);
    const BOB: UserId = UserId(ID - 1);

    fn member(delivered: u64, read: u64) -> Member {
        Member {
            since: Seq(ID),
            delivered,
            read,
        }
    }

    #[test]
    fn a_pair_is_the_same_whoever_is_named_first() {
        let pair = Pair::new(BOB, ANN).expect("people have positions");
        assert_eq!(Some(pair), Pair::new(ANN, BOB));
        assert_eq!(pair.both(), [ANN, BOB]);
        assert_eq!((pair.other(ANN), pair.other(BOB)), (BOB, ANN));
        assert_eq!(Pair::new(ANN, UserId(1 << 40)), None);
    }

    #[test]
    fn each_of_the_two_has_their_own_marks_until_they_go() {
        let mut private = Private::new(Pair::new(BOB, ANN).expect("people have positions"));
        private.set_last(ID);
        assert_eq!((private.last(), private.len()), (ID, 0));
        for (nth, user) in [BOB, ANN].into_iter().enumerate() {
            assert_eq!(private.member(ID, user), None);
            assert_eq!(private.insert(ID, user, member(0, 0)), None);
            assert_eq!(private.len(), nth + 1);
        }
        let before = private.insert(ID, ANN, member(ID, 7));
        assert_eq!(before, Some(member(0, 0)));
        let both: Vec<_> = private.members(ID).collect();
        assert_eq!(both, [(ANN, member(ID, 7)), (BOB, member(0, 0))]);
        assert_eq!(private.member(ID, UserId(4)), None);
        assert_eq!(private.remove(ID, UserId(4)), None);
        assert_eq!(private.remove(ID, ANN), Some(member(ID, 7)));
        assert_eq!(private.remove(ID, ANN), None);
        let left: Vec<_> = private.members(ID).collect();
        assert_eq!(left, [(BOB, member(0, 0))]);
    }

    #[test]
    #[should_panic(expected = "it has the two whose it is")]
    fn nobody_else_comes_to_the_two() {
        let mut private = Private::new(Pair::new(BOB, ANN).expect("people have positions"));
        private.insert(ID, UserId(4), member(0, 0));
    }
}
