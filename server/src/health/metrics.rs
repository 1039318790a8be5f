//! Every figure with its name and meaning, as the text that Prometheus scrapes.
//!
//! Readings go in, text comes out. `docs/metrics.md` lists what is here, and a test holds the two
//! together. Deliberately absent: keeping numbers; they are where they are counted.

use std::time::Duration;

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    counts::Buckets,
    machine::Machine,
    probes::{is_live, is_ready, under_way},
    stats::{Commits, Reading, Replayed, Requests, Serving, float, wide},
};
use crate::{
    engine::BATCH_LEN_MAX, hub::CONNECTIONS_BYTES_MAX, log::Checkpoints, time_base::Drift,
};

/// The text, and nothing else that could be asked for.
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Renders everything.
pub(super) fn render(reading: &Reading, machine: &Machine) -> String {
    let mut page = Page::default();
    page.life(reading);
    page.clock(&reading.serving.drift);
    page.replay(reading.replayed);
    page.commits(&reading.commits, under_way(reading));
    page.checkpoints(reading.commits.checkpoints);
    page.log(&reading.serving, machine);
    page.queues(&reading.serving);
    page.conversations(&reading.serving);
    page.process(machine);
    TextEncoder::new()
        .encode_to_string(&page.families)
        .expect("every family has a name and a figure")
}

#[derive(Default)]
struct Page {
    families: Vec<MetricFamily>,
}

impl Page {
    fn life(&mut self, reading: &Reading) {
        let yes = |is: bool| f64::from(u8::from(is));
        self.labelled(
            ("stampede_build_info", MetricType::GAUGE),
            "Always 1; the label says which version runs",
            [figure(
                &[("version", env!("CARGO_PKG_VERSION"))],
                MetricType::GAUGE,
                1.0,
            )],
        );
        self.gauge(
            "stampede_uptime_seconds",
            "Since the server began to start",
            reading.now.as_secs_f64(),
        );
        self.gauge(
            "stampede_live",
            "1 if /live says yes: restarting would not help",
            yes(is_live(reading).is_ok()),
        );
        self.gauge(
            "stampede_ready",
            "1 if /ready says yes: clients are served",
            yes(is_ready(reading).is_ok()),
        );
        let turned = reading.now.saturating_sub(reading.serving.turned_at);
        self.gauge(
            "stampede_turn_age_seconds",
            "Since the serving thread last looked at its clock, which it does every 50 ms",
            turned.as_secs_f64(),
        );
    }

    fn clock(&mut self, drift: &Drift) {
        self.gauge(
            "stampede_clock_ahead_seconds",
            "How far the log's time is ahead of this machine's clock; below 0, how far the clock leapt ahead and is not followed",
            drift.time.as_secs_f64() - drift.wall.as_secs_f64(),
        );
    }

    fn replay(&mut self, replayed: Replayed) {
        self.gauge(
            "stampede_replay_applied_records",
            "Records of the log applied when starting",
            wide(replayed.done),
        );
        self.gauge(
            "stampede_replay_expected_records",
            "Records of the log to apply when starting",
            wide(replayed.expected),
        );
    }

    fn commits(&mut self, commits: &Commits, under_way: Duration) {
        self.histogram(
            "stampede_commit_duration_seconds",
            "From handing a batch to the log until it is durable",
            &commits.seconds,
        );
        self.histogram(
            "stampede_commit_records",
            "Records made durable by one commit",
            &commits.records,
        );
        self.gauge(
            "stampede_commit_under_way_seconds",
            "How long the batch that is with the log has been there, 0 if none is; a disk that hangs shows here",
            under_way.as_secs_f64(),
        );
    }

    fn checkpoints(&mut self, checkpoints: Checkpoints) {
        self.labelled(
            ("stampede_checkpoint_failures_total", MetricType::COUNTER),
            "Times that the write-ahead log could not be copied into the database; while this rises, so does stampede_wal_bytes",
            [figure(&[], MetricType::COUNTER, wide(checkpoints.failed))],
        );
    }

    fn log(&mut self, serving: &Serving, machine: &Machine) {
        self.gauge(
            "stampede_log_decided_seq",
            "The newest position of the log that was decided",
            wide(serving.decided.0),
        );
        self.gauge(
            "stampede_log_durable_seq",
            "The newest position of the log that is durable",
            wide(serving.durable.0),
        );
        self.gauge_if_known(
            "stampede_wal_bytes",
            "The write-ahead log, the file events.sqlite-wal",
            machine.wal_bytes,
        );
        self.gauge_if_known(
            "stampede_database_bytes",
            "The log without what is in the write-ahead log, the file events.sqlite",
            machine.database_bytes,
        );
        self.gauge_if_known(
            "stampede_disk_free_bytes",
            "What is left on the disk of the log for this user",
            machine.disk_free_bytes,
        );
    }

    fn queues(&mut self, serving: &Serving) {
        self.gauge(
            "stampede_waiting_records",
            "Records decided that wait for the batch before them",
            float(serving.waiting_records),
        );
        self.gauge(
            "stampede_waiting_records_max",
            "How many may wait before commands are refused as busy",
            float(BATCH_LEN_MAX),
        );
        self.gauge(
            "stampede_waiting_deliveries",
            "Pushes and news that wait to be handed to those who follow",
            float(serving.waiting_deliveries),
        );
        self.gauge(
            "stampede_waiting_auths",
            "Registrations and log-ins that wait for their password to be hashed",
            float(serving.waiting_auths),
        );
        self.gauge(
            "stampede_behind_connections",
            "Connections that wait to be told more of what they missed, from the log",
            float(serving.behind),
        );
    }

    fn conversations(&mut self, serving: &Serving) {
        self.gauge(
            "stampede_connections",
            "Connections held",
            float(serving.connections),
        );
        self.gauge(
            "stampede_connections_max",
            "Connections that may be held",
            float(serving.connections_max),
        );
        self.gauge(
            "stampede_sessions",
            "Connections on which somebody is logged in",
            float(serving.sessions),
        );
        self.gauge(
            "stampede_people_online",
            "People who are logged in on one connection at least",
            float(serving.people),
        );
        self.gauge(
            "stampede_held_bytes",
            "What connections hold of the memory: input nobody has considered, answers and pushes nobody has read",
            float(serving.held_bytes),
        );
        self.gauge(
            "stampede_held_bytes_peak",
            "The most they ever held",
            float(serving.held_bytes_peak),
        );
        self.gauge(
            "stampede_held_bytes_max",
            "How much all of them may hold before those that hold most are ended",
            float(CONNECTIONS_BYTES_MAX),
        );
        self.labelled(
            ("stampede_connections_accepted_total", MetricType::COUNTER),
            "Connections that ever came in",
            [figure(&[], MetricType::COUNTER, wide(serving.accepted))],
        );
        self.requests(serving.requests);
        let refusals = serving.refusals.iter();
        self.labelled(
            ("stampede_refusals_total", MetricType::COUNTER),
            "Refusals told, by code; the codes are in protocol/README.md",
            refusals
                .map(|(code, count)| figure(&[("code", code)], MetricType::COUNTER, wide(count))),
        );
    }

    fn requests(&mut self, requests: Requests) {
        let kinds = [
            ("command", requests.commands),
            ("query", requests.queries),
            ("auth", requests.auths),
            ("signal", requests.signals),
        ];
        self.labelled(
            ("stampede_requests_total", MetricType::COUNTER),
            "Requests considered, whatever became of them",
            kinds.map(|(kind, count)| figure(&[("kind", kind)], MetricType::COUNTER, wide(count))),
        );
    }

    /// Under the names that every process has them.
    fn process(&mut self, machine: &Machine) {
        self.labelled(
            ("process_cpu_seconds_total", MetricType::COUNTER),
            "Processor time used, of all threads",
            [figure(&[], MetricType::COUNTER, machine.cpu_seconds)],
        );
        self.gauge_if_known(
            "process_resident_memory_bytes",
            "Memory that is resident",
            machine.resident_bytes,
        );
        self.gauge_if_known(
            "process_open_fds",
            "Open descriptors: connections, files",
            machine.open_files,
        );
        self.gauge_if_known(
            "process_max_fds",
            "Descriptors that may be open",
            machine.open_files_max,
        );
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let family = (name, MetricType::GAUGE);
        self.labelled(family, help, [figure(&[], MetricType::GAUGE, value)]);
    }

    fn gauge_if_known(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.gauge(name, help, value);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) {
        let bucket = |(bound, below)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(below);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.cumulative().map(bucket).collect());
        histogram.set_sample_count(buckets.count());
        histogram.set_sample_sum(buckets.sum());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.labelled((name, MetricType::HISTOGRAM), help, [metric]);
    }

    fn labelled(
        &mut self,
        (name, kind): (&str, MetricType),
        help: &str,
        figures: impl IntoIterator<Item = Metric>,
    ) {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(figures.into_iter().collect());
        self.families.push(family);
    }
}

fn figure(labels: &[(&str, &str)], kind: MetricType, value: f64) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::from_label(labels.iter().map(pair).collect());
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}
