//! The server's time, made of two clocks: what the log is told, and what holds and sessions end by.
//!
//! Looks at the wall clock and at one that never falls go in, the time to use comes out. A wall clock
//! can be set wrong and put right, and what the log says cannot be taken back: so the time follows the
//! wall only where that is sound, and what is not is to be seen from outside. Deliberately absent:
//! reading clocks (`clock`), what a start does about a log that is ahead (`clock_check`).

use std::time::Duration;

use crate::inspect::timestamp;

/// How far the wall clock may leap ahead of the time that has passed, while a server runs, for the server
/// to follow it. A machine that was halted without knowing it wakes with such a leap; beyond a day
/// somebody should say that it is right.
pub const LEAP_MAX: Duration = Duration::from_hours(24);

/// How far the wall clock may be ahead of the newest record when a server starts: how long a server may
/// have been off before somebody must say that the clock is right. A year of rest and a month.
pub const REST_MAX: Duration = Duration::from_hours(24 * 400);

/// How far the log may be ahead of the clock before anybody is told: setting a clock takes it back by
/// less every day.
pub const AHEAD_MAX: Duration = Duration::from_mins(1);

/// The instant before which no clock of this program's users was right, 2025-01-01: whatever follows it
/// is followed. Machines that keep no time while they are off begin at 1970, until the network tells.
const PROGRAM_EPOCH: Duration = Duration::from_secs(1_735_689_600);

/// While the server's time is ahead of the wall it advances by nine tenths of the time that passes, so
/// that what ends by time ends in nearly its time, and the wall catches up.
const SLOWED_TENTHS: u32 = 9;

/// One look at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Since any instant that stays the same while the process lives; never falls.
    pub mono: Duration,
    /// The wall clock, since 1970-01-01 UTC; may be anything.
    pub wall: Duration,
}

/// One instant, as whatever serves is told it: nothing there reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the server started, by a clock that never falls: for waiting.
    pub mono: u64,
    /// The server's time, milliseconds since 1970-01-01 UTC: what the log is told, and what holds and
    /// sessions end by.
    pub wall: u64,
}

/// The wall clock is further ahead of the newest record than a server rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFarAhead {
    /// The instant of the newest record, milliseconds since 1970-01-01 UTC.
    pub newest: u64,
    /// What the wall clock says.
    pub wall: u64,
}

/// The server's time, from looks at clocks. It never falls and it never stands still: it is the
/// wall's where that is sound, and goes on by the time that passes where the wall was set back, or
/// leapt ahead by more than [`LEAP_MAX`].
#[derive(Debug, Clone, Copy)]
pub struct TimeBase {
    mono: Duration,
    time: Duration,
    wall: Duration,
    /// The wall has been behind since the start: it may catch up by as much as a server rests.
    is_wall_unsure: bool,
}

impl TimeBase {
    /// The time of a server that starts, whose log ends with a record of the instant `newest`
    /// (milliseconds since 1970-01-01 UTC) if it has one.
    ///
    /// # Errors
    /// If the wall is ahead of that by more than [`REST_MAX`].
    pub fn start(look: Look, newest: Option<u64>) -> Result<Self, TooFarAhead> {
        let mut base = Self::trusting(look);
        let Some(newest) = newest.map(Duration::from_millis) else {
            return Ok(base);
        };
        if leaps(newest, look.wall, REST_MAX) {
            return Err(TooFarAhead {
                newest: millis(newest),
                wall: millis(look.wall),
            });
        }
        base.is_wall_unsure = look.wall < newest;
        base.time = base.time.max(newest);
        Ok(base)
    }

    /// The time of a server that starts and takes the wall clock as right, whatever its log says.
    #[must_use]
    pub const fn trusting(look: Look) -> Self {
        Self {
            mono: look.mono,
            time: look.wall,
            wall: look.wall,
            is_wall_unsure: false,
        }
    }

    /// The time now, milliseconds since 1970-01-01 UTC.
    pub fn now(&mut self, look: Look) -> u64 {
        let passed = look.mono.saturating_sub(self.mono);
        let expected = self.time.saturating_add(passed);
        let leap_max = if self.is_wall_unsure {
            REST_MAX
        } else {
            LEAP_MAX
        };
        self.mono = self.mono.max(look.mono);
        self.wall = look.wall;
        self.time = if look.wall < expected {
            let slowed = self.time.saturating_add(passed * SLOWED_TENTHS / 10);
            slowed.max(look.wall)
        } else if leaps(expected, look.wall, leap_max) {
            expected
        } else {
            self.is_wall_unsure = false;
            look.wall
        };
        self.ms()
    }

    /// The time at the last look.
    #[must_use]
    pub fn ms(&self) -> u64 {
        millis(self.time)
    }

    /// How far the time was from the wall at the last look.
    #[must_use]
    pub const fn drift(&self) -> Drift {
        Drift {
            time: self.time,
            wall: self.wall,
        }
    }
}

/// The server's time and the wall's at one instant, since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drift {
    /// The server's.
    pub time: Duration,
    /// The wall's.
    pub wall: Duration,
}

impl Drift {
    /// How far the server's time is ahead of the wall, if somebody should know.
    #[must_use]
    pub fn ahead(&self) -> Option<Duration> {
        let ahead = self.time.saturating_sub(self.wall);
        (AHEAD_MAX < ahead).then_some(ahead)
    }

    /// How far the wall leapt ahead, if it is not followed.
    #[must_use]
    pub fn leap(&self) -> Option<Duration> {
        let leap = self.wall.saturating_sub(self.time);
        (AHEAD_MAX < leap).then_some(leap)
    }

    /// What a person should know of it, if anything.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.ahead_text().or_else(|| self.leap_text())
    }

    /// Of a log that is ahead.
    fn ahead_text(&self) -> Option<String> {
        let ahead = span(self.ahead()?);
        let (time, wall) = (timestamp(millis(self.time)), timestamp(millis(self.wall)));
        Some(format!(
            "the time of the log, {time}, is {ahead} ahead of this machine's clock, which says {wall}: until the clock has caught up the log's time goes on from there, a tenth slower than time passes; if the clock is wrong, set it; if it is right and that takes too long, start once with --trust-clock"
        ))
    }

    /// Of a leap.
    fn leap_text(&self) -> Option<String> {
        let leap = span(self.leap()?);
        let (time, wall) = (timestamp(millis(self.time)), timestamp(millis(self.wall)));
        Some(format!(
            "this machine's clock leapt {leap} ahead, to {wall}, and this server does not follow it: its time goes on from {time} as time passes, since what is recorded cannot be taken back; if the clock is wrong, set it; if it is right, start this server again"
        ))
    }
}

/// A length of time as people say it, rounded down.
pub(crate) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

fn leaps(from: Duration, to: Duration, max: Duration) -> bool {
    PROGRAM_EPOCH <= from && from.saturating_add(max) < to
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);
    const SECOND: Duration = Duration::from_secs(1);
    /// 2027-01-15.
    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn at(mono: Duration, wall: Duration) -> Look {
        Look { mono, wall }
    }

    fn started(wall: Duration, newest: Option<Duration>) -> TimeBase {
        let base = TimeBase::start(at(HOUR, wall), newest.map(millis));
        base.expect("it is not too far ahead")
    }

    #[test]
    fn it_is_the_walls_where_that_goes_on_soundly() {
        let mut base = started(NOW, Some(NOW - DAY));
        assert_eq!(base.ms(), millis(NOW));
        // The machine slept, as both clocks say; then somebody set the clock forward a little.
        for (mono, wall) in [
            (HOUR, NOW),
            (HOUR + DAY, NOW + DAY),
            (HOUR + DAY, NOW + DAY + HOUR),
        ] {
            assert_eq!(base.now(at(mono, wall)), millis(wall));
            assert_eq!((base.drift().ahead(), base.drift().leap()), (None, None));
        }
    }

    #[test]
    fn a_hold_ends_in_nearly_its_time_after_the_clock_was_put_back_an_hour() {
        let mut base = started(NOW, None);
        let until = base.ms() + 2_000;
        let back = NOW - HOUR;
        assert!(base.now(at(HOUR + SECOND, back + SECOND)) < until);
        assert_eq!(base.drift().ahead(), Some(HOUR - SECOND / 10));
        assert!(until <= base.now(at(HOUR + SECOND * 5 / 2, back + SECOND * 5 / 2)));
    }

    #[test]
    fn a_clock_that_was_put_back_is_caught_up_with_and_followed_from_then_on() {
        let mut base = started(NOW, None);
        let back = NOW - HOUR;
        for minute in 1..=601 {
            let passed = Duration::from_mins(minute);
            base.now(at(HOUR + passed, back + passed));
        }
        assert_eq!(base.ms(), millis(back + Duration::from_mins(601)));
        assert_eq!(base.drift().ahead(), None);
    }

    #[test]
    fn a_leap_beyond_the_bound_is_not_followed_until_it_is_taken_back() {
        let mut base = started(NOW, None);
        assert_eq!(base.now(at(HOUR, NOW + LEAP_MAX)), millis(NOW + LEAP_MAX));
        let mut base = started(NOW, None);
        let years = DAY * 3_650;
        for passed in [SECOND, HOUR, DAY * 30] {
            let told = base.now(at(HOUR + passed, NOW + years + passed));
            assert_eq!(told, millis(NOW + passed), "time goes on as it passes");
            assert_eq!(base.drift().leap(), Some(years));
        }
        let passed = DAY * 31;
        assert_eq!(
            base.now(at(HOUR + passed, NOW + passed)),
            millis(NOW + passed)
        );
        assert_eq!(base.drift().leap(), None);
    }

    #[test]
    fn a_machine_that_starts_at_1970_is_followed_when_the_network_tells_the_time() {
        let mut fresh = started(SECOND, None);
        assert_eq!(fresh.now(at(HOUR + SECOND, NOW)), millis(NOW));
        // Off for a week, with the log of before.
        let mut base = started(SECOND, Some(NOW));
        assert_eq!(base.ms(), millis(NOW));
        assert_eq!(base.drift().ahead(), Some(NOW - SECOND));
        assert_eq!(
            base.now(at(HOUR + SECOND, NOW + DAY * 7)),
            millis(NOW + DAY * 7)
        );
        // The next leap is like any other.
        let leapt = base.now(at(HOUR + SECOND, NOW + DAY * 14));
        assert_eq!(leapt, millis(NOW + DAY * 7));
    }

    #[test]
    fn a_start_far_ahead_of_the_newest_record_is_asked_for() {
        let far = NOW + REST_MAX;
        assert_eq!(started(far, Some(NOW)).ms(), millis(far));
        let (newest, wall) = (millis(NOW), millis(far + SECOND));
        let refused = TimeBase::start(at(HOUR, far + SECOND), Some(newest));
        assert_eq!(refused.err(), Some(TooFarAhead { newest, wall }));
        // A first start has nothing to be ahead of, and a log of 1970 was wrong.
        assert_eq!(started(far * 2, None).ms(), millis(far * 2));
        assert_eq!(started(far, Some(SECOND)).ms(), millis(far));
    }

    fn step() -> impl Strategy<Value = (u64, i64)> {
        let passed = prop_oneof![4 => 0..5_000_u64, 1 => 0..200_000_000_u64];
        let moved = prop_oneof![
            4 => Just(0_i64),
            2 => -5_000..5_000_i64,
            1 => -200_000_000..200_000_000_i64,
            1 => -400_000_000_000..400_000_000_000_i64,
        ];
        (passed, moved)
    }

    proptest! {
        #[test]
        fn it_never_falls_nor_stands_still_nor_runs_away(
            newest in prop::option::of(0..4_000_000_000_000_u64),
            steps in prop::collection::vec(step(), 1..80),
        ) {
            let mut wall = i64::try_from(millis(NOW)).unwrap();
            let mut mono = Duration::ZERO;
            let look = |mono, wall: i64| Look {
                mono,
                wall: Duration::from_millis(u64::try_from(wall).unwrap_or(0)),
            };
            let Ok(mut base) = TimeBase::start(look(mono, wall), newest) else {
                let bound = newest.unwrap() + millis(REST_MAX);
                prop_assert!(bound < millis(NOW));
                return Ok(());
            };
            prop_assert!(newest.unwrap_or(0) <= base.ms());
            let mut is_unsure = newest.is_some_and(|newest| millis(NOW) < newest);
            for (passed, moved) in steps {
                let before = base.ms();
                mono += Duration::from_millis(passed);
                wall += i64::try_from(passed).unwrap() + moved;
                let now = look(mono, wall);
                let told = base.now(now);
                // A whole millisecond is lost in rounding.
                prop_assert!(before + passed * 9 / 10 <= told + 1, "it stands still");
                let bound = if is_unsure { REST_MAX } else { LEAP_MAX };
                let is_wrong = Duration::from_millis(before + passed) < PROGRAM_EPOCH;
                let most = before + passed + 1 + millis(bound);
                prop_assert!(is_wrong || told <= most, "it runs away");
                is_unsure &= told != millis(now.wall);
                prop_assert_eq!(base.now(now), told, "the same look, the same time");
            }
        }
    }
}
