//! Which connections are to be told what, right now.
//!
//! A topic and a connection go in and out; the connections of a topic come out as a list that may be
//! kept while it changes here. Deliberately absent: what is told, and whoever is behind.

use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::UserId;

use crate::domain::Stream;

/// What a connection may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Pushes of a stream, and news to whoever follows it.
    Stream(Stream),
    /// The comings and goings of a person.
    Presence(UserId),
    /// The comings and goings of everybody, as far as they are announced.
    Arrivals,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    topics: HashMap<Topic, List, FixedState>,
}

/// Connections. To keep one costs the same however long it is, and it does not change then.
#[derive(Debug, Clone)]
pub(crate) enum List {
    /// Most conversations have two people, with a connection each.
    One([u64; 1]),
    Two([u64; 2]),
    Many(Rc<Vec<u64>>),
}

impl List {
    pub(crate) fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(one) => one,
            Self::Two(two) => two,
            Self::Many(many) => many,
        }
    }

    fn push(&mut self, connection: u64) {
        match self {
            Self::One([one]) => *self = Self::Two([*one, connection]),
            Self::Two([one, two]) => *self = Self::Many(Rc::new(vec![*one, *two, connection])),
            Self::Many(many) => Rc::make_mut(many).push(connection),
        }
    }

    /// Takes out a connection, if it is there. Returns whether any is left.
    fn remove(&mut self, connection: u64) -> bool {
        match self {
            Self::One([one]) => return *one != connection,
            Self::Two([one, two]) if *one == connection => *self = Self::One([*two]),
            Self::Two([one, two]) if *two == connection => *self = Self::One([*one]),
            Self::Two(_) => {}
            Self::Many(many) => {
                let many = Rc::make_mut(many);
                if let Some(place) = many.iter().position(|other| *other == connection) {
                    many.swap_remove(place);
                }
                if let [one, two] = many[..] {
                    *self = Self::Two([one, two]);
                }
            }
        }
        true
    }
}

impl Subscribers {
    /// From now on `connection` is told of `topic`.
    pub(crate) fn insert(&mut self, topic: Topic, connection: u64) {
        self.topics
            .entry(topic)
            .and_modify(|list| list.push(connection))
            .or_insert(List::One([connection]));
    }

    /// From now on it is not.
    pub(crate) fn remove(&mut self, topic: Topic, connection: u64) {
        if let Some(list) = self.topics.get_mut(&topic)
            && !list.remove(connection)
        {
            self.topics.remove(&topic);
        }
    }

    /// Whom to tell.
    pub(crate) fn of(&self, topic: Topic) -> Option<List> {
        self.topics.get(&topic).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, rc::Rc};

    use protocol::UserId;

    use super::{List, Subscribers, Topic};
    use crate::domain::Stream;

    const TOPIC: Topic = Topic::Stream(Stream::Conversation(7));
    const OTHER: Topic = Topic::Presence(UserId(7));

    fn whom(subscribers: &Subscribers) -> Vec<u64> {
        let list = subscribers.of(TOPIC);
        let mut whom = list.map_or(Vec::new(), |list| list.as_slice().to_vec());
        whom.sort_unstable();
        whom
    }

    #[test]
    fn a_list_of_any_length_has_everybody_once_on_the_way_up_and_down() {
        for len in 1..=6 {
            // People leave in several orders.
            for step in [1, 5, 3] {
                let mut subscribers = Subscribers::default();
                subscribers.insert(OTHER, 99);
                let mut model = BTreeSet::new();
                for connection in 0..len {
                    subscribers.insert(TOPIC, connection);
                    model.insert(connection);
                    assert_eq!(
                        whom(&subscribers),
                        model.iter().copied().collect::<Vec<_>>()
                    );
                }
                for nth in 0..len {
                    let connection = (nth * step + step / 2) % len;
                    subscribers.remove(TOPIC, connection);
                    subscribers.remove(TOPIC, 77);
                    model.remove(&connection);
                    assert_eq!(
                        whom(&subscribers),
                        model.iter().copied().collect::<Vec<_>>()
                    );
                }
                model
                    .iter()
                    .for_each(|left| subscribers.remove(TOPIC, *left));
                assert!(subscribers.of(TOPIC).is_none(), "nobody is no list");
                assert_eq!(subscribers.topics.len(), 1);
            }
        }
    }

    #[test]
    fn a_list_that_is_kept_stays_as_it_was_while_it_changes() {
        for len in 1..=5 {
            let mut subscribers = Subscribers::default();
            (0..len).for_each(|connection| subscribers.insert(TOPIC, connection));
            let kept = subscribers.of(TOPIC).expect("somebody");
            let before = kept.as_slice().to_vec();
            subscribers.insert(TOPIC, 9);
            (0..len).for_each(|connection| subscribers.remove(TOPIC, connection));
            assert_eq!(kept.as_slice(), before);
            assert_eq!(whom(&subscribers), [9]);
        }
    }

    #[test]
    fn a_crowd_is_never_copied_to_be_kept_nor_to_grow() {
        let mut subscribers = Subscribers::default();
        (0..1_000).for_each(|connection| subscribers.insert(TOPIC, connection));
        let place = |list: Option<List>| match list {
            Some(List::Many(many)) => (Rc::as_ptr(&many), many.capacity()),
            other => panic!("{other:?}"),
        };
        let (kept, room) = place(subscribers.of(TOPIC));
        assert_eq!(place(subscribers.of(TOPIC)), (kept, room));
        subscribers.insert(TOPIC, 1_000);
        assert_eq!(
            place(subscribers.of(TOPIC)),
            (kept, room),
            "nobody keeps it"
        );
    }
}
