//! Every connection: its conversation, its link, and what waits to be sent over it.
//!
//! The hub puts connections in and takes releases to them: answers to the conversation they belong
//! to, what others are told to the delivery. An answer that was given before is read from the log
//! when it is released. Deliberately absent: the engine, deciding who may do what.

use std::collections::BTreeMap;

use protocol::{
    Seq, UserId,
    outcome::{Outcome, encode_accepted},
    words::presence::{Answer, PresenceChanged, Subscribed},
};
use slab::Slab;

use super::{
    delivery::{Delivery, Item},
    inbox::Inbox,
    outbox::Outbox,
    pressure::CONNECTIONS_BYTES_MAX,
    subscribers::Topic,
    subscription::Subscription,
    transport::Transport,
};
use crate::{
    archive,
    domain::{accounts::Accounts, systems::PushBytes},
    engine::{Origin, Release},
    health::Refusals,
    line::Lines,
    log::{Head, LogError, LogReader},
    session::Session,
};

/// One conversation and the link it is held over.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    /// Tells this connection from an earlier one in the same place of the slab.
    pub(crate) serial: u32,
    pub(crate) session: Session,
    /// Whose it became.
    pub(crate) user: Option<UserId>,
    pub(crate) link: T,
    /// What it sent and nobody has considered.
    pub(crate) inbox: Inbox,
    /// What makes lines of its frames, if it speaks lines.
    pub(crate) lines: Option<Box<Lines>>,
    /// What it is told without having asked.
    pub(crate) subscription: Subscription,
    /// Everything up to this position it was told, or did not want.
    pub(crate) delivered_seq: Seq,
    /// Pushes and news that wait to be sent, behind its own answers.
    pub(crate) outbox: Outbox,
    /// Whose comings and goings it is told.
    pub(crate) watched: Box<[UserId]>,
    /// Whether it has asked for pushes.
    pub(crate) has_subscribed: bool,
    /// Whether it is in the list of those with something to send.
    pub(crate) is_dirty: bool,
    /// Whether it is in the list of those with something to send in lines.
    pub(crate) is_voiced: bool,
    /// Whether it is in the queue of those with something in their outbox.
    pub(crate) is_ready: bool,
    /// Whether it is in the queue of those that are behind.
    pub(crate) is_in_line: bool,
    /// Whether it is over because its reader was too slow.
    pub(crate) is_slow: bool,
    /// Whether a task waits for the link to take more.
    pub(crate) is_blocked: bool,
    /// Whether somebody else may be writing to its link: nobody may until that is done.
    pub(crate) is_borrowed: bool,
    /// Whether it counts against the limit; one that was refused at the door does not.
    pub(crate) is_admitted: bool,
    /// Whether nothing more of it is considered until it has read more, or was answered.
    pub(crate) is_paused: bool,
    /// Bytes of answers to queries that wait for the disk.
    pub(crate) awaited: usize,
    /// What it cost, in bytes, when it was weighed last.
    pub(crate) weight: usize,
    /// Work that was done for it outside of its turns, to be taken off the next one.
    pub(crate) debt: u32,
    /// How often its link took something, and how often it had when the clock was looked at.
    pub(crate) taken: u64,
    pub(crate) taken_seen: u64,
    /// Since when its link takes nothing, by the hub's clock.
    pub(crate) stalled_at: Option<u64>,
    /// When the conversation was seen to be over, by the hub's clock.
    pub(crate) ended_at: Option<u64>,
}

/// A connection became somebody's, or ceased to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PresenceChange {
    Arrived(UserId),
    Left(UserId),
}

/// Every conversation, and who is in it.
#[derive(Debug)]
pub(crate) struct Connections<T: Transport> {
    pub(crate) slab: Slab<Connection<T>>,
    /// Who is connected, by which connections.
    pub(crate) people: BTreeMap<UserId, Vec<u64>>,
    /// Those with answers to send.
    pub(crate) dirty: Vec<usize>,
    /// Those with something to send in lines, which the hub makes.
    pub(crate) voiced: Vec<usize>,
    /// Those whose link takes no more, and that nobody waits for yet.
    pub(crate) blocked: Vec<(u64, T)>,
    /// What is told to many.
    pub(crate) delivery: Delivery<T::Writers>,
    /// Who came and went since the hub last looked.
    pub(crate) presence_changes: Vec<PresenceChange>,
    /// Those that lost their session and do not wait yet for being told: the hub sees to that.
    pub(crate) revoked: Vec<u64>,
    pub(crate) serial: u32,
    pub(crate) admitted: usize,
    /// Connections that ever came in.
    pub(crate) accepted: u64,
    pub(crate) refusals: Refusals,
    /// What all of them cost, in bytes.
    pub(crate) weight: usize,
    /// What they may hold together, with the frames they share, in bytes.
    pub(crate) bytes_max: usize,
    /// The most that they ever held, with the frames they share.
    pub(crate) held_peak: usize,
    /// Those of which nothing was considered, and now may be.
    pub(crate) resumed: Vec<u64>,
    #[cfg(feature = "planted-bugs")]
    pub(crate) tamper: crate::tamper::Tamper,
}

impl<T: Transport> Connections<T> {
    /// Nobody, so far. `writers` write one frame to many.
    pub(crate) fn new(writers: T::Writers) -> Self {
        Self {
            slab: Slab::new(),
            people: BTreeMap::new(),
            dirty: Vec::new(),
            voiced: Vec::new(),
            blocked: Vec::new(),
            delivery: Delivery::new(writers),
            presence_changes: Vec::new(),
            revoked: Vec::new(),
            serial: 0,
            admitted: 0,
            accepted: 0,
            refusals: Refusals::default(),
            weight: 0,
            bytes_max: CONNECTIONS_BYTES_MAX,
            held_peak: 0,
            resumed: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            tamper: crate::tamper::Tamper::default(),
        }
    }

    pub(crate) fn insert(&mut self, session: Session, link: T) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        self.accepted += 1;
        let is_admitted = !session.is_closed();
        self.admitted += usize::from(is_admitted);
        let index = self.slab.insert(Connection {
            serial: self.serial,
            session,
            user: None,
            link,
            inbox: Inbox::default(),
            lines: None,
            subscription: Subscription::default(),
            delivered_seq: Seq::START,
            outbox: Outbox::default(),
            watched: Box::default(),
            has_subscribed: false,
            is_dirty: false,
            is_voiced: false,
            is_ready: false,
            is_in_line: false,
            is_slow: false,
            is_blocked: false,
            is_borrowed: false,
            is_admitted,
            is_paused: false,
            awaited: 0,
            weight: 0,
            debt: 0,
            taken: 0,
            taken_seen: 0,
            stalled_at: None,
            ended_at: None,
        });
        self.mark_dirty(index);
        id_of(index, self.serial)
    }

    pub(crate) fn remove(&mut self, id: u64) {
        let Some(index) = self.find(id) else { return };
        self.unsubscribe(index);
        self.unwatch(index);
        let connection = self.slab.remove(index);
        self.admitted -= usize::from(connection.is_admitted);
        self.weight -= connection.weight;
        if let Some(user) = connection.user
            && let Some(ids) = self.people.get_mut(&user)
        {
            self.presence_changes.push(PresenceChange::Left(user));
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.people.remove(&user);
            }
        }
    }

    pub(crate) fn find(&self, id: u64) -> Option<usize> {
        let index = usize::try_from(id & u64::from(u32::MAX)).ok()?;
        let connection = self.slab.get(index)?;
        (u64::from(connection.serial) == id >> 32).then_some(index)
    }

    pub(crate) fn mark_dirty(&mut self, index: usize) {
        self.count_refused(index);
        let connection = &mut self.slab[index];
        if connection.has_business() && !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
        self.weigh(index);
    }

    /// Counts what a conversation has just refused.
    pub(crate) fn count_refused(&mut self, index: usize) {
        if let Some(code) = self.slab[index].session.take_refused() {
            self.refusals.note(code);
        }
    }

    /// Queues a push for whoever follows its stream.
    fn release_push(&mut self, at: Head, push: &PushBytes) {
        #[cfg(not(feature = "planted-bugs"))]
        let delivered_at = at;
        #[cfg(feature = "planted-bugs")]
        let delivered_at = self.tamper.push_at(at, push.stream);
        #[cfg(feature = "planted-bugs")]
        if self.tamper.swallows(push) {
            return;
        }
        #[cfg(feature = "planted-bugs")]
        let forged = self.tamper.receipt(push);
        #[cfg(feature = "planted-bugs")]
        let push = forged.as_ref().unwrap_or(push);
        self.delivery.push_released(at, delivered_at, push);
    }

    /// Takes a release to whom it is for.
    pub(crate) fn dispatch(
        &mut self,
        release: &Release<'_>,
        accounts: &Accounts,
        reader: &mut dyn LogReader,
    ) {
        #[cfg(feature = "planted-bugs")]
        let mut forged = Vec::new();
        #[cfg(feature = "planted-bugs")]
        let release = &{
            let asker = self.asker(release);
            self.tamper.release(release, asker, &mut forged)
        };
        match *release {
            Release::Answer {
                origin,
                at,
                outcome,
                is_read,
            } => {
                self.handle_read(origin, outcome.len() * usize::from(is_read));
                self.answer(origin, at, outcome, accounts);
            }
            Release::Again { origin, seq } => match archive::read_outcome(reader, seq) {
                Ok((at, outcome)) => {
                    let answer = Release::Answer {
                        origin,
                        at,
                        outcome: &outcome,
                        is_read: false,
                    };
                    self.dispatch(&answer, accounts, reader);
                }
                Err(error) => self.refuse_unreadable(origin, seq, &error),
            },
            Release::Refused { origin, refusal } => {
                self.with_session(origin.connection, |session| {
                    session.handle_refused(origin.correlation, refusal, 0);
                });
            }
            Release::Ended { connection } => {
                if let Some(index) = self.find(connection) {
                    self.unsubscribe(index);
                    self.unwatch(index);
                }
                self.with_session(connection, Session::handle_ended);
            }
            Release::Push { at, push } => self.release_push(at, push),
            Release::Membership { seq, membership } => {
                self.delivery.push(Item::Membership(seq, membership));
            }
            Release::Subscribed {
                origin,
                at,
                from,
                follows,
            } => {
                self.answer(origin, at, &subscribed(from), accounts);
                self.delivery.push(Item::Subscribe {
                    connection: origin.connection,
                    at: at.seq,
                    from,
                    follows: follows.to_vec(),
                });
            }
        }
    }

    /// How far the connections of somebody were told things.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn furthest(&self, user: UserId) -> Option<Seq> {
        let ids = self.people.get(&user)?.iter();
        ids.filter_map(|id| Some(self.slab[self.find(*id)?].delivered_seq))
            .max()
    }

    /// Whom an answer is for.
    #[cfg(feature = "planted-bugs")]
    fn asker(&self, release: &Release<'_>) -> Option<UserId> {
        let Release::Answer { origin, .. } = release else {
            return None;
        };
        self.slab[self.find(origin.connection)?].user
    }

    /// An answer to a query waits for the disk.
    pub(crate) fn await_read(&mut self, origin: Origin, len: usize) {
        if let Some(index) = self.find(origin.connection) {
            self.slab[index].awaited += len;
            self.weigh(index);
        }
    }

    /// So much of that waits no more.
    fn handle_read(&mut self, origin: Origin, len: usize) {
        if let Some(index) = self.find(origin.connection) {
            let connection = &mut self.slab[index];
            connection.awaited = connection.awaited.saturating_sub(len);
        }
    }

    fn answer(&mut self, origin: Origin, at: Head, outcome: &[u8], accounts: &Accounts) {
        let Some(index) = self.find(origin.connection) else {
            return;
        };
        if let Ok(Outcome::Refused(refusal)) = Outcome::decode(outcome) {
            self.refusals.note(refusal.code);
        }
        let session = &mut self.slab[index].session;
        let was_somebody = session.person().is_some();
        session.handle_answer(origin.correlation, at, outcome);
        if !was_somebody && session.person().is_some() {
            self.note_person(origin.connection);
            // The session may have been revoked while its answer waited, or long ago if the
            // log-in was a retry.
            if self.slab[index].revoke_if_over(accounts) {
                self.revoked.push(origin.connection);
            }
        }
        self.mark_dirty(index);
    }

    /// Sessions that were just revoked lose their connections.
    pub(crate) fn revoke_over(&mut self, accounts: &Accounts) {
        for (index, connection) in &mut self.slab {
            if connection.revoke_if_over(accounts) {
                self.revoked.push(id_of(index, connection.serial));
            }
        }
    }

    /// What answers a request cannot be read back from the log. At once, since it tells of no record.
    pub(crate) fn refuse_unreadable(&mut self, origin: Origin, seq: Seq, error: &LogError) {
        let refusal = archive::unreadable(seq, error);
        self.with_session(origin.connection, |session| {
            session.handle_refused(origin.correlation, refusal, 0);
        });
    }

    pub(crate) fn with_session(&mut self, id: u64, act: impl FnOnce(&mut Session)) {
        if let Some(index) = self.find(id) {
            act(&mut self.slab[index].session);
            self.mark_dirty(index);
        }
    }

    /// Looks at the clock: conversations that are too slow or too silent. What dialects ask by
    /// themselves comes back.
    pub(crate) fn handle_timeout(&mut self, now: u64, wall: u64) -> Vec<(usize, Vec<u8>)> {
        let mut asking = Vec::new();
        self.relieve(now);
        for (index, connection) in &mut self.slab {
            connection.session.handle_timeout(now, wall);
            if let Some(code) = connection.session.take_refused() {
                self.refusals.note(code);
            }
            asking.extend(connection.asking(now, index));
            if connection.session.is_closed() {
                connection.cut_if_over(now);
            }
            if connection.has_business() && !connection.is_dirty {
                connection.is_dirty = true;
                self.dirty.push(index);
            }
        }
        for place in 0..self.dirty.len() {
            let index = self.dirty[place];
            if self.slab.contains(index) {
                self.weigh(index);
            }
        }
        asking
    }

    /// These people came or went, and a classic connection shows a list. That its own person came, it
    /// knows: it is listed when it has come.
    pub(crate) fn note_people_changed(&mut self, id: u64, changed: &[PresenceChanged]) {
        let Some(index) = self.find(id) else { return };
        let connection = &mut self.slab[index];
        let is_other = |changed: &PresenceChanged| Some(changed.user) != connection.user;
        if changed.iter().any(is_other)
            && let Some(lines) = &mut connection.lines
        {
            lines.note_people_changed();
        }
    }

    pub(crate) fn note_person(&mut self, id: u64) {
        let Some(index) = self.find(id) else { return };
        let connection = &mut self.slab[index];
        if let Some(person) = connection.session.person() {
            connection.user = Some(person.user);
            self.presence_changes
                .push(PresenceChange::Arrived(person.user));
            self.people.entry(person.user).or_default().push(id);
            if connection.is_classic() {
                self.delivery.subscribers.insert(Topic::Arrivals, id);
            }
        }
    }
}

impl<T: Transport> Connection<T> {
    /// Whether it speaks the classic dialect, whose clients are told of everybody who comes and goes.
    pub(crate) fn is_classic(&self) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.is_classic())
    }

    /// Whether it has something to send, or is over.
    pub(crate) fn has_business(&self) -> bool {
        self.has_answers() || self.session.is_closed() || self.has_rested()
    }

    /// Whether pushes that waited for a rest between two lines may be sent.
    fn has_rested(&self) -> bool {
        let is_open = |lines: &Lines| lines.is_classic() && lines.is_open();
        !self.outbox.is_empty() && self.lines.as_deref().is_some_and(is_open)
    }

    /// Whether an answer of its own waits to be sent.
    pub(crate) fn has_answers(&self) -> bool {
        let has_lines = self
            .lines
            .as_ref()
            .is_some_and(|lines| lines.has_outbound());
        has_lines || !self.session.outbound().is_empty()
    }

    /// What its dialect does by itself now and then, as frames for its session.
    pub(crate) fn asking(&mut self, now: u64, index: usize) -> Option<(usize, Vec<u8>)> {
        let mut asks = Vec::new();
        self.lines.as_mut()?.handle_timeout(now, &mut asks);
        (!asks.is_empty()).then_some((index, asks))
    }

    /// Whether some request is unanswered, or an answer unsent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.session.is_waiting() || self.has_answers()
    }

    /// Considers nothing more for a session that is over. Returns whether it was considered until
    /// now: then it is still to be told so.
    fn revoke_if_over(&mut self, accounts: &Accounts) -> bool {
        let person = self.session.person();
        person.is_some_and(|person| !accounts.is_session_open(person.session))
            && self.session.handle_revoked()
    }
}

#[cfg(test)]
mod tests;

fn subscribed(from: Seq) -> Vec<u8> {
    let answer = Answer::from(Subscribed { from });
    let mut outcome = Vec::new();
    let (kind, schema) = answer.kind();
    encode_accepted(kind, schema, &mut outcome);
    answer.encode(&mut outcome);
    outcome
}

pub(crate) fn id_of(index: usize, serial: u32) -> u64 {
    let index = u64::try_from(index).expect("connections are bounded by descriptors");
    u64::from(serial) << 32 | index
}
