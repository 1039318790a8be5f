//! Somebody is told nothing: a small chat that is right by construction, and one client from whom
//! pushes are withheld, drawn from a seed.
//!
//! Whoever it is, from whenever on and whichever pushes, they are convicted of what they owe; and what
//! an honest server may do is never convicted: clients away at the end, pushes still on their way,
//! people who join, leave, are added and removed. The chat is written as the lines of a recorded
//! history, so that a seed that fails can be kept as one.
#![expect(clippy::unwrap_used, reason = "test support")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use reports::record::{LawRecord, Verdict};

use super::{histories::parse, run::law};

const USERS: u32 = 5;
const STEPS: u32 = 90;
const STEP_MS: u64 = 250;

/// Which pushes are withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    Entries,
    Receipts,
}

/// From whom, from which of their pushes on, and what.
#[derive(Debug, Clone, Copy)]
struct Withheld {
    from: u32,
    after: usize,
    what: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Public,
    Private,
    Room,
    Group,
}

#[derive(Debug)]
struct Conversation {
    sort: Sort,
    members: BTreeSet<u32>,
    last: u64,
    marks: BTreeMap<u32, (u64, u64)>,
}

/// Something pushed: where, to whom of those who are away it is kept, and its words.
#[derive(Debug, Clone)]
struct Push {
    seq: u64,
    conversation: u64,
    is_entry: bool,
    words: String,
}

#[derive(Debug, Default)]
struct Device {
    is_up: bool,
    /// The newest push it has.
    has: u64,
    /// The newest position when its connection began.
    newest: u64,
    counter: u32,
    pushes: usize,
    /// Every entry that is for it, as long as it is in the conversation.
    feed: Vec<Push>,
}

struct Chat {
    draw: ChaCha8Rng,
    now: u64,
    seq: u64,
    conversations: BTreeMap<u64, Conversation>,
    devices: Vec<Device>,
    lines: String,
    log: String,
    withheld: Option<Withheld>,
    /// What was owed and not told: entries, and receipts to one that had caught up long before.
    entries_kept: u64,
    receipts_kept: u64,
    /// Since when each device is known to have caught up.
    live: BTreeMap<u32, u64>,
}

impl Chat {
    fn new(seed: u64, withheld: Option<Withheld>) -> Self {
        let public = Conversation {
            sort: Sort::Public,
            members: (0..USERS).collect(),
            last: 0,
            marks: BTreeMap::new(),
        };
        let mut chat = Self {
            draw: ChaCha8Rng::seed_from_u64(seed),
            now: 1,
            seq: u64::from(USERS) + 1,
            conversations: BTreeMap::from([(0, public)]),
            devices: (0..USERS).map(|_| Device::default()).collect(),
            lines: format!("world {USERS} 1\n"),
            log: String::new(),
            withheld,
            entries_kept: 0,
            receipts_kept: 0,
            live: BTreeMap::new(),
        };
        for client in 0..USERS {
            chat.devices[client as usize].has = chat.seq;
            chat.connect(client);
        }
        chat
    }

    fn line(&mut self, line: &str) {
        writeln!(self.lines, "{line}").unwrap();
    }

    fn below(&mut self, bound: usize) -> usize {
        self.draw.random_range(0..bound)
    }

    fn connect(&mut self, client: u32) {
        self.now += 1;
        let (from, newest, now) = (self.devices[client as usize].has, self.seq, self.now);
        self.line(&format!("link {client} {from}:{newest} {now}"));
        if self.withheld.is_some_and(|it| it.from == client) {
            // What was withheld so far is owed by the new connection, if by any.
            (self.entries_kept, self.receipts_kept) = (0, 0);
        }
        self.live.remove(&client);
        let conversations = &self.conversations;
        let device = &mut self.devices[client as usize];
        (device.is_up, device.newest) = (true, newest);
        (device.feed).retain(|push| conversations[&push.conversation].members.contains(&client));
        let missed: Vec<Push> = self.devices[client as usize]
            .feed
            .iter()
            .filter(|push| from < push.seq)
            .cloned()
            .collect();
        for push in missed {
            self.tell(client, &push);
        }
    }

    fn disconnect(&mut self, client: u32) {
        let now = self.now;
        self.line(&format!("link {client} ended {now}"));
        self.devices[client as usize].is_up = false;
    }

    /// Pushes something, or withholds it.
    fn tell(&mut self, client: u32, push: &Push) {
        self.now += 1;
        let device = &mut self.devices[client as usize];
        let number = device.pushes;
        device.pushes += 1;
        let is_withheld = self.withheld.is_some_and(|it| {
            let is_one = match it.what {
                Kept::All => true,
                Kept::Entries => push.is_entry,
                Kept::Receipts => !push.is_entry,
            };
            it.from == client && it.after <= number && is_one
        });
        if is_withheld {
            let is_live = self
                .live
                .get(&client)
                .is_some_and(|at| at + 1_500 <= self.now);
            self.entries_kept += u64::from(push.is_entry);
            self.receipts_kept += u64::from(!push.is_entry && is_live);
            return;
        }
        device.has = device.has.max(push.seq);
        let now = self.now;
        if device.newest < push.seq {
            self.live.entry(client).or_insert(now);
        }
        let (seq, words) = (push.seq, &push.words);
        self.line(&format!("push {client} {words} {seq} {now}"));
    }

    /// A command of a client that is up; its position.
    fn command(&mut self, client: u32, call: &str, shown: &str) -> (u64, u32) {
        self.now += STEP_MS;
        self.seq += 1;
        let counter = self.devices[client as usize].counter;
        self.devices[client as usize].counter += 1;
        let (sent, seq) = (self.now, self.seq);
        let done = sent + 1;
        self.line(&format!(
            "op {client}.{counter} {call} {sent} {done} ok {seq} {shown}"
        ));
        writeln!(self.log, "log {client}.{counter} {call} ok").unwrap();
        self.now += 2;
        (seq, counter)
    }

    /// An entry of a conversation, for those who are in it and `also`.
    fn say(&mut self, id: u64, (seq, by): (u64, (u32, u32)), also: Option<u32>) {
        let conversation = self.conversations.get_mut(&id).unwrap();
        conversation.last += 1;
        let index = conversation.last;
        let to: BTreeSet<u32> = conversation.members.iter().copied().chain(also).collect();
        let push = Push {
            seq,
            conversation: id,
            is_entry: true,
            words: format!("entry {id}:{index}:{}.{}", by.0, by.1),
        };
        for client in to {
            self.devices[client as usize].feed.push(push.clone());
            if self.devices[client as usize].is_up {
                self.tell(client, &push);
            }
        }
    }

    fn begin(&mut self, id: u64, sort: Sort, members: BTreeSet<u32>) {
        let conversation = Conversation {
            sort,
            members,
            last: 0,
            marks: BTreeMap::new(),
        };
        self.conversations.insert(id, conversation);
    }

    /// What is said in a conversation from now on is for this client.
    fn join(&mut self, id: u64, client: u32) {
        let conversation = self.conversations.get_mut(&id).unwrap();
        conversation.members.insert(client);
        let last = conversation.last;
        conversation.marks.insert(client, (last, last));
        let feed = &mut self.devices[client as usize].feed;
        feed.retain(|push| push.conversation != id);
    }

    /// Who leaves is told nothing more of what was said there, if they are away.
    fn leave(&mut self, id: u64, client: u32) {
        let conversation = self.conversations.get_mut(&id).unwrap();
        conversation.members.remove(&client);
        conversation.marks.remove(&client);
        let device = &mut self.devices[client as usize];
        if !device.is_up {
            device.feed.retain(|push| push.conversation != id);
        }
    }

    /// A conversation of this sort that the client is in, or is not.
    fn pick(&mut self, sort: Sort, client: u32, is_in: bool) -> Option<u64> {
        let all = self.conversations.iter();
        let found: Vec<u64> = all
            .filter(|(_, it)| it.sort == sort && it.members.contains(&client) == is_in)
            .map(|(id, _)| *id)
            .collect();
        (!found.is_empty()).then(|| found[self.below(found.len())])
    }

    fn step(&mut self) {
        let client = u32::try_from(self.below(USERS as usize)).unwrap();
        if !self.devices[client as usize].is_up {
            return self.connect(client);
        }
        let other = (client + 1 + u32::try_from(self.below(USERS as usize - 1)).unwrap()) % USERS;
        match self.below(13) {
            0 => self.send(client, 0),
            1 | 2 => self.send_private(client, other),
            3 | 4 => self.group_step(client, other),
            5 => self.room_step(client),
            6 | 7 => {
                let sort = [Sort::Room, Sort::Group][self.below(2)];
                if let Some(id) = self.pick(sort, client, true) {
                    self.send(client, id);
                }
            }
            8..=11 => self.mark(client),
            _away => self.disconnect(client),
        }
    }

    fn send(&mut self, client: u32, id: u64) {
        let index = self.conversations[&id].last + 1;
        let to = if id == 0 {
            "public".to_owned()
        } else {
            format!("c{id}")
        };
        let (seq, counter) = self.command(
            client,
            &format!("send {to}/10"),
            &format!("sent:{id}:{index}"),
        );
        self.say(id, (seq, (client, counter)), None);
    }

    fn send_private(&mut self, client: u32, other: u32) {
        let pair = BTreeSet::from([client, other]);
        let all = self.conversations.iter();
        let known = all
            .filter(|(_, it)| it.sort == Sort::Private && it.members == pair)
            .map(|(id, _)| *id)
            .next();
        let id = known.unwrap_or(self.seq + 1);
        let index = known.map_or(1, |id| self.conversations[&id].last + 1);
        let call = format!("send u{}/10", other + 1);
        let (seq, counter) = self.command(client, &call, &format!("sent:{id}:{index}"));
        if known.is_none() {
            self.begin(id, Sort::Private, pair);
        }
        self.say(id, (seq, (client, counter)), None);
    }

    fn group_step(&mut self, client: u32, other: u32) {
        let Some(id) = self.pick(Sort::Group, client, true) else {
            let call = format!("create-group {}/{}", other + 1, client + 1);
            let (seq, counter) = self.command(client, &call, "");
            self.begin(seq, Sort::Group, BTreeSet::from([client, other]));
            return self.say(seq, (seq, (client, counter)), None);
        };
        let is_in = self.conversations[&id].members.contains(&other);
        match (self.below(3), is_in) {
            (0, true) => {
                let (seq, counter) =
                    self.command(client, &format!("remove-member {id}/{}", other + 1), "");
                let is_up = self.devices[other as usize].is_up;
                self.leave(id, other);
                // Only who is there is told of it.
                self.say(id, (seq, (client, counter)), Some(other).filter(|_| is_up));
            }
            (1, _) => {
                let (seq, counter) = self.command(client, &format!("leave-group {id}"), "");
                self.leave(id, client);
                self.say(id, (seq, (client, counter)), Some(client));
            }
            (_, false) => {
                let (seq, counter) =
                    self.command(client, &format!("add-member {id}/{}", other + 1), "");
                self.join(id, other);
                self.say(id, (seq, (client, counter)), None);
            }
            (_, true) => self.send(client, id),
        }
    }

    fn room_step(&mut self, client: u32) {
        if let Some(id) = self.pick(Sort::Room, client, false) {
            self.command(client, &format!("join-room {id}"), "");
            self.join(id, client);
        } else if let Some(id) = self.pick(Sort::Room, client, true) {
            self.command(client, &format!("leave-room {id}"), "");
            self.leave(id, client);
        } else {
            let (seq, _) = self.command(client, "create-room -", "");
            self.begin(seq, Sort::Room, BTreeSet::from([client]));
        }
    }

    /// Marks all that there is, if that is more than before.
    fn mark(&mut self, client: u32) {
        let sort = [Sort::Private, Sort::Group][self.below(2)];
        let Some(id) = self.pick(sort, client, true) else {
            return;
        };
        let conversation = self.conversations.get_mut(&id).unwrap();
        let last = conversation.last;
        let marks = conversation.marks.entry(client).or_default();
        if last <= marks.0 {
            return;
        }
        marks.0 = last;
        let (delivered, read) = *marks;
        let (seq, _) = self.command(client, &format!("mark-delivered {id}/{last}"), "");
        let push = Push {
            seq,
            conversation: id,
            is_entry: false,
            words: format!("receipt {id}:{}:{delivered}:{read}", client + 1),
        };
        for member in self.conversations[&id].members.clone() {
            if self.devices[member as usize].is_up {
                self.tell(member, &push);
            }
        }
    }

    /// Everybody but those who stay away is waited for.
    fn finish(mut self, is_settled: bool) -> (Vec<LawRecord>, Self) {
        let late = if is_settled { "" } else { " late" };
        let seq = self.seq;
        for client in 0..USERS {
            let is_deaf = self.withheld.is_some_and(|it| it.from == client);
            if is_deaf && !self.devices[client as usize].is_up {
                self.connect(client);
            }
            if self.devices[client as usize].is_up {
                self.line(&format!("drained {client} {seq}{late}"));
            }
        }
        let text = format!("{}{}", self.lines, self.log);
        (parse(&text).run.judge(), self)
    }
}

fn played(seed: u64, withheld: Option<Withheld>) -> Chat {
    let mut chat = Chat::new(seed, withheld);
    for _step in 0..STEPS {
        chat.step();
    }
    chat
}

fn invalid(laws: &[LawRecord]) -> Vec<&LawRecord> {
    laws.iter()
        .filter(|law| law.verdict == Verdict::Invalid)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_honest_server_is_never_convicted(seed in any::<u64>(), is_settled in any::<bool>()) {
        let (laws, chat) = played(seed, None).finish(is_settled);
        prop_assert!(invalid(&laws).is_empty(), "{:#?}\n{}{}", invalid(&laws), chat.lines, chat.log);
    }

    #[test]
    fn pushes_that_are_still_on_their_way_are_not_lost(
        seed in any::<u64>(),
        from in 0..USERS,
        after in 0..60_usize,
    ) {
        // What never comes and what is late look alike as long as things are still coming.
        let withheld = Withheld { from, after, what: Kept::All };
        let (laws, chat) = played(seed, Some(withheld)).finish(false);
        prop_assert!(invalid(&laws).is_empty(), "{:#?}\n{}{}", invalid(&laws), chat.lines, chat.log);
        let is_owed = 0 < chat.entries_kept;
        let drained = law(&laws, "backlog-drained").verdict;
        prop_assert!(!is_owed || drained == Verdict::Unknown, "{drained:?}");
    }

    #[test]
    fn whoever_is_told_nothing_is_convicted_for(
        seed in any::<u64>(),
        from in 0..USERS,
        after in prop_oneof![Just(0), 0..60_usize],
        is_all in any::<bool>(),
    ) {
        let what = if is_all { Kept::All } else { Kept::Entries };
        let (laws, chat) = played(seed, Some(Withheld { from, after, what })).finish(true);
        prop_assume!(0 < chat.entries_kept);
        let names = ["no-lost-message", "everybody-has-it"];
        for name in names {
            let verdict = law(&laws, name).verdict;
            prop_assert_eq!(verdict, Verdict::Invalid, "{}\n{}{}", name, chat.lines, chat.log);
        }
    }

    #[test]
    fn receipts_that_are_kept_from_somebody_are_missed(
        seed in any::<u64>(),
        from in 0..USERS,
        after in prop_oneof![Just(0), 0..60_usize],
    ) {
        let withheld = Withheld { from, after, what: Kept::Receipts };
        let (laws, chat) = played(seed, Some(withheld)).finish(true);
        prop_assume!(0 < chat.receipts_kept);
        let verdict = law(&laws, "pushes-complete").verdict;
        prop_assert_eq!(verdict, Verdict::Invalid, "{}{}", chat.lines, chat.log);
        let lost = law(&laws, "no-lost-message").verdict;
        prop_assert_ne!(lost, Verdict::Invalid, "no entry was withheld");
    }
}
