//! S4: every figure is the sum of the lines of the log up to its position.

use protocol::words::sales::Sum;

use super::{Figure, Shown, model::Model};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{Ended, FigureShown, Law},
    laws::LawOptions,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct SalesAgree {
    compared: u64,
    finding: Finding,
}

impl Law for SalesAgree {
    const ABOUT: About = About {
        name: "sales-agree",
        demands: "Every figure is what the sales in the log up to its position come to.",
        confidence: "certificate: the log added up by a model of our own",
        topic: Topic::Sales,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            compared: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_figure(&mut self, figure: &FigureShown<'_>, world: &World) {
        self.check(&world.sales.model, figure.seq, figure.shown);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        let skipped = ended.world.sales.shown.skipped();
        self.finding.count_needed("figures compared", self.compared);
        if 0 < skipped {
            let why = format!("{skipped} figures could not be compared with the log");
            self.finding.doubt(why);
        }
        self.finding
    }
}

impl SalesAgree {
    /// A figure, and the model at its position.
    fn check(&mut self, model: &Model, seq: u64, shown: &Shown) {
        let Some(expected) = model.figure(&shown.call) else {
            return;
        };
        self.compared += 1;
        if shown.figure == Figure::Denied && !model.is_manager(shown.user) {
            return;
        }
        if expected != shown.figure {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told of {} at position {seq}, where it is {}{}",
                    shown.id.0,
                    text(&shown.figure),
                    text(&expected),
                    part_apart(&shown.figure, &expected).unwrap_or_default(),
                ),
                witnesses: vec![Witness::Asked(shown.id)],
                order: "the answer states the position it reflects",
                expected: text(&expected),
            });
        }
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
        Figure::Denied => "no figure, as somebody who may not ask,".to_owned(),
    }
}

/// The first part in which two totals differ.
fn part_apart(shown: &Figure, expected: &Figure) -> Option<String> {
    let (Figure::Total(_, shown), Figure::Total(_, expected)) = (shown, expected) else {
        return None;
    };
    let sum = |parts: &[(u64, Sum)], of: u64| {
        let found = parts.iter().find(|(part, _)| *part == of);
        found.map_or(Sum::default(), |(_, sum)| *sum)
    };
    let mut all = shown.iter().chain(expected).map(|(of, _)| *of);
    let Some(of) = all.find(|of| sum(shown, *of) != sum(expected, *of)) else {
        // The same sums, and a part twice or out of its order.
        let pair = shown.iter().zip(expected).find(|(one, other)| one != other);
        return pair.map(|((shown, _), (expected, _))| {
            format!(": part {shown} stands where part {expected} should")
        });
    };
    let (shown, expected) = (sum(shown, of), sum(expected, of));
    Some(format!(
        ": of part {of} it was told {} cents in {} sales, and it is {} cents in {}",
        shown.cents, shown.sales, expected.cents, expected.sales
    ))
}
