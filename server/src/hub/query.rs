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
    Hub, HubParts, Job, Transport, Work,
    turn::{PAGE_WORK, QUERY_WORK, SEARCH_WORK},
};
use crate::{
    archive,
    domain::systems::{self, CommandBytes},
    engine::{BUSY_RETRY_MS, Busy, Origin, READS_BYTES_MAX},
    time_base::Now,
};

/// Who asks, where the answer goes, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) origin: Origin,
    pub(super) user: UserId,
    pub(super) now: Now,
}

impl<T: Transport> Hub<T> {
    /// Answers a query, or has the shell do what it takes to answer it. Its answer waits for the disk, and until
    /// then counts as unread by whoever asked.
    pub(super) fn query_within(&mut self, asker: Asker, query: &CommandBytes<'_>, work: &mut Work) {
        let origin = asker.origin;
        let before = self.parts.engine.waiting_reads();
        if READS_BYTES_MAX <= before {
            let waiting = self.parts.engine.waiting();
            return self.refuse_busy(origin, Busy { waiting }, BUSY_RETRY_MS);
        }
        work.spend(QUERY_WORK);
        self.query(asker, query, work);
        let bytes = self.parts.engine.waiting_reads() - before;
        work.spend_bytes(bytes);
        self.connections.await_read(origin, bytes);
    }

    fn query(
        &mut self,
        Asker { origin, user, now }: Asker,
        query: &CommandBytes<'_>,
        work: &mut Work,
    ) {
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
            presence::SYSTEM => self.query_presence(now, origin, user, query),
            system => {
                if system == catalogue::SYSTEM {
                    work.spend(SEARCH_WORK);
                }
                if let Some(wanted) = engine.query(now.wall, origin, user, query) {
                    work.spend(PAGE_WORK);
                    archive::answer_page(engine, &mut **reader, origin, (system, wanted));
                }
            }
        }
    }

    fn replay(&mut self, origin: Origin, user: UserId, upto: Seq) {
        let engine = &self.parts.engine;
        let newest = engine.durable().seq;
        let upto = if upto == Seq::START {
            newest
        } else {
            upto.min(newest)
        };
        match archive::admit(engine, user) {
            Ok(()) => self.jobs.push_back(Job::Replay { origin, upto }),
            Err(refusal) => self.refuse(origin, refusal),
        }
    }

    fn query_presence(&mut self, now: Now, origin: Origin, user: UserId, query: &CommandBytes<'_>) {
        match Query::decode(query.kind, query.schema, query.body) {
            Ok(Query::Subscribe(subscribe)) => self.subscribe(origin, user, subscribe),
            Ok(Query::ListPresence(list)) => self.list_presence(now, origin, list),
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
