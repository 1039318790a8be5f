//! One line as an object: its fields by name, and a word's struct out of them.
//!
//! A line is split into names and untouched values first; a value is looked into when the word says
//! what it must be. So a line costs no more memory than itself, however deep it nests, and an error
//! can name the field. Deliberately absent: what the fields mean.

use std::{borrow::Cow, fmt, slice};

use serde::{
    Deserialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
        Visitor,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, value::RawValue};

/// The most fields of a line. The widest word has 6, and its head as many.
const FIELDS_MAX: usize = 16;

/// What stands in one line, name by name.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The fields of the one object that `line` is.
    pub(super) fn parse(line: &'a str) -> Result<Self, Error> {
        let mut source = serde_json::Deserializer::from_str(line);
        let fields = source.deserialize_map(FieldsVisitor)?;
        source.end()?;
        Ok(fields)
    }

    /// Takes a field out; `None` when there is none of this name, or it is null.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let Some(at) = self.0.iter().position(|field| field.0 == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        Option::deserialize(value).map_err(|error| in_field(name, &error))
    }

    /// The fields as a struct that has exactly these.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        T::deserialize(self)
    }

    /// The name of the first field that is none of `known`.
    fn unknown(&self, known: &[&str]) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| &**name);
        names.into_iter().find(|name| !known.contains(name))
    }
}

/// The error, with the field it is about. What serde_json adds is a column within the field.
fn in_field(name: &str, error: &Error) -> Error {
    let text = error.to_string();
    let bare = text.split(" at line ").next().unwrap_or_default();
    // What the reader calls a type of this program is nothing to whoever has another.
    let said = NUMBERS.iter().fold(bare.to_owned(), |said, name| {
        said.replace(&format!("expected {name}"), "expected a whole number")
    });
    Error::custom(format_args!("field `{name}`: {said}"))
}

/// Types of numbers, as the reader calls them.
const NUMBERS: [&str; 4] = ["u8", "u16", "u32", "u64"];

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if fields.iter().any(|field| field.0 == name.0) {
                return Err(A::Error::custom(format_args!("field `{}`: twice", name.0)));
            }
            if FIELDS_MAX <= fields.len() {
                return Err(A::Error::custom(format_args!(
                    "more than {FIELDS_MAX} fields"
                )));
            }
            fields.push((name.0, value));
        }
        Ok(Fields(fields))
    }
}

/// A name, copied only if it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Some(unknown) = self.unknown(known) {
            let reason = format!("field `{unknown}`: unknown here, expected {known:?}");
            return Err(Error::custom(reason));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries {
            left: self.0.iter(),
            value: None,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Entries<'f, 'de> {
    left: slice::Iter<'f, (Cow<'de, str>, &'de RawValue)>,
    value: Option<(&'f str, &'de RawValue)>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.left.next() else {
            return Ok(None);
        };
        self.value = Some((name, value));
        let name: &str = name;
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self
            .value
            .take()
            .ok_or_else(|| Error::custom("a value without a name"))?;
        seed.deserialize(value)
            .map_err(|error| in_field(name, &error))
    }
}
