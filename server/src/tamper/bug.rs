//! The planted bugs by name, and what each does in one sentence.

use std::{fmt, str::FromStr};

/// Declares the bugs: `Variant = "name", opportunities, "sentence"`.
macro_rules! bugs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $every:literal, $sentence:literal;)*) => {
        /// One lie.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PlantedBug {
            $($(#[$doc])* $variant,)*
        }

        impl PlantedBug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Those that a law must find: all but the first, which lies about nothing.
            pub const LIES: &'static [Self] = Self::ALL.split_at(1).1;

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Every how-many-th opportunity it takes. Rare enough that finding it means
            /// something, often enough that a run of a few seconds has it.
            #[must_use]
            pub(super) const fn every(self) -> u64 {
                match self {
                    $(Self::$variant => $every,)*
                }
            }

            /// What it does.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }
        }
    };
}

bugs! {
    /// Everything is right, and takes a little longer. Stays the first.
    Slow = "slow", 1,
        "every batch takes a sixth longer to become durable than the disk takes, and an answer about a tenth";
    /// A full slot is given away once more.
    DoubleBooking = "double-booking", 37,
        "every 37th request for a full slot gets a place nevertheless";
    /// A free slot is refused as taken.
    FalseRefusal = "false-refusal", 37,
        "every 37th request for a free slot is refused as taken";
    /// Some slots are refused to everybody, for ever.
    NobodyWins = "nobody-wins", 7,
        "every 7th slot is refused as taken, to everybody, for ever";
    /// A cancel is logged and answered, and the booking stays.
    LostCancel = "lost-cancel", 37,
        "every 37th cancel is logged and answered, and the booking stays";
    /// Answers leave before their batch is on the disk.
    AckBeforeCommit = "ack-before-commit", 1,
        "answers leave as soon as they are decided; each batch reaches the disk only with the next one of people's";
    /// Answers carry a hash that the log does not have.
    WrongHash = "wrong-hash", 37,
        "every 37th answer carries a hash with one bit flipped";
    /// Somebody gets a booking nobody asked for.
    PhantomBooking = "phantom-booking", 37,
        "every 37th reservation makes another one, of the neighbouring slot, that nobody asked for";
    /// Slots are shown as they were, at the position where they were so.
    StaleRead = "stale-read", 37,
        "every 37th look at a day's slots is answered with what the same person saw there last, position and all";
    /// Somebody's own bookings are shown as they were before their own last command.
    ForgottenWrite = "forgotten-write", 37,
        "every 37th look at one's own bookings is answered with what was seen last, position and all";
    /// A retry is executed again.
    DuplicateEffect = "duplicate-effect", 3,
        "every 3rd retry is executed again";
    /// A key is used for something else, and the first answer is given.
    ReusedKey = "reused-key", 3,
        "every 3rd key that is used again with another body is answered as the first time";
    /// A record read back is not the record that was written.
    RewrittenRecord = "rewritten-record", 37,
        "every 37th record, if it is a reservation, is read back with another time than it has";
    /// The live state changes without a record.
    UnloggedChange = "unlogged-change", 37,
        "every 37th reservation makes its holder a manager, without a record";
    /// Slots are shown as they were, at a position where they are not so any more.
    OldView = "old-view", 37,
        "every 37th changed day is shown as the same person saw it last, but under the newest position";
    /// A cancel of somebody's own booking is refused as unknown.
    DeniedCancel = "denied-cancel", 37,
        "every 37th cancel of one's own booking is refused as unknown";
    /// A hold ends before its time.
    ShortHold = "short-hold", 37,
        "every 37th hold ends after half its time";
    /// A freed place goes to the last in line.
    QueueJump = "queue-jump", 3,
        "every 3rd place that two or more wait for goes to the last in line";
    /// News come with the position of news that came long before.
    OldNews = "old-news", 3,
        "every 3rd push to somebody who had two before carries the position of the first";
    /// One connection is not given a message that is for it.
    LostMessage = "lost-message", 37,
        "every 37th entry on its way to a connection is not sent";
    /// One connection is given a message after the next one.
    ReorderedConversation = "reordered-conversation", 37,
        "every 37th entry on its way to a connection is sent after the next push to it";
    /// One connection is given two messages at each other's index.
    TwoOrders = "two-orders", 37,
        "every 37th entry on its way to a connection changes places with the next one, index and all";
    /// Who comes back is told again what they had.
    DuplicateAfterReconnect = "duplicate-after-reconnect", 3,
        "every 3rd connection that subscribes is told again what stands up to 40 positions before its cursor";
    /// A receipt says less than the one before.
    FallingReceipt = "falling-receipt", 7,
        "every 7th receipt says one less than the one before it said";
    /// A receipt says more than its reader did.
    PrematureReceipt = "premature-receipt", 7,
        "every 7th receipt says that one more entry arrived than did";
    /// Nobody notices that somebody is gone.
    StuckPresence = "stuck-presence", 3,
        "every 3rd connection that ends leaves its person shown as here, for ever";
    /// A message comes in other words than were said.
    AlteredWords = "altered-words", 37,
        "every 37th message on its way to a connection says something else";
    /// Somebody is told an entry of a conversation they are not in.
    LeakedMessage = "leaked-message", 37,
        "every 37th connection that is not in a conversation is told an entry of it";
    /// A message stands, and its author is told that it was refused.
    DeniedMessage = "denied-message", 37,
        "every 37th message stands and is shown, and its author is told that it was refused";
    /// One connection is told a message twice.
    ToldTwice = "told-twice", 37,
        "every 37th entry on its way to a connection is sent twice";
    /// An author is told an index that another message of theirs has.
    StaleIndex = "stale-index", 37,
        "every 37th message is answered with the index of its author's message before it";
    /// An author is told a position before what they had been shown.
    StalePosition = "stale-position", 37,
        "every 37th message is answered with the position of its author's message before it";
    /// A page of a conversation leaves an entry out.
    HoledPage = "holed-page", 7,
        "every 7th page of history leaves out its second entry";
    /// A page of a conversation leaves out what its reader said.
    ForgottenMessage = "forgotten-message", 7,
        "every 7th page of history ends before its reader's own last message";
    /// An entry is told to half of those it is for.
    HalfTold = "half-told", 37,
        "every 37th entry is told to every second connection only";
    /// Whoever comes back is not told all that they missed.
    LostBacklog = "lost-backlog", 37,
        "every 37th entry that a connection missed is left out when it comes back";
    /// Whoever comes back is told nothing any more.
    StalledBacklog = "stalled-backlog", 7,
        "every 7th connection that missed something is told nothing any more";
    /// Somebody is told nothing, on none of their devices.
    DeafPerson = "deaf-person", 7,
        "whoever's number is a multiple of 7 is told nothing of what is logged, from the first push on";
    /// A receipt is told to nobody.
    LostReceipt = "lost-receipt", 7,
        "every 7th receipt is told to nobody";
    /// Whoever gets a place they waited for is not told.
    LostPromotion = "lost-promotion", 3,
        "every 3rd promotion from a waitlist is told to nobody";
    /// A device goes on from where another one is.
    SharedCursor = "shared-cursor", 3,
        "every 3rd connection whose person has another device that is further goes on from there";
    /// What was said long ago is kept no more.
    ShortMemory = "short-memory", 7,
        "every 7th page of history ends after ten entries, as if there were no more";
    /// Nobody is told that somebody went.
    UntoldGoing = "untold-going", 3,
        "every 3rd going is told to nobody who watches";
    /// Somebody was last seen before they were last seen.
    FallingLastSeen = "falling-last-seen", 3,
        "every 3rd going is told as if it had been a minute before";
    /// News of an old going come after the coming.
    LateGoing = "late-going", 3,
        "every 3rd coming is told, and then the going before it under the same epoch";
    /// A server that was killed tells nobody what they missed before it died.
    BacklogLostInCrash = "backlog-lost-in-crash", 1,
        "a server that found a log tells whoever comes back only of what happened since it started";
    /// A favourite that was removed is shown.
    ResurrectedFavourite = "resurrected-favourite", 7,
        "every 7th list that lost a favourite is shown as the same person saw it last, under the newest position";
    /// An item that was taken out of the catalogue is shown among favourites.
    FavouriteOfRemovedItem = "favourite-of-removed-item", 3,
        "every 3rd list that lost an item which was taken out of the catalogue is shown as the same person saw it last";
    /// A retry of a sale counts it again.
    SaleCountedTwice = "sale-counted-twice", 3,
        "every 3rd retry of a sale counts it once more, without a record";
    /// A total has parts of another position.
    MixedTotals = "mixed-totals", 7,
        "every 7th total that changed has the parts that were shown last";
    /// An addition of a favourite says that nothing changed.
    DeniedFavourite = "denied-favourite", 7,
        "every 7th new favourite is answered as if it had been one already";
    /// A favourite counts twice.
    DoubleFavourite = "double-favourite", 3,
        "every 3rd favourite added once more is answered as if it had counted again";
    /// The number of favourites is another one.
    MiscountedFavourites = "miscounted-favourites", 7,
        "every 7th list of favourites states one more than there are";
    /// A search does not find everything.
    IncompleteSearch = "incomplete-search", 7,
        "every 7th search leaves out the last item it found";
    /// A search finds in another order.
    UnorderedSearch = "unordered-search", 7,
        "every 7th search shows its first two items in the other order";
    /// A total has not all its parts.
    MissingPart = "missing-part", 7,
        "every 7th total leaves out its last part and counts it";
    /// A total says more than was sold.
    InflatedTotal = "inflated-total", 7,
        "every 7th total, and its first part, says ten million cents more than were sold";
    /// A total says less than before.
    FallingTotal = "falling-total", 7,
        "every 7th total is answered as if nothing had been sold";
    /// A sale is recorded with other cents.
    RoundedSale = "rounded-sale", 7,
        "every sale of a multiple of 7 cents is recorded with one cent less";
    /// What somebody said is shown although they were erased.
    RememberedWords = "remembered-words", 3,
        "every 3rd text on a page of history whose author was erased is shown as it was, if a page showed it before";
    /// Somebody stands on a list although they were erased.
    LingeringPerson = "lingering-person", 3,
        "every 3rd list of people that lost somebody who was erased still has them";
    /// What somebody said goes, although they were not erased.
    WipedWords = "wiped-words", 37,
        "every 37th text on a page of history is shown without its words, as if its author had been erased";
    /// Somebody is told of another slot than they got.
    MisnamedSlot = "misnamed-slot", 37,
        "every 37th place that somebody got is answered with the slot behind it";
    /// A member is on no list.
    UnlistedMember = "unlisted-member", 5,
        "every 5th list of members lacks the last one";
    /// The end of what somebody said is lost.
    CutWords = "cut-words", 37,
        "every 37th text that is pushed lacks its last letter";
    /// Somebody may not read what they are in.
    DeniedHistory = "denied-history", 17,
        "every 17th page of history is refused as if its reader were no member";
}

impl fmt::Display for PlantedBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a planted bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no planted bug `{given}`; there are {}", names())]
pub struct UnknownBug {
    /// What was given.
    given: String,
}

impl FromStr for PlantedBug {
    type Err = UnknownBug;

    fn from_str(text: &str) -> Result<Self, UnknownBug> {
        let named = Self::ALL.iter().copied().find(|bug| bug.name() == text);
        named.ok_or_else(|| UnknownBug {
            given: text.to_owned(),
        })
    }
}

fn names() -> String {
    let names: Vec<&str> = PlantedBug::ALL.iter().map(|bug| bug.name()).collect();
    names.join(", ")
}
