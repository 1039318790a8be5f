//! F4: the number of favourites that an answer states is the size of the set.

use protocol::{OwnedRecord, UserId};

use super::{Shown, What, doubt_skipped, model::Model};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{CatalogueShown, Ended, Law},
    laws::LawOptions,
    world::World,
};
use crate::operation::LawProgress;

/// The law.
#[derive(Debug)]
pub(crate) struct FavouritesCounted {
    compared: u64,
    finding: Finding,
}

impl Law for FavouritesCounted {
    const ABOUT: About = About {
        name: "favourites-counted",
        demands: "The number of favourites in an answer is how many there are at its position.",
        confidence: "certificate: the log replayed through a model of our own",
        topic: Topic::Catalogue,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            compared: 0,
            finding: Finding::new(Self::ABOUT),
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

    fn progress(&self, _: &World) -> Option<LawProgress> {
        Some(self.finding.progress("numbers compared", self.compared))
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.finding.count_needed("numbers compared", self.compared);
        doubt_skipped(&mut self.finding, ended.world);
        self.finding
    }
}

impl FavouritesCounted {
    fn check(&mut self, model: &Model, user: UserId, record: &OwnedRecord, shown: &Shown) {
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
}
