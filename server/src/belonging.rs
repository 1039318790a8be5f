//! Whether the files of a data directory belong together: log, watermark, keys, secret, snapshots.
//!
//! What was read of a directory goes in; nothing comes out, or which file is missing, of another log
//! or of another moment, and what to do. A start asks before it writes anything, and `verify` and
//! `backup` ask the same, so that what they pass starts. Each file proves itself by what the log says:
//!
//! | file | proof |
//! |---|---|
//! | `events.sqlite` | where it is missing, so is every other file ([`check_fresh`]) |
//! | `head` | is there, and names a record of the log (`log::mark`) |
//! | `people.keys` | each key opens its person's registration; none is of a longer log (`log::people`) |
//! | `secret` | the newest registration was salted with it (`secret`) |
//! | `snapshot-*` | none is of a longer log; what is wrong with a shorter one costs time only (`recover`) |
//!
//! Deliberately absent: changing anything.

use std::{ops::ControlFlow, sync::Arc};

use protocol::{
    Record, Seq, UserId,
    words::accounts::{Command, Register},
};

use crate::{
    admin::ADMIN_PASSWORD_FILE,
    disk::Disk,
    domain::{Lifecycle, Systems},
    keyring::Keyring,
    log::{
        Head, LogError, LogReader, PersonKey, Row, SqliteReader, accepted_loss, database,
        key_store::{self, Keys},
        watermark::{self, MarkRead},
    },
    secret::{self, SECRET_FILE},
    snapshot::{Listed, Snapshots},
};

/// Checks that a directory without a log has nothing that there is only beside one.
///
/// # Errors
/// If it has: the log was lost or not copied, and to begin anew would cost what is left of it.
pub(crate) fn check_fresh(disk: &Arc<dyn Disk>) -> Result<(), LogError> {
    let Some(name) = left_of_a_log(disk)? else {
        return Ok(());
    };
    Err(LogError::Damaged(format!(
        "{} has `{name}` and no `{}`: the log was lost, or not copied along; put `{}`, `{}` and `{}` that belong to it back, or restore a backup; or, to give up whatever was in that log for good, start with --accept-loss-after 0",
        disk.path().display(),
        database::FILE_NAME,
        database::FILE_NAME,
        database::WAL_FILE_NAME,
        watermark::FILE_NAME,
    )))
}

/// A file that there is only beside a log. Those with nothing in them are none.
fn left_of_a_log(disk: &Arc<dyn Disk>) -> Result<Option<String>, LogError> {
    let failed = |source| LogError::Io {
        doing: format!("look into {}", disk.path().display()),
        source,
    };
    let small = [
        database::WAL_FILE_NAME,
        accepted_loss::FILE_NAME,
        SECRET_FILE,
        ADMIN_PASSWORD_FILE,
    ];
    for name in small {
        if matches!(disk.len_of(name), Ok(Some(1..))) {
            return Ok(Some(name.to_owned()));
        }
    }
    if matches!(watermark::read(&**disk)?, MarkRead::At(head) if head.seq != Seq::START) {
        return Ok(Some(watermark::FILE_NAME.to_owned()));
    }
    if !Keys::read(&**disk)?.is_empty() {
        return Ok(Some(key_store::FILE_NAME.to_owned()));
    }
    let snapshots = Snapshots::on(disk).list().map_err(failed)?;
    Ok(snapshots.first().map(|newest| newest.name()))
}

/// Checks that nothing beside a log that ends at `head` says that it was longer.
///
/// # Errors
/// If the high-water mark or a snapshot does, or there is no mark.
pub(crate) fn check_length(disk: &Arc<dyn Disk>, head: Head) -> Result<(), LogError> {
    watermark::check_there(&**disk, head)?;
    let snapshots = Snapshots::on(disk);
    // Whether they can be listed is told where they are used.
    check_snapshots(&snapshots, &snapshots.list().unwrap_or_default(), head.seq)
}

/// Checks everything beside a log that may be served meanwhile: what a start checks. `people` are there
/// at a position that was read before, in rising order, and their keys are in `keyring`.
///
/// # Errors
/// The first file that is missing or is not of this log.
pub(crate) fn check(
    disk: &Arc<dyn Disk>,
    reader: &mut SqliteReader,
    people: &[UserId],
    keyring: &Keyring,
) -> Result<(), LogError> {
    // Before the head: what is there of longer logs now, the log has reached by then.
    let keys = Keys::read(&**disk)?;
    let snapshots = Snapshots::on(disk);
    let listed = snapshots.list();
    let head = reader.head()?;
    if accepted_loss::read(&**disk)? != Some(head) {
        keys.check_explained(head.seq)?;
        watermark::check_there(&**disk, head)?;
        check_snapshots(&snapshots, &listed.unwrap_or_default(), head.seq)?;
    }
    let held = reader.keys()?;
    check_keys(reader, head.seq, &held, &|_not_proven| false)?;
    secret::check(&**disk, reader, people, keyring)
}

/// Checks that each of these keys is the one with which its person registered. Those of people behind
/// `head` are not looked at: nothing is known of them.
///
/// # Errors
/// If one is not.
pub(crate) fn check_keys(
    reader: &mut dyn LogReader,
    head: Seq,
    keys: &[PersonKey],
    is_proven: &dyn Fn(UserId) -> bool,
) -> Result<(), LogError> {
    let mut wrong = Vec::new();
    for key in keys {
        let is_here = Seq(key.user.0) <= head;
        if is_here && !is_proven(key.user) && !opens(reader, key)? {
            wrong.push(key.user);
        }
    }
    let Some(first) = wrong.first() else {
        return Ok(());
    };
    Err(LogError::Damaged(format!(
        "the keys of {} people in `{}`, the first that of user {first}, are not those with which they registered: the file is of another log, or was altered; put the `{}` of this log back, or restore a backup",
        wrong.len(),
        key_store::FILE_NAME,
        key_store::FILE_NAME,
    )))
}

fn opens(reader: &mut dyn LogReader, key: &PersonKey) -> Result<bool, LogError> {
    let keyring = Keyring::of(vec![key.clone()]);
    let registered = read(reader, Seq(key.user.0), &mut |record| {
        let joined = Systems::passage(record);
        let is_theirs = matches!(joined, Ok(Some(Lifecycle::Registered(user))) if user == key.user);
        is_theirs && registration(record, &keyring).is_some()
    })?;
    Ok(registered.unwrap_or(false))
}

/// What somebody registered with, if there is a key that opens it.
pub(crate) fn registration(record: &Record<'_>, keyring: &Keyring) -> Option<Register> {
    let command = Command::decode(record.kind, record.schema, record.body).ok()?;
    let Command::Register(mut register) = command else {
        return None;
    };
    let (user, seq) = (UserId(record.seq.0), record.seq);
    for (number, text) in [(0, &mut register.name), (1, &mut register.password_hash)] {
        keyring.open(user, (seq, number), text).ok()?;
    }
    Some(register)
}

/// What `look` makes of the record at this position; nothing if there is none.
pub(crate) fn read<T>(
    reader: &mut dyn LogReader,
    seq: Seq,
    look: &mut dyn FnMut(&Record<'_>) -> T,
) -> Result<Option<T>, LogError> {
    let mut found = None;
    reader.read(seq, &mut |row: Row<'_>| {
        if row.record.seq == seq {
            found = Some(look(&row.record));
        }
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// A snapshot is made of durable records, so one of a position that the log does not reach is of a
/// longer log.
///
/// # Errors
/// If there is one, sound to the last byte.
pub(crate) fn check_snapshots(
    snapshots: &Snapshots,
    listed: &[Listed],
    head: Seq,
) -> Result<(), LogError> {
    for listed in listed.iter().take_while(|listed| head < listed.seq) {
        // What is wrong with it is told where it would be used.
        let Ok(header) = snapshots.inspect(listed.seq) else {
            continue;
        };
        if head < header.head.seq {
            return Err(LogError::Damaged(format!(
                "the snapshot {} is of seq {} and the log ends at seq {head}: the log is older, or a part of it is missing, or the snapshot is of another server; put the log that belongs to it back, or restore a backup; or remove the snapshot if it is not this server's; or, to give up whatever stood behind seq {head} for good, start with --accept-loss-after {head}",
                listed.path.display(),
                header.head.seq,
            )));
        }
    }
    Ok(())
}
