//! F1: a favourite is a register, and every answer about it is right at its position.
//!
//! Adding says whether the item was absent, removing whether it was there: each is a read of the
//! register at the position of its record, held against the model there.

use protocol::OwnedRecord;

use super::{Shown, What, doubt_skipped, model::Model};
use crate::check::{
    finding::{About, Finding, Needs, Topic, Violation, Witness},
    law::{CatalogueShown, Ended, Law},
    laws::LawOptions,
    world::World,
};

/// The law.
#[derive(Debug)]
pub(crate) struct FavouriteRegisters {
    compared: u64,
    finding: Finding,
}

impl Law for FavouriteRegisters {
    const ABOUT: About = About {
        name: "favourite-registers",
        demands: "Every addition and removal of a favourite says truly whether it changed anything.",
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
            shown.record,
            shown.shown,
            shown.before,
        );
    }

    fn conclude(mut self, ended: &Ended<'_>) -> Finding {
        self.finding
            .count_needed("additions and removals compared", self.compared);
        doubt_skipped(&mut self.finding, ended.world);
        self.finding
    }
}

impl FavouriteRegisters {
    /// An answer, and whether the item was on the list before its record.
    fn check(&mut self, model: &Model, record: &OwnedRecord, shown: &Shown, before: Option<bool>) {
        let What::Changed {
            item,
            adds,
            changed,
            ..
        } = shown.what
        else {
            return;
        };
        let Some(was_there) = before else { return };
        self.compared += 1;
        let verb = if adds { "added" } else { "removed" };
        if changed != (was_there != adds) {
            let sentence = format!(
                "client {} {verb} item {item} at position {} and was told that this {}, but the item was {} before",
                shown.client,
                record.seq,
                if changed {
                    "changed its favourites"
                } else {
                    "changed nothing"
                },
                if was_there { "there" } else { "absent" },
            );
            self.convict(shown, sentence);
        } else if adds && !model.has_item(item) {
            let sentence = format!(
                "client {} added item {item} at position {}, which is in no catalogue any more",
                shown.client, record.seq,
            );
            self.convict(shown, sentence);
        }
    }

    fn convict(&mut self, shown: &Shown, sentence: String) {
        self.finding.convict(|| Violation {
            sentence,
            witnesses: vec![Witness::Asked((shown.client, shown.counter))],
            order: "log order",
            expected: "what the records up to that position make of it".to_owned(),
        });
    }
}
