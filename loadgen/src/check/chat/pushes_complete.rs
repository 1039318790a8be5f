//! Pushes that are no entries: the end of a hold, a promotion, a receipt. Each comes, once, and only
//! to whom the log has it for.
//!
//! What every connection was pushed is kept, and held against the log after the run. The end of a hold
//! and a promotion are owed like entries, behind the position that a connection goes on from, up to
//! the last position that came or was waited for. A receipt is told only to who is connected, and a
//! connection that still catches up is not told of it either: so it is owed to one that was seen to
//! have caught up, a while before the mark was asked for. Deliberately absent: entries (M1), and what
//! a receipt says of times before it (M12).

use std::{collections::BTreeMap, ops::RangeInclusive};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{
    Outcome, OwnedRecord, UserId,
    words::{agenda, chat::Command},
};

use super::{due::user_of, mailbox::Link, model::Model, tell::conversation_text};
use crate::{
    check::{
        finding::{About, Finding, Needs, OperationId, Topic, Violation, Witness},
        law::{Applied, Ended, Invoked, Law, Linked, Pushed},
        laws::LawOptions,
        ledger::fold,
        world::World,
    },
    operation::{Call, ChatCall, LinkChange, Nanos, Push, Slot},
    shown::QUIET,
};

/// Something of the log that is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    seq: u64,
    what: What,
    /// What it says.
    digest: u64,
}

/// Which sort of push it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Promoted,
    Expired,
    /// Of this conversation.
    Receipt(u64),
}

impl What {
    fn text(self) -> String {
        match self {
            Self::Promoted => "the promotion from a waitlist".to_owned(),
            Self::Expired => "the end of a hold".to_owned(),
            Self::Receipt(conversation) => {
                format!("the receipt in {}", conversation_text(conversation))
            }
        }
    }
}

/// A receipt that the log has, by conversation.
#[derive(Debug, Clone, Copy)]
struct Mark {
    event: Event,
    /// Whose command it was, if it is this run's.
    by: Option<OperationId>,
}

/// A connection: its client, and which one of that client's it is, from 1.
type LinkId = (u32, u32);

/// The law.
#[derive(Debug)]
pub(crate) struct PushesComplete {
    /// By client: how many connections it has had.
    links: HashMap<u32, u32, FixedState>,
    got: Vec<(LinkId, Event)>,
    got_max: usize,
    overflowed: bool,
    /// Since when connections are known to have caught up.
    live: HashMap<LinkId, Nanos, FixedState>,
    /// When marks were asked for.
    asked: HashMap<OperationId, Nanos, FixedState>,
    /// What the log has for one person, and for the members of a conversation.
    personal: HashMap<UserId, Vec<Event>, FixedState>,
    marks: HashMap<u64, Vec<Mark>, FixedState>,
    owed: u64,
    receipts: u64,
    finding: Finding,
}

impl Law for PushesComplete {
    const ABOUT: About = About {
        name: "pushes-complete",
        demands: "Every end of a hold, promotion and receipt is pushed once to each whom it is for, as the log has it, and to nobody else.",
        confidence: "certificate: every such push held against the log, by connection",
        topic: Topic::Itself,
        needs: Needs::Log,
    };

    fn new(options: &LawOptions) -> Self {
        let bytes_max = options.chat_share();
        let one = u64::try_from(size_of::<(LinkId, Event)>()).unwrap_or(u64::MAX);
        Self {
            links: HashMap::with_hasher(FixedState::with_seed(0)),
            got: Vec::new(),
            got_max: usize::try_from(bytes_max / one).unwrap_or(usize::MAX),
            overflowed: false,
            live: HashMap::with_hasher(FixedState::with_seed(0)),
            asked: HashMap::with_hasher(FixedState::with_seed(0)),
            personal: HashMap::with_hasher(FixedState::with_seed(0)),
            marks: HashMap::with_hasher(FixedState::with_seed(0)),
            owed: 0,
            receipts: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_invoke(&mut self, invoked: &Invoked<'_>, _: &World) {
        if let Call::Chat(ChatCall::MarkDelivered { .. } | ChatCall::MarkRead { .. }) = invoked.call
        {
            self.handle_mark(invoked.id, invoked.now);
        }
    }

    fn on_link(&mut self, linked: &Linked, _: &World) {
        if let LinkChange::Subscribed { .. } = linked.change {
            *self.links.entry(linked.client).or_default() += 1;
        }
    }

    fn on_push(&mut self, pushed: &Pushed<'_>, world: &World) {
        let client = pushed.client;
        let newest = world
            .chat
            .mailbox
            .link(client)
            .map_or(0, |link| link.newest);
        let link = (client, newest, pushed.floor);
        self.handle_push(link, (pushed.seq, pushed.push), pushed.now);
    }

    fn on_applied(&mut self, applied: &Applied<'_>, world: &World) {
        let said = (applied.chat, applied.minted);
        self.handle_record(applied.record, &world.chat.model, said);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        if !self.is_exercised() {
            self.finding.leave_out();
        }
        let world = ended.world;
        if let Some(owed) = ended.owed(&mut self.finding)
            && !world.chat.mailbox.is_overflowed()
        {
            self.judge(&owed.links, &world.chat.model, &world.users);
        }
        self.finding.count_needed("pushes due", self.owed);
        self.finding.count("of them receipts", self.receipts);
        self.finding
    }
}

impl PushesComplete {
    /// Whether anything of the sort was pushed, or had to be.
    fn is_exercised(&self) -> bool {
        !self.got.is_empty() || !self.personal.is_empty() || !self.marks.is_empty()
    }

    /// Somebody is about to mark something.
    fn handle_mark(&mut self, id: OperationId, now: Nanos) {
        if self.asked.len() < self.got_max {
            self.asked.insert(id, now);
        }
    }

    /// Something was pushed on the connection of a client that began when `newest` was the newest
    /// position, and `floor` is the highest position that anybody was shown before.
    fn handle_push(
        &mut self,
        (client, newest, floor): (u32, u64, u64),
        (seq, push): (u64, &Push),
        now: Nanos,
    ) {
        let link = (client, self.links.get(&client).copied().unwrap_or(0));
        let event = event_of(seq, push);
        let is_receipt = event.is_some_and(|event| matches!(event.what, What::Receipt(_)));
        // Only who has caught up is told of receipts, or of something that nobody knew to be there.
        if is_receipt || (newest < seq && floor <= seq) {
            self.live.entry(link).or_insert(now);
        }
        let Some(event) = event else { return };
        if self.got.len() < self.got_max {
            self.got.push((link, event));
        } else {
            self.overflowed = true;
        }
    }

    /// One record of the log, which the model has applied.
    fn handle_record(
        &mut self,
        record: &OwnedRecord,
        model: &Model,
        (command, by): (Option<&Command>, Option<OperationId>),
    ) {
        let seq = record.seq.0;
        match command {
            Some(Command::MarkDelivered(word)) => {
                self.note_mark(seq, (word.conversation, record.actor), model, by);
            }
            Some(Command::MarkRead(word)) => {
                self.note_mark(seq, (word.conversation, record.actor), model, by);
            }
            Some(_) => {}
            None => {
                if let Some((user, event)) = personal(record) {
                    self.personal.entry(user).or_default().push(event);
                }
            }
        }
    }

    fn note_mark(
        &mut self,
        seq: u64,
        (conversation, user): (u64, UserId),
        model: &Model,
        by: Option<OperationId>,
    ) {
        if !model.shows_receipts(conversation) {
            return;
        }
        let event = Event {
            seq,
            what: What::Receipt(conversation),
            digest: receipt_digest(user, model.marks(conversation, user)),
        };
        self.marks
            .entry(conversation)
            .or_default()
            .push(Mark { event, by });
    }

    /// Holds every connection against the log.
    fn judge(&mut self, links: &[Link], model: &Model, users: &[Option<UserId>]) {
        if self.overflowed {
            return self
                .finding
                .doubt("there were more pushes than could be kept");
        }
        let mut got: BTreeMap<LinkId, Vec<Event>> = BTreeMap::new();
        for (link, event) in std::mem::take(&mut self.got) {
            got.entry(link).or_default().push(event);
        }
        let mut number = (0, 0);
        for link in links.iter().filter(|link| link.is_told) {
            // They are in the order in which they began.
            number = match number {
                (client, count) if client == link.client => (client, count + 1),
                _another => (link.client, 1),
            };
            let mut got = got.remove(&number).unwrap_or_default();
            got.sort_by_key(|event| event.seq);
            if let Some(user) = user_of(users, link.client) {
                self.judge_link((number, user), link, &got, model);
            }
        }
    }

    fn judge_link(
        &mut self,
        (id, user): (LinkId, UserId),
        link: &Link,
        got: &[Event],
        model: &Model,
    ) {
        let owed = self.owed_to((id, user), link, model);
        self.owed += u64::try_from(owed.len()).unwrap_or(u64::MAX);
        for event in &owed {
            if got.binary_search_by_key(&event.seq, |it| it.seq).is_err() {
                self.convict(link, event, "was not told of", "told once");
            }
        }
        for (at, event) in got.iter().enumerate() {
            let is_again = at != 0 && got[at - 1].seq == event.seq;
            if is_again || (event.seq <= link.from && !matches!(event.what, What::Receipt(_))) {
                self.convict(link, event, "was told again of", "told once");
            } else if !self.has(event, user, model) {
                let expected = "what the log has at this position for this person";
                self.convict(link, event, "was told, unlike the log, of", expected);
            }
        }
    }

    /// What this connection had to be pushed.
    fn owed_to(&mut self, (id, user): (LinkId, UserId), link: &Link, model: &Model) -> Vec<Event> {
        let mut owed = Vec::new();
        let personal = self.personal.get(&user).map_or(&[][..], Vec::as_slice);
        let range = link.from.saturating_add(1)..=link.upto();
        owed.extend(between(personal, &range, |event| event.seq));
        let Some(live_at) = self.live.get(&id).map(|at| at.saturating_add(QUIET)) else {
            return owed;
        };
        let before = owed.len();
        for stay in model.stays(user).filter(|stay| link.newest < stay.ends) {
            let marks = self.marks.get(&stay.conversation);
            let marks = marks.map_or(&[][..], Vec::as_slice);
            let first = stay.begins.max(link.newest).saturating_add(1);
            let range = first..=stay.ends.min(link.upto());
            let is_owed = |mark: &Mark| {
                let asked_at = mark.by.and_then(|by| self.asked.get(&by));
                asked_at.is_some_and(|at| live_at <= *at)
            };
            let marks = between(marks, &range, |mark| mark.event.seq);
            owed.extend(marks.filter(is_owed).map(|mark| mark.event));
        }
        self.receipts += u64::try_from(owed.len() - before).unwrap_or(u64::MAX);
        owed
    }

    /// Whether the log has this, for this person.
    fn has(&self, event: &Event, user: UserId, model: &Model) -> bool {
        let is_it = |other: &Event| other == event;
        match event.what {
            What::Promoted | What::Expired => {
                let personal = self.personal.get(&user).map_or(&[][..], Vec::as_slice);
                between(personal, &(event.seq..=event.seq), |it| it.seq).any(|it| is_it(&it))
            }
            What::Receipt(conversation) => {
                let marks = self.marks.get(&conversation).map_or(&[][..], Vec::as_slice);
                let is_there = between(marks, &(event.seq..=event.seq), |it| it.event.seq)
                    .any(|mark| is_it(&mark.event));
                is_there
                    && model.stays(user).any(|stay| {
                        stay.conversation == conversation
                            && stay.begins <= event.seq
                            && event.seq <= stay.ends
                    })
            }
        }
    }

    fn convict(&mut self, link: &Link, event: &Event, was: &str, expected: &str) {
        let what = event.what.text();
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} {was} {what} at position {}, on the connection that goes on from position {}",
                link.client, event.seq, link.from,
            ),
            witnesses: vec![Witness::told(
                "the log".to_owned(),
                "record".to_owned(),
                what.clone(),
                event.seq,
            )],
            order: "log order: pushes come in it, each once",
            expected: expected.to_owned(),
        });
    }
}

/// Those of a rising list whose positions are in this range.
fn between<'a, T: Copy>(
    list: &'a [T],
    range: &RangeInclusive<u64>,
    seq: impl Fn(&T) -> u64,
) -> impl Iterator<Item = T> + 'a {
    let first = list.partition_point(|it| seq(it) < *range.start());
    let next = list.partition_point(|it| seq(it) <= *range.end());
    list[first..next.max(first)].iter().copied()
}

/// What a push is, unless it is an entry.
fn event_of(seq: u64, push: &Push) -> Option<Event> {
    let (what, digest) = match *push {
        Push::Promoted { slot } => (What::Promoted, promoted_digest(slot)),
        Push::Expired { booking, slot } => (What::Expired, expired_digest(booking, slot)),
        Push::Receipt {
            conversation,
            user,
            delivered,
            read,
        } => (
            What::Receipt(conversation),
            receipt_digest(user, (delivered, read)),
        ),
        Push::Entry(_) => return None,
    };
    Some(Event { seq, what, digest })
}

/// What a record of the agenda has for whom.
fn personal(record: &OwnedRecord) -> Option<(UserId, Event)> {
    let Ok(Outcome::Accepted { kind, schema, body }) = Outcome::decode(&record.outcome) else {
        return None;
    };
    let (user, what, digest) = match agenda::Event::decode(kind, schema, body).ok()? {
        agenda::Event::Promoted(event) => {
            let slot = Slot::pack(event.slot)?;
            (event.user, What::Promoted, promoted_digest(slot))
        }
        agenda::Event::Expired(event) => {
            let slot = Slot::pack(event.slot)?;
            (
                event.user,
                What::Expired,
                expired_digest(event.booking, slot),
            )
        }
        _pushed_to_nobody => return None,
    };
    let seq = record.seq.0;
    Some((user, Event { seq, what, digest }))
}

const fn promoted_digest(slot: Slot) -> u64 {
    fold(1, slot.0)
}

const fn expired_digest(booking: u64, slot: Slot) -> u64 {
    fold(fold(2, booking), slot.0)
}

const fn receipt_digest(user: UserId, (delivered, read): (u64, u64)) -> u64 {
    fold(fold(fold(3, user.0), delivered), read)
}
