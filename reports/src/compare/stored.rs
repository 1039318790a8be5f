//! A stored run as it is compared: what was measured in each second of its measured phases.
//!
//! The text of `run.json` and the interval logs beside it go in; seconds by operation and clock
//! come out. The warm-up is left out, and what was answered after a phase had ended. Deliberately
//! absent: files, and finding anything in the figures.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer,
        interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry},
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::counts::Counts;
use crate::{
    histogram::HistogramError,
    read::ReadError,
    record::{PhaseRecord, RunRecord},
};

const RESPONSE_FILE: &str = "operations.hlog";
const SERVICE_FILE: &str = "service.hlog";

const SECOND_NS: u64 = 1_000_000_000;

/// A phase's last second is compared if at least this much of it took place.
const SECOND_MIN: Duration = Duration::from_millis(500);

/// Interval logs tell instants to the millisecond, which may round up.
const ROUNDING_NS: u64 = 1_000_000;

/// From where to where an operation was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// From the instant the schedule intended.
    Response,
    /// From the instant it was sent.
    Service,
}

/// An operation on a clock.
pub type Track = (String, Clock);

/// The texts that a run left behind.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// `run.json`.
    pub record: &'a str,
    /// `operations.hlog`: response times.
    pub response: &'a [u8],
    /// `service.hlog`, where there is one.
    pub service: Option<&'a [u8]>,
}

/// A run, ready to be compared.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// What it is called.
    pub name: String,
    /// What it found.
    pub record: RunRecord,
    /// The seconds of its measured phases, in their order.
    pub phases: Vec<PhaseSeconds>,
    /// All answers that the logs have, of every phase.
    pub logged: BTreeMap<Track, u64>,
}

/// The seconds of one phase.
#[derive(Debug, Clone, Default)]
pub struct PhaseSeconds {
    /// How many there are, with or without answers.
    pub count: usize,
    /// By operation and clock, a histogram a second.
    pub tracks: BTreeMap<Track, Vec<Counts>>,
}

/// Why a run cannot be compared with anything.
#[derive(Debug, Error)]
pub enum StoredError {
    /// The record.
    #[error("run.json: {0}")]
    Record(#[from] ReadError),
    /// A line of a log.
    #[error(
        "{file}: byte {offset} begins no line of an HdrHistogram interval log; was the file cut?"
    )]
    Line {
        /// Which log.
        file: &'static str,
        /// Where.
        offset: usize,
    },
    /// A histogram of a log.
    #[error("{file}: the interval at {at_s} s: {source}")]
    Interval {
        /// Which log.
        file: &'static str,
        /// When it began, seconds after the run's start.
        at_s: f64,
        /// Why.
        source: HistogramError,
    },
    /// A log that has other answers than the record counts.
    #[error(
        "{file} has {logged} answers of `{operation}` and run.json counts {counted}: the files are not of one run, or one of them was cut; run the scenario again"
    )]
    Differs {
        /// Which log.
        file: &'static str,
        /// Which operation.
        operation: String,
        /// In the log.
        logged: u64,
        /// In the record.
        counted: u64,
    },
}

impl StoredRun {
    /// Reads a run from its texts.
    ///
    /// # Errors
    /// If they are not what a run leaves behind.
    pub fn read(name: &str, texts: Texts<'_>) -> Result<Self, StoredError> {
        let record = RunRecord::read(texts.record)?;
        let measured = record.phases.iter().filter(|phase| !phase.warmup);
        let mut phases: Vec<_> = measured.map(Stretch::of).collect();
        let mut logged = BTreeMap::new();
        for (clock, file, text) in [
            (Clock::Response, RESPONSE_FILE, Some(texts.response)),
            (Clock::Service, SERVICE_FILE, texts.service),
        ] {
            if let Some(text) = text {
                read_log((clock, file), text, &mut phases, &mut logged)?;
            }
        }
        Ok(Self {
            name: name.to_owned(),
            record,
            phases: phases.into_iter().map(|stretch| stretch.seconds).collect(),
            logged,
        })
    }

    /// Whether its logs have every answer that its record counts.
    ///
    /// # Errors
    /// If they have more or fewer: then figures would be compared that are not the run's.
    pub fn check_whole(&self) -> Result<(), StoredError> {
        for (clock, file) in [
            (Clock::Response, RESPONSE_FILE),
            (Clock::Service, SERVICE_FILE),
        ] {
            if clock == Clock::Service && !self.logged.keys().any(|track| track.1 == clock) {
                // One that is not there at all is missed on comparing, if the other side has one.
                continue;
            }
            let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
            for (operation, found) in self.record.phases.iter().flat_map(|it| &it.operations) {
                *counted.entry(operation).or_default() += found.ok + found.refused;
            }
            for (operation, counted) in counted {
                let track = (operation.to_owned(), clock);
                let logged = self.logged.get(&track).copied().unwrap_or(0);
                if logged != counted {
                    return Err(StoredError::Differs {
                        file,
                        operation: operation.to_owned(),
                        logged,
                        counted,
                    });
                }
            }
        }
        Ok(())
    }

    /// How many seconds were measured.
    #[must_use]
    pub fn seconds(&self) -> usize {
        self.phases.iter().map(|phase| phase.count).sum()
    }

    /// All operations on all clocks that there are.
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        let mut tracks: Vec<_> = self
            .phases
            .iter()
            .flat_map(|phase| phase.tracks.keys().cloned())
            .collect();
        tracks.sort();
        tracks.dedup();
        tracks
    }

    /// All seconds of an operation on a clock.
    #[must_use]
    pub fn track(&self, track: &Track) -> Vec<Counts> {
        self.parts(track, 1).pop().unwrap_or_default()
    }

    /// The seconds of an operation in so many parts. Each has neighbouring seconds of every phase,
    /// so that each is a whole run in small.
    #[must_use]
    pub fn parts(&self, track: &Track, count: usize) -> Vec<Vec<Counts>> {
        let part = |part: usize| {
            let of_phase = |phase: &PhaseSeconds| {
                let (from, to) = (part * phase.count / count, (part + 1) * phase.count / count);
                match phase.tracks.get(track) {
                    Some(seconds) => seconds[from..to].to_vec(),
                    None => vec![Counts::default(); to - from],
                }
            };
            self.phases.iter().flat_map(of_phase).collect()
        };
        (0..count).map(part).collect()
    }
}

/// A phase on the run's clock, and what is known of its seconds.
struct Stretch {
    from_ns: u64,
    seconds: PhaseSeconds,
}

impl Stretch {
    fn of(phase: &PhaseRecord) -> Self {
        let whole = phase.duration_ns / SECOND_NS;
        let rest = Duration::from_nanos(phase.duration_ns % SECOND_NS);
        let count = whole + u64::from(SECOND_MIN <= rest);
        Self {
            from_ns: phase.started_ns,
            seconds: PhaseSeconds {
                count: usize::try_from(count).unwrap_or(0),
                tracks: BTreeMap::new(),
            },
        }
    }

    /// Which of its seconds began then.
    fn index_of(&self, at_ns: u64) -> Option<usize> {
        let since = (at_ns + ROUNDING_NS).checked_sub(self.from_ns)?;
        let index = usize::try_from(since / SECOND_NS).ok()?;
        (index < self.seconds.count).then_some(index)
    }

    fn keep(&mut self, track: Track, index: usize, counts: Counts) {
        let count = self.seconds.count;
        let seconds = self.seconds.tracks.entry(track);
        seconds.or_insert_with(|| vec![Counts::default(); count])[index] = counts;
    }
}

fn read_log(
    (clock, file): (Clock, &'static str),
    text: &[u8],
    phases: &mut [Stretch],
    logged: &mut BTreeMap<Track, u64>,
) -> Result<(), StoredError> {
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(text) {
        let entry = entry.map_err(|error| {
            let hdrhistogram::serialization::interval_log::LogIteratorError::ParseError { offset } =
                error;
            StoredError::Line { file, offset }
        })?;
        let LogEntry::Interval(interval) = entry else {
            continue;
        };
        let Some(tag) = interval.tag() else {
            continue;
        };
        let at = interval.start_timestamp();
        let at_ns = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let counts =
            decode(&interval, &mut deserializer).map_err(|source| StoredError::Interval {
                file,
                at_s: at.as_secs_f64(),
                source,
            })?;
        let track = (tag.as_str().to_owned(), clock);
        *logged.entry(track.clone()).or_default() += counts.total();
        // What is left of a phase behind its last whole second may begin, to the millisecond, with the
        // next phase.
        if interval.duration() + Duration::from_nanos(ROUNDING_NS) < SECOND_MIN {
            continue;
        }
        let place = phases.iter_mut().find_map(|phase| {
            let index = phase.index_of(at_ns)?;
            Some((phase, index))
        });
        if let Some((phase, index)) = place {
            phase.keep(track, index, counts);
        }
    }
    Ok(())
}

fn decode(
    interval: &IntervalLogHistogram<'_>,
    deserializer: &mut Deserializer,
) -> Result<Counts, HistogramError> {
    let bytes = STANDARD.decode(interval.encoded_histogram())?;
    let histogram: Histogram<u64> = deserializer.deserialize(&mut bytes.as_slice())?;
    Ok(Counts::from_histogram(&histogram))
}
