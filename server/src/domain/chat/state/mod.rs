//! The rows of the chat, and every way to change them.
//!
//! Owns the maps and the digest, and is the only file that writes either, so that they cannot
//! drift apart: a row and its hash appear and disappear in one function. A message changes one
//! number here, however many are told of it; what it says is in the log alone. Hash maps are never
//! iterated; names, which people choose, are in an ordered one, since the hash has no secret.
//! `rows` says what a row is, `save` writes them for a snapshot. Deliberately absent: rules, and texts.

mod rows;
mod save;

use std::collections::BTreeMap;
#[cfg(test)]
use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use protocol::{UserId, words::chat::PUBLIC};

pub(super) use self::rows::{Conversation, Sort};
use self::rows::{Kind, Row, Shared, view_private};
use super::{
    members::Member,
    private::{Pair, Private},
};
use crate::{domain::digest::Digest, growth::make_room, u40::U40};

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
    public: Shared,
    // A conversation that nobody is in any more has no row, here and below.
    private: Map<U40, Private>,
    // Rooms and groups. Rooms stay.
    shared: Map<u64, Shared>,
    // Rooms are never closed and ids rise, so pushing keeps the order.
    rooms: Vec<u64>,
    room_names: BTreeMap<Box<str>, u64>,
    // The private conversation of two people.
    pairs: Map<Pair, U40>,
    // Only people who are in some conversation other than the public one.
    people: Map<UserId, Person>,
    digest: Digest,
}

/// Where somebody is.
#[derive(Debug, Default)]
pub(super) struct Person {
    // By id: most are new when somebody comes to them, and stand at the end.
    conversations: Vec<U40>,
    pub(super) rooms: usize,
    pub(super) groups: usize,
}

impl Person {
    fn insert(&mut self, id: U40) {
        if let Err(place) = self.place(id.get()) {
            make_room(&mut self.conversations);
            self.conversations.insert(place, id);
        }
    }

    fn remove(&mut self, id: U40) {
        if let Ok(place) = self.place(id.get()) {
            self.conversations.remove(place);
        }
    }

    /// Where a conversation is in the list, or belongs.
    fn place(&self, id: u64) -> Result<usize, usize> {
        self.conversations.binary_search_by_key(&id, |it| it.get())
    }

    /// How many conversations of this sort they are in, where somebody counts.
    const fn count_mut(&mut self, sort: Sort<'_>) -> Option<&mut usize> {
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
        match self.conversation(conversation)?.sort {
            Sort::Public | Sort::Private(_) => None,
            Sort::Room { name } | Sort::Group { name, .. } => Some(name),
        }
    }

    /// With whom `user` has this private conversation.
    #[must_use]
    pub fn partner(&self, conversation: u64, user: UserId) -> Option<UserId> {
        match self.conversation(conversation)?.sort {
            Sort::Private(pair) => Some(pair.other(user)),
            Sort::Public | Sort::Room { .. } | Sort::Group { .. } => None,
        }
    }
}

// Reading.
impl Chat {
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn conversation(&self, id: u64) -> Option<Conversation<'_>> {
        if id == PUBLIC {
            return Some(self.public.view());
        }
        if let Some(shared) = self.shared.get(&id) {
            return Some(shared.view());
        }
        let private = self.private.get(&U40::new(id)?)?;
        Some(view_private(id, private))
    }

    pub(super) fn private_of(&self, pair: Pair) -> Option<u64> {
        self.pairs.get(&pair).map(|id| id.get())
    }

    /// The rooms after this one, in the order they were made.
    pub(super) fn rooms_after(&self, room: u64) -> impl Iterator<Item = (u64, Conversation<'_>)> {
        let first = self.rooms.partition_point(|id| *id <= room);
        let ids = self.rooms[first..].iter();
        ids.filter_map(|id| Some((*id, self.conversation(*id)?)))
    }

    pub(super) fn person(&self, user: UserId) -> Option<&Person> {
        self.people.get(&user)
    }

    /// The conversations somebody is in after this one, without the public one, by id.
    pub(super) fn conversations_after(
        &self,
        user: UserId,
        id: u64,
    ) -> impl Iterator<Item = (u64, Conversation<'_>)> {
        let ids = self.person(user).map_or(&[][..], |person| {
            let first = person.conversations.partition_point(|it| it.get() <= id);
            &person.conversations[first..]
        });
        ids.iter()
            .filter_map(|id| Some((id.get(), self.conversation(id.get())?)))
    }
}

// Writing. Each function changes rows and digest together.
impl Chat {
    pub(super) fn insert_conversation(&mut self, id: u64, sort: Sort<'_>) {
        insert_sort(&mut self.digest, id, sort);
        match sort {
            Sort::Public => panic!("the public conversation is there from the start"),
            Sort::Private(pair) => self.put_private(id, Private::new(pair)),
            Sort::Room { name } => {
                let name = name.into();
                self.put_shared(id, Shared::new(Kind::Room { name }));
            }
            Sort::Group { name, creator } => {
                let name = name.into();
                self.put_shared(id, Shared::new(Kind::Group { name, creator }));
            }
        }
    }

    /// Puts in a row, and where it is found.
    fn put_private(&mut self, id: u64, private: Private) {
        let id = U40::of_position(id);
        self.pairs.insert(private.pair(), id);
        self.private.insert(id, private);
    }

    /// The same of a room or group.
    fn put_shared(&mut self, id: u64, shared: Shared) {
        if let Kind::Room { name } = &shared.kind {
            self.rooms.push(id);
            self.room_names.insert(name.clone(), id);
        }
        self.shared.insert(id, shared);
    }

    /// This is the last entry now.
    pub(super) fn set_last(&mut self, id: u64, last: u64) {
        let (mut row, digest) = self.row(id);
        remove_length(digest, id, row.view().last);
        row.set_last(last);
        digest.insert(TABLE_LENGTH, [id, last]);
    }

    pub(super) fn rename_group(&mut self, id: u64, to: &str) {
        let Some(Shared {
            kind: Kind::Group { name, creator },
            ..
        }) = self.shared.get_mut(&id)
        else {
            panic!("{id} is no group");
        };
        let columns = [id, creator_column(*creator)];
        self.digest.remove_text(TABLE_GROUP, columns, name);
        *name = to.into();
        self.digest.insert_text(TABLE_GROUP, columns, name);
    }

    /// Somebody is in a conversation from now on; not for the public one.
    pub(super) fn insert_member(&mut self, id: u64, user: UserId, member: Member) {
        self.set_member(id, user, member);
        self.note_place(id, user);
    }

    /// Somebody is as far as this now.
    pub(super) fn set_member(&mut self, id: u64, user: UserId, member: Member) {
        let (mut row, digest) = self.row(id);
        if let Some(before) = row.insert(user, member) {
            digest.remove(TABLE_MEMBER, columns(id, user, before));
        }
        digest.insert(TABLE_MEMBER, columns(id, user, member));
    }

    /// Somebody is in a conversation no more. A group or private conversation goes with the last.
    pub(super) fn remove_member(&mut self, id: u64, user: UserId) {
        self.remove_person_from(id, user);
        let (mut row, digest) = self.row(id);
        let member = row.remove(user);
        let member = member.expect("only a member can be one no more");
        digest.remove(TABLE_MEMBER, columns(id, user, member));
        if row.view().is_over() {
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
        // From the end of their list, where nothing stands behind that would be moved.
        for id in ids.into_iter().rev() {
            self.remove_member(id, user);
        }
        if let Some(member) = self.public.members.remove(user) {
            self.digest
                .remove(TABLE_MEMBER, columns(PUBLIC, user, member));
        }
    }

    /// Where somebody is from now on.
    fn note_place(&mut self, id: u64, user: UserId) {
        let (row, people) = self.place(id);
        let person = people.entry(user).or_default();
        person.insert(U40::of_position(id));
        if let Some(count) = person.count_mut(row.view().sort) {
            *count += 1;
        }
    }

    fn remove_person_from(&mut self, id: u64, user: UserId) {
        let (row, people) = self.place(id);
        let person = people.get_mut(&user);
        let person = person.expect("whoever is in a conversation has a row");
        person.remove(U40::of_position(id));
        if let Some(count) = person.count_mut(row.view().sort) {
            *count -= 1;
        }
        if person.conversations.is_empty() {
            people.remove(&user);
        }
    }

    /// Whoever made a group and leaves it has no more to say there than others, even on return.
    fn remove_creator(&mut self, id: u64, user: UserId) {
        let shared = self.shared.get_mut(&id);
        if let Some(Kind::Group { name, creator }) = shared.map(|shared| &mut shared.kind)
            && *creator == Some(user)
        {
            *creator = None;
            self.digest.remove_text(TABLE_GROUP, [id, user.0], name);
            let columns = [id, creator_column(None)];
            self.digest.insert_text(TABLE_GROUP, columns, name);
        }
    }

    fn remove_conversation(&mut self, id: u64) {
        let (row, digest) = self.row(id);
        let Conversation { sort, last, .. } = row.view();
        remove_sort(digest, id, sort);
        remove_length(digest, id, last);
        if let Sort::Private(pair) = sort {
            self.pairs.remove(&pair);
            self.private.remove(&U40::of_position(id));
        } else {
            self.shared.remove(&id);
        }
    }

    fn row(&mut self, id: u64) -> (Row<'_>, &mut Digest) {
        let row = find(&mut self.public, &mut self.shared, &mut self.private, id);
        (row, &mut self.digest)
    }

    /// A conversation and where everybody is.
    fn place(&mut self, id: u64) -> (Row<'_>, &mut Map<UserId, Person>) {
        let row = find(&mut self.public, &mut self.shared, &mut self.private, id);
        (row, &mut self.people)
    }
}

/// The row of a conversation.
fn find<'a>(
    public: &'a mut Shared,
    shared: &'a mut Map<u64, Shared>,
    private: &'a mut Map<U40, Private>,
    id: u64,
) -> Row<'a> {
    if id == PUBLIC {
        return Row::Shared(public);
    }
    if let Some(shared) = shared.get_mut(&id) {
        return Row::Shared(shared);
    }
    let private = private.get_mut(&U40::of_position(id));
    let private = private.expect("events name only conversations that exist");
    Row::Private(id, private)
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

fn insert_sort(digest: &mut Digest, id: u64, sort: Sort<'_>) {
    match sort {
        Sort::Public => {}
        Sort::Private(pair) => digest.insert(TABLE_PRIVATE, private_columns(id, pair)),
        Sort::Room { name } => digest.insert_text(TABLE_ROOM, [id], name),
        Sort::Group { name, creator } => {
            digest.insert_text(TABLE_GROUP, [id, creator_column(creator)], name);
        }
    }
}

fn remove_sort(digest: &mut Digest, id: u64, sort: Sort<'_>) {
    match sort {
        Sort::Public => {}
        Sort::Private(pair) => digest.remove(TABLE_PRIVATE, private_columns(id, pair)),
        Sort::Room { name } => digest.remove_text(TABLE_ROOM, [id], name),
        Sort::Group { name, creator } => {
            digest.remove_text(TABLE_GROUP, [id, creator_column(creator)], name);
        }
    }
}

fn private_columns(id: u64, pair: Pair) -> [u64; 3] {
    let [low, high] = pair.both();
    [id, low.0, high.0]
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
        for id in self.conversation_ids() {
            let conversation = self.conversation(id).expect("it was just listed");
            insert_sort(&mut digest, id, conversation.sort);
            count_in(&mut digest, id, conversation);
            assert!(!conversation.is_over(), "{id} is kept for nobody");
            if id == PUBLIC {
                continue;
            }
            for (user, _) in conversation.members.after(UserId::NOBODY, usize::MAX) {
                assert!(self.people[&user].place(id).is_ok());
                places += 1;
            }
            match conversation.sort {
                Sort::Public => panic!("there is one public conversation"),
                Sort::Private(pair) => assert_eq!(self.private_of(pair), Some(id)),
                Sort::Room { name } => assert_eq!(self.room_named(name), Some(id)),
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
            let ids = &person.conversations;
            assert!(!ids.is_empty(), "an empty list is no row");
            assert!(ids.is_sorted_by(|one, next| one.get() < next.get()));
            let counted = |is_counted: fn(Sort<'_>) -> bool| {
                let found = ids.iter().filter_map(|id| self.conversation(id.get()));
                found.filter(|it| is_counted(it.sort)).count()
            };
            assert_eq!(person.rooms, counted(|it| matches!(it, Sort::Room { .. })));
            let groups = counted(|it| matches!(it, Sort::Group { .. }));
            assert_eq!(person.groups, groups);
            listed += ids.len();
        }
        assert_eq!(listed, places);
        assert_eq!(self.pairs.len(), self.private.len());
        let all = self.shared.values();
        let rooms = all
            .filter(|it| matches!(it.kind, Kind::Room { .. }))
            .count();
        assert_eq!((self.rooms.len(), self.room_names.len()), (rooms, rooms));
    }

    /// Every conversation there is, the public one first.
    pub(super) fn conversation_ids(&self) -> BTreeSet<u64> {
        let private = self.private.keys().map(|id| id.get());
        let shared = self.shared.keys().copied();
        std::iter::once(PUBLIC)
            .chain(private)
            .chain(shared)
            .collect()
    }
}

#[cfg(test)]
fn count_in(digest: &mut Digest, id: u64, conversation: Conversation<'_>) {
    if conversation.last != 0 {
        digest.insert(TABLE_LENGTH, [id, conversation.last]);
    }
    for (user, member) in conversation.members.after(UserId::NOBODY, usize::MAX) {
        digest.insert(TABLE_MEMBER, columns(id, user, member));
    }
}
