//! The words of each system: its commands, events, queries, answers and pushes.
//!
//! A word is a struct with a kind (system and number) and a schema version; together they say how
//! its body is laid out. They are stored forever: never renumber, never reuse, and a changed
//! layout is a new schema version beside the old one. What the words *do* is in the server's
//! domain; what a client makes of them is in the load generator. Neither is here.
//!
//! | system | number |
//! |---|---|
//! | the log itself | 0 |
//! | accounts | 1 |
//! | agenda | 2 |
//! | chat and messenger | 3 |
//! | catalogue | 4 |
//! | sales | 5 |
//! | presence, never logged | 6 |

pub mod accounts;
pub mod agenda;
pub mod catalogue;
pub mod chat;
pub mod log;
pub mod presence;
pub mod sales;

use crate::{codec::CodecError, id::Kind};

/// A body that is not the word its kind and schema promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// No word has this kind and schema here.
    #[error("kind {kind:?} with schema {schema} is unknown")]
    Unknown {
        /// The kind.
        kind: Kind,
        /// The schema version.
        schema: u8,
    },
    /// The word is known and the bytes are not one.
    #[error("kind {kind:?}: {source}")]
    Body {
        /// The kind.
        kind: Kind,
        /// What the decoder met.
        source: CodecError,
    },
}

/// The schema version of a line of [`words`]: 1 where it says none.
macro_rules! schema {
    () => {
        1
    };
    ($schema:literal) => {
        $schema
    };
}
pub(crate) use schema;

/// Declares a closed set of words: the enum over their structs, their numbers, and both ways
/// between a word and its bytes. Each line is `Struct = number, "stable-name";`, schema version 1, or
/// `Struct = number, "stable-name", schema n;` once its layout has changed. Layouts from before stand
/// behind `@before`, each a struct of its own under the number and name of its word; they are read and
/// written like any other, and where names travel the newest is meant.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident in $system:expr;
        $($variant:ident = $number:literal, $text:literal $(, schema $schema:literal)?;)*
        $(@before; $($old:ident = $old_number:literal, $old_text:literal, schema $old_schema:literal;)*)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[serde(tag = "word", rename_all = "kebab-case")]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`, number ", stringify!($number), ".")] $variant($variant),)*
            $($(
                #[doc = concat!("`", $old_text, "`, number ", stringify!($old_number), ", as it was in schema ", stringify!($old_schema), ".")]
                #[serde(rename = $old_text)]
                $old($old),
            )*)?
        }

        impl $name {
            /// Every word of this set: its kind and its stable name, by rising number.
            pub const WORDS: &'static [($crate::id::Kind, &'static str)] = &[
                $(($crate::id::Kind::new($system, $number), $text),)*
            ];

            /// Every layout of every word: its kind, its schema version and its stable name, the newest
            /// layouts first.
            pub const LAYOUTS: &'static [($crate::id::Kind, u8, &'static str)] = &[
                $(($crate::id::Kind::new($system, $number), $crate::words::schema!($($schema)?), $text),)*
                $($(($crate::id::Kind::new($system, $old_number), $old_schema, $old_text),)*)?
            ];

            /// The kind and the schema version of this word.
            #[must_use]
            pub const fn kind(&self) -> ($crate::id::Kind, u8) {
                match self {
                    $(Self::$variant(_) => ($crate::id::Kind::new($system, $number), $crate::words::schema!($($schema)?)),)*
                    $($(Self::$old(_) => ($crate::id::Kind::new($system, $old_number), $old_schema),)*)?
                }
            }

            /// The stable name of this word.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $text,)*
                    $($(Self::$old(_) => $old_text,)*)?
                }
            }

            /// Appends the body, without kind and schema.
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(word) => $crate::codec::encode(word, out),)*
                    $($(Self::$old(word) => $crate::codec::encode(word, out),)*)?
                }
            }

            /// Reads the body of the word that `kind` and `schema` promise.
            ///
            /// # Errors
            /// If there is no such word here or the body is not one.
            pub fn decode(kind: $crate::id::Kind, schema: u8, body: &[u8]) -> Result<Self, $crate::words::WordError> {
                let no_word = |source| $crate::words::WordError::Body { kind, source };
                if kind.system() == $system {
                    match (kind.number(), schema) {
                        $(($number, $crate::words::schema!($($schema)?)) => {
                            return $crate::codec::decode(body).map(Self::$variant).map_err(no_word);
                        })*
                        $($(($old_number, $old_schema) => {
                            return $crate::codec::decode(body).map(Self::$old).map_err(no_word);
                        })*)?
                        _other => {}
                    }
                }
                Err($crate::words::WordError::Unknown { kind, schema })
            }

            /// Reads the fields of the newest layout of the word of this kind from a source that names
            /// its fields; `None` when no word has this kind.
            ///
            /// # Errors
            /// If the source does not hold the fields of that word.
            pub fn deserialize_as<'de, D: serde::Deserializer<'de>>(
                kind: $crate::id::Kind,
                source: D,
            ) -> Result<Option<Self>, D::Error> {
                if kind.system() != $system {
                    return Ok(None);
                }
                match kind.number() {
                    $($number => <$variant as serde::Deserialize>::deserialize(source)
                        .map(|word| Some(Self::$variant(word))),)*
                    _other => Ok(None),
                }
            }

            /// Shows the source how the layout of this kind and schema is read, if there is one.
            ///
            /// # Errors
            /// What the source meets.
            pub(crate) fn trace<'de, D: serde::Deserializer<'de>>(
                kind: $crate::id::Kind,
                schema: u8,
                source: D,
            ) -> Result<(), D::Error> {
                if kind.system() != $system {
                    return Ok(());
                }
                match (kind.number(), schema) {
                    $(($number, $crate::words::schema!($($schema)?)) => {
                        <$variant as serde::Deserialize>::deserialize(source).map(|_word| ())
                    })*
                    $($(($old_number, $old_schema) => {
                        <$old as serde::Deserialize>::deserialize(source).map(|_word| ())
                    })*)?
                    _other => Ok(()),
                }
            }

            /// Writes the fields of this word, without its name.
            ///
            /// # Errors
            /// What the target meets.
            pub fn serialize_fields<S: serde::Serializer>(&self, target: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(word) => serde::Serialize::serialize(word, target),)*
                    $($(Self::$old(word) => serde::Serialize::serialize(word, target),)*)?
                }
            }
        }

        $(impl From<$variant> for $name {
            fn from(word: $variant) -> Self {
                Self::$variant(word)
            }
        })*

        $($(impl From<$old> for $name {
            fn from(word: $old) -> Self {
                Self::$old(word)
            }
        })*)?
    };
}
pub(crate) use words;
