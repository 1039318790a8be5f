//! Facts that a reader of the numbers must know first.
//!
//! A record goes in, a closed list of cautions comes out, each of which renders as one sentence. A
//! caution never changes a verdict; what does is in `verdict`.

use std::fmt;

use crate::record::{OperationRecord, PhaseRecord, RunRecord};
use crate::render::number;
use crate::verdict::RENDEZVOUS_WITHIN_MIN;

/// Processors below which a generator and a server on one machine visibly slow each other down:
/// one for the server's writer, one for its network, two for the generator.
pub const CPUS_SHARED_MIN: u32 = 4;

/// Lateness of the pacer at its 99th percentile that is worth a word. It is part of every response
/// time, because those count from the intended instant.
pub const LATENESS_P99_MAX_NS: u64 = 1_000_000;

/// A start so late is no hiccup of a scheduler: the generator was stopped, or got no processor.
pub const STALL_MIN_NS: u64 = 100_000_000;

/// The target of a run that started its own server.
pub const TARGET_EMBEDDED: &str = "embedded";

/// The durability under which an acknowledgement survives the loss of power.
pub const DURABILITY_FULL: &str = "full";

/// One fact that changes how the numbers are read.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant's sentence is its documentation, see Display"
)]
pub enum Caution {
    PlantedBug {
        name: String,
    },
    DurabilityNotFull {
        durability: String,
    },
    JudgedByAnswers {
        level: u8,
    },
    TimeScaled {
        factor: f64,
    },
    RateScaled {
        factor: f64,
    },
    SharedProcessors {
        cpus: u32,
    },
    RemoteTarget {
        target: String,
    },
    Visitors {
        records: u64,
        people: u64,
    },
    ThroughProxy,
    NoWarmup,
    GeneratorLate {
        lateness_ns: u64,
    },
    GeneratorStalled {
        max_ns: u64,
    },
    ConnectionsLost {
        lost: u64,
    },
    NotUnderstood {
        connections: u64,
        why: String,
    },
    ServerBehind {
        phase: String,
        answered: u64,
        intended: u64,
    },
    SamplesTooSmall {
        phase: String,
        operations: Vec<(String, u64)>,
    },
    FailuresApart {
        phase: String,
        failed: u64,
    },
    RendezvousLoose {
        phase: String,
        late: u32,
        times: u32,
    },
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlantedBug { .. }
            | Self::DurabilityNotFull { .. }
            | Self::TimeScaled { .. }
            | Self::RateScaled { .. }
            | Self::SharedProcessors { .. }
            | Self::RemoteTarget { .. }
            | Self::JudgedByAnswers { .. }
            | Self::ThroughProxy
            | Self::NoWarmup => self.fmt_of_setup(f),
            Self::Visitors { .. }
            | Self::GeneratorLate { .. }
            | Self::GeneratorStalled { .. }
            | Self::ConnectionsLost { .. }
            | Self::NotUnderstood { .. } => self.fmt_of_run(f),
            Self::ServerBehind { .. }
            | Self::SamplesTooSmall { .. }
            | Self::FailuresApart { .. }
            | Self::RendezvousLoose { .. } => self.fmt_of_phase(f),
        }
    }
}

impl Caution {
    /// What was run, and where.
    fn fmt_of_setup(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlantedBug { name } => {
                write!(
                    f,
                    "The server was built with a planted bug, `{name}`: it is meant to fail."
                )
            }
            Self::DurabilityNotFull { durability } => write!(
                f,
                "Durability was `{durability}`, not `full`: acknowledgements did not wait for the \
                 disk, and loss of power may undo them. Compare with no durable system."
            ),
            Self::TimeScaled { factor } => write!(
                f,
                "Every duration was multiplied by {factor}: this is a quick look, not the scenario \
                 as written."
            ),
            Self::RateScaled { factor } => write!(
                f,
                "Every rate was multiplied by {factor}: this is not the load the scenario asks for."
            ),
            Self::SharedProcessors { cpus } => write!(
                f,
                "Server and generator shared {}: each slowed the other down, and both throughput \
                 and tail are worse than on machines of their own.",
                number::counted(u64::from(*cpus), "processor"),
            ),
            Self::RemoteTarget { target } => write!(
                f,
                "The server at {target} was not started by this run: times include whatever lies \
                 between, durability is its own claim, and it was not killed to test that claim."
            ),
            Self::JudgedByAnswers { level } => write!(
                f,
                "Level {level}: the server was judged by its answers and reads alone, under what its \
                 target file promises for it. A law that they are not enough for is `n/a`."
            ),
            Self::ThroughProxy => write!(
                f,
                "Clients reached the server through a proxy in the generator, so that connections \
                 could be broken: it adds to every latency."
            ),
            Self::NoWarmup => write!(
                f,
                "No warm-up phase: the first seconds, with cold caches and new connections, are in \
                 every figure."
            ),
            _another_sort => Ok(()),
        }
    }

    /// What became of the generator and its connections.
    fn fmt_of_run(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visitors { records, people } => {
                let of = match people {
                    0 => "of nobody's account".to_owned(),
                    1 => "of 1 other person".to_owned(),
                    people => format!("of {} other people", number::count(*people)),
                };
                write!(
                    f,
                    "Others used the server too: {} {of} were set aside, and what they took or said was \
                     allowed for; their load is in every figure.",
                    number::counted(*records, "record"),
                )
            }
            Self::GeneratorLate { lateness_ns } => write!(
                f,
                "The generator started operations up to {} late at its 99th percentile; that is part of \
                 every response time.",
                number::duration(*lateness_ns),
            ),
            Self::GeneratorStalled { max_ns } => write!(
                f,
                "The generator itself stood still for up to {}: what was due meanwhile left late, and \
                 answers that came meanwhile were timed late.",
                number::duration(*max_ns),
            ),
            Self::ConnectionsLost { lost } => write!(
                f,
                "{} ended before their clients wanted it, closed by the server or broken, though nothing \
                 was broken on purpose.",
                number::counted(*lost, "connection"),
            ),
            Self::NotUnderstood { connections, why } => write!(
                f,
                "On {} the server said what this program does not understand, and the connection was \
                 ended for that: {why}.",
                number::counted(*connections, "connection"),
            ),
            _another_sort => Ok(()),
        }
    }

    /// What became of one phase.
    fn fmt_of_phase(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerBehind {
                phase,
                answered,
                intended,
            } => write!(
                f,
                "Phase `{phase}`: the server fell behind: {} of {} operations were answered while they \
                 were offered, the others later or never.",
                number::count(*answered),
                number::count(*intended),
            ),
            Self::SamplesTooSmall { phase, operations } => {
                let counts: Vec<_> = operations
                    .iter()
                    .map(|(operation, count)| format!("`{operation}` {}", number::count(*count)))
                    .collect();
                write!(
                    f,
                    "Phase `{phase}` has too few answers for a 99th percentile: {}.",
                    counts.join(", ")
                )
            }
            Self::FailuresApart { phase, failed } => write!(
                f,
                "Phase `{phase}`: {} failed or got no answer. They are counted and timed apart, so \
                 no percentile of answers includes them.",
                number::counted(*failed, "operation"),
            ),
            Self::RendezvousLoose { phase, late, times } => write!(
                f,
                "Phase `{phase}`: {late} of {times} rendezvous were spread wider than allowed."
            ),
            _another_sort => Ok(()),
        }
    }
}

/// Every caution of a run, the gravest first.
#[must_use]
pub fn collect(record: &RunRecord) -> Vec<Caution> {
    let mut cautions = of_setup(record);
    cautions.extend(record.visitors.map(|visitors| Caution::Visitors {
        records: visitors.records,
        people: visitors.people,
    }));
    if record
        .faults
        .as_ref()
        .is_some_and(|found| found.through_proxy)
    {
        cautions.push(Caution::ThroughProxy);
    }
    let measured = || record.phases.iter().filter(|phase| !phase.warmup);
    if measured().count() == record.phases.len() {
        cautions.push(Caution::NoWarmup);
    }
    let lateness = &record.generator.lateness;
    let lateness_ns = lateness.p99.unwrap_or(lateness.max);
    if LATENESS_P99_MAX_NS < lateness_ns {
        cautions.push(Caution::GeneratorLate { lateness_ns });
    }
    if STALL_MIN_NS <= lateness.max {
        let max_ns = lateness.max;
        cautions.push(Caution::GeneratorStalled { max_ns });
    }
    cautions.extend(of_connections(record));
    cautions.extend(measured().flat_map(of_phase));
    cautions
}

fn of_connections(record: &RunRecord) -> Vec<Caution> {
    let connections = &record.connections;
    let mut cautions = Vec::new();
    if let Some(why) = &connections.why {
        cautions.push(Caution::NotUnderstood {
            connections: connections.unread,
            why: why.trim_end_matches('.').to_owned(),
        });
    }
    let lost = connections.lost.saturating_sub(connections.unread);
    if 0 < lost && record.faults.is_none() {
        cautions.push(Caution::ConnectionsLost { lost });
    }
    cautions
}

fn of_setup(record: &RunRecord) -> Vec<Caution> {
    let (scenario, environment) = (&record.scenario, &record.environment);
    let mut cautions = Vec::new();
    if let Some(name) = environment.planted_bug.clone() {
        cautions.push(Caution::PlantedBug { name });
    }
    if let Some(level) = environment.level {
        cautions.push(Caution::JudgedByAnswers { level });
    } else if environment.durability != DURABILITY_FULL {
        let durability = environment.durability.clone();
        cautions.push(Caution::DurabilityNotFull { durability });
    }
    if is_scaled(scenario.time_scale) {
        cautions.push(Caution::TimeScaled {
            factor: scenario.time_scale,
        });
    }
    if is_scaled(scenario.rate_scale) {
        cautions.push(Caution::RateScaled {
            factor: scenario.rate_scale,
        });
    }
    if environment.target != TARGET_EMBEDDED && environment.level.is_none() {
        cautions.push(Caution::RemoteTarget {
            target: environment.target.clone(),
        });
    } else if environment.cpus < CPUS_SHARED_MIN {
        cautions.push(Caution::SharedProcessors {
            cpus: environment.cpus,
        });
    }
    cautions
}

/// Whether a factor is anything but one, beyond what writing it down can round away.
fn is_scaled(factor: f64) -> bool {
    1e-9 < (factor - 1.0).abs()
}

fn of_phase(phase: &PhaseRecord) -> Vec<Caution> {
    let mut cautions = Vec::new();
    let name = || phase.name.clone();
    let counts = &phase.conservation;
    let failed = counts.error + counts.timeout + counts.unknown;
    if 0 < failed {
        cautions.push(Caution::FailuresApart {
            phase: name(),
            failed,
        });
    }
    if let Some((answered, intended)) = phase.fell_behind() {
        cautions.push(Caution::ServerBehind {
            phase: name(),
            answered,
            intended,
        });
    }
    let is_too_small = |found: &OperationRecord| {
        let quantiles = &found.response.quantiles;
        0 < quantiles.count && quantiles.p99.is_none()
    };
    let operations: Vec<_> = phase
        .operations
        .iter()
        .filter(|(_, found)| is_too_small(found))
        .map(|(operation, found)| (operation.clone(), found.response.quantiles.count))
        .collect();
    if !operations.is_empty() {
        cautions.push(Caution::SamplesTooSmall {
            phase: name(),
            operations,
        });
    }
    cautions.extend(phase.rendezvous.as_ref().and_then(|meeting| {
        let (late, times) = (meeting.times.saturating_sub(meeting.within), meeting.times);
        // Looser than this is a reason for the verdict, and is told there.
        let told = f64::from(meeting.within) < f64::from(times) * RENDEZVOUS_WITHIN_MIN;
        (0 < late && !told).then(|| Caution::RendezvousLoose {
            phase: name(),
            late,
            times,
        })
    }));
    cautions
}
