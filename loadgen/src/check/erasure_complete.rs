//! The right to erasure: whoever was erased is shown to nobody any more, and nobody else is missing.
//!
//! The log says at which position somebody was erased, also where nobody was told. An answer states
//! the position it reflects, and a connection the newest one there was when its pushes began: what
//! they show from there on may have nothing of that person. Kept of everybody who asked to be erased
//! is the last position at which each sort of thing was shown of them. The other way round, a text
//! without words is right only of somebody who was erased. Deliberately absent: what they leave to
//! others (places, sums, indexes), which the laws of each system compare with the log; and who is
//! here, which `presence-accurate` has.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use protocol::{OwnedRecord, UserId, words::sales::Part};

use crate::operation::{
    Call, ChatSeen, LinkChange, Observed, Operation, Outcome, Push, SalesCall, SalesSeen,
    ShownEntry, Words,
};

use super::{
    finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
    law::{Completed, Ended, Invoked, Law, Linked, Logged, Pushed},
    laws::LawOptions,
    log_chained::of_record,
    record::{erased, is_accepted},
    world::World,
};

/// What was shown of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum What {
    /// A text, in an answer.
    Words,
    /// The same, pushed to somebody who came later.
    Pushed,
    /// Themselves, on a list of people.
    Listed,
    /// Themselves, as a seller.
    Sold,
}

impl What {
    const fn text(self) -> &'static str {
        match self {
            Self::Words => "what they said",
            Self::Pushed => "what they said, pushed,",
            Self::Listed => "them on a list of people",
            Self::Sold => "them as a seller",
        }
    }
}

/// When somebody was shown it, and by what.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// The position as of which it was shown.
    seq: u64,
    client: u32,
    /// The operation that showed it; `None` for a push.
    counter: Option<u32>,
}

impl Sighting {
    const fn of(operation: &Operation) -> Self {
        Self {
            seq: operation.seq,
            client: operation.client,
            counter: Some(operation.counter),
        }
    }

    fn witness(&self, what: &str) -> Witness {
        match self.counter {
            Some(counter) => Witness::Asked((self.client, counter)),
            None => Witness::told(
                format!("client {}", self.client),
                "subscribed".to_owned(),
                format!("pushed: {what}"),
                self.seq,
            ),
        }
    }
}

/// Where the log has an erasure, and who asked for it.
#[derive(Debug, Clone, Copy)]
struct Erasure {
    seq: u64,
    by: Option<OperationId>,
}

/// The law.
#[derive(Debug)]
pub(crate) struct ErasureComplete {
    /// Who asked to be erased.
    asked: HashSet<UserId, FixedState>,
    /// Of them: the last time that each sort of thing was shown.
    last: BTreeMap<(UserId, What), Sighting>,
    /// By author: the first time that a text of theirs had no words.
    wordless: BTreeMap<UserId, Sighting>,
    /// By client: the newest position when its connection began.
    newest: HashMap<u32, u64, FixedState>,
    erasures: BTreeMap<UserId, Erasure>,
    records: u64,
    texts: u64,
    lists: u64,
    finding: Finding,
}

impl Law for ErasureComplete {
    const ABOUT: About = About {
        name: "erasure-complete",
        demands: "Whoever was erased is shown to nobody from there on, neither their words nor themselves, and does nothing; everybody else's words stay.",
        confidence: "certificate: positions of answers and connections against the erasure in the log",
        topic: Topic::Itself,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            asked: HashSet::with_hasher(FixedState::with_seed(0)),
            last: BTreeMap::new(),
            wordless: BTreeMap::new(),
            newest: HashMap::with_hasher(FixedState::with_seed(0)),
            erasures: BTreeMap::new(),
            records: 0,
            texts: 0,
            lists: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if *invoked.call == Call::EraseMe {
            self.asked.insert(invoked.user);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        if operation.outcome != Outcome::Ok {
            return;
        }
        match (&operation.call, completed.observed) {
            (Call::Chat(_), Observed::Chat(seen)) => self.handle_chat(operation, seen),
            (Call::Sales(call), Observed::Sales(seen)) => self.handle_sales(operation, call, seen),
            _shows_nobody => {}
        }
    }

    fn on_push(&mut self, pushed: &Pushed<'_>, _: &World) {
        if let Push::Entry(entry) = pushed.push {
            self.handle_push(pushed.client, entry);
        }
    }

    fn on_link(&mut self, linked: &Linked, _: &World) {
        if let LinkChange::Subscribed { newest, .. } = linked.change {
            // What it is told of from before is read for it now.
            self.newest.insert(linked.client, newest);
        }
    }

    fn on_record(&mut self, logged: &Logged<'_>, _: &World) {
        self.handle_record(logged.record, logged.minted);
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        // Nobody asked for it, nor lost their words without.
        if self.asked.is_empty() && self.wordless.is_empty() {
            self.finding.leave_out();
        }
        self.judge();
        if self.records == 0 {
            self.finding.doubt("the log was not read");
        }
        // The log of a server that is not this run's alone has others, of before.
        let ours = self
            .asked
            .iter()
            .filter(|user| self.erasures.contains_key(*user));
        let erased = u64::try_from(ours.count()).unwrap_or(u64::MAX);
        self.finding.count_needed("people erased", erased);
        self.finding
            .count_needed("texts shown without their words", self.texts);
        self.finding
            .count("lists they could have been on", self.lists);
        self.finding
    }
}

impl ErasureComplete {
    /// An answer of the chat or of presence.
    fn handle_chat(&mut self, operation: &Operation, seen: &ChatSeen) {
        let sighting = Sighting::of(operation);
        match seen {
            ChatSeen::History(entries) => {
                for entry in entries {
                    self.see_entry(entry, What::Words, sighting);
                }
            }
            ChatSeen::Members(list) => {
                self.see_list(list.iter().map(|(user, ..)| *user), What::Listed, sighting);
            }
            ChatSeen::Presences(list) => {
                self.see_list(list.iter().map(|(user, ..)| *user), What::Listed, sighting);
            }
            ChatSeen::Sent(..) | ChatSeen::Conversations(_) | ChatSeen::Rooms(_) => {}
        }
    }

    /// An answer of the sales.
    fn handle_sales(&mut self, operation: &Operation, call: &SalesCall, seen: &SalesSeen) {
        let sighting = Sighting::of(operation);
        let of = |part: &Part| UserId(part.of);
        match (call, seen) {
            (SalesCall::StoreTotal { .. }, SalesSeen::Total(_, _, parts)) => {
                self.see_list(parts.iter().map(of), What::Sold, sighting);
            }
            (SalesCall::BestSeller { .. }, SalesSeen::Best(best, _)) => {
                self.see_list(best.iter().map(of), What::Sold, sighting);
            }
            _names_nobody => {}
        }
    }

    /// An entry was pushed. Only who subscribed behind an erasure must not be told the words: what
    /// was on its way before then may arrive late.
    fn handle_push(&mut self, client: u32, entry: &ShownEntry) {
        let sighting = Sighting {
            seq: self.newest.get(&client).copied().unwrap_or(0),
            client,
            counter: None,
        };
        self.see_entry(entry, What::Pushed, sighting);
    }

    fn see_entry(&mut self, entry: &ShownEntry, what: What, sighting: Sighting) {
        match entry.text {
            Some(Words::Gone) => {
                self.texts += 1;
                self.wordless.entry(entry.author).or_insert(sighting);
            }
            Some(Words::Right | Words::Other(_)) => self.see(entry.author, what, sighting),
            None => {}
        }
    }

    fn see_list(&mut self, users: impl Iterator<Item = UserId>, what: What, sighting: Sighting) {
        if self.asked.is_empty() {
            return;
        }
        self.lists += 1;
        for user in users {
            self.see(user, what, sighting);
        }
    }

    fn see(&mut self, user: UserId, what: What, sighting: Sighting) {
        if !self.asked.contains(&user) {
            return;
        }
        let last = self.last.entry((user, what)).or_insert(sighting);
        if last.seq < sighting.seq {
            *last = sighting;
        }
    }

    /// One record of the log, and who minted its key.
    fn handle_record(&mut self, record: &OwnedRecord, minted: Option<OperationId>) {
        self.records += 1;
        if let Some(erasure) = self.erasures.get(&record.actor)
            && is_accepted(record)
        {
            let (user, seq) = (record.actor, erasure.seq);
            self.finding.convict(|| Violation {
                sentence: format!(
                    "{user} was erased at position {seq} and did something at position {}",
                    record.seq
                ),
                witnesses: vec![of_record(record)],
                order: "log order",
                expected: "nothing of theirs behind their erasure".to_owned(),
            });
        }
        if let Some(user) = erased(record) {
            let seq = record.seq.0;
            self.erasures.insert(user, Erasure { seq, by: minted });
        }
    }

    /// Judges what was shown, when the whole log is known.
    fn judge(&mut self) {
        let Self {
            last,
            wordless,
            erasures,
            finding,
            ..
        } = self;
        for ((user, what), sighting) in last {
            let Some(erasure) = erasures.get(user).filter(|it| it.seq <= sighting.seq) else {
                continue;
            };
            finding.convict(|| told(*user, *what, sighting, erasure));
        }
        for (user, sighting) in wordless {
            if self.records == 0 || erasures.contains_key(user) {
                continue;
            }
            finding.convict(|| Violation {
                sentence: format!(
                    "client {} was shown a text of {user} without its words, and they were never erased",
                    sighting.client,
                ),
                witnesses: vec![sighting.witness("no words")],
                order: "the log has no erasure of this person",
                expected: "the words they said".to_owned(),
            });
        }
    }
}

fn told(user: UserId, what: What, sighting: &Sighting, erasure: &Erasure) -> Violation {
    let asked = erasure.by.map(Witness::Asked);
    Violation {
        sentence: format!(
            "client {} was shown {} as of position {}, where {user} had been erased since position {}",
            sighting.client,
            what.text(),
            sighting.seq,
            erasure.seq,
        ),
        witnesses: asked
            .into_iter()
            .chain([sighting.witness(what.text())])
            .collect(),
        order: "positions: the answer, or the connection, is of the erasure's position or a later one",
        expected: "nothing of them".to_owned(),
    }
}
