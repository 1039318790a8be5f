//! A comparison for a terminal: the verdict first, then what a reader must know, then the figures.

use super::{table, wording};
use crate::compare::Comparison;
use crate::render::screen::{Screen, Style, Tone};

/// A comparison as text. `page` is the path of the page, where one was written.
#[must_use]
pub fn comparison_terminal(comparison: &Comparison, style: Style, page: Option<&str>) -> String {
    let mut screen = Screen::new(style);
    write_verdict(&mut screen, comparison);
    if !comparison.cautions.is_empty() {
        screen.heading("Know first");
        for caution in &comparison.cautions {
            screen.marked("!", Tone::Doubtful, caution);
        }
    }
    screen.heading("Figures");
    screen.table(&table::changes(comparison));
    screen.text(
        "  ",
        "between: where the change lies, but for one comparison in twenty. noise floor: the smallest change that would \
         have been called one, all figures together being wrong once in twenty comparisons.",
    );
    screen.heading("Runs");
    screen.table(&table::runs(comparison));
    if let Some(page) = page {
        screen.heading("Page");
        screen.verbatim(page);
    }
    screen.finish()
}

fn write_verdict(screen: &mut Screen, comparison: &Comparison) {
    let word = wording::conclusion(comparison.conclusion).to_uppercase();
    let findings = wording::findings(comparison);
    let first = findings.first().map_or("", String::as_str);
    screen.emphasised(
        "",
        wording::tone(comparison),
        &format!("{word}  {}: {first}", comparison.scenario),
    );
    for finding in findings.iter().skip(1) {
        screen.text("  and ", finding);
    }
    for improvement in wording::improvements(comparison) {
        screen.text("  better: ", &improvement);
    }
    let rest = [
        wording::disk(comparison),
        wording::remedy(comparison),
        Some(wording::noise(comparison)),
    ];
    for sentence in rest.into_iter().flatten() {
        screen.text("  ", &sentence);
    }
}
