//! One event of a history: a process calls, or its call ends.
//!
//! ```text
//! <anything> <process> :invoke|:ok|:fail|:info <call> <value> <anything>     a line of a log
//! {:process 3, :type :invoke, :f :write, :value 4}                           EDN, tagged or not
//! {"process": 3, "type": "invoke", "f": "write", "value": 4}                 JSON
//! ```
//!
//! Lines and data go in, events come out, or a sentence that says what is wrong. What is of no numbered
//! process is other people's: of a log whatever names neither a process nor what happened, and what a
//! process does that has a name instead of a number. What is nearly an event is refused, since the one
//! line that is passed over may be the one that convicts. Deliberately absent: which event follows
//! which.

use super::edn::{Datum, Reader};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The line it begins in, from 1.
    pub(super) line: usize,
    /// When, as the history writes it.
    pub(super) at: Option<String>,
    pub(super) process: u64,
    pub(super) kind: Kind,
    pub(super) call: CallName,
    /// Which of several objects, where the history has a field for it.
    pub(super) key: Option<Datum>,
    pub(super) value: Datum,
}

/// What happened to the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "invoke" => Some(Self::Invoke),
            "ok" => Some(Self::Ok),
            "fail" => Some(Self::Fail),
            "info" => Some(Self::Info),
            _other => None,
        }
    }
}

const KINDS: &str = ":invoke, :ok, :fail or :info";

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallName {
    Read,
    Write,
    Cas,
    Acquire,
    Release,
    Get,
    Put,
    Append,
}

impl CallName {
    const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Cas,
        Self::Acquire,
        Self::Release,
        Self::Get,
        Self::Put,
        Self::Append,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Cas => "cas",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Get => "get",
            Self::Put => "put",
            Self::Append => "append",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|call| call.name() == name);
        found.ok_or_else(|| {
            let all: Vec<String> = Self::ALL.iter().map(|it| format!(":{}", it.name())).collect();
            format!(
                "`:{name}` is nothing that is judged here; expected {} (histories of other objects are not read)",
                all.join(", ")
            )
        })
    }
}

/// What stands for the value of a call that nobody waited for any more.
pub(super) const TIMED_OUT: &str = ":timed-out";

/// Every event of a history, whatever it is written as, and how much of it is of no numbered process.
///
/// # Errors
/// The line, and a sentence that says what is wrong with it.
pub(super) fn events(
    text: &str,
    mut take: impl FnMut(Event) -> Result<(), String>,
) -> Result<Counts, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match form(text) {
        Form::Lines => of_lines(text, take),
        Form::Data { is_json } => of_data(&mut Reader::new(text, is_json), &mut take),
    }
}

/// What of a history is no event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) lines: usize,
    pub(super) skipped: u64,
}

/// How a history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    Data { is_json: bool },
}

/// Told by what it begins with. A log line may begin with a bracket too, but not with a map in it.
pub(super) fn form(text: &str) -> Form {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut start = text.trim_start();
    while start.starts_with(';') {
        start = start
            .split_once('\n')
            .map_or("", |(_, rest)| rest)
            .trim_start();
    }
    let inner = start.strip_prefix(['[', '(']).unwrap_or(start).trim_start();
    if let Some(rest) = inner.strip_prefix('{') {
        let is_json = rest.trim_start().starts_with('"');
        return Form::Data { is_json };
    }
    if inner.starts_with("#jepsen") {
        return Form::Data { is_json: false };
    }
    Form::Lines
}

fn of_lines(
    text: &str,
    mut take: impl FnMut(Event) -> Result<(), String>,
) -> Result<Counts, (usize, String)> {
    let mut counts = Counts {
        lines: 0,
        skipped: 0,
    };
    for (number, text) in (1..).zip(text.lines()) {
        counts.lines = number;
        let taken = match of_line(text, number) {
            Ok(Some(event)) => take(event),
            Ok(None) => {
                counts.skipped += u64::from(!text.trim().is_empty());
                Ok(())
            }
            Err(reason) => Err(reason),
        };
        taken.map_err(|reason| (number, reason))?;
    }
    Ok(counts)
}

/// Maps behind one another, or in one vector.
fn of_data(
    reader: &mut Reader<'_>,
    take: &mut impl FnMut(Event) -> Result<(), String>,
) -> Result<Counts, (usize, String)> {
    let (mut skipped, mut open) = (0, None);
    while let Some(c) = reader.peek() {
        let line = reader.line();
        match (c, open) {
            ('[' | '(', None) => {
                reader.take();
                open = Some(line);
                continue;
            }
            (']' | ')', Some(_)) => {
                reader.take();
                open = None;
                continue;
            }
            _event => {}
        }
        let Some(datum) = reader.read().map_err(|reason| (reader.line(), reason))? else {
            break;
        };
        let event = of_map(&datum, line).map_err(|reason| (line, reason))?;
        match event {
            Some(event) => take(event).map_err(|reason| (line, reason))?,
            None => skipped += 1,
        }
    }
    if let Some(line) = open {
        return Err((
            line,
            "the vector that begins here is never closed".to_owned(),
        ));
    }
    Ok(Counts {
        lines: reader.line(),
        skipped,
    })
}

fn of_map(datum: &Datum, line: usize) -> Result<Option<Event>, String> {
    if !matches!(datum, Datum::Map(_)) {
        return Err(format!(
            "{datum} is no map; expected one for each event: {{:process 3, :type :invoke, :f :write, :value 4}}"
        ));
    }
    let field = |name: &str| {
        let found = datum.get(name);
        found.ok_or_else(|| format!("this event has no :{name}: {datum}"))
    };
    let process = match field("process")? {
        Datum::Number(number) => u64::try_from(*number)
            .ok()
            .ok_or_else(|| no_process(&number.to_string()))?,
        named if named.name().is_some() => return Ok(None),
        other => return Err(no_process(&other.to_string())),
    };
    let kind = field("type")?;
    let kind = kind
        .name()
        .and_then(Kind::named)
        .ok_or_else(|| no_kind(&kind.to_string()))?;
    let call = field("f")?;
    let call = CallName::named(
        call.name()
            .ok_or_else(|| format!(":f {call} is no name of a call"))?,
    )?;
    let at = match datum.get("time") {
        Some(Datum::Number(nanos)) => u64::try_from(*nanos).ok().map(seconds),
        _not_told => None,
    };
    Ok(Some(Event {
        line,
        at,
        process,
        kind,
        call,
        key: datum.get("key").filter(|key| **key != Datum::Nil).cloned(),
        value: datum.get("value").cloned().unwrap_or(Datum::Nil),
    }))
}

fn seconds(nanos: u64) -> String {
    let millis = nanos / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

fn no_process(found: &str) -> String {
    format!("`{found}` is no process; expected a number from 0 on, as in `3 :invoke :write 4`")
}

fn no_kind(found: &str) -> String {
    format!("`{found}` is nothing that happens to a call; expected {KINDS}")
}

/// Reads a line. `Ok(None)` for one that is about no operation of a numbered process.
fn of_line(text: &str, line: usize) -> Result<Option<Event>, String> {
    if text.contains(":process") && text.contains(":type") {
        return Err("this is an event as EDN writes it, among lines of a log; a history is one or the other".to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind_of = |word: &str| word.strip_prefix(':').and_then(Kind::named);
    let found = words.iter().position(|word| kind_of(word).is_some());
    let Some((at, kind)) = found.and_then(|at| Some((at, kind_of(words[at])?))) else {
        return no_event(&words);
    };
    let process = at.checked_sub(1).map_or("", |before| words[before]);
    let is_named = process.len() > 1 && process.starts_with(':');
    if is_named {
        return Ok(None);
    }
    let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    let number = process.parse().ok().filter(|_| is_number);
    let process = number.ok_or_else(|| no_process(process))?;
    let (front, rest) = around(text, words[at]);
    let rest = rest.trim_start();
    let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let call = match name.strip_prefix(':') {
        Some(name) => CallName::named(name)?,
        None => {
            return Err(format!(
                "behind {} stands {name:?} and not what was called; expected :read, :write or :cas",
                words[at]
            ));
        }
    };
    let datum = Reader::new(value, false).read().ok().flatten();
    let datum = datum.filter(is_value).ok_or_else(|| {
        format!(
            "the value of this {} cannot be read: {:?}; expected {}",
            call.name(),
            value.trim(),
            expected(call)
        )
    })?;
    Ok(Some(Event {
        line,
        at: time_of_day(front),
        process,
        kind,
        call,
        key: None,
        value: datum,
    }))
}

/// A line in which nothing happens to a call, unless it was meant to.
fn no_event(words: &[&str]) -> Result<Option<Event>, String> {
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_call = |word: &str| {
        let name = word.strip_prefix(':');
        name.is_some_and(|name| CallName::ALL.iter().any(|call| call.name() == name))
    };
    for pair in words.windows(2) {
        let [one, other] = pair else { continue };
        if is_number(one) && other.len() > 1 && other.starts_with(':') {
            return Err(no_kind(other));
        }
    }
    match words.iter().find(|word| is_call(word)) {
        Some(call) => Err(format!(
            "this line has a {call} and does not say what happened to it; expected the process and {KINDS} before it"
        )),
        None => Ok(None),
    }
}

/// What stands before and behind the first of this word.
fn around<'a>(text: &'a str, word: &str) -> (&'a str, &'a str) {
    let is_whole = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        before.is_none_or(char::is_whitespace) && behind.is_none_or(char::is_whitespace)
    };
    let at = text.match_indices(word).map(|(at, _)| at).find(is_whole);
    let at = at.unwrap_or(text.len() - word.len());
    (&text[..at], &text[at + word.len()..])
}

/// Whether a datum can be a value: a bare word in a line of a log may be anything.
fn is_value(datum: &Datum) -> bool {
    match datum {
        Datum::Word(word) => word.starts_with(':') || word == "true" || word == "false",
        Datum::Nil | Datum::Number(_) | Datum::Text(_) | Datum::Map(_) => true,
        Datum::List(list) => list.iter().all(is_value),
    }
}

fn expected(call: CallName) -> &'static str {
    match call {
        CallName::Cas => "[old new], as in [3 4], or :timed-out",
        CallName::Read
        | CallName::Write
        | CallName::Acquire
        | CallName::Release
        | CallName::Get
        | CallName::Put
        | CallName::Append => "nil, a number, a text in quotes, [key value] or :timed-out",
    }
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
