//! Linearizability, the black-box second opinion: some order explains every answer of each slot.
//!
//! Knows nothing of positions or of the log, only of calls, answers and their instants. Slots that
//! were held for a while or queued for are left to the model: the server acts on them by itself at
//! instants that nobody outside can see.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use protocol::Code;

use crate::operation::{Outcome, Slot};

use super::{
    finding::{About, Finding, Needs, Topic, Violation, slot_text},
    law::{Ended, Law, Slots},
    laws::LawOptions,
    linearizability::{Found, Model, Timed, search},
    slot_history::{CANCEL, RESERVE, SlotHistory, SlotOperation},
    someone_wins::is_race,
    subject::Subject,
    world::World,
};

/// A slot as people outside can know it: who holds it, by booking; 0 for one nobody was told of.
struct SlotModel {
    capacity: usize,
    /// Of somebody else's server only what every agenda does is taken for granted: which of two reasons it
    /// refuses for when both hold, and whether one person may hold a slot twice, are its own affair.
    is_foreign: bool,
}

/// Booking and client, sorted.
type Holders = Vec<(u64, u32)>;

/// An operation, and whether some answer made its booking known.
struct Asked {
    operation: SlotOperation,
    known: bool,
}

impl Model for SlotModel {
    type State = Holders;
    type Op = Asked;

    fn initial(&self) -> Holders {
        Vec::new()
    }

    fn step(&self, state: &Holders, asked: &Asked) -> Option<Holders> {
        let op = &asked.operation;
        match op.call {
            RESERVE => self.reserve(state, op),
            CANCEL => cancel(state, asked),
            _other => None,
        }
    }

    fn observes(&self, asked: &Asked) -> bool {
        matches!(
            asked.operation.outcome,
            Outcome::Refused(_) | Outcome::Error(_)
        )
    }
}

impl SlotModel {
    fn reserve(&self, state: &Holders, op: &SlotOperation) -> Option<Holders> {
        let client = op.id.0;
        let full = self.capacity <= state.len();
        let (is_foreign, again) = (self.is_foreign, |mine: bool| mine && !self.is_foreign);
        let mine = state.iter().any(|(_, holder)| *holder == client);
        let booked = |booking| {
            let mut after = state.clone();
            after.push((booking, client));
            after.sort_unstable();
            after
        };
        match op.outcome {
            Outcome::Ok => (!full && !again(mine)).then(|| booked(op.booking)),
            Outcome::Refused(Code::SLOT_TAKEN) => full.then(|| state.clone()),
            Outcome::Refused(Code::ALREADY_BOOKED) => {
                ((is_foreign || !full) && mine).then(|| state.clone())
            }
            Outcome::Refused(_) | Outcome::Error(_) => Some(state.clone()),
            Outcome::Timeout | Outcome::Unknown => (!full && !again(mine)).then(|| booked(0)),
        }
    }
}

fn cancel(state: &Holders, asked: &Asked) -> Option<Holders> {
    let op = &asked.operation;
    let is_it = |(booking, client): &(u64, u32)| {
        *booking == op.booking || (!asked.known && *booking == 0 && *client == op.id.0)
    };
    let at = state.iter().position(is_it);
    let without = |at: usize| {
        let mut after = state.clone();
        after.remove(at);
        after
    };
    match op.outcome {
        Outcome::Ok | Outcome::Timeout | Outcome::Unknown => at.map(without),
        Outcome::Refused(Code::UNKNOWN_BOOKING) => at.is_none().then(|| state.clone()),
        Outcome::Refused(Code::NOT_HOLDER) => at.is_some().then(|| state.clone()),
        Outcome::Refused(_) | Outcome::Error(_) => Some(state.clone()),
    }
}

/// The law.
#[derive(Debug)]
pub(crate) struct Linearizable {
    capacity: u32,
    steps_max: u64,
    is_foreign: bool,
    slots: u64,
    races: u64,
    operations: u64,
    skipped: u64,
    finding: Finding,
}

impl Law for Linearizable {
    const ABOUT: About = About {
        name: "linearizable",
        demands: "Some order of the calls, true to real time, explains every answer on each slot.",
        confidence: "complete search, slot by slot, blind to the log",
        topic: Topic::Slots,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let (capacity, steps_max) = (options.capacity, options.search_steps_max);
        Self {
            capacity,
            steps_max,
            is_foreign: options.contract.is_some(),
            slots: 0,
            races: 0,
            operations: 0,
            skipped: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_slots(&mut self, slots: &Slots<'_>, world: &World) {
        self.judge(slots.history, &world.held_before);
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("slots searched", self.slots);
        self.finding.count("of them raced for", self.races);
        self.finding.count("operations", self.operations);
        self.finding.count("slots left to the model", self.skipped);
        self.finding
    }
}

impl Linearizable {
    /// Searches every slot; `held` says which were held when the run began.
    fn judge(&mut self, history: &SlotHistory, held: &HashSet<Slot, FixedState>) {
        history.doubt(&mut self.finding);
        for operations in history.slots() {
            let Some(first) = operations.first() else {
                continue;
            };
            let simple = operations
                .iter()
                .all(|op| op.call == RESERVE || op.call == CANCEL);
            if simple && !held.contains(&first.slot) {
                self.judge_slot(first.slot, operations);
            } else {
                self.skipped += 1;
            }
        }
    }

    fn judge_slot(&mut self, slot: Slot, operations: &[SlotOperation]) {
        self.slots += 1;
        self.races += u64::from(is_race(operations));
        let timed = timed(operations);
        self.operations += u64::try_from(timed.len()).unwrap_or(u64::MAX);
        let model = SlotModel {
            capacity: usize::try_from(self.capacity).unwrap_or(usize::MAX),
            is_foreign: self.is_foreign,
        };
        match search(&model, &timed, self.steps_max) {
            Found::Linearizable { .. } => {}
            Found::GaveUp { steps } => self.finding.doubt(format!(
                "the search of {} gave up after {steps} steps",
                slot_text(slot),
            )),
            Found::Impossible { longest, stuck, .. } => {
                let subject = Some(Subject::Slot(slot));
                self.finding
                    .convict_of(subject, || told(slot, &timed, &longest, stuck));
            }
        }
    }
}

fn timed(operations: &[SlotOperation]) -> Vec<Timed<Asked>> {
    let mut made: Vec<u64> = (operations.iter())
        .filter(|op| op.call == RESERVE && op.outcome == Outcome::Ok)
        .map(|op| op.booking)
        .collect();
    made.sort_unstable();
    let considered = |op: &&SlotOperation| !matches!(op.outcome, Outcome::Error(_));
    let considered = operations.iter().filter(considered);
    considered
        .map(|op| Timed {
            op: Asked {
                operation: *op,
                known: made.binary_search(&op.booking).is_ok(),
            },
            called_at: op.sent_at,
            returned_at: op.is_decided().then_some(op.completed_at),
        })
        .collect()
}

fn told(slot: Slot, timed: &[Timed<Asked>], longest: &[usize], stuck: usize) -> Violation {
    let of = |index: usize| &timed[index].op.operation;
    // The answers just before the one that fits nowhere are what it contradicts.
    let before = longest.iter().rev().take(5).rev();
    let witnesses = before
        .copied()
        .chain([stuck])
        .map(|index| of(index).witness());
    let (client, counter) = of(stuck).id;
    Violation {
        sentence: format!(
            "no order of the calls on {} explains every answer: operation {counter} of client {client} fits nowhere",
            slot_text(slot),
        ),
        witnesses: witnesses.collect(),
        order: "real time: the longest order found, then the answer that cannot follow it",
        expected: "an answer that some order of these calls gives".to_owned(),
    }
}
