//! What was measured in one phase: operations by outcome and by clock, second by second, and how messages
//! and rendezvous went.
//!
//! Deliberately absent: what laws found (they judge the whole run).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LatencyRecord, QuantileRecord};

/// One phase of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRecord {
    /// Its name.
    pub name: String,
    /// Kept apart and judged by no threshold.
    pub warmup: bool,
    /// When it began, nanoseconds after the run's start.
    pub started_ns: u64,
    /// How long it offered load, nanoseconds.
    pub duration_ns: u64,
    /// By operation name (`reserve`, `cancel`, ...).
    pub operations: BTreeMap<String, OperationRecord>,
    /// All of its operations counted: `intended = sent + shed + cancelled_at_end` and
    /// `sent = ok + refused + error + timeout + unknown`.
    pub conservation: ConservationRecord,
    /// What the schedule asked for a second; `None` where only closed loops ran.
    pub offered_rate: Option<f64>,
    /// Operations sent a second, while load was offered.
    pub achieved_rate: f64,
    /// Rendezvous of this phase: how close together they really struck.
    pub rendezvous: Option<RendezvousRecord>,
    /// How messages reached people; `None` where nobody said anything.
    #[serde(default)]
    pub deliveries: Option<DeliveryRecord>,
    /// People who had themselves erased in it, or before; `None` where that concerned nobody.
    #[serde(default)]
    pub erasure: Option<ErasureRecord>,
    /// One point for each second of the phase.
    pub timeline: Vec<TimelinePoint>,
    /// How response times were spread, over time; `None` where nothing was answered.
    #[serde(default)]
    pub heat: Option<HeatRecord>,
}

/// How much of what a schedule asks for may be unanswered when it ends: a second of it is latency, more is
/// a server that does not keep up.
const BEHIND_SECONDS: f64 = 1.0;

impl PhaseRecord {
    /// How many operations were done with while load was offered, of how many that a schedule asked for, if
    /// more than a second of them was still unanswered when the load ended.
    #[must_use]
    pub fn fell_behind(&self) -> Option<(u64, u64)> {
        // Of a record that has no seconds nothing is known.
        let offered = self.offered_rate.filter(|_| !self.timeline.is_empty())?;
        let ended_s = (self.started_ns + self.duration_ns) as f64 / 1e9;
        let in_time = self.timeline.iter().filter(|point| point.at_s < ended_s);
        let answered: u64 = in_time.map(|point| point.answered + point.failed).sum();
        let sent = self.conservation.sent;
        let behind = sent.saturating_sub(answered) as f64;
        (offered * BEHIND_SECONDS < behind).then_some((answered, self.conservation.intended))
    }
}

/// Response times of everything answered, by the instant of the answer: columns of a heatmap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HeatRecord {
    /// How long a column is, nanoseconds; the first begins with the phase.
    pub column_ns: u64,
    /// A coarse histogram a column, in HdrHistogram's compressed V2 format, base64; values in
    /// nanoseconds.
    pub columns: Vec<String>,
}

/// How the messages of a phase reached the people they are for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryRecord {
    /// Sent.
    pub messages: u64,
    /// Shown to somebody who was subscribed when the message was intended, other than its sender.
    pub receipts: u64,
    /// Shown to somebody who was away then, on coming back.
    pub caught_up: u64,
    /// Shown when the generator had forgotten the message: of an earlier phase, or very late.
    pub late: u64,
    /// A sample a receipt: shown minus intended by the sender.
    pub delivery: LatencyRecord,
    /// A sample a message: its last receipt minus intended.
    pub everybody: LatencyRecord,
    /// How long it took after the phase until everybody had everything.
    pub drain: DrainRecord,
    /// Those who came back from being away; `None` if nobody did.
    #[serde(default)]
    pub returns: Option<ReturnRecord>,
}

/// The end of a phase: every client compared with what the server has for it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DrainRecord {
    /// Until everybody had everything, or waiting ended, seconds.
    pub seconds: f64,
    /// Entries that clients lacked when waiting ended.
    pub missing: u64,
    /// Clients that lacked some, or did not learn whether they do.
    pub waiting: u64,
}

/// Clients that came back to what they had missed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReturnRecord {
    /// From beginning to connect to the last push of what was missed, nanoseconds.
    pub drain: QuantileRecord,
    /// Pushes that had been missed, of all of them.
    pub pending: u64,
    /// Pushes that one of them had missed, at most.
    pub pending_max: u64,
}

/// One operation of one phase, by outcome and by clock.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OperationRecord {
    /// Succeeded.
    pub ok: u64,
    /// Refused by a rule: an answer like any other.
    pub refused: u64,
    /// Refusals by code name.
    pub refused_by_code: BTreeMap<String, u64>,
    /// Not considered (busy and the like).
    pub error: u64,
    /// No answer in time.
    pub timeout: u64,
    /// Connection lost with the answer outstanding.
    pub unknown: u64,
    /// Answered (ok or refused): completed minus intended.
    pub response: LatencyRecord,
    /// Answered: completed minus sent.
    pub service: LatencyRecord,
    /// Sent minus intended: the generator's own lateness and its queueing.
    pub delay: LatencyRecord,
    /// Failed (error, timeout): completed minus intended. Never mixed with the answered.
    pub failed: LatencyRecord,
}

/// Every operation accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConservationRecord {
    /// The schedule asked for it.
    pub intended: u64,
    /// It left the generator.
    pub sent: u64,
    /// Given up before sending because the generator or its connection had no room.
    pub shed: u64,
    /// Still unsent when the phase was over.
    pub cancelled_at_end: u64,
    /// Answered: done.
    pub ok: u64,
    /// Answered: refused.
    pub refused: u64,
    /// Answered: not considered.
    pub error: u64,
    /// Not answered in time.
    pub timeout: u64,
    /// Connection lost while outstanding.
    pub unknown: u64,
}

impl ConservationRecord {
    /// Adds a part.
    pub fn add(&mut self, part: &Self) {
        self.intended += part.intended;
        self.sent += part.sent;
        self.shed += part.shed;
        self.cancelled_at_end += part.cancelled_at_end;
        self.ok += part.ok;
        self.refused += part.refused;
        self.error += part.error;
        self.timeout += part.timeout;
        self.unknown += part.unknown;
    }

    /// Whether nothing was lost or counted twice.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.intended == self.sent + self.shed + self.cancelled_at_end
            && self.sent == self.ok + self.refused + self.error + self.timeout + self.unknown
    }
}

/// People who had themselves erased, and with whom the load went on without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ErasureRecord {
    /// Who asked to be erased. Whatever they were told, they take no further part.
    pub people: u64,
    /// What the schedule would have had them do after that, and nobody did: each is where one run
    /// through a flow ended, and is no intended operation.
    pub left_out: u64,
}

/// How close together the clients of a rendezvous were released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RendezvousRecord {
    /// Clients in each.
    pub clients: u32,
    /// How many took place.
    pub times: u32,
    /// How many the plan has; 0 in records of before this was counted.
    #[serde(default)]
    pub planned: u32,
    /// First to last send, over all of them, nanoseconds.
    pub spread: QuantileRecord,
    /// The spread the scenario allows, nanoseconds.
    pub spread_max_ns: u64,
    /// Rendezvous that stayed within it.
    pub within: u32,
}

/// One second of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TimelinePoint {
    /// Seconds after the run's start.
    pub at_s: f64,
    /// Operations the schedule asked for in this second.
    pub intended: u64,
    /// Sent in this second; 0 in records of before this was counted.
    #[serde(default)]
    pub sent: u64,
    /// Answered in this second.
    pub answered: u64,
    /// Failed in this second.
    pub failed: u64,
    /// Response time of those answered, nanoseconds.
    pub response_p50: u64,
    /// Response time of those answered, nanoseconds.
    pub response_p99: u64,
    /// Response time of those answered, nanoseconds.
    pub response_max: u64,
}
