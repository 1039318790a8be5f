//! F4: the number of favourites that an answer states is the size of the set.

use protocol::{OwnedRecord, UserId};

use super::{Shown, What, model::Model};
use crate::check::finding::{About, Finding, Violation, Witness};
use crate::operation::LawProgress;

const ABOUT: About = About {
    name: "favourites-counted",
    demands: "The number of favourites in an answer is how many there are at its position.",
    confidence: "certificate: the log replayed through a model of our own",
};

/// The law.
#[derive(Debug)]
pub(super) struct FavouritesCounted {
    compared: u64,
    finding: Finding,
}

impl FavouritesCounted {
    pub(super) const fn new() -> Self {
        Self {
            compared: 0,
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
        let count = match shown.what {
            What::Changed { count, .. } | What::Listed { count, .. } => count,
            What::Found { .. } => return,
        };
        self.compared += 1;
        let there_are = model.count(user);
        if usize::try_from(count) != Ok(there_are) {
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} was told of {count} favourites at position {}, where it has {there_are}",
                    shown.client, record.seq,
                ),
                witnesses: vec![Witness::Asked((shown.client, shown.counter))],
                order: "the answer states the position it reflects",
                expected: format!("{there_are}"),
            });
        }
    }

    pub(super) const fn finding(&self) -> &Finding {
        &self.finding
    }
    /// How far it is.
    pub(super) const fn progress(&self) -> LawProgress {
        self.finding.progress("numbers compared", self.compared)
    }

    pub(super) fn conclude(mut self) -> Finding {
        self.finding.count_needed("numbers compared", self.compared);
        self.finding
    }
}
