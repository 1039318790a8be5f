//! The record of one run: everything a report is rendered from, and what `run.json` holds.
//!
//! The load generator fills it in; renderers read it. Plain numbers and words, versioned, with a
//! JSON Schema committed beside the crate. Deliberately absent: servers, sockets, clocks.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of this layout. A reader refuses a newer one.
pub const RECORD_VERSION: u32 = 1;

/// What one run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The scenario and how to run it again.
    pub scenario: ScenarioRecord,
    /// Where it ran.
    pub environment: EnvironmentRecord,
    /// In the order they ran.
    pub phases: Vec<PhaseRecord>,
    /// Every law that was asked for, whether or not it could be judged.
    pub laws: Vec<LawRecord>,
    /// Every threshold of the scenario.
    pub thresholds: Vec<ThresholdRecord>,
    /// How contended the keys really were.
    pub contention: ContentionRecord,
    /// What the generator cost and whether it kept its schedule.
    pub generator: GeneratorRecord,
    /// How the server came back after its plug was pulled; `None` where it was not.
    #[serde(default)]
    pub crash: Option<CrashRecord>,
    /// What was broken on purpose while load was offered; `None` where nothing was planned.
    #[serde(default)]
    pub faults: Option<FaultsRecord>,
    /// What the embedded server took while load was offered; `None` for another server.
    #[serde(default)]
    pub server_memory: Option<MemoryRecord>,
    /// Facts that a reader of the numbers must know first.
    pub cautions: Vec<String>,
    /// What it all comes to.
    pub verdict: RunVerdict,
}

/// The scenario of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The file it came from.
    pub path: String,
    /// The seed of every draw.
    pub seed: u64,
    /// The generator of every draw, by name.
    pub rng: String,
    /// BLAKE3 of the plan, hex: equal hashes, equal plans.
    pub plan_hash: String,
    /// Factor on every duration; 1 unless asked for.
    pub time_scale: f64,
    /// Factor on every rate; 1 unless asked for.
    pub rate_scale: f64,
    /// The command that runs it again.
    pub command: String,
}

/// Where a run ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentRecord {
    /// When it began, RFC 3339, UTC.
    pub started_at: String,
    /// This program's version.
    pub program: String,
    /// The target's address, or `embedded`.
    pub target: String,
    /// `full` when every acknowledgement waited for its fsync; anything else is labelled everywhere.
    pub durability: String,
    /// Planted bugs the server was built with; empty for an honest one.
    pub planted_bug: Option<String>,
    /// Processor model.
    pub cpu: String,
    /// Processors this process may use.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// `fdatasync` of a 4 KiB append on the run's disk, measured in the run, nanoseconds.
    pub fdatasync_ns: QuantileRecord,
}

/// Quantiles of one quantity, in nanoseconds unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct QuantileRecord {
    /// Samples.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile; `None` when fewer than ten samples lie beyond it. So below.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// 99.99th percentile.
    pub p9999: Option<u64>,
    /// Largest.
    pub max: u64,
    /// Arithmetic mean.
    pub mean: f64,
}

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

/// Response times of everything answered, by the instant of the answer: columns of a heat map.
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

/// A histogram: its quantiles, and itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LatencyRecord {
    /// Nanoseconds.
    pub quantiles: QuantileRecord,
    /// The histogram in HdrHistogram's compressed V2 format, base64; values in nanoseconds.
    pub histogram: String,
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

/// How close together the clients of a rendezvous struck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RendezvousRecord {
    /// Clients in each.
    pub clients: u32,
    /// How many took place.
    pub times: u32,
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

/// What a law found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LawRecord {
    /// Its name, as in scenario files.
    pub name: String,
    /// One sentence: what it demands.
    pub demands: String,
    /// Whether the scenario requires it.
    pub required: bool,
    /// What it found.
    pub verdict: Verdict,
    /// Why, where the verdict is `unknown`.
    pub reason: Option<String>,
    /// How sure: certificate, definite interval, or complete search.
    pub confidence: String,
    /// How much was looked at, in the law's own words and figures. A pass with zeros proves nothing.
    pub exercised: Vec<Count>,
    /// All violations there were.
    pub violation_count: u64,
    /// The first few, told in full.
    pub violations: Vec<ViolationRecord>,
    /// How far all of them reach; `None` where there are none.
    #[serde(default)]
    pub scope: Option<ScopeRecord>,
}

/// How far the violations of a law reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeRecord {
    /// How many of them these figures are of: of very many, the first.
    pub looked_at: u64,
    /// The clients whose operations they tell of.
    pub clients: u64,
    /// The things (slots, conversations, items, stores) that they are about.
    pub subjects: u64,
    /// The thing with most of them, and how many.
    pub worst: Option<Count>,
    /// When the first operation that they tell of was called, nanoseconds after the run's start.
    pub first_ns: Option<u64>,
    /// When the last one was over.
    pub last_ns: Option<u64>,
}

/// A figure with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// What was counted.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// One violation, told so that a person can follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ViolationRecord {
    /// One sentence in the words of the domain.
    pub sentence: String,
    /// The thing it is about: a slot, a conversation, an item, a store.
    #[serde(default)]
    pub about: Option<String>,
    /// The two to six operations that contradict each other.
    pub operations: Vec<WitnessRecord>,
    /// Why they are ordered as they are.
    pub order: String,
    /// The same, pair by pair, where both of a pair have times or positions.
    #[serde(default)]
    pub pairs: Vec<PairRecord>,
    /// What should have been.
    pub expected: String,
    /// What else was asked of the same thing around that time: a few before, during and after.
    #[serde(default)]
    pub window: Vec<WitnessRecord>,
}

/// Why one operation of a violation comes before another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PairRecord {
    /// The earlier one, by its index in `operations`.
    pub earlier: u32,
    /// The later one.
    pub later: u32,
    /// By what.
    pub by: OrderReason,
    /// The same as a sentence.
    pub sentence: String,
}

/// What puts one operation before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderReason {
    /// One was answered before the other was asked.
    RealTime,
    /// The same, by one client.
    Session,
    /// One stands before the other in the log.
    Log,
}

/// One operation of a violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessRecord {
    /// Who.
    pub client: String,
    /// What was asked.
    pub call: String,
    /// What was answered.
    pub answer: String,
    /// Nanoseconds after the run's start.
    pub invoked_ns: u64,
    /// Nanoseconds after the run's start; `None` when no answer came.
    pub completed_ns: Option<u64>,
    /// The position in the answer; 0 when there was none.
    pub seq: u64,
}

/// What a law can find.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Looked at, and kept.
    Valid,
    /// Not enough was looked at to tell.
    Unknown,
    /// Broken.
    Invalid,
}

/// A threshold and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdRecord {
    /// As in the scenario: what is measured.
    pub metric: String,
    /// As in the scenario: what it must be.
    pub bound: String,
    /// The phase it was measured in.
    pub phase: String,
    /// What was measured, in the words of a person; `None` when nothing was.
    pub measured: Option<String>,
    /// `None` when it could not be measured.
    pub passed: Option<bool>,
}

/// How contended the keys really were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContentionRecord {
    /// Keys that were written to at all.
    pub keys: u64,
    /// Keys that at least two clients wrote to at overlapping times.
    pub contended_keys: u64,
    /// Attempts on the most attempted keys, falling: key and attempts.
    pub hottest: Vec<Count>,
    /// Attempts a key, median over the keys.
    pub attempts_per_key_p50: u64,
    /// The most attempts in flight at once on one key.
    pub overlap_max: u64,
    /// The floor the scenario sets on attempts per key, if any.
    pub per_key_min: Option<u64>,
}

/// What the generator cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorRecord {
    /// Connections it held.
    pub connections: u64,
    /// Operations for each second of its processor time.
    pub operations_per_cpu_second: f64,
    /// Processor time used while load was offered, seconds.
    pub cpu_s: f64,
    /// Wall time while load was offered, seconds.
    pub wall_s: f64,
    /// Largest resident size, bytes.
    pub memory_bytes_max: u64,
    /// How late its pacer woke, nanoseconds.
    pub lateness: QuantileRecord,
    /// Bytes of recorded history.
    pub history_bytes: u64,
    /// Whether it kept up; when not, why not.
    pub saturated: Option<String>,
}

/// The resident size of a process while load was offered, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryRecord {
    /// When it began.
    pub first_bytes: u64,
    /// After half of it.
    pub half_bytes: u64,
    /// When it ended.
    pub last_bytes: u64,
    /// At most, looking once a second.
    pub max_bytes: u64,
}

/// A server that was killed without warning at the end of the run, and started again on what was
/// on the disk. The laws are judged on what it found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CrashRecord {
    /// The process that was killed.
    pub killed_pid: u32,
    /// The newest position the next one found.
    pub recovered_seq: u64,
    /// How long it took to rebuild its state from the log, milliseconds.
    pub recovered_ms: u64,
}

/// What was broken on purpose, and how the run came through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultsRecord {
    /// In the order in which they were planned.
    pub faults: Vec<FaultRecord>,
    /// Whether clients reached the server through a proxy in the generator, which costs latency.
    pub through_proxy: bool,
    /// Commands of which nobody knew for a while whether they had happened.
    pub doubts: DoubtRecord,
    /// Commands that were answered, each held against the log that was read back.
    pub acknowledged: u64,
    /// Of them, those that the log does not have.
    pub lost: u64,
    /// Commands that the log has twice.
    pub doubled: u64,
}

/// One planned fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRecord {
    /// What was to be done, as in scenario files, with its figures.
    pub what: String,
    /// The phase it was planned in.
    pub phase: String,
    /// When it was planned, nanoseconds after the phase's start.
    pub planned_ns: u64,
    /// When it struck, nanoseconds after the run's start; `None` if it did not.
    pub struck_ns: Option<u64>,
    /// When it was undone: the next server was ready, the process went on, the network was whole.
    pub mended_ns: Option<u64>,
    /// When the first call was answered that was asked after it; where the server's process was struck,
    /// after it was undone too.
    pub answered_ns: Option<u64>,
    /// From the strike to that answer, nanoseconds: how long it took until calls succeeded again.
    pub recovery_ns: Option<u64>,
    /// How it is known that it struck, or why it is taken not to have.
    pub proof: String,
    /// What happened to the server's process, where that was the fault.
    pub process: Option<ProcessRecord>,
    /// What happened to connections, where that was the fault.
    pub network: Option<NetworkRecord>,
}

/// A fault of the server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessRecord {
    /// The process that was struck.
    pub pid_before: u32,
    /// The process that answered afterwards.
    pub pid_after: u32,
    /// The newest position the next process found in the log; `None` where it stayed the same one.
    pub recovered_seq: Option<u64>,
    /// How long the next process took to rebuild its state, milliseconds; `None` as above.
    pub recovered_ms: Option<u64>,
}

/// A fault between clients and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NetworkRecord {
    /// Connections that felt it.
    pub connections: u64,
    /// Bytes that arrived later because of it.
    pub bytes_held: u64,
    /// Bytes that never arrived.
    pub bytes_dropped: u64,
    /// Pieces that bytes were delivered in.
    pub pieces: u64,
    /// Connections that were held and then let in all at once.
    pub let_in: u64,
    /// Connections that carried nothing and that neither side had given up when it was undone.
    #[serde(default)]
    pub unnoticed: u64,
}

/// Commands of which nobody knew for a while whether they had happened: they lost their connection
/// before their answer, or got none in time. Each was asked again under its key, or resolved from
/// the log. The first figure is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DoubtRecord {
    /// All of them.
    pub in_doubt: u64,
    /// Asked again and answered from the log: only the answer had been lost.
    pub had_happened: u64,
    /// Asked again and done only then: the command had been lost.
    pub had_not_happened: u64,
    /// Never answered; the log has it.
    pub found_in_log: u64,
    /// Never answered; the log does not have it.
    pub not_in_log: u64,
}

/// What a run comes to. The process exits with its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunVerdict {
    /// What it comes to.
    pub conclusion: Conclusion,
    /// Every reason it is not a pass, most severe first; empty for a pass.
    pub reasons: Vec<String>,
}

/// What a run can come to, and its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Every required law valid, every threshold met.
    Pass,
    /// Too little was exercised, or the generator could not keep up, to say anything.
    Inconclusive,
    /// A threshold was not met.
    ThresholdFailed,
    /// A law was broken.
    InvariantViolated,
    /// Stopped by the user before its end.
    Interrupted,
}
