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
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    topics: HashMap<Topic, Rc<Vec<u64>>, FixedState>,
}

impl Followers {
    /// From now on `connection` is told of `topic`.
    pub(crate) fn insert(&mut self, topic: Topic, connection: u64) {
        Rc::make_mut(self.topics.entry(topic).or_default()).push(connection);
    }

    /// From now on it is not.
    pub(crate) fn remove(&mut self, topic: Topic, connection: u64) {
        let Some(list) = self.topics.get_mut(&topic) else {
            return;
        };
        let list = Rc::make_mut(list);
        if let Some(place) = list.iter().position(|other| *other == connection) {
            list.swap_remove(place);
        }
        if list.is_empty() {
            self.topics.remove(&topic);
        }
    }

    /// Whom to tell.
    pub(crate) fn of(&self, topic: Topic) -> Option<Rc<Vec<u64>>> {
        self.topics.get(&topic).cloned()
    }
}
