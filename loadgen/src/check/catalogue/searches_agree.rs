//! F6: a search finds every item that has the words, whatever case and accents, in order.
//!
//! A page says how far it looked: up to there it must hold exactly the items whose name has the
//! word at its position, ordered by name as it searches, then by id.

use protocol::{Code, OwnedRecord};

use super::{Shown, What, doubt_skipped, model::Model};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness, refused_question},
        law::{CatalogueShown, Completed, Ended, Law},
        laws::LawOptions,
        ledger::fold,
        world::World,
    },
    operation::{Call, CatalogueCall, Operation, Outcome, word_text},
};

/// The law.
#[derive(Debug)]
pub(crate) struct SearchesAgree {
    compared: u64,
    items: u64,
    finding: Finding,
}

impl Law for SearchesAgree {
    const ABOUT: About = About {
        name: "searches-agree",
        demands: "A search shows every item with the word in its name, and no other, in the order of their names.",
        confidence: "certificate: the log replayed through a model of our own",
        topic: Topic::Catalogue,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            compared: 0,
            items: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_complete(&mut self, completed: &Completed<'_>, _: &World) {
        let operation = completed.operation;
        if let (Call::Catalogue(CatalogueCall::SearchItems { .. }), Outcome::Refused(code)) =
            (&operation.call, operation.outcome)
        {
            self.handle_refused(operation, code);
        }
    }

    fn on_catalogue_shown(&mut self, shown: &CatalogueShown<'_>, world: &World) {
        self.check(&world.catalogue.model, shown.record, shown.shown);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("searches compared", self.compared);
        self.finding.count("items found", self.items);
        doubt_skipped(&mut self.finding, ended.world);
        self.finding
    }
}

impl SearchesAgree {
    fn check(&mut self, model: &Model, record: &OwnedRecord, shown: &Shown) {
        let What::Found {
            word,
            len,
            digest,
            next,
        } = shown.what
        else {
            return;
        };
        self.compared += 1;
        self.items += u64::from(len);
        let text = word_text(word);
        let expected = model.found(&text, next);
        let found = u32::try_from(expected.len()).unwrap_or(u32::MAX);
        if (len, digest) == (found, digest_of(&expected)) {
            return;
        }
        let how = if len == found {
            "not these in this order".to_owned()
        } else {
            format!("where {found} have it")
        };
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} searched for `{text}` and was shown {len} items at position {}, {how}",
                shown.client, record.seq,
            ),
            witnesses: vec![Witness::Asked((shown.client, shown.counter))],
            order: "the answer states the position it reflects",
            expected: match expected.as_slice() {
                [] => "no item".to_owned(),
                items => {
                    let items: Vec<String> = items.iter().map(u64::to_string).collect();
                    format!("the items {}, in this order", items.join(", "))
                }
            },
        });
    }

    /// A question that was refused, which nothing justifies.
    fn handle_refused(&mut self, operation: &Operation, code: Code) {
        self.finding.convict(|| refused_question(operation, code));
    }
}

/// Of items in their order.
pub(crate) fn digest_of(items: &[u64]) -> u64 {
    items.iter().fold(0, |digest, item| fold(digest, *item))
}
