//! B2, the observation of a failed compare-and-set: a slot is called taken only when it was.
//!
//! Per slot a count of everybody who may hold it: attempts in flight, bookings not known to be
//! over, people waiting. A refusal is justified when at some instant of its call the others could
//! have filled the slot. Whatever may still take effect counts, so there is never a false alarm.

use crate::operation::{LawProgress, Nanos, Operation};

use super::finding::{About, Finding, Violation, Witness, slot_text};
use super::subject::Subject;

const ABOUT: About = About {
    name: "refusals-justified",
    demands: "A slot is refused as taken only if others held it or were taking it meanwhile.",
    confidence: "definite interval: every violation told really happened",
};

/// Everybody who may hold one slot.
#[derive(Debug, Clone, Copy, Default)]
struct Suitors {
    count: u32,
    /// The last instant at which one attempt more than there are places was possible.
    crowded_at: Option<Nanos>,
}

/// The law.
#[derive(Debug)]
pub(super) struct RefusalsJustified {
    capacity: u32,
    slots: Vec<Suitors>,
    refusals: u64,
    finding: Finding,
}

impl RefusalsJustified {
    pub(super) const fn new(capacity: u32) -> Self {
        Self {
            capacity,
            slots: Vec::new(),
            refusals: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A slot was seen for the first time.
    pub(super) fn handle_slot(&mut self) {
        self.slots.push(Suitors::default());
    }

    /// Somebody tries for the slot.
    pub(super) fn handle_attempt(&mut self, index: usize) {
        self.slots[index].count += 1;
    }

    /// One possible holder fewer: definitely refused, or definitely over.
    pub(super) fn handle_gone(&mut self, index: usize, now: Nanos) {
        let suitors = &mut self.slots[index];
        if self.capacity < suitors.count {
            suitors.crowded_at = suitors.crowded_at.max(Some(now));
        }
        suitors.count = suitors.count.saturating_sub(1);
    }

    /// An attempt was refused because the slot is taken; it still counts as one itself.
    pub(super) fn handle_taken(&mut self, index: usize, operation: &Operation) {
        self.refusals += 1;
        let suitors = self.slots[index];
        let crowded = self.capacity < suitors.count
            || suitors.crowded_at.is_some_and(|at| operation.sent_at <= at);
        if !crowded {
            let (capacity, others) = (self.capacity, suitors.count.saturating_sub(1));
            self.finding
                .convict(|| violation(operation, capacity, others));
        }
    }

    /// Slots that a visitor may have held meanwhile.
    pub(super) fn excuse(&mut self, is_excused: impl Fn(Subject) -> bool) {
        self.finding.excuse(is_excused);
    }

    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("refusals", self.refusals)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("refusals", self.refusals);
        self.finding
    }
}

fn violation(operation: &Operation, capacity: u32, others: u32) -> Violation {
    let slot = operation.call.slot().map(slot_text).unwrap_or_default();
    Violation {
        sentence: format!(
            "{slot} was refused to client {} as taken while at most {others} others could hold any of its {capacity} places",
            operation.client,
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "real time: nothing on this slot was held or under way during the call",
        expected: "ok, since a place was free during the whole call".to_owned(),
    }
}
