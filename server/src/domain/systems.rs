//! The list of systems, and the one place that sends a word to the system it belongs to.
//!
//! Kinds, schemas and bytes come in; outcomes, follow-ups and pushes go out as bytes, so that the
//! engine, the log and the sessions know no system by name. Adding a system is one line in
//! `systems!` below. Deliberately absent: every rule.

use std::borrow::Cow;

use protocol::{
    Code, Kind, Outcome, Record, Refusal, Roles, Seq, UserId,
    outcome::{encode_accepted, encode_refused},
    words::WordError,
};

use super::{
    Context, Membership, PageWanted, Passage, Pushed, Stream, System, Word,
    accounts::Accounts,
    agenda::Agenda,
    catalogue::Catalogue,
    chat::Chat,
    personal::{self, Place},
    sales::Sales,
};
use crate::{keyring::Keyring, snapshot::Saved};

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
                let mut executed = match command.kind.system() {
                    $(<$system>::ID => {
                        let word = decode::<$system>(command)?;
                        let decided = decide(&self.$name, &self.accounts, cx, &word);
                        Ok(execute(&mut self.$name, cx, &word, decided, out))
                    })*
                    _other => Err(unknown(command.kind)),
                }?;
                if let Some(Passage::Leaves(user)) = executed.passage {
                    self.forget(cx, user);
                    executed.follow_up = self.after_forgetting().map(Box::new);
                }
                Ok(executed)
            }

            /// Asks for the memory in which deciding this command looks something up, and says what.
            /// What is no command is found out when it is decided.
            pub fn foresee(&self, command: &CommandBytes<'_>) -> Option<Foreseen> {
                let system = command.kind.system();
                let looked_up = match system {
                    $(<$system>::ID => foresee(&self.$name, command),)*
                    _other => None,
                };
                looked_up.map(|looked_up| Foreseen { system, looked_up })
            }

            /// Asks for the memory of what is found there.
            pub fn foresee_found(&self, actor: UserId, foreseen: Foreseen) {
                match foreseen.system {
                    $(<$system>::ID => self.$name.foresee_found(actor, foreseen.looked_up),)*
                    _other => {}
                }
            }

            /// Applies a record that was decided before, with its body as [`Systems::open`] gives
            /// it. Refused ones change nothing.
            ///
            /// # Errors
            /// If command or outcome do not decode: the log is from another version, or damaged.
            pub fn replay(&mut self, record: &Record<'_>) -> Result<Replayed, ReplayError> {
                let replayed: Result<Replayed, ReplayError> = match record.kind.system() {
                    $(<$system>::ID => replay(&mut self.$name, record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                };
                let replayed = replayed?;
                if let Some(Passage::Leaves(user)) = replayed.passage {
                    self.forget(&context_of(record), user);
                }
                Ok(replayed)
            }

            /// Nothing about this person is left in any system.
            fn forget(&mut self, cx: &Context, user: UserId) {
                $(self.$name.forget(cx, user);)*
            }

            /// A command that must follow directly behind the record at which somebody was forgotten.
            fn after_forgetting(&self) -> Option<OwnedCommand> {
                $(if let Some(command) = self.$name.after_forgetting() {
                    return Some(OwnedCommand::new(&command));
                })*
                None
            }

            /// Appends the bytes that are logged of a decided command to `out`, if they are not the
            /// bytes as they were sent: what it says about a person is sealed with that person's key.
            pub fn seal(place: Place, command: &CommandBytes<'_>, keyring: &Keyring, out: &mut Vec<u8>) -> bool {
                match command.kind.system() {
                    $(<$system>::ID => personal::seal::<$system>(place, command, keyring, out),)*
                    _other => false,
                }
            }

            /// The body of a record with what it says about people readable; where the key is gone
            /// because its person was erased, it reads `instead`.
            #[must_use]
            pub fn open<'a>(record: &Record<'a>, keyring: &Keyring, instead: &str) -> Cow<'a, [u8]> {
                match record.kind.system() {
                    $(<$system>::ID => personal::open::<$system>(record, keyring, instead),)*
                    _other => Cow::Borrowed(record.body),
                }
            }

            /// Answers a query: the outcome is appended to `out`, unless it is to be made of entries
            /// of a stream.
            ///
            /// # Errors
            /// If the bytes are no query of any system.
            pub fn answer(&self, cx: &Context, query: &CommandBytes<'_>, out: &mut Vec<u8>) -> Result<Answered, Refusal> {
                match query.kind.system() {
                    $(<$system>::ID => answer(&self.$name, cx, query, out),)*
                    _other => Err(unknown(query.kind)),
                }
            }

            /// The answer of a system to a query that wanted these entries, in the order it wanted
            /// them; the outcome is appended to `out`. Returns whether there is one.
            pub fn answer_page(system: u8, entries: &[(Seq, PushBytes)], out: &mut Vec<u8>) -> bool {
                match system {
                    $(<$system>::ID => answer_page::<$system>(entries, out),)*
                    _other => false,
                }
            }

            /// What others are told of a record, made again; its body as [`Systems::open`] gives it.
            ///
            /// # Errors
            /// If command or outcome do not decode.
            pub fn push(record: &Record<'_>) -> Result<Option<PushBytes>, ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => push::<$system>(record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                }
            }

            /// Who begins or ceases to exist by a record, without replaying what was before it.
            ///
            /// # Errors
            /// If its outcome does not decode.
            pub fn passage(record: &Record<'_>) -> Result<Option<Passage>, ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => passage::<$system>(record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                }
            }

            /// Shows every stream that `user` follows, and the first position of it that is for
            /// them.
            pub fn follow(&self, user: UserId, visit: &mut dyn FnMut(Stream, Seq)) {
                $(self.$name.follow(user, visit);)*
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

            /// Every system, to be saved.
            pub(crate) fn parts(&self) -> Vec<(&'static str, &dyn Saved)> {
                vec![$((stringify!($name), &self.$name as &dyn Saved)),*]
            }

            /// Every system, to be loaded.
            pub(crate) fn parts_mut(&mut self) -> Vec<(&'static str, &mut dyn Saved)> {
                vec![$((stringify!($name), &mut self.$name as &mut dyn Saved)),*]
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
    chat: Chat,
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

/// What a command that is about to be decided will look up.
#[derive(Debug, Clone, Copy)]
pub struct Foreseen {
    system: u8,
    looked_up: u64,
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

/// What else follows from a decided command. Small, since it is handed on with every command: what
/// few commands have stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Executed {
    /// Whether it was accepted.
    pub accepted: bool,
    /// A command that must be decided directly behind it.
    pub follow_up: Option<Box<OwnedCommand>>,
    /// What others are told.
    pub push: Option<Box<PushBytes>>,
    /// Who begins or ceases to follow something.
    pub memberships: Vec<Membership>,
    /// What it was about, for the trail; 0 for nothing.
    pub target: u64,
    /// Who begins or ceases to exist.
    pub passage: Option<Passage>,
}

/// What the engine must know of a record that was applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Whether it was accepted.
    pub accepted: bool,
    /// The stream in which a push of it is kept.
    pub kept_in: Option<Stream>,
    /// What it was about, for the trail; 0 for nothing.
    pub target: u64,
    /// Who begins or ceases to exist.
    pub passage: Option<Passage>,
}

/// What others are told of an event, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushBytes {
    /// Who: everybody who follows this.
    pub stream: Stream,
    /// Whether whoever is away is told when they return.
    pub is_kept: bool,
    /// Which word.
    pub kind: Kind,
    /// The version of its layout.
    pub schema: u8,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl PushBytes {
    /// The bytes of what is pushed.
    pub fn new<P: Word>(pushed: &Pushed<P>) -> Self {
        let (kind, schema) = pushed.word.kind();
        let mut body = Vec::new();
        pushed.word.encode(&mut body);
        Self {
            stream: pushed.stream,
            is_kept: pushed.is_kept,
            kind,
            schema,
            body,
        }
    }
}

/// How a query is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// From the state: the outcome is there.
    Here,
    /// With entries of a stream, which are in the log.
    FromLog(PageWanted),
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

fn decode<S: System>(bytes: &CommandBytes<'_>) -> Result<S::Command, Refusal> {
    let command = S::Command::decode(bytes.kind, bytes.schema, bytes.body)
        .map_err(|error| refusal(&error, bytes.body.len()))?;
    if bytes.source == Source::Client && !S::is_client_command(&command) {
        return Err(Refusal::with(Code::SERVER_ONLY, u64::from(bytes.kind.0), 0));
    }
    Ok(command)
}

/// What would happen, unless it is for somebody who is not there.
fn decide<S: System>(
    system: &S,
    accounts: &Accounts,
    cx: &Context,
    command: &S::Command,
) -> Result<S::Event, Refusal> {
    let event = system.decide(cx, command)?;
    let is_unknown = |user: &&UserId| accounts.name(**user).is_none();
    match S::people(command).iter().find(is_unknown) {
        Some(user) => Err(Refusal::with(Code::UNKNOWN_USER, user.0, 0)),
        None => Ok(event),
    }
}

fn foresee<S: System>(system: &S, command: &CommandBytes<'_>) -> Option<u64> {
    let CommandBytes {
        kind, schema, body, ..
    } = *command;
    if !S::FORESEEN.contains(&kind.number()) {
        return None;
    }
    let command = S::Command::decode(kind, schema, body).ok()?;
    Some(system.foresee(&command))
}

fn execute<S: System>(
    system: &mut S,
    cx: &Context,
    command: &S::Command,
    decided: Result<S::Event, Refusal>,
    out: &mut Vec<u8>,
) -> Executed {
    let target = system.target(command);
    match decided {
        Ok(event) => {
            let (kind, schema) = event.kind();
            encode_accepted(kind, schema, out);
            event.encode(out);
            system.apply(cx, command, &event);
            Executed {
                accepted: true,
                follow_up: system
                    .follow_up(&event)
                    .map(|command| Box::new(OwnedCommand::new(&command))),
                push: S::push(cx, command, &event).map(|pushed| Box::new(PushBytes::new(&pushed))),
                memberships: system.memberships(cx, command, &event),
                target,
                passage: S::passage(cx, &event),
            }
        }
        Err(refusal) => {
            encode_refused(&refusal, out);
            Executed {
                target,
                ..Executed::default()
            }
        }
    }
}

fn replay<S: System>(system: &mut S, record: &Record<'_>) -> Result<Replayed, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let target = system.target(&command);
    let mut replayed = Replayed {
        target,
        ..Replayed::default()
    };
    if let Some(event) = decode_event::<S>(record)? {
        let cx = context_of(record);
        system.apply(&cx, &command, &event);
        let kept = S::push(&cx, &command, &event).filter(|pushed| pushed.is_kept);
        replayed.accepted = true;
        replayed.kept_in = kept.map(|pushed| pushed.stream);
        replayed.passage = S::passage(&cx, &event);
    }
    Ok(replayed)
}

fn push<S: System>(record: &Record<'_>) -> Result<Option<PushBytes>, ReplayError> {
    let command = S::Command::decode(record.kind, record.schema, record.body)?;
    let event = decode_event::<S>(record)?;
    Ok(event
        .and_then(|event| S::push(&context_of(record), &command, &event))
        .map(|pushed| PushBytes::new(&pushed)))
}

fn passage<S: System>(record: &Record<'_>) -> Result<Option<Passage>, ReplayError> {
    let event = decode_event::<S>(record)?;
    Ok(event.and_then(|event| S::passage(&context_of(record), &event)))
}

/// What happened at a record, if it was accepted.
fn decode_event<S: System>(record: &Record<'_>) -> Result<Option<S::Event>, ReplayError> {
    match Outcome::decode(record.outcome)? {
        Outcome::Accepted { kind, schema, body } => Ok(Some(S::Event::decode(kind, schema, body)?)),
        Outcome::Refused(_) => Ok(None),
    }
}

/// What a record says of its circumstances. What its actor was allowed is decided and over.
const fn context_of(record: &Record<'_>) -> Context {
    Context {
        seq: record.seq,
        now: record.recorded_at,
        actor: record.actor,
        roles: Roles::MEMBER,
        key: record.key,
    }
}

fn answer<S: System>(
    system: &S,
    cx: &Context,
    bytes: &CommandBytes<'_>,
    out: &mut Vec<u8>,
) -> Result<Answered, Refusal> {
    let query = S::Query::decode(bytes.kind, bytes.schema, bytes.body)
        .map_err(|error| refusal(&error, bytes.body.len()))?;
    let answer = match system.wanted(cx, &query) {
        Ok(Some(wanted)) => return Ok(Answered::FromLog(wanted)),
        Ok(None) => system.answer(cx, &query),
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(answer) => encode_answer(&answer, out),
        Err(refusal) => encode_refused(&refusal, out),
    }
    Ok(Answered::Here)
}

fn answer_page<S: System>(entries: &[(Seq, PushBytes)], out: &mut Vec<u8>) -> bool {
    let decode = |(seq, push): &(Seq, PushBytes)| match S::Push::decode(
        push.kind,
        push.schema,
        &push.body,
    ) {
        Ok(word) => Some((*seq, word)),
        Err(_another_systems) => None,
    };
    let answer = S::answer_page(entries.iter().filter_map(decode).collect());
    if let Some(answer) = &answer {
        encode_answer(answer, out);
    }
    answer.is_some()
}

fn encode_answer(answer: &impl Word, out: &mut Vec<u8>) {
    let (kind, schema) = answer.kind();
    encode_accepted(kind, schema, out);
    answer.encode(out);
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

/// Why bytes are no word.
#[must_use]
pub fn refusal(error: &WordError, body_len: usize) -> Refusal {
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
    use crate::{
        domain::NoWord,
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

    impl Saved for Counter {
        fn save(&self, out: &mut SectionWriter<'_>, _keyring: &Keyring) {
            out.u64(self.0);
        }
        fn load(
            &mut self,
            from: &mut SectionReader<'_>,
            _keyring: &Keyring,
        ) -> Result<(), Unsound> {
            self.0 = from.u64()?;
            Ok(())
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
        let answered = systems.answer(&cx, &query.bytes(), &mut answer);
        assert_eq!(answered, Ok(Answered::Here));
        assert_eq!(answer.last(), Some(&7));
        assert_ne!(systems.state_hash(), Systems::default().state_hash());
    }

    #[test]
    fn what_is_for_somebody_unknown_is_refused_and_changes_nothing() {
        let mut systems = Systems::default();
        let cx = Context {
            seq: Seq(1),
            now: 0,
            actor: UserId(1),
            roles: Roles::MEMBER,
            key: Key::default(),
        };
        let hash = systems.state_hash();
        let mut outcome = Vec::new();
        let command = OwnedCommand::new(&Step(7));
        let executed = systems.execute(&cx, &command.bytes(), &mut outcome);
        assert_eq!(executed.map(|executed| executed.accepted), Ok(false));
        let refusal = Refusal::with(Code::UNKNOWN_USER, 17, 0);
        assert_eq!(Outcome::decode(&outcome), Ok(Outcome::Refused(refusal)));
        assert_eq!(systems.state_hash(), hash);
    }
}
