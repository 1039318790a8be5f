//! The heart: decides commands, gathers them into batches, and lets answers go once they are safe.
//!
//! ```text
//! submit ─ decide ─ apply ─ chain ─▶ batch ─▶ take_batch ─▶ (the log syncs it) ─▶ handle_committed ─▶ release
//! ```
//!
//! Memory may be ahead of the disk: while one batch syncs the next is decided on top of it. Nothing
//! that was seen in memory leaves before it is proved durable, refusals and reads included: nobody
//! must ever be told what a crash could take back. So whatever is said waits in a round; only
//! [`Busy`], which tells of no record, is said at once. Time comes in as an argument, batches go out
//! by value. Deliberately absent: clocks, threads, disks, connections, every rule of every system.

use std::{hint::black_box, ops::Range};

use protocol::{
    Code, Key, Record, Refusal, Roles, Seq, UserId,
    codec::CODEC,
    record::chain,
    words::log::{StateHash, Subject},
};

use crate::{
    domain::{
        Context, Membership, PageWanted, Passage, Stream, Systems,
        personal::Place,
        systems::{Answered, CommandBytes, Executed, OwnedCommand, PushBytes, ReplayError, Source},
    },
    feed::Feed,
    keyring::Keyring,
    keys::{KeyTable, Use, Vacancy, digest},
    log::{Batch, Committed, Head, Row},
    snapshot::Saved,
    trail::{NoSuchStep, Step, Trail},
};

/// Records in one batch, and with the batch that syncs, the commands that can wait at once. At
/// 300,000 a second it is some 50 ms of work: beyond that a client is better served by `busy`
/// than by a longer queue.
pub const BATCH_LEN_MAX: usize = 16 * 1024;

/// Commands to [`Engine::foresee`] before they are submitted: enough that memory is there in time,
/// few enough that nothing of it is pushed out again.
pub const FORESEEN: usize = 16;

/// Milliseconds after which a refused-as-busy client should try again: about one full batch.
pub const BUSY_RETRY_MS: u32 = 50;

/// Where an answer goes: a connection and the number its client gave the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The connection, as the shell numbers them.
    pub connection: u64,
    /// The client's number for the request.
    pub correlation: u64,
}

/// A command and who asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Where the answer goes; `None` for the server's own commands.
    pub origin: Option<Origin>,
    /// Who asks.
    pub actor: UserId,
    /// The idempotency key.
    pub key: Key,
    /// What is asked.
    pub command: CommandBytes<'a>,
}

/// What became of a submitted command. Whatever it was, its origin hears of it by a [`Release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// It was decided; its record is at this position.
    Decided(Seq),
    /// It was decided before, at this position.
    Again(Seq),
    /// It was not considered: no such command, or its key belongs to another one. Why is not told
    /// here, because it may not be told yet.
    Refused,
}

/// There is no room, and nothing was considered. The one thing that is said before anything is
/// durable: it tells of no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// How many wait already, all that may.
    pub waiting: usize,
}

impl Busy {
    /// As it is told.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        let waiting = u64::try_from(self.waiting).unwrap_or(u64::MAX);
        Refusal::with(Code::BUSY, waiting, waiting)
    }
}

/// What may leave, in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release<'a> {
    /// An answer to a command or a query.
    Answer {
        /// Where it goes.
        origin: Origin,
        /// The position it holds at, and the hash there.
        at: Head,
        /// See [`protocol::outcome`].
        outcome: &'a [u8],
    },
    /// The answer to a command that was decided before: it is in the log.
    Again {
        /// Where it goes.
        origin: Origin,
        /// Its position, which is durable.
        seq: Seq,
    },
    /// Why something was not considered.
    Refused {
        /// Where it goes.
        origin: Origin,
        /// Why.
        refusal: Refusal,
    },
    /// A connection has lost its session, and may know.
    Ended {
        /// Which connection.
        connection: u64,
    },
    /// What others are told of an event.
    Push {
        /// Where it happened, and the hash there.
        at: Head,
        /// Whom, and what.
        push: &'a PushBytes,
    },
    /// Somebody begins or ceases to follow something.
    Membership {
        /// Where that happened.
        seq: Seq,
        /// Who, and what.
        membership: Membership,
    },
    /// A connection is told pushes from now on.
    Subscribed {
        /// Where the answer goes.
        origin: Origin,
        /// The position it holds at, and the hash there.
        at: Head,
        /// The last position it has.
        from: Seq,
        /// What its person follows at that position, each from which position on.
        follows: &'a [(Stream, Seq)],
    },
}

/// Something that waits for a batch.
#[derive(Debug)]
enum Waiting {
    Command {
        origin: Origin,
        row: usize,
    },
    Push {
        row: usize,
        push: Box<PushBytes>,
    },
    Membership {
        seq: Seq,
        membership: Membership,
    },
    Subscribed {
        origin: Origin,
        at: Head,
        from: Seq,
        follows: Box<[(Stream, Seq)]>,
    },
    Read {
        origin: Origin,
        at: Head,
        outcome: Range<usize>,
    },
    Again {
        origin: Origin,
        seq: Seq,
    },
    Refused {
        origin: Origin,
        refusal: Refusal,
    },
    Ended {
        connection: u64,
    },
}

/// A batch and what waits for it.
#[derive(Debug, Default)]
struct Round {
    batch: Batch,
    waiting: Vec<Waiting>,
    /// Outcomes of reads that wait.
    reads: Vec<u8>,
}

impl Round {
    fn release<'a>(&'a self, waiting: &'a Waiting) -> Release<'a> {
        match *waiting {
            Waiting::Command { origin, row } => {
                let (at, outcome) = self.row(row);
                Release::Answer {
                    origin,
                    at,
                    outcome,
                }
            }
            Waiting::Push { row, ref push } => {
                let (at, _) = self.row(row);
                Release::Push { at, push }
            }
            Waiting::Membership { seq, membership } => Release::Membership { seq, membership },
            Waiting::Subscribed {
                origin,
                at,
                from,
                ref follows,
            } => Release::Subscribed {
                origin,
                at,
                from,
                follows,
            },
            Waiting::Read {
                origin,
                at,
                ref outcome,
            } => Release::Answer {
                origin,
                at,
                outcome: &self.reads[outcome.clone()],
            },
            Waiting::Again { origin, seq } => Release::Again { origin, seq },
            Waiting::Refused { origin, refusal } => Release::Refused { origin, refusal },
            Waiting::Ended { connection } => Release::Ended { connection },
        }
    }

    fn row(&self, row: usize) -> (Head, &[u8]) {
        let row = self.batch.row(row);
        let at = Head {
            seq: row.record.seq,
            hash: row.hash,
        };
        (at, row.record.outcome)
    }
}

/// What was let go of together: proved durable, or said of nothing but what is.
#[derive(Debug)]
pub struct Released(Round);

impl Released {
    /// Whether somebody was erased by what was let go of.
    #[must_use]
    pub fn is_anybody_erased(&self) -> bool {
        !self.0.batch.leaving().is_empty()
    }

    /// Shows every release in the order of the log.
    pub fn for_each(&self, mut visit: impl FnMut(Release<'_>)) {
        for waiting in &self.0.waiting {
            visit(self.0.release(waiting));
        }
    }
}

/// Decides, gathers and releases. See the head of this file.
#[derive(Debug)]
pub struct Engine {
    systems: Systems,
    keyring: Keyring,
    keys: KeyTable,
    trail: Trail,
    feed: Feed,
    /// Newest decided position.
    decided: Head,
    /// Newest durable position.
    durable: Head,
    recorded_at: u64,
    building: Round,
    /// What waits for the batch that is being synced; the batch itself is with the log.
    syncing: Option<Round>,
    /// A finished round, kept for its memory.
    spare: Round,
    outcome: Vec<u8>,
    sealed: Vec<u8>,
    scratch: Vec<u8>,
    #[cfg(feature = "planted-bugs")]
    meddler: crate::planted::Meddler,
}

impl Engine {
    /// An engine at the beginning of a log, with the keys of the people who are in it, and the
    /// seed of those to come.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self {
            systems: Systems::default(),
            keyring,
            keys: KeyTable::default(),
            trail: Trail::default(),
            feed: Feed::default(),
            decided: Head::default(),
            durable: Head::default(),
            recorded_at: 0,
            building: Round::default(),
            syncing: None,
            spare: Round::default(),
            outcome: Vec::new(),
            sealed: Vec::new(),
            scratch: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            meddler: crate::planted::Meddler::default(),
        }
    }

    /// Makes room for the records that are about to be restored.
    pub fn expect(&mut self, records: u64) {
        self.keys
            .reserve(usize::try_from(records).unwrap_or(usize::MAX));
    }

    /// Every part of the state that a snapshot holds, each by its stable name.
    pub(crate) fn parts(&self) -> Vec<(&'static str, &dyn Saved)> {
        let mut parts: Vec<(&'static str, &dyn Saved)> = vec![
            ("keys", &self.keys),
            ("trail", &self.trail),
            ("feed", &self.feed),
        ];
        parts.extend(self.systems.parts());
        parts
    }

    /// The same, to be loaded, and the keys of people.
    pub(crate) fn parts_mut(&mut self) -> (Vec<(&'static str, &mut dyn Saved)>, &Keyring) {
        let mut parts: Vec<(&'static str, &mut dyn Saved)> = vec![
            ("keys", &mut self.keys),
            ("trail", &mut self.trail),
            ("feed", &mut self.feed),
        ];
        parts.extend(self.systems.parts_mut());
        (parts, &self.keyring)
    }

    /// Every part was loaded, as it was at this position.
    pub(crate) fn stand_at(&mut self, head: Head, recorded_at: u64) {
        self.decided = head;
        self.durable = head;
        self.recorded_at = recorded_at;
        for (user, _) in self.systems.accounts.people_after(UserId::NOBODY) {
            self.keyring.meet(user);
        }
    }

    /// The instant of the newest decided record.
    pub(crate) const fn recorded_at(&self) -> u64 {
        self.recorded_at
    }

    /// Takes in a durable record, in order, when the server starts.
    ///
    /// # Errors
    /// If this version cannot read it.
    pub fn restore(&mut self, row: &Row<'_>) -> Result<(), ReplayError> {
        let record = &row.record;
        assert_eq!(
            record.seq,
            self.decided.seq.next(),
            "the log was checked to be gapless"
        );
        let body = Systems::open(record, &self.keyring, "");
        let replayed = self.systems.replay(&Record {
            body: &body,
            ..*record
        })?;
        self.note(record, None, replayed.target, replayed.passage);
        if let Some(stream) = replayed.kept_in {
            self.feed.insert(stream, record.seq);
        }
        match replayed.passage {
            Some(Passage::Joins(user)) => self.keyring.meet(user),
            Some(Passage::Leaves(user)) => self.keyring.remove(user),
            None => {}
        }
        self.decided = Head {
            seq: record.seq,
            hash: row.hash,
        };
        self.durable = self.decided;
        self.recorded_at = record.recorded_at;
        Ok(())
    }

    /// Decides a command at `now` (milliseconds since 1970-01-01 UTC) and everything that must
    /// follow directly behind it. A key seen before is answered with what was answered then.
    ///
    /// # Errors
    /// If there is no room. Nothing was logged and nothing changed.
    pub fn submit(&mut self, now: u64, ask: &Ask<'_>) -> Result<Submitted, Busy> {
        #[cfg(feature = "planted-bugs")]
        let mut heard = Vec::new();
        #[cfg(feature = "planted-bugs")]
        let ask = &self.meddler.hear(ask, &mut heard);
        let mut vacancy = None;
        if ask.command.source != Source::Server {
            match self.used(ask) {
                Ok(used) => return Ok(self.answer_again(ask, used)),
                Err(vacant) => vacancy = vacant,
            }
        }
        let waiting = self.building.batch.len();
        if BATCH_LEN_MAX <= waiting {
            return Err(Busy { waiting });
        }
        let (seq, mut follow_up) = match self.decide(now, ask, vacancy) {
            Ok(decided) => decided,
            Err(refusal) => return Ok(self.refuse_ask(ask, refusal)),
        };
        while let Some(command) = follow_up {
            follow_up = self.decide_own(now, &command);
        }
        Ok(Submitted::Decided(seq))
    }

    /// Asks for the memory that commands which are about to be submitted or restored, at most
    /// [`FORESEEN`], will look at, so that none of them waits for it: what a log of a million records
    /// is looked up in is far from the processor. First for where things are looked up, then, which
    /// waits for that, for what is found there.
    pub fn foresee<'a>(&self, commands: impl Iterator<Item = (UserId, Key, CommandBytes<'a>)>) {
        let mut all = [None; FORESEEN];
        for (foreseen, (actor, key, command)) in all.iter_mut().zip(commands) {
            self.keys.prefetch(actor, key);
            *foreseen = Some((actor, self.systems.foresee(&command)));
        }
        for (actor, foreseen) in all.into_iter().flatten() {
            self.trail.prefetch(actor);
            black_box(self.systems.roles(actor));
            if let Some(foreseen) = foreseen {
                self.systems.foresee_found(actor, foreseen);
            }
        }
    }

    /// Answers a query from the newest decided state, and releases it when that is durable; if
    /// there is no such query, that. Returns what a query wants of the log, to be answered by
    /// [`Engine::release_read`].
    pub fn query(
        &mut self,
        now: u64,
        origin: Origin,
        actor: UserId,
        query: &CommandBytes<'_>,
    ) -> Option<PageWanted> {
        let cx = self.context(now, actor, self.decided.seq, Key::default());
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.clear();
        let answered = self.systems.answer(&cx, query, &mut outcome);
        if answered == Ok(Answered::Here) {
            #[cfg(feature = "planted-bugs")]
            (self.meddler).read(actor, query, self.decided, &mut outcome);
            self.release_read(origin, &outcome);
        }
        self.outcome = outcome;
        match answered {
            Ok(Answered::Here) => None,
            Ok(Answered::FromLog(wanted)) => Some(wanted),
            Err(refusal) => {
                self.refuse(origin, refusal);
                None
            }
        }
    }

    /// Releases, when everything that was decided so far is durable, that a connection of `user` is
    /// told pushes behind `from`: of all they follow by then.
    pub fn subscribe(&mut self, origin: Origin, user: UserId, from: Seq) {
        let mut follows = Vec::new();
        (self.systems).follow(user, &mut |stream, first| follows.push((stream, first)));
        let at = self.decided;
        self.newest_round().waiting.push(Waiting::Subscribed {
            origin,
            at,
            from,
            follows: follows.into(),
        });
    }

    /// Releases an outcome that somebody else read off the decided state, when that is durable.
    pub fn release_read(&mut self, origin: Origin, outcome: &[u8]) {
        let at = self.decided;
        #[cfg(feature = "planted-bugs")]
        let at = self.meddler.read_at(at);
        self.release_read_at(origin, at, outcome);
    }

    /// As [`Engine::release_read`], of a state that is not the newest: who may see it was.
    pub fn release_read_at(&mut self, origin: Origin, at: Head, outcome: &[u8]) {
        let round = self.newest_round();
        let start = round.reads.len();
        round.reads.extend_from_slice(outcome);
        let outcome = start..round.reads.len();
        round.waiting.push(Waiting::Read {
            origin,
            at,
            outcome,
        });
    }

    /// Says why something was not considered, when everything that was decided so far is durable:
    /// the reason may tell of it.
    pub fn refuse(&mut self, origin: Origin, refusal: Refusal) {
        self.newest_round()
            .waiting
            .push(Waiting::Refused { origin, refusal });
    }

    /// Lets a connection know that its session is over, when everything that was decided so far,
    /// and so what ended it, is durable.
    pub fn end(&mut self, connection: u64) {
        self.newest_round()
            .waiting
            .push(Waiting::Ended { connection });
    }

    /// When [`Engine::handle_timeout`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.systems.deadline()
    }

    /// Decides the server's own commands whose time has come.
    pub fn handle_timeout(&mut self, now: u64) {
        while self.building.batch.len() < BATCH_LEN_MAX
            && let Some(command) = self.systems.due(self.recorded_at.max(now))
        {
            self.submit_own(now, &command);
        }
    }

    /// Decides a command of the server's own.
    pub fn submit_own(&mut self, now: u64, command: &OwnedCommand) {
        let mut next = self.decide_own(now, command);
        while let Some(command) = next {
            next = self.decide_own(now, &command);
        }
    }

    /// The next batch to sync, unless one is being synced or nothing waits. Hand it back with
    /// [`Engine::handle_committed`].
    #[must_use]
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.syncing.is_some() || self.building.batch.is_empty() {
            return None;
        }
        let next = std::mem::take(&mut self.spare);
        let mut round = std::mem::replace(&mut self.building, next);
        let batch = std::mem::take(&mut round.batch);
        self.syncing = Some(round);
        Some(batch)
    }

    /// Lets go of everything that waited for `batch`, now that it is proved durable.
    ///
    /// # Panics
    /// If this is not the batch that was taken last, or the proof is not for it.
    pub fn handle_committed(&mut self, proof: &Committed, batch: Batch) -> Released {
        let mut round = self
            .syncing
            .take()
            .expect("a batch comes back only after it was taken");
        let last = batch.head().expect("an empty batch is never taken");
        assert_eq!(proof.head(), last, "the proof is for this batch");
        self.durable = last;
        // Until now a crash could have taken the erasure back.
        for user in batch.leaving() {
            self.keyring.remove(*user);
        }
        round.batch = batch;
        Released(round)
    }

    /// Lets go of what waits for nothing: everything it tells of is durable.
    pub fn release_idle(&mut self) -> Option<Released> {
        let is_idle = self.syncing.is_none() && self.building.batch.is_empty();
        if !is_idle || self.building.waiting.is_empty() {
            return None;
        }
        let next = std::mem::take(&mut self.spare);
        Some(Released(std::mem::replace(&mut self.building, next)))
    }

    /// Takes back the memory of what was released.
    pub fn recycle(&mut self, released: Released) {
        let mut round = released.0;
        round.batch.clear();
        round.waiting.clear();
        round.reads.clear();
        self.spare = round;
    }

    /// Whether nothing was decided that is not durable yet.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.decided.seq == self.durable.seq
    }

    /// Records decided that wait for the batch before them; no more than [`BATCH_LEN_MAX`], and
    /// what follows directly behind the last one.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.building.batch.len()
    }

    /// The newest durable position.
    #[must_use]
    pub const fn durable(&self) -> Head {
        self.durable
    }

    /// The newest decided position.
    #[must_use]
    pub const fn decided(&self) -> Head {
        self.decided
    }

    /// Where the kept pushes stand; those beyond [`Engine::durable`] are not in the log yet.
    #[must_use]
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The systems, to look at.
    #[must_use]
    pub const fn systems(&self) -> &Systems {
        &self.systems
    }

    /// Drops keys whose people are not in the log.
    pub fn drop_keys(&mut self, people: &[UserId]) {
        for user in people {
            self.keyring.remove(*user);
        }
    }

    /// The keys of people, to read what is sealed.
    #[must_use]
    pub const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The hash of the state at the newest decided position.
    #[must_use]
    pub fn state_hash(&self) -> StateHash {
        StateHash {
            seq: self.decided.seq,
            hash: self.systems.state_hash(),
        }
    }

    /// Durable steps of a subject's trail before the step at `before` (0 for the newest), newest
    /// first.
    ///
    /// # Errors
    /// If `before` is no step of that trail.
    pub fn trail(
        &self,
        subject: Subject,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Step>, NoSuchStep> {
        self.trail.page(subject, before, self.durable.seq, limit)
    }

    /// What misbehaves here.
    #[cfg(feature = "planted-bugs")]
    pub const fn meddler_mut(&mut self) -> &mut crate::planted::Meddler {
        &mut self.meddler
    }

    /// The key of the server's own command that is decided next.
    pub(crate) fn own_key(&self) -> Key {
        let mut key = Key::default();
        key.0[8..].copy_from_slice(&self.decided.seq.next().0.to_le_bytes());
        key
    }

    fn decide_own(&mut self, now: u64, command: &OwnedCommand) -> Option<Box<OwnedCommand>> {
        let ask = Ask {
            origin: None,
            actor: UserId::NOBODY,
            key: self.own_key(),
            command: command.bytes(),
        };
        self.decide(now, &ask, None)
            .expect("the server's own commands are well-formed")
            .1
    }

    /// One record: decide, apply, chain, gather. `vacancy` is where its key is noted, if that is known.
    fn decide(
        &mut self,
        now: u64,
        ask: &Ask<'_>,
        vacancy: Option<Vacancy>,
    ) -> Result<(Seq, Option<Box<OwnedCommand>>), Refusal> {
        let seq = self.decided.seq.next();
        let mut cx = self.context(now, ask.actor, seq, ask.key);
        if ask.command.source == Source::Server {
            cx.roles = Roles::ADMIN;
        }
        let mut outcome = std::mem::take(&mut self.outcome);
        outcome.clear();
        #[cfg(not(feature = "planted-bugs"))]
        let executed = self.systems.execute(&cx, &ask.command, &mut outcome);
        #[cfg(feature = "planted-bugs")]
        let executed = (self.meddler).execute(&mut self.systems, &cx, &ask.command, &mut outcome);
        let executed = match executed {
            Ok(executed) => executed,
            Err(refusal) => {
                self.outcome = outcome;
                return Err(refusal);
            }
        };
        match executed.passage {
            Some(Passage::Joins(user)) => {
                let key = self.keyring.make(user);
                self.building.batch.push_joining(key);
            }
            Some(Passage::Leaves(user)) => self.building.batch.push_leaving(user),
            None => {}
        }
        let mut sealed = std::mem::take(&mut self.sealed);
        let record = Record {
            seq,
            recorded_at: cx.now,
            actor: ask.actor,
            key: ask.key,
            kind: ask.command.kind,
            schema: ask.command.schema,
            codec: CODEC,
            body: self.logged(seq, ask, &mut sealed),
            outcome: &outcome,
        };
        let hash = chain(&self.decided.hash, &record, &mut self.scratch);
        let row = self.building.batch.len();
        self.building.batch.push(&record, hash);
        self.note(&record, vacancy, executed.target, executed.passage);
        self.decided = Head { seq, hash };
        self.recorded_at = cx.now;
        self.outcome = outcome;
        self.sealed = sealed;
        if let Some(origin) = ask.origin {
            self.building.waiting.push(Waiting::Command { origin, row });
        }
        Ok((seq, self.tell(seq, row, executed)))
    }

    /// What others hear of a record waits for it: whoever begins to follow something by it is told
    /// of it, and so is whoever ceases to. Returns what must follow directly.
    fn tell(&mut self, seq: Seq, row: usize, executed: Executed) -> Option<Box<OwnedCommand>> {
        let waiting = &mut self.building.waiting;
        let memberships = |begins: bool| {
            let some = executed.memberships.iter();
            some.filter(move |membership| membership.begins == begins)
                .map(move |membership| Waiting::Membership {
                    seq,
                    membership: *membership,
                })
        };
        waiting.extend(memberships(true));
        if let Some(push) = executed.push {
            if push.is_kept {
                self.feed.insert(push.stream, seq);
            }
            waiting.push(Waiting::Push { row, push });
        }
        waiting.extend(memberships(false));
        executed.follow_up
    }

    /// What the key of `ask` was used for, if it was.
    #[cfg(not(feature = "planted-bugs"))]
    fn used(&self, ask: &Ask<'_>) -> Result<Use, Option<Vacancy>> {
        self.keys.find(ask.actor, ask.key).map_err(Some)
    }

    #[cfg(feature = "planted-bugs")]
    fn used(&mut self, ask: &Ask<'_>) -> Result<Use, Option<Vacancy>> {
        let used = self.keys.find(ask.actor, ask.key);
        if used.is_ok() {
            let cx = self.context(self.recorded_at, ask.actor, self.decided.seq, ask.key);
            (self.meddler).sell_again(&mut self.systems, &cx, &ask.command);
        }
        // What is denied to have been used has no place of its own.
        self.meddler.used(used.ok()).ok_or(used.err())
    }

    /// Time never falls along the log, whatever the clock does.
    fn context(&self, now: u64, actor: UserId, seq: Seq, key: Key) -> Context {
        Context {
            seq,
            now: now.max(self.recorded_at),
            actor,
            roles: self.systems.roles(actor),
            key,
        }
    }

    /// The body of `ask` as it is logged at `seq`.
    fn logged<'a>(&self, seq: Seq, ask: &Ask<'a>, sealed: &'a mut Vec<u8>) -> &'a [u8] {
        let place = Place {
            seq,
            actor: ask.actor,
        };
        sealed.clear();
        if Systems::seal(place, &ask.command, &self.keyring, sealed) {
            return sealed;
        }
        ask.command.body
    }

    fn note(
        &mut self,
        record: &Record<'_>,
        vacancy: Option<Vacancy>,
        target: u64,
        passage: Option<Passage>,
    ) {
        self.trail.insert(record, target);
        if let Some(Passage::Leaves(user)) = passage {
            self.trail.forget(user);
            self.feed.remove(Stream::Person(user));
        }
        let digest = digest(record.kind, record.schema, record.body);
        let used = Use {
            seq: record.seq,
            digest,
        };
        match vacancy {
            Some(vacancy) => (self.keys).insert_new(vacancy, record.actor, record.key, used),
            None => self.keys.insert(record.actor, record.key, used),
        }
    }

    /// A key that was used before: the same command gets the same answer, another is refused. Both
    /// tell where the first stands, and a log-in's answer what its person may do by now; so both
    /// wait for the newest round, also when the first has been durable for long.
    fn answer_again(&mut self, ask: &Ask<'_>, used: Use) -> Submitted {
        let CommandBytes { kind, schema, .. } = ask.command;
        // The log has it sealed, and the same text at the same place is sealed to the same bytes.
        let mut sealed = std::mem::take(&mut self.sealed);
        let asked = digest(kind, schema, self.logged(used.seq, ask, &mut sealed));
        self.sealed = sealed;
        #[cfg(feature = "planted-bugs")]
        let asked = self.meddler.asked(asked, used.digest);
        if used.digest != asked {
            return self.refuse_ask(ask, Refusal::with(Code::KEY_REUSED, used.seq.0, 0));
        }
        if let Some(origin) = ask.origin {
            let seq = used.seq;
            self.newest_round()
                .waiting
                .push(Waiting::Again { origin, seq });
        }
        Submitted::Again(used.seq)
    }

    fn refuse_ask(&mut self, ask: &Ask<'_>, refusal: Refusal) -> Submitted {
        if let Some(origin) = ask.origin {
            self.refuse(origin, refusal);
        }
        Submitted::Refused
    }

    /// What must be waited for by whatever tells of the newest decided state.
    fn newest_round(&mut self) -> &mut Round {
        match &mut self.syncing {
            Some(syncing) if self.building.batch.is_empty() => syncing,
            _ => &mut self.building,
        }
    }
}

#[cfg(test)]
mod erase_tests;
#[cfg(test)]
mod tests;
