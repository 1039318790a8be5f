//! The planted bugs by name, and what each does in one sentence.

use std::{fmt, str::FromStr};

/// One lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlantedBug {
    /// Nothing is wrong, and everything takes a little longer. No lie, and in no list of them.
    Slow,
    /// A full slot is given away once more.
    DoubleBooking,
    /// A free slot is refused as taken.
    FalseRefusal,
    /// Some slots are refused to everybody, for ever.
    NobodyWins,
    /// A cancel is logged and answered, and the booking stays.
    LostCancel,
    /// Answers leave before their batch is on the disk.
    AckBeforeCommit,
    /// Answers carry a hash that the log does not have.
    WrongHash,
    /// Somebody gets a booking nobody asked for.
    PhantomBooking,
    /// Slots are shown as they were, at the position where they were so.
    StaleRead,
    /// Somebody's own bookings are shown as they were before their own last command.
    ForgottenWrite,
    /// A retry is executed again.
    DuplicateEffect,
    /// A record read back is not the record that was written.
    RewrittenRecord,
    /// The live state changes without a record.
    UnloggedChange,
    /// Slots are shown as they were, at a position where they are not so any more.
    OldView,
    /// A cancel of somebody's own booking is refused as unknown.
    DeniedCancel,
    /// A hold ends before its time.
    ShortHold,
    /// A freed place goes to the last in line.
    QueueJump,
    /// News come with the position of news that came long before.
    OldNews,
    /// One connection is not given a message that is for it.
    LostMessage,
    /// One connection is given a message after the next one.
    ReorderedConversation,
    /// One connection is given two messages at each other's index.
    TwoOrders,
    /// Who comes back is told again what they had.
    DuplicateAfterReconnect,
    /// A receipt says less than the one before.
    FallingReceipt,
    /// A receipt says more than its reader did.
    PrematureReceipt,
    /// Nobody notices that somebody is gone.
    StuckPresence,
    /// A favourite that was removed is shown.
    ResurrectedFavourite,
    /// An item that was taken out of the catalogue is shown among favourites.
    FavouriteOfRemovedItem,
    /// A retry of a sale counts it again.
    SaleCountedTwice,
    /// A total has parts of another position.
    MixedTotals,
}

impl PlantedBug {
    /// All that lie, and that a law must find.
    pub const ALL: [Self; 28] = [
        Self::DoubleBooking,
        Self::FalseRefusal,
        Self::NobodyWins,
        Self::LostCancel,
        Self::AckBeforeCommit,
        Self::WrongHash,
        Self::PhantomBooking,
        Self::StaleRead,
        Self::ForgottenWrite,
        Self::DuplicateEffect,
        Self::RewrittenRecord,
        Self::UnloggedChange,
        Self::OldView,
        Self::DeniedCancel,
        Self::ShortHold,
        Self::QueueJump,
        Self::OldNews,
        Self::LostMessage,
        Self::ReorderedConversation,
        Self::TwoOrders,
        Self::DuplicateAfterReconnect,
        Self::FallingReceipt,
        Self::PrematureReceipt,
        Self::StuckPresence,
        Self::ResurrectedFavourite,
        Self::FavouriteOfRemovedItem,
        Self::SaleCountedTwice,
        Self::MixedTotals,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::DoubleBooking => "double-booking",
            Self::FalseRefusal => "false-refusal",
            Self::NobodyWins => "nobody-wins",
            Self::LostCancel => "lost-cancel",
            Self::AckBeforeCommit => "ack-before-commit",
            Self::WrongHash => "wrong-hash",
            Self::PhantomBooking => "phantom-booking",
            Self::StaleRead => "stale-read",
            Self::ForgottenWrite => "forgotten-write",
            Self::DuplicateEffect => "duplicate-effect",
            Self::RewrittenRecord => "rewritten-record",
            Self::UnloggedChange => "unlogged-change",
            Self::OldView => "old-view",
            Self::DeniedCancel => "denied-cancel",
            Self::ShortHold => "short-hold",
            Self::QueueJump => "queue-jump",
            Self::OldNews => "old-news",
            Self::LostMessage => "lost-message",
            Self::ReorderedConversation => "reordered-conversation",
            Self::TwoOrders => "two-orders",
            Self::DuplicateAfterReconnect => "duplicate-after-reconnect",
            Self::FallingReceipt => "falling-receipt",
            Self::PrematureReceipt => "premature-receipt",
            Self::StuckPresence => "stuck-presence",
            Self::ResurrectedFavourite => "resurrected-favourite",
            Self::FavouriteOfRemovedItem => "favourite-of-removed-item",
            Self::SaleCountedTwice => "sale-counted-twice",
            Self::MixedTotals => "mixed-totals",
        }
    }

    /// Every how-many-th opportunity it takes. Rare enough that finding it means something, often
    /// enough that a run of a few seconds has it.
    #[must_use]
    pub(super) const fn every(self) -> u64 {
        match self {
            // Every batch is acknowledged early; the last one is what a crash takes.
            Self::AckBeforeCommit | Self::Slow => 1,
            // Retries, queues, news and returns are few to begin with.
            Self::DuplicateEffect
            | Self::QueueJump
            | Self::OldNews
            | Self::DuplicateAfterReconnect
            | Self::StuckPresence
            | Self::FavouriteOfRemovedItem
            | Self::SaleCountedTwice => 3,
            // Of the slots, not of the requests for them; of receipts, favourites and totals, which
            // are fewer than places taken.
            Self::NobodyWins
            | Self::FallingReceipt
            | Self::PrematureReceipt
            | Self::ResurrectedFavourite
            | Self::MixedTotals => 7,
            Self::DoubleBooking
            | Self::FalseRefusal
            | Self::LostCancel
            | Self::WrongHash
            | Self::PhantomBooking
            | Self::StaleRead
            | Self::ForgottenWrite
            | Self::RewrittenRecord
            | Self::UnloggedChange
            | Self::OldView
            | Self::DeniedCancel
            | Self::ShortHold
            | Self::LostMessage
            | Self::ReorderedConversation
            | Self::TwoOrders => 37,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Slow => {
                "every batch takes a sixth longer to become durable than the disk takes, and an answer about a tenth"
            }
            Self::DoubleBooking => "every 37th request for a full slot gets a place nevertheless",
            Self::FalseRefusal => "every 37th request for a free slot is refused as taken",
            Self::NobodyWins => "every 7th slot is refused as taken, to everybody, for ever",
            Self::LostCancel => "every 37th cancel is logged and answered, and the booking stays",
            Self::AckBeforeCommit => {
                "answers leave as soon as they are decided; each batch reaches the disk only with the next one"
            }
            Self::WrongHash => "every 37th answer carries a hash with one bit flipped",
            Self::PhantomBooking => {
                "every 37th reservation makes another one, of the neighbouring slot, that nobody asked for"
            }
            Self::StaleRead => {
                "every 37th look at a day's slots is answered with what the same person saw there last, position and all"
            }
            Self::ForgottenWrite => {
                "every 37th look at one's own bookings is answered with what was seen last, position and all"
            }
            Self::DuplicateEffect => "every 3rd retry is executed again",
            Self::RewrittenRecord => {
                "every 37th record, if it is a reservation, is read back with another time than it has"
            }
            Self::UnloggedChange => {
                "every 37th reservation makes its holder a manager, without a record"
            }
            Self::OldView => {
                "every 37th changed day is shown as the same person saw it last, but under the newest position"
            }
            Self::DeniedCancel => "every 37th cancel of one's own booking is refused as unknown",
            Self::ShortHold => "every 37th hold ends after half its time",
            Self::QueueJump => "every 3rd place that two or more wait for goes to the last in line",
            Self::OldNews => {
                "every 3rd push to somebody who had two before carries the position of the first"
            }
            Self::LostMessage => "every 37th entry on its way to a connection is not sent",
            Self::ReorderedConversation => {
                "every 37th entry on its way to a connection is sent after the next push to it"
            }
            Self::TwoOrders => {
                "every 37th entry on its way to a connection changes places with the next one, index and all"
            }
            Self::DuplicateAfterReconnect => {
                "every 3rd connection that subscribes is told again what stands up to 40 positions before its cursor"
            }
            Self::FallingReceipt => "every 7th receipt says one less than the one before it said",
            Self::PrematureReceipt => "every 7th receipt says that one more entry arrived than did",
            Self::StuckPresence => {
                "every 3rd connection that ends leaves its person shown as here, for ever"
            }
            Self::ResurrectedFavourite => {
                "every 7th list that lost a favourite is shown as the same person saw it last, under the newest position"
            }
            Self::FavouriteOfRemovedItem => {
                "every 3rd list that lost an item which was taken out of the catalogue is shown as the same person saw it last"
            }
            Self::SaleCountedTwice => {
                "every 3rd retry of a sale counts it once more, without a record"
            }
            Self::MixedTotals => "every 7th total that changed has the parts that were shown last",
        }
    }
}

impl fmt::Display for PlantedBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a planted bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no planted bug `{given}`; there are {} and slow", PlantedBug::ALL.map(PlantedBug::name).join(", "))]
pub struct UnknownBug {
    /// What was given.
    given: String,
}

impl FromStr for PlantedBug {
    type Err = UnknownBug;

    fn from_str(text: &str) -> Result<Self, UnknownBug> {
        let mut all = Self::ALL.into_iter().chain([Self::Slow]);
        let named = all.find(|bug| bug.name() == text);
        named.ok_or_else(|| UnknownBug {
            given: text.to_owned(),
        })
    }
}
