//! A table before it has a medium: columns, rows and what they are called; and the one that both
//! media show.
//!
//! The terminal aligns it with spaces, the page writes `<table>`; the figures are the same.

use askama::Template;

use super::number;
use crate::record::{OperationRecord, PhaseRecord, QuantileRecord};

/// Columns, rows and a caption. Every row has a cell for each column.
#[derive(Debug, Clone, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}

/// One column. Figures align to the right, words to the left.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) numeric: bool,
}

impl Table {
    /// A table whose first column is words and whose others are figures.
    pub(super) fn of_figures(caption: &str, names: &[&str]) -> Self {
        let column = |(index, name): (usize, &&str)| Column {
            name: (*name).to_owned(),
            numeric: index != 0,
        };
        Self {
            caption: caption.to_owned(),
            columns: names.iter().enumerate().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// A table of words.
    pub(super) fn of_words(caption: &str, names: &[&str]) -> Self {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            numeric: false,
        };
        Self {
            caption: caption.to_owned(),
            columns: names.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn push<const WIDTH: usize>(&mut self, row: [String; WIDTH]) {
        assert_eq!(row.len(), self.columns.len(), "table `{}`", self.caption);
        self.rows.push(row.into());
    }
}

/// What became of the operations of a phase.
pub(super) fn outcomes(phase: &PhaseRecord) -> Table {
    let names = [
        "operation",
        "ok",
        "refused",
        "error",
        "timeout",
        "unknown",
        "sent",
    ];
    let mut table = Table::of_figures("Outcomes", &names);
    for (name, found) in &phase.operations {
        table.push([
            name.clone(),
            number::count(found.ok),
            number::count(found.refused),
            number::count(found.error),
            number::count(found.timeout),
            number::count(found.unknown),
            number::rate(sent_a_second(found, phase.duration_ns)),
        ]);
    }
    table
}

/// How the messages of a phase reached people, beside how fast their senders were told so.
pub(super) fn deliveries(phase: &PhaseRecord) -> Option<Table> {
    let found = phase.deliveries.as_ref()?;
    let names = ["messages", "samples", "p50", "p99", "max"];
    let mut table = Table::of_figures("Deliveries", &names);
    if let Some(send) = phase.operations.get("send") {
        push_clock(&mut table, "sender is told", &send.response.quantiles);
    }
    push_clock(&mut table, "recipient has it", &found.delivery.quantiles);
    push_clock(&mut table, "everybody has it", &found.everybody.quantiles);
    if let Some(returns) = &found.returns {
        push_clock(&mut table, "back and caught up", &returns.drain);
    }
    Some(table)
}

fn push_clock(table: &mut Table, name: &str, quantiles: &QuantileRecord) {
    if 0 < quantiles.count {
        table.push([
            name.to_owned(),
            number::count(quantiles.count),
            number::duration(quantiles.p50),
            number::quantile(quantiles.p99),
            number::duration(quantiles.max),
        ]);
    }
}

fn sent_a_second(found: &OperationRecord, duration_ns: u64) -> f64 {
    let sent = found.ok + found.refused + found.error + found.timeout + found.unknown;
    if duration_ns == 0 {
        0.0
    } else {
        sent as f64 * 1e9 / duration_ns as f64
    }
}
