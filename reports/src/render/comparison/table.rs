//! What both media show of a comparison in tables.

use super::wording;
use crate::compare::{Comparison, SideRun};
use crate::render::{number, table::Table};

/// Every figure that was compared.
pub(super) fn changes(comparison: &Comparison) -> Table {
    let names = [
        "operation",
        "figure",
        "base",
        "new",
        "change",
        "between",
        "noise floor",
        "found",
    ];
    let mut table = Table::of_figures("Every figure on both sides", &names);
    for at in [1, 7] {
        table.columns[at].numeric = false;
    }
    for change in &comparison.changes {
        table.push([
            change.operation.clone(),
            wording::figure_name(change),
            wording::value(change, change.base),
            wording::value(change, change.new),
            wording::signed(change.change),
            format!(
                "{} … {}",
                wording::signed(change.low),
                wording::signed(change.high)
            ),
            wording::share(change.floor),
            wording::found(change).to_owned(),
        ]);
    }
    table
}

/// The runs of both sides.
pub(super) fn runs(comparison: &Comparison) -> Table {
    let names = [
        "side",
        "run",
        "started",
        "program",
        "measured",
        "fdatasync, median",
    ];
    let mut table = Table::of_words("The runs", &names);
    let sides = [("base", &comparison.base), ("new", &comparison.new)];
    for (side, run) in sides
        .into_iter()
        .flat_map(|(side, runs)| runs.iter().map(move |run| (side, run)))
    {
        table.push(row(side, run));
    }
    table
}

fn row(side: &str, run: &SideRun) -> [String; 6] {
    [
        side.to_owned(),
        run.name.clone(),
        run.started_at.clone(),
        run.program.clone(),
        format!("{} s", number::count(run.seconds)),
        number::duration(run.fdatasync_p50_ns),
    ]
}
