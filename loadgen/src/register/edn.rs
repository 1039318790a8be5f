//! Data as EDN and JSON write it: what the histories of other tools are made of.
//!
//! Text goes in, one datum after the other comes out, each with the line it begins in. Lenient where
//! nothing depends on it: tags are read over, sets are lists, and a number that is no `i64`, like
//! anything else that is one word, is kept as it is written. In JSON a colon is a separator; otherwise it is the
//! same grammar, so one reader does for both. Deliberately absent: what the data mean.
//!
//! Our own, since the crates there are do not say in which line a form begins, refuse `\u` escapes,
//! and read only one of the two.

use std::{fmt, str::CharIndices};

/// How deep data may be nested; a stack trace in a history is a dozen.
const DEPTH_MAX: u32 = 64;

/// One datum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Datum {
    Nil,
    Number(i64),
    /// What stood in quotes.
    Text(String),
    /// A keyword with its colon, a symbol, or another kind of number.
    Word(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Datum {
    /// The name of a keyword or what stands in quotes, which JSON has instead.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => word.strip_prefix(':'),
            Self::Nil | Self::Number(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What a map has under this name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let found = pairs.iter().find(|(key, _)| key.name() == Some(name));
        found.map(|(_, value)| value)
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Word(word) => f.write_str(word),
            Self::List(list) => {
                f.write_str("[")?;
                write_all(f, list.iter())?;
                f.write_str("]")
            }
            Self::Map(pairs) => {
                f.write_str("{")?;
                write_all(f, pairs.iter().flat_map(|(key, value)| [key, value]))?;
                f.write_str("}")
            }
        }
    }
}

fn write_all<'a>(f: &mut fmt::Formatter<'_>, data: impl Iterator<Item = &'a Datum>) -> fmt::Result {
    for (at, datum) in data.enumerate() {
        write!(f, "{}{datum}", if at == 0 { "" } else { " " })?;
    }
    Ok(())
}

/// Reads data off a text.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: std::iter::Peekable<CharIndices<'a>>,
    text: &'a str,
    line: usize,
    is_json: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, is_json: bool) -> Self {
        Self {
            rest: text.char_indices().peekable(),
            text,
            line: 1,
            is_json,
        }
    }

    /// The line that is being read, from 1.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// What comes next, behind what only separates.
    pub(super) fn peek(&mut self) -> Option<char> {
        loop {
            match self.rest.peek().map(|(_, c)| *c)? {
                ';' if !self.is_json => while self.take_if(|c| c != '\n').is_some() {},
                ':' if self.is_json => _ = self.take(),
                ',' => _ = self.take(),
                c if c.is_whitespace() => _ = self.take(),
                c => return Some(c),
            }
        }
    }

    /// Takes one sign.
    pub(super) fn take(&mut self) -> Option<char> {
        let (_, c) = self.rest.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn take_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let (_, c) = self.rest.peek()?;
        if wanted(*c) { self.take() } else { None }
    }

    /// The next datum; `None` at the end.
    ///
    /// # Errors
    /// A sentence that says what is wrong, of the line that was reached.
    pub(super) fn read(&mut self) -> Result<Option<Datum>, String> {
        self.read_at(0)
    }

    fn read_at(&mut self, depth: u32) -> Result<Option<Datum>, String> {
        if DEPTH_MAX < depth {
            return Err(format!("data are nested more than {DEPTH_MAX} deep"));
        }
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        match c {
            '[' | '(' | '{' => {
                self.take();
                self.read_list(c, depth).map(Some)
            }
            '"' => {
                self.take();
                self.read_text().map(Some)
            }
            '#' => {
                self.take();
                self.read_tagged(depth)
            }
            ']' | ')' | '}' => Err(format!("`{c}` closes nothing")),
            _word => self.read_word().map(Some),
        }
    }

    /// What stands in brackets that are open.
    fn read_list(&mut self, open: char, depth: u32) -> Result<Datum, String> {
        let begun = self.line;
        let close = match open {
            '[' => ']',
            '(' => ')',
            _map => '}',
        };
        let mut list = Vec::new();
        loop {
            match self.peek() {
                None => {
                    return Err(format!("the `{open}` of line {begun} is never closed"));
                }
                Some(c) if c == close => {
                    self.take();
                    break;
                }
                Some(_) => list.extend(self.read_at(depth + 1)?),
            }
        }
        if open != '{' {
            return Ok(Datum::List(list));
        }
        let mut pairs = Vec::with_capacity(list.len() / 2);
        let mut list = list.into_iter();
        while let Some(key) = list.next() {
            let value = list
                .next()
                .ok_or_else(|| format!("the map has a key {key} without a value"))?;
            pairs.push((key, value));
        }
        Ok(Datum::Map(pairs))
    }

    fn read_text(&mut self) -> Result<Datum, String> {
        let begun = self.line;
        let unclosed = || format!("the text that begins in line {begun} has no end");
        let mut text = String::new();
        loop {
            match self.take().ok_or_else(unclosed)? {
                '"' => return Ok(Datum::Text(text)),
                '\\' => match self.take().ok_or_else(unclosed)? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'u' => text.push(self.read_escape().ok_or_else(unclosed)?),
                    other => text.push(other),
                },
                c => text.push(c),
            }
        }
    }

    /// Four hexadecimal digits; half of a pair is not a sign of its own.
    fn read_escape(&mut self) -> Option<char> {
        let mut code = 0;
        for _digit in 0..4 {
            code = code * 16 + self.take()?.to_digit(16)?;
        }
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Behind a `#`: a set, a form to be left out, or a tag, which says nothing here.
    fn read_tagged(&mut self, depth: u32) -> Result<Option<Datum>, String> {
        let missing = || "a `#` is followed by nothing".to_owned();
        match self.rest.peek().map(|(_, c)| *c).ok_or_else(missing)? {
            '{' => {
                self.take();
                // Of a set nobody asks for pairs.
                let begun = self.line;
                let mut list = Vec::new();
                while self
                    .peek()
                    .ok_or_else(|| format!("the set of line {begun} has no end"))?
                    != '}'
                {
                    list.extend(self.read_at(depth + 1)?);
                }
                self.take();
                Ok(Some(Datum::List(list)))
            }
            '_' => {
                self.take();
                let _left_out = self.read_at(depth + 1)?;
                self.read_at(depth + 1)
            }
            '#' => {
                self.take();
                self.read_word().map(Some)
            }
            '"' => self.read_at(depth + 1),
            _tag => {
                let _tag = self.read_word()?;
                self.read_at(depth + 1)?.map(Some).ok_or_else(missing)
            }
        }
    }

    fn read_word(&mut self) -> Result<Datum, String> {
        let from = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        // A sign by itself, which may be a bracket.
        if self.take_if(|c| c == '\\').is_some() {
            self.take();
        }
        let is_json = self.is_json;
        let ends = |c: char| c.is_whitespace() || "[](){}\",;".contains(c) || (is_json && c == ':');
        while self.take_if(|c| !ends(c)).is_some() {}
        let to = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let word = &self.text[from..to];
        Ok(match word {
            "" => return Err("there is a sign that begins nothing".to_owned()),
            "nil" => Datum::Nil,
            "null" if self.is_json => Datum::Nil,
            _word => match word.parse() {
                Ok(number) => Datum::Number(number),
                Err(_) => Datum::Word(word.to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, is_json: bool) -> Result<Vec<String>, String> {
        let mut reader = Reader::new(text, is_json);
        let mut all = Vec::new();
        while let Some(datum) = reader.read()? {
            all.push(format!("{datum}"));
        }
        Ok(all)
    }

    #[test]
    fn data_are_read_as_they_are_written() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(all(text, false).expect(text), expected, "{text}");
        };
        check("nil 3 -4, :ok", &["nil", "3", "-4", ":ok"]);
        check("[3 [1 nil]] (a b)", &["[3 [1 nil]]", "[a b]"]);
        check("{:f :read, :value nil}", &["{:f :read :value nil}"]);
        check("#jepsen.history.Op{:index 0}", &["{:index 0}"]);
        check("#{1 2 3} #_[left out] 4", &["[1 2 3]", "4"]);
        check(
            "1.5 99999999999999999999 \\[ x",
            &["1.5", "99999999999999999999", "\\[", "x"],
        );
        check(
            "; said by nobody\n\"a\\n\\u00e9 \\\"b\\\"\"",
            &["\"a\\né \\\"b\\\"\""],
        );
        check("#inst \"2026-01-01\" ##NaN", &["\"2026-01-01\"", "NaN"]);
    }

    #[test]
    fn json_is_read_by_the_same_rules() {
        let read = all(
            "{\"f\": \"read\",\"value\":null, \"process\":0}\n[3,1]",
            true,
        );
        let expected = ["{\"f\" \"read\" \"value\" nil \"process\" 0}", "[3 1]"];
        assert_eq!(read.expect("JSON"), expected);
    }

    #[test]
    fn what_is_no_data_is_told() {
        let check = |text: &str, expected: &str| {
            let said = all(text, false).expect_err(text);
            assert!(said.contains(expected), "{text}: {said}");
        };
        check("[1 2", "the `[` of line 1 is never closed");
        check("\n{:a}", "a key :a without a value");
        check("]", "`]` closes nothing");
        check("\"abc", "has no end");
        check("#", "followed by nothing");
        check(&"[".repeat(100), "nested more than 64 deep");
    }

    #[test]
    fn the_line_is_counted() {
        let mut reader = Reader::new("1\n\n[2\n3]\n4", false);
        let mut lines = Vec::new();
        while reader.peek().is_some() {
            lines.push(reader.line());
            reader.read().expect("data");
        }
        assert_eq!(lines, [1, 3, 5]);
    }
}
