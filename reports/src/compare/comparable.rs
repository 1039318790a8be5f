//! Whether runs can be held against each other at all, and what a reader must know if they can.
//!
//! Runs of two sides go in; a refusal or cautions come out. Whatever decides what was asked of a
//! server must be the same: the plan, and when an acknowledgement was given.

use thiserror::Error;

use super::{
    measure::Figure,
    stored::{Clock, StoredRun, Track},
};
use crate::record::{Conclusion, RunRecord};
use crate::render::number;

/// Parts that a lone run is cut into, to see how much it differs from itself.
pub const PARTS: usize = 8;

/// Why runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incomparable {
    /// Another scenario.
    #[error(
        "`{first}` ran scenario `{first_scenario}` and `{other}` ran `{other_scenario}`: different loads have \
         different latencies; compare runs of one scenario"
    )]
    Scenario {
        /// A run.
        first: String,
        /// Its scenario.
        first_scenario: String,
        /// Another.
        other: String,
        /// Its scenario.
        other_scenario: String,
    },
    /// Another plan of the same scenario.
    #[error(
        "`{first}` and `{other}` ran different plans of scenario `{scenario}` ({first_plan} and {other_plan}): the file, \
         the seed or a scale is not the same; run both with the same file, --seed, --time-scale and --rate-scale"
    )]
    Plan {
        /// The scenario of both.
        scenario: String,
        /// A run.
        first: String,
        /// The beginning of its plan's hash.
        first_plan: String,
        /// Another.
        other: String,
        /// The beginning of its plan's hash.
        other_plan: String,
    },
    /// Another promise.
    #[error(
        "`{first}` ran with durability {first_durability} and `{other}` with {other_durability}: an acknowledgement that \
         does not wait for the disk is no faster version of one that does; run both with the same"
    )]
    Durability {
        /// A run.
        first: String,
        /// Its durability.
        first_durability: String,
        /// Another.
        other: String,
        /// Its durability.
        other_durability: String,
    },
    /// Half a run.
    #[error(
        "`{run}` was interrupted: half a run has other latencies than a whole one; run it to its end"
    )]
    Interrupted {
        /// Which.
        run: String,
    },
    /// A run of the generator.
    #[error(
        "in `{run}` the generator did not keep up ({why}): its figures are of the generator and not of the server; leave it \
         out, or run it again with less load (--rate-scale 0.5) or on a machine that has time"
    )]
    Saturated {
        /// Which.
        run: String,
        /// Why.
        why: String,
    },
    /// Too short for a noise floor of its own.
    #[error(
        "`{run}` measured {seconds} s, and a run that stands alone needs {PARTS} s to show how much it differs from \
         itself; run longer (--time-scale 10), or compare several runs a side: stampede compare A1 A2 A3 -- B1 B2 B3"
    )]
    TooShort {
        /// Which.
        run: String,
        /// Measured seconds.
        seconds: usize,
    },
    /// No figure in all of them.
    #[error(
        "no operation was answered often enough in every part of every run to compare it: ten answers must lie beyond a \
         percentile; run longer (--time-scale 10), or compare several runs a side"
    )]
    Nothing,
}

/// Refuses runs that were asked for different things.
///
/// # Errors
/// Why they cannot be compared.
pub(super) fn check(base: &[StoredRun], new: &[StoredRun]) -> Result<(), Incomparable> {
    let Some(first) = base.first() else {
        return Err(Incomparable::Nothing);
    };
    for run in base.iter().chain(new) {
        if run.record.verdict.conclusion == Conclusion::Interrupted {
            return Err(Incomparable::Interrupted {
                run: run.name.clone(),
            });
        }
        if let Some(why) = &run.record.generator.saturated {
            return Err(Incomparable::Saturated {
                run: run.name.clone(),
                why: why.clone(),
            });
        }
        check_alike(first, run)?;
    }
    if base.len() == 1 && new.len() == 1 {
        let mut both = base.iter().chain(new);
        if let Some(short) = both.find(|run| run.seconds() < PARTS) {
            return Err(Incomparable::TooShort {
                run: short.name.clone(),
                seconds: short.seconds(),
            });
        }
    }
    Ok(())
}

fn check_alike(first: &StoredRun, other: &StoredRun) -> Result<(), Incomparable> {
    let (one, two) = (&first.record, &other.record);
    let names = (first.name.clone(), other.name.clone());
    if one.scenario.name != two.scenario.name {
        return Err(Incomparable::Scenario {
            first: names.0,
            first_scenario: one.scenario.name.clone(),
            other: names.1,
            other_scenario: two.scenario.name.clone(),
        });
    }
    if one.scenario.plan_hash != two.scenario.plan_hash {
        return Err(Incomparable::Plan {
            scenario: one.scenario.name.clone(),
            first: names.0,
            first_plan: abbreviated(&one.scenario.plan_hash),
            other: names.1,
            other_plan: abbreviated(&two.scenario.plan_hash),
        });
    }
    if one.environment.durability != two.environment.durability {
        return Err(Incomparable::Durability {
            first: names.0,
            first_durability: one.environment.durability.clone(),
            other: names.1,
            other_durability: two.environment.durability.clone(),
        });
    }
    Ok(())
}

fn abbreviated(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// What was answered in every run.
pub(super) fn tracks(base: &[StoredRun], new: &[StoredRun]) -> Vec<Track> {
    let mut runs = base.iter().chain(new).map(StoredRun::tracks);
    let mut tracks = runs.next().unwrap_or_default();
    for other in runs {
        tracks.retain(|track| other.contains(track));
    }
    tracks
}

/// What a reader of the comparison must know, each in one sentence.
pub(super) fn cautions(base: &[StoredRun], new: &[StoredRun]) -> Vec<String> {
    let runs = || base.iter().chain(new);
    let mut cautions = Vec::new();
    cautions.extend(one_sided(base, new).into_iter().map(|told| told + "."));
    cautions.extend(differing_machines(runs()));
    for run in runs() {
        cautions.extend(broken_law(&run.name, &run.record));
        cautions.extend(
            run.record
                .environment
                .planted_bug
                .as_ref()
                .map(|bug| format!("`{}` ran a server with the planted bug `{bug}`.", run.name)),
        );
    }
    cautions
}

/// What every run of one side has and some run of the other lacks: it was not compared, so nobody can say
/// that it did not become worse.
pub(super) fn one_sided(base: &[StoredRun], new: &[StoredRun]) -> Vec<String> {
    let has = |run: &StoredRun, track: &Track| Figure::P50.of(&run.track(track)).is_some();
    let mut told = Vec::new();
    for (here, there, name) in [(base, new, "new"), (new, base, "base")] {
        for track in here.iter().take(1).flat_map(StoredRun::tracks) {
            let lacking = there.iter().find(|run| !has(run, &track));
            let Some(lacking) = lacking.filter(|_| here.iter().all(|run| has(run, &track))) else {
                continue;
            };
            let clock = match track.1 {
                Clock::Response => "response",
                Clock::Service => "service",
            };
            told.push(format!(
                "`{}` on the {name} side has too few {clock} times of `{}`, which the other side has: they \
                 cannot be compared",
                lacking.name, track.0,
            ));
        }
    }
    told
}

fn differing_machines<'a>(runs: impl Iterator<Item = &'a StoredRun>) -> Option<String> {
    let machine = |run: &StoredRun| {
        let found = &run.record.environment;
        format!(
            "{}, {}, kernel {}",
            found.cpu,
            number::counted(u64::from(found.cpus), "processor"),
            found.kernel
        )
    };
    let mut machines: Vec<_> = runs.map(machine).collect();
    machines.sort();
    machines.dedup();
    (1 < machines.len()).then(|| {
        format!(
            "The runs are of different machines, whose difference is in every figure: {}.",
            machines.join("; ")
        )
    })
}

fn broken_law(name: &str, record: &RunRecord) -> Option<String> {
    (record.verdict.conclusion == Conclusion::InvariantViolated).then(|| {
        format!("In `{name}` a law was broken: being fast is no merit of a server whose answers are wrong.")
    })
}
