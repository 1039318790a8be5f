//! The list of systems, and the one place that sends a word to the system it belongs to.
//!
//! Kinds, schemas and bytes come in; outcomes, follow-ups and notices go out as bytes, so that the
//! engine, the log and the sessions know no system by name. Adding a system is one line in
//! `systems!` below. Deliberately absent: every rule.

use protocol::{
    Code, Kind, Outcome, Record, Refusal, Roles, UserId,
    outcome::{encode_accepted, encode_refused},
    words::WordError,
};

use super::{
    Context, Pushed, Stream, System, Word, accounts::Accounts, agenda::Agenda,
    catalogue::Catalogue, sales::Sales,
};

macro_rules! systems {
    ($($name:ident: $system:ty,)*) => {
        /// The state of every system: what replaying the log gives.
        #[derive(Debug, Default)]
        pub struct Systems {
            $(
                #[doc = concat!("See [`crate::domain::", stringify!($name), "`].")]
                pub $name: $system,
            )*
        }

        impl Systems {
            /// Decides a command and, if it is accepted, applies it. Its outcome is appended to `out`.
            ///
            /// # Errors
            /// If the bytes are no command of any system: nothing was decided and `out` is as it was.
            pub fn execute(&mut self, cx: &Context, command: &CommandBytes<'_>, out: &mut Vec<u8>) -> Result<Executed, Refusal> {
                match command.kind.system() {
                    $(<$system>::ID => execute(&mut self.$name, cx, command, out),)*
                    _other => Err(unknown(command.kind)),
                }
            }

            /// Applies a record that was decided before. Refused ones change nothing.
            ///
            /// # Errors
            /// If command or outcome do not decode: the log is from another version, or damaged.
            pub fn replay(&mut self, record: &Record<'_>) -> Result<Executed, ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => replay(&mut self.$name, record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                }
            }

            /// Answers a query; the outcome is appended to `out`.
            ///
            /// # Errors
            /// If the bytes are no query of any system.
            pub fn answer(&self, cx: &Context, query: &CommandBytes<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
                match query.kind.system() {
                    $(<$system>::ID => answer(&self.$name, cx, query, out),)*
                    _other => Err(unknown(query.kind)),
                }
            }

            /// The earliest instant at which some system has something to do by itself.
            #[must_use]
            pub fn deadline(&self) -> Option<u64> {
                [$(self.$name.deadline()),*].into_iter().flatten().min()
            }

            /// A command whose time has come.
            #[must_use]
            pub fn due(&self, now: u64) -> Option<OwnedCommand> {
                $(if let Some(command) = self.$name.due(now) {
                    return Some(OwnedCommand::new(&command));
                })*
                None
            }

            /// The hash of the whole state.
            #[must_use]
            pub fn state_hash(&self) -> u128 {
                let mut hash = 0_u128;
                $(hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b).wrapping_add(self.$name.state_hash());)*
                hash
            }

            /// A command and its outcome as people read them.
            ///
            /// # Errors
            /// If either does not decode.
            pub fn describe(record: &Record<'_>) -> Result<Described, ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => describe::<$system>(record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                }
            }
        }
    };
}

// Kinds carry the system's number, so the order of these lines is free.
systems! {
    accounts: Accounts,
    agenda: Agenda,
    catalogue: Catalogue,
    sales: Sales,
}

impl Systems {
    /// What `user` may do.
    #[must_use]
    pub fn roles(&self, user: UserId) -> Roles {
        self.accounts.roles(user)
    }
}

/// A command or query as it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandBytes<'a> {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: &'a [u8],
    /// Whether it comes from a client, who may not send everything.
    pub source: Source,
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client's connection, as the client sent it.
    Client,
    /// A client's connection, after secrets were taken out of it: registering and logging in.
    Session,
    /// The server itself.
    Server,
}

/// A command of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedCommand {
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl OwnedCommand {
    /// The bytes of `command`.
    pub fn new(command: &impl Word) -> Self {
        let (kind, schema) = command.kind();
        let mut body = Vec::new();
        command.encode(&mut body);
        Self { kind, schema, body }
    }

    /// The command as the engine takes it.
    #[must_use]
    pub fn bytes(&self) -> CommandBytes<'_> {
        CommandBytes {
            kind: self.kind,
            schema: self.schema,
            body: &self.body,
            source: Source::Server,
        }
    }
}

/// What else follows from a decided command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Executed {
    /// Whether it was accepted.
    pub accepted: bool,
    /// A command that must be decided directly behind it.
    pub follow_up: Option<OwnedCommand>,
    /// Who must be told.
    pub notice: Option<UserId>,
    /// What it was about, for the trail; 0 for nothing.
    pub target: u64,
}

/// A record as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The command's stable name.
    pub name: &'static str,
    /// The command.
    pub command: serde_json::Value,
    /// The event, or why it was refused.
    pub outcome: Result<serde_json::Value, Refusal>,
}

/// A record that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The command or the event is not what its kind promises.
    #[error(transparent)]
    Word(#[from] WordError),
    /// The outcome is neither an acceptance nor a refusal.
    #[error("outcome: {0}")]
    Outcome(#[from] protocol::codec::CodecError),
}

fn execute<S: System>(
    system: &mut S,
    cx: &Context,
    bytes: &CommandBytes<'_>,
    out: &mut Vec<u8>,
) -> Result<Executed, Refusal> {
    let command = S::Command::decode(bytes.kind, bytes.schema, bytes.body)
        .map_err(|error| refusal(&error, bytes.body.len()))?;
    if bytes.source == Source::Client && !S::is_client_command(&command) {
        return Err(Refusal::with(Code::SERVER_ONLY, u64::from(bytes.kind.0), 0));
    }
    let target = system.target(&command);
    match system.decide(cx, &command) {
        Ok(event) => {
            let (kind, schema) = event.kind();
            encode_accepted(kind, schema, out);
            event.encode(out);
            system.apply(cx, &command, &event);
            Ok(Executed {
                accepted: true,
                follow_up: system
                    .follow_up(&event)
                    .map(|command| OwnedCommand::new(&command)),
                notice: S::push(cx, &command, &event).as_ref().and_then(person_told),
                target,
            })
        }
        Err(refusal) => {
            encode_refused(&refusal, out);
            Ok(Executed {
                target,
                ..Executed::default()
            })
        }
    }
}

/// The person who alone is told, if it is one.
pub(crate) fn person_told<P>(pushed: &Pushed<P>) -> Option<UserId> {
    match pushed.stream {
        Stream::Person(user) => Some(user),
        Stream::Everybody | Stream::Conversation(_) => None,
    }
}

fn replay<S: System>(system: &mut S, record: &Record<'_>) -> Result<Executed, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let target = system.target(&command);
    let accepted = match Outcome::decode(record.outcome)? {
        Outcome::Accepted { kind, schema, body } => {
            let event = S::Event::decode(kind, schema, body)?;
            let cx = Context {
                seq: record.seq,
                now: record.recorded_at,
                actor: record.actor,
                roles: Roles::MEMBER,
                key: record.key,
            };
            system.apply(&cx, &command, &event);
            true
        }
        Outcome::Refused(_) => false,
    };
    Ok(Executed {
        accepted,
        target,
        ..Executed::default()
    })
}

fn answer<S: System>(
    system: &S,
    cx: &Context,
    bytes: &CommandBytes<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let query = S::Query::decode(bytes.kind, bytes.schema, bytes.body)
        .map_err(|error| refusal(&error, bytes.body.len()))?;
    match system.answer(cx, &query) {
        Ok(answer) => {
            let (kind, schema) = answer.kind();
            encode_accepted(kind, schema, out);
            answer.encode(out);
        }
        Err(refusal) => encode_refused(&refusal, out),
    }
    Ok(())
}

fn describe<S: System>(record: &Record<'_>) -> Result<Described, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let outcome = match Outcome::decode(record.outcome)? {
        Outcome::Accepted { kind, schema, body } => {
            Ok(S::Event::decode(kind, schema, body)?.to_json())
        }
        Outcome::Refused(refusal) => Err(refusal),
    };
    Ok(Described {
        name: command.name(),
        command: command.to_json(),
        outcome,
    })
}

fn refusal(error: &WordError, body_len: usize) -> Refusal {
    match error {
        WordError::Unknown { kind, .. } => unknown(*kind),
        WordError::Body { kind, .. } => Refusal::with(
            Code::BAD_BODY,
            u64::from(kind.0),
            u64::try_from(body_len).unwrap_or(u64::MAX),
        ),
    }
}

fn unknown(kind: Kind) -> Refusal {
    Refusal::with(Code::UNKNOWN_KIND, u64::from(kind.0), 0)
}

#[cfg(test)]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "the list is made for the whole crate and used in part here"
)]
mod tests {
    //! A system that is not there yet: one type, one line.

    use protocol::{Key, Seq};

    use super::*;
    use crate::domain::NoWord;

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
        fn decide(&self, _cx: &Context, command: &Step) -> Result<Step, Refusal> {
            match command {
                Step(by) if *by < 10 => Ok(Step(*by)),
                Step(by) => Err(Refusal::with(Code::PAGE_LEN, (*by).into(), 9)),
            }
        }
        fn apply(&mut self, _cx: &Context, _command: &Step, event: &Step) {
            self.0 += u64::from(event.0);
        }
        fn answer(&self, _cx: &Context, _query: &Step) -> Result<Step, Refusal> {
            Ok(Step(u8::try_from(self.0).expect("a short test")))
        }
        fn forget(&mut self, _cx: &Context, _user: UserId) {}
        fn target(&self, _command: &Step) -> u64 {
            0
        }
        fn state_hash(&self) -> u128 {
            self.0.into()
        }
    }

    #[test]
    fn a_new_system_is_one_type_and_one_line() {
        let mut systems = Systems::default();
        let cx = Context {
            seq: Seq(1),
            now: 0,
            actor: UserId(1),
            roles: Roles::MEMBER,
            key: Key::default(),
        };
        for (step, accepted) in [(3, true), (10, false), (4, true)] {
            let command = OwnedCommand::new(&Step(step));
            let executed = systems.execute(&cx, &command.bytes(), &mut Vec::new());
            assert_eq!(executed.map(|executed| executed.accepted), Ok(accepted));
        }
        let mut answer = Vec::new();
        let query = OwnedCommand::new(&Step(0));
        assert_eq!(systems.answer(&cx, &query.bytes(), &mut answer), Ok(()));
        assert_eq!(answer.last(), Some(&7));
        assert_ne!(systems.state_hash(), Systems::default().state_hash());
    }
}
