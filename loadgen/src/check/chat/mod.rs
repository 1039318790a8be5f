//! What the laws of messaging and offline delivery share, M1 to M13 and O1 to O5, and when they are told.
//!
//! Pushes, connections and answers go in as they come, then the log through a model of our own; events
//! that only this system has come out ([`Arrived`], [`Sighted`], [`Marked`]). `mailbox` knows what each
//! client was shown, `entries` what stands at each index, `own` what each client said; `model` is the
//! log, and `due` what it says each had to be shown. A law that another one implies is still judged by its own evidence, and says so.
//!
//! Pushes of the agenda are judged here too (`pushes_complete`): they come on the same connections.
//!
//! Deliberately absent: who is here and who writes, which the log never hears of (see `presence`).

pub(crate) mod backlog_drained;
pub(crate) mod causal_order;
pub(crate) mod cursors_independent;
pub(crate) mod due;
pub(crate) mod entries;
pub(crate) mod everybody_has_it;
pub(crate) mod fifo_per_sender;
pub(crate) mod lists_agree;
pub(crate) mod mailbox;
pub(crate) mod model;
pub(crate) mod no_aborted_message;
pub(crate) mod no_gap;
pub(crate) mod no_lost_message;
pub(crate) mod no_phantom_message;
pub(crate) mod offline_exactly_once;
pub(crate) mod one_entry_per_index;
pub(crate) mod one_order;
pub(crate) mod own;
pub(crate) mod pushes_complete;
pub(crate) mod read_your_messages;
pub(crate) mod receipts_truthful;
pub(crate) mod resume_at_cursor;
pub(crate) mod retained;
pub(crate) mod shown_once;
pub(crate) mod steady;
pub(crate) mod tell;
pub(crate) mod watermarks_rise;

use std::collections::BTreeMap;

use protocol::{OwnedRecord, UserId, words::chat::Command};

use self::{
    due::{Dues, dues, merge},
    entries::Entries,
    lists_agree::List,
    mailbox::{Arrival, Link, Mailbox, Pair, Range},
    model::{Marks, Model},
    own::Own,
    retained::Page,
    steady::{Steady, Word},
    watermarks_rise::Told,
};
use super::{
    finding::{Finding, OperationId},
    law::{Applied, Arrived, ChatShown, Ended, EntryLogged, Marked, Sighted},
    laws::Laws,
    reads::Reads,
    record::{Decided, erased},
    world::World,
};
use crate::operation::{ChatCall, ChatSeen, LinkChange, Operation, Push, ShownEntry};

/// Something that was told, kept until the model is where it was told.
#[derive(Debug)]
pub(crate) enum Kept {
    Page(Page),
    /// The last entry of a conversation.
    Last(OperationId, u64, u64),
    /// Somebody's watermarks in a conversation.
    Marks(u64, UserId, Told),
    /// Who and what was on a list, or that there was none for its asker.
    List(List),
}

/// What the laws of the chat share.
#[derive(Debug)]
pub(crate) struct ChatState {
    pub(crate) mailbox: Mailbox,
    pub(crate) entries: Entries,
    pub(crate) own: Own,
    pub(crate) model: Model,
    pub(crate) kept: Reads<Kept>,
    /// The last entries of conversations, and watermarks in them by person, as they were told.
    lasts: Steady<u64, u64>,
    pub(crate) marks: Steady<(u64, UserId), Marks>,
    operations: u64,
}

impl ChatState {
    pub(crate) fn new(bytes_max: u64) -> Self {
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
            operations: 0,
        }
    }

    /// Whether anybody asked anything of the chat, or was shown anything of it.
    pub(crate) const fn is_exercised(&self) -> bool {
        0 < self.operations + self.mailbox.shown
    }

    /// A call is about to be sent.
    pub(crate) fn note_invoke(&mut self, id: OperationId, call: &ChatCall) {
        if !matches!(call, ChatCall::ListPresence {}) {
            self.operations += 1;
        }
        self.own.handle_invoke(id);
    }

    /// A connection began or ended, and the laws were told.
    pub(crate) fn note_link(&mut self, client: u32, change: LinkChange) {
        match change {
            LinkChange::Subscribed { from, newest } => self.mailbox.begin(client, from, newest),
            LinkChange::Ended => self.mailbox.end(client),
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

    fn keep_last(&mut self, conversation: u64, word: Word<u64>) {
        for word in self.lasts.note(conversation, word) {
            self.kept.keep(word.seq, last_of(conversation, word));
        }
    }
}

impl Laws {
    /// A call of the chat was accepted, and the laws were told.
    pub(crate) fn show_chat(&mut self, operation: &Operation, call: &ChatCall, seen: &ChatSeen) {
        match seen {
            ChatSeen::Sent(conversation, index) => {
                self.show_sent(operation, call, (*conversation, *index));
            }
            ChatSeen::History(entries) => self.show_page(operation, call, entries),
            ChatSeen::Conversations(list) => self.show_list(operation, call, list),
            ChatSeen::Members(list) => {
                if let ChatCall::ListMembers { conversation } = *call {
                    for (user, delivered, read) in list {
                        self.show_marks(operation, (conversation, *user), (*delivered, *read));
                    }
                }
            }
            ChatSeen::Rooms(_) | ChatSeen::Presences(_) => {}
        }
    }

    /// A list of the chat, or that a question of it was refused, until the model is where it was so.
    pub(crate) fn keep_list(
        &mut self,
        operation: &Operation,
        call: &ChatCall,
        seen: Option<&ChatSeen>,
    ) {
        let Some(user) = self.world.known_user(operation.client) else {
            return;
        };
        if let Some(list) = List::of((operation, user), call, seen) {
            let more = list.size();
            let kept = &mut self.world.chat.kept;
            kept.keep_with(operation.seq, Kept::List(list), more);
        }
    }

    fn show_sent(&mut self, operation: &Operation, call: &ChatCall, at: (u64, u64)) {
        let ChatCall::Send { to, .. } = *call else {
            return;
        };
        self.world.chat.own.note(operation, to, at);
        let Some(author) = self.world.known_user(operation.client) else {
            return;
        };
        let mint = &self.world.options.mint;
        let entry = ShownEntry {
            conversation: at.0,
            index: at.1,
            seq: operation.seq,
            author,
            key: mint.mint(operation.client, operation.counter),
            text: None,
        };
        self.show_entry(operation.client, &entry, false);
    }

    fn show_page(&mut self, operation: &Operation, call: &ChatCall, entries: &[ShownEntry]) {
        for entry in entries {
            self.show_entry(operation.client, entry, false);
        }
        let id = (operation.client, operation.counter);
        if let Some(page) = Page::of(id, call, entries) {
            self.world.chat.kept.keep(operation.seq, Kept::Page(page));
        }
    }

    fn show_list(&mut self, operation: &Operation, call: &ChatCall, list: &[(u64, u64, u64, u64)]) {
        let id = (operation.client, operation.counter);
        let user = self.world.known_user(operation.client);
        let lists_all = matches!(call, ChatCall::ListConversations {});
        for (conversation, last, delivered, read) in list {
            if lists_all {
                let word = Word {
                    seq: operation.seq,
                    by: id,
                    value: *last,
                };
                self.world.chat.keep_last(*conversation, word);
            }
            if let Some(user) = user {
                self.show_marks(operation, (*conversation, user), (*delivered, *read));
            }
        }
    }

    fn show_marks(&mut self, operation: &Operation, whose: (u64, UserId), marks: Marks) {
        let told = Told {
            client: operation.client,
            seq: operation.seq,
            marks,
        };
        self.tell_marks(whose, told, false);
    }

    /// Somebody was told of somebody's watermarks, by whatever.
    fn tell_marks(&mut self, whose: (u64, UserId), told: Told, by_receipt: bool) {
        self.tell(&Marked {
            whose,
            told,
            by_receipt,
        });
        let word = Word {
            seq: told.seq,
            by: (told.client, 0),
            value: told.marks,
        };
        let chat = &mut self.world.chat;
        for word in chat.marks.note(whose, word) {
            chat.kept.keep(word.seq, marks_of(whose, word));
        }
    }

    /// Something was pushed, of whatever system, and the laws were told.
    pub(crate) fn show_push(&mut self, client: u32, seq: u64, push: &Push) {
        match push {
            Push::Entry(entry) => {
                let arrival = self.world.chat.mailbox.show(client, entry);
                self.tell(&Arrived {
                    client,
                    entry,
                    arrival,
                });
                let is_late = matches!(arrival, Arrival::Late { .. });
                self.show_entry(client, entry, is_late || arrival.is_new());
            }
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
                self.tell_marks((*conversation, *user), told, true);
            }
            Push::Promoted { .. } | Push::Expired { .. } => {}
        }
        self.world.chat.mailbox.push(client, seq);
    }

    /// Somebody was shown an entry, pushed or not.
    fn show_entry(&mut self, client: u32, entry: &ShownEntry, is_new: bool) {
        let sight = self.world.chat.entries.note(client, entry, is_new);
        self.tell(&Sighted {
            client,
            entry,
            sight,
        });
    }

    /// One record of the log, which the models of the other systems have, and who minted its key.
    pub(crate) fn apply_chat(&mut self, record: &OwnedRecord, minted: Option<OperationId>) {
        self.world.chat.model.handle_record();
        if let Some(user) = erased(record) {
            self.world.chat.model.forget(user);
        }
        self.world.chat.finish_words();
        let decided = Decided::<Command>::of(record);
        if let Some(decided) = &decided
            && let Some(at) = self.world.chat.model.apply(record, decided, minted)
        {
            self.tell(&EntryLogged { at, record });
        }
        let accepted = decided.as_ref().filter(|decided| decided.accepted);
        self.tell(&Applied {
            record,
            minted,
            chat: accepted.map(|decided| &decided.command),
        });
        while let Some(kept) = self.world.chat.kept.next_at(record.seq.0) {
            self.tell(&ChatShown { kept: &kept });
        }
    }
}

/// What the log owes to whom, and what each was shown.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) links: Vec<Link>,
    pub(crate) dues: Dues,
    pub(crate) shown: BTreeMap<Pair, Vec<Range>>,
}

impl Owed {
    /// `None` where there is no log to judge by, or not all of it was kept.
    pub(crate) fn of(world: &World) -> Option<Self> {
        let ChatState { mailbox, model, .. } = &world.chat;
        if !model.is_whole() {
            return None;
        }
        let links = mailbox.all_links();
        let mut shown: BTreeMap<Pair, Vec<Range>> = BTreeMap::new();
        for (pair, range) in mailbox.all_ranges() {
            shown.entry(pair).or_default().push(range);
        }
        shown.values_mut().for_each(merge);
        Some(Self {
            dues: dues(model, &links, &world.users),
            links,
            shown,
        })
    }
}

impl Ended<'_> {
    /// What the log owes to whom. What was beyond the budget, or is not there, leaves a law in doubt
    /// that needs it.
    pub(crate) fn owed(&self, finding: &mut Finding) -> Option<&Owed> {
        if self.world.chat.mailbox.is_overflowed() {
            finding.doubt("there were more connections and gaps than could be kept");
        } else if self.chat.is_none() {
            finding.doubt("the log was not there or more than could be kept");
        }
        self.chat.as_ref()
    }

    /// Everything that was shown. What was beyond the budget leaves a law in doubt that needs it.
    pub(crate) fn entries(&self, finding: &mut Finding) -> &Entries {
        let entries = &self.world.chat.entries;
        if entries.is_overflowed() {
            finding.doubt("there were more entries than could be kept");
        }
        entries
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
