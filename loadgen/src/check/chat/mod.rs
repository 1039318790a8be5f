//! The laws of messaging and offline delivery, M1 to M13 and O1 to O5: who is told what.
//!
//! Pushes, connections and answers go in as they come, then the log through a model of our own; one
//! finding a law comes out. `mailbox` knows what each client was shown, `entries` what stands at each
//! index, `own` what each client said; `model` is the log, and `due` what it says each had to be
//! shown. A law that another one implies is still judged by its own evidence, and says so.
//!
//! Pushes of the agenda are judged here too (`pushes_complete`): they come on the same connections.
//!
//! Deliberately absent: who is here and who writes, which the log never hears of (see `presence`).

mod backlog_drained;
mod causal_order;
mod cursors_independent;
mod due;
mod entries;
mod everybody_has_it;
mod fifo_per_sender;
mod mailbox;
mod model;
mod no_aborted_message;
mod no_gap;
mod no_lost_message;
mod no_phantom_message;
mod offline_exactly_once;
mod one_entry_per_index;
mod one_order;
mod own;
mod pushes_complete;
mod read_your_messages;
mod receipts_truthful;
mod resume_at_cursor;
mod retained;
mod shown_once;
mod steady;
mod tell;
mod watermarks_rise;

use std::collections::BTreeMap;

use protocol::{OwnedRecord, UserId, words::chat::Command};

use self::{
    backlog_drained::BacklogDrained,
    causal_order::CausalOrder,
    cursors_independent::CursorsIndependent,
    due::user_of,
    entries::{Entries, Sight},
    everybody_has_it::EverybodyHasIt,
    fifo_per_sender::FifoPerSender,
    mailbox::{Mailbox, Pair, Range},
    model::{Marks, Model},
    no_aborted_message::NoAbortedMessage,
    no_gap::NoGap,
    no_lost_message::NoLostMessage,
    no_phantom_message::NoPhantomMessage,
    offline_exactly_once::OfflineExactlyOnce,
    one_entry_per_index::OneEntryPerIndex,
    one_order::OneOrder,
    own::Own,
    pushes_complete::PushesComplete,
    read_your_messages::ReadYourMessages,
    receipts_truthful::ReceiptsTruthful,
    resume_at_cursor::ResumeAtCursor,
    retained::{Page, Retained},
    shown_once::ShownOnce,
    steady::{Steady, Word},
    watermarks_rise::{Told, WatermarksRise},
};
use super::{
    finding::{Finding, OperationId},
    no_phantom::NoPhantom,
    people::People,
    reads::Reads,
    record::Decided,
};
use crate::operation::{
    ChatCall, ChatSeen, KeyMint, LawProgress, LinkChange, Nanos, Operation, Outcome, Push,
    ShownEntry,
};

/// The names of these laws, in the order of their verdicts.
pub(super) const LAWS: [&str; 18] = [
    "no-lost-message",
    "no-phantom-message",
    "no-aborted-message",
    "shown-once",
    "one-entry-per-index",
    "one-order",
    "fifo-per-sender",
    "causal-order",
    "no-gap",
    "read-your-messages",
    "watermarks-rise",
    "receipts-truthful",
    "everybody-has-it",
    "resume-at-cursor",
    "backlog-drained",
    "offline-exactly-once",
    "cursors-independent",
    "retained",
];

/// The law of what is pushed besides entries, which is judged without a chat too.
pub(super) const PUSH_LAWS: [&str; 1] = pushes_complete::LAWS;

/// What is known of everybody while the run goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) mint: &'a KeyMint,
    /// By client: who they are.
    pub(super) users: &'a [Option<UserId>],
    /// The last position of the world's set-up.
    pub(super) began_at: u64,
    /// Which operations were sent.
    pub(super) sent: &'a NoPhantom,
    /// Who is of this run.
    pub(super) people: &'a People,
}

/// Something that was told, kept until the model is where it was told.
#[derive(Debug)]
enum Kept {
    Page(Page),
    /// The last entry of a conversation.
    Last(OperationId, u64, u64),
    /// Somebody's watermarks in a conversation.
    Marks(u64, UserId, Told),
}

/// Every law of the chat.
#[derive(Debug)]
pub(super) struct ChatLaws {
    mailbox: Mailbox,
    entries: Entries,
    own: Own,
    model: Model,
    kept: Reads<Kept>,
    /// The last entries of conversations, and watermarks in them by person, as they were told.
    lasts: Steady<u64, u64>,
    marks: Steady<(u64, UserId), Marks>,
    no_lost_message: NoLostMessage,
    no_phantom_message: NoPhantomMessage,
    no_aborted_message: NoAbortedMessage,
    shown_once: ShownOnce,
    one_entry_per_index: OneEntryPerIndex,
    one_order: OneOrder,
    fifo_per_sender: FifoPerSender,
    causal_order: CausalOrder,
    no_gap: NoGap,
    read_your_messages: ReadYourMessages,
    watermarks_rise: WatermarksRise,
    receipts_truthful: ReceiptsTruthful,
    everybody_has_it: EverybodyHasIt,
    resume_at_cursor: ResumeAtCursor,
    backlog_drained: BacklogDrained,
    offline_exactly_once: OfflineExactlyOnce,
    cursors_independent: CursorsIndependent,
    retained: Retained,
    pushes_complete: PushesComplete,
    operations: u64,
}

impl ChatLaws {
    pub(super) fn new(bytes_max: u64) -> Self {
        // Connections, gaps, the log's entries, other pushes; and twice as much for entries shown and for
        // reads.
        let share = bytes_max / 8;
        Self {
            mailbox: Mailbox::new(share),
            entries: Entries::new(2 * share),
            own: Own::new(),
            model: Model::new(share),
            kept: Reads::new(2 * share),
            lasts: Steady::new(),
            marks: Steady::new(),
            no_lost_message: NoLostMessage::new(),
            no_phantom_message: NoPhantomMessage::new(),
            no_aborted_message: NoAbortedMessage::new(),
            shown_once: ShownOnce::new(),
            one_entry_per_index: OneEntryPerIndex::new(),
            one_order: OneOrder::new(),
            fifo_per_sender: FifoPerSender::new(),
            causal_order: CausalOrder::new(),
            no_gap: NoGap::new(share),
            read_your_messages: ReadYourMessages::new(),
            watermarks_rise: WatermarksRise::new(),
            receipts_truthful: ReceiptsTruthful::new(),
            everybody_has_it: EverybodyHasIt::new(),
            resume_at_cursor: ResumeAtCursor::new(),
            backlog_drained: BacklogDrained::new(),
            offline_exactly_once: OfflineExactlyOnce::new(),
            cursors_independent: CursorsIndependent::new(),
            retained: Retained::new(),
            pushes_complete: PushesComplete::new(share),
            operations: 0,
        }
    }

    /// How far the laws are that are judged while the run goes on.
    pub(super) fn progress(&self) -> Vec<LawProgress> {
        vec![
            self.fifo_per_sender.progress(),
            self.watermarks_rise.progress(),
        ]
    }

    /// Whether anybody asked anything of the chat, or was shown anything of it.
    pub(super) const fn is_exercised(&self) -> bool {
        0 < self.operations + self.mailbox.shown
    }

    /// Whether anybody was pushed anything but entries, or had to be.
    pub(super) fn has_other_pushes(&self) -> bool {
        self.pushes_complete.is_exercised()
    }

    pub(super) fn handle_invoke(
        &mut self,
        id: OperationId,
        (user, call): (UserId, &ChatCall),
        now: Nanos,
    ) {
        if !matches!(call, ChatCall::ListPresence {}) {
            self.operations += 1;
        }
        if !call.is_query() {
            let seen = self.mailbox.link(id.0).map_or(0, |link| link.pushed);
            self.causal_order.handle_invoke(id, seen);
        }
        self.own.handle_invoke(id);
        self.receipts_truthful.handle_invoke(user, call);
        match *call {
            ChatCall::MoveCursor { seq } => self.cursors_independent.handle_move(id.0, seq),
            ChatCall::MarkDelivered { .. } | ChatCall::MarkRead { .. } => {
                self.pushes_complete.handle_mark(id, now);
            }
            _no_push_follows => {}
        }
    }

    pub(super) fn handle_complete(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        seen: Option<&ChatSeen>,
        known: &Known<'_>,
    ) {
        self.causal_order.handle_complete(operation);
        if is_entry(call) {
            self.no_aborted_message.handle_complete(operation);
        }
        if operation.outcome == Outcome::Ok {
            self.handle_accepted(operation, call, seen, known);
        }
        self.own.handle_complete(operation);
    }

    fn handle_accepted(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        seen: Option<&ChatSeen>,
        known: &Known<'_>,
    ) {
        if let ChatCall::MoveCursor { seq } = *call {
            self.cursors_independent.handle_moved(operation, seq);
        }
        match seen {
            Some(ChatSeen::Sent(conversation, index)) => {
                self.handle_sent(operation, call, (*conversation, *index), known);
            }
            Some(ChatSeen::History(entries)) => self.handle_page(operation, call, entries, known),
            Some(ChatSeen::Conversations(list)) => {
                self.handle_list(operation, call, list, known);
            }
            Some(ChatSeen::Members(list)) => {
                if let ChatCall::ListMembers { conversation } = *call {
                    for (user, delivered, read) in list {
                        self.handle_marks(operation, (conversation, *user), (*delivered, *read));
                    }
                }
            }
            Some(ChatSeen::Rooms(_) | ChatSeen::Presences(_)) | None => {}
        }
    }

    fn handle_sent(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        at: (u64, u64),
        known: &Known<'_>,
    ) {
        let ChatCall::Send { to, .. } = *call else {
            return;
        };
        let before = (self.own.conversation(operation.client, to))
            .and_then(|conversation| self.own.before(operation, conversation));
        self.fifo_per_sender.check(operation, at, before);
        self.own.note(operation, to, at);
        let Some(author) = user_of(known.users, operation.client) else {
            return;
        };
        let entry = ShownEntry {
            conversation: at.0,
            index: at.1,
            seq: operation.seq,
            author,
            key: known.mint.mint(operation.client, operation.counter),
            text: None,
        };
        self.handle_sight(operation.client, &entry, false, known);
    }

    fn handle_page(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        entries: &[ShownEntry],
        known: &Known<'_>,
    ) {
        self.no_gap.check_page(operation, entries);
        self.read_your_messages
            .check_page(operation, call, entries, &self.own);
        for entry in entries {
            self.handle_sight(operation.client, entry, false, known);
        }
        let id = (operation.client, operation.counter);
        if let Some(page) = Page::of(id, call, entries) {
            self.kept.keep(operation.seq, Kept::Page(page));
        }
    }

    fn handle_list(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        list: &[(u64, u64, u64, u64)],
        known: &Known<'_>,
    ) {
        self.read_your_messages
            .check_list(operation, list, &self.own);
        let id = (operation.client, operation.counter);
        let user = user_of(known.users, operation.client);
        let lists_all = matches!(call, ChatCall::ListConversations {});
        for (conversation, last, delivered, read) in list {
            if lists_all {
                let word = Word {
                    seq: operation.seq,
                    by: id,
                    value: *last,
                };
                for word in self.lasts.note(*conversation, word) {
                    self.kept.keep(word.seq, last_of(*conversation, word));
                }
            }
            if let Some(user) = user {
                self.handle_marks(operation, (*conversation, user), (*delivered, *read));
            }
        }
    }

    fn handle_marks(&mut self, operation: &Operation, whose: (u64, UserId), marks: Marks) {
        let told = Told {
            client: operation.client,
            seq: operation.seq,
            marks,
        };
        self.handle_told(whose, told);
    }

    /// Somebody was told of somebody's watermarks, by whatever.
    fn handle_told(&mut self, whose: (u64, UserId), told: Told) {
        self.watermarks_rise.check(whose, told);
        let word = Word {
            seq: told.seq,
            by: (told.client, 0),
            value: told.marks,
        };
        for word in self.marks.note(whose, word) {
            self.kept.keep(word.seq, marks_of(whose, word));
        }
    }

    /// Something was pushed, of whatever system; `floor` is the highest position that anybody was
    /// shown before.
    pub(super) fn handle_push(
        &mut self,
        client: u32,
        (seq, push): (u64, &Push),
        (now, floor): (Nanos, u64),
        known: &Known<'_>,
    ) {
        let newest = self.mailbox.link(client).map_or(0, |link| link.newest);
        self.pushes_complete
            .handle_push((client, newest, floor), (seq, push), now);
        match push {
            Push::Entry(entry) => self.handle_entry(client, entry, known),
            Push::Receipt {
                conversation,
                user,
                delivered,
                read,
            } => {
                let told = Told {
                    client,
                    seq,
                    marks: (*delivered, *read),
                };
                let whose = (*conversation, *user);
                // What visitors marked only the log knows.
                if known.people.is_ours(*user) {
                    self.receipts_truthful.check_asked(whose, told);
                }
                self.handle_told(whose, told);
            }
            Push::Promoted { .. } | Push::Expired { .. } => {}
        }
        self.mailbox.push(client, seq);
    }

    fn handle_entry(&mut self, client: u32, entry: &ShownEntry, known: &Known<'_>) {
        let arrival = self.mailbox.show(client, entry);
        self.shown_once.check(client, entry, arrival);
        self.one_order.check(client, entry, arrival);
        self.no_gap.check(arrival);
        self.resume_at_cursor.check(client, entry, arrival);
        let is_new = match arrival {
            mailbox::Arrival::Late { .. } => true,
            other => other.is_new(),
        };
        self.handle_sight(client, entry, is_new, known);
    }

    /// Somebody was shown an entry, pushed or not.
    fn handle_sight(&mut self, client: u32, entry: &ShownEntry, is_new: bool, known: &Known<'_>) {
        let sight = self.entries.note(client, entry, is_new);
        self.one_entry_per_index.check(client, entry, sight);
        self.no_phantom_message.check_text(client, entry, known);
        match sight {
            Sight::Same => {}
            Sight::First | Sight::Other(_) | Sight::Unkept => {
                self.no_phantom_message.check_first(client, entry, known);
                self.no_aborted_message.check_first(client, entry, known);
            }
        }
    }

    pub(super) fn handle_link(&mut self, client: u32, change: LinkChange, now: Nanos) {
        match change {
            LinkChange::Subscribed { from, newest } => {
                let pushed = self.mailbox.link(client).map_or(0, |link| link.pushed);
                self.cursors_independent
                    .handle_subscribed(client, (from, newest), pushed, now);
                self.mailbox.begin(client, from, newest);
                self.pushes_complete.handle_subscribed(client);
            }
            LinkChange::Ended => self.mailbox.end(client),
        }
    }

    /// Waiting for what is for this client, up to `seq`, is over. Unless `is_settled`, what did not
    /// come is late and not lost.
    pub(super) fn handle_drained(&mut self, client: u32, seq: u64, is_settled: bool) {
        self.mailbox.drain(client, seq, is_settled);
    }

    /// One record of the log, and who minted its key.
    pub(super) fn handle_record(&mut self, record: &OwnedRecord, minted: Option<OperationId>) {
        self.model.handle_record();
        self.finish_words();
        let decided = Decided::<Command>::of(record);
        if let Some(decided) = &decided
            && let Some(at) = self.model.apply(record, decided, minted)
        {
            self.one_entry_per_index
                .handle_entry(at, record, &self.entries);
        }
        let accepted = decided.as_ref().filter(|decided| decided.accepted);
        let command = accepted.map(|decided| &decided.command);
        self.pushes_complete
            .handle_record(record, &self.model, (command, minted));
        while let Some(kept) = self.kept.next_at(record.seq.0) {
            match kept {
                Kept::Page(page) => self.retained.check_page(&self.model, &page),
                Kept::Last(by, conversation, last) => {
                    self.retained
                        .check_last(&self.model, by, (conversation, last));
                }
                Kept::Marks(conversation, user, told) => {
                    self.receipts_truthful
                        .check_logged(&self.model, (conversation, user), told);
                }
            }
        }
    }

    /// The log begins: whatever was told was told before.
    fn finish_words(&mut self) {
        for (conversation, word) in self.lasts.finish() {
            self.kept.keep(word.seq, last_of(conversation, word));
        }
        for (whose, word) in self.marks.finish() {
            self.kept.keep(word.seq, marks_of(whose, word));
        }
    }

    /// Judges what needs the whole log.
    pub(super) fn judge(&mut self, mint: &KeyMint, users: &[Option<UserId>]) {
        self.doubt();
        self.no_aborted_message.sweep(&self.entries, mint, users);
        if !self.model.is_whole() {
            return;
        }
        let links = self.mailbox.all_links();
        let dues = due::dues(&self.model, &links, users);
        let mut shown: BTreeMap<Pair, Vec<Range>> = BTreeMap::new();
        for (pair, range) in self.mailbox.all_ranges() {
            shown.entry(pair).or_default().push(range);
        }
        shown.values_mut().for_each(due::merge);
        let model = &self.model;
        self.no_lost_message.judge(&dues, &shown, model);
        self.no_phantom_message.sweep(&self.entries, model);
        self.no_phantom_message.judge(&dues, &shown, model);
        self.no_gap.judge(model, users);
        if !self.entries.is_overflowed() {
            self.everybody_has_it.judge(&dues, &self.entries, model);
        }
        self.resume_at_cursor.judge(&links, model, users);
        self.backlog_drained.judge(&links, model, users);
        self.offline_exactly_once.judge(&links, model, users);
        if !self.mailbox.is_overflowed() {
            self.pushes_complete.judge(&links, model, users);
        }
    }

    /// What was beyond the budget, or is not there, leaves laws in doubt.
    fn doubt(&mut self) {
        let links = self.mailbox.is_overflowed();
        let log = !self.model.is_whole();
        if links || log {
            let why = if links {
                "there were more connections and gaps than could be kept"
            } else {
                "the log was not there or more than could be kept"
            };
            self.no_lost_message.doubt(why);
            self.no_phantom_message.doubt(why);
            self.no_gap.doubt(why);
            self.everybody_has_it.doubt(why);
            self.resume_at_cursor.doubt(why);
            self.backlog_drained.doubt(why);
            self.offline_exactly_once.doubt(why);
            self.pushes_complete.doubt(why);
        }
        if self.entries.is_overflowed() {
            let why = "there were more entries than could be kept";
            self.one_entry_per_index.doubt(why);
            self.no_phantom_message.doubt(why);
            self.no_aborted_message.doubt(why);
            self.everybody_has_it.doubt(why);
        }
    }

    /// The findings, in the order of [`LAWS`], and of [`PUSH_LAWS`].
    pub(super) fn conclude(self) -> ([Finding; LAWS.len()], [Finding; PUSH_LAWS.len()]) {
        let (shown, pairs) = (self.mailbox.shown, self.mailbox.pairs());
        let pushes = self.pushes_complete.conclude();
        let of_chat = [
            self.no_lost_message.conclude(),
            self.no_phantom_message.conclude(),
            self.no_aborted_message.conclude(),
            self.shown_once.conclude(shown, self.mailbox.redelivered),
            self.one_entry_per_index.conclude(self.entries.compared),
            self.one_order.conclude(shown, pairs),
            self.fifo_per_sender.conclude(),
            self.causal_order.conclude(),
            self.no_gap.conclude(shown),
            self.read_your_messages.conclude(),
            self.watermarks_rise.conclude(),
            (self.receipts_truthful).conclude(self.marks.told, self.kept.skipped()),
            self.everybody_has_it.conclude(),
            self.resume_at_cursor.conclude(),
            self.backlog_drained.conclude(),
            self.offline_exactly_once.conclude(),
            self.cursors_independent.conclude(),
            self.retained.conclude(self.kept.skipped()),
        ];
        (of_chat, pushes)
    }
}

const fn last_of(conversation: u64, word: Word<u64>) -> Kept {
    Kept::Last(word.by, conversation, word.value)
}

const fn marks_of((conversation, user): (u64, UserId), word: Word<Marks>) -> Kept {
    let told = Told {
        client: word.by.0,
        seq: word.seq,
        marks: word.value,
    };
    Kept::Marks(conversation, user, told)
}

/// Whether a command of this sort, accepted, is an entry of a conversation.
const fn is_entry(call: &ChatCall) -> bool {
    match call {
        ChatCall::Send { .. }
        | ChatCall::CreateGroup { .. }
        | ChatCall::AddMember { .. }
        | ChatCall::RemoveMember { .. }
        | ChatCall::LeaveGroup { .. }
        | ChatCall::RenameGroup { .. } => true,
        ChatCall::CreateRoom {}
        | ChatCall::JoinRoom { .. }
        | ChatCall::LeaveRoom { .. }
        | ChatCall::MarkDelivered { .. }
        | ChatCall::MarkRead { .. }
        | ChatCall::MoveCursor { .. }
        | ChatCall::ListConversations {}
        | ChatCall::ListPending {}
        | ChatCall::ListRooms {}
        | ChatCall::ListMembers { .. }
        | ChatCall::ReadHistory { .. }
        | ChatCall::ListPresence {} => false,
    }
}
