//! S1, conservation: the parts of a total add up to it.

use protocol::words::sales::{Part, Sum};

use crate::{
    check::finding::{About, Finding, Violation, Witness},
    operation::{LawProgress, Operation},
};

const ABOUT: About = About {
    name: "sales-conserved",
    demands: "The parts of every total add up to it, in cents and in sales.",
    confidence: "certificate: every answer added up",
};

/// The law.
#[derive(Debug)]
pub(super) struct SalesConserved {
    totals: u64,
    sold: u64,
    finding: Finding,
}

impl SalesConserved {
    pub(super) const fn new() -> Self {
        Self {
            totals: 0,
            sold: 0,
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn check(&mut self, operation: &Operation, total: Sum, parts: &[Part]) {
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

    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("totals added up", self.totals)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count("totals added up", self.totals);
        self.finding
            .count_needed("of them above nothing", self.sold);
        self.finding
    }
}
