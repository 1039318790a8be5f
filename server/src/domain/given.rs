//! How the rules are tested: given these commands, when this one comes, then this is its outcome.
//!
//! Plays the engine's part for one system, and keeps what it accepted so that it can be replayed.
//! Keys are made of positions, so that every command has its own. Tests only.

use protocol::{Key, Refusal, Roles, Seq, UserId};

use super::{Context, Lifecycle, System};
use crate::snapshot::tests::reloaded;

/// Somebody with roles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor(pub(crate) UserId, pub(crate) Roles);

/// The server itself.
pub(crate) const SERVER: Actor = Actor(UserId::NOBODY, Roles::ADMIN);
/// Somebody who has not logged in.
pub(crate) const STRANGER: Actor = Actor(UserId::NOBODY, Roles::MEMBER);

/// A person without roles.
pub(crate) const fn member(user: u64) -> Actor {
    Actor(UserId(user), Roles::MEMBER)
}

/// A system with a history of its own.
#[derive(Debug)]
pub(crate) struct Given<S: System> {
    pub(crate) system: S,
    seq: Seq,
    accepted: Vec<(Context, S::Command, S::Event)>,
}

/// What came of a command or query.
#[derive(Debug, PartialEq)]
pub(crate) struct When<T>(Result<T, Refusal>);

/// A system to which these commands happened, each of which must be accepted. The first has
/// position 1.
pub(crate) fn given<S: System>(commands: &[(Actor, u64, S::Command)]) -> Given<S> {
    let mut given = Given {
        system: S::default(),
        seq: Seq::START,
        accepted: Vec::new(),
    };
    for (actor, now, command) in commands {
        let outcome = given.execute(*actor, *now, command);
        if let Err(refusal) = outcome {
            panic!(
                "{} is given and was refused: {refusal}",
                command_name::<S>(command)
            );
        }
    }
    given
}

fn command_name<S: System>(command: &S::Command) -> &'static str {
    super::Word::name(command)
}

/// The key of the command at this position.
pub(crate) fn key_at(seq: u64) -> Key {
    Key(u128::from(seq).to_be_bytes())
}

impl<S: System> Given<S> {
    /// Decides a command and applies what was decided, then whatever must follow it directly.
    pub(crate) fn execute(
        &mut self,
        actor: Actor,
        now: u64,
        command: &S::Command,
    ) -> Result<S::Event, Refusal> {
        self.seq = self.seq.next();
        let cx = self.context(actor, now);
        let event = self.system.decide(&cx, command)?;
        self.system.apply(&cx, command, &event);
        let kept = (cx, copy::<S::Command>(command), copy::<S::Event>(&event));
        self.accepted.push(kept);
        if let Some(Lifecycle::Erased(user)) = S::passage(&cx, &event) {
            self.system.forget(&cx, user);
        }
        if let Some(follow_up) = self.system.follow_up(&event) {
            let _may_be_refused = self.execute(SERVER, now, &follow_up);
        }
        Ok(event)
    }

    /// The position that the next command takes.
    pub(crate) fn next_seq(&self) -> u64 {
        self.seq.next().0
    }

    /// One more command, whose outcome is looked at.
    pub(crate) fn when(
        &mut self,
        actor: Actor,
        now: u64,
        command: impl Into<S::Command>,
    ) -> When<S::Event> {
        When(self.execute(actor, now, &command.into()))
    }

    /// A question, whose answer is looked at.
    pub(crate) fn asked(
        &self,
        actor: Actor,
        now: u64,
        query: impl Into<S::Query>,
    ) -> When<S::Answer> {
        When(self.system.answer(&self.context(actor, now), &query.into()))
    }

    /// Ends everything whose time has come, as the engine does before it decides anything.
    pub(crate) fn pass_time(&mut self, now: u64) {
        while let Some(command) = self.system.due(now) {
            let outcome = self.execute(SERVER, now, &command);
            assert!(outcome.is_ok(), "what is due is accepted");
        }
    }

    /// The state that replaying what was accepted gives.
    pub(crate) fn replayed(&self) -> S {
        let mut system = S::default();
        for (cx, command, event) in &self.accepted {
            // A record does not keep the roles its actor had.
            let cx = Context {
                roles: Roles::MEMBER,
                ..*cx
            };
            system.apply(&cx, command, event);
            if let Some(Lifecycle::Erased(user)) = S::passage(&cx, event) {
                system.forget(&cx, user);
            }
        }
        system
    }

    /// The same system after it was saved and loaded, as a start from a snapshot has it.
    pub(crate) fn reload(&mut self) {
        self.system = reloaded(&self.system);
    }

    fn context(&self, actor: Actor, now: u64) -> Context {
        Context {
            seq: self.seq,
            now,
            actor: actor.0,
            roles: actor.1,
            key: key_at(self.seq.0),
        }
    }
}

impl<T: std::fmt::Debug + PartialEq> When<T> {
    #[track_caller]
    pub(crate) fn then(self, expected: impl Into<T>) {
        assert_eq!(self.0, Ok(expected.into()));
    }

    #[track_caller]
    pub(crate) fn refused(self, expected: Refusal) {
        assert_eq!(self.0, Err(expected));
    }
}

/// A word by way of its bytes, as a log would keep it.
fn copy<W: super::Word>(word: &W) -> W {
    let (kind, schema) = word.kind();
    let mut bytes = Vec::new();
    word.encode(&mut bytes);
    W::decode(kind, schema, &bytes).expect("a word decodes from its own bytes")
}
