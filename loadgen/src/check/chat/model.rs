//! Our own conversations: which entry stands where, who was in them from when to when, and how far
//! everybody had marked.
//!
//! Written from the description of the chat, not from the server's rules. Records go in once, in
//! order; only commands are read, never events, so that indices are counted here and compared there.
//! Deliberately absent: who may do what. What was accepted, happened.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{
    OwnedRecord, UserId,
    words::chat::{Command, Direction, PUBLIC, ReadHistory, Target},
};

use crate::check::{finding::OperationId, ledger::STRANGER, record::Decided};

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) seq: u64,
    client: u32,
    counter: u32,
}

impl Said {
    /// The operation that made it, if it is this run's.
    pub(crate) fn id(&self) -> Option<OperationId> {
        (self.client != STRANGER).then_some((self.client, self.counter))
    }
}

/// Somebody's time in a conversation: from the first position that is for them to the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    pub(crate) conversation: u64,
    pub(crate) begins: u64,
    pub(crate) ends: u64,
}

/// How far somebody marked: delivered, read.
pub(crate) type Marks = (u64, u64);

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Model {
    lines: HashMap<u64, Vec<Said>, FixedState>,
    private: HashMap<(UserId, UserId), u64, FixedState>,
    stays: HashMap<UserId, Vec<Stay>, FixedState>,
    marks: HashMap<(u64, UserId), Marks, FixedState>,
    /// Private conversations and groups, whose members are told how far each other is.
    small: HashSet<u64, FixedState>,
    /// Who is in each room, group and private conversation, and which of them are rooms.
    members: BTreeMap<u64, BTreeSet<UserId>>,
    rooms: BTreeSet<u64>,
    /// Who was erased.
    gone: BTreeSet<UserId>,
    len: usize,
    len_max: usize,
    overflowed: bool,
    records: u64,
}

impl Model {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let one = u64::try_from(size_of::<Said>()).unwrap_or(u64::MAX);
        Self {
            lines: HashMap::with_hasher(FixedState::with_seed(0)),
            private: HashMap::with_hasher(FixedState::with_seed(0)),
            stays: HashMap::with_hasher(FixedState::with_seed(0)),
            marks: HashMap::with_hasher(FixedState::with_seed(0)),
            small: HashSet::with_hasher(FixedState::with_seed(0)),
            members: BTreeMap::new(),
            rooms: BTreeSet::new(),
            gone: BTreeSet::new(),
            len: 0,
            len_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            overflowed: false,
            records: 0,
        }
    }

    /// A record of any system.
    pub(crate) const fn handle_record(&mut self) {
        self.records += 1;
    }

    /// Whether there is a log to judge by, and all of it was kept.
    pub(crate) const fn is_whole(&self) -> bool {
        0 < self.records && !self.overflowed
    }

    /// Applies one decided command. For one that is an entry: of which conversation, at which index.
    pub(crate) fn apply(
        &mut self,
        record: &OwnedRecord,
        decided: &Decided<Command>,
        minted: Option<OperationId>,
    ) -> Option<(u64, u64)> {
        if !decided.accepted {
            return None;
        }
        let (seq, actor) = (record.seq.0, record.actor);
        match &decided.command {
            Command::Send(word) => {
                let conversation = self.conversation(seq, actor, word.to);
                self.say(conversation, record, minted)
            }
            Command::CreateRoom(_) => {
                self.rooms.insert(seq);
                self.begin(actor, seq, seq, 0);
                None
            }
            Command::JoinRoom(word) => {
                // What joins a room is no entry: what is for them begins behind it.
                let last = self.last(word.room);
                self.begin(actor, word.room, seq + 1, last);
                None
            }
            Command::LeaveRoom(word) => {
                self.end(actor, word.room, seq);
                None
            }
            Command::CreateGroup(word) => {
                let founders: BTreeSet<UserId> =
                    word.members.iter().copied().chain([actor]).collect();
                for user in founders {
                    self.begin(user, seq, seq, 0);
                }
                self.small.insert(seq);
                self.say(seq, record, minted)
            }
            Command::AddMember(word) => {
                let last = self.last(word.group);
                self.begin(word.user, word.group, seq, last);
                self.say(word.group, record, minted)
            }
            Command::RemoveMember(word) => {
                self.end(word.user, word.group, seq);
                self.say(word.group, record, minted)
            }
            Command::LeaveGroup(word) => {
                self.end(actor, word.group, seq);
                self.say(word.group, record, minted)
            }
            Command::RenameGroup(word) => self.say(word.group, record, minted),
            Command::MarkDelivered(word) => {
                let marks = self.marks.entry((word.conversation, actor)).or_default();
                marks.0 = marks.0.max(word.index);
                None
            }
            Command::MarkRead(word) => {
                let marks = self.marks.entry((word.conversation, actor)).or_default();
                *marks = (marks.0.max(word.index), marks.1.max(word.index));
                None
            }
        }
    }

    /// Which conversation a message is of. A private one begins with its first message.
    fn conversation(&mut self, seq: u64, actor: UserId, to: Target) -> u64 {
        match to {
            Target::Public => PUBLIC,
            Target::Conversation(id) => id,
            Target::Person(user) => {
                let pair = (actor.min(user), actor.max(user));
                if let Some(id) = self.private.get(&pair) {
                    return *id;
                }
                self.private.insert(pair, seq);
                self.small.insert(seq);
                self.begin(actor, seq, seq, 0);
                self.begin(user, seq, seq, 0);
                seq
            }
        }
    }

    fn say(
        &mut self,
        conversation: u64,
        record: &OwnedRecord,
        minted: Option<OperationId>,
    ) -> Option<(u64, u64)> {
        if self.len_max <= self.len {
            self.overflowed = true;
            return None;
        }
        self.len += 1;
        let (client, counter) = minted.unwrap_or((STRANGER, 0));
        let line = self.lines.entry(conversation).or_default();
        line.push(Said {
            seq: record.seq.0,
            client,
            counter,
        });
        Some((conversation, number(line.len())))
    }

    fn begin(&mut self, user: UserId, conversation: u64, begins: u64, last: u64) {
        self.marks.insert((conversation, user), (last, last));
        self.members.entry(conversation).or_default().insert(user);
        self.stays.entry(user).or_default().push(Stay {
            conversation,
            begins,
            ends: u64::MAX,
        });
    }

    /// Whoever leaves is told of that, and of nothing behind it.
    fn end(&mut self, user: UserId, conversation: u64, seq: u64) {
        let mine = self.stays.entry(user).or_default();
        let open = |stay: &&mut Stay| stay.conversation == conversation && stay.ends == u64::MAX;
        if let Some(stay) = mine.iter_mut().find(open) {
            stay.ends = seq;
        }
        self.marks.remove(&(conversation, user));
        if let Some(members) = self.members.get_mut(&conversation) {
            members.remove(&user);
        }
    }

    /// Somebody was erased: they are on no list any more.
    pub(crate) fn forget(&mut self, user: UserId) {
        self.gone.insert(user);
        for members in self.members.values_mut() {
            members.remove(&user);
        }
    }

    /// Whether somebody was erased.
    pub(crate) fn is_gone(&self, user: UserId) -> bool {
        self.gone.contains(&user)
    }

    /// Who is in a room, a group or a private conversation; `None` if there is none such.
    pub(crate) fn members(&self, conversation: u64) -> Option<&BTreeSet<UserId>> {
        self.members.get(&conversation)
    }

    /// The rooms there are, the oldest first.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = u64> + '_ {
        self.rooms.iter().copied()
    }

    /// The conversations somebody is in: the public one, and then the oldest first.
    pub(crate) fn conversations(&self, user: UserId) -> impl Iterator<Item = u64> + '_ {
        let others = self.members.iter();
        let others = others.filter(move |(_, members)| members.contains(&user));
        [PUBLIC].into_iter().chain(others.map(|(id, _)| *id))
    }

    /// The entries of a conversation; entry n is at n - 1.
    pub(crate) fn line(&self, conversation: u64) -> &[Said] {
        self.lines.get(&conversation).map_or(&[], Vec::as_slice)
    }

    /// One entry.
    pub(crate) fn said(&self, conversation: u64, index: u64) -> Option<&Said> {
        let at = usize::try_from(index.checked_sub(1)?).ok()?;
        self.line(conversation).get(at)
    }

    /// The last index of a conversation.
    pub(crate) fn last(&self, conversation: u64) -> u64 {
        number(self.line(conversation).len())
    }

    /// How far somebody marked; whoever never did in the public one is nowhere yet.
    pub(crate) fn marks(&self, conversation: u64, user: UserId) -> Marks {
        let marks = self.marks.get(&(conversation, user));
        marks.copied().unwrap_or_default()
    }

    /// Whether the members of a conversation are told how far each other is.
    pub(crate) fn shows_receipts(&self, conversation: u64) -> bool {
        self.small.contains(&conversation)
    }

    /// When somebody was where. Everybody is in the public conversation from their beginning.
    pub(crate) fn stays(&self, user: UserId) -> impl Iterator<Item = Stay> + '_ {
        let public = Stay {
            conversation: PUBLIC,
            begins: user.0,
            ends: u64::MAX,
        };
        let others = self.stays.get(&user).map_or(&[][..], Vec::as_slice);
        [public].into_iter().chain(others.iter().copied())
    }

    /// The first and the last index that stand from `from` to `to` in the log; nothing if the first
    /// is above the last.
    pub(crate) fn between(&self, conversation: u64, from: u64, to: u64) -> (u64, u64) {
        let line = self.line(conversation);
        let before = line.partition_point(|said| said.seq < from);
        let upto = line.partition_point(|said| said.seq <= to);
        (number(before) + 1, number(upto))
    }

    /// The positions of a page of a conversation, as a question about it describes them.
    pub(crate) fn page(&self, wanted: &ReadHistory) -> Vec<u64> {
        let line = self.line(wanted.conversation);
        let from = usize::try_from(wanted.from).unwrap_or(usize::MAX);
        let limit = usize::from(wanted.limit);
        let seqs = |said: &Said| said.seq;
        match wanted.direction {
            Direction::Forwards => line.iter().skip(from).take(limit).map(seqs).collect(),
            Direction::Backwards => {
                let end = match from {
                    0 => line.len(),
                    from => line.len().min(from - 1),
                };
                line[..end].iter().rev().take(limit).map(seqs).collect()
            }
        }
    }
}

fn number(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
