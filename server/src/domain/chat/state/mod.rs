//! The rows of the chat, and every way to change them.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart: a row and its hash appear and disappear in one function. A message changes one
//! number here, however many are told of it; what it says is in the log alone. Hash maps are never
//! iterated; names, which people choose, are in an ordered one, since the hash has no secret.
//! `save` writes the rows for a snapshot. Deliberately absent: rules, and texts.

mod save;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use foldhash::fast::FixedState;
use protocol::{UserId, words::chat::PUBLIC};

use super::members::{Member, Members};
use crate::domain::digest::Digest;

type Map<K, V> = hashbrown::HashMap<K, V, FixedState>;

const TABLE_PRIVATE: u8 = 1;
const TABLE_ROOM: u8 = 2;
const TABLE_GROUP: u8 = 3;
const TABLE_LENGTH: u8 = 4;
const TABLE_MEMBER: u8 = 5;

/// Every conversation and everybody in it.
#[derive(Debug, Default)]
pub struct Chat {
    // Everybody is in it; only those who marked something have a row there.
    public: Conversation,
    // All others. A group or private conversation that nobody is in any more has no row.
    conversations: Map<u64, Conversation>,
    // Rooms are never closed and ids rise, so pushing keeps the order.
    rooms: Vec<u64>,
    room_names: BTreeMap<Box<str>, u64>,
    // The private conversation of two people.
    private: Map<Pair, u64>,
    // Only people who are in some conversation other than the public one.
    people: Map<UserId, Person>,
    digest: Digest,
}

/// A conversation. Its entries are in the log.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) sort: Sort,
    /// Its last entry; 0 when there is none.
    pub(super) last: u64,
    pub(super) members: Members,
}

impl Conversation {
    /// Whether nobody can ever say or read anything here again.
    fn is_over(&self) -> bool {
        match self.sort {
            Sort::Private(_) | Sort::Group { .. } => self.members.is_empty(),
            Sort::Public | Sort::Room { .. } => false,
        }
    }
}

/// What sort a conversation is, and what only that sort has.
#[derive(Debug, Default)]
pub(super) enum Sort {
    #[default]
    Public,
    /// Stays when one of the two is erased: for the other nothing changes.
    Private(Pair),
    Room {
        name: Box<str>,
    },
    Group {
        name: Box<str>,
        /// Who made it, until they leave.
        creator: Option<UserId>,
    },
}

/// Two people, whichever of them is named first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair([UserId; 2]);

impl Pair {
    pub(super) fn new(one: UserId, other: UserId) -> Self {
        Self([one.min(other), one.max(other)])
    }

    pub(super) const fn both(self) -> [UserId; 2] {
        self.0
    }

    pub(super) fn other(self, user: UserId) -> UserId {
        let Self([low, high]) = self;
        if low == user { high } else { low }
    }
}

/// Where somebody is.
#[derive(Debug, Default)]
pub(super) struct Person {
    conversations: BTreeSet<u64>,
    pub(super) rooms: usize,
    pub(super) groups: usize,
}

impl Person {
    /// How many conversations of this sort they are in, where somebody counts.
    const fn count_mut(&mut self, sort: &Sort) -> Option<&mut usize> {
        match sort {
            Sort::Room { .. } => Some(&mut self.rooms),
            Sort::Group { .. } => Some(&mut self.groups),
            Sort::Public | Sort::Private(_) => None,
        }
    }
}

// What the shell looks up.
impl Chat {
    /// The room of this name.
    #[must_use]
    pub fn room_named(&self, name: &str) -> Option<u64> {
        self.room_names.get(name).copied()
    }

    /// The name of a room or a group; nothing else has one.
    #[must_use]
    pub fn name(&self, conversation: u64) -> Option<&str> {
        match &self.conversation(conversation)?.sort {
            Sort::Public | Sort::Private(_) => None,
            Sort::Room { name } | Sort::Group { name, .. } => Some(name),
        }
    }
}

// Reading.
impl Chat {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn conversation(&self, id: u64) -> Option<&Conversation> {
        match id {
            PUBLIC => Some(&self.public),
            id => self.conversations.get(&id),
        }
    }

    pub(super) fn private_of(&self, pair: Pair) -> Option<u64> {
        self.private.get(&pair).copied()
    }

    /// The rooms after this one, in the order they were made.
    pub(super) fn rooms_after(&self, room: u64) -> impl Iterator<Item = (u64, &Conversation)> {
        let first = self.rooms.partition_point(|id| *id <= room);
        let ids = self.rooms[first..].iter();
        ids.filter_map(|id| Some((*id, self.conversations.get(id)?)))
    }

    pub(super) fn person(&self, user: UserId) -> Option<&Person> {
        self.people.get(&user)
    }

    /// The conversations somebody is in after this one, without the public one, by id.
    pub(super) fn conversations_after(
        &self,
        user: UserId,
        id: u64,
    ) -> impl Iterator<Item = (u64, &Conversation)> {
        let ids = self.person(user).map(|person| {
            let behind = (Excluded(id), Unbounded);
            person.conversations.range(behind).copied()
        });
        ids.into_iter()
            .flatten()
            .filter_map(|id| Some((id, self.conversations.get(&id)?)))
    }
}

// Writing. Each function changes rows and digest together.
impl Chat {
    pub(super) fn insert_conversation(&mut self, id: u64, sort: Sort) {
        self.note_sort(id, &sort);
        insert_sort(&mut self.digest, id, &sort);
        let conversation = Conversation {
            sort,
            ..Conversation::default()
        };
        self.conversations.insert(id, conversation);
    }

    /// Where a new conversation is found by what sort it is.
    fn note_sort(&mut self, id: u64, sort: &Sort) {
        match sort {
            Sort::Public => panic!("the public conversation is there from the start"),
            Sort::Private(pair) => {
                self.private.insert(*pair, id);
            }
            Sort::Room { name } => {
                self.rooms.push(id);
                self.room_names.insert(name.clone(), id);
            }
            Sort::Group { .. } => {}
        }
    }

    /// This is the last entry now.
    pub(super) fn set_last(&mut self, id: u64, last: u64) {
        let (conversation, digest) = self.row(id);
        let before = std::mem::replace(&mut conversation.last, last);
        remove_length(digest, id, before);
        digest.insert(TABLE_LENGTH, [id, last]);
    }

    pub(super) fn rename_group(&mut self, id: u64, to: &str) {
        let (conversation, digest) = self.row(id);
        remove_sort(digest, id, &conversation.sort);
        match &mut conversation.sort {
            Sort::Group { name, .. } => *name = to.into(),
            Sort::Public | Sort::Private(_) | Sort::Room { .. } => panic!("{id} is no group"),
        }
        insert_sort(digest, id, &conversation.sort);
    }

    /// Somebody is in a conversation from now on; not for the public one.
    pub(super) fn insert_member(&mut self, id: u64, user: UserId, member: Member) {
        self.set_member(id, user, member);
        note_place(&mut self.people, (id, &self.conversations[&id].sort), user);
    }

    /// Somebody is as far as this now.
    pub(super) fn set_member(&mut self, id: u64, user: UserId, member: Member) {
        let (conversation, digest) = self.row(id);
        if let Some(before) = conversation.members.insert(user, member) {
            digest.remove(TABLE_MEMBER, columns(id, user, before));
        }
        digest.insert(TABLE_MEMBER, columns(id, user, member));
    }

    /// Somebody is in a conversation no more. A group or private conversation goes with the last.
    pub(super) fn remove_member(&mut self, id: u64, user: UserId) {
        self.remove_person_from(id, user);
        let (conversation, digest) = self.row(id);
        let member = conversation.members.remove(user);
        let member = member.expect("only a member can be one no more");
        digest.remove(TABLE_MEMBER, columns(id, user, member));
        if conversation.is_over() {
            self.remove_conversation(id);
        } else {
            self.remove_creator(id, user);
        }
    }

    /// Nothing of `user` is left but the number by which the other half of a private conversation
    /// knows it.
    pub(super) fn remove_person(&mut self, user: UserId) {
        let ids: Vec<u64> = self
            .conversations_after(user, 0)
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            self.remove_member(id, user);
        }
        if let Some(member) = self.public.members.remove(user) {
            self.digest
                .remove(TABLE_MEMBER, columns(PUBLIC, user, member));
        }
    }

    fn remove_person_from(&mut self, id: u64, user: UserId) {
        let person = self.people.get_mut(&user);
        let person = person.expect("whoever is in a conversation has a row");
        person.conversations.remove(&id);
        if let Some(count) = person.count_mut(&self.conversations[&id].sort) {
            *count -= 1;
        }
        if person.conversations.is_empty() {
            self.people.remove(&user);
        }
    }

    /// Whoever made a group and leaves it has no more to say there than others, even on return.
    fn remove_creator(&mut self, id: u64, user: UserId) {
        let (conversation, digest) = self.row(id);
        let Sort::Group { name, creator } = &mut conversation.sort else {
            return;
        };
        if *creator == Some(user) {
            digest.remove_text(TABLE_GROUP, [id, user.0], name);
            *creator = None;
            insert_sort(digest, id, &conversation.sort);
        }
    }

    fn remove_conversation(&mut self, id: u64) {
        let conversation = self.conversations.remove(&id);
        let conversation = conversation.expect("its last member was just taken out");
        remove_sort(&mut self.digest, id, &conversation.sort);
        remove_length(&mut self.digest, id, conversation.last);
        if let Sort::Private(pair) = conversation.sort {
            self.private.remove(&pair);
        }
    }

    fn row(&mut self, id: u64) -> (&mut Conversation, &mut Digest) {
        let conversation = match id {
            PUBLIC => Some(&mut self.public),
            id => self.conversations.get_mut(&id),
        };
        let conversation = conversation.expect("events name only conversations that exist");
        (conversation, &mut self.digest)
    }
}

/// Where somebody is from now on.
fn note_place(people: &mut Map<UserId, Person>, (id, sort): (u64, &Sort), user: UserId) {
    let person = people.entry(user).or_default();
    person.conversations.insert(id);
    if let Some(count) = person.count_mut(sort) {
        *count += 1;
    }
}

fn columns(id: u64, user: UserId, member: Member) -> [u64; 5] {
    [id, user.0, member.since.0, member.delivered, member.read]
}

/// A conversation without entries has no row of its length, the public one of an empty log too.
fn remove_length(digest: &mut Digest, id: u64, last: u64) {
    if last != 0 {
        digest.remove(TABLE_LENGTH, [id, last]);
    }
}

fn insert_sort(digest: &mut Digest, id: u64, sort: &Sort) {
    match sort {
        Sort::Public => {}
        Sort::Private(Pair([low, high])) => digest.insert(TABLE_PRIVATE, [id, low.0, high.0]),
        Sort::Room { name } => digest.insert_text(TABLE_ROOM, [id], name),
        Sort::Group { name, creator } => {
            digest.insert_text(TABLE_GROUP, [id, creator_column(*creator)], name);
        }
    }
}

fn remove_sort(digest: &mut Digest, id: u64, sort: &Sort) {
    match sort {
        Sort::Public => {}
        Sort::Private(Pair([low, high])) => digest.remove(TABLE_PRIVATE, [id, low.0, high.0]),
        Sort::Room { name } => digest.remove_text(TABLE_ROOM, [id], name),
        Sort::Group { name, creator } => {
            digest.remove_text(TABLE_GROUP, [id, creator_column(*creator)], name);
        }
    }
}

fn creator_column(creator: Option<UserId>) -> u64 {
    creator.unwrap_or(UserId::NOBODY).0
}

#[cfg(test)]
impl Chat {
    /// The digest of the rows as they are now, from nothing; and that the maps agree. A sum does
    /// not depend on the order in which a hash map is walked.
    pub(super) fn recomputed_digest(&self) -> Digest {
        let mut digest = Digest::default();
        let mut places = 0;
        count_in(&mut digest, PUBLIC, &self.public);
        for (id, conversation) in &self.conversations {
            insert_sort(&mut digest, *id, &conversation.sort);
            count_in(&mut digest, *id, conversation);
            assert!(!conversation.is_over(), "{id} is kept for nobody");
            for (user, _) in conversation.members.after(UserId::NOBODY, usize::MAX) {
                assert!(self.people[&user].conversations.contains(id));
                places += 1;
            }
            match &conversation.sort {
                Sort::Public => panic!("there is one public conversation"),
                Sort::Private(pair) => assert_eq!(self.private_of(*pair), Some(*id)),
                Sort::Room { name } => assert_eq!(self.room_named(name), Some(*id)),
                Sort::Group { creator, .. } => {
                    assert!(creator.is_none_or(|user| conversation.members.contains(user)));
                }
            }
        }
        self.check_lists(places);
        digest
    }

    /// Nothing is listed that is not there.
    fn check_lists(&self, places: usize) {
        let mut listed = 0;
        for person in self.people.values() {
            assert!(!person.conversations.is_empty(), "an empty list is no row");
            let counted = |is_counted: fn(&Sort) -> bool| {
                let ids = person.conversations.iter();
                ids.filter(|id| is_counted(&self.conversations[*id].sort))
                    .count()
            };
            assert_eq!(person.rooms, counted(|it| matches!(it, Sort::Room { .. })));
            assert_eq!(
                person.groups,
                counted(|it| matches!(it, Sort::Group { .. }))
            );
            listed += person.conversations.len();
        }
        assert_eq!(listed, places);
        let sorted = |is_counted: fn(&Sort) -> bool| {
            let conversations = self.conversations.values();
            conversations.filter(|it| is_counted(&it.sort)).count()
        };
        assert_eq!(
            self.private.len(),
            sorted(|it| matches!(it, Sort::Private(_)))
        );
        let rooms = sorted(|it| matches!(it, Sort::Room { .. }));
        assert_eq!((self.rooms.len(), self.room_names.len()), (rooms, rooms));
    }

    /// Every conversation there is, the public one first.
    pub(super) fn conversation_ids(&self) -> BTreeSet<u64> {
        let ids = self.conversations.keys().copied();
        std::iter::once(PUBLIC).chain(ids).collect()
    }
}

#[cfg(test)]
fn count_in(digest: &mut Digest, id: u64, conversation: &Conversation) {
    if conversation.last != 0 {
        digest.insert(TABLE_LENGTH, [id, conversation.last]);
    }
    for (user, member) in conversation.members.after(UserId::NOBODY, usize::MAX) {
        digest.insert(TABLE_MEMBER, columns(id, user, member));
    }
}
