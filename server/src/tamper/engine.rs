//! What planted bugs do to commands, queries, answers and pages of the log.
//!
//! The engine asks it at each place where a bug can strike; it does the honest thing unless its bug
//! has its turn. Everything it forges is made of the system's own words, so that nothing but the
//! laws can tell. Deliberately absent: chance; a bug strikes every so-many-th opportunity, so that
//! a run can be repeated.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Code, OwnedRecord, Refusal, Roles, Seq, UserId,
    outcome::{encode_accepted, encode_refused},
    words::{
        accounts,
        agenda::{
            self, Command, Event, Hold, JoinWaitlist, LeaveWaitlist, ListSlots, MyBookings,
            Promote, Query, Reserve, Reserved, SlotId,
        },
        log::{Answer as LogAnswer, LogPage},
    },
};

use super::{
    PlantedBug,
    answers::AnswerTamper,
    commerce::{CommerceTamper, round},
    delivery::DeliveryTamper,
    erasure::ErasureTamper,
};
use crate::{
    domain::{
        Context, Stream, System, Systems,
        agenda::Agenda,
        systems::{CommandBytes, Executed, PushBytes},
    },
    engine::{Ask, Engine, Release},
    keys::Use,
    log::Head,
};

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Tamper {
    bug: Option<PlantedBug>,
    /// Where the server found its log when it started.
    pub(super) found_at: Seq,
    opportunities: u64,
    /// Slots that somebody asked for, and whether nobody shall have them.
    slots: BTreeMap<SlotId, bool>,
    /// Bookings that were cancelled and stayed.
    undead: BTreeSet<u64>,
    /// What everybody saw last, by query.
    views: BTreeMap<(UserId, Vec<u8>), View>,
    /// Who joined a queue last.
    last_in_line: BTreeMap<SlotId, UserId>,
    /// The first push to everybody, and how many they had.
    news: BTreeMap<UserId, (Head, u64)>,
    /// Where the read under way is said to be from.
    read_at: Option<Head>,
    pub(super) answers: AnswerTamper,
    pub(super) erasure: ErasureTamper,
    pub(super) delivery: DeliveryTamper,
    pub(super) commerce: CommerceTamper,
}

#[derive(Debug, Clone)]
struct View {
    at: Head,
    outcome: Vec<u8>,
}

impl Tamper {
    /// Does what `bug` does; nothing at all without one.
    #[must_use]
    pub fn new(bug: Option<PlantedBug>) -> Self {
        Self {
            bug,
            ..Self::default()
        }
    }

    /// The same, in a server that found its log up to there.
    #[must_use]
    pub const fn found_at(mut self, seq: Seq) -> Self {
        self.found_at = seq;
        self
    }

    /// Which bug it is.
    #[must_use]
    pub const fn bug(&self) -> Option<PlantedBug> {
        self.bug
    }

    /// Whether the bug is `bug` and takes this opportunity.
    pub(super) fn is_due(&mut self, bug: PlantedBug) -> bool {
        if self.bug != Some(bug) {
            return false;
        }
        self.opportunities += 1;
        self.opportunities.is_multiple_of(bug.every())
    }

    /// In the place of [`Systems::execute`].
    ///
    /// # Errors
    /// As there.
    pub fn execute(
        &mut self,
        systems: &mut Systems,
        cx: &Context,
        bytes: &CommandBytes<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Executed, Refusal> {
        self.note_removal(systems, cx, bytes);
        let command = Command::decode(bytes.kind, bytes.schema, bytes.body);
        let forged = match command.clone() {
            Ok(Command::Reserve(reserve)) => self.reserve(systems, cx, reserve),
            Ok(Command::Cancel(cancel)) => self.cancel(systems, cx, cancel),
            Ok(Command::Hold(hold)) => self.hold(systems, cx, hold),
            Ok(Command::JoinWaitlist(JoinWaitlist { slot })) => {
                self.last_in_line.insert(slot, cx.actor);
                None
            }
            Ok(Command::Promote(promote)) => self.promote(systems, cx, promote),
            Ok(
                Command::OpenAgenda(_)
                | Command::Confirm(_)
                | Command::Expire(_)
                | Command::LeaveWaitlist(_),
            )
            | Err(_) => None,
        };
        match forged {
            Some(Forged::Refused(code)) => {
                encode_refused(&Refusal::new(code), out);
                Ok(Executed::default())
            }
            Some(Forged::Accepted(event)) => {
                let (kind, schema) = event.kind();
                encode_accepted(kind, schema, out);
                event.encode(out);
                Ok(Executed {
                    accepted: true,
                    push: command
                        .ok()
                        .and_then(|command| Agenda::push(cx, &command, &event))
                        .map(|pushed| Box::new(PushBytes::new(&pushed))),
                    ..Executed::default()
                })
            }
            None => systems.execute(cx, bytes, out),
        }
    }

    fn reserve(&mut self, systems: &mut Systems, cx: &Context, word: Reserve) -> Option<Forged> {
        let slot = word.slot;
        if self.bug == Some(PlantedBug::NobodyWins) {
            return self.is_cursed(slot).then_some(Forged::TAKEN);
        }
        let command = Command::from(word);
        match systems.agenda.decide(cx, &command) {
            Ok(_) if self.is_due(PlantedBug::FalseRefusal) => Some(Forged::TAKEN),
            Ok(_) => {
                if self.is_due(PlantedBug::UnloggedChange) {
                    promote_in_secret(systems, cx);
                }
                None
            }
            Err(Refusal {
                code: Code::SLOT_TAKEN,
                ..
            }) if !holds(systems, cx, slot) && self.is_due(PlantedBug::DoubleBooking) => {
                let event = Event::from(Reserved { slot });
                systems.agenda.apply(cx, &command, &event);
                Some(Forged::Accepted(event))
            }
            Err(_) => None,
        }
    }

    fn cancel(&mut self, systems: &Systems, cx: &Context, word: agenda::Cancel) -> Option<Forged> {
        // Its record says that it is over; a second one would be a lie of another kind.
        if self.undead.contains(&word.booking) {
            return Some(Forged::Refused(Code::UNKNOWN_BOOKING));
        }
        let event = systems.agenda.decide(cx, &Command::from(word)).ok()?;
        if self.is_due(PlantedBug::DeniedCancel) {
            return Some(Forged::Refused(Code::UNKNOWN_BOOKING));
        }
        // A hold that stayed would still run out, and be over twice in the log.
        if is_confirmed(systems, cx, word.booking) && self.is_due(PlantedBug::LostCancel) {
            self.undead.insert(word.booking);
            return Some(Forged::Accepted(event));
        }
        None
    }

    fn hold(&mut self, systems: &mut Systems, cx: &Context, word: Hold) -> Option<Forged> {
        let command = Command::from(word);
        let Ok(Event::Held(mut held)) = systems.agenda.decide(cx, &command) else {
            return None;
        };
        if !self.is_due(PlantedBug::ShortHold) {
            return None;
        }
        held.until = cx.now + (held.until - cx.now) / 2;
        let event = Event::from(held);
        systems.agenda.apply(cx, &command, &event);
        Some(Forged::Accepted(event))
    }

    fn promote(&mut self, systems: &mut Systems, cx: &Context, word: Promote) -> Option<Forged> {
        let command = Command::from(word);
        let Ok(Event::Promoted(mut promoted)) = systems.agenda.decide(cx, &command) else {
            return None;
        };
        let last = *self.last_in_line.get(&word.slot)?;
        if last == promoted.user
            || !waits(systems, cx, last, word.slot)
            || !self.is_due(PlantedBug::QueueJump)
        {
            return None;
        }
        promoted.user = last;
        let event = Event::from(promoted);
        systems.agenda.apply(cx, &command, &event);
        Some(Forged::Accepted(event))
    }

    /// Whether nobody shall have this slot: decided when it is first asked for.
    fn is_cursed(&mut self, slot: SlotId) -> bool {
        if let Some(cursed) = self.slots.get(&slot) {
            return *cursed;
        }
        let cursed = self.is_due(PlantedBug::NobodyWins);
        self.slots.insert(slot, cursed);
        cursed
    }

    /// A command as it is understood; `room` is for its new bytes.
    #[must_use]
    pub fn hear<'a>(&self, ask: &Ask<'a>, room: &'a mut Vec<u8>) -> Ask<'a> {
        let mut command = ask.command;
        if self.bug == Some(PlantedBug::RoundedSale) && round(&command, room) {
            command.body = room;
        }
        Ask { command, ..*ask }
    }

    /// The digest of a command that comes under a key which was used for one with the digest `used`.
    pub fn asked<T: PartialEq>(&mut self, asked: T, used: T) -> T {
        if asked != used && self.is_due(PlantedBug::ReusedKey) {
            return used;
        }
        asked
    }

    /// What a key is said to have been used for.
    pub fn used(&mut self, used: Option<Use>) -> Option<Use> {
        used.filter(|_| !self.is_due(PlantedBug::DuplicateEffect))
    }

    /// Changes what a query is answered with, and from where.
    pub fn read(
        &mut self,
        actor: UserId,
        query: &CommandBytes<'_>,
        now: Head,
        outcome: &mut Vec<u8>,
    ) {
        let Ok(query) = Query::decode(query.kind, query.schema, query.body) else {
            return self.read_trade(actor, query, outcome);
        };
        let mut what = Vec::new();
        query.encode(&mut what);
        let new = View {
            at: now,
            outcome: outcome.clone(),
        };
        let Some(old) = self.views.insert((actor, what.clone()), new) else {
            return;
        };
        let is_slots = matches!(query, Query::ListSlots(_));
        let is_mine = matches!(query, Query::MyBookings(_));
        let is_past = old.at.seq < now.seq;
        let is_changed = old.outcome != *outcome;
        if (is_slots && is_past && self.is_due(PlantedBug::StaleRead))
            || (is_mine && is_changed && self.is_due(PlantedBug::ForgottenWrite))
        {
            self.read_at = Some(old.at);
            outcome.clone_from(&old.outcome);
        } else if is_slots && is_changed && self.is_due(PlantedBug::OldView) {
            outcome.clone_from(&old.outcome);
        }
    }

    /// The position that the read under way is said to be from.
    pub fn read_at(&mut self, honest: Head) -> Head {
        self.read_at.take().unwrap_or(honest)
    }

    /// Changes an answer on its way out to `user`; `room` is for its new bytes.
    #[must_use]
    pub fn release<'a>(
        &mut self,
        release: &Release<'a>,
        user: Option<UserId>,
        room: &'a mut Vec<u8>,
    ) -> Release<'a> {
        let mut release = *release;
        match &mut release {
            Release::Answer { at, outcome, .. } => {
                if self.is_due(PlantedBug::WrongHash) {
                    at.hash.0[0] ^= 1;
                }
                if let Some(forged) = user.and_then(|user| self.forge(user, at, outcome)) {
                    *room = forged;
                    *outcome = room;
                }
            }
            // What is in the log comes back here as an answer.
            Release::Again { .. }
            | Release::Refused { .. }
            | Release::Ended { .. }
            | Release::Push { .. }
            | Release::Membership { .. }
            | Release::Subscribed { .. } => {}
        }
        release
    }

    /// The position that a push is said to be from.
    pub fn push_at(&mut self, honest: Head, stream: Stream) -> Head {
        let Stream::Person(user) = stream else {
            return honest;
        };
        let (first, count) = self.news.entry(user).or_insert((honest, 0));
        let (first, before) = (*first, *count);
        *count += 1;
        if 2 <= before && self.is_due(PlantedBug::OldNews) {
            return first;
        }
        honest
    }
}

/// What a command is answered with instead of the truth.
enum Forged {
    Accepted(Event),
    Refused(Code),
}

impl Forged {
    const TAKEN: Self = Self::Refused(Code::SLOT_TAKEN);
}

/// Makes the actor a manager and tells no log.
fn promote_in_secret(systems: &mut Systems, cx: &Context) {
    let command = accounts::Command::from(accounts::SetRoles {
        user: cx.actor,
        roles: Roles::MANAGER,
    });
    let event = accounts::Event::from(accounts::RolesSet {
        user: cx.actor,
        roles: Roles::MANAGER,
    });
    systems.accounts.apply(cx, &command, &event);
}

/// Whether somebody waits for this slot.
fn waits(systems: &Systems, cx: &Context, user: UserId, slot: SlotId) -> bool {
    let cx = Context { actor: user, ..*cx };
    let leave = Command::from(LeaveWaitlist { slot });
    systems.agenda.decide(&cx, &leave).is_ok()
}

/// Whether the actor has a place of this slot.
fn holds(systems: &Systems, cx: &Context, slot: SlotId) -> bool {
    let query = Query::from(ListSlots {
        agenda: slot.agenda,
        day: slot.day,
    });
    match systems.agenda.answer(cx, &query) {
        Ok(agenda::Answer::Slots(slots)) => {
            let view = slots.slots.get(usize::from(slot.slot));
            view.is_none_or(|view| view.mine != 0)
        }
        Ok(_) | Err(_) => true,
    }
}

/// Whether this is a booking of the actor's that has no end.
fn is_confirmed(systems: &Systems, cx: &Context, booking: u64) -> bool {
    let query = Query::from(MyBookings {
        after: booking.saturating_sub(1),
        limit: 1,
    });
    match systems.agenda.answer(cx, &query) {
        Ok(agenda::Answer::Bookings(page)) => page
            .bookings
            .first()
            .is_some_and(|view| view.booking == booking && view.until == 0),
        Ok(_) | Err(_) => false,
    }
}

/// After a command: books the neighbouring slot for whoever reserved one, under a key nobody chose.
pub fn invent(engine: &mut Engine, wall: u64, ask: &Ask<'_>) {
    let command = ask.command;
    let Ok(Command::Reserve(Reserve { mut slot })) =
        Command::decode(command.kind, command.schema, command.body)
    else {
        return;
    };
    if !engine.tamper_mut().is_due(PlantedBug::PhantomBooking) {
        return;
    }
    slot.slot ^= 1;
    let mut body = Vec::new();
    Command::from(Reserve { slot }).encode(&mut body);
    let mut key = ask.key;
    key.0[15] ^= 1;
    let invented = Ask {
        origin: None,
        key,
        command: CommandBytes {
            body: &body,
            ..command
        },
        ..*ask
    };
    // Where the engine has no room for it, there is no phantom.
    let _busy = engine.submit(wall, &invented);
}

/// Changes some reservations in a page of the log; the same ones each time they are read.
pub fn read_back(
    engine: &mut Engine,
    answer: Result<LogAnswer, Refusal>,
) -> Result<LogAnswer, Refusal> {
    let bug = PlantedBug::RewrittenRecord;
    match answer {
        Ok(LogAnswer::LogPage(LogPage { mut records })) if engine.tamper_mut().bug == Some(bug) => {
            let (reserve, _) = Command::from(Reserve { slot: SLOT_ANY }).kind();
            let is_due = |record: &&mut OwnedRecord| {
                record.kind == reserve && record.seq.0.is_multiple_of(bug.every())
            };
            for record in records.iter_mut().filter(is_due) {
                record.recorded_at += 1;
            }
            Ok(LogPage { records }.into())
        }
        honest => honest,
    }
}

/// Some slot, where it does not matter which.
const SLOT_ANY: SlotId = SlotId {
    agenda: 0,
    day: 0,
    slot: 0,
};
