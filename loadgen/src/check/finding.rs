//! What one law found so far: counts, and the first few violations told in full.
//!
//! A law fills one in; out comes its [`LawRecord`]. Operations that a violation knows only by
//! their identity are looked up in the history when the run is judged. Deliberately absent: any
//! opinion about what is a violation.

use std::collections::BTreeMap;

use protocol::{Code, words::agenda::SlotId};
use reports::record::{Count, LawRecord, Verdict, ViolationRecord, WitnessRecord};

use crate::operation::{Call, LawProgress, Nanos, Operation, Outcome, Slot};

use super::{pair::pairs, scope::Scope, subject::Subject, window::Window};

/// Violations told in full; the others are counted.
const TOLD_MAX: usize = 5;
/// Operations told for one violation.
const WITNESSES_MAX: usize = 6;

/// An operation by its client and its client's counter.
pub(crate) type OperationId = (u32, u32);

/// Operations looked up by identity.
pub(crate) type Wanted = BTreeMap<OperationId, Option<Operation>>;

/// One thing a violation points at.
#[derive(Debug, Clone)]
pub(crate) enum Witness {
    /// An operation in full.
    Operation(Operation),
    /// An operation by identity.
    Asked(OperationId),
    /// Something that is not an operation: a record, a push.
    Told(WitnessRecord),
}

impl Witness {
    /// A record of the log, or of what the server pushed.
    pub(crate) fn told(who: String, what: String, answer: String, seq: u64) -> Self {
        Self::Told(WitnessRecord {
            client: who,
            call: what,
            answer,
            invoked_ns: 0,
            completed_ns: None,
            seq,
        })
    }
}

/// One violation, not yet rendered.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) sentence: String,
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) order: &'static str,
    pub(crate) expected: String,
}

/// What a law is, in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) demands: &'static str,
    pub(crate) confidence: &'static str,
    pub(crate) topic: Topic,
    pub(crate) needs: Needs,
}

/// What a law is about: where nobody had to do with it, its laws are left out unless one is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The log, and every answer whatever it is about.
    Everything,
    /// Slots, and nothing but them.
    Slots,
    Chat,
    Presence,
    Catalogue,
    Sales,
    /// Something that no other law is about: it says so itself ([`Finding::leave_out`]).
    Itself,
}

/// What a law cannot be judged without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What the run's own people were told, and nothing else.
    Answers,
    /// The same; and where others may have used the server, the log, which has what they did.
    AnswersUnvisited,
    Log,
}

/// What one law found so far.
#[derive(Debug)]
pub(crate) struct Finding {
    about: About,
    counts: Vec<(&'static str, u64)>,
    violations: Vec<(Option<Subject>, Violation)>,
    violation_count: u64,
    scope: Scope,
    unknown: Option<String>,
    is_left_out: bool,
}

/// A law's verdict, and for each violation that it tells what is to be looked at around it.
#[derive(Debug)]
pub(crate) struct Concluded {
    pub(crate) record: LawRecord,
    pub(crate) windows: Vec<Option<Window>>,
}

impl Concluded {
    /// The verdict, when the windows have seen the history.
    pub(crate) fn finish(mut self) -> LawRecord {
        for (violation, window) in self.record.violations.iter_mut().zip(self.windows) {
            violation.window = window.map(Window::records).unwrap_or_default();
        }
        self.record
    }
}

impl Finding {
    pub(crate) const fn new(about: About) -> Self {
        Self {
            about,
            counts: Vec::new(),
            violations: Vec::new(),
            violation_count: 0,
            scope: Scope::new(),
            unknown: None,
            is_left_out: false,
        }
    }

    /// Nobody had to do with what this law is about.
    pub(crate) const fn leave_out(&mut self) {
        self.is_left_out = true;
    }

    /// Whether nobody had to do with it, as the law says itself.
    pub(crate) const fn is_left_out(&self) -> bool {
        self.is_left_out
    }

    /// The name of its law.
    pub(crate) const fn name(&self) -> &'static str {
        self.about.name
    }

    /// What its law is about.
    pub(crate) const fn topic(&self) -> Topic {
        self.about.topic
    }

    /// How far its law is, which has looked at so many of these.
    pub(crate) const fn progress(&self, what: &'static str, count: u64) -> LawProgress {
        LawProgress {
            name: self.about.name,
            what,
            count,
            violations: self.violation_count,
        }
    }

    /// Counts a violation; `tell` is asked for it only while there is room.
    pub(crate) fn convict(&mut self, tell: impl FnOnce() -> Violation) {
        self.convict_of(None, tell);
    }

    /// The same, of something that its operations do not name.
    pub(crate) fn convict_of(
        &mut self,
        subject: Option<Subject>,
        tell: impl FnOnce() -> Violation,
    ) {
        self.violation_count += 1;
        if !self.scope.has_room() {
            return;
        }
        let violation = tell();
        let subject = subject.or_else(|| violation.subject());
        self.scope.note(subject, &violation);
        // Any of them may be excused later, and another one is told in its place.
        self.violations.push((subject, violation));
    }

    /// Takes back violations about things that somebody outside the run changed.
    pub(crate) fn excuse(&mut self, is_excused: impl Fn(Subject) -> bool) {
        let looked_at = self.violations.len();
        (self.violations).retain(|(subject, _)| !subject.is_some_and(&is_excused));
        let excused = looked_at - self.violations.len();
        if excused == 0 {
            return;
        }
        let mut scope = Scope::new();
        for (subject, violation) in &self.violations {
            scope.note(*subject, violation);
        }
        self.scope = scope;
        self.violation_count -= u64::try_from(excused).unwrap_or(0);
        if self.violations.is_empty() && 0 < self.violation_count {
            self.violation_count = 0;
            self.doubt("visitors of the server changed so much that it could not be told from what it did wrong");
        }
    }

    /// The law cannot be judged, whatever else was seen. The first reason stays.
    pub(crate) fn doubt(&mut self, reason: impl Into<String>) {
        self.unknown.get_or_insert_with(|| reason.into());
    }

    /// Notes how much was exercised.
    pub(crate) fn count(&mut self, what: &'static str, count: u64) {
        self.counts.push((what, count));
    }

    /// Notes what was exercised, and doubts the law when it is nothing.
    pub(crate) fn count_needed(&mut self, what: &'static str, count: u64) {
        self.count(what, count);
        if count == 0 {
            self.doubt(format!("nothing was exercised: 0 {what}"));
        }
    }

    /// The operations to look up in the history.
    pub(crate) fn want(&self, wanted: &mut Wanted) {
        for (_, violation) in self.violations.iter().take(TOLD_MAX) {
            for witness in &violation.witnesses {
                if let Witness::Asked(id) = witness {
                    wanted.insert(*id, None);
                }
            }
        }
    }

    /// The verdict.
    pub(crate) fn conclude(self, required: &[String], wanted: &Wanted) -> Concluded {
        let verdict = match (self.violation_count, &self.unknown) {
            (1.., _) => Verdict::Invalid,
            (0, Some(_)) => Verdict::Unknown,
            (0, None) => Verdict::Valid,
        };
        let (mut windows, mut violations) = (Vec::new(), Vec::new());
        for (subject, violation) in self.violations.iter().take(TOLD_MAX) {
            let operations = violation.operations(wanted);
            let named = || operations.iter().find_map(|op| Subject::of(&op.call));
            let subject = subject.or_else(named);
            windows.push(Window::around(subject, &operations));
            violations.push(tell(subject, violation, wanted));
        }
        let record = LawRecord {
            name: self.about.name.to_owned(),
            demands: self.about.demands.to_owned(),
            required: required.iter().any(|name| name == self.about.name),
            verdict,
            reason: self.unknown.filter(|_| verdict == Verdict::Unknown),
            confidence: self.about.confidence.to_owned(),
            exercised: self.counts.iter().map(counted).collect(),
            violation_count: self.violation_count,
            violations,
            scope: self.scope.record(),
        };
        Concluded { record, windows }
    }
}

fn counted((what, count): &(&'static str, u64)) -> Count {
    Count {
        what: (*what).to_owned(),
        count: *count,
    }
}

impl Violation {
    /// What its operations are about, if they say so.
    fn subject(&self) -> Option<Subject> {
        let operations = self.witnesses.iter().filter_map(|witness| match witness {
            Witness::Operation(operation) => Some(operation),
            Witness::Asked(_) | Witness::Told(_) => None,
        });
        operations
            .filter_map(|operation| Subject::of(&operation.call))
            .next()
    }

    /// Its operations, as far as they are known.
    fn operations(&self, wanted: &Wanted) -> Vec<Operation> {
        let known = |witness: &Witness| match witness {
            Witness::Operation(operation) => Some(*operation),
            Witness::Asked(id) => wanted.get(id).copied().flatten(),
            Witness::Told(_) => None,
        };
        self.witnesses.iter().filter_map(known).collect()
    }
}

fn tell(subject: Option<Subject>, violation: &Violation, wanted: &Wanted) -> ViolationRecord {
    let operations = violation.witnesses.iter().take(WITNESSES_MAX);
    let operations: Vec<WitnessRecord> = operations.map(|w| witness(w, wanted)).collect();
    ViolationRecord {
        sentence: violation.sentence.clone(),
        about: subject.map(Subject::text),
        pairs: pairs(&operations),
        operations,
        order: violation.order.to_owned(),
        expected: violation.expected.clone(),
        window: Vec::new(),
    }
}

fn witness(witness: &Witness, wanted: &Wanted) -> WitnessRecord {
    match witness {
        Witness::Operation(operation) => of_operation(operation),
        Witness::Told(told) => told.clone(),
        Witness::Asked((client, counter)) => match wanted.get(&(*client, *counter)) {
            Some(Some(operation)) => of_operation(operation),
            Some(None) | None => WitnessRecord {
                client: format!("client {client}"),
                call: format!("its operation {counter}"),
                answer: "not in the recorded history".to_owned(),
                invoked_ns: 0,
                completed_ns: None,
                seq: 0,
            },
        },
    }
}

pub(crate) fn of_operation(operation: &Operation) -> WitnessRecord {
    let answered = !matches!(operation.outcome, Outcome::Timeout | Outcome::Unknown);
    WitnessRecord {
        client: format!("client {}", operation.client),
        call: call_text(&operation.call),
        answer: outcome_text(operation.outcome),
        invoked_ns: operation.sent_at,
        completed_ns: answered.then_some(operation.completed_at),
        seq: operation.seq,
    }
}

/// A slot as people say it.
pub(crate) fn slot_text(slot: Slot) -> String {
    slot_id_text(slot.unpack())
}

/// A slot as people say it.
pub(crate) fn slot_id_text(id: SlotId) -> String {
    format!("slot {} of agenda {} on day {}", id.slot, id.agenda, id.day)
}

/// An instant as people say it.
pub(crate) fn time_text(at: Nanos) -> String {
    let millis = at / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

/// An outcome as people say it.
pub(crate) fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Refused(code) => format!("refused: {}", code.name()),
        Outcome::Error(code) => format!("not considered: {}", code.name()),
        Outcome::Timeout => "no answer in time".to_owned(),
        Outcome::Unknown => "connection lost".to_owned(),
    }
}

/// A question was refused that everybody may ask who asked it.
pub(crate) fn refused_question(operation: &Operation, code: Code) -> Violation {
    Violation {
        sentence: format!(
            "`{}` of client {} was refused as {} at position {}, where it is not so",
            call_text(&operation.call),
            operation.client,
            code.name(),
            operation.seq,
        ),
        witnesses: vec![Witness::Operation(*operation)],
        order: "a question is refused for nothing but what the log says",
        expected: "the answer".to_owned(),
    }
}

/// What the log keeps of an outcome, as people say it.
pub(crate) fn decided_text(refused: Option<Code>) -> String {
    outcome_text(refused.map_or(Outcome::Ok, Outcome::Refused))
}

/// A call as people say it.
pub(crate) fn call_text(call: &Call) -> String {
    let name = Call::NAMES[call.index()];
    match call {
        Call::Reserve { slot } | Call::JoinWaitlist { slot } | Call::LeaveWaitlist { slot } => {
            format!("{name} {}", slot_text(*slot))
        }
        Call::Hold { slot, seconds } => format!("{name} {} for {seconds} s", slot_text(*slot)),
        Call::Cancel { booking, slot } | Call::Confirm { booking, slot } => {
            format!("{name} booking {booking} ({})", slot_text(*slot))
        }
        Call::ListSlots { slot } => {
            let id = slot.unpack();
            format!("{name} agenda {} on day {}", id.agenda, id.day)
        }
        Call::MyBookings | Call::EraseMe => name.to_owned(),
        Call::Chat(call) => call.text(),
        Call::Catalogue(call) => call.text(),
        Call::Sales(call) => call.text(),
    }
}
