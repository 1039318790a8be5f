//! A judged history as one page: a bar an operation, a row a process, and where each takes effect.
//!
//! A record goes in, the page comes out. Time runs in the order of the history's lines, since
//! that is all that an order has to respect. How it looks is in `templates/`.

use std::collections::BTreeMap;

use askama::Template;

use super::checked::{break_table, counts, overlapping, prefix, when, word};
use super::table::Table;
use crate::checked::{CheckedOperation, CheckedRecord, Ending};
use crate::record::Verdict;

/// Between two lines of the history.
const STEP: usize = 30;
/// A name, a bar, and the number of a place.
const ROW: usize = 44;
const NAME: usize = 11;
const LEFT: usize = 12;
const TOP: usize = 4;
/// Lines shown before a break, and behind it.
const BEFORE: usize = 26;
const BEHIND: usize = 6;
/// A row says this often whose it is.
const NAME_EVERY: usize = 20 * STEP;

#[derive(Template)]
#[template(path = "checked.html")]
struct Page<'a> {
    path: &'a str,
    record: &'a CheckedRecord,
    css: &'static str,
    own_css: &'static str,
    tone: &'static str,
    word: &'static str,
    counts: String,
    broken: Option<Break>,
    whole: Lanes,
}

struct Break {
    prefix: String,
    table: Table,
    overlapping: Table,
    lanes: Lanes,
}

/// Bars in rows.
#[derive(Template)]
#[template(path = "lanes.html")]
struct Lanes {
    caption: String,
    width: usize,
    height: usize,
    /// Whether its end is to be in sight first.
    ends_in_sight: bool,
    names: Vec<Name>,
    rows: Vec<usize>,
    bars: Vec<Bar>,
}

/// Whose row it is.
struct Name {
    x: usize,
    y: usize,
    text: String,
}

struct Bar {
    x: usize,
    y: usize,
    width: usize,
    class: &'static str,
    label: String,
    title: String,
    /// Where it takes effect, and as which.
    point: Option<(usize, usize)>,
}

/// A judged history as one self-contained page; `path` is where it is from.
#[must_use]
pub fn timeline(path: &str, record: &CheckedRecord) -> String {
    let sheet = Sheet::new(record);
    let broken = record.stuck.map(|stuck| Break {
        prefix: prefix(record, stuck),
        table: break_table(record, stuck),
        overlapping: overlapping(record, stuck),
        lanes: sheet.around(stuck),
    });
    let page = Page {
        path,
        record,
        css: include_str!("../../templates/report.css"),
        own_css: include_str!("../../templates/checked.css"),
        tone: match record.verdict {
            Verdict::Valid => "good",
            Verdict::Unknown | Verdict::NotApplicable => "doubtful",
            Verdict::Invalid => "bad",
        },
        word: word(record.verdict),
        counts: counts(record),
        broken,
        whole: sheet.lanes(0, sheet.lines.len(), "The whole history"),
    };
    super::page(&page)
}

/// Where everything stands: lines in columns, and for each operation its place in the order.
struct Sheet<'a> {
    record: &'a CheckedRecord,
    /// The lines that something is called or ends in, rising.
    lines: Vec<usize>,
    /// By operation: its place in the order, and where it takes effect in thousandths of a column.
    points: BTreeMap<usize, (usize, usize)>,
}

impl<'a> Sheet<'a> {
    fn new(record: &'a CheckedRecord) -> Self {
        let ends = |operation: &'a CheckedOperation| {
            let end = operation.returned.as_ref().map(|end| end.line);
            [Some(operation.called.line), end]
        };
        let mut lines: Vec<usize> = record.operations.iter().flat_map(ends).flatten().collect();
        lines.sort_unstable();
        lines.dedup();
        let mut sheet = Self {
            record,
            lines,
            points: BTreeMap::new(),
        };
        sheet.points = sheet.place_points();
        sheet
    }

    fn column(&self, line: usize) -> usize {
        self.lines.partition_point(|other| *other < line)
    }

    /// Each takes effect as early as it can: behind its call and behind the one before it.
    fn place_points(&self) -> BTreeMap<usize, (usize, usize)> {
        let mut columns: Vec<usize> = Vec::new();
        for state in &self.record.order {
            let called = self.column(self.record.operations[state.operation].called.line);
            columns.push(called.max(columns.last().copied().unwrap_or(0)));
        }
        let mut points = BTreeMap::new();
        let mut place = 0;
        for together in columns.chunk_by(|one, other| one == other) {
            for (nth, column) in together.iter().enumerate() {
                let within = (nth + 1) * 1_000 / (together.len() + 1);
                let operation = self.record.order[place].operation;
                place += 1;
                points.insert(operation, (place, column * 1_000 + within));
            }
        }
        points
    }

    fn around(&self, stuck: usize) -> Lanes {
        let operation = &self.record.operations[stuck];
        let end = operation.returned.as_ref();
        let end = self.column(end.map_or(operation.called.line, |end| end.line));
        let from = end.saturating_sub(BEFORE);
        self.lanes(
            from,
            (end + BEHIND).min(self.lines.len()),
            "Around the break",
        )
    }

    /// The columns `from` to `to`.
    fn lanes(&self, from: usize, to: usize, caption: &str) -> Lanes {
        let mut rows: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        let mut shown = Vec::new();
        for (index, operation) in self.record.operations.iter().enumerate() {
            let start = self.column(operation.called.line);
            let end = operation.returned.as_ref().map(|end| self.column(end.line));
            if start < to && end.is_none_or(|end| from <= end) {
                rows.insert((operation.process.len(), &operation.process), 0);
                shown.push((index, start, end));
            }
        }
        for (number, row) in rows.values_mut().enumerate() {
            *row = TOP + number * ROW;
        }
        let width = LEFT * 2 + (to - from) * STEP;
        let row_of = |index: usize| {
            let process = self.record.operations[index].process.as_str();
            rows[&(process.len(), process)]
        };
        let bars = shown.iter().map(|(index, start, end)| {
            let span = (*start, end.unwrap_or(to));
            self.bar(*index, row_of(*index) + NAME, span, (from, to))
        });
        Lanes {
            caption: caption.to_owned(),
            ends_in_sight: from != 0,
            width,
            height: TOP * 2 + rows.len() * ROW,
            names: names(&rows, width),
            bars: bars.collect(),
            rows: rows.values().copied().collect(),
        }
    }

    fn bar(
        &self,
        index: usize,
        y: usize,
        (start, end): (usize, usize),
        (from, to): (usize, usize),
    ) -> Bar {
        let operation = &self.record.operations[index];
        let x_of = |thousandths: usize| LEFT + (thousandths - from * 1_000) * STEP / 1_000;
        let (start, end) = (start.max(from), end.clamp(from, to));
        let point = self.points.get(&index).copied();
        let point = point.filter(|(_, at)| (from * 1_000..to * 1_000).contains(at));
        let x = x_of(start * 1_000);
        Bar {
            x,
            y,
            width: (x_of(end * 1_000) - x).max(6),
            class: self.class(index),
            label: operation.short.clone(),
            title: format!(
                "process {}: {} -> {}, {}",
                operation.process,
                operation.call,
                operation.answer,
                when(operation)
            ),
            point: point.map(|(place, at)| (place, x_of(at))),
        }
    }

    fn class(&self, index: usize) -> &'static str {
        if self.record.stuck == Some(index) {
            return "stuck";
        }
        match self.record.operations[index].mood {
            Ending::Ok => "ok",
            Ending::Failed => "failed",
            Ending::Unknown => "pending",
        }
    }
}

/// Each row's name, again and again, so that one is in sight wherever the page is scrolled to.
fn names(rows: &BTreeMap<(usize, &str), usize>, width: usize) -> Vec<Name> {
    let of_row = |((_, process), y): (&(usize, &str), &usize)| {
        let (text, y) = (format!("process {process}"), y + NAME - 2);
        (0..width).step_by(NAME_EVERY).map(move |x| Name {
            x: x + 2,
            y,
            text: text.clone(),
        })
    };
    rows.iter().flat_map(of_row).collect()
}
