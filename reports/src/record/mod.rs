//! The record of one run: everything a report is rendered from, and what `run.json` holds.
//!
//! The load generator fills it in; renderers read it. Plain numbers and words, versioned, with a
//! JSON Schema committed beside the crate. Here is the whole and what is said once a run; `phase` is
//! what was measured, `law` what was found, `fault` what was broken. Deliberately absent: servers,
//! sockets, clocks.

mod fault;
mod law;
mod phase;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    fault::{CrashRecord, DoubtRecord, FaultRecord, FaultsRecord, NetworkRecord, ProcessRecord},
    law::{
        LawRecord, OrderReason, PairRecord, ScopeRecord, Verdict, ViolationRecord, WitnessRecord,
    },
    phase::{
        ConservationRecord, DeliveryRecord, DrainRecord, ErasureRecord, HeatRecord,
        OperationRecord, PhaseRecord, RendezvousRecord, ReturnRecord, TimelinePoint,
    },
};

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
    /// Who else used the server while load was offered; `None` where nobody did.
    #[serde(default)]
    pub visitors: Option<VisitorsRecord>,
    /// Connections that ended before their clients wanted it.
    #[serde(default)]
    pub connections: ConnectionsRecord,
    /// What kept the run from being judged whole, in a sentence: its server ended, or did not hand its log
    /// over. `None` where nothing did.
    #[serde(default)]
    pub broke_off: Option<String>,
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
    /// Of somebody's own server, how much it can tell: 0 for answers and reads alone. `None` for a
    /// server of this program, whose log was read.
    #[serde(default)]
    pub level: Option<u8>,
}

/// Others who used the server of a run: what they did is set aside, and judged by no law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VisitorsRecord {
    /// Records of theirs in the log, since the run's set-up.
    pub records: u64,
    /// How many people's, as far as they were somebody.
    pub people: u64,
}

/// Connections that ended before their clients wanted it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionsRecord {
    /// All of them: closed by the server, broken, silent, or not understood.
    pub lost: u64,
    /// Of them, those that this program ended because it did not understand what came.
    pub unread: u64,
    /// What came on the first of those, in a sentence.
    pub why: Option<String>,
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

/// A histogram: its quantiles, and itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LatencyRecord {
    /// Nanoseconds.
    pub quantiles: QuantileRecord,
    /// The histogram in HdrHistogram's compressed V2 format, base64; values in nanoseconds.
    pub histogram: String,
}

/// A figure with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// What was counted.
    pub what: String,
    /// How many.
    pub count: u64,
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
    /// How late it started what was planned, a sample a start, nanoseconds.
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
