//! Texts with places to fill in, as `/slots/{slot}/book`.
//!
//! A text is read once, and every place in it must be a known one; values go in for each call, and the
//! text with them comes out: percent-encoded in a path, as it is in a header, with its type in JSON.
//! `{{` and `}}` stand for the braces themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::suggest;

/// What places are filled with, by name.
pub type Scope = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(String),
}

/// A text with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// Reads a text whose places are all among `known`.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub fn parse(text: &str, known: &[String]) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = behind;
                continue;
            }
            let closed = (brace == "{").then(|| rest.split_once('}')).flatten();
            let Some((name, behind)) = closed else {
                let what = format!("`{text}` has a `{brace}` that belongs to no place");
                return Err((what, format!("write `{brace}{brace}` for the brace itself")));
            };
            if !known.iter().any(|known| known == name) {
                let what = format!("`{text}` has a place `{{{name}}}` that nothing fills here");
                return Err((what, suggest(name, known.iter().map(String::as_str))));
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Place(name.to_owned()));
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// Whether it has this place.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&Part::Place(name.to_owned()))
    }

    /// The text, filled in as it is.
    #[must_use]
    pub fn text(&self, scope: &Scope) -> String {
        self.render(scope, |text, out| out.push_str(text))
    }

    /// The text, with what is filled in encoded as one segment of a path, or one value of a query.
    #[must_use]
    pub fn path(&self, scope: &Scope) -> String {
        self.render(scope, encode)
    }

    /// The value: one place alone keeps its type, so that a number stays one.
    #[must_use]
    pub fn value(&self, scope: &Scope) -> Value {
        match self.0.as_slice() {
            [Part::Place(name)] => scope.get(name).cloned().unwrap_or(Value::Null),
            _text => Value::String(self.text(scope)),
        }
    }

    fn render(&self, scope: &Scope, fill: impl Fn(&str, &mut String)) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Place(name) => {
                    let value = scope.get(name).unwrap_or(&Value::Null);
                    fill(&plain(value), &mut out);
                }
            }
        }
        out
    }
}

/// A JSON value as people write it in a path or a header.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let [high, low] = [byte >> 4, byte & 0xf].map(|half| HEX[usize::from(half)]);
            out.extend(['%', char::from(high), char::from(low)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Template {
        let known = ["slot", "user", "day"].map(str::to_owned);
        Template::parse(text, &known).expect("a template")
    }

    #[test]
    fn places_are_filled_as_their_surroundings_want_it() {
        let scope: Scope = [("slot", json!("a/b ü")), ("day", json!(3))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let path = template("/slots/{slot}/book?day={day}");
        assert_eq!(path.path(&scope), "/slots/a%2Fb%20%C3%BC/book?day=3");
        assert_eq!(template("{{{slot}}}").text(&scope), "{a/b ü}");
        assert_eq!(template("{day}").value(&scope), json!(3));
        assert_eq!(template("day {day}").value(&scope), json!("day 3"));
        assert!(path.has("slot") && !path.has("user"));
    }

    #[test]
    fn a_place_that_nothing_fills_is_refused_with_the_one_that_was_meant() {
        let known = ["slot".to_owned()];
        let (what, hint) = Template::parse("/{slto}", &known).expect_err("no such place");
        assert!(what.contains("`{slto}`"), "{what}");
        assert_eq!(hint, "did you mean `slot`?");
        for wrong in ["/{slot", "/slot}", "{"] {
            Template::parse(wrong, &known).expect_err(wrong);
        }
    }
}
