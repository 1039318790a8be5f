//! Rebuilding the state from the log when a server starts.
//!
//! A log goes in; an engine that stands where the log ends comes out, or the reason why not. Two
//! threads share the work, since it is what a crash makes everybody wait for: one reads the records
//! and checks every position and every hash, the other applies what was found sound. Deliberately
//! absent: rules, and opening the log.

use std::{
    io,
    ops::ControlFlow,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use protocol::UserId;

use crate::{
    engine::{Engine, FORESEEN},
    health::Progress,
    keyring::Keyring,
    log::{self, Batch, EventLog, Head, LogError, LogReader},
};

/// Records handed over at once: waking the other thread costs as much as applying a few dozen.
const STRETCH_LEN: usize = 2_048;

/// Stretches that may wait to be applied; reading stops when it is that far ahead.
const STRETCHES_MAX: usize = 4;

/// Rebuilds the state from the log, checking every position and every hash on the way. Keys of
/// people who are not there any more, or never came to be, are destroyed. `seed` is where the keys
/// of new people come from: 256 random bits. `progress` is told how far it is.
///
/// # Errors
/// If the log is damaged, from a version this one cannot read, or the key of somebody in it is
/// missing.
pub fn recover(
    log: &mut dyn EventLog,
    seed: [u8; 32],
    progress: &Progress,
) -> Result<(Engine, Box<dyn LogReader>), LogError> {
    let mut reader = log.reader()?;
    let keys = reader.keys()?;
    let found: Vec<UserId> = keys.iter().map(|key| key.user).collect();
    let mut keyring = Keyring::new(seed);
    keyring.extend(keys);
    let mut engine = Engine::new(keyring);
    engine.expect(log.head().seq.0);
    progress.expect(log.head().seq.0);
    let (read, applied) = thread::scope(|scope| {
        let (stretches, inbox) = sync_channel(STRETCHES_MAX);
        let reading = thread::Builder::new()
            .name("log checker".to_owned())
            .spawn_scoped(scope, || {
                // Moved in, so that the inbox hears when there is no more.
                let stretches = stretches;
                read_checked(&mut *reader, &stretches)
            });
        match reading {
            Ok(reading) => {
                let applied = apply(&mut engine, &inbox, progress);
                // A reader that has more to say than is listened to stops by itself.
                drop(inbox);
                let read = reading
                    .join()
                    .expect("a panic of the reader ends the process");
                (read, applied)
            }
            Err(error) => (Err(no_thread(error)), Ok(())),
        }
    });
    applied?;
    let head = read?;
    if head != log.head() {
        return Err(LogError::Damaged(format!(
            "the log's last position is {} but only {} could be read; restore a backup",
            log.head().seq,
            head.seq
        )));
    }
    settle_keys(log, &mut engine, found)?;
    Ok((engine, reader))
}

/// After a crash there may be keys whose person is erased, or whose registration was lost. A key
/// that is missing is another matter: nobody can log in as that person ever again, and what they
/// wrote cannot be read.
fn settle_keys(
    log: &mut dyn EventLog,
    engine: &mut Engine,
    mut found: Vec<UserId>,
) -> Result<(), LogError> {
    let keyless = engine.keyring().keyless();
    if let Some(first) = keyless.first() {
        return Err(LogError::Damaged(format!(
            "the keys of {} people are missing from the file `people.keys`, the first that of user {first}; restore that file together with the log",
            keyless.len()
        )));
    }
    found.retain(|user| engine.systems().accounts.name(*user).is_none());
    engine.drop_keys(&found);
    log.destroy_keys(&found)
}

/// Reads every record, checks it, and hands it over. Returns how far it got.
fn read_checked(
    reader: &mut dyn LogReader,
    stretches: &SyncSender<Batch>,
) -> Result<Head, LogError> {
    let mut stretch = Batch::default();
    let head = log::replay(reader, Head::default(), &mut |row| {
        stretch.push(&row.record, row.hash);
        if stretch.len() < STRETCH_LEN {
            return ControlFlow::Continue(());
        }
        match stretches.send(std::mem::take(&mut stretch)) {
            Ok(()) => ControlFlow::Continue(()),
            // Nobody listens: what was applied last could not be, and is told of there.
            Err(_unheard) => ControlFlow::Break(()),
        }
    })?;
    if !stretch.is_empty() {
        let _unheard_is_told_elsewhere = stretches.send(stretch);
    }
    Ok(head)
}

fn apply(
    engine: &mut Engine,
    stretches: &Receiver<Batch>,
    progress: &Progress,
) -> Result<(), LogError> {
    for stretch in stretches {
        for (index, row) in stretch.iter().enumerate() {
            if index % FORESEEN == 0 {
                foresee(engine, &stretch, index);
            }
            engine.restore(&row).map_err(|error| {
                LogError::Foreign(format!(
                    "seq {} cannot be read: {error}; start the version that wrote it, or a newer one",
                    row.record.seq
                ))
            })?;
        }
        progress.advance(stretch.len());
    }
    Ok(())
}

fn foresee(engine: &Engine, stretch: &Batch, first: usize) {
    for index in first..stretch.len().min(first + FORESEEN) {
        let record = stretch.row(index).record;
        engine.foresee(
            record.actor,
            record.key,
            record.kind,
            record.schema,
            record.body,
        );
    }
}

fn no_thread(source: io::Error) -> LogError {
    LogError::Io {
        doing: "start the thread that checks the log".to_owned(),
        source,
    }
}
