//! What is broken on purpose, and when: every injection decided.
//!
//! The faults of a scenario and a seed go in; injections come out in the order in which they are due,
//! each within its phase. An injection that is drawn falls anywhere in its part of the window, the
//! parts being equal, so that several of one fault do not fall on each other. Deliberately absent:
//! doing it (see `run/inject`), and what must not break by it (see `check`).

use std::fmt;

use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

use super::{Pause, Phase, math};
use crate::{
    fault::{NetworkFault, Way},
    operation::Nanos,
    scenario::{FaultSpec, When},
};

/// What each stream is for; part of its label.
const STREAM_CONTEXT: &str = "stampede plan faults 1";

/// Injections of one fault that says how often and not how many times: an injection every tenth of a second
/// for a hundred seconds.
pub const STRIKES_MAX: u32 = 1_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server is ended with SIGKILL, and started again.
    KillServer,
    /// The server is stopped with SIGSTOP, and goes on with SIGCONT.
    PauseServer,
    /// The server is asked to end with SIGTERM, and started again.
    RestartServer,
    /// Something happens to connections.
    Network(NetworkFault),
}

impl Fault {
    /// The word for it in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillServer => "kill-server",
            Self::PauseServer => "pause-server",
            Self::RestartServer => "restart-server",
            Self::Network(fault) => match fault {
                NetworkFault::Cut { .. } => "cut",
                NetworkFault::Delay { .. } => "delay",
                NetworkFault::Throttle { .. } => "throttle",
                NetworkFault::HalfOpen { .. } => "half-open",
                NetworkFault::SplitBytes { .. } => "split-bytes",
                NetworkFault::ReconnectStorm => "reconnect-storm",
            },
        }
    }

    /// Whether it happens to the server's process.
    #[must_use]
    pub const fn is_of_process(self) -> bool {
        match self {
            Self::KillServer | Self::PauseServer | Self::RestartServer => true,
            Self::Network(_) => false,
        }
    }
}

/// One injection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedFault {
    /// In which phase.
    pub phase: usize,
    /// When, after the phase's start.
    pub at: Nanos,
    /// How long it stays broken before it is healed.
    pub lasts: Nanos,
    /// What is done.
    pub fault: Fault,
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            |nanos: Nanos| humantime::format_duration(std::time::Duration::from_nanos(nanos));
        out.write_str(self.fault.name())?;
        match self.fault {
            Fault::KillServer | Fault::RestartServer => {
                return write!(out, ", restart_after {}", time(self.lasts));
            }
            Fault::PauseServer | Fault::Network(NetworkFault::ReconnectStorm) => {}
            Fault::Network(NetworkFault::Cut { share }) => {
                return write!(out, ", share {share}");
            }
            Fault::Network(NetworkFault::Delay { by, jitter }) => {
                write!(out, ", by {}", humantime::format_duration(by))?;
                if !jitter.is_zero() {
                    write!(out, ", jitter {}", humantime::format_duration(jitter))?;
                }
            }
            Fault::Network(NetworkFault::Throttle { bytes_per_second }) => {
                write!(out, ", bytes_per_second {bytes_per_second}")?;
            }
            Fault::Network(NetworkFault::HalfOpen { share, way }) => {
                write!(out, ", share {share}, way {}", way_name(way))?;
            }
            Fault::Network(NetworkFault::SplitBytes { piece_max }) => {
                write!(out, ", piece_max {piece_max}")?;
            }
        }
        write!(out, ", for {}", time(self.lasts))
    }
}

/// The word for it in scenarios.
const fn way_name(way: Way) -> &'static str {
    match way {
        Way::ToServer => "to-server",
        Way::ToClient => "to-client",
        Way::Both => "both",
    }
}

/// What the injections are made for: phases as they will run, and how much shorter or longer that is.
pub(super) struct Schedule<'p> {
    pub(super) phases: &'p [Phase],
    /// By phase.
    pub(super) scales: &'p [f64],
    pub(super) seed: u64,
}

impl Schedule<'_> {
    /// All injections, in the order in which they are due.
    pub(super) fn plan(&self, specs: &[FaultSpec]) -> Vec<PlannedFault> {
        let all = (0_u64..).zip(specs);
        let mut planned: Vec<_> = all
            .flat_map(|(index, spec)| self.injections(index, spec))
            .collect();
        // Stable: of two at one instant the first in the file is first.
        planned.sort_by_key(|planned| (planned.phase, planned.at));
        planned
    }

    fn injections(&self, index: u64, spec: &FaultSpec) -> Vec<PlannedFault> {
        let mut random = stream(self.seed, index);
        let scale = |nanos: Nanos| math::nanos(math::float(nanos) * self.scales[spec.phase]);
        let mut injection = |from: Nanos, room: Nanos| {
            let lasts = scale(spec.lasts.draw(random.next_u64()));
            let slack = math::float(room.saturating_sub(lasts));
            let at = from + math::nanos(math::unit(random.next_u64()) * slack);
            PlannedFault {
                phase: spec.phase,
                at: whole(at),
                lasts: whole(lasts),
                fault: spec.fault,
            }
        };
        match spec.when {
            When::At { at } => vec![injection(scale(at), 0)],
            When::Every {
                first,
                every,
                times,
            } => {
                let duration = self.phases[spec.phase].duration;
                let ends_at = u64::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX);
                let longest = scale(longest(&spec.lasts));
                let instants = (0..).map(|number| scale(first + number * every));
                let fitting = instants.take_while(|at| at.saturating_add(longest) <= ends_at);
                let times = usize::try_from(times.unwrap_or(STRIKES_MAX)).unwrap_or(usize::MAX);
                fitting.take(times).map(|at| injection(at, 0)).collect()
            }
            When::Within { from, to, times } => {
                let part = scale(to - from) / u64::from(times);
                let parts = (0..u64::from(times)).map(|number| scale(from) + number * part);
                parts.map(|from| injection(from, part)).collect()
            }
        }
    }
}

/// Whole milliseconds, of what has any: nobody reads nanoseconds of an injection, and none is as exact.
const fn whole(length: Nanos) -> Nanos {
    const MILLISECOND: Nanos = 1_000_000;
    if length < MILLISECOND {
        return length;
    }
    length - length % MILLISECOND
}

/// The longest that a pause without an open end takes.
pub(crate) const fn longest(pause: &Pause) -> Nanos {
    match *pause {
        Pause::Fixed(length) | Pause::Between(_, length) | Pause::Exponential(length) => length,
    }
}

fn stream(seed: u64, index: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key(STREAM_CONTEXT);
    hasher.update(&seed.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::{
        operation::Nanos,
        plan::{Plan, PlanOptions, PlannedFault},
        scenario::Scenario,
    };

    const SECOND: Nanos = 1_000_000_000;

    /// The injections of these faults in a phase of 20 s.
    fn injections(faults: &str, options: &PlanOptions) -> Vec<PlannedFault> {
        let text = format!(
            "name = \"f\"\nworld = {{ users = 4, agendas = 1 }}\nflow.book.steps = [{{ reserve = {{}} }}]\n\
             [[phase]]\nname = \"race\"\nduration = \"20s\"\nload = [{{ flow = \"book\", rate = 1 }}]\n{faults}"
        );
        let scenario = Scenario::parse("f.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        Plan::new(&scenario, options)
            .expect("it can be planned")
            .faults
    }

    fn seeded(seed: u64) -> PlanOptions {
        PlanOptions {
            seed: Some(seed),
            ..PlanOptions::default()
        }
    }

    const DRAWN: &str =
        "[[fault]]\nat = \"race+2s..18s\"\ntimes = 4\ndo = \"pause-server\"\nfor = \"1s..3s\"\n";

    #[test]
    fn drawn_strikes_fall_each_into_its_part_and_are_over_before_the_next_begins() {
        for seed in 0..200 {
            let injections = injections(DRAWN, &seeded(seed));
            assert_eq!(injections.len(), 4);
            for (injection, part) in injections.iter().zip(0..) {
                let begins_at = (2 + 4 * part) * SECOND;
                assert!(begins_at <= injection.at, "{injection:?}");
                assert!(
                    injection.at + injection.lasts <= begins_at + 4 * SECOND,
                    "{injection:?}"
                );
                assert!(
                    (SECOND..=3 * SECOND).contains(&injection.lasts),
                    "{injection:?}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_strikes_at_the_same_instants_and_another_one_at_others() {
        assert_eq!(injections(DRAWN, &seeded(1)), injections(DRAWN, &seeded(1)));
        assert_ne!(injections(DRAWN, &seeded(1)), injections(DRAWN, &seeded(2)));
    }

    #[test]
    fn is_injected_again_and_again_as_long_as_the_phase_has_room() {
        let every = "[[fault]]\nat = \"race+5s\"\nevery = \"5s\"\ndo = \"kill-server\"\n";
        let at = |faults: &str, options: &PlanOptions| -> Vec<Nanos> {
            let injections = injections(faults, options);
            injections
                .iter()
                .map(|injection| injection.at / SECOND)
                .collect()
        };
        // At 20 s there is no half second left to start it again.
        assert_eq!(at(every, &seeded(1)), [5, 10, 15]);
        assert_eq!(at(&format!("{every}times = 2\n"), &seeded(1)), [5, 10]);
        let longer = PlanOptions {
            time_scale: 2.0,
            ..PlanOptions::default()
        };
        assert_eq!(
            at(every, &longer),
            [10, 20, 30],
            "time is stretched for faults too"
        );
    }

    #[test]
    fn injections_of_several_faults_are_in_the_order_in_which_they_are_due() {
        let faults = "[[fault]]\nat = \"race+9s\"\ndo = \"cut\"\nshare = \"30%\"\n\
                      [[fault]]\nat = \"race\"\ndo = \"delay\"\nby = \"50ms\"\nfor = \"2s\"\n";
        let injections = injections(faults, &seeded(1));
        let told: Vec<String> = injections.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["delay, by 50ms, for 2s", "cut, share 30%"]);
    }
}
