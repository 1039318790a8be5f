//! A judged history as text: verdict first, then how far an order reaches and what it cannot take.
//!
//! Deliberately absent: files and exit codes.

use super::number;
use super::screen::{Screen, Style, Tone};
use super::table::Table;
use super::terminal::{write_laws, write_violations};
use crate::checked::{CheckedOperation, CheckedRecord, MomentRecord, RecheckedRecord};
use crate::printable::printable;
use crate::record::Verdict;

/// Places of the order that are shown before a break.
const SHOWN: usize = 8;

/// A judged history in one line; `path` is where it is from.
#[must_use]
pub fn checked_line(path: &str, record: &CheckedRecord) -> String {
    let line = format!("{}  {path}: {}", word(record.verdict), record.sentence);
    printable(&line).into_owned()
}

/// A judged history for a terminal; `path` is where it is from.
#[must_use]
pub fn checked(path: &str, record: &CheckedRecord, style: Style) -> String {
    let mut screen = Screen::new(style);
    let lead = format!("{path}: {}", record.sentence);
    screen.emphasised(
        &format!("{}  ", word(record.verdict)),
        tone(record.verdict),
        &lead,
    );
    screen.text("  ", &counts(record));
    if let Some(stuck) = record.stuck {
        write_break(&mut screen, record, stuck);
    }
    screen.finish()
}

/// A run that was judged again, in one line; `path` is where it is from.
#[must_use]
pub fn rechecked_line(path: &str, record: &RecheckedRecord) -> String {
    let why = match record.doubts.as_slice() {
        [] => String::new(),
        [doubt] => format!("; {doubt}"),
        [doubt, more @ ..] => format!("; {doubt}; and {} more", more.len()),
    };
    let verdict = word(record.verdict);
    printable(&format!("{verdict}  {path}: {}{why}", extent(record))).into_owned()
}

/// A run that was judged again, for a terminal; `path` is where it is from.
#[must_use]
pub fn rechecked(path: &str, record: &RecheckedRecord, style: Style) -> String {
    let mut screen = Screen::new(style);
    let lead = format!("{path}: {}", extent(record));
    let mark = format!("{}  ", word(record.verdict));
    screen.emphasised(&mark, tone(record.verdict), &lead);
    if !record.doubts.is_empty() {
        screen.heading("Why it is not known to be valid");
    }
    for doubt in &record.doubts {
        screen.marked("?", Tone::Doubtful, doubt);
    }
    write_laws(&mut screen, &record.laws);
    write_violations(&mut screen, &record.laws, None);
    if !record.unjudged.is_empty() {
        screen.heading("Not judged");
    }
    for (law, why) in &record.unjudged {
        screen.marked("-", Tone::Plain, &format!("{law}: {why}"));
    }
    write_differences(&mut screen, record);
    screen.finish()
}

fn extent(record: &RecheckedRecord) -> String {
    let log = match record.records {
        0 => "no log".to_owned(),
        records => format!("{} records of the log", number::count(records)),
    };
    format!(
        "{} judged on {} operations and {log}, {} not judged",
        number::counted(record.laws.len() as u64, "law"),
        number::count(record.operations),
        number::count(record.unjudged.len() as u64),
    )
}

fn write_differences(screen: &mut Screen, record: &RecheckedRecord) {
    screen.heading("Compared with the run");
    match record.differences.as_deref() {
        None => screen.text("  ", "its run.json is not beside the history"),
        Some([]) => screen.text("  ", "every verdict and every count is the run's own"),
        Some(differences) => {
            for difference in differences {
                screen.marked("✗", Tone::Bad, difference);
            }
        }
    }
}

/// A verdict as people and scripts look for it.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "VALID",
        Verdict::NotApplicable => "N/A",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Invalid => "INVALID",
    }
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Valid => Tone::Good,
        Verdict::Unknown | Verdict::NotApplicable => Tone::Doubtful,
        Verdict::Invalid => Tone::Bad,
    }
}

/// What the history holds, in a line.
pub(super) fn counts(record: &CheckedRecord) -> String {
    let counts = record.counts.iter();
    let counts = counts.map(|count| format!("{} {}", number::count(count.count), count.what));
    let counts: Vec<String> = counts.collect();
    format!(
        "{}, {} at first; {}",
        record.model,
        record.initial,
        counts.join(", ")
    )
}

fn write_break(screen: &mut Screen, record: &CheckedRecord, stuck: usize) {
    screen.heading("Where it breaks");
    screen.text("  ", &prefix(record, stuck));
    screen.blank();
    screen.table(&break_table(record, stuck));
    let overlapping = overlapping(record, stuck);
    if !overlapping.rows.is_empty() {
        screen.heading("Under way at the same time");
        screen.table(&overlapping);
    }
}

/// How far an order reaches.
pub(super) fn prefix(record: &CheckedRecord, stuck: usize) -> String {
    let operation = &record.operations[stuck];
    let line = (operation.returned.as_ref()).map_or(operation.called.line, |end| end.line);
    format!(
        "The longest linearizable prefix ends before line {line}: an order of {} operations explains everything that returned before it. The last of them, in the order in which they take effect, and then the one that fits nowhere:",
        number::count(record.order.len() as u64)
    )
}

/// The end of the order, and the operation that it cannot take.
pub(super) fn break_table(record: &CheckedRecord, stuck: usize) -> Table {
    let mut table = Table::of_words(
        "The end of the longest order, and the operation that fits nowhere",
        &["place", "process", "call", "answer", "when", "then holds"],
    );
    let skipped = record.order.len().saturating_sub(SHOWN);
    for (place, state) in record.order.iter().enumerate().skip(skipped) {
        let operation = &record.operations[state.operation];
        table.push([
            number::count(place as u64 + 1),
            operation.process.clone(),
            operation.call.clone(),
            operation.answer.clone(),
            when(operation),
            state.holds.clone(),
        ]);
    }
    let operation = &record.operations[stuck];
    table.push([
        "✗".to_owned(),
        operation.process.clone(),
        operation.call.clone(),
        operation.answer.clone(),
        when(operation),
        format!("held {}", record.states.join(" or ")),
    ]);
    table
}

/// What overlaps the operation that fits nowhere, and is not in the order.
pub(super) fn overlapping(record: &CheckedRecord, stuck: usize) -> Table {
    let mut table = Table::of_words(
        "Under way at the same time, and not in the order",
        &["process", "call", "answer", "when"],
    );
    let broken = &record.operations[stuck];
    let end = (broken.returned.as_ref()).map_or(usize::MAX, |end| end.line);
    let placed = |index| record.order.iter().any(|state| state.operation == index);
    for (index, operation) in record.operations.iter().enumerate() {
        let is_over =
            (operation.returned.as_ref()).is_some_and(|end| end.line < broken.called.line);
        if index == stuck || is_over || end < operation.called.line || placed(index) {
            continue;
        }
        table.push([
            operation.process.clone(),
            operation.call.clone(),
            operation.answer.clone(),
            when(operation),
        ]);
    }
    table
}

/// Its lines, and its times where the history has them.
pub(super) fn when(operation: &CheckedOperation) -> String {
    let lines = match &operation.returned {
        Some(end) => format!("lines {} to {}", operation.called.line, end.line),
        None => format!("from line {} on", operation.called.line),
    };
    let time = |moment: &MomentRecord| moment.at.clone();
    match (
        time(&operation.called),
        operation.returned.as_ref().and_then(time),
    ) {
        (Some(from), Some(to)) => format!("{lines}, {from} to {to}"),
        (Some(from), None) => format!("{lines}, from {from}"),
        (None, _) => lines,
    }
}
