//! B2, the observation of a failed compare-and-set: a slot is called taken only when it was.
//!
//! Per slot a count of everybody who may hold it: attempts in flight, bookings not known to be
//! over, people waiting. A refusal is justified when at some instant of its call the others could
//! have filled the slot. Whatever may still take effect counts, so there is never a false alarm.

use crate::operation::{Call, LawProgress, Nanos, Operation, Outcome};
use protocol::Code;

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness, slot_text},
    law::{Completed, Ended, Invoked, Law, Pushed, Visitors},
    laws::LawOptions,
    world::World,
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
pub(crate) struct RefusalsJustified {
    capacity: u32,
    slots: Vec<Suitors>,
    refusals: u64,
    finding: Finding,
}

impl Law for RefusalsJustified {
    const ABOUT: About = About {
        name: "refusals-justified",
        demands: "A slot is refused as taken only if others held it or were taking it meanwhile.",
        confidence: "definite interval: every violation told really happened",
        topic: Topic::Slots,
        needs: Needs::AnswersUnvisited,
    };

    fn new(options: &LawOptions) -> Self {
        let capacity = options.capacity;
        Self {
            capacity,
            slots: Vec::new(),
            refusals: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let (Call::Reserve { .. } | Call::Hold { .. } | Call::JoinWaitlist { .. }, Some(index)) =
            (invoked.call, invoked.slot)
        {
            self.handle_attempt(index);
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let (operation, Some(index)) = (completed.operation, completed.slot) else {
            return;
        };
        match (operation.call, operation.outcome) {
            (
                Call::Reserve { .. } | Call::Hold { .. } | Call::JoinWaitlist { .. },
                Outcome::Refused(_) | Outcome::Error(_),
            ) => {
                let is_wait = matches!(operation.call, Call::JoinWaitlist { .. });
                if !is_wait && operation.outcome == Outcome::Refused(Code::SLOT_TAKEN) {
                    self.handle_taken(index, operation);
                }
                self.handle_lost(index, operation);
            }
            (Call::Cancel { .. } | Call::LeaveWaitlist { .. }, Outcome::Ok) => {
                self.handle_gone(index, operation.completed_at);
            }
            _leaves_it_open => {}
        }
    }

    fn on_push(&mut self, pushed: &Pushed<'_>, _: &World) {
        if let Some(index) = pushed.freed {
            self.handle_gone(index, pushed.now);
        }
    }

    /// Slots that a visitor may have held meanwhile.
    fn on_visitors(&mut self, _: &Visitors, world: &World) {
        self.finding
            .excuse(|subject| world.people.has_changed(subject));
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("refusals", self.refusals))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("refusals", self.refusals);
        self.finding
    }
}

impl RefusalsJustified {
    fn suitors(&mut self, index: usize) -> &mut Suitors {
        if self.slots.len() <= index {
            self.slots.resize(index + 1, Suitors::default());
        }
        &mut self.slots[index]
    }

    /// An attempt that came to nothing, unless an earlier try of it may have been heard.
    fn handle_lost(&mut self, index: usize, operation: &Operation) {
        if operation.outcome.is_decided() || operation.attempts <= 1 {
            self.handle_gone(index, operation.completed_at);
        }
    }

    /// Somebody tries for the slot.
    fn handle_attempt(&mut self, index: usize) {
        self.suitors(index).count += 1;
    }

    /// One possible holder fewer: definitely refused, or definitely over.
    fn handle_gone(&mut self, index: usize, now: Nanos) {
        let capacity = self.capacity;
        let suitors = self.suitors(index);
        if capacity < suitors.count {
            suitors.crowded_at = suitors.crowded_at.max(Some(now));
        }
        suitors.count = suitors.count.saturating_sub(1);
    }

    /// An attempt was refused because the slot is taken; it still counts as one itself.
    fn handle_taken(&mut self, index: usize, operation: &Operation) {
        self.refusals += 1;
        let suitors = *self.suitors(index);
        let crowded = self.capacity < suitors.count
            || suitors.crowded_at.is_some_and(|at| operation.sent_at <= at);
        if !crowded {
            let (capacity, others) = (self.capacity, suitors.count.saturating_sub(1));
            self.finding
                .convict(|| violation(operation, capacity, others));
        }
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
