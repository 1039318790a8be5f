//! What was compared with what, and what was found: what `stampede compare --json -` prints.
//!
//! Runs of two sides go in, a [`Comparison`] comes out. Plain numbers and words, versioned, with a
//! JSON Schema committed beside the crate. Deliberately absent: how a finding is made (`judge`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    comparable::{self, Incomparable},
    judge,
    measure::Figure,
    stored::{Clock, StoredRun},
};
use crate::verdict::{EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REGRESSION};

/// The version of this layout.
pub const COMPARISON_VERSION: u32 = 1;

/// How often two sides of the same thing may be called different.
pub const ALARM_CHANCE: f64 = 0.05;

/// How much slower or faster the disk must have become, by itself, before it explains anything:
/// its own median differs by this much between two measurements.
pub const DISK_CHANGE_MIN: f64 = 0.25;

/// What is compared with what, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// [`COMPARISON_VERSION`].
    pub version: u32,
    /// The scenario of all runs.
    pub scenario: String,
    /// The runs that are compared with.
    pub base: Vec<SideRun>,
    /// The runs that are compared.
    pub new: Vec<SideRun>,
    /// From what the noise floor is known.
    pub noise: Noise,
    /// Changes below this are of no interest, as a share.
    pub min_effect: f64,
    /// How often two sides of the same thing may be called different.
    pub alarm_chance: f64,
    /// How much slower the disk was on the new side by itself, as a share; `None` where that is not known
    /// or explains nothing.
    pub disk_change: Option<f64>,
    /// What a reader must know first.
    pub cautions: Vec<String>,
    /// Every figure of every operation that has enough answers on both sides.
    pub changes: Vec<Change>,
    /// Why nothing can be said where nothing became worse: figures that one side lacks, changes that could
    /// not have been seen. Empty where there is no such reason.
    pub unseen: Vec<String>,
    /// What it comes to.
    pub conclusion: ComparedAs,
}

/// A run of a side.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SideRun {
    /// Its directory.
    pub name: String,
    /// When it began.
    pub started_at: String,
    /// The program that ran it.
    pub program: String,
    /// Measured seconds.
    pub seconds: u64,
    /// The disk's own median, nanoseconds.
    pub fdatasync_p50_ns: u64,
}

/// From what the noise floor is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// How differently the same eighths of the plan went in two runs.
    WithinRuns,
    /// How much runs of one side differ.
    BetweenRuns,
}

/// One figure of one operation on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// The operation.
    pub operation: String,
    /// From where to where it was timed.
    pub clock: Clock,
    /// Which figure.
    pub figure: Figure,
    /// Nanoseconds, or answers a second.
    pub base: f64,
    /// Nanoseconds, or answers a second.
    pub new: f64,
    /// New against base, as a share: 0.1 is a tenth more.
    pub change: f64,
    /// Where the change lies, but for one comparison in twenty.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The smallest change that would have been called one.
    pub floor: f64,
    /// The chance of so large a change where there is none.
    pub chance: f64,
    /// The same among all figures (Holm).
    pub chance_among_all: f64,
    /// What it is called.
    pub finding: Finding,
}

/// What a change is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Worse, by more than the least effect and more than chance.
    Worse,
    /// Better, by as much.
    Better,
    /// No change of the least effect, but for one comparison in twenty.
    Same,
    /// It cannot be told.
    Unclear,
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ComparedAs {
    /// Something became worse.
    Regression,
    /// Nothing became worse that could be seen.
    NoRegression,
    /// Nothing became worse that could be seen, and too little could.
    Inconclusive,
}

/// The JSON Schema of a comparison, as committed in `schema/comparison.schema.json`.
#[must_use]
pub fn comparison_schema_json() -> String {
    let mut json = serde_json::to_string_pretty(&schemars::schema_for!(Comparison))
        .expect("a schema is plain JSON and is written to memory");
    json.push('\n');
    json
}

impl ComparedAs {
    /// The exit code of a process that came to this.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Regression => EXIT_REGRESSION,
            Self::NoRegression => EXIT_PASS,
            Self::Inconclusive => EXIT_INCONCLUSIVE,
        }
    }
}

impl Comparison {
    /// Compares two sides. `min_effect` is a share: 0.05 is a twentieth.
    ///
    /// # Errors
    /// If they cannot be compared.
    pub fn of(
        base: &[StoredRun],
        new: &[StoredRun],
        min_effect: f64,
    ) -> Result<Self, Incomparable> {
        comparable::check(base, new)?;
        let tracks = comparable::tracks(base, new);
        let sides = [base, new];
        let noise = match sides {
            [[_], [_]] => Noise::WithinRuns,
            _several => Noise::BetweenRuns,
        };
        let disk = judge::disk_change(noise, sides);
        let changes = judge::changes(&tracks, sides, &judge::Bar { min_effect, disk });
        if changes.is_empty() {
            return Err(Incomparable::Nothing);
        }
        let is_worse = changes
            .iter()
            .any(|change| change.finding == Finding::Worse);
        let unseen = comparable::one_sided(base, new);
        Ok(Self {
            version: COMPARISON_VERSION,
            scenario: base
                .first()
                .map(|run| run.record.scenario.name.clone())
                .unwrap_or_default(),
            base: base.iter().map(SideRun::of).collect(),
            new: new.iter().map(SideRun::of).collect(),
            noise,
            min_effect,
            alarm_chance: ALARM_CHANCE,
            disk_change: disk.map(f64::exp_m1),
            cautions: comparable::cautions(base, new),
            changes,
            conclusion: match (is_worse, unseen.is_empty()) {
                (true, _) => ComparedAs::Regression,
                (false, true) => ComparedAs::NoRegression,
                (false, false) => ComparedAs::Inconclusive,
            },
            unseen,
        })
    }

    /// The same for somebody who wants to know of every slowdown of `max_noise` (a share) or more: an
    /// operation none of whose latencies could have shown it makes the comparison inconclusive.
    #[must_use]
    pub fn with_max_noise(mut self, max_noise: f64) -> Self {
        let mut floors: BTreeMap<&str, f64> = BTreeMap::new();
        for change in self.changes.iter().filter(|it| it.figure != Figure::Rate) {
            let floor = floors.entry(&change.operation).or_insert(f64::INFINITY);
            *floor = floor.min(change.floor);
        }
        let noisy = floors.into_iter().filter(|(_, floor)| max_noise < *floor);
        let told = noisy.map(|(operation, floor)| {
            format!(
                "no slowdown of `{operation}` below {} could have been seen, and {} was asked for",
                percent(floor),
                percent(max_noise),
            )
        });
        let told: Vec<String> = told.collect();
        self.unseen.extend(told);
        if self.conclusion == ComparedAs::NoRegression && !self.unseen.is_empty() {
            self.conclusion = ComparedAs::Inconclusive;
        }
        self
    }

    /// What `--json -` prints: indented, with a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self)
            .expect("a comparison has string keys only and is written to memory");
        json.push('\n');
        json
    }

    /// The latency that this comparison would have seen the smallest change of.
    #[must_use]
    pub fn keenest(&self) -> Option<&Change> {
        let times = self
            .changes
            .iter()
            .filter(|change| change.figure != Figure::Rate);
        times.min_by(|one, other| one.floor.total_cmp(&other.floor))
    }
}

/// A share as people say it.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

impl SideRun {
    fn of(run: &StoredRun) -> Self {
        let found = &run.record.environment;
        Self {
            name: run.name.clone(),
            started_at: found.started_at.clone(),
            program: found.program.clone(),
            seconds: u64::try_from(run.seconds()).unwrap_or(u64::MAX),
            fdatasync_p50_ns: found.fdatasync_ns.p50,
        }
    }
}
