//! B3, progress: of those who raced for a free slot, somebody got it.
//!
//! Looked at are slots that were free when the run began, that were only ever reserved, and whose
//! operations were all decided, or resolved from the log. Each must have as many winners as it has
//! places, or as there were people. Whatever was broken meanwhile is healed when this is judged, and
//! whoever was turned away was told of a place that the log has as taken: so it holds under faults as
//! well, where a winner may be somebody who never heard of it.

use hashbrown::HashSet;
use protocol::Code;

use super::{
    finding::{About, Finding, Needs, Topic, Violation, slot_text},
    law::{Ended, Law, Slots},
    laws::LawOptions,
    slot_history::{RESERVE, SlotHistory, SlotOperation},
    subject::Subject,
    world::World,
};
use crate::operation::{Outcome, Slot};

/// The law.
#[derive(Debug)]
pub(crate) struct SomeoneWins {
    capacity: u32,
    slots: u64,
    races: u64,
    finding: Finding,
}

impl Law for SomeoneWins {
    const ABOUT: About = About {
        name: "someone-wins",
        demands: "Of all who try for a free slot, as many get a place as there are places.",
        confidence: "certificate: winners counted slot by slot over the whole run",
        topic: Topic::Slots,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let capacity = options.capacity;
        Self {
            capacity,
            slots: 0,
            races: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_slots(&mut self, slots: &Slots<'_>, world: &World) {
        self.judge(slots.history, &world.held_before);
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("slots only ever reserved", self.slots);
        self.finding.count("of them raced for", self.races);
        self.finding
    }
}

impl SomeoneWins {
    /// Judges every slot; `held` says which were held when the run began.
    fn judge(&mut self, history: &SlotHistory, held: &HashSet<Slot, foldhash::fast::FixedState>) {
        history.doubt(&mut self.finding);
        for operations in history.slots() {
            let Some(first) = operations.first() else {
                continue;
            };
            if operations.iter().all(is_plain) && !held.contains(&first.slot) {
                self.judge_slot(first.slot, operations);
            }
        }
    }

    fn judge_slot(&mut self, slot: Slot, operations: &[SlotOperation]) {
        let decided = operations.iter().filter(|op| op.is_decided()).count();
        if decided == 0 {
            return;
        }
        self.slots += 1;
        self.races += u64::from(is_race(operations));
        let wins = |op: &&SlotOperation| op.outcome == Outcome::Ok || op.won_unseen;
        let won = operations.iter().filter(wins).count();
        let mut people: Vec<u32> = (operations.iter().filter(|op| op.is_decided()))
            .map(|op| op.id.0)
            .collect();
        people.sort_unstable();
        people.dedup();
        let places = usize::try_from(self.capacity).unwrap_or(usize::MAX);
        let wanted = places.min(people.len());
        if won < wanted {
            self.finding.convict_of(Some(Subject::Slot(slot)), || Violation {
                sentence: format!(
                    "{} was free, {} people tried for it {decided} times, and {won} of them got a place",
                    slot_text(slot),
                    people.len(),
                ),
                witnesses: operations.iter().map(SlotOperation::witness).collect(),
                order: "nothing else was ever done to this slot in this run",
                expected: format!("{wanted} of them got a place"),
            });
        }
    }
}

/// Only attempts to reserve, that won, lost to others, or may yet have done either.
fn is_plain(op: &SlotOperation) -> bool {
    let lost = [Code::SLOT_TAKEN, Code::ALREADY_BOOKED];
    op.call == RESERVE
        && match op.outcome {
            Outcome::Refused(code) => lost.contains(&code),
            Outcome::Ok | Outcome::Error(_) | Outcome::Timeout | Outcome::Unknown => true,
        }
}

/// Whether two people tried at once.
pub(crate) fn is_race(operations: &[SlotOperation]) -> bool {
    operations
        .windows(2)
        .any(|pair| pair[0].id.0 != pair[1].id.0 && pair[1].sent_at < pair[0].completed_at)
}
