//! Rebuilding the state when a server starts, and for a snapshot.
//!
//! A log goes in; an engine that stands where the log ends comes out, or the reason why not. Nothing is
//! changed before all of it was read and is known to belong together; then keys go that are nobody's
//! any more. It begins at the newest snapshot that is sound, if there is one, and applies the records behind it;
//! what is wrong with others is told as a warning. A server has two threads share the records, since
//! they are what a crash makes everybody wait for: one reads them and checks every position and every
//! hash, the other applies what was found sound. One thread alone does the same ([`Workers`]). Deliberately absent: rules, opening the log, and the
//! chain below the snapshot, of which only the end is checked (`inspect::verify` checks all of it).

use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    thread,
};

use protocol::{ChainHash, Seq, UserId};

use crate::{
    belonging,
    disk::Disk,
    domain::systems::{CommandBytes, Source},
    engine::{Engine, PREFETCHED},
    health::Progress,
    keyring::Keyring,
    log::{self, Batch, EventLog, Head, LogError, LogReader, Loss, PersonKey},
    reerase,
    snapshot::{Listed, Loaded, Snapshots, Unsound},
};

/// Records handed over at once: waking the other thread costs as much as applying a few dozen.
const CHUNK_ROWS: usize = 2_048;

/// Stretches that may wait to be applied; reading stops when it is that far ahead.
const STRETCHES_MAX: usize = 4;

/// Records below a snapshot that are checked all the same: what a crash or a copy damages is mostly
/// the end of a log.
const CHECKED_BELOW: u64 = 1_000;

/// Who rebuilds a state: the same comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// Whoever asks, in one thread: nothing but the reader decides what happens when.
    Caller,
    /// Threads besides, since a crash makes everybody wait for it: one for each part of a snapshot, and
    /// one that reads and checks the log while what it found is applied.
    Threads,
}

/// A server's state as it starts.
pub struct Recovered {
    /// It stands where the log ends.
    pub engine: Engine,
    /// A view of the log.
    pub reader: Box<dyn LogReader>,
    /// The position of the snapshot it began at; [`Seq::START`] for none.
    pub from: Seq,
    /// People whose erasure was lost with a tail that was given up. Before anybody is served they are
    /// to be erased again: [`reerase::erase_again`], also if there are none.
    pub lost: Vec<UserId>,
    /// What is wrong with snapshots.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovered")
            .field("from", &self.from)
            .field("lost", &self.lost)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Rebuilds the state from the newest sound snapshot and the log. Keys of people who are not there
/// any more, or never came to be, are destroyed. `seed` is where the keys of new people come from:
/// 256 random bits. `progress` is told how far it is.
///
/// # Errors
/// If the log is damaged, from a version this one cannot read, or the key of somebody in it is
/// missing, unless that is a loss that was accepted, or another one.
pub fn recover(
    log: &mut dyn EventLog,
    seed: [u8; 32],
    snapshots: &Snapshots,
    progress: &Progress,
) -> Result<Recovered, LogError> {
    recover_by(Workers::Threads, log, seed, snapshots, progress)
}

/// As [`recover`], by these workers.
///
/// # Errors
/// As that.
pub fn recover_by(
    workers: Workers,
    log: &mut dyn EventLog,
    seed: [u8; 32],
    snapshots: &Snapshots,
    progress: &Progress,
) -> Result<Recovered, LogError> {
    let start = Start {
        reader: log.reader()?,
        head: log.head(),
        loss: log.loss(),
        seed,
        snapshots,
        progress,
        workers,
    };
    read(start)?.settle(log)
}

/// What a start begins with.
pub(crate) struct Start<'a> {
    /// The log.
    pub(crate) reader: Box<dyn LogReader>,
    /// Where it ends.
    pub(crate) head: Head,
    /// What was accepted about it.
    pub(crate) loss: Option<Loss>,
    /// Where new keys come from.
    pub(crate) seed: [u8; 32],
    /// Where to begin.
    pub(crate) snapshots: &'a Snapshots,
    /// Is told how far it is.
    pub(crate) progress: &'a Progress,
    /// Who does it.
    pub(crate) workers: Workers,
}

/// A state that was rebuilt, and keys of nobody that are still there. Nothing was changed yet.
pub(crate) struct Read {
    pub(crate) rebuilt: Rebuilt,
    pub(crate) reader: Box<dyn LogReader>,
    lost: Vec<UserId>,
    /// Whose keys are to be destroyed: the log says that they are erased, or never had them.
    nobodys: Vec<UserId>,
}

/// Rebuilds the state and checks that the keys are those of the log.
///
/// # Errors
/// See [`recover`].
pub(crate) fn read(start: Start<'_>) -> Result<Read, LogError> {
    let mut reader = start.reader;
    let keys = reader.keys()?;
    let rebuilt = rebuild(Rebuild {
        reader: &mut *reader,
        head: start.head,
        keys: keys.clone(),
        seed: start.seed,
        snapshots: start.snapshots,
        progress: start.progress,
        workers: start.workers,
        is_given_up: &AtomicBool::new(false),
    })?;
    // A key that is missing is another matter: nobody can log in as that person ever again, and what
    // they wrote cannot be read.
    let lost = reerase::to_erase(&rebuilt.engine, start.loss)?;
    let accounts = &rebuilt.engine.systems().accounts;
    let is_named = |user| accounts.name(user).is_some_and(|name| !name.is_empty());
    belonging::check_keys(&mut *reader, start.head.seq, &keys, &is_named)?;
    let nobodys = keys.iter().map(|key| key.user);
    let nobodys = nobodys.filter(|user| accounts.name(*user).is_none());
    Ok(Read {
        nobodys: nobodys.collect(),
        lost,
        reader,
        rebuilt,
    })
}

impl Read {
    /// Destroys the keys that are nobody's: after a crash there may be some whose person is erased, or
    /// whose registration was lost.
    ///
    /// # Errors
    /// If that cannot be made durable.
    pub(crate) fn settle(self, log: &mut dyn EventLog) -> Result<Recovered, LogError> {
        let Rebuilt {
            mut engine,
            from,
            warnings,
        } = self.rebuilt;
        engine.drop_keys(&self.nobodys);
        log.destroy_keys(&self.nobodys)?;
        Ok(Recovered {
            engine,
            reader: self.reader,
            from,
            lost: self.lost,
            warnings,
        })
    }
}

/// What to rebuild.
pub(crate) struct Rebuild<'a> {
    /// The log.
    pub(crate) reader: &'a mut dyn LogReader,
    /// Up to where; there may be more.
    pub(crate) head: Head,
    /// The keys of people.
    pub(crate) keys: Vec<PersonKey>,
    /// Where new ones come from.
    pub(crate) seed: [u8; 32],
    /// Where to begin.
    pub(crate) snapshots: &'a Snapshots,
    /// Is told how far it is.
    pub(crate) progress: &'a Progress,
    /// Who does it.
    pub(crate) workers: Workers,
    /// Becomes true when nobody wants it any more; what comes out then is of no use.
    pub(crate) is_given_up: &'a AtomicBool,
}

/// A state and where it came from.
pub(crate) struct Rebuilt {
    /// The state.
    pub(crate) engine: Engine,
    /// The position of the snapshot it began at; [`Seq::START`] for none.
    pub(crate) from: Seq,
    /// What is wrong with snapshots.
    pub(crate) warnings: Vec<String>,
}

/// Rebuilds a state that stands at `head`.
///
/// # Errors
/// See [`recover`].
pub(crate) fn rebuild(rebuild: Rebuild<'_>) -> Result<Rebuilt, LogError> {
    let Rebuild { reader, head, .. } = rebuild;
    let fresh = || {
        let mut keyring = Keyring::new(rebuild.seed);
        keyring.extend(rebuild.keys.clone());
        fresh_engine(keyring, rebuild.snapshots.disk())
    };
    let mut warnings = Vec::new();
    let mut engine = match newest(
        reader,
        (rebuild.snapshots, rebuild.workers),
        &fresh,
        &mut warnings,
    )? {
        Some(engine) => engine,
        None => fresh()?,
    };
    let from = engine.decided();
    let behind = head.seq.0.saturating_sub(from.seq.0);
    rebuild.progress.expect(behind);
    let replaying = Replaying {
        upto: head.seq,
        progress: rebuild.progress,
        workers: rebuild.workers,
        is_given_up: rebuild.is_given_up,
    };
    let reached = replaying.run(&mut engine, reader)?;
    if reached != head && !rebuild.is_given_up.load(Ordering::Relaxed) {
        return Err(LogError::Damaged(format!(
            "the log's last position is {} but only {} could be read; restore a backup",
            head.seq, reached.seq
        )));
    }
    Ok(Rebuilt {
        engine,
        from: from.seq,
        warnings,
    })
}

/// An engine that knows nothing yet, and keeps what is seldom read in the data directory.
fn fresh_engine(keyring: Keyring, disk: Option<&Arc<dyn Disk>>) -> Result<Engine, LogError> {
    let mut engine = Engine::new(keyring);
    if let Some(disk) = disk {
        engine.spill_into(disk).map_err(|source| LogError::Io {
            doing: format!(
                "make a file for what is seldom read in {}",
                disk.path().display()
            ),
            source,
        })?;
    }
    Ok(engine)
}

/// The state of the newest snapshot that is sound and of this log.
fn newest(
    reader: &mut dyn LogReader,
    (snapshots, workers): (&Snapshots, Workers),
    fresh: &dyn Fn() -> Result<Engine, LogError>,
    warnings: &mut Vec<String>,
) -> Result<Option<Engine>, LogError> {
    let listed = snapshots.list().unwrap_or_else(|error| {
        warnings.push(format!("snapshots cannot be looked for: {error}"));
        Vec::new()
    });
    for Listed { path, seq } in listed {
        let unsound = match snapshots.load(seq, fresh()?, workers) {
            Ok(Loaded { engine, header }) => {
                let seq = header.head.seq;
                if reader.hash_at(seq)? == Some(header.head.hash) {
                    return Ok(Some(engine));
                }
                Unsound::OtherPast { seq }
            }
            Err(unsound) => unsound,
        };
        warnings.push(format!(
            "the snapshot {} is not used: {unsound}; an older one or the whole log is read instead, and the next snapshot replaces it",
            path.display()
        ));
    }
    Ok(None)
}

/// Records to be applied.
struct Replaying<'a> {
    upto: Seq,
    progress: &'a Progress,
    workers: Workers,
    is_given_up: &'a AtomicBool,
}

impl Replaying<'_> {
    /// Applies the records behind where `engine` stands and returns how far they were sound. Begins
    /// to check a little before it.
    fn run(&self, engine: &mut Engine, reader: &mut dyn LogReader) -> Result<Head, LogError> {
        let stands = engine.decided().seq;
        let seq = Seq(stands.0.saturating_sub(CHECKED_BELOW));
        let hash = match seq {
            Seq::START => ChainHash::START,
            seq => reader.hash_at(seq)?.unwrap_or(ChainHash::START),
        };
        let mut reading = Reading {
            reader,
            from: Head { seq, hash },
            behind: stands,
            upto: self.upto,
            is_given_up: self.is_given_up,
        };
        if self.workers == Workers::Caller {
            return reading.read_checked(&mut |stretch| apply(engine, stretch, self.progress));
        }
        thread::scope(|scope| {
            let (stretches, inbox) = sync_channel(STRETCHES_MAX);
            let thread = thread::Builder::new()
                .name("log checker".to_owned())
                .spawn_scoped(scope, move || {
                    // Moved in, so that the inbox hears when there is no more.
                    let stretches = stretches;
                    // Nobody listens: what was applied last could not be, and is told of there.
                    let mut hand_over = |stretch| Ok(stretches.send(stretch).is_ok());
                    reading.read_checked(&mut hand_over)
                })
                .map_err(no_thread)?;
            let mut inbox = inbox.into_iter();
            let applied = inbox
                .try_for_each(|stretch: Batch| apply(engine, stretch, self.progress).map(drop));
            // A reader that has more to say than is listened to stops by itself.
            drop(inbox);
            let read = thread
                .join()
                .expect("a panic of the reader ends the process");
            applied.and(read)
        })
    }
}

/// The part of the thread that reads.
struct Reading<'a> {
    reader: &'a mut dyn LogReader,
    /// Where checking begins.
    from: Head,
    /// What is behind this is handed over.
    behind: Seq,
    upto: Seq,
    is_given_up: &'a AtomicBool,
}

impl Reading<'_> {
    /// Reads every record, checks it, and hands it over, for as long as more is wanted. Returns how far
    /// it got.
    fn read_checked(
        &mut self,
        hand_over: &mut dyn FnMut(Batch) -> Result<bool, LogError>,
    ) -> Result<Head, LogError> {
        if self.upto <= self.from.seq {
            return Ok(self.from);
        }
        let (behind, upto, is_given_up) = (self.behind, self.upto, self.is_given_up);
        let (mut stretch, mut failure) = (Batch::default(), None);
        let head = log::replay(self.reader, self.from, &mut |row| {
            let seq = row.record.seq;
            if behind < seq {
                stretch.push(&row.record, row.hash);
            }
            if stretch.len() == CHUNK_ROWS {
                let wanted = hand_over(std::mem::take(&mut stretch));
                let is_wanted = matches!(wanted, Ok(true));
                failure = wanted.err();
                if !is_wanted || is_given_up.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
            }
            if seq < upto {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if !stretch.is_empty() {
            hand_over(stretch)?;
        }
        Ok(head)
    }
}

/// Applies records that are sound. More are wanted then.
#[expect(
    clippy::needless_pass_by_value,
    reason = "whoever read them goes on with another stretch"
)]
fn apply(engine: &mut Engine, stretch: Batch, progress: &Progress) -> Result<bool, LogError> {
    for (index, row) in stretch.iter().enumerate() {
        if index % PREFETCHED == 0 {
            prefetch(engine, &stretch, index);
        }
        engine
            .restore(&row)
            .map_err(|error| LogError::unread(row.record.seq, &error))?;
    }
    progress.advance(stretch.len());
    Ok(true)
}

fn prefetch(engine: &Engine, stretch: &Batch, first: usize) {
    let some = first..stretch.len().min(first + PREFETCHED);
    engine.prefetch(some.map(|index| {
        let record = stretch.row(index).record;
        let command = CommandBytes {
            kind: record.kind,
            schema: record.schema,
            body: record.body,
            source: Source::Client,
        };
        (record.actor, record.key, command)
    }));
}

fn no_thread(source: io::Error) -> LogError {
    LogError::Io {
        doing: "start the thread that checks the log".to_owned(),
        source,
    }
}
