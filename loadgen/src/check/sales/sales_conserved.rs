//! S1, conservation: the parts of a total add up to it.

use protocol::words::sales::{Part, Sum};

use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness},
        law::{Completed, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{LawProgress, Observed, Operation, Outcome, SalesSeen},
};

/// The law.
#[derive(Debug)]
pub(crate) struct SalesConserved {
    totals: u64,
    sold: u64,
    finding: Finding,
}

impl Law for SalesConserved {
    const ABOUT: About = About {
        name: "sales-conserved",
        demands: "The parts of every total add up to it, in cents and in sales.",
        confidence: "certificate: every answer added up",
        topic: Topic::Sales,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            totals: 0,
            sold: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if let (Outcome::Ok, Observed::Sales(SalesSeen::Total(total, _, parts))) =
            (completed.operation.outcome, completed.observed)
        {
            self.check(completed.operation, *total, parts);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("totals added up", self.totals))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count("totals added up", self.totals);
        self.finding
            .count_needed("of them above nothing", self.sold);
        self.finding
    }
}

impl SalesConserved {
    fn check(&mut self, operation: &Operation, total: Sum, parts: &[Part]) {
        self.totals += 1;
        self.sold += u64::from(total.sales != 0);
        // In 128 bits, since nothing says that a wrong answer's parts fit 64.
        let cents: u128 = parts.iter().map(|part| u128::from(part.sum.cents)).sum();
        let sales: u128 = parts.iter().map(|part| u128::from(part.sum.sales)).sum();
        if (cents, sales) != (u128::from(total.cents), u128::from(total.sales)) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told of {} cents in {} sales, in parts that add up to {cents} cents in {sales} sales",
                    operation.client, total.cents, total.sales,
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "one answer",
                expected: "parts that add up to their total".to_owned(),
            });
        }
    }
}
