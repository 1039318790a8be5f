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
//! by value. Deliberately absent: clocks, threads, the log, connections, every rule of every system.

mod decide;
mod pending_batch;

use std::{hint::black_box, io, sync::Arc};

use protocol::{
    Code, Key, Record, Refusal, Seq, UserId,
    words::log::{StateHash, Subject},
};

use crate::{
    audit::{AuditEntry, Trail, TrailError},
    disk::Disk,
    domain::{
        Lifecycle, PageWanted, Systems,
        systems::{Answered, CommandBytes, OwnedCommand, ReplayError, Source},
    },
    feed::Feed,
    keyring::Keyring,
    keys::{Found, KeyTable, Use, VacantKey},
    log::{Batch, Committed, Head, Row},
    snapshot::Saved,
};

pub use pending_batch::{Origin, Release, Released};
use pending_batch::{PendingBatch, Waiting};

/// Records in one batch, and with the batch that syncs, the commands that can wait at once. At
/// 300,000 a second it is some 50 ms of work: beyond that a client is better served by `busy`
/// than by a longer queue.
pub const BATCH_LEN_MAX: usize = 16 * 1024;

/// Bytes of bodies and outcomes in one batch, beyond which the answer is `busy` as well: four thousand
/// messages of the longest kind. While a disk stands still there are two batches.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of outcomes of reads that may wait in one round, beyond which the answer is `busy`: eighty pages of
/// the log.
pub const READS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Memory for outcomes of reads that a round keeps for the next one.
const READS_KEPT: usize = 1024 * 1024;

/// Commands to [`Engine::prefetch`] before they are submitted: enough that memory is there in time,
/// few enough that nothing of it is pushed out again.
pub const PREFETCHED: usize = 16;

/// Milliseconds after which a refused-as-busy client should try again: about one full batch.
pub const BUSY_RETRY_MS: u32 = 50;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It was decided; its record is at this position.
    Decided(Seq),
    /// It was decided before, at this position.
    Again(Seq),
    /// It was not considered yet: at one of these durable positions, the newest first, its key may have
    /// been used. Look there, and go on with [`Engine::submit_found`].
    MaybeUsed(Vec<Seq>),
    /// It was not considered: what is known of its key could not be read from the disk.
    Unreadable(io::ErrorKind),
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
    building: PendingBatch,
    /// What waits for the batch that is being synced; the batch itself is with the log.
    syncing: Option<PendingBatch>,
    /// A finished round, kept for its memory.
    spare: PendingBatch,
    outcome: Vec<u8>,
    sealed: Vec<u8>,
    scratch: Vec<u8>,
    #[cfg(feature = "planted-bugs")]
    tamper: crate::tamper::Tamper,
}

impl Engine {
    /// An engine at the beginning of a log, with the keys of the people who are in it, and the
    /// seed of those to come.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self {
            systems: Systems::default(),
            keys: KeyTable::new(keyring.hash_seed()),
            keyring,
            trail: Trail::default(),
            feed: Feed::default(),
            decided: Head::default(),
            durable: Head::default(),
            recorded_at: 0,
            building: PendingBatch::default(),
            syncing: None,
            spare: PendingBatch::default(),
            outcome: Vec::new(),
            sealed: Vec::new(),
            scratch: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            tamper: crate::tamper::Tamper::default(),
        }
    }

    /// Has what is seldom read go to a file on this disk, now and from now on.
    ///
    /// # Errors
    /// If no file can be made there.
    pub fn spill_into(&mut self, disk: &Arc<dyn Disk>) -> io::Result<()> {
        self.trail.spill_into(&**disk)?;
        self.keys.spill_into(disk)
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
    /// If it cannot be read, by this version or with the keys that are there.
    pub fn restore(&mut self, row: &Row<'_>) -> Result<(), ReplayError> {
        let record = &row.record;
        assert_eq!(
            record.seq,
            self.decided.seq.next(),
            "the log was checked to be gapless"
        );
        let body = Systems::open(record, &self.keyring, "")?;
        let replayed = self.systems.replay(&Record {
            body: &body,
            ..*record
        })?;
        let about = (replayed.target, replayed.concerns);
        self.note(record, None, about, replayed.passage);
        if let Some(stream) = replayed.kept_in {
            self.feed.insert(stream, record.seq);
        }
        match replayed.passage {
            Some(Lifecycle::Registered(user)) => self.keyring.meet(user),
            Some(Lifecycle::Erased(user)) => self.keyring.remove(user),
            None => {}
        }
        self.decided = Head {
            seq: record.seq,
            hash: row.hash,
        };
        self.durable = self.decided;
        self.keys.settle(self.durable.seq);
        self.recorded_at = record.recorded_at;
        Ok(())
    }

    /// What is known of `key`, in the hands of `actor`.
    ///
    /// # Errors
    /// If a file cannot be read in which it may be.
    pub fn find_key(&self, actor: UserId, key: Key) -> io::Result<Found> {
        self.keys.find(actor, key)
    }

    /// The position and the instant of the record of the command that is submitted next, at `now`.
    #[must_use]
    pub fn next_place(&self, now: u64) -> (Seq, u64) {
        (self.decided.seq.next(), now.max(self.recorded_at))
    }

    /// Decides a command at `now` (milliseconds since 1970-01-01 UTC) and everything that must
    /// follow directly behind it. A key seen before is answered with what was answered then.
    ///
    /// # Errors
    /// If there is no room. Nothing was logged and nothing changed.
    pub fn submit(&mut self, now: u64, ask: &Ask<'_>) -> Result<Submitted, Busy> {
        let mut vacancy = None;
        if ask.command.source != Source::Server {
            match self.keys.find(ask.actor, ask.key) {
                Ok(Found::New(vacant)) => vacancy = Some(vacant),
                Ok(Found::Used(used)) => return self.submit_found(now, ask, Some(used)),
                Ok(Found::MaybeUsed(seqs)) => return Ok(Submitted::MaybeUsed(seqs)),
                Err(error) => return Ok(Submitted::Unreadable(error.kind())),
            }
        }
        self.submit_new(now, ask, vacancy)
    }

    /// As [`Engine::submit`], of a command about which that was unsure, now that it is known what its
    /// key was used for, if for anything.
    ///
    /// # Errors
    /// As that.
    pub fn submit_found(
        &mut self,
        now: u64,
        ask: &Ask<'_>,
        used: Option<Use>,
    ) -> Result<Submitted, Busy> {
        #[cfg(feature = "planted-bugs")]
        let used = self.used(ask, used);
        match used {
            Some(used) => Ok(self.answer_again(ask, used)),
            None => self.submit_new(now, ask, None),
        }
    }

    fn submit_new(
        &mut self,
        now: u64,
        ask: &Ask<'_>,
        vacancy: Option<VacantKey>,
    ) -> Result<Submitted, Busy> {
        #[cfg(feature = "planted-bugs")]
        let mut heard = Vec::new();
        #[cfg(feature = "planted-bugs")]
        let ask = &self.tamper.hear(ask, &mut heard);
        let waiting = self.building.batch.len();
        if BATCH_LEN_MAX <= waiting || BATCH_BYTES_MAX <= self.building.batch.bytes() {
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
    /// [`PREFETCHED`], will look at, so that none of them waits for it: what a log of a million records
    /// is looked up in is far from the processor. First for where things are looked up, then, which
    /// waits for that, for what is found there.
    pub fn prefetch<'a>(&self, commands: impl Iterator<Item = (UserId, Key, CommandBytes<'a>)>) {
        let mut all = [None; PREFETCHED];
        for (prefetched, (actor, key, command)) in all.iter_mut().zip(commands) {
            self.keys.prefetch(actor, key);
            *prefetched = Some((actor, self.systems.prefetch(&command)));
        }
        for (actor, prefetched) in all.into_iter().flatten() {
            self.trail.prefetch(actor);
            black_box(self.systems.roles(actor));
            if let Some(prefetched) = prefetched {
                self.systems.prefetch_found(actor, prefetched);
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
            (self.tamper).read(actor, query, self.decided, &mut outcome);
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
        let at = self.tamper.read_at(at);
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

    /// Decides the server's own `command` at `now`, although that may be earlier than what was decided
    /// last: the one record at which the time of the log may fall.
    pub(crate) fn set_clock_back(&mut self, now: u64, command: &OwnedCommand) {
        self.recorded_at = 0;
        self.submit_own(now, command);
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
        self.keys.settle(last.seq);
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
        round.reads.shrink_to(READS_KEPT);
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

    /// Bytes of outcomes of reads that wait for a batch.
    #[must_use]
    pub fn waiting_reads(&self) -> usize {
        let syncing = self.syncing.as_ref();
        self.building.reads.len() + syncing.map_or(0, |round| round.reads.len())
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
    /// If `before` is no step of that trail, or steps cannot be read.
    pub fn trail(
        &self,
        subject: Subject,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, TrailError> {
        self.trail.page(subject, before, self.durable.seq, limit)
    }

    /// What misbehaves here.
    #[cfg(feature = "planted-bugs")]
    pub const fn tamper_mut(&mut self) -> &mut crate::tamper::Tamper {
        &mut self.tamper
    }

    /// What must be waited for by whatever tells of the newest decided state.
    fn newest_round(&mut self) -> &mut PendingBatch {
        match &mut self.syncing {
            Some(syncing) if self.building.batch.is_empty() => syncing,
            _ => &mut self.building,
        }
    }
}

#[cfg(test)]
impl Engine {
    /// Forgets every key, as it does those of long ago. Only when all that was decided is durable.
    pub(crate) fn forget_keys(&mut self) {
        assert!(self.is_settled(), "keys of what is not durable are kept");
        self.keys = KeyTable::new(self.keyring.hash_seed());
    }
}

#[cfg(test)]
mod erase_tests;
#[cfg(test)]
pub(crate) mod tests;
