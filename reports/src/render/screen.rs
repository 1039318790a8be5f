//! Lines of a terminal: wrapping, aligning, emphasis.
//!
//! Texts go in, one string comes out. Owns the escape codes, and takes every control character out
//! of what it is given: names come from scenario files, and a file must not move the cursor.

use super::{
    printable::printable,
    table::{Column, Table},
};

/// How to write for a terminal. Whether there is one, and what `NO_COLOR` says, the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to emphasise with escape codes.
    pub color: bool,
    /// Columns to wrap text at. Tables need about 80.
    pub width: usize,
}

/// Below this, wrapped text is harder to read than text that runs over the edge.
const WIDTH_MIN: usize = 40;

/// Above this, lines are harder to follow than they need be.
const WIDTH_MAX: usize = 100;

/// What an emphasis says; never said by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Good,
    Bad,
    Doubtful,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Good => "\x1b[1;32m",
            Self::Bad => "\x1b[1;31m",
            Self::Doubtful => "\x1b[1;33m",
        }
    }
}

/// The text so far.
#[derive(Debug)]
pub(super) struct Screen {
    out: String,
    style: Style,
}

impl Screen {
    pub(super) fn new(style: Style) -> Self {
        let width = style.width.clamp(WIDTH_MIN, WIDTH_MAX);
        Self {
            out: String::new(),
            style: Style { width, ..style },
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A section's title, after an empty line.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.emphasised("", Tone::Strong, text);
    }

    /// Text wrapped at the width, the first line after `lead`, the others below its end.
    pub(super) fn text(&mut self, lead: &str, text: &str) {
        self.emphasised(lead, Tone::Plain, text);
    }

    /// The same in a tone.
    pub(super) fn emphasised(&mut self, lead: &str, tone: Tone, text: &str) {
        let indent = width_of(lead);
        let lines = wrap(&printable(text), self.style.width.saturating_sub(indent));
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                self.out.push_str(lead);
            } else {
                self.out.extend(std::iter::repeat_n(' ', indent));
            }
            self.paint(tone, line);
            self.out.push('\n');
        }
    }

    /// A mark in its tone, then text that wraps beside it.
    pub(super) fn marked(&mut self, mark: &str, tone: Tone, text: &str) {
        let lines = wrap(&printable(text), self.style.width.saturating_sub(4));
        for (index, line) in lines.iter().enumerate() {
            self.out.push_str("  ");
            if index == 0 {
                self.paint(tone, mark);
                self.out.push(' ');
            } else {
                self.out.push_str("  ");
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
    }

    /// A line that must stay one, because somebody pastes it.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.out.push_str("  ");
        self.out.push_str(&printable(text));
        self.out.push('\n');
    }

    /// Aligned columns under their names.
    pub(super) fn table(&mut self, table: &Table) {
        let widths: Vec<usize> = (0..table.columns.len())
            .map(|at| width_at(table, at))
            .collect();
        let names: Vec<String> = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        for row in std::iter::once(&names).chain(&table.rows) {
            let cells = row.iter().zip(&table.columns).zip(&widths);
            let line: Vec<String> = cells
                .map(|((cell, column), width)| align(cell, column, *width))
                .collect();
            self.out.push_str("  ");
            self.out.push_str(line.join("  ").trim_end());
            self.out.push('\n');
        }
    }

    fn paint(&mut self, tone: Tone, text: &str) {
        if self.style.color && tone != Tone::Plain {
            self.out.push_str(tone.code());
            self.out.push_str(text);
            self.out.push_str("\x1b[0m");
        } else {
            self.out.push_str(text);
        }
    }
}

fn width_of(text: &str) -> usize {
    text.chars().count()
}

fn width_at(table: &Table, at: usize) -> usize {
    let cells = table.rows.iter().map(|row| width_of(&row[at]));
    cells
        .max()
        .unwrap_or(0)
        .max(width_of(&table.columns[at].name))
}

fn align(cell: &str, column: &Column, width: usize) -> String {
    let cell = printable(cell);
    if column.numeric {
        format!("{cell:>width$}")
    } else {
        format!("{cell:<width$}")
    }
}

/// Lines of at most `width` characters, broken at spaces; a longer word stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if !line.is_empty() && width < width_of(line) + 1 + width_of(word) {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
