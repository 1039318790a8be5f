//! Who is next, when more want something than can have it: fair to names, bounded, and deaf to how many ask.
//!
//! Whoever waits goes in under a name, in one of two classes, and comes out when it is their turn: the classes take
//! turns, in each of them the names do, and those of one name in the order in which they came. So many who
//! ask under one name, or under names that nobody has, wait for each other. Too many of a name, or of a class, make the
//! oldest of them go. Deliberately absent: what is waited for, and clocks.

use std::collections::{BTreeMap, VecDeque};

/// Those under one name that may wait, as a share of their class.
const NAME_SHARE: usize = 8;

/// Which of the two classes somebody is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The name is somebody's.
    Known,
    /// It is nobody's, or not yet.
    Unknown,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    known: Names<T>,
    unknown: Names<T>,
    /// Which class is next.
    next: Class,
}

#[derive(Debug)]
struct Names<T> {
    waiting: BTreeMap<Box<str>, VecDeque<T>>,
    /// Each name that waits, once.
    order: VecDeque<Box<str>>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            known: Names::default(),
            unknown: Names::default(),
            next: Class::Known,
        }
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            order: VecDeque::new(),
            len: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Puts somebody in. Returns whoever has to go, if more than `max` of a class would wait then.
    pub(crate) fn push(&mut self, class: Class, name: &str, item: T, max: usize) -> Option<T> {
        let names = self.class(class);
        let of_name = names.waiting.get(name).map_or(0, VecDeque::len);
        if (max / NAME_SHARE).max(1) <= of_name {
            names.push(name, item);
            return names.take(name);
        }
        let is_full = max.max(1) <= names.len;
        let gone = is_full.then(|| names.pop()).flatten();
        names.push(name, item);
        gone
    }

    /// Takes out who is next.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let first = self.next;
        let second = match first {
            Class::Known => Class::Unknown,
            Class::Unknown => Class::Known,
        };
        if let Some(item) = self.class(first).pop() {
            self.next = second;
            return Some(item);
        }
        self.class(second).pop()
    }

    /// How many of a class wait.
    pub(crate) const fn len(&self, class: Class) -> usize {
        match class {
            Class::Known => self.known.len,
            Class::Unknown => self.unknown.len,
        }
    }

    const fn class(&mut self, class: Class) -> &mut Names<T> {
        match class {
            Class::Known => &mut self.known,
            Class::Unknown => &mut self.unknown,
        }
    }
}

impl<T> Names<T> {
    fn push(&mut self, name: &str, item: T) {
        if let Some(items) = self.waiting.get_mut(name) {
            items.push_back(item);
        } else {
            self.waiting.insert(name.into(), VecDeque::from([item]));
            self.order.push_back(name.into());
        }
        self.len += 1;
    }

    /// The oldest of the name that is next; the name is last then.
    fn pop(&mut self) -> Option<T> {
        let name = self.order.pop_front()?;
        let item = self.take(&name);
        if self.waiting.contains_key(&name) {
            self.order.push_back(name);
        }
        item
    }

    /// The oldest of a name. The name stays in the order if others wait under it.
    fn take(&mut self, name: &str) -> Option<T> {
        let items = self.waiting.get_mut(name)?;
        let item = items.pop_front();
        self.len -= usize::from(item.is_some());
        if items.is_empty() {
            self.waiting.remove(name);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn one_name_that_many_ask_for_holds_up_nobody_else() {
        let mut queue = FairQueue::default();
        for nth in 0..100 {
            assert_eq!(queue.push(Class::Known, "admin", nth, 1_000), None);
        }
        queue.push(Class::Known, "ana", 500, 1_000);
        let order = all(&mut queue);
        assert_eq!(order[..3], [0, 500, 1]);
        assert_eq!(order.len(), 101);
    }

    #[test]
    fn names_that_nobody_has_wait_for_each_other() {
        let mut queue = FairQueue::default();
        for nth in 0..100 {
            queue.push(Class::Unknown, &format!("nobody{nth}"), nth, 1_000);
        }
        queue.push(Class::Known, "ana", 500, 1_000);
        queue.push(Class::Known, "bob", 501, 1_000);
        assert_eq!(all(&mut queue)[..4], [500, 0, 501, 1]);
    }

    #[test]
    fn the_oldest_of_a_name_goes_when_its_share_is_full() {
        let mut queue = FairQueue::default();
        let pushed = |queue: &mut FairQueue<u32>, nth| queue.push(Class::Known, "ana", nth, 16);
        assert_eq!(pushed(&mut queue, 1), None);
        assert_eq!(pushed(&mut queue, 2), None);
        assert_eq!(pushed(&mut queue, 3), Some(1));
        assert_eq!(queue.len(Class::Known), 2);
        assert_eq!(all(&mut queue), [2, 3]);
    }

    #[test]
    fn the_oldest_name_gives_way_when_the_class_is_full() {
        let mut queue = FairQueue::default();
        for nth in 0..16 {
            let name = format!("nobody{nth}");
            assert_eq!(queue.push(Class::Unknown, &name, nth, 16), None);
        }
        assert_eq!(queue.push(Class::Unknown, "ana", 99, 16), Some(0));
        assert_eq!(
            queue.push(Class::Known, "bob", 100, 16),
            None,
            "another class"
        );
        assert_eq!(
            (queue.len(Class::Unknown), queue.len(Class::Known)),
            (16, 1)
        );
        let order = all(&mut queue);
        assert_eq!((order[0], order[1], order[16]), (100, 1, 99));
    }

    #[test]
    fn a_name_whose_last_one_had_to_go_is_not_asked_twice() {
        let mut queue = FairQueue::default();
        // A share of one: the first goes, and the name is in the order once.
        assert_eq!(queue.push(Class::Known, "ana", 1, 8), None);
        assert_eq!(queue.push(Class::Known, "ana", 2, 8), Some(1));
        assert_eq!(all(&mut queue), [2]);
        assert_eq!(queue.len(Class::Known), 0);
    }
}
