//! F3: adding a favourite twice is adding it once, and so is removing.
//!
//! Whoever adds what is there already must be told that nothing changed, and the number of
//! favourites must be what it was told to be by the answer before.

use std::collections::BTreeMap;

use protocol::{OwnedRecord, UserId};

use super::{Shown, What, doubt_skipped};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{CatalogueShown, Ended, Law},
    laws::LawOptions,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct FavouritesIdempotent {
    /// What everybody was told last: which item, whether it was added, how many there were.
    last: BTreeMap<UserId, (u64, bool, u32)>,
    repeated: u64,
    finding: Finding,
}

impl Law for FavouritesIdempotent {
    const ABOUT: About = About {
        name: "favourites-idempotent",
        demands: "Adding a favourite that is there, or removing one that is not, changes nothing.",
        confidence: "certificate: consecutive answers to one person, in the order of the log",
        topic: Topic::Catalogue,
        needs: Needs::Log,
    };

    fn new(_: &LawOptions) -> Self {
        Self {
            last: BTreeMap::new(),
            repeated: 0,
            finding: Finding::new(Self::ABOUT),
        }
    }

    fn on_catalogue_shown(&mut self, shown: &CatalogueShown<'_>, _: &World) {
        self.check(shown.user, shown.record, shown.shown, shown.before);
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("additions and removals repeated", self.repeated);
        doubt_skipped(&mut self.finding, ended.world);
        self.finding
    }
}

impl FavouritesIdempotent {
    /// An answer, and whether the item was on the list before its record.
    fn check(&mut self, user: UserId, record: &OwnedRecord, shown: &Shown, before: Option<bool>) {
        let What::Changed {
            item,
            adds,
            changed,
            count,
        } = shown.what
        else {
            return;
        };
        let last = self.last.insert(user, (item, adds, count));
        if before != Some(adds) {
            return;
        }
        self.repeated += 1;
        // Fewer may be left meanwhile: an item that leaves the catalogue leaves the favourites.
        let grew = last.is_some_and(|(last_item, last_adds, last_count)| {
            adds && (last_item, last_adds) == (item, adds) && last_count < count
        });
        if changed || grew {
            let what = if adds { "added" } else { "removed" };
            self.finding.convict(|| Violation {
                sentence: format!(
                    "client {} {what} item {item} once more at position {}, and that counted again",
                    shown.client, record.seq,
                ),
                witnesses: vec![Witness::Asked((shown.client, shown.counter))],
                order: "log order",
                expected: "nothing changed".to_owned(),
            });
        }
    }
}
