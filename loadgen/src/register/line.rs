//! One line of a register history.
//!
//! ```text
//! <anything> <process> :invoke|:ok|:fail|:info :read|:write|:cas <value> <anything>
//! value: nil, a number, [old new], :timed-out
//! ```
//!
//! Whatever a logger puts in front is skipped, except that a time of day in it is kept. Lines that
//! are of no numbered process are other people's. Deliberately absent: which line follows which.

use super::model::Value;

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) process: u64,
    pub(super) kind: Kind,
    pub(super) call: CallName,
    pub(super) value: LineValue,
    /// The time of day in front, as it is written.
    pub(super) at: Option<String>,
}

/// What happened to the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallName {
    Read,
    Write,
    Cas,
}

impl CallName {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Cas => "cas",
        }
    }
}

/// What stands at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineValue {
    One(Value),
    Pair(Value, Value),
    TimedOut,
}

impl LineValue {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with(":timed-out") {
            return Some(Self::TimedOut);
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (pair, _) = rest.split_once(']')?;
            let mut values = pair.split_whitespace();
            let pair = (value(values.next()?)?, value(values.next()?)?);
            return values
                .next()
                .is_none()
                .then_some(Self::Pair(pair.0, pair.1));
        }
        value(text.split_whitespace().next()?).map(Self::One)
    }
}

fn value(text: &str) -> Option<Value> {
    match text {
        "nil" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// Reads a line. `Ok(None)` for one that is about no operation of a numbered process.
///
/// # Errors
/// A sentence that says what is wrong with one that is.
pub(super) fn parse(text: &str) -> Result<Option<Line>, String> {
    let Some((front, kind, rest)) = split_kind(text) else {
        return Ok(None);
    };
    let process = front.split_whitespace().next_back().unwrap_or("");
    let Ok(process) = process.parse() else {
        return Ok(None);
    };
    let rest = rest.trim_start();
    let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let call = call_name(name)?;
    let Some(value) = LineValue::parse(value) else {
        return Err(format!(
            "the value of this {} cannot be read: {:?}; expected {}",
            call.name(),
            value.trim(),
            expected(call)
        ));
    };
    Ok(Some(Line {
        process,
        kind,
        call,
        value,
        at: time_of_day(front),
    }))
}

fn expected(call: CallName) -> &'static str {
    match call {
        CallName::Read | CallName::Write => "nil, a number or :timed-out",
        CallName::Cas => "[old new], as in [3 4], or :timed-out",
    }
}

fn call_name(name: &str) -> Result<CallName, String> {
    match name {
        ":read" => Ok(CallName::Read),
        ":write" => Ok(CallName::Write),
        ":cas" => Ok(CallName::Cas),
        "" => Err(
            "the line ends before it says what was called; expected :read, :write or :cas"
                .to_owned(),
        ),
        other => Err(format!(
            "`{other}` is nothing that a register does; expected :read, :write or :cas (histories of other objects are not read)"
        )),
    }
}

/// What stands before and behind the first word that says what happened.
fn split_kind(text: &str) -> Option<(&str, Kind, &str)> {
    const KINDS: [(&str, Kind); 4] = [
        (":invoke", Kind::Invoke),
        (":ok", Kind::Ok),
        (":fail", Kind::Fail),
        (":info", Kind::Info),
    ];
    let mut from = 0;
    for word in text.split_whitespace() {
        let at = from + text[from..].find(word)?;
        from = at + word.len();
        if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word) {
            return Some((&text[..at], *kind, &text[from..]));
        }
    }
    None
}

/// The first word in front of a line that looks like `12:34:56` with whatever fraction.
fn time_of_day(front: &str) -> Option<String> {
    let words = front.split(|c: char| !(c.is_ascii_digit() || ":,.".contains(c)));
    let is_time = |word: &&str| {
        let bytes = word.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let colon = |at: usize| bytes.get(at) == Some(&b':');
        [0, 1, 3, 4, 6, 7].into_iter().all(digit) && [2, 5].into_iter().all(colon)
    };
    words.filter(is_time).map(str::to_owned).next()
}
