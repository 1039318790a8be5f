//! Tables and values of a scenario file, read one by one, each with its place in the text.
//!
//! Every read checks type and range at once and says the value, the limit and the remedy. A table
//! names its keys when it is opened, so that an unknown one is refused before anything is read.
//! Deliberately absent: what the values mean.

use std::{ops::Range, str::FromStr, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::diagnostic::{Fault, suggest};

/// A read value, or what is wrong with it.
pub(super) type Read<T> = Result<T, Box<Fault>>;

/// A table whose keys are all known.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    /// What it is, for messages: `a phase`.
    what: &'static str,
    entries: &'a DeTable<'a>,
    span: Range<usize>,
}

/// A value, and the key it stands under.
#[derive(Debug, Clone)]
pub(super) struct Value<'a> {
    key: &'a str,
    value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn document(file: &'a Spanned<DeTable<'a>>, known: &[&str]) -> Read<Self> {
        // The end of the first line that is there is the best place for what is not there at all.
        let table = Self {
            what: "a scenario",
            entries: file.get_ref(),
            span: 0..0,
        };
        table.refuse_unknown(known)?;
        Ok(table)
    }

    fn refuse_unknown(&self, known: &[&str]) -> Read<()> {
        // In the order of the file: the first mistake is the one to show.
        let unknown = self
            .entries
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        let Some(key) = unknown else { return Ok(()) };
        let name = key.get_ref();
        let fault = Fault::new(key.span(), format!("{} has no key `{name}`", self.what));
        Err(fault.hint(suggest(name, known.iter().copied())))
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'a str) -> Option<Value<'a>> {
        let node = self.entries.get(key)?;
        Some(Value {
            key,
            value: node.get_ref(),
            span: node.span(),
        })
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'a str) -> Read<Value<'a>> {
        self.get(key).ok_or_else(|| {
            Fault::new(
                self.span.clone(),
                format!("{} needs the key `{key}`", self.what),
            )
            .hint(format!("add `{key} = ...`"))
        })
    }

    /// Something wrong with the table as a whole.
    pub(super) fn fault(&self, message: impl Into<String>) -> Box<Fault> {
        Fault::new(self.span.clone(), message)
    }

    /// Every entry, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(Value<'a>, Range<usize>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, node)| {
                let value = Value {
                    key: key.get_ref(),
                    value: node.get_ref(),
                    span: node.span(),
                };
                (value, key.span())
            })
            .collect();
        entries.sort_by_key(|(_, span)| span.start);
        entries
    }
}

impl<'a> Value<'a> {
    /// The key it stands under.
    pub(super) const fn key(&self) -> &'a str {
        self.key
    }

    /// Something wrong with this value.
    pub(super) fn fault(&self, message: impl Into<String>) -> Box<Fault> {
        Fault::new(self.span.clone(), message)
    }

    /// The refusal of a value of another type.
    pub(super) fn mistyped(&self, wanted: &str) -> Box<Fault> {
        self.fault(format!(
            "`{}` is {}, but must be {wanted}",
            self.key,
            type_name(self.value)
        ))
    }

    pub(super) fn text(&self, wanted: &str) -> Read<&'a str> {
        self.value.as_str().ok_or_else(|| self.mistyped(wanted))
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn boolean(&self) -> Read<bool> {
        self.value
            .as_bool()
            .ok_or_else(|| self.mistyped("true or false"))
    }

    /// A table with these keys.
    pub(super) fn table(&self, what: &'static str, known: &[&str]) -> Read<Table<'a>> {
        let table = self.open_table(what)?;
        table.refuse_unknown(known)?;
        Ok(table)
    }

    /// A table whose keys are names that the file chooses.
    pub(super) fn open_table(&self, what: &'static str) -> Read<Table<'a>> {
        let entries = self
            .value
            .as_table()
            .ok_or_else(|| self.mistyped("a table"))?;
        Ok(Table {
            what,
            entries,
            span: self.span.clone(),
        })
    }

    /// A list that is not empty.
    pub(super) fn list(&self) -> Read<Vec<Self>> {
        let list = self
            .value
            .as_array()
            .ok_or_else(|| self.mistyped("a list"))?;
        if list.is_empty() {
            return Err(self
                .fault(format!("`{}` is empty", self.key))
                .hint("give at least one"));
        }
        let value = |node: &'a Spanned<DeValue<'a>>| Value {
            key: self.key,
            value: node.get_ref(),
            span: node.span(),
        };
        Ok(list.iter().map(value).collect())
    }

    /// A whole number of this range.
    pub(super) fn integer<T>(&self, range: Range<u64>) -> Read<T>
    where
        T: TryFrom<u64>,
    {
        let last = range.end - 1;
        let wanted = format!("a whole number from {} to {last}", range.start);
        let integer = self
            .value
            .as_integer()
            .ok_or_else(|| self.mistyped(&wanted))?;
        let parsed = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        parsed
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.fault(format!("`{}` is {integer}, but must be {wanted}", self.key)))
    }

    /// A number, whole or not, that is finite.
    pub(super) fn number(&self) -> Read<f64> {
        let text = match self.value {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => return Err(self.mistyped("a number")),
        };
        let number = f64::from_str(text).ok().filter(|number| number.is_finite());
        number.ok_or_else(|| self.fault(format!("`{}` is {text}, which is no number", self.key)))
    }

    /// A length of time between these, as people write it.
    pub(super) fn duration(&self, limits: (Duration, Duration)) -> Read<Duration> {
        let text = self.text("a length of time such as \"30s\" or \"500ms\"")?;
        let length = parse_duration(text).ok_or_else(|| {
            self.fault(format!(
                "`{}` is \"{text}\", which is no length of time",
                self.key
            ))
            .hint("write it as \"30s\", \"500ms\" or \"1m 30s\"")
        })?;
        let (least, most) = limits;
        if length < least || most < length {
            let shown = |length| humantime::format_duration(length);
            return Err(self
                .fault(format!(
                    "`{}` is \"{text}\", but must be from {} to {}",
                    self.key,
                    shown(least),
                    shown(most)
                ))
                .hint(if length < least {
                    "make it longer"
                } else {
                    "make it shorter"
                }));
        }
        Ok(length)
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Read<T> {
        let words: Vec<String> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        let wanted = format!("one of {}", words.join(", "));
        let text = self.text(&wanted)?;
        let chosen = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, choice)| *choice);
        chosen.ok_or_else(|| {
            self.fault(format!(
                "`{}` is \"{text}\", but must be {wanted}",
                self.key
            ))
            .hint(suggest(text, choices.iter().map(|(word, _)| *word)))
        })
    }
}

/// A length of time as people write it: `30s`, `500ms`, `1m 30s`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

const fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
