//! What each client had to be shown, by the log and by its connections.
//!
//! The model and the connections go in after the run; ranges of indices come out, by client and
//! conversation: those it had to be shown, and those it may have been. A connection must show what
//! stands behind the position it goes on from, in every conversation its person is in when it begins
//! or comes to be in later, up to the last position that came. Who left a conversation before the
//! connection began is shown nothing of it. Deliberately absent: what really was shown.

use std::collections::BTreeMap;

use protocol::UserId;

use super::{
    mailbox::{Link, Pair, Range},
    model::{Model, Stay},
};

/// What one client is due of one conversation.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) must: Vec<Range>,
    pub(crate) may: Vec<Range>,
}

/// All of it.
pub(crate) type Dues = BTreeMap<Pair, Due>;

/// What all these connections had to show.
pub(crate) fn dues(model: &Model, links: &[Link], users: &[Option<UserId>]) -> Dues {
    let mut dues = Dues::new();
    for link in links {
        let Some(user) = user_of(users, link.client) else {
            continue;
        };
        for stay in model.stays(user) {
            let (from, newest) = link.start();
            let is_owed = newest < stay.ends;
            let range = range_of(model, &stay, from, link.upto());
            if range.first < range.next {
                let due = dues.entry((link.client, stay.conversation)).or_default();
                let ranges = if is_owed { &mut due.must } else { &mut due.may };
                ranges.push(range);
            }
        }
    }
    for due in dues.values_mut() {
        merge(&mut due.must);
        merge(&mut due.may);
    }
    dues
}

/// The entries of a stay that stand behind `from` and not beyond `upto`.
pub(crate) fn range_of(model: &Model, stay: &Stay, from: u64, upto: u64) -> Range {
    let begins = stay.begins.max(from.saturating_add(1));
    let (first, last) = model.between(stay.conversation, begins, stay.ends.min(upto));
    Range {
        first,
        next: last.saturating_add(1),
    }
}

/// Who a client is.
pub(crate) fn user_of(users: &[Option<UserId>], client: u32) -> Option<UserId> {
    let index = usize::try_from(client).unwrap_or(usize::MAX);
    users.get(index).copied().flatten()
}

/// Sorts ranges and joins those that touch.
pub(crate) fn merge(ranges: &mut Vec<Range>) {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if range.first <= last.next => last.next = last.next.max(range.next),
            Some(_) | None => merged.push(range),
        }
    }
    *ranges = merged;
}

/// What of `due` is not in `shown`; both merged.
pub(crate) fn missing(due: &[Range], shown: &[Range]) -> Vec<Range> {
    let mut missing = Vec::new();
    for range in due {
        let mut first = range.first;
        for had in shown {
            if first < had.first.min(range.next) {
                let next = had.first.min(range.next);
                missing.push(Range { first, next });
            }
            first = first.max(had.next);
        }
        if first < range.next {
            let next = range.next;
            missing.push(Range { first, next });
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::{Range, merge, missing};

    fn ranges(pairs: &[(u64, u64)]) -> Vec<Range> {
        let mut ranges: Vec<Range> = pairs
            .iter()
            .map(|(first, next)| Range {
                first: *first,
                next: *next,
            })
            .collect();
        merge(&mut ranges);
        ranges
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(ranges(&[(5, 7), (1, 3), (3, 5)]), ranges(&[(1, 7)]));
        assert_eq!(ranges(&[(1, 3), (2, 9), (11, 12)]).len(), 2);
    }

    #[test]
    fn what_is_missing_is_what_no_range_has() {
        let check = |due: &[(u64, u64)], shown: &[(u64, u64)], expected: &[(u64, u64)]| {
            assert_eq!(missing(&ranges(due), &ranges(shown)), ranges(expected));
        };
        check(&[(1, 9)], &[(1, 9)], &[]);
        check(&[(1, 9)], &[(0, 20)], &[]);
        check(&[(1, 9)], &[], &[(1, 9)]);
        check(&[(1, 9)], &[(2, 4), (6, 7)], &[(1, 2), (4, 6), (7, 9)]);
        check(&[(1, 3), (6, 9)], &[(2, 7)], &[(1, 2), (7, 9)]);
        check(&[(5, 6)], &[(1, 5), (6, 9)], &[(5, 6)]);
    }
}
