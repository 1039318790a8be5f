//! A history that was judged on its own: its verdict, and what there is to show of it.
//!
//! The checker fills it in; `render` makes text and a page of it. Deliberately absent: what the
//! object is that the history is about, which is all in the words.

use crate::{
    record::{Count, LawRecord, Verdict},
    render::number,
};

/// A judged history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecord {
    /// What the object was taken for.
    pub model: String,
    /// What it held at first.
    pub initial: String,
    /// What was found.
    pub verdict: Verdict,
    /// The same as a sentence, with the reason.
    pub sentence: String,
    /// What the history holds.
    pub counts: Vec<Count>,
    /// In the order of their calls.
    pub operations: Vec<CheckedOperation>,
    /// An order of the whole history; of one that has none, of its longest beginning that has.
    pub order: Vec<JudgedState>,
    /// The first operation, in the order of returns, that no order has room for.
    pub stuck: Option<usize>,
    /// What the object can have held there.
    pub states: Vec<String>,
}

/// One place in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedState {
    /// The operation, by its index.
    pub operation: usize,
    /// What the object holds after it.
    pub holds: String,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOperation {
    /// Who.
    pub process: String,
    /// What was asked.
    pub call: String,
    /// The same in a few signs.
    pub short: String,
    /// What was answered.
    pub answer: String,
    /// How it ended.
    pub mood: Ending,
    /// Where it was called.
    pub called: MomentRecord,
    /// Where it ended; `None` when nobody knows that it did.
    pub returned: Option<MomentRecord>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It took effect.
    Ok,
    /// It did not.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A place in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MomentRecord {
    /// The line, from 1.
    pub line: usize,
    /// The time of day, as the history writes it.
    pub at: Option<String>,
}

/// A recorded run that was judged again.
#[derive(Debug, Clone, PartialEq)]
pub struct RecheckedRecord {
    /// What all of it comes to.
    pub verdict: Verdict,
    /// Operations of its history.
    pub operations: u64,
    /// Records of its log; 0 where there was none to read.
    pub records: u64,
    /// The laws that could be judged.
    pub laws: Vec<LawRecord>,
    /// The others, each with the reason.
    pub unjudged: Vec<(String, String)>,
    /// Where this and the run's own verdict differ, as sentences; `None` if its record was not read.
    pub differences: Option<Vec<String>>,
    /// Why it is not valid, although no law that was judged is broken, as sentences.
    pub doubts: Vec<String>,
}

impl RecheckedRecord {
    /// Fills in what keeps this from being valid, and the verdict with it: no log, what the run's own
    /// record calls broken, and what was required and could not be judged. `own` are the verdicts of
    /// the run itself.
    pub fn doubt(&mut self, own: &[LawRecord]) {
        if self.records == 0 {
            self.doubts.push("the run's log is not there, so nothing that was answered could be held against it; give its data directory with --log".to_owned());
        }
        for before in own {
            let now = self.laws.iter().find(|law| law.name == before.name);
            let verdict = now.map(|law| law.verdict);
            let unjudged = self.unjudged.iter().find(|(law, _)| *law == before.name);
            let why = unjudged.map_or("nothing of it is in the history", |(_, why)| why);
            let name = &before.name;
            match (before.verdict, verdict) {
                (_, Some(Verdict::Invalid)) => {}
                (Verdict::Invalid, None) => self.doubts.push(format!(
                    "the run's own record says that law `{name}` was broken {}; it cannot be judged again: {why}",
                    number::times(before.violation_count)
                )),
                (Verdict::Invalid, Some(_)) => self.doubts.push(format!(
                    "the run's own record says that law `{name}` was broken {}; judged again it is not",
                    number::times(before.violation_count)
                )),
                (_, None) if before.required => self.doubts.push(format!(
                    "law `{name}` was required and cannot be judged again: {why}"
                )),
                (_, None | Some(Verdict::Valid | Verdict::Unknown | Verdict::NotApplicable)) => {}
            }
        }
        if self.verdict == Verdict::Valid && !self.doubts.is_empty() {
            self.verdict = Verdict::Unknown;
        }
    }

    /// Fills in where these verdicts and counts differ from those that the run itself came to.
    pub fn compare(&mut self, own: &[LawRecord]) {
        let differences = self.laws.iter().filter_map(|law| {
            let before = own.iter().find(|other| other.name == law.name)?;
            let told = |law: &LawRecord| {
                let counts = law.exercised.iter();
                let counts = counts.map(|count| format!("{} {}", count.count, count.what));
                let counts: Vec<String> = counts.collect();
                (law.verdict, law.violation_count, counts.join(", "))
            };
            let (now, then) = (told(law), told(before));
            (now != then).then(|| {
                format!(
                    "`{}`: {:?} with {} violations ({}), and the run itself said {:?} with {} ({})",
                    law.name, now.0, now.1, now.2, then.0, then.1, then.2
                )
            })
        });
        self.differences = Some(differences.collect());
    }
}
