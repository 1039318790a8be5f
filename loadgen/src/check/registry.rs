//! The laws there are, one line each, in the order of their verdicts.
//!
//! A law is added by its file and its line here: its name, what it hears and what it demands are its own
//! ([`Law`]). Out come the list of names and one field a law, to each of which an event is told by a
//! direct call.

use reports::record::LawRecord;

use crate::operation::LawProgress;

use super::{
    answers_as_logged::AnswersAsLogged,
    catalogue, chat,
    durable_acks::DurableAcks,
    erasure_complete::ErasureComplete,
    finding::{About, Finding},
    idempotent_answers::IdempotentAnswers,
    law::{Ended, Event, Law},
    laws::LawOptions,
    linearizable::Linearizable,
    log_chained::LogChained,
    model_agrees::ModelAgrees,
    no_double_booking::NoDoubleBooking,
    no_lost_cancel::NoLostCancel,
    no_phantom::NoPhantom,
    presence,
    real_time_order::RealTimeOrder,
    refusals_justified::RefusalsJustified,
    replay_determinism::ReplayDeterminism,
    sales,
    session_order::SessionOrder,
    someone_wins::SomeoneWins,
    world::World,
};

macro_rules! laws {
    ($($field:ident: $law:ty),+ $(,)?) => {
        /// What each law is, in the order of their verdicts.
        pub(crate) const ABOUTS: [About; [$(stringify!($field)),+].len()] =
            [$(<$law as Law>::ABOUT),+];

        /// Every law of one run.
        #[derive(Debug)]
        pub(crate) struct Registry {
            $(pub(crate) $field: $law,)+
        }

        impl Registry {
            pub(crate) fn new(options: &LawOptions) -> Self {
                Self { $($field: <$law as Law>::new(options),)+ }
            }

            /// Tells every law of an event. What a law does not listen to costs nothing: the call of a
            /// method that does nothing is none.
            #[inline]
            pub(crate) fn tell<E: Event>(&mut self, event: &E, world: &World) {
                $(event.tell(&mut self.$field, world);)+
            }

            /// How far those are that are judged while the run goes on.
            pub(crate) fn progress(&self, world: &World) -> Vec<LawProgress> {
                let all = [$(self.$field.progress(world)),+];
                all.into_iter().flatten().collect()
            }

            /// What each found.
            pub(crate) fn conclude(self, ended: &Ended<'_>) -> Vec<Finding> {
                vec![$(self.$field.conclude(ended)),+]
            }
        }
    };
}

laws! {
    no_double_booking: NoDoubleBooking,
    refusals_justified: RefusalsJustified,
    someone_wins: SomeoneWins,
    no_lost_cancel: NoLostCancel,
    durable_acks: DurableAcks,
    no_phantom: NoPhantom,
    real_time_order: RealTimeOrder,
    session_order: SessionOrder,
    idempotent_answers: IdempotentAnswers,
    log_chained: LogChained,
    replay_determinism: ReplayDeterminism,
    model_agrees: ModelAgrees,
    linearizable: Linearizable,
    no_lost_message: chat::no_lost_message::NoLostMessage,
    no_phantom_message: chat::no_phantom_message::NoPhantomMessage,
    no_aborted_message: chat::no_aborted_message::NoAbortedMessage,
    shown_once: chat::shown_once::ShownOnce,
    one_entry_per_index: chat::one_entry_per_index::OneEntryPerIndex,
    one_order: chat::one_order::OneOrder,
    fifo_per_sender: chat::fifo_per_sender::FifoPerSender,
    causal_order: chat::causal_order::CausalOrder,
    no_gap: chat::no_gap::NoGap,
    read_your_messages: chat::read_your_messages::ReadYourMessages,
    watermarks_rise: chat::watermarks_rise::WatermarksRise,
    receipts_truthful: chat::receipts_truthful::ReceiptsTruthful,
    everybody_has_it: chat::everybody_has_it::EverybodyHasIt,
    resume_at_cursor: chat::resume_at_cursor::ResumeAtCursor,
    backlog_drained: chat::backlog_drained::BacklogDrained,
    offline_exactly_once: chat::offline_exactly_once::OfflineExactlyOnce,
    cursors_independent: chat::cursors_independent::CursorsIndependent,
    retained: chat::retained::Retained,
    pushes_complete: chat::pushes_complete::PushesComplete,
    presence_accurate: presence::presence_accurate::PresenceAccurate,
    presence_complete: presence::presence_complete::PresenceComplete,
    last_seen_rises: presence::last_seen_rises::LastSeenRises,
    presence_epochs: presence::presence_epochs::PresenceEpochs,
    favourite_registers: catalogue::favourite_registers::FavouriteRegisters,
    favourites_listed: catalogue::favourites_listed::FavouritesListed,
    favourites_idempotent: catalogue::favourites_idempotent::FavouritesIdempotent,
    favourites_counted: catalogue::favourites_counted::FavouritesCounted,
    no_resurrection: catalogue::no_resurrection::NoResurrection,
    searches_agree: catalogue::searches_agree::SearchesAgree,
    sales_conserved: sales::sales_conserved::SalesConserved,
    sales_bounded: sales::sales_bounded::SalesBounded,
    sales_monotone: sales::sales_monotone::SalesMonotone,
    sales_agree: sales::sales_agree::SalesAgree,
    sales_one_snapshot: sales::sales_one_snapshot::SalesOneSnapshot,
    sales_exact: sales::sales_exact::SalesExact,
    erasure_complete: ErasureComplete,
    answers_as_logged: AnswersAsLogged,
    lists_agree: chat::lists_agree::ListsAgree,
}

/// The names of all laws, in the order of their verdicts.
pub const LAWS: [&str; ABOUTS.len()] = names();

const fn names() -> [&'static str; ABOUTS.len()] {
    let mut names = [""; ABOUTS.len()];
    let mut law = 0;
    while law < ABOUTS.len() {
        names[law] = ABOUTS[law].name;
        law += 1;
    }
    names
}

/// What is known of a law that stands in a record of verdicts.
pub(crate) fn about(law: &LawRecord) -> Option<&'static About> {
    const ALL: &[About] = &ABOUTS;
    ALL.iter().find(|about| about.name == law.name)
}
