//! A system that is not there yet: one type, one line.

use protocol::{Code, Key, Kind, Outcome, Seq};

use super::*;
use crate::{
    domain::{NoWord, Word},
    snapshot::{SectionReader, SectionWriter, Unsound},
};

systems! {
    accounts: Accounts,
    agenda: Agenda,
    counter: Counter,
}

/// Counts up, by less than ten at a time.
#[derive(Debug, Default)]
pub(super) struct Counter(u64);

/// The only word it has.
#[derive(Debug, PartialEq)]
pub(super) struct Step(u8);

impl Word for Step {
    fn kind(&self) -> (Kind, u8) {
        (Kind::new(Counter::ID, 1), 1)
    }
    fn name(&self) -> &'static str {
        "step"
    }
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
    fn decode(kind: Kind, schema: u8, body: &[u8]) -> Result<Self, WordError> {
        match body {
            [step] => Ok(Self(*step)),
            _ => Err(WordError::Unknown { kind, schema }),
        }
    }
    fn to_json(&self) -> serde_json::Value {
        self.0.into()
    }
}

impl System for Counter {
    const ID: u8 = 99;
    type Command = Step;
    type Event = Step;
    type Query = Step;
    type Answer = Step;
    type Push = NoWord;

    fn is_client_command(_command: &Step) -> bool {
        true
    }
    fn people(command: &Step) -> &[UserId] {
        const NOT_REGISTERED: UserId = UserId(17);
        match command {
            Step(7) => &[NOT_REGISTERED],
            Step(_) => &[],
        }
    }
    fn decide(&self, _cx: &Context, command: &Step) -> Result<Step, Refusal> {
        match command {
            Step(by) if *by < 10 => Ok(Step(*by)),
            Step(by) => Err(Refusal::with(Code::HOLD_LENGTH, (*by).into(), 9)),
        }
    }
    fn apply(&mut self, _cx: &Context, _command: &Step, event: &Step) {
        self.0 += u64::from(event.0);
    }
    fn answer(&self, _cx: &Context, _query: &Step) -> Result<Step, Refusal> {
        Ok(Step(u8::try_from(self.0).expect("a short test")))
    }
    fn forget(&mut self, _cx: &Context, _user: UserId) {}
    fn about(_cx: &Context, _command: &Step, _event: Option<&Step>) -> About {
        About::Nothing
    }
    fn target(&self, _command: &Step) -> u64 {
        0
    }
    fn state_hash(&self) -> u128 {
        self.0.into()
    }
}

impl Saved for Counter {
    fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
        out.u64(self.0);
    }
    fn load(&mut self, from: &mut SectionReader<'_>, _keyring: &Keyring) -> Result<(), Unsound> {
        self.0 = from.u64()?;
        Ok(())
    }
}

fn context() -> Context {
    Context {
        seq: Seq(1),
        now: 0,
        actor: UserId(1),
        roles: Roles::MEMBER,
        key: Key::default(),
    }
}

#[test]
fn a_new_system_is_one_type_and_one_line() {
    let mut systems = Systems::default();
    let cx = context();
    for (step, accepted) in [(3, true), (10, false), (4, true)] {
        let command = OwnedCommand::new(&Step(step));
        let executed = systems.execute(&cx, &command.bytes(), &mut Vec::new());
        assert_eq!(executed.map(|executed| executed.accepted), Ok(accepted));
    }
    let mut answer = Vec::new();
    let query = OwnedCommand::new(&Step(0));
    let answered = systems.answer(&cx, &query.bytes(), &mut answer);
    assert_eq!(answered, Ok(Answered::Here));
    assert_eq!(answer.last(), Some(&7));
    assert_ne!(systems.state_hash(), Systems::default().state_hash());
}

#[test]
fn what_is_for_somebody_unknown_is_refused_and_changes_nothing() {
    let mut systems = Systems::default();
    let cx = context();
    let hash = systems.state_hash();
    let mut outcome = Vec::new();
    let command = OwnedCommand::new(&Step(7));
    let executed = systems.execute(&cx, &command.bytes(), &mut outcome);
    assert_eq!(executed.map(|executed| executed.accepted), Ok(false));
    let refusal = Refusal::with(Code::UNKNOWN_USER, 17, 0);
    assert_eq!(Outcome::decode(&outcome), Ok(Outcome::Refused(refusal)));
    assert_eq!(systems.state_hash(), hash);
}
