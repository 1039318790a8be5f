//! What is to be broken on purpose: `[[fault]]`.
//!
//! An instant or a window of a phase, what is done, and for how long. A fault strikes and is
//! mended within its phase, so that every phase begins whole. Deliberately absent: drawing the
//! instants (see `plan`).

use std::{
    num::{NonZeroU16, NonZeroU64},
    ops::Range,
    time::Duration,
};

use super::{
    diagnostic::suggest,
    reader::{Read, Table, Value, parse_duration},
    value::read_pause,
};
use crate::{
    fault::{NetworkFault, Share, Way},
    operation::Nanos,
    plan::{Fault, Pause, Phase, STRIKES_MAX, longest},
};

/// Keys of a `[[fault]]`.
pub(super) const FAULT_KEYS: [&str; 12] = [
    "at",
    "every",
    "times",
    "do",
    "restart_after",
    "for",
    "share",
    "by",
    "jitter",
    "bytes_per_second",
    "way",
    "piece_max",
];

/// Keys that every fault may have.
const COMMON_KEYS: usize = 4;

/// Faults that one file may list; each may strike many times.
const FAULTS_MAX: usize = 100;
/// Between two strikes.
const EVERY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));
/// What bytes may be late by.
const DELAYS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));
/// From a killed server to the next one, unless the file says otherwise.
const RESTART_AFTER: Pause = Pause::Fixed(500_000_000);
/// Below a byte a second nothing moves; beyond a gigabyte nothing is slower than without.
const RATES: Range<u64> = 1..1_000_000_001;
/// The longest piece that bytes are split into.
const PIECES: Range<u64> = 1..65_536;
const PIECE_DEFAULT: NonZeroU16 = NonZeroU16::new(16).expect("16 is not 0");

/// A fault of the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultSpec {
    /// In which phase.
    pub phase: usize,
    /// When it strikes.
    pub when: When,
    /// What is done.
    pub fault: Fault,
    /// How long it stays broken.
    pub lasts: Pause,
}

/// When a fault strikes, after its phase's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once, then.
    At {
        /// When.
        at: Nanos,
    },
    /// Again and again.
    Every {
        /// The first time.
        first: Nanos,
        /// From one to the next.
        every: Nanos,
        /// How often; as often as the phase has room for if it does not say.
        times: Option<u32>,
    },
    /// At instants drawn from the seed, each from an equal part of a window.
    Within {
        /// From here.
        from: Nanos,
        /// To here.
        to: Nanos,
        /// How often.
        times: u32,
    },
}

/// Words for what can be done.
const DEEDS: [(&str, Deed); 9] = [
    ("kill-server", Deed::Kill),
    ("pause-server", Deed::Pause),
    ("restart-server", Deed::Restart),
    ("cut", Deed::Cut),
    ("delay", Deed::Delay),
    ("throttle", Deed::Throttle),
    ("half-open", Deed::HalfOpen),
    ("split-bytes", Deed::SplitBytes),
    ("reconnect-storm", Deed::ReconnectStorm),
];

const WAYS: [(&str, Way); 3] = [
    ("to-server", Way::ToServer),
    ("to-client", Way::ToClient),
    ("both", Way::Both),
];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Kill,
    Pause,
    Restart,
    Cut,
    Delay,
    Throttle,
    HalfOpen,
    SplitBytes,
    ReconnectStorm,
}

impl Deed {
    /// The keys that it has beside those of every fault.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Kill | Self::Restart => &["restart_after"],
            Self::Pause | Self::ReconnectStorm => &["for"],
            Self::Cut => &["share"],
            Self::Delay => &["by", "jitter", "for"],
            Self::Throttle => &["bytes_per_second", "for"],
            Self::HalfOpen => &["share", "way", "for"],
            Self::SplitBytes => &["piece_max", "for"],
        }
    }
}

/// Reads every `[[fault]]`.
pub(super) fn read_faults(value: Option<&Value<'_>>, phases: &[Phase]) -> Read<Vec<FaultSpec>> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let list = value.list()?;
    if FAULTS_MAX < list.len() {
        return Err(value
            .fault(format!(
                "here are {} faults, and a scenario has at most {FAULTS_MAX}",
                list.len()
            ))
            .hint("one fault strikes many times with `every` or `times`"));
    }
    list.iter().map(|value| read_fault(value, phases)).collect()
}

fn read_fault(value: &Value<'_>, phases: &[Phase]) -> Read<FaultSpec> {
    let table = value.table("a fault", &FAULT_KEYS)?;
    let word = table.need("do")?;
    let deed = word.choice(&DEEDS)?;
    refuse_others(&table, deed, word.text("a word")?)?;
    let (fault, lasts) = read_deed(&table, deed)?;
    let at = table.need("at")?;
    let (phase, offset) = read_phase(&at, phases)?;
    let when = read_when(&table, &at, offset)?;
    let spec = FaultSpec {
        phase,
        when,
        fault,
        lasts,
    };
    check_room(&at, &spec, &phases[phase])?;
    Ok(spec)
}

/// A key that another fault has is a misunderstanding, not a wish.
fn refuse_others(table: &Table<'_>, deed: Deed, name: &str) -> Read<()> {
    let others = FAULT_KEYS.iter().skip(COMMON_KEYS);
    let other = others
        .filter(|key| !deed.keys().contains(*key))
        .find_map(|key| table.get(key));
    match other {
        Some(value) => Err(value
            .fault(format!("`{}` has no meaning for {name}", value.key()))
            .hint(format!("{name} has: {}", deed.keys().join(", ")))),
        None => Ok(()),
    }
}

fn read_deed(table: &Table<'_>, deed: Deed) -> Read<(Fault, Pause)> {
    let network = |fault| Ok((Fault::Network(fault), read_for(table)?));
    match deed {
        Deed::Kill => Ok((Fault::KillServer, read_restart_after(table)?)),
        Deed::Restart => Ok((Fault::RestartServer, read_restart_after(table)?)),
        Deed::Pause => Ok((Fault::PauseServer, read_for(table)?)),
        Deed::Cut => {
            let share = read_share(table)?;
            Ok((Fault::Network(NetworkFault::Cut { share }), Pause::NONE))
        }
        Deed::Delay => network(NetworkFault::Delay {
            by: table.need("by")?.duration(DELAYS)?,
            jitter: table.get("jitter").map_or(Ok(Duration::ZERO), |value| {
                value.duration((Duration::ZERO, DELAYS.1))
            })?,
        }),
        Deed::Throttle => {
            let rate: u64 = table.need("bytes_per_second")?.integer(RATES)?;
            let bytes_per_second = NonZeroU64::new(rate).expect("the range begins at 1");
            network(NetworkFault::Throttle { bytes_per_second })
        }
        Deed::HalfOpen => network(NetworkFault::HalfOpen {
            share: read_share(table)?,
            way: table
                .get("way")
                .map_or(Ok(Way::Both), |value| value.choice(&WAYS))?,
        }),
        Deed::SplitBytes => {
            let piece_max = match table.get("piece_max") {
                Some(value) => {
                    let bytes: u16 = value.integer(PIECES)?;
                    NonZeroU16::new(bytes).expect("the range begins at 1")
                }
                None => PIECE_DEFAULT,
            };
            network(NetworkFault::SplitBytes { piece_max })
        }
        Deed::ReconnectStorm => network(NetworkFault::ReconnectStorm),
    }
}

fn read_restart_after(table: &Table<'_>) -> Read<Pause> {
    table
        .get("restart_after")
        .map_or(Ok(RESTART_AFTER), |value| read_length(&value))
}

fn read_for(table: &Table<'_>) -> Read<Pause> {
    let value = table.need("for")?;
    let length = read_length(&value)?;
    if length == Pause::NONE {
        return Err(value
            .fault("`for` is no time at all, in which nothing breaks")
            .hint("write it as \"1s\" or \"200ms..2s\""));
    }
    Ok(length)
}

/// A length that ends for certain, so that it can be seen to fit into the phase.
fn read_length(value: &Value<'_>) -> Read<Pause> {
    match read_pause(value)? {
        Pause::Exponential(_) => Err(value
            .fault(format!(
                "`{}` may be of any length, but a fault must be mended within its phase",
                value.key()
            ))
            .hint("write it as \"1s\" or \"200ms..2s\"")),
        length @ (Pause::Fixed(_) | Pause::Between(..)) => Ok(length),
    }
}

fn read_share(table: &Table<'_>) -> Read<Share> {
    let Some(value) = table.get("share") else {
        return Ok(Share::ALL);
    };
    let text = value.text("\"all\" or a percentage such as \"30%\"")?;
    let percent = text.strip_suffix('%').map(str::trim);
    let share = match percent {
        Some(percent) => percent.parse().ok().and_then(Share::percent),
        None => (text == "all").then_some(Share::ALL),
    };
    share.ok_or_else(|| {
        value
            .fault(format!(
                "`share` is \"{text}\", but must be \"all\" or from \"1%\" to \"100%\""
            ))
            .hint("a share is of the connections that stand when it is injected")
    })
}

/// The phase that `at` names, and what follows its name.
fn read_phase<'a>(at: &Value<'a>, phases: &[Phase]) -> Read<(usize, &'a str)> {
    let text = at.text("a phase and a time in it such as \"race+10s\"")?;
    // The longest name that fits: names are anybody's, and may have a plus of their own.
    let named = phases.iter().enumerate().filter_map(|(index, phase)| {
        let rest = text.strip_prefix(phase.name.as_str())?;
        (rest.is_empty() || rest.starts_with('+')).then_some((index, rest))
    });
    let longest = named.min_by_key(|(_, rest)| rest.len());
    longest.ok_or_else(|| {
        let name = text.rsplit_once('+').map_or(text, |(name, _)| name);
        at.fault(format!("there is no phase named \"{name}\""))
            .hint(suggest(
                name,
                phases.iter().map(|phase| phase.name.as_str()),
            ))
    })
}

fn read_when(table: &Table<'_>, at: &Value<'_>, offset: &str) -> Read<When> {
    let every = match table.get("every") {
        Some(value) => Some((value.duration(EVERY)?, value)),
        None => None,
    };
    let times = match table.get("times") {
        Some(value) => Some((value.integer::<u32>(1..u64::from(STRIKES_MAX) + 1)?, value)),
        None => None,
    };
    let (from, to) = read_offset(at, offset)?;
    match (to, every, times) {
        (None, None, None) => Ok(When::At { at: from }),
        (None, None, Some((_, value))) => Err(value
            .fault("an instant comes once: `times` needs a window, or `every`")
            .hint(
                "write `at = \"race+5s..25s\"` to have instants drawn, or add `every = \"10s\"`",
            )),
        (None, Some((every, _)), times) => Ok(When::Every {
            first: from,
            every: nanos(every),
            times: times.map(|(times, _)| times),
        }),
        (Some(_), Some((_, value)), _) => Err(value
            .fault("instants of a window are drawn: `every` has no meaning there")
            .hint("remove `every`, or write one instant to begin with")),
        (Some(to), None, times) => Ok(When::Within {
            from,
            to,
            times: times.map_or(1, |(times, _)| times),
        }),
    }
}

/// What stands behind the phase's name: nothing, `+10s`, or `+5s..25s`.
fn read_offset(at: &Value<'_>, text: &str) -> Read<(Nanos, Option<Nanos>)> {
    let Some(text) = text.strip_prefix('+') else {
        return Ok((0, None));
    };
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (from, Some(to)),
        None => (text, None),
    };
    let length = |text: &str| parse_duration(text).map(nanos);
    let read = match to.map(length) {
        None => length(from).map(|from| (from, None)),
        Some(to) => length(from).zip(to).map(|(from, to)| (from, Some(to))),
    };
    let wrong = |what: &str| {
        at.fault(format!("`at` says \"+{text}\", which {what}"))
            .hint("write it as \"race+10s\", or as \"race+5s..25s\" to have it drawn from the seed")
    };
    match read {
        None => Err(wrong("is no time in a phase")),
        Some((from, Some(to))) if to <= from => Err(wrong("ends before it begins")),
        Some(read) => Ok(read),
    }
}

/// A fault begins and is mended within its phase.
fn check_room(at: &Value<'_>, spec: &FaultSpec, phase: &Phase) -> Read<()> {
    let shown = |nanos| humantime::format_duration(Duration::from_nanos(nanos));
    let (duration, lasts) = (nanos(phase.duration), longest(&spec.lasts));
    let (ends_at, part) = match spec.when {
        When::At { at } => (at.saturating_add(lasts), lasts),
        When::Every { first, every, .. } => (first.saturating_add(lasts), every),
        When::Within { from, to, times } => (to, (to - from) / u64::from(times)),
    };
    if duration < ends_at {
        return Err(at
            .fault(format!(
                "this is over {} into phase `{}`, which lasts {}",
                shown(ends_at),
                phase.name,
                shown(duration)
            ))
            .hint(
                "a fault is injected and healed within its phase: begin earlier, or make it shorter",
            ));
    }
    if part < lasts {
        return Err(at
            .fault(format!(
                "it lasts {} and is to be injected again after {}",
                shown(lasts),
                shown(part)
            ))
            .hint("make it shorter, or let it come less often"));
    }
    Ok(())
}

fn nanos(length: Duration) -> Nanos {
    u64::try_from(length.as_nanos()).unwrap_or(Nanos::MAX)
}
