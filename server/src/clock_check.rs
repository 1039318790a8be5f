//! What a start makes of its clock beside its log.
//!
//! The state, the log and a look at the clocks go in; the server's time comes out, with what a person
//! should know, or the reason not to start. Where the operator says that the clock is right, a log that
//! is ahead of it is set back by a record that says so. Deliberately absent: the time from then on
//! (`time_base`).

use std::time::Duration;

use protocol::{Seq, words::accounts};

use crate::{
    domain::{accounts::SESSION_LIFETIME, systems::OwnedCommand},
    engine::Engine,
    inspect::timestamp,
    log::{EventLog, LogError},
    reerase::commit_decided,
    time_base::{AHEAD_MAX, Look, TimeBase, TooFarAhead, millis, span},
};

/// The server's time as it starts; nothing is changed by it. `is_trusted`: the operator says that the
/// clock is right.
///
/// # Errors
/// If the clock is too far ahead of the log and the operator does not say so.
pub(crate) fn start_time(
    engine: &Engine,
    look: Look,
    is_trusted: bool,
) -> Result<TimeBase, TooFarAhead> {
    if is_trusted {
        return Ok(TimeBase::trusting(look));
    }
    TimeBase::start(look, newest(engine))
}

/// Sets a log back that is ahead of a clock that is trusted. Returns what a person should know.
///
/// # Errors
/// If the log takes nothing.
pub(crate) fn settle(
    engine: &mut Engine,
    log: &mut dyn EventLog,
    base: &TimeBase,
    is_trusted: bool,
) -> Result<Option<String>, LogError> {
    let newest = newest(engine);
    if !is_trusted {
        let rested = || rest_text(newest?, base.ms());
        return Ok(base.drift().text().or_else(rested));
    }
    let ahead = newest.filter(|newest| base.ms().saturating_add(millis(AHEAD_MAX)) < *newest);
    let told = ahead.map(|newest| set_back_text(newest, base.ms()));
    if told.is_some() {
        set_back(engine, log, base.ms())?;
    }
    Ok(told)
}

/// The instant of the newest record.
fn newest(engine: &Engine) -> Option<u64> {
    (engine.decided().seq != Seq::START).then(|| engine.recorded_at())
}

/// Ends every hold, by the clock that they were made by, and then begins a new time. Durable when it
/// returns; interrupted, it is asked for again.
fn set_back(engine: &mut Engine, log: &mut dyn EventLog, now: u64) -> Result<(), LogError> {
    while let Some(deadline) = engine.deadline() {
        engine.handle_timeout(deadline);
        commit_decided(engine, log)?;
    }
    let from = engine.recorded_at();
    let command = accounts::Command::from(accounts::SetClockBack { from });
    engine.set_clock_back(now, &OwnedCommand::new(&command));
    commit_decided(engine, log)
}

fn set_back_text(newest: u64, wall: u64) -> String {
    format!(
        "the time of the log was set back from {} to {}, as --trust-clock asks: every hold was ended, sessions opened in between are over, and what was recorded in between keeps its instants; start without the option from now on",
        timestamp(newest),
        timestamp(wall),
    )
}

/// What is said of a server that rested so long that no session is left.
fn rest_text(newest: u64, now: u64) -> Option<String> {
    let rest = Duration::from_millis(now.saturating_sub(newest));
    (SESSION_LIFETIME < rest).then(|| {
        format!(
            "the newest record of the log is of {}, {} before this machine's clock, which says {}: every session and hold of then is over; if the clock is wrong, stop this server and set it",
            timestamp(newest),
            span(rest),
            timestamp(now),
        )
    })
}

/// Why a server does not start whose clock is too far ahead of its log.
pub(crate) fn too_far_text(&TooFarAhead { newest, wall }: &TooFarAhead) -> String {
    format!(
        "this machine's clock says {}, and the newest record of the log is of {}, {} before: a wrong clock would end every session and hold and is recorded for good; if it is wrong, set it; if the server was off for so long, start once with --trust-clock",
        timestamp(wall),
        timestamp(newest),
        span(Duration::from_millis(wall.saturating_sub(newest))),
    )
}

#[cfg(test)]
mod tests {
    use protocol::{
        Key, UserId,
        words::{
            accounts::{LogIn, Register},
            agenda::{Hold, Reserve, SlotId},
        },
    };

    use super::*;
    use crate::{
        domain::{
            agenda::default_agenda,
            systems::{CommandBytes, Source},
        },
        engine::{Ask, Submitted},
        health::Progress,
        keyring::Keyring,
        log::MemoryLog,
        recover::recover,
        snapshot::Snapshots,
    };

    const DAY: u64 = 86_400_000;
    const YEARS: u64 = 3_650 * DAY;
    /// 2027-01-15 08:00.
    const NOW: u64 = 1_800_000_000_000;
    const ANA: UserId = UserId(1);
    const BOB: UserId = UserId(2);
    const AGENDA: u64 = 3;

    struct World {
        engine: Engine,
        log: MemoryLog,
        serial: u8,
    }

    fn at(wall: u64) -> Look {
        Look {
            mono: Duration::from_hours(1),
            wall: Duration::from_millis(wall),
        }
    }

    /// Two people and an agenda, by a clock that says `now`.
    fn world(now: u64) -> World {
        let mut world = World {
            engine: Engine::new(Keyring::new([7; 32])),
            log: MemoryLog::new(),
            serial: 0,
        };
        for name in ["ana", "bob"] {
            let register = accounts::Command::from(Register {
                name: name.into(),
                password_hash: "".into(),
            });
            world.engine.submit_own(now, &OwnedCommand::new(&register));
        }
        let open = protocol::words::agenda::Command::from(default_agenda());
        world.engine.submit_own(now, &OwnedCommand::new(&open));
        commit_decided(&mut world.engine, &mut world.log).unwrap();
        world
    }

    impl World {
        /// Whether it is accepted.
        fn ask(&mut self, now: u64, actor: UserId, command: &OwnedCommand) -> bool {
            self.serial += 1;
            let before = self.engine.state_hash().hash;
            let ask = Ask {
                origin: None,
                actor,
                key: Key([self.serial; 16]),
                command: CommandBytes {
                    source: Source::Session,
                    ..command.bytes()
                },
            };
            let submitted = self.engine.submit(now, &ask).unwrap();
            assert!(matches!(submitted, Submitted::Decided(_)), "{submitted:?}");
            commit_decided(&mut self.engine, &mut self.log).unwrap();
            before != self.engine.state_hash().hash
        }

        fn log_in(&mut self, now: u64, actor: UserId) -> u64 {
            let (verified, token_hash) = (true, [self.serial; 32]);
            let log_in = LogIn {
                verified,
                token_hash,
            };
            let log_in = OwnedCommand::new(&accounts::Command::from(log_in));
            let is_accepted = self.ask(now, actor, &log_in);
            assert!(is_accepted);
            self.engine.decided().seq.0
        }

        fn reserve(&mut self, now: u64, day: u64) -> bool {
            let slot = slot(day);
            let command = protocol::words::agenda::Command::from(Reserve { slot });
            self.ask(now, ANA, &OwnedCommand::new(&command))
        }

        fn check(&mut self, wall: u64, is_trusted: bool) -> (TimeBase, Option<String>) {
            let base = start_time(&self.engine, at(wall), is_trusted).unwrap();
            let told = settle(&mut self.engine, &mut self.log, &base, is_trusted).unwrap();
            (base, told)
        }
    }

    fn slot(day: u64) -> SlotId {
        SlotId {
            agenda: AGENDA,
            day: u32::try_from(day).unwrap(),
            slot: 0,
        }
    }

    #[test]
    fn a_log_that_is_ahead_is_told_with_both_instants_and_what_to_do() {
        let mut world = world(NOW + YEARS);
        let (base, told) = world.check(NOW, false);
        assert_eq!(base.ms(), NOW + YEARS);
        let told = told.unwrap();
        for part in [
            "2037-01-12T08:00:00.000Z",
            "3650 days ahead",
            "2027-01-15T08:00:00.000Z",
            "--trust-clock",
        ] {
            assert!(told.contains(part), "{told}");
        }
        let (_, told) = world.check(NOW + YEARS - 59_000, false);
        assert_eq!(told, None, "a moment is nothing");
    }

    #[test]
    fn a_clock_far_ahead_of_the_log_is_refused_until_somebody_says_it_is_right() {
        let mut world = world(NOW);
        let before = world.engine.decided();
        let refused = start_time(&world.engine, at(NOW + YEARS), false);
        let why = too_far_text(&refused.unwrap_err());
        for part in [
            "2037-01-12T08:00:00.000Z",
            "3650 days before",
            "2027-01-15T08:00:00.000Z",
            "--trust-clock",
        ] {
            assert!(why.contains(part), "{why}");
        }
        let (base, told) = world.check(NOW + YEARS, true);
        assert_eq!((base.ms(), told), (NOW + YEARS, None));
        let (_, told) = world.check(NOW + 31 * DAY, false);
        assert!(told.unwrap().contains("31 days before"));
        assert_eq!(world.check(NOW + 2 * DAY, false).1, None);
        assert_eq!(world.engine.decided(), before, "nothing is recorded of it");
    }

    #[test]
    fn a_clock_that_was_ahead_for_years_is_put_right_and_tomorrow_can_be_booked() {
        let mut world = world(NOW);
        let tomorrow = NOW / DAY + 1;
        let early = world.log_in(NOW, ANA);
        let ahead = NOW + YEARS;
        let late = world.log_in(ahead, BOB);
        let hold = protocol::words::agenda::Command::from(Hold {
            slot: slot(ahead / DAY + 1),
            seconds: 600,
        });
        assert!(world.ask(ahead, BOB, &OwnedCommand::new(&hold)));
        assert!(!world.reserve(NOW, tomorrow), "it is past, says the log");

        let (base, told) = world.check(NOW + 60_000, true);
        assert!(told.unwrap().contains("set back from 2037"));
        let now = base.ms();
        assert_eq!(now, NOW + 60_000);
        assert_eq!(world.engine.deadline(), None, "holds were ended");
        let accounts = &world.engine.systems().accounts;
        assert!(accounts.is_session_open(early));
        assert!(!accounts.is_session_open(late));
        assert!(world.reserve(now, tomorrow));
        assert_eq!(world.engine.recorded_at(), now);
        // It was put right once, and the next start has nothing to say.
        let (snapshots, progress) = (Snapshots::none(), Progress::default());
        let recovered = recover(&mut world.log, [7; 32], &snapshots, &progress).unwrap();
        assert_eq!(recovered.engine.state_hash(), world.engine.state_hash());
        world.engine = recovered.engine;
        assert_eq!(world.check(now + 1_000, false).1, None);
    }
}
