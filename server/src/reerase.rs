//! People whose erasure was lost: with a tail of the log that was given up.
//!
//! Whoever is erased loses their key, and a tail that is lost afterwards takes the record of that
//! along. The log that is left still has them, as somebody without a name whom nobody can be and
//! whose words nobody can read. A log, and what was accepted about it, comes in; records like those
//! that were lost go out, by which these people are erased again, once and for all. Deliberately
//! absent: guessing. A key that is missing and was not lost like that is a file that can be brought
//! back.

use protocol::{
    Seq, UserId,
    words::accounts::{Command, EraseMe},
};

use crate::{
    domain::systems::OwnedCommand,
    engine::{Ask, Engine},
    log::{self, EventLog, LogError, Loss},
};

/// The people in the log who have no key and may be erased, in the order in which they joined.
///
/// # Errors
/// If there are some and that is not the loss that was accepted: their keys were not destroyed, the
/// file was lost.
pub(crate) fn to_erase(engine: &Engine, loss: Option<Loss>) -> Result<Vec<UserId>, LogError> {
    let keyless: Vec<UserId> = engine.keyring().keyless().iter().copied().collect();
    let Some(first) = keyless.first() else {
        return Ok(keyless);
    };
    let why = match loss {
        Some(loss) if keyless.len() <= loss.keys_destroyed => return Ok(keyless),
        Some(loss) => format!(
            ", and the loss behind seq {} does not say why, since no more than {} keys were ever destroyed in it",
            loss.after, loss.keys_destroyed
        ),
        None => String::new(),
    };
    Err(LogError::Damaged(format!(
        "the keys of {} people are missing from the file `people.keys`, the first that of user {first}{why}; restore that file together with the log",
        keyless.len()
    )))
}

/// Erases these people, whose keys are gone already, with everything that follows from it, and ends
/// the loss. When it returns that is durable; until then every start finds the rest of them.
///
/// # Errors
/// If it cannot be made durable. The process must end; the next one goes on.
///
/// # Panics
/// If one of them is the last who may grant roles: somebody else must be it by now.
pub fn erase_again(
    engine: &mut Engine,
    log: &mut dyn EventLog,
    people: &[UserId],
    now: u64,
) -> Result<(), LogError> {
    let erase = OwnedCommand::new(&Command::from(EraseMe {}));
    for user in people {
        // In their name, as they asked for it once; the key tells that it was not they this time.
        while submit(engine, *user, &erase, now).is_none() {
            commit_decided(engine, log)?;
        }
    }
    commit_decided(engine, log)?;
    let left = engine.keyring().keyless();
    assert!(left.is_empty(), "the rules let everybody go: {left:?}");
    log.end_loss()
}

/// Nothing if there is no room.
fn submit(engine: &mut Engine, user: UserId, command: &OwnedCommand, now: u64) -> Option<()> {
    let ask = Ask {
        origin: None,
        actor: user,
        key: engine.own_key(),
        command: command.bytes(),
    };
    engine.submit(now, &ask).ok().map(drop)
}

/// What a server decides before it serves is durable before anybody is let in.
///
/// # Errors
/// See [`EventLog::append`].
pub(crate) fn commit_decided(engine: &mut Engine, log: &mut dyn EventLog) -> Result<(), LogError> {
    if let Some(batch) = engine.take_batch() {
        let proof = log::commit(log, &batch)?;
        let released = engine.handle_committed(&proof, batch);
        engine.recycle(released);
    }
    Ok(())
}

/// What is said of those who were erased again; `after` is where the log ended.
pub(crate) fn told(people: &[UserId], after: Seq) -> Option<String> {
    let first = people.first()?;
    Some(format!(
        "{} people were erased again, the first {first}: they had been, in the tail behind seq {after} that was given up, and their keys are gone with that; nobody can log in as them, what was about them cannot be read, and what they held is free",
        people.len()
    ))
}

#[cfg(test)]
mod tests {
    use protocol::{Key, words::accounts::Register};

    use super::*;
    use crate::{
        domain::systems::{CommandBytes, Source},
        engine::{BATCH_LEN_MAX, Submitted},
        health::Progress,
        keyring::Keyring,
        log::MemoryLog,
        recover::recover,
        snapshot::Snapshots,
    };

    const NOW: u64 = 1_700_000_000_000;

    /// So many people, all of whom were erased in a tail that was given up.
    fn lost(people: u64) -> (MemoryLog, Engine, Vec<UserId>) {
        let (mut log, mut engine) = (MemoryLog::new(), Engine::new(Keyring::new([1; 32])));
        for nth in 0..people {
            let register = Command::from(Register {
                name: format!("person.{nth}").as_str().into(),
                password_hash: "$".into(),
            });
            engine.submit_own(NOW, &OwnedCommand::new(&register));
        }
        commit_decided(&mut engine, &mut log).unwrap();
        let everybody: Vec<UserId> = (1..=people).map(UserId).collect();
        log.destroy_keys(&everybody).unwrap();
        log.accept_loss();
        let recovered = recover(&mut log, [2; 32], &Snapshots::none(), &Progress::default());
        let recovered = recovered.unwrap();
        assert_eq!(recovered.lost, everybody);
        (log, recovered.engine, everybody)
    }

    #[test]
    fn whoever_does_not_fit_into_a_batch_is_erased_by_the_next() {
        let (mut log, mut engine, people) = lost(3);
        let head = engine.decided().seq.0;
        let refused = OwnedCommand::new(&Command::from(EraseMe {}));
        let command = CommandBytes {
            source: Source::Session,
            ..refused.bytes()
        };
        // One place is left.
        for nth in 1..u64::try_from(BATCH_LEN_MAX).unwrap() {
            let ask = Ask {
                origin: None,
                actor: UserId::NOBODY,
                key: Key(u128::MAX.wrapping_sub(nth.into()).to_be_bytes()),
                command,
            };
            let submitted = engine.submit(NOW, &ask);
            assert_eq!(submitted, Ok(Submitted::Decided(Seq(head + nth))));
        }
        erase_again(&mut engine, &mut log, &people, NOW).unwrap();
        let end = head + u64::try_from(BATCH_LEN_MAX).unwrap() + 2;
        assert_eq!(log.head().seq, Seq(end));
        assert_eq!(log.loss(), None);
    }

    #[test]
    fn a_start_that_dies_between_two_batches_leaves_the_rest_to_the_next() {
        let (mut log, mut engine, people) = lost(3);
        let erase = OwnedCommand::new(&Command::from(EraseMe {}));
        submit(&mut engine, people[0], &erase, NOW).unwrap();
        commit_decided(&mut engine, &mut log).unwrap();
        let snapshots = Snapshots::none();
        let next = recover(&mut log, [3; 32], &snapshots, &Progress::default());
        let mut next = next.unwrap();
        assert_eq!(next.lost, people[1..]);
        erase_again(&mut next.engine, &mut log, &next.lost, NOW).unwrap();
        let last = recover(&mut log, [4; 32], &snapshots, &Progress::default());
        assert_eq!(last.unwrap().lost, []);
    }

    #[test]
    fn more_people_without_a_key_than_keys_were_destroyed_were_not_all_erased() {
        let (log, engine, people) = lost(3);
        let loss = |keys_destroyed| {
            let loss = log.loss()?;
            Some(Loss {
                keys_destroyed,
                ..loss
            })
        };
        assert_eq!(to_erase(&engine, loss(3)).unwrap(), people);
        assert_eq!(to_erase(&engine, loss(4)).unwrap(), people);
        for (loss, part) in [
            (
                loss(2),
                "loss behind seq 3 does not say why, since no more than 2 keys",
            ),
            (None, "the first that of user user-1; restore"),
        ] {
            let told = to_erase(&engine, loss).unwrap_err().to_string();
            assert!(
                told.starts_with("the keys of 3 people are missing"),
                "{told}"
            );
            assert!(told.contains(part), "{told}");
        }
    }
}
