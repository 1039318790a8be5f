//! Same seed, same bytes; and the draws are the ones the scenario asked for.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Address, Arrival, ChatStep, Drawn, DrawnCall, Instance, Pace, Pause, Plan, PlanOptions, Ref,
    SalesStep,
};
use crate::scenario::Scenario;

/// The scenario of one phase over a small world.
fn scenario(phase: &str) -> Scenario {
    let text = format!(
        r#"
name = "small"
[world]
users = 50
agendas = 3
days = 2
slots = 4
[[phase]]
name = "only"
{phase}
[flow.book]
steps = [
  {{ reserve = {{ agenda = "zipf(1.1)" }}, save = "booking" }},
  {{ wait = "5ms..20ms" }},
  {{ cancel = {{ booking = "$booking" }}, probability = 0.5 }},
]
[flow.fresh]
steps = [{{ reserve = {{ agenda = "round", day = "round", slot = "round" }} }}]
[flow.all]
steps = [
  {{ hold = {{ seconds = 9, slot = 2 }}, save = "held" }},
  {{ confirm = {{ booking = "$held" }} }},
  {{ join_waitlist = {{ agenda = 1 }}, probability = 0 }},
  {{ leave_waitlist = {{ agenda = "same", day = "same", slot = "same" }} }},
  {{ list_slots = {{ agenda = "same", day = "same" }} }},
  {{ my_bookings = {{}} }},
  {{ wait = "exp(1ms)" }},
]
"#
    );
    Scenario::parse("small.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(phase: &str, seed: u64) -> Plan {
    let options = PlanOptions {
        seed: Some(seed),
        ..PlanOptions::default()
    };
    Plan::new(&scenario(phase), &options).unwrap_or_else(|error| panic!("{error}"))
}

/// An open loop of this rate for this long.
fn open(seconds: u32, rate: &str, arrival: &str) -> String {
    format!(
        "duration = \"{seconds}s\"\nload = [{{ flow = \"book\", rate = {rate}, arrival = \"{arrival}\" }}]"
    )
}

fn arrivals(phase: &str, seed: u64) -> Vec<Arrival> {
    plan(phase, seed).arrivals(0, 0).collect()
}

fn steps(plan: &Plan, instance: &Instance) -> Vec<Drawn> {
    let mut draws = instance.draws(plan);
    std::iter::from_fn(|| draws.next(plan)).collect()
}

#[test]
fn same_seed_means_same_bytes() {
    let phase = open(5, "{ from = 100, to = 900 }", "poisson");
    let bytes = |seed| {
        let mut bytes = Vec::new();
        plan(&phase, seed)
            .write_to(&mut bytes)
            .expect("memory takes every byte");
        bytes
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
    assert_eq!(
        plan(&phase, 7).hash(),
        blake3::hash(&bytes(7)).to_hex().to_string()
    );
}

#[test]
fn bytes_stay_what_they_were() {
    // A change here means that old seeds make other runs: say so in the changelog.
    let closed = r#"duration = "1s"
load = [{ flow = "book", rate = 20, arrival = "poisson" }, { flow = "all", clients = 2, in_flight = 2, think = "exp(5ms)" }]"#;
    insta::assert_snapshot!(plan(closed, 1).summary().to_string());
}

#[test]
fn draws_stay_what_they_were() {
    let phase = r#"duration = "1s"
load = [{ flow = "book", rate = 5, arrival = "poisson" }, { flow = "all", clients = 2, think = "5ms..9ms" }]"#;
    let plan = plan(phase, 1);
    let mut shown = String::new();
    for Arrival {
        at,
        client,
        instance,
    } in plan.arrivals(0, 0)
    {
        writeln!(
            shown,
            "{at} ns, client {client}: {:?}",
            steps(&plan, &instance)
        )
        .unwrap();
    }
    let mut lane = plan.lane(0, 1, 1, 0);
    for _ in 0..2 {
        let (instance, think) = lane.next();
        writeln!(shown, "think {think} ns: {:#?}", steps(&plan, &instance)).unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn even_arrivals_are_at_i_divided_by_the_rate() {
    for rate in [1_u64, 7, 999, 2_000] {
        let arrivals = arrivals(&open(3, &rate.to_string(), "even"), 1);
        assert_eq!(arrivals.len() as u64, 3 * rate);
        for (index, arrival) in arrivals.iter().enumerate() {
            let exact = index as u64 * 1_000_000_000;
            let rounded = (exact + rate / 2) / rate;
            assert_eq!(arrival.at, rounded, "arrival {index} at {rate}/s");
            assert_eq!(arrival.instance.round as usize, index);
        }
    }
}

#[test]
fn a_ramp_reaches_the_rates_it_says() {
    for (from, to) in [(1_000, 3_000), (3_000, 1_000)] {
        let rate = format!("{{ from = {from}, to = {to} }}");
        let arrivals = arrivals(&open(10, &rate, "even"), 1);
        assert_eq!(arrivals.len(), 20_000);
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
        for second in 0..10_u32 {
            // The integral of the ramp over this second.
            let (from, to) = (f64::from(from), f64::from(to));
            let expected = from + (to - from) * (2.0 * f64::from(second) + 1.0) / 20.0;
            let within = |at| at / 1_000_000_000 == u64::from(second);
            let counted = arrivals.iter().filter(|arrival| within(arrival.at)).count();
            let error = (counted as f64 - expected).abs();
            assert!(error <= 1.0, "second {second}: {counted}, not {expected}");
        }
    }
}

#[test]
fn poisson_arrivals_have_the_mean_and_the_spread_of_one() {
    for (rate, mean) in [
        ("2_000", [20.0, 20.0]),
        ("{ from = 1_000, to = 3_000 }", [12.5, 27.5]),
    ] {
        let mut counts = vec![0_u32; 1_000];
        for arrival in arrivals(&open(10, rate, "poisson"), 5) {
            counts[usize::try_from(arrival.at / 10_000_000).unwrap()] += 1;
        }
        // First and last quarter, in buckets of 10 ms.
        for (counts, mean) in [(&counts[..250], mean[0]), (&counts[750..], mean[1])] {
            let n = counts.len() as f64;
            let sum: f64 = counts.iter().map(|count| f64::from(*count)).sum();
            let measured = sum / n;
            let variance = counts
                .iter()
                .map(|count| (f64::from(*count) - measured).powi(2))
                .sum::<f64>()
                / n;
            // Four standard deviations of the mean, and of the index of dispersion.
            let slack = 4.0 * (mean / n).sqrt();
            assert!(
                (measured - mean).abs() < slack,
                "mean {measured}, not {mean} at {rate}"
            );
            // A ramp adds its own slope to the variance; it is below a tenth here.
            let dispersion = variance / measured;
            assert!(
                (0.6..1.5).contains(&dispersion),
                "dispersion {dispersion} at {rate}"
            );
        }
    }
}

#[test]
fn every_user_arrives() {
    let mut counts = BTreeMap::new();
    for arrival in arrivals(&open(5, "2_000", "even"), 9) {
        *counts.entry(arrival.client).or_insert(0_u32) += 1;
    }
    assert_eq!(counts.len(), 50);
    assert!(
        counts.values().all(|count| (130..=270).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn zipf_picks_have_the_shares_of_zipf() {
    let plan = plan(&open(10, "2_000", "even"), 4);
    let mut counts = [0_u32; 3];
    for arrival in plan.arrivals(0, 0) {
        let Drawn::Call(DrawnCall::Reserve { place, .. }) = steps(&plan, &arrival.instance)[0]
        else {
            panic!("the first step reserves");
        };
        assert!(place.day < 2 && place.slot < 4);
        counts[place.agenda as usize] += 1;
    }
    let weights = [1.0, 2.0_f64.powf(-1.1), 3.0_f64.powf(-1.1)];
    for (count, weight) in counts.iter().zip(weights) {
        let expected = 20_000.0 * weight / weights.iter().sum::<f64>();
        assert!((f64::from(*count) - expected).abs() < 300.0, "{counts:?}");
    }
}

#[test]
fn half_of_the_coins_let_the_step_happen() {
    let plan = plan(&open(5, "2_000", "even"), 4);
    let taken = plan
        .arrivals(0, 0)
        .filter(|arrival| steps(&plan, &arrival.instance).len() == 3);
    assert!((4_800..=5_200).contains(&taken.count()));
}

#[test]
fn every_round_has_a_place_of_its_own_until_all_are_used() {
    let phase = r#"rendezvous = { clients = 5, times = 30 }
load = [{ flow = "fresh" }]"#;
    let plan = plan(phase, 1);
    let places = |client| {
        let mut lane = plan.lane(0, 0, client, 0);
        let places = (0..30).map(|_| match steps(&plan, &lane.next().0)[0] {
            Drawn::Call(DrawnCall::Reserve { place, .. }) => (place.agenda, place.day, place.slot),
            other => panic!("{other:?} is no reserve"),
        });
        places.collect::<Vec<_>>()
    };
    let first = places(0);
    assert_eq!(first, places(4), "everybody aims at the same place");
    let unique: std::collections::BTreeSet<_> = first.iter().take(24).collect();
    assert_eq!(unique.len(), 24);
    assert_eq!(first[..2], [(0, 0, 0), (0, 0, 1)]);
    assert_eq!(first[24..], first[..6]);
}

#[test]
fn same_repeats_the_place_even_of_a_step_not_taken() {
    let plan = plan(
        r#"duration = "1s"
load = [{ flow = "all", clients = 1 }]"#,
        2,
    );
    let drawn = steps(&plan, &plan.lane(0, 0, 0, 0).next().0);
    assert_eq!(drawn.len(), 6, "the join has probability 0: {drawn:?}");
    let [_, _, Drawn::Call(DrawnCall::LeaveWaitlist { place }), ..] = drawn.as_slice() else {
        panic!("{drawn:?}");
    };
    assert_eq!(place.agenda, 1);
}

#[test]
fn lanes_do_not_depend_on_each_other() {
    let phase = r#"duration = "1s"
load = [{ flow = "book", clients = 3, in_flight = 2 }]"#;
    let plan = plan(phase, 2);
    let first = |client, lane| plan.lane(0, 0, client, lane).next().0.seed;
    let seeds = [first(0, 0), first(0, 1), first(1, 0), first(1, 1)];
    let unique: std::collections::BTreeSet<_> = seeds.into_iter().collect();
    assert_eq!(unique.len(), 4);
    assert_eq!(first(1, 1), seeds[3]);
}

#[test]
fn pauses_have_their_mean_and_their_bounds() {
    let draw = |pause: Pause| {
        let mut lane = plan(
            "duration = \"1s\"\nload = [{ flow = \"book\", clients = 1 }]",
            3,
        )
        .lane(0, 0, 0, 0);
        let drawn: Vec<u64> = (0..10_000)
            .map(|_| pause.draw(lane.next().0.seed))
            .collect();
        let mean = drawn.iter().sum::<u64>() / 10_000;
        (
            drawn.iter().copied().min().unwrap(),
            mean,
            drawn.iter().copied().max().unwrap(),
        )
    };
    assert_eq!(draw(Pause::Fixed(5)), (5, 5, 5));
    let (least, mean, most) = draw(Pause::Between(1_000, 3_000));
    assert!(least >= 1_000 && most < 3_001 && (1_980..2_020).contains(&mean));
    let (least, mean, most) = draw(Pause::Exponential(1_000_000));
    assert!(least < 1_000 && most > 6_000_000 && (960_000..1_040_000).contains(&mean));
}

#[test]
fn scales_stretch_time_and_rates() {
    let scaled = |phase: &str, time_scale, rate_scale| {
        Plan::new(
            &scenario(phase),
            &PlanOptions {
                seed: None,
                time_scale,
                rate_scale,
            },
        )
    };
    let phase = open(10, "100", "even");
    let plan = scaled(&phase, 0.5, 3.0).unwrap();
    assert_eq!(plan.arrivals(0, 0).count(), 1_500);
    let rendezvous = "rendezvous = { clients = 5, times = 30 }\nload = [{ flow = \"fresh\" }]";
    let plan = scaled(rendezvous, 0.1, 1.0).unwrap();
    assert!(matches!(
        plan.phases[0].loads[0].pace,
        Pace::Rendezvous { times: 3, .. }
    ));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1_001.0] {
        assert!(scaled(&phase, scale, 1.0).is_err(), "time scale {scale}");
        assert!(scaled(&phase, 1.0, scale).is_err(), "rate scale {scale}");
    }
    let error = scaled(&open(10, "1_000_000", "even"), 1_000.0, 1_000.0).unwrap_err();
    assert!(error.to_string().contains("smaller scale"), "{error}");
}

/// A scenario of people with roles, and steps whose parts are picked in every way.
fn systems() -> Plan {
    let text = r#"
name = "systems"
[world]
users = 20
devices = 2
rooms = 5
networks = 2
stores = 3
sellers = 4
managers = 3
[[phase]]
name = "all"
duration = "10s"
load = [
  { flow = "talk", rate = 50 },
  { flow = "sell", rate = 50, who = "sellers" },
  { flow = "ask", rate = 50, who = "managers" },
]
[flow.talk]
steps = [
  { send = { room = "zipf(1.1)", bytes = "10..20" } },
  { send = { room = "same", bytes = 5 } },
  { go_offline = "1ms..2ms" },
]
[flow.sell]
steps = [{ record_sale = { cents = "100..200" } }]
[flow.ask]
steps = [{ store_total = { store = "round" } }]
"#;
    let scenario = Scenario::parse("systems.toml", text).unwrap_or_else(|error| panic!("{error}"));
    Plan::new(&scenario, &PlanOptions::default()).expect("scales of 1")
}

#[test]
fn a_load_is_made_by_those_whose_it_is() {
    let plan = systems();
    for (load, clients) in [(0, 0..40), (1, 0..8), (2, 34..40)] {
        let mut seen: Vec<u32> = plan.arrivals(0, load).map(|start| start.client).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, clients.collect::<Vec<_>>(), "load {load}");
    }
}

#[test]
fn parts_stay_within_their_range_and_same_repeats_the_last_one() {
    let plan = systems();
    for start in plan.arrivals(0, 0) {
        let drawn = steps(&plan, &start.instance);
        let [
            Drawn::Call(first),
            Drawn::Call(second),
            Drawn::Offline(length),
        ] = drawn[..]
        else {
            panic!("{drawn:?}");
        };
        let said = |call| match call {
            DrawnCall::Chat {
                step:
                    ChatStep::Send {
                        to: Address::Room(Ref::Number(room)),
                        bytes: Ref::Number(bytes),
                    },
                save: None,
            } => (room, bytes),
            other => panic!("{other:?}"),
        };
        let ((room, bytes), (again, five)) = (said(first), said(second));
        assert!(room < 5 && (10..=20).contains(&bytes));
        assert_eq!((again, five), (room, 5));
        assert!((1_000_000..=2_000_000).contains(&length));
    }
    let rounds = plan.arrivals(0, 2).zip((0..6).cycle());
    for (start, store) in rounds {
        let wanted = SalesStep::StoreTotal {
            store: Ref::Number(store),
            days: 1,
        };
        let drawn = steps(&plan, &start.instance);
        assert_eq!(drawn, [Drawn::Call(DrawnCall::Sales(wanted))]);
    }
}

#[test]
fn a_plan_says_what_there_is_and_who_does_what() {
    insta::assert_snapshot!(systems().summary().to_string());
}
