//! What was broken: on purpose while load was offered, and the server's plug pulled at the end.
//!
//! Each fault with the proof that it was injected, and what became of the commands in between. Deliberately
//! absent: whether answers were kept all the same (the laws say that).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// When it was injected, nanoseconds after the run's start; `None` if it did not.
    pub struck_ns: Option<u64>,
    /// When it was undone: the next server was ready, the process went on, the network was whole.
    pub mended_ns: Option<u64>,
    /// When the first call was answered that was asked after it; where the server's process was hit,
    /// after it was undone too.
    pub answered_ns: Option<u64>,
    /// From the injection to that answer, nanoseconds: how long it took until calls succeeded again.
    pub recovery_ns: Option<u64>,
    /// How it is known that it was injected, or why it is taken not to have.
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
    /// ChunkedVec that bytes were delivered in.
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
