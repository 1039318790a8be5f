//! What a connection asks without changing anything.
//!
//! A query goes to whoever answers it: the systems, the archive, or the connections themselves.
//! Deliberately absent: the answers.

use protocol::{
    Code, Refusal, Seq, UserId,
    words::{
        catalogue, log as log_words,
        presence::{self, Query, Subscribe},
    },
};

use super::{
    Hub, HubParts, Job, Work,
    turn::{PAGE_WORK, QUERY_WORK, SEARCH_WORK},
};
use crate::{
    archive,
    domain::systems::{self, CommandBytes},
    engine::{BUSY_RETRY_MS, Busy, Origin, READS_BYTES_MAX},
};

/// Who asks, where the answer goes, and when, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) origin: Origin,
    pub(super) user: UserId,
    pub(super) wall: u64,
}

impl Hub {
    /// Answers a query, or says what must be done to answer it. Its answer waits for the disk, and until
    /// then counts as unread by whoever asked.
    pub(super) fn query_within(
        &mut self,
        asker: Asker,
        query: &CommandBytes<'_>,
        work: &mut Work,
    ) -> Option<Job> {
        let origin = asker.origin;
        let before = self.parts.engine.waiting_reads();
        if READS_BYTES_MAX <= before {
            let waiting = self.parts.engine.waiting();
            self.refuse_busy(origin, Busy { waiting }, BUSY_RETRY_MS);
            return None;
        }
        work.spend(QUERY_WORK);
        let job = self.query(asker, query, work);
        let bytes = self.parts.engine.waiting_reads() - before;
        work.spend_bytes(bytes);
        self.connections.await_read(origin, bytes);
        job
    }

    fn query(
        &mut self,
        Asker { origin, user, wall }: Asker,
        query: &CommandBytes<'_>,
        work: &mut Work,
    ) -> Option<Job> {
        if let Some(upto) = archive::replay_wanted(query) {
            work.spend(PAGE_WORK);
            return self.replay(origin, user, upto);
        }
        let HubParts { engine, reader, .. } = &mut self.parts;
        match query.kind.system() {
            log_words::SYSTEM => {
                work.spend(PAGE_WORK);
                archive::answer(engine, &mut **reader, origin, user, query);
            }
            presence::SYSTEM => self.query_presence(origin, user, query),
            system => {
                if system == catalogue::SYSTEM {
                    work.spend(SEARCH_WORK);
                }
                if let Some(wanted) = engine.query(wall, origin, user, query) {
                    work.spend(PAGE_WORK);
                    archive::answer_page(engine, &mut **reader, origin, (system, wanted));
                }
            }
        }
        None
    }

    fn replay(&mut self, origin: Origin, user: UserId, upto: Seq) -> Option<Job> {
        let engine = &self.parts.engine;
        let newest = engine.durable().seq;
        let upto = if upto == Seq::START {
            newest
        } else {
            upto.min(newest)
        };
        match archive::admit(engine, user) {
            Ok(()) => Some(Job::Replay { origin, upto }),
            Err(refusal) => {
                self.refuse(origin, refusal);
                None
            }
        }
    }

    fn query_presence(&mut self, origin: Origin, user: UserId, query: &CommandBytes<'_>) {
        match Query::decode(query.kind, query.schema, query.body) {
            Ok(Query::Subscribe(subscribe)) => self.subscribe(origin, user, subscribe),
            Ok(Query::ListPresence(list)) => self.list_presence(origin, list),
            Err(error) => self.refuse(origin, systems::refusal(&error)),
        }
    }

    /// Pushes begin when everything that was decided so far is durable.
    fn subscribe(&mut self, origin: Origin, user: UserId, subscribe: Subscribe) {
        let Some(index) = self.connections.find(origin.connection) else {
            return;
        };
        #[cfg(feature = "planted-bugs")]
        let furthest = self.connections.furthest(user);
        let connection = &mut self.connections.slab[index];
        let Some(person) = connection.session.person() else {
            return;
        };
        let head = self.parts.engine.decided().seq;
        // Whose session has just ended has a connection that ends, too.
        let cursor = self.parts.engine.systems().accounts.cursor(person.session);
        let from = subscribe.from.or(cursor).unwrap_or(head);
        #[cfg(feature = "planted-bugs")]
        let from = self.connections.tamper.cursor(from, furthest);
        if head < from {
            return self.refuse(origin, Refusal::with(Code::FROM_AHEAD, from.0, head.0));
        }
        if std::mem::replace(&mut connection.has_subscribed, true) {
            return self.refuse(origin, Refusal::new(Code::ALREADY_SUBSCRIBED));
        }
        self.parts.engine.subscribe(origin, user, from);
    }
}
