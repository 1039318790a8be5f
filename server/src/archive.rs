//! Answers about the log itself: pages of it, trails, and the hash of the state.
//!
//! Queries of system 0 go in; outcomes go to the engine, which lets them go when what they reflect
//! is durable. Only durable records are ever shown, and each only after its hash was worked out anew:
//! what was altered on the disk is said to be damaged and never taken for what was written. Deliberately
//! absent: changing anything.

use std::ops::ControlFlow;

use protocol::{
    Code, Key, Record, Refusal, Roles, Seq, UserId,
    code::Ways,
    limits::TRAIL_LEN_MAX,
    outcome::{Outcome, encode_accepted, encode_refused},
    words::{
        WordError,
        log::{
            Answer, LogPage, Query, ReadLog, ReadTrail, ReadTrail1, StateHash, Subject, TrailEntry,
            TrailEntry1, TrailPage, TrailPage1,
        },
    },
};

use crate::{
    audit::TrailError,
    domain::{
        PageWanted, Systems,
        systems::{CommandBytes, PushBytes, ReplayError},
    },
    engine::{Engine, Origin},
    keyring::Keyring,
    keys::{Use, digest},
    log::{self, Head, LogError, LogReader, Row},
};

/// Bytes of records in one page of the log; with the frame's head it stays below the longest frame.
const PAGE_BYTES_MAX: usize = 200 * 1024;

/// Answers a query of the log, except for a replay, which takes long.
pub fn answer(
    engine: &mut Engine,
    reader: &mut dyn LogReader,
    origin: Origin,
    user: UserId,
    query: &CommandBytes<'_>,
) {
    let decoded = match Query::decode(query.kind, query.schema, query.body) {
        Ok(decoded) => decoded,
        Err(error) => return engine.refuse(origin, no_query(&error)),
    };
    let answer = match decoded {
        Query::ReadLog(page) => {
            let durable = engine.durable().seq;
            admit(engine, user).and_then(|()| read_page(reader, &page, durable))
        }
        Query::ReadState(_) => admit(engine, user).map(|()| engine.state_hash().into()),
        Query::ReadTrail(page) => {
            read_trail(engine, reader, user, &page).map(|entries| TrailPage { entries }.into())
        }
        Query::ReadTrail1(page) => read_first_trail(engine, reader, user, &page),
        Query::ReplayState(_) => Err(Refusal::with(
            Code::UNKNOWN_KIND,
            u64::from(query.kind.0),
            0,
        )),
    };
    #[cfg(feature = "planted-bugs")]
    let answer = crate::tamper::read_back(engine, answer);
    engine.release_read(origin, &outcome(answer));
}

fn no_query(error: &WordError) -> Refusal {
    match error {
        WordError::Unknown { kind, .. } => Refusal::with(Code::UNKNOWN_KIND, u64::from(kind.0), 0),
        WordError::Body { kind, source } => {
            let at = u64::try_from(source.at).unwrap_or(u64::MAX);
            Refusal::with(Code::BAD_BODY, u64::from(kind.0), at)
        }
    }
}

/// Up to where a query wants a replay, if it is one; to be run elsewhere.
#[must_use]
pub fn replay_wanted(query: &CommandBytes<'_>) -> Option<Seq> {
    match Query::decode(query.kind, query.schema, query.body) {
        Ok(Query::ReplayState(replay)) => Some(replay.upto),
        Ok(
            Query::ReadLog(_) | Query::ReadState(_) | Query::ReadTrail(_) | Query::ReadTrail1(_),
        )
        | Err(_) => None,
    }
}

/// Whether `user` may look at the whole log, by the newest decided roles: what is answered
/// because of it must wait for them.
///
/// # Errors
/// If they may not.
pub fn admit(engine: &Engine, user: UserId) -> Result<(), Refusal> {
    let roles = engine.systems().roles(user);
    if roles.contains(Roles::ADMIN) {
        return Ok(());
    }
    let needed = u64::from(Roles::ADMIN.0);
    Err(Refusal::with(Code::NOT_ALLOWED, u64::from(roles.0), needed))
}

/// The hash of a state rebuilt from the log up to `upto`, as an outcome to answer with.
///
/// # Errors
/// If the log cannot be read, or not by this version.
pub fn replay_state(reader: &mut dyn LogReader, upto: Seq) -> Result<Vec<u8>, LogError> {
    let keyring = Keyring::of(reader.keys()?);
    let mut systems = Systems::default();
    let mut failure = None;
    log::replay(reader, Head::default(), &mut |row| {
        if upto < row.record.seq {
            return ControlFlow::Break(());
        }
        let replayed = Systems::open(&row.record, &keyring, "").and_then(|body| {
            systems.replay(&Record {
                body: &body,
                ..row.record
            })
        });
        match replayed {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(LogError::unread(row.record.seq, &error));
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(failure) => Err(failure),
        None => {
            let hash = StateHash {
                seq: upto,
                hash: systems.state_hash(),
            };
            Ok(outcome(Ok(hash.into())))
        }
    }
}

/// The stored answer of the command at `seq`.
///
/// # Errors
/// If the log cannot be read, is damaged there, or has no such record.
pub fn read_outcome(reader: &mut dyn LogReader, seq: Seq) -> Result<(Head, Vec<u8>), LogError> {
    let mut found = None;
    read_rows(reader, &[seq], &mut |row| {
        found = Some((head_of(row), row.record.outcome.to_vec()));
    })?;
    found.ok_or_else(|| gone(seq))
}

fn gone(seq: Seq) -> LogError {
    LogError::Damaged(format!("seq {seq} was durable and is not in the log"))
}

/// What is told of a log that could be read when the server started, and cannot be read back at
/// `seq` now, to whoever asked for that.
#[must_use]
pub fn unreadable(seq: Seq, error: &LogError) -> Refusal {
    tracing::error!(%error, %seq, "a durable record cannot be read back");
    Refusal::with(Code::LOG_DAMAGED, seq.0, 0)
}

/// What `key` was used for by `actor`, if it was at one of these positions, the newest first.
///
/// # Errors
/// If they cannot be read, are damaged, or are not there.
pub fn find_use(
    reader: &mut dyn LogReader,
    actor: UserId,
    key: Key,
    seqs: &[Seq],
) -> Result<Option<Use>, LogError> {
    for seq in seqs {
        let mut found = None;
        read_rows(reader, &[*seq], &mut |Row { record, .. }| {
            let digest = digest(record.kind, record.schema, record.body);
            let used = Use { seq: *seq, digest };
            found = (record.actor == actor && record.key == key).then_some(used);
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Rows that are stepped over to reach the next one wanted: stepping costs less than asking anew.
const STEPS_MAX: u64 = 16;

/// Shows the rows at these positions, which rise, each proven by its hash and that of the row before.
///
/// # Errors
/// If they cannot be read, are damaged, or are not there.
pub fn read_rows(
    reader: &mut dyn LogReader,
    seqs: &[Seq],
    visit: &mut dyn FnMut(&Row<'_>),
) -> Result<(), LogError> {
    let mut wanted = seqs.iter().copied().peekable();
    while let Some(first) = wanted.peek().copied() {
        log::read_proven(reader, first, &mut |row| {
            let seq = row.record.seq;
            if wanted.next_if_eq(&seq).is_some() {
                visit(&row);
            }
            match wanted.peek() {
                Some(next) if next.0 <= seq.0 + STEPS_MAX => ControlFlow::Continue(()),
                Some(_) | None => ControlFlow::Break(()),
            }
        })?;
        if wanted.peek() == Some(&first) {
            return Err(gone(first));
        }
    }
    Ok(())
}

/// Entries in one page of a stream. Each is a row looked up in the log, some ten microseconds during
/// which nobody else is served.
const ENTRIES_MAX: u16 = 50;

/// Answers a query that wants entries of a stream, when everything that was decided so far is
/// durable; only those that are durable now are shown, under the newest durable position.
pub fn answer_page(
    engine: &mut Engine,
    reader: &mut dyn LogReader,
    origin: Origin,
    (system, wanted): (u8, PageWanted),
) {
    let wanted = PageWanted {
        limit: wanted.limit.min(ENTRIES_MAX),
        ..wanted
    };
    let seqs = engine.feed().page(&wanted, engine.durable().seq);
    let mut outcome = Vec::new();
    let newest = seqs.iter().max().copied().unwrap_or_default();
    match read_entries(reader, engine.keyring(), seqs) {
        Ok(entries) => {
            let is_answered = Systems::answer_page(system, &entries, &mut outcome);
            assert!(is_answered, "a system that wants entries answers with them");
        }
        Err(error) => encode_refused(&unreadable(newest, &error), &mut outcome),
    }
    // It is of the position it was read at, whatever else was decided meanwhile.
    engine.release_read_at(origin, engine.durable(), &outcome);
}

/// The entries at these positions, in their order, as many as fit one answer.
fn read_entries(
    reader: &mut dyn LogReader,
    keyring: &Keyring,
    mut seqs: Vec<Seq>,
) -> Result<Vec<(Seq, PushBytes)>, LogError> {
    let is_falling = seqs.last() < seqs.first();
    if is_falling {
        seqs.reverse();
    }
    let mut entries = Vec::new();
    let mut failure = None;
    read_rows(reader, &seqs, &mut |row| match push_of(row, keyring) {
        Ok(push) => entries.push((row.record.seq, push)),
        Err(error) => failure = Some(error),
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    if is_falling {
        entries.reverse();
    }
    let mut bytes = 0;
    let fits = |(_, push): &(Seq, PushBytes)| {
        bytes += push.body.len() + 64;
        bytes <= PAGE_BYTES_MAX
    };
    Ok(entries.into_iter().take_while(fits).collect())
}

/// What others were told of a record of which the feed says that they were told something. A text
/// of somebody who was erased since is empty.
///
/// # Errors
/// If the record says nothing of the kind.
pub fn push_of(row: &Row<'_>, keyring: &Keyring) -> Result<PushBytes, LogError> {
    let seq = row.record.seq;
    let pushed = Systems::open(&row.record, keyring, "").and_then(|body| {
        Systems::push(&Record {
            body: &body,
            ..row.record
        })
    });
    match pushed {
        Ok(Some(push)) => Ok(push),
        Ok(None) => Err(LogError::Damaged(format!(
            "seq {seq} tells nobody anything"
        ))),
        Err(error) => Err(LogError::unread(seq, &error)),
    }
}

fn read_page(reader: &mut dyn LogReader, page: &ReadLog, durable: Seq) -> Result<Answer, Refusal> {
    let limit = usize::from(page.limit);
    let mut next = page.from.max(Seq(1));
    let (mut records, mut bytes, mut is_cut) = (Vec::new(), 0, false);
    let read = log::read_proven(reader, next, &mut |row| {
        bytes += row.record.body.len() + row.record.outcome.len() + 128;
        if limit <= records.len() || PAGE_BYTES_MAX < bytes {
            is_cut = true;
            return ControlFlow::Break(());
        }
        records.push(row.record.owned(row.hash));
        next = row.record.seq.next();
        ControlFlow::Continue(())
    });
    match read {
        Ok(()) if is_cut || durable < next => Ok(LogPage { records }.into()),
        Ok(()) => Err(unreadable(next, &gone(next))),
        Err(error) => Err(unreadable(next, &error)),
    }
}

fn read_trail(
    engine: &Engine,
    reader: &mut dyn LogReader,
    user: UserId,
    page: &ReadTrail,
) -> Result<Vec<TrailEntry>, Refusal> {
    if page.limit == 0 || TRAIL_LEN_MAX < page.limit {
        let (asked, limit) = (u64::from(page.limit), u64::from(TRAIL_LEN_MAX));
        return Err(Refusal::with(Code::PAGE_LEN, asked, limit));
    }
    admit_to_trail(engine, user, page.subject)?;
    let mut entries = Vec::new();
    let steps = engine
        .trail(page.subject, page.before, usize::from(page.limit))
        .map_err(|error| match error {
            TrailError::NoSuchStep => Refusal::with(Code::UNKNOWN_STEP, page.before.0, 0),
            TrailError::Read(source) => {
                let doing = "read a trail".to_owned();
                unreadable(page.before, &LogError::Io { doing, source })
            }
        })?;
    for step in steps {
        let read = read_trail_entry(reader, step.seq, step.target);
        entries.push(read.map_err(|error| unreadable(step.seq, &error))?);
    }
    Ok(entries)
}

/// A trail for whoever asked in its first layout: they read no other.
fn read_first_trail(
    engine: &Engine,
    reader: &mut dyn LogReader,
    user: UserId,
    page: &ReadTrail1,
) -> Result<Answer, Refusal> {
    let ReadTrail1 {
        subject,
        before,
        limit,
    } = *page;
    let page = ReadTrail {
        subject,
        before,
        limit,
    };
    let entries = read_trail(engine, reader, user, &page)?;
    let entries = entries.into_iter().map(|entry| TrailEntry1 {
        seq: entry.seq,
        recorded_at: entry.recorded_at,
        actor: entry.actor,
        command: entry.command,
        target: entry.target,
        refused: entry.refused,
    });
    let entries = entries.collect();
    Ok(TrailPage1 { entries }.into())
}

fn read_trail_entry(
    reader: &mut dyn LogReader,
    seq: Seq,
    target: u64,
) -> Result<TrailEntry, LogError> {
    let mut entry = None;
    read_rows(reader, &[seq], &mut |row| {
        entry = Some(trail_entry(row, target));
    })?;
    let entry = entry.ok_or_else(|| gone(seq))?;
    entry.map_err(|error| LogError::unread(seq, &error))
}

fn admit_to_trail(engine: &Engine, user: UserId, subject: Subject) -> Result<(), Refusal> {
    let roles = engine.systems().roles(user);
    let (allowed, needed) = match subject {
        Subject::User(subject) => (
            subject == user || roles.contains(Roles::ADMIN),
            Roles::ADMIN,
        ),
        Subject::Agenda(_) => (
            roles.contains(Roles::MANAGER) || roles.contains(Roles::ADMIN),
            Roles::MANAGER,
        ),
    };
    if allowed {
        return Ok(());
    }
    Err(Refusal::with(
        Code::NOT_ALLOWED,
        u64::from(roles.0),
        u64::from(needed.0),
    ))
}

fn trail_entry(row: &Row<'_>, target: u64) -> Result<TrailEntry, ReplayError> {
    let record = &row.record;
    let (command, about) = Systems::step(record)?;
    Ok(TrailEntry {
        seq: record.seq,
        recorded_at: record.recorded_at,
        actor: record.actor,
        command: command.to_owned(),
        target,
        refused: match Outcome::decode(record.outcome)? {
            Outcome::Accepted { .. } => None,
            Outcome::Refused(refusal) => Some(refusal.code),
        },
        about,
    })
}

pub(crate) const fn head_of(row: &Row<'_>) -> Head {
    Head {
        seq: row.record.seq,
        hash: row.hash,
    }
}

fn outcome(answer: Result<Answer, Refusal>) -> Vec<u8> {
    let mut bytes = Vec::new();
    match answer {
        Ok(answer) => {
            let (kind, schema) = answer.kind();
            encode_accepted(kind, schema, &mut bytes);
            answer.encode(&mut bytes);
        }
        Err(refusal) => {
            debug_assert!(refusal.code.comes_as(Ways::QUERY), "{refusal} to a query");
            encode_refused(&refusal, &mut bytes);
        }
    }
    bytes
}
