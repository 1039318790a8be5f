//! Phases, and the load each of them offers.

use std::{ops::Range, time::Duration};

use super::{
    FlowSpec,
    diagnostic::suggest,
    reader::{Read, Table, Value},
    role::misplaced,
    value::read_pause,
};
use crate::plan::{Arrivals, Load, OpenLoop, Pace, Pause, Phase, STARTS_MAX, Who, World};

/// Phases last from a millisecond to a day: a longer soak is several runs.
const DURATIONS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));
/// How long a rendezvous phase may take when it does not say.
const RENDEZVOUS_DURATION: Duration = Duration::from_secs(60);
/// First to last send of a rendezvous.
const SPREADS: (Duration, Duration) = (Duration::from_micros(1), Duration::from_secs(10));
/// First to last send of a rendezvous that does not say.
const SPREAD_DEFAULT: Duration = Duration::from_millis(5);
/// Starts a second: ten times what one generator has ever reached.
const RATE_MAX: f64 = 1_000_000.0;
/// Releases of one rendezvous phase.
const TIMES: Range<u64> = 1..1_000_001;
/// Unanswered operations a client keeps; the server refuses more.
const IN_FLIGHT: Range<u64> = 1..protocol::limits::IN_FLIGHT_MAX as u64 + 1;

/// Keys of a `[[phase]]`.
pub(super) const PHASE_KEYS: [&str; 5] = ["name", "duration", "warmup", "rendezvous", "load"];
/// Keys of a `rendezvous`.
pub(super) const RENDEZVOUS_KEYS: [&str; 3] = ["clients", "times", "spread_max"];
/// Keys of a load.
pub(super) const LOAD_KEYS: [&str; 7] = [
    "flow",
    "who",
    "rate",
    "arrival",
    "clients",
    "in_flight",
    "think",
];
/// Words for [`Who`].
const WHOS: [(&str, Who); 3] = [
    (Who::Everybody.name(), Who::Everybody),
    (Who::Sellers.name(), Who::Sellers),
    (Who::Managers.name(), Who::Managers),
];
/// Keys of a rate that changes.
pub(super) const RATE_KEYS: [&str; 2] = ["from", "to"];

/// What a load is checked against.
struct Context<'c> {
    flows: &'c [FlowSpec],
    world: &'c World,
}

/// Reads every `[[phase]]`.
pub(super) fn read_phases(
    value: &Value<'_>,
    flows: &[FlowSpec],
    world: &World,
) -> Read<Vec<Phase>> {
    let context = Context { flows, world };
    let mut phases: Vec<Phase> = Vec::new();
    for value in value.list()? {
        let table = value.table("a phase", &PHASE_KEYS)?;
        let phase = read_phase(&table, &context)?;
        if phases.iter().any(|earlier| earlier.name == phase.name) {
            let name = table.need("name")?;
            return Err(name
                .fault(format!("there is a phase named \"{}\" already", phase.name))
                .hint("reports tell phases apart by name: choose another one"));
        }
        phases.push(phase);
    }
    Ok(phases)
}

fn read_phase(table: &Table<'_>, context: &Context<'_>) -> Read<Phase> {
    let loads = table.need("load")?;
    let (duration, loads) = match table.get("rendezvous") {
        Some(rendezvous) => (
            table
                .get("duration")
                .map_or(Ok(RENDEZVOUS_DURATION), |value| value.duration(DURATIONS))?,
            vec![read_rendezvous(&rendezvous, &loads, context)?],
        ),
        None => {
            let duration = table.need("duration")?.duration(DURATIONS)?;
            (duration, read_loads(&loads, duration, context)?)
        }
    };
    Ok(Phase {
        name: read_name(&table.need("name")?)?,
        duration,
        warmup: table
            .get("warmup")
            .map_or(Ok(false), |value| value.boolean())?,
        loads,
    })
}

fn read_name(value: &Value<'_>) -> Read<String> {
    let name = value.text("a text")?;
    if (1..=64).contains(&name.len()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(value.fault("the name of a phase has 1 to 64 bytes and no control characters"))
}

fn read_rendezvous(value: &Value<'_>, loads: &Value<'_>, context: &Context<'_>) -> Read<Load> {
    let table = value.table("a rendezvous", &RENDEZVOUS_KEYS)?;
    let list = loads.list()?;
    let [load] = list.as_slice() else {
        return Err(loads
            .fault(format!(
                "a rendezvous has one load, but here are {}",
                list.len()
            ))
            .hint("everybody does the same at once: give each flow a phase of its own"));
    };
    let (flow, who) = read_task(
        &load.table("the load of a rendezvous", &["flow", "who"])?,
        context,
    )?;
    let pace = Pace::Rendezvous {
        clients: read_clients(&table.need("clients")?, who, context.world)?,
        times: table.need("times")?.integer(TIMES)?,
        spread_max: table
            .get("spread_max")
            .map_or(Ok(SPREAD_DEFAULT), |value| value.duration(SPREADS))?,
    };
    Ok(Load {
        flow,
        who,
        pace,
        think: Pause::NONE,
    })
}

fn read_loads(value: &Value<'_>, duration: Duration, context: &Context<'_>) -> Read<Vec<Load>> {
    value
        .list()?
        .iter()
        .map(|load| read_load(load, duration, context))
        .collect()
}

fn read_load(value: &Value<'_>, duration: Duration, context: &Context<'_>) -> Read<Load> {
    let table = value.table("a load", &LOAD_KEYS)?;
    let (flow, who) = read_task(&table, context)?;
    match (table.get("rate"), table.get("clients")) {
        (Some(rate), None) => {
            refuse_keys(
                &table,
                &["in_flight", "think"],
                "a load with a `rate` starts by the clock",
            )?;
            let pace = read_open(&rate, &table, duration)?;
            Ok(Load {
                flow,
                who,
                pace,
                think: Pause::NONE,
            })
        }
        (None, Some(clients)) => {
            refuse_keys(
                &table,
                &["arrival"],
                "a load with `clients` starts when answers come",
            )?;
            read_closed(&clients, &table, (flow, who), context)
        }
        (Some(_), Some(clients)) => Err(clients
            .fault("a load has either a `rate` (open loop) or `clients` (closed loop), not both")
            .hint("make it two loads")),
        (None, None) => Err(table
            .fault("a load needs a `rate` (open loop) or `clients` (closed loop)")
            .hint("add `rate = 1_000` or `clients = 16`")),
    }
}

fn refuse_keys(table: &Table<'_>, keys: &[&'static str], why: &str) -> Read<()> {
    match keys.iter().find_map(|key| table.get(key)) {
        Some(value) => Err(value
            .fault(format!("{why}: `{}` has no meaning there", value.key()))
            .hint(format!("remove `{}`", value.key()))),
        None => Ok(()),
    }
}

/// What is done, and by whom.
fn read_task(table: &Table<'_>, context: &Context<'_>) -> Read<(u16, Who)> {
    let name = table.need("flow")?;
    let flow = read_flow_name(&name, context)?;
    let who = read_who(table, context.world)?;
    match misplaced(&context.flows[usize::from(flow)], who) {
        None => Ok((flow, who)),
        Some((needed, does)) => Err(name
            .fault(format!(
                "flow `{}` {does}, which only {} may, but this load is made by {}",
                context.flows[usize::from(flow)].name,
                needed.name(),
                who.name()
            ))
            .hint(
                if misplaced(&context.flows[usize::from(flow)], needed).is_none() {
                    format!("write `who = \"{}\"` in this load", needed.name())
                } else {
                    "make it two flows with a load each".to_owned()
                },
            )),
    }
}

fn read_who(table: &Table<'_>, world: &World) -> Read<Who> {
    let Some(value) = table.get("who") else {
        return Ok(Who::Everybody);
    };
    let who = value.choice(&WHOS)?;
    if world.clients_of(who).is_empty() {
        let name = who.name();
        return Err(value
            .fault(format!("there are no {name} in this world"))
            .hint(format!("add `{name} = 10` to [world]")));
    }
    Ok(who)
}

fn read_flow_name(value: &Value<'_>, context: &Context<'_>) -> Read<u16> {
    let name = value.text("the name of a flow")?;
    let index = context.flows.iter().position(|flow| flow.name == name);
    index
        .and_then(|index| u16::try_from(index).ok())
        .ok_or_else(|| {
            value
                .fault(format!("there is no flow named \"{name}\""))
                .hint(suggest(
                    name,
                    context.flows.iter().map(|flow| flow.name.as_str()),
                ))
        })
}

fn read_clients(value: &Value<'_>, who: Who, world: &World) -> Read<u32> {
    let range = world.clients_of(who);
    let count = u64::from(range.end - range.start);
    value.integer(1..count + 1).map_err(|fault| {
        fault.hint(match who {
            Who::Everybody => format!("clients are users of the world, which has {count}"),
            Who::Sellers | Who::Managers => {
                format!(
                    "clients here are those of {}, which are {count}",
                    who.name()
                )
            }
        })
    })
}

fn read_open(rate: &Value<'_>, table: &Table<'_>, duration: Duration) -> Read<Pace> {
    let (rate_from, rate_to) = read_rate(rate)?;
    let arrival = match table.get("arrival") {
        Some(value) => value.choice(&[("even", Arrivals::Even), ("poisson", Arrivals::Poisson)])?,
        None => Arrivals::Even,
    };
    let open = OpenLoop {
        rate_from,
        rate_to,
        arrival,
    };
    let starts = open.starts(duration);
    if starts > STARTS_MAX {
        return Err(rate
            .fault(format!(
                "this is {starts:.0} starts, but a load has at most {STARTS_MAX:.0}"
            ))
            .hint("lower the rate or shorten the phase"));
    }
    Ok(Pace::Open(open))
}

fn read_rate(value: &Value<'_>) -> Read<(f64, f64)> {
    if !value.is_table() {
        let rate = read_rate_number(value)?;
        return Ok((rate, rate));
    }
    let table = value.table("a rate", &RATE_KEYS)?;
    Ok((
        read_rate_number(&table.need("from")?)?,
        read_rate_number(&table.need("to")?)?,
    ))
}

fn read_rate_number(value: &Value<'_>) -> Read<f64> {
    let rate = value.number()?;
    if 0.0 < rate && rate <= RATE_MAX {
        return Ok(rate);
    }
    Err(value
        .fault(format!(
            "`{}` is {rate}, but must be above 0 and at most {RATE_MAX}",
            value.key()
        ))
        .hint("a rate is starts a second"))
}

fn read_closed(
    clients: &Value<'_>,
    table: &Table<'_>,
    (flow, who): (u16, Who),
    context: &Context<'_>,
) -> Read<Load> {
    let pace = Pace::Closed {
        clients: read_clients(clients, who, context.world)?,
        in_flight: table
            .get("in_flight")
            .map_or(Ok(1), |value| value.integer(IN_FLIGHT))?,
    };
    let think = table
        .get("think")
        .map_or(Ok(Pause::NONE), |value| read_pause(&value))?;
    Ok(Load {
        flow,
        who,
        pace,
        think,
    })
}
