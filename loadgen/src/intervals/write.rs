//! The writer's side: samples into histograms, histograms into lines.
//!
//! Owns the files and their format. A line is written when its interval ends, so a run that is cut
//! off leaves what it had. Deliberately absent: deciding when intervals end.

use std::{
    fs::File,
    io::{self, LineWriter},
    path::Path,
    sync::mpsc::Receiver,
    time::{Duration, SystemTime},
};

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, IntervalLogWriterError, Tag},
    },
};

use super::{
    DELAY_FILE, LATENCY_FILE, OPERATIONS_FILE, OnInterval, OperationInterval, SERVICE_FILE, Sample,
    Told,
};
use crate::{
    operation::{Call, Nanos},
    recorder::{DIGITS, LATENCY_MAX},
};

/// The format, as its readers look for it.
const VERSION: &str = "[Histogram log format version 1.3]";
/// The largest value of a line is for people, in milliseconds; histograms are in nanoseconds.
const MAX_DIVISOR: f64 = 1e6;
/// A line is some kilobytes: one write each.
const LINE_BYTES: usize = 64 * 1_024;

/// A file that is written through at the end of each line.
type Lines = LineWriter<File>;

/// The four files of a run, with what stands at their head.
pub(super) struct Files([(&'static str, Lines); 4]);

impl Files {
    /// Creates them; none may exist.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        let create = |name, holds| {
            let file = File::create_new(dir.join(name))?;
            io::Result::Ok((holds, LineWriter::with_capacity(LINE_BYTES, file)))
        };
        Ok(Self([
            create(LATENCY_FILE, "Response time of everything answered")?,
            create(OPERATIONS_FILE, "Response time, an operation a tag")?,
            create(SERVICE_FILE, "Service time, an operation a tag")?,
            create(DELAY_FILE, "Sent minus intended, an operation a tag")?,
        ]))
    }
}

/// Writes what it is told until nobody tells any more.
pub(super) fn keep(
    files: Files,
    started_at: SystemTime,
    watcher: Option<OnInterval>,
    from: &Receiver<Told>,
) -> io::Result<()> {
    let Files([mut latency, mut operations, mut service, mut delay]) = files;
    let mut serializers = [(); 4].map(|()| V2DeflateSerializer::new());
    let [first, second, third, fourth] = &mut serializers;
    let mut logs = Logs {
        latency: begin(&mut latency, first, started_at)?,
        clocks: [
            begin(&mut operations, second, started_at)?,
            begin(&mut service, third, started_at)?,
            begin(&mut delay, fourth, started_at)?,
        ],
        tallies: [const { None }; Call::NAMES.len()],
        total: empty(),
        watcher,
    };
    for told in from {
        match told {
            Told::Samples(samples) => samples.iter().for_each(|sample| logs.add(sample)),
            Told::Ended(bounds) => logs.end(bounds)?,
        }
    }
    Ok(())
}

/// Writes the head of a log.
fn begin<'a>(
    (holds, lines): &'a mut (&'static str, Lines),
    serializer: &'a mut V2DeflateSerializer,
    started_at: SystemTime,
) -> io::Result<Log<'a>> {
    IntervalLogWriterBuilder::new()
        .add_comment(VERSION)
        .add_comment(&format!(
            "[{holds}; nanoseconds, Interval_Max in milliseconds]"
        ))
        .with_start_time(started_at)
        .with_base_time(started_at)
        .with_max_value_divisor(MAX_DIVISOR)
        .begin_log_with(lines, serializer)
}

type Log<'a> = IntervalLogWriter<'a, 'a, Lines, V2DeflateSerializer>;

/// The logs, and the running interval.
struct Logs<'a> {
    latency: Log<'a>,
    /// Of response, service and delay, as in [`Tally`].
    clocks: [Log<'a>; 3],
    tallies: [Option<Box<Tally>>; Call::NAMES.len()],
    total: Histogram<u64>,
    watcher: Option<OnInterval>,
}

/// One operation in the running interval: response, service, delay.
struct Tally([Histogram<u64>; 3]);

impl Logs<'_> {
    fn add(&mut self, sample: &Sample) {
        let tally = self.tallies.get_mut(sample.call);
        let tally = tally.expect("a name for every call");
        let Tally([response, service, delay]) =
            &mut **tally.get_or_insert_with(|| Box::new(Tally([(); 3].map(|()| empty()))));
        record(delay, sample.delay);
        if let Some([responded, served]) = sample.answered {
            record(response, responded);
            record(service, served);
        }
    }

    /// Writes the interval's lines, and forgets it.
    fn end(&mut self, [from, to]: [Nanos; 2]) -> io::Result<()> {
        let at = Duration::from_nanos(from);
        let length = Duration::from_nanos(to - from);
        self.total.reset();
        self.tell_watcher();
        for (name, tally) in Call::NAMES.iter().zip(&mut self.tallies) {
            let Some(Tally(clocks)) = tally.as_deref_mut() else {
                continue;
            };
            let added = self.total.add(&clocks[0]);
            added.expect("a histogram that grows takes every value");
            for (log, histogram) in self.clocks.iter_mut().zip(clocks) {
                if !histogram.is_empty() {
                    written(log.write_histogram(histogram, at, length, Tag::new(name)))?;
                }
                histogram.reset();
            }
        }
        written(self.latency.write_histogram(&self.total, at, length, None))
    }
}

impl Logs<'_> {
    fn tell_watcher(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let tallies = Call::NAMES.iter().zip(&self.tallies);
        let told = tallies.filter_map(|(name, tally)| {
            let Tally([response, ..]) = tally.as_deref()?;
            (!response.is_empty()).then(|| OperationInterval {
                name,
                answered: response.len(),
                p50: response.value_at_quantile(0.5),
                p90: response.value_at_quantile(0.9),
                p99: response.value_at_quantile(0.99),
                max: response.max(),
            })
        });
        watcher(&told.collect::<Vec<_>>());
    }
}

/// An empty histogram that grows: most operations need no room for an hour.
fn empty() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are within one to five")
}

/// Histograms start at 1, and what is longer than they tell apart is recorded as that.
fn record(histogram: &mut Histogram<u64>, time: Nanos) {
    let recorded = histogram.record(time.clamp(1, LATENCY_MAX));
    recorded.expect("a histogram that grows takes every value");
}

fn written<E: std::fmt::Display>(written: Result<(), IntervalLogWriterError<E>>) -> io::Result<()> {
    written.map_err(|error| match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
    })
}
