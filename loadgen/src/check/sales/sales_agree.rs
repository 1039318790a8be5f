//! S4: every figure is the sum of the lines of the log up to its position.

use super::{Figure, Shown, model::Model};
use crate::check::finding::{About, Finding, Violation, Witness};

const ABOUT: About = About {
    name: "sales-agree",
    demands: "Every figure is what the sales in the log up to its position come to.",
    confidence: "certificate: the log added up by a model of our own",
};

/// The law.
#[derive(Debug)]
pub(super) struct SalesAgree {
    compared: u64,
    finding: Finding,
}

impl SalesAgree {
    pub(super) const fn new() -> Self {
        Self {
            compared: 0,
            finding: Finding::new(ABOUT),
        }
    }

    /// A figure, and the model at its position.
    pub(super) fn check(&mut self, model: &Model, seq: u64, shown: &Shown) {
        let Some(expected) = model.figure(&shown.call) else {
            return;
        };
        self.compared += 1;
        if expected != shown.figure {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told of {} at position {seq}, where it is {}",
                    shown.id.0,
                    text(&shown.figure),
                    text(&expected),
                ),
                witnesses: vec![Witness::Asked(shown.id)],
                order: "the answer states the position it reflects",
                expected: text(&expected),
            });
        }
    }

    pub(super) fn conclude(mut self, skipped: u64) -> Finding {
        self.finding.count_needed("figures compared", self.compared);
        if 0 < skipped {
            let why = format!("{skipped} figures could not be compared with the log");
            self.finding.doubt(why);
        }
        self.finding
    }
}

/// A figure as people say it.
fn text(figure: &Figure) -> String {
    match figure {
        Figure::Total(sum, parts) => format!(
            "{} cents in {} sales of {} parts",
            sum.cents,
            sum.sales,
            parts.len()
        ),
        Figure::Best(Some((of, sum))) => format!("{of} with {} cents as the best", sum.cents),
        Figure::Best(None) => "nobody as the best".to_owned(),
    }
}
