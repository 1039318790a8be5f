//! The list of systems, and the one place that sends a word to the system it belongs to.
//!
//! Kinds, schemas and bytes come in; outcomes, follow-ups and pushes go out as bytes, so that the
//! engine, the log and the sessions know no system by name. Adding a system is one line in
//! `systems!` below. Deliberately absent: the bytes' types (`bytes`), what is done with a word whichever
//! system it is of (`one`), and every rule.

mod bytes;
mod one;

use std::borrow::Cow;

use protocol::{
    Record, Refusal, Roles, Seq, UserId,
    words::{WordError, log::About},
};

use self::one::{
    answer, answer_page, context_of, decide, decode, describe, execute, passage, prefetch, push,
    replay, step, unknown,
};
pub use self::{
    bytes::{
        Answered, CommandBytes, Described, Executed, Foreseen, OwnedCommand, PushBytes,
        ReplayError, Replayed, Source,
    },
    one::refusal,
};
use super::{
    Context, Lifecycle, Stream, System,
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
                if let Some(Lifecycle::Erased(user)) = executed.passage {
                    self.forget(cx, user);
                    executed.follow_up = self.after_forgetting().map(Box::new);
                }
                Ok(executed)
            }

            /// Asks for the memory in which deciding this command looks something up, and says what.
            /// What is no command is found out when it is decided.
            pub fn prefetch(&self, command: &CommandBytes<'_>) -> Option<Foreseen> {
                let system = command.kind.system();
                let looked_up = match system {
                    $(<$system>::ID => prefetch(&self.$name, command),)*
                    _other => None,
                };
                looked_up.map(|looked_up| Foreseen { system, looked_up })
            }

            /// Asks for the memory of what is found there.
            pub fn prefetch_found(&self, actor: UserId, prefetched: Foreseen) {
                match prefetched.system {
                    $(<$system>::ID => self.$name.prefetch_found(actor, prefetched.looked_up),)*
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
                if let Some(Lifecycle::Erased(user)) = replayed.passage {
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
            ///
            /// # Errors
            /// If a key is there and does not open what is sealed with it.
            pub fn open<'a>(record: &Record<'a>, keyring: &Keyring, instead: &str) -> Result<Cow<'a, [u8]>, ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => personal::open::<$system>(record, keyring, instead),)*
                    _other => Ok(Cow::Borrowed(record.body)),
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
            pub fn passage(record: &Record<'_>) -> Result<Option<Lifecycle>, ReplayError> {
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

            /// The name of a record's command, and what it was about, as a trail shows them.
            ///
            /// # Errors
            /// If command or outcome do not decode.
            pub fn step(record: &Record<'_>) -> Result<(&'static str, About), ReplayError> {
                match record.kind.system() {
                    $(<$system>::ID => step::<$system>(record),)*
                    _other => Err(WordError::Unknown { kind: record.kind, schema: record.schema }.into()),
                }
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

#[cfg(test)]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "the list is made for the whole crate and used in part here"
)]
mod tests;
