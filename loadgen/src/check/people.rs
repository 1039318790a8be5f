//! Who belongs to this run, and what everybody else did to its server meanwhile.
//!
//! The run's people (told at set-up) and every record of the log go in; which records are visitors',
//! how many, and which slots and stores they changed come out. A key that nobody in the run chose excuses
//! nothing: a visitor is somebody whom the log registered and the run did not. Deliberately absent: what
//! each law makes of it.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::{
    OwnedRecord, UserId,
    words::{accounts, agenda, sales},
};

use crate::operation::{KeyMint, SetUpKeys, Slot};

use super::subject::Subject;

type Set<T> = HashSet<T, FixedState>;

fn set<T>() -> Set<T> {
    HashSet::with_hasher(FixedState::with_seed(0))
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct People {
    /// Whether the server is this run's alone: nobody may visit it.
    is_alone: bool,
    ours: Set<UserId>,
    /// Everybody the log has registered so far who is not the run's.
    others: Set<UserId>,
    /// Of them, those who did something while the run went on.
    visitors: Set<UserId>,
    records: u64,
    /// Slots that visitors changed, of those that somebody of the run asked for.
    slots: Set<Slot>,
    /// Of them, those where a visitor ended a booking: an admin may end anybody's.
    ended: Set<Slot>,
    /// Stores in which visitors sold something.
    stores: Set<u64>,
}

impl People {
    pub(crate) fn new(is_alone: bool) -> Self {
        Self {
            is_alone,
            ours: set(),
            others: set(),
            visitors: set(),
            records: 0,
            slots: set(),
            ended: set(),
            stores: set(),
        }
    }

    /// Somebody is one of the run's people.
    pub(crate) fn admit(&mut self, user: UserId) {
        self.others.remove(&user);
        self.ours.insert(user);
    }

    /// Whether somebody is one of the run's people, as far as is known before the log is read: on a
    /// server that is the run's alone, everybody is.
    pub(crate) fn is_ours(&self, user: UserId) -> bool {
        self.is_alone || self.ours.contains(&user)
    }

    /// One record, before any law sees it: somebody may be registered by it. The run's own people
    /// are known by the keys of its set-up, also where nobody told who they are.
    pub(crate) fn handle_record(&mut self, record: &OwnedRecord, mint: &KeyMint) {
        if record.kind != REGISTER {
            return;
        }
        let user = UserId(record.seq.0);
        if mint.set_up().has(SetUpKeys::REGISTER, &record.key) {
            self.admit(user);
        } else if !self.ours.contains(&user) {
            self.others.insert(user);
        }
    }

    /// Whether a record is a visitor's: what they did, or that they came.
    pub(crate) fn is_of_visitor(&self, record: &OwnedRecord) -> bool {
        if self.is_alone {
            return false;
        }
        if record.actor == UserId::NOBODY {
            return ENTERING.contains(&record.kind) && !self.ours.contains(&UserId(record.seq.0));
        }
        self.others.contains(&record.actor)
    }

    /// A record of the run's time is a visitor's, and no law asks who wanted it.
    pub(crate) fn set_aside(&mut self, record: &OwnedRecord) {
        self.records += 1;
        let who = if record.actor == UserId::NOBODY {
            UserId(record.seq.0)
        } else {
            record.actor
        };
        if self.others.contains(&who) {
            self.visitors.insert(who);
        }
    }

    /// Something of the agenda happened; `is_asked` says whether anybody of the run asked for a slot.
    pub(crate) fn handle_agenda(
        &mut self,
        record: &OwnedRecord,
        event: &agenda::Event,
        is_asked: impl Fn(Slot) -> bool,
    ) {
        if !self.is_of_visitor(record) {
            return;
        }
        let slot = match event {
            agenda::Event::Reserved(word) => word.slot,
            agenda::Event::Held(word) => word.slot,
            agenda::Event::Cancelled(word) => word.slot,
            agenda::Event::BookingCancelled(word) => word.slot,
            agenda::Event::Confirmed(word) => word.slot,
            agenda::Event::WaitlistJoined(word) => word.slot,
            agenda::Event::WaitlistLeft(word) => word.slot,
            // The server's own, of a place that somebody took or waited for before.
            agenda::Event::AgendaOpened(_)
            | agenda::Event::Expired(_)
            | agenda::Event::Promoted(_) => return,
        };
        if let Some(slot) = Slot::pack(slot).filter(|slot| is_asked(*slot)) {
            self.slots.insert(slot);
            if matches!(
                event,
                agenda::Event::Cancelled(_) | agenda::Event::BookingCancelled(_)
            ) {
                self.ended.insert(slot);
            }
        }
    }

    /// Something was accepted that is not of the agenda.
    pub(crate) fn handle_accepted(&mut self, record: &OwnedRecord) {
        if record.kind.system() != sales::SYSTEM || !self.is_of_visitor(record) {
            return;
        }
        if let Ok(sales::Command::RecordSale(sale)) =
            sales::Command::decode(record.kind, record.schema, &record.body)
        {
            self.stores.insert(sale.store);
        }
    }

    /// Slots that visitors changed.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slots.iter().copied()
    }

    /// Whether visitors changed what answers about this depend on, so that the run's own operations
    /// alone do not explain them.
    pub(crate) fn has_changed(&self, subject: Subject) -> bool {
        match subject {
            Subject::Slot(slot) => self.slots.contains(&slot),
            Subject::Store(store) => self.stores.contains(&store),
            Subject::Conversation(_) | Subject::Item(_) => false,
        }
    }

    /// Whether a visitor ended a booking of this slot.
    pub(crate) fn has_ended(&self, subject: Subject) -> bool {
        matches!(subject, Subject::Slot(slot) if self.ended.contains(&slot))
    }

    /// How many records were set aside, and of how many people.
    pub(crate) fn set_aside_so_far(&self) -> (u64, u64) {
        let people = u64::try_from(self.visitors.len()).unwrap_or(u64::MAX);
        (self.records, people)
    }
}

const REGISTER: protocol::Kind = protocol::Kind::new(accounts::SYSTEM, 1);

/// What somebody does who is nobody yet: register, and log in to an account that there is not.
const ENTERING: [protocol::Kind; 2] = [REGISTER, protocol::Kind::new(accounts::SYSTEM, 2)];

/// Whether the server did this by itself.
pub(crate) fn is_of_server(record: &OwnedRecord, command: Option<&agenda::Command>) -> bool {
    use agenda::Command;
    const REHASH: protocol::Kind = protocol::Kind::new(accounts::SYSTEM, 6);
    let of_agenda = matches!(
        command,
        Some(Command::OpenAgenda(_) | Command::Expire(_) | Command::Promote(_))
    );
    record.actor == UserId::NOBODY && (of_agenda || record.kind == REHASH)
}

/// Whether nobody is asked who wanted this: anybody may try to log in as anybody, and the server
/// makes sessions of that by itself.
pub(crate) fn is_entering(record: &OwnedRecord) -> bool {
    ENTERING.contains(&record.kind)
}
