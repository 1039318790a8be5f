//! Every set of words by name: which word a name means, and its fields both ways.
//!
//! The sets are those of `words/`, grouped by where they stand in a conversation; a system is one
//! line in each group it has words for. Names are unique within a group, and across events and
//! answers, since both follow an `ok`; a test holds them to that.

use super::{RenderError, fields::Fields};
use crate::{
    describe::Tracer,
    id::Kind,
    words::{WordError, accounts, agenda, catalogue, chat, log, presence, sales},
};

/// Where a word stands, which decides what its kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Asked, and logged.
    Command,
    /// Asked.
    Query,
    /// Said in passing by a client.
    Signal,
    /// The outcome of a command.
    Event,
    /// The outcome of a query.
    Answer,
    /// Told to those whom it concerns.
    Push,
    /// Told in passing.
    News,
}

/// Appends the body that these fields make, and says its schema version.
type Encode = fn(Kind, Fields<'_>, &mut Vec<u8>) -> Result<Option<u8>, serde_json::Error>;

/// Appends the fields of a body of this schema version as an object.
type Render = fn(Kind, u8, &[u8], &mut Vec<u8>) -> Result<(), WordError>;

/// Notes how the layout of a kind and schema version is read.
type Trace = fn(Kind, u8, Tracer<'_>) -> Result<(), serde::de::value::Error>;

/// One closed set of words, whatever its type.
pub(crate) struct Set {
    words: &'static [(Kind, &'static str)],
    /// Every layout of every word, the newest first.
    pub(crate) layouts: &'static [(Kind, u8, &'static str)],
    pub(crate) trace: Trace,
    encode: Encode,
    render: Render,
}

macro_rules! sets {
    ($($set:ty),*) => {
        &[$(Set {
            words: <$set>::WORDS,
            layouts: <$set>::LAYOUTS,
            trace: |kind, schema, tracer| <$set>::trace(kind, schema, tracer),
            encode: |kind, fields, out| {
                Ok(<$set>::deserialize_as(kind, fields)?.map(|word| {
                    word.encode(out);
                    word.kind().1
                }))
            },
            render: |kind, schema, body, out| {
                let word = <$set>::decode(kind, schema, body)?;
                word.serialize_fields(&mut serde_json::Serializer::new(out))
                    .expect("a word holds what JSON can say, and a vector takes all of it");
                Ok(())
            },
        }),*]
    };
}

const COMMANDS: &[Set] = sets![
    accounts::Command,
    agenda::Command,
    chat::Command,
    catalogue::Command,
    sales::Command
];
const QUERIES: &[Set] = sets![
    log::Query,
    accounts::Query,
    agenda::Query,
    chat::Query,
    catalogue::Query,
    sales::Query,
    presence::Query
];
const SIGNALS: &[Set] = sets![presence::Signal];
const EVENTS: &[Set] = sets![
    accounts::Event,
    agenda::Event,
    chat::Event,
    catalogue::Event,
    sales::Event
];
const ANSWERS: &[Set] = sets![
    log::Answer,
    accounts::Answer,
    agenda::Answer,
    chat::Answer,
    catalogue::Answer,
    sales::Answer,
    presence::Answer
];
const PUSHES: &[Set] = sets![accounts::Push, agenda::Push, chat::Push, sales::Push];
const NEWS: &[Set] = sets![presence::News];

impl Sort {
    /// All of them, in the order in which a conversation meets them.
    pub const ALL: [Self; 7] = [
        Self::Command,
        Self::Event,
        Self::Push,
        Self::Query,
        Self::Answer,
        Self::Signal,
        Self::News,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Query => "query",
            Self::Signal => "signal",
            Self::Event => "event",
            Self::Answer => "answer",
            Self::Push => "push",
            Self::News => "news",
        }
    }

    pub(crate) const fn sets(self) -> &'static [Set] {
        match self {
            Self::Command => COMMANDS,
            Self::Query => QUERIES,
            Self::Signal => SIGNALS,
            Self::Event => EVENTS,
            Self::Answer => ANSWERS,
            Self::Push => PUSHES,
            Self::News => NEWS,
        }
    }

    /// The word of this sort that has this name.
    pub(super) fn find(self, name: &str) -> Option<Found> {
        self.sets().iter().find_map(|set| {
            let (kind, name) = set.words.iter().find(|word| word.1 == name)?;
            let (kind, name) = (*kind, *name);
            Some(Found { set, kind, name })
        })
    }

    /// The word of this sort that has this kind.
    pub(super) fn find_kind(self, kind: Kind) -> Option<Found> {
        self.sets().iter().find_map(|set| {
            let (kind, name) = set.words.iter().find(|word| word.0 == kind)?;
            let (kind, name) = (*kind, *name);
            Some(Found { set, kind, name })
        })
    }
}

/// A word that exists.
pub(super) struct Found {
    set: &'static Set,
    pub(super) kind: Kind,
    pub(super) name: &'static str,
}

impl Found {
    /// Appends the body that these fields make; says its schema version.
    pub(super) fn encode(
        &self,
        fields: Fields<'_>,
        out: &mut Vec<u8>,
    ) -> Result<u8, serde_json::Error> {
        let schema = (self.set.encode)(self.kind, fields, out)?;
        Ok(schema.expect("the kind was found in this set"))
    }

    /// Appends the fields of a body as an object.
    pub(super) fn render(
        &self,
        schema: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        Ok((self.set.render)(self.kind, schema, body, out)?)
    }
}
