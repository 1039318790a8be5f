//! One operation: what a client asked, what it was told, and when.
//!
//! The driver makes them, the recorder times them, the history keeps them, the laws judge them.
//! Times are nanoseconds since the run's start on the generator's monotonic clock.
//! Deliberately absent: how a call travels (see `target`), who decides what to ask (see `plan`).

mod answer;
mod calls;
mod catalogue;
mod chat;
mod sales;

use protocol::{
    ChainHash, Code, Key, UserId,
    words::{
        agenda::{SlotId, SlotView},
        presence::Signal,
    },
};

use serde::{Deserialize, Serialize};

pub use self::{
    answer::Answer,
    calls::Operand,
    catalogue::{CatalogueCall, CatalogueSeen, WORDS_LEN, item_name, word_text},
    chat::{ChatCall, ChatSeen, ShownEntry, Words, is_text_of, text_of},
    sales::{SalesCall, SalesSeen},
};

/// Nanoseconds since the run's start.
pub type Nanos = u64;

/// A slot in eight bytes: agenda (position that opened it) 32 bits, day 20, slot 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot(pub u64);

impl Slot {
    /// Packs a slot. `None` when a part does not fit, which no agenda of ours reaches.
    #[must_use]
    pub fn pack(id: SlotId) -> Option<Self> {
        let fits = id.agenda < 1 << 32 && id.day < 1 << 20 && id.slot < 1 << 12;
        fits.then(|| Self(id.agenda << 32 | u64::from(id.day) << 12 | u64::from(id.slot)))
    }

    /// The slot's parts.
    #[must_use]
    pub const fn unpack(self) -> SlotId {
        SlotId {
            agenda: self.0 >> 32,
            day: (self.0 >> 12 & 0xf_ffff) as u32,
            slot: (self.0 & 0xfff) as u16,
        }
    }
}

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Take a place.
    Reserve {
        /// Of this slot.
        slot: Slot,
    },
    /// Give a place back.
    Cancel {
        /// The booking.
        booking: u64,
        /// Its slot, as the client remembers it.
        slot: Slot,
    },
    /// Take a place for a while.
    Hold {
        /// Of this slot.
        slot: Slot,
        /// For how long.
        seconds: u32,
    },
    /// Keep a held place.
    Confirm {
        /// The booking.
        booking: u64,
        /// Its slot, as the client remembers it.
        slot: Slot,
    },
    /// Queue for a slot.
    JoinWaitlist {
        /// Of this slot.
        slot: Slot,
    },
    /// Leave the queue of a slot.
    LeaveWaitlist {
        /// Of this slot.
        slot: Slot,
    },
    /// Read a day.
    ListSlots {
        /// The agenda, and the day; the slot number is 0.
        slot: Slot,
    },
    /// Read one's own bookings.
    MyBookings,
    /// Forget me. Whoever asks for it asks for nothing more, nor does any other client of theirs.
    EraseMe,
    /// Of the chat and the messenger.
    Chat(ChatCall),
    /// Of the catalogue.
    Catalogue(CatalogueCall),
    /// Of the sales.
    Sales(SalesCall),
}

/// Calls of the agenda; the other systems' follow them, in this order, and last that of the accounts.
const AGENDA_LEN: usize = 8;
const CATALOGUE_FIRST: usize = AGENDA_LEN + ChatCall::NAMES.len();
const SALES_FIRST: usize = CATALOGUE_FIRST + CatalogueCall::NAMES.len();
const ERASE_ME: usize = SALES_FIRST + SalesCall::NAMES.len();
const NAMES_LEN: usize = ERASE_ME + 1;

const fn names(agenda: [&'static str; AGENDA_LEN]) -> [&'static str; NAMES_LEN] {
    let mut names = [""; NAMES_LEN];
    let sets: [(usize, &[&'static str]); 5] = [
        (0, &agenda),
        (AGENDA_LEN, ChatCall::NAMES),
        (CATALOGUE_FIRST, CatalogueCall::NAMES),
        (SALES_FIRST, SalesCall::NAMES),
        (ERASE_ME, &["erase-me"]),
    ];
    let mut set = 0;
    while set < sets.len() {
        let (first, set_names) = sets[set];
        let mut name = 0;
        while name < set_names.len() {
            names[first + name] = set_names[name];
            name += 1;
        }
        set += 1;
    }
    names
}

impl Call {
    /// Names by index, as scenarios and reports show them.
    pub const NAMES: [&'static str; NAMES_LEN] = names([
        "reserve",
        "cancel",
        "hold",
        "confirm",
        "join-waitlist",
        "leave-waitlist",
        "list-slots",
        "my-bookings",
    ]);

    /// The index of this call's name.
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::Reserve { .. } => 0,
            Self::Cancel { .. } => 1,
            Self::Hold { .. } => 2,
            Self::Confirm { .. } => 3,
            Self::JoinWaitlist { .. } => 4,
            Self::LeaveWaitlist { .. } => 5,
            Self::ListSlots { .. } => 6,
            Self::MyBookings => 7,
            Self::Chat(call) => AGENDA_LEN + call.index(),
            Self::Catalogue(call) => CATALOGUE_FIRST + call.index(),
            Self::Sales(call) => SALES_FIRST + call.index(),
            Self::EraseMe => ERASE_ME,
        }
    }

    /// Whether it only asks: nothing is logged of it.
    #[must_use]
    pub const fn is_query(&self) -> bool {
        match self {
            Self::ListSlots { .. } | Self::MyBookings => true,
            Self::Chat(call) => call.is_query(),
            Self::Catalogue(call) => call.is_query(),
            Self::Sales(call) => call.is_query(),
            Self::Reserve { .. }
            | Self::Cancel { .. }
            | Self::Hold { .. }
            | Self::Confirm { .. }
            | Self::JoinWaitlist { .. }
            | Self::LeaveWaitlist { .. }
            | Self::EraseMe => false,
        }
    }

    /// The slot it is about, if it is about one.
    #[must_use]
    pub const fn slot(&self) -> Option<Slot> {
        match self {
            Self::Reserve { slot }
            | Self::Cancel { slot, .. }
            | Self::Hold { slot, .. }
            | Self::Confirm { slot, .. }
            | Self::JoinWaitlist { slot }
            | Self::LeaveWaitlist { slot }
            | Self::ListSlots { slot } => Some(*slot),
            Self::MyBookings
            | Self::Chat(_)
            | Self::Catalogue(_)
            | Self::Sales(_)
            | Self::EraseMe => None,
        }
    }

    /// Its number in histories: the set in the two high bits, its index there below. Add calls at
    /// the end of their set, and never renumber or reuse one.
    #[must_use]
    pub fn number(&self) -> u8 {
        let (set, index) = match self {
            Self::Chat(call) => (1, call.index()),
            Self::Catalogue(call) => (2, call.index()),
            Self::Sales(call) => (3, call.index()),
            Self::Reserve { .. }
            | Self::Cancel { .. }
            | Self::Hold { .. }
            | Self::Confirm { .. }
            | Self::JoinWaitlist { .. }
            | Self::LeaveWaitlist { .. }
            | Self::ListSlots { .. }
            | Self::MyBookings => (0, self.index()),
            // No set is left: it stands behind the calls of the agenda.
            Self::EraseMe => (0, AGENDA_LEN),
        };
        set << 6 | u8::try_from(index).expect("a set has fewer than 64 calls")
    }

    /// What it is about, in numbers, at most five: with [`Call::number`], the call as histories
    /// keep it. The order is theirs for ever.
    pub fn for_each_operand(&self, mut take: impl FnMut(u64)) {
        match *self {
            Self::Reserve { slot }
            | Self::JoinWaitlist { slot }
            | Self::LeaveWaitlist { slot }
            | Self::ListSlots { slot } => take(slot.0),
            Self::Cancel { booking, slot } | Self::Confirm { booking, slot } => {
                take(booking);
                take(slot.0);
            }
            Self::Hold { slot, seconds } => {
                take(slot.0);
                take(seconds.into());
            }
            Self::MyBookings | Self::EraseMe => {}
            Self::Chat(call) => call.for_each_operand(take),
            Self::Catalogue(call) => call.for_each_operand(take),
            Self::Sales(call) => call.for_each_operand(take),
        }
    }

    /// The call of this number with these operands: the reverse of [`Call::for_each_operand`].
    /// `None` if there is none such.
    #[must_use]
    pub fn from_operands(number: u8, next: impl FnMut() -> Option<u64>) -> Option<Self> {
        let index = usize::from(number & 0x3f);
        match number >> 6 {
            0 => Self::of_agenda(index, next),
            1 => ChatCall::from_operands(index, next).map(Self::Chat),
            2 => CatalogueCall::from_operands(index, next).map(Self::Catalogue),
            _three => SalesCall::from_operands(index, next).map(Self::Sales),
        }
    }

    fn of_agenda(index: usize, mut next: impl FnMut() -> Option<u64>) -> Option<Self> {
        Some(match index {
            0 => Self::Reserve {
                slot: Slot(next()?),
            },
            1 => Self::Cancel {
                booking: next()?,
                slot: Slot(next()?),
            },
            2 => Self::Hold {
                slot: Slot(next()?),
                seconds: u32::try_from(next()?).ok()?,
            },
            3 => Self::Confirm {
                booking: next()?,
                slot: Slot(next()?),
            },
            4 => Self::JoinWaitlist {
                slot: Slot(next()?),
            },
            5 => Self::LeaveWaitlist {
                slot: Slot(next()?),
            },
            6 => Self::ListSlots {
                slot: Slot(next()?),
            },
            7 => Self::MyBookings,
            AGENDA_LEN => Self::EraseMe,
            _no_writer_writes => return None,
        })
    }
}

/// What became of a call, as far as its client can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect between invoke and completion.
    Ok,
    /// It was decided and refused: an observation of the state at `seq`.
    Refused(Code),
    /// It was not considered: it definitely did not take effect.
    Error(Code),
    /// No answer in time; it may take effect at any later time, or never.
    Timeout,
    /// The connection was lost; it may take effect at any later time, or never.
    Unknown,
}

impl Outcome {
    /// Whether the server decided it: ok or refused, with a position and a hash.
    #[must_use]
    pub const fn is_decided(&self) -> bool {
        matches!(self, Self::Ok | Self::Refused(_))
    }
}

/// A finished operation. An operation with several attempts (retries under one key) is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Who.
    pub client: u32,
    /// The client's own count, from 0: with `client`, the identity of the operation.
    pub counter: u32,
    /// What was asked.
    pub call: Call,
    /// When the schedule wanted it sent.
    pub intended_at: Nanos,
    /// When it was sent (invoked).
    pub sent_at: Nanos,
    /// When its outcome was known.
    pub completed_at: Nanos,
    /// The highest position anybody had been shown when it was sent: the certificate's floor.
    pub floor: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// The position in the answer; 0 without one.
    pub seq: u64,
    /// The chain hash in the answer; zeros without one.
    pub hash: ChainHash,
    /// Attempts it took, 1 for no retry.
    pub attempts: u8,
}

/// What an accepted answer showed, beyond where it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observed {
    /// Nothing more. A write's booking is its position.
    Nothing,
    /// A day of an agenda.
    Slots(Vec<SlotView>),
    /// The asker's bookings: booking, slot, end of hold (0 for none), the key that asked for it.
    Bookings(Vec<(u64, Slot, u64, Key)>),
    /// Of the chat.
    Chat(ChatSeen),
    /// Of the catalogue.
    Catalogue(CatalogueSeen),
    /// Of the sales.
    Sales(SalesSeen),
}

/// Keys that prove themselves: who chose them, as what, and that it was this run.
///
/// ```text
/// client u32 LE | counter u32 LE | first 8 bytes of BLAKE3 keyed by the run's secret
/// ```
#[derive(Debug, Clone)]
pub struct KeyMint {
    secret: [u8; 32],
}

impl KeyMint {
    /// A mint of its own for every run.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// The key of one operation.
    #[must_use]
    pub fn mint(&self, client: u32, counter: u32) -> Key {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&client.to_le_bytes());
        bytes[4..8].copy_from_slice(&counter.to_le_bytes());
        let mac = blake3::keyed_hash(&self.secret, &bytes[..8]);
        bytes[8..].copy_from_slice(&mac.as_bytes()[..8]);
        Key(bytes)
    }

    /// Who minted this key, as what; `None` when nobody in this run did.
    #[must_use]
    pub fn verify(&self, key: &Key) -> Option<(u32, u32)> {
        let (client, rest) = key.0.split_first_chunk::<4>()?;
        let (counter, _mac) = rest.split_first_chunk::<4>()?;
        let (client, counter) = (u32::from_le_bytes(*client), u32::from_le_bytes(*counter));
        (self.mint(client, counter) == *key).then_some((client, counter))
    }

    /// A chain hash in eight bytes, for where there is no room for all 32: a keyed BLAKE3 of it, so that
    /// a server, which does not know the secret, cannot make two hashes look alike.
    #[must_use]
    pub fn fingerprint(&self, hash: &ChainHash) -> u64 {
        let mac = blake3::keyed_hash(&self.secret, &hash.0);
        let first = mac.as_bytes().first_chunk().expect("8 of 32 bytes");
        u64::from_le_bytes(*first)
    }

    /// The keys of this run's set-up.
    #[must_use]
    pub fn set_up(&self) -> SetUpKeys {
        let first = self.secret.first_chunk().expect("8 of 32 bytes");
        SetUpKeys::new(u64::from_le_bytes(*first))
    }
}

/// Keys of a run's set-up: they tell what was made for the run from what others made, and are never
/// those of its operations, nor the same twice.
///
/// ```text
/// run u64 LE | purpose u32 LE | number u32 LE
/// ```
///
/// The run stands first: keys that begin with eight zero bytes are the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUpKeys {
    run: u64,
}

impl SetUpKeys {
    /// The purpose of the keys under which a run registers its people.
    pub const REGISTER: u32 = 3;

    /// Those of the run with this id.
    #[must_use]
    pub const fn new(run: u64) -> Self {
        Self { run }
    }

    /// The id of the run, which its names have too.
    #[must_use]
    pub const fn run(self) -> u64 {
        self.run
    }

    /// One key.
    #[must_use]
    pub fn key(self, purpose: u32, number: u32) -> Key {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.run.to_le_bytes());
        bytes[8..12].copy_from_slice(&purpose.to_le_bytes());
        bytes[12..].copy_from_slice(&number.to_le_bytes());
        Key(bytes)
    }

    /// Whether a key is one of this purpose.
    #[must_use]
    pub fn has(self, purpose: u32, key: &Key) -> bool {
        key.0[..8] == self.run.to_le_bytes() && key.0[8..12] == purpose.to_le_bytes()
    }
}

/// Whoever must see every operation as it happens: the online laws, or nobody in a benchmark.
///
/// What tells something has no default: a history is what an observer was told, and a method that it
/// does not keep must not compile.
pub trait Observer {
    /// An operation is about to be sent. Returns the floor to note in it: the highest position
    /// anybody has been shown so far.
    fn handle_invoke(&mut self, client: u32, counter: u32, call: &Call, now: Nanos) -> u64;
    /// What the answer to a command says, which is over next.
    fn handle_answer(&mut self, operation: &Operation, answer: &Answer);
    /// Its outcome is known. Called once an operation, in the order outcomes become known.
    fn handle_complete(&mut self, operation: &Operation, observed: &Observed);
    /// A command already answered was asked again under its key, and answered a second time.
    /// `second` is the first operation with the outcome, position, hash and times of the second
    /// answer. Not an operation: counted apart, in no histogram.
    fn handle_duplicate(&mut self, first: &Operation, second: &Operation);
    /// The key of a command already answered was used again on purpose, for another command, and
    /// this is what became of that. No operation either: nobody may do so.
    fn handle_reused(&mut self, first: &Operation, outcome: Outcome);
    /// A push reached a client, as of a position and the log's hash there: the promotion of a waitlist,
    /// the end of a hold, a message.
    fn handle_push(&mut self, client: u32, position: (u64, ChainHash), push: &Push, now: Nanos);
    /// A client says something in passing; nobody answers.
    fn handle_signal(&mut self, client: u32, signal: &Signal, now: Nanos);
    /// Something without a position reached a client: who is here, who is writing.
    fn handle_news(&mut self, client: u32, news: &News, now: Nanos);
    /// A client's connection began or ended.
    fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos);
    /// The load is over, and waiting for what is for this client up to `seq` is over too. If
    /// `is_settled`, what was not shown by now never will be: nothing is on its way to anybody. To be
    /// told while the client's connection is up.
    fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool);
    /// Something was broken on purpose, or is, or has just been mended.
    fn handle_fault(&mut self, now: Nanos);
    /// What the laws looked at so far, for somebody who watches.
    fn progress(&self) -> Vec<LawProgress> {
        Vec::new()
    }
    /// Whether what it was told could not be kept: the load is to end, since nobody could judge it.
    fn has_failed(&self) -> bool {
        false
    }
}

/// What a law looked at so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LawProgress {
    /// Its name.
    pub name: &'static str,
    /// What it looks at while the run goes on; nothing for one that is judged after it.
    pub what: &'static str,
    /// How much of that.
    pub count: u64,
    /// Violations found.
    pub violations: u64,
}

/// What became of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkChange {
    /// It is somebody's again, and pushes follow from behind this position.
    Subscribed {
        /// The last position that the client says it has.
        from: u64,
        /// The newest position there was: what lies between is what the client missed.
        newest: u64,
    },
    /// It ended, at the client's wish or not.
    Ended,
}

/// What the server told a client in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// Somebody came or went.
    Presence {
        /// Who.
        user: UserId,
        /// Whether they are here.
        online: bool,
        /// When they were last heard of, milliseconds since 1970-01-01 UTC.
        last_seen: u64,
        /// Of two about one person the higher one holds.
        epoch: u64,
    },
    /// Somebody began or stopped writing.
    Typing {
        /// Who.
        user: UserId,
        /// Whether they are writing.
        on: bool,
    },
}

/// What the server told a client without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Push {
    /// The client waited for this slot and holds it now, as booking `seq`.
    Promoted {
        /// Which slot.
        slot: Slot,
    },
    /// A hold of the client's ended by its deadline.
    Expired {
        /// The booking.
        booking: u64,
        /// Its slot.
        slot: Slot,
    },
    /// An entry of a conversation the client is in.
    Entry(ShownEntry),
    /// Somebody's watermarks rose in a conversation the client is in.
    Receipt {
        /// Which conversation.
        conversation: u64,
        /// Whose.
        user: UserId,
        /// How far it arrived.
        delivered: u64,
        /// How far it was read.
        read: u64,
    },
}
