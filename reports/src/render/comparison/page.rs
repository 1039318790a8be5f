//! A comparison as one HTML file: opens anywhere, fetches nothing, runs nothing.
//!
//! A comparison goes in, the page comes out. How it looks is in `templates/`, where every text is
//! escaped.

use askama::Template;

use super::{forest::Forest, table, wording};
use crate::compare::Comparison;
use crate::render::{
    number,
    screen::Tone,
    table::Table,
    wording::{Piece, pieces},
};

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    css: &'static str,
    own_css: &'static str,
    conclusion: &'static str,
    tone: &'static str,
    sides: String,
    findings: Vec<String>,
    improvements: Vec<String>,
    known: Vec<String>,
    cautions: Vec<Vec<Piece<'a>>>,
    forest: Forest,
    changes: Table,
    runs: Table,
}

/// A comparison as one self-contained page.
#[must_use]
pub fn comparison_html(comparison: &Comparison) -> String {
    let known = [
        wording::disk(comparison),
        wording::remedy(comparison),
        Some(wording::noise(comparison)),
    ];
    let page = Page {
        comparison,
        css: include_str!("../../../templates/report.css"),
        own_css: include_str!("../../../templates/comparison.css"),
        conclusion: wording::conclusion(comparison.conclusion),
        tone: match wording::tone(comparison) {
            Tone::Bad => "bad",
            Tone::Doubtful => "doubtful",
            Tone::Good | Tone::Plain | Tone::Strong => "good",
        },
        sides: sides(comparison),
        findings: wording::findings(comparison),
        improvements: wording::improvements(comparison),
        known: known.into_iter().flatten().collect(),
        cautions: comparison
            .cautions
            .iter()
            .map(|caution| pieces(caution))
            .collect(),
        forest: Forest::of(comparison),
        changes: table::changes(comparison),
        runs: table::runs(comparison),
    };
    super::super::page(&page)
}

/// `1 run against 3, changes under 5.0 % of no interest`.
fn sides(comparison: &Comparison) -> String {
    let count = |runs: usize| u64::try_from(runs).unwrap_or(u64::MAX);
    format!(
        "{} against {}; changes under {} are of no interest.",
        number::counted(count(comparison.base.len()), "run"),
        number::count(count(comparison.new.len())),
        wording::share(comparison.min_effect),
    )
}
