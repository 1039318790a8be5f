//! What is kept of each record of the log to hold the answers against: forty-four bytes a record.
//!
//! Records go in once, in order; operations are then looked up by position or by identity.
//! Deliberately absent: bodies, which the model reads once while they stream by.

use protocol::{
    ChainHash, Code, Key, Kind, OwnedRecord,
    words::chat::{self, Target},
};

use crate::{
    operation::{Call, ChatCall, KeyMint, Nanos, Operand, Operation},
    wire::{self, Asker},
};

use super::{finding::OperationId, laws::LawOptions, pages::Pages};

/// Nobody of this run.
pub(crate) const STRANGER: u32 = u32::MAX;

/// One record, as far as answers are held against it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Of the chain hash.
    pub(crate) fingerprint: u64,
    /// When its command was sent; `Nanos::MAX` until the history told.
    pub(crate) sent_at: Nanos,
    /// The earliest instant at which anybody was shown this position.
    pub(crate) shown_at: Nanos,
    /// Who minted its key; [`STRANGER`] when nobody of this run did.
    pub(crate) client: u32,
    pub(crate) counter: u32,
    /// A digest of the command; see [`asked`].
    pub(crate) asked: u32,
    /// Why it was refused; 0 when it was accepted.
    refused: u16,
    present: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            fingerprint: 0,
            sent_at: Nanos::MAX,
            shown_at: Nanos::MAX,
            client: STRANGER,
            counter: 0,
            asked: 0,
            refused: 0,
            present: false,
        }
    }
}

impl Entry {
    /// Why it was refused, if it was.
    pub(crate) const fn refused(&self) -> Option<Code> {
        match self.refused {
            0 => None,
            code => Some(Code(code)),
        }
    }
}

/// What the laws learned of a record on its way in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decided {
    pub(crate) minted: Option<OperationId>,
    pub(crate) refused: Option<Code>,
    pub(crate) asked: u32,
}

/// All records.
#[derive(Debug)]
pub(crate) struct Ledger {
    fingerprints: Fingerprints,
    entries: Pages<Entry>,
    /// By client and counter, which are dense: how far behind `first` the record is, from 1; 0 for
    /// none.
    by_id: Vec<Vec<u32>>,
    /// Operations that may still be numbered there.
    room: usize,
    first: u64,
    last: u64,
    overflowed: bool,
}

impl Ledger {
    pub(crate) fn new(bytes_max: u64, fingerprints: Fingerprints) -> Self {
        Self {
            // An entry takes ten times as much as its number, whose list may be half empty.
            entries: Pages::new(bytes_max / 12 * 10),
            fingerprints,
            by_id: Vec::new(),
            room: usize::try_from(bytes_max / 12 / 4).unwrap_or(usize::MAX),
            first: 1,
            last: 0,
            overflowed: false,
        }
    }

    /// Gives its memory back. What it knew is forgotten.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(0, self.fingerprints.clone());
    }

    /// What to hold against [`Entry::fingerprint`].
    pub(crate) fn fingerprint(&self, hash: &ChainHash) -> u64 {
        self.fingerprints.make(hash)
    }

    /// Takes one record in. Returns the position of an earlier record of the same operation.
    pub(crate) fn push(&mut self, record: &OwnedRecord, decided: Decided) -> Option<u64> {
        let seq = record.seq.0;
        if self.last == 0 {
            self.first = seq;
        }
        self.last = self.last.max(seq);
        let fingerprint = self.fingerprints.make(&record.hash);
        let (client, counter) = decided.minted.unwrap_or((STRANGER, 0));
        match self.entries.slot(seq) {
            Some(entry) => {
                *entry = Entry {
                    fingerprint,
                    client,
                    counter,
                    asked: decided.asked,
                    refused: decided.refused.map_or(0, |code| code.0),
                    present: true,
                    ..Entry::default()
                }
            }
            None => self.overflowed = true,
        }
        let distance = (seq + 1).checked_sub(self.first).map(u32::try_from);
        let Some(Ok(distance)) = distance else {
            self.overflowed = true;
            return None;
        };
        let number = self.number(decided.minted?)?;
        let earlier = *number;
        if earlier == 0 {
            *number = distance;
            return None;
        }
        Some(self.first + u64::from(earlier) - 1)
    }

    /// Where an operation's record is noted; `None` beyond the budget.
    fn number(&mut self, (client, counter): OperationId) -> Option<&mut u32> {
        let client = usize::try_from(client).ok()?;
        let counter = usize::try_from(counter).ok()?;
        let known = self.by_id.get(client).map_or(0, Vec::len);
        let more = (counter + 1).saturating_sub(known);
        if self.room < more {
            self.overflowed = true;
            return None;
        }
        self.room -= more;
        if self.by_id.len() <= client {
            self.by_id.resize_with(client + 1, Vec::new);
        }
        let numbers = &mut self.by_id[client];
        if numbers.len() <= counter {
            numbers.resize(counter + 1, 0);
        }
        numbers.get_mut(counter)
    }

    /// Notes what the history says of the record an answer shows.
    pub(crate) fn note(&mut self, operation: &Operation) {
        if operation.outcome.is_decided()
            && let Some(entry) = self.entries.slot(operation.seq)
        {
            entry.shown_at = entry.shown_at.min(operation.completed_at);
        }
        if let Some(seq) = self.find((operation.client, operation.counter))
            && let Some(entry) = self.entries.slot(seq)
        {
            entry.sent_at = operation.sent_at;
        }
    }

    /// The record at a position.
    pub(crate) fn get(&self, seq: u64) -> Option<Entry> {
        self.entries.get(seq).filter(|entry| entry.present)
    }

    /// The position of an operation's record.
    pub(crate) fn find(&self, (client, counter): OperationId) -> Option<u64> {
        let numbers = self.by_id.get(usize::try_from(client).ok()?)?;
        match numbers.get(usize::try_from(counter).ok()?) {
            None | Some(0) => None,
            Some(number) => Some(self.first + u64::from(*number) - 1),
        }
    }

    /// Every position there may be a record at.
    pub(crate) const fn seqs(&self) -> std::ops::RangeInclusive<u64> {
        self.first..=self.last
    }

    /// Whether there was no log at all.
    pub(crate) const fn is_empty(&self) -> bool {
        self.last == 0
    }

    /// Whether records lie beyond the memory budget.
    pub(crate) const fn is_overflowed(&self) -> bool {
        self.overflowed
    }
}

/// Makes fingerprints of hashes: eight bytes in which no server can hide that two of them differ.
#[derive(Debug, Clone)]
pub(crate) struct Fingerprints {
    mint: KeyMint,
    /// How much of a hash answers keep.
    bytes: usize,
}

impl Fingerprints {
    pub(crate) fn of(options: &LawOptions) -> Self {
        Self {
            mint: options.mint.clone(),
            bytes: options.hash_bytes,
        }
    }

    pub(crate) fn make(&self, hash: &ChainHash) -> u64 {
        let mut kept = *hash;
        if let Some(lost) = kept.0.get_mut(self.bytes..) {
            lost.fill(0);
        }
        self.mint.fingerprint(&kept)
    }
}

/// The first eight bytes of a digest.
pub(crate) fn short(digest: &[u8; 32]) -> u64 {
    digest
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A digest of what a command asks: its number, what it is about, and for how long.
pub(crate) fn asked(number: u8, subject: u64, seconds: u32) -> u32 {
    let mixed = fold(fold(u64::from(number), subject), u64::from(seconds));
    u32::try_from(mixed >> 32).unwrap_or(0)
}

/// A digest of a command by its bytes.
pub(crate) fn asked_bytes(kind: Kind, body: &[u8]) -> u32 {
    let digest = short(blake3::hash(body).as_bytes());
    asked(kind.number(), fold(u64::from(kind.system()), digest), 0)
}

/// A digest of a message: its text is sealed in the log, and only whom it is for can be compared.
pub(crate) fn asked_target(to: Target) -> u32 {
    asked(chat::SYSTEM, to.number(), 0)
}

/// The digest of a call under this key, as [`asked`], [`asked_bytes`] and [`asked_target`] make it of
/// its record. `None` for what only asks, and for a cursor, which belongs to a session.
pub(crate) fn asked_by(call: &Call, key: impl FnOnce() -> Key) -> Option<u32> {
    match *call {
        Call::Reserve { slot } => Some(asked(2, slot.0, 0)),
        Call::Cancel { booking, .. } => Some(asked(3, booking, 0)),
        Call::Hold { slot, seconds } => Some(asked(4, slot.0, seconds)),
        Call::Confirm { booking, .. } => Some(asked(5, booking, 0)),
        Call::JoinWaitlist { slot } => Some(asked(7, slot.0, 0)),
        Call::LeaveWaitlist { slot } => Some(asked(8, slot.0, 0)),
        Call::ListSlots { .. } | Call::MyBookings | Call::Chat(ChatCall::MoveCursor { .. }) => None,
        Call::Chat(ChatCall::Send { to, .. }) => Some(asked_target(to)),
        Call::Chat(_) | Call::Catalogue(_) | Call::Sales(_) | Call::EraseMe => {
            let asker = Asker {
                key: key(),
                session: 0,
            };
            let mut body = Vec::new();
            let (kind, _) = wire::encode_command(call, &asker, &mut body)?;
            Some(asked_bytes(kind, &body))
        }
    }
}

/// Folds one more number into a digest.
pub(crate) const fn fold(digest: u64, more: u64) -> u64 {
    let mixed = (digest ^ more).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(31)
}
