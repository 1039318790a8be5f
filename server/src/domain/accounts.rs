//! Stub, to be written.

use protocol::{Refusal, Roles, UserId, words::accounts as words};

use super::{Context, System, word};

word!(words::Command, words::Event, words::Query, words::Answer);

/// Stub.
#[derive(Debug, Default)]
pub struct Accounts {}

impl Accounts {
    /// Stub.
    #[must_use]
    pub fn roles(&self, _user: UserId) -> Roles {
        Roles::MEMBER
    }
}

impl System for Accounts {
    const ID: u8 = words::SYSTEM;
    type Command = words::Command;
    type Event = words::Event;
    type Query = words::Query;
    type Answer = words::Answer;

    fn is_client_command(_command: &Self::Command) -> bool {
        true
    }
    fn decide(&self, _cx: &Context, _command: &Self::Command) -> Result<Self::Event, Refusal> {
        todo!()
    }
    fn apply(&mut self, _cx: &Context, _command: &Self::Command, _event: &Self::Event) {}
    fn answer(&self, _cx: &Context, _query: &Self::Query) -> Result<Self::Answer, Refusal> {
        todo!()
    }
    fn follow_up(&self, _event: &Self::Event) -> Option<Self::Command> {
        None
    }
    fn deadline(&self) -> Option<u64> {
        None
    }
    fn due(&self, _now: u64) -> Option<Self::Command> {
        None
    }
    fn notice(&self, _event: &Self::Event) -> Option<UserId> {
        None
    }
    fn target(&self, _command: &Self::Command) -> u64 {
        0
    }
    fn state_hash(&self) -> u128 {
        0
    }
}
