//! Where each planted bug is tried, and the law that is there for it.
//!
//! Every law of the harness is there for at least one bug. A bug may break others too: the table of
//! the proof names them all, but what counts is that its own law finds it.

use server::tamper::PlantedBug;

/// A scenario that bugs can show themselves in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Places, and everything about the log.
    Agenda,
    /// What people are told.
    Talk,
    /// Favourites and sales.
    Trade,
    /// What outlives the server.
    Crash,
    /// What is left of people who were erased.
    Erasure,
}

impl Stage {
    pub(super) const ALL: [Self; 5] = [
        Self::Agenda,
        Self::Talk,
        Self::Trade,
        Self::Crash,
        Self::Erasure,
    ];

    pub(super) const fn file(self) -> &'static str {
        match self {
            Self::Agenda => "planted.toml",
            Self::Talk => "planted-talk.toml",
            Self::Trade => "planted-trade.toml",
            Self::Crash => "planted-crash.toml",
            Self::Erasure => "erase-me.toml",
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Agenda => include_str!("../../../scenarios/planted.toml"),
            Self::Talk => include_str!("../../../scenarios/planted-talk.toml"),
            Self::Trade => include_str!("../../../scenarios/planted-trade.toml"),
            Self::Crash => include_str!("../../../scenarios/planted-crash.toml"),
            Self::Erasure => include_str!("../../../scenarios/erase-me.toml"),
        }
    }
}

/// Where a bug is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where it can show itself.
    pub(super) stage: Stage,
    /// The law that is there for it.
    pub(super) law: &'static str,
}

/// Where `bug` is tried.
pub(super) const fn place_of(bug: PlantedBug) -> Place {
    let (stage, law) = match bug {
        // Found by comparing with an honest server, and by no law.
        PlantedBug::Slow => (Stage::Agenda, "none"),
        PlantedBug::DoubleBooking => (Stage::Agenda, "no-double-booking"),
        PlantedBug::FalseRefusal => (Stage::Agenda, "refusals-justified"),
        PlantedBug::NobodyWins => (Stage::Agenda, "someone-wins"),
        PlantedBug::LostCancel => (Stage::Agenda, "no-lost-cancel"),
        PlantedBug::AckBeforeCommit => (Stage::Agenda, "durable-acks"),
        PlantedBug::WrongHash => (Stage::Agenda, "durable-acks"),
        PlantedBug::PhantomBooking => (Stage::Agenda, "no-phantom"),
        PlantedBug::StaleRead => (Stage::Agenda, "real-time-order"),
        PlantedBug::ForgottenWrite => (Stage::Agenda, "session-order"),
        PlantedBug::DuplicateEffect => (Stage::Agenda, "idempotent-answers"),
        PlantedBug::ReusedKey => (Stage::Agenda, "idempotent-answers"),
        PlantedBug::RewrittenRecord => (Stage::Agenda, "log-chained"),
        PlantedBug::UnloggedChange => (Stage::Agenda, "replay-determinism"),
        PlantedBug::OldView => (Stage::Agenda, "model-agrees"),
        PlantedBug::DeniedCancel => (Stage::Agenda, "linearizable"),
        PlantedBug::ShortHold => (Stage::Agenda, "model-agrees"),
        PlantedBug::QueueJump => (Stage::Agenda, "model-agrees"),
        PlantedBug::OldNews => (Stage::Agenda, "session-order"),
        PlantedBug::LostMessage => (Stage::Talk, "no-lost-message"),
        PlantedBug::ReorderedConversation => (Stage::Talk, "one-order"),
        PlantedBug::TwoOrders => (Stage::Talk, "one-entry-per-index"),
        PlantedBug::DuplicateAfterReconnect => (Stage::Talk, "resume-at-cursor"),
        PlantedBug::FallingReceipt => (Stage::Talk, "watermarks-rise"),
        PlantedBug::PrematureReceipt => (Stage::Talk, "receipts-truthful"),
        PlantedBug::StuckPresence => (Stage::Talk, "presence-accurate"),
        PlantedBug::AlteredWords => (Stage::Talk, "no-phantom-message"),
        PlantedBug::CutWords => (Stage::Talk, "no-phantom-message"),
        PlantedBug::LeakedMessage => (Stage::Talk, "no-phantom-message"),
        PlantedBug::DeniedMessage => (Stage::Talk, "no-aborted-message"),
        PlantedBug::ToldTwice => (Stage::Talk, "shown-once"),
        PlantedBug::StaleIndex => (Stage::Talk, "fifo-per-sender"),
        PlantedBug::StalePosition => (Stage::Talk, "causal-order"),
        PlantedBug::HoledPage => (Stage::Talk, "no-gap"),
        PlantedBug::ForgottenMessage => (Stage::Talk, "read-your-messages"),
        PlantedBug::HalfTold => (Stage::Talk, "everybody-has-it"),
        PlantedBug::LostBacklog => (Stage::Talk, "offline-exactly-once"),
        PlantedBug::StalledBacklog => (Stage::Talk, "backlog-drained"),
        PlantedBug::DeafPerson => (Stage::Talk, "no-lost-message"),
        PlantedBug::LostReceipt => (Stage::Talk, "pushes-complete"),
        PlantedBug::LostPromotion => (Stage::Agenda, "pushes-complete"),
        PlantedBug::SharedCursor => (Stage::Talk, "cursors-independent"),
        PlantedBug::ShortMemory => (Stage::Talk, "retained"),
        PlantedBug::UntoldGoing => (Stage::Talk, "presence-complete"),
        PlantedBug::FallingLastSeen => (Stage::Talk, "last-seen-rises"),
        PlantedBug::LateGoing => (Stage::Talk, "presence-epochs"),
        PlantedBug::BacklogLostInCrash => (Stage::Crash, "resume-at-cursor"),
        PlantedBug::ResurrectedFavourite => (Stage::Trade, "no-resurrection"),
        PlantedBug::FavouriteOfRemovedItem => (Stage::Trade, "favourites-listed"),
        PlantedBug::SaleCountedTwice => (Stage::Trade, "sales-agree"),
        PlantedBug::MixedTotals => (Stage::Trade, "sales-one-snapshot"),
        PlantedBug::DeniedFavourite => (Stage::Trade, "favourite-registers"),
        PlantedBug::DoubleFavourite => (Stage::Trade, "favourites-idempotent"),
        PlantedBug::MiscountedFavourites => (Stage::Trade, "favourites-counted"),
        PlantedBug::IncompleteSearch => (Stage::Trade, "searches-agree"),
        PlantedBug::UnorderedSearch => (Stage::Trade, "searches-agree"),
        PlantedBug::MissingPart => (Stage::Trade, "sales-conserved"),
        PlantedBug::InflatedTotal => (Stage::Trade, "sales-bounded"),
        PlantedBug::FallingTotal => (Stage::Trade, "sales-monotone"),
        PlantedBug::RoundedSale => (Stage::Trade, "sales-exact"),
        PlantedBug::RememberedWords => (Stage::Erasure, "erasure-complete"),
        PlantedBug::LingeringPerson => (Stage::Erasure, "erasure-complete"),
        PlantedBug::WipedWords => (Stage::Erasure, "erasure-complete"),
        PlantedBug::MisnamedSlot => (Stage::Agenda, "answers-as-logged"),
        PlantedBug::UnlistedMember => (Stage::Talk, "lists-agree"),
        PlantedBug::DeniedHistory => (Stage::Talk, "lists-agree"),
    };
    Place { stage, law }
}

#[cfg(test)]
mod tests {
    use loadgen::check::LAWS;

    use super::*;

    #[test]
    fn every_law_is_there_for_a_bug_and_every_bug_has_a_law() {
        for law in LAWS {
            let is_there = |bug: &&PlantedBug| place_of(**bug).law == law;
            assert!(
                PlantedBug::LIES.iter().any(|bug| is_there(&bug)),
                "{law} has found nothing"
            );
        }
        for bug in PlantedBug::LIES {
            assert!(LAWS.contains(&place_of(*bug).law), "{bug}");
        }
    }
}
