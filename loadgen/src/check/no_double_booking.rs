//! B1, mutual exclusion: no slot is ever held by more people than it has places.
//!
//! At each new booking the definitely held ones are counted (`holders`): any overlap found really
//! happened. Deliberately absent: overlaps that only might have happened; the linearizability search
//! looks for those.

use crate::operation::{LawProgress, Slot};

use super::{
    finding::{About, Finding, Needs, Topic, Violation, Witness, slot_text, time_text},
    holders::Held,
    law::{Crowded, Ended, Law, Visitors},
    laws::LawOptions,
    subject::Subject,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct NoDoubleBooking {
    finding: Finding,
}

impl Law for NoDoubleBooking {
    const ABOUT: About = About {
        name: "no-double-booking",
        demands: "A slot is never held by more people than it has places.",
        confidence: "definite interval: every overlap told really happened",
        topic: Topic::Slots,
        needs: Needs::AnswersUnvisited,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_crowded(&mut self, crowded: &Crowded<'_>, world: &World) {
        let Crowded { slot, others, new } = *crowded;
        self.finding.convict_of(Some(Subject::Slot(slot)), || {
            violation(slot, world.holders.capacity(), others, new)
        });
    }

    /// Slots of which a visitor gave back a place that was not theirs.
    fn on_visitors(&mut self, _: &Visitors, world: &World) {
        self.finding
            .excuse(|subject| world.people.has_ended(subject));
    }

    fn progress(&self, world: &World) -> Option<LawProgress> {
        Some(self.finding.progress("bookings", world.holders.bookings))
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let world = ended.world;
        self.finding
            .count_needed("bookings", world.holders.bookings);
        self.finding.count("cancels", world.holders.cancels);
        let slots = u64::try_from(world.slots.len()).unwrap_or(u64::MAX);
        self.finding.count("slots", slots);
        self.finding
    }
}

fn violation(slot: Slot, capacity: usize, others: &[Held], new: &Held) -> Violation {
    let named = |held: &Held| format!("client {} (booking {})", held.by.0, held.booking);
    let mut names: Vec<String> = others.iter().map(named).collect();
    names.push(named(new));
    let witness = |held: &Held| match held.asked {
        true => Witness::Asked(held.by),
        false => Witness::told(
            format!("client {}", held.by.0),
            "waited".to_owned(),
            "pushed: promoted".to_owned(),
            held.booking,
        ),
    };
    Violation {
        sentence: format!(
            "{} was held by {} at once at {}",
            slot_text(slot),
            names.join(" and "),
            time_text(new.since),
        ),
        witnesses: others.iter().chain([new]).map(witness).collect(),
        order: "real time: each was told that it holds the slot before any of them sent a cancel",
        expected: format!(
            "at most {capacity} held at any time; the last of them refused with slot-taken"
        ),
    }
}
