//! A validated scenario becomes a plan: scaled to the machine, every pick's table made.

use std::time::Duration;

use crate::{
    plan::{
        Action, Flow, OpenLoop, Pace, Phase, Pick, PlacePick, Plan, STARTS_MAX, Select, Step,
        World, fault::Schedule,
    },
    scenario::{
        ActionSpec, FlowSpec, PickSpec, PlaceSpec, Scenario, ScenarioError, SelectSpec, StepSpec,
    },
};

/// A scale beyond this is a slip of the finger, not a wish.
const SCALE_MAX: f64 = 1_000.0;

/// What a run may change about a scenario without editing it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanOptions {
    /// Instead of the scenario's seed.
    pub seed: Option<u64>,
    /// Phases last this many times as long; rendezvous are this many times as many.
    pub time_scale: f64,
    /// Open loops start this many times as often.
    pub rate_scale: f64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            seed: None,
            time_scale: 1.0,
            rate_scale: 1.0,
        }
    }
}

impl Plan {
    /// Decides everything about a scenario.
    ///
    /// # Errors
    /// When a scale is not a number above 0 and up to 1,000, or the scaled load has more starts
    /// than [`STARTS_MAX`].
    pub fn new(scenario: &Scenario, options: &PlanOptions) -> Result<Self, ScenarioError> {
        check_scale(scenario, "time scale", options.time_scale)?;
        check_scale(scenario, "rate scale", options.rate_scale)?;
        let phases: Vec<Phase> = scenario
            .phases
            .iter()
            .map(|phase| scale_phase(phase, options))
            .collect();
        phases
            .iter()
            .try_for_each(|phase| check_starts(scenario, phase))?;
        let world = scenario.world.clone();
        let seed = options.seed.unwrap_or(scenario.seed);
        let scales: Vec<f64> = (phases.iter())
            .map(|phase| {
                if is_rendezvous(phase) {
                    1.0
                } else {
                    options.time_scale
                }
            })
            .collect();
        let schedule = Schedule {
            phases: &phases,
            scales: &scales,
            seed,
        };
        Ok(Self {
            name: scenario.name.clone(),
            seed,
            faults: schedule.plan(&scenario.faults),
            phases,
            flows: scenario
                .flows
                .iter()
                .map(|flow| compile_flow(flow, &world))
                .collect(),
            world,
        })
    }
}

fn check_scale(scenario: &Scenario, what: &str, scale: f64) -> Result<(), ScenarioError> {
    // Written so that a NaN is refused too.
    if scale > 0.0 && scale <= SCALE_MAX {
        return Ok(());
    }
    Err(ScenarioError::without_place(
        &scenario.label,
        &format!("the {what} is {scale}, but must be above 0 and at most {SCALE_MAX}"),
    ))
}

fn check_starts(scenario: &Scenario, phase: &Phase) -> Result<(), ScenarioError> {
    for load in &phase.loads {
        let Pace::Open(open) = &load.pace else {
            continue;
        };
        let starts = open.starts(phase.duration);
        if starts > STARTS_MAX {
            return Err(ScenarioError::without_place(
                &scenario.label,
                &format!(
                    "phase `{}` scaled like this is {starts:.0} starts, but a load has at most \
                     {STARTS_MAX:.0}; choose a smaller scale",
                    phase.name
                ),
            ));
        }
    }
    Ok(())
}

fn scale_phase(phase: &Phase, options: &PlanOptions) -> Phase {
    let mut scaled = phase.clone();
    if !is_rendezvous(phase) {
        scaled.duration = scale_duration(phase.duration, options.time_scale);
    }
    for load in &mut scaled.loads {
        match &mut load.pace {
            Pace::Open(open) => scale_rates(open, options.rate_scale),
            Pace::Rendezvous { times, .. } => *times = scale_times(*times, options.time_scale),
            Pace::Closed { .. } => {}
        }
    }
    scaled
}

fn is_rendezvous(phase: &Phase) -> bool {
    let mut loads = phase.loads.iter();
    loads.any(|load| matches!(load.pace, Pace::Rendezvous { .. }))
}

/// At least a millisecond, so that no phase is nothing.
fn scale_duration(duration: Duration, scale: f64) -> Duration {
    let scaled = Duration::try_from_secs_f64(duration.as_secs_f64() * scale);
    scaled
        .expect("a day times a thousand fits a duration")
        .max(Duration::from_millis(1))
}

fn scale_rates(open: &mut OpenLoop, scale: f64) {
    open.rate_from *= scale;
    open.rate_to *= scale;
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float cast saturates, and at least one release stays"
)]
fn scale_times(times: u32, scale: f64) -> u32 {
    ((f64::from(times) * scale).round() as u32).max(1)
}

fn compile_flow(flow: &FlowSpec, world: &World) -> Flow {
    let steps = flow
        .steps
        .iter()
        .map(|step| compile_step(step, world))
        .collect();
    Flow {
        name: flow.name.clone(),
        steps,
    }
}

fn compile_step(step: &StepSpec, world: &World) -> Step {
    let save = step.save;
    let place = |spec: &PlaceSpec| compile_place(spec, world);
    let select = |spec: &SelectSpec| compile_select(spec, world);
    let action = match &step.action {
        ActionSpec::Wait(pause) => Action::Wait(*pause),
        ActionSpec::Offline(pause) => Action::Offline(*pause),
        ActionSpec::Reserve(spec) => Action::Reserve {
            place: place(spec),
            save,
        },
        ActionSpec::Hold {
            place: spec,
            seconds,
        } => Action::Hold {
            place: place(spec),
            seconds: *seconds,
            save,
        },
        ActionSpec::Cancel { saved } => Action::Cancel { saved: *saved },
        ActionSpec::Confirm { saved } => Action::Confirm { saved: *saved },
        ActionSpec::JoinWaitlist(spec) => Action::JoinWaitlist { place: place(spec) },
        ActionSpec::LeaveWaitlist(spec) => Action::LeaveWaitlist { place: place(spec) },
        ActionSpec::ListSlots(spec) => Action::ListSlots { place: place(spec) },
        ActionSpec::MyBookings => Action::MyBookings,
        ActionSpec::EraseMe => Action::EraseMe,
        ActionSpec::Chat(spec) => Action::Chat {
            step: spec.map(select),
            save,
        },
        ActionSpec::Catalogue(spec) => Action::Catalogue {
            step: spec.map(select),
            save,
        },
        ActionSpec::Sales(spec) => Action::Sales(spec.map(select)),
    };
    Step {
        action,
        coin: compile_coin(step.probability),
    }
}

/// The coin of a probability: it happens when 64 random bits stay below it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability times 2^64; a float cast saturates"
)]
fn compile_coin(probability: f64) -> Option<u64> {
    const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;
    (probability < 1.0).then_some((probability * TWO_POW_64) as u64)
}

fn compile_select(spec: &SelectSpec, world: &World) -> Select {
    match *spec {
        SelectSpec::Pick(among, pick) => {
            let mut divisor = 1;
            Select::Pick(among, compile_pick(pick, among.count(world), &mut divisor))
        }
        SelectSpec::Between(from, to) => Select::Between(from, to),
        SelectSpec::Saved(number) => Select::Saved(number),
    }
}

/// Picks of one place that say `round` share it out: the slot moves fastest, then the day, then
/// the agenda, so that every round has a place of its own until all have been used.
fn compile_place(spec: &PlaceSpec, world: &World) -> PlacePick {
    let mut divisor = 1;
    let mut compile = |pick, range| compile_pick(pick, range, &mut divisor);
    let slot = compile(spec.slot, u32::from(world.slots));
    let day = compile(spec.day, world.days);
    let agenda = compile(spec.agenda, world.agendas);
    PlacePick { agenda, day, slot }
}

/// `divisor`: how many rounds one number of a round pick lasts; the next one's is behind it.
fn compile_pick(pick: PickSpec, range: u32, divisor: &mut u32) -> Pick {
    match pick {
        PickSpec::Uniform => Pick::Uniform(range),
        PickSpec::Zipf(exponent) => Pick::zipf(range, exponent),
        PickSpec::Fixed(number) => Pick::Fixed(number),
        PickSpec::Same => Pick::Same,
        PickSpec::Round => {
            let round = Pick::Round(*divisor, range);
            *divisor *= range;
            round
        }
    }
}
