//! F2: a list of favourites is exactly the set at its position.
//!
//! The list states a digest of the whole set that does not depend on its order; the first page is
//! looked at item by item.

use protocol::{Code, OwnedRecord, UserId};

use super::{Shown, What, doubt_skipped, model::Model};
use crate::{
    check::{
        finding::{About, Finding, Needs, Topic, Violation, Witness, refused_question},
        law::{CatalogueShown, Completed, Ended, Law},
        laws::LawOptions,
        world::World,
    },
    operation::{Call, CatalogueCall, Operation, Outcome},
};

/// The law.
#[derive(Debug)]
pub(crate) struct FavouritesListed {
    compared: u64,
    items: u64,
    finding: Finding,
}

impl Law for FavouritesListed {
    const ABOUT: About = About {
        name: "favourites-listed",
        demands: "A list of favourites is exactly what the records up to its position make of it.",
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
        if let (Call::Catalogue(CatalogueCall::ListFavourites {}), Outcome::Refused(code)) =
            (&operation.call, operation.outcome)
        {
            self.handle_refused(operation, code);
        }
    }

    fn on_catalogue_shown(&mut self, shown: &CatalogueShown<'_>, world: &World) {
        self.check(
            &world.catalogue.model,
            shown.user,
            shown.record,
            shown.shown,
        );
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.finding.count_needed("lists compared", self.compared);
        self.finding.count("items looked at", self.items);
        doubt_skipped(&mut self.finding, ended.world);
        self.finding
    }
}

impl FavouritesListed {
    fn check(&mut self, model: &Model, user: UserId, record: &OwnedRecord, shown: &Shown) {
        let What::Listed { digest, items, .. } = &shown.what else {
            return;
        };
        self.compared += 1;
        self.items += u64::try_from(items.len()).unwrap_or(u64::MAX);
        let stranger = items.iter().find(|item| !model.has(user, **item));
        let found = match stranger {
            Some(item) => format!("was shown item {item} among its favourites"),
            None if *digest != model.digest(user) => {
                "was shown another set of favourites".to_owned()
            }
            None => return,
        };
        self.finding.convict(|| Violation {
            sentence: format!(
                "client {} {found} at position {}, where it is not so",
                shown.client, record.seq,
            ),
            witnesses: vec![Witness::Asked((shown.client, shown.counter))],
            order: "the answer states the position it reflects",
            expected: format!("the {} favourites it has there", model.count(user)),
        });
    }

    /// A question that was refused, which nothing justifies.
    fn handle_refused(&mut self, operation: &Operation, code: Code) {
        self.finding.convict(|| refused_question(operation, code));
    }
}
