//! The small languages inside values: picks (`zipf(1.1)`) and pauses (`5ms..20ms`, `exp(20ms)`).

use std::time::Duration;

use super::{
    PickSpec,
    reader::{Read, Value, parse_duration},
};
use crate::plan::Pause;

/// The steepest Zipf; beyond it every draw is the first one.
const ZIPF_EXPONENT_MAX: f64 = 10.0;

/// The longest pause; longer than any phase makes no sense.
const PAUSE_MAX: Duration = Duration::from_hours(24);

/// Reads a pick of one number below `range`.
pub(super) fn read_pick(value: &Value<'_>, range: u32) -> Read<PickSpec> {
    if !value.is_text() {
        let number = value.integer(0..u64::from(range)).map_err(|fault| {
            fault.hint(format!("the world has {range} of them, counted from 0"))
        })?;
        return Ok(PickSpec::Fixed(number));
    }
    let text = value.text("a pick")?;
    match text {
        "uniform" => Ok(PickSpec::Uniform),
        "round" => Ok(PickSpec::Round),
        "same" => Ok(PickSpec::Same),
        _ => match argument(text, "zipf") {
            Some(exponent) => read_zipf(value, exponent),
            None => Err(value
                .fault(format!("`{}` is \"{text}\", which is no pick", value.key()))
                .hint("write \"uniform\", \"zipf(1.1)\", \"round\", \"same\" or a whole number")),
        },
    }
}

fn read_zipf(value: &Value<'_>, exponent: &str) -> Read<PickSpec> {
    let number: Option<f64> = exponent.trim().parse().ok();
    number
        .filter(|number| 0.0 < *number && *number <= ZIPF_EXPONENT_MAX)
        .map(PickSpec::Zipf)
        .ok_or_else(|| {
            value
                .fault(format!(
                    "the exponent of `{}` is {exponent}, but must be above 0 and at most {ZIPF_EXPONENT_MAX}",
                    value.key()
                ))
                .hint("\"zipf(1.1)\" is a popular-things-first mix as people make it")
        })
}

/// Reads a pause.
pub(super) fn read_pause(value: &Value<'_>) -> Read<Pause> {
    let text = value.text("a pause such as \"20ms\", \"5ms..20ms\" or \"exp(20ms)\"")?;
    let pause = if let Some(mean) = argument(text, "exp") {
        pause_nanos(mean).map(Pause::Exponential)
    } else if let Some((from, to)) = text.split_once("..") {
        pause_nanos(from)
            .zip(pause_nanos(to))
            .map(|(from, to)| Pause::Between(from, to))
    } else {
        pause_nanos(text).map(Pause::Fixed)
    };
    let pause = pause.ok_or_else(|| {
        value
            .fault(format!(
                "`{}` is \"{text}\", which is no pause of up to a day",
                value.key()
            ))
            .hint("write \"20ms\", \"5ms..20ms\" or \"exp(20ms)\"")
    })?;
    match pause {
        Pause::Between(from, to) if to < from => Err(value
            .fault(format!(
                "`{}` is \"{text}\", which ends before it begins",
                value.key()
            ))
            .hint("write the shorter one first")),
        _ => Ok(pause),
    }
}

fn pause_nanos(text: &str) -> Option<u64> {
    let length = parse_duration(text).filter(|length| *length <= PAUSE_MAX)?;
    u64::try_from(length.as_nanos()).ok()
}

/// What stands in the brackets of `name(...)`.
fn argument<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.trim()
        .strip_prefix(name)?
        .trim_start()
        .strip_prefix('(')?
        .strip_suffix(')')
}
