//! Same seed, same bytes; and the draws are the ones the scenario asked for.

use super::{Plan, PlanOptions};
use crate::scenario::Scenario;

/// A plan of a scenario with this phase, over a small world.
fn plan(phase: &str, seed: u64) -> Plan {
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
"#
    );
    let scenario = Scenario::parse("small.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    Plan::new(
        &scenario,
        &PlanOptions {
            seed: Some(seed),
            ..PlanOptions::default()
        },
    )
    .unwrap()
}

const POISSON: &str = r#"duration = "10s"
load = [{ flow = "book", rate = 2_000, arrival = "poisson" }]"#;

#[test]
fn same_seed_means_same_bytes() {
    assert_eq!(plan(POISSON, 7).hash(), plan(POISSON, 7).hash());
    assert_ne!(plan(POISSON, 7).hash(), plan(POISSON, 8).hash());
}
