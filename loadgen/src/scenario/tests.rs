//! What is wrong is said so that it can be mended; nothing a file holds makes us panic.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{
    ActionSpec, Bound, Clock, Comparison, Durability, LAWS_DEFAULT, Metric, PickSpec, Scenario,
    SelectSpec, Share, Statistic,
};
use crate::plan::{Address, ChatStep, Pace, Pause, Plan, PlanOptions, Population, Who};

/// A scenario that is right; the tests break one thing at a time.
const GOOD: &str = r#"
name = "good"
seed = 3

[world]
users = 100
agendas = 4
days = 5

[server]
durability = "full"

[[phase]]
name = "race"
duration = "10s"
load = [
  { flow = "book", rate = { from = 10, to = 20_000 }, arrival = "poisson" },
  { flow = "churn", clients = 16, think = "exp(20ms)" },
]

[[phase]]
name = "stampede"
rendezvous = { clients = 50, times = 20, spread_max = "2ms" }
load = [{ flow = "book" }]

[flow.book]
steps = [{ reserve = { agenda = "zipf(1.1)", slot = 3 } }]

[flow.churn]
steps = [
  { reserve = { agenda = "zipf(1.1)", slot = "uniform" }, save = "booking" },
  { wait = "5ms..20ms" },
  { cancel = { booking = "$booking" }, probability = 0.5 },
]

[require]
laws = ["no-double-booking", "real-time-order"]
contention = { per_key_min = 8 }

[require.thresholds]
"reserve.response.p99" = "< 50ms"
"rate.achieved" = ">= 0.97"
"#;

/// The good scenario with one thing replaced.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the good scenario");
    GOOD.replacen(from, to, 1)
}

/// What the scenario is refused with.
fn refusal(text: &str) -> String {
    match Scenario::parse("race.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn refusals(cases: &[(&str, &str)]) -> String {
    let shown = cases.iter().map(|(from, to)| refusal(&broken(from, to)));
    shown.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn reads_what_the_file_says() {
    let scenario = Scenario::parse("race.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((scenario.name.as_str(), scenario.seed), ("good", 3));
    assert_eq!((scenario.world.slots, scenario.world.capacity), (12, 1));
    assert_eq!(scenario.server.durability, Durability::Full);
    let [race, stampede] = scenario.phases.as_slice() else {
        panic!("two phases")
    };
    assert_eq!(
        race.loads[1].pace,
        Pace::Closed {
            clients: 16,
            in_flight: 1
        }
    );
    assert_eq!(race.loads[1].think, Pause::Exponential(20_000_000));
    assert!(matches!(
        stampede.loads[0].pace,
        Pace::Rendezvous {
            clients: 50,
            times: 20,
            ..
        }
    ));
    let names: Vec<&str> = scenario
        .flows
        .iter()
        .map(|flow| flow.name.as_str())
        .collect();
    assert_eq!(names, ["book", "churn"]);
    assert_eq!(scenario.require.per_key_min, Some(8));
    assert_eq!(
        scenario.require.laws,
        ["no-double-booking", "real-time-order"]
    );
}

#[test]
fn all_laws_are_required_when_none_is_named() {
    let text = broken(r#"laws = ["no-double-booking", "real-time-order"]"#, "");
    let scenario = Scenario::parse("race.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.require.laws, LAWS_DEFAULT);
}

#[test]
fn what_has_no_place_is_not_said_to_be_in_the_first_line() {
    let deep = format!(
        "{GOOD}\n[extra]\ndeep = {}{}\n",
        "[".repeat(1_000),
        "]".repeat(1_000)
    );
    let error = Scenario::parse("deep.toml", &deep).unwrap_err();
    assert!(error.to_string().contains("deep.toml"), "{error}");
    assert!(error.place().is_none_or(|(line, _)| line != 1), "{error}");
}

#[test]
fn unknown_names_are_refused_with_a_suggestion() {
    let shown = refusals(&[
        ("duration = \"10s\"", "duratoin = \"10s\""),
        ("seed = 3", "sede = 3"),
        ("users = 100", "user = 100"),
        ("clients = 50, times", "clients = 50, tims"),
        ("slot = 3", "slots = 3"),
        ("{ flow = \"book\", rate", "{ flow = \"bok\", rate"),
        ("$booking", "$boking"),
        ("\"$booking\"", "\"booking\""),
        ("real-time-order", "realtime-order"),
        ("reserve.response.p99", "reserve.respons.p99"),
        ("rate.achieved", "rate.acheived"),
        ("{ wait", "{ sleep"),
        ("{ wait = \"5ms..20ms\"", "{ erase_me = { user = 3 }"),
        ("\"full\"", "\"ful\""),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn values_out_of_range_are_refused_with_the_limit() {
    let shown = refusals(&[
        ("users = 100", "users = 20_000"),
        ("agendas = 4", "agendas = 0"),
        ("days = 5", "days = -1"),
        ("clients = 16", "clients = 0"),
        ("clients = 50", "clients = 101"),
        ("from = 10,", "from = 0,"),
        ("to = 20_000", "to = inf"),
        ("to = 20_000", "to = 2e6"),
        ("duration = \"10s\"", "duration = \"0s\""),
        ("duration = \"10s\"", "duration = \"25h\""),
        ("zipf(1.1)", "zipf(0)"),
        ("zipf(1.1)", "zipf(11)"),
        ("slot = 3", "slot = 12"),
        ("probability = 0.5", "probability = 1.5"),
        ("5ms..20ms", "20ms..5ms"),
        ("\"good\"", "\"../good\""),
    ]);
    insta::assert_snapshot!(shown);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let shown = refusals(&[
        ("duration = \"10s\"", "duration = 10"),
        ("duration = \"10s\"", "duration = \"soon\""),
        ("name = \"stampede\"", "name = \"race\""),
        ("clients = 16", "clients = 16, rate = 5"),
        ("clients = 16, think", "think"),
        (
            "arrival = \"poisson\" }",
            "arrival = \"poisson\", think = \"1s\" }",
        ),
        (
            "load = [{ flow = \"book\" }]",
            "load = [{ flow = \"book\" }, { flow = \"book\" }]",
        ),
        ("load = [{ flow = \"book\" }]", "load = []"),
        ("< 50ms", "50ms"),
        (">= 0.97", ">= 97ms"),
        ("slot = 3", "slot = \"same\""),
        ("slot = 3", "slot = \"random\""),
        (", save = \"booking\"", ""),
        (
            "{ wait = \"5ms..20ms\" }",
            "{ wait = \"5ms\", save = \"x\" }",
        ),
        (
            "{ wait = \"5ms..20ms\" }",
            "{ wait = \"5ms\", my_bookings = {} }",
        ),
        ("{ wait = \"5ms..20ms\" }", "{ probability = 1 }"),
        ("\">= 0.97\"", "\">= 0.97\"\n\"recovery\" = \"< 2s\""),
        ("users = 100", "users = "),
        ("users = 100\n", ""),
        ("name = \"good\"\n", ""),
    ]);
    insta::assert_snapshot!(shown);
}

/// The good scenario with a fault of these lines.
fn with_fault(lines: &str) -> String {
    GOOD.replacen("[require]", &format!("[[fault]]\n{lines}\n\n[require]"), 1)
}

#[test]
fn faults_of_every_kind_are_read() {
    let cases = [
        "at = \"race\"\ndo = \"kill-server\"",
        "at = \"race+1s\"\nevery = \"2s\"\ntimes = 3\ndo = \"restart-server\"\nrestart_after = \"0s\"",
        "at = \"race+1s..9s\"\ntimes = 4\ndo = \"pause-server\"\nfor = \"1s..2s\"",
        "at = \"race+1s\"\ndo = \"cut\"\nshare = \"all\"",
        "at = \"race+1s\"\ndo = \"cut\"\nshare = \"30%\"",
        "at = \"race+1s\"\ndo = \"delay\"\nby = \"50ms\"\njitter = \"10ms\"\nfor = \"2s\"",
        "at = \"race+1s\"\ndo = \"throttle\"\nbytes_per_second = 10_000\nfor = \"2s\"",
        "at = \"race+1s\"\ndo = \"half-open\"\nshare = \"1%\"\nway = \"to-client\"\nfor = \"2s\"",
        "at = \"race+1s\"\ndo = \"split-bytes\"\npiece_max = 3\nfor = \"2s\"",
        "at = \"stampede+1s\"\ndo = \"reconnect-storm\"\nfor = \"2s\"",
    ];
    for lines in cases {
        let read = Scenario::parse("race.toml", &with_fault(lines));
        let scenario = read.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.faults.len(), 1, "{lines}");
        assert_eq!(scenario.require.drain.as_secs(), 30, "{lines}");
    }
}

#[test]
fn faults_that_make_no_sense_are_refused_with_a_remedy() {
    let cases = [
        "at = \"race+1s\"",
        "do = \"kill-server\"",
        "at = \"race+1s\"\ndo = \"kill-sever\"",
        "at = \"rase+1s\"\ndo = \"kill-server\"",
        "at = \"race+1\"\ndo = \"kill-server\"",
        "at = \"race+1s\"\ndo = \"kill-server\"\nfor = \"1s\"",
        "at = \"race+1s\"\ndo = \"kill-server\"\ntimes = 3",
        "at = \"race+1s..9s\"\ndo = \"kill-server\"\nevery = \"1s\"",
        "at = \"race+9s..1s\"\ndo = \"kill-server\"",
        "at = \"race+9700ms\"\ndo = \"kill-server\"",
        "at = \"race+1s..9s\"\ntimes = 20\ndo = \"kill-server\"",
        "at = \"race+1s\"\nevery = \"100ms\"\ndo = \"kill-server\"",
        "at = \"race+1s\"\ntimes = 0\ndo = \"kill-server\"",
        "at = \"race+1s\"\ndo = \"pause-server\"",
        "at = \"race+1s\"\ndo = \"pause-server\"\nfor = \"exp(1s)\"",
        "at = \"race+1s\"\ndo = \"pause-server\"\nfor = \"0s\"",
        "at = \"race+1s\"\ndo = \"cut\"\nshare = \"101%\"",
        "at = \"race+1s\"\ndo = \"cut\"\nshare = 30",
        "at = \"race+1s\"\ndo = \"delay\"\nfor = \"1s\"",
        "at = \"race+1s\"\ndo = \"throttle\"\nbytes_per_second = 0\nfor = \"1s\"",
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|lines| refusal(&with_fault(lines)))
        .collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

/// A scenario of the chat, the catalogue and the sales that is right.
const SYSTEMS: &str = r#"
name = "systems"

[world]
users = 40
devices = 2
rooms = 4
groups = 6
items = 30
networks = 2
stores = 3
sellers = 8
managers = 2

[[phase]]
name = "all"
duration = "1s"
load = [
  { flow = "talk", rate = 10 },
  { flow = "sell", rate = 10, who = "sellers" },
  { flow = "count", clients = 4, who = "managers" },
]

[flow.talk]
steps = [
  { send = { room = "zipf(1.1)", bytes = "10..200" } },
  { send = { room = "same" } },
  { create_group = {}, save = "group" },
  { send = { group = "$group" } },
  { read_history = { of = "last", direction = "forwards" } },
  { go_offline = "5ms..20ms" },
]

[flow.sell]
steps = [{ record_sale = { cents = 250 } }]

[flow.count]
steps = [{ store_total = { days = 7 } }, { rename_item = { item = 3 } }]
"#;

#[test]
fn steps_of_all_systems_are_read() {
    let scenario =
        Scenario::parse("systems.toml", SYSTEMS).unwrap_or_else(|error| panic!("{error}"));
    let world = &scenario.world;
    assert_eq!((world.room_members, world.group_members), (40, 10));
    assert_eq!(world.clients(), 80);
    let whos: Vec<Who> = scenario.phases[0]
        .loads
        .iter()
        .map(|load| load.who)
        .collect();
    assert_eq!(whos, [Who::Everybody, Who::Sellers, Who::Managers]);
    let zipf = SelectSpec::Pick(Population::OwnRooms, PickSpec::Zipf(1.1));
    assert_eq!(
        scenario.flows[0].steps[0].action,
        ActionSpec::Chat(ChatStep::Send {
            to: Address::Room(zipf),
            bytes: SelectSpec::Between(10, 200),
        })
    );
    assert_eq!(
        scenario.flows[0].steps[3].action,
        ActionSpec::Chat(ChatStep::Send {
            to: Address::Group(SelectSpec::Saved(0)),
            bytes: SelectSpec::Between(100, 100),
        })
    );
}

#[test]
fn what_makes_no_sense_in_a_system_is_refused_with_a_remedy() {
    let cases = [
        ("room = \"zipf(1.1)\"", "rooms = \"zipf(1.1)\""),
        ("room = \"zipf(1.1)\"", "to = \"everybody\""),
        ("room = \"zipf(1.1)\", ", ""),
        ("room = \"zipf(1.1)\"", "room = 0, user = 1"),
        ("room = \"zipf(1.1)\"", "room = 4"),
        ("room = \"zipf(1.1)\"", "room = \"same\""),
        ("\"10..200\"", "\"200..10\""),
        ("\"10..200\"", "5_000"),
        ("$group\"", "$goup\""),
        ("group = \"$group\"", "room = \"$group\""),
        (
            "{ send = { room = \"same\" } }",
            "{ send = { room = \"same\" }, save = \"x\" }",
        ),
        (
            "{ send = { room = \"same\" } }",
            "{ list_members = { of = \"public\" } }",
        ),
        (
            "{ send = { room = \"same\" } }",
            "{ create_room = {}, save = \"group\" }",
        ),
        ("read_history", "read_hisotry"),
        ("\"5ms..20ms\"", "{ for = \"5ms\" }"),
        (", who = \"sellers\"", ""),
        ("who = \"sellers\"", "who = \"managers\""),
        ("clients = 4, who = \"managers\"", "clients = 4"),
        ("clients = 4", "clients = 5"),
        ("who = \"managers\"", "who = \"manager\""),
        ("managers = 2\n", ""),
        ("rooms = 4\n", ""),
        ("groups = 6\n", "group_members = 6\n"),
        ("networks = 2\n", ""),
        ("devices = 2", "devices = 9"),
        ("users = 40", "users = 12_000"),
        ("record_sale = { cents = 250 }", "reserve = {}"),
    ];
    let shown = cases.map(|(from, to)| {
        assert!(SYSTEMS.contains(from), "`{from}` is not in the scenario");
        refusal(&SYSTEMS.replacen(from, to, 1))
    });
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn an_unreadable_file_is_named() {
    let error = Scenario::load(Path::new("no-such-scenario.toml")).unwrap_err();
    assert!(
        error.to_string().contains("no-such-scenario.toml"),
        "{error}"
    );
    assert_eq!(error.place(), None);
}

#[test]
fn a_file_that_is_far_too_long_is_not_read_to_its_end() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.as_file()
        .set_len(u64::try_from(super::FILE_BYTES_MAX).unwrap() * 1_000)
        .unwrap();
    let error = Scenario::load(file.path()).unwrap_err();
    assert!(
        error.to_string().contains("is it the right file?"),
        "{error}"
    );
}

#[test]
fn errors_know_their_place() {
    let error = Scenario::parse("race.toml", &broken("users = 100", "users = 0")).unwrap_err();
    assert_eq!(error.place(), Some((6, 9)));
    assert!(error.to_string().contains("race.toml:6:9"), "{error}");
}

#[test]
fn metrics_are_read_by_name() {
    let latency = |operation, clock, statistic| {
        Some(Metric::Latency {
            operation,
            clock,
            statistic,
        })
    };
    let cases = [
        (
            "reserve.response.p99",
            latency(Some(0), Clock::Response, Statistic::Quantile(990)),
        ),
        (
            "join_waitlist.service.max",
            latency(Some(4), Clock::Service, Statistic::Max),
        ),
        (
            "join-waitlist.delay.mean",
            latency(Some(4), Clock::Delay, Statistic::Mean),
        ),
        (
            "all.failed.p999",
            latency(None, Clock::Failed, Statistic::Quantile(999)),
        ),
        (
            "cancel.error",
            Some(Metric::Outcomes {
                operation: Some(1),
                share: Share::Error,
            }),
        ),
        ("rate.achieved", Some(Metric::RateAchieved)),
        ("rate", None),
        ("reserve", None),
        ("reserve.response", None),
        ("reserve.response.p99.x", None),
    ];
    for (text, metric) in cases {
        assert_eq!(Metric::parse(text), metric, "{text}");
    }
}

#[test]
fn bounds_hold_on_their_own_side_only() {
    let cases = [
        (Comparison::Below, [true, false, false]),
        (Comparison::AtMost, [true, true, false]),
        (Comparison::Above, [false, false, true]),
        (Comparison::AtLeast, [false, true, true]),
    ];
    for (comparison, expected) in cases {
        let bound = Bound {
            comparison,
            limit: 5.0,
        };
        assert_eq!(
            [4.0, 5.0, 6.0].map(|value| bound.holds(value)),
            expected,
            "{comparison:?}"
        );
        assert!(!bound.holds(f64::NAN), "{comparison:?}");
    }
}

#[test]
fn thresholds_on_latency_are_in_nanoseconds() {
    let scenario = Scenario::parse("race.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
    let threshold = &scenario.require.thresholds[0];
    assert_eq!(
        threshold.bound,
        Bound {
            comparison: Comparison::Below,
            limit: 50e6
        }
    );
    assert_eq!(
        (
            threshold.metric_text.as_str(),
            threshold.bound_text.as_str()
        ),
        ("reserve.response.p99", "< 50ms")
    );
}

#[test]
fn picks_say_what_they_mean() {
    for (text, pick) in [
        ("0", PickSpec::Fixed(0)),
        ("\"uniform\"", PickSpec::Uniform),
        ("\"round\"", PickSpec::Round),
        ("\"zipf(0.5)\"", PickSpec::Zipf(0.5)),
    ] {
        let file = broken("slot = 3", &format!("slot = {text}"));
        let scenario =
            Scenario::parse("race.toml", &file).unwrap_or_else(|error| panic!("{error}"));
        let ActionSpec::Reserve(place) = &scenario.flows[0].steps[0].action else {
            panic!("the first step reserves");
        };
        assert_eq!(place.slot, pick);
    }
}

#[test]
fn every_scenario_that_ships_parses_and_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("the scenarios ship with the sources") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan::new(&scenario, &PlanOptions::default()).expect("scales of 1");
        assert!(plan.summary().to_string().contains(&scenario.name));
        names.push(scenario.name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "booking-race",
            "booking-race-crash",
            "catalogue-browse",
            "erase-me",
            "everything",
            "everything-under-faults",
            "flash-sale",
            "mass-messaging",
            "offline-delivery",
            "offline-delivery-crash",
            "planted",
            "planted-crash",
            "planted-talk",
            "planted-trade",
            "receipts",
            "sales-day",
            "smoke",
            "soak",
            "steady",
        ]
    );
}

/// Parses; draws a little when that worked.
fn survive(text: &str) {
    let Ok(scenario) = Scenario::parse("any.toml", text) else {
        return;
    };
    let plan = Plan::new(&scenario, &PlanOptions::default()).expect("scales of 1");
    for (phase_index, phase) in plan.phases.iter().enumerate() {
        for load_index in 0..phase.loads.len() {
            let arrivals = plan.arrivals(phase_index, load_index).take(20);
            let mut lane = plan.lane(phase_index, load_index, 0, 0);
            let instances = arrivals.map(|arrival| arrival.instance).collect::<Vec<_>>();
            for instance in instances.into_iter().chain([lane.next().0]) {
                let mut draws = instance.draws(&plan);
                while draws.next(&plan).is_some() {}
            }
        }
    }
}

/// ChunkedVec that mean something to the format, to break files with.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            "=",
            "\"",
            "0",
            "-1",
            "1e308",
            "nan",
            "99999999999999999999",
            "zipf(1e-9)",
            "zipf()",
            "exp(1000000h)",
            "..",
            "\"$\"",
            "\n",
            "[[phase]]",
            "true",
            "\u{e9}",
            "\u{0}",
            "\r",
            "1979-05-27",
            "0x10",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        survive(&text);
    }

    #[test]
    fn any_broken_scenario_is_read_or_refused(
        cuts in proptest::collection::vec((0..GOOD.len(), 0..12_usize, piece()), 1..4),
    ) {
        let mut text = GOOD.to_owned();
        for (start, length, replacement) in cuts {
            let start = text.floor_char_boundary(start.min(text.len()));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &replacement);
        }
        survive(&text);
    }
}

/// The keys that the schema gives a table.
fn schema_keys(pointer: &str) -> Vec<String> {
    let schema: serde_json::Value = serde_json::from_str(&super::schema()).expect("JSON");
    let properties = schema.pointer(&format!("{pointer}/properties"));
    let properties = properties.and_then(serde_json::Value::as_object);
    properties
        .expect("a table in the schema")
        .keys()
        .cloned()
        .collect()
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    use super::{chat, fault, flow, load, require, trade, validate, world};
    let cases: [(&str, &[&str]); 23] = [
        ("WorldTable", &world::WORLD_KEYS),
        ("SendTable", &chat::SEND_KEYS),
        ("TypingTable", &chat::TYPING_KEYS),
        ("MembersTable", &chat::MEMBERS_KEYS),
        ("HistoryTable", &chat::HISTORY_KEYS),
        ("MemberTable", &chat::MEMBER_KEYS),
        ("GroupTable", &chat::GROUP_KEYS),
        ("ItemTable", &trade::ITEM_KEYS),
        ("RenameTable", &trade::RENAME_KEYS),
        ("RetypeTable", &trade::RETYPE_KEYS),
        ("SaleTable", &trade::SALE_KEYS),
        ("StoreTable", &trade::STORE_KEYS),
        ("NetworkTable", &trade::NETWORK_KEYS),
        ("ServerTable", &validate::SERVER_KEYS),
        ("PhaseTable", &load::PHASE_KEYS),
        ("RendezvousTable", &load::RENDEZVOUS_KEYS),
        ("LoadTable", &load::LOAD_KEYS),
        ("RampTable", &load::RATE_KEYS),
        ("StepTable", &flow::STEP_KEYS),
        ("HoldTable", &flow::HOLD_KEYS),
        ("FaultTable", &fault::FAULT_KEYS),
        ("RequireTable", &require::REQUIRE_KEYS),
        ("ContentionTable", &require::CONTENTION_KEYS),
    ];
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    for (shape, keys) in cases {
        assert_eq!(
            schema_keys(&format!("/definitions/{shape}")),
            sorted(keys),
            "{shape}"
        );
    }
    assert_eq!(schema_keys(""), sorted(&validate::FILE_KEYS));
}
