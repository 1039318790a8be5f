//! The JSON Schema of the format, for editors: completion, and squiggles under typing mistakes.
//!
//! Shapes of the file as it is written, not of what it means: they exist to be described and are
//! never made. What a schema cannot say (a flow that exists, a pick below the world's range) is
//! said when the file is read. A test holds the keys here against those the reader knows.
//! It is long because the format is: one document, read from its top to its last key.

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
    /// What is broken on purpose.
    #[schemars(length(min = 1, max = 100))]
    fault: Option<Vec<FaultTable>>,
    /// What must be true for the run to pass.
    require: Option<RequireTable>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WorldTable {
    /// Users, each with a connection of their own.
    #[schemars(range(min = 1, max = 19_000))]
    users: u32,
    /// Clients of each user, each with a connection and a session of its own, 1 by default.
    #[schemars(range(min = 1, max = 8))]
    devices: Option<u32>,
    /// Agendas opened for the run, none by default.
    #[schemars(range(min = 1, max = 1_000))]
    agendas: Option<u32>,
    /// Days that picks go over, 1 by default: of agendas from tomorrow on, of sales back from today.
    #[schemars(range(min = 1, max = 365))]
    days: Option<u32>,
    /// Slots a day, 12 by default.
    #[schemars(range(min = 1, max = 1_440))]
    slots: Option<u16>,
    /// Places in a slot, 1 by default.
    #[schemars(range(min = 1, max = 1_000))]
    capacity: Option<u16>,
    /// Rooms, none by default.
    #[schemars(range(min = 1, max = 1_000))]
    rooms: Option<u32>,
    /// Users in each room, all of them by default.
    #[schemars(range(min = 1, max = 19_000))]
    room_members: Option<u32>,
    /// Groups, none by default.
    #[schemars(range(min = 1, max = 10_000))]
    groups: Option<u32>,
    /// Users in each group, 10 by default.
    #[schemars(range(min = 1, max = 256))]
    group_members: Option<u32>,
    /// Items of the catalogue, none by default.
    #[schemars(range(min = 1, max = 100_000))]
    items: Option<u32>,
    /// Words that names of items begin with, 100 by default.
    #[schemars(range(min = 1, max = 10_000))]
    words: Option<u32>,
    /// Networks of stores, none by default.
    #[schemars(range(min = 1, max = 100))]
    networks: Option<u32>,
    /// Stores of each network.
    #[schemars(range(min = 1, max = 1_000))]
    stores: Option<u32>,
    /// Users who sell: the first ones.
    #[schemars(range(min = 1, max = 19_000))]
    sellers: Option<u32>,
    /// Users who manage: the last ones.
    #[schemars(range(min = 1, max = 19_000))]
    managers: Option<u32>,
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
    /// All of it at once; exactly one, with only its flow and who makes it, in a rendezvous.
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
    /// Whose clients make it, `everybody` by default.
    who: Option<WhoWord>,
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
    /// Closes the connection and comes back after this: `20ms`, `5ms..20ms` or `exp(20ms)`.
    go_offline: Option<String>,
    /// Says something.
    send: Option<SendTable>,
    /// Makes a room.
    create_room: Option<NothingTable>,
    /// Joins one.
    join_room: Option<RoomTable>,
    /// Leaves one of its own.
    leave_room: Option<RoomTable>,
    /// Makes a group with two more people.
    create_group: Option<GroupTable>,
    /// Takes somebody into a group of its own.
    add_member: Option<MemberTable>,
    /// Puts somebody out of a group it made.
    remove_member: Option<MemberTable>,
    /// Leaves a group.
    leave_group: Option<OwnGroupTable>,
    /// Calls a group something else.
    rename_group: Option<OwnGroupTable>,
    /// Says that what it was shown last has arrived.
    mark_delivered: Option<NothingTable>,
    /// Says that what it was shown last was read.
    mark_read: Option<NothingTable>,
    /// Says that this device has everything it was shown.
    move_cursor: Option<NothingTable>,
    /// Reads the conversations it is in.
    list_conversations: Option<NothingTable>,
    /// Reads those with something undelivered.
    list_pending: Option<NothingTable>,
    /// Reads the rooms there are.
    list_rooms: Option<NothingTable>,
    /// Reads who is in a conversation.
    list_members: Option<MembersTable>,
    /// Reads a page of a conversation.
    read_history: Option<HistoryTable>,
    /// Reads who is here.
    list_presence: Option<NothingTable>,
    /// Says in passing that it is writing.
    typing: Option<TypingTable>,
    /// Asks in passing to be told when people come and go.
    watch_presence: Option<WatchTable>,
    /// Makes an item.
    register_item: Option<ItemTable>,
    /// Calls an item something else.
    rename_item: Option<RenameTable>,
    /// Gives an item another type.
    retype_item: Option<RetypeTable>,
    /// Takes an item out.
    remove_item: Option<OneItemTable>,
    /// Puts an item among one's favourites.
    add_favourite: Option<OneItemTable>,
    /// Takes it out of them.
    remove_favourite: Option<OneItemTable>,
    /// Looks for items by a word of their name.
    search_items: Option<WordTable>,
    /// Reads one's favourites.
    list_favourites: Option<NothingTable>,
    /// Sells something in one's own store.
    record_sale: Option<SaleTable>,
    /// What somebody sold.
    seller_total: Option<SellerTable>,
    /// What a store sold.
    store_total: Option<StoreTable>,
    /// What a network sold.
    network_total: Option<NetworkTable>,
    /// Who sold the most.
    best_seller: Option<OneNetworkTable>,
    /// Which store sold the most.
    best_store: Option<OneNetworkTable>,
    /// Has whoever takes it forgotten; they take no step after it.
    erase_me: Option<NothingTable>,
    /// Remembers what the step makes under this name.
    save: Option<String>,
    /// How often the step is taken, 1 by default.
    #[schemars(range(min = 0.0, max = 1.0))]
    probability: Option<f64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PlaceTable {
    /// Population the agendas.
    agenda: Option<PickValue>,
    /// Population the days.
    day: Option<PickValue>,
    /// Population the slots of a day.
    slot: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HoldTable {
    /// Population the agendas.
    agenda: Option<PickValue>,
    /// Population the days.
    day: Option<PickValue>,
    /// Population the slots of a day.
    slot: Option<PickValue>,
    /// For how long, 30 by default.
    #[schemars(range(min = 1, max = 3_600))]
    seconds: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DayTable {
    /// Population the agendas.
    agenda: Option<PickValue>,
    /// Population the days.
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
struct SendTable {
    /// Everybody.
    to: Option<PublicWord>,
    /// Population its rooms, or `$name`.
    room: Option<PickValue>,
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
    /// Population the users.
    user: Option<PickValue>,
    /// Bytes of it, 100 by default.
    bytes: Option<AmountValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TypingTable {
    /// Everybody.
    to: Option<PublicWord>,
    /// Population its rooms, or `$name`.
    room: Option<PickValue>,
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
    /// Population the users.
    user: Option<PickValue>,
    /// Began (by default) or stopped.
    on: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MembersTable {
    /// `last`.
    of: Option<OfWord>,
    /// Population its rooms, or `$name`.
    room: Option<PickValue>,
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HistoryTable {
    /// `public`, or `last`: the conversation it was shown an entry of last.
    of: Option<OfWord>,
    /// Population its rooms, or `$name`.
    room: Option<PickValue>,
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
    /// From the newest (by default) or from the oldest.
    direction: Option<DirectionWord>,
    /// The most entries, 50 by default.
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u16>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RoomTable {
    /// Which, or `$name`.
    room: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct GroupTable {
    /// One of the users.
    first: Option<PickValue>,
    /// Another one.
    second: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MemberTable {
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
    /// Population the users.
    user: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OwnGroupTable {
    /// Population its groups, or `$name`.
    group: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ItemTable {
    /// Population the types.
    r#type: Option<PickValue>,
    /// Population the words.
    word: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RenameTable {
    /// Population the items, or `$name`.
    item: Option<PickValue>,
    /// Population the words.
    word: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RetypeTable {
    /// Population the items, or `$name`.
    item: Option<PickValue>,
    /// Population the types.
    r#type: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OneItemTable {
    /// Population the items, or `$name`.
    item: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WordTable {
    /// Population the words.
    word: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SaleTable {
    /// For how much, 1000 by default.
    cents: Option<AmountValue>,
    /// How many days ago.
    day: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SellerTable {
    /// Population the sellers.
    seller: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StoreTable {
    /// Population the stores, network by network.
    store: Option<PickValue>,
    /// Days up to today, 1 by default.
    #[schemars(range(min = 1, max = 3_660))]
    days: Option<u16>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NetworkTable {
    /// Population the networks.
    network: Option<PickValue>,
    /// Days up to today, 1 by default.
    #[schemars(range(min = 1, max = 3_660))]
    days: Option<u16>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OneNetworkTable {
    /// Population the networks.
    network: Option<PickValue>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct WatchTable {
    /// So many people after itself.
    #[schemars(range(min = 1, max = 256))]
    users: u16,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NothingTable {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FaultTable {
    /// A phase and a time in it, `race+10s`; or a window of it that instants are drawn from by the seed,
    /// `race+5s..25s`.
    at: String,
    /// Strikes again after this, as long as the phase has room.
    every: Option<String>,
    /// How often: of `every`, or drawn from the window.
    #[schemars(range(min = 1, max = 1_000))]
    times: Option<u32>,
    /// What is done.
    r#do: DeedWord,
    /// Of `kill-server` and `restart-server`: from the end of one to the start of the next, `500ms`
    /// (by default) or `100ms..2s`.
    restart_after: Option<String>,
    /// How long it stays broken, `1s` or `200ms..2s`; of all but `kill-server`, `restart-server` and `cut`.
    r#for: Option<String>,
    /// Of `cut` and `half-open`: `all` (by default) or a percentage of the connections.
    #[schemars(regex(pattern = r"^(all|[0-9]{1,3} *%)$"))]
    share: Option<String>,
    /// Of `delay`: bytes arrive later by this.
    by: Option<String>,
    /// Of `delay`: and by up to so much more.
    jitter: Option<String>,
    /// Of `throttle`: what each connection carries each way.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    bytes_per_second: Option<u64>,
    /// Of `half-open`: which way bytes vanish, `both` by default.
    way: Option<WayWord>,
    /// Of `split-bytes`: the longest piece, 16 by default.
    #[schemars(range(min = 1, max = 65_535))]
    piece_max: Option<u16>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RequireTable {
    /// Names of laws; all of them by default.
    #[schemars(length(min = 1), extend("items" = { "enum": super::LAWS.as_slice() }))]
    laws: Option<Vec<String>>,
    /// How much of a race it must have been.
    contention: Option<ContentionTable>,
    /// How long the end of a phase waits for what is on its way, `5s` by default, `30s` with faults.
    drain: Option<String>,
    /// How late the generator may wake at its 99th percentile, `5ms` by default.
    lateness_max: Option<String>,
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
#[schemars(rename_all = "kebab-case")]
enum DeedWord {
    KillServer,
    PauseServer,
    RestartServer,
    Cut,
    Delay,
    Throttle,
    HalfOpen,
    SplitBytes,
    ReconnectStorm,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum WayWord {
    ToServer,
    ToClient,
    Both,
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
#[schemars(rename_all = "lowercase")]
enum WhoWord {
    Everybody,
    Sellers,
    Managers,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum PublicWord {
    Public,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OfWord {
    Public,
    Last,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum DirectionWord {
    Backwards,
    Forwards,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum AmountValue {
    /// Always so much.
    Fixed(u32),
    /// `10..200`: anything between the two.
    Drawn(#[schemars(regex(pattern = r"^[0-9_ ]+\.\.[0-9_ ]+$"))] String),
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
    /// `uniform`, `zipf(1.1)`, `round` or `same`; `$name` for what an earlier step saved.
    Drawn(#[schemars(regex(pattern = r"^(uniform|round|same|zipf\(.+\)|\$.+)$"))] String),
}

/// The JSON Schema of a scenario file.
#[must_use]
pub fn schema() -> String {
    let generator = SchemaGenerator::new(SchemaSettings::draft07());
    let schema = generator.into_root_schema_for::<File>();
    let mut json =
        serde_json::to_string_pretty(schema.as_value()).expect("a schema is JSON already");
    json.push('\n');
    json
}
