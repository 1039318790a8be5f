//! What became of every operation of a phase, by outcome, by clock and by second.
//!
//! Operations go in as they are intended, sent and completed; out comes the phase's part of the
//! run record. Nothing is dropped: `intended = sent + shed + cancelled` and `sent` is the sum of
//! its outcomes, for each operation and for the phase. Deliberately absent: clocks, laws, files.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use reports::record::{
    ConservationRecord, HeatRecord, LatencyRecord, OperationRecord, TimelinePoint,
};

use crate::{
    deliveries::Deliveries,
    heatmap::Heatmap,
    operation::{Call, Nanos, Operation, Outcome},
};

/// The longest time a histogram tells apart: an hour. Longer is recorded as this.
pub const LATENCY_MAX: Nanos = 3_600_000_000_000;
/// Significant digits of a recorded time.
pub const DIGITS: u8 = 3;
const SECOND: Nanos = 1_000_000_000;

/// An empty histogram of the kind every clock uses.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("1 ns to 1 h in 3 digits is valid")
}

/// One phase, as it happens.
#[derive(Debug)]
pub struct Recorder {
    started_at: Nanos,
    tallies: [Option<Box<Tally>>; Call::NAMES.len()],
    seconds: Seconds,
    heat: Heatmap,
    /// How messages reached people.
    pub deliveries: Deliveries,
}

/// What became of a phase.
#[derive(Debug)]
pub struct Recorded {
    /// Operations by name.
    pub operations: BTreeMap<String, OperationRecord>,
    /// A point a second.
    pub timeline: Vec<TimelinePoint>,
    /// How response times were spread over time.
    pub heat: Option<HeatRecord>,
}

/// One operation name.
#[derive(Debug)]
struct Tally {
    counts: ConservationRecord,
    refused_by_code: BTreeMap<u16, u64>,
    response: Histogram<u64>,
    service: Histogram<u64>,
    delay: Histogram<u64>,
    failed: Histogram<u64>,
}

/// The timeline: finished seconds, and the one that runs.
#[derive(Debug)]
struct Seconds {
    points: Vec<TimelinePoint>,
    running: usize,
    response: Histogram<u64>,
    ended: Option<TimelinePoint>,
}

impl Recorder {
    /// A phase that began at `started_at`.
    #[must_use]
    pub fn new(started_at: Nanos) -> Self {
        Self {
            started_at,
            tallies: [const { None }; Call::NAMES.len()],
            seconds: Seconds {
                points: Vec::new(),
                running: 0,
                response: histogram(),
                ended: None,
            },
            heat: Heatmap::default(),
            deliveries: Deliveries::default(),
        }
    }

    /// The schedule asked for this call at that instant.
    pub fn intend(&mut self, call: &Call, intended_at: Nanos) {
        self.tally(call).counts.intended += 1;
        let second = self.second_of(intended_at);
        self.seconds.point(self.started_at, second).intended += 1;
    }

    /// It left, at this instant.
    pub fn send(&mut self, call: &Call, sent_at: Nanos) {
        self.tally(call).counts.sent += 1;
        let second = self.second_of(sent_at);
        self.seconds.point(self.started_at, second).sent += 1;
    }

    /// It was given up: no room, or no connection.
    pub fn shed(&mut self, call: &Call) {
        self.tally(call).counts.shed += 1;
    }

    /// The phase was over before its turn came.
    pub fn cancel(&mut self, call: &Call) {
        self.tally(call).counts.cancelled_at_end += 1;
    }

    /// Its outcome is known.
    pub fn complete(&mut self, operation: &Operation) {
        let response = elapsed(operation.intended_at, operation.completed_at);
        if operation.outcome.is_decided() {
            let since_start = operation.completed_at.saturating_sub(self.started_at);
            self.heat.add(since_start, response);
        }
        let tally = self.tally(&operation.call);
        tally.count(operation.outcome);
        tally
            .delay
            .saturating_record(elapsed(operation.intended_at, operation.sent_at));
        if operation.outcome.is_decided() {
            tally.response.saturating_record(response);
            tally
                .service
                .saturating_record(elapsed(operation.sent_at, operation.completed_at));
        } else if !matches!(operation.outcome, Outcome::Unknown) {
            tally.failed.saturating_record(response);
        }
        self.roll(operation.completed_at);
        self.seconds.complete(self.started_at, operation, response);
    }

    /// Ends the seconds before `now`.
    pub fn roll(&mut self, now: Nanos) {
        let second = self.second_of(now);
        if self.seconds.running < second {
            self.seconds.ended = Some(self.seconds.end(self.started_at));
            self.seconds.running = second;
        }
    }

    /// The last second that ended since this was last asked.
    pub const fn take_ended(&mut self) -> Option<TimelinePoint> {
        self.seconds.ended.take()
    }

    /// All of the phase's operations, counted.
    #[must_use]
    pub fn conservation(&self) -> ConservationRecord {
        let mut sum = ConservationRecord::default();
        for tally in self.tallies.iter().flatten() {
            sum.add(&tally.counts);
        }
        sum
    }

    /// The phase's part of the run record: operations by name, the timeline and the heatmap.
    ///
    /// # Panics
    /// If an operation was lost or counted twice, which only a bug in the driver can do.
    #[must_use]
    pub fn finish(mut self) -> Recorded {
        self.seconds.end(self.started_at);
        let mut operations = BTreeMap::new();
        for (name, tally) in Call::NAMES.iter().zip(self.tallies) {
            if let Some(tally) = tally {
                assert!(
                    tally.counts.holds(),
                    "{name}: an operation was lost or counted twice: {:?}",
                    tally.counts
                );
                operations.insert((*name).to_owned(), tally.record());
            }
        }
        Recorded {
            operations,
            timeline: self.seconds.points,
            heat: self.heat.finish(),
        }
    }

    fn tally(&mut self, call: &Call) -> &mut Tally {
        self.tallies
            .get_mut(call.index())
            .expect("a name for every call")
            .get_or_insert_with(Box::default)
    }

    fn second_of(&self, at: Nanos) -> usize {
        usize::try_from(at.saturating_sub(self.started_at) / SECOND).unwrap_or(usize::MAX)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            counts: ConservationRecord::default(),
            refused_by_code: BTreeMap::new(),
            response: histogram(),
            service: histogram(),
            delay: histogram(),
            failed: histogram(),
        }
    }
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.counts.ok += 1,
            Outcome::Refused(code) => {
                self.counts.refused += 1;
                *self.refused_by_code.entry(code.0).or_default() += 1;
            }
            Outcome::Error(_code) => self.counts.error += 1,
            Outcome::Timeout => self.counts.timeout += 1,
            Outcome::Unknown => self.counts.unknown += 1,
        }
    }

    fn record(&self) -> OperationRecord {
        let by_name =
            |(code, count): (&u16, &u64)| (protocol::Code(*code).name().to_owned(), *count);
        OperationRecord {
            ok: self.counts.ok,
            refused: self.counts.refused,
            refused_by_code: self.refused_by_code.iter().map(by_name).collect(),
            error: self.counts.error,
            timeout: self.counts.timeout,
            unknown: self.counts.unknown,
            response: LatencyRecord::from_histogram(&self.response),
            service: LatencyRecord::from_histogram(&self.service),
            delay: LatencyRecord::from_histogram(&self.delay),
            failed: LatencyRecord::from_histogram(&self.failed),
        }
    }
}

impl Seconds {
    fn point(&mut self, started_at: Nanos, second: usize) -> &mut TimelinePoint {
        while self.points.len() <= second {
            let at = started_at.saturating_add(nanos(self.points.len()).saturating_mul(SECOND));
            self.points.push(TimelinePoint {
                at_s: seconds(at),
                ..TimelinePoint::default()
            });
        }
        self.points.get_mut(second).expect("just made sure of")
    }

    fn complete(&mut self, started_at: Nanos, operation: &Operation, response: Nanos) {
        let running = self.running;
        let point = self.point(started_at, running);
        if operation.outcome.is_decided() {
            point.answered += 1;
            self.response.saturating_record(response);
        } else {
            point.failed += 1;
        }
    }

    fn end(&mut self, started_at: Nanos) -> TimelinePoint {
        let (p50, p99) = (
            self.response.value_at_quantile(0.5),
            self.response.value_at_quantile(0.99),
        );
        let max = self.response.max();
        self.response.reset();
        let running = self.running;
        let point = self.point(started_at, running);
        (point.response_p50, point.response_p99, point.response_max) = (p50, p99, max);
        *point
    }
}

/// Nanoseconds as seconds.
#[must_use]
pub fn seconds(nanos: Nanos) -> f64 {
    float(nanos) / 1e9
}

/// A count as a real number: exact below 2^53.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times of a run lie far below 2^53"
)]
pub const fn float(count: u64) -> f64 {
    count as f64
}

/// Histograms start at 1: an instant that took no time is one nanosecond.
fn elapsed(from: Nanos, to: Nanos) -> Nanos {
    to.saturating_sub(from).max(1)
}

fn nanos(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use protocol::Code;

    use super::*;
    use crate::operation::Slot;

    const CALL: Call = Call::Reserve { slot: Slot(1) };

    fn finished(outcome: Outcome, at: [Nanos; 3]) -> Operation {
        let [intended_at, sent_at, completed_at] = at;
        Operation {
            client: 1,
            counter: 0,
            call: CALL,
            intended_at,
            sent_at,
            completed_at,
            floor: 0,
            outcome,
            seq: 1,
            hash: protocol::ChainHash([1; 32]),
            attempts: 1,
        }
    }

    fn record_one(recorder: &mut Recorder, operation: &Operation) {
        recorder.intend(&operation.call, operation.intended_at);
        recorder.send(&operation.call, operation.sent_at);
        recorder.complete(operation);
    }

    #[test]
    fn every_clock_measures_from_its_own_instant_and_failures_stay_apart() {
        let mut recorder = Recorder::new(0);
        record_one(&mut recorder, &finished(Outcome::Ok, [100, 400, 900]));
        record_one(
            &mut recorder,
            &finished(Outcome::Refused(Code::SLOT_TAKEN), [100, 400, 900]),
        );
        record_one(
            &mut recorder,
            &finished(Outcome::Error(Code::BUSY), [0, 1, 2]),
        );
        record_one(&mut recorder, &finished(Outcome::Unknown, [0, 1, 2]));
        recorder.intend(&CALL, 5);
        recorder.shed(&CALL);
        recorder.intend(&CALL, 5);
        recorder.cancel(&CALL);
        assert!(recorder.conservation().holds());
        let operations = recorder.finish().operations;
        let reserve = &operations["reserve"];
        assert_eq!(
            (reserve.ok, reserve.refused, reserve.error, reserve.unknown),
            (1, 1, 1, 1)
        );
        assert_eq!(reserve.refused_by_code["slot-taken"], 1);
        assert_eq!(reserve.response.quantiles.max, 800);
        assert_eq!(reserve.service.quantiles.max, 500);
        assert_eq!(
            (reserve.delay.quantiles.max, reserve.delay.quantiles.count),
            (300, 4)
        );
        assert_eq!(
            (reserve.failed.quantiles.max, reserve.failed.quantiles.count),
            (2, 1)
        );
    }

    #[test]
    fn the_timeline_counts_intentions_when_they_were_due_and_answers_when_they_came() {
        let mut recorder = Recorder::new(SECOND);
        let late = finished(Outcome::Ok, [SECOND + 1, 3 * SECOND, 3 * SECOND + 5]);
        record_one(&mut recorder, &late);
        let timeline = recorder.finish().timeline;
        let seen: Vec<_> = timeline
            .iter()
            .map(|point| (point.intended, point.sent, point.answered))
            .collect();
        assert_eq!(seen, [(1, 0, 0), (0, 0, 0), (0, 1, 1)]);
        assert!(timeline[2].response_p50 > SECOND);
    }
}
