//! S5, one snapshot: no answer mixes two positions.

use crate::{
    check::finding::{About, Finding, Violation, Witness},
    operation::{LawProgress, Operation, SalesSeen},
};

const ABOUT: About = About {
    name: "sales-one-snapshot",
    demands: "A figure and all of its parts reflect one position, the one the answer states.",
    confidence: "certificate: every position in every answer compared",
};

/// The law.
#[derive(Debug)]
pub(super) struct SalesOneSnapshot {
    figures: u64,
    parts: u64,
    finding: Finding,
}

impl SalesOneSnapshot {
    pub(super) const fn new() -> Self {
        Self {
            figures: 0,
            parts: 0,
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn check(&mut self, operation: &Operation, seen: &SalesSeen) {
        let (reflects, parts) = match seen {
            SalesSeen::Total(_, reflects, parts) => (*reflects, parts.as_slice()),
            SalesSeen::Best(best, reflects) => (*reflects, best.as_slice()),
        };
        self.figures += 1;
        self.parts += u64::try_from(parts.len()).unwrap_or(u64::MAX);
        let part = parts.iter().map(|part| part.reflects.0);
        let mixed = part.chain([reflects]).find(|at| *at != operation.seq);
        if let Some(at) = mixed {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} got a figure at position {} of which a part reflects position {at}",
                    operation.client, operation.seq,
                ),
                witnesses: vec![Witness::Operation(*operation)],
                order: "one answer",
                expected: "one position".to_owned(),
            });
        }
    }

    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("figures", self.figures)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("figures", self.figures);
        self.finding.count("their parts", self.parts);
        self.finding
    }
}
