//! What a law is: what it demands, what it listens to, and what it found.
//!
//! Everything that happens in a run is an [`Event`], told to each law in turn; a law has a method for the
//! events it is about, and the compiler leaves out the calls to all others. What laws share (who is
//! who, what was shown to whom, a model of each system) stands in [`World`], which is up to date when an
//! event is told. Deliberately absent: which laws there are (`registry`).

use protocol::{
    ChainHash, OwnedRecord, Refusal, UserId,
    words::{agenda, chat as chat_words, sales as sales_words},
};

use crate::operation::{
    Answer, Call, LawProgress, LinkChange, Nanos, Observed, Operation, Outcome, Push, ShownEntry,
    Slot,
};

use super::{
    catalogue,
    chat::{self, entries::Sight, mailbox::Arrival, watermarks_rise::Told},
    finding::{About, Finding, OperationId},
    holders::Held,
    laws::LawOptions,
    ledger::Entry,
    presence::{self, Sighting, roll::Seat},
    record::Decided,
    replay_determinism::StateAt,
    sales,
    slot_history::SlotHistory,
    world::World,
};

/// A law. Each method is told of one sort of event, and does nothing unless the law says otherwise.
pub(crate) trait Law: Sized {
    /// What it is, in words.
    const ABOUT: About;

    /// Nothing seen yet.
    fn new(options: &LawOptions) -> Self;

    /// A call is about to be sent.
    fn on_invoke(&mut self, _: &Invoked<'_>, _: &World) {}
    /// A command was answered.
    fn on_answer(&mut self, _: &Answered<'_>, _: &World) {}
    /// Its outcome is known.
    fn on_complete(&mut self, _: &Completed<'_>, _: &World) {}
    /// A question about the agenda was answered.
    fn on_read(&mut self, _: &Read<'_>, _: &World) {}
    /// A command was asked again under its key.
    fn on_duplicate(&mut self, _: &Duplicate<'_>, _: &World) {}
    /// A key was used for another command.
    fn on_reused(&mut self, _: &Reused<'_>, _: &World) {}
    /// Something was pushed.
    fn on_push(&mut self, _: &Pushed<'_>, _: &World) {}
    /// A connection began or ended.
    fn on_link(&mut self, _: &Linked, _: &World) {}
    /// Something was broken on purpose.
    fn on_fault(&mut self, _: &Fault, _: &World) {}

    /// More people hold a slot than it has places.
    fn on_crowded(&mut self, _: &Crowded<'_>, _: &World) {}
    /// An entry of a conversation was pushed.
    fn on_arrival(&mut self, _: &Arrived<'_>, _: &World) {}
    /// An entry of a conversation was shown, pushed or not.
    fn on_sight(&mut self, _: &Sighted<'_>, _: &World) {}
    /// Somebody was told how far somebody got or read a conversation.
    fn on_marks(&mut self, _: &Marked, _: &World) {}
    /// Somebody was shown how it is with somebody.
    fn on_presence(&mut self, _: &Present, _: &World) {}
    /// What somebody knew of somebody they watched is judged, since it ends or changes.
    fn on_watched(&mut self, _: &Watched, _: &World) {}

    /// A record of the log, before any model has it.
    fn on_record(&mut self, _: &Logged<'_>, _: &World) {}
    /// The same, when every model has it.
    fn on_applied(&mut self, _: &Applied<'_>, _: &World) {}
    /// The log has an entry of a conversation.
    fn on_entry(&mut self, _: &EntryLogged<'_>, _: &World) {}
    /// The model of the chat is where an answer said it was.
    fn on_chat_shown(&mut self, _: &ChatShown<'_>, _: &World) {}
    /// The model of the catalogue is where an answer said it was.
    fn on_catalogue_shown(&mut self, _: &CatalogueShown<'_>, _: &World) {}
    /// The model of the sales is where an answer said it was.
    fn on_figure(&mut self, _: &FigureShown<'_>, _: &World) {}

    /// Hashes of the live and of the replayed state were read.
    fn on_state_hashes(&mut self, _: &StateHashes, _: &World) {}
    /// The log is known, and with it what visitors did.
    fn on_visitors(&mut self, _: &Visitors, _: &World) {}
    /// An operation of the history, when the log is known.
    fn on_history(&mut self, _: &Recalled<'_>, _: &World) {}
    /// Log and history are known.
    fn on_log_known(&mut self, _: &LogKnown, _: &World) {}
    /// What happened to some of the slots, each in the order of its calls.
    fn on_slots(&mut self, _: &Slots<'_>, _: &World) {}

    /// How far it is; `None` for a law that is judged after the run.
    fn progress(&self, _: &World) -> Option<LawProgress> {
        None
    }

    /// What it found.
    fn conclude(self, ended: &Ended<'_>) -> Finding;
}

/// Something that happened, which every law hears.
pub(crate) trait Event {
    /// Tells one law.
    fn tell<L: Law>(&self, law: &mut L, world: &World);
}

macro_rules! events {
    ($($event:ty => $hook:ident),+ $(,)?) => {
        $(impl Event for $event {
            #[inline]
            fn tell<L: Law>(&self, law: &mut L, world: &World) {
                law.$hook(self, world);
            }
        })+
    };
}
events! {
    Invoked<'_> => on_invoke,
    Answered<'_> => on_answer,
    Completed<'_> => on_complete,
    Read<'_> => on_read,
    Duplicate<'_> => on_duplicate,
    Reused<'_> => on_reused,
    Pushed<'_> => on_push,
    Linked => on_link,
    Fault => on_fault,
    Crowded<'_> => on_crowded,
    Arrived<'_> => on_arrival,
    Sighted<'_> => on_sight,
    Marked => on_marks,
    Present => on_presence,
    Watched => on_watched,
    Logged<'_> => on_record,
    Applied<'_> => on_applied,
    EntryLogged<'_> => on_entry,
    ChatShown<'_> => on_chat_shown,
    CatalogueShown<'_> => on_catalogue_shown,
    FigureShown<'_> => on_figure,
    StateHashes => on_state_hashes,
    Visitors => on_visitors,
    Recalled<'_> => on_history,
    LogKnown => on_log_known,
    Slots<'_> => on_slots,
}

/// A call that is about to be sent.
#[derive(Debug)]
pub(crate) struct Invoked<'a> {
    pub(crate) id: OperationId,
    pub(crate) user: UserId,
    pub(crate) call: &'a Call,
    /// The number of the slot that it is for, if it may take or free a place of it.
    pub(crate) slot: Option<usize>,
    pub(crate) now: Nanos,
}

/// A command that was answered.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) answer: &'a Answer,
}

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Completed<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) observed: &'a Observed,
    pub(crate) user: UserId,
    /// The number of its slot, if it may have taken or freed a place of it.
    pub(crate) slot: Option<usize>,
}

/// A question about the agenda that was answered.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) observed: &'a Observed,
}

/// A further answer to the key of an operation.
#[derive(Debug)]
pub(crate) struct Duplicate<'a> {
    pub(crate) first: &'a Operation,
    pub(crate) outcome: Outcome,
    pub(crate) seq: u64,
    pub(crate) hash: ChainHash,
}

/// What became of another command under the key of an operation.
#[derive(Debug)]
pub(crate) struct Reused<'a> {
    pub(crate) first: &'a Operation,
    pub(crate) outcome: Outcome,
}

/// Something that was pushed to a client.
#[derive(Debug)]
pub(crate) struct Pushed<'a> {
    pub(crate) client: u32,
    pub(crate) seq: u64,
    pub(crate) hash: ChainHash,
    pub(crate) push: &'a Push,
    /// The number of the slot of which a hold ended that was known to be held.
    pub(crate) freed: Option<usize>,
    pub(crate) now: Nanos,
    /// The highest position that anybody was shown before.
    pub(crate) floor: u64,
}

/// A client's connection began or ended.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) client: u32,
    pub(crate) user: UserId,
    pub(crate) change: LinkChange,
    /// Whose connection was up until now, if one was.
    pub(crate) ended: Option<UserId>,
    pub(crate) now: Nanos,
}

/// Something was broken on purpose.
#[derive(Debug)]
pub(crate) struct Fault;

/// A booking of a slot all of whose places were taken.
#[derive(Debug)]
pub(crate) struct Crowded<'a> {
    pub(crate) slot: Slot,
    pub(crate) others: &'a [Held],
    pub(crate) new: &'a Held,
}

/// An entry that was pushed.
#[derive(Debug)]
pub(crate) struct Arrived<'a> {
    pub(crate) client: u32,
    pub(crate) entry: &'a ShownEntry,
    pub(crate) arrival: Arrival,
}

/// An entry that was shown.
#[derive(Debug)]
pub(crate) struct Sighted<'a> {
    pub(crate) client: u32,
    pub(crate) entry: &'a ShownEntry,
    pub(crate) sight: Sight,
}

/// Watermarks that somebody was told of.
#[derive(Debug)]
pub(crate) struct Marked {
    /// Conversation and person.
    pub(crate) whose: (u64, UserId),
    pub(crate) told: Told,
    pub(crate) by_receipt: bool,
}

/// How somebody was shown to be, by news or on a list.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) sighting: Sighting,
    pub(crate) seat: Option<Seat>,
    pub(crate) last_seen: u64,
    /// The news that said it, and those that this viewer had before.
    pub(crate) news: Option<(presence::News, Option<presence::News>)>,
    /// Whether it can be held against the clock: it is the newest there is, and nothing was broken
    /// just before.
    pub(crate) is_settled: bool,
}

/// What a watcher knew of somebody until `now`.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) watcher: u32,
    pub(crate) last: presence::News,
    pub(crate) seat: Option<Seat>,
    pub(crate) now: Nanos,
}

/// One record of the log.
#[derive(Debug)]
pub(crate) struct Logged<'a> {
    pub(crate) record: &'a OwnedRecord,
    /// The operation whose key it has.
    pub(crate) minted: Option<OperationId>,
    /// Who this operation's client is known to be.
    pub(crate) holder: Option<UserId>,
    /// Where an earlier record of this operation stands.
    pub(crate) earlier: Option<u64>,
    /// Whether somebody of this run must have asked for it.
    pub(crate) is_asked: bool,
    /// What it says and what became of it, if it is of this system.
    pub(crate) agenda: Option<(&'a agenda::Command, &'a Result<agenda::Event, Refusal>)>,
    pub(crate) sales: Option<&'a Decided<sales_words::Command>>,
    /// Whether its outcome is no word that its command can be answered with.
    pub(crate) is_unreadable: bool,
    /// A slot of which a place was freed before, and that this record should have given away.
    pub(crate) owed: Option<agenda::SlotId>,
}

/// A record that every model has.
#[derive(Debug)]
pub(crate) struct Applied<'a> {
    pub(crate) record: &'a OwnedRecord,
    pub(crate) minted: Option<OperationId>,
    /// What it says, if it is of the chat and was accepted.
    pub(crate) chat: Option<&'a chat_words::Command>,
}

/// An entry of a conversation, and its place there.
#[derive(Debug)]
pub(crate) struct EntryLogged<'a> {
    pub(crate) at: (u64, u64),
    pub(crate) record: &'a OwnedRecord,
}

/// What an answer of the chat showed.
#[derive(Debug)]
pub(crate) struct ChatShown<'a> {
    pub(crate) kept: &'a chat::Kept,
}

/// What an answer of the catalogue showed.
#[derive(Debug)]
pub(crate) struct CatalogueShown<'a> {
    pub(crate) shown: &'a catalogue::Shown,
    pub(crate) user: UserId,
    pub(crate) record: &'a OwnedRecord,
    /// Of a favourite added or removed here: whether it was there before.
    pub(crate) before: Option<bool>,
}

/// What an answer of the sales showed.
#[derive(Debug)]
pub(crate) struct FigureShown<'a> {
    pub(crate) shown: &'a sales::Shown,
    pub(crate) seq: u64,
}

/// Hashes of the state of the live server, and of a replay of its log.
#[derive(Debug)]
pub(crate) struct StateHashes {
    pub(crate) live: Option<StateAt>,
    pub(crate) replayed: Option<StateAt>,
}

/// What others did who used the server: [`World`] has it.
#[derive(Debug)]
pub(crate) struct Visitors;

/// An operation of the history, and its record.
#[derive(Debug)]
pub(crate) struct Recalled<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) own: Option<(u64, Entry)>,
}

/// The log and the history were read to their ends.
#[derive(Debug)]
pub(crate) struct LogKnown;

/// Some of the slots.
#[derive(Debug)]
pub(crate) struct Slots<'a> {
    pub(crate) history: &'a SlotHistory,
}

/// All there is to know when everything was told.
#[derive(Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) world: &'a World,
    /// What the log owes to whom of the chat, if there is a log that could be kept.
    pub(crate) chat: Option<chat::Owed>,
}
