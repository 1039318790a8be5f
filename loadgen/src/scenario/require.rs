//! What must be true for a run to pass: laws, contention, and thresholds on what was measured.
//!
//! A threshold is a metric and a bound, as typed values beside the words of the file, so that the
//! judge compares numbers and the report quotes the author.

use std::time::Duration;

use super::{
    FaultSpec, LAWS, LAWS_DEFAULT,
    diagnostic::suggest,
    reader::{Read, Value, parse_duration},
};
use crate::operation::Call;

/// Keys of `[require]`.
pub(super) const REQUIRE_KEYS: [&str; 5] =
    ["laws", "contention", "drain", "lateness_max", "thresholds"];
/// Keys of `contention`.
pub(super) const CONTENTION_KEYS: [&str; 1] = ["per_key_min"];

/// The metric that only a scenario with faults has.
const RECOVERY: &str = "recovery";

/// The metric of a whole run.
const MEMORY_GROWTH: &str = "server.memory.growth";

/// How long the end of a phase may be told to wait.
const DRAINS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// How long it waits when the file does not say.
const DRAIN_DEFAULT: Duration = Duration::from_secs(5);
/// The same where something is broken on purpose: whoever failed several times to come back tries
/// again within 16 s.
const DRAIN_AFTER_FAULTS: Duration = Duration::from_secs(30);

/// What a scenario may let pass as punctual: whoever asks whether answers are right and not how fast
/// they are can do with more, and on a busy machine must.
const LATENESSES: (Duration, Duration) = (Duration::from_micros(100), Duration::from_secs(1));
/// The same when the file does not say.
const LATENESS_DEFAULT: Duration = Duration::from_millis(5);

/// What must be true for a run to pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Require {
    /// Names out of [`LAWS`], each once.
    pub laws: Vec<String>,
    /// Attempts that the contended slots must have seen, each.
    pub per_key_min: Option<u64>,
    /// How long the end of a phase waits for answers and deliveries that are on their way.
    pub drain: Duration,
    /// How late the generator may wake, at its 99th percentile, and still be said to have kept its
    /// schedule.
    pub lateness_max: Duration,
    /// In the order of the file.
    pub thresholds: Vec<Threshold>,
}

/// A bound on something measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// What it must be.
    pub bound: Bound,
    /// The metric in the words of the file.
    pub metric_text: String,
    /// The bound in the words of the file.
    pub bound_text: String,
}

/// Something measured. Durations are nanoseconds, shares are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A statistic of a latency histogram: `reserve.response.p99`.
    Latency {
        /// Index into [`Call::NAMES`]; `None` for all operations together.
        operation: Option<usize>,
        /// Which of its clocks.
        clock: Clock,
        /// Which number of the histogram.
        statistic: Statistic,
    },
    /// The share of sent operations that ended like this: `reserve.error`.
    Outcomes {
        /// Index into [`Call::NAMES`]; `None` for all operations together.
        operation: Option<usize>,
        /// How they ended.
        share: Share,
    },
    /// Achieved rate by offered rate: `rate.achieved`.
    RateAchieved,
    /// From the strike of a fault to the next answer, the longest: `recovery`.
    Recovery,
    /// What the embedded server held more at the end of the load than in its middle, as a share:
    /// `server.memory.growth`.
    MemoryGrowth,
}

/// Which of an operation's histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// From the planned instant to the answer.
    Response,
    /// From the send to the answer.
    Service,
    /// From the planned instant to the send.
    Delay,
    /// From the planned instant to the failure, of those that failed.
    Failed,
    /// From a message's planned instant to a recipient's receipt.
    Delivery,
    /// From a message's planned instant to its last receipt.
    Everybody,
}

impl Clock {
    /// Whether this operation can be measured by it: receipts are of messages.
    fn fits(self, operation: Option<usize>) -> bool {
        match self {
            Self::Response | Self::Service | Self::Delay | Self::Failed => true,
            Self::Delivery | Self::Everybody => {
                operation.and_then(|index| Call::NAMES.get(index)) == Some(&"send")
            }
        }
    }
}

/// Which number of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The value at this quantile, in tenths of a percent: 990 is p99.
    Quantile(u16),
    /// The largest value.
    Max,
    /// The mean.
    Mean,
}

/// How operations ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Accepted.
    Ok,
    /// Refused by a rule.
    Refused,
    /// Anything else.
    Error,
}

/// What a measured value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// How it is compared.
    pub comparison: Comparison,
    /// With what; durations in nanoseconds.
    pub limit: f64,
}

/// How a value is compared with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Bound {
    /// Whether this value is as it must be. A value that is no number never is.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

impl Metric {
    /// Whether it is a length of time.
    #[must_use]
    pub const fn is_duration(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::Recovery)
    }

    /// The metric of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "rate.achieved" {
            return Some(Self::RateAchieved);
        }
        if text == RECOVERY {
            return Some(Self::Recovery);
        }
        if text == MEMORY_GROWTH {
            return Some(Self::MemoryGrowth);
        }
        let mut words = text.split('.');
        let operation = parse_operation(words.next()?)?;
        let second = words.next()?;
        let third = words.next();
        if words.next().is_some() {
            return None;
        }
        match third {
            Some(statistic) => Some(Self::Latency {
                operation,
                clock: find(&CLOCKS, second).filter(|clock| clock.fits(operation))?,
                statistic: find(&STATISTICS, statistic)?,
            }),
            None => Some(Self::Outcomes {
                operation,
                share: find(&SHARES, second)?,
            }),
        }
    }

    /// Every metric there is, by name.
    fn names() -> Vec<String> {
        let alone = ["rate.achieved", RECOVERY, MEMORY_GROWTH];
        let mut names: Vec<String> = alone.map(str::to_owned).to_vec();
        let all = Call::NAMES.into_iter().enumerate();
        let all = all.map(|(index, name)| (Some(index), name));
        for (index, operation) in all.chain([(None, "all")]) {
            for (share, _) in SHARES {
                names.push(format!("{operation}.{share}"));
            }
            let clocks = CLOCKS.iter().filter(|(_, clock)| clock.fits(index));
            for (clock, _) in clocks {
                for (statistic, _) in STATISTICS {
                    names.push(format!("{operation}.{clock}.{statistic}"));
                }
            }
        }
        names
    }
}

const CLOCKS: [(&str, Clock); 6] = [
    ("response", Clock::Response),
    ("service", Clock::Service),
    ("delay", Clock::Delay),
    ("failed", Clock::Failed),
    ("delivery", Clock::Delivery),
    ("everybody", Clock::Everybody),
];

const STATISTICS: [(&str, Statistic); 6] = [
    ("p50", Statistic::Quantile(500)),
    ("p90", Statistic::Quantile(900)),
    ("p99", Statistic::Quantile(990)),
    ("p999", Statistic::Quantile(999)),
    ("max", Statistic::Max),
    ("mean", Statistic::Mean),
];

const SHARES: [(&str, Share); 3] = [
    ("ok", Share::Ok),
    ("refused", Share::Refused),
    ("error", Share::Error),
];

fn find<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, value)| *value)
}

/// Steps are written with `_` and reports with `-`: both are understood.
fn parse_operation(word: &str) -> Option<Option<usize>> {
    if word == "all" {
        return Some(None);
    }
    let name = word.replace('_', "-");
    Call::NAMES
        .iter()
        .position(|known| *known == name)
        .map(Some)
}

/// Reads `[require]`, or what is required when the file does not say.
pub(super) fn read_require(value: Option<&Value<'_>>, faults: &[FaultSpec]) -> Read<Require> {
    let mut require = Require {
        laws: LAWS_DEFAULT.iter().map(|law| (*law).to_owned()).collect(),
        per_key_min: None,
        drain: if faults.is_empty() {
            DRAIN_DEFAULT
        } else {
            DRAIN_AFTER_FAULTS
        },
        lateness_max: LATENESS_DEFAULT,
        thresholds: Vec::new(),
    };
    let Some(value) = value else {
        return Ok(require);
    };
    let table = value.table("[require]", &REQUIRE_KEYS)?;
    if let Some(laws) = table.get("laws") {
        require.laws = read_laws(&laws)?;
    }
    if let Some(contention) = table.get("contention") {
        let floor = contention
            .table("`contention`", &CONTENTION_KEYS)?
            .need("per_key_min")?;
        require.per_key_min = Some(floor.integer(1..1_000_000_001)?);
    }
    if let Some(drain) = table.get("drain") {
        require.drain = drain.duration(DRAINS)?;
    }
    if let Some(lateness) = table.get("lateness_max") {
        require.lateness_max = lateness.duration(LATENESSES)?;
    }
    if let Some(thresholds) = table.get("thresholds") {
        let entries = thresholds.open_table("[require.thresholds]")?.entries();
        require.thresholds = entries
            .iter()
            .map(|(value, key)| read_threshold(value, key, faults))
            .collect::<Read<_>>()?;
    }
    Ok(require)
}

fn read_laws(value: &Value<'_>) -> Read<Vec<String>> {
    let mut laws: Vec<String> = Vec::new();
    for value in value.list()? {
        let name = value.text("the name of a law")?;
        if !LAWS.contains(&name) {
            return Err(value
                .fault(format!("there is no law named \"{name}\""))
                .hint(suggest(name, LAWS)));
        }
        if !laws.iter().any(|law| law == name) {
            laws.push(name.to_owned());
        }
    }
    Ok(laws)
}

fn read_threshold(
    value: &Value<'_>,
    key: &std::ops::Range<usize>,
    faults: &[FaultSpec],
) -> Read<Threshold> {
    let metric_text = value.key();
    let metric = Metric::parse(metric_text).ok_or_else(|| unknown_metric(metric_text, key))?;
    if metric == Metric::Recovery && faults.is_empty() {
        return Err(value
            .fault("nothing recovers in a scenario that breaks nothing")
            .hint("add a [[fault]], or remove `recovery`"));
    }
    let bound_text = value.text("a bound such as \"< 50ms\"")?;
    let bound = parse_bound(bound_text, metric.is_duration()).ok_or_else(|| {
        let (wanted, example) = if metric.is_duration() {
            ("a length of time", "< 50ms")
        } else {
            ("a number", ">= 0.99")
        };
        value
            .fault(format!(
                "the bound of `{metric_text}` is \"{bound_text}\", but must be `<`, `<=`, `>` or `>=` and {wanted}"
            ))
            .hint(format!("write it as \"{example}\""))
    })?;
    Ok(Threshold {
        metric,
        bound,
        metric_text: metric_text.to_owned(),
        bound_text: bound_text.to_owned(),
    })
}

fn unknown_metric(name: &str, key: &std::ops::Range<usize>) -> Box<super::diagnostic::Fault> {
    let names = Metric::names();
    let close = suggest(name, names.iter().map(String::as_str));
    let hint = if close.starts_with("did you mean") {
        close
    } else {
        "metrics are `OPERATION.CLOCK.STATISTIC` as in `reserve.response.p99`, `OPERATION.error`, \
         `rate.achieved`, `recovery` and `server.memory.growth`"
            .to_owned()
    };
    super::diagnostic::Fault::new(key.clone(), format!("there is no metric named \"{name}\""))
        .hint(hint)
}

fn parse_bound(text: &str, is_duration: bool) -> Option<Bound> {
    let text = text.trim();
    // The longer operators first: `<` is the beginning of `<=`.
    let operators = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];
    let (comparison, rest) = operators
        .into_iter()
        .find_map(|(operator, comparison)| Some((comparison, text.strip_prefix(operator)?)))?;
    let limit = if is_duration {
        parse_duration(rest)?.as_secs_f64() * 1e9
    } else {
        rest.trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())?
    };
    Some(Bound { comparison, limit })
}
