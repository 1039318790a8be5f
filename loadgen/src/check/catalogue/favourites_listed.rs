//! F2: a list of favourites is exactly the set at its position.
//!
//! The list states a digest of the whole set that does not depend on its order; the first page is
//! looked at item by item.

use protocol::{Code, OwnedRecord, UserId};

use super::{Shown, What, model::Model};
use crate::{
    check::finding::{About, Finding, Violation, Witness, refused_question},
    operation::Operation,
};

const ABOUT: About = About {
    name: "favourites-listed",
    demands: "A list of favourites is exactly what the records up to its position make of it.",
    confidence: "certificate: the log replayed through a model of our own",
};

/// The law.
#[derive(Debug)]
pub(super) struct FavouritesListed {
    compared: u64,
    items: u64,
    finding: Finding,
}

impl FavouritesListed {
    pub(super) const fn new() -> Self {
        Self {
            compared: 0,
            items: 0,
            finding: Finding::new(ABOUT),
        }
    }

    pub(super) fn check(
        &mut self,
        model: &Model,
        user: UserId,
        record: &OwnedRecord,
        shown: &Shown,
    ) {
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
    pub(super) fn handle_refused(&mut self, operation: &Operation, code: Code) {
        self.finding.convict(|| refused_question(operation, code));
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("lists compared", self.compared);
        self.finding.count("items looked at", self.items);
        self.finding
    }
}
