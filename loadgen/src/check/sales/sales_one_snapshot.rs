//! S5, one snapshot: no answer mixes two positions.

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
pub(crate) struct SalesOneSnapshot {
    figures: u64,
    parts: u64,
    finding: Finding,
}

impl Law for SalesOneSnapshot {
    const ABOUT: About = About {
        name: "sales-one-snapshot",
        demands: "A figure and all of its parts reflect one position, the one the answer states.",
        confidence: "certificate: every position in every answer compared",
        topic: Topic::Sales,
        needs: Needs::Answers,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            figures: 0,
            parts: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        if let (Outcome::Ok, Observed::Sales(seen)) =
            (completed.operation.outcome, completed.observed)
        {
            self.check(completed.operation, seen);
        }
    }

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("figures", self.figures))
    }

    fn conclude(mut self, _: &Ended<'_>) -> Finding {
        self.finding.count_needed("figures", self.figures);
        self.finding.count("their parts", self.parts);
        self.finding
    }
}

impl SalesOneSnapshot {
    fn check(&mut self, operation: &Operation, seen: &SalesSeen) {
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
}
