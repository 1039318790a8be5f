//! The JSON Schema of the format, for editors: completion, and squiggles under typing mistakes.
//!
//! Shapes of the file as it is written, not of what it means: they exist to be described and are
//! never made. What a schema cannot say (a flow that exists, a pick below the world's range) is
//! said when the file is read. A test holds the keys here against those the reader knows.

#![expect(dead_code, reason = "the shapes are described, never made")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};

/// A scenario of Stampede: who does what, how fast, and what must be true afterwards.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct File {
    /// Letters, digits, `-` and `_`; runs are stored under it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    name: String,
    /// One sentence for the report.
    description: Option<String>,
    /// Seed of every draw; `--seed` overrides it.
    seed: Option<u64>,
    /// What exists before the clock starts.
    world: WorldTable,
    /// How the embedded server is started.
    server: Option<ServerTable>,
    /// Load over time, one phase after the other.
    #[schemars(length(min = 1))]
    phase: Vec<PhaseTable>,
    /// What one visitor does, by name.
    flow: BTreeMap<String, FlowTable>,
    /// What must be true for the run to pass.
    require: Option<RequireTable>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WorldTable {
    /// Users, each with a connection of their own.
    #[schemars(range(min = 1, max = 19_000))]
    users: u32,
    /// Agendas opened for the run.
    #[schemars(range(min = 1, max = 1_000))]
    agendas: u32,
    /// Days of each agenda; the first is tomorrow.
    #[schemars(range(min = 1, max = 365))]
    days: u32,
    /// Slots a day, 12 by default.
    #[schemars(range(min = 1, max = 1_440))]
    slots: Option<u16>,
    /// Places in a slot, 1 by default.
    #[schemars(range(min = 1, max = 1_000))]
    capacity: Option<u16>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ServerTable {
    /// What an answer promises about the disk, `full` by default.
    durability: Option<DurabilityWord>,
    /// What a password costs, `test` by default.
    password_cost: Option<PasswordCostWord>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PhaseTable {
    /// Each phase another.
    name: String,
    /// Such as `30s`; for a rendezvous the longest it may take, `60s` by default.
    duration: Option<String>,
    /// Recorded, but no part of any verdict on speed.
    warmup: Option<bool>,
    /// Makes it a rendezvous phase: everybody at once, again and again.
    rendezvous: Option<RendezvousTable>,
    /// All of it at once; exactly one, with only its flow, in a rendezvous.
    #[schemars(length(min = 1))]
    load: Vec<LoadTable>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RendezvousTable {
    /// Clients taking part.
    #[schemars(range(min = 1, max = 19_000))]
    clients: u32,
    /// Releases.
    #[schemars(range(min = 1, max = 1_000_000))]
    times: u32,
    /// First to last send, `5ms` by default.
    spread_max: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LoadTable {
    /// What each start does.
    flow: String,
    /// Open loop: starts a second.
    rate: Option<RateValue>,
    /// Open loop: how starts are spread, `even` by default.
    arrival: Option<ArrivalWord>,
    /// Closed loop: clients taking part.
    #[schemars(range(min = 1, max = 19_000))]
    clients: Option<u32>,
    /// Closed loop: runs through the flow a client keeps going at once, 1 by default.
    #[schemars(range(min = 1, max = 64))]
    in_flight: Option<u32>,
    /// Closed loop: a pause before each, `20ms`, `5ms..20ms` or `exp(20ms)`.
    think: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RampTable {
    /// Starts a second at the beginning of the phase.
    from: f64,
    /// Starts a second at its end.
    to: f64,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FlowTable {
    /// One after the other.
    #[schemars(length(min = 1, max = 100))]
    steps: Vec<StepTable>,
}

/// One thing to do, and how.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StepTable {
    /// Takes a place.
    reserve: Option<PlaceTable>,
    /// Takes a place for a while.
    hold: Option<HoldTable>,
    /// Gives a place back.
    cancel: Option<BookingTable>,
    /// Keeps a held place.
    confirm: Option<BookingTable>,
    /// Queues for a slot.
    join_waitlist: Option<PlaceTable>,
    /// Leaves the queue.
    leave_waitlist: Option<PlaceTable>,
    /// Reads a day.
    list_slots: Option<DayTable>,
    /// Reads one's own bookings.
    my_bookings: Option<NothingTable>,
    /// Lets time pass: `20ms`, `5ms..20ms` or `exp(20ms)`.
    wait: Option<String>,
    /// Remembers the booking of a reserve or hold under this name.
    save: Option<String>,
    /// How often the step is taken, 1 by default.
    #[schemars(range(min = 0.0, max = 1.0))]
    probability: Option<f64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PlaceTable {
    /// Among the agendas.
    agenda: Option<PickValue>,
    /// Among the days.
    day: Option<PickValue>,
    /// Among the slots of a day.
    slot: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HoldTable {
    /// Among the agendas.
    agenda: Option<PickValue>,
    /// Among the days.
    day: Option<PickValue>,
    /// Among the slots of a day.
    slot: Option<PickValue>,
    /// For how long, 30 by default.
    #[schemars(range(min = 1, max = 3_600))]
    seconds: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DayTable {
    /// Among the agendas.
    agenda: Option<PickValue>,
    /// Among the days.
    day: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct BookingTable {
    /// `$name`, as an earlier step saved it.
    #[schemars(regex(pattern = r"^\$"))]
    booking: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NothingTable {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RequireTable {
    /// Names of laws; all of them by default.
    #[schemars(length(min = 1), extend("items" = { "enum": super::LAWS.as_slice() }))]
    laws: Option<Vec<String>>,
    /// How much of a race it must have been.
    contention: Option<ContentionTable>,
    /// Bounds by metric: `"reserve.response.p99" = "< 50ms"`.
    thresholds: Option<BTreeMap<String, String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ContentionTable {
    /// Attempts that the contended slots must have seen.
    #[schemars(range(min = 1))]
    per_key_min: u64,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum DurabilityWord {
    Full,
    Normal,
    None,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum PasswordCostWord {
    Test,
    Default,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum ArrivalWord {
    Even,
    Poisson,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum RateValue {
    /// The same all the time.
    Constant(f64),
    /// A straight line over the phase.
    Ramp(RampTable),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum PickValue {
    /// Always this one, from 0.
    Fixed(u32),
    /// `uniform`, `zipf(1.1)`, `round` or `same`.
    Drawn(#[schemars(regex(pattern = r"^(uniform|round|same|zipf\(.+\))$"))] String),
}

/// The JSON Schema of a scenario file.
#[must_use]
pub fn schema() -> String {
    let generator = SchemaGenerator::new(SchemaSettings::draft07());
    let schema = generator.into_root_schema_for::<File>();
    serde_json::to_string_pretty(schema.as_value()).expect("a schema is JSON already")
}
