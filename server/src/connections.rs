//! Every connection: its conversation, its link, and what waits to be sent over it.
//!
//! The hub puts connections in and takes releases to them; bytes leave for the links from here. An
//! answer that was given before is read from the log when it is released. Deliberately absent: the
//! engine, deciding who may do what.

use std::collections::BTreeMap;

use protocol::{Code, Refusal, UserId};
use slab::Slab;

use crate::{
    archive,
    domain::accounts::Accounts,
    engine::{Origin, Release},
    log::{Head, LogError, LogReader},
    net::Link,
    session::Session,
};

/// One conversation and the link it is held over.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Tells this connection from an earlier one in the same place of the slab.
    pub(crate) serial: u32,
    pub(crate) session: Session,
    /// Whose it became.
    pub(crate) user: Option<UserId>,
    pub(crate) link: Link,
    /// Bytes of a frame that has not arrived whole.
    pub(crate) partial: Vec<u8>,
    /// Whether it is in the list of those with something to send.
    pub(crate) is_dirty: bool,
    /// Whether a task waits for the link to take more.
    pub(crate) is_blocked: bool,
    /// Whether it counts against the limit; one that was refused at the door does not.
    pub(crate) is_admitted: bool,
    /// When the conversation was seen to be over, by the hub's clock.
    pub(crate) ended_at: Option<u64>,
}

/// Milliseconds a client has to take the last words of a conversation before the link is cut. A
/// link cut at once, with input still on its way, would throw those words away.
pub(crate) const LAST_WORDS_MS: u64 = 1_000;

/// Every conversation, and who is in it.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) slab: Slab<Connection>,
    /// Who is connected, by which connections: where notices go.
    pub(crate) people: BTreeMap<UserId, Vec<u64>>,
    /// Those with something to send.
    pub(crate) dirty: Vec<usize>,
    /// Those that lost their session and do not wait yet for being told: the hub sees to that.
    pub(crate) revoked: Vec<u64>,
    pub(crate) serial: u32,
    pub(crate) admitted: usize,
    #[cfg(feature = "planted-bugs")]
    pub(crate) meddler: crate::planted::Meddler,
}

impl Connections {
    pub(crate) fn insert(&mut self, session: Session, link: Link) -> u64 {
        self.serial = self.serial.wrapping_add(1);
        let is_admitted = !session.is_closed();
        self.admitted += usize::from(is_admitted);
        let index = self.slab.insert(Connection {
            serial: self.serial,
            session,
            user: None,
            link,
            partial: Vec::new(),
            is_dirty: false,
            is_blocked: false,
            is_admitted,
            ended_at: None,
        });
        self.mark_dirty(index);
        id_of(index, self.serial)
    }

    pub(crate) fn remove(&mut self, id: u64) {
        let Some(index) = self.find(id) else { return };
        let connection = self.slab.remove(index);
        self.admitted -= usize::from(connection.is_admitted);
        if connection.is_dirty {
            self.dirty.retain(|dirty| *dirty != index);
        }
        if let Some(user) = connection.user
            && let Some(ids) = self.people.get_mut(&user)
        {
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
        let connection = &mut self.slab[index];
        let has_business =
            !connection.session.outbound().is_empty() || connection.session.is_closed();
        if has_business && !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// Takes a release to whom it is for.
    pub(crate) fn spread(
        &mut self,
        release: &Release<'_>,
        accounts: &Accounts,
        reader: &mut dyn LogReader,
    ) {
        #[cfg(feature = "planted-bugs")]
        let release = &self.meddler.release(release);
        match *release {
            Release::Answer {
                origin,
                at,
                outcome,
            } => self.answer(origin, at, outcome, accounts),
            Release::Again { origin, seq } => match archive::read_outcome(reader, seq) {
                Ok((at, outcome)) => {
                    let outcome = &outcome;
                    let answer = Release::Answer {
                        origin,
                        at,
                        outcome,
                    };
                    self.spread(&answer, accounts, reader);
                }
                Err(error) => self.handle_reader_failure(origin, &error),
            },
            Release::Refused { origin, refusal } => {
                self.with_session(origin.connection, |session| {
                    session.handle_refused(origin.correlation, refusal, 0);
                });
            }
            Release::Ended { connection } => self.with_session(connection, Session::handle_ended),
            Release::Notice { user, at, outcome } => {
                for id in self.people.get(&user).cloned().unwrap_or_default() {
                    self.with_session(id, |session| session.handle_notice(at, outcome));
                }
            }
        }
    }

    fn answer(&mut self, origin: Origin, at: Head, outcome: &[u8], accounts: &Accounts) {
        let Some(index) = self.find(origin.connection) else {
            return;
        };
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

    /// A log that was readable at the start and is not any more: nothing can be promised.
    pub(crate) fn handle_reader_failure(&mut self, origin: Origin, error: &LogError) {
        tracing::error!(%error, "a durable record cannot be read back; closing the connection that asked");
        self.with_session(origin.connection, |session| {
            session.handle_end(Refusal::new(Code::SHUTTING_DOWN));
        });
    }

    pub(crate) fn with_session(&mut self, id: u64, act: impl FnOnce(&mut Session)) {
        if let Some(index) = self.find(id) {
            act(&mut self.slab[index].session);
            self.mark_dirty(index);
        }
    }

    pub(crate) fn note_person(&mut self, id: u64) {
        let Some(index) = self.find(id) else { return };
        let connection = &mut self.slab[index];
        if let Some(person) = connection.session.person() {
            connection.user = Some(person.user);
            self.people.entry(person.user).or_default().push(id);
        }
    }
}

impl Connection {
    /// Considers nothing more for a session that is over. Returns whether it was considered until
    /// now: then it is still to be told so.
    fn revoke_if_over(&mut self, accounts: &Accounts) -> bool {
        let person = self.session.person();
        person.is_some_and(|person| !accounts.is_session_open(person.session))
            && self.session.handle_revoked()
    }

    /// Sends what the link takes. Returns whether it took less than there was. Says that nothing
    /// follows when the conversation is over; ends the link if its reader lets too much pile up.
    pub(crate) fn flush(&mut self) -> bool {
        while !self.session.outbound().is_empty() {
            match self.link.try_write(self.session.outbound()) {
                Ok(len) => self.session.handle_sent(len),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.cut_if_slow();
                    return true;
                }
                Err(_gone) => {
                    self.link.shutdown();
                    return false;
                }
            }
        }
        if self.session.is_closed() {
            self.link.finish();
        }
        false
    }

    /// Ends the link if more waits than a reader can be allowed.
    pub(crate) fn cut_if_slow(&self) {
        if self.session.is_slow_reader() {
            self.link.shutdown();
        }
    }

    /// Ends the link of a conversation that has been over for long enough.
    pub(crate) fn cut_if_over(&mut self, now: u64) {
        let ended_at = *self.ended_at.get_or_insert(now);
        if ended_at.saturating_add(LAST_WORDS_MS) <= now {
            self.link.shutdown();
        }
    }
}

pub(crate) fn id_of(index: usize, serial: u32) -> u64 {
    let index = u64::try_from(index).expect("connections are bounded by descriptors");
    u64::from(serial) << 32 | index
}
