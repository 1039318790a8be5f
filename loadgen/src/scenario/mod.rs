//! What a scenario file says, checked: every name known, every value within its limit.
//!
//! Text goes in; a [`Scenario`] comes out, or one error that points at the offending text. A
//! scenario that exists is valid: nothing after this room checks it again. The format is described
//! in `scenarios/README.md`. Deliberately absent: draws (see `plan`), and any use of the values.

mod chat;
mod diagnostic;
mod fault;
mod flow;
mod load;
mod reader;
mod require;
mod role;
mod schema;
mod select;
#[cfg(test)]
mod tests;
mod trade;
mod validate;
mod value;
mod world;

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

pub use self::{
    diagnostic::ScenarioError,
    fault::{FaultSpec, When},
    require::{Bound, Clock, Comparison, Metric, Require, Share, Statistic, Threshold},
    schema::schema,
};
use crate::plan::{CatalogueStep, ChatStep, Pause, Phase, Population, SalesStep, World};

pub(crate) use self::diagnostic::{Fault, suggest};
pub use crate::check::LAWS;

/// The laws a scenario requires when it names none: those that any operation exercises. The others
/// are judged all the same, and one that is found broken is never forgiven.
pub const LAWS_DEFAULT: [&str; 6] = [
    "durable-acks",
    "no-phantom",
    "real-time-order",
    "log-chained",
    "replay-determinism",
    "model-agrees",
];

/// The largest scenario file read. The longest honest one is under 10 KiB; this keeps a wrong path
/// (a log, a core dump) from being read into memory first.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A scenario, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where it came from, for messages: the file's path.
    pub label: String,
    /// The file, word for word, for the report.
    pub text: String,
    /// Its name: letters, digits, `-` and `_`, because runs are stored under it.
    pub name: String,
    /// One sentence for people; may be empty.
    pub description: String,
    /// The seed of every draw unless the run says another.
    pub seed: u64,
    /// What exists before the clock starts.
    pub world: World,
    /// How the embedded server is started; not looked at for another one.
    pub server: ServerConfig,
    /// In order.
    pub phases: Vec<Phase>,
    /// By name; [`crate::plan::Load::flow`] is an index into this.
    pub flows: Vec<FlowSpec>,
    /// What is broken on purpose, in the order of the file.
    pub faults: Vec<FaultSpec>,
    /// What must be true for the run to pass.
    pub require: Require,
}

/// How the embedded server is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerConfig {
    /// What an answer promises about the disk.
    pub durability: Durability,
    /// What a password costs.
    pub password_cost: PasswordCost,
}

/// What an answer promises about the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The record survives the loss of power.
    #[default]
    Full,
    /// It survives the end of the process.
    Normal,
    /// It promises nothing; every report says so.
    None,
}

impl Durability {
    /// The word for it in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
            Self::None => "none",
        }
    }
}

/// What a password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordCost {
    /// Next to nothing, so that thousands of log-ins before a run take a second.
    #[default]
    Test,
    /// What a real server should take.
    Default,
}

impl PasswordCost {
    /// The word for it in scenarios and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Default => "default",
        }
    }
}

/// A flow: the steps one instance takes, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowSpec {
    /// Its name.
    pub name: String,
    /// In order.
    pub steps: Vec<StepSpec>,
}

/// One step of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSpec {
    /// What it does.
    pub action: ActionSpec,
    /// The number that what it makes is saved under.
    pub save: Option<u8>,
    /// How often an instance takes it, from 0 to 1.
    pub probability: f64,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionSpec {
    /// Lets time pass after the last answer.
    Wait(Pause),
    /// Closes the client's connection for this long.
    Offline(Pause),
    /// Takes a place.
    Reserve(PlaceSpec),
    /// Takes a place for a while.
    Hold {
        /// Which.
        place: PlaceSpec,
        /// For how long.
        seconds: u32,
    },
    /// Gives a saved booking back.
    Cancel {
        /// Which.
        saved: u8,
    },
    /// Keeps a saved hold.
    Confirm {
        /// Which.
        saved: u8,
    },
    /// Queues for a slot.
    JoinWaitlist(PlaceSpec),
    /// Leaves the queue of a slot.
    LeaveWaitlist(PlaceSpec),
    /// Reads a day; the slot is not looked at.
    ListSlots(PlaceSpec),
    /// Reads one's own bookings.
    MyBookings,
    /// Forgets whoever takes it.
    EraseMe,
    /// Something of the chat.
    Chat(ChatStep<SelectSpec>),
    /// Something of the catalogue.
    Catalogue(CatalogueStep<SelectSpec>),
    /// Something of the sales.
    Sales(SalesStep<SelectSpec>),
}

/// How a part of a step is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SelectSpec {
    /// One of the world's.
    Pick(Population, PickSpec),
    /// An amount, anything between the two.
    Between(u32, u32),
    /// What an earlier step saved under this number.
    Saved(u8),
}

/// How a place is picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaceSpec {
    /// Population the agendas.
    pub agenda: PickSpec,
    /// Population the days.
    pub day: PickSpec,
    /// Population the slots of a day.
    pub slot: PickSpec,
}

/// How one number is picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PickSpec {
    /// Each equally likely.
    Uniform,
    /// Number k with weight `(k + 1)^-exponent`: the first the likeliest.
    Zipf(f64),
    /// Always this one.
    Fixed(u32),
    /// The next one for every round: every release of a rendezvous aims at a place of its own.
    Round,
    /// The one that was picked last.
    Same,
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that makes no sense: with the place and a remedy.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let label = path.display().to_string();
        let fail = |why: String| ScenarioError::without_place(&label, &why);
        let text = read_start(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        if text.len() > FILE_BYTES_MAX {
            return Err(fail(format!(
                "is longer than {FILE_BYTES_MAX} bytes, the most a scenario has; is it the right file?"
            )));
        }
        Self::parse(&label, &text)
    }

    /// Checks the text of a scenario; `label` is what errors call it.
    ///
    /// # Errors
    /// When it says something that makes no sense: with the place and a remedy.
    pub fn parse(label: &str, text: &str) -> Result<Self, ScenarioError> {
        validate::read_scenario(label, text).map_err(|fault| fault.locate(label, text))
    }
}

impl Scenario {
    /// A step of a flow that this run's target has no word for, with its place in the file.
    pub(crate) fn refuse_step(
        &self,
        (flow, step): (&str, usize),
        message: &str,
        hint: &str,
    ) -> ScenarioError {
        // It was read before, so it parses; where it did not, the sentence stands without a place.
        let file = toml::de::DeTable::parse(&self.text).ok();
        let span = file.as_ref().and_then(|file| {
            let flow = file.get_ref().get("flow")?.get_ref().get(flow)?;
            let steps = flow.get_ref().get("steps")?.get_ref();
            Some(steps.get(step)?.span())
        });
        Fault::new(span, message)
            .hint(hint)
            .locate(&self.label, &self.text)
    }
}

/// The file's text, read to one byte beyond the limit: it may be a device without an end.
fn read_start(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(FILE_BYTES_MAX).expect("a mebibyte fits 64 bits") + 1;
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}
